# cython: language_level=3, subinterpreters_compatible=own_gil, embedsignature=False, binding=False
"""Python faces of the C layer. Loaded once in every interpreter; holds no state of its own.

An object is shared between interpreters by its address: both sides count the C structure behind it.
"""

import atexit as _atexit
import os as _os
import sys as _sys
import weakref as _weakref

from cpython.object cimport PyObject
from libc.stdint cimport uint32_t, uintptr_t
from libc.stdlib cimport free

from . import errors as _errors
from . import portable as _portable

cdef extern from "value.h":
    ctypedef struct sc_value:
        pass
    ctypedef struct sc_arena:
        pass
    void sc_arena_init(sc_arena *arena)
    void sc_arena_free(sc_arena *arena)

cdef extern from "stop.h":
    int (*sc_signals_look())(void *context) noexcept nogil

cdef extern from *:
    """
    static int sc_raise_pending(void) { return -1; }
    """
    ctypedef struct PyThreadState:
        pass
    PyThreadState *PyEval_SaveThread()
    void PyEval_RestoreThread(PyThreadState *state)
    int sc_raise_pending() except -1

cdef extern from "interp.h":
    ctypedef struct sc_runlock:
        pass
    ctypedef enum sc_lock_status:
        SC_LOCK_OK
        SC_LOCK_BUSY
        SC_LOCK_CYCLE
        SC_LOCK_CLOSED
    sc_runlock *sc_runlock_new(const char *name)
    void sc_runlock_retain(sc_runlock *lock)
    void sc_runlock_drop(sc_runlock *lock)
    sc_lock_status sc_runlock_try(sc_runlock *lock)
    sc_lock_status sc_runlock_acquire(sc_runlock *lock, double seconds, int entering) nogil
    void sc_runlock_release(sc_runlock *lock)
    unsigned sc_runlock_give_up(sc_runlock *lock)
    void sc_runlock_restore(sc_runlock *lock, unsigned depth) nogil
    void sc_runlock_close(sc_runlock *lock)
    unsigned long sc_runlock_hold(sc_runlock *lock)
    void sc_runlock_turn(sc_runlock *lock)
    int sc_runlock_held(sc_runlock *lock)
    int sc_runlock_contended(sc_runlock *lock)
    const char *sc_runlock_name(sc_runlock *lock)
    ctypedef struct sc_latch:
        pass
    ctypedef enum sc_wait_status:
        SC_WAIT_SET
        SC_WAIT_CYCLE
        SC_WAIT_CLOSED
        SC_WAIT_STOPPED
        SC_WAIT_LOOKED
    sc_latch *sc_latch_new()
    void sc_latch_free(sc_latch *latch)
    void sc_latch_set(sc_latch *latch)
    ctypedef int sc_look(void *context) noexcept nogil
    sc_wait_status sc_runlock_wait(
        sc_runlock *lock, sc_latch *latch, unsigned long thread, sc_look *look, void *context
    ) nogil
    int sc_runlock_waits(sc_runlock *lock)
    int sc_runlock_stop_waiters(sc_runlock *lock, unsigned long thread)
    int sc_runlock_signal_holder(sc_runlock *lock, int signal_number, unsigned long *thread_id)

    ctypedef struct sc_interp:
        long long id
        int is_main
    sc_interp *sc_interp_current() except NULL
    void sc_interp_retain(sc_interp *interp)
    void sc_interp_drop(sc_interp *interp)
    int sc_interp_set_helpers(object make_error, object describe, object rebuild, object interrupt, object closed) except -1
    int sc_interp_set_loop(PyObject *set_running_loop, PyObject *loop) except -1
    int sc_interp_set_awaiter(PyObject *run_awaitable) except -1
    int sc_interp_set_portable(object portable, object rebuild, object modules) except -1
    void sc_drain_all(sc_interp *here)
    bint sc_interp_is_shared(sc_interp *interp)
    void sc_reaper_stop(int for_good) nogil
    void sc_interp_set_lock(sc_interp *interp, sc_runlock *lock)
    sc_interp *sc_interp_create(int own_gil) except NULL
    int sc_interp_end(sc_interp *interp, double seconds)
    void sc_interp_too_late()
    int sc_interp_interrupt(sc_interp *there, unsigned long hold, int insist)
    object sc_interp_frames()
    object sc_interp_interruption(sc_interp *there, int insist)
    int sc_interp_run(sc_interp *here, sc_interp *there, const char *code) except -1
    object sc_interp_import(sc_interp *here, sc_interp *there, const char *module, const char *attribute)

