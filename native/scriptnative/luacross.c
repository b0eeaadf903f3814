/* luacross.c: values both ways, calls into Lua, calls from Lua, and the references Python holds.
 *
 * Order of the locks: the run lock of the script, then the GIL. What may raise a Lua error runs in `protected`, so that
 * none jumps over a frame of ours. */
#include "luacross.h"

#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define FEW 8          /* values that need no allocation */
#define IDLE 4         /* coroutines kept for the next call */
#define MAX_NESTED 180 /* calls in calls: Lua's own limit is 200 levels of C */
#define MAX_FRAMES 100

typedef struct dropped {
    struct dropped *next;
    int number;
} dropped;

typedef struct job {
    int (*run)(sc_lua *lua, lua_State *L, void *context); /* number of results on top of L */
    void *context;
} job;

struct sc_lua {
    atomic_long refs;
    const sc_lua_api *api;
    sc_guard *guard;
    sc_interp *home; /* the interpreter whose objects it deals with */
    int open;        /* under the run lock, like all that follows */
    job *job;
    struct {
        lua_State *state;
        int number;
    } idle[IDLE];
    int idle_count;
    /* Numbers in the registry. */
    int protect, objects, object_meta, set_meta, frozenset_meta;
    _Atomic(dropped *) dropped; /* references that Python let go, from any thread */
    char *problem;              /* text of the last failed call into Python, as Lua sees it */
    size_t problem_length;
    /* Objects of `home`. */
    PyObject *report;
    PyObject *failure; /* what that call raised, until the outermost call returns */
    PyObject *get, *set, *call, *describe, *error_text;
    PyObject *via; /* lupa function by which all calls go, for a state that lupa uses too */
};

/* Userdata that stands for a Python object, also behind the functions that call one. */
typedef struct lua_box {
    sc_lua *lua;
    sc_ref *ref;
} lua_box;

typedef struct lua_object {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    sc_lua *lua;
    int number;
    int kind; /* LUA_T… */
    int apart; /* code of ours: not what an interrupt is for */
    const void *address;
    PyObject *weakrefs;
} lua_object;

static PyTypeObject *reference_type, *callable_type; /* of the main interpreter */
static void object_dealloc(PyObject *self);

static inline lua_object *as_lua_object(PyObject *object) {
    return Py_TYPE(object)->tp_dealloc == object_dealloc ? (lua_object *)object : NULL;
}

/* ---- the GIL ---------------------------------------------------------------------------------- */

static __thread PyThreadState *aside; /* what this thread left to run Lua */

/* 1 when it was not attached before. */
static inline int attach(void) {
    if (PyThreadState_GetUnchecked() != NULL) return 0;
    PyEval_RestoreThread(aside);
    return 1;
}

static inline void detach(void) { PyEval_SaveThread(); }

/* ---- protected -------------------------------------------------------------------------------- */

static int protected(const sc_lua_api *api, lua_State *L) {
    lua_box *box = api->touserdata(L, sc_lua_upvalue(api, 1));
    job *now = box->lua->job;
    return now->run(box->lua, L, now->context);
}
SC_LUA_ENTRY(protected)

/* Run a job with `arguments` values from the top of L; status, the error on top. */
static int protect(sc_lua *lua, lua_State *L, int arguments, int (*run)(sc_lua *, lua_State *, void *), void *context) {
    const sc_lua_api *api = lua->api;
    job now = { run, context }, *outer = lua->job;
    sc_lua_rawgeti(api, L, api->registry, lua->protect);
    if (arguments != 0) sc_lua_insert(api, L, -arguments - 1);
    lua->job = &now;
    int attached = PyThreadState_GetUnchecked() != NULL;
    int status = sc_lua_pcall(api, L, arguments, LUA_MULTRET);
    lua->job = outer;
    if (status != LUA_OK && !attached && PyThreadState_GetUnchecked() != NULL) detach();
    return status;
}

/* Room on the stack of a coroutine between calls: the limit is lifted, as no Lua error may be raised there. */
static int make_room(sc_lua *lua, lua_State *L, int count) {
    size_t limit = lua->guard->limit;
    lua->guard->limit = 0;
    int made = lua->api->checkstack(L, count);
    lua->guard->limit = limit;
    return made;
}

/* ---- naming the place -------------------------------------------------------------------------- */

typedef struct place {
    const struct place *outer;
    int64_t index;          /* at the root the number of the argument or -1, else of the item, from 0 or in Lua from 1 */
    const sc_value *key;    /* of an item of a dict */
    int key_at;             /* the same in Lua: where on the stack, 0: `index` counts */
    const void *table;      /* the table it is an item of */
    int depth;
} place;

typedef struct crossing {
    sc_lua *lua;
    lua_State *L;
    sc_arena *arena;
    sc_value *values;
    size_t count;
    Py_ssize_t at; /* argument that is being moved; -1 for a result */
    int is_result;
    int failed; /* an exception is set, and the thread attached */
} crossing;

static int pull(crossing *c, int index, const place *where, sc_value *out);

