"""Types of the compiled layer; what each thing is for stands in _native.pyx and the C headers."""

from collections import deque
from collections.abc import Callable
from types import FrameType
from typing import Any, final

@final
class Latch:
    """Something a script's own thread will have done; see RunLock.wait_for."""

    def set(self) -> None:
        """It is done; from any thread."""

@final
class RunLock:
    """Whoever executes a script holds its run lock: re-entrant, first come first served, refuses cycles.

    Args:
        name: Of the script, for messages.
        address: Of a lock of another interpreter, to share it.
    """

    def __init__(self, name: str, *, address: int = 0) -> None: ...
    @property
    def address(self) -> int:
        """For `RunLock(address=…)` in another interpreter, while this object lives."""
    @property
    def name(self) -> str:
        """Of the script."""
    @property
    def held(self) -> bool:
        """Whether the calling thread holds it."""
    @property
    def contended(self) -> bool:
        """Whether somebody waits for it."""
    def acquire(self, timeout: float = -1.0, *, entering: bool = True) -> bool:
        """Take it.

        Args:
            timeout: Seconds to wait; negative means for ever.
            entering: Refused once the lock is closed; the script's own thread passes False.

        Returns:
            False when it was not free in time.

        Raises:
            CallCycleError: Waiting would never end.
            ScriptClosed: The lock is closed.
        """
    def release(self) -> None:
        """Undo one `acquire`."""
    def give_up(self) -> int:
        """Release it whole, however often it was taken; the depth is for `restore`."""
    def restore(self, depth: int) -> None:
        """Wait for it again, after `give_up`."""
    def hold(self) -> int | None:
        """Number of the present hold, another one each time the lock is taken; None when nobody has it."""
    @property
    def holds(self) -> int:
        """Number of the last hold, or of the present one."""
    def turn(self) -> None:
        """Begin something new while holding it: an interrupt of what went before must not hit that."""
    def wait_for(self, latch: Latch, thread_id: int) -> None:
        """Give the lock up until `latch` is set; holds it again in the end.

        Args:
            latch: Will be set by that thread.
            thread_id: The thread that runs the script's loop.

        Raises:
            CallCycleError: That thread waits for this one.
            Interrupted: The lock was closed meanwhile.
            ScriptInterrupt: Somebody called `stop_waiting`.
        """
    def waits(self) -> int:
        """How many threads are in `wait_for`."""
    def stop_waiting(self, thread_id: int) -> int:
        """End the wait of a thread in any `wait_for`; 0 as the number ends all for this lock.

        Returns:
            How many there were.
        """
    def close(self) -> None:
        """Refuse callers from now on, those that wait too."""
    def holder(self) -> int | None:
        """Identifier of the thread that holds it."""
    def __enter__(self) -> RunLock: ...
    def __exit__(self, *exc_info: object) -> None: ...

@final
class Feed:
    """Reports from scripts to the session, and the count of scripts that have something pending.

    Args:
        capacity: Reports it holds; more are dropped and counted.
        wake: Non-blocking descriptor that is written to when something happens; closed with the feed.
        address: Of a feed of another interpreter, to share it.
    """

    def __init__(self, capacity: int = 0, wake: int = -1, *, address: int = 0) -> None: ...
    @property
    def address(self) -> int:
        """For `Feed(address=…)` in another interpreter, while this object lives."""
    @property
    def dropped(self) -> int:
        """Reports lost because the feed was full."""
    @property
    def busy_count(self) -> int:
        """Scripts that have something pending."""
    def push(self, kind: int, script: int, payload: object, *, urgent: bool = False) -> bool:
        """Report; False when it was dropped. Never waits."""
    def take(self, limit: int) -> list[tuple[int, int, float, Any]]:
        """At most `limit` reports, oldest first: (kind, script, seconds since the epoch, payload)."""
    def busy(self, change: int) -> None:
        """Add to the count of busy scripts; the reader is woken at 0."""
    def wake(self) -> None:
        """Wake the reader."""
    @property
    def clock(self) -> Clock | None:
        """The session's virtual clock; None: its time is the real one."""
    def set_clock(self, clock: Clock) -> None:
        """Give the session a virtual clock; once, before its first script."""
    @property
    def calls(self) -> CallRecord:
        """Where the session's calls go on record."""

