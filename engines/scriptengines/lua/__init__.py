"""The Lua engine: each generation of a script in a Lua state of its own, of the version it asks for."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from scriptengines.confinement import FILES, confinement
from scriptengines.engine import Engine
from scriptengines.errors import LoadError, UnknownFunction, did_you_mean
from scriptengines.local import LocalRuntime
from scriptengines.looking import LOOK_LIMIT, within
from scriptengines.options import Option
from scriptengines.reports import LineWriter
from scriptnative import bind

from .dialect import Dialect
from .lookup import candidates
from .state import LuaState
from .versions import DEFAULT, OPTIONS, check

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from scriptengines.completion import Candidate
    from scriptengines.completion.question import Question
    from scriptengines.engine import Context, Runtime, Sample, Source, ValueRow
    from scriptengines.results import ResultRow
    from scriptengines.tree import Opened, Row
    from scriptengines.view import FunctionInfo
    from scriptnative import Function

JIT_PATIENCE = 0.05
"""Seconds in which an interrupt of compiled code has to show."""


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:  # being replaced
        return None


def _host_names() -> list[str]:
    from scriptengines.hostapi.registry import names

    return names()


class LuaRuntime(LocalRuntime):
    """One generation of a Lua script."""

    isolation = "state"

    def __init__(self, source: Source, context: Context, previous: Runtime | None) -> None:
        super().__init__(source, context, previous, {})
        reporter = context.reporter
        self._memory: int | None = None
        self._writers = {
            stream: LineWriter(partial(reporter.output, stream=stream)) for stream in ("stdout", "stderr")
        }
        try:
            wanted = {name: value for name, value in source.options.items() if name in OPTIONS}
            self._dialect = dialect = Dialect(self.host) if wanted.pop("dialect", True) else None
            check(wanted, str(source.path))
            self.files = tuple(path for path, _ in source.parts if path is not None)
            self.state = LuaState(context.alias, context.lock, self._write, **wanted)
            self._confine(source)
            self.host.locate = self.state.where
            if dialect is not None:
                dialect.stopped = lambda: self.state.guard.reason
            self.state.bind(self.host.offer, self.host.waits, _host_names, dialect, self.loop)
            self.host.completing = self.state.completing
            self.state.set(("host", "batch"), reporter.batch)
            if previous is not None:
                self.state.import_state(previous.export_state())
        except BaseException:
            self.give_up()
            raise

    def _confine(self, source: Source) -> None:
        confined = self.host.confinement = confinement(source.options, str(source.path), python=False)
        if confined is not None and source.options.get("python"):
            raise LoadError(
                f'{source.path}: option files = "own" does not go with python = true, which opens any file',
                file=str(source.path),
            )
        if confined is not None:
            self.state.confine(confined.problem)

    def _write(self, text: str, stream: str) -> None:
        self._writers[stream].write(text)

    def execute_top_level(self) -> None:
        source = self.source
        self.state.run(source.text, str(source.path), source.arguments)
        for path, text in source.parts:
            if path is None:
                self.state.run_fragment(text)
            else:
                self.state.run(text, str(path), source.arguments)

    def files_changed(self) -> bool:
        return any(path is not None and _read(path) != text for path, text in self.source.parts)

    def run_fragment(self, code: str) -> None:
        self.state.run_fragment(code.encode("utf-8", "surrogateescape"))

    def discard(self) -> None:
        for writer in self._writers.values():
            writer.finish()
        if self._dialect is not None:
            self._dialect.close()
        self.state.close()

    def bind(self, function: Function) -> None:
        found = self.state.lookup(function.name)
        if found is None:
            hint = did_you_mean(function.name, [known.name for known in self.functions()])
            path = str(self.source.path)
            raise UnknownFunction(f'no function "{function.name}" in {path}.{hint}', file=path)
        bind(function, found)

    def functions(self) -> list[FunctionInfo]:
        return self.state.functions()

    def sample(self, limit: int, opened: Opened, known: int) -> Sample | None:
        # A Lua state can only be looked at by whoever holds the run lock; its timers are named by asking it.
        # A loop that never waits gives the lock up between two turns, to who asks for it.
        rows = self.variables(limit, opened, 0)
        if rows is None or not self.context.lock.acquire(LOOK_LIMIT):
            return None
        try:
            return self.host.observation.sample(self.readings.delta(rows, known), limit)
        finally:
            self.context.lock.release()

    def variables(self, limit: int, opened: Opened, deep: int) -> list[Row] | None:
        return self.state.variables(limit, opened, deep, LOOK_LIMIT)

    def look(self, expression: str) -> ValueRow | None:
        return within(self.context.lock, self.interrupt, lambda: self.state.look(expression))

    def assign(self, path: tuple[str | int, ...], text: str) -> None:
        self.state.assign(path, text)

    def get(self, path: tuple[str | int, ...]) -> Any:
        return self.state.get(path)

    def set(self, path: tuple[str | int, ...], value: Any) -> None:
        self.state.set(path, value)

    def evaluate(self, expression: str) -> Any:
        return self.state.evaluate(expression)

    def execute(self, code: str) -> None:
        self.state.execute(code)

    def interact(self, code: str, name: str) -> list[ResultRow] | None:
        return self.state.interact(code, name)

    def candidates(self, question: Question) -> list[Candidate] | None:
        if not self.context.lock.acquire(LOOK_LIMIT):
            return None
        try:
            return candidates(self.state, question)
        finally:
            self.context.lock.release()

    def export_state(self) -> dict[Any, Any]:
        return self.state.export_state()

    def memory(self) -> int | None:
        if self.context.lock.acquire(LOOK_LIMIT):
            try:
                self._memory = self.state.memory
            finally:
                self.context.lock.release()
        return self._memory

    def interrupt(self, reason: str) -> bool:
        sent = self.state.guard.interrupt(reason)
        # Compiled traces do not look at the hook: only what happens tells.
        return self.state.guard.wait_for_stop(JIT_PATIENCE) if sent and self.state.compiles else sent


class LuaEngine(Engine):
    """Hosts Lua scripts, of every version that lupa brings."""

    name = "lua"
    suffixes: ClassVar[frozenset[str]] = frozenset({".lua"})
    shares_state: ClassVar[bool] = True
    options: ClassVar[Mapping[str, Option]] = {
        "isolation": Option(
            "choice", "state", "What keeps the script apart: a Lua state, or a process.", ("state", "process")
        ),
        **OPTIONS,
        **FILES,
    }

    def is_complete(self, code: str, settings: Mapping[str, Any]) -> bool:
        from .completeness import is_complete

        return is_complete(code, str(settings.get("lua", DEFAULT)))

    def create(self, source: Source, context: Context, previous: Runtime | None) -> Runtime:
        return LuaRuntime(source, context, previous)
