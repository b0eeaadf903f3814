/* function.h: Function, the handle by which a script's function is called. */
#ifndef SC_FUNCTION_H
#define SC_FUNCTION_H

#include "calls.h"
#include "interp.h"
#include "library.h"
#include "reference.h"
#include "stats.h"

/* Counters of one script, shared by its handles, which all live in the main interpreter. */
typedef struct sc_cell {
    atomic_long refs;
    atomic_uint serial; /* changes with each generation: handles resolve again */
    atomic_ulong calls;
    atomic_ulong errors;
    sc_calls *record; /* where they go on record; NULL: nowhere */
    uint32_t script; /* its number there */
} sc_cell;

sc_cell *sc_cell_new(void);
void sc_cell_drop(sc_cell *cell);
/* Once, before the first call. */
void sc_cell_record_into(sc_cell *cell, sc_calls *calls, uint32_t script);

static inline unsigned long sc_cell_calls(const sc_cell *cell) { return atomic_load(&cell->calls); }
static inline unsigned long sc_cell_errors(const sc_cell *cell) { return atomic_load(&cell->errors); }
static inline unsigned sc_cell_advance(sc_cell *cell) { return atomic_fetch_add(&cell->serial, 1) + 1; }
/* Attached to the one interpreter that has the cell's handles: its GIL keeps counters apart, readers need not wait. */
static inline void sc_cell_count(sc_cell *cell, int failed) {
    atomic_store_explicit(&cell->calls, atomic_load_explicit(&cell->calls, memory_order_relaxed) + 1, memory_order_relaxed);
    if (failed) atomic_fetch_add_explicit(&cell->errors, 1, memory_order_relaxed);
}

/* Make the Function type of the current interpreter, as a member of `module`. */
PyObject *sc_function_type_new(PyObject *module);

/* New Reference to an object of a tenant of the main interpreter, for those outside of it. */
PyObject *sc_reference_into(sc_runlock *tenant, PyObject *object);


/* ---- Function: what `script.function(name)` returns ----------------------------------------------- */

/* New Function; `resolve(function)` binds it by one of the calls below, on first use and after a reload. */
PyObject *sc_function_new(PyObject *module_type, PyObject *name, PyObject *resolve, sc_cell *cell);
int sc_function_bind_reference(PyObject *function, PyObject *reference);
int sc_function_bind_native(PyObject *function, PyObject *owner, sc_native *native);
int sc_function_bind_lua(PyObject *function, PyObject *target); /* a LuaCallable */
int sc_function_bind_plain(PyObject *function, PyObject *callable);

#endif