type _CallRow = tuple[int, int, int, int, str, str, float, float, str, str, str, int, int]

@final
class CallRecord:
    """What runs in the scripts of a session, and what ran, while it is `on`.

    A row is (id, id of the call that made it or 0, script, thread as the kernel numbers it, function, caller,
    seconds since the epoch, seconds it took or -1, arguments, result, error, whether the arguments are whole,
    whether the result is). Bounded: what is not taken in time is dropped, the oldest first, and counted.

    Args:
        address: Of a record of another interpreter, to share it.

    Attributes:
        on: Whether calls are recorded; switched off, it forgets what has ended.
    """

    on: bool
    def __init__(self, *, address: int = 0) -> None: ...
    @property
    def dropped(self) -> int:
        """Calls that were lost."""
    def take(self) -> list[_CallRow]:
        """Those that have ended since the last time, in that order."""
    def running(self) -> list[_CallRow]:
        """Those under way, in the order they began."""
    def run(
        self, script: int, function: str, caller: str, callback: Callable[..., Any], args: tuple[Any, ...]
    ) -> Any:
        """Call, on record; what it gives."""
    @staticmethod
    def fail(error: BaseException) -> None:
        """Note an error of the innermost call of this thread, which returns nevertheless."""

@final
class Clock:
    """The virtual clock of a session: jumps to what is due next when all its loops wait; see clock.h.

    `with clock:` keeps it from jumping.

    Args:
        epoch: What it shows at its begin, in seconds since 1970.
        address: Of one of another interpreter, to share it.
    """

    def __init__(self, epoch: float = 0.0, *, address: int = 0) -> None: ...
    @property
    def address(self) -> int:
        """For `Clock(address=…)` in another interpreter, while this object lives."""
    def time(self) -> float:
        """Seconds, from an arbitrary begin."""
    def wall(self) -> float:
        """Seconds since 1970."""
    def __enter__(self) -> Clock: ...
    def __exit__(self, *exc_info: object) -> None: ...

class Due:
    """Something in the queue of a Schedule.

    Attributes:
        when: The moment, in the loop's time.
        handle: asyncio's handle of it; None for a Timer.
        cancelled: It will not happen; said of a Timer only.
        paused: It waits until it is resumed.
        left: Seconds that it had still to go when it was paused.
    """

    when: float
    paused: bool
    left: float
    handle: Any
    cancelled: bool

@final
class Timer(Due):
    """A timer that a script set through the host.

    Attributes:
        id: Its number.
        repeats: Whether it is an interval.
        interval: Milliseconds.
        count: How often it was called.
        last: Seconds its last call took.
        total: Seconds they took together.
        late: Seconds it was late the last time.
        busy: An `async def` callback of it has not ended: the interval leaves calls out.
        callback: What it calls; None once it is over.
        place: Where it was set, as Host.place tells it.
        kind: "interval" or "timeout".
        rests: Whether an interval counts from the end of its last call, and ends with an error.
        silent: Whether it leaves the run free to end; then Schedule.has_silent is to be set.
        label: What its errors are reported as, instead of by its kind.
    """

    id: int
    repeats: bool
    interval: float
    count: int
    last: float
    total: float
    late: float
    busy: bool
    callback: Any
    place: Any
    kind: str
    rests: bool
    silent: bool
    label: str | None
    def cancel(self) -> None:
        """It will not be called any more."""

def take_arrivals(told: list[tuple[int, int]], keys: dict[int, Any], ready: deque[Any], loop: Any) -> None:
    """Queue the handles of descriptors that have news.

    Args:
        told: What epoll.poll gave: descriptors and events.
        keys: selectors.SelectorKey of each descriptor, whose data is (reader, writer), as asyncio has it.
        ready: The loop's queue.
        loop: Removes what was cancelled.
    """

