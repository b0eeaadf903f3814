"""Approved screens. Look at each before you approve a change: `pytest tests/console --snapshot-update`."""

from __future__ import annotations

import os
from collections.abc import Callable
from copy import replace
from pathlib import Path

import pytest
from textual.command import CommandList
from textual.pilot import Pilot

from scriptconsole.actions import PaneName
from scriptconsole.app import ScriptConsoleApp
from scriptconsole.layout import LIMIT, SIZES, Layout
from scriptconsole.out.files import Exists
from scriptconsole.panes.log import LogView
from scriptconsole.panes.replpane import ReplPane
from scriptconsole.panes.status import StatusLine
from scriptengines.view import Level, LogRecord, ScriptState

from .recording import FRAME, LOG, NOW, SCRIPTS, RecordedSession
from .support import NARROW, WIDE, make_app, until

Compare = Callable[..., bool]


def ready(session: RecordedSession, *keys: str, then: str = "") -> Callable[[Pilot[None]], object]:
    async def prepare(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: ("watch",) in session.calls)
        for key in keys:
            await pilot.press(key)
            await pilot.pause()
        if then:
            await until(pilot, lambda: any(call[0] == then for call in session.calls))

    return prepare


def test_main(snap_compare: Compare) -> None:
    session = RecordedSession()
    assert snap_compare(make_app(session), terminal_size=WIDE, run_before=ready(session))


def test_main_light(snap_compare: Compare) -> None:
    session = RecordedSession()
    assert snap_compare(make_app(session, theme="light"), terminal_size=WIDE, run_before=ready(session))


@pytest.mark.parametrize("theme", ["contrast", "deuteranopia", "tritanopia", "terminal"])
def test_main_in_theme(snap_compare: Compare, theme: str) -> None:
    session = RecordedSession()
    assert snap_compare(make_app(session, theme=theme), terminal_size=WIDE, run_before=ready(session, "2"))


def test_main_wide_and_short(snap_compare: Compare) -> None:
    session = RecordedSession()
    assert snap_compare(make_app(session), terminal_size=(120, 28), run_before=ready(session, "4"))


def test_narrow(snap_compare: Compare) -> None:
    session = RecordedSession()
    assert snap_compare(make_app(session), terminal_size=NARROW, run_before=ready(session))


@pytest.mark.parametrize("size", [(60, 15), (100, 30), (200, 60)], ids=["60x15", "100x30", "200x60"])
def test_other_sizes(snap_compare: Compare, size: tuple[int, int]) -> None:
    session = RecordedSession()
    assert snap_compare(make_app(session), terminal_size=size, run_before=ready(session))


def test_sizes_at_their_limits(snap_compare: Compare) -> None:
    session = RecordedSession()
    app = make_app(session)
    app.main.layout_model = Layout(sizes=dict.fromkeys(SIZES, LIMIT))
    assert snap_compare(app, terminal_size=NARROW, run_before=ready(session))


def test_narrow_and_tall(snap_compare: Compare) -> None:
    session = RecordedSession()
    assert snap_compare(make_app(session), terminal_size=(80, 50), run_before=ready(session))


def test_empty(snap_compare: Compare) -> None:
    session = RecordedSession(replace(FRAME, scripts=(), variables=(), timers=(), connections=()), log=())
    assert snap_compare(make_app(session), terminal_size=WIDE, run_before=ready(session))


def test_troubled(snap_compare: Compare) -> None:
    scripts = tuple(replace(row, state=ScriptState.RUNNING, sample_age=0.1) for row in SCRIPTS)
    session = RecordedSession(replace(FRAME, scripts=scripts))
    assert snap_compare(make_app(session), terminal_size=WIDE, run_before=ready(session))


def test_healthy(snap_compare: Compare) -> None:
    scripts = tuple(replace(row, state=ScriptState.IDLE, sample_age=0.1, last_error=None) for row in SCRIPTS)
    session = RecordedSession(replace(FRAME, scripts=scripts, dropped=1204))
    assert snap_compare(make_app(session), terminal_size=WIDE, run_before=ready(session))


def test_filter_active(snap_compare: Compare) -> None:
    session = RecordedSession()
    keys = ["2", "slash", *"thermo|bridge", "enter", "5", "slash", *"!dbg"]
    assert snap_compare(make_app(session), terminal_size=WIDE, run_before=ready(session, *keys))


def test_filter_that_is_no_regex(snap_compare: Compare) -> None:
    session = RecordedSession()
    assert snap_compare(
        make_app(session), terminal_size=WIDE, run_before=ready(session, "2", "slash", *"a(b")
    )


def test_sorted_and_maximised(snap_compare: Compare) -> None:
    session = RecordedSession()
    keys = ["4", "l", "l", "l", "l", "l", "s", "s", "m"]
    assert snap_compare(make_app(session), terminal_size=WIDE, run_before=ready(session, *keys))


def test_call_prompt(snap_compare: Compare) -> None:
    session = RecordedSession()
    keys = ["c", "g", "r", "enter", *'"Grace"', "enter"]
    assert snap_compare(make_app(session), terminal_size=WIDE, run_before=ready(session, *keys, then="call"))


def test_call_prompt_narrow(snap_compare: Compare) -> None:
    session = RecordedSession()
    assert snap_compare(
        make_app(session), terminal_size=NARROW, run_before=ready(session, "c", "g", then="functions")
    )


def test_evaluate(snap_compare: Compare) -> None:
    session = RecordedSession()
    keys = ["equals_sign", *"visitors", "enter"]
    assert snap_compare(
        make_app(session), terminal_size=WIDE, run_before=ready(session, *keys, then="evaluate")
    )