cdef extern from "tenant.h":
    sc_runlock *sc_tenant_current()
    int sc_tenant_settle(sc_runlock *tenant) except -1
    int sc_tenant_set_loop(sc_runlock *tenant, PyObject *get, PyObject *set, PyObject *loop) except -1
    int sc_tenant_interrupt(sc_runlock *tenant, unsigned long hold, object exception)
    void sc_tenant_too_late(sc_runlock *tenant)

cdef extern from "stop.h":
    int SC_IMPORTING
    int sc_stop_insist(object exception, tuple spared) except -1
    int PyThreadState_SetAsyncExc(unsigned long thread_id, object exception)

cdef extern from "convert.h":
    int sc_encode_plain(sc_arena *arena, sc_interp *here, object value, Py_ssize_t index, sc_value *out) except -1
    object sc_decode(sc_interp *here, const sc_value *value)
    void sc_kept_release(sc_arena *arena)

include "clock.pxi"
include "calls.pxi"

cdef extern from "feed.h":
    ctypedef struct sc_feed:
        pass
    ctypedef struct sc_report:
        sc_report *next
        double time
        uint32_t kind
        uint32_t script
        sc_value payload
    sc_feed *sc_feed_new(size_t capacity, int wake)
    void sc_feed_retain(sc_feed *feed)
    void sc_feed_drop(sc_feed *feed)
    int sc_feed_push(sc_feed *feed, uint32_t kind, uint32_t script, const sc_value *payload, int urgent)
    sc_report *sc_feed_take(sc_feed *feed, size_t limit)
    unsigned long sc_feed_dropped(sc_feed *feed)
    void sc_feed_busy(sc_feed *feed, int change)
    long sc_feed_busy_count(sc_feed *feed)
    void sc_feed_wake(sc_feed *feed)
    void sc_feed_set_clock(sc_feed *feed, sc_clock *clock)
    sc_clock *sc_feed_clock(sc_feed *feed)
    sc_calls *sc_feed_calls(sc_feed *feed)

cdef extern from "function.h":
    ctypedef struct sc_cell:
        pass
    sc_cell *sc_cell_new()
    void sc_cell_drop(sc_cell *cell)
    unsigned long sc_cell_calls(sc_cell *cell)
    unsigned long sc_cell_errors(sc_cell *cell)
    void sc_cell_count(sc_cell *cell, int failed)
    unsigned sc_cell_advance(sc_cell *cell)
    void sc_cell_record_into(sc_cell *cell, sc_calls *calls, uint32_t script)
    object sc_reference_into(sc_runlock *tenant, object value)
    ctypedef enum:
        SC_UNLOCKED
        SC_LOCKED
        SC_AS_IS
    object sc_reference_types_new(object module)
    object sc_reference_call_with(object reference, tuple args, int manner)
    object sc_function_type_new(object module)
    object sc_function_new(object type, object name, object resolve, sc_cell *cell)
    int sc_function_bind_reference(object function, object reference) except -1
    int sc_function_bind_plain(object function, object callable) except -1
    int sc_function_bind_lua(object function, object target) except -1


cdef extern from "emitter.h":
    object sc_emitter_type_new(object module)
    object sc_tally_type_new(object module)
    object sc_emitter_new(object type, object subscribers, object settle, object unheard)
    object sc_tally_new(object type, object name, sc_calls *record, unsigned script, int is_handle)


Reference, CallableReference, IteratorReference, BufferReference, _ = sc_reference_types_new(_sys.modules[__name__])
Function = sc_function_type_new(_sys.modules[__name__])
Emitter = sc_emitter_type_new(_sys.modules[__name__])
Tally = sc_tally_type_new(_sys.modules[__name__])


cdef class Latch:
    """Something a script's own thread will have done; see RunLock.wait_for."""

    cdef sc_latch *latch

    def __cinit__(self):
        self.latch = sc_latch_new()
        if self.latch is NULL:
            raise MemoryError

    def __dealloc__(self):
        sc_latch_free(self.latch)

    def set(self):
        sc_latch_set(self.latch)


