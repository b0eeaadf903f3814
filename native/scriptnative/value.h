/* value.h: the neutral form of a value on its way between two runtimes, and the arena it lives in.
 *
 * Knows nothing of Python or Lua. A tree of sc_value may borrow memory of its source (see convert.h);
 * sc_value_copy makes it independent.
 */
#ifndef SC_VALUE_H
#define SC_VALUE_H

#include "scriptconsole.h"

#define SC_ARENA_INLINE 1024

typedef struct sc_chunk sc_chunk;
typedef struct sc_held sc_held;

/* Bump allocator with a first chunk on the caller's stack; remembers references it must give back. */
typedef struct sc_arena {
    char *next;
    char *end;
    sc_chunk *chunks;
    sc_held *refs; /* sc_ref: one count each, given back by sc_arena_free */
    sc_held *kept; /* PyObject of the source: given back by sc_kept_release, attached to the source */
    _Alignas(16) char first[SC_ARENA_INLINE];
} sc_arena;

struct sc_held {
    sc_held *next;
    void *object;
};

static inline void sc_arena_init(sc_arena *arena) {
    arena->next = arena->first;
    arena->end = arena->first + SC_ARENA_INLINE;
    arena->chunks = NULL;
    arena->refs = NULL;
    arena->kept = NULL;
}

void *sc_arena_grow(sc_arena *arena, size_t size);

/* What an allocation of `size` bytes takes. */
static inline size_t sc_arena_rounded(size_t size) { return size == 0 ? 16u : (size + 15u) & ~(size_t)15u; }

/* Memory for `size` bytes, aligned to 16; NULL when there is none. */
static inline void *sc_arena_alloc(sc_arena *arena, size_t size) {
    if (size > SIZE_MAX / 2) return NULL;
    size = sc_arena_rounded(size);
    if (size <= (size_t)(arena->end - arena->next)) {
        void *memory = arena->next;
        arena->next += size;
        return memory;
    }
    return sc_arena_grow(arena, size);
}

/* Remember to give back one count of `ref`; 0, or -1 without memory (the count stays with the caller). */
int sc_arena_hold_ref(sc_arena *arena, sc_ref *ref);

void sc_arena_release(sc_arena *arena);

static inline void sc_arena_free(sc_arena *arena) {
    if (arena->chunks != NULL || arena->refs != NULL) sc_arena_release(arena);
}

/* Deep copy of `source` into `arena`, sharing nothing but references; 0, or -1 without memory. */
int sc_value_copy(sc_arena *arena, const sc_value *source, sc_value *out);

/* References, counted atomically so that any thread may drop one. Defined in interp.c. */
void sc_ref_retain(sc_ref *ref);
void sc_ref_release(sc_ref *ref);

#endif
