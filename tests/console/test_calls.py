"""The panes of calls and hooks: what they show, and what can be done there."""

from __future__ import annotations

from collections.abc import Callable
from copy import replace

import pytest
from textual.pilot import Pilot
from textual.widgets import Static

from scriptconsole.actions import PaneName
from scriptconsole.app import ScriptConsoleApp
from scriptconsole.panes.calls import CallsPane
from scriptconsole.screens.emit import EmitScreen
from scriptengines.view import CallView

from .recording import CALLS, FRAME, HOOKS, NOW, RUNNING, RecordedSession
from .support import NARROW, WIDE, drawn, log_texts, make_app, notices, running, table, until

Compare = Callable[..., bool]
QUIET = replace(FRAME, hooks=HOOKS)
BUSY = replace(FRAME, calls=CALLS, running=RUNNING, hooks=HOOKS)


class Flow(RecordedSession):
    """A session that tells of its calls once, while they are recorded."""

    def __init__(self, calls: tuple[CallView, ...] = CALLS) -> None:
        super().__init__(QUIET)
        self.ended = calls
        self.recorded = False

    def record_calls(self, on: bool) -> None:
        super().record_calls(on)
        self.recorded = on

    def frame(self):
        frame = super().frame()
        if not self.recorded:
            return frame
        ended, self.ended = self.ended, ()
        return replace(frame, calls=ended, running=RUNNING)


async def shown(pilot: Pilot[None], session: Flow) -> None:
    """Open the pane and wait until the calls are there."""
    await pilot.press("6")
    await until(pilot, lambda: not session.ended)


def ids(app: ScriptConsoleApp) -> list[int]:
    pane = app.main.panes[PaneName.CALLS]
    assert isinstance(pane, CallsPane)
    return [row.id for row in pane.table.rows]


async def test_calls_are_recorded_only_while_the_pane_is_in_sight() -> None:
    session = Flow()
    async with running(session) as (_, pilot):
        assert ("record_calls", True) not in session.calls
        await pilot.press("6")
        await until(pilot, lambda: session.recorded)
        await pilot.press("2")
        await until(pilot, lambda: not session.recorded)
        await pilot.press("6")
        await until(pilot, lambda: session.recorded)
        await pilot.press("1", "m")
        await until(pilot, lambda: not session.recorded)


async def test_what_runs_comes_first_then_the_newest() -> None:
    session = Flow()
    async with running(session) as (app, pilot):
        await shown(pilot, session)
        rows = ids(app)
        assert rows == [47, 46, 45, 43, 42, 41]
        lines = drawn(table(app, "calls"))
        assert "▸! 1.9 s" in lines[1]
        assert "! 850 ms" in lines[2]
        assert "✗ 4 ms" in lines[4]


async def test_a_slow_call_outlives_a_flood_of_fast_ones() -> None:
    flood = tuple(CallView(1000 + n, "bridge", "beat", "timer", "", NOW, 1e-6) for n in range(5000))
    session = Flow((*CALLS, *flood))
    async with running(session) as (app, pilot):
        await shown(pilot, session)
        rows = ids(app)
        assert rows[:2] == [47, 5999]
        assert rows[-2:] == [46, 45]
        assert len(rows) == 1003


async def test_threshold_window_and_clear() -> None:
    session = Flow()
    async with running(session) as (app, pilot):
        await shown(pilot, session)
        pane = app.main.panes[PaneName.CALLS]
        assert isinstance(pane, CallsPane)
        assert "slow from 10 ms" in pane.title_text
        await pilot.press("t", "t", "t")
        assert "slow from 1 s" in pane.title_text
        assert "! 850 ms" not in drawn(table(app, "calls"))[2]
        await pilot.press("w")
        assert "bars 30 s" in pane.title_text
        await pilot.press("X")
        assert pane.counts() == (1, 1)


