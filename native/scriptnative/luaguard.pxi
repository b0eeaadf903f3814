# Python face of luaguard.c; included by _native.pyx, which defines RunLock.

from os import fsencode as _os_fsencode

cdef extern from "luaguard.h":
    enum:
        SC_REASON_SIZE
    ctypedef struct sc_guard:
        unsigned depth
        int was_interrupted
        int interrupted_line
        const char *stopped_source
    sc_guard *sc_guard_new(sc_runlock *lock)
    void sc_guard_drop(sc_guard *guard)
    void sc_guard_enter(sc_guard *guard)
    void sc_guard_leave(sc_guard *guard)
    int sc_lua_resolve(const char *path, const char **problem)
    void sc_guard_offer(sc_guard *guard)
    int sc_guard_interrupt(sc_guard *guard, const char *reason)
    int sc_guard_was_interrupted(sc_guard *guard, char *reason)


cdef class LuaGuard:
    """Stops what runs in one Lua state; see luaguard.h."""

    cdef sc_guard *guard

    def __cinit__(self, RunLock lock not None):
        self.guard = sc_guard_new(lock.lock)
        if self.guard is NULL:
            raise MemoryError

    def __dealloc__(self):
        if self.guard is not NULL:
            sc_guard_drop(self.guard)

    def install(self, runtime):
        cdef const char *problem = NULL
        library = _os_fsencode(_sys.modules[type(runtime).__module__].__file__)
        if sc_lua_resolve(library, &problem) != 0:
            return False
        attach = runtime.eval(b"package.loadlib(...)", _os_fsencode(__file__), b"sc_luaguard_open")
        if not callable(attach):
            return False
        sc_guard_offer(self.guard)
        try:
            attach()
        finally:
            sc_guard_offer(NULL)
        return True

    def is_target(self):
        cdef char reason[SC_REASON_SIZE]
        return bool(self.guard.depth != 0 and sc_guard_was_interrupted(self.guard, reason))

    @property
    def depth(self):
        return self.guard.depth

    @property
    def stopped_at(self):
        if self.guard.interrupted_line < 0:
            return None
        return <bytes>self.guard.stopped_source, self.guard.interrupted_line

    def enter(self):
        sc_guard_enter(self.guard)

    def leave(self):
        if self.guard.depth == 0:
            raise RuntimeError("leave() without enter()")
        sc_guard_leave(self.guard)

    def interrupt(self, str reason="stopped"):
        return bool(sc_guard_interrupt(self.guard, reason.encode("utf-8", "replace")))

    def take_interrupted(self):
        cdef char reason[SC_REASON_SIZE]
        if not sc_guard_was_interrupted(self.guard, reason):
            return None
        if self.guard.depth == 0:
            self.guard.was_interrupted = 0
        return (<bytes>reason).decode("utf-8", "ignore")
