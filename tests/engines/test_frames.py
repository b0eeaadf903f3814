"""What a frame costs: a bounded part of the log, and nothing for rows that did not change."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from scriptengines import records as module
from scriptengines.joining import Joining
from scriptengines.observer import IDLE_PERIOD, Observer
from scriptengines.records import Records
from scriptengines.reports import Report
from scriptengines.session import Session
from scriptengines.view import Level, ScriptState, TimerView, VariableView
from scriptnative import Feed
from tests.conftest import Log

type Write = Callable[[str, str], Path]


def texts(session: Session, limit: int) -> list[str]:
    return [record.text for record in session.records(limit)]


def test_records_are_taken_a_bounded_number_at_a_time_and_in_order(session: Session) -> None:
    session.note("info", "first")
    session.feed.push(Report.OUTPUT, 0, ("stdout", "\n".join(map(str, range(1000)))))
    session.note("info", "last")
    assert texts(session, 2) == ["first", "0"]
    assert texts(session, 998) == [str(number) for number in range(1, 999)]
    assert texts(session, 100) == ["999", "last"]
    assert texts(session, 100) == []
    session.note("info", "again")
    assert texts(session, 100) == ["again"]


def test_a_frame_that_has_no_time_left_leaves_records_to_the_next() -> None:
    feed = Session().feed
    for number in range(5 * module.PATIENCE):
        feed.push(Report.OUTPUT, 0, ("stderr", str(number)))
    records = Records(feed, {}, [])
    some, all_told = records.take(10**9, 0.0)
    assert len(some) == module.PATIENCE
    assert not all_told
    rest, all_told = records.take(10**9)
    assert all_told
    assert [record.text for record in some + rest] == [str(number) for number in range(5 * module.PATIENCE)]
    assert {record.level for record in some} == {Level.WARNING}


def test_what_a_binary_program_prints_can_be_shown(session: Session) -> None:
    session.feed.push(Report.OUTPUT, 0, ("stdout", "\udcff\udcfe café"))
    [text] = texts(session, 10)
    assert text == "\ufffd\ufffd café"


def test_rows_are_joined_again_only_when_those_of_a_script_changed() -> None:
    joining = Joining()
    one, two = ("b", "a"), ("c",)
    first = joining.join(str, [one, two])
    assert first == ("b", "a", "c")
    assert joining.join(str, [one, two]) is first
    assert joining.join(str, [one, ("c", "d")]) == ("b", "a", "c", "d")
    assert joining.join(str, [two]) == ("c",)
    assert joining.join(str, []) == ()
    assert joining.join(int, [(3, 1), (2,)], lambda number: number) == (1, 2, 3)


def test_frames_share_the_rows_of_what_does_not_change(session: Session, write: Write, log: Log) -> None:
    script = session.load(write("a.lua", "x = 1\nsetTimeout(function() end, 3600000)\n"))
    log.until(lambda: session.frame().variables and session.frame().timers)
    before = session.frame()
    looked = script.sampled_at
    log.until(lambda: script.sampled_at > looked)
    after = session.frame()
    assert after.variables is before.variables
    script.set("x", 2)
    log.until(lambda: session.frame().variables[0].value == "2")
    assert {type(row) for row in session.frame().variables} == {VariableView}
    assert {type(row) for row in session.frame().timers} == {TimerView}


def test_feed_is_told_in_chunks() -> None:
    session = Session()
    assert isinstance(session.feed, Feed)
    for number in range(3 * module.CHUNK + 1):
        session.note("info", str(number))
    assert len(session.records()) == 3 * module.CHUNK + 1


def test_one_thread_looks_at_a_script_however_often_it_is_followed(session: Session, write: Write) -> None:
    script = session.load(write("watched.py", "n = 1\n"))
    observer = Observer()
    observer.follow(script)  # as the first frame does while it loads
    observer.follow(script)  # as the session does once it has loaded
    assert [thread.name for thread in threading.enumerate()].count("observer watched") == 1
    observer.close()


@pytest.mark.parametrize("name", ["it.py", "it.lua"])
def test_a_script_that_does_nothing_is_read_once_a_second_and_seen_as_soon_as_it_does(
    session: Session, write: Write, log: Log, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    script = session.load(write(name, "value = 1\n"))
    looks = Looks(script.refresh)
    monkeypatch.setattr(script, "refresh", looks)
    session.frame()
    log.until(lambda: looks.slowest() > IDLE_PERIOD / 2, "looks at an idle script become rare")
    script.set("value", 2)
    log.until(lambda: [row.value for row in session.frame().variables] == ["2"], "the new value")


@pytest.mark.parametrize("name", ["it.py", "it.lua"])
def test_being_looked_at_is_no_work(session: Session, write: Write, name: str) -> None:
    script = session.load(write(name, "value = 1\n"))
    session.frame()
    states = set[str]()
    while script.looker == 0 or len(states) == 0:
        session.wait(0.01)
        states.add(session.frame().scripts[0].state)
    for _ in range(300):  # as many moments as looks take, and more
        states.add(session.frame().scripts[0].state)
        session.wait(0.001)
    assert states == {ScriptState.IDLE}


class Looks:
    """Notes when a script is looked at."""

    def __init__(self, look: Callable[[], bool]) -> None:
        self._look = look
        self._at: list[float] = []

    def __call__(self) -> bool:
        self._at.append(time.monotonic())
        return self._look()

    def slowest(self) -> float:
        """The longest time from one look to the next."""
        return max((later - at for at, later in pairwise(self._at)), default=0.0)
