/* luaguard.c: the interrupt, the memory limit, and the coroutine functions that keep the list of what runs.
 *
 * lua_sethook is the one function of it that may be called from a signal handler (manual of lua_sethook; it is
 * what the stand-alone interpreter does on Ctrl-C).
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "luaguard.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

__thread sc_guard *sc_guard_top __attribute__((tls_model("initial-exec")));

static pthread_mutex_t setup = PTHREAD_MUTEX_INITIALIZER;
static int has_handler;   /* under setup */
static char registry_key; /* its address is the key of the guard in the registry */

/* ---- memory -------------------------------------------------------------------------------- */

static void *limited(void *data, void *block, size_t old, size_t size) {
    sc_guard *guard = data;
    size_t had = block == NULL ? 0 : old; /* without a block, `old` is the kind of object */
    if (size > had) {
        if (guard->refusals > 0) {
            guard->refusals--;
            return NULL;
        }
        if (guard->limit != 0 && guard->used + (size - had) > guard->limit) {
            guard->over_limit = 1;
            return NULL;
        }
    }
    void *result = guard->allocate(guard->allocate_data, block, old, size);
    if (result != NULL || size == 0) guard->used += size - had;
    return result;
}

static void take_allocator(sc_guard *guard, lua_State *L) {
    const sc_lua_api *api = guard->api;
    if (guard->allocate != NULL) return;
    guard->used = (size_t)api->gc(L, LUA_GCCOUNT, 0) * 1024 + (size_t)api->gc(L, LUA_GCCOUNTB, 0);
    guard->allocate = api->getallocf(L, &guard->allocate_data);
    api->setallocf(L, limited, guard);
}

/* ---- arming ------------------------------------------------------------------------------ */

static inline int is_target(sc_guard *guard) {
    uint64_t serial = atomic_load_explicit(&guard->serial, memory_order_relaxed);
    return serial != 0 && atomic_load_explicit(&guard->target, memory_order_acquire) == serial;
}

static sc_guard *guard_of(const sc_lua_api *api, lua_State *L) {
    sc_lua_rawgetp(api, L, api->registry, &registry_key);
    sc_guard **box = api->touserdata(L, -1);
    sc_lua_pop(api, L, 1);
    return box != NULL ? *box : NULL;
}

/* As Lua's memory error: the only one that calls no message handler. A handler called from within a hook runs with
 * hooks disabled (luaD_hook), so one that loops could never be stopped. From 5.4 on, lua_error makes one of its
 * text (lapi.c); before, an allocation has to fail. No script sees the text, as its next instruction raises again. */
static void raise_memory_error(sc_guard *guard, lua_State *L) {
    const sc_lua_api *api = guard->api;
    if (api->version < 504) {
        take_allocator(guard, L);
        if (api->version == 502 && api->gc(L, LUA_GCISRUNNING, 0)) { /* the collector would come to the rescue first */
            api->gc(L, LUA_GCSTOP, 0);
            guard->collector_stopped = 1;
        }
        guard->refusals = api->version == 503 ? 2 : 1; /* 5.3 collects, and tries again */
        sc_lua_newuserdata(api, L, 64);
        guard->refusals = 0;
    }
    api->pushstring(L, "not enough memory");
    api->error(L);
}

/* Stays armed until the outermost call has been left, so that pcall and coroutines unwind too. */
static void interrupt_here(const sc_lua_api *api, lua_State *L, sc_lua_debug *debug) {
    sc_guard *guard = guard_of(api, L);
    if (guard == NULL || !is_target(guard)) { /* a coroutine made while its parent was armed inherits the hook */
        api->sethook(L, NULL, 0, 0);
        return;
    }
    if (guard->stopped_line < 0 && api->getinfo(L, "Sl", debug)) {
        int line = sc_lua_line(api, debug);
        strncpy(guard->stopped_source, sc_lua_source(debug), sizeof guard->stopped_source - 1);
        guard->stopped_line = line < 0 ? 0 : line;
    }
    raise_memory_error(guard, L);
}

#define HOOK(n) static void hook_##n(lua_State *L, sc_lua_debug *debug) { interrupt_here(&sc_lua_apis[n], L, debug); }
HOOK(0) HOOK(1) HOOK(2) HOOK(3) HOOK(4) HOOK(5) HOOK(6) HOOK(7)
static const lua_Hook hooks[SC_LUA_SLOTS] = { hook_0, hook_1, hook_2, hook_3, hook_4, hook_5, hook_6, hook_7 };

static inline void set_hook(const sc_guard *guard, lua_State *state) {
    guard->api->sethook(state, hooks[guard->api->slot], LUA_MASKCOUNT, 1);
}

/* Async-signal-safe. */
static void arm_running(sc_guard *guard) {
    guard->armed = 1;
    for (sc_running *running = guard->running; running != NULL; running = running->below)
        if (running->state != NULL) set_hook(guard, running->state);
}

