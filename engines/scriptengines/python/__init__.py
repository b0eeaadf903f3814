"""The Python engine: each script in a sub-interpreter with its own GIL.

This module is the main interpreter's side; `guest` is the side inside. Interpreters are kept and used again,
because CPython 3.13 leaks about 2 MB with each one that ends.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from typing import TYPE_CHECKING, Any, ClassVar

from scriptengines.engine import Engine, Runtime, Sample
from scriptengines.errors import LoadError, ScriptClosed, ScriptConsoleError
from scriptengines.view import FunctionInfo
from scriptnative import Interpreter, bind, call_as_is, call_unlocked

if TYPE_CHECKING:
    from collections.abc import Callable

    from scriptengines.engine import Context, Source
    from scriptnative import Function

_BOOT = """
import sys
sys.path[:] = {path!r}
from scriptengines.python import imports
imports.install()
"""

_kept: list[Chamber] = []
"""Vacant interpreters that no engine owns, on 3.13; they end with the process."""

END_LIMIT = 2.0
"""Seconds that a script's own threads get to end before its interpreter is abandoned."""


def _end_kept() -> None:
    """Before a fork: CPython 3.13 crashes in a forked child that has inherited other interpreters."""
    while _kept:
        _kept.pop().end()


os.register_at_fork(before=_end_kept)


class Chamber:
    """One interpreter, with the script that lives in it or none."""

    def __init__(self) -> None:
        self.interpreter = Interpreter()
        self.interpreter.run(_BOOT.format(path=sys.path))
        self._boot: Any = self.interpreter.load("scriptengines.python.guest", "boot")
        self.create: Callable[..., Any] | None = None
        self._vacate: Callable[..., Any] | None = None

    def move_in(self, context: Context) -> None:
        """Give the interpreter to a script."""
        reporter = context.reporter
        entries = self._boot(
            reporter.feed.address,
            reporter.script,
            reporter.direct,
            reporter.batch,
            context.lock.address,
            list(sys.path),
        )
        self.create, self._vacate = entries["create"], entries["vacate"]
        self.interpreter.set_lock(context.lock)

    def move_out(self) -> bool:
        """Take it back; False when the script's threads go on and it must be left alone."""
        self.interpreter.set_lock(None)
        vacate, self.create, self._vacate = self._vacate, None, None
        return vacate is None or bool(vacate(END_LIMIT))

    def end(self) -> bool:
        """End the interpreter; False when threads are still inside."""
        self._boot = self.create = self._vacate = None
        return self.interpreter.end(END_LIMIT)


class _Gone(dict[str, Any]):
    """What a generation that has ended offers."""

    def __missing__(self, name: str) -> Any:
        raise ScriptClosed(f"it has ended, and cannot do {name} any more; load it again to use it")


class PythonRuntime(Runtime):
    """One generation of a Python script; all generations of a script live in one interpreter."""

    isolation = "isolated"

    def __init__(self, engine: PythonEngine, source: Source, context: Context, chamber: Chamber) -> None:
        self.chamber = chamber
        self._engine = engine
        self._path = str(source.path)
        assert chamber.create is not None

        def failed(description: tuple[Any, ...]) -> None:
            self._fail(context, description)

        try:
            self._inside: dict[str, Any] = chamber.create(
                self._path,
                source.text,
                source.arguments,
                dict(context.bridge),
                context.loaded,
                failed,
            )
        except ScriptConsoleError as error:
            raise _load_error(self._path, error) from None

    def _fail(self, context: Context, description: tuple[Any, ...]) -> None:
        from scriptnative.errors import rebuild

        context.failed(rebuild(description))

    def run(self) -> None:
        call_unlocked(self._inside["run"])

    def retire(self) -> None:
        self._inside["retire"]()

    def discard(self) -> None:
        discard = self._inside["discard"]
        self._inside.clear()  # each of them holds the generation, and its objects
        self._inside = _Gone()
        if not self._engine.generation_ended(self):
            call_unlocked(discard)

    def bind(self, function: Function) -> None:
        bind(function, self._inside["lookup"](function.name))

    def functions(self) -> list[FunctionInfo]:
        return [FunctionInfo(*row) for row in call_unlocked(self._inside["functions"])]

    def sample(self, limit: int) -> Sample | None:
        return Sample(*call_unlocked(self._inside["sample"], limit))

    @property
    def pending(self) -> bool:
        return call_unlocked(self._inside["pending"])

    def get(self, path: tuple[str | int, ...]) -> Any:
        return call_as_is(self._inside["get"], path)

    def set(self, path: tuple[str | int, ...], value: Any) -> None:
        self._inside["set"](path, value)

    def evaluate(self, expression: str) -> Any:
        return self._inside["evaluate"](expression)

    def execute(self, code: str) -> None:
        self._inside["execute"](code)

    def complete(self, text: str, cursor: int) -> list[str]:
        return call_unlocked(self._inside["complete"], text, cursor)

    def interrupt(self, reason: str) -> bool:
        return self.chamber.interpreter.interrupt()

    def cancel_timer(self, timer_id: int) -> bool:
        return self._inside["cancel_timer"](timer_id)

    def close_connection(self, connection_id: int) -> bool:
        return self._inside["close_connection"](connection_id)

    def set_paused(self, paused: bool) -> None:
        call_unlocked(self._inside["set_paused"], paused)

    def export_state(self) -> dict[Any, Any]:
        return self._inside["export_state"]()


class PythonEngine(Engine):
    """Hosts Python scripts in sub-interpreters and keeps one vacant interpreter for the next."""

    name = "python"
    suffixes: ClassVar[frozenset[str]] = frozenset({".py"})

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._vacant: list[Chamber] = []
        self._generations: dict[Chamber, int] = {}
        self.abandoned = 0

    def create(self, source: Source, context: Context, previous: Runtime | None) -> Runtime:
        if previous is not None:
            assert isinstance(previous, PythonRuntime)
            chamber = previous.chamber
        else:
            chamber = self._take()
            chamber.move_in(context)
        with self._mutex:
            self._generations[chamber] = self._generations.get(chamber, 0) + 1
        try:
            return PythonRuntime(self, source, context, chamber)
        except BaseException:
            self._release(chamber)
            raise

    def generation_ended(self, runtime: PythonRuntime) -> bool:
        """A generation has ended; with the last one its interpreter is vacant, and this returns True."""
        return self._release(runtime.chamber)

    def _take(self) -> Chamber:
        with self._mutex:
            for vacant in (self._vacant, _kept):
                with contextlib.suppress(IndexError):
                    return vacant.pop()
        return Chamber()

    def _release(self, chamber: Chamber) -> bool:
        with self._mutex:
            self._generations[chamber] -= 1
            if self._generations[chamber]:
                return False
            del self._generations[chamber]
        if chamber.move_out():
            with self._mutex:
                self._vacant.append(chamber)
        else:
            self.abandoned += 1
        return True

    def close(self) -> None:
        with self._mutex:
            vacant, self._vacant = self._vacant, []
            self.abandoned += len(self._generations)
        if sys.version_info < (3, 14):  # ending one costs about 8 MB with asyncio in it, for good
            _kept.extend(vacant)
            return
        self.abandoned += sum(not chamber.end() for chamber in vacant)


def _load_error(path: str, error: ScriptConsoleError) -> LoadError:
    kind = getattr(error, "remote_type", type(error).__name__)
    text = getattr(error, "remote_message", str(error))
    line = error.frames[-1].line if error.frames and error.frames[-1].file == path else 0
    place = f"{path}:{line}" if line else path
    return LoadError(f"{place}: {kind}: {text}", file=path, line=line, frames=error.frames)
