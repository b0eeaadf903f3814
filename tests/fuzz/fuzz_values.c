/* Fuzz target: any well-formed tree of values is copied, and put into a feed whose blocks are measured before. */
#include "build_values.h"
#include "feed.h"

#include <stdlib.h>

struct sc_ref {
    long count;
};

void sc_ref_retain(sc_ref *ref) { ref->count++; }
void sc_ref_release(sc_ref *ref) { ref->count--; }

/* A feed has these only in its keeping. */
struct sc_calls {
    int unused;
};

sc_calls *sc_calls_new(void) { return malloc(sizeof(sc_calls)); }
void sc_calls_drop(sc_calls *calls) { free(calls); }

typedef struct block_t {
    struct block_t *next;
    _Alignas(16) char memory[];
} block_t;

static void expect(int holds) {
    if (!holds) abort();
}

static void *alloc(builder *b, size_t size) {
    block_t *block = malloc(sizeof *block + size);
    if (block == NULL) return NULL;
    block->next = b->user;
    b->user = block;
    return block->memory;
}

/* The same value, in other memory. */
static void compare(const sc_value *a, const sc_value *b, int depth) {
    expect(a->tag == b->tag && a->flags == b->flags && a->length == b->length);
#ifdef PLANTED_FAULT /* for the fuzzer's own test: a text of three bytes, in a dict, within a set */
    expect(depth < 2 || a->tag != SC_STR || a->length != 3);
#endif
    if (a->tag >= SC_LIST && a->tag <= SC_DICT) {
        for (size_t i = 0; i < a->length; i++) compare(&a->as.items[i], &b->as.items[i], depth + 1);
        expect(a->length == 0 || a->as.items != b->as.items);
    } else if (a->tag == SC_BIGINT || (a->tag >= SC_STR && a->tag <= SC_BYTEARRAY) || a->tag == SC_FUNCTION) {
        expect(a->length == 0 || (a->as.bytes != b->as.bytes && memcmp(a->as.bytes, b->as.bytes, a->length) == 0));
    } else {
        expect(a->as.integer == b->as.integer);
    }
}

/* A report owns one block, and cannot hold references. */
static void check_feed(const sc_value *value) {
    sc_feed *feed = sc_feed_new(2, -1);
    if (feed == NULL) return;
    int stored = 0;
    for (int i = 0; i < 5; i++) stored += sc_feed_push(feed, 1, 2, value, i > 2) == 1;
    expect(stored == 4 && sc_feed_dropped(feed) == 1);
    for (; stored > 1; stored--) { /* the last one goes with the feed */
        sc_report *report = sc_feed_take(feed, 1);
        expect(report != NULL);
        compare(value, &report->payload, 0);
        free(report);
    }
    sc_feed_drop(feed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    sc_ref ref = { 1 };
    builder b = { .at = data, .end = data + size, .alloc = alloc, .ref = size % 2 == 0 ? &ref : NULL };
    sc_value value = build_value(&b, 0), copy;
    sc_arena arena;
    sc_arena_init(&arena);
    expect(sc_value_copy(&arena, &value, &copy) == 0);
    compare(&value, &copy, 0);
    sc_arena_free(&arena);
    expect(ref.count == 1);
    if (b.ref == NULL) check_feed(&value);
    for (block_t *block = b.user, *next; block != NULL; block = next) {
        next = block->next;
        free(block);
    }
    return 0;
}
