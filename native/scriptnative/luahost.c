/* luahost.c: calls from Lua into Python, and the fields and methods of Python objects in Lua. */
#include "luastate.h"

#include <stdlib.h>
#include <string.h>

/* ---- boxes ------------------------------------------------------------------------------------- */

sc_lua_box *sc_lua_push_box(sc_lua *lua, lua_State *L, sc_ref *ref) {
    const sc_lua_api *api = lua->api;
    sc_lua_box *box = sc_lua_newuserdata(api, L, sizeof *box);
    box->lua = lua;
    box->ref = NULL;
    sc_lua_rawgeti(api, L, api->registry, lua->object_meta);
    api->setmetatable(L, -2);
    if (ref != NULL) sc_ref_retain(ref);
    box->ref = ref;
    return box;
}

sc_lua_box *sc_lua_box_of(sc_lua *lua, lua_State *L, int index) {
    const sc_lua_api *api = lua->api;
    sc_lua_box *box = NULL;
    int kind = api->type(L, index);
    if (kind == LUA_TFUNCTION && api->tocfunction(L, index) == sc_lua_caller(api)) {
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

/* ---- calls ---------------------------------------------------------------------------------------- */

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

/* How an object is called: itself, or through the report. */
typedef PyObject *way_in(PyObject *target, PyObject **objects, Py_ssize_t count, void *extra);

/* The object behind a box called with the values; the result goes into values[0]. Attached; 0, or -1. */
static int call_object(sc_crossing *c, sc_ref *ref, way_in *how, void *extra) {
    PyObject *few[SC_LUA_FEW + 1], **objects = few;
    Py_ssize_t count = (Py_ssize_t)c->count, made = 0;
    PyObject *target = sc_reference_wrap(c->lua->home, ref), *result = NULL;
    if (count > SC_LUA_FEW) objects = PyMem_Malloc((size_t)(count + 1) * sizeof *objects);
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
    int rc = sc_encode_plain(c->arena, c->lua->home, result, -1, &c->values[0]);
    Py_DECREF(result);
    return rc;
}

static PyObject *vectorcall(PyObject *target, PyObject **objects, Py_ssize_t count, void *extra) {
    (void)extra;
    return PyObject_Vectorcall(target, objects, (size_t)count | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
}

/* From a Lua function: call Python with the `count` values on top of L, and leave the result there. 0; -1: failed. */
static int into_python(sc_lua *lua, lua_State *L, sc_ref *ref, int count, way_in *how, void *extra) {
    sc_arena arena;
    sc_value few[SC_LUA_FEW];
    sc_arena_init(&arena);
    sc_crossing c = { lua, L, &arena, few, 0, 0, 0, 0 };
    int was_attached = PyThreadState_GetUnchecked() != NULL, rc = -1;
    if (count > SC_LUA_FEW) c.values = sc_arena_alloc(&arena, (size_t)count * sizeof(sc_value));
    if (c.values == NULL) sc_cross_no_memory(&c);
    else if (sc_cross_pull(&c, L, count) == 0) {
        sc_lua_attach();
        rc = call_object(&c, ref, how, extra);
    }
    if (rc == 0) {
        if (!was_attached) sc_lua_detach();
        c.count = 1;
        c.is_result = 1;
        c.failed = 0;
        rc = sc_cross_push(&c, L);
    }
    if (rc < 0) {
        sc_lua_attach();
        remember_failure(lua);
    }
    if (arena.kept != NULL) {
        sc_lua_attach();
        sc_kept_release(&arena);
    }
    if (!was_attached && PyThreadState_GetUnchecked() != NULL) sc_lua_detach();
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
    sc_lua_box *box = api->touserdata(L, sc_lua_upvalue(api, 1));
    if (box->ref == NULL || box->lua->report == NULL) return api->aux.error(L, "the script is closed");
    int rc = into_python(box->lua, L, box->ref, api->gettop(L), vectorcall, NULL);
    return rc < 0 ? raise_problem(box->lua, L, level) : 1;
}

static int call_python(const sc_lua_api *api, lua_State *L) { return call_box(api, L, 1); }
SC_LUA_ENTRY(call_python)

lua_CFunction sc_lua_caller(const sc_lua_api *api) { return SC_LUA_FUNCTION(api, call_python); }

/* The same for functions of the prelude: the position is that of whoever called those. */
static int call_python_outer(const sc_lua_api *api, lua_State *L) { return call_box(api, L, 2); }
SC_LUA_ENTRY(call_python_outer)

/* outer(f): a function that calls the same Python function, for the prelude. */
static int outer(const sc_lua_api *api, lua_State *L) {
    if (api->tocfunction(L, 1) != sc_lua_caller(api)) return api->aux.argerror(L, 1, "Python function expected");
    api->getupvalue(L, 1, 1);
    api->pushcclosure(L, SC_LUA_FUNCTION(api, call_python_outer), 1);
    return 1;
}
SC_LUA_ENTRY(outer)

lua_CFunction sc_lua_outer(const sc_lua_api *api) { return SC_LUA_FUNCTION(api, outer); }

/* ---- fields and methods ------------------------------------------------------------------------------ */

static sc_lua_box *check_box(const sc_lua_api *api, lua_State *L) {
    sc_lua_box *box = api->touserdata(L, sc_lua_upvalue(api, 1)); /* of the metatable: leads to the state */
    sc_lua_box *own = sc_lua_box_of(box->lua, L, 1);
    if (own == NULL || box->lua->report == NULL) api->aux.error(L, "the Python object is gone");
    return own;
}

static PyObject *through_report(PyObject *target, PyObject **objects, Py_ssize_t count, void *extra) {
    PyObject *few[SC_LUA_FEW + 2], **all = few, *result = NULL;
    PyObject *function = PyObject_GetAttrString(((sc_lua *)((void **)extra)[0])->report, ((const char **)extra)[1]);
    if (count > SC_LUA_FEW) all = PyMem_Malloc((size_t)(count + 2) * sizeof *all);
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

static int access_object(const sc_lua_api *api, lua_State *L, sc_lua_box *box, const char *how) {
    void *extra[2] = { box->lua, (void *)how };
    int count = api->gettop(L) - 1;
    if (into_python(box->lua, L, box->ref, count, through_report, extra) < 0) return raise_problem(box->lua, L, 1);
    return 1;
}

/* A method, made by object_index: called as object:method(…), or as object.method(…). */
static int object_method(const sc_lua_api *api, lua_State *L) {
    sc_lua_box *box = api->touserdata(L, sc_lua_upvalue(api, 1));
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

static int remember(const sc_lua_api *api, lua_State *L) {
    sc_lua_box *box = api->touserdata(L, sc_lua_upvalue(api, 1));
    double number;
    int64_t type;
    if (api->gettop(L) != 3 || !sc_lua_number(api, L, 1, &type, &number)) return api->aux.argerror(L, 1, "type expected");
    sc_lua_rawgeti(api, L, api->registry, box->lua->methods);
    api->pushlightuserdata(L, (void *)(intptr_t)type);
    api->rawget(L, -2);
    if (api->type(L, -1) == LUA_TNIL) {
        sc_lua_pop(api, L, 1);
        api->createtable(L, 0, 4);
        api->pushlightuserdata(L, (void *)(intptr_t)type);
        api->pushvalue(L, -2);
        api->rawset(L, -4);
    }
    api->pushvalue(L, 2);
    api->pushvalue(L, 3);
    api->rawset(L, -3);
    return 0;
}
SC_LUA_ENTRY(remember)

void sc_lua_push_remember(sc_lua *lua, lua_State *L) {
    sc_lua_push_box(lua, L, NULL);
    lua->api->pushcclosure(L, SC_LUA_FUNCTION(lua->api, remember), 1);
}

/* Leave the method of the name at 2 on top, when it is known for the type of the object; else nothing. The object is
 * held by the box, so its type can be read without the GIL. */
static int push_known_method(const sc_lua_api *api, lua_State *L, const sc_lua_box *box) {
    if (box->ref->home != box->lua->home || box->ref->object == NULL) return 0;
    sc_lua_rawgeti(api, L, api->registry, box->lua->methods);
    api->pushlightuserdata(L, (void *)Py_TYPE(box->ref->object));
    api->rawget(L, -2);
    if (api->type(L, -1) == LUA_TTABLE) {
        api->pushvalue(L, 2);
        api->rawget(L, -2);
        if (api->type(L, -1) == LUA_TFUNCTION) return 1;
    }
    api->settop(L, 2);
    return 0;
}

static int object_index(const sc_lua_api *api, lua_State *L) {
    sc_lua_box *box = check_box(api, L);
    api->settop(L, 2);
    if (push_known_method(api, L, box)) return 1;
    access_object(api, L, box, "get_field");
    /* A Lua function is what the field holds, or a method that takes the object itself. */
    if (api->type(L, -1) != LUA_TFUNCTION || api->tocfunction(L, -1) != sc_lua_caller(api)) return 1;
    api->settop(L, 2);
    api->pushcclosure(L, SC_LUA_FUNCTION(api, object_method), 2);
    return 1;
}
SC_LUA_ENTRY(object_index)

static int object_newindex(const sc_lua_api *api, lua_State *L) {
    sc_lua_box *box = check_box(api, L);
    api->settop(L, 3);
    access_object(api, L, box, "set_field");
    return 0;
}
SC_LUA_ENTRY(object_newindex)

static int object_tostring(const sc_lua_api *api, lua_State *L) {
    sc_lua_box *box = check_box(api, L);
    api->settop(L, 1);
    return access_object(api, L, box, "text_of");
}
SC_LUA_ENTRY(object_tostring)

static int object_gc(const sc_lua_api *api, lua_State *L) {
    sc_lua_box *box = api->touserdata(L, 1);
    sc_ref *ref = box->ref;
    box->ref = NULL;
    if (ref != NULL) sc_ref_release(ref);
    return 0;
}
SC_LUA_ENTRY(object_gc)

static void add_method(sc_lua *lua, lua_State *L, const char *name, lua_CFunction function) {
    sc_lua_push_box(lua, L, NULL);
    lua->api->pushcclosure(L, function, 1);
    lua->api->setfield(L, -2, name);
}

void sc_lua_fill_object_meta(sc_lua *lua, lua_State *L) {
    const sc_lua_api *api = lua->api;
    sc_lua_rawgeti(api, L, api->registry, lua->object_meta);
    api->pushcclosure(L, SC_LUA_FUNCTION(api, object_gc), 0);
    api->setfield(L, -2, "__gc");
    add_method(lua, L, "__index", SC_LUA_FUNCTION(api, object_index));
    add_method(lua, L, "__newindex", SC_LUA_FUNCTION(api, object_newindex));
    add_method(lua, L, "__tostring", SC_LUA_FUNCTION(api, object_tostring));
    sc_lua_pop(api, L, 1);
}
