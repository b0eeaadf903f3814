/* library.h: native modules: shared libraries that export scriptconsole_module (include/scriptconsole.h).
 *
 * Calls cost one trip through the run lock and one release of the GIL; no libffi. What a module's functions may
 * do (values, host calls, references) is the sc_ctx they are given; how a library is found and described to
 * Python is library.pxi.
 */
#ifndef SC_LIBRARY_H
#define SC_LIBRARY_H

#include "convert.h"
#include "fresh.h"
#include "interp.h"
#include "kept.h"
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
    char *source;    /* file of its definition; NULL: the library's */
    int line;        /* in it, 0 when unknown */
    int keeps_gil;
    sc_type *types;  /* the group of arguments, then the result; NULL: unchecked */
} sc_native;

struct sc_library {
    void *handle; /* NULL once closed; changes under the run lock and attached to `home` */
    const sc_module *module; /* `table`, or NULL once closed */
    sc_module table;         /* in the present layout, whatever version the library has */
    sc_kept kept;            /* under the run lock */
    char *source; /* file named in frames: the library, or the .c file it was made from */
    sc_runlock *lock;
    sc_interp *home;
    PyObject *host;    /* (name, args) -> result; borrowed from the owner, NULL once that is gone */
    PyObject *resolve; /* (name of an export) -> callable; likewise */
    int stays;         /* never unmapped: Python may hold types and functions of it */
    int depth;         /* calls in progress; under the run lock */
    size_t count;
    sc_native functions[];
};

/* dlopen `path` privately. NULL with dlerror's text, which the caller must copy at once, in `why`; or NULL with
 * `why` NULL when this very file is open already: load a copy instead, or the two would share their variables. */
void *sc_handle_open(const char *path, const char **why);
/* `stays`: forget it, but leave it mapped. */
void sc_handle_close(void *handle, int stays);

/* Room for what `module` exports; strings are copied, `types` has room but is empty: library.pxi compiles signatures.
 * Takes over `handle` unless it fails. NULL without memory. */
sc_library *sc_library_new(void *handle, const sc_module *module, const char *path, sc_runlock *lock,
                           sc_interp *home);
/* Name `source` in frames from now on. 0, or -1 with MemoryError set. */
int sc_library_locate(sc_library *library, const char *source);
int sc_native_locate(sc_native *fn, const char *source, int line);
/* Unmaps it too, so nothing may run in it: callers hold its owner while they call. */
void sc_library_free(sc_library *library);

/* Call `fn`, attached to `here`, which is the library's home; `nargs` is the plain count. The caller holds a
 * reference to the library's owner until this returns. `fresh` may be NULL. New reference, or NULL with an exception
 * set; without one when stale. */
PyObject *sc_native_call(sc_native *fn, sc_interp *here, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames,
                         sc_fresh *fresh);

/* Entry `i` of a table of any version. */
static inline const sc_export *sc_module_export(const sc_module *module, size_t i) {
    size_t size = module->abi == 1 ? offsetof(sc_export, flags) : sizeof(sc_export);
    return (const sc_export *)((const char *)module->exports + i * size);
}

typedef enum sc_step {
    SC_LOAD = 0, SC_START, SC_PAUSE, SC_RESUME, SC_STOP, SC_UNLOAD, SC_SAVE, SC_RESTORE, SC_STATISTICS
} sc_step;

int sc_library_has(const sc_library *library, sc_step step);

/* Run a callback of the module, if it has that one, after waiting at most `seconds` for the run lock. `state` is for
 * SC_RESTORE, else NULL. New reference: what save() or statistics() gave, else None; or NULL with an exception set. */
PyObject *sc_library_step(sc_library *library, sc_step step, PyObject *state, double seconds, int entering);

/* Give back what it keeps and unmap, attached to `home`. 1; or 0 when calls were still running after `seconds`: it stays open. */
int sc_library_close(sc_library *library, double seconds);

/* The type of Python-visible functions, for the current interpreter; and one such function. */
PyObject *sc_native_type_new(PyObject *module);
PyObject *sc_native_wrap(PyObject *type, PyObject *owner, sc_native *fn);
/* The function that `object` stands for, or NULL (nothing set) when it is something else. */
sc_native *sc_native_unwrap(PyObject *object);

#endif