def test_export_over_a_file_that_is_there(
    snap_compare: Compare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "getcwd", lambda: "/home/ada")
    monkeypatch.setattr("scriptconsole.screens.save.write_text", refused)
    session = RecordedSession()
    keys = ["4", "W", "enter"]
    assert snap_compare(make_app(session), terminal_size=WIDE, run_before=ready(session, *keys))


def refused(path: Path, text: str, *, overwrite: bool) -> None:
    raise Exists("/home/ada/connections.csv is there already")


def test_load_prompt(snap_compare: Compare) -> None:
    session = RecordedSession()
    keys = ["o", *"/nowhere/at.all", "enter"]
    assert snap_compare(make_app(session), terminal_size=WIDE, run_before=ready(session, *keys))


@pytest.mark.parametrize("number", ["1", "3", "5"])
def test_help(snap_compare: Compare, number: str) -> None:
    session = RecordedSession()
    assert snap_compare(
        make_app(session), terminal_size=WIDE, run_before=ready(session, number, "question_mark")
    )


def test_help_narrow(snap_compare: Compare) -> None:
    session = RecordedSession()
    assert snap_compare(make_app(session), terminal_size=NARROW, run_before=ready(session, "question_mark"))


def test_details_with_error(snap_compare: Compare) -> None:
    session = RecordedSession()
    assert snap_compare(
        make_app(session), terminal_size=WIDE, run_before=ready(session, "j", "enter", then="functions")
    )


def test_details_of_variable(snap_compare: Compare) -> None:
    session = RecordedSession()
    assert snap_compare(
        make_app(session), terminal_size=WIDE, run_before=ready(session, "2", "j", "j", "j", "j", "enter")
    )


def test_palette(snap_compare: Compare) -> None:
    session = RecordedSession()
    assert snap_compare(make_app(session), terminal_size=WIDE, run_before=ready(session, "3", "ctrl+p"))


def test_goto(snap_compare: Compare) -> None:
    session = RecordedSession()

    async def prepare(pilot: Pilot[None]) -> None:
        await ready(session, "f", *"bridg")(pilot)
        app = pilot.app
        assert isinstance(app, ScriptConsoleApp)
        await until(pilot, lambda: app.finder.arrivals > len(SCRIPTS))
        await pilot.press("e")
        await until(pilot, lambda: app.screen.query_one(CommandList).option_count == 12)

    assert snap_compare(make_app(session), terminal_size=WIDE, run_before=prepare)


def test_log_frozen(snap_compare: Compare) -> None:
    session = RecordedSession()

    async def prepare(pilot: Pilot[None]) -> None:
        await ready(session, "5", "space")(pilot)
        session.logs(*(LogRecord(NOW, "bridge", Level.INFO, f"unseen {i}") for i in range(37)))
        status = pilot.app.screen.query_one(StatusLine)
        await until(pilot, lambda: "37 lines waiting" in str(status.render()))

    assert snap_compare(make_app(session), terminal_size=WIDE, run_before=prepare)


def test_log_held(snap_compare: Compare) -> None:
    many = tuple(LOG[i % len(LOG)]._replace(time=NOW - 400 + i) for i in range(300))
    session = RecordedSession(log=many)

    async def prepare(pilot: Pilot[None]) -> None:
        await ready(session, "5", "pageup", "k")(pilot)
        session.logs(*LOG)
        view = pilot.app.screen.query_one(LogView)
        await until(pilot, lambda: view.unseen)

    assert snap_compare(make_app(session), terminal_size=WIDE, run_before=prepare)


def test_command_line(snap_compare: Compare) -> None:
    session = RecordedSession()
    prepare = ready(session, "colon", *"re", "down")
    assert snap_compare(make_app(session), terminal_size=WIDE, run_before=prepare)


def test_menu(snap_compare: Compare) -> None:
    session = RecordedSession()
    prepare = ready(session, "3", "j", "full_stop")
    assert snap_compare(make_app(session), terminal_size=WIDE, run_before=prepare)


def test_jump(snap_compare: Compare) -> None:
    session = RecordedSession()
    assert snap_compare(make_app(session), terminal_size=WIDE, run_before=ready(session, "ctrl+o"))


def test_repl(snap_compare: Compare) -> None:
    session = RecordedSession()
    session.answer = {"port": 8080, "hosts": ["alpha", "beta"], "visitors": list(range(60))}
    code = ("i", "f", "space", "x", "colon", "enter", "v", "o", "t", "e")

    async def prepare(pilot: Pilot[None]) -> None:
        app = pilot.app
        assert isinstance(app, ScriptConsoleApp)
        await ready(session, "9", *"conf", "enter")(pilot)
        pane = app.main.panes[PaneName.REPL]
        assert isinstance(pane, ReplPane)
        await until(pilot, lambda: pane.transcript.entries[-1].answer is not None)
        pane.input.use_language("python")
        await ready(session, *code)(pilot)

    assert snap_compare(make_app(session), terminal_size=WIDE, run_before=prepare)


def test_repl_completion_narrow(snap_compare: Compare) -> None:
    session = RecordedSession()

    async def prepare(pilot: Pilot[None]) -> None:
        app = pilot.app
        assert isinstance(app, ScriptConsoleApp)
        await ready(session, "9", "v", "tab", then="completions")(pilot)
        pane = app.main.panes[PaneName.REPL]
        assert isinstance(pane, ReplPane)
        await until(pilot, lambda: pane.menu.display)
        await ready(session, "down", "down")(pilot)

    assert snap_compare(make_app(session), terminal_size=NARROW, run_before=prepare)
