"""One Lua state: a generation of a Lua script, with everything that enters or leaves it.

What a script is, its thread, its loop and its reload belong to the engine. Every method takes the run lock;
what runs code of the script is guarded, so that `guard.interrupt(reason)` from another thread stops it.
"""

from __future__ import annotations

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# lupa has no types for what a runtime without an encoding gives.
import os
import re
from functools import cache, partial
from itertools import batched
from typing import TYPE_CHECKING, Any

from scriptnative import LuaGuard
from scriptnative.errors import (
    CrossingError,
    ScriptClosed,
    UnknownFunction,
    did_you_mean,
)

from .hostcalls import (
    FAIL,
    HostCalls,
    connection_close,
    connection_get,
    connection_send,
    refuse,
    stop,
    write,
)
from .traces import Sources, host_error, interruption, load_error, lua_error, path_of, text_of
from .values import LuaCallable, Values, items_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from scriptengines.view import FunctionInfo
    from scriptnative import RunLock
    from scriptnative.errors import RemoteFrame

_CHAIN = re.compile(r"((?:[A-Za-z_]\w*[.:])*)([A-Za-z_]\w*)?$")
_LEVELS = ("debug", "info", "warning", "error")
_OWN = b"=[scriptconsole]"
MAX_COMPLETIONS = 200


@cache
def _read(name: str) -> bytes:
    with open(os.path.join(os.path.dirname(__file__), name), "rb") as file:
        return file.read()


