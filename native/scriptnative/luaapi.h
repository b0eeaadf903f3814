/* luaapi.h: the C API of whichever Lua a script runs on, found at run time and made to look the same.
 *
 * lupa brings one shared object for each Lua version; all of them can be in the process at once. Every function here
 * takes the table of one of them. What differs between 5.1, 5.2, 5.3, 5.4, 5.5 and LuaJIT is settled in this file
 * and luaapi.c, and nowhere else.
 */
#ifndef SC_LUAAPI_H
#define SC_LUAAPI_H

#include <stddef.h>
#include <stdint.h>

typedef struct lua_State lua_State;
typedef int (*lua_CFunction)(lua_State *);
typedef struct sc_lua_debug {
    _Alignas(16) char bytes[512]; /* a lua_Debug of any version */
} sc_lua_debug;
typedef void (*lua_Hook)(lua_State *, sc_lua_debug *);
typedef void *(*lua_Alloc)(void *, void *, size_t, size_t);

enum { LUA_OK = 0, LUA_YIELD = 1, LUA_ERRRUN = 2, LUA_ERRMEM = 4 };
enum {
    LUA_TNIL = 0, LUA_TBOOLEAN, LUA_TLIGHTUSERDATA, LUA_TNUMBER, LUA_TSTRING, LUA_TTABLE, LUA_TFUNCTION, LUA_TUSERDATA,
    LUA_TTHREAD
};
enum { LUA_MULTRET = -1, LUA_MASKCOUNT = 1 << 3, LUA_GCSTOP = 0, LUA_GCRESTART = 1, LUA_GCCOLLECT = 2 };
enum { LUA_GCCOUNT = 3, LUA_GCCOUNTB = 4, LUA_GCISRUNNING = 9 };

/* In every version, with the same meaning. */
#define SC_LUA_COMMON(X)                                                        \
    X(int, gettop, (lua_State *))                                               \
    X(void, settop, (lua_State *, int))                                         \
    X(int, checkstack, (lua_State *, int))                                      \
    X(void, pushvalue, (lua_State *, int))                                      \
    X(void, xmove, (lua_State *, lua_State *, int))                             \
    X(int, type, (lua_State *, int))                                            \
    X(const char *, typename, (lua_State *, int))                               \
    X(int, toboolean, (lua_State *, int))                                       \
    X(const char *, tolstring, (lua_State *, int, size_t *))                    \
    X(const void *, topointer, (lua_State *, int))                              \
    X(lua_CFunction, tocfunction, (lua_State *, int))                           \
    X(const char *, getupvalue, (lua_State *, int, int))                        \
    X(lua_State *, tothread, (lua_State *, int))                                \
    X(void *, touserdata, (lua_State *, int))                                   \
    X(int, rawequal, (lua_State *, int, int))                                   \
    X(int, pushthread, (lua_State *))                                           \
    X(void, pushnil, (lua_State *))                                             \
    X(void, pushboolean, (lua_State *, int))                                    \
    X(void, pushnumber, (lua_State *, double))                                  \
    X(void, pushlstring, (lua_State *, const char *, size_t))                   \
    X(void, pushstring, (lua_State *, const char *))                            \
    X(void, pushlightuserdata, (lua_State *, void *))                           \
    X(void, pushcclosure, (lua_State *, lua_CFunction, int))                    \
    X(void, createtable, (lua_State *, int, int))                               \
    X(int, setmetatable, (lua_State *, int))                                    \
    X(int, getmetatable, (lua_State *, int))                                    \
    X(void, getfield, (lua_State *, int, const char *))                         \
    X(void, setfield, (lua_State *, int, const char *))                         \
    X(void, rawget, (lua_State *, int))                                         \
    X(void, rawset, (lua_State *, int))                                         \
    X(int, next, (lua_State *, int))                                            \
    X(lua_State *, newthread, (lua_State *))                                    \
    X(int, status, (lua_State *))                                               \
    X(int, getstack, (lua_State *, int, sc_lua_debug *))                        \
    X(int, getinfo, (lua_State *, const char *, sc_lua_debug *))                \
    X(int, error, (lua_State *))                                                \
    X(void, concat, (lua_State *, int))                                         \
    X(int, gc, (lua_State *, int, ...))                                         \
    X(lua_Alloc, getallocf, (lua_State *, void **))                             \
    X(void, setallocf, (lua_State *, lua_Alloc, void *))                        \
    X(void, sethook, (lua_State *, lua_Hook, int, int))