class Outlet:
    """What a connection inherits so that `send` from Lua can go straight to its socket.

    Attributes:
        descriptor: Of a socket that takes bytes as they are, while nothing waits to be sent; else -1. To be
            changed with the run lock held only.
        sent: Bytes handed over so far.
    """

    descriptor: int
    sent: int

@final
class Schedule:
    """What one loop does and when: timers in order of time, then of setting; runs the callbacks.

    Args:
        ready: The loop's queue of handles to run; timers that are due go there, too.
        settle: Called with a Timer and what its callback returned, unless that is None.
        failed: Called with a Timer and what its callback raised.
        held: Called with a handle or Timer that took longer than `patience`, and the seconds it took.
        clock: The virtual clock, None for real time.
        descriptor: Wakes the loop when written to; for the clock.

    Attributes:
        heap: All that is queued, in heap order; to be read only.
        shelf: All that is paused and not queued; to be read only.
        timers: The pending timers of the script, by number.
        patience: Seconds; infinite at first.
        forgiven: A moment; nothing counts as late before it.
        keeps_context: Whether a timer runs in a copy of the context variables of who set it.
        turns: Turns of the loop so far.
        spins: Those in which neither descriptors nor timers with a delay had something to do.
        waits: How often the loop has waited.
        zeros: Timers without a delay that came.
        last_zero: Where the last of them was set; None when there was none.
        latest: An interval that came later than the interval, and by more than any other and `latest_by`.
        latest_by: By how many seconds.
        running: What runs now.
    """

    heap: list[Due]
    shelf: set[Due]
    ready: deque[Any]
    timers: dict[int, Timer]
    patience: float
    forgiven: float
    keeps_context: bool
    has_silent: bool
    turns: int
    spins: int
    waits: int
    zeros: int
    last_zero: Any
    latest: Timer | None
    latest_by: float
    running: Any
    def __init__(
        self,
        ready: deque[Any],
        settle: Callable[[Timer, Any], None],
        failed: Callable[[Timer, BaseException], None],
        held: Callable[[Any, float], None],
        clock: Clock | None = None,
        descriptor: int = -1,
    ) -> None: ...
    def record_into(
        self, record: CallRecord, script: int, name_of: Callable[[Any], tuple[str, str] | None]
    ) -> None:
        """Where what it runs goes on record.

        Args:
            record: As said.
            script: Number of the script there.
            name_of: Function and caller of a handle or Timer; None for what is no call of the script.
        """
    def time(self) -> float:
        """Seconds of the loop's time."""
    def wall(self) -> float | None:
        """Seconds since 1970 by the virtual clock; None when there is none."""
    @property
    def is_virtual(self) -> bool:
        """Whether its time is that of a virtual clock."""
    def settle_thread(self) -> None:
        """The calling thread runs the loop."""
    def leave_clock(self) -> None:
        """Go on in real time, from the moment that the clock shows."""
    def note_cancelled(self) -> None:
        """A queued handle of asyncio's was cancelled."""
    @property
    def pending(self) -> int:
        """How many are queued or paused, and not cancelled."""
    def add(self, when: float, handle: Any) -> None:
        """Queue a handle of asyncio's."""
    def next_id(self) -> int:
        """A number that no timer has."""
    def set(
        self, callback: Any, milliseconds: float, args: tuple[Any, ...], repeats: bool, place: Any, /
    ) -> int:
        """Set a timer of the script; its number. Without a delay it comes in the next turn."""
    def clear(self, timer_id: int) -> bool:
        """Cancel a timer of the script; whether it was pending."""
    def clear_all(self) -> None:
        """Cancel all of them; what is paused of asyncio's goes on, so that it can end."""
    def pause(self, due: Due) -> bool:
        """Keep what is left of its time; one that is due already stays so. Whether it was pending."""
    def resume(self, due: Due) -> bool:
        """Go on with what is left of its time; whether it was pending."""
    def fire_now(self, due: Due) -> bool:
        """Run it in the next turn: an interval once more than its beat has it. Whether it was pending."""
    def change(self, due: Due, milliseconds: float) -> bool:
        """Set an interval from its next firing on, the delay of what fires once from now on.

        Whether it was pending.
        """
    def settled(self, timer: Timer) -> None:
        """The `async def` callback of an interval has ended."""
    def timeout(self) -> float | None:
        """Seconds until something is due; None: nothing ever is."""
    def rest(self, awaits_input: bool, paused: bool) -> float | None:
        """Of a virtual clock: the loop has nothing to do; how long to wait for descriptors."""
    def rise(self) -> None:
        """The wait is over."""
    def rouse(self) -> None:
        """From any thread that is about to wake the loop: it has something to do, the clock must not jump."""
    def note_wait(self) -> None:
        """The loop waits."""
    def turn(self, spun: bool) -> None:
        """Run what is ready, and what has become due.

        Args:
            spun: The loop did not wait, and no descriptor had anything.
        """

