"""Calls from Lua into Python: how arguments, results and failures pass through lupa."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from scriptnative.errors import CallError, ScriptClosed

if TYPE_CHECKING:
    from collections.abc import Callable

    from .values import Values

FAIL = object()
"""What a failed call gives back; the prelude then raises `HostCalls.problem` in Lua."""


class HostCalls:
    """Every call from one Lua state into Python goes through here.

    Nothing is raised through lupa: it keeps one exception per runtime, and Lua code that catches it would see
    a Python object instead of a text.

    Attributes:
        name: Of the script.
        failure: The exception behind the last failed call, until the outermost call of the script returns.
        problem: Its text, as Lua code sees it.
        values: The conversions; None once the state is closed.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.failure: BaseException | None = None
        self.problem = b""
        self.values: Values | None = None

    def __call__(self, target: Callable[..., Any], *raw: Any) -> Any:
        """Call `target` with the arguments converted."""
        values = self.values
        if values is None:
            return self._fail(ScriptClosed(f"{self.name} is closed"))
        try:
            args = values.arguments_to_python(raw)
        except Exception as error:  # noqa: BLE001 - also lupa's, when an interrupt strikes meanwhile
            return self._fail(error.with_traceback(None))
        # A lupa object uses the coroutine that called, also when it goes: no traceback may keep one.
        del raw
        return self._finish(target, args)

    def raw(self, target: Callable[..., Any]) -> Callable[..., Any]:
        """A function for Lua whose arguments stay as lupa gives them: strings are bytes."""
        return partial(self._call_raw, target)

    def _call_raw(self, target: Callable[..., Any], *args: Any) -> Any:
        return self._finish(target, args)

    def _finish(self, target: Callable[..., Any], args: list[Any] | tuple[Any, ...]) -> Any:
        try:
            result = target(*args)
        except BaseException as error:  # noqa: BLE001 - it becomes a Lua error, and is raised again at the top
            return self._fail(error)
        if self.values is None:  # a finalizer of the script, while the runtime goes
            return None
        try:
            return self.values.to_lua(result)
        except Exception as error:  # noqa: BLE001 - as above
            return self._fail(error.with_traceback(None))

    def _fail(self, error: BaseException) -> object:
        text = str(error) if isinstance(error, CallError) else f"{type(error).__name__}: {error}"
        if self.values is not None:
            self.failure = error
        self.problem = text.encode("utf-8", "replace")
        return FAIL

    def last_problem(self) -> bytes:
        """For the prelude."""
        return self.problem

    def close(self) -> None:
        """Let go of the runtime."""
        self.values = self.failure = None


def write(sink: Callable[[str, str], None], stream: str, text: bytes) -> None:
    """What `print` and `io.write` call."""
    sink(text.decode("utf-8", "surrogateescape"), stream)


def stop(code: Any) -> None:
    """What `os.exit` calls."""
    raise SystemExit(code)


def refuse(obj: object, *operands: object) -> None:
    """What lupa calls when Lua code reads or writes an attribute of a Python object."""
    del operands  # lupa keeps the exception, and with it this frame
    raise AttributeError(f"a Python {type(obj).__name__} is opaque to Lua")


def connection_get(connection: Any, name: bytes) -> Any:
    """A field of a connection or listener; None for what is none."""
    attribute = {b"local_address": "local", b"peer": "peer", b"id": "id", b"port": "port"}.get(name)
    return None if attribute is None else getattr(connection, attribute, None)


def connection_send(connection: Any, payload: bytes) -> None:
    """`connection:send(bytes)`."""
    connection.send(payload)


def connection_close(connection: Any) -> None:
    """`connection:close()`."""
    connection.close()
