from __future__ import annotations

import contextlib
import random
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from scriptengines.lua.state import LuaState
from scriptengines.lua.versions import MODULES, installed
from scriptnative import RunLock
from scriptnative.errors import CallError, Interrupted

if TYPE_CHECKING:
    from collections.abc import Iterator

LIMIT = 0.05

LOOPS = {
    "plain": "ready() while true do end",
    "pcall": "ready() while true do pcall(function() while true do end end) end",
    "empty pcall": "ready() while true do pcall(error) end",
    "coroutine": "coroutine.resume(coroutine.create(function() ready() while true do end end))",
    "wrap": "coroutine.wrap(function() ready() while true do end end)()",
    "coroutine in pcall": """
        while true do
            pcall(coroutine.wrap(function()
                ready()
                while true do pcall(function() while true do end end) end
            end))
        end""",
    "new coroutines": """
        ready()
        while true do coroutine.resume(coroutine.create(function() coroutine.yield() end)) end""",
    "gsub": "while true do pcall(string.gsub, 'xxx', 'x', function() ready() while true do end end) end",
    "sort": "table.sort({3, 2, 1}, function(a, b) ready() while true do end end)",
    "xpcall handler": """
        while true do xpcall(error, function() ready() while true do end end) end""",
    "handler of the interrupt": """
        ready()
        while true do xpcall(function() while true do end end, function() while true do end end) end""",
    "close": """
        while true do
            pcall(function()
                local guard <close> = setmetatable({}, {__close = function() ready() while true do end end})
            end)
        end""",
    "coroutine.close": """
        local co = coroutine.create(function()
            local guard <close> = setmetatable({}, {__close = function() ready() while true do end end})
            coroutine.yield()
        end)
        coroutine.resume(co)
        coroutine.close(co)
        while true do end""",
    "metamethod": """
        local t = setmetatable({}, {__index = function() ready() while true do end end})
        return t.x""",
    "no hooks": "ready() while true do debug.sethook() pcall(debug.sethook) end",
    "host calls": "ready() while true do tick() end",
    "through Python": "again(function() ready() while true do end end)",
    "Python in coroutine": """
        coroutine.wrap(function() again(function() ready() while true do end end) end)() while true do end""",
}


class Bench:
    def __init__(self, lua: str = "5.4") -> None:
        self.lua = lua
        self.ready = threading.Event()
        self.lock = RunLock("loops")
        self.state = LuaState("loops", self.lock, lambda text, stream: None, lua=lua)
        for name, function in (("ready", self.ready.set), ("tick", int), ("again", lambda call: call())):
            self.state.set((name,), function)
        self.state.execute("function sum(n) local s = 0 for i = 1, n do s = s + i end return s end")

    def interrupted(self, code: str, reason: str) -> tuple[Any, float]:
        """The error that code ends with when interrupted once it is ready, and the seconds that took."""
        caught: list[Any] = []

        def run() -> None:
            try:
                self.state.execute(code)
            except BaseException as error:  # noqa: BLE001 - it is what the test looks at
                caught.append(error)
            caught.append(time.perf_counter())

        self.ready.clear()
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        assert self.ready.wait(10)
        started = time.perf_counter()
        assert self.state.guard.interrupt(reason)
        thread.join(10)
        assert not thread.is_alive(), "it still runs"
        return caught[0], caught[-1] - started


@pytest.fixture(params=[name for name in MODULES if name in installed()])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    made = Bench(request.param)
    yield made
    made.state.close()


@pytest.mark.parametrize("name", LOOPS)
def test_every_loop_stops_at_once_and_leaves_the_state_usable(bench: Bench, name: str) -> None:
    if "close" in name and bench.lua not in ("5.4", "5.5"):
        pytest.skip("variables to be closed came with 5.4")
    slow = 0
    for count in range(200 if bench.lua == "5.4" else 20):
        error, seconds = bench.interrupted(LOOPS[name], f"reason {count}")
        assert isinstance(error, Interrupted), error
        assert str(error) == f"reason {count}"
        assert bench.state.call("sum", [1000]) == 500500
        assert bench.state.evaluate("coroutine.wrap(function() return 1 end)()") == 1
        assert bench.state.evaluate("(debug.gethook())") is None
        slow += seconds > LIMIT
    assert slow <= 2  # the machine may be busy with other things


