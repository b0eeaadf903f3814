"""What a script may ask of the console: `host.*`, the same object in every engine.

Timers and sockets live on the script's own loop; calls, hooks and the session's state go over the bridge,
which is the session itself or references to it.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import os
import threading
import time
from typing import TYPE_CHECKING, Any, cast

from .hooks import replace, veto
from .inspection import describe_callable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .loop import ScriptLoop
    from .reports import Reporter

LEVELS = ("debug", "info", "warning", "error")
_OURS = os.path.dirname(os.path.abspath(__file__)) + os.sep
_STDLIB = os.path.dirname(os.path.abspath(threading.__file__)) + os.sep


class Timer:
    """One timer a script set through the host."""

    __slots__ = ("args", "callback", "count", "due", "handle", "host", "id", "interval", "kind", "source")

    def __init__(
        self, host: Host, kind: str, callback: Any, milliseconds: float, args: tuple[Any, ...]
    ) -> None:
        self.host = host
        self.id = host.loop.next_id()
        self.kind = kind
        self.callback = callback
        self.args = args
        self.interval = milliseconds
        self.count = 0
        self.source = _caller() if host.in_python else ""
        self.due = host.loop.time() + max(milliseconds, 0.0) / 1000.0
        self.handle: Any = None
        self.schedule()

    def schedule(self) -> None:
        """Ask the loop for the next `fire`."""
        loop = self.host.loop
        self.handle = loop.call_soon(self.fire) if self.interval <= 0 else loop.call_at(self.due, self.fire)

    def fire(self) -> None:
        """Call the script's function; an interval is set again, a timeout is over."""
        self.count += 1
        if self.kind == "interval":
            # Without drift; but what a pause or a long callback swallowed is not made up for.
            self.due = max(self.due + self.interval / 1000.0, self.host.loop.time())
            self.schedule()
        else:
            self.host.timers.pop(self.id, None)
        self.host.run(f"{self.kind} callback", self.callback, self.args)

    # By this the loop tells our timers from asyncio's; a function's own attributes have no types.
    fire.host_timer = True  # pyright: ignore[reportFunctionMemberAccess]


class Connection(asyncio.Protocol):
    """One TCP connection of a script.

    Attributes:
        id: Its number in the console's list.
        peer: Remote address, "host:port".
        local: Own address.
    """

    def __init__(self, host: Host, handlers: Mapping[str, Any]) -> None:
        self._host = host
        self._handlers = handlers
        self._transport: Any = None
        self.id = 0
        self.peer = ""
        self.local = ""

    def connection_made(self, transport: Any) -> None:
        """For asyncio: the connection is there; tell the script."""
        self._transport = transport
        self.id = transport.observed_id
        self.peer = _format_address(transport.get_extra_info("peername"))
        self.local = _format_address(transport.get_extra_info("sockname"))
        self._notify("connected", self)

    def data_received(self, data: bytes) -> None:
        """For asyncio: hand what arrived to the script."""
        self._notify("data", self, data)

    def connection_lost(self, exc: Exception | None) -> None:
        """For asyncio: tell the script that the connection has ended, and why."""
        self._notify("closed", self, None if exc is None else str(exc))

    def _notify(self, event: str, *args: Any) -> None:
        handler = self._handlers.get(event)
        if handler is not None:
            self._host.run(f"connection {event} callback", handler, args)

    def send(self, payload: bytes | str) -> None:
        """Send bytes, or a str as UTF-8."""
        if self._transport is None or self._transport.is_closing():
            raise ConnectionError("the connection is not open")
        self._transport.write(payload.encode() if isinstance(payload, str) else bytes(payload))

    def close(self) -> None:
        """Close after what was sent has left; harmless when closed already."""
        if self._transport is not None:
            self._transport.close()

    def fail(self, error: BaseException) -> None:
        """Tell the script that no connection came about."""
        handler = self._handlers.get("error")
        if handler is None:
            self._host.reporter.error("tcp_connect", error)
        else:
            self._host.run("connection error callback", handler, (str(error),))


class Listener:
    """One listening TCP socket of a script."""

    def __init__(self, server: asyncio.Server) -> None:
        self._server = server
        names = [sock.getsockname() for sock in server.sockets]
        self.local = _format_address(names[0])
        self.port: int = names[0][1]

    def close(self) -> None:
        """Stop listening; accepted connections live on."""
        self._server.close()


