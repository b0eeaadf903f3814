"""What timers cost, next to bare asyncio in the same run, and what it costs to be watched."""

from __future__ import annotations

import asyncio
import random
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from scriptengines import Script
from scriptengines.observer import Observer
from tests.bench.bench_engines import loaded
from tests.bench.harness import Result, Round, alternate, bench

COUNT = 10_000
SECONDS = 1.5
"""How long the live timers run."""

LUA = """
function many(count, tell)
  local left = count
  local function fire() left = left - 1; if left == 0 then tell() end end
  for i = 1, count do setTimeout(fire, 1) end
end
function chain(count, tell)
  local hops = 0
  local function hop()
    hops = hops + 1
    if hops < count then setTimeout(hop, 0) else tell() end
  end
  setTimeout(hop, 0)
end
"""

PYTHON = """
import asyncio, gc, random, time
import host

gc.disable()

async def many(count):
    ended = asyncio.get_running_loop().create_future()
    left = count
    def fire():
        nonlocal left
        left -= 1
        if not left:
            ended.set_result(time.perf_counter())
    set_timeout = host.set_timeout
    began = time.perf_counter()
    for _ in range(count):
        set_timeout(fire, 1)
    return await ended - began

async def chain(count):
    ended = asyncio.get_running_loop().create_future()
    left = count
    def hop():
        nonlocal left
        left -= 1
        if left:
            host.set_timeout(hop, 0)
        else:
            ended.set_result(time.perf_counter())
    began = time.perf_counter()
    host.set_timeout(hop, 0)
    return await ended - began

async def live(count, seconds):
    loop = asyncio.get_running_loop()
    late = []
    running = True
    def fire(due):
        now = loop.time()
        late.append(now - due)
        if running:
            delay = random.randint(1, 1000)
            host.set_timeout(fire, delay, now + delay / 1000)
    for _ in range(count):
        delay = random.randint(1, 1000)
        host.set_timeout(fire, delay, loop.time() + delay / 1000)
    late.clear()
    began = time.thread_time()
    await asyncio.sleep(seconds)
    spent = time.thread_time() - began
    running = False
    late.sort()
    while True:
        fired = len(late)
        await asyncio.sleep(1.1)
        if len(late) == fired:
            break
    gc.collect()
    return spent, late[int(len(late) * 0.99)]

class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport
    def data_received(self, data):
        self.transport.write(data)

async def serve():
    server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", 0)
    return server.sockets[0].getsockname()[1]
"""


def _many_bare() -> float:
    """The same of asyncio alone; microseconds a timer."""
    loop = asyncio.new_event_loop()
    left = COUNT

    def fire() -> None:
        nonlocal left
        left -= 1
        if not left:
            loop.stop()

    began = time.perf_counter()
    for _ in range(COUNT):
        loop.call_later(0.001, fire)
    loop.run_forever()
    taken = time.perf_counter() - began
    loop.close()
    return taken / COUNT * 1e6


def _live_bare() -> tuple[float, float]:
    """CPU seconds and 99th percentile of the lateness of live timers of asyncio alone."""
    loop = asyncio.new_event_loop()
    late: list[float] = []

    def fire(due: float) -> None:
        now = loop.time()
        late.append(now - due)
        delay = random.randint(1, 1000)
        loop.call_later(delay / 1000, fire, now + delay / 1000)

    for _ in range(COUNT):
        delay = random.randint(1, 1000)
        loop.call_later(delay / 1000, fire, loop.time() + delay / 1000)
    loop.call_later(SECONDS, loop.stop)
    began = time.thread_time()
    loop.run_forever()
    spent = time.thread_time() - began
    loop.close()
    late.sort()
    return spent, late[int(len(late) * 0.99)]


def _lua_round(script: Script, function: str) -> Round:
    """Microseconds a timer, from the first that is set to the last that comes."""
    ended = threading.Event()
    moment = 0.0

    def tell() -> None:
        nonlocal moment
        moment = time.perf_counter()
        ended.set()

    def measure() -> float:
        ended.clear()
        began = time.perf_counter()
        script.call(function, COUNT, tell)
        if not ended.wait(60):
            raise TimeoutError("the timers have not come")
        return (moment - began) / COUNT * 1e6

    return measure


