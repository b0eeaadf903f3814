"""What can be told of calls while they are recorded: who calls what, with which arguments, for how long."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from scriptengines import Session
from scriptengines.errors import CallError
from scriptengines.view import CallView, Frame
from tests.conftest import DEADLINE, load

PYTHON = """
import host

def add(a, b=1, *rest, **named):
    return a + b

def fail():
    raise ValueError("no such room")

def hold(wait):
    wait()

def outer(alias):
    return host.call(alias, "inner", 7)

"""
LUA = """
function inner(x) return x * 2 end
function add(a, b) return a + b end
function fail() error("no such room") end
function hold(wait) wait() end
"""


def calls_until(session: Session, found: Callable[[Frame, list[CallView]], Any]) -> list[CallView]:
    """The calls that have ended, once a frame and they satisfy `found`."""
    ended: list[CallView] = []
    patience = threading.Event()
    for _ in range(1000):
        frame = session.frame()
        ended += frame.calls
        if found(frame, ended):
            return ended
        patience.wait(0.01)
    raise AssertionError(f"never came: {ended}")


@contextmanager
def under_way(session: Session) -> Generator[None]:
    """While a call of `hold` goes on."""
    inside, go_on = threading.Event(), threading.Event()

    def wait() -> None:
        inside.set()
        go_on.wait(DEADLINE)

    job = session.submit("rooms", "hold", wait)
    assert inside.wait(DEADLINE)
    try:
        yield
    finally:
        go_on.set()
        job.result()


def test_nothing_is_recorded_unless_asked_for(session: Session, tmp_path: Path) -> None:
    load(session, tmp_path, "rooms.py", PYTHON)
    session.call("rooms", "add", 1, 2)
    frame = session.frame()
    assert (frame.calls, frame.running) == ((), ())


@pytest.mark.parametrize("name", ["rooms.py", "rooms.lua"])
def test_a_call_is_told_with_arguments_result_and_error(session: Session, tmp_path: Path, name: str) -> None:
    load(session, tmp_path, name, PYTHON if name.endswith(".py") else LUA)
    session.record_calls(True)
    assert session.call("rooms", "add", 1, 2) == 3
    with pytest.raises(CallError):
        session.call("rooms", "fail")
    added, failed = session.frame().calls
    assert (added.script, added.function, added.arguments, added.result) == ("rooms", "add", "1, 2", "3")
    assert added.whole
    assert added.result_whole
    assert not added.error
    assert added.duration is not None
    assert added.duration >= 0
    assert failed.function == "fail"
    assert "no such room" in failed.error
    assert not failed.result
    assert session.frame().calls == (), "told once"


def test_arguments_are_literals_that_python_reads_back(session: Session, tmp_path: Path) -> None:
    load(session, tmp_path, "rooms.py", "def take(*args, **named): pass")
    session.record_calls(True)
    frozen: frozenset[int] = frozenset()
    empty: set[int] = set()
    given: tuple[Any, ...] = (
        None, True, -5, 2**70, 1.5, "it's\n\x1b[31m ü \U0001f600 \ud800", b"\x00'\xff", bytearray(b"x"),
        [1, (2,), ()], {"a": {1, 2}, 3: frozen}, empty,
    )  # fmt: skip
    session.call("rooms", "take", *given, room="a b")
    (call,) = session.frame().calls
    names = {"bytearray": bytearray, "frozenset": frozenset, "set": set}
    args, named = eval(f"(lambda *args, **named: (args, named))({call.arguments})", names)
    assert (args, named) == (given, {"room": "a b"})
    assert call.whole
    assert "\x1b" not in call.arguments


def test_what_is_no_literal_or_too_long_is_marked_as_not_whole(session: Session, tmp_path: Path) -> None:
    load(session, tmp_path, "rooms.py", "class Room:\n    def __repr__(self): raise SystemExit\n"
         "def take(*args): return Room()")  # fmt: skip
    session.record_calls(True)
    session.call("rooms", "take", print)
    session.call("rooms", "take", "x" * 100_000)
    session.call("rooms", "take", list(range(100_000)))
    opaque, long, many = session.frame().calls
    assert opaque.arguments == "<builtin_function_or_method>"
    assert not opaque.whole
    assert opaque.result == "<Room of rooms>"
    assert not opaque.result_whole
    assert len(long.arguments) < 1100
    assert long.arguments.endswith("…")
    assert not long.whole
    assert len(many.arguments) < 1100
    assert "…" in many.arguments
    assert not many.whole


def test_a_nested_call_names_the_call_it_comes_from(session: Session, tmp_path: Path) -> None:
    load(session, tmp_path, "rooms.py", PYTHON)
    load(session, tmp_path, "heat.lua", LUA)
    session.record_calls(True)
    assert session.call("rooms", "outer", "heat") == 14
    inner, outer = session.frame().calls
    assert (inner.script, inner.function, inner.parent) == ("heat", "inner", outer.id)
    assert (outer.function, outer.parent) == ("outer", 0)


@pytest.mark.parametrize("name", ["rooms.py", "rooms.lua"])
def test_a_call_that_hangs_is_shown_while_it_hangs(session: Session, tmp_path: Path, name: str) -> None:
    load(session, tmp_path, name, PYTHON if name.endswith(".py") else LUA)
    session.record_calls(True)
    with under_way(session):
        (running,) = session.frame().running
        assert (running.function, running.duration) == ("hold", None)
    ended = calls_until(session, lambda frame, ended: ended and not frame.running)
    assert [call.id for call in ended] == [running.id]


def test_a_call_that_began_before_recording_did_is_shown_too(session: Session, tmp_path: Path) -> None:
    load(session, tmp_path, "rooms.py", PYTHON)
    with under_way(session):
        session.record_calls(True)
        (running,) = session.frame().running
        assert (running.function, running.caller) == ("hold", "began earlier")
    assert session.frame().running == ()


TIMERS = {
    "a.py": 'import host\ndef tick(): return "ticked"\nhost.set_interval(tick, 1)',
    "a.lua": "function tick() end\nhost.set_interval(tick, 1)",
}
HOOKED = {
    "a.py": 'import host\ndef seen(x): pass\nhost.on("reading", seen)',
    "a.lua": 'function seen(x) end\nhost.on("reading", seen)',
}


@pytest.mark.parametrize("isolation", ["isolated", "shared", "main", "process"])
def test_timers_of_python_are_calls_in_every_isolation(
    session: Session, tmp_path: Path, isolation: str
) -> None:
    load(session, tmp_path, "a.py", TIMERS["a.py"], isolation=isolation)
    session.record_calls(True)
    call = calls_until(session, lambda frame, ended: ended)[0]
    assert (call.script, call.function, call.caller, call.result) == ("a", "tick", "timer", "'ticked'")


def test_timers_of_lua_are_calls(session: Session, tmp_path: Path) -> None:
    load(session, tmp_path, "a.lua", TIMERS["a.lua"])
    session.record_calls(True)
    call = calls_until(session, lambda frame, ended: ended)[0]
    assert (call.script, call.caller) == ("a", "timer")


@pytest.mark.parametrize("name", ["a.py", "a.lua"])
def test_subscribers_of_hooks_are_calls(session: Session, tmp_path: Path, name: str) -> None:
    load(session, tmp_path, name, HOOKED[name])
    session.record_calls(True)
    assert session.emit("reading", 4) == 1
    (call,) = session.frame().calls
    assert (call.script, call.caller, call.arguments) == ("a", "hook reading", "4")


def test_steps_of_tasks_are_calls_of_the_scripts_coroutine(session: Session, tmp_path: Path) -> None:
    text = (
        "import asyncio\nasync def pump():\n    while True: await asyncio.sleep(0.001)\nasyncio.run(pump())"
    )
    load(session, tmp_path, "a.py", text)
    session.record_calls(True)
    call = calls_until(session, lambda frame, ended: ended)[0]
    assert (call.function, call.caller) == ("pump", "task")


ECHO = {
    "a.py": """
