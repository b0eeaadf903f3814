"""Pausing, ending, and knowing when everything is done."""

from __future__ import annotations

import threading

import pytest

from scriptengines.errors import ScriptClosed, UnknownScript
from scriptengines.session import Session
from scriptengines.view import ScriptState
from tests.conftest import DEADLINE, Log

from .conftest import Load

behaviour = pytest.mark.behaviour


@behaviour("unload")
def test_an_unloaded_script_is_closed_for_good(session: Session, load: Load) -> None:
    script = load("plain")
    add = script.function("add")
    assert add(1, 2) == 3
    session.unload("it")
    for use in (
        lambda: add(1, 2),
        lambda: script.call("add", 1, 2),
        lambda: script.get("count"),
        script.functions,
    ):
        with pytest.raises(ScriptClosed, match="it is closed"):
            use()
    assert script.view().state is ScriptState.CLOSED
    with pytest.raises(UnknownScript):
        session.script("it")


@behaviour("unload")
def test_closing_twice_is_harmless(load: Load) -> None:
    script = load("plain")
    assert script.close()
    assert script.close()
    assert not script.interrupt()


@behaviour("unload")
def test_a_closed_script_cannot_be_reloaded(session: Session, load: Load) -> None:
    load("plain").close()
    with pytest.raises(ScriptClosed):
        session.reload("it")


@behaviour("unload")
def test_unloading_ends_timers_and_servers(session: Session, load: Load, log: Log) -> None:
    load("timers", alias="timers").call("repeat", 60_000)
    load("server", alias="server")
    assert session.pending
    session.unload("timers")
    session.unload("server")
    log.drain()
    assert session.frame().timers == session.frame().connections == ()


@behaviour("unload")
def test_the_alias_is_free_again(session: Session, load: Load) -> None:
    for _ in range(3):
        assert load("plain").call("add", 1, 1) == 2
        session.unload("it")


@behaviour("unload")
def test_functions_given_away_say_that_their_script_is_closed(session: Session, load: Load) -> None:
    double = load("callbacks").call("give")
    session.unload("it")
    with pytest.raises(ScriptClosed, match="it is closed"):
        double(1)


@behaviour("pause and resume")
def test_a_paused_script_keeps_its_timers_back_but_takes_calls(
    session: Session, load: Load, log: Log
) -> None:
    paused = load("timers", alias="paused")
    load("timers", alias="clock")
    session.pause("paused")
    assert paused.view().state is ScriptState.PAUSED
    paused.call("start", 1)
    session.call("clock", "start", 30)
    log.wait_for("tick")
    assert log.lines("paused") == []
    assert paused.get("ticks") == 0
    session.resume("paused")
    log.drain()
    assert log.lines("paused") == ["tick 1"]


@behaviour("pause and resume")
def test_a_paused_script_can_be_unloaded(session: Session, load: Load, log: Log) -> None:
    load("timers").call("start", 1)
    session.pause("it")
    session.unload("it")
    log.drain()


@behaviour("smart exit")
def test_a_script_with_nothing_to_do_is_not_pending(load: Load, log: Log, session: Session) -> None:
    script = load("plain")
    log.drain()
    assert not script.pending
    assert not session.pending


@behaviour("smart exit")
def test_the_run_ends_with_its_last_timer(load: Load, log: Log, session: Session) -> None:
    first, second = load("timers", alias="first"), load("timers", alias="second")
    first.call("start", 1)
    last = second.call("start", 60_000)
    log.wait_for("tick 1")
    assert session.pending
    assert second.pending
    second.call("clear", last)
    log.drain()
    assert not second.pending


@behaviour("smart exit")
def test_a_server_keeps_the_run_alive(load: Load, log: Log, session: Session) -> None:
    load("server")
    load("plain", alias="plain")
    log.until(lambda: not session.script("plain").pending)
    assert session.pending
    session.unload("it")
    log.drain()


@behaviour("cycle on one thread")
def test_two_scripts_may_call_each_other_on_one_thread(session: Session, load: Load, other) -> None:
    load("mutual", alias="a")
    load("mutual", alias="b", language=other)
    assert session.call("a", "ping", "a", "b", 10) == "a"
    assert session.call("a", "ping", "a", "b", 11) == "b"


@behaviour("cycle across threads")
def test_two_scripts_that_wait_for_each_other_are_told(session: Session, load: Load, other) -> None:
    """Both threads hold their script before either calls the other's: they would wait for ever."""
    load("mutual", alias="a")
    load("mutual", alias="b", language=other)
    for _ in range(200):
        barrier = threading.Barrier(2)
        outcomes: list[object] = []

        def call(caller: str, called: str, barrier=barrier, outcomes=outcomes) -> None:
            try:
                outcomes.append(session.call(caller, "meet", barrier.wait, called))
            except BaseException as error:  # noqa: BLE001 - compared below
                outcomes.append(type(error).__name__)

        threads = [threading.Thread(target=call, args=pair) for pair in (("a", "b"), ("b", "a"))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(DEADLINE)
        assert sorted(map(str, outcomes)) == ["1", "CallCycleError"]
