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

sc_runlock *sc_runlock_new(const char *name);
void sc_runlock_retain(sc_runlock *lock);
void sc_runlock_drop(sc_runlock *lock);

/* Without waiting: OK or BUSY (or CLOSED). */
sc_lock_status sc_runlock_try(sc_runlock *lock);

/* Wait at most `seconds` (negative: for ever). `entering` callers are refused once the lock is closed;
 * the script's own loop thread is not. */
sc_lock_status sc_runlock_acquire(sc_runlock *lock, double seconds, int entering);
void sc_runlock_release(sc_runlock *lock);

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

typedef enum sc_wait_status { SC_WAIT_SET, SC_WAIT_CYCLE, SC_WAIT_CLOSED, SC_WAIT_STOPPED } sc_wait_status;

/* Give the lock up until `latch` is set by `thread` (its pthread_self); holds the lock again in the end. */
sc_wait_status sc_runlock_wait(sc_runlock *lock, sc_latch *latch, unsigned long thread);

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