/* In every version, but not with the same signature: only the functions below use these. */
#define SC_LUA_VARIANT(X) X(pushinteger) X(rawgeti) X(rawseti) X(resume)

/* In some versions. */
#define SC_LUA_OPTIONAL(X)                                                      \
    X(rotate) X(insert) X(rawgetp) X(rawsetp) X(callk) X(call) X(pcallk) X(pcall) X(isinteger)  \
    X(tointegerx) X(tonumberx) X(tonumber) X(newuserdatauv) X(newuserdata) X(closethread) X(resetthread)

#define SC_LUA_AUXILIARY(X)                                                     \
    X(int, ref, (lua_State *, int))                                             \
    X(void, unref, (lua_State *, int, int))                                     \
    X(void, where, (lua_State *, int))                                          \
    X(void, checktype, (lua_State *, int, int))                                 \
    X(void, checkstack, (lua_State *, int, const char *))                       \
    X(int, argerror, (lua_State *, int, const char *))                          \
    X(int, error, (lua_State *, const char *, ...))

#define SC_LUA_DECLARE(result, name, arguments) result (*name) arguments;
#define SC_LUA_DECLARE_VOID(name) void (*name)(void);
typedef struct sc_lua_aux { SC_LUA_AUXILIARY(SC_LUA_DECLARE) } sc_lua_aux;

typedef struct sc_lua_api {
    int slot;    /* which of SC_LUA_SLOTS */
    int version; /* 501 to 505; LuaJIT is 501 */
    int is_jit;
    int registry;      /* LUA_REGISTRYINDEX */
    int upvalues;      /* lua_upvalueindex(i) is this minus i */
    int line_at;       /* offset of lua_Debug.currentline */
    int has_integers;  /* 5.3 and later; before, a number is a double */
    char path[1024];
    SC_LUA_COMMON(SC_LUA_DECLARE)
    SC_LUA_VARIANT(SC_LUA_DECLARE_VOID)
    SC_LUA_OPTIONAL(SC_LUA_DECLARE_VOID)
    void (*jit_setmode)(void);
    sc_lua_aux aux;
} sc_lua_api;

#define SC_LUA_SLOTS 8
extern sc_lua_api sc_lua_apis[SC_LUA_SLOTS];

/* The API of the shared object that Lua runs from; NULL with a static text in `problem`. */
const sc_lua_api *sc_lua_resolve(const char *path, int version, const char **problem);

/* A function that Lua calls knows its state only. So there is one of each for every slot, which knows its API:
 * SC_LUA_ENTRY(f) makes them from `int f(const sc_lua_api *api, lua_State *L)`, SC_LUA_FUNCTION(api, f) is one. */
#define SC_LUA_ENTRY(f)                                                         \
    static int f##_0(lua_State *L) { return f(&sc_lua_apis[0], L); }            \
    static int f##_1(lua_State *L) { return f(&sc_lua_apis[1], L); }            \
    static int f##_2(lua_State *L) { return f(&sc_lua_apis[2], L); }            \
    static int f##_3(lua_State *L) { return f(&sc_lua_apis[3], L); }            \
    static int f##_4(lua_State *L) { return f(&sc_lua_apis[4], L); }            \
    static int f##_5(lua_State *L) { return f(&sc_lua_apis[5], L); }            \
    static int f##_6(lua_State *L) { return f(&sc_lua_apis[6], L); }            \
    static int f##_7(lua_State *L) { return f(&sc_lua_apis[7], L); }            \
    static const lua_CFunction f##_entries[SC_LUA_SLOTS] = { f##_0, f##_1, f##_2, f##_3, f##_4, f##_5, f##_6, f##_7 };
