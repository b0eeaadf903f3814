"""What a script's callback costs on the way of a message, next to a bare asyncio protocol in this process."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from scriptengines import Session
from tests.bench.harness import Result, alternate, bench

SCRIPTS = {
    "echo.py": """
import host
tcp = host.tcp_serve("127.0.0.1", 0, {"data": lambda connection, data: connection.send(data)}).port
udp = host.udp_open(data=lambda sock, data, address, port: sock.send(data, address, port)).port
""",
    "echo.lua": """
tcp = host.tcp_serve("127.0.0.1", 0, {data = function(connection, data) connection:send(data) end}).port
udp = host.udp_open("127.0.0.1", 0, {
  data = function(socket, data, address, port) socket:send(data, address, port) end,
}).port
""",
}
SIZE = 64
MESSAGES = 6000
FEW, MANY = 16, 1000


class _Echo(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        assert isinstance(self._transport, asyncio.Transport)
        self._transport.write(data)


class _EchoDatagrams(asyncio.DatagramProtocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        assert isinstance(self._transport, asyncio.DatagramTransport)
        self._transport.sendto(data, addr)


@contextmanager
def _bare() -> Iterator[dict[str, int]]:
    """The peer: the ports of two bare protocols, on a loop and a thread of their own."""
    loop = asyncio.new_event_loop()
    ports: dict[str, int] = {}
    ready = threading.Event()

    async def serve() -> None:
        server = await loop.create_server(_Echo, "127.0.0.1", 0, backlog=MANY)
        transport, _ = await loop.create_datagram_endpoint(_EchoDatagrams, ("127.0.0.1", 0))
        ports["tcp"] = server.sockets[0].getsockname()[1]
        ports["udp"] = transport.get_extra_info("sockname")[1]
        ready.set()

    def run() -> None:
        loop.run_until_complete(serve())
        loop.run_forever()

    thread = threading.Thread(target=run)
    thread.start()
    ready.wait()
    yield ports
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@contextmanager
def _client() -> Iterator[Callable[..., tuple[float, float]]]:
    """The other process; gives messages/s and the median round trip in us."""
    command = [sys.executable, str(Path(__file__).with_name("echo_client.py"))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        to, back = process.stdin, process.stdout

        def measure(kind: str, port: int, connections: int) -> tuple[float, float]:
            to.write(f"{kind} {port} {connections} {MESSAGES} {SIZE}\n")
            to.flush()
            rate, median = back.readline().split()
            return float(rate), float(median)

        yield measure
        to.close()


def _compare(script: str, kind: str, connections: int, *, latency: bool = False, rounds: int = 5) -> Result:
    with tempfile.TemporaryDirectory() as folder, Session() as session, _bare() as bare, _client() as client:
        path = Path(folder, script)
        path.write_text(SCRIPTS[script])
        port = session.load(path, "echo").get(kind)
        figure = 1 if latency else 0
        for each in (port, bare[kind]):
            client(kind, each, connections)
        ours, peer = alternate(
            lambda: client(kind, port, connections)[figure],
            lambda: client(kind, bare[kind], connections)[figure],
            rounds=rounds,
        )
    return Result(ours, peer, "us") if latency else Result(ours, peer, "messages/s", "higher")


@bench("runtime", "TCP echo, Lua", budget=">= 0.7", peer="asyncio protocol")
def lua_echo() -> Result:
    """Messages through the "data" callback of a Lua script, over a few connections."""
    return _compare("echo.lua", "tcp", FEW)


@bench("runtime", "TCP echo, Python", budget=">= 0.7", peer="asyncio protocol")
def python_echo() -> Result:
    """The same through a Python script."""
    return _compare("echo.py", "tcp", FEW)


@bench("runtime", "TCP echo, Lua, 1,000 connections", budget=">= 0.7", peer="asyncio protocol")
def lua_many() -> Result:
    """The same over as many connections at a time."""
    return _compare("echo.lua", "tcp", MANY, rounds=3)


@bench("runtime", "TCP round trip, Lua", budget="<= 150 us", peer="asyncio protocol")
def lua_latency() -> Result:
    """Median of one message at a time on one connection."""
    return _compare("echo.lua", "tcp", 1, latency=True)


@bench("runtime", "TCP round trip, Python", budget="<= 150 us", peer="asyncio protocol")
def python_latency() -> Result:
    """The same through a Python script."""
    return _compare("echo.py", "tcp", 1, latency=True)


@bench("runtime", "UDP echo, Lua", budget=">= 0.5", peer="asyncio protocol")
def lua_datagrams() -> Result:
    """Datagrams through the "data" callback of a Lua script."""
    return _compare("echo.lua", "udp", FEW)
