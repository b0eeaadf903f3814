/* luapush.c: neutral values to Lua, and how a place in a value is named. */
#include "luastate.h"

#include <limits.h>

/* ---- naming the place ---------------------------------------------------------------------------- */

static PyObject *key_object(sc_crossing *c, const sc_place *where) {
    sc_value key = sc_nil();
    if (where->key != NULL) return sc_decode(c->lua->home, where->key);
    if (where->key_at == 0) return PyLong_FromLongLong(where->index);
    size_t length;
    if (c->lua->api->type(c->L, where->key_at) == LUA_TSTRING) {
        const char *text = c->lua->api->tolstring(c->L, where->key_at, &length);
        return PyUnicode_DecodeUTF8(text, (Py_ssize_t)length, "backslashreplace");
    }
    double number = 0;
    int64_t integer = 0;
    key.tag = SC_BOOL;
    key.as.integer = c->lua->api->toboolean(c->L, where->key_at);
    if (c->lua->api->type(c->L, where->key_at) == LUA_TNUMBER)
        key = sc_lua_number(c->lua->api, c->L, where->key_at, &integer, &number) ? sc_int(integer) : sc_double(number);
    else if (c->lua->api->type(c->L, where->key_at) != LUA_TBOOLEAN) return NULL;
    return sc_decode(c->lua->home, &key);
}

static void append_place(sc_crossing *c, PyObject **text, const sc_place *where) {
    if (where->outer != NULL) append_place(c, text, where->outer);
    if (*text == NULL || where->depth > 50) return;
    PyObject *step;
    if (where->outer == NULL) {
        step = c->is_result ? PyUnicode_FromString("result")
                            : PyUnicode_FromFormat("args[%lld]", (long long)where->index);
    } else {
        PyObject *key = key_object(c, where);
        if (key == NULL) PyErr_Clear();
        if (key == NULL) step = PyUnicode_FromString("[?]");
        else if (PyUnicode_Check(key) && PyUnicode_IsIdentifier(key)) step = PyUnicode_FromFormat(".%U", key);
        else if (where->depth == 50) step = PyUnicode_FromString("…");
        else step = PyUnicode_FromFormat("[%.80R]", key);
        Py_XDECREF(key);
    }
    if (step == NULL) Py_CLEAR(*text);
    else PyUnicode_AppendAndDel(text, step);
}

/* Always -1. Leaves the thread attached. */
int sc_cross_refuse(sc_crossing *c, const sc_place *where, const char *why, const char *detail) {
    sc_lua_attach();
    c->failed = 1;
    PyObject *text = PyUnicode_FromString("");
    if (text != NULL) append_place(c, &text, where);
    const char *name = text == NULL ? NULL : PyUnicode_AsUTF8(text);
    if (name != NULL) sc_raise(c->lua->home, SC_E_CROSSING, why, name, detail);
    else if (!PyErr_Occurred()) PyErr_NoMemory();
    Py_XDECREF(text);
    return -1;
}

int sc_cross_no_memory(sc_crossing *c) {
    sc_lua_attach();
    c->failed = 1;
    PyErr_NoMemory();
    return -1;
}

/* ---- values ----------------------------------------------------------------------------------------- */

static int push(sc_crossing *c, const sc_value *value, const sc_place *where);

/* What can be pushed without an allocation, and cannot be refused. */
static inline int is_plain(const sc_lua_api *api, const sc_value *value) {
    if (value->tag == SC_INT) return sc_lua_holds(api, value->as.integer);
    return value->tag == SC_NIL || value->tag == SC_BOOL || value->tag == SC_DOUBLE;
}

static inline void push_plain(const sc_lua_api *api, lua_State *L, const sc_value *value) {
    if (value->tag == SC_INT) sc_lua_pushinteger(api, L, value->as.integer);
    else if (value->tag == SC_DOUBLE) api->pushnumber(L, value->as.number);
    else if (value->tag == SC_BOOL) api->pushboolean(L, value->as.integer != 0);
    else api->pushnil(L);
}

static const char *name_of_tag(const sc_value *value) {
    static const char *const names[] = { "NoneType", "bool", "int", "int", "float", "str", "bytes", "bytearray", "list",
                                         "tuple", "set", "frozenset", "dict", "object" };
    return value->tag < sizeof names / sizeof *names ? names[value->tag] : "function";
}

