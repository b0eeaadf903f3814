/* Counts what the instrumented extension reaches, for a driver in the same process: see crossing.py.
 *
 * Only the thread that began a run counts, so that the same input always gives the same figures.
 */
#include <stdint.h>
#include <string.h>

#define EDGES 65536

/* Where this code was loaded, which is elsewhere each time; the linker's. */
extern const char __ehdr_start __attribute__((visibility("hidden")));

static uint8_t seen[EDGES], hits[EDGES];
static unsigned edges;
static _Thread_local int counting;
static _Thread_local uintptr_t last_place;

void __sanitizer_cov_trace_pc(void) {
    if (!counting) return;
    uintptr_t place = (uintptr_t)__builtin_return_address(0) - (uintptr_t)&__ehdr_start;
    uint8_t *hit = &hits[(place ^ last_place << 3) % EDGES];
    if (*hit != 255) ++*hit;
    last_place = place;
}

__attribute__((visibility("default"))) void coverage_begin(void) {
    memset(hits, 0, sizeof hits);
    last_place = 0;
    counting = 1;
}

/* Whether the run reached something new. A count matters by its order of magnitude only. */
__attribute__((visibility("default"))) int coverage_end(void) {
    int found = 0;
    counting = 0;
    for (unsigned i = 0; i < EDGES; i++) {
        if (hits[i] == 0) continue;
        uint8_t size = 1;
        while (hits[i] >> size != 0) size++;
        if (size <= seen[i]) continue;
        edges += seen[i] == 0;
        seen[i] = size;
        found = 1;
    }
    return found;
}

__attribute__((visibility("default"))) unsigned coverage_edges(void) { return edges; }