import host
def data(connection, arrived): connection.send(arrived)
port = int(host.tcp_serve("127.0.0.1", 0, {"data": data}).local_address.rpartition(":")[2])
""",
    "a.lua": """
function data(connection, arrived) connection:send(arrived) end
port = tonumber(host.tcp_serve("127.0.0.1", 0, {data = data}).local_address:match("%d+$"))
""",
}


@pytest.mark.parametrize("name", ["a.py", "a.lua"])
def test_callbacks_of_the_network_are_calls(session: Session, tmp_path: Path, name: str) -> None:
    load(session, tmp_path, name, ECHO[name])
    session.record_calls(True)
    with socket.create_connection(("127.0.0.1", session.script("a").get("port")), 10) as peer:
        peer.sendall(b"warm")
        assert peer.recv(4) == b"warm"
    call = calls_until(session, lambda frame, ended: [each for each in ended if "data" in each.caller])
    (data,) = [each for each in call if "data" in each.caller]
    assert (data.script, data.caller) == ("a", "connection data")
    assert "b'warm'" in data.arguments
    assert not data.whole, "a connection is no literal"


def test_an_error_of_a_timer_is_told_with_the_call(session: Session, tmp_path: Path) -> None:
    text = 'import host\ndef tick(): raise ValueError("too cold")\nhost.set_interval(tick, 1)'
    load(session, tmp_path, "a.py", text)
    session.record_calls(True)
    call = calls_until(session, lambda frame, ended: ended)[0]
    assert call.error == "ValueError: too cold"


def test_more_calls_than_there_is_room_for_are_counted(session: Session, tmp_path: Path) -> None:
    load(session, tmp_path, "rooms.py", PYTHON)
    session.record_calls(True)
    for number in range(5000):
        session.call("rooms", "add", number)
    frame = session.frame()
    assert len(frame.calls) + frame.calls_dropped == 5000
    assert frame.calls_dropped > 0
    assert frame.calls[-1].arguments == "4999", "the newest are kept"


def test_a_batch_is_one_call(session: Session, tmp_path: Path) -> None:
    load(session, tmp_path, "rooms.py", PYTHON)
    session.record_calls(True)
    session.script("rooms").call_many("add", [(1,), (2,), (3,)])
    (call,) = session.frame().calls
    assert (call.arguments, call.whole) == ("3 calls at once", False)


def test_what_has_ended_is_forgotten_when_recording_stops(session: Session, tmp_path: Path) -> None:
    load(session, tmp_path, "rooms.py", PYTHON)
    session.record_calls(True)
    session.call("rooms", "add", 1)
    session.record_calls(False)
    session.record_calls(True)
    assert session.frame().calls == ()


def test_calls_from_many_threads_are_all_told(session: Session, tmp_path: Path) -> None:
    load(session, tmp_path, "rooms.py", PYTHON)
    session.record_calls(True)

    def work(first: int) -> None:
        for number in range(first, first + 200):
            session.call("rooms", "add", number)

    threads = [threading.Thread(target=work, args=(each * 1000,)) for each in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    calls = session.frame().calls
    assert len(calls) == 800
    assert len({call.id for call in calls}) == 800
    assert {call.parent for call in calls} == {0}
