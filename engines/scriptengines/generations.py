"""Generations: the versions of one script's code: how they come, follow each other and go.

It owns the run lock and the thread of each generation; what the code is and how it runs is its Runtime's
business, what can be done with a script that runs is Script's.
"""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from scriptnative import Cell, RunLock

from .attempt import Attempt
from .cache import ResultCache
from .engine import Context, Part, Source
from .errors import ConfigError, LoadError, ScriptBusy, ScriptClosed, ScriptConsoleError, format_error
from .options import resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from scriptnative import Function

    from .drivers import Driver
    from .engine import Engine, Runtime
    from .hooks import Hooks
    from .reports import Reporter
    from .view import ErrorView

RUNAWAY_LIMIT = 1.0
"""Seconds that what a script is doing may go on when a new version of it waits."""
CANCELLED_LIMIT = 8.0
"""Seconds that a load that was cancelled may take to end before a script counts as closed without that."""


class Generations(ABC):
    """One script through its versions.

    Args:
        alias: Its unique name.
        path: Its file.
        engine: What hosts it.
        reporter: Its way to the session.
        bridge: The session's part of the host API, for one generation.
        hooks: Who subscribes to what.

    Attributes:
        generation: Number of the running version of its code; 0 before the first.
        last_error: Its most recent error, that of a refused reload included.
        driver: Itself as an action driver, if its profile says so.
    """

    def __init__(
        self,
        alias: str,
        path: Path,
        engine: Engine,
        reporter: Reporter,
        bridge: Callable[[Attempt], Mapping[str, Callable[..., Any]]],
        hooks: Hooks,
    ) -> None:
        self.alias = alias
        self.path = path
        self.engine = engine
        self.reporter = reporter
        self.generation = 0
        self.last_error: ErrorView | None = None
        self.lock = RunLock(alias)
        self.cell = Cell()
        self.cell.record_into(reporter.calls, reporter.script)
        self.paused = False
        self.closed = False
        self.arguments: tuple[str, ...] = ()
        self.parts: tuple[Part, ...] = ()
        self.options: dict[str, Any] = {}
        self.driver: Driver | None = None
        self._bridge = bridge
        self._hooks = hooks
        self._text = b""
        self._reloading = threading.Lock()
        self._attempt: Attempt | None = None
        self._loading: Attempt | None = None
        self._ending: list[tuple[Attempt, threading.Thread]] = []
        self._handles: dict[str, Function] = {}
        self._cache = ResultCache()
        self._attempts = 0
        self._cpu_before = 0.0

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

    @property
    def settings(self) -> Mapping[str, Any]:
        """A value for each of its options, as the running version of its file has them."""
        attempt = self._attempt or self._loading
        return {} if attempt is None else attempt.settings

    def start(self, timeout: float | None = None, text: bytes | None = None) -> None:
        """Bring up the first generation, or the next; all or nothing.

        Args:
            timeout: Seconds the top level may take; None for no limit.
            text: What to run; None reads the file.

        Raises:
            LoadError: It could not be; the generation before, if any, goes on.
            ScriptBusy: It is asked for by a call that the script is in, and would wait for itself.
        """
        if self._attempt is not None and self.lock.held:  # before anything waits for who waits for that lock
            raise ScriptBusy(
                f"{self.alias}: it asks for its own reload, and would wait for itself; use a thread",
                file=str(self.path),
            )
        with self._reloading:
            if self.closed:
                raise ScriptClosed(f"{self.alias} is closed; load it again to use it")
            driver = self.driver
            if driver is not None:
                driver.shut_down()
            try:
                self._start(timeout, text)
            except ScriptConsoleError as error:
                self.note_error(error)
                if driver is not None:
                    driver.begin_again()
                raise
            finally:
                self._loading = None
            self.last_error = None

    def _start(self, timeout: float | None, text: bytes | None) -> None:
        previous = self._attempt
        if previous is not None:
            self._make_way()
            self._before_replacing(previous)
        self._attempts += 1
        attempt = self._loading = Attempt(self, self._attempts)
        bridge = self._bridge(attempt)
        context = Context(self.alias, self.lock, self.reporter, bridge, attempt.loaded, attempt.failed)
        source = self._read(text)
        attempt.settings = source.options
        before = previous.runtime if previous is not None else None
        if source.options.get("isolation") == "process":
            if self.reporter.feed.clock is not None:
                reason = (
                    'isolation "process" has no virtual time; choose another, or leave --virtual-time out'
                )
                raise LoadError(f"{self.path}: {reason}", file=str(self.path))
            from . import process

            attempt.runtime = process.create(self.engine, source, context, before)
        else:
            attempt.runtime = self.engine.create(source, context, before)
        unwanted = attempt.cancelled or self.closed  # since the engine began to prepare it
        if not attempt.run(0 if unwanted else timeout):
            raise attempt.late_error(timeout or 0.0)
        if (
            attempt.cancelled
        ):  # by somebody else, who may not have come so far; it never became the running one
            self.end_aside(attempt, "unloaded")
        elif attempt.error is not None:
            attempt.end()
        if attempt.error is not None:
            raise attempt.load_error() from attempt.error.__cause__
        if attempt.cancelled:
            raise attempt.late_error(0.0)
        if previous is not None:
            self._replaced()
            previous.end()
        self._apply_profile(attempt)

    @abstractmethod
    def _apply_profile(self, attempt: Attempt) -> None:
        """A new generation runs: do what its profile asks for."""

    def _before_replacing(self, attempt: Attempt) -> None:  # noqa: B027 - who wants to look does
        """A new version will be tried: the last moment to look at the one that runs."""

    def _replaced(self) -> None:  # noqa: B027
        """It runs, and what ran before does not."""

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
        self._text = _read(self.path) if text is None else text
        values = resolve(
            self.engine.options,
            engine=self.engine.name,
            alias=self.alias,
            path=self.path,
            text=self._text,
            given=self.options,
        )
        return Source(self.path, self._text, self.arguments, values, self._read_parts())

    def _read_parts(self) -> tuple[Part, ...]:
        if self.parts and not self.engine.shares_state:
            raise ConfigError(
                f"{self.path}: {self.engine.name} scripts share no state; leave --shared-state out"
            )
        return tuple(Part(path, text if path is None else _read(path)) for path, text in self.parts)

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
        self._ending = [each for each in self._ending if each[1].is_alive()] + [(attempt, ending)]

    def forget(self, attempt: Attempt) -> None:
        """A generation has ended: drop what it subscribed to."""
        self._hooks.forget(attempt)
        self._cpu_before += attempt.cpu_time

    def wait_for_cancelled(self, deadline: float) -> bool:
        """Wait until what was cancelled while it loaded has ended; no longer than to this monotonic time.

        Returns:
            Whether all of it ended.
        """
        ending = self._ending
        for _, thread in ending:
            thread.join(max(0.0, deadline - time.monotonic()))
        return all(not thread.is_alive() and attempt.end() for attempt, thread in ending)

    @property
    def is_ending(self) -> bool:
        """Whether something that was cancelled while it loaded still runs."""
        return any(thread.is_alive() for _, thread in self._ending)

    def close(self) -> bool:
        """End the script; idempotent, never longer than some seconds. Whether everything of it ended."""
        if self.driver is not None and not self.closed:
            self.driver.shut_down()
        self.closed = True
        loading = self._loading
        if loading is not None:
            loading.cancel("unloaded")
        with self._reloading:
            attempt, self._attempt = self._attempt, None
            ended = attempt is None or self._end_running(attempt)
            # What is cancelled needs the lock to be open to come to its end.
            ended = self.wait_for_cancelled(time.monotonic() + CANCELLED_LIMIT) and ended
            self.lock.close()
            self.cell.advance()
            self._handles.clear()  # they hold us and what they called, until a collection
            return ended

    def _end_running(self, attempt: Attempt) -> bool:
        attempt.running = False
        self._hooks.refresh(attempt)
        attempt.retire_aside()
        self._handles.clear()  # they hold functions, and with them all the script had
        return attempt.end()

    def interrupt(self, reason: str = "interrupted") -> bool:
        """Stop what it is doing right now; whether there was anything that could be stopped."""
        attempt = self._loading or self._attempt
        if attempt is None:
            return False
        if attempt.runtime is None:
            attempt.cancel(reason)
            return True
        if not self.lock.waits():
            return attempt.runtime.interrupt(reason)
        from .awaiting import stop_waiting

        # What runs in a moment like any other is not what keeps those who wait waiting.
        return stop_waiting(self.lock) or attempt.runtime.interrupt(reason)

    def note_error(self, error: BaseException) -> ErrorView:
        """Remember an error as the last one."""
        from .view import ErrorView

        file, line = getattr(error, "file", ""), getattr(error, "line", 0)
        message = str(error) if isinstance(error, ScriptConsoleError) else f"{type(error).__name__}: {error}"
        self.last_error = ErrorView(message, format_error(error), file, line, time.time())
        return self.last_error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        reason = error.strerror or str(error)
        raise LoadError(f"{path}: {reason}; check the path", file=str(path)) from None
