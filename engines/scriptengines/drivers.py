"""Action drivers: scripts that react to measurements and alerts, with a timeout for each call and a history.

Such a script has some of the functions initialize(config), on_measurement(values), on_alert(alert),
get_status() and shutdown(). It stays loaded between calls, so its variables live on.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple

from .errors import CallTimeout, ScriptConsoleError, UnknownFunction

if TYPE_CHECKING:
    from .attempt import Attempt
    from .hooks import Hooks
    from .script import Script

FUNCTIONS = ("initialize", "on_measurement", "on_alert", "get_status", "shutdown")
HOOKS = {"measurement": "on_measurement", "alert": "on_alert"}
"""Hooks that reach a driver, and by which function."""
SHUTDOWN_LIMIT = 2.0
"""Seconds that `shutdown` gets when the script is reloaded or unloaded, if its timeout is longer."""
MAX_SHOWN = 500


class Entry(NamedTuple):
    """One call of a driver.

    Attributes:
        time: Seconds since the epoch.
        function: Which.
        seconds: How long it took.
        error: What went wrong, "" for nothing.
        result: What it gave, as a bounded text.
    """

    time: float
    function: str
    seconds: float
    error: str
    result: str


class FunctionFigures(NamedTuple):
    """The calls of one function.

    Attributes:
        calls: All of them, also those that history has forgotten.
        errors: Those that failed, timeouts included.
        timeouts: Those that took too long.
        mean: Seconds.
        longest: Seconds.
    """

    calls: int = 0
    errors: int = 0
    timeouts: int = 0
    mean: float = 0.0
    longest: float = 0.0


class Status(NamedTuple):
    """How a driver is doing.

    Attributes:
        state: "ready", "failed" (its `initialize` did), or "shut down".
        functions: Those of FUNCTIONS that it has.
        figures: By function.
        last_error: The latest, "" for none.
        own: What its `get_status` gives; None without one.
    """

    state: str
    functions: tuple[str, ...]
    figures: dict[str, FunctionFigures]
    last_error: str
    own: Any


class Driver:
    """One driver, through all generations of its script.

    Args:
        script: What it is. Its options `driver_timeout` (ms), `driver_history` and `config` count.

    May be used from any thread.
    """

    def __init__(self, script: Script) -> None:
        self._script = script
        self._mutex = threading.Lock()
        self._history: deque[Entry] = deque(maxlen=script.settings["driver_history"])
        self._figures: dict[str, FunctionFigures] = {}
        self._functions: tuple[str, ...] = ()
        self._last_error = ""
        self.state = "shut down"

    def begin(self, attempt: Attempt, hooks: Hooks) -> None:
        """A generation has been loaded: initialize it, and let hooks reach it."""
        own = {info.name for info in self._script.functions()}
        self._functions = tuple(name for name in FUNCTIONS if name in own)
        for hook, function in HOOKS.items():
            if function in own:
                source = self._script.path.name
                hooks.subscribe(
                    hook, getattr(self, hook), 0, attempt, name=function, source=source, is_handle=True
                )
        self.begin_again()

    def begin_again(self) -> None:
        """Initialize the running generation; an error is reported."""
        try:
            self.initialize()
        except ScriptConsoleError as error:
            self._script.reporter.error("initialize", error)

    def initialize(self) -> None:
        """Call `initialize(config)` once more, e.g. after it has failed.

        Raises:
            ScriptConsoleError: It failed; the driver takes nothing until it succeeds.
        """
        self.state = "failed"
        if "initialize" in self._functions:
            self._call("initialize", self._script.settings["config"])
        self.state = "ready"

    def measurement(self, values: Any) -> Any:
        """Hand a measurement to `on_measurement`.

        Returns:
            What it gave.

        Raises:
            UnknownFunction: The driver takes no measurements.
            CallTimeout: It took longer than `driver_timeout` and was stopped.
            ScriptConsoleError: It failed, or the driver is not ready.
        """
        return self._act("on_measurement", values)

    def alert(self, alert: Any) -> Any:
        """Hand an alert to `on_alert`; as `measurement`."""
        return self._act("on_alert", alert)

    def status(self) -> Status:
        """How it is doing; asks the script's own `get_status` if it is ready."""
        own = self._call("get_status") if self.state == "ready" and "get_status" in self._functions else None
        with self._mutex:
            return Status(self.state, self._functions, dict(self._figures), self._last_error, own)

    def history(self, limit: int | None = None) -> list[Entry]:
        """The latest calls, oldest first; at most `limit`."""
        with self._mutex:
            entries = list(self._history)
        return entries if limit is None else entries[max(0, len(entries) - limit) :]

    def shut_down(self) -> None:
        """Call `shutdown()`, if there is one and it is ready; an error is reported."""
        if self.state != "ready":
            return
        self.state = "shut down"
        if "shutdown" in self._functions:
            try:
                self._call("shutdown", limit=SHUTDOWN_LIMIT)
            except ScriptConsoleError as error:
                self._script.reporter.error("shutdown", error)

    def _act(self, function: str, argument: Any) -> Any:
        if function not in self._functions:
            raise UnknownFunction(f"{self._script.alias} is a driver without {function}()")
        if self.state != "ready":
            raise ScriptConsoleError(
                f"the driver {self._script.alias} is {self.state}; see its last error, mend it and reload it"
            )
        return self._call(function, argument)

    def _call(self, function: str, *args: Any, limit: float = float("inf")) -> Any:
        allowed = min(limit, self._script.settings["driver_timeout"] / 1000.0)
        start, begun = time.time(), time.perf_counter()
        failure: ScriptConsoleError | None = None
        result: Any = None
        try:
            result = self._script.call(function, *args, timeout=allowed)
        except ScriptConsoleError as error:
            failure = error
        self._note(start, function, time.perf_counter() - begun, failure, result)
        if failure is not None:
            raise failure
        return result

    def _note(
        self, start: float, function: str, seconds: float, failure: ScriptConsoleError | None, result: Any
    ) -> None:
        error = "" if failure is None else str(failure)
        entry = Entry(start, function, seconds, error[:MAX_SHOWN], "" if error else _shown(result))
        with self._mutex:
            self._history.append(entry)
            before = self._figures.get(function, FunctionFigures())
            calls = before.calls + 1
            self._figures[function] = FunctionFigures(
                calls,
                before.errors + (failure is not None),
                before.timeouts + isinstance(failure, CallTimeout),
                before.mean + (seconds - before.mean) / calls,
                max(before.longest, seconds),
            )
            self._last_error = error or self._last_error


def _shown(value: Any) -> str:
    import reprlib

    shorten = reprlib.Repr(maxlevel=3, maxstring=200, maxother=200)
    return shorten.repr(value)[:MAX_SHOWN]
