/* stats.c: the histogram of a function's times, and the unit of the clock. */
#include "stats.h"

static uint64_t first_ticks;
static struct timespec first_time;

static double seconds_since(const struct timespec *then) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - then->tv_sec) + (double)(now.tv_nsec - then->tv_nsec) * 1e-9;
}

__attribute__((constructor)) static void start_clock(void) {
    clock_gettime(CLOCK_MONOTONIC, &first_time);
    first_ticks = sc_ticks();
}

double sc_tick_ns(void) {
    uint64_t ticks = sc_ticks() - first_ticks;
    double seconds = seconds_since(&first_time);
    return ticks == 0 || seconds <= 0 ? 1.0 : seconds * 1e9 / (double)ticks;
}

/* 0..3 are buckets of their own; then the two bits below the highest choose among four. */
static unsigned bucket_of(uint64_t ticks) {
    if (ticks < 4) return (unsigned)ticks;
    unsigned power = 63u - (unsigned)__builtin_clzll(ticks);
    unsigned bucket = 4 * (power - 1) + (unsigned)(ticks >> (power - 2) & 3u);
    return bucket < SC_STATS_BUCKETS ? bucket : SC_STATS_BUCKETS - 1;
}

/* The middle of a bucket. */
static uint64_t middle_of(unsigned bucket) {
    if (bucket < 4) return bucket;
    unsigned power = bucket / 4 + 1;
    uint64_t low = (uint64_t)(4 + bucket % 4) << (power - 2);
    return low + ((uint64_t)1 << (power - 2)) / 2;
}

void sc_stats_note(sc_stats *stats, uint64_t ticks) {
    unsigned weight = stats->weight == 0 ? 1 : stats->weight;
    stats->timed += weight;
    stats->total += ticks * weight;
    stats->buckets[bucket_of(ticks)] += weight;
    if (ticks > stats->longest) stats->longest = ticks;
    /* Ticks are between 0.3 and 40 ns long; this is only about which functions are worth a look at each call. */
    int often = stats->calls >= SC_STATS_EXACT && ticks < SC_STATS_FAST;
    stats->weight = often ? SC_STATS_EVERY : 1;
    stats->skip = stats->weight - 1;
}

void sc_stats_add(sc_stats *stats, uint64_t calls, int failed, uint64_t ticks) {
    if (calls == 0) return;
    stats->calls += calls;
    stats->errors += failed != 0;
    stats->timed += calls;
    stats->total += ticks;
    stats->buckets[bucket_of(ticks / calls)] += (uint32_t)calls;
    if (ticks / calls > stats->longest) stats->longest = ticks / calls;
}

uint64_t sc_stats_percentile(const sc_stats *stats, double share) {
    uint64_t seen = 0, wanted = (uint64_t)((double)stats->timed * share);
    if (stats->timed == 0) return 0;
    for (unsigned bucket = 0; bucket < SC_STATS_BUCKETS; bucket++) {
        seen += stats->buckets[bucket];
        if (seen > wanted) {
            uint64_t middle = middle_of(bucket);
            return middle < stats->longest ? middle : stats->longest;
        }
    }
    return stats->longest;
}
