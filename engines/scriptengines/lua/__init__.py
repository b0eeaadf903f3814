"""The Lua engine: each generation of a script in a Lua 5.4 state of its own, through lupa."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from scriptengines.engine import Engine
from scriptengines.errors import UnknownFunction, did_you_mean
from scriptengines.host import FUNCTIONS
from scriptengines.local import LocalRuntime
from scriptengines.options import Option
from scriptengines.reports import LineWriter
from scriptnative import bind_lua

from .state import LuaState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scriptengines.engine import Context, Runtime, Sample, Source, VariableRow
    from scriptengines.view import FunctionInfo
    from scriptnative import Function


class LuaEntry:
    """The general way into a Lua function, for what the fast one in C does not take.

    Args:
        state: Where it lives.
        function: The function, as lupa gives it.
    """

    __slots__ = ("_function", "_state")

    def __init__(self, state: LuaState, function: Any) -> None:
        self._state = state
        self._function = function

    def __call__(self, *args: Any, **named: Any) -> Any:
        if named:
            raise TypeError(f"Lua functions take no keyword arguments: {', '.join(named)}")
        return self._state.call_value(self._function, args)

    def finish(self, outcome: Any) -> Any:
        """Convert what the fast way brought back, or raise it; holding the run lock."""
        if isinstance(outcome, BaseException):
            raise self._state.translate(outcome) from None
        return self._state.to_python(outcome)


class LuaRuntime(LocalRuntime):
    """One generation of a Lua script."""

    isolation = "state"

    def __init__(self, source: Source, context: Context, previous: Runtime | None) -> None:
        super().__init__(source, context, previous, {})
        reporter = context.reporter
        self._writers = {
            stream: LineWriter(partial(reporter.output, stream=stream)) for stream in ("stdout", "stderr")
        }
        try:
            self.state = LuaState(context.alias, context.lock, self._write)
            self.state.bind({name: getattr(self.host, name) for name in FUNCTIONS})
            self.state.set(("host", "batch"), reporter.batch)
            if previous is not None:
                self.state.import_state(previous.export_state())
        except BaseException:
            self.give_up()
            raise

    def _write(self, text: str, stream: str) -> None:
        self._writers[stream].write(text)

    def execute_top_level(self) -> None:
        self.state.run(self.source.text, str(self.source.path), self.source.arguments)

    def discard(self) -> None:
        for writer in self._writers.values():
            writer.finish()
        self.state.close()

    def bind(self, function: Function) -> None:
        found = self.state.lookup(function.name)
        if found is None:
            hint = did_you_mean(function.name, [known.name for known in self.functions()])
            path = str(self.source.path)
            raise UnknownFunction(f'no function "{function.name}" in {path}.{hint}', file=path)
        bind_lua(function, found, LuaEntry(self.state, found), self.context.lock, self.state.guard)

    def functions(self) -> list[FunctionInfo]:
        return self.state.functions()

    def sample(self, limit: int) -> Sample | None:
        # A Lua state can only be looked at by whoever holds the run lock; its timers are named by asking it.
        if not self.context.lock.acquire(0):
            return None
        try:
            return super().sample(limit)
        finally:
            self.context.lock.release()

    def variable_rows(self, limit: int) -> list[VariableRow]:
        return self.state.variables(limit)

    def get(self, path: tuple[str | int, ...]) -> Any:
        return self.state.get(path)

    def set(self, path: tuple[str | int, ...], value: Any) -> None:
        self.state.set(path, value)

    def evaluate(self, expression: str) -> Any:
        return self.state.evaluate(expression)

    def execute(self, code: str) -> None:
        self.state.execute(code)

    def complete(self, text: str, cursor: int) -> list[str]:
        return self.state.complete(text, cursor)

    def export_state(self) -> dict[Any, Any]:
        return self.state.export_state()

    def interrupt(self, reason: str) -> bool:
        return self.state.guard.interrupt(reason)


class LuaEngine(Engine):
    """Hosts Lua 5.4 scripts."""

    name = "lua"
    suffixes: ClassVar[frozenset[str]] = frozenset({".lua"})
    options: ClassVar[Mapping[str, Option]] = {
        "isolation": Option(
            "choice", "state", "What keeps the script apart: a Lua state, or a process.", ("state", "process")
        ),
    }

    def create(self, source: Source, context: Context, previous: Runtime | None) -> Runtime:
        return LuaRuntime(source, context, previous)
