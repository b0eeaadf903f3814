"""TCP for scripts: connections and listeners that call back."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

from scriptengines.host import HostObject
from scriptengines.hostapi.registry import host_function

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scriptengines.host import Host


class Connection(HostObject, asyncio.Protocol):
    """One TCP connection of a script.

    Attributes:
        id: Its number in the console's list.
        peer: Remote address, "host:port".
        local: Own address.
    """

    def __init__(self, host: Host, handlers: Mapping[str, Any]) -> None:
        super().__init__(host)
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

    @property
    def local_address(self) -> str:
        """`local`, by a name that Lua can write."""
        return self.local

    def __str__(self) -> str:
        return f"connection {self.id}"

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


class Listener(HostObject):
    """One listening TCP socket of a script."""

    def __init__(self, host: Host, server: asyncio.Server) -> None:
        super().__init__(host)
        self._server = server
        names = [sock.getsockname() for sock in server.sockets]
        self.local = _format_address(names[0])
        self.port: int = names[0][1]

    @property
    def local_address(self) -> str:
        """`local`, by a name that Lua can write."""
        return self.local

    def __str__(self) -> str:
        return f"listener {self.local}"

    def close(self) -> None:
        """Stop listening; accepted connections live on."""
        self._server.close()


@host_function("network")
def tcp_connect(
    host: Host, address: str, port: int, handlers: Mapping[str, Any] | None = None, **named: Any
) -> Connection:
    """Open a TCP connection.

    Args:
        address: Name or address.
        port: 1 to 65535.
        handlers: "connected"(connection), "data"(connection, bytes), "closed"(connection, error or None),
            "error"(message); may be given by keyword too.

    Returns:
        The connection; it can send once "connected" was called.
    """
    connection = Connection(host, {**(handlers or {}), **named})

    async def open_it() -> None:
        try:
            await host.loop.create_connection(lambda: connection, address, int(port))
        except OSError as error:
            connection.fail(error)

    host.loop.create_task(open_it(), name=f"tcp_connect {address}:{port}")
    return connection


@host_function("network")
def tcp_serve(
    host: Host, address: str, port: int, handlers: Mapping[str, Any] | None = None, **named: Any
) -> Listener:
    """Listen for TCP connections, at once.

    Args:
        address: To bind; "127.0.0.1" keeps it on this machine.
        port: 0 lets the system choose: see the result's `port`.
        handlers: As for `tcp_connect`.

    Returns:
        The listener.

    Raises:
        OSError: The port is in use or may not be bound.
    """
    wanted = {**(handlers or {}), **named}
    bound = host.loop.bound_socket(address, int(port))
    coroutine = host.loop.create_server(lambda: Connection(host, wanted), sock=bound)
    return Listener(host, _finish_now(coroutine))


def _finish_now(coroutine: Any) -> Any:
    """Run a coroutine to its end that only waits for the next turn of the loop, as create_server does."""
    try:
        while coroutine.send(None) is None:
            pass
    except StopIteration as stop:
        return stop.value
    raise AssertionError(f"{coroutine!r} waits")


def _format_address(name: Any) -> str:
    if isinstance(name, tuple):
        host, port = cast("tuple[Any, ...]", name)[:2]
        return f"[{host}]:{port}" if ":" in str(host) else f"{host}:{port}"
    return str(name or "")
