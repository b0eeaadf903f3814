/* luacross.c: one Lua state: setting it up, ending it, and calling its API so that errors stay inside. */
#include "luasend.h"
#include "luastate.h"

#include <stdlib.h>
#include <string.h>

__thread PyThreadState *sc_lua_aside;

/* ---- protected ------------------------------------------------------------------------------------ */

static int protected(const sc_lua_api *api, lua_State *L) {
    sc_lua_box *box = api->touserdata(L, sc_lua_upvalue(api, 1));
    sc_lua_job *now = box->lua->job;
    return now->run(box->lua, L, now->context);
}
SC_LUA_ENTRY(protected)

/* Run a job with `arguments` values from the top of L; status, the error on top. */
int sc_lua_protect(sc_lua *lua, lua_State *L, int arguments, int (*run)(sc_lua *, lua_State *, void *), void *context) {
    const sc_lua_api *api = lua->api;
    sc_lua_job now = { run, context }, *outer = lua->job;
    sc_lua_rawgeti(api, L, api->registry, lua->protect);
    if (arguments != 0) sc_lua_insert(api, L, -arguments - 1);
    lua->job = &now;
    int attached = PyThreadState_GetUnchecked() != NULL;
    int status = sc_lua_pcall(api, L, arguments, LUA_MULTRET);
    lua->job = outer;
    if (status != LUA_OK && !attached && PyThreadState_GetUnchecked() != NULL) sc_lua_detach();
    return status;
}

/* Room on the stack of a coroutine between calls: the limit is lifted, as no Lua error may be raised there. */
int sc_lua_make_room(sc_lua *lua, lua_State *L, int count) {
    size_t limit = lua->guard->limit;
    lua->guard->limit = 0;
    int made = lua->api->checkstack(L, count);
    lua->guard->limit = limit;
    return made;
}

/* ---- a state ---------------------------------------------------------------------------------------- */

static void new_meta(sc_lua *lua, lua_State *L, int *number, const char *name) {
    const sc_lua_api *api = lua->api;
    api->createtable(L, 0, 2);
    api->pushstring(L, name);
    api->setfield(L, -2, "__name");
    api->pushstring(L, name);
    api->setfield(L, -2, "__metatable");
    *number = api->aux.ref(L, api->registry);
}

static void state_closed(void *lua) { sc_lua_drop(lua); }

/* The first function of ours that this state runs: on its way, everything it may need later gets its place. */
static int set_up(const sc_lua_api *api, lua_State *L) {
    sc_lua_box *box = api->touserdata(L, sc_lua_upvalue(api, 1));
    sc_lua *lua = box->lua;
    sc_guard_attach(lua->guard, api, L);
    sc_lua_retain(lua);
    lua->guard->closed = state_closed;
    lua->guard->closed_context = lua;
    api->pushthread(L);
    api->aux.ref(L, api->registry); /* for as long as the state lives */
    new_meta(lua, L, &lua->object_meta, "python");
    new_meta(lua, L, &lua->set_meta, "set");
    new_meta(lua, L, &lua->frozenset_meta, "frozenset");
    sc_lua_fill_object_meta(lua, L);
    api->createtable(L, 0, 0);
    api->createtable(L, 0, 1);
    api->pushstring(L, "v");
    api->setfield(L, -2, "__mode");
    api->setmetatable(L, -2);
    lua->objects = api->aux.ref(L, api->registry);
    api->createtable(L, 0, 0);
    lua->methods = api->aux.ref(L, api->registry);
    sc_lua_push_box(lua, L, NULL);
    api->pushcclosure(L, SC_LUA_FUNCTION(api, protected), 1);
    lua->protect = api->aux.ref(L, api->registry);
    sc_lua_pushglobals(api, L);
    api->pushnil(L);
    api->setfield(L, -2, "base"); /* by which the coroutine was found */
    return 0;
}
SC_LUA_ENTRY(set_up)

