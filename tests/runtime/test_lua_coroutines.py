"""Lua callbacks run in coroutines: they may yield, wait for the host, be resumed later, and fail with their own trace."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scriptengines.errors import CallError, CallTimeout, Interrupted
from scriptengines.lua.versions import MODULES, installed
from scriptengines.script import Script
from scriptengines.session import Session
from tests.conftest import Log, line_of

type Write = Callable[[str, str], Path]

VERSIONS = [name for name in MODULES if name in installed()]
YIELDS_ACROSS_PCALL = [name for name in VERSIONS if name != "5.1"]
SOURCE = """
function wait(ms, value) host.sleep(ms) return value, "and more" end
function wait_twice() host.sleep(1) host.sleep(1) return "twice" end
function wait_then_fail()
  host.sleep(1)
  error("too late") -- FAILS
end
function plain_yield() coroutine.yield() return 5 end
function wait_then_yield() host.sleep(1) coroutine.yield() return 5 end
function wait_for_ever() host.sleep(1e9) end
function nested() return coroutine.wrap(function() host.sleep(1) return 1 end)() end
"""


@pytest.fixture(params=VERSIONS)
def it(session: Session, write: Write, request: pytest.FixtureRequest) -> Iterator[Script]:
    yield session.load(write("it.lua", SOURCE), lua=request.param)


@pytest.fixture
def lua(session: Session, write: Write) -> Script:
    return session.load(write("it.lua", SOURCE))


# ---- callbacks --------------------------------------------------------------------------------------------


def test_every_callback_may_yield_and_is_resumed_by_another(it: Script, log: Log) -> None:
    it.execute(
        """
        local n = 0
        local id
        id = setInterval(function()
            n = n + 1
            local mine = n
            if n == 3 then clearInterval(id) end
            local co = coroutine.running()
            setTimeout(function() assert(coroutine.resume(co, "v" .. mine)) end, 1)
            local got = coroutine.yield()
            print("tick " .. mine .. " got " .. got)
        end, 1)
        """
    )
    for tick in (1, 2, 3):
        log.wait_for(f"tick {tick} got v{tick}")


def test_the_main_chunk_may_yield_and_wait(session: Session, write: Write, log: Log) -> None:
    session.load(
        write(
            "it.lua",
            """
            local co = coroutine.running()
            setTimeout(function() coroutine.resume(co, "woken") end, 1)
            print("main " .. coroutine.yield())
            host.sleep(1)
            print("main slept")
            """,
        )
    )
    log.wait_for("main woken")
    log.wait_for("main slept")


def test_what_nobody_resumes_keeps_nothing_alive(lua: Script, log: Log) -> None:
    lua.execute("setTimeout(function() coroutine.yield() end, 0)")
    log.drain()
    assert log.lines("it") == []


def test_an_error_after_a_resume_comes_back_to_the_resumer(it: Script, log: Log) -> None:
    it.execute(
        """
        local co
        setTimeout(function() co = coroutine.running() coroutine.yield() error({code = 7}) end, 0)
        setTimeout(function()
            local ok, problem = coroutine.resume(co)
            print("resumed " .. tostring(ok) .. " " .. problem.code)
        end, 1)
        """
    )
    log.wait_for("resumed false 7")
    log.drain()
    assert len(log.lines("it")) == 1


def test_an_error_after_the_host_resumed_has_the_trace_of_that_coroutine(
    it: Script, log: Log, tmp_path: Path
) -> None:
    it.execute("function outer() wait_then_fail() end setTimeout(function() outer() end, 0)")
    (record,) = log.wait_for("too late")
    line = line_of(tmp_path / "it.lua", "FAILS")
    assert f'it.lua", line {line}' in record.text
    assert "in wait_then_fail (lua)" in record.text or it.runtime.source.options["lua"].startswith("luajit")


@pytest.mark.parametrize("lua_version", YIELDS_ACROSS_PCALL)
def test_waiting_works_across_pcall(session: Session, write: Write, log: Log, lua_version: str) -> None:
    it = session.load(write("it.lua", SOURCE), lua=lua_version)
    it.execute("setTimeout(function() print(select(2, pcall(wait, 1, 'through'))) end, 0)")
    log.wait_for("through")
    it.execute("setTimeout(function() local ok, m = pcall(wait_then_fail) print('caught', ok, m) end, 0)")
    assert "too late" in log.wait_for("caught\tfalse")[0].text


def test_an_error_of_the_host_is_raised_where_it_was_waited_for(lua: Script, log: Log) -> None:
    lua.execute("setTimeout(function() print(pcall(host.tcp_open, '127.0.0.1', 1)) end, 0)")
    assert "connection refused" in log.wait_for("false\t")[0].text


# ---- calls from outside ----------------------------------------------------------------------------------


def test_a_call_waits_for_what_waits_for_the_host(it: Script) -> None:
    assert it.call("wait", 1, "slept") == ("slept", "and more")
    assert it.call("wait_twice") == "twice"
    assert it.function("wait_twice")() == "twice"


def test_its_error_is_raised_to_the_caller_with_its_trace(it: Script, log: Log, tmp_path: Path) -> None:
    with pytest.raises(CallError, match="too late") as caught:
        it.call("wait_then_fail")
    assert caught.value.frames[-1].line == line_of(tmp_path / "it.lua", "FAILS")
    assert log.lines("it") == []


@pytest.mark.parametrize("name", ["plain_yield", "wait_then_yield", "nested"])
def test_a_call_that_yields_to_nobody_gives_none(it: Script, name: str) -> None:
    assert it.call(name) is None


def test_a_limit_ends_the_waiting(lua: Script) -> None:
    with pytest.raises(CallTimeout):
        lua.call("wait_for_ever", timeout=0.05)
    assert lua.call("wait", 1, 2) == (2, "and more")


def test_an_unload_ends_the_waiting(session: Session, lua: Script, log: Log) -> None:
    caught: list[BaseException] = []
    lua.execute("begun = false")

    def call() -> None:
        try:
            lua.call("wait_for_ever")
        except Interrupted as error:
            caught.append(error)

    caller = threading.Thread(target=call)
    caller.start()
    log.until(lambda: lua.pending)
    session.unload("it")
    caller.join(20)
    assert len(caught) == 1


def test_many_threads_wait_at_once(lua: Script) -> None:
    results: list[object] = []
    threads = [threading.Thread(target=lambda n=n: results.append(lua.call("wait", 1, n))) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(results) == [(n, "and more") for n in range(20)]  # pyright: ignore


def test_another_script_waits_for_it(session: Session, write: Write, lua: Script, log: Log) -> None:
    session.load(
        write("other.lua", "setTimeout(function() print('other got', host.call('it', 'wait_twice')) end, 0)")
    )
    log.wait_for("other got\ttwice")


def test_other_callbacks_run_while_a_call_waits(lua: Script) -> None:
    lua.execute(
        "function until_set() while not set do host.sleep(1) end return set end setTimeout(function() set = 'by timer' end, 5)"
    )
    assert lua.call("until_set") == "by timer"


# ---- coroutine.wrapdebug ---------------------------------------------------------------------------------


def test_wrapdebug_is_wrap_until_it_fails(it: Script, log: Log) -> None:
    it.execute(
        """
        local f = coroutine.wrapdebug(function(a) local b = coroutine.yield(a + 1) return b * 2, "end" end)
        assert(f(1) == 2)
        local x, y = f(10)
        assert(x == 20 and y == "end")
        local told
        local g = coroutine.wrapdebug(function() error("oh") end, function(problem, trace) told = {problem, trace} end)
        assert(select("#", g()) == 0 and told[1]:find("oh") and told[2]:find("traceback"))
        coroutine.wrapdebug(function() error("printed") end)()
        """
    )
    log.wait_for("printed")
