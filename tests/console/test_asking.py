"""Dialogs that ask a session for something: what is asked waits in threads, and the newest answer counts."""

from __future__ import annotations

import asyncio
import threading
from functools import partial
from pathlib import Path

import pytest
from textual.widgets import Input, Static

from scriptconsole.app import ScriptConsoleApp
from scriptconsole.jobs import JobDone, Switch, in_thread
from scriptconsole.screens.differences import DifferencesScreen
from scriptconsole.screens.emit import EmitScreen
from scriptengines.view import DifferenceView

from .recording import RecordedSession
from .support import log_texts, running, until


def result(app: ScriptConsoleApp) -> str:
    return str(app.screen.query_one("#result", Static).render())


@pytest.mark.parametrize("key", ["c", "equals_sign", "colon"])
async def test_a_result_is_written_as_text_in_a_thread(session: RecordedSession, key: str) -> None:
    threads: list[int] = []

    class Slow:
        def __repr__(self) -> str:
            threads.append(threading.get_ident())
            return "<slow>"

    session.answer = Slow()
    async with running(session) as (app, pilot):
        await pilot.press(key, *("evaluate 1" if key == "colon" else "greet"), "enter")
        if key == "c":
            await pilot.press("enter")
        await until(pilot, lambda: log_texts(app)[-1].endswith(" = <slow>"))
        assert len(threads) == 1
        assert threading.get_ident() not in threads


async def test_an_older_answer_does_not_take_the_place_of_a_newer_one(session: RecordedSession) -> None:
    gate = threading.Event()

    class Gated(RecordedSession):
        def evaluate(self, alias: str, expression: str) -> object:
            if expression == "1":
                gate.wait(10)
            super().evaluate(alias, expression)
            return expression

    async with running(Gated()) as (app, pilot):
        await pilot.press("equals_sign", "1", "enter", "2", "enter")
        await until(pilot, lambda: result(app) == "'12'")
        gate.set()
        await until(pilot, lambda: log_texts(app)[-1] == "greeter: 1 = '1'")
        assert result(app) == "'12'"


async def test_a_hook_whose_name_cannot_be_printed_is_not_put_into_the_input(
    session: RecordedSession,
) -> None:
    async with running(session) as (app, pilot):
        await app.push_screen(EmitScreen(session, "x\x1b]0;evil\x07", ["x\x1by"], app.report))
        entry = app.screen.query_one("#hook", Input)
        await pilot.press("x")
        assert entry.value == "x"
        assert app.focused is entry


def test_what_is_stuck_keeps_nobody_from_leaving() -> None:
    left = threading.Event()
    waited = threading.Event()

    def stuck() -> None:
        if not left.wait(5):
            waited.set()

    async def ask() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(in_thread(stuck), 0.01)

    asyncio.run(ask())
    left.set()
    assert not waited.is_set()


async def test_what_work_returns_or_raises_comes_back() -> None:
    assert await in_thread(partial(divmod, 7, 2)) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        await in_thread(partial(divmod, 7, 0))


async def test_differences_say_what_they_are_from(session: RecordedSession) -> None:
    gate = threading.Event()

    class Gated(RecordedSession):
        def differences(self, alias: str, against: str = "mark") -> tuple[DifferenceView, ...]:
            if against == "mark":
                gate.wait(10)
                return super().differences(alias, against)
            return ()

    session = Gated()
    async with running(session) as (app, pilot):
        await pilot.press("2", "D", "g")
        heading = app.screen.query_one("#against", Static)
        await until(pilot, lambda: str(heading.render()) == "0 differences since the generation before")
        done: list[object] = []
        on_job_done = DifferencesScreen.on_job_done

        def noted(screen: DifferencesScreen, message: JobDone) -> None:
            on_job_done(screen, message)
            done.append(message)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(DifferencesScreen, "on_job_done", noted)
            gate.set()
            await until(pilot, lambda: done)
        assert str(heading.render()) == "0 differences since the generation before"


async def test_what_is_entered_twice_is_done_once(session: RecordedSession) -> None:
    gate = threading.Event()

    class Gated(RecordedSession):
        def add_watch(self, alias: str, expression: str) -> int:
            number = super().add_watch(alias, expression)
            gate.wait(10)
            return number

    session = Gated()
    async with running(session) as (app, pilot):
        await pilot.press("2", "w", "x", "enter", "enter")
        gate.set()
        await until(pilot, lambda: app.screen is app.main)
        assert sum(call[0] == "add_watch" for call in session.calls) == 1


async def test_scripts_are_shown_when_their_files_cannot_be_watched() -> None:
    class Blind(RecordedSession):
        def watch(self) -> None:
            super().watch()
            raise OSError(24, "inotify instance limit reached")

    session = Blind()
    async with running(session, paths=[Path("/srv/fan.py")]) as (app, pilot):
        await until(pilot, lambda: any(call[0] == "load" for call in session.calls))
        await until(pilot, lambda: any("limit reached" in text for text in log_texts(app)))
        told = next(text for text in log_texts(app) if "limit reached" in text)
        assert told.startswith("Scripts are not reloaded when their files change: ")


def test_the_last_wish_holds_whichever_job_comes_last() -> None:
    turned: list[bool] = []
    switch = Switch(turned.append)
    first, second = switch.wish(True), switch.wish(False)
    second()
    first()
    assert turned == [False, False]
    assert not switch.wanted


def test_jobs_turn_a_switch_one_after_the_other() -> None:
    inside = threading.Event()
    goes_on = threading.Event()
    turned: list[bool] = []

    def turn(on: bool) -> None:
        if on:
            inside.set()
            assert goes_on.wait(10)
        turned.append(on)

    switch = Switch(turn)
    slow = threading.Thread(target=switch.wish(True))
    slow.start()
    assert inside.wait(10)
    late = threading.Thread(target=switch.wish(False))
    late.start()
    goes_on.set()
    slow.join(10)
    late.join(10)
    assert turned == [True, False]