static int push_key(sc_crossing *c, const sc_value *key, const sc_place *where) {
    switch ((sc_tag)key->tag) {
    case SC_BIGINT:
        return sc_cross_refuse(c, where->outer, "%s: a key of more than 64 bits does not fit in Lua", NULL);
    case SC_STR:
        if (key->flags & SC_SURROGATES)
            return sc_cross_refuse(c, where->outer, "%s: a key with a lone surrogate has no UTF-8 form", NULL);
        break;
    case SC_DOUBLE:
        if (key->as.number == key->as.number) break;
        return sc_cross_refuse(c, where->outer, "%s: NaN cannot be a key in Lua", NULL);
    case SC_BOOL:
    case SC_INT:
    case SC_BYTES:
        break;
    default:
        return sc_cross_refuse(c, where, "%s: a key of type %s cannot cross; use str, int, float or bool",
                               name_of_tag(key));
    }
    return push(c, key, where);
}

static int push_list(sc_crossing *c, const sc_value *value, const sc_place *where) {
    const sc_lua_api *api = c->lua->api;
    api->createtable(c->L, value->length > INT_MAX ? INT_MAX : (int)value->length, 0);
    for (size_t i = 0; i < value->length; i++) {
        sc_place step = { where, (int64_t)i, NULL, 0, NULL, where->depth + 1 };
        if (push(c, &value->as.items[i], &step) < 0) return -1;
        sc_lua_rawseti(api, c->L, -2, (int64_t)i + 1);
    }
    return 0;
}

/* In Lua, bytes and text that are the same are one key. */
static int has_bytes(const sc_value *items, size_t length, size_t step) {
    for (size_t i = 0; i < length; i += step)
        if (items[i].tag == SC_BYTES) return 1;
    return 0;
}

/* Whether the key on top is in the table below it already. */
static int is_taken(const sc_crossing *c) {
    const sc_lua_api *api = c->lua->api;
    api->pushvalue(c->L, -1);
    api->rawget(c->L, -3);
    int taken = api->type(c->L, -1) != LUA_TNIL;
    sc_lua_pop(api, c->L, 1);
    return taken;
}

static int push_dict(sc_crossing *c, const sc_value *value, const sc_place *where) {
    const sc_lua_api *api = c->lua->api;
    size_t entries = value->length / 2;
    int may_clash = has_bytes(value->as.items, value->length, 2);
    api->createtable(c->L, 0, entries > INT_MAX ? INT_MAX : (int)entries);
    for (size_t i = 0; i + 1 < value->length; i += 2) {
        const sc_value *key = &value->as.items[i];
        sc_place step = { where, 0, key, 0, NULL, where->depth + 1 };
        if (push_key(c, key, &step) < 0) return -1;
        if (may_clash && is_taken(c))
            return sc_cross_refuse(c, where, "%s: two of its keys are the same in Lua", NULL);
        if (push(c, &value->as.items[i + 1], &step) < 0) return -1;
        api->rawset(c->L, -3);
    }
    return 0;
}

/* Element = true, with a metatable of ours that tells it from other tables on its way back. */
static int push_set(sc_crossing *c, const sc_value *value, const sc_place *where) {
    const sc_lua_api *api = c->lua->api;
    int may_clash = has_bytes(value->as.items, value->length, 1);
    api->createtable(c->L, 0, value->length > INT_MAX ? INT_MAX : (int)value->length);
    for (size_t i = 0; i < value->length; i++) {
        sc_place step = { where, 0, &value->as.items[i], 0, NULL, where->depth + 1 };
        if (push_key(c, &value->as.items[i], &step) < 0) return -1;
        if (may_clash && is_taken(c))
            return sc_cross_refuse(c, where, "%s: two of its elements are the same in Lua", NULL);
        api->pushboolean(c->L, 1);
        api->rawset(c->L, -3);
    }
    sc_lua_rawgeti(api, c->L, api->registry, value->tag == SC_SET ? c->lua->set_meta : c->lua->frozenset_meta);
    api->setmetatable(c->L, -2);
    return 0;
}

