# Python face of clock.c; included by _native.pyx before schedule.pxi.

cdef extern from "clock.h":
    ctypedef struct sc_clock:
        pass
    ctypedef struct sc_seat:
        pass
    ctypedef enum sc_rest:
        SC_REST_GO
        SC_REST_WAIT
        SC_REST_REAL
    sc_clock *sc_clock_new(double epoch)
    void sc_clock_retain(sc_clock *clock)
    void sc_clock_drop(sc_clock *clock)
    double sc_clock_now(sc_clock *clock) noexcept
    double sc_clock_wall(sc_clock *clock)
    unsigned long long sc_clock_serial(sc_clock *clock)
    void sc_clock_hold(sc_clock *clock)
    void sc_clock_release(sc_clock *clock)
    sc_seat *sc_seat_new(sc_clock *clock, int wake)
    void sc_seat_leave(sc_seat *seat)
    void sc_seat_free(sc_seat *seat)
    sc_rest sc_seat_rest(sc_seat *seat, double due, unsigned long long order, int awaits_input)
    int sc_seat_rise(sc_seat *seat)
    void sc_seat_rouse(sc_seat *seat)
    int sc_seat_flows(sc_seat *seat) noexcept
    void sc_seat_settle(sc_seat *seat)
    void sc_seat_block()
    void sc_seat_unblock()


cdef class Clock:
    """The virtual clock of a session; see _native.pyi."""

    cdef sc_clock *clock

    def __cinit__(self, double epoch=0.0, *, uintptr_t address=0):
        if address:
            self.clock = <sc_clock *>address
            sc_clock_retain(self.clock)
        else:
            self.clock = sc_clock_new(epoch)
            if self.clock is NULL:
                raise MemoryError

    def __dealloc__(self):
        if self.clock is not NULL:
            sc_clock_drop(self.clock)

    @property
    def address(self):
        return <uintptr_t>self.clock

    def time(self):
        return sc_clock_now(self.clock)

    def wall(self):
        return sc_clock_wall(self.clock)

    def __enter__(self):
        sc_clock_hold(self.clock)
        return self

    def __exit__(self, *exc_info):
        sc_clock_release(self.clock)
