"""``python -m tests.bench.raw_websocket``: the other end of a websocket benchmark, a process of its own.

``serve`` is an echo server of the websockets library alone: it prints its port and echoes until its input
ends. ``ask PORT CLIENTS SECONDS`` sends a message on each connection, again whenever it comes back, and
prints echoes per second; its frames are made by hand.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from typing import Any

_HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
_MESSAGE = b"x" * 100
_FRAME = b"\x81" + bytes([0x80 | len(_MESSAGE)]) + b"\0\0\0\0" + _MESSAGE
_ECHO = b"\x81" + bytes([len(_MESSAGE)]) + _MESSAGE


class _Client(asyncio.Protocol):
    echoes = 0

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._received = b""
        self._is_open = False
        transport.write(_HANDSHAKE)

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self._is_open:
            _, found, self._received = self._received.partition(b"\r\n\r\n")
            if not found:
                self._received = data
                return
            self._is_open = True
            self._transport.write(_FRAME)
        while len(self._received) >= len(_ECHO):
            assert self._received.startswith(_ECHO), self._received
            self._received = self._received[len(_ECHO) :]
            _Client.echoes += 1
            self._transport.write(_FRAME)


async def serve() -> None:
    """Echo with the library."""
    from websockets.asyncio.server import ServerConnection
    from websockets.asyncio.server import serve as library
    from websockets.exceptions import ConnectionClosed

    async def echo(connection: ServerConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for message in connection:
                await connection.send(message)

    async with library(echo, "127.0.0.1", 0, compression=None) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


async def ask(port: int, clients: int, seconds: float) -> None:
    """Send and wait, on several connections."""
    loop = asyncio.get_running_loop()
    for _ in range(clients):
        await loop.create_connection(_Client, "127.0.0.1", port)
    await asyncio.sleep(0.2)
    before, started = _Client.echoes, time.perf_counter()
    await asyncio.sleep(seconds)
    print((_Client.echoes - before) / (time.perf_counter() - started))


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        asyncio.run(serve())
    else:
        asyncio.run(ask(int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])))
