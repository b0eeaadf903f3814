/* fresh.h: whether what a handle was bound to is still current. */
#ifndef SC_FRESH_H
#define SC_FRESH_H

#include <stdatomic.h>
#include <stddef.h>

/* Asked once the run lock is held: a reload may have come in between. */
typedef struct sc_fresh {
    const atomic_uint *current;
    unsigned expected;
    int stale; /* it was not, and nothing was called */
} sc_fresh;

static inline int sc_is_stale(sc_fresh *fresh) {
    if (fresh == NULL || atomic_load_explicit(fresh->current, memory_order_acquire) == fresh->expected) return 0;
    fresh->stale = 1;
    return 1;
}

#endif
