"""Script: what can be done with one loaded file under an alias: calls into it, and looks at what it holds.

How versions of its code follow each other is in generations.py.
"""

from __future__ import annotations

import contextlib
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from .attempt import Attempt
from .errors import ScriptBusy, ScriptConsoleError
from .generations import Generations
from .meter import Meter
from .rows import Rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from scriptnative import Function

    from .calls import Calls
    from .completion import Completion
    from .completion.asking import Asking
    from .engine import CallRow, Engine, Runtime
    from .gauge import Usage
    from .health import FunctionStatistics
    from .hooks import Hooks
    from .reports import Reporter
    from .results import Result
    from .tree import Row
    from .variables import Variables
    from .view import DifferenceView, FunctionInfo, ScriptView
    from .watchdog import Watchdog
    from .watches import Watches
    from .workers import Job

type Moment = Literal["mark", "generation"]
"""What variables can be compared with."""
WHOLE_ROWS = 5_000
"""Rows that are remembered of a script's variables, and how deep."""
WHOLE_DEPTH = 3
LATE_LOOK = 0.3
"""Seconds a look may be late before the script counts as one that is busy."""
ASSIGN_LIMIT = 1.0
"""Seconds to wait for a busy script when a variable is to be set."""
RECORDED_LIMIT = 4096
"""Calls kept of a script that records its own, until they are taken."""

type Strategy = Literal["raise", "log", "ignore"]
"""What becomes of an error of a call."""