@final
class Cell:
    """Counters of one script, shared by all its function handles."""

    @property
    def calls(self) -> int:
        """Calls so far."""
    @property
    def errors(self) -> int:
        """Calls that raised."""
    def count(self, failed: bool) -> None:
        """Count a call made by other means."""
    def advance(self) -> int:
        """Make all handles look their function up again."""
    def record_into(self, record: CallRecord, script: int) -> None:
        """Where calls through handles go on record, and the script's number there; once, before the first."""
    def function(self, name: str, resolve: Callable[[Function], None]) -> Function:
        """A handle; `resolve` binds it before its first call in each generation."""

@final
class Interpreter:
    """A sub-interpreter.

    Args:
        own_gil: Whether it has a GIL of its own, and takes only C extensions that allow for that; else it
            runs on the main interpreter's and takes all of them.
    """

    def __init__(self, *, own_gil: bool = True) -> None: ...
    @property
    def id(self) -> int:
        """Its number in this process."""
    def set_lock(self, lock: RunLock | None) -> None:
        """The lock that calls through references into it take."""
    def run(self, code: str) -> None:
        """Run statements in a fresh namespace."""
    def load(self, module: str, attribute: str) -> Any:
        """An attribute of a module, imported if need be: its value, or a Reference."""
    def interrupt(self, hold: int, *, insist: bool = False) -> bool | None:
        """Raise ScriptInterrupt in the thread that holds its run lock; waits for its GIL.

        Args:
            hold: Number of the hold that is meant; nothing happens when that has ended.
            insist: Raise it at every line until the script has been left.

        Returns:
            Whether there is that thread; None when it is in the import machinery, whose locks would stay
            taken for ever: try again.
        """
    def end(self, timeout: float, *, finally_: bool = False) -> bool:
        """End it; False when threads are still inside after `timeout` seconds.

        Args:
            timeout: Seconds to wait for the threads.
            finally_: Even while somebody reads its memory; else it goes on for that until the process ends.
        """

class Reference:
    """Handle to an object of another runtime; released there when the last handle goes.

    What is done to the object happens in its own script, holding its run lock; errors come as from a call.
    Two references are equal when their objects are the same one.
    """

    @property
    def callable(self) -> bool:
        """Whether the object behind it can be called."""
    @property
    def type_name(self) -> str:
        """Name of the object's type."""
    @property
    def owner(self) -> str:
        """Alias of the script it is from, "the host" for the main interpreter."""
    def get(self, name: str, /) -> Any:
        """Value of an attribute."""
    def set(self, name: str, value: object, /) -> None:
        """Set an attribute."""
    def call(self, method: str, /, *args: Any, **kwargs: Any) -> Any:
        """Call a method, by its name."""
    def copy(self) -> Any:
        """Its value as the built-in type it is derived from: an int for an IntEnum, a dict for a Counter.

        Raises:
            CallError: It has no such base (TypeError).
        """

