/* emitter.h: the callable that hands a hook on to its subscribers; what their answers mean is not known here. */
#ifndef SC_EMITTER_H
#define SC_EMITTER_H

#include <Python.h>

/* The type of the current interpreter, as a member of `module`. */
PyObject *sc_emitter_type_new(PyObject *module);

/* New Emitter. `subscribers` (dict: hook -> (tuple of callables, anything)) is its owner's to change, by whole
 * entries. `settle(hook, anything, index, args, answer)` takes over from the subscriber at `index`, which raised
 * (`answer` is the exception) or returned something else than None; it gives the result of the whole emission. */
PyObject *sc_emitter_new(PyObject *type, PyObject *subscribers, PyObject *settle);

#endif
