/* calltext.h: values as bounded text, in literals of Python where that can be; no code of a script runs for it. */
#ifndef SC_CALLTEXT_H
#define SC_CALLTEXT_H

#include <Python.h>

typedef struct sc_text {
    char *bytes;
    size_t used, size; /* `size` bytes in all, the final zero included */
    int whole; /* nothing was cut off, and all of it is literals */
} sc_text;

void sc_text_init(sc_text *text, char *bytes, size_t size);
void sc_text_add(sc_text *text, const char *bytes);
void sc_text_value(sc_text *text, PyObject *value);
/* "1, 'a', k=2", laid out as in a vectorcall. */
void sc_text_arguments(sc_text *text, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);
/* "ValueError: message" */
void sc_text_error(sc_text *text, PyObject *error);

#endif
