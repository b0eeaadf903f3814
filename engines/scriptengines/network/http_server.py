"""HTTP for scripts, the answering side: routes, static files and websockets on one port."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from scriptengines.host import HostObject
from scriptengines.hostapi.registry import host_function

from .failures import format_address
from .http_answer import METHODS, Answer, Pattern, answer_of, json_of, named_exactly, plain, query_of
from .http_exchange import Exchange, Limits
from .limits import ListeningSocket, limits_of
from .settings import count_in, options_of, seconds_in, table_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scriptengines.host import Asking, Host

    from .http_exchange import Request
    from .websocket_server import WebSocketPath

_OPTIONS = (
    "max_header",
    "max_body",
    "header_timeout",
    "body_timeout",
    "idle_timeout",
    "timeout",
    "tls",
    "max_connections",
    "exact_names",
)
_BACKLOG = 1024


class HttpServer(HostObject):
    """An HTTP server of a script.

    Attributes:
        port: It listens on.
        local: Its address, "host:port".
        served: Requests answered by routes so far.
    """

    def __init__(self, host: Host, address: str, port: int, options: Mapping[str, Any] | None) -> None:
        super().__init__(host)
        self.loop = host.loop
        given = options_of("http_serve", options, _OPTIONS)
        self.limits = Limits(
            count_in("http_serve", given, "max_header", 64 * 1024),
            count_in("http_serve", given, "max_body", 16 * 2**20),
            seconds_in("http_serve", given, "header_timeout", 10.0) or 10.0,
            seconds_in("http_serve", given, "body_timeout", 30.0) or 30.0,
            seconds_in("http_serve", given, "idle_timeout", 60.0) or 60.0,
            seconds_in("http_serve", given, "timeout", 30.0),
        )
        self.served = 0
        self.is_closing = False
        self.exchanges: set[Exchange] = set()
        self._exact_names = bool(given.get("exact_names", False))
        self._max_connections = count_in("http_serve", given, "max_connections", 10_000)
        self._routes: list[tuple[Pattern, dict[str, Asking]]] = []
        self._plain: dict[str, dict[str, Asking]] = {}
        self._statics: list[tuple[tuple[str, ...], str]] = []
        self._websockets: list[tuple[Pattern | None, WebSocketPath]] = []
        self._otherwise: Asking | None = None
        self._server: Any = self._listen(address, port, _context(host, given.get("tls")))
        name = self._server.sockets[0].getsockname()
        self.local = format_address(name)
        self.port: int = name[1]

    def _listen(self, address: str, port: int, context: Any) -> Any:
        bound = ListeningSocket.take(self.loop.bound_socket(address, int(port)), self._host)
        handshake = None if context is None else self.limits.head_time
        coroutine = self.loop.create_server(
            self._accept, sock=bound, ssl=context, backlog=_BACKLOG, ssl_handshake_timeout=handshake
        )
        try:
            while coroutine.send(None) is None:
                pass
        except StopIteration as stop:
            return stop.value
        except BaseException:
            bound.close()
            raise
        raise AssertionError(f"{coroutine!r} waits")

    def _accept(self) -> Exchange:
        return Exchange(self, is_one_too_many=len(self.exchanges) >= self._max_connections)

    # ---- for the script ---------------------------------------------------------------------------

    @property
    def local_address(self) -> str:
        """`local`, by a name that Lua can write."""
        return self.local

    @property
    def connections(self) -> int:
        """Clients that are connected now."""
        return len(self.exchanges)

    def __str__(self) -> str:
        return f"http server {self.local}"

    def route(self, method: str, pattern: str, function: Any) -> HttpServer:
        """Answer requests of a method ("*" for any) whose path fits a pattern such as "/rooms/{name}".

        Returns:
            The server, for the next route.
        """
        wanted = str(method).upper()
        if wanted != "*" and wanted not in METHODS:
            raise ValueError(f'no HTTP method "{method}"; use one of {", ".join(METHODS)}, or "*"')
        found, asking = Pattern(pattern), self._host.asking(function)
        if found.is_plain:
            self._plain.setdefault("/" + "/".join(found.segments), {})[wanted] = asking
            return self
        for known, functions in self._routes:
            if known.text == found.text:
                functions[wanted] = asking
                return self
        self._routes.append((found, {wanted: asking}))
        return self

    def otherwise(self, function: Any) -> HttpServer:
        """Let a function answer what no route fits."""
        self._otherwise = self._host.asking(function)
        return self

    def static(self, prefix: str, folder: str) -> HttpServer:
        """Serve the files of a folder under a path; nothing outside of it, nothing whose name begins with a
        dot.

        Raises:
            ValueError: There is no such folder.
            PermissionError: The script is confined to another.
        """
        path = os.path.realpath(folder)
        self._host.check_file(path)
        if not os.path.isdir(path):
            raise ValueError(f"no folder {folder!r} to serve files from")
        pattern = Pattern(prefix)
        if not pattern.is_plain:
            raise ValueError(f"the prefix of static files has no parameters: {prefix!r}")
        segments = tuple(segment for segment in pattern.segments if segment)
        self._statics.append((segments, path))
        self._statics.sort(key=lambda each: -len(each[0]))
        return self

    def websocket(self, path: str, handlers: Any = None, options: Any = None) -> WebSocketPath:
        """Let clients connect websockets at a path, which may have parameters.

        Args:
            path: As for `route`.
            handlers: As for `websocket_serve`.
            options: As for `websocket_serve`, but for those of the server.

        Returns:
            Their `clients` and `broadcast(data)`.
        """
        from .websocket_server import WebSocketPath

        found = WebSocketPath(self._host, handlers, options)
        self.add_websocket(path, found)
        return found

    def close(self) -> None:
        """Stop listening; requests that have arrived are still answered. Harmless when closed already."""
        if self.is_closing:
            return
        self.is_closing = True
        self._server.close()
        for exchange in list(self.exchanges):
            exchange.close_idle()
        for _, path in self._websockets:
            path.close_all()
        self.loop.call_soon(_nothing)  # the last server gone may end the run: let the loop look

    @property
    def is_open(self) -> bool:
        """Whether it listens."""
        return not self.is_closing

    # ---- for its connections ------------------------------------------------------------------------

    def dispatch(self, exchange: Exchange, number: int, request: Request) -> None:
        """Find who answers a request, and let them."""
        found = self._find(request)
        if isinstance(found, Answer):
            exchange.answer(number, found)
            return
        if isinstance(found, str):
            from .http_files import send

            self._host.follow(send(exchange, number, request, found))
            return
        asking, params = found
        headers = request.headers
        given = {
            "method": request.method,
            "target": request.target.raw,
            "path": request.target.path,
            "query": query_of(request.target.raw_query),
            "raw_query": request.target.raw_query,
            "params": params,
            "headers": named_exactly(headers, request.raw_headers.raw_items())
            if self._exact_names
            else headers,
            "body": request.body,
            "json": json_of(headers, request.body),
            "peer": request.peer,
        }
        where = f"{request.method} {request.target.path}"

        def done(well: bool, result: Any) -> None:
            self._answer(exchange, number, where, well, result)

        def begin() -> None:
            if exchange.is_waiting(number):
                asking.begin(where, (given,), done)

        limits_of(self._host).call(begin)

    def _answer(self, exchange: Exchange, number: int, where: str, well: bool, result: Any) -> None:
        if not exchange.is_waiting(number):
            return
        self.served += 1
        if well:
            try:
                exchange.answer(number, answer_of(result))
                return
            except (TypeError, ValueError) as error:
                self._host.reporter.error(where, error)
        exchange.answer(number, plain(500))

    def _find(self, request: Request) -> tuple[Asking, dict[str, str]] | str | Answer:
        """A function and its parameters, a file, or the answer."""
        if request.method == "CONNECT":
            return plain(405, "this is no proxy", ("allow", "GET, HEAD"))
        path, segments = request.target.path, request.target.segments
        allowed: list[str] = []
        functions = self._plain.get(path)
        if functions is not None:
            asking = _for_method(functions, request.method)
            if asking is not None:
                return asking, {}
            allowed += functions
        for pattern, others in self._routes:
            params = pattern.match(segments)
            if params is not None:
                asking = _for_method(others, request.method)
                if asking is not None:
                    return asking, params
                allowed += others
        for prefix, folder in self._statics:
            if segments[: len(prefix)] == prefix:
                if request.method not in ("GET", "HEAD"):
                    allowed += ["GET"]
                    continue
                from .http_files import find

                file = find(folder, segments[len(prefix) :])
                if file is not None:
                    return file
        if self._otherwise is not None:
            return self._otherwise, {}
        if allowed:
            names = {*allowed, *(["HEAD"] if "GET" in allowed else [])}
            return plain(405, "", ("allow", ", ".join(sorted(names))))
        return self.answer_without_route()

    def gave_up(self, exchange: Exchange) -> None:
        """A route has not answered in time; the client gets 504."""
        self._host.reporter.log(
            "warning", f"{self}: a route has not answered {exchange.peer} in {self.limits.answer_time:g} s"
        )

    def upgrade(self, exchange: Exchange, request: Request, head: Any) -> bool:
        """Make a websocket of a connection; whether there is one at that path."""
        if request.method != "GET" or self.is_closing:
            return False
        for pattern, path in self._websockets:
            params = {} if pattern is None else pattern.match(request.target.segments)
            if params is not None:
                path.accept(exchange, request, head, params)
                return True
        return False

    def add_websocket(self, pattern: str | None, path: WebSocketPath) -> None:
        """Let clients connect websockets at a path; None is any."""
        self._websockets.append((None if pattern is None else Pattern(pattern), path))

    def answer_without_route(self) -> Answer:
        """To a request for what there is not."""
        return plain(404)


def _context(host: Host, tls: Any) -> Any:
    if not tls:
        return None
    from .tls import server_context

    return server_context(host, tls)


def _nothing() -> None:
    pass


def _for_method(functions: Mapping[str, Asking], method: str) -> Asking | None:
    found = functions.get(method) or functions.get("*")
    return functions.get("GET") if found is None and method == "HEAD" else found


@host_function("http")
def http_serve(
    host: Host,
    address: str,
    port: int,
    handlers: Any = None,
    options: Mapping[str, Any] | None = None,
) -> HttpServer:
    """Answer HTTP requests, from now on.

    A function that answers gets one dict: method, target (path and query as they came), path, query,
    raw_query, params, headers (lower-case names), body (bytes), json (None if it is none), peer. It gives a
    text or bytes, a dict or list (sent as JSON), nothing (204), (status, body), (status, body, headers), or a
    dict of these: {status, body or json, headers}. It may be `async def`, or wait in Lua. When it fails, that
    is reported and the client gets 500; when it takes too long, 504.

    Args:
        address: To bind; "127.0.0.1" keeps it on this machine.
        port: 0 lets the system choose: see the result's `port`.
        handlers: A function that answers what no route does; or a dict of such functions by "GET
            /rooms/{name}", and "request" for what fits none.
        options: max_header (65,536) and max_body (16 MiB) in bytes; header_timeout (10,000), body_timeout
            (30,000, between two pieces), idle_timeout (60,000), timeout (30,000, of a function; 0 for none)
            in milliseconds; max_connections (10,000); tls ({cert, key}: files); exact_names (false) of
            headers: as they came.

    Returns:
        The server: `route(method, pattern, function)`, `static(prefix, folder)`, `websocket(path, handlers)`,
        `close()`, `port`.

    Raises:
        OSError: The port is in use or may not be bound.
    """
    server = HttpServer(host, address, port, options)
    try:
        if callable(handlers):
            server.otherwise(handlers)
        else:
            for name, function in table_of("http_serve: handlers", handlers).items():
                if name == "request":
                    server.otherwise(function)
                else:
                    method, _, pattern = str(name).partition(" ")
                    server.route(method, pattern.strip(), function)
    except BaseException:
        server.close()
        raise
    return server
