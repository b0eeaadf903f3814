"""Dialogs that ask a session for something: what is asked waits in threads, and the newest answer counts."""

from __future__ import annotations

import asyncio
import threading
from functools import partial

import pytest
from textual.widgets import Input, Static

from scriptconsole.app import ScriptConsoleApp
from scriptconsole.jobs import in_thread
from scriptconsole.screens.emit import EmitScreen

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
