"""What bringing values, memory and objects across costs, next to the same work without a border."""

from __future__ import annotations

import asyncio
import threading

from tests.bench.bench_engines import loaded
from tests.bench.harness import Result, alternate, bench, compare_calls, per_call

SCRIPT = """
def length(value): return len(value)
def echo(value): return value
def rows(count): yield from range(count)
async def fetch(value): return value

class Player:
    name = "Ada"
    def move(self, x): return x
player = Player()
"""
PAYLOAD = bytes(1 << 20)


@bench("crossing", "1 MiB, shared", budget="<= 0.2", peer="copying it")
def shared_memory() -> Result:
    """A memoryview of 1 MiB as an argument, next to one memcpy of it."""
    with loaded((".py", SCRIPT)) as [script]:
        names = {"f": script.function("length"), "view": memoryview(PAYLOAD), "payload": PAYLOAD}
        return compare_calls("f(view)", "bytearray(payload)", names, rounds=5)


@bench("crossing", "1 MiB of bytes", budget="<= 1.5", peer="copying it")
def bytes_argument() -> Result:
    """bytes of 1 MiB as an argument: copied once."""
    with loaded((".py", SCRIPT)) as [script]:
        names = {"f": script.function("length"), "payload": PAYLOAD}
        return compare_calls("f(payload)", "bytearray(payload)", names, rounds=5)


@bench("crossing", "method of an object", budget="<= 3", peer="a function handle")
def method_call() -> Result:
    """reference.call("move", 1), next to calling a function of the script."""
    with loaded((".py", SCRIPT)) as [script]:
        names = {"player": script.get("player"), "f": script.function("echo")}
        return compare_calls("player.call('move', 1)", "f(1)", names, rounds=5)


@bench("crossing", "item of a generator", budget="<= 1.5", peer="a function handle")
def generator_item() -> Result:
    """One item pulled from a generator of a script, next to one call."""
    with loaded((".py", SCRIPT)) as [script]:
        items, handle = script.call("rows", 10**12), script.function("echo")
        return Result(
            *alternate(per_call("next(i)", {"i": items}), per_call("f(1)", {"f": handle}), rounds=5), "ns"
        )


@bench("crossing", "async def function", budget="<= 1.2", peer="run_coroutine_threadsafe")
def async_call() -> Result:
    """A coroutine on the script's loop, next to asyncio's own way to run one on a loop of another thread."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def fetch(value: int) -> int:
        return value

    try:
        with loaded((".py", SCRIPT)) as [script]:
            handle = script.function("fetch")
            return compare_calls(
                lambda: handle(1),
                lambda: asyncio.run_coroutine_threadsafe(fetch(1), loop).result(),
                rounds=5,
            )
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
