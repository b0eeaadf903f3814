/* luapull.c: Lua values to neutral ones. */
#include "luastate.h"

#include <string.h>

static int is_utf8(const unsigned char *s, size_t n) {
    size_t i = 0;
    while (i < n) {
        uint64_t eight;
        if (n - i >= 8 && (memcpy(&eight, s + i, 8), (eight & UINT64_C(0x8080808080808080)) == 0)) {
            i += 8;
            continue;
        }
        unsigned char c = s[i];
        if (c < 0x80) {
            i++;
        } else if (c < 0xC2) {
            return 0;
        } else if (c < 0xE0) {
            if (n - i < 2 || (s[i + 1] & 0xC0) != 0x80) return 0;
            i += 2;
        } else if (c < 0xF0) {
            if (n - i < 3 || (s[i + 1] & 0xC0) != 0x80 || (s[i + 2] & 0xC0) != 0x80) return 0;
            if ((c == 0xE0 && s[i + 1] < 0xA0) || (c == 0xED && s[i + 1] > 0x9F)) return 0;
            i += 3;
        } else if (c < 0xF5) {
            if (n - i < 4 || (s[i + 1] & 0xC0) != 0x80 || (s[i + 2] & 0xC0) != 0x80) return 0;
            if ((s[i + 3] & 0xC0) != 0x80) return 0;
            if ((c == 0xF0 && s[i + 1] < 0x90) || (c == 0xF4 && s[i + 1] > 0x8F)) return 0;
            i += 4;
        } else {
            return 0;
        }
    }
    return 1;
}

static inline void pull_string(const sc_lua_api *api, lua_State *L, int index, sc_value *out) {
    out->as.bytes = api->tolstring(L, index, &out->length);
    out->tag = is_utf8((const unsigned char *)out->as.bytes, out->length) ? SC_STR : SC_BYTES;
    out->flags = 0;
}

static inline void pull_number(const sc_lua_api *api, lua_State *L, int index, sc_value *out) {
    double number = 0;
    int64_t integer = 0;
    out->flags = 0;
    out->length = 0;
    if (sc_lua_number(api, L, index, &integer, &number)) {
        out->tag = SC_INT;
        out->as.integer = integer;
    } else {
        out->tag = SC_DOUBLE;
        out->as.number = number;
    }
}

/* 1 when it is a value that needs neither memory nor Python. The string stays on the stack while it is needed. */
static inline int pull_simple(const sc_lua_api *api, lua_State *L, int index, sc_value *out) {
    switch (api->type(L, index)) {
    case LUA_TNUMBER:
        pull_number(api, L, index, out);
        return 1;
    case LUA_TSTRING:
        pull_string(api, L, index, out);
        return 1;
    case LUA_TNIL:
        *out = sc_nil();
        return 1;
    case LUA_TBOOLEAN:
        *out = sc_bool(api->toboolean(L, index));
        return 1;
    default:
        return 0;
    }
}

static int give_ref(sc_crossing *c, sc_ref *ref, sc_value *out) {
    if (sc_arena_hold_ref(c->arena, ref) < 0) {
        sc_ref_release(ref);
        return sc_cross_no_memory(c);
    }
    *out = sc_nil();
    out->tag = SC_REF;
    out->as.ref = ref;
    return 0;
}

static int pull_reference(sc_crossing *c, int index, sc_value *out) {
    sc_lua *lua = c->lua;
    const sc_lua_api *api = lua->api;
    const sc_lua_box *box = sc_lua_box_of(lua, c->L, index);
    if (box != NULL) {
        sc_ref_retain(box->ref);
        return give_ref(c, box->ref, out);
    }
    const void *address = api->topointer(c->L, index);
    api->pushvalue(c->L, index);
    int number = api->aux.ref(c->L, api->registry);
    sc_lua_attach();
    PyObject *object = sc_lua_handle_new(lua, api->type(c->L, index), number, address);
    sc_ref *ref = object == NULL ? NULL : sc_ref_new(lua->home, object);
    Py_XDECREF(object);
    if (ref == NULL) {
        c->failed = 1;
        return -1;
    }
    return give_ref(c, ref, out);
}

