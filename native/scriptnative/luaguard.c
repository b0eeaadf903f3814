/* luaguard.c: the interrupt, and the coroutine functions that keep the list of what runs.
 *
 * Runs against Lua 5.4 without its headers: the shared object of lupa exports the API.
 * lua_sethook is the one function of it that may be called from a signal handler (manual of lua_sethook; it is
 * what the stand-alone interpreter does on Ctrl-C).
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "luaguard.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#if defined(__GNUC__)
#define SC_VISIBLE __attribute__((visibility("default")))
#else
#define SC_VISIBLE
#endif

/* From lua.h of 5.4. */
enum { LUA_OK = 0, LUA_YIELD = 1, LUA_ERRMEM = 4 };
enum { LUA_TSTRING = 4, LUA_TTABLE = 5, LUA_TFUNCTION = 6 };
enum { LUA_MULTRET = -1, LUA_MASKCOUNT = 1 << 3, LUA_REGISTRYINDEX = -1001000 };
#define UPVALUE(i) (LUA_REGISTRYINDEX - (i))

typedef struct lua_Debug {
    int event;
    const char *name, *namewhat, *what, *source;
    size_t source_length;
    int current_line, line_defined, last_line_defined;
    unsigned char upvalues, parameters;
    char is_vararg, is_tail_call;
    unsigned short first_transferred, transferred;
    char short_source[60];
    void *call_info;
} lua_Debug;
typedef int (*lua_CFunction)(lua_State *);
typedef void (*lua_Hook)(lua_State *, lua_Debug *);

#define LUA_API_LIST(X)                                                         \
    X(double, version, (lua_State *))                                           \
    X(int, gettop, (lua_State *))                                               \
    X(void, settop, (lua_State *, int))                                         \
    X(int, checkstack, (lua_State *, int))                                      \
    X(void, rotate, (lua_State *, int, int))                                    \
    X(void, pushvalue, (lua_State *, int))                                      \
    X(void, xmove, (lua_State *, lua_State *, int))                             \
    X(int, type, (lua_State *, int))                                            \
    X(lua_State *, tothread, (lua_State *, int))                                \
    X(void *, touserdata, (lua_State *, int))                                   \
    X(int, pushthread, (lua_State *))                                           \
    X(void, pushnil, (lua_State *))                                             \
    X(void, pushboolean, (lua_State *, int))                                    \
    X(const char *, pushstring, (lua_State *, const char *))                    \
    X(void, pushcclosure, (lua_State *, lua_CFunction, int))                    \
    X(void *, newuserdatauv, (lua_State *, size_t, int))                        \
    X(void, createtable, (lua_State *, int, int))                               \
    X(int, setmetatable, (lua_State *, int))                                    \
    X(int, getglobal, (lua_State *, const char *))                              \
    X(int, getfield, (lua_State *, int, const char *))                          \
    X(void, setfield, (lua_State *, int, const char *))                         \
    X(int, rawgetp, (lua_State *, int, const void *))                           \
    X(void, rawsetp, (lua_State *, int, const void *))                          \
    X(lua_State *, newthread, (lua_State *))                                    \
    X(int, resume, (lua_State *, lua_State *, int, int *))                      \
    X(int, status, (lua_State *))                                               \
    X(int, closethread, (lua_State *, lua_State *))                             \
    X(int, getstack, (lua_State *, int, lua_Debug *))                           \
    X(int, getinfo, (lua_State *, const char *, lua_Debug *))                   \
    X(void, callk, (lua_State *, int, int, intptr_t, void *))                   \
    X(int, error, (lua_State *))                                                \
    X(void, concat, (lua_State *, int))                                         \
    X(void, sethook, (lua_State *, lua_Hook, int, int))

#define AUX_API_LIST(X)                                                         \
    X(void, where, (lua_State *, int))                                          \
    X(void, checktype, (lua_State *, int, int))                                 \
    X(int, typeerror, (lua_State *, int, const char *))                         \
    X(int, error, (lua_State *, const char *, ...))

#define DECLARE(result, name, arguments) result (*name) arguments;
static struct { LUA_API_LIST(DECLARE) } lua;
static struct { AUX_API_LIST(DECLARE) } aux;

__thread sc_guard *sc_guard_top __attribute__((tls_model("initial-exec")));
static __thread sc_guard *offered;

static pthread_mutex_t setup = PTHREAD_MUTEX_INITIALIZER;
static int resolved; /* under setup */
static char registry_key; /* its address is the key of the guard in the registry */