static PyObject *key_object(crossing *c, const place *where) {
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

static void append_place(crossing *c, PyObject **text, const place *where) {
    if (where->outer != NULL) append_place(c, text, where->outer);
    if (*text == NULL || where->depth > 50) return;
    PyObject *step;
    if (where->outer == NULL) {
        step = c->is_result ? PyUnicode_FromString("result") : PyUnicode_FromFormat("args[%lld]", (long long)where->index);
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
static int refuse(crossing *c, const place *where, const char *why, const char *detail) {
    attach();
    c->failed = 1;
    PyObject *text = PyUnicode_FromString("");
    if (text != NULL) append_place(c, &text, where);
    const char *name = text == NULL ? NULL : PyUnicode_AsUTF8(text);
    if (name != NULL) sc_raise(c->lua->home, SC_E_CROSSING, why, name, detail);
    else if (!PyErr_Occurred()) PyErr_NoMemory();
    Py_XDECREF(text);
    return -1;
}

static int no_memory(crossing *c) {
    attach();
    c->failed = 1;
    PyErr_NoMemory();
    return -1;
}

/* ---- to Lua ---------------------------------------------------------------------------------------- */

static int push(crossing *c, const sc_value *value, const place *where);

static inline int is_plain(const sc_value *value) {
    return value->tag == SC_NIL || value->tag == SC_BOOL || value->tag == SC_DOUBLE || value->tag == SC_INT;
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

static int push_key(crossing *c, const sc_value *key, const place *where) {
    switch ((sc_tag)key->tag) {
    case SC_BIGINT:
        return refuse(c, where->outer, "%s: a key of more than 64 bits does not fit in Lua", NULL);
    case SC_STR:
        if (key->flags & SC_SURROGATES)
            return refuse(c, where->outer, "%s: a key with a lone surrogate has no UTF-8 form", NULL);
        break;
    case SC_DOUBLE:
        if (key->as.number != key->as.number) return refuse(c, where->outer, "%s: NaN cannot be a key in Lua", NULL);
        break;
    case SC_BOOL:
    case SC_INT:
    case SC_BYTES:
        break;
    default:
        return refuse(c, where, "%s: a key of type %s cannot cross; use str, int, float or bool", name_of_tag(key));
    }
    return push(c, key, where);
}

static int push_list(crossing *c, const sc_value *value, const place *where) {
    const sc_lua_api *api = c->lua->api;
    api->createtable(c->L, value->length > INT_MAX ? INT_MAX : (int)value->length, 0);
    for (size_t i = 0; i < value->length; i++) {
        place step = { where, (int64_t)i, NULL, 0, NULL, where->depth + 1 };
        if (is_plain(&value->as.items[i]) && value->as.items[i].tag != SC_INT) push_plain(api, c->L, &value->as.items[i]);
        else if (push(c, &value->as.items[i], &step) < 0) return -1;
        sc_lua_rawseti(api, c->L, -2, (int64_t)i + 1);
    }
    return 0;
}

static int push_dict(crossing *c, const sc_value *value, const place *where) {
    const sc_lua_api *api = c->lua->api;
    size_t entries = value->length / 2;
    api->createtable(c->L, 0, entries > INT_MAX ? INT_MAX : (int)entries);
    for (size_t i = 0; i + 1 < value->length; i += 2) {
        const sc_value *key = &value->as.items[i];
        place step = { where, 0, key, 0, NULL, where->depth + 1 };
        if (push_key(c, key, &step) < 0) return -1;
        if (key->tag == SC_BYTES || key->tag == SC_STR) { /* of these two the same bytes may be there twice */
            api->pushvalue(c->L, -1);
            api->rawget(c->L, -3);
            int is_there = api->type(c->L, -1) != LUA_TNIL;
            sc_lua_pop(api, c->L, 1);
            if (is_there) return refuse(c, where, "%s: two of its keys are the same in Lua", NULL);
        }
        if (push(c, &value->as.items[i + 1], &step) < 0) return -1;
        api->rawset(c->L, -3);
    }
    return 0;
}

/* Element = true, with a metatable of ours that tells it from other tables on its way back. */
static int push_set(crossing *c, const sc_value *value, const place *where) {
    const sc_lua_api *api = c->lua->api;
    api->createtable(c->L, 0, value->length > INT_MAX ? INT_MAX : (int)value->length);
    for (size_t i = 0; i < value->length; i++) {
        place step = { where, 0, &value->as.items[i], 0, NULL, where->depth + 1 };
        if (push_key(c, &value->as.items[i], &step) < 0) return -1;
        api->pushboolean(c->L, 1);
        api->rawset(c->L, -3);
    }
    sc_lua_rawgeti(api, c->L, api->registry, value->tag == SC_SET ? c->lua->set_meta : c->lua->frozenset_meta);
    api->setmetatable(c->L, -2);
    return 0;
}

static int call_python(const sc_lua_api *api, lua_State *L);
SC_LUA_ENTRY(call_python)

static lua_box *push_box(sc_lua *lua, lua_State *L, sc_ref *ref) {
    const sc_lua_api *api = lua->api;
    lua_box *box = sc_lua_newuserdata(api, L, sizeof *box);
    box->lua = lua;
    box->ref = NULL;
    sc_lua_rawgeti(api, L, api->registry, lua->object_meta);
    api->setmetatable(L, -2);
    if (ref != NULL) sc_ref_retain(ref);
    box->ref = ref;
    return box;
}

/* A Python function becomes a function, anything else a userdata; the same object the same value, while that lives. */
static int push_reference(crossing *c, sc_ref *ref) {
    sc_lua *lua = c->lua;
    const sc_lua_api *api = lua->api;
    if (ref->home == lua->home) {
        const lua_object *own = as_lua_object(ref->object);
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
        push_box(lua, c->L, ref);
        if (ref->callable) api->pushcclosure(c->L, SC_LUA_FUNCTION(api, call_python), 1);
        api->pushvalue(c->L, -2); /* objects, key, value, key */
        api->pushvalue(c->L, -2);
        api->rawset(c->L, -5);
    }
    sc_lua_insert(api, c->L, -3);
    sc_lua_pop(api, c->L, 2);
    return 0;
}

static int push(crossing *c, const sc_value *value, const place *where) {
    const sc_lua_api *api = c->lua->api;
    api->aux.checkstack(c->L, 8, "a value is nested too deeply");
    switch ((sc_tag)value->tag) {
    case SC_INT:
        if (!sc_lua_holds(api, value->as.integer))
            return refuse(c, where, "%s: an int beyond 2^53 is not exact in this Lua, which has no integers; pass a str", NULL);
        sc_lua_pushinteger(api, c->L, value->as.integer);
        return 0;
    case SC_NIL:
    case SC_BOOL:
    case SC_DOUBLE:
        push_plain(api, c->L, value);
        return 0;
    case SC_BIGINT:
        return refuse(c, where, "%s: an int of more than 64 bits does not fit in Lua; pass a float or a str", NULL);
    case SC_STR:
        if (value->flags & SC_SURROGATES)
            return refuse(c, where, "%s: a lone surrogate has no UTF-8 form; pass bytes", NULL);
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
        return refuse(c, where, "%s: a value of type %s cannot cross", name_of_tag(value));
    }
}

static int push_job(sc_lua *lua, lua_State *L, void *context) {
    crossing *c = context;
    c->L = L;
    lua->api->aux.checkstack(L, c->count > INT_MAX - 8 ? INT_MAX : (int)c->count, "too many arguments");
    for (size_t i = 0; i < c->count; i++) {
        place root = { NULL, (int64_t)i, NULL, 0, NULL, 0 };
        c->at = (Py_ssize_t)i;
        if (push(c, &c->values[i], &root) < 0) return 0;
    }
    return (int)c->count;
}

/* Values of `c` onto L; 0, or -1 with an exception set and the thread attached. */
static int push_all(crossing *c, lua_State *L) {
    const sc_lua_api *api = c->lua->api;
    size_t i = 0;
    c->L = L;
    if (c->count <= FEW)
        while (i < c->count && is_plain(&c->values[i]) && (c->values[i].tag != SC_INT || sc_lua_holds(api, c->values[i].as.integer))) i++;
    if (i == c->count) {
        for (i = 0; i < c->count; i++) push_plain(api, L, &c->values[i]);
        return 0;
    }
    int over = c->lua->guard->over_limit;
    c->lua->guard->over_limit = 0;
    int status = protect(c->lua, L, 0, push_job, c);
    if (status == LUA_OK && !c->failed) {
        c->lua->guard->over_limit = over;
        return 0;
    }
    if (!c->failed) {
        place root = { NULL, c->at, NULL, 0, NULL, 0 };
        int is_limit = c->lua->guard->over_limit;
        sc_lua_pop(api, L, 1);
        refuse(c, &root, is_limit ? "%s: it does not fit into the memory that the script may have (option memory)"
                                  : "%s: there is no memory for it in Lua", NULL);
    }
    c->lua->guard->over_limit = over;
    return -1;
}

/* ---- to Python -------------------------------------------------------------------------------------- */

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
            if (n - i < 4 || (s[i + 1] & 0xC0) != 0x80 || (s[i + 2] & 0xC0) != 0x80 || (s[i + 3] & 0xC0) != 0x80) return 0;
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

static PyObject *object_new(sc_lua *lua, int kind, int number, const void *address);

static int give_ref(crossing *c, sc_ref *ref, sc_value *out) {
    if (sc_arena_hold_ref(c->arena, ref) < 0) {
        sc_ref_release(ref);
        return no_memory(c);
    }
    *out = sc_nil();
    out->tag = SC_REF;
    out->as.ref = ref;
    return 0;
}

/* The Python object behind a value, NULL if it is one of Lua's own. */
static lua_box *box_of(sc_lua *lua, lua_State *L, int index) {
    const sc_lua_api *api = lua->api;
    lua_box *box = NULL;
    int kind = api->type(L, index);
    if (kind == LUA_TFUNCTION && api->tocfunction(L, index) == SC_LUA_FUNCTION(api, call_python)) {
        if (api->getupvalue(L, index, 1) == NULL) return NULL;
        box = api->touserdata(L, -1);
        sc_lua_pop(api, L, 1);
    } else if (kind == LUA_TUSERDATA && api->getmetatable(L, index)) {
        sc_lua_rawgeti(api, L, api->registry, lua->object_meta);
        if (api->rawequal(L, -1, -2)) box = api->touserdata(L, index);
        sc_lua_pop(api, L, 2);
    }
    return box != NULL && box->ref != NULL ? box : NULL;
}

static int pull_reference(crossing *c, int index, sc_value *out) {
    sc_lua *lua = c->lua;
    const sc_lua_api *api = lua->api;
    const lua_box *box = box_of(lua, c->L, index);
    if (box != NULL) {
        sc_ref_retain(box->ref);
        return give_ref(c, box->ref, out);
    }
    const void *address = api->topointer(c->L, index);
    api->pushvalue(c->L, index);
    int number = api->aux.ref(c->L, api->registry);
    attach();
    PyObject *object = object_new(lua, api->type(c->L, index), number, address);
    sc_ref *ref = object == NULL ? NULL : sc_ref_new(lua->home, object);
    Py_XDECREF(object);
    if (ref == NULL) {
        c->failed = 1;
        return -1;
    }
    return give_ref(c, ref, out);
}

static int keep_bytes(crossing *c, sc_value *out) {
    char *copy = sc_arena_alloc(c->arena, out->length);
    if (copy == NULL) return no_memory(c);
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
        if (whole && !(api->type(L, -1) == LUA_TNUMBER && sc_lua_number(api, L, -1, &key, &number) && key >= 1)) whole = 0;
        if (key > largest) largest = key;
        ++*count;
    }
    return whole && (uint64_t)largest == *count;
}

static int pull_list(crossing *c, int index, const place *where, size_t count, sc_value *out) {
    const sc_lua_api *api = c->lua->api;
    const void *table = api->topointer(c->L, index);
    sc_value *items = sc_arena_alloc(c->arena, count * sizeof *items);
    if (items == NULL) return no_memory(c);
    for (size_t i = 0; i < count; i++) {
        place step = { where, (int64_t)i + 1, NULL, 0, table, where->depth + 1 };
        sc_lua_rawgeti(api, c->L, index, (int64_t)i + 1);
        if (pull(c, api->gettop(c->L), &step, &items[i]) < 0) return -1;
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
static int pull_pairs(crossing *c, int index, const place *where, size_t count, sc_tag tag, sc_value *out) {
    const sc_lua_api *api = c->lua->api;
    const void *table = api->topointer(c->L, index);
    size_t width = tag == SC_DICT ? 2 : 1, filled = 0;
    sc_value *items = sc_arena_alloc(c->arena, width * count * sizeof *items);
    if (items == NULL) return no_memory(c);
    int top = api->gettop(c->L);
    api->pushnil(c->L);
    while (filled < width * count && api->next(c->L, index)) {
        int key_at = api->gettop(c->L) - 1;
        place step = { where, 0, NULL, key_at, table, where->depth + 1 };
        sc_value *key = &items[filled];
        if (!pull_simple(api, c->L, key_at, key))
            return refuse(c, &step, "%s: a key of type %s cannot cross", api->typename(c->L, api->type(c->L, key_at)));
        if (key->tag == SC_BOOL && has_twin(api, c->L, index, key->as.integer != 0))
            return refuse(c, where, "%s: two of its keys, such as 1 and true, are the same in Python", NULL);
        if ((key->tag == SC_STR || key->tag == SC_BYTES) && keep_bytes(c, key) < 0) return -1;
        if (tag == SC_DICT) {
            if (pull(c, key_at + 1, &step, &items[filled + 1]) < 0) return -1;
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

static int pull_table(crossing *c, int index, const place *where, sc_value *out) {
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
    for (const place *up = where; up != NULL; up = up->outer)
        if (up->table == table) return refuse(c, where, "%s refers back to a table it is in; a cycle cannot cross", NULL);
    if (where->depth >= SC_MAX_DEPTH) return refuse(c, where, "%s is nested deeper than 200 levels; send it in parts", NULL);
    int sequence = is_sequence(api, c->L, index, &count);
    if (tag == SC_DICT && sequence) return pull_list(c, index, where, count, out);
    return pull_pairs(c, index, where, count, tag, out);
}

/* Value at an absolute index; strings are copied. May raise a Lua error. */
static int pull(crossing *c, int index, const place *where, sc_value *out) {
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
    crossing *c = context;
    (void)lua;
    c->L = L;
    for (size_t i = 0; i < c->count; i++) {
        place root = { NULL, (int64_t)i, NULL, 0, NULL, 0 };
        if (pull(c, (int)i + 1, &root, &c->values[i]) < 0) return 0;
    }
    return (int)c->count;
}

/* The `count` values on top of L, which stay there. 0; -1 with an exception set and the thread attached. */
static int pull_all(crossing *c, lua_State *L, int count) {
    const sc_lua_api *api = c->lua->api;
    int first = api->gettop(L) - count + 1, i = 0;
    c->count = (size_t)count;
    c->L = L;
    while (i < count && pull_simple(api, L, first + i, &c->values[i])) i++;
    if (i == count) return 0;
    if (!make_room(c->lua, L, 4)) return no_memory(c);
    int status = protect(c->lua, L, count, pull_job, c);
    if (status == LUA_OK && !c->failed) return 0;
    if (c->failed) return -1;
    place root = { NULL, 0, NULL, 0, NULL, 0 };
    char why[200] = "";
    const char *text = api->type(L, -1) == LUA_TSTRING ? api->tolstring(L, -1, NULL) : NULL;
    if (text != NULL) strncpy(why, text, sizeof why - 1);
    if (strstr(why, "not enough memory") != NULL) return no_memory(c);
    return refuse(c, &root, "%s: it cannot be copied out of Lua: %s", why);
}

/* ---- calls from Lua ------------------------------------------------------------------------------------ */

/* Remember the exception that is set, and what Lua shall see of it; attached. */
static void remember_failure(sc_lua *lua) {
    PyObject *error = PyErr_GetRaisedException();
    PyObject *text = lua->report == NULL ? NULL : PyObject_CallMethod(lua->report, "problem", "O", error);
    char *bytes = NULL;
    Py_ssize_t length = 0;
    if (text == NULL || PyBytes_AsStringAndSize(text, &bytes, &length) < 0) {
        PyErr_Clear();
        bytes = "an error without a text";
        length = (Py_ssize_t)strlen(bytes);
    }
    free(lua->problem);
    lua->problem = malloc((size_t)length + 1);
    lua->problem_length = lua->problem == NULL ? 0 : (size_t)length;
    if (lua->problem != NULL) memcpy(lua->problem, bytes, (size_t)length);
    Py_XDECREF(text);
    if (lua->open) Py_XSETREF(lua->failure, error);
    else Py_DECREF(error);
}

/* The object behind a box called with the values; the result goes into values[0]. Attached; 0, or -1. */
static int call_object(crossing *c, sc_ref *ref, PyObject *(*how)(PyObject *, PyObject **, Py_ssize_t, void *), void *extra) {
    PyObject *few[FEW + 1], **objects = few;
    Py_ssize_t count = (Py_ssize_t)c->count, made = 0;
    PyObject *target = sc_reference_wrap(c->lua->home, ref), *result = NULL;
    if (count > FEW) objects = PyMem_Malloc((size_t)(count + 1) * sizeof *objects);
    if (objects == NULL) PyErr_NoMemory();
    while (target != NULL && objects != NULL && made < count) {
        objects[made + 1] = sc_decode(c->lua->home, &c->values[made]);
        if (objects[made + 1] == NULL) break;
        made++;
    }
    if (target != NULL && made == count && objects != NULL) result = how(target, objects + 1, count, extra);
    for (Py_ssize_t i = 0; i < made; i++) Py_DECREF(objects[i + 1]);
    if (objects != few) PyMem_Free(objects);
    Py_XDECREF(target);
    if (result == NULL) return -1;
    int rc = sc_encode(c->arena, c->lua->home, result, -1, &c->values[0]);
    Py_DECREF(result);
    return rc;
}

static PyObject *vectorcall(PyObject *target, PyObject **objects, Py_ssize_t count, void *extra) {
    (void)extra;
    return PyObject_Vectorcall(target, objects, (size_t)count | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
}

/* From a Lua function: call Python with the `count` values on top of L, and leave the result there. 0; -1: failed. */
static int into_python(sc_lua *lua, lua_State *L, sc_ref *ref, int count,
                       PyObject *(*how)(PyObject *, PyObject **, Py_ssize_t, void *), void *extra) {
    sc_arena arena;
    sc_value few[FEW];
    sc_arena_init(&arena);
    crossing c = { lua, L, &arena, few, 0, 0, 0, 0 };
    int was_attached = PyThreadState_GetUnchecked() != NULL, rc = -1;
    if (count > FEW) c.values = sc_arena_alloc(&arena, (size_t)count * sizeof(sc_value));
    if (c.values == NULL) no_memory(&c);
    else if (pull_all(&c, L, count) == 0) {
        attach();
        rc = call_object(&c, ref, how, extra);
    }
    if (rc == 0) {
        if (!was_attached) detach();
        c.count = 1;
        c.is_result = 1;
        c.failed = 0;
        rc = push_all(&c, L);
    }
    if (rc < 0) {
        attach();
        remember_failure(lua);
    }
    if (arena.kept != NULL) {
        attach();
        sc_kept_release(&arena);
    }
    if (!was_attached && PyThreadState_GetUnchecked() != NULL) detach();
    sc_arena_free(&arena);
    return rc;
}

/* Raise what remember_failure noted, with the position of the caller at that level. */
static int raise_problem(sc_lua *lua, lua_State *L, int level) {
    const sc_lua_api *api = lua->api;
    api->aux.where(L, level);
    api->pushlstring(L, lua->problem == NULL ? "" : lua->problem, lua->problem_length);
    api->concat(L, 2);
    return api->error(L);
}

static int call_box(const sc_lua_api *api, lua_State *L, int level) {
    lua_box *box = api->touserdata(L, sc_lua_upvalue(api, 1));
    if (box->ref == NULL || box->lua->report == NULL) return api->aux.error(L, "the script is closed");
    if (into_python(box->lua, L, box->ref, api->gettop(L), vectorcall, NULL) < 0) return raise_problem(box->lua, L, level);
    return 1;
}

static int call_python(const sc_lua_api *api, lua_State *L) { return call_box(api, L, 1); }

/* The same for functions of the prelude: the position is that of whoever called those. */
static int call_python_outer(const sc_lua_api *api, lua_State *L) { return call_box(api, L, 2); }
SC_LUA_ENTRY(call_python_outer)

/* outer(f): a function that calls the same Python function, for the prelude. */
static int outer(const sc_lua_api *api, lua_State *L) {
    if (api->tocfunction(L, 1) != SC_LUA_FUNCTION(api, call_python)) return api->aux.argerror(L, 1, "Python function expected");
    api->getupvalue(L, 1, 1);
    api->pushcclosure(L, SC_LUA_FUNCTION(api, call_python_outer), 1);
    return 1;
}
SC_LUA_ENTRY(outer)

/* ---- Python objects in Lua: fields, methods ------------------------------------------------------------- */

static lua_box *check_box(const sc_lua_api *api, lua_State *L) {
    lua_box *box = api->touserdata(L, sc_lua_upvalue(api, 1)); /* of the metatable: leads to the state */
    lua_box *own = box_of(box->lua, L, 1);
    if (own == NULL || box->lua->report == NULL) api->aux.error(L, "the Python object is gone");
    return own;
}

static PyObject *through_report(PyObject *target, PyObject **objects, Py_ssize_t count, void *extra) {
    PyObject *few[FEW + 2], **all = few, *result = NULL;
    PyObject *function = PyObject_GetAttrString(((sc_lua *)((void **)extra)[0])->report, ((const char **)extra)[1]);
    if (count > FEW) all = PyMem_Malloc((size_t)(count + 2) * sizeof *all);
    if (function != NULL && all != NULL) {
        all[1] = target;
        memcpy(all + 2, objects, (size_t)count * sizeof *all);
        result = PyObject_Vectorcall(function, all + 1, (size_t)(count + 1) | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    } else if (all == NULL) {
        PyErr_NoMemory();
    }
    if (all != few) PyMem_Free(all);
    Py_XDECREF(function);
    return result;
}

static int access_object(const sc_lua_api *api, lua_State *L, lua_box *box, const char *how) {
    void *extra[2] = { box->lua, (void *)how };
    int count = api->gettop(L) - 1;
    if (into_python(box->lua, L, box->ref, count, through_report, extra) < 0) return raise_problem(box->lua, L, 1);
    return 1;
}

/* A method, made by object_index: called as object:method(…), or as object.method(…). */
static int object_method(const sc_lua_api *api, lua_State *L) {
    lua_box *box = api->touserdata(L, sc_lua_upvalue(api, 1));
    if (box->ref == NULL || box->lua->report == NULL) return api->aux.error(L, "the Python object is gone");
    if (api->gettop(L) > 0 && api->rawequal(L, 1, sc_lua_upvalue(api, 1))) {
        api->pushvalue(L, sc_lua_upvalue(api, 2));
        sc_lua_insert(api, L, 2);
    } else {
        api->pushvalue(L, sc_lua_upvalue(api, 2));
        sc_lua_insert(api, L, 1);
        api->pushnil(L);
        sc_lua_insert(api, L, 1);
    }
    return access_object(api, L, box, "call_method");
}
SC_LUA_ENTRY(object_method)

static int object_index(const sc_lua_api *api, lua_State *L) {
    lua_box *box = check_box(api, L);
    api->settop(L, 2);
    access_object(api, L, box, "get_field");
    if (api->type(L, -1) != LUA_TFUNCTION) return 1;
    api->settop(L, 2);
    api->pushcclosure(L, SC_LUA_FUNCTION(api, object_method), 2);
    return 1;
}
SC_LUA_ENTRY(object_index)

static int object_newindex(const sc_lua_api *api, lua_State *L) {
    lua_box *box = check_box(api, L);
    api->settop(L, 3);
    access_object(api, L, box, "set_field");
    return 0;
}
SC_LUA_ENTRY(object_newindex)

static int object_tostring(const sc_lua_api *api, lua_State *L) {
    lua_box *box = check_box(api, L);
    api->settop(L, 1);
    return access_object(api, L, box, "text_of");
}
SC_LUA_ENTRY(object_tostring)

static int object_gc(const sc_lua_api *api, lua_State *L) {
    lua_box *box = api->touserdata(L, 1);
    sc_ref *ref = box->ref;
    box->ref = NULL;
    if (ref != NULL) sc_ref_release(ref);
    return 0;
}
SC_LUA_ENTRY(object_gc)

/* ---- setting up --------------------------------------------------------------------------------------------- */

static void new_meta(sc_lua *lua, lua_State *L, int *number, const char *name) {
    const sc_lua_api *api = lua->api;
    api->createtable(L, 0, 2);
    api->pushstring(L, name);
    api->setfield(L, -2, "__name");
    api->pushstring(L, name);
    api->setfield(L, -2, "__metatable");
    *number = api->aux.ref(L, api->registry);
}

static void add_method(sc_lua *lua, lua_State *L, const char *name, lua_CFunction function) {
    push_box(lua, L, NULL);
    lua->api->pushcclosure(L, function, 1);
    lua->api->setfield(L, -2, name);
}

static void fill_object_meta(sc_lua *lua, lua_State *L) {
    const sc_lua_api *api = lua->api;
    sc_lua_rawgeti(api, L, api->registry, lua->object_meta);
    api->pushcclosure(L, SC_LUA_FUNCTION(api, object_gc), 0);
    api->setfield(L, -2, "__gc");
    add_method(lua, L, "__index", SC_LUA_FUNCTION(api, object_index));
    add_method(lua, L, "__newindex", SC_LUA_FUNCTION(api, object_newindex));
    add_method(lua, L, "__tostring", SC_LUA_FUNCTION(api, object_tostring));
    sc_lua_pop(api, L, 1);
}

static void state_closed(void *lua) { sc_lua_drop(lua); }

/* The first function of ours that this state runs: on its way, everything it may need later gets its place. */
static int set_up(const sc_lua_api *api, lua_State *L) {
    lua_box *box = api->touserdata(L, sc_lua_upvalue(api, 1));
    sc_lua *lua = box->lua;
    sc_guard_attach(lua->guard, api, L, lua->guard->limit);
    sc_lua_retain(lua);
    lua->guard->closed = state_closed;
    lua->guard->closed_context = lua;
    api->pushthread(L);
    api->aux.ref(L, api->registry); /* for as long as the state lives */
    new_meta(lua, L, &lua->object_meta, "python");
    new_meta(lua, L, &lua->set_meta, "set");
    new_meta(lua, L, &lua->frozenset_meta, "frozenset");
    fill_object_meta(lua, L);
    api->createtable(L, 0, 0);
    api->createtable(L, 0, 1);
    api->pushstring(L, "v");
    api->setfield(L, -2, "__mode");
    api->setmetatable(L, -2);
    lua->objects = api->aux.ref(L, api->registry);
    push_box(lua, L, NULL);
    api->pushcclosure(L, SC_LUA_FUNCTION(api, protected), 1);
    lua->protect = api->aux.ref(L, api->registry);
    return 0;
}
SC_LUA_ENTRY(set_up)

sc_lua *sc_lua_new(sc_guard *guard, const sc_lua_api *api, lua_State *thread, size_t limit, PyObject *report) {
    sc_lua *lua = calloc(1, sizeof *lua);
    if (lua == NULL) return (sc_lua *)PyErr_NoMemory();
    atomic_init(&lua->refs, 1);
    lua->api = api;
    lua->guard = guard;
    sc_guard_retain(guard);
    lua->home = sc_interp_current();
    lua->report = Py_NewRef(report);
    lua->open = 1;
    guard->limit = limit;
    api->settop(thread, 0);
    lua_box *box = sc_lua_newuserdata(api, thread, sizeof *box);
    box->lua = lua;
    box->ref = NULL;
    api->pushcclosure(thread, SC_LUA_FUNCTION(api, set_up), 1);
    if (sc_lua_pcall(api, thread, 0, 0) != LUA_OK) {
        size_t length;
        const char *text = api->tolstring(thread, -1, &length);
        PyErr_Format(PyExc_RuntimeError, "the Lua state cannot be set up: %s", text == NULL ? "?" : text);
        sc_lua_drop(lua);
        return NULL;
    }
    return lua;
}

void sc_lua_retain(sc_lua *lua) { atomic_fetch_add(&lua->refs, 1); }

void sc_lua_drop(sc_lua *lua) {
    if (atomic_fetch_sub(&lua->refs, 1) != 1) return;
    dropped *each = atomic_exchange(&lua->dropped, NULL);
    while (each != NULL) {
        dropped *next = each->next;
        free(each);
        each = next;
    }
    sc_guard_drop(lua->guard);
    free(lua->problem);
    free(lua);
}

void sc_lua_refuse(sc_lua *lua) {
    lua->open = 0;
    Py_CLEAR(lua->get);
    Py_CLEAR(lua->set);
    Py_CLEAR(lua->call);
    Py_CLEAR(lua->describe);
    Py_CLEAR(lua->error_text);
    Py_CLEAR(lua->via);
}

void sc_lua_shut(sc_lua *lua) {
    sc_lua_refuse(lua);
    Py_CLEAR(lua->report);
    Py_CLEAR(lua->failure);
    sc_drain_pending(lua->home);
    sc_guard_settle(lua->guard);
}

size_t sc_lua_memory(const sc_lua *lua) {
    const sc_lua_api *api = lua->api;
    lua_State *L = lua->guard->bottom.state;
    if (L == NULL) return 0;
    return (size_t)api->gc(L, LUA_GCCOUNT, 0) * 1024 + (size_t)api->gc(L, LUA_GCCOUNTB, 0);
}

int sc_lua_set_helpers(sc_lua *lua, PyObject *get, PyObject *set, PyObject *call, PyObject *describe, PyObject *error_text) {
    Py_XSETREF(lua->get, Py_NewRef(get));
    Py_XSETREF(lua->set, Py_NewRef(set));
    Py_XSETREF(lua->call, Py_NewRef(call));
    Py_XSETREF(lua->describe, Py_NewRef(describe));
    Py_XSETREF(lua->error_text, Py_NewRef(error_text));
    return 0;
}

/* ---- calls into Lua -------------------------------------------------------------------------------------------- */

/* Let go of what Python let go; with the run lock held. Allocates nothing. */
static void release_dropped(sc_lua *lua) {
    if (atomic_load_explicit(&lua->dropped, memory_order_relaxed) == NULL) return;
    dropped *each = atomic_exchange(&lua->dropped, NULL);
    while (each != NULL) {
        dropped *next = each->next;
        lua->api->aux.unref(lua->guard->bottom.state, lua->api->registry, each->number);
        free(each);
        each = next;
    }
}

static int new_coroutine(sc_lua *lua, lua_State *L, void *context) {
    int *number = context;
    lua->api->newthread(L);
    *number = lua->api->aux.ref(L, lua->api->registry);
    return 0;
}

/* An empty coroutine, held by its number; NULL without memory. */
static lua_State *take_coroutine(sc_lua *lua, int *number) {
    const sc_lua_api *api = lua->api;
    lua_State *base = lua->guard->bottom.state;
    if (lua->idle_count > 0) {
        lua->idle_count--;
        *number = lua->idle[lua->idle_count].number;
        return lua->idle[lua->idle_count].state;
    }
    if (protect(lua, base, 0, new_coroutine, number) != LUA_OK) {
        sc_lua_pop(api, base, 1);
        return NULL;
    }
    sc_lua_rawgeti(api, base, api->registry, *number);
    lua_State *state = api->tothread(base, -1);
    sc_lua_pop(api, base, 1);
    return state;
}

static void forget_coroutine(sc_lua *lua, int number) {
    lua->api->aux.unref(lua->guard->bottom.state, lua->api->registry, number);
}

/* It has ended well: the next call may have it, unless the script knows it. */
static void give_coroutine(sc_lua *lua, lua_State *state, int number, int shown) {
    lua->api->settop(state, 0);
    if (shown || lua->idle_count == IDLE) {
        forget_coroutine(lua, number);
        return;
    }
    lua->idle[lua->idle_count].state = state;
    lua->idle[lua->idle_count].number = number;
    lua->idle_count++;
}

/* Name of a function by the global that holds it, on top of the stack; new reference. */
static PyObject *global_name(const sc_lua_api *api, lua_State *L) {
    PyObject *name = NULL;
    int function = api->gettop(L);
    if (api->version == 501) {
        api->pushvalue(L, -10002);
    } else {
        sc_lua_rawgeti(api, L, api->registry, 2);
    }
    api->pushnil(L);
    while (name == NULL && api->next(L, function + 1)) {
        if (api->type(L, -2) == LUA_TSTRING && api->rawequal(L, -1, function))
            name = PyBytes_FromString(api->tolstring(L, -2, NULL));
        sc_lua_pop(api, L, 1);
    }
    api->settop(L, function);
    return name;
}

static PyObject *frame_name(const sc_lua_api *api, lua_State *L, sc_lua_debug *frame) {
    if (strcmp(sc_lua_what(frame), "main") == 0) return PyBytes_FromString("<module>");
    if (sc_lua_name(frame) != NULL && strcmp(sc_lua_name(frame), "?") != 0 && sc_lua_name(frame)[0] != '\0') return PyBytes_FromString(sc_lua_name(frame));
    PyObject *name = NULL;
    if (api->getinfo(L, "f", frame)) {
        name = global_name(api, L);
        sc_lua_pop(api, L, 1);
    }
    return name != NULL || PyErr_Occurred() ? name : PyBytes_FromString("<function>");
}

/* [(source, line, name)…] of a coroutine that failed, innermost first; attached. NULL with an exception set. */
static PyObject *trace(sc_lua *lua, lua_State *co) {
    const sc_lua_api *api = lua->api;
    PyObject *frames = PyList_New(0);
    sc_lua_debug frame;
    int roomy = make_room(lua, co, 8);
    for (int level = 0; frames != NULL && PyList_GET_SIZE(frames) < MAX_FRAMES && api->getstack(co, level, &frame); level++) {
        if (!api->getinfo(co, "Sln", &frame) || sc_lua_what(&frame)[0] == 'C') continue;
        PyObject *source = PyBytes_FromString(sc_lua_source(&frame));
        int line = sc_lua_line(api, &frame);
        PyObject *name = roomy ? frame_name(api, co, &frame) : PyBytes_FromString("<function>");
        PyObject *row = source == NULL || name == NULL ? NULL : Py_BuildValue("OiO", source, line, name);
        if (row == NULL || PyList_Append(frames, row) < 0) Py_CLEAR(frames);
        Py_XDECREF(source);
        Py_XDECREF(name);
        Py_XDECREF(row);
    }
    return frames;
}

/* One call: its coroutine, and the values on their way. */
typedef struct call_t {
    sc_lua *lua;
    sc_arena arena;
    sc_value few[FEW];
    crossing values;
    lua_State *co;
    int number; /* of the coroutine */
    int status;
    int results;
    int shown;
} call_t;

static PyObject *call_lua(sc_lua *lua, int target, lua_State *argument, PyObject *const *args, Py_ssize_t nargs, int apart);

/* What an error value that is no string says, by the prelude; (text or exception). The value is on top of `co`. */
static PyObject *describe_error(sc_lua *lua, lua_State *co) {
    const lua_object *helper = lua->error_text == NULL ? NULL : as_lua_object(lua->error_text);
    PyObject *text = helper == NULL ? NULL : call_lua(lua, helper->number, co, NULL, 0, 0);
    if (text == NULL) { /* its own __tostring failed, or was interrupted */
        PyErr_Clear();
        text = PyBytes_FromString("error object without a text");
    }
    return text;
}

static int is_interrupted(sc_guard *guard) {
    char reason[SC_REASON_SIZE];
    return guard->depth != 0 && sc_guard_was_interrupted(guard, reason);
}

/* Make the exception for a coroutine that failed; attached, the guard still entered. */
static void raise_failure(call_t *call, int interrupted) {
    sc_lua *lua = call->lua;
    const sc_lua_api *api = lua->api;
    sc_guard *guard = lua->guard;
    int is_text = api->type(call->co, -1) == LUA_TSTRING;
    int over_limit = guard->over_limit;
    guard->over_limit = 0;
    PyObject *frames = trace(lua, call->co), *value = NULL;
    if (is_text) {
        size_t length;
        const char *text = api->tolstring(call->co, -1, &length);
        value = PyBytes_FromStringAndSize(text, (Py_ssize_t)length);
    } else if (!interrupted && frames != NULL) {
        value = describe_error(lua, call->co);
    } else {
        value = Py_NewRef(Py_None);
    }
    if (frames == NULL || value == NULL || lua->report == NULL) {
        if (!PyErr_Occurred()) PyErr_SetString(PyExc_RuntimeError, "the Lua state was closed during the call");
    } else {
        PyObject *failure = lua->failure == NULL ? Py_None : lua->failure;
        PyObject *problem = PyBytes_FromStringAndSize(lua->problem, lua->problem == NULL ? 0 : (Py_ssize_t)lua->problem_length);
        PyObject *error = problem == NULL ? NULL : PyObject_CallMethod(
            lua->report, "failed", "OOOOOOO", value, is_text ? Py_True : Py_False, frames, failure, problem,
            interrupted ? Py_True : Py_False, over_limit ? Py_True : Py_False);
        if (error != NULL && PyExceptionInstance_Check(error)) PyErr_SetObject((PyObject *)Py_TYPE(error), error);
        else if (error != NULL) PyErr_SetString(PyExc_SystemError, "a report without an exception");
        Py_XDECREF(error);
        Py_XDECREF(problem);
    }
    Py_XDECREF(frames);
    Py_XDECREF(value);
}

static int collect(sc_lua *lua, lua_State *L, void *context) {
    (void)context;
    lua->api->gc(L, LUA_GCCOLLECT, 0);
    return 0;
}

/* The coroutine failed, and has been told of: run its __close, let it go, and make room if there was none. */
static void end_failed(call_t *call, int interrupted, int over_limit) {
    sc_lua *lua = call->lua;
    lua_State *base = lua->guard->bottom.state;
    sc_running running;
    if (!interrupted && lua->api->version >= 504) {
        sc_guard_push(lua->guard, &running, call->co);
        sc_lua_close(lua->api, call->co, base);
        sc_guard_pop(lua->guard, &running);
    }
    forget_coroutine(lua, call->number);
    if (over_limit && protect(lua, base, 0, collect, NULL) != LUA_OK) sc_lua_pop(lua->api, base, 1);
}

/* Without the GIL. 0; -1 with an exception set and attached. */
static int run(call_t *call, int target, lua_State *argument) {
    sc_lua *lua = call->lua;
    const sc_lua_api *api = lua->api;
    sc_guard *guard = lua->guard;
    sc_running running;
    int count = (int)call->values.count;
    release_dropped(lua);
    call->co = take_coroutine(lua, &call->number);
    if (call->co == NULL) return no_memory(&call->values);
    sc_lua_rawgeti(api, call->co, api->registry, target);
    if (argument != NULL) {
        api->xmove(argument, call->co, 1);
        count++;
    } else if (push_all(&call->values, call->co) < 0) {
        give_coroutine(lua, call->co, call->number, 0);
        return -1;
    }
    lua_State *from = guard->running->state;
    sc_guard_push(guard, &running, call->co);
    call->status = sc_lua_resume(api, call->co, from, count, &call->results);
    sc_guard_pop(guard, &running);
    call->shown = running.shown;
    if (call->status == LUA_OK && call->results != 0) {
        call->values.is_result = 1;
        if (call->results > FEW) call->values.values = sc_arena_alloc(&call->arena, (size_t)call->results * sizeof(sc_value));
        else call->values.values = call->few;
        if (call->values.values == NULL) return no_memory(&call->values);
        return pull_all(&call->values, call->co, call->results);
    }
    if (call->status == LUA_YIELD) { /* it is the script's now */
        sc_lua_pop(api, call->co, call->results);
        forget_coroutine(lua, call->number);
    }
    return 0;
}

static PyObject *decode_results(call_t *call) {
    sc_interp *home = call->lua->home;
    if (call->status == LUA_YIELD || call->results == 0) Py_RETURN_NONE;
    if (call->results == 1) return sc_decode(home, &call->values.values[0]);
    sc_value all = sc_items(SC_TUPLE, call->values.values, (size_t)call->results);
    return sc_decode(home, &all);
}

static int encode_arguments(call_t *call, PyObject *const *args, Py_ssize_t nargs) {
    sc_value *values = call->few;
    if (nargs > FEW) values = sc_arena_alloc(&call->arena, (size_t)nargs * sizeof *values);
    if (values == NULL || nargs > INT_MAX / 2) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t i = 0; i < nargs; i++)
        if (sc_encode(&call->arena, call->lua->home, args[i], i, &values[i]) < 0) return -1;
    call->values.values = values;
    call->values.count = (size_t)nargs;
    return 0;
}

static __thread struct pending_call {
    call_t *call;
    int target;
    lua_State *argument;
    int rc;
} *pending;

/* What `via` calls: lupa has taken its own lock, and released the GIL. */
static int run_pending(const sc_lua_api *api, lua_State *L) {
    struct pending_call *now = pending;
    sc_running running;
    (void)api;
    if (now == NULL) return 0;
    sc_guard_push(now->call->lua->guard, &running, L);
    now->rc = run(now->call, now->target, now->argument);
    sc_guard_pop(now->call->lua->guard, &running);
    if (PyThreadState_GetUnchecked() != NULL) detach();
    return 0;
}
SC_LUA_ENTRY(run_pending)

/* Attached before and after. */
static int run_detached(call_t *call, int target, lua_State *argument) {
    PyThreadState *outer_aside = aside;
    int rc;
    if (call->lua->via == NULL) {
        aside = PyEval_SaveThread();
        rc = run(call, target, argument);
        attach();
    } else {
        struct pending_call now = { call, target, argument, -1 }, *outer_pending = pending;
        PyObject *via = Py_NewRef(call->lua->via);
        pending = &now;
        aside = PyThreadState_Get();
        PyObject *nothing = PyObject_CallNoArgs(via);
        pending = outer_pending;
        rc = nothing == NULL ? -1 : now.rc;
        Py_XDECREF(nothing);
        Py_DECREF(via);
    }
    aside = outer_aside;
    return rc;
}

/* Run lock held, attached, the state open. `argument` may hold the one argument on its stack instead of `args`. */
static PyObject *call_lua(sc_lua *lua, int target, lua_State *argument, PyObject *const *args, Py_ssize_t nargs, int apart) {
    call_t call;
    PyObject *result = NULL;
    sc_guard *guard = lua->guard;
    if (guard->depth >= MAX_NESTED) {
        PyErr_Format(PyExc_RecursionError, "calls between Lua and its host are nested more than %d levels deep", MAX_NESTED);
        return NULL;
    }
    call.lua = lua;
    call.co = NULL;
    call.status = LUA_OK;
    call.results = call.shown = 0;
    sc_arena_init(&call.arena);
    call.values = (crossing){ lua, NULL, &call.arena, NULL, 0, 0, 0, 0 };
    if (encode_arguments(&call, args, nargs) < 0) {
        if (call.arena.kept != NULL) sc_kept_release(&call.arena);
        sc_arena_free(&call.arena);
        return NULL;
    }
    sc_lua_retain(lua);
    if (!apart) sc_guard_enter(guard);
    int rc = run_detached(&call, target, argument);
    if (rc == 0 && call.status <= LUA_YIELD) {
        result = decode_results(&call);
        if (call.status == LUA_OK) give_coroutine(lua, call.co, call.number, call.shown);
    } else if (rc == 0) {
        int interrupted = is_interrupted(guard), over_limit = guard->over_limit;
        raise_failure(&call, interrupted);
        PyObject *error = PyErr_GetRaisedException(); /* __close may run Python */
        end_failed(&call, interrupted, over_limit);
        PyErr_SetRaisedException(error);
    } else if (call.co != NULL && call.values.is_result) { /* what it gave cannot cross */
        forget_coroutine(lua, call.number);
    }
    if (!apart) sc_guard_leave(guard);
    if (guard->depth == 0) Py_CLEAR(lua->failure);
    if (call.arena.kept != NULL) sc_kept_release(&call.arena);
    sc_arena_free(&call.arena);
    sc_drain_pending(lua->home);
    sc_lua_drop(lua);
    return result;
}

/* The run lock, waited for without the GIL; -1 with an exception set. */
static int take_lock(sc_lua *lua) {
    sc_runlock *lock = lua->guard->lock;
    sc_lock_status status = sc_runlock_try(lock);
    if (status == SC_LOCK_BUSY) {
        PyThreadState *state = PyEval_SaveThread();
        status = sc_runlock_acquire(lock, -1, 1);
        PyEval_RestoreThread(state);
    }
    if (status == SC_LOCK_OK && lua->open) return 0;
    if (status == SC_LOCK_OK) sc_runlock_release(lock);
    sc_raise_refused_by(sc_interp_current(), status == SC_LOCK_OK ? SC_LOCK_CLOSED : status, sc_runlock_name(lock));
    return -1;
}

static PyObject *call_locked(sc_lua *lua, int target, PyObject *const *args, Py_ssize_t nargs) {
    if (take_lock(lua) < 0) return NULL;
    PyObject *result = call_lua(lua, target, NULL, args, nargs, 0);
    sc_runlock_release(lua->guard->lock);
    return result;
}

/* ---- LuaReference, LuaCallable --------------------------------------------------------------------------------- */

static PyObject *object_vectorcall(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *kwnames) {
    return sc_lua_call_reference(self, args, PyVectorcall_NARGS(nargsf), kwnames, NULL, 0, NULL);
}

static PyObject *object_new(sc_lua *lua, int kind, int number, const void *address) {
    PyTypeObject *type = kind == LUA_TFUNCTION ? callable_type : reference_type;
    lua_object *self = type == NULL ? NULL : (lua_object *)type->tp_alloc(type, 0);
    if (self == NULL) {
        if (!PyErr_Occurred()) PyErr_SetString(PyExc_RuntimeError, "Lua objects live in the main interpreter");
        return NULL;
    }
    sc_lua_retain(lua);
    self->lua = lua;
    self->number = number;
    self->kind = kind;
    self->address = address;
    self->vectorcall = object_vectorcall;
    return (PyObject *)self;
}

static void object_dealloc(PyObject *self) {
    lua_object *object = (lua_object *)self;
    PyTypeObject *type = Py_TYPE(self);
    if (object->weakrefs != NULL) PyObject_ClearWeakRefs(self);
    if (object->lua != NULL) {
        dropped *gone = malloc(sizeof *gone); /* without memory the value stays as long as its state */
        if (gone != NULL) {
            gone->number = object->number;
            gone->next = atomic_load(&object->lua->dropped);
            while (!atomic_compare_exchange_weak(&object->lua->dropped, &gone->next, gone)) {}
        }
        sc_lua_drop(object->lua);
    }
    type->tp_free(self);
    Py_DECREF(type);
}

int sc_lua_set_apart(PyObject *object) {
    lua_object *own = as_lua_object(object);
    if (own != NULL) own->apart = 1;
    else PyErr_Format(PyExc_TypeError, "not a Lua function: %R", object);
    return own != NULL ? 0 : -1;
}

PyObject *sc_lua_call_reference(PyObject *reference, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames,
                                const atomic_uint *current, unsigned expected, int *stale) {
    lua_object *object = (lua_object *)reference;
    sc_lua *lua = object->lua;
    PyObject *result = NULL;
    if (kwnames != NULL && PyTuple_GET_SIZE(kwnames) != 0) {
        PyErr_Format(PyExc_TypeError, "Lua functions take no keyword arguments: %S", PyTuple_GET_ITEM(kwnames, 0));
        return NULL;
    }
    if (take_lock(lua) < 0) return NULL;
    if (stale != NULL && atomic_load_explicit(current, memory_order_acquire) != expected) *stale = 1;
    else result = call_lua(lua, object->number, NULL, args, nargs, object->apart);
    sc_runlock_release(lua->guard->lock);
    return result;
}

static PyObject *through_helper(PyObject *self, PyObject *helper, PyObject *const *args, Py_ssize_t nargs) {
    const lua_object *function = helper == NULL ? NULL : as_lua_object(helper);
    PyObject *few[FEW], **all = few;
    lua_object *object = (lua_object *)self;
    if (function == NULL) {
        sc_raise_refused_by(sc_interp_current(), SC_LOCK_CLOSED, sc_runlock_name(object->lua->guard->lock));
        return NULL;
    }
    if (nargs + 1 > FEW) all = PyMem_Malloc((size_t)(nargs + 1) * sizeof *all);
    if (all == NULL) return PyErr_NoMemory();
    all[0] = self;
    if (nargs != 0) memcpy(all + 1, args, (size_t)nargs * sizeof *all);
    int number = function->number;
    PyObject *held = Py_NewRef(helper);
    PyObject *result = call_locked(object->lua, number, all, nargs + 1);
    Py_DECREF(held);
    if (all != few) PyMem_Free(all);
    return result;
}

static PyObject *object_get(PyObject *self, PyObject *name) {
    return through_helper(self, ((lua_object *)self)->lua->get, &name, 1);
}

static PyObject *object_set(PyObject *self, PyObject *const *args, Py_ssize_t nargs) {
    if (nargs != 2) return PyErr_Format(PyExc_TypeError, "set() takes a name and a value");
    return through_helper(self, ((lua_object *)self)->lua->set, args, nargs);
}

static PyObject *object_call(PyObject *self, PyObject *const *args, Py_ssize_t nargs) {
    if (nargs < 1) return PyErr_Format(PyExc_TypeError, "call() takes the name of a method and its arguments");
    return through_helper(self, ((lua_object *)self)->lua->call, args, nargs);
}

/* Takes no lock that is not free: it serves displays. */
static PyObject *object_describe(PyObject *self, PyObject *Py_UNUSED(nothing)) {
    lua_object *object = (lua_object *)self;
    sc_lua *lua = object->lua;
    PyObject *result = NULL;
    if (lua->open && sc_runlock_try(lua->guard->lock) == SC_LOCK_OK) {
        const lua_object *helper = lua->open && lua->describe != NULL ? as_lua_object(lua->describe) : NULL;
        if (helper != NULL) result = call_lua(lua, helper->number, NULL, &self, 1, 1);
        sc_runlock_release(lua->guard->lock);
        if (result == NULL) PyErr_Clear();
    }
    return result != NULL ? result : Py_BuildValue("(ss)", "", "");
}

static PyObject *object_repr(PyObject *self) {
    PyObject *about = object_describe(self, NULL);
    if (about == NULL || !PyTuple_Check(about) || PyTuple_GET_SIZE(about) != 2) {
        Py_XDECREF(about);
        PyErr_Clear();
        return PyUnicode_FromFormat("<%s>", Py_TYPE(self)->tp_name);
    }
    const char *name = strrchr(Py_TYPE(self)->tp_name, '.');
    PyObject *text = PyUnicode_FromFormat("<%s %S %S>", name == NULL ? Py_TYPE(self)->tp_name : name + 1,
                                          PyTuple_GET_ITEM(about, 0), PyTuple_GET_ITEM(about, 1));
    Py_DECREF(about);
    return text;
}

static PyObject *object_compare(PyObject *a, PyObject *b, int op) {
    const lua_object *left = as_lua_object(a), *right = as_lua_object(b);
    if (left == NULL || right == NULL || (op != Py_EQ && op != Py_NE)) Py_RETURN_NOTIMPLEMENTED;
    int same = left->lua == right->lua && left->address == right->address;
    return PyBool_FromLong(op == Py_EQ ? same : !same);
}

static Py_hash_t object_hash(PyObject *self) { return Py_HashPointer(((lua_object *)self)->address); }

static PyMethodDef object_methods[] = {
    { "get", object_get, METH_O, "The field of that name." },
    { "set", (PyCFunction)(void (*)(void))object_set, METH_FASTCALL, "Set a field." },
    { "call", (PyCFunction)(void (*)(void))object_call, METH_FASTCALL, "Call a method; it gets the object as self." },
    { "describe", object_describe, METH_NOARGS, "Name (or kind) and place; without waiting, so they may be empty." },
    { NULL },
};

static PyMemberDef object_members[] = {
    { "__vectorcalloffset__", Py_T_PYSSIZET, offsetof(lua_object, vectorcall), Py_READONLY, NULL },
    { "__weaklistoffset__", Py_T_PYSSIZET, offsetof(lua_object, weakrefs), Py_READONLY, NULL },
    { NULL },
};

static PyType_Slot reference_slots[] = {
    { Py_tp_doc, "A Lua value that cannot be copied: comes back as itself in its own state." },
    { Py_tp_dealloc, object_dealloc },
    { Py_tp_repr, object_repr },
    { Py_tp_hash, object_hash },
    { Py_tp_richcompare, object_compare },
    { Py_tp_methods, object_methods },
    { Py_tp_members, object_members },
    { 0, NULL },
};
static PyType_Spec reference_spec = {
    .name = "scriptnative._native.LuaReference",
    .basicsize = sizeof(lua_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = reference_slots,
};

static PyType_Slot callable_slots[] = {
    { Py_tp_doc, "A Lua function as a Python callable; runs in a coroutine of its own, from any thread." },
    { Py_tp_dealloc, object_dealloc },
    { Py_tp_call, PyVectorcall_Call },
    { Py_tp_members, object_members },
    { 0, NULL },
};
static PyType_Spec callable_spec = {
    .name = "scriptnative._native.LuaCallable",
    .basicsize = sizeof(lua_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = callable_slots,
};

PyObject *sc_lua_types_new(PyObject *module) {
    PyObject *reference = PyType_FromModuleAndSpec(module, &reference_spec, NULL);
    PyObject *callable = reference == NULL ? NULL : PyType_FromModuleAndSpec(module, &callable_spec, reference);
    PyObject *types = NULL;
    /* By this, references to it that others hold know that get, set and call are its own. */
    if (callable != NULL && PyObject_SetAttrString(reference, "__sc_object__", Py_True) == 0)
        types = PyTuple_Pack(2, reference, callable);
    if (types != NULL && sc_interp_current()->is_main) {
        Py_XSETREF(reference_type, (PyTypeObject *)Py_NewRef(reference));
        Py_XSETREF(callable_type, (PyTypeObject *)Py_NewRef(callable));
    }
    Py_XDECREF(reference);
    Py_XDECREF(callable);
    return types;
}

/* ---- for the prelude --------------------------------------------------------------------------------------------- */

typedef struct lookup {
    const char *name;
    crossing *values;
} lookup;

static int find_global(sc_lua *lua, lua_State *L, void *context) {
    lookup *wanted = context;
    place root = { NULL, 0, NULL, 0, NULL, 0 };
    const sc_lua_api *api = lua->api;
    wanted->values->L = L;
    if (strcmp(wanted->name, "=outer") == 0) api->pushcclosure(L, SC_LUA_FUNCTION(api, outer), 0);
    else if (strcmp(wanted->name, "=enter") == 0) api->pushcclosure(L, SC_LUA_FUNCTION(api, run_pending), 0);
    else sc_lua_getglobal(api, L, wanted->name);
    pull(wanted->values, api->gettop(L), &root, wanted->values->values);
    return 0;
}

PyObject *sc_lua_global(sc_lua *lua, const char *name) {
    sc_arena arena;
    sc_value value = sc_nil();
    sc_arena_init(&arena);
    crossing c = { lua, NULL, &arena, &value, 1, 0, 1, 0 };
    lookup wanted = { name, &c };
    lua_State *base = lua->guard->bottom.state;
    PyObject *result = NULL;
    if (take_lock(lua) < 0) return NULL;
    if (protect(lua, base, 0, find_global, &wanted) != LUA_OK) {
        sc_lua_pop(lua->api, base, 1);
        PyErr_NoMemory();
    } else if (!c.failed) {
        result = sc_decode(lua->home, &value);
    }
    sc_runlock_release(lua->guard->lock);
    sc_arena_free(&arena);
    return result;
}

int sc_lua_set_via(sc_lua *lua, PyObject *via) {
    Py_XSETREF(lua->via, Py_NewRef(via));
    return 0;
}
