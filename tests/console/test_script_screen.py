"""Scripts in their pane, and all of one on its screen: figures, functions, hooks, source."""

from __future__ import annotations

from collections.abc import Callable
from copy import replace
from pathlib import Path
from typing import Any

import pytest
from textual.widgets import Static

from scriptconsole.screens.script import ScriptScreen
from scriptengines.errors import ScriptConsoleError
from scriptengines.view import ErrorView, HookView, SubscriberView

from .recording import ERROR, FRAME, SCRIPTS, RecordedSession
from .support import NARROW, drawn, make_app, running, table, until
from .test_snapshots import ready

Compare = Callable[..., bool]


def text_of(screen: Any, selector: str) -> str:
    return str(screen.query_one(selector, Static).render())


async def test_scripts_show_rate_share_and_memory(session: RecordedSession) -> None:
    async with running(session) as (app, _):
        lines = drawn(table(app, "scripts"))
        bridge, crunch = lines[3], lines[4]
        assert " 412 " in bridge
        assert "▂▃▄▆▅▇████"[1:4] in bridge
        assert "8.4 MB" in bridge
        assert "! 98%" in crunch, "a hungry script is marked"


async def test_columns_of_scripts_go_by_rank_when_it_is_narrow(session: RecordedSession) -> None:
    async with running(session, size=NARROW) as (app, _):
        titles = drawn(table(app, "scripts"))[0].split()
        assert titles == ["State", "Script", "Calls", "Calls/s", "CPU", "Errors", "Last", "error"]


@pytest.fixture
def broken(tmp_path: Path, session: RecordedSession) -> Path:
    """The script with the cursor has a file of 60 lines, and failed in line 42."""
    path = tmp_path / "thermostat.lua"
    path.write_text("\n".join(f"local v{n} = {n} -- [bold]\x1b[31m" for n in range(1, 61)))
    error = ErrorView(ERROR.message, ERROR.detail, str(path), 42, ERROR.time)
    scripts = (replace(SCRIPTS[1], path=str(path), last_error=error), *SCRIPTS[2:])
    session.now = replace(FRAME, scripts=scripts)
    return path


async def test_all_of_a_script(session: RecordedSession, broken: Path) -> None:
    async with running(session) as (app, pilot):
        await pilot.press("enter")
        screen = app.screen
        assert isinstance(screen, ScriptScreen)
        await until(pilot, lambda: "greet(name: str" in text_of(screen, "#functions"))
        functions = text_of(screen, "#functions")
        assert "Greet somebody by name." in functions
        assert "18 calls   mean 40 µs   p50 38 µs   p99 120 µs   longest 150 µs" in functions
        assert "1 error; the last: ValueError: no [bold]guests[/bold]" in functions
        assert "calls       1,204, 1.0 a second" in text_of(screen, "#facts")
        error = text_of(screen, "#error")
        assert "in function 'read_sensor'" in error
        assert "▶ 42  local v42 = 42 -- [bold]" in error
        source = text_of(screen, "#source").split("\n")
        assert len(source) == 60
        assert [line for line in source if line.startswith("▶")] == ["▶ 42  local v42 = 42 -- [bold]"]
        await pilot.press("y")
        assert "▶ 42" in app.clipboard
    assert broken.name == "thermostat.lua"


async def test_of_a_long_file_what_is_round_the_error_is_shown(
    session: RecordedSession, broken: Path
) -> None:
    broken.write_text("\n".join(f"line {n}" for n in range(1, 10_001)))
    [first, *rest] = session.now.scripts
    assert first.last_error is not None
    moved = replace(first, last_error=replace(first.last_error, line=5000))
    session.now = replace(session.now, scripts=(moved, *rest))
    async with running(session) as (app, pilot):
        await pilot.press("enter")
        await until(pilot, lambda: "lines 4800 to 5199 of 10,000" in text_of(app.screen, "#source"))
        assert "▶ 5000  line 5000" in text_of(app.screen, "#source")


async def test_a_script_that_is_unloaded_while_it_is_looked_at(
    session: RecordedSession, broken: Path
) -> None:
    async with running(session) as (app, pilot):
        await pilot.press("enter")
        await until(pilot, lambda: "greet" in text_of(app.screen, "#functions"))
        session.now = replace(FRAME, scripts=())
        broken.unlink()
        await until(pilot, lambda: "unloaded" in text_of(app.screen, "#facts"))
        await pilot.press("q")
        assert app.screen is app.main


async def test_what_a_script_cannot_be_asked_is_said(session: RecordedSession) -> None:
    session.problem = ScriptConsoleError("greeter is busy; press i to interrupt it.")
    async with running(session) as (app, pilot):
        await pilot.press("enter")
        await until(pilot, lambda: "greeter is busy" in text_of(app.screen, "#functions"))


async def test_hooks_that_a_script_subscribes_to_are_listed(session: RecordedSession) -> None:
    mine = SubscriberView(1, "greeter", "[on_join]", 10, 18, 1, "greeter.py:3", enabled=False)
    other = SubscriberView(2, "bridge", "relay", 0, 5, 0, "bridge.py:9", enabled=True)
    hooks = (HookView("user_joined", 18, 0, (mine, other)), HookView("tick", 5, 0, (other,)))
    session.now = replace(FRAME, hooks=hooks)
    async with running(session) as (app, pilot):
        await pilot.press("enter")
        await until(pilot, lambda: text_of(app.screen, "#hooks"))
        shown = "user_joined  [on_join], priority 10, 18 calls, 1 error, disabled"
        assert text_of(app.screen, "#hooks") == shown


async def test_figures_follow_the_script(session: RecordedSession) -> None:
    async with running(session) as (app, pilot):
        await pilot.press("enter")
        session.now = replace(FRAME, scripts=(replace(SCRIPTS[0], calls=19, rate=3.0), *SCRIPTS[1:]))
        await until(pilot, lambda: "19, 3.0 a second" in text_of(app.screen, "#facts"))


@pytest.mark.parametrize("size", [(140, 44), (80, 24)], ids=["wide", "narrow"])
def test_look_of_a_script(
    snap_compare: Compare, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    source = [f"local step_{number} = read_sensor({number})" for number in range(1, 61)]
    monkeypatch.setattr("scriptconsole.screens.script._lines_of", lambda _: source)
    session = RecordedSession()

    async def prepare(pilot: Any) -> None:
        await ready(session, "j", "enter", then="statistics")(pilot)
        await until(pilot, lambda: "greet" in text_of(pilot.app.screen, "#functions"))

    assert snap_compare(make_app(session), terminal_size=size, run_before=prepare)


async def test_a_script_is_asked_again_only_when_it_was_called(session: RecordedSession) -> None:
    def asked() -> int:
        return session.calls.count(("statistics", "greeter"))

    async with running(session) as (app, pilot):
        await pilot.press("enter")
        screen = app.screen
        assert isinstance(screen, ScriptScreen)
        await until(pilot, lambda: "greet" in text_of(screen, "#functions"))
        screen._look()
        screen._look()
        row = replace(SCRIPTS[0], calls=SCRIPTS[0].calls + 1)
        session.now = replace(FRAME, scripts=(row, *SCRIPTS[1:]))
        await until(pilot, lambda: app.main.latest.scripts[0] == row)
        screen._look()
        await until(pilot, lambda: asked() == 2)
