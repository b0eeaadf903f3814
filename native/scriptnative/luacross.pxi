# Python face of luacross.c; included by _native.pyx after luaguard.pxi.

from os import fsencode as _os_fsencode

cdef extern from "luaapi.h":
    ctypedef struct lua_State:
        pass
    ctypedef struct sc_lua_api:
        int is_jit
        int has_integers
    const sc_lua_api *sc_lua_resolve(const char *path, int version, const char **problem)
    void sc_lua_compile(const sc_lua_api *api, lua_State *L, int on)

cdef extern from "luacross.h":
    ctypedef struct sc_lua:
        pass
    object sc_lua_types_new(object module)
    sc_lua *sc_lua_new(sc_guard *guard, const sc_lua_api *api, lua_State *thread, object report) except NULL
    void sc_lua_drop(sc_lua *lua)
    void sc_lua_refuse(sc_lua *lua)
    void sc_lua_shut(sc_lua *lua)
    object sc_lua_global(sc_lua *lua, const char *name)
    int sc_lua_set_helpers(sc_lua *lua, object get, object set, object call, object describe, object error_text) except -1
    int sc_lua_set_via(sc_lua *lua, object via) except -1
    int sc_lua_set_apart(object function) except -1
    size_t sc_lua_memory(const sc_lua *lua)
    object sc_lua_where(const sc_lua *lua)


LuaReference, LuaCallable = sc_lua_types_new(_sys.modules[__name__])

# Leaves a coroutine nobody runs in a global, and says where it is.
_FIND_STATE = b"(function() base = coroutine.create(function() end) return (tostring(base):match('0x%x+')) end)()"


cdef class LuaCrossing:
    """Values and calls between Python and one Lua state; see luacross.h."""

    cdef sc_lua *lua
    cdef const sc_lua_api *api
    cdef lua_State *base
    cdef object runtime
    cdef LuaGuard guard

    def __cinit__(self, LuaGuard guard not None, runtime, report):
        cdef const char *problem = NULL
        path = _sys.modules[type(runtime).__module__].__file__
        major, minor = runtime.lua_version
        encoded = _os_fsencode(path)
        self.api = sc_lua_resolve(encoded, major * 100 + minor, &problem)
        if self.api is NULL:
            raise _errors.LoadError(f"{path} cannot host scripts: {problem.decode()}; install lupa from its wheel")
        self.base = <lua_State *><uintptr_t>int(runtime.eval(_FIND_STATE), 16)
        self.lua = sc_lua_new(guard.guard, self.api, self.base, report)
        self.guard = guard
        self.runtime = runtime

    def __dealloc__(self):
        if self.lua is not NULL:
            sc_lua_shut(self.lua)
            self.runtime = None
            sc_lua_drop(self.lua)

    @property
    def is_jit(self):
        return bool(self.api.is_jit)

    @property
    def has_integers(self):
        return bool(self.api.has_integers)

    @property
    def memory(self):
        return sc_lua_memory(self.lua)

    def where(self):
        return sc_lua_where(self.lua)

    def find(self, str name):
        return sc_lua_global(self.lua, name.encode())

    def set_limit(self, size_t memory):
        if sc_guard_limit(self.guard.guard, memory) < 0:
            raise ValueError(f"{memory} bytes are too few: it has {sc_lua_memory(self.lua)} already")

    def set_compiler(self, bint on):
        sc_lua_compile(self.api, self.base, on)

    def set_helpers(self, *, get, set, call, describe, error_text):
        sc_lua_set_helpers(self.lua, get, set, call, describe, error_text)

    def aside(self, function):
        sc_lua_set_apart(function)
        return function

    def set_via(self, via):
        sc_lua_set_via(self.lua, via)

    def close(self):
        sc_lua_refuse(self.lua)
        self.runtime = None  # ends the state; its finalizers run now
        sc_lua_shut(self.lua)
