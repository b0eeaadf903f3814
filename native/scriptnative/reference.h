/* reference.h: calling into another runtime through a reference, and the Reference types Python sees. */
#ifndef SC_REFERENCE_H
#define SC_REFERENCE_H

#include "fresh.h"
#include "interp.h"

/* What is done with the object behind a reference, in the interpreter that owns it. */
typedef enum sc_op {
    SC_OP_CALL,   /* object(*args) */
    SC_OP_GET,    /* an attribute: (name) */
    SC_OP_SET,    /* (name, value) */
    SC_OP_METHOD, /* (name, *args) */
    SC_OP_NEXT,   /* of an iterator */
    SC_OP_CLOSE,  /* of a generator */
    SC_OP_COPY,   /* as a value of its built-in base */
    SC_OP_VIEW    /* its memory */
} sc_op;

/* How a call is made. */
typedef enum sc_manner {
    SC_UNLOCKED = 0,  /* without the run lock: to look, or to start what takes it itself */
    SC_LOCKED = 1,    /* holding the run lock */
    SC_AS_IS = 2      /* flag: an awaitable result crosses as a reference, nobody waits for it */
} sc_manner;

/* Call through a reference; vectorcall protocol. `fresh` may be NULL. NULL without an exception when stale. */
PyObject *sc_reference_call(sc_interp *here, sc_ref *ref, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames,
                            int manner, sc_fresh *fresh);

/* The same through a Reference object; any other callable is simply called. */
PyObject *sc_reference_call_with(PyObject *reference, PyObject *args, int manner);

/* Calls of a batch that share one visit: others get their turn at the run lock in between. */
#define SC_BATCH 64

/* Whether `ref` leads elsewhere, so that a batch is worth while. */
int sc_reference_can_batch(const sc_interp *here, const sc_ref *ref);

/* Call with each of at most SC_BATCH tuples of arguments, in one visit, and append the results, up to the first call
 * that fails: -1 with its exception. */
int sc_reference_call_batch(sc_interp *here, sc_ref *ref, PyObject *const *items, Py_ssize_t count, PyObject *results,
                            sc_fresh *fresh);

/* The travelling reference behind a Reference object, borrowed; NULL for any other object. */
sc_ref *sc_reference_unwrap(PyObject *object);

/* Make the Reference types of the current interpreter, as members of `module`: a tuple, by sc_ref_kind. */
PyObject *sc_reference_types_new(PyObject *module);

#endif
