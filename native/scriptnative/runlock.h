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

/* Refuse callers from now on, those that wait too. */
void sc_runlock_close(sc_runlock *lock);

/* Number of the present hold, other each time the lock is taken; meaningless when nobody has it. */
unsigned long sc_runlock_hold(const sc_runlock *lock);
/* Let what the holder does from now on count as another hold. */
void sc_runlock_turn(sc_runlock *lock);

int sc_runlock_held(const sc_runlock *lock); /* by the calling thread */
int sc_runlock_contended(const sc_runlock *lock);
const char *sc_runlock_name(const sc_runlock *lock);

/* Signal the thread that holds the lock now, if any (0 sends nothing); 1 when there was one. It may release the
 * lock at any moment. `thread_id` receives the Python-visible identifier (pthread_self) of the holder. */
int sc_runlock_signal_holder(sc_runlock *lock, int signal_number, unsigned long *thread_id);

#endif