/* ---- arming ------------------------------------------------------------------------------ */

static inline int is_target(sc_guard *guard) {
    uint64_t serial = atomic_load_explicit(&guard->serial, memory_order_relaxed);
    return serial != 0 && atomic_load_explicit(&guard->target, memory_order_acquire) == serial;
}

static sc_guard *guard_of(lua_State *L) {
    lua.rawgetp(L, LUA_REGISTRYINDEX, &registry_key);
    sc_guard **box = lua.touserdata(L, -1);
    lua.settop(L, -2);
    return box != NULL ? *box : NULL;
}

/* Stays armed until the outermost call has been left, so that pcall and coroutines unwind too.
 * Raised as Lua's memory error: the only one that calls no message handler. A handler called from within a hook
 * runs with hooks disabled (luaD_hook), so one that loops could never be stopped. No script sees the text, as
 * its next instruction raises again. */
static void raise_interrupted(lua_State *L, lua_Debug *ar) {
    sc_guard *guard = guard_of(L);
    if (guard == NULL || !is_target(guard)) { /* a coroutine made while its parent was armed inherits the hook */
        lua.sethook(L, NULL, 0, 0);
        return;
    }
    if (guard->stopped_line < 0 && lua.getinfo(L, "Sl", ar)) {
        strncpy(guard->stopped_source, ar->source, sizeof guard->stopped_source - 1);
        guard->stopped_line = ar->current_line < 0 ? 0 : ar->current_line;
    }
    lua.pushstring(L, "not enough memory");
    lua.error(L);
}

/* Async-signal-safe. */
static void arm_running(sc_guard *guard) {
    guard->armed = 1;
    for (sc_running *running = guard->running; running != NULL; running = running->below)
        if (running->state != NULL) lua.sethook(running->state, raise_interrupted, LUA_MASKCOUNT, 1);
}

static void on_signal(int number) {
    int saved = errno;
    (void)number;
    for (sc_guard *guard = sc_guard_top; guard != NULL; guard = guard->below)
        if (is_target(guard)) arm_running(guard);
    errno = saved;
}

static void push_running(sc_guard *guard, sc_running *running, lua_State *state) {
    running->state = state;
    if (guard == NULL) return;
    running->below = guard->running;
    atomic_signal_fence(memory_order_seq_cst);
    guard->running = running;
    atomic_signal_fence(memory_order_seq_cst);
    if (guard->armed) lua.sethook(state, raise_interrupted, LUA_MASKCOUNT, 1);
}