class LuaState:
    """A Lua runtime with `host`, ready to run one script.

    Args:
        name: Of the script, for messages.
        lock: Its run lock.
        sink: `sink(text, stream)` takes what the script prints; the stream is "stdout" or "stderr".
    """

    def __init__(self, name: str, lock: RunLock, sink: Callable[[str, str], None]) -> None:
        import lupa.lua54 as lupa

        self.name = name
        self.lock = lock
        self.guard = LuaGuard(lock)
        self.dropped: list[int] = []
        self._open = False
        self._lua_error: type[Exception] = lupa.LuaError
        self._calls = calls = HostCalls(name)
        self.sources = Sources()
        self._inspection: dict[str, Any] | None = None
        make: Any = lupa.LuaRuntime  # its stub lacks most parameters
        runtime = make(
            encoding=None, register_eval=False, register_builtins=False, attribute_handlers=(refuse, refuse)
        )
        python = (*(partial(write, sink, stream) for stream in ("stdout", "stderr")), stop)
        with lock:
            if not self.guard.install(runtime):
                runtime.execute(_read("poll.lua"), self.guard.is_target, name=_OWN)
            prelude = runtime.execute(
                _read("prelude.lua"),
                FAIL,
                calls.last_problem,
                *map(calls.raw, (*python, connection_get, connection_send, connection_close)),
                name=_OWN,
            )
            self._lua: dict[str, Any] = {key.decode(): value for key, value in prelude.items()}
            self._call_lua, self._call_held = self._lua["call"], self._lua["call_held"]
            self._values = calls.values = Values(runtime, self, self._lua["wrap"], self._lua["retain"], calls)
        self._open = True

    # ---- Python calls Lua ----------------------------------------------------------------------

    def call_value(self, fn: Any, args: Sequence[Any] = ()) -> Any:
        """Call a Lua function in a fresh coroutine.

        Args:
            fn: What `lookup` gave, or a LuaCallable of this state.
            args: Python values.

        Returns:
            None, the result, or a tuple of several; None when it yielded.

        Raises:
            CallError: It raised; the frames are those of all languages.
            CrossingError: An argument or the result cannot cross.
            Interrupted: It was stopped.
        """
        with self.lock:
            self._ready()
            if isinstance(fn, LuaCallable):
                fn = fn.fetch()
            return self._enter(self._call_lua, fn, args)

    def call_held(self, number: int, args: tuple[Any, ...]) -> Any:
        """Call the function that a LuaCallable stands for."""
        with self.lock:
            self._ready()
            return self._enter(self._call_held, number, args)

    def _ready(self) -> None:
        if not self._open:
            raise ScriptClosed(f"{self.name} is closed; load it again to call it")
        if self.dropped and self.guard.depth == 0:  # deeper, an interrupt could strike in between
            numbers = self.dropped[:]
            del self.dropped[: len(numbers)]  # other threads may append meanwhile
            for start in range(0, len(numbers), 100):
                self._lua["release"](*numbers[start : start + 100])

    def _enter(self, call: Any, target: Any, args: Iterable[Any]) -> Any:
        """Run code of the script: `call` is the prelude's for `target`. Converts both ways.

        Conversions are inside the guard: they call functions of the prelude, where an interrupt can strike.
        """
        guard, values = self.guard, self._values
        error: Exception | None = None
        outcome: Any = None
        failed = False
        guard.enter()
        try:
            outcome = call(target, *values.arguments_to_lua(args))
            failed = type(outcome) is tuple and outcome[0] is FAIL
            if not failed:
                outcome = values.result_to_python(outcome)
        except self._lua_error as caught:
            # A frame may hold a table made within a coroutine, which must not outlive that.
            error = caught.with_traceback(None)
        finally:
            guard.leave()
        try:
            if error is not None:
                raise self.translate(error)
            if failed:
                _, value, plain, trace = outcome
                raise self._error(value, plain, self.sources.frames(items_of(trace)))
        finally:
            if guard.depth == 0:
                self._calls.failure = None
        return outcome

    def to_python(self, value: Any) -> Any:
        """Convert what a function gave that was called directly, with the run lock held."""
        return self._values.result_to_python(value)

    # ---- errors --------------------------------------------------------------------------------

    def translate(self, error: BaseException) -> BaseException:
        """The error for what lupa raised from a direct call; after `guard.leave()`, with the lock held.

        Returns:
            `Interrupted` when the guard was, else a `CallError`.
        """
        reason: str | None = self.guard.take_interrupted()
        if reason is not None:
            frames: list[RemoteFrame] = []
            if self.guard.depth == 0:  # before the outermost call is left, nothing can run in Lua
                frames = self.sources.frames(items_of(self._lua["interrupted_trace"]()))
                if not frames and self.guard.stopped_at is not None:
                    source, line = self.guard.stopped_at
                    frames = [self.sources.frame(path_of(source), line, "<function>")]
            return interruption(reason, frames)
        if not isinstance(error, self._lua_error):
            return error
        # lupa decodes as latin-1 what it takes from a runtime without an encoding.
        message, _, stack = str(error).encode("latin-1", "replace").partition(b"\nstack traceback:\n")
        frames = self.sources.frames_of_traceback(text_of(stack))
        return self._error(message or type(error).__name__.encode(), True, frames)

    def _error(self, value: Any, plain: bool, frames: list[RemoteFrame]) -> BaseException:
        """The Python error for a Lua error value and the Lua stack it was raised on."""
        if isinstance(value, BaseException):
            return host_error(value, frames)
        failure = self._calls.failure
        if failure is not None and plain and value.endswith(self._calls.problem):
            return host_error(failure, frames)
        return lua_error(value, plain, frames)

    # ---- the script ----------------------------------------------------------------------------

    def bind(self, host: Mapping[str, Callable[..., Any]]) -> None:
        """Offer functions as `host.*`; the timer globals come with set_timeout, set_interval and clear_timer.

        `log` also gives host.debug, host.info, host.warning and host.error.
        """
        with self.lock:
            self._ready()
            offered = dict(host)
            if "log" in host:
                offered |= {
                    level: partial(host["log"], level=level) for level in _LEVELS if level not in host
                }
            for name, function in offered.items():
                self._lua["bind"](name.encode(), partial(self._calls, function))

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
            self._ready()
            self.sources.add(path, text_of(source))
            words = self._values.arguments_to_lua(args)
            self._lua["prepare"](os.fsencode(path), os.fsencode(os.path.dirname(path) or "."), *words)
            chunk = self._compile("compile", path, code, b"@" + os.fsencode(path))
            return self._enter(self._call_lua, chunk, args)

    def _compile(self, compiler: str, path: str, *args: bytes) -> Any:
        chunk = self._lua[compiler](*args)
        if type(chunk) is tuple:  # nil, message
            raise load_error(self.sources, path, chunk[1])
        return chunk

    def export_state(self) -> dict[Any, Any]:
        """A copy of `host.state`."""
        with self.lock:
            self._ready()
            table = self._lua["host"][b"state"]
            if type(table) is not type(self._lua["host"]):
                raise CrossingError("host.state must be a table")
            return self._values.to_python(table, always_dict=True)

    def import_state(self, state: Mapping[Any, Any]) -> None:
        """Replace `host.state`."""
        with self.lock:
            self._ready()
            self._lua["host"][b"state"] = self._values.to_lua(dict(state))

    def lookup(self, name: str) -> Any:
        """The Lua function of that name, `a.b` too, as a lupa object; None if there is none."""
        with self.lock:
            self._ready()
            return self._lua["lookup"](*(part.encode() for part in name.split(".")))

    def call(self, name: str, args: Sequence[Any] = ()) -> Any:
        """Call a function by name; see `call_value`.

        Raises:
            UnknownFunction: There is none.
        """
        with self.lock:
            function = self.lookup(name)
            if function is None:
                hint = did_you_mean(name, [known.name for known in self.functions()])
                raise UnknownFunction(f'{self.name} has no function "{name}".{hint}')
            return self.call_value(function, args)

    # ---- looking in ----------------------------------------------------------------------------

    def _inspect(self, name: str) -> Any:
        if self._inspection is None:
            table = self._lua["extend"](_read("inspect.lua"))
            self._inspection = {key.decode(): value for key, value in table.items()}
        return self._inspection[name]

    def functions(self) -> list[FunctionInfo]:
        """Global functions the script defined, in order of definition."""
        from scriptengines.view import FunctionInfo

        with self.lock:
            self._ready()
            flat = items_of(self._inspect("functions")())
        comment = self.sources.comment_above
        found = [
            FunctionInfo(text_of(name), text_of(signature), comment(path_of(source), line), line)
            for name, signature, line, source in batched(flat, 4, strict=True)
        ]
        return sorted(found, key=lambda function: (function.line, function.name))

    def variables(self, limit: int = 500) -> list[tuple[str, str, str, int | None]]:
        """Global variables of the script, by name: (name, type, short text, size)."""
        with self.lock:
            self._ready()
            flat = items_of(self._inspect("variables")(limit))
        return [
            (text_of(name), text_of(kind), text.decode("utf-8", "ignore")[:200], None if size < 0 else size)
            for name, kind, text, size in batched(flat, 4, strict=True)
        ]

    def get(self, path: Iterable[str | int]) -> Any:
        """A global variable, or what is inside it."""
        with self.lock:
            self._ready()
            return self._enter(self._call_lua, self._inspect("get"), path)

    def set(self, path: Iterable[str | int], value: Any) -> None:
        """Set a global variable, or something inside it."""
        with self.lock:
            self._ready()
            *way, last = path
            self._enter(self._call_lua, self._inspect("set"), (value, last, *way))

    def evaluate(self, expression: str) -> Any:
        """The value of an expression (or of `return`, or of statements: None) in the global scope."""
        with self.lock:
            self._ready()
            chunk = self._compile("compile_line", "(console)", expression.encode("utf-8", "surrogateescape"))
            return self._enter(self._call_lua, chunk, ())

    def execute(self, code: str) -> None:
        """Run statements in the global scope."""
        with self.lock:
            self._ready()
            source = code.encode("utf-8", "surrogateescape")
            chunk = self._compile("compile", "(console)", source, b"=(console)")
            self._enter(self._call_lua, chunk, ())

    def complete(self, text: str, cursor: int) -> list[str]:
        """What the name left of the cursor can become, with the names before its dots."""
        match = _CHAIN.search(text[:cursor])
        head, prefix = (match[1], match[2] or "") if match else ("", "")
        way = [part.encode() for part in re.split("[.:]", head)[:-1]]
        with self.lock:
            self._ready()
            found = self._inspect("complete")(prefix.encode(), MAX_COMPLETIONS, *way)
            names = [text_of(name) for name in found.values()]
        return [head + name for name in sorted(names)]

    # ---- references ----------------------------------------------------------------------------

    def fetch(self, number: int) -> Any:
        """The lupa object a reference stands for; with the run lock held."""
        self._ready()
        return self._lua["fetch"](number)

    def describe_held(self, number: int) -> tuple[str, str]:
        """Name and place of a held value; empty when the script is busy or closed."""
        try:
            if not self._open or not self.lock.acquire(0):
                return "", ""
        except ScriptClosed:
            return "", ""
        try:
            name, place = self._lua["describe_held"](number)
            return text_of(name), os.path.basename(text_of(place))
        finally:
            self.lock.release()

    def close(self) -> None:
        """Drop the runtime; harmless when closed already. Finalizers of the script run now."""
        self.lock.acquire(entering=False)
        try:
            # Breaks every cycle between this object and the runtime, which holds our functions.
            self._open = False
            self._calls.close()
            self._call_lua = self._call_held = self._inspection = None
            self._lua.clear()
            vars(self).pop("_values", None)
        finally:
            self.lock.release()
