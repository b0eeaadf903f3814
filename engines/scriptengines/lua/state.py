"""One Lua state: a generation of a Lua script, with everything that enters or leaves it.

What a script is, its thread, its loop and its reload belong to the engine. Every method takes the run lock;
what runs code of the script is guarded, so that `guard.interrupt(reason)` from another thread stops it.
"""

from __future__ import annotations

import os
from functools import cache, partial
from itertools import batched
from typing import TYPE_CHECKING, Any, cast

from scriptengines.completion import LIMIT, SCANNED
from scriptengines.engine import Gone
from scriptengines.tree import CLOSED
from scriptnative import Cell, LuaCallable, LuaCrossing, LuaGuard, LuaReference, bind
from scriptnative.errors import CrossingError, LoadError, UnknownFunction, did_you_mean

from .hostcalls import HostCalls, refuse, stop, write
from .traces import Sources, load_error, path_of, text_of
from .versions import DEFAULT, module_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from scriptengines.engine import ValueRow
    from scriptengines.loop import ScriptLoop
    from scriptengines.results import ResultRow
    from scriptengines.tree import Opened, Row
    from scriptengines.view import FunctionInfo
    from scriptnative import Function, RunLock

    from .dialect import Dialect

_NUMBERS = ("integer", "float", "number")
_LEVELS = ("debug", "info", "warning", "error")
_OWN = b"=[scriptconsole]"
_RUN_CODE = ("get", "set", "look", "assign", "interact")
"""Functions of inspect.lua that run code of the script."""


@cache
def _read(name: str) -> bytes:
    with open(os.path.join(os.path.dirname(__file__), name), "rb") as file:
        return file.read()


class _Object:
    """What a Python object is to Lua, for inspect.lua to know others by."""


