/* clock.h: the virtual clock of one session: time that passes only when all of its loops wait.
 *
 * Each loop has a seat. When every seat is at rest, the clock jumps to the earliest moment that one of them waits for,
 * and only that one goes on: what is due happens in one order, whatever thread or interpreter it belongs to. While a
 * loop awaits input, the clock goes like a real one instead, from the moment it shows. Knows nothing of Python.
 */
#ifndef SC_CLOCK_H
#define SC_CLOCK_H

#include <stdint.h>

typedef struct sc_clock sc_clock;
typedef struct sc_seat sc_seat;

/* What a loop that has nothing to do shall do. */
typedef enum sc_rest {
    SC_REST_GO = 0,    /* the clock has jumped to what it waits for: go on */
    SC_REST_WAIT = 1,  /* wait for its descriptor, without a limit */
    SC_REST_REAL = 2,  /* the clock goes by itself: wait until the moment has come */
} sc_rest;

/* `epoch`: what the clock shows at its begin, in seconds since 1970. */
sc_clock *sc_clock_new(double epoch);
void sc_clock_retain(sc_clock *clock);
void sc_clock_drop(sc_clock *clock);

/* Seconds, as CLOCK_MONOTONIC counts them when the clock begins. */
double sc_clock_now(sc_clock *clock);
/* Seconds since 1970. */
double sc_clock_wall(sc_clock *clock);
/* Numbers in the order in which timers are set, over all loops. */
uint64_t sc_clock_serial(sc_clock *clock);

/* No jump until it is released as often. */
void sc_clock_hold(sc_clock *clock);
void sc_clock_release(sc_clock *clock);

/* A seat of a loop, which does something until it rests. `wake` is a non-blocking descriptor that wakes it; it must
 * stay open until sc_seat_leave. NULL without memory. */
sc_seat *sc_seat_new(sc_clock *clock, int wake);
/* Take no part any more; before `wake` is closed. */
void sc_seat_leave(sc_seat *seat);
void sc_seat_free(sc_seat *seat); /* leaves, too */

/* The loop has nothing to do until `due` (infinity: for ever); `order` is the serial of what is due then. */
sc_rest sc_seat_rest(sc_seat *seat, double due, uint64_t order, int awaits_input);
/* It has been woken, by whomever: 1 when it may do the first thing that is due, as it is its turn. */
int sc_seat_rise(sc_seat *seat);
/* Somebody else has given it something to do, and is about to wake it: it rests no more. */
void sc_seat_rouse(sc_seat *seat);
/* Whether the clock goes by itself now. */
int sc_seat_flows(const sc_seat *seat);

/* The calling thread runs the loop of `seat` from now on (NULL: of none). */
void sc_seat_settle(sc_seat *seat);
/* The calling thread waits for another loop, or does so no more; harmless on a thread without a seat. */
void sc_seat_block(void);
void sc_seat_unblock(void);

#endif
