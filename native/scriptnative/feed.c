/* feed.c: the feed of one session. */
#include "feed.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

struct sc_feed {
    atomic_long refs;
    atomic_ulong dropped;
    atomic_long busy;
    int wake;
    sc_clock *clock;
    sc_calls *calls;
    size_t capacity;
    pthread_mutex_t mutex;
    size_t count;
    sc_report *first, *last;
};

sc_feed *sc_feed_new(size_t capacity, int wake) {
    sc_feed *feed = calloc(1, sizeof *feed);
    if (feed == NULL) return NULL;
    feed->calls = sc_calls_new();
    if (feed->calls == NULL) {
        free(feed);
        return NULL;
    }
    atomic_init(&feed->refs, 1);
    feed->capacity = capacity;
    feed->wake = wake;
    pthread_mutex_init(&feed->mutex, NULL);
    return feed;
}

void sc_feed_retain(sc_feed *feed) { atomic_fetch_add(&feed->refs, 1); }

void sc_feed_drop(sc_feed *feed) {
    if (atomic_fetch_sub(&feed->refs, 1) != 1) return;
    while (feed->first != NULL) {
        sc_report *next = feed->first->next;
        free(feed->first);
        feed->first = next;
    }
    pthread_mutex_destroy(&feed->mutex);
    if (feed->wake >= 0) close(feed->wake);
    if (feed->clock != NULL) sc_clock_drop(feed->clock);
    sc_calls_drop(feed->calls);
    free(feed);
}

void sc_feed_wake(sc_feed *feed) {
    if (feed->wake < 0) return;
    /* A full pipe means that the reader has a wake-up waiting already. */
    ssize_t written = write(feed->wake, "", 1);
    (void)written;
}

/* Bytes that sc_value_copy takes from an arena for `value`; 0 for a scalar. */
static size_t footprint(const sc_value *value) {
    switch ((sc_tag)value->tag) {
    case SC_BIGINT:
    case SC_STR:
    case SC_BYTES:
    case SC_BYTEARRAY:
    case SC_FUNCTION:
        return sc_arena_rounded(value->length);
    case SC_LIST:
    case SC_TUPLE:
    case SC_SET:
    case SC_FROZENSET:
    case SC_DICT: {
        size_t size = sc_arena_rounded(value->length * sizeof(sc_value));
        for (size_t i = 0; i < value->length; i++) size += footprint(&value->as.items[i]);
        return size;
    }
    default:
        return 0;
    }
}

static sc_report *make_report(const sc_value *payload) {
    size_t head = sc_arena_rounded(sizeof(sc_report)), size = footprint(payload);
    sc_report *report = malloc(head + size);
    if (report == NULL) return NULL;
    sc_arena block;
    block.next = (char *)report + head;
    block.end = block.next + size;
    block.chunks = NULL;
    block.refs = NULL;
    block.kept = NULL;
    if (sc_value_copy(&block, payload, &report->payload) < 0) {
        free(report);
        return NULL;
    }
    return report;
}

int sc_feed_push(sc_feed *feed, uint32_t kind, uint32_t script, const sc_value *payload, int urgent) {
    struct timespec now;
    if (feed->count >= (urgent ? 2 * feed->capacity : feed->capacity)) { /* read without the mutex: off by a few is good enough */
        atomic_fetch_add(&feed->dropped, 1);
        return 0;
    }
    sc_report *report = make_report(payload);
    if (report == NULL) return -1;
    clock_gettime(CLOCK_REALTIME, &now);
    report->time = (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
    report->kind = kind;
    report->script = script;
    report->next = NULL;
    pthread_mutex_lock(&feed->mutex);
    int was_empty = feed->first == NULL;
    if (was_empty) feed->first = report;
    else feed->last->next = report;
    feed->last = report;
    feed->count++;
    pthread_mutex_unlock(&feed->mutex);
    if (was_empty) sc_feed_wake(feed);
    return 1;
}

sc_report *sc_feed_take(sc_feed *feed, size_t limit) {
    pthread_mutex_lock(&feed->mutex);
    sc_report *first = feed->first, *last = first;
    size_t taken = first != NULL && limit > 0;
    while (taken != 0 && taken < limit && last->next != NULL) {
        last = last->next;
        taken++;
    }
    if (taken != 0) {
        feed->first = last->next;
        if (feed->first == NULL) feed->last = NULL;
        last->next = NULL;
        feed->count -= taken;
    }
    pthread_mutex_unlock(&feed->mutex);
    return taken != 0 ? first : NULL;
}

unsigned long sc_feed_dropped(const sc_feed *feed) { return atomic_load(&feed->dropped); }

void sc_feed_busy(sc_feed *feed, int change) {
    if (atomic_fetch_add(&feed->busy, change) + change == 0) sc_feed_wake(feed);
}

long sc_feed_busy_count(const sc_feed *feed) { return atomic_load(&feed->busy); }

sc_calls *sc_feed_calls(const sc_feed *feed) { return feed->calls; }

void sc_feed_set_clock(sc_feed *feed, sc_clock *clock) {
    sc_clock_retain(clock);
    feed->clock = clock;
}

sc_clock *sc_feed_clock(const sc_feed *feed) { return feed->clock; }
