/* runlock.h: one per script: whoever executes the script holds it.
 *
 * Re-entrant per thread, first come first served, aware of who waits for whom: a cycle of waits across
 * threads is refused instead of hanging. Knows nothing of Python; never wait for it with a GIL held.
 */
#ifndef SC_RUNLOCK_H
#define SC_RUNLOCK_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

typedef struct sc_runlock sc_runlock;

typedef enum sc_lock_status { SC_LOCK_OK = 0, SC_LOCK_BUSY, SC_LOCK_CYCLE, SC_LOCK_CLOSED } sc_lock_status;

/* What the locks know of a thread. */
typedef struct sc_lock_thread sc_lock_thread;

/* Visible for the sake of the two short ways below; everything else is runlock.c's. */
struct sc_runlock {
    atomic_long refs;
    _Atomic(sc_lock_thread *) owner;
    unsigned depth; /* of the owner; only it reads or writes */
    atomic_int waiters;
    atomic_int closed;
    atomic_ulong hold; /* written by the owner only */
    sc_lock_thread *first, *last; /* queue, under the mutex of all locks */
    char name[];
};

/* A fixed offset instead of a call: read in every call into a script. Eight bytes of what the loader keeps spare. */
extern __thread sc_lock_thread *sc_lock_self __attribute__((tls_model("initial-exec"), visibility("hidden")));
extern int sc_barrier_is_remote __attribute__((visibility("hidden")));

sc_runlock *sc_runlock_new(const char *name);
void sc_runlock_retain(sc_runlock *lock);
void sc_runlock_drop(sc_runlock *lock);

sc_lock_thread *sc_lock_make_self(void);

/* Number of the present hold, other each time the lock is taken; meaningless when nobody has it. */
static inline unsigned long sc_runlock_hold(const sc_runlock *lock) {
    return atomic_load_explicit(&lock->hold, memory_order_relaxed);
}

/* Let what the holder does from now on count as another hold. */
static inline void sc_runlock_turn(sc_runlock *lock) {
    atomic_store_explicit(&lock->hold, sc_runlock_hold(lock) + 1, memory_order_relaxed);
}

/* The calling thread has become the owner. */
static inline void sc_runlock_begin_hold(sc_runlock *lock) {
    lock->depth = 1;
    sc_runlock_turn(lock);
}

/* Without waiting: OK or BUSY (or CLOSED). */
static inline sc_lock_status sc_runlock_try(sc_runlock *lock) {
    sc_lock_thread *self = sc_lock_self != NULL ? sc_lock_self : sc_lock_make_self(), *nobody = NULL;
    if (atomic_load_explicit(&lock->owner, memory_order_relaxed) == self) {
        lock->depth++;
        return SC_LOCK_OK;
    }
    if (atomic_load_explicit(&lock->closed, memory_order_relaxed)) return SC_LOCK_CLOSED;
    if (atomic_load(&lock->waiters) != 0) return SC_LOCK_BUSY; /* they came first */
    if (!atomic_compare_exchange_strong(&lock->owner, &nobody, self)) return SC_LOCK_BUSY;
    sc_runlock_begin_hold(lock);
    return SC_LOCK_OK;
}

/* Wait at most `seconds` (negative: for ever). `entering` callers are refused once the lock is closed;
 * the script's own loop thread is not. */
sc_lock_status sc_runlock_acquire(sc_runlock *lock, double seconds, int entering);

/* The free lock goes to the first in the queue. */
void sc_runlock_hand_over(sc_runlock *lock);

/* Store `owner`, then read `waiters`; a waiter writes `waiters`, then reads `owner`: one must see the other. A fence
 * here would cost every call, so the waiter orders all threads of the process where it can: see runlock.c. */
static inline void sc_runlock_leave(sc_runlock *lock) {
    atomic_store_explicit(&lock->owner, NULL, memory_order_release);
    if (sc_barrier_is_remote) atomic_signal_fence(memory_order_seq_cst);
    else atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load_explicit(&lock->waiters, memory_order_relaxed) != 0) sc_runlock_hand_over(lock);
}

static inline void sc_runlock_release(sc_runlock *lock) {
    if (--lock->depth == 0) sc_runlock_leave(lock);
}

/* Give the lock up whole, whatever its depth; returns the depth for sc_runlock_restore. */
unsigned sc_runlock_give_up(sc_runlock *lock);
void sc_runlock_restore(sc_runlock *lock, unsigned depth);

/* ---- waiting for something that the script's own thread will do ---------------------------------------
 * The waiter gives the lock up meanwhile. It counts as waiting for that thread, and for whoever holds the lock. */

/* Set once, by any thread; freed by the last user. */
typedef struct sc_latch sc_latch;
sc_latch *sc_latch_new(void);
void sc_latch_free(sc_latch *latch);
void sc_latch_set(sc_latch *latch);

typedef enum sc_wait_status { SC_WAIT_SET, SC_WAIT_CYCLE, SC_WAIT_CLOSED, SC_WAIT_STOPPED, SC_WAIT_LOOKED } sc_wait_status;

/* Called now and then by whoever waits, e.g. to see to signals; not 0 to end the wait. */
typedef int sc_look(void *context);
#define SC_LOOK_EVERY 0.05 /* seconds */

/* Give the lock up until `latch` is set by `thread` (its pthread_self); holds the lock again in the end. */
sc_wait_status sc_runlock_wait(sc_runlock *lock, sc_latch *latch, unsigned long thread, sc_look *look, void *context);

/* How many threads are in sc_runlock_wait for `lock`. */
int sc_runlock_waits(const sc_runlock *lock);

/* End the waits of thread number `thread`, or (0) all for `lock`; how many there were. */
int sc_runlock_stop_waiters(const sc_runlock *lock, unsigned long thread);

/* Refuse callers from now on, those that wait too. */
void sc_runlock_close(sc_runlock *lock);

int sc_runlock_held(const sc_runlock *lock); /* by the calling thread */
int sc_runlock_contended(const sc_runlock *lock);
const char *sc_runlock_name(const sc_runlock *lock);

/* Signal the thread that holds the lock now, if any (0 sends nothing); 1 when there was one. It may release the
 * lock at any moment. `thread_id` receives the Python-visible identifier (pthread_self) of the holder. */
int sc_runlock_signal_holder(sc_runlock *lock, int signal_number, unsigned long *thread_id);

#endif
