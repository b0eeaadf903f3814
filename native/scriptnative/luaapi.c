/* luaapi.c: finds the Lua API in a shared object, and evens out the versions. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "luaapi.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

sc_lua_api sc_lua_apis[SC_LUA_SLOTS];

static pthread_mutex_t setup = PTHREAD_MUTEX_INITIALIZER;
static int used; /* slots, under setup */

/* ---- finding ------------------------------------------------------------------------------------ */

/* Put the address of a function into the pointer at `where`; 1 when it is missing. */
static int find(void *library, const char *prefix, const char *name, void *where) {
    char symbol[64];
    snprintf(symbol, sizeof symbol, "%s%s", prefix, name);
    void *function = dlsym(library, symbol);
    memcpy(where, &function, sizeof function);
    return function == NULL;
}

static int is_complete(const sc_lua_api *api) {
    return (api->rotate || api->insert) && (api->callk || api->call) && (api->pcallk || api->pcall) &&
           (api->tonumberx || api->tonumber) && (api->newuserdatauv || api->newuserdata) &&
           (!api->has_integers || (api->isinteger && api->tointegerx));
}

static int fill(sc_lua_api *api, void *library, int version) {
    int missing = 0;
    memset(api, 0, sizeof *api);
#define FIND(result, name, arguments) missing += find(library, "lua_", #name, &api->name);
#define FIND_VARIANT(name) missing += find(library, "lua_", #name, &api->name);
#define FIND_OPTIONAL(name) find(library, "lua_", #name, &api->name);
#define FIND_AUXILIARY(result, name, arguments) missing += find(library, "luaL_", #name, &api->aux.name);
    SC_LUA_COMMON(FIND)
    SC_LUA_VARIANT(FIND_VARIANT)
    SC_LUA_OPTIONAL(FIND_OPTIONAL)
    SC_LUA_AUXILIARY(FIND_AUXILIARY)
    find(library, "luaJIT_", "setmode", &api->jit_setmode);
    api->is_jit = api->jit_setmode != NULL;
    api->version = version;
    api->has_integers = version >= 503;
    /* luaconf.h and lua.h of each version. */
    api->registry = version == 501 ? -10000 : version >= 505 ? -(INT32_MAX / 2 + 1000) : -1001000;
    api->upvalues = version == 501 ? -10002 : api->registry;
    api->line_at = version >= 504 ? 48 : 40;
    return missing == 0 && is_complete(api) ? 0 : -1;
}

const sc_lua_api *sc_lua_resolve(const char *path, int version, const char **problem) {
    sc_lua_api *found = NULL;
    pthread_mutex_lock(&setup);
    for (int i = 0; i < used && found == NULL; i++)
        if (strcmp(sc_lua_apis[i].path, path) == 0) found = &sc_lua_apis[i];
    if (found == NULL) {
        void *library = used == SC_LUA_SLOTS ? NULL : dlopen(path, RTLD_NOW | RTLD_NOLOAD);
        if (version < 501 || version > 505) *problem = "it is no Lua 5.1 to 5.5";
        else if (used == SC_LUA_SLOTS) *problem = "too many different Lua libraries are loaded";
        else if (library == NULL || strlen(path) >= sizeof found->path) *problem = "its shared object is not found";
        else if (fill(&sc_lua_apis[used], library, version) < 0) *problem = "it hides functions of the Lua C API";
        else {
            found = &sc_lua_apis[used];
            strcpy(found->path, path);
            found->slot = used++;
        }
    }
    pthread_mutex_unlock(&setup);
    return found;
}

/* ---- evening out ---------------------------------------------------------------------------------- */

int sc_lua_number(const sc_lua_api *api, lua_State *L, int index, int64_t *integer, double *number) {
    if (api->has_integers) {
        if (((int (*)(lua_State *, int))api->isinteger)(L, index)) {
            *integer = ((long long (*)(lua_State *, int, int *))api->tointegerx)(L, index, NULL);
            return 1;
        }
        *number = ((double (*)(lua_State *, int, int *))api->tonumberx)(L, index, NULL);
        return 0;
    }
    double value = api->tonumberx != NULL ? ((double (*)(lua_State *, int, int *))api->tonumberx)(L, index, NULL)
                                          : ((double (*)(lua_State *, int))api->tonumber)(L, index);
    *number = value;
    if (!(value >= -9007199254740992.0 && value <= 9007199254740992.0)) return 0;
    *integer = (int64_t)value;
    return (double)*integer == value && !(value == 0 && __builtin_signbit(value));
}

