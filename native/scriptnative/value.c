/* value.c: the arena and deep copies of values. */
#include "value.h"

#include <stdlib.h>

struct sc_chunk {
    sc_chunk *next;
    _Alignas(16) char memory[];
};

#define SC_CHUNK_MIN 8192

void *sc_arena_grow(sc_arena *arena, size_t size) {
    size_t capacity = size > SC_CHUNK_MIN ? size : SC_CHUNK_MIN;
    sc_chunk *chunk = malloc(sizeof(sc_chunk) + capacity);
    if (chunk == NULL) return NULL;
    chunk->next = arena->chunks;
    arena->chunks = chunk;
    /* A large block gets a chunk of its own, so that the rest of the current one is not wasted. */
    if (capacity == size && size > SC_CHUNK_MIN) return chunk->memory;
    arena->next = chunk->memory + size;
    arena->end = chunk->memory + capacity;
    return chunk->memory;
}

int sc_arena_hold_ref(sc_arena *arena, sc_ref *ref) {
    sc_held *held = sc_arena_alloc(arena, sizeof *held);
    if (held == NULL) return -1;
    held->object = ref;
    held->next = arena->refs;
    arena->refs = held;
    return 0;
}

void sc_arena_release(sc_arena *arena) {
    for (sc_held *held = arena->refs; held != NULL; held = held->next) sc_ref_release(held->object);
    sc_chunk *chunk = arena->chunks;
    while (chunk != NULL) {
        sc_chunk *next = chunk->next;
        free(chunk);
        chunk = next;
    }
    sc_arena_init(arena);
}

static int copy_bytes(sc_arena *arena, const sc_value *source, sc_value *out) {
    char *bytes = sc_arena_alloc(arena, source->length);
    if (bytes == NULL) return -1;
    if (source->length != 0) memcpy(bytes, source->as.bytes, source->length);
    out->as.bytes = bytes;
    return 0;
}

static int copy_items(sc_arena *arena, const sc_value *source, sc_value *out) {
    if (source->length > SIZE_MAX / sizeof(sc_value)) return -1;
    sc_value *items = sc_arena_alloc(arena, source->length * sizeof *items);
    if (items == NULL) return -1;
    for (size_t i = 0; i < source->length; i++) {
        if (sc_value_copy(arena, &source->as.items[i], &items[i]) < 0) return -1;
    }
    out->as.items = items;
    return 0;
}

int sc_value_copy(sc_arena *arena, const sc_value *source, sc_value *out) {
    *out = *source;
    switch ((sc_tag)source->tag) {
    case SC_BIGINT:
    case SC_STR:
    case SC_BYTES:
    case SC_BYTEARRAY:
    case SC_FUNCTION:
        return copy_bytes(arena, source, out);
    case SC_LIST:
    case SC_TUPLE:
    case SC_SET:
    case SC_FROZENSET:
    case SC_DICT:
        return copy_items(arena, source, out);
    case SC_REF:
        sc_ref_retain(source->as.ref);
        if (sc_arena_hold_ref(arena, source->as.ref) < 0) {
            sc_ref_release(source->as.ref);
            return -1;
        }
        return 0;
    default:
        return 0;
    }
}