@final
class CallableReference(Reference):
    """Reference to a function, or to anything else that can be called."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any: ...

@final
class IteratorReference(Reference):
    """Reference to a generator or other iterator: each item is fetched when it is asked for."""

    def __iter__(self) -> IteratorReference: ...
    def __next__(self) -> Any: ...
    def close(self) -> None:
        """Close the generator where it lives; it yields no more."""

@final
class BufferReference(Reference):
    """Reference to an object whose memory can be shared, such as an array: `memoryview(reference)`."""

    def __buffer__(self, flags: int, /) -> memoryview: ...
    def buffer(self, *, writable: bool = False) -> memoryview:
        """A memoryview of the object's own memory, not of a copy.

        Args:
            writable: Let it be written, too; both sides see it at once, and nothing orders their accesses.

        Raises:
            BufferError: It is read-only.
        """

@final
class Function:
    """Cached handle to a function of a script, by name; finds the new one after a reload."""

    @property
    def name(self) -> str:
        """By which it is looked up."""
    @property
    def under_way(self) -> int:
        """Calls that run and began while calls were not recorded."""
    def __call__(self, *args: Any, **kwargs: Any) -> Any: ...
    def many(self, arguments: list[tuple[Any, ...]], results: list[Any], /) -> None:
        """Call with each of the tuples and append the results, until one fails, which raises."""
    def statistics(self) -> tuple[int, int, float, float, float, float, float, str | None]:
        """(calls, errors, total, mean, median, 99th percentile, longest, last error); times in seconds.

        A function that is fast and called often is timed at every 64th call; its times are estimates then.
        """

@final
class Tally:
    """Counts of one subscriber of a hook, or of the hook itself.

    Attributes:
        name: Of what is counted.
        calls: How often.
        errors: Those that raised.
    """

    name: str
    calls: int
    errors: int
    def call(self, hook: str, callback: Callable[..., Any], args: tuple[Any, ...], /) -> Any:
        """Call as an emission does: counted, and on record."""
    def count(self, failed: bool, /) -> None:
        """Count what was done by other means."""

@final
class Emitter:
    """Hands a hook on to its subscribers: `emit(hook, *args)`; how many took it."""

    def __call__(self, hook: str, /, *args: Any) -> int: ...

@final
class LuaGuard:
    """Stops what runs in one Lua state; see luaguard.h."""

    def __init__(self, lock: RunLock) -> None: ...
    @property
    def depth(self) -> int:
        """Calls under way on the thread that holds the run lock."""
    @property
    def reason(self) -> str | None:
        """Why the call running now is to stop; None if it is not."""
    @property
    def stopped_at(self) -> tuple[bytes, int] | None:
        """Chunk name and line where it was stopped, once that has happened."""
    def interrupt(self, reason: str = "stopped") -> bool:
        """Stop the call that runs now; whether there was one."""
    def wait_for_stop(self, seconds: float) -> bool:
        """Wait until the call that was told to stop has ended; whether it has."""

class LuaReference:
    """A Lua value that cannot be copied: comes back as itself in its own state.

    Calls take the run lock of its script, and raise what any call into that script may raise.
    """

    def get(self, name: Any, /) -> Any:
        """The field of that name, as `value[name]` in Lua."""
    def set(self, name: Any, value: Any, /) -> None:
        """Set a field, as `value[name] = …` in Lua."""
    def call(self, name: str, /, *args: Any) -> Any:
        """Call a method: it gets the object as self."""
    def describe(self) -> tuple[str, str]:
        """Name (or kind) and "file:line"; without waiting, so they may be empty."""

@final
class LuaCallable(LuaReference):
    """A Lua function as a Python callable; runs in a coroutine of its own, from any thread."""

    def __call__(self, *args: Any) -> Any:
        """None, the result, or a tuple of several; None when it yielded."""

@final
class LuaCrossing:
    """Values and calls between Python and one Lua state; see luacross.h.

    Args:
        guard: Of the state; not used before.
        runtime: A new lupa LuaRuntime; ended by `close`.
        report: Texts of errors (`problem`), exceptions for failures (`failed`), what a call from outside
            gives that has yielded (`suspended`), fields of objects in Lua
            (`get_field`, `set_field`, `call_method`, `text_of`): the HostCalls of scriptengines.lua.

    Raises:
        LoadError: This lupa does not show the C API of its Lua.
    """

    def __init__(self, guard: LuaGuard, runtime: object, report: object) -> None: ...
    @property
    def is_jit(self) -> bool:
        """Whether it is LuaJIT."""
    @property
    def has_integers(self) -> bool:
        """Whether its numbers can be integers; if not, they are doubles."""
    @property
    def memory(self) -> int:
        """Bytes it has; with the run lock held."""
    def where(self) -> str:
        """ "file:line" of the script line that runs now, "" when none does; for who holds the run lock."""
    def find(self, name: str) -> Any:
        """A global as it crosses; "=outer" and "=enter" are functions for the prelude and for `set_via`."""
    def set_limit(self, memory: int) -> None:
        """Bound the bytes it may have; 0 does not. ValueError when it has more already."""
    def set_compiler(self, on: bool) -> None:
        """Let LuaJIT compile, or not."""
    def set_helpers(
        self,
        *,
        get: LuaCallable,
        set: LuaCallable,
        call: LuaCallable,
        describe: LuaCallable,
        error_text: LuaCallable,
    ) -> None:
        """What the methods of LuaReference call, and what makes a text of an error value."""
    def aside(self, function: LuaCallable) -> LuaCallable:
        """The same function; calls of it are not there to be interrupted."""
    def set_via(self, via: object) -> None:
        """Make all calls by way of this lupa function."""
    def close(self) -> None:
        """End the state, with the run lock held; its finalizers run now. Harmless when ended."""

@final
class NativeLibrary:
    """An open shared library with a native module.

    Args:
        path: Of the library.
        lock: Run lock of the script.
        host: Called as host(name, args) for what the module asks.
        resolve: Gives the callable for one of its functions, by name.
        inits: Names of the Python extension modules in it, to be executed first; with any it stays mapped.
    """

    path: str
    name: str
    version: str

    def __init__(
        self,
        path: str,
        lock: RunLock,
        host: Callable[[str, tuple[object, ...]], object],
        resolve: Callable[[str], object],
        inits: tuple[str, ...] = (),
    ) -> None: ...
    @property
    def closed(self) -> bool:
        """Whether it was closed."""
    @property
    def mapped(self) -> bool:
        """Whether the process still has the file mapped, closed or not."""
    @property
    def kept(self) -> int:
        """References the module keeps beyond its calls."""
    def locate(self, source: str, places: dict[str, tuple[str, int]]) -> None:
        """Files and lines to name in frames: of the module, and of each function that is known."""
    def functions(self) -> list[tuple[str, str | None, str]]:
        """(name, signature letters, documentation) in the order of the table."""
    def function(self, name: str) -> NativeFunction:
        """The exported function; UnknownFunction when there is none."""
    def variables(self) -> list[tuple[str, str, object, int]]:
        """(name, type, first elements, count); takes no lock."""
    def get(self, name: str) -> Any:
        """Value of a variable."""
    def set(self, name: str, value: object, timeout: float = 1.0) -> None:
        """Set a variable; CrossingError when it does not fit."""
    def elements(self, name: str, limit: int) -> list[Any]:
        """The first elements of an array; takes no lock."""
    def set_element(self, name: str, index: int, value: object, timeout: float = 1.0) -> None:
        """Set one element of an array; CrossingError when it does not fit, or there is none."""
    def load(self) -> None:
        """Run the module's load()."""
    def unload(self, timeout: float = 2.0) -> None:
        """Run its unload()."""
    def has(self, step: str) -> bool:
        """Whether the module has that callback: "start", "pause", "resume", "stop", "save", "restore", …"""
    def step(self, step: str, timeout: float = -1.0, *, entering: bool = True, state: object = None) -> Any:
        """Run that callback, if it is there; the result of save() or statistics().

        Args:
            step: Its name.
            timeout: Seconds to wait for the run lock; negative means for ever.
            entering: Refused once the lock is closed; the script's own thread passes False.
            state: For restore().
        """
    def close(self, timeout: float = 2.0) -> bool:
        """Unload, give back what it keeps and unmap it; False when calls still run."""

