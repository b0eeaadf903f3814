/* build_values.h: any tree of values from any bytes: what a native module might return, sane or not.
 *
 * Each node takes a byte for its tag (bits of it make the tag unknown, the flags odd or the pointer missing), and a byte
 * for its length. Texts lie in memory of exactly their length, so that a sanitizer sees what reads beyond it.
 */
#ifndef BUILD_VALUES_H
#define BUILD_VALUES_H

#include "scriptconsole.h"

typedef struct builder {
    const uint8_t *at, *end;
    void *(*alloc)(struct builder *builder, size_t size);
    void *user;
    sc_value *shared; /* the last container made or being made: an item may be it again */
    sc_ref *ref;      /* what stands for any reference; NULL: none is made */
    int wild;         /* whether what breaks the rules of the interface is made as well */
    int nodes;
} builder;

#define BUILD_NODES 4000
#define BUILD_DEPTH 300

static inline unsigned build_byte(builder *b) { return b->at < b->end ? *b->at++ : 0; }

static inline sc_value build_bytes(builder *b, uint32_t tag, size_t length) {
    sc_value value = { tag, 0, length, { 0 } };
    if (length > (size_t)(b->end - b->at)) length = (size_t)(b->end - b->at);
    char *bytes = b->alloc(b, length);
    if (bytes == NULL) return sc_nil();
    memcpy(bytes, b->at, length);
    b->at += length;
    value.length = length;
    value.as.bytes = bytes;
    return value;
}

static inline sc_value build_value(builder *b, int depth);

static inline sc_value build_items(builder *b, uint32_t tag, size_t length, int depth) {
    sc_value value = { tag, 0, length, { 0 } };
    value.as.items = b->alloc(b, length * sizeof(sc_value));
    if (value.as.items == NULL) return sc_nil();
    memset(value.as.items, 0, length * sizeof(sc_value));
    if (b->wild && length != 0) b->shared = value.as.items; /* an empty one has no memory to be read again */
    for (size_t i = 0; i < length; i++) value.as.items[i] = build_value(b, depth + 1);
    if (!b->wild) b->shared = value.as.items;
    return value;
}

static inline sc_value build_value(builder *b, int depth) {
    unsigned kind = build_byte(b), tag = kind & 31, size;
    sc_value value = sc_nil();
    if (++b->nodes > BUILD_NODES || depth > BUILD_DEPTH) return value;
    switch (tag) {
    case SC_NIL: return value;
    case SC_BOOL:
    case SC_INT:
    case SC_DOUBLE:
        value.tag = tag;
        for (int i = 0; i < 8; i++) value.as.integer = (int64_t)((uint64_t)value.as.integer << 8 | build_byte(b));
        return value;
    case SC_BIGINT:
    case SC_STR:
    case SC_BYTES:
    case SC_BYTEARRAY:
    case SC_FUNCTION:
        size = build_byte(b);
        value = build_bytes(b, tag, kind & 32 ? size * 300u : size);
        if (kind & 64) value.flags = SC_SURROGATES;
        break;
    case SC_LIST:
    case SC_TUPLE:
    case SC_SET:
    case SC_FROZENSET:
    case SC_DICT:
        size = build_byte(b) % 40;
        if (tag == SC_DICT && !b->wild) size *= 2;
        value = build_items(b, tag, size, depth);
        break;
    case SC_REF:
        if (b->ref == NULL && !b->wild) return value;
        value.tag = SC_REF;
        value.as.ref = b->ref;
        return value;
    case 16: /* twenty levels at once: depth is otherwise dear */
        value = build_value(b, depth + 20);
        for (int i = 0; i < 20; i++) {
            sc_value *item = b->alloc(b, sizeof *item);
            if (item == NULL) return sc_nil();
            *item = value;
            value = (sc_value){ SC_LIST, 0, 1, { 0 } };
            value.as.items = item;
        }
        return value;
    case 17: /* a container again; when it is still being made, that is a cycle */
        if (b->shared == NULL) return value;
        value.tag = SC_LIST;
        value.length = b->wild ? 1 : 0;
        value.as.items = b->shared;
        return value;
    default:
        if (b->wild) value.tag = kind * 0x01010101u;
        return value;
    }
    if (b->wild && kind & 128) value.as.bytes = NULL; /* a length of nothing */
    return value;
}

#endif
