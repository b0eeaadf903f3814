/* tenant.h: scripts that live in the main interpreter (isolation "main"), and which of them a thread executes.
 *
 * A tenant is known by its run lock. Everything here wants the GIL of the main interpreter.
 */
#ifndef SC_TENANT_H
#define SC_TENANT_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "runlock.h"

/* Where a thread was before it entered a tenant, for sc_tenant_leave. */
typedef struct sc_tenant_place {
    sc_runlock *tenant;
    PyObject *loop; /* its running loop; NULL: not touched */
    PyObject *set_running_loop;
} sc_tenant_place;

/* The tenant that the calling thread executes, borrowed; NULL: none. */
sc_runlock *sc_tenant_current(void);

/* Execute `tenant` (NULL: the process's own code) from now on. 0, or -1 with an exception set. */
int sc_tenant_enter(sc_runlock *tenant, sc_tenant_place *before);
/* Go back; once the run lock of the tenant that is left was released. */
void sc_tenant_leave(const sc_tenant_place *before);

/* The calling thread belongs to `tenant` for good, or until the next call. 0, or -1 with an exception set. */
int sc_tenant_settle(sc_runlock *tenant);

/* What threads that enter `tenant` see as their running loop; NULL forgets the tenant. 0, or -1 with an exception set. */
int sc_tenant_set_loop(sc_runlock *tenant, PyObject *get_running_loop, PyObject *set_running_loop, PyObject *loop);

/* Raise `exception` in the thread that executes `tenant`, as soon as it does not execute anything else, if that is still
 * the given hold of its run lock: 1, or SC_IMPORTING (see stop.h); else 0. */
int sc_tenant_interrupt(sc_runlock *tenant, unsigned long hold, PyObject *exception);

/* The thread gives `tenant` up for now: an interrupt that has not arrived yet must not hit what it does next. */
void sc_tenant_too_late(sc_runlock *tenant);

#endif