@final
class NativeFunction:
    """One function of a native module."""

    name: str
    signature: str | None

    def __call__(self, *args: Any) -> Any: ...

def call_unlocked(reference: object, *args: Any) -> Any:
    """Call through a Reference without the script's run lock: to look, or to start what takes it itself."""

def emitter[T](
    subscribers: dict[str, tuple[tuple[Callable[..., Any], ...], tuple[Tally, ...], Tally, T]],
    settle: Callable[..., int],
    unheard: Callable[[Any], int],
) -> Emitter:
    """An Emitter.

    Args:
        subscribers: By hook, those to call in their order, their tallies, the hook's own, and anything; its
            entries may be replaced at any time.
        settle: `settle(hook, anything, index, args, answer)` takes over from the subscriber at `index`, which
            raised `answer` or returned it (when it returned something), and gives the result.
        unheard: `unheard(hook)` gives the result for a hook that is not in `subscribers`.
    """

def tally(name: str, record: CallRecord | None = None, script: int = 0) -> Tally:
    """A Tally; with a record, calls by it are those of the function `name` of that script."""

def tally_of_handle(name: str, record: CallRecord) -> Tally:
    """A Tally of a callable that calls a Function, which goes on record by itself."""

def call_as_is(reference: object, *args: Any) -> Any:
    """Call through a Reference; a result that could be awaited comes as it is."""

