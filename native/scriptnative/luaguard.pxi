# Python face of luaguard.c; included by _native.pyx, which defines RunLock.

cdef extern from "luaguard.h":
    enum:
        SC_REASON_SIZE
    ctypedef struct sc_guard:
        unsigned depth
        int stopped_line
        const char *stopped_source
    sc_guard *sc_guard_new(sc_runlock *lock)
    void sc_guard_drop(sc_guard *guard)
    int sc_guard_limit(sc_guard *guard, size_t limit)
    int sc_guard_interrupt(sc_guard *guard, const char *reason)
    int sc_guard_wait_for_stop(sc_guard *guard, double seconds) nogil
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

    @property
    def depth(self):
        return self.guard.depth

    @property
    def reason(self):
        cdef char reason[SC_REASON_SIZE]
        if not sc_guard_was_interrupted(self.guard, reason):
            return None
        return (<bytes>reason).decode("utf-8", "ignore")

    @property
    def stopped_at(self):
        if self.guard.stopped_line < 0:
            return None
        return <bytes>self.guard.stopped_source, self.guard.stopped_line

    def interrupt(self, str reason="stopped"):
        return bool(sc_guard_interrupt(self.guard, reason.encode("utf-8", "replace")))

    def wait_for_stop(self, double seconds):
        cdef int stopped
        with nogil:
            stopped = sc_guard_wait_for_stop(self.guard, seconds)
        return bool(stopped)