class Host:
    """The host API of one generation of a script.

    Args:
        loop: The script's loop.
        reporter: Takes log lines and errors of callbacks.
        bridge: The session's side: "call", "on", "off", "emit", "consult".
        state: What survives a reload.
        in_python: Whether the script is Python, so that the Python stack tells which line of it asks.
    """

    def __init__(
        self,
        loop: ScriptLoop,
        reporter: Reporter,
        bridge: Mapping[str, Callable[..., Any]],
        state: dict[Any, Any],
        *,
        in_python: bool,
    ) -> None:
        self.in_python = in_python
        self.loop = loop
        self.reporter = reporter
        self.bridge = bridge
        self.state = state
        self.timers: dict[int, Timer] = {}

    # ---- log ----------------------------------------------------------------------------------

    def log(self, *values: Any, level: str = "info") -> None:
        """Write a line to the console's log.

        Args:
            values: Shown as `str`, separated by a space.
            level: "debug", "info", "warning" or "error".
        """
        if level not in LEVELS:
            raise ValueError(f'no log level "{level}"; use one of {", ".join(LEVELS)}')
        self.reporter.log(level, " ".join(map(_text, values)))

    def print(self, *values: Any) -> None:
        """Write a line of output, as the language's own `print` does; for languages that have none."""
        self.reporter.output(" ".join(map(_text, values)))

    # ---- timers -------------------------------------------------------------------------------

    def set_timeout(self, callback: Callable[..., Any], ms: float, *args: Any) -> int:
        """Call `callback(*args)` once.

        Args:
            callback: A function; may be `async def`.
            ms: Milliseconds from now; 0 or less means the next turn of the loop.
            args: Passed on.

        Returns:
            A number for `clear_timer`.
        """
        return self._set("timeout", callback, ms, args)

    def set_interval(self, callback: Callable[..., Any], ms: float, *args: Any) -> int:
        """Call `callback(*args)` every `ms` milliseconds, without drift, first after `ms`.

        Returns:
            A number for `clear_timer`.
        """
        return self._set("interval", callback, ms, args)

    def _set(self, kind: str, callback: Any, ms: Any, args: tuple[Any, ...]) -> int:
        if isinstance(ms, bool) or not isinstance(ms, (int, float)):
            raise TypeError(f"ms must be a number of milliseconds, got {type(ms).__name__}")
        if not callable(callback):
            raise TypeError(f"the callback must be a function, got {type(callback).__name__}")
        timer = Timer(self, kind, callback, ms, args)
        self.timers[timer.id] = timer
        return timer.id

    def clear_timer(self, timer_id: int) -> bool:
        """Cancel a timer.

        Returns:
            Whether it was still pending.
        """
        timer = self.timers.pop(timer_id, None)
        if timer is None:
            return False
        timer.handle.cancel()
        # The last timer gone may end the run: let the loop look.
        self.loop.call_soon(_nothing)
        return True

    # ---- scripts ------------------------------------------------------------------------------

    def call(self, alias: str, function: str, *args: Any, **kwargs: Any) -> Any:
        """Call a function of another script and return its result."""
        return self.bridge["call"](alias, function, *args, **kwargs)

    def on(self, hook: str, callback: Callable[..., Any], priority: int = 0) -> int:
        """Call `callback(*args)` whenever any script emits `hook`; higher priorities first.

        Returns:
            A number for `off`.
        """
        if not callable(callback):
            raise TypeError(f"the callback must be a function, got {type(callback).__name__}")
        if inspect.iscoroutinefunction(callback):
            callback = functools.partial(self._start, callback)
        return self.bridge["on"](hook, callback, priority)

    def off(self, subscription: int) -> bool:
        """End a subscription; whether there was one."""
        return self.bridge["off"](subscription)

    def emit(self, hook: str, *args: Any) -> int:
        """Call all subscribers of `hook`; one that fails is reported and skipped.

        Returns:
            How many took it.
        """
        return self.bridge["emit"](hook, *args)

    def consult(self, hook: str, *args: Any) -> list[Any] | None:
        """As `emit`, and ask what the subscribers make of the arguments.

        Returns:
            The arguments as they are after all replacements; None when one of them vetoed.
        """
        return self.bridge["consult"](hook, *args)

    def veto(self, reason: str = "") -> tuple[Any, ...]:
        """What a callback of a hook returns to keep those after it from being called."""
        return veto(str(reason))

    def replace(self, *args: Any) -> tuple[Any, ...]:
        """What a callback of a hook returns to give those after it other arguments."""
        return replace(*args)

    # ---- network ------------------------------------------------------------------------------

    def tcp_connect(
        self, host: str, port: int, handlers: Mapping[str, Any] | None = None, **named: Any
    ) -> Connection:
        """Open a TCP connection.

        Args:
            host: Name or address.
            port: 1 to 65535.
            handlers: "connected"(connection), "data"(connection, bytes), "closed"(connection, error or None),
                "error"(message); may be given by keyword too.

        Returns:
            The connection; it can send once "connected" was called.
        """
        connection = Connection(self, {**(handlers or {}), **named})

        async def open_it() -> None:
            try:
                await self.loop.create_connection(lambda: connection, host, int(port))
            except OSError as error:
                connection.fail(error)

        self.loop.create_task(open_it(), name=f"tcp_connect {host}:{port}")
        return connection

    def tcp_serve(
        self, host: str, port: int, handlers: Mapping[str, Any] | None = None, **named: Any
    ) -> Listener:
        """Listen for TCP connections, at once.

        Args:
            host: Address to bind; "127.0.0.1" keeps it on this machine.
            port: 0 lets the system choose: see the result's `port`.
            handlers: As for `tcp_connect`.

        Returns:
            The listener.

        Raises:
            OSError: The port is in use or may not be bound.
        """
        wanted = {**(handlers or {}), **named}
        bound = self.loop.bound_socket(host, int(port))
        coroutine = self.loop.create_server(lambda: Connection(self, wanted), sock=bound)
        return Listener(_finish_now(coroutine))

    # ---- callbacks ----------------------------------------------------------------------------

    def run(self, where: str, callback: Any, args: tuple[Any, ...]) -> None:
        """Run a callback of the script; an error is reported and stays here."""
        try:
            result = callback(*args)
            if inspect.iscoroutine(result):
                self._follow(result)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001 - whatever a script raises ends here, in the report
            self.loop.interrupt_has_arrived(error)
            self.reporter.error(where, error)

    def _start(self, callback: Callable[..., Any], *args: Any) -> None:
        self._follow(callback(*args))

    def _follow(self, coroutine: Any) -> None:
        self.loop.create_task(coroutine).add_done_callback(self._report_task)

    def _report_task(self, task: asyncio.Task[Any]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self.reporter.error("async callback", error)

    def timer_rows(self, limit: int) -> list[tuple[int, str, float, float, int, str, str]]:
        """All pending timers, soonest first, as ScriptLoop.asyncio_timers gives them."""
        offset = time.time() - self.loop.time()
        own = sorted(list(self.timers.values()), key=lambda timer: timer.due)[:limit]
        rows = [
            (timer.id, timer.kind, float(timer.interval), timer.due + offset, timer.count, *_describe(timer))
            for timer in own
        ]
        return sorted(rows + self.loop.asyncio_timers(limit), key=lambda row: row[3])[:limit]

    def cancel_timer(self, timer_id: int) -> bool:
        """Cancel any timer of the list, the script's or asyncio's."""
        return self.clear_timer(timer_id) or self.loop.cancel_asyncio_timer(timer_id)


FUNCTIONS = (
    "log",
    "set_timeout",
    "set_interval",
    "clear_timer",
    "call",
    "on",
    "off",
    "emit",
    "consult",
    "veto",
    "replace",
    "tcp_connect",
    "tcp_serve",
)
"""Names of the host functions that every engine offers."""


def _nothing() -> None:
    pass


def _describe(timer: Timer) -> tuple[str, str]:
    name, source = describe_callable(timer.callback)
    return name, timer.source or source


def _finish_now(coroutine: Any) -> Any:
    """Run a coroutine to its end that only waits for the next turn of the loop, as create_server does."""
    try:
        while coroutine.send(None) is None:
            pass
    except StopIteration as stop:
        return stop.value
    raise AssertionError(f"{coroutine!r} waits")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else str(value)


def _format_address(name: Any) -> str:
    if isinstance(name, tuple):
        host, port = cast("tuple[Any, ...]", name)[:2]
        return f"[{host}]:{port}" if ":" in str(host) else f"{host}:{port}"
    return str(name or "")


def _caller() -> str:
    """ "file:line" of the script line that asked the host; "" when a script of another language did."""
    frame = inspect.currentframe()
    while frame is not None and frame.f_code.co_filename.startswith(_OURS):
        frame = frame.f_back
    if frame is None or frame.f_code.co_filename.startswith(("<", _STDLIB)):
        return ""
    return f"{frame.f_code.co_filename.rpartition('/')[2]}:{frame.f_lineno}"
