/* kept.c: open addressing with linear probing; removal closes the gap, so there are no tombstones. */
#include "kept.h"

#include <stdlib.h>

static size_t home_of(const sc_kept *kept, const sc_ref *ref) {
    return (size_t)(((uintptr_t)ref >> 4) * 0x9e3779b97f4a7c15u >> 20) & (kept->room - 1);
}

static sc_kept_entry *find(const sc_kept *kept, const sc_ref *ref) {
    size_t at = home_of(kept, ref);
    while (kept->entries[at].ref != NULL && kept->entries[at].ref != ref) at = (at + 1) & (kept->room - 1);
    return &kept->entries[at];
}

static int grow(sc_kept *kept) {
    sc_kept larger = { NULL, kept->used, kept->room == 0 ? 16 : 2 * kept->room };
    larger.entries = calloc(larger.room, sizeof *larger.entries);
    if (larger.entries == NULL) return -1;
    for (size_t i = 0; i < kept->room; i++) {
        if (kept->entries[i].ref != NULL) *find(&larger, kept->entries[i].ref) = kept->entries[i];
    }
    free(kept->entries);
    *kept = larger;
    return 0;
}

int sc_kept_add(sc_kept *kept, sc_ref *ref) {
    if (2 * kept->used >= kept->room && grow(kept) < 0) return -1;
    sc_kept_entry *entry = find(kept, ref);
    if (entry->ref == NULL) {
        entry->ref = ref;
        entry->count = 0;
        kept->used++;
    }
    entry->count++;
    sc_ref_retain(ref);
    return 0;
}

/* Entries behind the gap move up when their home is not between the gap and them. */
static void close_gap(sc_kept *kept, size_t gap) {
    size_t mask = kept->room - 1, at = gap;
    while (kept->entries[at = (at + 1) & mask].ref != NULL) {
        size_t home = home_of(kept, kept->entries[at].ref);
        if (((at - home) & mask) < ((at - gap) & mask)) continue;
        kept->entries[gap] = kept->entries[at];
        gap = at;
    }
    kept->entries[gap].ref = NULL;
}

int sc_kept_remove(sc_kept *kept, sc_ref *ref) {
    sc_kept_entry *entry = kept->room == 0 ? NULL : find(kept, ref);
    if (entry == NULL || entry->ref == NULL) return -1;
    if (--entry->count == 0) {
        close_gap(kept, (size_t)(entry - kept->entries));
        kept->used--;
    }
    sc_ref_release(ref);
    return 0;
}

void sc_kept_clear(sc_kept *kept) {
    sc_kept gone = *kept;
    *kept = (sc_kept){ NULL, 0, 0 };
    for (size_t i = 0; i < gone.room; i++) {
        for (size_t n = 0; gone.entries[i].ref != NULL && n < gone.entries[i].count; n++) sc_ref_release(gone.entries[i].ref);
    }
    free(gone.entries);
}
