"""The Python engine: each script in a sub-interpreter, or in a part of the main one.

This module is the outer side, `chambers` the places where scripts can live, `guest` the side inside.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any, ClassVar

from scriptengines.confinement import FILES
from scriptengines.engine import Engine, Gone, Runtime, Sample
from scriptengines.errors import LoadError, ScriptConsoleError
from scriptengines.looking import within
from scriptengines.options import NETWORK, Option
from scriptengines.view import FunctionInfo
from scriptnative import bind, call_as_is, call_unlocked, leaving

from .chambers import Pool

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scriptengines.completion import Candidate
    from scriptengines.completion.question import Question
    from scriptengines.engine import Context, Source, ValueRow
    from scriptengines.reports import Reporter
    from scriptengines.results import ResultRow
    from scriptengines.steering import TimerStep
    from scriptengines.tapping import TappedRow
    from scriptengines.tree import Opened, Row
    from scriptnative import Function

    from .chambers import Chamber


class PythonRuntime(Runtime):
    """One generation of a Python script; those of the same isolation live in the same chamber."""

    def __init__(
        self,
        engine: PythonEngine,
        source: Source,
        context: Context,
        chamber: Chamber,
        inherited: tuple[dict[Any, Any], list[int]] | None,
    ) -> None:
        self.chamber = chamber
        self.isolation = chamber.isolation
        self._engine = engine
        self._lock = context.lock
        self.reporter = context.reporter
        self._path = str(source.path)
        assert chamber.create is not None

        def failed(description: tuple[Any, ...]) -> None:
            self._fail(context, description)

        try:
            self._inside: dict[str, Any] = chamber.create(
                self._path,
                source.text,
                source.arguments,
                {name: source.options[name] for name in (*NETWORK, *FILES) if name in source.options},
                dict(context.bridge),
                inherited,
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
        self._inside = Gone()
        with self.chamber.ending:
            if not self._engine.generation_ended(self):
                call_unlocked(discard)

    def bind(self, function: Function) -> None:
        bind(function, self._inside["lookup"](function.name))

    def functions(self) -> list[FunctionInfo]:
        return [FunctionInfo(*row) for row in call_unlocked(self._inside["functions"])]

    def sample(self, limit: int, opened: Opened, known: int) -> Sample | None:
        return Sample(*call_unlocked(self._inside["sample"], limit, opened, known))

    def variables(self, limit: int, opened: Opened, deep: int) -> list[Row] | None:
        return call_unlocked(self._inside["variables"], limit, opened, deep)

    def look(self, expression: str) -> ValueRow | None:
        return within(self._lock, self.interrupt, lambda: self._inside["look"](expression))

    def assign(self, path: tuple[str | int, ...], text: str) -> None:
        self._inside["assign"](path, text)

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

    def run_fragment(self, code: str) -> None:
        self._inside["run_fragment"](code)

    def interact(self, code: str, name: str) -> list[ResultRow] | None:
        return self._inside["interact"](code, name)

    def candidates(self, question: Question) -> list[Candidate] | None:
        place, steps, prefix, _, quote, call = question
        return call_unlocked(self._inside["candidates"], place, list(steps), prefix, quote, list(call))

    def interrupt(self, reason: str) -> bool:
        return self.chamber.interrupt(self._lock)

    def cancel_timer(self, timer_id: int) -> bool:
        return self._inside["cancel_timer"](timer_id)

    def steer_timer(self, timer_id: int, step: TimerStep, milliseconds: float = 0.0) -> bool:
        return self._inside["steer_timer"](timer_id, step, milliseconds)

    def tap(self, connection_id: int, on: bool) -> bool:
        return call_unlocked(self._inside["tap"], connection_id, on)

    def tapped(self, connection_id: int) -> TappedRow:
        return call_unlocked(self._inside["tapped"], connection_id)

    def close_connection(self, connection_id: int) -> bool:
        return self._inside["close_connection"](connection_id)

    def set_paused(self, paused: bool) -> None:
        call_unlocked(self._inside["set_paused"], paused)

    def memory(self) -> int | None:
        return call_unlocked(self._inside["memory"])

    def export_state(self) -> dict[Any, Any]:
        return self._inside["export_state"]()

    def export_listeners(self) -> list[int]:
        """Copies of the descriptors of its listening sockets; the caller's to close."""
        return self._inside["export_listeners"]()


class PythonEngine(Engine):
    """Hosts Python scripts, in the isolation that each of them asks for."""

    name = "python"
    suffixes: ClassVar[frozenset[str]] = frozenset({".py"})
    options: ClassVar[Mapping[str, Option]] = {
        "isolation": Option(
            "choice",
            "isolated",
            "What keeps the script apart: its own interpreter and GIL, an interpreter on the main GIL, "
            "a namespace of the main interpreter, or a process.",
            ("isolated", "shared", "main", "process"),
        ),
        **FILES,
    }

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._pool = Pool()
        self._generations: dict[Chamber, int] = {}
        self.abandoned = 0

    def is_complete(self, code: str, settings: Mapping[str, Any]) -> bool:
        from .completeness import is_complete

        return is_complete(code)

    def create(self, source: Source, context: Context, previous: Runtime | None) -> Runtime:
        isolation = source.options.get("isolation", "isolated")
        assert isolation != "process", "a session has another engine for that"
        inherited = None
        if isinstance(previous, PythonRuntime) and previous.isolation == isolation:
            chamber = previous.chamber
        else:
            if previous is not None:
                inherited = _inherit(previous, str(source.path))
            chamber = self._pool.take(isolation)
            chamber.move_in(context)
        with self._mutex:
            self._generations[chamber] = self._generations.get(chamber, 0) + 1
        try:
            return PythonRuntime(self, source, context, chamber, inherited)
        except BaseException:
            for descriptor in inherited[1] if inherited is not None else ():
                os.close(descriptor)
            with chamber.ending:
                self._release(chamber, context.reporter)
            raise

    def own_process(self) -> None:
        from .processwide import own_process

        own_process()

    def generation_ended(self, runtime: PythonRuntime) -> bool:
        """A generation has ended; with the last one its place is vacant, and this returns True."""
        return self._release(runtime.chamber, runtime.reporter)

    def _release(self, chamber: Chamber, reporter: Reporter) -> bool:
        with self._mutex:
            self._generations[chamber] -= 1
            if self._generations[chamber]:
                return False
            del self._generations[chamber]
        left = chamber.move_out()
        if left:
            self._abandon(1)
            reporter.log("warning", f"cannot be ended, and is left behind: {', '.join(left)}")
        else:
            self._pool.give_back(chamber)
        return True

    def _abandon(self, count: int) -> None:
        if count:
            self.abandoned += count
            leaving.abandon()

    def close(self) -> None:
        with self._mutex:
            living = len(self._generations)
        self._abandon(living)
        self._abandon(self._pool.close())


def _inherit(previous: Runtime, path: str) -> tuple[dict[Any, Any], list[int]]:
    """What a generation hands to one that lives elsewhere: its state, and copies of its listening sockets."""
    try:
        return previous.export_state(), previous.export_listeners()
    except ScriptConsoleError as error:
        raise LoadError(f"{path}: {error}; the script stays where it is", file=path) from None


def _load_error(path: str, error: ScriptConsoleError) -> LoadError:
    kind = getattr(error, "remote_type", type(error).__name__)
    text = getattr(error, "remote_message", str(error))
    line = error.frames[-1].line if error.frames and error.frames[-1].file == path else 0
    place = f"{path}:{line}" if line else path
    return LoadError(f"{place}: {kind}: {text}", file=path, line=line, frames=error.frames)
