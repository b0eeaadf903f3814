"""What the network parts of the dialect need besides the host's own functions.

The host's network functions are found by their names, as a script finds them.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from scriptengines.network.failures import IncompleteRead

from .files import raw, reason
from .system import SLICE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from . import Dialect


def background(dialect: Dialect, connection: Any) -> None:
    """Let an idle connection or listener leave the run free to end."""
    loop = dialect.host.loop
    transport = getattr(connection, "_transport", None)
    if transport is not None:
        loop.background_sockets.add(transport)
    server: Any = getattr(connection, "_server", None)
    while hasattr(server, "_server"):  # a server of websockets is one of HTTP
        server = server._server
    for sock in getattr(server, "sockets", ()):
        loop.background_sockets.add(_Listening(server, sock))


class _Listening:
    """A listening socket, as a transport shows its own."""

    def __init__(self, server: Any, sock: Any) -> None:
        self._sock = sock
        server.background = [*getattr(server, "background", ()), self]  # lives as long as the server

    def get_extra_info(self, name: str) -> Any:
        """The socket."""
        return self._sock if name == "socket" else None

    def get_write_buffer_size(self) -> int:
        """Nothing waits to be sent."""
        return 0


async def read_until(
    dialect: Dialect, connection: Any, delimiter: Any, limit: int, timeout: float | None
) -> bytes:
    """What comes up to a delimiter, with it; short at the end of the stream, or at the limit."""
    del dialect
    mark = raw(delimiter)
    if not mark:
        return b""
    try:
        return await connection.read_until(mark, limit, timeout)
    except IncompleteRead:
        return await connection.read(limit)
    except ValueError:  # so many bytes are there, and no delimiter among them
        return await connection.read_exactly(limit)


async def send_datagram(dialect: Dialect, sock: Any, content: Any, address: str, port: int) -> None:
    """Send a datagram; the error of a name that does not exist is raised here."""
    import socket

    loop = dialect.host.loop
    name = "127.0.0.1" if address == "localhost" else str(address)
    found = await loop.getaddrinfo(name, int(port), family=socket.AF_INET, type=socket.SOCK_DGRAM)
    sock.send(raw(content), found[0][4][0], int(port))


async def request(dialect: Dialect, url: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """An HTTP request of the host's; what Lua needs of its answer."""
    from scriptengines.hostapi.registry import find

    answer = await find("http_request").function(dialect.host, url, options)
    return {name: answer[name] for name in ("status", "reason", "headers", "body", "url")}


def request_now(dialect: Dialect, url: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The same, while the script stands still: {status, reason, headers, body, url} or {error}."""
    import asyncio

    outcome: dict[str, Any] = {}

    async def ask() -> None:
        import httpx

        from scriptengines.network.http_answer import named_exactly

        verify = options.get("verify") is not False
        follow = options.get("follow_redirects") is not False
        try:
            async with (
                asyncio.timeout(float(options.get("timeout") or 30000) / 1000.0),
                httpx.AsyncClient(
                    verify=verify,
                    follow_redirects=follow,
                    trust_env=False,
                    timeout=None,
                    proxy=options.get("proxy"),
                    max_redirects=int(options.get("max_redirects") or 20),
                ) as client,
            ):
                body = options.get("body")
                answer = await client.request(
                    str(options.get("method") or "GET"),
                    url,
                    headers=dict(options.get("headers") or {}),
                    content=None if body is None else raw(body),
                )
        except TimeoutError:
            outcome["error"] = "timeout"
        except Exception as error:  # noqa: BLE001 - whatever goes wrong is the caller's to hear
            outcome["error"] = reason(error) or type(error).__name__
        else:
            outcome.update(
                status=answer.status_code,
                reason=answer.reason_phrase,
                headers=named_exactly(dict(answer.headers), answer.headers.raw),
                body=answer.content,
                url=str(answer.url),
            )

    worker = threading.Thread(target=lambda: asyncio.run(ask()), daemon=True)
    worker.start()
    while worker.is_alive():
        dialect.check_running()
        worker.join(SLICE)
    return outcome