static void on_signal(int number) {
    int saved = errno;
    (void)number;
    for (sc_guard *guard = sc_guard_top; guard != NULL; guard = guard->below)
        if (is_target(guard)) arm_running(guard);
    errno = saved;
}

static int install_handler(void) {
    struct sigaction action;
    pthread_mutex_lock(&setup);
    if (!has_handler) {
        memset(&action, 0, sizeof action);
        action.sa_handler = on_signal;
        action.sa_flags = SA_RESTART;
        sigemptyset(&action.sa_mask);
        has_handler = sigaction(SIGRTMIN + 4, &action, NULL) == 0;
    }
    pthread_mutex_unlock(&setup);
    return has_handler;
}

void sc_guard_push(sc_guard *guard, sc_running *running, lua_State *state) {
    running->state = state;
    running->shown = 0;
    if (guard == NULL) return;
    running->below = guard->running;
    atomic_signal_fence(memory_order_seq_cst);
    guard->running = running;
    atomic_signal_fence(memory_order_seq_cst);
    if (guard->armed) set_hook(guard, state);
}

void sc_guard_pop(sc_guard *guard, sc_running *running) {
    if (guard == NULL) return;
    guard->running = running->below;
    atomic_signal_fence(memory_order_seq_cst);
    if (!guard->armed || guard->api->is_jit) return; /* LuaJIT has one hook for all coroutines */
    /* A refused attempt to resume a coroutine that runs further down must not disarm that one. */
    for (sc_running *other = guard->running; other != NULL; other = other->below)
        if (other->state == running->state) return;
    guard->api->sethook(running->state, NULL, 0, 0);
}

/* ---- the guard --------------------------------------------------------------------------- */

sc_guard *sc_guard_new(sc_runlock *lock) {
    sc_guard *guard = calloc(1, sizeof *guard);
    if (guard == NULL) return NULL;
    atomic_init(&guard->refs, 1);
    pthread_mutex_init(&guard->mutex, NULL);
    guard->lock = lock;
    guard->stopped_line = -1;
    guard->running = &guard->bottom;
    sc_runlock_retain(lock);
    return guard;
}

void sc_guard_retain(sc_guard *guard) { atomic_fetch_add(&guard->refs, 1); }

void sc_guard_drop(sc_guard *guard) {
    if (atomic_fetch_sub(&guard->refs, 1) != 1) return;
    pthread_mutex_destroy(&guard->mutex);
    sc_runlock_drop(guard->lock);
    free(guard);
}

void sc_guard_settle(sc_guard *guard) {
    if (!guard->owed) return;
    guard->owed = 0;
    sc_guard_drop(guard);
}

int sc_guard_interrupt(sc_guard *guard, const char *reason) {
    uint64_t serial = atomic_load_explicit(&guard->serial, memory_order_acquire);
    if (serial == 0) return 0;
    pthread_mutex_lock(&guard->mutex);
    /* One signal a call: they queue, and a thread that is sent them as fast as it handles them gets nowhere. */
    int sent = atomic_load_explicit(&guard->target, memory_order_relaxed) == serial;
    if (!sent) {
        strncpy(guard->reason, reason, sizeof guard->reason - 1);
        atomic_store_explicit(&guard->target, serial, memory_order_release);
        sent = sc_runlock_signal_holder(guard->lock, SIGRTMIN + 4, NULL);
        if (!sent) atomic_store_explicit(&guard->target, 0, memory_order_relaxed);
    }
    pthread_mutex_unlock(&guard->mutex);
    return sent;
}

int sc_guard_wait_for_stop(sc_guard *guard, double seconds) {
    uint64_t serial = atomic_load(&guard->target);
    for (int left = (int)(seconds * 1000); left > 0 && atomic_load(&guard->serial) == serial; left--) {
        struct timespec pause = { 0, 1000000 };
        nanosleep(&pause, NULL);
    }
    return atomic_load(&guard->serial) != serial;
}

int sc_guard_was_interrupted(sc_guard *guard, char reason[SC_REASON_SIZE]) {
    if (guard->depth == 0 || !is_target(guard)) return 0;
    pthread_mutex_lock(&guard->mutex);
    memcpy(reason, guard->reason, sizeof guard->reason);
    pthread_mutex_unlock(&guard->mutex);
    return 1;
}

/* The outermost call was interrupted and is left: the next one starts clean. */
void sc_guard_finish(sc_guard *guard) {
    guard->stopped_line = -1;
    lua_State *state = guard->bottom.state;
    if (state != NULL && guard->armed) guard->api->sethook(state, NULL, 0, 0);
    if (state != NULL && guard->collector_stopped) guard->api->gc(state, LUA_GCRESTART, 0);
    guard->armed = guard->collector_stopped = 0;
}

