/* interp.h: sub-interpreters, the thread states by which threads visit them, and references into them. */
#ifndef SC_INTERP_H
#define SC_INTERP_H

#include "convert.h"
#include "runlock.h"
#include "tenant.h"

#include <stdatomic.h>

typedef struct sc_thread sc_thread;

struct sc_interp {
    atomic_long refs;
    uint64_t serial; /* never reused, unlike interpreter ids and addresses */
    PyInterpreterState *state;
    int64_t id;
    int is_main;
    atomic_int open;
    atomic_long visitors; /* threads inside, or on their way in */
    _Atomic(sc_held *) pending; /* objects of this interpreter that others dropped */
    pthread_mutex_t mutex;
    sc_thread *threads; /* under mutex */
    sc_runlock *_Atomic lock; /* run lock of the script that lives here; NULL in the main interpreter */
    /* Objects of this interpreter; touched only when attached to it. */
    PyTypeObject *reference_type;
    PyObject *make_error; /* (code: int, text: str) -> exception */
    PyObject *describe;   /* (exception) -> value that crosses */
    PyObject *rebuild;    /* (value) -> exception */
    PyObject *closed_error; /* class of the error for a script that is closed */
    PyObject *interrupt;  /* class of the exception that stops a runaway */
    PyObject *set_running_loop;
    PyObject *loop;
    unsigned loop_serial;
};

/* Codes of make_error, mirrored in errors.py. */
enum { SC_E_CROSSING = 1, SC_E_CLOSED = 2, SC_E_CYCLE = 3, SC_E_BUSY = 4 };

struct sc_ref {
    atomic_long count;
    sc_interp *home;
    PyObject *object;
    sc_runlock *tenant; /* run lock of the script it is from: the interpreter may have another one later; NULL: of none */
    int callable;
};

/* Record of the interpreter the thread is attached to; made on first use. NULL with an exception set. */
sc_interp *sc_interp_current(void);
void sc_interp_retain(sc_interp *interp);
void sc_interp_drop(sc_interp *interp);

/* Set the error helpers of the current interpreter; every argument is borrowed. */
int sc_interp_set_helpers(PyObject *make_error, PyObject *describe, PyObject *rebuild, PyObject *interrupt,
                          PyObject *closed_error);
/* Set or clear (NULL) the loop that inline callers see as their running loop. */
int sc_interp_set_loop(PyObject *set_running_loop, PyObject *loop);
void sc_interp_set_lock(sc_interp *interp, sc_runlock *lock);

/* A new interpreter: with its own GIL, and then only with extensions that allow for it, or on the main one's.
 * NULL with an exception set. */
sc_interp *sc_interp_create(int own_gil);

/* End it; the calling thread must not be inside. 0; or -1 with nothing set when threads are still in there
 * after `seconds`: then it is abandoned. */
int sc_interp_end(sc_interp *interp, double seconds);

/* ---- visits -------------------------------------------------------------------------------
 * A visit begins attached to `from` and ends attached to `from`. */

typedef struct sc_visit {
    PyThreadState *from;
    sc_interp *to;
    sc_runlock *lock;
    sc_thread *seat; /* NULL: the thread was there already */
    sc_tenant_place place; /* where it was in the main interpreter, when that is visited */
    struct visit_link {
        struct visit_link *outer;
        PyThreadState *state; /* left behind by that visit */
    } link;
} sc_visit;

/* Attach to `to`, taking its run lock if `locked`. `tenant`: of the main interpreter, whose script to enter (NULL: none).
 * SC_LOCK_OK, or why not (then nothing has changed). */
sc_lock_status sc_visit_begin(sc_visit *visit, sc_interp *to, sc_runlock *tenant, int locked);
void sc_visit_end(sc_visit *visit);

/* The thread stops executing the script for now: an interrupt that has not arrived yet must not hit what it does next. */
void sc_interp_too_late(void);

/* Raise the interrupt in the thread that runs the script: 1; 0 when nothing runs. Waits for the GIL of `there`. */
int sc_interp_interrupt(sc_interp *here, sc_interp *there);

/* Run `code` in a fresh namespace of `there`. 0, or -1 with an exception set. */
int sc_interp_run(sc_interp *here, sc_interp *there, const char *code);
/* New Reference to an attribute of a module of `there`, imported if need be. */
PyObject *sc_interp_import(sc_interp *here, sc_interp *there, const char *module, const char *attribute);

/* Set the typed exception for a refused visit. */
void sc_raise_refused(sc_interp *here, sc_lock_status status, sc_interp *to);
void sc_raise_refused_by(sc_interp *here, sc_lock_status status, const char *name);
void sc_raise(sc_interp *here, int code, const char *format, ...);

/* The pending exception of the current interpreter, described into `out`; clears it. 0, or -1 (out of memory). */
int sc_describe_exception(sc_arena *arena, sc_interp *here, sc_value *out);
/* Set the exception that `description` stands for. */
void sc_raise_described(sc_interp *here, const sc_value *description);

/* Whether code at `here` sees the object behind a reference itself, not a Reference to it. */
int sc_is_at_home(const sc_interp *here, const sc_ref *ref);

/* A travelling count for an object of `here`; a Reference gives the one it stands for. */
sc_ref *sc_ref_new(sc_interp *here, PyObject *object);

/* The object behind `ref` as `here` sees it: the object itself at home, a Reference elsewhere. */
PyObject *sc_reference_wrap(sc_interp *here, sc_ref *ref);

/* Decref what other threads dropped; attached to `here`. */
void sc_drain_pending(sc_interp *here);

#endif
