"""HTTP and WebSocket of scripts; the other side is a process of its own that does as little as it can."""

from __future__ import annotations

import statistics
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.bench.bench_engines import loaded
from tests.bench.harness import Result, alternate, bench

if TYPE_CHECKING:
    from collections.abc import Iterator

CLIENTS = 8
SECONDS = 1.0
LUA = """
server = host.http_serve("127.0.0.1", 0)
server:route("GET", "/rooms/{name}", function(request) return "in " .. request.params.name end)
function port() return server.port end
"""
PYTHON = """
import host
server = host.http_serve("127.0.0.1", 0, {"GET /rooms/{name}": lambda r: "in " + r["params"]["name"]})
def port(): return server.port
"""
PYTHON_CLIENT = """
import host, asyncio, time
async def one_by_one(url, count):
    started = time.perf_counter()
    for _ in range(count): await host.http_request(url)
    return count / (time.perf_counter() - started)
async def at_once(url, count):
    started = time.perf_counter()
    async def some():
        for _ in range(count // 16): await host.http_request(url)
    await asyncio.gather(*[some() for _ in range(16)])
    return count / (time.perf_counter() - started)
"""
LUA_CLIENT = """
function begin(url, count, done)
  setTimeout(function()
    for i = 1, count do host.http_request(url) end
    done()
  end, 0)
end
"""
ECHO_LUA = """
server = host.websocket_serve("127.0.0.1", 0, {message = function(ws, message) ws:send(message) end})
function port() return server.port end
"""
ECHO_PYTHON = """
import host
server = host.websocket_serve("127.0.0.1", 0, {"message": lambda ws, message: ws.send(message)})
def port(): return server.port
"""


def _ask(module: str, *arguments: object) -> float:
    command = [sys.executable, "-m", f"tests.bench.{module}", "ask", *map(str, arguments)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@contextmanager
def _served(module: str) -> Iterator[int]:
    """The port of a server in a process of its own."""
    command = [sys.executable, "-m", f"tests.bench.{module}", "serve"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield int(process.stdout.readline())
        process.stdin.close()


def _serves(suffix: str, text: str) -> Result:
    with loaded((suffix, text)) as [script], _served("raw_http") as bare:
        port = script.call("port")
        ours, peer = alternate(
            lambda: _ask("raw_http", port, "/rooms/red", CLIENTS, SECONDS),
            lambda: _ask("raw_http", bare, "/rooms/red", CLIENTS, SECONDS),
            rounds=3,
        )
        return Result(ours, peer, "requests/s", "higher")


@bench("runtime", "HTTP server, Lua", budget=">= 3000 requests/s", peer="bare asyncio, no HTTP")
def http_server_lua() -> Result:
    """A route with a parameter, in Lua."""
    return _serves(".lua", LUA)


@bench("runtime", "HTTP server, Python", budget=">= 3000 requests/s", peer="bare asyncio, no HTTP")
def http_server_python() -> Result:
    """The same in an isolated Python script."""
    return _serves(".py", PYTHON)


@bench("runtime", "HTTP client, one by one", budget=">= 1000 requests/s")
def http_client() -> Result:
    """From an isolated Python script, the next when the one before is answered."""
    return _asks("one_by_one")


@bench("runtime", "HTTP client, 16 at once", budget=">= 1000 requests/s")
def http_client_at_once() -> Result:
    """From an isolated Python script."""
    return _asks("at_once")


def _asks(function: str) -> Result:
    with loaded((".py", PYTHON_CLIENT)) as [script], _served("raw_http") as port:
        url = f"http://127.0.0.1:{port}/"
        script.call(function, url, 160)
        return Result(
            statistics.median(script.call(function, url, 1600) for _ in range(3)),
            None,
            "requests/s",
            "higher",
        )


@bench("runtime", "HTTP client, Lua", budget=">= 1000 requests/s")
def http_client_lua() -> Result:
    """From a Lua coroutine, the next when the one before is answered."""
    with loaded((".lua", LUA_CLIENT)) as [script], _served("raw_http") as port:

        def measure(count: int) -> float:
            done = threading.Event()
            started = time.perf_counter()
            script.call("begin", f"http://127.0.0.1:{port}/", count, done.set)
            assert done.wait(60)
            return count / (time.perf_counter() - started)

        measure(100)
        return Result(statistics.median(measure(1500) for _ in range(3)), None, "requests/s", "higher")


def _echoes(suffix: str, text: str) -> Result:
    with loaded((suffix, text)) as [script], _served("raw_websocket") as bare:
        port = script.call("port")
        ours, peer = alternate(
            lambda: _ask("raw_websocket", port, CLIENTS, SECONDS),
            lambda: _ask("raw_websocket", bare, CLIENTS, SECONDS),
            rounds=3,
        )
        return Result(ours, peer, "messages/s", "higher")


@bench("runtime", "websocket echo, Lua", budget=">= 0.7", peer="websockets alone")
def websocket_lua() -> Result:
    """100 bytes there and back through a Lua function."""
    return _echoes(".lua", ECHO_LUA)


@bench("runtime", "websocket echo, Python", budget=">= 0.7", peer="websockets alone")
def websocket_python() -> Result:
    """The same through a function of an isolated Python script."""
    return _echoes(".py", ECHO_PYTHON)