/* A Python function becomes a function, anything else a userdata; the same object the same value, while that lives. */
static int push_reference(sc_crossing *c, sc_ref *ref) {
    sc_lua *lua = c->lua;
    const sc_lua_api *api = lua->api;
    if (ref->home == lua->home) {
        const sc_lua_handle *own = sc_lua_handle_of(ref->object);
        if (own != NULL && own->lua == lua) {
            sc_lua_rawgeti(api, c->L, api->registry, own->number);
            return 0;
        }
    }
    sc_lua_rawgeti(api, c->L, api->registry, lua->objects);
    api->pushlstring(c->L, (const char *)&ref->object, sizeof ref->object);
    api->pushvalue(c->L, -1);
    api->rawget(c->L, -3);
    if (api->type(c->L, -1) == LUA_TNIL) {
        sc_lua_pop(api, c->L, 1);
        sc_lua_push_box(lua, c->L, ref);
        if (ref->kind == SC_REF_CALLABLE) api->pushcclosure(c->L, sc_lua_caller(api), 1);
        api->pushvalue(c->L, -2); /* objects, key, value, key */
        api->pushvalue(c->L, -2);
        api->rawset(c->L, -5);
    }
    sc_lua_insert(api, c->L, -3);
    sc_lua_pop(api, c->L, 2);
    return 0;
}

static int push(sc_crossing *c, const sc_value *value, const sc_place *where) {
    const sc_lua_api *api = c->lua->api;
    api->aux.checkstack(c->L, 8, "a value is nested too deeply");
    switch ((sc_tag)value->tag) {
    case SC_INT:
        if (!sc_lua_holds(api, value->as.integer))
            return sc_cross_refuse(
                c, where, "%s: an int beyond 2^53 is not exact in this Lua, which has no integers; pass a str", NULL);
        sc_lua_pushinteger(api, c->L, value->as.integer);
        return 0;
    case SC_NIL:
    case SC_BOOL:
    case SC_DOUBLE:
        push_plain(api, c->L, value);
        return 0;
    case SC_BIGINT:
        return sc_cross_refuse(
            c, where, "%s: an int of more than 64 bits does not fit in Lua; pass a float or a str", NULL);
    case SC_STR:
        if (value->flags & SC_SURROGATES)
            return sc_cross_refuse(c, where, "%s: a lone surrogate has no UTF-8 form; pass bytes", NULL);
        /* fall through */
    case SC_BYTES:
    case SC_BYTEARRAY:
        api->pushlstring(c->L, value->as.bytes, value->length);
        return 0;
    case SC_LIST:
    case SC_TUPLE:
        return push_list(c, value, where);
    case SC_DICT:
        return push_dict(c, value, where);
    case SC_SET:
    case SC_FROZENSET:
        return push_set(c, value, where);
    case SC_REF:
        return push_reference(c, value->as.ref);
    default:
        return sc_cross_refuse(c, where, "%s: a value of type %s cannot cross", name_of_tag(value));
    }
}

static int push_job(sc_lua *lua, lua_State *L, void *context) {
    sc_crossing *c = context;
    c->L = L;
    lua->api->aux.checkstack(L, c->count > INT_MAX - 8 ? INT_MAX : (int)c->count, "too many arguments");
    for (size_t i = 0; i < c->count; i++) {
        sc_place root = { NULL, (int64_t)i, NULL, 0, NULL, 0 };
        c->at = (Py_ssize_t)i;
        if (push(c, &c->values[i], &root) < 0) return 0;
    }
    return (int)c->count;
}

/* Values of `c` onto L; 0, or -1 with an exception set and the thread attached. */
int sc_cross_push(sc_crossing *c, lua_State *L) {
    const sc_lua_api *api = c->lua->api;
    size_t i = 0;
    c->L = L;
    while (c->count <= SC_LUA_FEW && i < c->count && is_plain(api, &c->values[i])) i++;
    if (i == c->count) {
        for (i = 0; i < c->count; i++) push_plain(api, L, &c->values[i]);
        return 0;
    }
    int over = c->lua->guard->over_limit;
    c->lua->guard->over_limit = 0;
    int status = sc_lua_protect(c->lua, L, 0, push_job, c);
    if (status == LUA_OK && !c->failed) {
        c->lua->guard->over_limit = over;
        return 0;
    }
    if (!c->failed) {
        sc_place root = { NULL, c->at, NULL, 0, NULL, 0 };
        const char *why = "%s: there is no memory for it in Lua";
        if (c->lua->guard->over_limit)
            why = "%s: it does not fit into the memory that the script may have (option memory)";
        sc_lua_pop(api, L, 1);
        sc_cross_refuse(c, &root, why, NULL);
    }
    c->lua->guard->over_limit = over;
    return -1;
}