#define SC_LUA_FUNCTION(api, f) (f##_entries[(api)->slot])

/* ---- one meaning for all versions ------------------------------------------------------------- */

static inline int sc_lua_upvalue(const sc_lua_api *api, int number) { return api->upvalues - number; }
static inline void sc_lua_pop(const sc_lua_api *api, lua_State *L, int count) { api->settop(L, -count - 1); }

/* Whole in a version without integers only up to 2^53: sc_lua_holds tells. */
static inline int sc_lua_holds(const sc_lua_api *api, int64_t integer) {
    return api->has_integers || (integer >= -(INT64_C(1) << 53) && integer <= (INT64_C(1) << 53));
}
static inline void sc_lua_pushinteger(const sc_lua_api *api, lua_State *L, int64_t integer) {
    if (api->has_integers) ((void (*)(lua_State *, long long))api->pushinteger)(L, integer);
    else api->pushnumber(L, (double)integer);
}
static inline void sc_lua_rawgeti(const sc_lua_api *api, lua_State *L, int table, int64_t index) {
    if (api->has_integers) ((int (*)(lua_State *, int, long long))api->rawgeti)(L, table, index);
    else ((void (*)(lua_State *, int, int))api->rawgeti)(L, table, (int)index);
}
static inline void sc_lua_rawseti(const sc_lua_api *api, lua_State *L, int table, int64_t index) {
    if (api->has_integers) ((void (*)(lua_State *, int, long long))api->rawseti)(L, table, index);
    else ((void (*)(lua_State *, int, int))api->rawseti)(L, table, (int)index);
}

/* 1: an integer, in `integer`; 0: none, then `number` has it. A whole number counts where there are no integers. */
int sc_lua_number(const sc_lua_api *api, lua_State *L, int index, int64_t *integer, double *number);

void sc_lua_insert(const sc_lua_api *api, lua_State *L, int index);
void sc_lua_rawgetp(const sc_lua_api *api, lua_State *L, int table, const void *key);
void sc_lua_rawsetp(const sc_lua_api *api, lua_State *L, int table, const void *key);
void sc_lua_call(const sc_lua_api *api, lua_State *L, int arguments, int results);
int sc_lua_pcall(const sc_lua_api *api, lua_State *L, int arguments, int results);
void *sc_lua_newuserdata(const sc_lua_api *api, lua_State *L, size_t size);
void sc_lua_pushglobals(const sc_lua_api *api, lua_State *L);
void sc_lua_getglobal(const sc_lua_api *api, lua_State *L, const char *name);
/* Status; the number of values it left in `results`. */
int sc_lua_resume(const sc_lua_api *api, lua_State *co, lua_State *from, int arguments, int *results);
/* Close the variables of a coroutine that failed or waits: status, the error on top. Without them, LUA_OK. */
int sc_lua_close(const sc_lua_api *api, lua_State *co, lua_State *from);
/* Let LuaJIT compile, or not. */
void sc_lua_compile(const sc_lua_api *api, lua_State *L, int on);

/* Fields of what getinfo filled in. */
static inline const char *sc_lua_name(const sc_lua_debug *debug) { return *(const char *const *)(debug->bytes + 8); }
static inline const char *sc_lua_what(const sc_lua_debug *debug) { return *(const char *const *)(debug->bytes + 24); }
static inline const char *sc_lua_source(const sc_lua_debug *debug) { return *(const char *const *)(debug->bytes + 32); }
static inline int sc_lua_line(const sc_lua_api *api, const sc_lua_debug *debug) {
    return *(const int *)(debug->bytes + api->line_at);
}

#endif
