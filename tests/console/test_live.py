"""What moves by itself: flashes, countdowns, busy scripts, the log; and the editor."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from copy import replace

import pytest

from scriptconsole import frames
from scriptconsole.app import ScriptConsoleApp
from scriptconsole.screen import textual_environment
from scriptengines.view import Frame, Level, LogRecord, VariableView

from .recording import FRAME, NOW, SCRIPTS, VARIABLES, RecordedSession
from .support import drawn, log, log_texts, notices, running, table, until


async def test_flash_ends_and_countdown_runs(session: RecordedSession) -> None:
    async with running(session) as (app, pilot):
        variables, timers = table(app, "variables"), table(app, "timers")
        assert any("› 88412" in line for line in drawn(variables))
        assert "3.4 s" in drawn(timers)[2]
        session.now = replace(FRAME, time=NOW + 2)
        await until(pilot, lambda: "1.4 s" in drawn(timers)[2])
        assert not any("›" in line for line in drawn(variables))
        assert "late 1.9 s" in drawn(timers)[1]


async def test_changed_value_flashes(session: RecordedSession) -> None:
    async with running(session) as (app, pilot):
        changed = replace(VARIABLES[0], value="'Good day'", changed_at=NOW + 9.9)
        session.now = replace(FRAME, time=NOW + 10, variables=(changed, *VARIABLES[1:]))
        await until(pilot, lambda: "› 'Good day'" in drawn(table(app, "variables"))[1])


async def test_what_a_key_changes_goes_before_the_next_frame_but_not_before_two(
    session: RecordedSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[float] = []

    def look() -> Frame:
        looks.append(time.monotonic())
        return FRAME

    async with running(session) as (app, pilot):
        app.frames.end()  # none but those below
        await pilot.pause()
        monkeypatch.setattr(session, "frame", look)
        monkeypatch.setattr(frames, "PRECEDENCE", 3600.0)
        await pilot.press("j")
        for number in (0, 1, 1, 2):  # a key that is held down stops no frames
            app.frames._show_next()
            assert len(looks) == number
        app.frames.end()


def test_what_textual_is_told_is_told_to_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEXTUAL_FPS", raising=False)
    with textual_environment():
        assert os.environ["TEXTUAL_FPS"] == "120"
    assert "TEXTUAL_FPS" not in os.environ
    monkeypatch.setenv("TEXTUAL_FPS", "30")
    with textual_environment():
        assert os.environ["TEXTUAL_FPS"] == "30", "the user's own"
    assert os.environ["TEXTUAL_FPS"] == "30"


async def test_busy_script_is_said_and_its_values_marked(session: RecordedSession) -> None:
    async with running(session) as (app, pilot):
        pane = app.main.panes["variables"]  # type: ignore[index]
        assert "crunch busy, values from 1.2 s ago" in str(pane.border_subtitle)
        assert sum("~" in line for line in drawn(table(app, "variables"))) == 2
        session.now = replace(FRAME, scripts=tuple(replace(row, sample_age=0.0) for row in SCRIPTS))
        await until(pilot, lambda: pane.border_subtitle is None)
        assert not any("~" in line for line in drawn(table(app, "variables")))


async def test_untrusted_text_is_shown_as_it_is(session: RecordedSession) -> None:
    evil = "[red]x[/red] \x1b[2J\x1b]0;t\x07\x00 \u202e\ud800"
    row = replace(SCRIPTS[1], alias=evil, last_error=replace(SCRIPTS[1].last_error, message=evil))  # type: ignore[type-var]
    variable = VariableView(evil, evil, evil, evil, None, NOW)
    session.now = replace(FRAME, scripts=(row,), variables=(variable,))
    session.logs(LogRecord(NOW, evil, Level.ERROR, evil))
    async with running(session) as (app, pilot):
        for name in ("scripts", "variables"):
            line = drawn(table(app, name))[1]
            assert "[red]x[/red]" in line
            assert line.isprintable()
        for keys in (["enter"], ["c"], ["equals_sign"], ["2", "enter"], ["5", "enter"], ["1", "r"]):
            await pilot.press(*keys)
            await pilot.pause()
            if app.screen is not app.main:
                await pilot.press("escape")
        svg = app.export_screenshot()
        assert "\x1b" not in svg
        svg.encode()


async def test_log_holds_while_lines_come_and_old_ones_go() -> None:
    session = RecordedSession(log=())
    async with running(session) as (app, pilot):
        view = log(app)
        view.ring.capacity = 1000
        session.logs(*(LogRecord(NOW, "a", Level.OUTPUT, f"line {i}") for i in range(950)))
        await until(pilot, lambda: view.ring.total == 950)
        assert "line 949" in drawn(view)[-1]
        await pilot.press("5", *["k"] * 5)
        assert not view.following
        held = view.selected
        shown = drawn(view)
        session.logs(*(LogRecord(NOW, "a", Level.OUTPUT, f"more {i}") for i in range(100)))
        await until(pilot, lambda: view.unseen == 100)
        await pilot.pause()
        assert view.ring.total < 1050, "the oldest went"
        assert view.selected == held
        assert drawn(view) == shown
        await pilot.press("G")
        await pilot.pause()
        assert view.following
        assert "more 99" in drawn(view)[-1]


async def test_log_scrolls_sideways() -> None:
    session = RecordedSession(log=(LogRecord(NOW, "a", Level.OUTPUT, "0123456789" * 40),))
    async with running(session) as (app, pilot):
        view = log(app)
        before = drawn(view)[0]
        await pilot.press("5", "l")
        assert drawn(view)[0] != before
        await pilot.press("h", "h")
        assert drawn(view)[0] == before


async def test_log_filter_keeps_records_whole(session: RecordedSession) -> None:
    async with running(session) as (app, pilot):
        await pilot.press("5", "slash", *"read_sensor", "enter")
        assert len(log(app).ring) == 1
        await pilot.press("z")
        assert len(log(app).ring) == 5
        session.logs(
            LogRecord(NOW, "a", Level.OUTPUT, "nothing"), LogRecord(NOW, "a", Level.OUTPUT, "read_sensor")
        )
        await until(pilot, lambda: len(log(app).ring) == 6)


async def test_dropped_reports_are_said(session: RecordedSession) -> None:
    session.now = replace(FRAME, dropped=1204)
    async with running(session) as (app, _):
        assert "1,204 reports dropped" in str(app.main.query_one("#status").render())


async def test_hot_frames_stay_cheap() -> None:
    """10,000 variables that all change and 5,000 log lines a frame: what a frame costs the UI thread."""
    names = [f"variable_{i}" for i in range(10_000)]

    def variables(turn: int) -> tuple[VariableView, ...]:
        return tuple(VariableView("a", name, "int", str(turn), None, NOW) for name in names)

    frames = [replace(FRAME, time=NOW + i, variables=variables(i)) for i in range(10)]
    lines = tuple(LogRecord(NOW, "a", Level.OUTPUT, f"line {i}") for i in range(5_000))
    session = RecordedSession(frames[0], log=())
    async with running(session) as (app, pilot):
        spent: list[float] = []
        for frame in frames:
            start = time.process_time()
            app.main.apply(replace(frame, log=lines))
            spent.append(time.process_time() - start)
            await pilot.pause()
        # A bound against formatting all rows (0.3 s and more), with room for a slow machine.
        assert sorted(spent)[len(spent) // 2] < 0.05


# -- editor ---------------------------------------------------------------------------------------------


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    commands: list[list[str]] = []

    @contextmanager
    def suspend(self: ScriptConsoleApp) -> Iterator[None]:
        commands.append(["suspended"])
        yield

    def run(command: list[str], **_: object) -> None:
        if command[0] == "missing":
            raise FileNotFoundError(2, "No such file", "missing")
        commands.append(command)

    monkeypatch.setattr(ScriptConsoleApp, "suspend", suspend)
    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", "vi")
    return commands


@pytest.mark.parametrize(
    ("keys", "command"),
    [
        (["e"], ["vi", "/home/ada/scripts/greeter.py"]),
        (["j", "e"], ["vi", "+42", "/home/ada/scripts/thermostat.lua"]),
        (["j", "enter", "e"], ["vi", "+42", "/home/ada/scripts/thermostat.lua"]),
        (["3", "j", "e"], ["vi", "+19", "/home/ada/scripts/greeter.py"]),
        (["2", "G", "e"], ["vi", "/home/ada/scripts/fft.so"]),
        (["5", "k", "k", "e"], ["vi", "+57", "/home/ada/scripts/thermostat.lua"]),
    ],
)
async def test_edit(
    session: RecordedSession, started: list[list[str]], keys: list[str], command: list[str]
) -> None:
    async with running(session) as (_, pilot):
        await pilot.press(*keys)
        assert started == [["suspended"], command]


@pytest.mark.parametrize(
    ("keys", "line"), [(["5"], "+57"), (["2", "G"], "fft.so"), (["3", "j"], "+19"), (["1", "j"], "+42")]
)
async def test_a_dialog_edits_the_row_it_was_opened_for(
    session: RecordedSession, started: list[list[str]], keys: list[str], line: str
) -> None:
    async with running(session) as (app, pilot):
        await pilot.press(*keys)
        view = log(app)
        if keys == ["5"]:
            session.logs(LogRecord(NOW, "thermostat", Level.INFO, "at thermostat.lua:57"))
            await until(pilot, lambda: "57" in log_texts(app)[-1])
            assert view.following
        await pilot.press("enter")
        assert app.screen is not app.main
        # The row goes, and the cursor stands on another one: in the log, since it follows.
        session.logs(LogRecord(NOW, "greeter", Level.INFO, "at greeter.py:3"))
        gone = {"thermostat"} if keys == ["1", "j"] else set()
        rest = tuple(row for row in FRAME.scripts if row.alias not in gone)
        session.now = replace(FRAME, scripts=rest, variables=(), timers=())
        await until(pilot, lambda: app.main.latest.timers == () and log_texts(app)[-1] == "at greeter.py:3")
        await pilot.press("e")
        assert started[0] == ["suspended"]
        assert line in " ".join(started[1])


async def test_edit_without_an_editor(
    session: RecordedSession, started: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EDITOR")
    async with running(session) as (app, pilot):
        await pilot.press("e")
        assert "No editor is set" in notices(app)[0]
        monkeypatch.setenv("VISUAL", "missing")
        await pilot.press("e")
        assert any("check $VISUAL" in text for text in log_texts(app))
    assert started == [["suspended"]]


async def test_edit_where_the_terminal_cannot_be_given_away(
    session: RecordedSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VISUAL", "vi")
    async with running(session) as (app, pilot):
        await pilot.press("e")
        assert "cannot be handed" in notices(app)[0]