sc_lua *sc_lua_new(sc_guard *guard, const sc_lua_api *api, lua_State *thread, PyObject *report) {
    sc_lua *lua = calloc(1, sizeof *lua);
    if (lua == NULL) return (sc_lua *)PyErr_NoMemory();
    atomic_init(&lua->refs, 1);
    lua->api = api;
    lua->guard = guard;
    sc_guard_retain(guard);
    lua->home = sc_interp_current();
    lua->report = Py_NewRef(report);
    lua->open = 1;
    api->settop(thread, 0);
    sc_lua_box *box = sc_lua_newuserdata(api, thread, sizeof *box);
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
    sc_dropped *each = atomic_exchange(&lua->dropped, NULL);
    while (each != NULL) {
        sc_dropped *next = each->next;
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

int sc_lua_set_helpers(sc_lua *lua, PyObject *get, PyObject *set, PyObject *call, PyObject *describe,
                       PyObject *error_text) {
    Py_XSETREF(lua->get, Py_NewRef(get));
    Py_XSETREF(lua->set, Py_NewRef(set));
    Py_XSETREF(lua->call, Py_NewRef(call));
    Py_XSETREF(lua->describe, Py_NewRef(describe));
    Py_XSETREF(lua->error_text, Py_NewRef(error_text));
    return 0;
}

/* ---- globals ------------------------------------------------------------------------------------------ */

typedef struct lookup {
    const char *name;
    sc_crossing *values;
} lookup;

static int find_global(sc_lua *lua, lua_State *L, void *context) {
    lookup *wanted = context;
    sc_place root = { NULL, 0, NULL, 0, NULL, 0 };
    const sc_lua_api *api = lua->api;
    wanted->values->L = L;
    if (strcmp(wanted->name, "=outer") == 0) api->pushcclosure(L, sc_lua_outer(api), 0);
    else if (strcmp(wanted->name, "=enter") == 0) api->pushcclosure(L, sc_lua_entrance(api), 0);
    else if (strcmp(wanted->name, "=remember") == 0) sc_lua_push_remember(lua, L);
    else if (strcmp(wanted->name, "=sender") == 0) sc_lua_push_sender(lua, L);
    else sc_lua_getglobal(api, L, wanted->name);
    sc_cross_pull_value(wanted->values, api->gettop(L), &root, wanted->values->values);
    return 0;
}

PyObject *sc_lua_global(sc_lua *lua, const char *name) {
    sc_arena arena;
    sc_value value = sc_nil();
    sc_arena_init(&arena);
    sc_crossing c = { lua, NULL, &arena, &value, 1, 0, 1, 0 };
    lookup wanted = { name, &c };
    lua_State *base = lua->guard->bottom.state;
    PyObject *result = NULL;
    if (sc_lua_take_lock(lua) < 0) return NULL;
    if (sc_lua_protect(lua, base, 0, find_global, &wanted) != LUA_OK) {
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

PyObject *sc_lua_where(const sc_lua *lua) {
    const sc_lua_api *api = lua->api;
    const sc_running *running = lua->guard->running;
    sc_lua_debug frame;
    if (!lua->open || !sc_runlock_held(lua->guard->lock)) running = NULL;
    for (; running != NULL && running != &lua->guard->bottom; running = running->below) {
        for (int level = 0; running->state != NULL && api->getstack(running->state, level, &frame); level++) {
            if (!api->getinfo(running->state, "Sl", &frame)) break;
            const char *source = sc_lua_source(&frame), *slash = strrchr(source, '/');
            int line = sc_lua_line(api, &frame);
            if (line <= 0 || source[0] != '@') continue; /* C code, the prelude, or a text that was loaded */
            return PyUnicode_FromFormat("%s:%d", slash != NULL ? slash + 1 : source + 1, line);
        }
    }
    return PyUnicode_FromStringAndSize(NULL, 0);
}
