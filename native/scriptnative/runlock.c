/* runlock.c: the run lock and the graph of who waits for whom. */
#include "runlock.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#if defined(__linux__)
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

/* Lives as long as the thread. */
typedef struct sc_lock_thread {
    struct sc_lock_thread *next, *prev; /* all threads, under `graph` */
    pthread_t thread;
    sc_runlock *waiting_for;            /* under `graph` */
    struct sc_lock_thread *next_waiter; /* in the queue of waiting_for */
    int granted;
    const struct sc_lock_thread *waiting_on; /* the thread that will set the latch it waits for; under `graph` */
    sc_latch *latch;                 /* that latch, NULL: waits for none */
    int stopped;                     /* somebody ended that wait */
    pthread_cond_t wake;
} self_t;

struct sc_latch {
    int set;        /* under `graph` */
    self_t *waiter; /* under `graph` */
};

/* One mutex for all locks: it is taken only when somebody has to wait, and a cycle can span them all. */
static pthread_mutex_t graph = PTHREAD_MUTEX_INITIALIZER;
static self_t *all_threads;
static pthread_key_t thread_exit;
static pthread_once_t once = PTHREAD_ONCE_INIT;
__thread sc_lock_thread *sc_lock_self;

/* ---- who pays for the order of `owner` and `waiters` ---------------------------------------------------
 * Where the kernel can order all threads of the process at the request of one (membarrier(2)), only the waiter pays,
 * who waits anyhow; elsewhere both sides have a fence. */

int sc_barrier_is_remote;

#if defined(__linux__)
static long membarrier(int command) { return syscall(SYS_membarrier, command, 0, 0); }

/* When the library is loaded: cheap as long as the process has one thread. */
__attribute__((constructor)) static void register_barrier(void) {
    sc_barrier_is_remote = membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) == 0;
}

static void order_all_threads(void) {
    if (!sc_barrier_is_remote || membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) == 0) return;
    register_barrier();
    if (sc_barrier_is_remote && membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) == 0) return;
    sc_barrier_is_remote = 0;
    struct timespec pause = { 0, 1000000 }; /* for releases under way: no store stays unseen that long */
    nanosleep(&pause, NULL);
}
#else
static void order_all_threads(void) {}
#endif

/* ---- threads ------------------------------------------------------------------------------------------ */

static void forget_thread(void *record) {
    self_t *self = record;
    pthread_mutex_lock(&graph);
    if (self->prev != NULL) self->prev->next = self->next;
    else all_threads = self->next;
    if (self->next != NULL) self->next->prev = self->prev;
    pthread_mutex_unlock(&graph);
    pthread_cond_destroy(&self->wake);
    free(self);
    sc_lock_self = NULL;
}

static void make_key(void) { pthread_key_create(&thread_exit, forget_thread); }

