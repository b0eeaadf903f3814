/* function.h: the two callable types a Python program sees: Reference and Function. */
#ifndef SC_FUNCTION_H
#define SC_FUNCTION_H

#include "interp.h"
#include "library.h"

/* Counters of one script, shared by its handles, whatever interpreter they live in. */
typedef struct sc_cell {
    atomic_long refs;
    atomic_uint serial; /* changes with each generation: handles resolve again */
    atomic_ulong calls;
    atomic_ulong errors;
} sc_cell;

sc_cell *sc_cell_new(void);
void sc_cell_drop(sc_cell *cell);

static inline unsigned long sc_cell_calls(const sc_cell *cell) { return atomic_load(&cell->calls); }
static inline unsigned long sc_cell_errors(const sc_cell *cell) { return atomic_load(&cell->errors); }
static inline unsigned sc_cell_advance(sc_cell *cell) { return atomic_fetch_add(&cell->serial, 1) + 1; }
static inline void sc_cell_count(sc_cell *cell, int failed) {
    atomic_fetch_add_explicit(&cell->calls, 1, memory_order_relaxed);
    if (failed) atomic_fetch_add_explicit(&cell->errors, 1, memory_order_relaxed);
}

/* Make the types (Reference, Function) of the current interpreter, as members of `module`. */
PyObject *sc_types_new(PyObject *module);

/* The travelling reference behind a Reference object, borrowed; NULL for any other object. */
sc_ref *sc_reference_unwrap(PyObject *object);

/* What a handle was bound to must still be current once the run lock is held: a reload may have come in between. */
typedef struct sc_fresh {
    const atomic_uint *current;
    unsigned expected;
    int stale; /* it was not, and nothing was called */
} sc_fresh;

/* Call through a reference; vectorcall protocol. `fresh` may be NULL. NULL without an exception when stale. */
PyObject *sc_reference_call(sc_interp *here, sc_ref *ref, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames,
                            int locked, sc_fresh *fresh);

PyObject *sc_reference_call_unlocked(PyObject *reference, PyObject *args);

/* ---- Function: what `script.function(name)` returns ----------------------------------------------- */

/* New Function; `resolve(function)` binds it by one of the calls below, on first use and after a reload. */
PyObject *sc_function_new(PyObject *module_type, PyObject *name, PyObject *resolve, sc_cell *cell);
int sc_function_bind_reference(PyObject *function, PyObject *reference);
int sc_function_bind_native(PyObject *function, PyObject *owner, sc_native *native);
int sc_function_bind_lua(PyObject *function, PyObject *target); /* a LuaCallable */
int sc_function_bind_plain(PyObject *function, PyObject *callable);

#endif