class LuaState:
    """A Lua runtime with `host`, ready to run one script.

    Args:
        name: Of the script, for messages.
        lock: Its run lock.
        sink: `sink(text, stream)` takes what the script prints; the stream is "stdout" or "stderr".
        lua: Which Lua; see versions.py.
        memory: Bytes it may have, 0 for no limit.
        python: Whether the script gets lupa's python module.
        jit: Whether LuaJIT compiles.

    Raises:
        LoadError: This Lua is not installed, or `memory` is less than an empty state has.
    """

    def __init__(
        self,
        name: str,
        lock: RunLock,
        sink: Callable[[str, str], None],
        *,
        lua: str = DEFAULT,
        memory: int = 0,
        python: bool = False,
        jit: bool = False,
    ) -> None:
        module = module_of(lua, name)
        self.name = name
        self.lock = lock
        self.guard = LuaGuard(lock)
        self.sources = Sources()
        self._inspection: dict[str, LuaCallable] | None = None
        self._typed: Function | None = None
        self._look: tuple[Any, list[str | bytes]] | None = None
        self._slices: list[tuple[str | bytes, list[Row]]] = []
        self._host_names: Callable[[], list[str]] = list
        if python:
            runtime = module.LuaRuntime(encoding="utf-8")
        else:
            runtime = module.LuaRuntime(
                encoding=None,
                register_eval=False,
                register_builtins=False,
                attribute_handlers=(refuse, refuse),
            )
        self._calls = HostCalls(self.guard, self.sources, memory)
        self._crossing = crossing = LuaCrossing(self.guard, runtime, self._calls)
        self.compiles = crossing.is_jit and jit
        if crossing.is_jit:
            crossing.set_compiler(jit)
        load: Any = crossing.find("loadstring") or crossing.find("load")
        prelude: dict[str, LuaCallable] = load(_read("prelude.lua"), _OWN)(
            crossing.find("=outer"),
            python,
            *(partial(write, sink, stream) for stream in ("stdout", "stderr")),
            stop,
            self._calls.resumed_failed,
        )
        helpers = ("describe", "error_text", "get_field", "set_field", "call_method")
        describe, error_text, get, set_, call = (prelude.pop(helper) for helper in helpers)
        crossing.set_helpers(get=get, set=set_, call=call, describe=describe, error_text=error_text)
        self._lua: dict[str, LuaCallable] = {
            key: crossing.aside(function) for key, function in prelude.items()
        }
        if python:
            self._share_with(runtime, load)
        try:
            crossing.set_limit(memory)
        except ValueError as error:
            self.close()
            raise LoadError(f"{name}: option memory: {error}") from None

    def _share_with(self, runtime: Any, load: LuaCallable) -> None:
        """Let all calls go by way of lupa, whose own lock has to be held where a script uses it too."""
        load(b"enter = ...", _OWN)(self._crossing.find("=enter"))
        with self.lock:
            enter = runtime.eval("enter")
            runtime.execute("enter = nil")
        self._crossing.set_via(enter)
        keep = load(b"kept = ...", _OWN)

        def unwrap(value: LuaReference) -> Any:
            keep(value)
            found = runtime.eval("kept")
            runtime.execute("kept = nil")
            return found

        self._calls.unwrap = unwrap

    @property
    def memory(self) -> int:
        """Bytes the Lua state has."""
        with self.lock:
            return self._crossing.memory

    @property
    def where(self) -> Callable[[], str]:
        """Tells "file:line" of the script line that runs now, "" when none does; holding the run lock."""
        return self._crossing.where

    # ---- the script ----------------------------------------------------------------------------

    def completing(self, function: Any) -> LuaCallable:
        """A Lua function that calls its first argument when the given one has ended; see Host.completing."""
        return self._lua["completing"](function)

    def bind(
        self,
        offer: Callable[[str], Callable[..., Any]],
        waits: Callable[[str], bool],
        names: Callable[[], list[str]],
        dialect: Dialect | None = None,
        loop: ScriptLoop | None = None,
    ) -> None:
        """Offer functions as `host.*`, each when the script first asks for it.

        Args:
            offer: Gives the function of a name, or raises AttributeError.
            waits: Whether that one takes a callback last.
            names: All there are, for completion.
            dialect: For the names of the Lua dialect; None for a state without them.
            loop: The script's: a caller on another thread waits for the end of what waits there.
        """

        def give(name: str) -> tuple[Callable[..., Any], bool] | None:
            level = name if name in _LEVELS else ""
            try:
                function = offer("log" if level else name)
            except AttributeError:
                return None
            return (partial(function, level=level), False) if level else (function, waits(name))

        self._host_names = names
        self._calls.method = self._lua["method"]
        self._calls.await_end = self._lua["await_end"]
        self._calls.loop = loop
        self._calls.remember = self._crossing.aside(self._crossing.find("=remember"))
        self._calls.sender = self._crossing.aside(self._crossing.find("=sender"))
        with self.lock:
            if dialect is None:
                self._lua["bind"](give)
            else:
                self._calls.report = dialect.host.reporter.error
                from .dialect import text_of as dialect_text

                self._lua["bind"](give, dialect_text("globals"), dialect.find, dialect_text)

    def confine(self, problem: Callable[[Any, bool], str | None]) -> None:
        """Let the script's own functions for files ask first.

        Args:
            problem: `problem(path, writes)` tells why a path is refused, None when it is not.
        """
        with self.lock:
            self._lua["confine"](problem)

    def run(self, source: bytes, path: str, args: Sequence[str] = ()) -> Any:
        """Execute the main chunk in a coroutine.

        Args:
            source: Its text; a first line with `#` is skipped.
            path: Absolute, for messages, `arg[0]` and as a place where `require` looks.
            args: `...` and `arg`.

        Raises:
            LoadError: A syntax error, with file and line.
            CallError: It raised.
        """
        code = source.removeprefix(b"\xef\xbb\xbf")
        if code.startswith(b"#"):
            code = b"--" + code
        with self.lock:
            self.sources.add(path, text_of(source))
            self._lua["prepare"](os.fsencode(path), os.fsencode(os.path.dirname(path) or "."), *args)
            chunk = self._compile("compile", path, code, b"@" + os.fsencode(path))
            return chunk(*args)

    def _compile(self, compiler: str, path: str, *args: bytes) -> LuaCallable:
        chunk: Any = self._lua[compiler](*args)
        if type(chunk) is tuple:  # nil, message
            raise load_error(self.sources, path, cast("tuple[None, str | bytes]", chunk)[1])
        return chunk

    def export_state(self) -> dict[Any, Any]:
        """A copy of `host.state`."""
        state = self._lua["get_state"]()
        if isinstance(state, list):  # Lua has no other difference between the two
            return dict(enumerate(cast("list[Any]", state), start=1))
        if not isinstance(state, dict):
            raise CrossingError("host.state must be a table without a metatable")
        return cast("dict[Any, Any]", state)

    def import_state(self, state: Mapping[Any, Any]) -> None:
        """Replace `host.state`."""
        self._lua["set_state"](dict(state))

    def lookup(self, name: str) -> LuaCallable | None:
        """The Lua function of that name, `a.b` too; None if there is none."""
        return self._lua["lookup"](*name.split("."))

    def call(self, name: str, args: Sequence[Any] = ()) -> Any:
        """Call a function by name, in a coroutine of its own.

        Args:
            name: As for `lookup`.
            args: Python values.

        Returns:
            None, the result, or a tuple of several; None when it yielded.

        Raises:
            UnknownFunction: There is none.
            CallError: It raised; the frames are those of all languages.
            CrossingError: An argument or the result cannot cross.
            Interrupted: It was stopped.
        """
        function = self.lookup(name)
        if function is None:
            hint = did_you_mean(name, [known.name for known in self.functions()])
            raise UnknownFunction(f'{self.name} has no function "{name}".{hint}')
        return function(*args)

    # ---- looking in ----------------------------------------------------------------------------

    def _inspect(self, name: str) -> LuaCallable:
        with self.lock:
            if self._inspection is None:
                table = self._lua["extend"](_read("inspect.lua"), _describe, _Object())
                aside = self._crossing.aside
                self._inspection = {
                    key: value if key in _RUN_CODE else aside(value) for key, value in table.items()
                }
            return self._inspection[name]

    def functions(self) -> list[FunctionInfo]:
        """Global functions the script defined, in order of definition."""
        from scriptengines.view import FunctionInfo

        flat = self._inspect("functions")()
        found: list[FunctionInfo] = []
        for name, signature, line, source in batched(flat, 4, strict=True):
            path = path_of(source)
            text = text_of(signature) or self.sources.parameters(path, line)
            found.append(FunctionInfo(text_of(name), text, self.sources.comment_above(path, line), line))
        return sorted(found, key=lambda function: (function.line, function.name))

    def variables(
        self, limit: int = 500, opened: Opened = CLOSED, deep: int = 0, patience: float = -1.0
    ) -> list[Row] | None:
        """Rows of the tree of variables: `host.state`, the globals by name, the locals that functions use.

        Args:
            limit: Rows at most.
            opened: What is open.
            deep: Levels that are opened besides.
            patience: Seconds to wait for the run lock, which is given up between slices of many rows.

        Returns:
            The rows; None when the script was too busy, then a next look goes on where this one ended.
        """
        wanted = limit, opened, deep
        if self._look is None or self._look[0] != wanted:
            self._look = None
        while True:
            if not self.lock.acquire(patience):
                return None
            try:
                look = self._inspect("variables")
                found = look() if self._look is not None else look(*wanted)
            finally:
                self.lock.release()
            text, more = cast("tuple[str | bytes, bool]", found)
            texts = [*(self._look[1] if self._look is not None else ()), text]
            self._look = (wanted, texts) if more else None
            if not more:
                return self._parsed(texts)

    def _parsed(self, texts: list[str | bytes]) -> list[Row]:
        """Rows of the slices of a look; those of a slice that is as it was are the same as before."""
        before, self._slices = self._slices, []
        for number, text in enumerate(texts):
            same = number < len(before) and before[number][0] == text
            self._slices.append(before[number] if same else (text, list(_rows(text))))
        return [row for _, rows in self._slices for row in rows]

    def look(self, expression: str) -> ValueRow:
        """Type, short text, size and number of what an expression gives."""
        chunk = self._compile("compile_line", "(console)", expression.encode("utf-8", "surrogateescape"))
        kind, text, size = self._inspect("look")(chunk)
        name, shown = text_of(kind), _shown(text)
        return name, shown, None if size < 0 else int(size), _number(name, shown)

    def assign(self, path: Sequence[str | int], text: str) -> None:
        """Put the value of an expression at a path of the tree of variables.

        Raises:
            LoadError: It is no expression.
            CrossingError: What is there cannot be changed.
        """
        source = b"return (" + text.strip().encode("utf-8", "surrogateescape") + b"\n)"  # one value
        chunk = self._compile("compile", "(console)", source, b"=(console)")
        problem = self._inspect("assign")(chunk, *path)
        if problem is not None:
            raise CrossingError(text_of(problem))

    def get(self, path: Iterable[str | int]) -> Any:
        """A global variable, or what is inside it."""
        return self._inspect("get")(*path)

    def set(self, path: Iterable[str | int], value: Any) -> None:
        """Set a global variable, or something inside it."""
        *way, last = path
        self._inspect("set")(value, last, *way)

    def evaluate(self, expression: str) -> Any:
        """The value of an expression (or of `return`, or of statements: None) in the global scope."""
        return self._compile("compile_line", "(console)", expression.encode("utf-8", "surrogateescape"))()

    def execute(self, code: str) -> None:
        """Run statements in the global scope."""
        source = code.encode("utf-8", "surrogateescape")
        self._compile("compile", "(console)", source, b"=(console)")()

    def run_fragment(self, code: bytes) -> None:
        """Run an expression, whose results are printed, or statements; in a coroutine.

        Raises:
            LoadError: It is neither.
            CallError: It raised.
        """
        self._compile("fragment", "(fragment)", code)()

    def interact(self, code: str, name: str) -> list[ResultRow] | None:
        """Run what somebody typed, in a coroutine; rows of what an expression gives.

        Args:
            code: An expression or statements.
            name: Of the input.

        Raises:
            LoadError: It is neither.
            CallError: It raised.
        """
        source, title = code.encode("utf-8", "surrogateescape"), b"=" + name.encode()
        with self.lock:
            self.sources.add(name, code)
            chunk: Any = self._lua["compile"](b"return " + source, title)
            if type(chunk) is tuple:
                chunk = self._compile("compile", name, source, title)
            if self._typed is None:  # a Function, because only those wait for what a coroutine waits for
                run = self._inspect("interact")
                self._typed = Cell().function("<input>", lambda typed: bind(typed, run))
        rows = self._typed(chunk)  # the lock is its own to take, and to give up while it waits
        return None if rows is None else [_result_row(row) for row in batched(rows, 7, strict=True)]

    def candidates(self, wanted: str, prefix: str, literal: bool, way: Sequence[str | int]) -> Any:
        """What of a value begins with a prefix; see inspect.lua."""
        return self._inspect("candidates")(wanted, prefix, LIMIT, SCANNED, literal, *way)

    def host_names(self) -> list[str]:
        """All that `host` has, also what the script has not used yet."""
        return [*self._host_names(), *_LEVELS]

    def close(self) -> None:
        """End the runtime; harmless when closed already. Finalizers of the script run now."""
        self.lock.acquire(entering=False)
        try:
            self._inspection = self._typed = None
            self._lua = Gone()
            self._crossing.close()
        finally:
            self.lock.release()