static void pop_running(sc_guard *guard, sc_running *running) {
    if (guard == NULL) return;
    guard->running = running->below;
    atomic_signal_fence(memory_order_seq_cst);
    if (!guard->armed) return;
    /* A refused attempt to resume a coroutine that runs further down must not disarm that one. */
    for (sc_running *other = guard->running; other != NULL; other = other->below)
        if (other->state == running->state) return;
    lua.sethook(running->state, NULL, 0, 0);
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

int sc_guard_interrupt(sc_guard *guard, const char *reason) {
    uint64_t serial = atomic_load_explicit(&guard->serial, memory_order_acquire);
    if (serial == 0) return 0;
    pthread_mutex_lock(&guard->mutex);
    /* One signal a call: they queue, and a thread that is sent them as fast as it handles them gets nowhere. */
    int sent = atomic_load_explicit(&guard->target, memory_order_relaxed) == serial;
    if (!sent) {
        strncpy(guard->reason, reason, sizeof guard->reason - 1);
        atomic_store_explicit(&guard->target, serial, memory_order_release);
        /* A state that could not be attached to polls is_target instead. */
        sent = guard->bottom.state == NULL || sc_runlock_signal_holder(guard->lock, SIGRTMIN + 4, NULL);
        if (!sent) atomic_store_explicit(&guard->target, 0, memory_order_relaxed);
    }
    pthread_mutex_unlock(&guard->mutex);
    return sent;
}

int sc_guard_was_interrupted(sc_guard *guard, char reason[SC_REASON_SIZE]) {
    if (guard->depth != 0 ? !is_target(guard) : !guard->was_interrupted) return 0;
    pthread_mutex_lock(&guard->mutex);
    memcpy(reason, guard->reason, sizeof guard->reason);
    pthread_mutex_unlock(&guard->mutex);
    return 1;
}

/* The outermost call was interrupted and is left: the next one starts clean. */
void sc_guard_finish(sc_guard *guard) {
    guard->was_interrupted = 1;
    guard->interrupted_line = guard->stopped_line;
    guard->stopped_line = -1;
    if (guard->armed && guard->bottom.state != NULL) lua.sethook(guard->bottom.state, NULL, 0, 0);
    guard->armed = 0;
}

/* ---- coroutines: stock semantics (lcorolib.c), plus the list of what runs ---------------------- */

static sc_guard *upvalue_guard(lua_State *L) {
    sc_guard **box = lua.touserdata(L, UPVALUE(1));
    return box != NULL ? *box : NULL;
}

static lua_State *check_coroutine(lua_State *L) {
    lua_State *co = lua.tothread(L, 1);
    if (co == NULL) aux.typeerror(L, 1, "coroutine");
    return co;
}

/* A Python function that `co` calls may call back on the main state; lupa empties the stack frame it finds
 * there, which is the one of our resume, and nothing else might hold `co`. */
static void anchor(lua_State *L, sc_guard *guard, lua_State *co, const void *key) {
    if (guard == NULL || L != guard->bottom.state) return;
    if (co == NULL) lua.pushnil(L);
    else lua.pushvalue(L, 1);
    lua.rawsetp(L, LUA_REGISTRYINDEX, key);
}

/* Number of results on top of L, or -1 with the error value there. */
static int resume(lua_State *L, sc_guard *guard, lua_State *co, int arguments) {
    sc_running running;
    int results = 0;
    if (!lua.checkstack(co, arguments)) {
        lua.pushstring(L, "too many arguments to resume");
        return -1;
    }
    lua.xmove(L, co, arguments);
    push_running(guard, &running, co);
    int status = lua.resume(co, L, arguments, &results);
    pop_running(guard, &running);
    if (status != LUA_OK && status != LUA_YIELD) {
        lua.xmove(co, L, 1);
        return -1;
    }
    if (!lua.checkstack(L, results + 1)) {
        lua.settop(co, -results - 1);
        lua.pushstring(L, "too many results to resume");
        return -1;
    }
    lua.xmove(co, L, results);
    return results;
}

static int close_coroutine(lua_State *L, sc_guard *guard, lua_State *co) {
    sc_running running; /* __close methods run in the coroutine that is closed */
    push_running(guard, &running, co);
    int status = lua.closethread(co, L);
    pop_running(guard, &running);
    return status;
}

static int coroutine_resume(lua_State *L) {
    sc_guard *guard = upvalue_guard(L);
    lua_State *co = check_coroutine(L);
    int arguments = lua.gettop(L) - 1;
    char key;
    anchor(L, guard, co, &key);
    int results = resume(L, guard, co, arguments);
    anchor(L, guard, NULL, &key);
    lua.pushboolean(L, results >= 0);
    if (results < 0) results = 1;
    lua.rotate(L, -(results + 1), 1);
    return results + 1;
}

static int call_wrapped(lua_State *L) {
    sc_guard *guard = upvalue_guard(L);
    lua_State *co = lua.tothread(L, UPVALUE(2));
    int results = resume(L, guard, co, lua.gettop(L));
    if (results >= 0) return results;
    int status = lua.status(co);
    if (status != LUA_OK && status != LUA_YIELD) { /* an error in the coroutine: close its variables */
        status = close_coroutine(L, guard, co);
        lua.xmove(co, L, 1);
    }
    if (status != LUA_ERRMEM && lua.type(L, -1) == LUA_TSTRING) {
        aux.where(L, 1);
        lua.rotate(L, -2, 1);
        lua.concat(L, 2);
    }
    return lua.error(L);
}

static int coroutine_wrap(lua_State *L) {
    aux.checktype(L, 1, LUA_TFUNCTION);
    lua.pushvalue(L, UPVALUE(1));
    lua_State *co = lua.newthread(L);
    lua.pushvalue(L, 1);
    lua.xmove(L, co, 1);
    lua.pushcclosure(L, call_wrapped, 2);
    return 1;
}

static int coroutine_close(lua_State *L) {
    sc_guard *guard = upvalue_guard(L);
    lua_State *co = check_coroutine(L);
    lua_Debug frame;
    char key;
    if (co == L) return aux.error(L, "cannot close a running coroutine");
    if (lua.status(co) == LUA_OK && lua.getstack(co, 0, &frame))
        return aux.error(L, "cannot close a normal coroutine");
    anchor(L, guard, co, &key);
    int status = close_coroutine(L, guard, co);
    anchor(L, guard, NULL, &key);
    lua.pushboolean(L, status == LUA_OK);
    if (status == LUA_OK) return 1;
    lua.xmove(co, L, 1);
    return 2;
}

/* debug.sethook, when the signal arrives while the stock function is about to overwrite our hook. */
static int debug_sethook(lua_State *L) {
    sc_guard *guard = upvalue_guard(L);
    int arguments = lua.gettop(L);
    lua.pushvalue(L, UPVALUE(2));
    lua.rotate(L, 1, 1);
    lua.callk(L, arguments, LUA_MULTRET, 0, NULL);
    if (guard != NULL && guard->armed) arm_running(guard);
    return lua.gettop(L);
}

/* ---- attaching ------------------------------------------------------------------------------ */

int sc_lua_resolve(const char *path, const char **problem) {
    int status = 0;
    pthread_mutex_lock(&setup);
    if (!resolved) {
        void *library = dlopen(path, RTLD_NOW | RTLD_NOLOAD);
        *problem = "the Lua library is not loaded";
#define FIND_LUA(result, name, arguments) \
    if (status == 0 && (*(void **)&lua.name = dlsym(library, "lua_" #name)) == NULL) *problem = "it lacks lua_" #name, status = -1;
#define FIND_AUX(result, name, arguments) \
    if (status == 0 && (*(void **)&aux.name = dlsym(library, "luaL_" #name)) == NULL) *problem = "it lacks luaL_" #name, status = -1;
        if (library == NULL) status = -1;
        LUA_API_LIST(FIND_LUA)
        AUX_API_LIST(FIND_AUX)
        if (status == 0) {
            struct sigaction action;
            memset(&action, 0, sizeof action);
            action.sa_handler = on_signal;
            action.sa_flags = SA_RESTART;
            sigemptyset(&action.sa_mask);
            status = sigaction(SIGRTMIN + 4, &action, NULL);
            *problem = "the signal handler cannot be installed";
        }
        resolved = status == 0;
    }
    pthread_mutex_unlock(&setup);
    return status;
}

void sc_guard_offer(sc_guard *guard) { offered = guard; }

static int close_box(lua_State *L) {
    sc_guard **box = lua.touserdata(L, 1);
    sc_guard *guard = *box;
    if (guard == NULL) return 0;
    *box = NULL;
    guard->bottom.state = NULL;
    sc_guard_drop(guard);
    return 0;
}

static void replace(lua_State *L, const char *library, const char *name, lua_CFunction function, int keep_stock) {
    lua.getglobal(L, library);
    lua.rawgetp(L, LUA_REGISTRYINDEX, &registry_key);
    if (keep_stock) lua.getfield(L, -2, name);
    lua.pushcclosure(L, function, 1 + keep_stock);
    lua.setfield(L, -2, name);
    lua.settop(L, -2);
}

/* Found by package.loadlib; runs on the main state of a new runtime. Useless to scripts: nothing is offered then. */
SC_VISIBLE int sc_luaguard_open(lua_State *L);
int sc_luaguard_open(lua_State *L) {
    sc_guard *guard = offered;
    offered = NULL;
    if (!resolved) return 0; /* nothing of Lua may be called, not even to complain */
    if (guard == NULL || guard->bottom.state != NULL) return aux.error(L, "no guard to attach");
    if (lua.version(L) < 504 || lua.version(L) >= 505) return aux.error(L, "Lua 5.4 is needed");
    if (!lua.pushthread(L)) return aux.error(L, "not the main state");
    sc_guard **box = lua.newuserdatauv(L, sizeof *box, 0);
    *box = NULL;
    lua.createtable(L, 0, 1);
    lua.pushcclosure(L, close_box, 0);
    lua.setfield(L, -2, "__gc");
    lua.setmetatable(L, -2);
    lua.rawsetp(L, LUA_REGISTRYINDEX, &registry_key);
    replace(L, "coroutine", "resume", coroutine_resume, 0);
    replace(L, "coroutine", "wrap", coroutine_wrap, 0);
    replace(L, "coroutine", "close", coroutine_close, 0);
    replace(L, "debug", "sethook", debug_sethook, 1);
    sc_guard_retain(guard);
    *box = guard;
    guard->bottom.state = L;
    return 0;
}