def _lua(function: str) -> Result:
    with loaded((".lua", LUA)) as [script]:
        measure = _lua_round(script, function)
        return Result(alternate(measure, measure)[0], None, "us")


def _python_round(script: Script, function: str) -> Round:
    handle = script.function(function)
    return lambda: handle(COUNT) / COUNT * 1e6


@bench("runtime", "timers, Lua", budget="<= 8 us")
def lua_timers() -> Result:
    """10,000 timers of one millisecond."""
    return _lua("many")


@bench("runtime", "timers, Python", budget="<= 1.5", peer="call_later")
def python_timers() -> Result:
    """The same from Python, next to asyncio alone."""
    with loaded((".py", PYTHON)) as [script]:
        return Result(*alternate(_python_round(script, "many"), _many_bare), "us")


@bench("runtime", "zero timers, Lua", budget="<= 10 us")
def lua_hops() -> Result:
    """Each timer sets the next one, with no delay."""
    return _lua("chain")


@bench("runtime", "zero timers, Python", budget="<= 10 us")
def python_hops() -> Result:
    """The same from Python."""
    with loaded((".py", PYTHON)) as [script]:
        measure = _python_round(script, "chain")
        return Result(alternate(measure, measure)[0], None, "us")


@bench("runtime", "live timers, CPU", budget="<= 1.5", peer="call_later")
def live_cpu() -> Result:
    """10,000 live timers of 1 ms to 1 s, each set anew when it comes."""
    with loaded((".py", PYTHON)) as [script]:
        ours, peer = alternate(
            lambda: script.call("live", COUNT, SECONDS)[0] * 1e3, lambda: _live_bare()[0] * 1e3, rounds=3
        )
    return Result(ours, peer, "ms")


@bench("runtime", "live timers, p99 late", budget="<= 5 ms", peer="call_later")
def live_lateness() -> Result:
    """How late 99 of 100 of them are at most."""
    with loaded((".py", PYTHON)) as [script]:
        ours, peer = alternate(
            lambda: script.call("live", COUNT, SECONDS)[1] * 1e3, lambda: _live_bare()[1] * 1e3, rounds=3
        )
    return Result(ours, peer, "ms")


@contextmanager
def _watched(script: Script) -> Iterator[None]:
    """Look at a script as a console does."""
    observer = Observer()
    observer.follow(script)
    try:
        yield
    finally:
        observer.close()


def _while_watched(script: Script, measure: Round) -> Round:
    def watched() -> float:
        with _watched(script):
            return measure()

    return watched


def _many_times(measure: Round, times: int) -> Round:
    """So that a round lasts for several looks."""
    return lambda: sum(measure() for _ in range(times)) / times


@bench("runtime", "timers watched, Lua", budget="<= 1.05", peer="unwatched")
def lua_watched() -> Result:
    """10,000 timers of one millisecond while the console looks at the script."""
    with loaded((".lua", LUA)) as [script]:
        measure = _many_times(_lua_round(script, "many"), 30)
        return Result(*alternate(_while_watched(script, measure), measure, rounds=5), "us")


@bench("runtime", "timers watched, Python", budget="<= 1.05", peer="unwatched")
def python_watched() -> Result:
    """The same from Python."""
    with loaded((".py", PYTHON)) as [script]:
        measure = _many_times(_python_round(script, "many"), 40)
        return Result(*alternate(_while_watched(script, measure), measure, rounds=5), "us")


def _echo_round(port: int, count: int = 5000) -> Round:
    """Microseconds a round trip of one message."""

    def measure() -> float:
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            began = time.perf_counter()
            for _ in range(count):
                client.send(b"x" * 64)
                client.recv(64)
            return (time.perf_counter() - began) / count * 1e6

    return measure


@bench("runtime", "echo watched", budget="<= 1.05", peer="unwatched")
def echo_watched() -> Result:
    """TCP round trips through an asyncio protocol while the console looks at the script."""
    with loaded((".py", PYTHON)) as [script]:
        measure = _echo_round(script.call("serve"))
        return Result(*alternate(_while_watched(script, measure), measure, rounds=5), "us")
