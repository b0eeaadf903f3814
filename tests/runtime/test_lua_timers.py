"""setTimeout, setInterval and their clear functions, as scripts for other Lua hosts use them."""

# ruff: noqa: E501 - the long lines are Lua

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scriptengines.errors import CallError
from scriptengines.lua.versions import MODULES, installed
from scriptengines.script import Script
from scriptengines.session import Session
from scriptengines.view import TimerView
from tests.batch.support import batch
from tests.conftest import Log

type Write = Callable[[str, str], Path]


@pytest.fixture(params=[name for name in MODULES if name in installed()])
def it(session: Session, write: Write, request: pytest.FixtureRequest) -> Iterator[Script]:
    return session.load(write("it.lua", "ran = {} function mark(x) ran[#ran + 1] = x end"), lua=request.param)


def run(it: Script, log: Log, code: str) -> object:
    """What `mark` was called with, in order, when nothing is pending any more."""
    it.execute(code)
    log.drain()
    return it.get("ran")


def test_order_is_that_of_time_then_of_creation(it: Script, log: Log) -> None:
    code = """
        setTimeout(function() mark("later") end, 500)
        setTimeout(function() mark("a") end, 1.5) setTimeout(function() mark("b") end, 1.5)
        setTimeout(function() mark("negative") end, -5) setTimeout(function() mark("zero") end, 0)
        mark("now")
    """
    assert run(it, log, code) == ["now", "negative", "zero", "a", "b", "later"]


def test_a_callback_gets_no_arguments(it: Script, log: Log) -> None:
    assert run(it, log, "setTimeout(function(...) mark(select('#', ...)) end, 0)") == [0]


def test_ids_are_positive_integers_never_used_again(it: Script, log: Log) -> None:
    it.execute("ids = {} for i = 1, 10 do local id = setTimeout(print, 1e9) clearTimeout(id) ids[i] = id end")
    ids = it.get("ids")
    assert len(set(ids)) == 10
    assert all(isinstance(number, int) and number > 0 for number in ids)


@pytest.mark.parametrize("clear", ["clearTimeout", "clearInterval"])
def test_clearing_gives_nothing_and_never_fails(it: Script, clear: str) -> None:
    it.execute(
        f"""
        for _, id in ipairs{{99, -1, 1.5, "x", {{}}, true}} do assert(select("#", {clear}(id)) == 0) end
        assert(select("#", {clear}(nil)) == 0 and select("#", {clear}()) == 0)
        local id = setTimeout(mark, 0)
        {clear}(id) {clear}(id)
        """
    )


def test_a_timer_cleared_by_one_due_in_the_same_turn_never_runs(it: Script, log: Log) -> None:
    code = "local b setTimeout(function() mark('a') clearTimeout(b) end, 0) b = setTimeout(function() mark('b') end, 0)"
    assert run(it, log, code) == ["a"]


def test_an_interval_stops_in_its_own_callback(it: Script, log: Log) -> None:
    code = "local n, id = 0 id = setInterval(function() n = n + 1 mark(n) if n == 3 then clearInterval(id) end end, 1)"
    assert run(it, log, code) == [1, 2, 3]


def test_an_interval_whose_inner_name_is_a_global_keeps_ticking(it: Script, log: Log) -> None:
    it.execute(
        "n = 0 local t = setInterval(function() n = n + 1 if n == 3 then print('third') end clearInterval(t) end, 1)"
    )
    log.wait_for("third")


def test_a_zero_interval_lets_timers_run_between(it: Script, log: Log) -> None:
    code = """
        local n, id = 0
        id = setInterval(function()
            n = n + 1
            mark(n)
            if n == 1 then setTimeout(function() mark("between") end, 0) end
            if n == 4 then clearInterval(id) end
        end, 0)
    """
    ran = run(it, log, code)
    assert isinstance(ran, list)
    assert [mark for mark in ran if mark != "between"] == [1, 2, 3, 4]
    assert ran.index("between") < 3