async def test_details_name_the_call_it_comes_from() -> None:
    session = Flow()
    async with running(session) as (app, pilot):
        await shown(pilot, session)
        await pilot.press("j", "j", "enter")
        await pilot.pause()
        text = str(app.screen.query_one("#facts", Static).render())
        assert "hook peer joined" in text
        assert "bridge.data(<Connection>" in text


async def test_a_call_is_copied_as_a_test() -> None:
    session = Flow()
    async with running(session) as (app, pilot):
        await shown(pilot, session)
        await pilot.press("j", "j", "j", "j", "T")
        await pilot.pause()
        assert "assert script.function('greet')('Grace', shout=True) == 'HELLO, GRACE'" in app.clipboard
        assert "Copied a test of greet" in notices(app)[-1]


async def test_a_call_that_cannot_be_repeated_says_why() -> None:
    session = Flow()
    async with running(session) as (app, pilot):
        await shown(pilot, session)
        await pilot.press("j", "T")
        await pilot.pause()
        assert "cannot all be written as literals" in notices(app)[-1]


async def test_a_hook_is_emitted_by_hand() -> None:
    session = Flow()
    async with running(session) as (app, pilot):
        await pilot.press("7", "E", *"'Grace', 3", "enter")
        await until(pilot, lambda: ("consult", "peer joined", ("Grace", 3)) in session.calls)
        await pilot.pause()
        screen = app.screen
        assert isinstance(screen, EmitScreen)
        told = str(screen.query_one("#result", Static).render())
        assert "2 subscribers took it." in told
        assert "Vetoed by lights: too late" in told
        assert "hook" in log_texts(app)[-1]


async def test_arguments_of_a_hook_that_are_no_literals_are_refused() -> None:
    session = Flow()
    async with running(session) as (app, pilot):
        await pilot.press("7", "E", *"k=1", "enter")
        await pilot.pause()
        assert "no arguments by keyword" in str(app.screen.query_one("#result", Static).render())
        assert not [call for call in session.calls if call[0] == "consult"]


async def test_subscribers_are_shown_in_order_and_passed_over() -> None:
    session = Flow()
    async with running(session) as (app, pilot):
        await pilot.press("7", "m")
        await pilot.pause()
        lines = drawn(table(app, "hooks"))
        assert "peer joined" in lines[1]
        assert "lights.on_join" in lines[1]
        assert "✗ 2" in lines[2]
        assert "passed over: bridge.note" in lines[3]
        assert "nobody subscribes" in lines[4]
        await pilot.press("j", "x")
        await until(pilot, lambda: ("enable_subscriber", 4, False) in session.calls)
        await pilot.press("j", "x")
        await until(pilot, lambda: ("enable_subscriber", 9, True) in session.calls)


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_calls_look(snap_compare: Compare, size: tuple[int, int]) -> None:
    session = Flow()

    async def prepare(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: ("watch",) in session.calls)
        await shown(pilot, session)
        await pilot.press("j")

    assert snap_compare(make_app(session), terminal_size=size, run_before=prepare)


def test_calls_maximised_look(snap_compare: Compare) -> None:
    session = Flow()

    async def prepare(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: ("watch",) in session.calls)
        await shown(pilot, session)
        await pilot.press("m")

    assert snap_compare(make_app(session), terminal_size=WIDE, run_before=prepare)


def test_hooks_look(snap_compare: Compare) -> None:
    session = Flow()

    async def prepare(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: ("watch",) in session.calls)
        await pilot.press("7", "m", "j")
        await pilot.pause()

    assert snap_compare(make_app(session), terminal_size=WIDE, run_before=prepare)


def test_emit_look(snap_compare: Compare) -> None:
    session = Flow()

    async def prepare(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: ("watch",) in session.calls)
        await pilot.press("7", "E", *"'Grace', 3", "enter")
        await until(pilot, lambda: "took it" in str(pilot.app.screen.query_one("#result", Static).render()))

    assert snap_compare(make_app(session), terminal_size=WIDE, run_before=prepare)
