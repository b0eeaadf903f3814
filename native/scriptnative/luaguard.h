/* luaguard.h: stops a runaway Lua script from another thread, at no cost to scripts that behave.
 *
 * A guard belongs to one Lua state. It knows which coroutines of it run now, and on which thread; an
 * interrupt sends that thread a signal whose handler arms a count hook in each of them. No hook is set
 * otherwise: a permanent one makes Lua 2.4 times slower. Knows nothing of Python.
 */
#ifndef SC_LUAGUARD_H
#define SC_LUAGUARD_H

#include "luaapi.h"
#include "runlock.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>

#define SC_REASON_SIZE 256

typedef struct sc_guard sc_guard;

/* A coroutine that runs now; lies on the C stack of whoever resumed it. */
typedef struct sc_running {
    lua_State *state;
    struct sc_running *below;
    int shown; /* a script has it as a value, from coroutine.running */
} sc_running;

struct sc_guard {
    atomic_long refs;
    sc_runlock *lock;
    const sc_lua_api *api; /* NULL before attaching and after lua_close */
    /* Calls are numbered, so that an interrupt which comes late cannot hit a later call. */
    _Atomic uint64_t serial; /* of the outermost call running now; 0 when idle */
    _Atomic uint64_t target; /* serial of the call that is to stop */
    uint64_t last_serial;
    unsigned depth;
    sc_guard *below; /* the guard this thread entered before */
    sc_running *volatile running;
    sc_running bottom; /* a coroutine of ours that runs no script, for calling the API outside of calls */
    volatile sig_atomic_t armed;
    /* This and what follows is for the thread with the run lock. */
    int stopped_line; /* where the hook struck first in this call, -1: nowhere yet */
    char stopped_source[SC_REASON_SIZE]; /* as lua_Debug.source has it, cut */
    lua_Alloc allocate; /* the stock allocator, once ours is in its place */
    void *allocate_data;
    size_t limit; /* bytes the state may have, 0: any number */
    size_t used;
    int over_limit; /* an allocation was refused for it in this call */
    int refusals;   /* allocations to refuse, to make Lua raise its memory error */
    int collector_stopped;
    int owed;                      /* the state has ended, and its count of this guard is to be given back */
    void (*closed)(void *context); /* called when the state ends */
    void *closed_context;
    pthread_mutex_t mutex;
    char reason[SC_REASON_SIZE]; /* under mutex */
};

/* Guards entered by this thread, innermost first. initial-exec: the signal handler reads it, and the
 * default model may allocate on first use. */
extern __thread sc_guard *sc_guard_top __attribute__((tls_model("initial-exec")));

/* NULL without memory. Retains `lock`. */
sc_guard *sc_guard_new(sc_runlock *lock);
void sc_guard_retain(sc_guard *guard);
void sc_guard_drop(sc_guard *guard);

/* Watch the state that `L` is a coroutine of; may raise a Lua error. */
void sc_guard_attach(sc_guard *guard, const sc_lua_api *api, lua_State *L);

/* Bound its memory, 0: not at all. -1: it has more already. */
int sc_guard_limit(sc_guard *guard, size_t limit);

/* Around everything that runs Lua code in a coroutine. */
void sc_guard_push(sc_guard *guard, sc_running *running, lua_State *state);
void sc_guard_pop(sc_guard *guard, sc_running *running);

/* Nothing is left of the state that ended. */
void sc_guard_settle(sc_guard *guard);

/* Stop the call that runs now, from any thread. 1 when one was running and has been signalled. */
int sc_guard_interrupt(sc_guard *guard, const char *reason);

/* Wait until the call that was told to stop has ended: 1; 0 when it has not after `seconds`. */
int sc_guard_wait_for_stop(sc_guard *guard, double seconds);

/* Whether the call running now was interrupted; copies the reason. */
int sc_guard_was_interrupted(sc_guard *guard, char reason[SC_REASON_SIZE]);

void sc_guard_finish(sc_guard *guard);

/* Around every call into the state, with its run lock held. They nest. */
static inline void sc_guard_enter(sc_guard *guard) {
    if (guard->depth++ != 0) return;
    guard->below = sc_guard_top;
    sc_guard_top = guard;
    /* Visible to the handler before the serial is to others: a signal sent for this serial finds the guard. */
    atomic_signal_fence(memory_order_seq_cst);
    atomic_store_explicit(&guard->serial, ++guard->last_serial, memory_order_release);
}

static inline void sc_guard_leave(sc_guard *guard) {
    if (--guard->depth != 0) return;
    sc_guard_top = guard->below;
    /* From here on the handler leaves this guard alone. */
    atomic_signal_fence(memory_order_seq_cst);
    atomic_store_explicit(&guard->serial, 0, memory_order_release);
    if (guard->armed || atomic_load_explicit(&guard->target, memory_order_relaxed) == guard->last_serial)
        sc_guard_finish(guard);
}

#endif
