"""The native engine: C modules from a shared library, or from a `.c` file that is compiled on load."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, ClassVar, cast

from scriptengines.engine import Engine
from scriptengines.errors import LoadError, ScriptConsoleError
from scriptengines.host import FUNCTIONS
from scriptengines.local import LocalRuntime
from scriptengines.locations import compiled_modules
from scriptengines.options import Option
from scriptnative import bind_native

from .compiler import compile_module, stage
from .library import NativeModule

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from scriptengines.engine import Context, Runtime, Source, VariableRow
    from scriptengines.view import FunctionInfo
    from scriptnative import Function

CLOSE_LIMIT = 2.0
"""Seconds that a running call gets before its library is left open."""


class NativeRuntime(LocalRuntime):
    """One loaded build of a native module."""

    isolation = "library"

    def __init__(self, source: Source, context: Context, previous: Runtime | None) -> None:
        state = {} if previous is None else previous.export_state()
        library = source.path
        if source.path.suffix == ".c":
            build = compile_module(source.path, compiled_modules())
            library = build.path
            if build.warnings:
                context.reporter.log("warning", build.warnings.strip())
        else:
            library = stage(source.path, compiled_modules())
        is_text = source.path.suffix == ".c"
        super().__init__(source, context, previous, state)
        try:
            self.module = NativeModule(
                library, context.lock, self._ask_host, source=source.path if is_text else None
            )
        except LoadError as error:
            self.loop.finish(0)
            # The author knows the file, not the build of it in the cache.
            text, path = str(error).replace(str(library), str(source.path)), str(source.path)
            raise LoadError(text, file=path, detail=error.detail) from None
        except BaseException:
            self.loop.finish(0)
            raise
        self._offered = self._host_functions()

    def _host_functions(self) -> dict[str, Callable[..., Any]]:
        state = self.host.state
        offered: dict[str, Callable[..., Any]] = {
            name: getattr(self.host, name) for name in (*FUNCTIONS, "print")
        }
        offered["state_get"] = state.get
        offered["state_set"] = state.__setitem__
        offered["tcp_send"] = _tcp_send
        offered["tcp_close"] = _tcp_close
        return offered

    def _ask_host(self, name: str, args: tuple[Any, ...]) -> Any:
        function = self._offered.get(name)
        if function is None:
            raise ScriptConsoleError(
                f'the host has no function "{name}"; it has {", ".join(sorted(self._offered))}'
            )
        result = function(*args)
        return getattr(result, "port", result) if name == "tcp_serve" else result

    def execute_top_level(self) -> None:
        self.module.library.load()

    def discard(self) -> None:
        try:
            self.module.library.unload()
        except ScriptConsoleError as error:
            self.context.reporter.error("unload", error)
        if not self.module.library.close(CLOSE_LIMIT):
            self.context.reporter.log(
                "warning", f"{self.source.path} is still running; its library stays open"
            )

    def bind(self, function: Function) -> None:
        bind_native(function, self.module.function(function.name))

    def functions(self) -> list[FunctionInfo]:
        return self.module.functions()

    def variable_rows(self, limit: int) -> list[VariableRow]:
        rows = [(row.name, row.type, row.value, row.size) for row in self.module.variables()[:limit]]
        return rows

    def get(self, path: tuple[str | int, ...]) -> Any:
        found: Any = self.module.library.get(cast("str", path[0]))
        for step in path[1:]:
            found = found[step]
        return found

    def set(self, path: tuple[str | int, ...], value: Any) -> None:
        name = cast("str", path[0])
        if len(path) == 1:
            self.module.library.set(name, value)
            return
        whole = list(self.get(path[:1]))
        whole[int(path[1])] = value
        self.module.library.set(name, whole)

    def evaluate(self, expression: str) -> Any:
        return self.get((expression.strip(),))

    def execute(self, code: str) -> None:
        name, equals, text = code.partition("=")
        if not equals:
            raise ScriptConsoleError("a native module only takes assignments, such as: alpha = 0.5")
        import ast

        self.set((name.strip(),), ast.literal_eval(text.strip()))

    def complete(self, text: str, cursor: int) -> list[str]:
        word = text[:cursor].split()[-1] if text[:cursor].split() else ""
        names = [row.name for row in self.functions()] + [row.name for row in self.module.variables()]
        return [name for name in names if name.startswith(word)]

    def export_state(self) -> dict[Any, Any]:
        return copy.deepcopy(self.host.state)

    def interrupt(self, reason: str) -> bool:
        return False  # native code cannot be stopped from outside; say so rather than pretend


class NativeEngine(Engine):
    """Hosts modules with the C interface of scriptconsole.h."""

    name = "native"
    suffixes: ClassVar[frozenset[str]] = frozenset({".c", ".so", ".dylib"})
    options: ClassVar[Mapping[str, Option]] = {
        "isolation": Option(
            "choice", "library", "What keeps the module apart: nothing, or a process.", ("library", "process")
        ),
        "cflags": Option("text", "", "Flags for the compiler."),
        "libs": Option("text", "", "Libraries to link."),
    }

    def create(self, source: Source, context: Context, previous: Runtime | None) -> Runtime:
        return NativeRuntime(source, context, previous)


def _tcp_send(connection: Any, payload: Any) -> None:
    connection.send(payload)


def _tcp_close(connection: Any) -> None:
    connection.close()
