# What is due when, and the callbacks of one loop as they are run; included by _native.pyx after clock.pxi.
#
# The queue is a Python list in heap order, so that the garbage collector sees what is in it; its items compare by
# fields of C. The first that was set comes first among those that are due at the same moment.


cdef extern from "Python.h":
    object PyContext_CopyCurrent()
    int PyContext_Enter(object context) except -1
    int PyContext_Exit(object context) except -1
    int PyCoro_CheckExact(object value)
    double INFINITY "Py_HUGE_VAL"
    Py_ssize_t PY_SSIZE_T_MAX

cdef extern from "math.h":
    double floor(double value)

cdef extern from "time.h" nogil:
    ctypedef long time_t
    cdef struct timespec:
        time_t tv_sec
        long tv_nsec
    int clock_gettime(int clock, timespec *now)
    int CLOCK_MONOTONIC

cdef inline double _monotonic() noexcept nogil:
    cdef timespec now
    clock_gettime(CLOCK_MONOTONIC, &now)
    return <double>now.tv_sec + <double>now.tv_nsec * 1e-9


cdef class Due:
    """Something that a loop does at a given moment."""

    cdef readonly double when
    cdef unsigned long long serial
    cdef bint queued
    cdef readonly bint paused
    cdef readonly double left
    cdef readonly bint cancelled
    cdef readonly object handle

    cdef bint before(self, Due other) noexcept:
        return self.when < other.when or (self.when == other.when and self.serial < other.serial)


cdef class Timer(Due):
    """A timer that a script set through the host."""

    cdef readonly int id
    cdef readonly bint repeats
    cdef readonly double interval
    cdef readonly unsigned long long count
    cdef readonly double last, total, late
    cdef public bint busy, rests, silent
    cdef bint owed
    cdef int extra
    cdef public object label
    cdef object callback_, args, context, place_
    cdef Schedule schedule

    @property
    def kind(self):
        return "interval" if self.repeats else "timeout"

    @property
    def callback(self):
        return self.callback_

    @property
    def place(self):
        return self.place_

    cdef void forget(self):
        """Let go of what is the script's: whoever keeps the timer shall not keep that."""
        self.cancelled = True
        self.callback_ = self.args = self.context = None

    def cancel(self):
        self.schedule.clear(self.id)


