"""Script: one loaded file under an alias, through all generations of its code.

It owns the run lock, the thread of each generation and the counters; what the code is and how it runs is its
Runtime's business.
"""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from scriptnative import Cell, RunLock

from .attempt import Attempt
from .cache import ResultCache
from .engine import Context, Source
from .errors import (
    LoadError,
    ScriptBusy,
    ScriptClosed,
    ScriptConsoleError,
    format_error,
)
from .health import Meter
from .options import resolve
from .rows import Rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from scriptnative import Function

    from .calls import Calls
    from .engine import Engine, Runtime
    from .health import FunctionStatistics
    from .hooks import Hooks
    from .reports import Reporter
    from .view import ErrorView, FunctionInfo, ScriptView
    from .watchdog import Watchdog
    from .workers import Job

type Strategy = Literal["raise", "log", "ignore"]
"""What becomes of an error of a call."""

RUNAWAY_LIMIT = 1.0
"""Seconds that what a script is doing may go on when a new version of it waits."""


class Script:
    """One script of a session.

    Attributes:
        alias: Its unique name.
        path: Its file.
        engine: What hosts it.
        generation: Number of the running version of its code; 0 before the first.
        last_error: Its most recent error, that of a refused reload included.
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
        self.alias = alias
        self.path = path
        self.engine = engine
        self.reporter = reporter
        self.generation = 0
        self.last_error: ErrorView | None = None
        self.lock = RunLock(alias)
        self.cell = Cell()
        self.paused = False
        self.closed = False
        self.callback_errors = 0
        self.arguments: tuple[str, ...] = ()
        self.options: dict[str, Any] = {}
        self._bridge = bridge
        self._watchdog = watchdog
        self._hooks = hooks
        self._calls = calls
        self._text = b""
        self._reloading = threading.Lock()
        self._attempt: Attempt | None = None
        self._loading: Attempt | None = None
        self._ending: list[threading.Thread] = []
        self._handles: dict[str, Function] = {}
        self._cache = ResultCache()
        self._attempts = 0
        self.sampled_at = time.time()
        self._rows = Rows(alias)
        self._cpu_before = 0.0
        self.meter = Meter()

    # ---- generations ----------------------------------------------------------------------------

    @property
    def runtime(self) -> Runtime:
        """The running generation.

        Raises:
            ScriptClosed: There is none.
            ScriptBusy: The first one is still loading.
        """
        attempt = self._attempt
        if attempt is not None and attempt.runtime is not None:
            return attempt.runtime
        if self._loading is not None:
            raise ScriptBusy(f"{self.alias} is still loading; try again when it runs", file=str(self.path))
        raise ScriptClosed(f"{self.alias} is closed; load it again to use it")

    def start(self, timeout: float | None = None, text: bytes | None = None) -> None:
        """Bring up the first generation, or the next; all or nothing.

        Args:
            timeout: Seconds the top level may take; None for no limit.
            text: What to run; None reads the file.

        Raises:
            LoadError: It could not be; the generation before, if any, goes on.
        """
        with self._reloading:
            if self.closed:
                raise ScriptClosed(f"{self.alias} is closed; load it again to use it")
            try:
                self._start(timeout, text)
            except ScriptConsoleError as error:
                self.note_error(error)
                raise
            finally:
                self._loading = None
            self.last_error = None

    def _start(self, timeout: float | None, text: bytes | None) -> None:
        previous = self._attempt
        if previous is not None:
            if self.lock.held:
                raise ScriptBusy(
                    f"{self.alias}: it asks for its own reload, and would wait for itself; use a thread",
                    file=str(self.path),
                )
            self._make_way()
        self._attempts += 1
        attempt = self._loading = Attempt(self, self._attempts)
        bridge = self._bridge(attempt)
        context = Context(self.alias, self.lock, self.reporter, bridge, attempt.loaded, attempt.failed)
        source = self._read(text)
        before = previous.runtime if previous is not None else None
        if source.options.get("isolation") == "process":
            if self.reporter.feed.clock is not None:
                reason = 'isolation "process" has no virtual time; choose another, or real time'
                raise LoadError(f"{self.path}: {reason}", file=str(self.path))
            from . import process

            attempt.runtime = process.create(self.engine, source, context, before)
        else:
            attempt.runtime = self.engine.create(source, context, before)
        unwanted = attempt.cancelled or self.closed  # since the engine began to prepare it
        if not attempt.run(0 if unwanted else timeout):
            raise attempt.late_error(timeout or 0.0)
        if attempt.error is not None:
            if not attempt.cancelled:
                attempt.end()
            raise attempt.load_error() from attempt.error.__cause__
        if previous is not None:
            previous.end()

    def _make_way(self) -> None:
        """Stop a runaway, so that the version that mends it can come; a busy script gets time to finish."""
        if self.lock.acquire(RUNAWAY_LIMIT):
            self.lock.release()
            return
        self.reporter.log(
            "warning", f"{self.alias} is busy for over {RUNAWAY_LIMIT:g} s; interrupted to reload it"
        )
        threading.Thread(target=self.interrupt, args=("reloaded",), daemon=True).start()
        if not self.lock.acquire(RUNAWAY_LIMIT):
            raise ScriptBusy(
                f"{self.alias} is busy and cannot be stopped; it goes on as it is", file=str(self.path)
            )
        self.lock.release()

    def _read(self, text: bytes | None) -> Source:
        try:
            self._text = self.path.read_bytes() if text is None else text
        except OSError as error:
            reason = error.strerror or str(error)
            raise LoadError(f"{self.path}: {reason}; check the path", file=str(self.path)) from None
        values = resolve(
            self.engine.options,
            engine=self.engine.name,
            alias=self.alias,
            path=self.path,
            text=self._text,
            given=self.options,
        )
        return Source(self.path, self._text, self.arguments, values)

    def changed_text(self) -> bytes:
        """What its file holds, if it differs from what was last tried; empty if not, or while it is saved."""
        try:
            text = self.path.read_bytes()
        except OSError:  # gone for the moment: an editor is replacing it
            return b""
        return b"" if text == self._text else text

    @property
    def files(self) -> tuple[Path, ...]:
        """What its running generation is made of besides `path`; or what it would be, had it loaded."""
        attempt = self._attempt
        if attempt is None or attempt.runtime is None:
            return self.engine.files_of(self.path)
        return attempt.runtime.files

    def files_changed(self) -> bool:
        """Whether one of these has another content now; always, when nothing runs that could tell."""
        attempt = self._attempt
        return attempt is None or attempt.runtime is None or attempt.runtime.files_changed()

    @property
    def pending(self) -> bool:
        """Whether it has a timer, task, connection, server or queued callback."""
        attempt = self._attempt
        return attempt is not None and attempt.runtime is not None and attempt.runtime.pending

    def adopt(self, attempt: Attempt) -> None:
        """Make a generation the running one; on its thread, holding the run lock."""
        previous, self._attempt = self._attempt, attempt
        if previous is not None:
            previous.running = False
            self._hooks.refresh(previous)
        attempt.running = True
        self._hooks.refresh(attempt)
        self.generation += 1
        self.cell.advance()
        self._cache.clear()
        if previous is not None and previous.runtime is not None:
            previous.runtime.retire()
        if self.paused and attempt.runtime is not None:
            attempt.runtime.set_paused(True)

    def end_aside(self, attempt: Attempt, reason: str) -> None:
        """See to the end of a cancelled attempt in the background."""
        ending = threading.Thread(target=attempt.end, args=(reason,), daemon=True)
        ending.start()
        self._ending = [thread for thread in self._ending if thread.is_alive()] + [ending]

    def forget(self, attempt: Attempt) -> None:
        """A generation has ended: drop what it subscribed to."""
        self._hooks.forget(attempt)
        self._cpu_before += attempt.cpu_time

    def wait_for_cancelled(self, deadline: float) -> None:
        """Wait until what was cancelled while it loaded has ended; no longer than to this monotonic time."""
        for thread in self._ending:
            thread.join(max(0.0, deadline - time.monotonic()))

    @property
    def is_ending(self) -> bool:
        """Whether something that was cancelled while it loaded still runs."""
        return any(thread.is_alive() for thread in self._ending)

    def close(self) -> bool:
        """End the script; idempotent, never longer than some seconds. Whether everything of it ended."""
        self.closed = True
        loading = self._loading
        if loading is not None and loading is not self._attempt and self._reloading.locked():
            loading.cancel("unloaded")
        with self._reloading:
            attempt, self._attempt = self._attempt, None
            if attempt is None:
                self.lock.close()
                return True
            attempt.running = False
            self._hooks.refresh(attempt)
            attempt.retire_aside()
            self._handles.clear()  # they hold functions, and with them all the script had
            ended = attempt.end()
            self.lock.close()
            self.cell.advance()
            self._handles.clear()  # they hold us and what they called, until a collection
            return ended

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
        return self._rows.sample.variables

    def rows[T](self, kind: type[T]) -> tuple[T, ...]:
        """Its VariableViews, TimerViews or ConnectionViews, as last read."""
        return self._rows.of(kind)

    def get(self, *path: str | int) -> Any:
        """The value of a variable, or of something inside it: `get("config", "port")`."""
        return self.runtime.get(path)

    def set(self, *path_and_value: Any) -> None:
        """Set a variable, or something inside it: `set("config", "port", 80)`."""
        *path, value = path_and_value
        self.runtime.set(tuple(path), value)

    def evaluate(self, expression: str) -> Any:
        """The value of an expression in its global scope."""
        return self.runtime.evaluate(expression)

    def execute(self, code: str) -> None:
        """Run statements in its global scope."""
        self.runtime.execute(code)

    def complete(self, text: str, cursor: int) -> list[str]:
        """Names that can stand where the cursor is."""
        return self.runtime.complete(text, cursor)

    def interrupt(self, reason: str = "interrupted") -> bool:
        """Stop what it is doing right now; whether there was anything that could be stopped."""
        attempt = self._loading or self._attempt
        if attempt is None:
            return False
        if attempt.runtime is None:
            attempt.cancelled = True
            return True
        if attempt.runtime.interrupt(reason):
            return True
        # When nothing runs, calls may wait for what `async def` functions will give.
        return self.lock.holder() is None and self.lock.stop_waiting(0) > 0

    def set_paused(self, paused: bool) -> None:
        """Hold its timers and sockets back, or let them go on; calls still work."""
        self.runtime.set_paused(paused)
        self.paused = paused

    # ---- observation ----------------------------------------------------------------------------

    def refresh(self, limit: int = 20_000) -> bool:
        """Read variables, timers and connections; False when it is too busy to look. Not on a UI thread."""
        attempt = self._attempt
        sample = None
        if attempt is not None and attempt.runtime is not None:
            sample = attempt.runtime.sample(limit)
        if sample is not None:
            self.sampled_at = time.time()
            self._rows.update(sample, self.sampled_at)
        return sample is not None

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

    def memory(self) -> int | None:
        """Bytes it holds, as far as its engine can tell; may take some milliseconds."""
        attempt = self._attempt
        return None if attempt is None or attempt.runtime is None else attempt.runtime.memory()

    def note_error(self, error: BaseException) -> ErrorView:
        """Remember an error as the last one."""
        from .view import ErrorView

        file, line = getattr(error, "file", ""), getattr(error, "line", 0)
        message = str(error) if isinstance(error, ScriptConsoleError) else f"{type(error).__name__}: {error}"
        self.last_error = ErrorView(message, format_error(error), file, line, time.time())
        return self.last_error

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
            busy = sample.timers or sample.connections or self.lock.holder() is not None
            state = ScriptState.RUNNING if busy else ScriptState.IDLE
        runtime = None if self._attempt is None else self._attempt.runtime
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
            sample_age=0.0 if runtime is None else max(0.0, time.time() - self.sampled_at),
        )
