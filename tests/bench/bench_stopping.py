"""How long an endless loop goes on after it was interrupted: the slowest of several ways to write one.

Absolute figures: nothing else stops one inside a process.
"""

from __future__ import annotations

import statistics
import threading
import time
from typing import TYPE_CHECKING

from scriptengines.errors import Interrupted
from scriptengines.lua.versions import installed
from tests.bench.bench_engines import loaded
from tests.bench.harness import Result, bench

if TYPE_CHECKING:
    from collections.abc import Iterable

    from scriptengines import Script

ROUNDS = 5
UNDER_WAY = 0.03
"""Seconds that a loop has run before it is interrupted."""

PYTHON = """# scriptconsole: isolation = "{mode}"
def plain():
    while True: pass

def caught():
    while True:
        try:
            while True: pass
        except Exception: pass

def stubborn():
    while True:
        try:
            while True: pass
        except BaseException: continue

async def coroutine():
    while True: pass

def generator():
    def endless():
        while True: yield 1
    for _ in endless(): pass
"""
LUA = """-- scriptconsole: lua = "{version}"
function plain() while true do end end
function caught() while true do pcall(plain) end end
function handled() while true do xpcall(plain, function() return 1 end) end end
function coroutines() while true do coroutine.resume(coroutine.create(plain)) end end
function wrapped()
    local f = coroutine.wrap(function() pcall(plain) plain() end)
    while true do pcall(f) end
end
"""


def slowest(script: Script, names: Iterable[str]) -> float:
    """Milliseconds from the interrupt until the caller is free: the median of the slowest function."""
    return max(statistics.median(time_to_stop(script, name) for _ in range(ROUNDS)) for name in names)


def time_to_stop(script: Script, name: str) -> float:
    """Milliseconds from the interrupt until the caller is free."""
    freed = 0.0

    def call() -> None:
        nonlocal freed
        try:
            script.call(name)
        except Interrupted:
            freed = time.perf_counter()

    caller = threading.Thread(target=call)
    caller.start()
    time.sleep(UNDER_WAY)
    asked = time.perf_counter()
    if not script.interrupt():
        raise RuntimeError(f"{name} was not running")
    caller.join()
    if not freed:
        raise RuntimeError(f"{name} ended otherwise")
    return 1000 * (freed - asked)


@bench("stopping", "stop an endless loop, Python", budget="<= 50 ms")
def stop_python() -> Result:
    """In each isolation inside the process, also inside handlers, coroutines and generators."""
    names = ("plain", "caught", "stubborn", "coroutine", "generator")
    figures: list[float] = []
    for mode in ("isolated", "shared", "main"):
        with loaded((".py", PYTHON.format(mode=mode))) as [script]:
            figures.append(slowest(script, names))
    return Result(max(figures), None, "ms")


@bench("stopping", "stop an endless loop, Lua", budget="<= 50 ms")
def stop_lua() -> Result:
    """In each Lua that is installed, also inside protected calls and coroutines."""
    names = ("plain", "caught", "handled", "coroutines", "wrapped")
    figures: list[float] = []
    for version in installed():
        with loaded((".lua", LUA.format(version=version))) as [script]:
            figures.append(slowest(script, names))
    return Result(max(figures), None, "ms")