cdef class RunLock:
    """Whoever executes a script holds its run lock: re-entrant, first come first served, refuses cycles."""

    cdef sc_runlock *lock

    def __cinit__(self, str name, *, uintptr_t address=0):
        if address:
            self.lock = <sc_runlock *>address
            sc_runlock_retain(self.lock)
        else:
            self.lock = sc_runlock_new(name.encode())
            if self.lock is NULL:
                raise MemoryError

    def __dealloc__(self):
        if self.lock is not NULL:
            sc_runlock_drop(self.lock)

    @property
    def address(self):
        return <uintptr_t>self.lock

    @property
    def name(self):
        return sc_runlock_name(self.lock).decode()

    @property
    def held(self):
        return bool(sc_runlock_held(self.lock))

    @property
    def contended(self):
        return bool(sc_runlock_contended(self.lock))

    def acquire(self, double timeout=-1.0, *, bint entering=True):
        cdef sc_lock_status status = sc_runlock_try(self.lock)
        if status != SC_LOCK_OK and not (status == SC_LOCK_BUSY and timeout == 0):
            with nogil:
                status = sc_runlock_acquire(self.lock, timeout, entering)
        if status == SC_LOCK_OK:
            return True
        if status == SC_LOCK_BUSY:
            return False
        if status == SC_LOCK_CLOSED:
            raise _errors.ScriptClosed(f"{self.name} is closed; load it again to call it")
        raise _errors.CallCycleError(
            f"calling {self.name} would wait for ever: it waits for a script that waits for this one"
        )

    def release(self):
        if not sc_runlock_held(self.lock):
            raise RuntimeError(f"the run lock of {self.name} is not held by this thread")
        sc_runlock_release(self.lock)

    def give_up(self):
        if not sc_runlock_held(self.lock):
            raise RuntimeError(f"the run lock of {self.name} is not held by this thread")
        sc_interp_too_late()
        sc_tenant_too_late(self.lock)
        return sc_runlock_give_up(self.lock)

    def restore(self, unsigned depth):
        with nogil:
            sc_runlock_restore(self.lock, depth)

    def hold(self):
        return sc_runlock_hold(self.lock) if sc_runlock_signal_holder(self.lock, 0, NULL) else None

    @property
    def holds(self):
        return sc_runlock_hold(self.lock)

    def turn(self):
        if not sc_runlock_held(self.lock):
            raise RuntimeError(f"the run lock of {self.name} is not held by this thread")
        sc_interp_too_late()
        sc_tenant_too_late(self.lock)
        sc_runlock_turn(self.lock)

    def wait_for(self, Latch latch, unsigned long thread_id):
        cdef sc_wait_status status
        cdef PyThreadState *state
        if not sc_runlock_held(self.lock):
            raise RuntimeError(f"the run lock of {self.name} is not held by this thread")
        cdef sc_look *look = sc_signals_look()
        sc_seat_block()
        state = PyEval_SaveThread()
        status = sc_runlock_wait(self.lock, latch.latch, thread_id, look, &state)
        PyEval_RestoreThread(state)
        sc_seat_unblock()
        if status == SC_WAIT_LOOKED:
            sc_raise_pending()  # of a signal, e.g. KeyboardInterrupt
        if status == SC_WAIT_CYCLE:
            raise _errors.CallCycleError(
                f"waiting for {self.name} would never end: its loop waits for a script that waits for this one"
            )
        if status == SC_WAIT_CLOSED:
            raise _errors.Interrupted(f"{self.name} was unloaded before the call had ended")
        if status == SC_WAIT_STOPPED:
            raise _errors.ScriptInterrupt

    def waits(self):
        return sc_runlock_waits(self.lock)

    def stop_waiting(self, unsigned long thread_id):
        return sc_runlock_stop_waiters(self.lock, thread_id)

    def close(self):
        sc_runlock_close(self.lock)

    def holder(self):
        cdef unsigned long thread_id = 0
        return thread_id if sc_runlock_signal_holder(self.lock, 0, &thread_id) else None

    def __enter__(self):
        self.acquire()
        return self

    def __exit__(self, *exc_info):
        self.release()


