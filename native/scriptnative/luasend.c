/* luasend.c: `send` from Lua, without Python. */
#include "luasend.h"

#include "luastate.h"

#include <sys/socket.h>

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0 /* CPython ignores SIGPIPE where this is missing */
#endif

static size_t outlet_offset;

void sc_outlet_set_offset(size_t offset) { outlet_offset = offset; }

enum { STATE = 1, TYPE, METHOD }; /* upvalues */

/* The outlet of the object at 1 if it is of the type; the box holds the object, so that needs no GIL. */
static sc_outlet *find_outlet(const sc_lua_api *api, lua_State *L) {
    sc_lua_box *state = api->touserdata(L, sc_lua_upvalue(api, STATE));
    sc_lua_box *box = api->type(L, 1) == LUA_TUSERDATA ? sc_lua_box_of(state->lua, L, 1) : NULL;
    if (box == NULL || state->lua->report == NULL || box->ref->home != state->lua->home) return NULL;
    PyObject *object = box->ref->object;
    if ((void *)Py_TYPE(object) != api->touserdata(L, sc_lua_upvalue(api, TYPE))) return NULL;
    return (sc_outlet *)((char *)object + outlet_offset);
}

/* Send what the system takes; 1 when that was all. What is left replaces the string at 2. */
static int send_at_once(const sc_lua_api *api, lua_State *L, sc_outlet *outlet) {
    size_t length;
    const char *bytes = api->tolstring(L, 2, &length);
    ssize_t taken = length == 0 ? -1 : send(outlet->descriptor, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (taken < 0) return 0; /* Python tries again, and knows what the error means */
    outlet->sent += (unsigned long long)taken;
    if ((size_t)taken == length) return 1;
    outlet->descriptor = -1;
    api->pushlstring(L, bytes + taken, length - (size_t)taken);
    sc_lua_insert(api, L, 2);
    api->settop(L, 2);
    return 0;
}

static int send_directly(const sc_lua_api *api, lua_State *L) {
    if (api->gettop(L) == 2 && api->type(L, 2) == LUA_TSTRING) {
        sc_outlet *outlet = find_outlet(api, L);
        if (outlet != NULL && outlet->descriptor >= 0 && send_at_once(api, L, outlet)) return 0;
    }
    api->pushvalue(L, sc_lua_upvalue(api, METHOD));
    sc_lua_insert(api, L, 1);
    sc_lua_call(api, L, api->gettop(L) - 1, 1);
    return 1;
}
SC_LUA_ENTRY(send_directly)

static int sender(const sc_lua_api *api, lua_State *L) {
    double number;
    int64_t type;
    if (api->gettop(L) != 2 || !sc_lua_number(api, L, 1, &type, &number)) return api->aux.argerror(L, 1, "type expected");
    api->pushvalue(L, sc_lua_upvalue(api, STATE));
    api->pushlightuserdata(L, (void *)(intptr_t)type);
    api->pushvalue(L, 2);
    api->pushcclosure(L, SC_LUA_FUNCTION(api, send_directly), 3);
    return 1;
}
SC_LUA_ENTRY(sender)

void sc_lua_push_sender(sc_lua *lua, lua_State *L) {
    sc_lua_push_box(lua, L, NULL);
    lua->api->pushcclosure(L, SC_LUA_FUNCTION(lua->api, sender), 1);
}