def test_the_error_tells_where_it_was(bench: Bench) -> None:
    error, _ = bench.interrupted(
        "local function spin()\n  ready()\n  while true do end\nend\nspin()", "enough"
    )
    assert error.line in (2, 3)  # the call of ready() is not over when the event is set
    assert [frame.line for frame in error.frames] == [5, error.line]
    bench.state.execute("function direct()\n  ready()\n  while true do end\nend")
    function = bench.state.lookup("direct")
    bench.ready.clear()
    stopper = threading.Thread(target=lambda: (bench.ready.wait(10), bench.state.guard.interrupt("direct")))
    stopper.start()
    with pytest.raises(Interrupted, match="direct") as caught:
        function()
    stopper.join()
    assert caught.value.line in (2, 3)


def test_nothing_running_is_not_interrupted(bench: Bench) -> None:
    assert bench.state.guard.interrupt("too early") is False
    assert bench.state.call("sum", [10]) == 55
    assert bench.state.guard.reason is None


def test_an_interrupt_hits_only_the_call_that_ran(bench: Bench) -> None:
    done = threading.Event()

    def hammer() -> None:
        chance = random.Random(2)
        while not done.wait(chance.random() * 0.002):
            bench.state.guard.interrupt("hammer")

    thread = threading.Thread(target=hammer)
    thread.start()
    outcomes = {True: 0, False: 0}
    deadline = time.monotonic() + 1.0
    while time.monotonic() < deadline:
        try:
            assert bench.state.call("sum", [20000]) == 200010000
            outcomes[True] += 1
        except Interrupted:
            outcomes[False] += 1
    done.set()
    thread.join()
    assert outcomes[False] > 0
    assert outcomes[True] > 0
    for _ in range(1000):
        assert bench.state.call("sum", [100]) == 5050


def test_a_storm_of_interrupts_sends_one_signal_a_call(bench: Bench) -> None:
    done = threading.Event()

    def storm() -> None:
        while not done.is_set():
            bench.state.guard.interrupt("storm")

    thread = threading.Thread(target=storm)
    thread.start()
    started = time.monotonic()
    for _ in range(20):
        with contextlib.suppress(Interrupted):
            bench.state.call("sum", [10])
    seconds = time.monotonic() - started
    done.set()
    thread.join()
    assert seconds < 5


def test_nested_states_stop_one_by_one(bench: Bench) -> None:
    inner = Bench(bench.lua)
    inner.state.execute("function spin() ready() while true do end end")
    bench.state.set(("other",), lambda: inner.state.call("spin"))
    bench.ready = inner.ready
    caught: list[BaseException] = []

    def run() -> None:
        try:
            bench.state.execute("ok, message = pcall(other) while true do back() end")
        except Interrupted as error:
            caught.append(error)

    back = threading.Event()
    bench.state.set(("back",), back.set)
    thread = threading.Thread(target=run)
    thread.start()
    assert inner.ready.wait(10)
    assert inner.state.guard.interrupt("inner")
    assert back.wait(10)
    assert bench.state.guard.interrupt("outer")
    thread.join(10)
    assert [str(error) for error in caught] == ["outer"]
    assert bench.state.get(("ok",)) is False
    assert bench.state.get(("message",)).endswith("Interrupted: inner")
    inner.state.close()


def test_interrupts_at_any_moment_corrupt_nothing(bench: Bench) -> None:
    bench.state.execute("""
        local function node(depth) return depth == 0 and {} or {node(depth - 1), tostring(depth)} end
        function work()
            for i = 1, 50 do
                local co = coroutine.wrap(function()
                    for k = 1, 5 do coroutine.yield(("x"):rep(k):gsub("x", function() return tick() end)) end
                end)
                for _ = 1, 5 do co() end
                pcall(error, node(10))
                again(function() return sum(50) end)
                local t = setmetatable({}, {__gc = function() kept = i end})
            end
            collectgarbage("step")
            return "done"
        end
    """)
    done = threading.Event()

    def hammer() -> None:
        chance = random.Random(1)
        while not done.wait(chance.random() * 0.002):
            bench.state.guard.interrupt("any moment")

    thread = threading.Thread(target=hammer)
    thread.start()
    deadline = time.monotonic() + 0.7
    outcomes = {"done": 0, "stopped": 0}
    try:
        while time.monotonic() < deadline:
            try:
                assert bench.state.call("work") == "done"
                outcomes["done"] += 1
            except Interrupted:
                outcomes["stopped"] += 1
    finally:
        done.set()
        thread.join()
    assert outcomes["stopped"] > 10
    assert bench.state.call("work") == "done"
    with pytest.raises(CallError, match="plain"):
        bench.state.execute("error('plain')")