void sc_lua_insert(const sc_lua_api *api, lua_State *L, int index) {
    if (api->rotate != NULL) ((void (*)(lua_State *, int, int))api->rotate)(L, index, 1);
    else ((void (*)(lua_State *, int))api->insert)(L, index);
}

void sc_lua_rawgetp(const sc_lua_api *api, lua_State *L, int table, const void *key) {
    if (api->rawgetp != NULL) {
        ((int (*)(lua_State *, int, const void *))api->rawgetp)(L, table, key);
    } else {
        api->pushlightuserdata(L, (void *)key);
        api->rawget(L, table < 0 && table > api->registry ? table - 1 : table);
    }
}

void sc_lua_rawsetp(const sc_lua_api *api, lua_State *L, int table, const void *key) {
    if (api->rawsetp != NULL) {
        ((void (*)(lua_State *, int, const void *))api->rawsetp)(L, table, key);
    } else {
        api->pushlightuserdata(L, (void *)key);
        sc_lua_insert(api, L, -2);
        api->rawset(L, table < 0 && table > api->registry ? table - 1 : table);
    }
}

void sc_lua_call(const sc_lua_api *api, lua_State *L, int arguments, int results) {
    if (api->callk != NULL)
        ((void (*)(lua_State *, int, int, intptr_t, void *))api->callk)(L, arguments, results, 0, NULL);
    else ((void (*)(lua_State *, int, int))api->call)(L, arguments, results);
}

int sc_lua_pcall(const sc_lua_api *api, lua_State *L, int arguments, int results) {
    if (api->pcallk != NULL)
        return ((int (*)(lua_State *, int, int, int, intptr_t, void *))api->pcallk)(L, arguments, results, 0, 0, NULL);
    return ((int (*)(lua_State *, int, int, int))api->pcall)(L, arguments, results, 0);
}

void *sc_lua_newuserdata(const sc_lua_api *api, lua_State *L, size_t size) {
    if (api->newuserdatauv != NULL) return ((void *(*)(lua_State *, size_t, int))api->newuserdatauv)(L, size, 0);
    return ((void *(*)(lua_State *, size_t))api->newuserdata)(L, size);
}

void sc_lua_pushglobals(const sc_lua_api *api, lua_State *L) {
    enum { GLOBALS_INDEX_501 = -10002, GLOBALS_NUMBER = 2 }; /* LUA_GLOBALSINDEX, LUA_RIDX_GLOBALS */
    if (api->version == 501) api->pushvalue(L, GLOBALS_INDEX_501);
    else sc_lua_rawgeti(api, L, api->registry, GLOBALS_NUMBER);
}

void sc_lua_getglobal(const sc_lua_api *api, lua_State *L, const char *name) {
    sc_lua_pushglobals(api, L);
    api->getfield(L, -1, name);
    sc_lua_insert(api, L, -2);
    sc_lua_pop(api, L, 1);
}

int sc_lua_resume(const sc_lua_api *api, lua_State *co, lua_State *from, int arguments, int *results) {
    if (api->version >= 504)
        return ((int (*)(lua_State *, lua_State *, int, int *))api->resume)(co, from, arguments, results);
    int status = api->version == 501 ? ((int (*)(lua_State *, int))api->resume)(co, arguments)
                                     : ((int (*)(lua_State *, lua_State *, int))api->resume)(co, from, arguments);
    *results = api->gettop(co);
    return status;
}

int sc_lua_close(const sc_lua_api *api, lua_State *co, lua_State *from) {
    if (api->closethread != NULL) return ((int (*)(lua_State *, lua_State *))api->closethread)(co, from);
    if (api->resetthread != NULL) return ((int (*)(lua_State *))api->resetthread)(co);
    return LUA_OK;
}

void sc_lua_compile(const sc_lua_api *api, lua_State *L, int on) {
    enum { ENGINE = 0, ON = 0x100 }; /* LUAJIT_MODE_* of luajit.h */
    if (api->is_jit) ((int (*)(lua_State *, int, int))api->jit_setmode)(L, 0, ENGINE | (on ? ON : 0));
}