cdef class Feed:
    """Reports from scripts to the session, and the count of scripts that have something pending."""

    cdef sc_feed *feed

    def __cinit__(self, size_t capacity=0, int wake=-1, *, uintptr_t address=0):
        if address:
            self.feed = <sc_feed *>address
            sc_feed_retain(self.feed)
        else:
            self.feed = sc_feed_new(capacity, wake)
            if self.feed is NULL:
                raise MemoryError

    def __dealloc__(self):
        if self.feed is not NULL:
            sc_feed_drop(self.feed)

    @property
    def address(self):
        return <uintptr_t>self.feed

    @property
    def dropped(self):
        return sc_feed_dropped(self.feed)

    @property
    def busy_count(self):
        return sc_feed_busy_count(self.feed)

    def push(self, uint32_t kind, uint32_t script, payload, *, bint urgent=False):
        cdef sc_arena arena
        cdef sc_value value
        cdef int stored
        sc_arena_init(&arena)
        try:
            sc_encode_plain(&arena, sc_interp_current(), payload, 0, &value)
            stored = sc_feed_push(self.feed, kind, script, &value, urgent)
        finally:
            sc_kept_release(&arena)
            sc_arena_free(&arena)
        if stored < 0:
            raise MemoryError
        return stored == 1

    def take(self, size_t limit):
        cdef sc_interp *here = sc_interp_current()
        cdef sc_report *report = sc_feed_take(self.feed, limit)
        cdef sc_report *following
        reports = []
        while report is not NULL:
            following = report.next
            try:
                reports.append((report.kind, report.script, report.time, sc_decode(here, &report.payload)))
            finally:
                free(report)
            report = following
        return reports

    def busy(self, int change):
        sc_feed_busy(self.feed, change)

    def wake(self):
        sc_feed_wake(self.feed)

    @property
    def clock(self):
        cdef sc_clock *clock = sc_feed_clock(self.feed)
        return None if clock is NULL else Clock(address=<uintptr_t>clock)

    def set_clock(self, Clock clock not None):
        sc_feed_set_clock(self.feed, clock.clock)

    @property
    def calls(self):
        return CallRecord(address=<uintptr_t>sc_feed_calls(self.feed))


cdef class Cell:
    """Counters of one script, shared by all its function handles."""

    cdef sc_cell *cell

    def __cinit__(self):
        self.cell = sc_cell_new()
        if self.cell is NULL:
            raise MemoryError

    def __dealloc__(self):
        if self.cell is not NULL:
            sc_cell_drop(self.cell)

    @property
    def calls(self):
        return sc_cell_calls(self.cell)

    @property
    def errors(self):
        return sc_cell_errors(self.cell)

    def count(self, bint failed):
        sc_cell_count(self.cell, failed)

    def advance(self):
        return sc_cell_advance(self.cell)

    def record_into(self, CallRecord record not None, uint32_t script):
        sc_cell_record_into(self.cell, record.calls, script)

    def function(self, str name, resolve):
        return sc_function_new(Function, name, resolve, self.cell)


_open_interpreters = _weakref.WeakSet()
_still_read = []
"""Ended but for their memory, which somebody looks at through a memoryview; they end with the process."""


def _end_all():
    """An interpreter that is left when the process ends makes CPython abort."""
    with nogil:
        sc_reaper_stop(1)
    for interpreter in list(_open_interpreters):
        interpreter.end(1.0, finally_=True)
    _still_read.clear()


def _pause_reaper():
    """A process that forks should have no thread that it does not know of."""
    with nogil:
        sc_reaper_stop(0)


cdef class Interpreter:
    """A sub-interpreter, with its own GIL or on the main one."""

    cdef sc_interp *interp

    cdef object __weakref__

    def __cinit__(self, *, bint own_gil=True):
        self.interp = sc_interp_create(own_gil)
        _open_interpreters.add(self)

    def __dealloc__(self):
        if self.interp is not NULL:
            sc_interp_drop(self.interp)

    @property
    def id(self):
        return self.interp.id

    def set_lock(self, RunLock lock):
        sc_interp_set_lock(self.interp, NULL if lock is None else lock.lock)

    def run(self, str code):
        sc_interp_run(sc_interp_current(), self.interp, code.encode())

    def load(self, str module, str attribute):
        return sc_interp_import(sc_interp_current(), self.interp, module.encode(), attribute.encode())

    def interrupt(self, unsigned long hold, *, bint insist=False):
        cdef int sent = sc_interp_interrupt(self.interp, hold, insist)
        return None if sent == SC_IMPORTING else bool(sent)

    def end(self, double timeout, *, bint finally_=False):
        if sc_interp_is_shared(self.interp) and not finally_:
            _still_read.append(self)
            return True
        _open_interpreters.discard(self)
        return sc_interp_end(self.interp, timeout) == 0


include "schedule.pxi"
include "arrivals.pxi"
include "luaguard.pxi"
include "luacross.pxi"
include "outlet.pxi"
include "library.pxi"
include "plain.pxi"


cdef extern from "function.h":
    sc_native *sc_native_unwrap(object value)
    int sc_function_bind_native(object function, object owner, sc_native *native) except -1


def bind_native(function, target):
    """Bind a Function to a NativeFunction."""
    cdef sc_native *native = sc_native_unwrap(target)
    if native is NULL:
        raise TypeError(f"not a native function: {target!r}")
    sc_function_bind_native(function, target, native)


