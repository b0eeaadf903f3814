# The calls of a session on record; included by _native.pyx before what makes calls. See calls.h.

cdef extern from "calls.h":
    ctypedef struct sc_calls:
        pass
    ctypedef struct sc_call:
        sc_calls *calls
    sc_calls *sc_calls_new()
    void sc_calls_retain(sc_calls *calls)
    void sc_calls_drop(sc_calls *calls)
    bint sc_calls_on(const sc_calls *calls)
    void sc_calls_record(sc_calls *calls, int on)
    unsigned long sc_calls_dropped(sc_calls *calls)
    void sc_call_begin(sc_call *call, sc_calls *calls, uint32_t script, const char *function, const char *caller,
                       PyObject **args, Py_ssize_t nargs, PyObject *kwnames, const char *note)
    void sc_call_end(sc_call *call, PyObject *result)
    void sc_call_fail(object error)
    object sc_calls_take(sc_calls *calls)
    object sc_calls_running(sc_calls *calls)

cdef extern from *:
    """
    static PyObject **sc_items_of(PyObject *tuple) { return &PyTuple_GET_ITEM(tuple, 0); }
    """
    PyObject **sc_items_of(object values)


cdef class CallRecord:
    """What runs in the scripts of a session, and what ran."""

    cdef sc_calls *calls

    def __cinit__(self, *, uintptr_t address=0):
        self.calls = <sc_calls *>address
        if address:
            sc_calls_retain(self.calls)
        else:
            self.calls = sc_calls_new()
            if self.calls is NULL:
                raise MemoryError

    def __dealloc__(self):
        sc_calls_drop(self.calls)

    @property
    def on(self):
        return sc_calls_on(self.calls)

    @on.setter
    def on(self, bint wanted):
        sc_calls_record(self.calls, wanted)

    @property
    def dropped(self):
        return sc_calls_dropped(self.calls)

    def take(self):
        return sc_calls_take(self.calls)

    def running(self):
        return sc_calls_running(self.calls)

    cdef void begin(self, sc_call *call, uint32_t script, str function, str caller, tuple args):
        cdef bytes name = function.encode("utf-8", "replace"), by = caller.encode("utf-8", "replace")
        sc_call_begin(call, self.calls, script, name, by, sc_items_of(args), len(args), NULL, NULL)

    def run(self, uint32_t script, str function not None, str caller not None, callback, tuple args not None):
        cdef sc_call call
        cdef PyObject *outcome = NULL
        self.begin(&call, script, function, caller, args)
        try:
            result = callback(*args)
            outcome = <PyObject *>result
        except BaseException as error:
            if call.calls is not NULL:
                sc_call_fail(error)
            outcome = <PyObject *>None
            raise
        finally:
            sc_call_end(&call, outcome)
        return result

    @staticmethod
    def fail(error):
        sc_call_fail(error)
