/* feed.h: the feed of one session: reports from any thread and interpreter, and who still has work.
 *
 * Pushing takes no GIL but the pusher's own and never waits; a full feed drops reports and counts them.
 */
#ifndef SC_FEED_H
#define SC_FEED_H

#include "callskept.h"
#include "clock.h"
#include "value.h"

#include <stdatomic.h>

typedef struct sc_feed sc_feed;

typedef struct sc_report {
    struct sc_report *next;
    double time; /* seconds since the epoch */
    uint32_t kind;
    uint32_t script;
    sc_value payload; /* owns its memory: it follows in the same block */
} sc_report;

/* `wake` is a non-blocking descriptor to write to when something happens. */
sc_feed *sc_feed_new(size_t capacity, int wake);
void sc_feed_retain(sc_feed *feed);
void sc_feed_drop(sc_feed *feed);

/* 1 stored, 0 dropped because full, -1 without memory. An urgent report finds room for twice as long.
 * The payload must hold no references. */
int sc_feed_push(sc_feed *feed, uint32_t kind, uint32_t script, const sc_value *payload, int urgent);

/* Take at most `limit` reports, oldest first; free each with free(). */
sc_report *sc_feed_take(sc_feed *feed, size_t limit);
unsigned long sc_feed_dropped(const sc_feed *feed);

/* Count of scripts that have something pending; at 0 the feed wakes its reader. */
void sc_feed_busy(sc_feed *feed, int change);
long sc_feed_busy_count(const sc_feed *feed);
void sc_feed_wake(sc_feed *feed);

/* What is recorded of the session's calls; borrowed. */
sc_calls *sc_feed_calls(const sc_feed *feed);

/* The session's virtual clock; NULL: its time is the real one. Set at most once, before the first script. */
void sc_feed_set_clock(sc_feed *feed, sc_clock *clock);
sc_clock *sc_feed_clock(const sc_feed *feed);

#endif
