"""TCP for scripts: how connections come about, and listeners; what a connection does is in `connection`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

from scriptengines.host import HostObject
from scriptengines.hostapi.registry import host_function

from .connection import EVENTS, Connection
from .failures import explain, format_address, format_endpoint
from .limits import ListeningSocket, Place
from .settings import count_in, port_of, seconds, split_handlers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scriptengines.host import Host

LOOPBACK = "127.0.0.1"
TLS_SHUTDOWN = 5.0
"""Seconds in which the other side has to confirm the end of a TLS connection."""


class Listener(HostObject):
    """One listening TCP socket of a script.

    Attributes:
        port: On which it listens.
        local: Address and port, "127.0.0.1:8080".
    """

    def __init__(self, host: Host, server: asyncio.Server, source: str) -> None:
        super().__init__(host)
        self._server = server
        self._source = source
        names = [sock.getsockname() for sock in server.sockets]
        self.local = format_address(names[0])
        self.port: int = names[0][1]

    @property
    def local_address(self) -> str:
        """`local`, by a name that Lua can write."""
        return self.local

    @property
    def is_open(self) -> bool:
        """Whether it still listens."""
        return self._server.is_serving()

    def __str__(self) -> str:
        return f"listener {self.local}"

    def close(self) -> None:
        """Stop listening; accepted connections live on."""
        self._server.close()
        self._host.loop.call_soon(_nothing)  # from another thread: the run may end now


def _begin(
    host: Host, what: str, address: Any, port: Any, *given: Mapping[str, Any] | None
) -> tuple[Connection, Any]:
    """A connection that is not there yet, and what opens it."""
    handlers, options = split_handlers(what, EVENTS, ("tls", "timeout"), *given)
    name = LOOPBACK if address is None else str(address)
    number = port_of(what, port, least=1)
    limit = seconds(what, options.get("timeout"))
    endpoint = format_endpoint(name, number)
    tls: Any = None
    if options.get("tls"):
        from .tls import client_context

        tls = client_context(host, options["tls"], name)
    place = Place(host, f"connect {endpoint}")
    connection = Connection(host, handlers, endpoint, host.caller(), place.release)

    async def open_it() -> Connection:
        scope = asyncio.timeout(limit)
        try:
            async with scope:
                named: dict[str, Any] = {} if tls is None else {"ssl": tls[0], "server_hostname": tls[1]}
                if tls is not None:
                    named["ssl_shutdown_timeout"] = TLS_SHUTDOWN
                await host.loop.create_connection(lambda: connection, name, number, all_errors=True, **named)
        except BaseException as error:
            place.release()
            if isinstance(error, TimeoutError) and limit is not None and scope.expired():
                text = f"connect {endpoint}: timed out after {limit * 1000:g} ms"
                raise TimeoutError(text) from None
            if isinstance(error, (OSError, ExceptionGroup, UnicodeError)):
                raise explain(f"connect {endpoint}", cast("BaseException", error)) from None
            raise
        return connection

    return connection, open_it


@host_function("network")
def tcp_connect(
    host: Host, address: str, port: int, handlers: Mapping[str, Any] | None = None, **named: Any
) -> Connection:
    """Open a TCP connection, and be called back.

    Args:
        address: Name or address.
        port: 1 to 65535.
        handlers: "connected"(connection), "data"(connection, bytes), "ended"(connection): the other side
            sends no more, "closed"(connection, error or None), "error"(message); by keyword too. In the same
            table: "tls": true, or {"verify", "ca", "cert", "key", "server_name"}; "timeout": milliseconds.
        named: More of them.

    Returns:
        The connection; it can send once "connected" was called. Without "data" it is read by waiting.
    """
    connection, opening = _begin(host, "tcp_connect", address, port, handlers, named)

    async def open_it() -> None:
        try:
            await opening()
        except OSError as error:
            connection.fail(error)

    connection.opened_by(host.loop.create_task(open_it(), name=f"tcp_connect {connection.peer}"))
    return connection


@host_function("network")
async def tcp_open(
    host: Host, address: str, port: int, options: Mapping[str, Any] | None = None, **named: Any
) -> Connection:
    """Open a TCP connection, and wait for it.

    Args:
        address: Name or address.
        port: 1 to 65535.
        options: As the table of `tcp_connect`.
        named: More of them.

    Returns:
        The connection, with `read`, `read_exactly`, `read_until`, `read_line` and `write`.

    Raises:
        OSError: It could not be opened; the text tells the address and why.
        TimeoutError: Not within "timeout".
    """
    _, opening = _begin(host, "tcp_open", address, port, options, named)
    return await opening()


@host_function("network")
def tcp_serve(
    host: Host, address: str, port: int, handlers: Mapping[str, Any] | None = None, **named: Any
) -> Listener:
    """Listen for TCP connections, at once.

    Args:
        address: To bind; "127.0.0.1" keeps it on this machine.
        port: 0 lets the system choose: see the result's `port`.
        handlers: As for `tcp_connect`; "tls": {"cert", "key", "ca": whose clients it accepts}.
        named: More of them.

    Returns:
        The listener.

    Raises:
        OSError: The port is in use or may not be bound.
    """
    wanted, options = split_handlers("tcp_serve", EVENTS, ("tls", "backlog"), handlers, named)
    name = LOOPBACK if address in (None, "", "localhost") else str(address)
    number = port_of("tcp_serve", port)
    tls: Any = None
    if options.get("tls"):
        from .tls import server_context

        tls = server_context(host, options["tls"])
    source = host.caller()

    def accept() -> Connection:
        return Connection(host, wanted, "", source)

    try:
        bound = ListeningSocket.take(host.loop.bound_socket(name, number), host)
    except OSError as error:
        raise explain(f"listen on {format_endpoint(name, number)}", error) from None
    more: dict[str, Any] = {} if tls is None else {"ssl": tls, "ssl_shutdown_timeout": TLS_SHUTDOWN}
    backlog = count_in("tcp_serve", options, "backlog", 100)
    try:
        server = _finish_now(host.loop.create_server(accept, sock=bound, backlog=backlog, **more))
    except BaseException as error:
        bound.close()
        if isinstance(error, OSError):
            raise explain(f"listen on {format_endpoint(name, number)}", error) from None
        raise
    return Listener(host, server, source)


def _nothing() -> None:
    pass


def _finish_now(coroutine: Any) -> Any:
    """Run a coroutine to its end that only waits for the next turn of the loop, as create_server does."""
    try:
        while coroutine.send(None) is None:
            pass
    except StopIteration as stop:
        return stop.value
    raise AssertionError(f"{coroutine!r} waits")
