"""Ways to call besides the plain one: in time, elsewhere, many at once, with a strategy, from the cache."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError
from pathlib import Path

import pytest

from scriptengines.errors import CallError, CallTimeout, ScriptBusy, UnknownFunction
from scriptengines.script import Script
from scriptengines.session import Session
from tests.conftest import Log

TEXT = """
import host

calls = []

def double(value):
    calls.append(value)
    return [value, value]

def fail(value):
    if value == 70:
        raise ValueError(f"no {value}")
    return value

def spin():
    while True:
        try:
            while True:
                pass
        except Exception:
            pass

def stubborn():
    while True:
        try:
            while True:
                pass
        except BaseException:
            pass

def hold(entered, release):
    entered()
    release()

def ask(other):
    return host.call(other, "spin")
"""
LUA_SPIN = """
function spin() while true do pcall(function() while true do end end) end end
function one() return 1 end
"""
NATIVE = """
#include <scriptconsole.h>
#include <unistd.h>
static int stick(sc_ctx *ctx, const sc_value *args, size_t n, sc_value *out) {
    char byte;
    *out = sc_int(read((int)args[0].as.integer, &byte, 1));
    return 0;
}
static int twice(sc_ctx *ctx, const sc_value *args, size_t n, sc_value *out) {
    *out = sc_int(2 * args[0].as.integer);
    return 0;
}
static const sc_export exports[] = {{"stick", stick, "l:l", ""}, {"double", twice, "l:l", ""}, {0}};
static const sc_module module = {SC_ABI_VERSION, "stuck", "1", exports, 0, 0, 0};
SC_MODULE(module)
"""


@pytest.fixture
def script(session: Session, write: Callable[[str, str], Path]) -> Script:
    return session.load(write("it.py", TEXT))


# ---- strategies ------------------------------------------------------------------------------------------


def test_an_error_is_raised_by_default(script: Script) -> None:
    with pytest.raises(CallError, match="no 70"):
        script.call("fail", 70)


def test_an_error_can_be_ignored_for_a_default(script: Script, log: Log) -> None:
    assert script.call("fail", 70, errors="ignore", default=-1) == -1
    assert script.call("no_such", errors="ignore") is None
    assert log.lines() == []


def test_an_error_can_go_into_the_log(script: Script, log: Log) -> None:
    assert script.call("fail", 70, errors="log", default=-1) == -1
    [record] = log.wait_for("no 70")
    assert record.script == "it"
    assert "call of fail" in record.text


def test_an_argument_named_as_an_option_goes_by_the_handle(
    session: Session, write: Callable[[str, str], Path]
) -> None:
    script = session.load(write("it.py", "def wait(timeout): return timeout\n"))
    assert script.function("wait")(timeout=3) == 3


# ---- time ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("function", ["spin", "stubborn"])
def test_a_call_that_takes_too_long_is_stopped_whatever_it_catches(script: Script, function: str) -> None:
    with pytest.raises(CallTimeout, match=rf"it\.{function} took longer than 0.05 s") as caught:
        script.call(function, timeout=0.05)
    assert caught.value.frames[-1].function == function
    assert script.call("double", 1, timeout=5) == [1, 1]


def test_the_limit_holds_for_what_a_call_calls_in_turn(
    session: Session, script: Script, write: Callable[[str, str], Path]
) -> None:
    other = session.load(write("other.lua", LUA_SPIN))
    with pytest.raises(CallTimeout, match=r"it\.ask took longer"):
        script.call("ask", "other", timeout=0.05)
    assert script.call("double", 1) == [1, 1]
    assert other.call("one") == 1


def test_waiting_for_its_turn_counts_and_hits_nobody_else(session: Session, script: Script) -> None:
    entered, release = threading.Event(), threading.Event()
    holder = session.submit("it", "hold", entered.set, release.wait)
    entered.wait()
    with pytest.raises(CallTimeout, match=r"could not begin within 0\.05 s: it was busy"):
        script.call("double", 1, timeout=0.05)
    release.set()
    assert holder.result() is None


def test_native_code_that_does_not_stop_is_reported_and_not_waited_for(
    session: Session, write: Callable[[str, str], Path], log: Log
) -> None:
    script = session.load(write("native.c", NATIVE))
    reader, writer = os.pipe()
    with pytest.raises(CallTimeout, match="cannot be stopped"):
        script.call("stick", reader, timeout=0.05)
    log.wait_for("native.stick took longer than 0.05 s and cannot be stopped")
    assert session.health().stuck_calls == 1
    assert not session.health().ok
    os.write(writer, b"x")
    log.until(lambda: session.health().stuck_calls == 0, "the end of the stuck call")
    assert session.health().ok
    os.close(reader)
    os.close(writer)


# ---- elsewhere -------------------------------------------------------------------------------------------


def test_a_submitted_call_gives_a_future(script: Script) -> None:
    assert script.submit("double", 2).result() == [2, 2]
    with pytest.raises(CallError, match="no 70"):
        script.submit("fail", 70).result()
    with pytest.raises(UnknownFunction):
        script.submit("no_such").result()
    with pytest.raises(CallTimeout):
        script.submit("spin", timeout=0.05).result()


def test_the_pool_is_bounded(write: Callable[[str, str], Path]) -> None:
    with Session(workers=1, room=1) as session:
        script = session.load(write("it.py", TEXT))
        entered, release = threading.Event(), threading.Event()
        first = script.submit("hold", entered.set, release.wait)
        entered.wait()
        second, late = script.submit("double", 1), None
        with pytest.raises(ScriptBusy, match="1 calls wait for one of 1 threads already"):
            late = script.submit("double", 2)
        assert late is None
        assert session.health().waiting_calls == 1
        assert second.cancel()
        with pytest.raises(CancelledError):
            second.result()
        release.set()
        first.result()


def test_a_call_that_finds_no_free_worker_in_time_never_begins(write: Callable[[str, str], Path]) -> None:
    with Session(workers=1) as session:
        script = session.load(write("it.py", TEXT))
        entered, release = threading.Event(), threading.Event()
        first = script.submit("hold", entered.set, release.wait)
        entered.wait()
        with pytest.raises(CallTimeout, match=r"could not begin within 0\.05 s"):
            script.submit("double", 1, timeout=0.05).result()
        release.set()
        first.result()
        assert script.get("calls") == []


async def test_a_call_can_be_awaited(script: Script) -> None:
    both = asyncio.gather(script.call_async("double", 1), script.call_async("double", 2))
    assert await both == [[1, 1], [2, 2]]
    with pytest.raises(CallTimeout):
        await script.call_async("spin", timeout=0.05)


async def test_cancelling_the_task_that_awaits_a_call_stops_it(script: Script) -> None:
    task = asyncio.create_task(script.call_async("spin"))
    while script.lock.holder() is None:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await script.call_async("double", 1) == [1, 1]  # it has its turn


# ---- many at once ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 1, 63, 64, 65, 200])
def test_a_batch_gives_what_single_calls_give(script: Script, count: int) -> None:
    arguments = [(number,) for number in range(count)]
    assert script.call_many("double", arguments) == [[number, number] for number in range(count)]
    assert script.get("calls") == list(range(count))


def test_a_failing_call_ends_its_batch_and_is_numbered(script: Script) -> None:
    with pytest.raises(CallError, match="no 70") as caught:
        script.call_many("fail", [(number,) for number in range(100)])
    assert "in call 70 of the batch" in caught.value.__notes__


@pytest.mark.parametrize("errors", ["ignore", "log"])
def test_a_batch_can_go_on_over_a_failing_call(script: Script, errors: str, log: Log) -> None:
    results = script.call_many("fail", [(number,) for number in range(69, 72)], errors=errors, default=-1)
    assert results == [69, -1, 71]
    if errors == "log":
        log.wait_for("no 70")


def test_a_batch_refuses_what_is_no_tuple_of_arguments(script: Script) -> None:
    with pytest.raises(TypeError, match="must be a tuple, got int"):
        script.call_many("double", [(1,), 2])  # type: ignore[list-item]
    assert script.get("calls") == [1]


@pytest.mark.parametrize("suffix", [".lua", ".c"])
def test_a_batch_goes_to_any_engine(session: Session, write: Callable[[str, str], Path], suffix: str) -> None:
    text = {".lua": "function double(x) return 2 * x end\n", ".c": NATIVE}
    script = session.load(write(f"it{suffix}", text[suffix]))
    assert script.call_many("double", [(number,) for number in range(100)]) == list(range(0, 200, 2))


# ---- cache -----------------------------------------------------------------------------------------------


def test_a_result_answers_further_calls_with_the_same_arguments(script: Script) -> None:
    first = script.call("double", 1, ttl=60)
    first.append("spoilt")
    assert script.call("double", 1, ttl=60) == [1, 1]
    assert script.call("double", 2, ttl=60) == [2, 2]
    assert script.call("double", 1.0, ttl=60) == [1.0, 1.0]
    assert script.call("double", value=1, ttl=60) == [1, 1]
    assert script.get("calls") == [1, 2, 1.0, 1]


def test_a_result_that_is_too_old_is_not_used(script: Script) -> None:
    script.call("double", 1, ttl=60)
    script.call("double", 1, ttl=0)
    assert script.get("calls") == [1, 1]


def test_an_error_is_not_kept(script: Script) -> None:
    for _ in range(2):
        with pytest.raises(CallError):
            script.call("fail", 70, ttl=60)
    assert script.statistics()[0].calls == 2


def test_a_reload_clears_the_cache(
    session: Session, script: Script, write: Callable[[str, str], Path]
) -> None:
    assert script.call("double", 1, ttl=60) == [1, 1]
    write("it.py", TEXT.replace("[value, value]", "2 * value"))
    session.reload("it")
    assert script.call("double", 1, ttl=60) == 2


# ---- statistics ------------------------------------------------------------------------------------------


def test_every_function_has_its_own_statistics(script: Script) -> None:
    for number in range(100):
        script.call("double", number)
    with pytest.raises(CallError):
        script.call("fail", 70)
    double, fail = script.statistics()
    assert (double.name, double.calls, double.errors, double.last_error) == ("double", 100, 0, None)
    assert (fail.name, fail.calls, fail.errors, fail.last_error) == ("fail", 1, 1, "ValueError: no 70")
    assert 0 < double.p50 <= double.p99 <= double.longest
    assert double.total == pytest.approx(double.mean * 100)


def test_times_of_a_slow_function_are_exact(session: Session, write: Callable[[str, str], Path]) -> None:
    text = "import time\ndef nap(s): time.sleep(s)\n"
    script = session.load(write("it.py", text))
    for seconds in (0.01, 0.01, 0.01, 0.05):
        script.call("nap", seconds)
    [nap] = script.statistics()
    assert nap.total >= 0.08
    assert nap.longest >= 0.05
    assert 0.008 <= nap.p50 < nap.longest


def test_health_tells_what_each_script_uses_and_what_is_wrong(
    session: Session, script: Script, write: Callable[[str, str], Path]
) -> None:
    script.call("double", 1)
    session.keep_failed = True
    with pytest.raises(Exception, match="out of paint"):
        session.load(write("broken.py", "raise ValueError('out of paint')\n"))
    health = session.health()
    assert not health.ok
    assert health.problems == (
        f"broken has failed: {write('x', '').parent}/broken.py:1: ValueError: out of paint",
    )
    it = health.scripts[0]
    assert (it.alias, it.state, it.calls, it.errors) == ("it", "idle", 1, 0)
    assert it.cpu_time > 0
    assert it.call_time > 0


def test_info_tells_what_this_process_runs_on(session: Session) -> None:
    info = session.info()
    assert info.engines["python"] == (".py",)
    assert "lua54" in info.lua
    assert info.python.count(".") == 2


def test_the_share_of_a_script_that_works_is_higher_than_that_of_an_idle_one(
    session: Session, write: Callable[[str, str], Path], log: Log
) -> None:
    busy = "import host\ndef work():\n    for _ in range(100_000): pass\nhost.set_interval(work, 0)\n"
    session.load(write("busy.py", busy))
    session.load(write("idle.py", "x = 1\n"))
    session.health()  # from here on it is measured

    def shares() -> dict[str, float]:
        return {each.alias: each.cpu_share for each in session.health().scripts}

    log.until(lambda: shares()["busy"] > 0.1, "a share of the processor for the busy script")
    assert shares()["idle"] < 0.1


def test_a_script_that_could_not_be_ended_is_told_by_close(
    write: Callable[[str, str], Path], tmp_path: Path
) -> None:
    over = tmp_path / "over"
    source = f"""
#include <scriptconsole.h>
#include <unistd.h>
static int wait(sc_ctx *ctx, const sc_value *args, size_t n, sc_value *out) {{
    (void)ctx, (void)args, (void)n;
    *out = sc_nil();
    while (access("{over}", F_OK) != 0) usleep(1000);
    return 0;
}}
static int load(sc_ctx *ctx) {{ return sc_set_timeout(ctx, "wait", 0, NULL); }}
static const sc_export exports[] = {{{{"wait", wait, ":", ""}}, {{0}}}};
static const sc_module module = {{SC_ABI_VERSION, "waiter", "1.0", exports, NULL, load, NULL}};
SC_MODULE(module)
"""
    session = Session()
    script = session.load(write("waiter.c", source))
    while script.lock.holder() is None:
        session.wait(0.01)
    assert session.close() is False
    over.touch()
