"""WebSockets of scripts, the serving side: at a path of an HTTP server, and a server of nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from websockets.server import ServerProtocol

from scriptengines.host import HostObject
from scriptengines.hostapi.registry import host_function

from .http_answer import plain, query_of
from .http_server import HttpServer
from .settings import options_of
from .websocket import COMMON_OPTIONS, Manner, WebSocket, extensions_of, handlers_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scriptengines.host import Host

    from .http_answer import Answer
    from .http_exchange import Exchange, Request

PATH_OPTIONS = (*COMMON_OPTIONS, "origins")
_SERVER_OPTIONS = ("tls", "header_timeout", "max_connections")


class WebSocketPath(HostObject):
    """The websockets at one path of an HTTP server.

    Args:
        host: Of the script.
        handlers: As for `websocket_serve`.
        options: As for `websocket_serve`, but for those of the server.
    """

    def __init__(self, host: Host, handlers: Any, options: Any) -> None:
        super().__init__(host)
        given = options_of("websocket", options, PATH_OPTIONS)
        self._handlers = handlers_of(host, handlers, {})
        self._manner = Manner.of("websocket", given)
        origins = given.get("origins")
        self._origins = [origins] if isinstance(origins, str) else origins
        self._clients: dict[WebSocket, None] = {}

    @property
    def clients(self) -> list[WebSocket]:
        """Those that are open, in the order they came."""
        return list(self._clients)

    def broadcast(self, data: Any, binary: bool | None = None) -> int:
        """Send a message to all; one that does not read is dropped rather than waited for.

        Returns:
            How many got it.
        """
        reached = 0
        for client in self.clients:
            try:
                client.send(data, binary)
            except ConnectionError as error:
                if client.is_open:
                    self._host.reporter.log("warning", f"{client.peer} is dropped: {error}")
                    client.abort()
            else:
                reached += 1
        return reached

    def close_all(self, code: int = 1001, reason: str = "") -> None:
        """Close all that are open."""
        for client in self.clients:
            client.close(code, reason)

    def accept(self, exchange: Exchange, request: Request, head: Any, params: dict[str, str]) -> None:
        """Make a websocket of a connection, or answer why not."""
        protocol = ServerProtocol(
            origins=cast("Any", self._origins),
            extensions=extensions_of(self._manner, server=True),
            subprotocols=cast("Any", self._manner.subprotocols) or None,
            max_size=self._manner.max_size or None,
        )
        transport, rest = exchange.hand_over()
        websocket = WebSocket(self._host, protocol, request.target.path, self._handlers, self._manner)
        websocket.params, websocket.query = params, query_of(request.target.raw_query)
        websocket.headers = request.headers
        websocket._owner = self  # pyright: ignore[reportPrivateUsage]
        transport.set_protocol(websocket)
        websocket.connection_made(transport)
        lines = [b"GET %s HTTP/1.1" % head.target, *(b"%s: %s" % each for each in head.headers), b"", b""]
        websocket.start(b"\r\n".join(lines) + bytes(rest))

    def opened(self, websocket: WebSocket) -> None:
        """One is open."""
        self._clients[websocket] = None

    def ended(self, websocket: WebSocket) -> None:
        """One has ended."""
        self._clients.pop(websocket, None)


class _Server(HttpServer):
    """An HTTP server whose every path is a websocket."""

    def answer_without_route(self) -> Answer:
        return plain(426, "a websocket is needed", ("upgrade", "websocket"), ("connection", "upgrade"))


class WebSocketServer(HostObject):
    """A server of websockets.

    Attributes:
        port: It listens on.
        local: Its address, "host:port".
    """

    def __init__(self, host: Host, server: HttpServer, path: WebSocketPath) -> None:
        super().__init__(host)
        self._server = server
        self._path = path
        self.port = server.port
        self.local = server.local

    @property
    def local_address(self) -> str:
        """`local`, by a name that Lua can write."""
        return self.local

    @property
    def clients(self) -> list[WebSocket]:
        """Those that are open, in the order they came."""
        return self._path.clients

    @property
    def is_open(self) -> bool:
        """Whether it listens."""
        return self._server.is_open

    def __str__(self) -> str:
        return f"websocket server {self.local}"

    def broadcast(self, data: Any, binary: bool | None = None) -> int:
        """Send a message to all; one that does not read is dropped rather than waited for.

        Returns:
            How many got it.
        """
        return self._path.broadcast(data, binary)

    def close(self) -> None:
        """Stop listening, and close all that are open. Harmless when closed already."""
        self._server.close()


@host_function("websocket")
def websocket_serve(
    host: Host,
    address: str,
    port: int,
    handlers: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
) -> WebSocketServer:
    """Serve websockets, at any path, from now on.

    Args:
        address: To bind; "127.0.0.1" keeps it on this machine.
        port: 0 lets the system choose: see the result's `port`.
        handlers: "connected"(websocket), "message"(websocket, str or bytes), "closed"(websocket, code,
            reason). A websocket has `url` (the path), `query`, `headers`, `peer`. Without "message",
            messages wait for its `receive`.
        options: As for `websocket_connect`, but for what a client needs; origins (of the pages that may
            connect; any by default), tls ({cert, key}: files), max_connections (10,000), header_timeout
            (10,000).

    Returns:
        The server: `clients`, `broadcast(data)`, `close()`, `port`.

    Raises:
        OSError: The port is in use or may not be bound.
    """
    given = options_of("websocket_serve", options, (*PATH_OPTIONS, *_SERVER_OPTIONS))
    of_server = {name: given.pop(name) for name in _SERVER_OPTIONS if name in given}
    path = WebSocketPath(host, handlers, given)
    server = _Server(host, address, port, of_server)
    server.add_websocket(None, path)
    return WebSocketServer(host, server, path)
