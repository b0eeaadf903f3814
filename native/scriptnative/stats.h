/* stats.h: what the calls of one function took; a few nanoseconds a call.
 *
 * Every call is counted. A clock read costs as much as a small part of a call, so a function that is called often
 * and returns fast is timed at every 64th call only; what such a call took counts 64 times. Changed under the GIL.
 */
#ifndef SC_STATS_H
#define SC_STATS_H

#include <stdint.h>
#include <string.h>
#include <time.h>

/* Four buckets to each power of two: a percentile is exact to about 12 %. */
#define SC_STATS_BUCKETS 168
#define SC_STATS_EVERY 64u
/* A function is timed at each call until this many, and while it is slower than SC_STATS_FAST. */
#define SC_STATS_EXACT 64u
#define SC_STATS_FAST 5000u /* ns */

typedef struct sc_stats {
    uint64_t calls, errors;
    uint64_t timed; /* calls that the times stand for */
    uint64_t total, longest; /* ticks */
    unsigned skip;  /* calls until the next one is timed */
    unsigned weight; /* what that one counts */
    uint32_t buckets[SC_STATS_BUCKETS];
} sc_stats;

/* A clock that is cheap to read; sc_tick_ns tells what its unit is. */
static inline uint64_t sc_ticks(void) {
#if defined(__x86_64__)
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
#elif defined(__aarch64__)
    uint64_t ticks;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
    return ticks;
#else
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
#endif
}

/* Nanoseconds a tick, more exact the longer the process runs. */
double sc_tick_ns(void);

/* 0 when this call is not timed, else the moment it begins. */
static inline uint64_t sc_stats_begin(sc_stats *stats) {
    if (stats->skip != 0) {
        stats->skip--;
        return 0;
    }
    return sc_ticks();
}

void sc_stats_note(sc_stats *stats, uint64_t ticks);

static inline void sc_stats_end(sc_stats *stats, uint64_t begin, int failed) {
    stats->calls++;
    if (failed) stats->errors++;
    if (begin != 0) sc_stats_note(stats, sc_ticks() - begin);
}

/* A batch of `calls` took `ticks` together; the last of them may have failed. */
void sc_stats_add(sc_stats *stats, uint64_t calls, int failed, uint64_t ticks);

/* Ticks that the given share of calls did not exceed; 0 when none was timed. */
uint64_t sc_stats_percentile(const sc_stats *stats, double share);

#endif
