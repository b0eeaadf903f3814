/* kept.h: the references that a native module keeps beyond a call, counted, so that closing it gives them all back. */
#ifndef SC_KEPT_H
#define SC_KEPT_H

#include "value.h"

typedef struct sc_kept_entry {
    sc_ref *ref; /* NULL: vacant */
    size_t count;
} sc_kept_entry;

/* A hash table by address; all zero is an empty one. Not for several threads at once. */
typedef struct sc_kept {
    sc_kept_entry *entries;
    size_t used, room; /* room: 0 or a power of two */
} sc_kept;

/* Take one count of `ref`; 0, or -1 without memory (nothing was taken). */
int sc_kept_add(sc_kept *kept, sc_ref *ref);
/* Give one count back. 0; or -1 when none is kept (nothing was given back). */
int sc_kept_remove(sc_kept *kept, sc_ref *ref);
/* Give all back. */
void sc_kept_clear(sc_kept *kept);

#endif