class Script(Generations):
    """One script of a session; the first arguments are those of Generations.

    Args:
        watchdog: Ends calls that take too long.
        calls: The session's, for calls on other threads.
    """

    def __init__(
        self,
        alias: str,
        path: Path,
        engine: Engine,
        reporter: Reporter,
        bridge: Callable[[Attempt], Mapping[str, Callable[..., Any]]],
        watchdog: Watchdog,
        hooks: Hooks,
        calls: Callable[[], Calls],
    ) -> None:
        super().__init__(alias, path, engine, reporter, bridge, hooks)
        self.callback_errors = 0
        self.sampled_at = time.time()
        self.look_due = 0.0
        """When the next look was to be at the latest, in monotonic seconds; 0 while nobody looks."""
        self.looker = 0
        """Identifier of the thread that looks at it, which holds the run lock for that now and then."""
        self.meter = Meter()
        self.usage: Usage | None = None
        self._watchdog = watchdog
        self._calls = calls
        self._rows = Rows(alias)
        self._looking = threading.RLock()
        self._variables: Variables | None = None
        self._watches: Watches | None = None
        self._outgoing: list[Row] | None = None
        self._recorded: tuple[list[CallRow], list[CallRow]] = ([], [])
        self._asking: Asking | None = None
        self._inputs = 0

    def _apply_profile(self, attempt: Attempt) -> None:
        name = self.settings["profile"]
        if name != "driver":
            self.driver = None
        if name:
            from .profiles import apply

            apply(self, attempt, self._hooks, name)

    # ---- calls ----------------------------------------------------------------------------------

    def function(self, name: str) -> Function:
        """A handle to a function: look it up once, call it often; it follows reloads.

        Raises:
            UnknownFunction: When it is first called and there is no such function.
        """
        handle = self._handles.get(name)
        if handle is None:
            handle = self._handles[name] = self.cell.function(name, self._resolve)
        return handle

    def _resolve(self, function: Function) -> None:
        self.runtime.bind(function)

    def call(self, name: str, /, *args: Any, **kwargs: Any) -> Any:
        """Call a function by name.

        Four keywords are this method's own: `timeout`, seconds after which the call is stopped, the wait for
        its turn included; `errors`, a Strategy; `default`, the result of a call whose error is not raised;
        and `ttl`, seconds for which the result answers further calls with the same arguments, unless a
        reload comes in between.

        Args:
            name: Of the function.
            args: Copied across, or passed as references.
            kwargs: Likewise; Python scripts only. For one that is named as one of the four, call
                `function(name)(timeout=…)`.

        Raises:
            CallError: The script raised.
            CallTimeout: It took longer than `timeout`.
            UnknownFunction: There is no such function.
        """
        if kwargs:
            return self._call_with(name, args, **kwargs)
        try:
            return self._handles[name](*args)
        except KeyError:
            if name in self._handles:
                raise
        return self.function(name)(*args)

    def _call_with(
        self,
        name: str,
        args: tuple[Any, ...],
        /,
        timeout: float | None = None,
        errors: Strategy = "raise",
        default: Any = None,
        ttl: float | None = None,
        **kwargs: Any,
    ) -> Any:
        try:
            handle = self.function(name)
            if ttl is None:
                return self._call(handle, args, kwargs, timeout)
            call = partial(self._call, handle, args, kwargs, timeout)
            return self._cache.get_or_call(name, args, kwargs, ttl, call)
        except ScriptConsoleError as error:
            return self._settle(name, error, errors, default)

    def _call(self, handle: Function, args: Any, kwargs: Any, timeout: float | None) -> Any:
        if timeout is None:
            return handle(*args, **kwargs)
        return self._calls().call(self, handle, args, kwargs, timeout)

    def _settle(self, name: str, error: ScriptConsoleError, errors: Strategy, default: Any) -> Any:
        if errors == "raise":
            raise error
        if errors == "log":
            self.reporter.error(f"call of {name}", error)
        return default

    def submit(self, name: str, /, *args: Any, timeout: float | None = None, **kwargs: Any) -> Job[Any]:
        """Call a function on a thread of the session's pool.

        Args:
            name: Of the function.
            args: Its arguments.
            timeout: Seconds from now after which it is stopped.
            kwargs: Its arguments by keyword.

        Returns:
            A concurrent.futures.Future.

        Raises:
            ScriptBusy: So many calls wait for a thread that this one is refused.
        """
        return self._calls().submit(self, self.function(name), args, kwargs, timeout)

    async def call_async(self, name: str, /, *args: Any, timeout: float | None = None, **kwargs: Any) -> Any:
        """As `call`, without blocking the event loop; when the awaiting task is cancelled, so is the call."""
        import asyncio

        job = self.submit(name, *args, timeout=timeout, **kwargs)
        try:
            return await asyncio.wrap_future(job)
        except asyncio.CancelledError:
            self._watchdog.arm(0, lambda: self._calls().stop(job))
            raise

    def call_many(
        self,
        name: str,
        arguments: Iterable[tuple[Any, ...]],
        /,
        *,
        errors: Strategy = "raise",
        default: Any = None,
    ) -> list[Any]:
        """Call a function once with each tuple of arguments, at a fraction of the price of single calls.

        Other callers of the script get their turn in between.

        Args:
            name: Of the function.
            arguments: One tuple of positional arguments a call.
            errors: As for `call`; "raise" ends the batch.
            default: Takes the place of a result that failed.

        Returns:
            The results in order. An error that is raised has a note with the number of the call that failed,
            from 0.
        """
        handle = self.function(name)
        waiting = list(arguments)
        results: list[Any] = []
        while len(results) < len(waiting):
            try:
                handle.many(waiting[len(results) :], results)
            except ScriptConsoleError as error:
                if errors == "raise":
                    error.add_note(f"in call {len(results)} of the batch")
                results.append(self._settle(name, error, errors, default))
        return results

    def functions(self) -> list[FunctionInfo]:
        """What can be called, in order of definition."""
        return self.runtime.functions()

    def variables(self) -> list[tuple[str, str, str, int | None]]:
        """Name, type, bounded text and size of its variables, as last read."""
        self.refresh()
        return self.tree.top_level()

    def rows[T](self, kind: type[T]) -> tuple[T, ...]:
        """Its TimerViews, ConnectionViews, TaskViews or WarningViews, as last read."""
        return self._rows.of(kind)

    @property
    def tree(self) -> Variables:
        """Its variables as a screen shows them."""
        if self._variables is None:
            from .variables import Variables

            self._variables = Variables(self.alias)
        return self._variables

    @property
    def watches(self) -> Watches:
        """Its watch expressions."""
        if self._watches is None:
            from .watches import Watches

            self._watches = Watches(self.alias)
        return self._watches

    def get(self, *path: str | int) -> Any:
        """The value of a variable, or of something inside it: `get("config", "port")`."""
        return self.runtime.get(path)

    def set(self, *path_and_value: Any) -> None:
        """Set a variable, or something inside it: `set("config", "port", 80)`."""
        *path, value = path_and_value
        self.runtime.set(tuple(path), value)

    def assign(self, path: tuple[str | int, ...], text: str) -> None:
        """Put the value of an expression of its language at the address of a row of its variables.

        Raises:
            ScriptBusy: It is not at rest within a second.
            ScriptConsoleError: The expression fails, or what is there cannot be changed; nothing was.
        """
        if not self.lock.acquire(ASSIGN_LIMIT):
            raise ScriptBusy(f"{self.alias} is busy; nothing was set", file=str(self.path))
        try:
            self.runtime.assign(path, text)
        finally:
            self.lock.release()

    def evaluate(self, expression: str) -> Any:
        """The value of an expression in its global scope."""
        return self.runtime.evaluate(expression)

    def execute(self, code: str) -> None:
        """Run statements in its global scope."""
        self.runtime.execute(code)

    def run_fragment(self, code: str) -> None:
        """Run an expression or statements of a command line; what the expression gives is printed."""
        self.runtime.run_fragment(code)

    def is_complete(self, code: str) -> bool:
        """Whether code that is being typed can be run as it is, or is wrong; asks nothing of the script."""
        return self.engine.is_complete(code, self.settings)

    def interact(self, code: str) -> list[Result]:
        """Run what somebody typed, an expression or statements, in its global scope.

        Args:
            code: In its language; in Python `await` is allowed.

        Returns:
            What an expression gave, which the script also finds as `_`; a Lua expression may give several
            values, what has no value gives none.

        Raises:
            LoadError: It is neither; likewise a CallError of a SyntaxError, by engine.
            CallError: It raised; the frames show its lines.
            Interrupted: It was stopped.
        """
        from .results import tree

        self._inputs += 1
        rows = self.runtime.interact(code, f"<input {self._inputs}>")
        return [] if rows is None else tree(rows)

    def completions(self, text: str, cursor: int) -> list[Completion]:
        """What can stand where the cursor is; never waits for a busy script, which tells what is known then.

        Args:
            text: Code in its language, maybe unfinished.
            cursor: Number of characters before the cursor.
        """
        if self._asking is None:
            from .completion.asking import Asking

            self._asking = Asking(self.engine.name, self._newest_runtime, lambda: self.tree.top_level())
        return self._asking.completions(text, cursor)

    def _newest_runtime(self) -> Runtime | None:
        attempt = self._attempt or self._loading
        return None if attempt is None else attempt.runtime

    def set_paused(self, paused: bool) -> None:
        """Hold its timers and sockets back, or let them go on; calls still work."""
        self.runtime.set_paused(paused)
        self.paused = paused

    # ---- observation ----------------------------------------------------------------------------

    def refresh(self, limit: int = 20_000) -> bool:
        """Read variables, timers and connections; False when it is too busy to look. Not on a UI thread."""
        attempt = self._attempt
        if attempt is None or attempt.runtime is None:
            return False
        tree = self.tree
        with self._looking:  # so that a look that began earlier does not end later
            sample = attempt.runtime.sample(limit, tree.opened, tree.known)
            if sample is not None:
                self.sampled_at = time.time()
                self._rows.update(sample)
                tree.update(sample.variables, self.sampled_at)
            self._take_recorded(attempt.runtime)
            if self._watches is not None:
                self._watches.evaluate(attempt.runtime, time.time())
        return sample is not None

    def mark(self) -> None:
        """Remember the variables as they are now, for `differences`.

        Raises:
            ScriptBusy: They cannot be read now.
        """
        self.tree.marks["mark"] = self._read_whole()

    def differences(self, against: Moment = "mark") -> list[DifferenceView]:
        """What in its variables is not as it was.

        Args:
            against: "mark" for the moment of the last `mark`, "generation" for the end of the generation
                before.

        Raises:
            ScriptBusy: They cannot be read now.
            ScriptConsoleError: Nothing was remembered.
        """
        before = self.tree.marks.get(against)
        if before is None:
            remedy = {
                "mark": "set a mark first",
                "generation": "it is there after a reload, if somebody was looking at the script before",
            }
            raise ScriptConsoleError(f"{self.alias}: there is nothing to compare with; {remedy[against]}")
        return self.tree.differences(before, self._read_whole())

    def _look_at_all(self, runtime: Runtime) -> list[Row] | None:
        with self._looking:  # a Lua state gives its rows in slices, to one who looks at a time
            return runtime.variables(WHOLE_ROWS, self.tree.opened, WHOLE_DEPTH)

    def _read_whole(self) -> list[Row]:
        rows = self._look_at_all(self.runtime)
        if rows is None:
            raise ScriptBusy(f"{self.alias} is busy; try again, or interrupt it", file=str(self.path))
        return rows

    def _before_replacing(self, attempt: Attempt) -> None:
        if self._variables is None or attempt.runtime is None:  # nobody looks
            return
        with contextlib.suppress(ScriptConsoleError):
            self._outgoing = self._look_at_all(attempt.runtime)

    def _replaced(self) -> None:
        if self._outgoing is not None:
            self.tree.marks["generation"] = self._outgoing
            self._outgoing = None

    def _sample_age(self) -> float:
        if time.monotonic() - self.look_due < LATE_LOOK:
            return 0.0
        return round(max(0.0, time.time() - self.sampled_at), 1)

    def _take_recorded(self, runtime: Runtime) -> None:
        ended, running = runtime.recorded_calls(self.reporter.calls.on)
        if ended or running or self._recorded[1]:
            self._recorded = (self._recorded[0] + ended)[-RECORDED_LIMIT:], running

    def take_recorded(self) -> tuple[list[CallRow], list[CallRow]]:
        """Calls on a record of its own, as last read; those that have ended are given once."""
        recorded = self._recorded
        self._recorded = [], recorded[1]
        return recorded

    def under_way(self) -> list[tuple[str, int]]:
        """Functions that are being called since before calls were recorded, and how many times each."""
        handles = list(self._handles.items())
        return [(name, handle.under_way) for name, handle in handles if handle.under_way]

    def statistics(self) -> list[FunctionStatistics]:
        """The calls of each of its functions from outside, in the order they were first called."""
        from .health import FunctionStatistics

        return [
            FunctionStatistics(name, *handle.statistics()) for name, handle in list(self._handles.items())
        ]

    @property
    def cpu_time(self) -> float:
        """Seconds of processor time of its own threads, over all generations."""
        attempt = self._attempt
        return self._cpu_before + (0.0 if attempt is None else attempt.cpu_time)

    @property
    def _runs(self) -> bool:
        """Whether somebody executes it now, and does not only look at it."""
        return self.lock.holder() not in (None, self.looker)

    def progress(self) -> object:
        """What compares equal as long as it has run nothing, neither by itself nor for a caller."""
        if self._runs or (self._watches is not None and self._watches.views):
            return object()  # what runs changes something, and what an expression gives may change by itself
        return self.generation, self.lock.holds, self.cpu_time, self.tree.opened

    def memory(self) -> int | None:
        """Bytes it holds, as far as its engine can tell; may take some milliseconds."""
        attempt = self._attempt
        return None if attempt is None or attempt.runtime is None else attempt.runtime.memory()

    def view(self) -> ScriptView:
        """Itself, for a screen."""
        from .view import ScriptState, ScriptView

        if self.closed:
            state = ScriptState.CLOSED
        elif self._attempt is None:
            state = ScriptState.FAILED if self.last_error is not None else ScriptState.LOADING
        elif self._attempt.runtime is not None and self._attempt.runtime.crashed:
            state = ScriptState.FAILED
        elif self.paused:
            state = ScriptState.PAUSED
        else:
            sample = self._rows.sample
            busy = sample.timers or sample.connections or self._runs
            state = ScriptState.RUNNING if busy else ScriptState.IDLE
        runtime = None if self._attempt is None else self._attempt.runtime
        usage = self.usage
        return ScriptView(
            alias=self.alias,
            path=str(self.path),
            engine=self.engine.name,
            isolation="" if runtime is None else runtime.isolation,
            state=state,
            generation=self.generation,
            calls=self.cell.calls,
            errors=self.cell.errors + self.callback_errors,
            last_error=self.last_error,
            sample_age=0.0 if runtime is None else self._sample_age(),
            rate=0.0 if usage is None else usage.rate,
            cpu=0.0 if usage is None else usage.cpu,
            memory=None if usage is None else usage.memory,
            rates=() if usage is None else usage.rates,
        )