static int keep_bytes(sc_crossing *c, sc_value *out) {
    char *copy = sc_arena_alloc(c->arena, out->length);
    if (copy == NULL) return sc_cross_no_memory(c);
    memcpy(copy, out->as.bytes, out->length);
    out->as.bytes = copy;
    return 0;
}

/* What the keys of a table are: *count of them, all within 1..*count or not. */
static int is_sequence(const sc_lua_api *api, lua_State *L, int index, size_t *count) {
    int whole = 1;
    int64_t largest = 0;
    *count = 0;
    api->pushnil(L);
    while (api->next(L, index)) {
        int64_t key = 0;
        double number;
        sc_lua_pop(api, L, 1);
        whole = whole && api->type(L, -1) == LUA_TNUMBER && sc_lua_number(api, L, -1, &key, &number) && key >= 1;
        if (key > largest) largest = key;
        ++*count;
    }
    return whole && (uint64_t)largest == *count;
}

static int pull_list(sc_crossing *c, int index, const sc_place *where, size_t count, sc_value *out) {
    const sc_lua_api *api = c->lua->api;
    const void *table = api->topointer(c->L, index);
    sc_value *items = sc_arena_alloc(c->arena, count * sizeof *items);
    if (items == NULL) return sc_cross_no_memory(c);
    for (size_t i = 0; i < count; i++) {
        sc_place step = { where, (int64_t)i + 1, NULL, 0, table, where->depth + 1 };
        sc_lua_rawgeti(api, c->L, index, (int64_t)i + 1);
        if (sc_cross_pull_value(c, api->gettop(c->L), &step, &items[i]) < 0) return -1;
        sc_lua_pop(api, c->L, 1);
    }
    *out = sc_items(SC_LIST, items, count);
    return 0;
}

/* 1 and true, 0 and false are one key in Python. */
static int has_twin(const sc_lua_api *api, lua_State *L, int table, int is_true) {
    sc_lua_rawgeti(api, L, table, is_true);
    int twin = api->type(L, -1) != LUA_TNIL;
    sc_lua_pop(api, L, 1);
    return twin;
}

/* A dict; of a set only the keys. */
static int pull_pairs(sc_crossing *c, int index, const sc_place *where, size_t count, sc_tag tag, sc_value *out) {
    const sc_lua_api *api = c->lua->api;
    const void *table = api->topointer(c->L, index);
    size_t width = tag == SC_DICT ? 2 : 1, filled = 0;
    sc_value *items = sc_arena_alloc(c->arena, width * count * sizeof *items);
    if (items == NULL) return sc_cross_no_memory(c);
    int top = api->gettop(c->L);
    api->pushnil(c->L);
    while (filled < width * count && api->next(c->L, index)) {
        int key_at = api->gettop(c->L) - 1;
        sc_place step = { where, 0, NULL, key_at, table, where->depth + 1 };
        sc_value *key = &items[filled];
        if (!pull_simple(api, c->L, key_at, key))
            return sc_cross_refuse(c, &step, "%s: a key of type %s cannot cross",
                                   api->typename(c->L, api->type(c->L, key_at)));
        if (key->tag == SC_BOOL && has_twin(api, c->L, index, key->as.integer != 0))
            return sc_cross_refuse(c, where, "%s: two of its keys, such as 1 and true, are the same in Python", NULL);
        if ((key->tag == SC_STR || key->tag == SC_BYTES) && keep_bytes(c, key) < 0) return -1;
        if (tag == SC_DICT) {
            if (sc_cross_pull_value(c, key_at + 1, &step, &items[filled + 1]) < 0) return -1;
            filled += 2;
        } else if (api->toboolean(c->L, key_at + 1)) {
            filled++;
        }
        sc_lua_pop(api, c->L, 1);
    }
    api->settop(c->L, top);
    *out = sc_items(tag, items, filled);
    return 0;
}

