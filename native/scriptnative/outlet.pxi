# Python face of luasend.c; included by _native.pyx after luacross.pxi.

cdef extern from "luasend.h":
    ctypedef struct sc_outlet:
        int descriptor
        unsigned long long sent
    void sc_outlet_set_offset(size_t offset)


cdef class Outlet:
    """What a connection of a script inherits so that Lua can send without Python; see luasend.h."""

    cdef sc_outlet outlet

    def __cinit__(self):
        self.outlet.descriptor = -1

    @property
    def descriptor(self):
        return self.outlet.descriptor

    @descriptor.setter
    def descriptor(self, int value):
        self.outlet.descriptor = value

    @property
    def sent(self):
        return self.outlet.sent

    @sent.setter
    def sent(self, unsigned long long value):
        self.outlet.sent = value


cdef _find_outlet():
    probe = Outlet()
    sc_outlet_set_offset(<size_t>(<char *>&(<Outlet>probe).outlet - <char *><void *>probe))

_find_outlet()
