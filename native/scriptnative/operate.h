/* operate.h: what a reference can do with its object besides calling it; in the interpreter that owns it. */
#ifndef SC_OPERATE_H
#define SC_OPERATE_H

#include "reference.h"

/* New reference, or NULL with an exception set. `*ended`: an iterator has, and the result is its value. */
PyObject *sc_operate(sc_interp *there, sc_op op, PyObject *target, PyObject *const *args, Py_ssize_t nargs,
                     PyObject *names, int *ended);

static inline int sc_is_awaitable(PyObject *object) {
    const PyAsyncMethods *methods = Py_TYPE(object)->tp_as_async;
    return methods != NULL && (methods->am_await != NULL || PyCoro_CheckExact(object));
}

/* The result of an awaitable, run to its end on the script's loop; takes over the reference. */
PyObject *sc_run_awaitable(sc_interp *there, PyObject *awaitable);

#endif