cdef class Schedule:
    """The timers of one loop, and the callbacks it runs; see _native.pyi."""

    cdef readonly list heap
    cdef readonly set shelf
    cdef readonly dict timers
    cdef readonly object ready
    cdef object take, put, settle, failed, held, name_of
    cdef CallRecord record
    cdef uint32_t script
    cdef sc_clock *clock
    cdef sc_seat *seat
    cdef double shift
    cdef bint chosen
    cdef unsigned long long serial
    cdef Py_ssize_t cancelled
    cdef readonly int last_id
    cdef public double patience, forgiven
    cdef public bint keeps_context, has_silent
    cdef readonly unsigned long long turns, spins, waits, zeros
    cdef readonly object running
    cdef readonly object last_zero
    cdef public Timer latest
    cdef public double latest_by

    def __cinit__(self, ready, settle, failed, held, Clock clock=None, int descriptor=-1):
        self.heap = []
        self.shelf = set()
        self.timers = {}
        self.ready = ready
        self.take, self.put = ready.popleft, ready.append
        self.settle, self.failed, self.held = settle, failed, held
        self.record = CallRecord.__new__(CallRecord)
        self.patience = INFINITY
        self.forgiven = -INFINITY
        if clock is not None:
            self.clock = clock.clock
            sc_clock_retain(self.clock)
            self.seat = sc_seat_new(self.clock, descriptor)
            if self.seat is NULL:
                raise MemoryError

    def __dealloc__(self):
        if self.seat is not NULL:
            sc_seat_free(self.seat)
        if self.clock is not NULL:
            sc_clock_drop(self.clock)

    # ---- time ------------------------------------------------------------------------------------

    cdef double now(self) noexcept:
        return _monotonic() + self.shift if self.seat is NULL else sc_clock_now(self.clock)

    def time(self):
        return self.now()

    @property
    def is_virtual(self):
        return self.seat is not NULL

    def wall(self):
        """What a script takes for the time of day; None: the real one."""
        return None if self.clock is NULL else sc_clock_wall(self.clock)

    def settle_thread(self):
        if self.seat is not NULL:
            sc_seat_settle(self.seat)

    def record_into(self, CallRecord record not None, uint32_t script, name_of):
        self.record, self.script, self.name_of = record, script, name_of

    cdef bint begin(self, sc_call *call, handle, args) except -1:
        """Put what runs now on record, unless it is no call of a script."""
        try:
            named = self.name_of(handle)
        except Exception:  # a callable with ideas of its own about its attributes
            named = type(handle).__name__, "loop"
        if named is None:
            return False
        self.record.begin(call, self.script, str(named[0]), str(named[1]), args or ())
        return True

    cdef int run_on_record(self, handle) except -1:
        cdef sc_call call
        cdef bint begun = self.begin(&call, handle, ())
        try:
            handle._run()
        finally:
            if begun:
                sc_call_end(&call, <PyObject *>None)
        return 0

    def leave_clock(self):
        """Go on in real time, from the moment that it is."""
        if self.seat is not NULL:
            self.shift = self.now() - _monotonic()
            sc_seat_free(self.seat)
            self.seat = NULL

    # ---- the queue -------------------------------------------------------------------------------

    cdef void queue(self, Due due):
        cdef list heap = self.heap
        cdef Py_ssize_t at, parent
        cdef Due above
        if self.clock is not NULL:
            due.serial = sc_clock_serial(self.clock)
        else:
            self.serial += 1
            due.serial = self.serial
        due.queued = True
        heap.append(due)
        at = len(heap) - 1
        while at > 0:
            parent = (at - 1) >> 1
            above = <Due>heap[parent]
            if not due.before(above):
                break
            heap[at] = above
            at = parent
        heap[at] = due

    cdef Due unqueue(self):
        cdef list heap = self.heap
        cdef Due first = <Due>heap[0], last = <Due>heap.pop()
        first.queued = False
        if heap:
            self.sink(last, 0)
        return first

    cdef void sink(self, Due due, Py_ssize_t at):
        cdef list heap = self.heap
        cdef Py_ssize_t count = len(heap), child
        cdef Due below
        while True:
            child = 2 * at + 1
            if child >= count:
                break
            below = <Due>heap[child]
            if child + 1 < count and (<Due>heap[child + 1]).before(below):
                child += 1
                below = <Due>heap[child]
            if not below.before(due):
                break
            heap[at] = below
            at = child
        heap[at] = due

    cdef bint is_void(self, Due due):
        return due.cancelled if due.handle is None else due.handle._cancelled

    def note_cancelled(self):
        self.cancelled += 1

    cdef void tidy(self):
        """Drop what was cancelled, when that is at the head or more than half of all."""
        cdef list heap = self.heap
        cdef Due due
        cdef Py_ssize_t at
        if self.cancelled > 100 and self.cancelled * 2 > len(heap):
            kept = []
            for due in heap:
                if not self.is_void(due):
                    kept.append(due)
                else:
                    due.queued = False
                    if due.handle is not None:
                        due.handle._scheduled = False
            heap[:] = kept
            for at in range(len(heap) // 2 - 1, -1, -1):
                self.sink(<Due>heap[at], at)
            self.cancelled = 0
        if self.shelf:
            for due in list(self.shelf):
                if self.is_void(due):
                    self.shelf.discard(due)
        while heap and self.is_void(<Due>heap[0]):
            due = self.unqueue()
            if due.handle is not None:
                due.handle._scheduled = False
            self.cancelled -= 1

    @property
    def pending(self):
        """How many are queued or paused, and not cancelled."""
        cdef Py_ssize_t count = len(self.heap) - self.cancelled
        if self.has_silent:
            count -= self.count_silent(self.heap) + self.count_silent(self.shelf)
        if self.shelf:
            for due in self.shelf:
                count += not self.is_void(<Due>due)
        return count

    cdef Py_ssize_t count_silent(self, dues):
        cdef Py_ssize_t count = 0
        for due in dues:
            if type(due) is Timer and (<Timer>due).silent and not (<Timer>due).cancelled:
                count += 1
        return count

    def add(self, double when, handle):
        cdef Due due = Due.__new__(Due)
        due.when = when
        due.handle = handle
        handle._scheduled = True
        self.queue(due)

    # ---- timers of scripts ---------------------------------------------------------------------------

    def next_id(self):
        self.last_id += 1
        return self.last_id

    def set(self, callback, double milliseconds, tuple args, bint repeats, place):
        cdef Timer timer = Timer.__new__(Timer)
        self.last_id += 1
        timer.id = self.last_id
        timer.schedule = self
        timer.repeats = repeats
        timer.interval = milliseconds
        timer.callback_ = callback
        timer.args = args
        timer.place_ = place
        if self.keeps_context:
            timer.context = PyContext_CopyCurrent()
        timer.when = self.now()
        self.timers[timer.id] = timer
        if milliseconds > 0:
            timer.when += milliseconds / 1000.0
            self.queue(timer)
        else:
            self.put(timer)
        return timer.id

    def clear(self, timer_id):
        cdef Timer timer = self.timers.pop(timer_id, None)
        if timer is None:
            return False
        if timer.queued:
            self.cancelled += 1
        self.shelf.discard(timer)
        timer.forget()
        return True

    def clear_all(self):
        """Cancel all timers of the script; what is paused of asyncio's goes on, so that it can end."""
        for timer_id in list(self.timers):
            self.clear(timer_id)
        for due in list(self.shelf):
            self.resume(due)

    cdef int fire(self, Timer timer, double moment) except -1:
        cdef double step
        if timer.cancelled:
            return 0
        if timer.extra:
            timer.extra -= 1
            return self.fire_between(timer)
        if timer.paused:  # it was due already
            timer.left = 0.0
            self.shelf.add(timer)
            return 0
        timer.late = moment - (timer.when if timer.when > self.forgiven else self.forgiven)
        if timer.repeats and timer.rests:
            timer.count += 1
            self.call(timer)
            if not timer.cancelled:
                timer.when = self.now()
                if timer.paused:
                    timer.left = max(0.0, timer.interval) / 1000.0
                    self.shelf.add(timer)
                elif timer.interval > 0:
                    timer.when += timer.interval / 1000.0
                    self.queue(timer)
                else:
                    self.zeros += 1
                    self.last_zero = timer.place_
                    self.put(timer)
            return 0
        if timer.repeats:
            if timer.interval > 0:
                if timer.late * 1000.0 > timer.interval and timer.late > self.latest_by:
                    self.latest, self.latest_by = timer, timer.late
                step = timer.interval / 1000.0
                timer.when += step
                if timer.when <= moment:  # what was missed is not made up for, and the beat is kept
                    timer.when += step * floor((moment - timer.when) / step)
                    if timer.when <= moment:
                        timer.when += step
                self.queue(timer)
            else:
                self.zeros += 1
                self.last_zero = timer.place_
                timer.when = moment
                self.put(timer)
            if timer.busy:  # its `async def` callback has not ended
                return 0
        else:
            self.timers.pop(timer.id, None)
            timer.cancelled = True
            if timer.interval <= 0:
                self.zeros += 1
                self.last_zero = timer.place_
        timer.count += 1
        self.call(timer)
        return 0

    cdef int call(self, Timer timer) except -1:
        cdef sc_call call
        cdef bint on_record = False
        cdef PyObject *outcome = <PyObject *>None
        context = timer.context
        callback, args = timer.callback_, timer.args
        if not timer.repeats:
            timer.args = timer.context = None
        if sc_calls_on(self.record.calls):
            on_record = self.begin(&call, timer, args)
        if context is not None:
            PyContext_Enter(context)
        try:
            result = callback(*args) if args else callback()
            if result is not None:
                outcome = <PyObject *>result
                self.settle(timer, result)
        except BaseException as error:
            if on_record and call.calls is not NULL:
                sc_call_fail(error)
            self.failed(timer, error)
        finally:
            if context is not None:
                PyContext_Exit(context)
            if on_record:
                sc_call_end(&call, outcome)
        return 0

    # ---- by hand ---------------------------------------------------------------------------------------

    cdef void take_out(self, Due due):
        """Remove it from the queue, wherever it is in there."""
        cdef list heap = self.heap
        cdef Py_ssize_t at
        heap.remove(due)
        due.queued = False
        for at in range(len(heap) // 2 - 1, -1, -1):
            self.sink(<Due>heap[at], at)
        if due.handle is not None:
            due.handle._scheduled = False

    cdef void put_in(self, Due due, double when):
        due.when = when
        if due.handle is not None:
            due.handle._when = when
            due.handle._scheduled = True
        self.queue(due)

    def pause(self, Due due):
        """Keep what is left of its time; one that is due already stays so. Whether it was pending."""
        if self.is_void(due):
            return False
        if due.paused:
            return True
        if not due.queued and type(due) is not Timer:
            return False
        due.paused = True
        due.left = max(0.0, due.when - self.now())
        if due.queued:
            self.take_out(due)
            self.shelf.add(due)
        return True

    def resume(self, Due due):
        """Go on with what is left of its time; whether it was pending."""
        if self.is_void(due):
            self.shelf.discard(due)
            return False
        if due.paused:
            due.paused = False
            if due in self.shelf:  # else it is about to be run, and still is
                self.shelf.discard(due)
                self.put_in(due, self.now() + due.left)
        return due.queued or type(due) is Timer

    def fire_now(self, Due due):
        """Run it in the next turn: an interval once more than its beat has it; whether it was pending."""
        cdef Timer timer
        if self.is_void(due):
            return False
        if type(due) is Timer and (<Timer>due).repeats:
            timer = <Timer>due
            timer.extra += 1
            self.put(timer)
            return True
        if due.queued:
            self.take_out(due)
        elif due in self.shelf:
            self.shelf.discard(due)
        else:  # it is in the next turn
            due.paused = False
            return type(due) is Timer
        due.paused = False
        due.when = self.now()
        self.put(due if due.handle is None else due.handle)
        return True

    def change(self, Due due, double milliseconds):
        """Set the interval from its next firing on, of what fires once its delay; whether it was pending."""
        cdef double left = max(0.0, milliseconds / 1000.0)
        if self.is_void(due) or not (due.queued or due in self.shelf or type(due) is Timer):
            return False
        if type(due) is Timer:
            (<Timer>due).interval = milliseconds
            if (<Timer>due).repeats:
                return True
        if due.paused:
            due.left = left
        elif due.queued:
            self.take_out(due)
            self.put_in(due, self.now() + left)
        return True

    def settled(self, Timer timer):
        """The `async def` callback of an interval has ended."""
        timer.busy = False
        if timer.owed:
            timer.owed = False
            self.fire_now(timer)

    cdef int fire_between(self, Timer timer) except -1:
        """Fire an interval by hand, which changes nothing of its beat."""
        if timer.busy:
            timer.owed = True
            return 0
        timer.count += 1
        self.call(timer)
        return 0

    # ---- turns -----------------------------------------------------------------------------------------

    def timeout(self):
        """Seconds until something is due; None: nothing ever is."""
        cdef double left
        self.tidy()
        if not self.heap:
            return None
        left = (<Due>self.heap[0]).when - self.now()
        return 0.0 if left < 0 else 86400.0 if left > 86400.0 else left

    def rest(self, bint awaits_input, bint paused):
        """Nothing to do, in virtual time: how long to wait for descriptors; None: without a limit."""
        cdef double due = INFINITY
        cdef unsigned long long order = 0
        cdef sc_rest rest
        self.tidy()
        if self.heap and not paused:
            due, order = (<Due>self.heap[0]).when, (<Due>self.heap[0]).serial
        rest = sc_seat_rest(self.seat, due, order, awaits_input)
        if rest == SC_REST_GO:
            return 0.0
        if rest == SC_REST_WAIT or due == INFINITY:
            return None
        return max(0.0, min(86400.0, due - self.now()))

    def rise(self):
        if self.seat is not NULL:
            self.chosen = sc_seat_rise(self.seat)

    def rouse(self):
        if self.seat is not NULL:
            sc_seat_rouse(self.seat)

    def note_wait(self):
        self.waits += 1

    cdef Py_ssize_t may_take(self):
        """How many of those that are due may come now: by a clock that jumps one at a time, in its turn."""
        if self.seat is NULL or sc_seat_flows(self.seat):
            return PY_SSIZE_T_MAX
        self.chosen, chosen = False, self.chosen
        return chosen

    def turn(self, bint spun):
        """Run what is ready, and what has become due."""
        cdef list heap = self.heap
        cdef Due due
        cdef Timer timer
        cdef double moment = self.now(), limit = moment + 1e-9, before, after
        cdef Py_ssize_t count, due_now = self.may_take()
        while due_now and heap and (<Due>heap[0]).when < limit:
            due_now -= 1
            due = self.unqueue()
            if due.handle is None:
                if due.cancelled:
                    self.cancelled -= 1
                else:
                    spun = False
                    self.put(due)
            else:
                due.handle._scheduled = False
                if due.handle._cancelled:
                    self.cancelled -= 1
                else:
                    spun = False
                    self.put(due.handle)
        self.turns += 1
        self.spins += spun
        count = len(self.ready)
        before = _monotonic()
        for _ in range(count):
            handle = self.take()
            self.running = handle
            if type(handle) is Timer:
                timer = <Timer>handle
                self.fire(timer, moment)
                after = _monotonic()
                timer.last = after - before
                timer.total += timer.last
            else:
                if not handle._cancelled:
                    if sc_calls_on(self.record.calls):
                        self.run_on_record(handle)
                    else:
                        handle._run()
                after = _monotonic()
            if after - before > self.patience:
                self.held(handle, after - before)
            before = after
        self.running = None
