/* library.h: native modules: shared libraries that export scriptconsole_module (include/scriptconsole.h).
 *
 * Calls cost one trip through the run lock and one release of the GIL; no libffi. What a module's functions may
 * do (values, host calls, references) is the sc_ctx they are given; how a library is found and described to
 * Python is library.pxi.
 */
#ifndef SC_LIBRARY_H
#define SC_LIBRARY_H

#include "convert.h"
#include "interp.h"
#include "runlock.h"
#include "signature.h"

/* Calls of one library nested deeper than this (function -> host -> function …) fail before the C stack does. */
#define SC_MAX_NESTED 200

typedef struct sc_library sc_library;

typedef struct sc_native {
    sc_library *library;
    sc_function function;
    char *name;
    char *signature; /* NULL: unchecked */
    char *doc;       /* NULL: none */
    int line;        /* of its definition, 0 when unknown */
    sc_type *types;  /* the group of arguments, then the result; NULL: unchecked */
} sc_native;

struct sc_library {
    void *handle; /* NULL once closed; changes under the run lock and attached to `home` */
    const sc_module *module;
    char *source; /* file named in frames: the library, or the .c file it was made from */
    sc_runlock *lock;
    sc_interp *home;
    PyObject *host;    /* (name, args) -> result; borrowed from the owner, NULL once that is gone */
    PyObject *resolve; /* (name of an export) -> callable; likewise */
    int depth;         /* calls in progress; under the run lock */
    size_t count;
    sc_native functions[];
};

/* dlopen `path` privately. NULL with dlerror's text, which the caller must copy at once, in `why`; or NULL with
 * `why` NULL when this very file is open already: load a copy instead, or the two would share their variables. */
void *sc_handle_open(const char *path, const char **why);
void sc_handle_close(void *handle);

/* Room for what `module` exports; strings are copied, `types` has room but is empty: library.pxi compiles signatures.
 * Takes over `handle` unless it fails. NULL without memory. */
sc_library *sc_library_new(void *handle, const sc_module *module, const char *path, sc_runlock *lock,
                           sc_interp *home);
/* Name `source` in frames from now on. 0, or -1 with MemoryError set. */
int sc_library_locate(sc_library *library, const char *source);
/* Unmaps it too, so nothing may run in it: callers hold its owner while they call. */
void sc_library_free(sc_library *library);

/* Call `fn`, attached to `here`, which is the library's home; `nargs` is the plain count. The caller holds a
 * reference to the library's owner until this returns. New reference, or NULL with an exception set. */
PyObject *sc_native_call(sc_native *fn, sc_interp *here, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames);

/* Run the module's load() or unload(). 0, or -1 with an exception set. */
int sc_library_load(sc_library *library);
int sc_library_unload(sc_library *library, double seconds);

/* Unmap, attached to `home`. 1; or 0 when calls were still running after `seconds`: it stays open. */
int sc_library_close(sc_library *library, double seconds);

/* The type of Python-visible functions, for the current interpreter; and one such function. */
PyObject *sc_native_type_new(PyObject *module);
PyObject *sc_native_wrap(PyObject *type, PyObject *owner, sc_native *fn);
/* The function that `object` stands for, or NULL (nothing set) when it is something else. */
sc_native *sc_native_unwrap(PyObject *object);

#endif