def set_awaiter(run_awaitable: Callable[[Any], Any] | None) -> None:
    """What gives the result of an awaitable that a function of this interpreter returned; None: nothing."""

def bind(function: Function, target: object) -> None:
    """Bind a Function to a Reference, a LuaCallable or any other callable."""

def bind_native(function: Function, target: NativeFunction) -> None:
    """Bind a Function to a NativeFunction."""

def drain() -> None:
    """Give back all that was dropped elsewhere of this interpreter; it is gone when this returns."""

def set_loop(set_running_loop: Callable[[Any], None], loop: object) -> None:
    """Show `loop` as the running loop to threads that call into the current interpreter; None shows none."""

def tenant() -> int:
    """Run lock address of the script that this thread executes in the main interpreter; 0 when none."""

def settle(lock: RunLock | None) -> None:
    """Count this thread of the main interpreter as one of the script with this lock; None: as none's."""

def reference_into(lock: RunLock, value: object) -> Any:
    """A Reference, for those outside, to an object of a script in the main interpreter."""

def set_tenant_loop(
    lock: RunLock,
    get_running_loop: Callable[[], Any],
    set_running_loop: Callable[[Any], None],
    loop: object,
) -> None:
    """As set_loop, for a script in the main interpreter."""

def interrupt_tenant(lock: RunLock, hold: int, *, insist: bool = False) -> bool | None:
    """As Interpreter.interrupt, for a script in the main interpreter."""

def interrupt_thread(thread_id: int, *, insist: bool = False) -> bool:
    """Raise ScriptInterrupt in a thread of the current interpreter; whether there is that thread."""

def thread_frames() -> dict[int, FrameType]:
    """The innermost frame of every other thread that executes something in the current interpreter."""

def if_plain[T](write: Callable[[Any], T], value: object) -> T | None:
    """Let a serializer written in C have a value that it writes as it is; None when it is another.

    Such is None, a bool, float, str, bytes or int of 64 bits, a list of such, or a dict of such with text as
    keys; without cycles, 200 levels deep at most and of 16 MiB at most. While `write` runs no Python code, no
    thread of this interpreter can change the value between the look and the writing.

    Args:
        write: What takes the value.
        value: Of any type.
    """

def interpreter_id() -> int:
    """Number of the current interpreter; 0 is the main one."""