def emitter(dict subscribers, settle, unheard):
    """An Emitter over `subscribers`; see emitter.h."""
    return sc_emitter_new(Emitter, subscribers, settle, unheard)


def tally(str name, CallRecord record=None, unsigned script=0):
    """A Tally; see emitter.h."""
    return sc_tally_new(Tally, name, NULL if record is None else record.calls, script, False)


def tally_of_handle(str name, CallRecord record):
    """A Tally of what goes on record by itself: a Function."""
    return sc_tally_new(Tally, name, record.calls, 0, True)


def drain():
    """Give back all that was dropped elsewhere; it is gone when this returns."""
    sc_drain_all(sc_interp_current())


def set_loop(set_running_loop, loop):
    """Show `loop` as the running loop to threads that call into the current interpreter; None shows none."""
    if loop is None:
        sc_interp_set_loop(<PyObject *>set_running_loop, NULL)
    else:
        sc_interp_set_loop(<PyObject *>set_running_loop, <PyObject *>loop)


def tenant():
    """Address of the run lock of the script that this thread executes in the main interpreter; 0 when none."""
    return <uintptr_t>sc_tenant_current()


def settle(RunLock lock):
    """Count the calling thread of the main interpreter as one of the script with this run lock; None: as none's."""
    sc_tenant_settle(NULL if lock is None else lock.lock)


def reference_into(RunLock lock, value):
    """A Reference, for those outside, to an object of a script in the main interpreter."""
    return sc_reference_into(lock.lock, value)


def set_tenant_loop(RunLock lock, get_running_loop, set_running_loop, loop):
    """As set_loop, for a script in the main interpreter."""
    sc_tenant_set_loop(
        lock.lock, <PyObject *>get_running_loop, <PyObject *>set_running_loop, NULL if loop is None else <PyObject *>loop
    )


def interrupt_tenant(RunLock lock, unsigned long hold, *, bint insist=False):
    """Raise ScriptInterrupt in the thread that executes a script in the main interpreter; False if none does."""
    cdef int sent = sc_tenant_interrupt(lock.lock, hold, sc_interp_interruption(sc_interp_current(), insist))
    return None if sent == SC_IMPORTING else bool(sent)


def interrupt_thread(unsigned long thread_id, *, bint insist=False):
    """Raise ScriptInterrupt in a thread of the current interpreter; whether there is that thread."""
    return bool(PyThreadState_SetAsyncExc(thread_id, sc_interp_interruption(sc_interp_current(), insist)))


def thread_frames():
    """The innermost frame of every other thread that executes something in the current interpreter."""
    return sc_interp_frames()


def interpreter_id():
    """Number of the current interpreter; 0 is the main one."""
    return sc_interp_current().id


def call_unlocked(reference, *args):
    """Call through a Reference without the run lock of the script: to look, or to start what takes it itself."""
    return sc_reference_call_with(reference, args, SC_UNLOCKED | SC_AS_IS)


def call_as_is(reference, *args):
    """Call through a Reference; a result that could be awaited comes as it is."""
    return sc_reference_call_with(reference, args, SC_LOCKED | SC_AS_IS)


def set_awaiter(run_awaitable):
    """Let `run_awaitable(awaitable)` give what functions of the current interpreter return; None: nothing does."""
    sc_interp_set_awaiter(NULL if run_awaitable is None else <PyObject *>run_awaitable)


def bind(function, target):
    """Bind a Function to a Reference or to any other callable."""
    if isinstance(target, Reference):
        sc_function_bind_reference(function, target)
    elif isinstance(target, LuaCallable):
        sc_function_bind_lua(function, target)
    else:
        sc_function_bind_plain(function, target)


class _Insistent(_errors.ScriptInterrupt):
    """Made by the thread in which it is raised, which is where the tracing has to begin."""

    def __new__(cls):
        sc_stop_insist(_errors.ScriptInterrupt, _errors.spared_by_interrupts())
        return _errors.ScriptInterrupt.__new__(_errors.ScriptInterrupt)


_errors.ScriptInterrupt.insistent = _Insistent

if sc_interp_current().is_main:
    _atexit.register(_end_all)
    _os.register_at_fork(before=_pause_reaper)
sc_interp_set_portable(_portable.portable, _portable.rebuild, _portable.MODULES)
sc_interp_set_helpers(_errors.make_error, _errors.describe, _errors.rebuild, _errors.ScriptInterrupt, _errors.ScriptClosed)
