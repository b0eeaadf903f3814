"""What can be told of hooks: who subscribes, in which order, from which line, how often they were called."""

from __future__ import annotations

from pathlib import Path

import pytest

from scriptengines import Session
from scriptengines.view import HookView
from tests.conftest import load

PYTHON = """import host
seen = []
def on_reading(value):
    seen.append(value)
    if value == 13:
        raise ValueError("unlucky")
    if value == 14:
        return host.veto("enough")
    if value == 15:
        return host.replace(16)
host.on("reading", on_reading, 5)
"""
LUA = """seen = 0
function on_reading(value) seen = seen + value end
host.on("reading", on_reading, 9)
"""


def hook(session: Session, name: str = "reading") -> HookView:
    return next(each for each in session.frame().hooks if each.name == name)


def test_subscribers_are_listed_in_the_order_they_are_called(session: Session, tmp_path: Path) -> None:
    load(session, tmp_path, "rooms.py", PYTHON)
    load(session, tmp_path, "heat.lua", LUA)
    first, second = hook(session).subscribers
    assert (first.script, first.priority, first.source) == ("heat", 9, "heat.lua:3")
    assert (second.script, second.function, second.priority) == ("rooms", "on_reading", 5)
    assert second.source == "rooms.py:11"


@pytest.mark.parametrize("isolation", ["isolated", "main", "process"])
def test_calls_and_errors_are_counted(session: Session, tmp_path: Path, isolation: str) -> None:
    load(session, tmp_path, "rooms.py", PYTHON, isolation=isolation)
    for value in (1, 2, 13):
        session.emit("reading", value)
    seen = hook(session)
    (subscriber,) = seen.subscribers
    assert (seen.emitted, seen.vetoed) == (3, 0)
    assert (subscriber.calls, subscriber.errors) == (3, 1)


def test_those_after_a_ruling_are_counted_as_well(session: Session, tmp_path: Path) -> None:
    load(session, tmp_path, "rooms.py", PYTHON)
    load(session, tmp_path, "late.lua", LUA.replace("9", "1"))
    for value in (1, 13, 15):
        assert session.emit("reading", value) == (1 if value == 13 else 2)
    session.consult("reading", 2)
    session.emit("reading", 14)
    seen = hook(session)
    assert [(each.calls, each.errors) for each in seen.subscribers] == [(5, 1), (4, 0)]
    assert (seen.emitted, seen.vetoed) == (5, 1)
    assert session.script("late").get("seen") == 1 + 13 + 16 + 2


def test_an_emission_that_reaches_nobody_is_told(session: Session) -> None:
    assert session.emit("raeding", 1) == 0
    assert hook(session, "raeding") == HookView("raeding", 1, 0, ())


def test_made_up_names_do_not_fill_the_memory(session: Session) -> None:
    for number in range(3000):
        session.emit(f"hook {number}")
    assert len(session.frame().hooks) == 1000


def test_a_subscriber_can_be_passed_over(session: Session, tmp_path: Path) -> None:
    load(session, tmp_path, "rooms.py", PYTHON)
    number = hook(session).subscribers[0].id
    assert session.enable_subscriber(number, False)
    assert session.emit("reading", 1) == 0
    assert not hook(session).subscribers[0].enabled
    assert session.enable_subscriber(number, True)
    assert session.emit("reading", 1) == 1
    assert not session.enable_subscriber(number + 1, False), "there is none of that number"


def test_a_reload_takes_the_place_of_its_old_subscribers(session: Session, tmp_path: Path) -> None:
    load(session, tmp_path, "rooms.py", PYTHON)
    session.emit("reading", 1)
    session.reload("rooms")
    (subscriber,) = hook(session).subscribers
    assert (subscriber.calls, hook(session).emitted) == (0, 1)
    session.unload("rooms")
    assert hook(session).subscribers == ()


def test_functions_that_subscribe_by_name_have_their_own_line(session: Session, tmp_path: Path) -> None:
    load(session, tmp_path, "hub.py", "# a hub\ndef on_chat(nick, text): return 0\n", profile="hub")
    session.record_calls(True)
    assert session.consult("chat", "ada", "hello").vetoed_by == "hub"
    frame = session.frame()
    (seen,), (call,) = frame.hooks, frame.calls
    (subscriber,) = seen.subscribers
    assert (subscriber.function, subscriber.source, seen.vetoed) == ("on_chat", "hub.py:2", 1)
    assert (call.function, call.caller) == ("on_chat", "hook chat"), "once, not as hook and as handle"