sc_lock_thread *sc_lock_make_self(void) {
    pthread_once(&once, make_key);
    self_t *self = calloc(1, sizeof *self);
    if (self == NULL) abort(); /* a lock that cannot be taken cannot be reported either */
    self->thread = pthread_self();
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
#if !defined(__APPLE__)
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
#endif
    pthread_cond_init(&self->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_lock(&graph);
    self->next = all_threads;
    if (all_threads != NULL) all_threads->prev = self;
    all_threads = self;
    pthread_mutex_unlock(&graph);
    pthread_setspecific(thread_exit, self);
    sc_lock_self = self;
    return self;
}

static inline self_t *get_self(void) { return sc_lock_self != NULL ? sc_lock_self : sc_lock_make_self(); }

sc_runlock *sc_runlock_new(const char *name) {
    size_t size = strlen(name) + 1;
    sc_runlock *lock = calloc(1, sizeof *lock + size);
    if (lock == NULL) return NULL;
    atomic_init(&lock->refs, 1);
    memcpy(lock->name, name, size);
    return lock;
}

void sc_runlock_retain(sc_runlock *lock) { atomic_fetch_add(&lock->refs, 1); }

void sc_runlock_drop(sc_runlock *lock) {
    if (atomic_fetch_sub(&lock->refs, 1) == 1) free(lock);
}

const char *sc_runlock_name(const sc_runlock *lock) { return lock->name; }

int sc_runlock_held(const sc_runlock *lock) { return sc_lock_self != NULL && atomic_load(&lock->owner) == sc_lock_self; }

int sc_runlock_contended(const sc_runlock *lock) { return atomic_load(&lock->waiters) != 0; }

/* Hand a free lock to the first in the queue; under `graph`. */
static void grant_next(sc_runlock *lock) {
    self_t *first = lock->first, *nobody = NULL;
    if (first == NULL || !atomic_compare_exchange_strong(&lock->owner, &nobody, first)) return;
    lock->first = first->next_waiter;
    if (lock->first == NULL) lock->last = NULL;
    first->granted = 1;
    pthread_cond_signal(&first->wake);
}

static void leave_queue(sc_runlock *lock, self_t *self) {
    self_t **link = &lock->first, *previous = NULL;
    while (*link != NULL && *link != self) {
        previous = *link;
        link = &(*link)->next_waiter;
    }
    if (*link == NULL) return;
    *link = self->next_waiter;
    if (lock->last == self) lock->last = previous;
}

/* Does `thread` wait, directly or over others, for `self`? Under `graph`. It ends: a circle without `self` is never let
 * come about. */
static int waits_for(const self_t *thread, const self_t *self) {
    while (thread != NULL && thread != self) {
        if (thread->waiting_on != NULL && waits_for(thread->waiting_on, self)) return 1;
        if (thread->waiting_for == NULL || thread->granted) return 0;
        thread = atomic_load(&thread->waiting_for->owner);
    }
    return thread == self;
}

/* Would waiting for `lock` close a circle? Under `graph`. */
static int closes_cycle(const sc_runlock *lock, const self_t *self) {
    return waits_for(atomic_load(&lock->owner), self);
}

static void deadline_after(double seconds, struct timespec *deadline) {
#if defined(__APPLE__)
    clock_gettime(CLOCK_REALTIME, deadline);
#else
    clock_gettime(CLOCK_MONOTONIC, deadline);
#endif
    time_t whole = (time_t)seconds;
    deadline->tv_sec += whole;
    deadline->tv_nsec += (long)((seconds - (double)whole) * 1e9);
    if (deadline->tv_nsec >= 1000000000L) {
        deadline->tv_nsec -= 1000000000L;
        deadline->tv_sec++;
    }
}

/* Who takes a lock again that he had given up cannot be refused, and need not be: the wait is no new one. */
typedef enum sc_taking { RESTORING = -1, STAYING = 0, ENTERING = 1 } sc_taking;

/* Wait in the queue until granted; under `graph`. */
static sc_lock_status wait_in_queue(sc_runlock *lock, self_t *self, double seconds, sc_taking taking) {
    struct timespec deadline;
    sc_lock_status status = SC_LOCK_OK;
    if (seconds >= 0) deadline_after(seconds, &deadline);
    self->granted = 0;
    self->next_waiter = NULL;
    self->waiting_for = lock;
    if (lock->last != NULL) lock->last->next_waiter = self;
    else lock->first = self;
    lock->last = self;
    grant_next(lock);
    while (!self->granted) {
        if (taking == ENTERING && atomic_load(&lock->closed)) status = SC_LOCK_CLOSED;
        else if (taking != RESTORING && closes_cycle(lock, self)) status = SC_LOCK_CYCLE;
        else if (seconds < 0) pthread_cond_wait(&self->wake, &graph);
        else if (pthread_cond_timedwait(&self->wake, &graph, &deadline) == ETIMEDOUT) status = SC_LOCK_BUSY;
        if (status != SC_LOCK_OK && !self->granted) {
            leave_queue(lock, self);
            break;
        }
        status = SC_LOCK_OK;
    }
    self->waiting_for = NULL;
    return status;
}

static sc_lock_status acquire(sc_runlock *lock, double seconds, sc_taking taking) {
    self_t *self = get_self();
    if (atomic_load_explicit(&lock->owner, memory_order_relaxed) == self) {
        lock->depth++;
        return SC_LOCK_OK;
    }
    if (taking == ENTERING && atomic_load(&lock->closed)) return SC_LOCK_CLOSED;
    self_t *nobody = NULL;
    if (atomic_load(&lock->waiters) == 0 && atomic_compare_exchange_strong(&lock->owner, &nobody, self)) {
        sc_runlock_begin_hold(lock);
        return SC_LOCK_OK;
    }
    pthread_mutex_lock(&graph);
    atomic_fetch_add(&lock->waiters, 1);
    order_all_threads();
    sc_lock_status status = wait_in_queue(lock, self, seconds, taking);
    atomic_fetch_sub(&lock->waiters, 1);
    pthread_mutex_unlock(&graph);
    if (status == SC_LOCK_OK) sc_runlock_begin_hold(lock);
    return status;
}

void sc_runlock_hand_over(sc_runlock *lock) {
    pthread_mutex_lock(&graph);
    grant_next(lock);
    pthread_mutex_unlock(&graph);
}

sc_lock_status sc_runlock_acquire(sc_runlock *lock, double seconds, int entering) {
    return acquire(lock, seconds, entering ? ENTERING : STAYING);
}

unsigned sc_runlock_give_up(sc_runlock *lock) {
    unsigned depth = lock->depth;
    lock->depth = 0;
    sc_runlock_leave(lock);
    return depth;
}

void sc_runlock_restore(sc_runlock *lock, unsigned depth) {
    acquire(lock, -1, RESTORING);
    lock->depth = depth;
}

/* ---- latches ------------------------------------------------------------------------------------------ */

sc_latch *sc_latch_new(void) { return calloc(1, sizeof(sc_latch)); }

void sc_latch_free(sc_latch *latch) { free(latch); }

void sc_latch_set(sc_latch *latch) {
    pthread_mutex_lock(&graph);
    latch->set = 1;
    if (latch->waiter != NULL) pthread_cond_signal(&latch->waiter->wake);
    pthread_mutex_unlock(&graph);
}

static const self_t *find_thread(unsigned long number) {
    const self_t *thread = all_threads;
    while (thread != NULL && (unsigned long)thread->thread != number) thread = thread->next;
    return thread;
}

/* Under `graph`; let go of while `look` looks. Whether it wants the wait to end. */
static int look_up(sc_look *look, void *context) {
    pthread_mutex_unlock(&graph);
    int ends = look(context);
    pthread_mutex_lock(&graph);
    return ends;
}

/* Under `graph`, the lock given up. */
static sc_wait_status wait_for_latch(const sc_runlock *lock, self_t *self, sc_look *look, void *context) {
    if (waits_for(self->waiting_on, self)) return SC_WAIT_CYCLE;
    while (!self->latch->set) {
        if (self->stopped) return SC_WAIT_STOPPED;
        if (atomic_load(&lock->closed)) return SC_WAIT_CLOSED;
        if (look == NULL) {
            pthread_cond_wait(&self->wake, &graph);
            continue;
        }
        struct timespec until;
        deadline_after(SC_LOOK_EVERY, &until);
        if (pthread_cond_timedwait(&self->wake, &graph, &until) == ETIMEDOUT && look_up(look, context))
            return SC_WAIT_LOOKED;
    }
    return SC_WAIT_SET;
}

sc_wait_status sc_runlock_wait(sc_runlock *lock, sc_latch *latch, unsigned long thread, sc_look *look, void *context) {
    self_t *self = get_self();
    pthread_mutex_lock(&graph);
    unsigned depth = lock->depth;
    lock->depth = 0;
    atomic_store(&lock->owner, NULL);
    grant_next(lock);
    self->latch = latch;
    latch->waiter = self;
    self->stopped = self->granted = 0;
    self->waiting_on = find_thread(thread);
    self->waiting_for = lock; /* whatever it waits for happens under this lock */
    sc_wait_status status = wait_for_latch(lock, self, look, context);
    self->latch = NULL;
    latch->waiter = NULL;
    self->waiting_on = NULL;
    /* Still in the graph: were it out of it for a moment, somebody could begin a wait that closes a circle. */
    atomic_fetch_add(&lock->waiters, 1);
    wait_in_queue(lock, self, -1, RESTORING);
    atomic_fetch_sub(&lock->waiters, 1);
    pthread_mutex_unlock(&graph);
    lock->depth = depth;
    return status;
}

/* Waits of `thread`, or (0) those for `lock`; ended, if `stop`. */
static int count_waits(const sc_runlock *lock, unsigned long thread, int stop) {
    int found = 0;
    pthread_mutex_lock(&graph);
    for (self_t *waiter = all_threads; waiter != NULL; waiter = waiter->next) {
        if (waiter->latch == NULL || waiter->latch->set) continue;
        if (thread == 0 ? waiter->waiting_for != lock : (unsigned long)waiter->thread != thread) continue;
        found++;
        if (!stop) continue;
        waiter->stopped = 1;
        pthread_cond_signal(&waiter->wake);
    }
    pthread_mutex_unlock(&graph);
    return found;
}

int sc_runlock_waits(const sc_runlock *lock) { return count_waits(lock, 0, 0); }

int sc_runlock_stop_waiters(const sc_runlock *lock, unsigned long thread) { return count_waits(lock, thread, 1); }

void sc_runlock_close(sc_runlock *lock) {
    pthread_mutex_lock(&graph);
    atomic_store(&lock->closed, 1);
    for (self_t *waiter = lock->first; waiter != NULL; waiter = waiter->next_waiter) pthread_cond_signal(&waiter->wake);
    for (self_t *thread = all_threads; thread != NULL; thread = thread->next) {
        if (thread->latch != NULL && thread->waiting_for == lock) pthread_cond_signal(&thread->wake);
    }
    pthread_mutex_unlock(&graph);
}

int sc_runlock_signal_holder(sc_runlock *lock, int signal_number, unsigned long *thread_id) {
    int signalled = 0;
    pthread_mutex_lock(&graph);
    self_t *owner = atomic_load(&lock->owner);
    /* A listed thread cannot finish exiting: forget_thread waits for `graph`. */
    for (self_t *thread = all_threads; thread != NULL; thread = thread->next) {
        if (thread != owner) continue;
        if (thread_id != NULL) *thread_id = (unsigned long)thread->thread;
        signalled = signal_number == 0 || pthread_kill(thread->thread, signal_number) == 0;
        break;
    }
    pthread_mutex_unlock(&graph);
    return signalled;
}
