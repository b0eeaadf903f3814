/* luacross.h: values and calls between Python and one Lua state, without lupa in between.
 *
 * sc_lua is one state as the crossing sees it: its guard, the values it holds for Python, idle coroutines. Python
 * objects become neutral values (value.h) and those become Lua values, and the other way round; Lua runs without the
 * GIL. Every call runs in a coroutine, which the script may leave waiting.
 */
#ifndef SC_LUACROSS_H
#define SC_LUACROSS_H

#include "interp.h"
#include "luaguard.h"

typedef struct sc_lua sc_lua;

/* The types LuaReference and LuaCallable, as a tuple; for the main interpreter only. */
PyObject *sc_lua_types_new(PyObject *module);

/* `thread` is any coroutine of a state that nothing runs in. `report` turns what went wrong into exceptions; see
 * LuaCrossing in _native.pyi. NULL with an exception set. */
sc_lua *sc_lua_new(sc_guard *guard, const sc_lua_api *api, lua_State *thread, PyObject *report);
void sc_lua_retain(sc_lua *lua);
void sc_lua_drop(sc_lua *lua);

/* Before the state ends: refuse calls into it; its finalizers may still call Python. */
void sc_lua_refuse(sc_lua *lua);
/* After it: let go of Python objects. */
void sc_lua_shut(sc_lua *lua);

/* Make all calls by way of this lupa function, made from the global "=enter": for a state whose script uses lupa too,
 * so that lupa's own lock is held. */
int sc_lua_set_via(sc_lua *lua, PyObject *via);

/* A global of the state, as it crosses. */
PyObject *sc_lua_global(sc_lua *lua, const char *name);
/* What LuaReference.get, set, call and describe call, and what makes a text of an error value that is none. */
int sc_lua_set_helpers(sc_lua *lua, PyObject *get, PyObject *set, PyObject *call, PyObject *describe,
                       PyObject *error_text);

/* Call a LuaReference of a function; takes the run lock. `stale` (may be NULL) is set, and nothing called, when
 * `current` is not `expected` once the lock is held. */
PyObject *sc_lua_call_reference(PyObject *reference, PyObject *const *args, Py_ssize_t nargs, PyObject *kwnames,
                                const atomic_uint *current, unsigned expected, int *stale);
/* It is code of ours: calls of it are not there to be interrupted. 0, or -1 with an exception set. */
int sc_lua_set_apart(PyObject *object);
/* "file:line" of the script line that runs now, "" when none does; for who holds the run lock. */
PyObject *sc_lua_where(const sc_lua *lua);
size_t sc_lua_memory(const sc_lua *lua);

#endif
