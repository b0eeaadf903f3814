/* emitter.h: the callable that hands a hook on to its subscribers; what their answers mean is not known here. */
#ifndef SC_EMITTER_H
#define SC_EMITTER_H

#include "calls.h"

/* The types of the current interpreter, as members of `module`. */
PyObject *sc_emitter_type_new(PyObject *module);
PyObject *sc_tally_type_new(PyObject *module);

/* New Tally: how often something was called, and with an error. `record`: where its calls go on record, as those of the
 * function `name` of `script`; NULL: nowhere. `is_handle`: they do so by themselves. */
PyObject *sc_tally_new(PyObject *type, PyObject *name, sc_calls *record, unsigned script, int is_handle);

/* New Emitter. `subscribers` (dict: hook -> (tuple of callables, tuple of their Tallies, Tally of the hook, anything)) is its
 * owner's to change, by whole entries. `settle(hook, anything, index, args, answer)` takes over from the subscriber at
 * `index`, which raised (`answer` is the exception) or returned something else than None; it gives the result of the whole
 * emission. `unheard(hook)` does for a hook without an entry. */
PyObject *sc_emitter_new(PyObject *type, PyObject *subscribers, PyObject *settle, PyObject *unheard);

#endif
