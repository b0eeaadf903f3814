/* calls.h: what runs now in the scripts of one session, and what ran: on record while somebody wants to see it.
 *
 * Off, it costs its callers one read of `on`. On, a call is in a list from its begin, so that one that hangs is seen,
 * and in a bounded ring after its end; what the ring had no room for is counted. Texts are made without running code of
 * a script. Used attached to any interpreter.
 */
#ifndef SC_CALLS_H
#define SC_CALLS_H

#include "callskept.h"

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdatomic.h>
#include <stdint.h>

/* Calls that have ended and that nobody has taken yet; with more, the oldest go. */
#define SC_CALLS_ROOM 4096u
/* Calls under way at most, over all threads. */
#define SC_CALLS_UNDER_WAY 1024u

#define SC_CALL_NAME 96
#define SC_CALL_ARGUMENTS 1024
#define SC_CALL_RESULT 320

typedef struct sc_call_entry {
    struct sc_call_entry *next, *before;
    uint64_t id, parent; /* `parent`: of the call that made this one on its thread; 0: none on record */
    uint32_t script;
    int thread; /* as the kernel numbers it */
    int whole;  /* the arguments are all there, as literals of Python */
    int result_whole;
    double started;  /* seconds since the epoch */
    double began;    /* of the monotonic clock */
    double duration; /* seconds; below 0 while it is under way */
    char function[SC_CALL_NAME], caller[SC_CALL_NAME];
    char arguments[SC_CALL_ARGUMENTS], result[SC_CALL_RESULT], error[SC_CALL_RESULT];
} sc_call_entry;

/* One call under way; on the stack of who makes it. */
typedef struct sc_call {
    sc_calls *calls; /* NULL: not on record */
    sc_call_entry *entry;
    struct sc_call *outer;
} sc_call;

struct sc_calls_switch {
    atomic_int on;
};

static inline int sc_calls_on(const sc_calls *calls) {
    return calls != NULL && atomic_load_explicit(&((const struct sc_calls_switch *)calls)->on, memory_order_relaxed);
}

/* Off also forgets what has ended; calls under way stay until they end. */
void sc_calls_record(sc_calls *calls, int on);
/* What the ring has lost so far, and calls that began while too many were under way. */
unsigned long sc_calls_dropped(sc_calls *calls);

/* `args` is laid out as in a vectorcall; NULL: `note` stands for the arguments. `caller`: NULL means the call that this
 * thread is in, or what sc_calls_label said. Sets no exception. */
void sc_call_begin(sc_call *call, sc_calls *calls, uint32_t script, const char *function, const char *caller,
                   PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames, const char *note);
/* `result`: NULL after an error, which is the pending exception, and stays so. */
void sc_call_end(sc_call *call, PyObject *result);
/* The innermost call of this thread has failed, although it returns. */
void sc_call_fail(PyObject *error);
/* Caller of the next call that begins on this thread without one; NULL takes that back. Must live until then. */
void sc_calls_label(const char *caller);

/* New lists of tuples, as in _native.pyi; NULL with an exception set. */
PyObject *sc_calls_take(sc_calls *calls);
PyObject *sc_calls_running(sc_calls *calls);

#endif
