"""Types of the compiled layer; what each thing is for stands in _native.pyx and the C headers."""

from collections.abc import Callable
from typing import Any, final

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
    def function(self, name: str, resolve: Callable[[Function], None]) -> Function:
        """A handle; `resolve` binds it before its first call in each generation."""

@final
class Interpreter:
    """A sub-interpreter with its own GIL."""

    @property
    def id(self) -> int:
        """Its number in this process."""
    def set_lock(self, lock: RunLock | None) -> None:
        """The lock that calls through references into it take."""
    def run(self, code: str) -> None:
        """Run statements in a fresh namespace."""
    def load(self, module: str, attribute: str) -> Any:
        """An attribute of a module, imported if need be: its value, or a Reference."""
    def interrupt(self) -> bool:
        """Raise ScriptInterrupt in the thread that holds its run lock; waits for its GIL."""
    def end(self, timeout: float) -> bool:
        """End it; False when threads are still inside after `timeout` seconds."""

@final
class Reference:
    """Handle to an object of another runtime; released there when the last handle goes."""

    @property
    def callable(self) -> bool:
        """Whether the object behind it can be called."""
    def __call__(self, *args: Any, **kwargs: Any) -> Any: ...

@final
class Function:
    """Cached handle to a function of a script, by name; finds the new one after a reload."""

    @property
    def name(self) -> str:
        """By which it is looked up."""
    def __call__(self, *args: Any, **kwargs: Any) -> Any: ...

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
        report: Texts of errors (`problem`), exceptions for failures (`failed`), fields of objects in Lua
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
    ) -> None: ...
    @property
    def closed(self) -> bool:
        """Whether it is unmapped."""
    def locate(self, source: str, lines: dict[str, int]) -> None:
        """File and lines to name in frames."""
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
    def load(self) -> None:
        """Run the module's load()."""
    def unload(self, timeout: float = 2.0) -> None:
        """Run its unload()."""
    def close(self, timeout: float = 2.0) -> bool:
        """Unmap it; False when calls still run."""

@final
class NativeFunction:
    """One function of a native module."""

    name: str
    signature: str | None

    def __call__(self, *args: Any) -> Any: ...

def call_unlocked(reference: object, *args: Any) -> Any:
    """Call through a Reference without the script's run lock: to look, or to start what takes it itself."""

def bind(function: Function, target: object) -> None:
    """Bind a Function to a Reference, a LuaCallable or any other callable."""

def bind_native(function: Function, target: NativeFunction) -> None:
    """Bind a Function to a NativeFunction."""

def set_loop(set_running_loop: Callable[[Any], None], loop: object) -> None:
    """Show `loop` as the running loop to threads that call into the current interpreter; None shows none."""

def interpreter_id() -> int:
    """Number of the current interpreter; 0 is the main one."""
