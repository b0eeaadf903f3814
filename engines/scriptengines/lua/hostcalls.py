"""What the crossing of one Lua state asks of Python: texts of failures, errors, fields of objects."""

from __future__ import annotations

import inspect
import threading
from functools import partial
from itertools import batched
from typing import TYPE_CHECKING, Any, cast

from scriptengines.host import HostObject
from scriptnative import LuaReference, Outlet, Reference
from scriptnative.errors import CallError, Interrupted, ScriptInterrupt

from .traces import Sources, host_error, interruption, limit_error, lua_error, path_of, text_of

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence

    from scriptengines.loop import ScriptLoop
    from scriptnative import LuaGuard

_OWN = "[scriptconsole]"


class HostCalls:
    """The report of a LuaCrossing; see _native.pyi.

    Args:
        guard: Of the state; tells why and where it was interrupted.
        sources: The files of the state.
        limit: Bytes its memory is limited to, 0 for none.

    Attributes:
        unwrap: Gives the Python exception that lupa raised in Lua; of a state whose script uses lupa.
        method: Makes a Lua function of a method of a host object and of whether it waits.
        await_end: Tells whether a coroutine waits for the host, and has its end told; of the prelude.
        loop: The script's; None where nothing can wait.
        report: Takes errors that nobody waits for, and their place.
        sender: Makes `send` of a type with an Outlet a function that needs no Python while all is well.
        remember: Tells Lua the method of that name of all objects of a type, given by its id.
    """

    def __init__(self, guard: LuaGuard, sources: Sources, limit: int) -> None:
        self._guard = guard
        self._sources = sources
        self._limit = limit
        self.unwrap: Callable[[LuaReference], Any] | None = None
        self.method: Callable[..., Any] | None = None
        self.await_end: Callable[..., Any] | None = None
        self.loop: ScriptLoop | None = None
        self.report: Callable[[str, BaseException], None] | None = None
        self._leaving: BaseException | None = None
        self.remember: Callable[..., Any] | None = None
        self.sender: Callable[..., Any] | None = None
        self._methods: dict[tuple[type, str], Any] = {}

    # ---- errors --------------------------------------------------------------------------------

    def problem(self, error: BaseException) -> bytes:
        """What Lua code sees of an exception."""
        if isinstance(error, (SystemExit, KeyboardInterrupt)):
            self._leaving = error
        text = str(error) if isinstance(error, CallError) else f"{type(error).__name__}: {error}"
        return text.encode("utf-8", "replace")

    def failed(
        self,
        value: Any,
        plain: bool,
        trace: list[tuple[bytes, int, bytes]],
        failure: BaseException | None,
        problem: bytes,
        interrupted: bool,
        over_limit: bool,
    ) -> BaseException:
        """The exception for a Lua call that failed.

        Args:
            value: The error value: bytes, or a text or exception in its place.
            plain: Whether it was a string, which begins with its position.
            trace: The Lua stack, innermost first: source, line, name.
            failure: What a call from Lua into Python raised last.
            problem: Its text.
            interrupted: Whether the call was stopped from outside.
            over_limit: Whether memory was refused to it.
        """
        frames = [frame for frame in self._sources.frames(trace) if frame.file != _OWN]
        if frames and not frames[-1].line and plain:  # LuaJIT has lost it by now, but for the text
            frames[-1] = self._sources.placed(frames[-1], text_of(value))
        if interrupted:
            stopped = self._guard.stopped_at
            if stopped is not None and (not frames or not frames[-1].line):
                name = frames.pop().function if frames else "<function>"
                frames.append(self._sources.frame(path_of(stopped[0]), stopped[1], name))
            return interruption(self._guard.reason or "stopped", frames)
        raised: Any = value
        if self.unwrap is not None and isinstance(value, LuaReference):
            raised = self.unwrap(value)
        if isinstance(raised, BaseException):
            return host_error(raised, frames)
        text = raised if plain else b""
        if over_limit and b"not enough memory" in text:
            return limit_error(self._limit, frames)
        if failure is not None and plain and text.endswith(problem):
            return host_error(failure, frames)
        return lua_error(raised, plain, frames)

    def resumed_failed(
        self, value: Any, plain: bool, rows: Sequence[Any], tell: _Outcome | None, place: str | None
    ) -> None:
        """A coroutine that had waited for the host failed when it went on.

        Args:
            value: The error value, or its text.
            plain: Whether it was a string.
            rows: Its stack, innermost first: source, line, name, source …
            tell: Of whoever waits for the end of the coroutine.
            place: What the error is reported as; without both, it is raised here.
        """
        leaving, self._leaving = self._leaving, None
        trace = [tuple(row) for row in batched(rows, 3, strict=True)]
        frames = [frame for frame in self._sources.frames(cast("Any", trace)) if frame.file != _OWN]
        text: Any = value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
        if leaving is not None and plain and text.endswith(self.problem(leaving)):
            self._leaving = None
            error = host_error(leaving, frames)
        else:
            error = lua_error(text, plain, frames)
        if tell is None and place is not None and self.report is not None and error is not leaving:
            self.report(place, error)
            return
        if tell is None:
            raise error
        tell.fail(error)

    def suspended(self, coroutine: LuaReference) -> Any:
        """What a call from outside gives that has yielded: its result, if it waits for the host.

        Args:
            coroutine: The one it ran in.
        """
        loop = self.loop
        if loop is None or self.await_end is None or threading.get_ident() == loop.thread_id:
            return None
        outcome = _Outcome(loop)
        if not self.await_end(coroutine, outcome):
            return None
        from scriptengines.awaiting import run_to_end

        try:
            return run_to_end(loop, outcome.future)
        except ScriptInterrupt:  # it goes on; only nobody waits for it any more
            raise Interrupted("stopped while it waited") from None

    # ---- Python objects in Lua -------------------------------------------------------------------

    def get_field(self, obj: Any, name: Any) -> Any:
        """`object.name` in Lua."""
        _check_name(obj, name)
        if isinstance(obj, HostObject):
            return self._field_of(obj, name)
        return obj.get(name) if _is_remote(obj) else getattr(obj, name)

    def _field_of(self, obj: HostObject, name: str) -> Any:
        """As of a table: what is not there is nil. A method is a Lua function that can suspend."""
        kind = type(obj)
        found = self._methods.get((kind, name))
        if found is None:
            declared = getattr(kind, name, None)
            if not inspect.isfunction(declared):
                return getattr(obj, name, None)
            waits = inspect.iscoroutinefunction(declared)
            assert self.method is not None
            found = self.method(partial(_begin, name) if waits else declared, waits)
            if name == "send" and self.sender is not None and issubclass(kind, Outlet):
                found = self.sender(id(kind), found)
            self._methods[kind, name] = found  # and with it the type, whose id must not become another's
            if self.remember is not None:
                self.remember(id(kind), name, found)
        return found

    def set_field(self, obj: Any, name: Any, value: Any) -> None:
        """`object.name = value` in Lua."""
        _check_name(obj, name)
        if _is_remote(obj):
            obj.set(name, value)
        else:
            setattr(obj, name, value)

    def call_method(self, obj: Any, name: Any, *args: Any) -> Any:
        """`object:name(…)` in Lua."""
        _check_name(obj, name)
        return obj.call(name, *args) if _is_remote(obj) else getattr(obj, name)(*args)

    def text_of(self, obj: Any) -> str:
        """`tostring(object)` in Lua."""
        return str(obj)


