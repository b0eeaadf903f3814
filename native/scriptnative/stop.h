/* stop.h: stopping a script that catches what is raised to stop it.
 *
 * An asynchronous exception is raised once. From `sc_stop_insist` on it is raised again at every line the thread
 * executes outside of the files to spare, so that no handler and no `finally` of the script gets anywhere.
 * And the other way round: a thread that waits in C has to look after the signals that come to it.
 */
#ifndef SC_STOP_H
#define SC_STOP_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* In the thread to stop. `spared`: tuple of file name prefixes. 0, or -1 with an exception set. */
int sc_stop_insist(PyObject *exception, PyObject *spared);

/* The script has been left, or begins something new; in the same thread, attached to any interpreter. */
void sc_stop_calm(void);

/* What to tell of an interrupt that was not raised, because the thread is in the import machinery itself, where an
 * exception leaves locks taken for ever: try again soon. */
#define SC_IMPORTING 2
/* Whether a thread of the current interpreter is there. */
int sc_stop_is_importing(unsigned long thread);

/* For sc_runlock_wait: runs what Python has to do about a signal; the context is a PyThreadState *, of which the
 * thread is detached. NULL on a thread to which no signal comes. */
int (*sc_signals_look(void))(void *context);

#endif