def _result_row(row: tuple[Any, ...]) -> ResultRow:
    depth, label, text, kind, brackets, size, hidden = row
    return depth, _shown(label), _whole(text), text_of(kind), text_of(brackets), size, hidden


def _whole(text: str | bytes) -> str:
    return text if isinstance(text, str) else text.decode("utf-8", "backslashreplace")


def _rows(text: str | bytes) -> Iterator[Row]:
    fields = text_of(text).split("\0\1") if text else ()
    for depth, step, label, kind, value, size, flags in batched(fields, 7, strict=True):
        place: str | int = int(step[1:]) if step[0] == "#" else step[1:]
        number = _number(kind, value) if kind in _NUMBERS else None
        items = None if size == "-1" else int(float(size))
        yield int(depth), place, label, kind, value, items, int(flags), number


def _number(kind: str, text: str) -> float | None:
    try:
        return float(text) if kind in _NUMBERS else None
    except ValueError:
        return None


def _describe(value: Any) -> list[str]:
    """Type and text of a Python object that a Lua script has; runs no code of another script."""
    from scriptengines.summary import summarize, type_name

    return [type_name(cast("type[Any]", type(value))), summarize(value)]


def _shown(text: str | bytes) -> str:
    """A short text, which may end within a character."""
    return (text if isinstance(text, str) else text.decode("utf-8", "ignore"))[:200]
