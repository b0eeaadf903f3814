/* convert.h: Python objects to and from neutral values.
 *
 * Both directions need the thread attached to the interpreter `here`. Encoding borrows the memory of
 * immutable top-level arguments, which the caller keeps alive; what sits inside a container is copied or kept
 * in arena->kept, because a container can change as soon as the GIL is released. Only exact built-in types are
 * values; an instance of a subclass is an object like any other and goes as a reference.
 */
#ifndef SC_CONVERT_H
#define SC_CONVERT_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "value.h"

typedef struct sc_interp sc_interp;

/* Containers nested deeper than this raise CrossingError; it also bounds the C stack used. */
#define SC_MAX_DEPTH 200

/* Encode `object` as argument number `index` ("args[2]"), or as the result when index is -1.
 * 0, or -1 with CrossingError or MemoryError set. */
int sc_encode(sc_arena *arena, sc_interp *here, PyObject *object, Py_ssize_t index, sc_value *out);

/* The same for a runtime that knows no classes: an instance of a subclass goes as its built-in base (an IntEnum as an
 * int), and what exports a buffer goes as bytes, borrowed from the exporter without a copy. */
int sc_encode_plain(sc_arena *arena, sc_interp *here, PyObject *object, Py_ssize_t index, sc_value *out);

/* Encode a keyword argument; `name` is a str of `here`. */
int sc_encode_keyword(sc_arena *arena, sc_interp *here, PyObject *object, PyObject *name, sc_value *out);

/* New reference, or NULL with an exception set. SC_FUNCTION is refused here: library.c resolves it first. */
PyObject *sc_decode(sc_interp *here, const sc_value *value);

/* Drop what encoding kept alive; attached to the interpreter that encoded. */
void sc_kept_release(sc_arena *arena);

#endif