/* ---- coroutines: stock semantics (lcorolib.c), plus the list of what runs ---------------------- */

static sc_guard *upvalue_guard(const sc_lua_api *api, lua_State *L) {
    sc_guard **box = api->touserdata(L, sc_lua_upvalue(api, 1));
    return box != NULL ? *box : NULL;
}

static lua_State *check_coroutine(const sc_lua_api *api, lua_State *L) {
    lua_State *co = api->tothread(L, 1);
    if (co == NULL) api->aux.argerror(L, 1, "coroutine expected");
    return co;
}

/* What lua_resume itself says from 5.4 on; NULL: it may be resumed. */
static const char *refusal(const sc_lua_api *api, lua_State *L, lua_State *co) {
    sc_lua_debug frame;
    if (api->version >= 504) return NULL;
    int status = api->status(co);
    if (status == LUA_YIELD) return NULL;
    int is_dead = status != LUA_OK || (!api->getstack(co, 0, &frame) && api->gettop(co) == 0);
    if (is_dead) return "cannot resume dead coroutine";
    if (co != L && !api->getstack(co, 0, &frame)) return NULL;
    if (api->version > 501) return "cannot resume non-suspended coroutine";
    return co == L ? "cannot resume running coroutine" : "cannot resume normal coroutine";
}

/* Number of results on top of L, or -1 with the error value there. */
static int resume(const sc_lua_api *api, lua_State *L, sc_guard *guard, lua_State *co, int arguments) {
    sc_running running;
    int results = 0;
    if (!api->checkstack(co, arguments)) {
        api->pushstring(L, "too many arguments to resume");
        return -1;
    }
    const char *problem = refusal(api, L, co);
    if (problem != NULL) {
        api->pushstring(L, problem);
        return -1;
    }
    api->xmove(L, co, arguments);
    sc_guard_push(guard, &running, co);
    int status = sc_lua_resume(api, co, L, arguments, &results);
    sc_guard_pop(guard, &running);
    if (status != LUA_OK && status != LUA_YIELD) {
        api->xmove(co, L, 1);
        return -1;
    }
    if (!api->checkstack(L, results + 1)) {
        api->settop(co, -results - 1);
        api->pushstring(L, "too many results to resume");
        return -1;
    }
    api->xmove(co, L, results);
    return results;
}

static int close_coroutine(const sc_lua_api *api, lua_State *L, sc_guard *guard, lua_State *co) {
    sc_running running; /* __close methods run in the coroutine that is closed */
    sc_guard_push(guard, &running, co);
    int status = sc_lua_close(api, co, L);
    sc_guard_pop(guard, &running);
    return status;
}

static int coroutine_resume(const sc_lua_api *api, lua_State *L) {
    lua_State *co = check_coroutine(api, L);
    int results = resume(api, L, upvalue_guard(api, L), co, api->gettop(L) - 1);
    api->pushboolean(L, results >= 0);
    if (results < 0) results = 1;
    sc_lua_insert(api, L, -(results + 1));
    return results + 1;
}
SC_LUA_ENTRY(coroutine_resume)

static int call_wrapped(const sc_lua_api *api, lua_State *L) {
    sc_guard *guard = upvalue_guard(api, L);
    lua_State *co = api->tothread(L, sc_lua_upvalue(api, 2));
    int results = resume(api, L, guard, co, api->gettop(L));
    if (results >= 0) return results;
    int status = api->status(co);
    if (api->version >= 504 && status != LUA_OK && status != LUA_YIELD) { /* it failed: close its variables */
        status = close_coroutine(api, L, guard, co);
        api->xmove(co, L, 1);
    }
    if (status != LUA_ERRMEM && api->type(L, -1) == LUA_TSTRING) {
        api->aux.where(L, 1);
        sc_lua_insert(api, L, -2);
        api->concat(L, 2);
    }
    return api->error(L);
}
SC_LUA_ENTRY(call_wrapped)

static int coroutine_wrap(const sc_lua_api *api, lua_State *L) {
    api->aux.checktype(L, 1, LUA_TFUNCTION);
    api->pushvalue(L, sc_lua_upvalue(api, 1));
    lua_State *co = api->newthread(L);
    api->pushvalue(L, 1);
    api->xmove(L, co, 1);
    api->pushcclosure(L, SC_LUA_FUNCTION(api, call_wrapped), 2);
    return 1;
}
SC_LUA_ENTRY(coroutine_wrap)

/* The stock function, kept as the second upvalue, with the arguments that are on the stack. */
static int call_stock(const sc_lua_api *api, lua_State *L) {
    int arguments = api->gettop(L);
    api->pushvalue(L, sc_lua_upvalue(api, 2));
    sc_lua_insert(api, L, 1);
    sc_lua_call(api, L, arguments, LUA_MULTRET);
    return api->gettop(L);
}

