/* clock.c: see clock.h. */
#include "clock.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

struct sc_seat {
    sc_clock *clock;
    sc_seat *next;
    int wake;
    int seated; /* in the clock's list */
    int resting;
    int chosen; /* the clock has jumped to what it waits for */
    int blocked;
    int awaits_input;
    double due;
    uint64_t order;
};

struct sc_clock {
    atomic_long refs;
    atomic_ullong serial;
    pthread_mutex_t mutex;
    double shown;   /* while it stands */
    double ahead;   /* of CLOCK_MONOTONIC, while it goes */
    double to_wall; /* added, makes it seconds since 1970 */
    int goes;
    int holds;
    sc_seat *seats;
};

static __thread sc_seat *here;

static double monotonic(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

sc_clock *sc_clock_new(double epoch) {
    sc_clock *clock = calloc(1, sizeof *clock);
    if (clock == NULL) return NULL;
    atomic_init(&clock->refs, 1);
    pthread_mutex_init(&clock->mutex, NULL);
    clock->shown = monotonic();
    clock->to_wall = epoch - clock->shown;
    return clock;
}

void sc_clock_retain(sc_clock *clock) { atomic_fetch_add(&clock->refs, 1); }

void sc_clock_drop(sc_clock *clock) {
    if (atomic_fetch_sub(&clock->refs, 1) != 1) return;
    pthread_mutex_destroy(&clock->mutex);
    free(clock);
}

/* Under the mutex, as all below that take no lock of their own. */
static double moment(const sc_clock *clock) { return clock->goes ? monotonic() + clock->ahead : clock->shown; }

double sc_clock_now(sc_clock *clock) {
    pthread_mutex_lock(&clock->mutex);
    double now = moment(clock);
    pthread_mutex_unlock(&clock->mutex);
    return now;
}

double sc_clock_wall(sc_clock *clock) { return sc_clock_now(clock) + clock->to_wall; }

uint64_t sc_clock_serial(sc_clock *clock) { return atomic_fetch_add(&clock->serial, 1) + 1; }

static void wake(const sc_seat *seat) {
    /* A full pipe or socket means that it has a wake-up waiting already. */
    ssize_t written = write(seat->wake, "", 1);
    (void)written;
}

/* Whether somebody awaits input decides whether the clock goes. */
static void look_for_input(sc_clock *clock) {
    int goes = 0;
    for (sc_seat *seat = clock->seats; seat != NULL; seat = seat->next) goes |= seat->awaits_input;
    if (goes == clock->goes) return;
    double now = moment(clock);
    clock->goes = goes;
    clock->shown = now;
    clock->ahead = now - monotonic();
    if (!goes) return;
    for (sc_seat *seat = clock->seats; seat != NULL; seat = seat->next) {
        if (seat->resting && seat->due < INFINITY) wake(seat); /* it waits without a limit, and now needs one */
    }
}

static int comes_before(const sc_seat *seat, const sc_seat *other) {
    return seat->due < other->due || (seat->due == other->due && seat->order < other->order);
}

/* Jump to what is due first, if all rest. */
static void jump(sc_clock *clock, const sc_seat *caller) {
    sc_seat *first = NULL;
    if (clock->goes || clock->holds) return;
    for (sc_seat *seat = clock->seats; seat != NULL; seat = seat->next) {
        if (!seat->resting && !seat->blocked) return;
        if (!seat->resting || seat->due == INFINITY) continue;
        if (first == NULL || comes_before(seat, first)) first = seat;
    }
    if (first == NULL) return;
    if (first->due > clock->shown) clock->shown = first->due;
    first->resting = 0;
    first->chosen = 1;
    if (first != caller) wake(first);
}

void sc_clock_hold(sc_clock *clock) {
    pthread_mutex_lock(&clock->mutex);
    clock->holds++;
    pthread_mutex_unlock(&clock->mutex);
}

void sc_clock_release(sc_clock *clock) {
    pthread_mutex_lock(&clock->mutex);
    clock->holds--;
    jump(clock, NULL);
    pthread_mutex_unlock(&clock->mutex);
}

/* ---- seats -------------------------------------------------------------------------------------------- */

sc_seat *sc_seat_new(sc_clock *clock, int wake) {
    sc_seat *seat = calloc(1, sizeof *seat);
    if (seat == NULL) return NULL;
    sc_clock_retain(clock);
    seat->clock = clock;
    seat->wake = wake;
    seat->seated = 1;
    pthread_mutex_lock(&clock->mutex);
    seat->next = clock->seats;
    clock->seats = seat;
    pthread_mutex_unlock(&clock->mutex);
    return seat;
}

void sc_seat_leave(sc_seat *seat) {
    sc_clock *clock = seat->clock;
    pthread_mutex_lock(&clock->mutex);
    if (seat->seated) {
        sc_seat **link = &clock->seats;
        while (*link != seat) link = &(*link)->next;
        *link = seat->next;
        seat->seated = 0;
        look_for_input(clock);
        jump(clock, NULL);
    }
    pthread_mutex_unlock(&clock->mutex);
    if (here == seat) here = NULL;
}

void sc_seat_free(sc_seat *seat) {
    sc_seat_leave(seat);
    sc_clock_drop(seat->clock);
    free(seat);
}

sc_rest sc_seat_rest(sc_seat *seat, double due, uint64_t order, int awaits_input) {
    sc_clock *clock = seat->clock;
    sc_rest rest = SC_REST_WAIT;
    pthread_mutex_lock(&clock->mutex);
    seat->due = due;
    seat->order = order;
    seat->awaits_input = awaits_input;
    seat->resting = 1;
    look_for_input(clock);
    jump(clock, seat);
    if (clock->goes) rest = SC_REST_REAL;
    else if (!seat->resting) rest = SC_REST_GO;
    pthread_mutex_unlock(&clock->mutex);
    return rest;
}

int sc_seat_rise(sc_seat *seat) {
    pthread_mutex_lock(&seat->clock->mutex);
    int may = seat->chosen || seat->clock->goes;
    seat->resting = seat->chosen = 0;
    pthread_mutex_unlock(&seat->clock->mutex);
    return may;
}

void sc_seat_rouse(sc_seat *seat) {
    pthread_mutex_lock(&seat->clock->mutex);
    seat->resting = 0;
    pthread_mutex_unlock(&seat->clock->mutex);
}

int sc_seat_flows(const sc_seat *seat) {
    pthread_mutex_lock(&seat->clock->mutex);
    int goes = seat->clock->goes;
    pthread_mutex_unlock(&seat->clock->mutex);
    return goes;
}

void sc_seat_settle(sc_seat *seat) { here = seat; }

static void set_blocked(int change) {
    if (here == NULL) return;
    pthread_mutex_lock(&here->clock->mutex);
    here->blocked += change;
    if (here->seated && here->blocked) jump(here->clock, NULL);
    pthread_mutex_unlock(&here->clock->mutex);
}

void sc_seat_block(void) { set_blocked(1); }

void sc_seat_unblock(void) { set_blocked(-1); }
