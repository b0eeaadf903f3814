/* luacall.c: calls into Lua: the coroutine, the values, the run, and what went wrong. */
#include "luastate.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define MAX_NESTED 180 /* calls in calls: Lua's own limit is 200 levels of C */
#define MAX_FRAMES 100

/* Between calls, where no Lua error may be raised: the first of these needs memory, so the limit is lifted. */
static void release_number(sc_lua *lua, int number) {
    size_t limit = lua->guard->limit;
    lua->guard->limit = 0;
    lua->api->aux.unref(lua->guard->bottom.state, lua->api->registry, number);
    lua->guard->limit = limit;
}

/* Let go of what Python let go; with the run lock held. */
static void release_dropped(sc_lua *lua) {
    if (atomic_load_explicit(&lua->dropped, memory_order_relaxed) == NULL) return;
    sc_dropped *each = atomic_exchange(&lua->dropped, NULL);
    while (each != NULL) {
        sc_dropped *next = each->next;
        release_number(lua, each->number);
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
    if (sc_lua_protect(lua, base, 0, new_coroutine, number) != LUA_OK) {
        sc_lua_pop(api, base, 1);
        return NULL;
    }
    sc_lua_rawgeti(api, base, api->registry, *number);
    lua_State *state = api->tothread(base, -1);
    sc_lua_pop(api, base, 1);
    return state;
}

/* It has ended well: the next call may have it, unless the script knows it. */
static void give_coroutine(sc_lua *lua, lua_State *state, int number, int shown) {
    lua->api->settop(state, 0);
    if (shown || lua->idle_count == SC_LUA_IDLE) {
        release_number(lua, number);
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
    sc_lua_pushglobals(api, L);
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
    const char *known = sc_lua_name(frame);
    if (known != NULL && known[0] != '\0' && strcmp(known, "?") != 0) return PyBytes_FromString(known);
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
    int roomy = sc_lua_make_room(lua, co, 8);
    for (int level = 0; frames != NULL && PyList_GET_SIZE(frames) < MAX_FRAMES; level++) {
        if (!api->getstack(co, level, &frame)) break;
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
    sc_value few[SC_LUA_FEW];
    sc_crossing values;
    lua_State *co;
    int number; /* of the coroutine */
    int status;
    int results;
    int shown;
    int keeps; /* the coroutine, when it yields: somebody may want to wait for its end */
} call_t;

/* What an error value that is no string says, by the prelude; (text or exception). The value is on top of `co`. */
static PyObject *describe_error(sc_lua *lua, lua_State *co) {
    const sc_lua_handle *helper = lua->error_text == NULL ? NULL : sc_lua_handle_of(lua->error_text);
    PyObject *text = helper == NULL ? NULL : sc_lua_invoke(lua, helper->number, co, NULL, 0, 0);
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
    /* LuaJIT leaves a stack behind that cannot be looked at when an instruction found no memory; our hook's is sound. */
    int unsound = api->is_jit && call->status == LUA_ERRMEM && !interrupted;
    PyObject *frames = unsound ? PyList_New(0) : trace(lua, call->co), *value = NULL;
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
        Py_ssize_t length = lua->problem == NULL ? 0 : (Py_ssize_t)lua->problem_length;
        PyObject *problem = PyBytes_FromStringAndSize(lua->problem, length);
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
    release_number(lua, call->number);
    if (over_limit && sc_lua_protect(lua, base, 0, collect, NULL) != LUA_OK) sc_lua_pop(lua->api, base, 1);
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
    if (call->co == NULL) return sc_cross_no_memory(&call->values);
    sc_lua_rawgeti(api, call->co, api->registry, target);
    if (argument != NULL) {
        api->xmove(argument, call->co, 1);
        count++;
    } else if (sc_cross_push(&call->values, call->co) < 0) {
        give_coroutine(lua, call->co, call->number, 0);
        return -1;
    }
    lua_State *from = guard->running->state;
    sc_guard_push(guard, &running, call->co);
    call->status = sc_lua_resume(api, call->co, from, count, &call->results);
    sc_guard_pop(guard, &running);
    call->shown = running.shown;
    if (call->status == LUA_OK && call->results != 0) {
        sc_value *values = call->few;
        if (call->results > SC_LUA_FEW) values = sc_arena_alloc(&call->arena, (size_t)call->results * sizeof *values);
        call->values.is_result = 1;
        call->values.values = values;
        if (values == NULL) return sc_cross_no_memory(&call->values);
        return sc_cross_pull(&call->values, call->co, call->results);
    }
    if (call->status == LUA_YIELD) { /* it is the script's now */
        sc_lua_pop(api, call->co, call->results);
        if (!call->keeps) release_number(lua, call->number);
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
    if (nargs > SC_LUA_FEW) values = sc_arena_alloc(&call->arena, (size_t)nargs * sizeof *values);
    if (values == NULL || nargs > INT_MAX / 2) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t i = 0; i < nargs; i++)
        if (sc_encode_plain(&call->arena, call->lua->home, args[i], i, &values[i]) < 0) return -1;
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
    if (PyThreadState_GetUnchecked() != NULL) sc_lua_detach();
    return 0;
}
SC_LUA_ENTRY(run_pending)

lua_CFunction sc_lua_entrance(const sc_lua_api *api) { return SC_LUA_FUNCTION(api, run_pending); }

/* Attached before and after. */
static int run_detached(call_t *call, int target, lua_State *argument) {
    PyThreadState *outer_aside = sc_lua_aside;
    int rc;
    if (call->lua->via == NULL) {
        sc_lua_aside = PyEval_SaveThread();
        rc = run(call, target, argument);
        sc_lua_attach();
    } else {
        struct pending_call now = { call, target, argument, -1 }, *outer_pending = pending;
        PyObject *via = Py_NewRef(call->lua->via);
        pending = &now;
        sc_lua_aside = PyThreadState_Get();
        PyObject *nothing = PyObject_CallNoArgs(via);
        pending = outer_pending;
        rc = nothing == NULL ? -1 : now.rc;
        Py_XDECREF(nothing);
        Py_DECREF(via);
    }
    sc_lua_aside = outer_aside;
    return rc;
}

/* What a call gives that yielded: the report decides whether its end is waited for. Attached, the guard left. */
static PyObject *wait_for_end(call_t *call) {
    sc_lua *lua = call->lua;
    if (lua->report == NULL) {
        release_number(lua, call->number);
        Py_RETURN_NONE;
    }
    PyObject *coroutine = sc_lua_handle_new(lua, LUA_TTHREAD, call->number, call->co), *result = NULL;
    if (coroutine != NULL) result = PyObject_CallMethod(lua->report, "suspended", "O", coroutine);
    Py_XDECREF(coroutine);
    return result;
}

/* Run lock held, attached, the state open. `argument` may hold the one argument on its stack instead of `args`. */
PyObject *sc_lua_invoke(sc_lua *lua, int target, lua_State *argument, PyObject *const *args, Py_ssize_t nargs,
                        int flags) {
    call_t call;
    PyObject *result = NULL;
    sc_guard *guard = lua->guard;
    int apart = flags & SC_LUA_APART;
    if (guard->depth == 0) guard->over_limit = 0;
    if (guard->depth >= MAX_NESTED) {
        PyErr_Format(PyExc_RecursionError, "calls between Lua and its host are nested more than %d levels deep",
                     MAX_NESTED);
        return NULL;
    }
    call.lua = lua;
    call.co = NULL;
    call.status = LUA_OK;
    call.results = call.shown = 0;
    call.keeps = (flags & SC_LUA_WAITS) != 0 && guard->depth == 0;
    sc_arena_init(&call.arena);
    call.values = (sc_crossing){ lua, NULL, &call.arena, NULL, 0, 0, 0, 0 };
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
        release_number(lua, call.number);
    }
    if (!apart) sc_guard_leave(guard);
    if (guard->depth == 0) Py_CLEAR(lua->failure);
    if (call.arena.kept != NULL) sc_kept_release(&call.arena);
    sc_arena_free(&call.arena);
    sc_drain_pending(lua->home);
    if (result != NULL && call.keeps && call.status == LUA_YIELD) {
        Py_DECREF(result);
        result = wait_for_end(&call);
    }
    sc_lua_drop(lua);
    return result;
}

/* The run lock, waited for without the GIL; -1 with an exception set. */
int sc_lua_take_lock(sc_lua *lua) {
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
