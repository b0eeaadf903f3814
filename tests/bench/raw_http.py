"""``python -m tests.bench.raw_http``: one end of an HTTP benchmark, as light as can be, a process of its own.

``serve`` prints its port and answers until its input ends; ``ask PORT PATH CLIENTS SECONDS`` prints answers
per second. Neither is an HTTP implementation: each knows what the other side of the benchmark says.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello"


class _Server(asyncio.Protocol):
    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._transport.write(ANSWER * data.count(b"\r\n\r\n"))


class _Client(asyncio.Protocol):
    answers = 0
    request = b""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._received = b""
        transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        if not found:
            return
        assert head.startswith(b"HTTP/1.1 200"), head
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        if len(body) >= int(length):
            self._received = b""
            _Client.answers += 1
            self._transport.write(self.request)


async def serve() -> None:
    """Answer everything with ANSWER."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Server, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


async def ask(port: int, path: str, clients: int, seconds: float) -> None:
    """Ask again and again, on several connections."""
    _Client.request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
    loop = asyncio.get_running_loop()
    for _ in range(clients):
        await loop.create_connection(_Client, "127.0.0.1", port)
    await asyncio.sleep(0.2)
    before, started = _Client.answers, time.perf_counter()
    await asyncio.sleep(seconds)
    print((_Client.answers - before) / (time.perf_counter() - started))


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        asyncio.run(serve())
    else:
        asyncio.run(ask(int(sys.argv[2]), sys.argv[3], int(sys.argv[4]), float(sys.argv[5])))