static int meta_is(const sc_lua_api *api, lua_State *L, int number) {
    sc_lua_rawgeti(api, L, api->registry, number);
    int same = api->rawequal(L, -1, -2);
    sc_lua_pop(api, L, 1);
    return same;
}

static int pull_table(sc_crossing *c, int index, const sc_place *where, sc_value *out) {
    const sc_lua_api *api = c->lua->api;
    const void *table = api->topointer(c->L, index);
    sc_tag tag = SC_DICT;
    size_t count;
    if (api->getmetatable(c->L, index)) {
        if (meta_is(api, c->L, c->lua->set_meta)) tag = SC_SET;
        else if (meta_is(api, c->L, c->lua->frozenset_meta)) tag = SC_FROZENSET;
        sc_lua_pop(api, c->L, 1);
        if (tag == SC_DICT) return pull_reference(c, index, out);
    }
    for (const sc_place *up = where; up != NULL; up = up->outer) {
        if (up->table != table) continue;
        return sc_cross_refuse(c, where, "%s refers back to a table it is in; a cycle cannot cross", NULL);
    }
    if (where->depth >= SC_MAX_DEPTH)
        return sc_cross_refuse(c, where, "%s is nested deeper than 200 levels; send it in parts", NULL);
    int sequence = is_sequence(api, c->L, index, &count);
    if (tag == SC_DICT && sequence) return pull_list(c, index, where, count, out);
    return pull_pairs(c, index, where, count, tag, out);
}

/* Value at an absolute index; strings are copied. May raise a Lua error. */
int sc_cross_pull_value(sc_crossing *c, int index, const sc_place *where, sc_value *out) {
    const sc_lua_api *api = c->lua->api;
    if (pull_simple(api, c->L, index, out)) {
        if (out->tag != SC_STR && out->tag != SC_BYTES) return 0;
        return keep_bytes(c, out);
    }
    api->aux.checkstack(c->L, 8, "a value is nested too deeply");
    if (api->type(c->L, index) == LUA_TTABLE) return pull_table(c, index, where, out);
    return pull_reference(c, index, out);
}

static int pull_job(sc_lua *lua, lua_State *L, void *context) {
    sc_crossing *c = context;
    (void)lua;
    c->L = L;
    for (size_t i = 0; i < c->count; i++) {
        sc_place root = { NULL, (int64_t)i, NULL, 0, NULL, 0 };
        if (sc_cross_pull_value(c, (int)i + 1, &root, &c->values[i]) < 0) return 0;
    }
    return (int)c->count;
}

/* The `count` values on top of L, which stay there. 0; -1 with an exception set and the thread attached. */
int sc_cross_pull(sc_crossing *c, lua_State *L, int count) {
    const sc_lua_api *api = c->lua->api;
    int first = api->gettop(L) - count + 1, i = 0;
    c->count = (size_t)count;
    c->L = L;
    while (i < count && pull_simple(api, L, first + i, &c->values[i])) i++;
    if (i == count) return 0;
    if (!sc_lua_make_room(c->lua, L, 4)) return sc_cross_no_memory(c);
    int status = sc_lua_protect(c->lua, L, count, pull_job, c);
    if (status == LUA_OK && !c->failed) return 0;
    if (c->failed) return -1;
    sc_place root = { NULL, 0, NULL, 0, NULL, 0 };
    char why[200] = "";
    const char *text = api->type(L, -1) == LUA_TSTRING ? api->tolstring(L, -1, NULL) : NULL;
    if (text != NULL) strncpy(why, text, sizeof why - 1);
    if (strstr(why, "not enough memory") != NULL) return sc_cross_no_memory(c);
    return sc_cross_refuse(c, &root, "%s: it cannot be copied out of Lua: %s", why);
}