class _Outcome:
    """The end of a coroutine that a caller on another thread waits for; called with what it gave."""

    def __init__(self, loop: ScriptLoop) -> None:
        self.future: asyncio.Future[Any] = loop.create_future()

    def __call__(self, *results: Any) -> None:
        if not self.future.done():
            self.future.set_result(results if len(results) > 1 else results[0] if results else None)

    def fail(self, error: BaseException) -> None:
        """It raised."""
        if not self.future.done():
            self.future.set_exception(error)


def _begin(name: str, obj: HostObject, *args: Any) -> Any:
    return obj.begin(name, *args)


def _is_remote(obj: Any) -> bool:
    return isinstance(obj, Reference) or getattr(cast("type[Any]", type(obj)), "__sc_object__", False) is True


def _check_name(obj: Any, name: Any) -> None:
    kind = type(obj).__name__
    if not isinstance(name, str):
        raise TypeError(f"the fields of a Python {kind} have names, got {name!r}")
    if name.startswith("_"):
        raise AttributeError(f'"{name}" of a Python {kind} is private')


def write(sink: Callable[[str, str], None], stream: str, text: str | bytes) -> None:
    """What `print` and `io.write` call."""
    sink(text if isinstance(text, str) else text.decode("utf-8", "surrogateescape"), stream)


def stop(code: Any) -> None:
    """What `os.exit` calls."""
    raise SystemExit(code)


def refuse(obj: object, *operands: object) -> None:
    """What lupa calls when Lua code reads or writes an attribute of a Python object of lupa's."""
    del operands  # lupa keeps the exception, and with it this frame
    raise AttributeError(f"a Python {type(obj).__name__} is opaque to Lua")