static int coroutine_close(const sc_lua_api *api, lua_State *L) {
    lua_State *co = api->tothread(L, 1);
    sc_lua_debug frame;
    /* What runs is refused, or closes itself (5.5). */
    if (co == NULL || co == L || (api->status(co) == LUA_OK && api->getstack(co, 0, &frame))) return call_stock(api, L);
    int status = close_coroutine(api, L, upvalue_guard(api, L), co);
    api->pushboolean(L, status == LUA_OK);
    if (status == LUA_OK) return 1;
    api->xmove(co, L, 1);
    return 2;
}
SC_LUA_ENTRY(coroutine_close)

/* A coroutine that a script knows is never used for a second call. */
static int coroutine_running(const sc_lua_api *api, lua_State *L) {
    sc_guard *guard = upvalue_guard(api, L);
    for (sc_running *running = guard == NULL ? NULL : guard->running; running != NULL; running = running->below)
        if (running->state == L) running->shown = 1;
    return call_stock(api, L);
}
SC_LUA_ENTRY(coroutine_running)

/* debug.sethook, when the signal arrives while the stock function is about to overwrite our hook. */
static int debug_sethook(const sc_lua_api *api, lua_State *L) {
    sc_guard *guard = upvalue_guard(api, L);
    int results = call_stock(api, L);
    if (guard != NULL && guard->armed) arm_running(guard);
    return results;
}
SC_LUA_ENTRY(debug_sethook)

/* ---- attaching ------------------------------------------------------------------------------ */

/* The state ends. What is left of it is freed with the allocator it began with; but long strings of 5.5 remember
 * ours, so the guard stays until sc_guard_settle. */
static int close_box(const sc_lua_api *api, lua_State *L) {
    sc_guard **box = api->touserdata(L, 1);
    sc_guard *guard = *box;
    if (guard == NULL) return 0;
    *box = NULL;
    if (guard->allocate != NULL) api->setallocf(L, guard->allocate, guard->allocate_data);
    guard->bottom.state = NULL;
    guard->owed = 1;
    if (guard->closed != NULL) guard->closed(guard->closed_context);
    return 0;
}
SC_LUA_ENTRY(close_box)

static void replace(const sc_lua_api *api, lua_State *L, const char *library, const char *name,
                    lua_CFunction function) {
    sc_lua_getglobal(api, L, library);
    sc_lua_rawgetp(api, L, api->registry, &registry_key);
    api->getfield(L, -2, name);
    if (api->type(L, -1) == LUA_TNIL) { /* this version has none */
        sc_lua_pop(api, L, 3);
        return;
    }
    api->pushcclosure(L, function, 2);
    api->setfield(L, -2, name);
    sc_lua_pop(api, L, 1);
}

void sc_guard_attach(sc_guard *guard, const sc_lua_api *api, lua_State *L) {
    if (!install_handler()) api->aux.error(L, "the signal handler cannot be installed");
    sc_guard **box = sc_lua_newuserdata(api, L, sizeof *box);
    *box = NULL;
    api->createtable(L, 0, 1);
    api->pushcclosure(L, SC_LUA_FUNCTION(api, close_box), 0);
    api->setfield(L, -2, "__gc");
    api->setmetatable(L, -2);
    sc_lua_rawsetp(api, L, api->registry, &registry_key);
    if (!api->is_jit) { /* its hook is one for all coroutines */
        replace(api, L, "coroutine", "resume", SC_LUA_FUNCTION(api, coroutine_resume));
        replace(api, L, "coroutine", "wrap", SC_LUA_FUNCTION(api, coroutine_wrap));
        replace(api, L, "coroutine", "close", SC_LUA_FUNCTION(api, coroutine_close));
    }
    replace(api, L, "coroutine", "running", SC_LUA_FUNCTION(api, coroutine_running));
    replace(api, L, "debug", "sethook", SC_LUA_FUNCTION(api, debug_sethook));
    sc_lua_rawgetp(api, L, api->registry, &registry_key);
    box = api->touserdata(L, -1);
    sc_lua_pop(api, L, 1);
    sc_guard_retain(guard);
    *box = guard;
    guard->api = api;
    guard->bottom.state = L;
}

int sc_guard_limit(sc_guard *guard, size_t limit) {
    enum { SETPAUSE = 6, PAUSE = 110 };
    lua_State *L = guard->bottom.state;
    if (limit == 0) return 0;
    take_allocator(guard, L);
    if (guard->used >= limit) guard->api->gc(L, LUA_GCCOLLECT, 0); /* what nobody needs is no reason to refuse */
    if (guard->used >= limit) return -1;
    guard->limit = limit;
    /* These do not collect before they refuse; so let there be little to collect. */
    if (guard->api->version == 501) guard->api->gc(L, SETPAUSE, PAUSE);
    return 0;
}