def test_an_interval_counts_from_the_end_of_its_callback(session: Session, write: Write, log: Log) -> None:
    code = """
        local ended, gap
        local id id = setInterval(function()
            local now = _PY.get_time()
            if ended then gap = now - ended clearInterval(id) print(gap >= 0.0195 and "rested" or "hurried " .. gap) end
            _PY.py_sleep(15)
            ended = _PY.get_time()
        end, 20)
    """
    session.load(write("it.lua", code))
    log.wait_for("rested")


@pytest.mark.parametrize("ms", ["nil", "", '"20"', "{}", "true", "0/0"])
@pytest.mark.parametrize("name", ["setTimeout", "setInterval"])
def test_a_time_that_is_none_is_an_error_at_once(it: Script, name: str, ms: str) -> None:
    with pytest.raises(CallError, match=f"bad argument #2 to '{name}'"):
        it.execute(f"{name}(print{', ' if ms else ''}{ms})")


def test_what_is_no_function_fails_when_it_fires(it: Script, log: Log) -> None:
    it.execute("setTimeout(nil, 0) setTimeout('text', 0)")
    assert len(log.wait_for("Error in timer callback: LuaError: attempt to call", 2)) == 2


def test_an_error_of_a_timeout_is_told_with_its_trace(it: Script, log: Log) -> None:
    it.execute("setTimeout(function() error('oh') end, 0) setTimeout(function() print('goes on') end, 1)")
    (record,) = log.wait_for("Error in timer callback: LuaError: oh")
    assert "Traceback" in record.text
    log.wait_for("goes on")


def test_an_error_of_an_interval_ends_it(it: Script, log: Log) -> None:
    it.execute("setInterval(function() error('oh') end, 1)")
    log.wait_for("Error in interval callback: LuaError: oh")
    log.drain()
    assert len(log.lines("it")) == 1


def test_an_infinite_time_never_fires_and_keeps_the_run_alive(it: Script, log: Log) -> None:
    it.execute("id = setTimeout(print, math.huge)")
    assert it.pending
    it.execute("clearTimeout(id)")
    log.drain()


def test_a_system_timer_leaves_the_run_free_to_end(write: Write) -> None:
    path = write(
        "it.lua",
        "setTimeout(function() print('never') end, 60000, {system = true})\n"
        "setTimeout(function() print('soon') end, 1, {system = true})\n"
        "setTimeout(function() print('later') end, 30)",
    )
    run = batch(path)
    assert run.lines == ["soon", "later"]
    assert run.code == 0
    assert run.seconds < 30


def test_host_timers_and_these_share_their_numbers(it: Script, log: Log) -> None:
    code = """
        local a, b = setTimeout(mark, 1e9), host.set_timeout(mark, 1e9)
        assert(a ~= b)
        clearTimeout(b) host.clear_timer(a)
    """
    assert run(it, log, code) == []


def test_timers_are_a_module_too(it: Script) -> None:
    assert (
        it.evaluate("require('timers').setTimeout == setTimeout and _PY.setInterval == setInterval") is True
    )


def test_they_show_in_the_console_and_their_names_do_not(it: Script, log: Log) -> None:
    it.execute("setTimeout(print, 1e9) setInterval(print, 1e9) mine = 1")
    log.until(lambda: it.refresh() and len(it.rows(TimerView)) == 2)
    assert sorted(timer.kind for timer in it.rows(TimerView)) == ["interval", "timeout"]
    names = {row[0] for row in it.variables()}
    assert "mine" in names
    assert not names & {"json", "net", "mqtt", "_PY", "_PLUA_VERSION", "setTimeout", "input"}


def test_without_the_dialect_none_of_it_is_there(session: Session, write: Write) -> None:
    it = session.load(write("it.lua", "-- scriptconsole: dialect = false\n"))
    assert it.evaluate("setTimeout or json or net or mqtt or _PY or input") is None
    assert it.evaluate("pcall(require, 'lfs')")[0] is False
    assert it.evaluate("host.set_timeout ~= nil and os.getenv('HOME') ~= nil") is True
