"""The pane of warnings: each mistake with why it matters, what to do, and its line."""

from __future__ import annotations

import os
from collections.abc import Callable
from copy import replace
from pathlib import Path

from textual.app import App
from textual.pilot import Pilot
from textual.widgets import Static

from scriptconsole.actions import PaneName
from scriptconsole.panes.pane import Place
from scriptconsole.panes.status import StatusLine
from scriptconsole.panes.warnings import EXPLAINED, excerpt
from scriptengines.view import WarningKind, WarningView

from .recording import FRAME, NOW, SCRIPTS, RecordedSession
from .support import WIDE, make_app, running, until

BLOCKED = WarningView(
    "greeter",
    WarningKind.BLOCKED,
    "greet held the loop for 0.31 s; split the work up, or await it",
    "greeter.py:3",
    NOW - 20,
    12,
)


def session_with(folder: str, warning: WarningView = BLOCKED) -> RecordedSession:
    script = replace(SCRIPTS[0], path=f"{folder}/greeter.py")
    return RecordedSession(replace(FRAME, scripts=(script,), warnings=(warning,)))


def shown(app: App[None]) -> str:
    return "\n".join(str(widget.render()) for widget in app.screen.query(Static))


def test_every_kind_is_explained() -> None:
    assert set(EXPLAINED) == set(WarningKind)


async def test_the_status_line_counts_warnings() -> None:
    async with running(session_with("/nowhere")) as (app, pilot):
        await pilot.pause()
        assert "! 1 warning" in str(app.main.query_one(StatusLine).render())


async def test_details_explain_and_show_the_line(tmp_path: Path) -> None:
    (tmp_path / "greeter.py").write_text("import host\n\ntime.sleep(0.3)\n# [bold] after\n")
    async with running(session_with(str(tmp_path))) as (app, pilot):
        await pilot.press("8")
        assert app.main.panes[PaneName.WARNINGS].place() == Place(str(tmp_path / "greeter.py"), 3)
        await pilot.press("enter")
        await until(pilot, lambda: "▸    3  time.sleep(0.3)" in shown(app))
        text = shown(app)
        assert "split the work up" in text
        assert "connections wait" in text
        assert "     4  # [bold] after" in text


async def test_a_file_that_is_gone_is_no_harm() -> None:
    async with running(session_with("/nowhere", replace(BLOCKED, kind="of another time"))) as (app, pilot):
        await pilot.press("8", "enter")
        await until(pilot, lambda: "split the work up" in shown(app))
    place = Place("/nowhere/greeter.py", 3)
    assert excerpt(place) == ""


async def test_a_file_that_keeps_its_reader_waiting_holds_up_nobody(tmp_path: Path) -> None:
    pipe = tmp_path / "greeter.py"
    os.mkfifo(pipe)
    async with running(session_with(str(tmp_path))) as (app, pilot):
        await pilot.press("8", "enter")
        await until(pilot, lambda: "split the work up" in shown(app))
        assert "Source" not in shown(app)
        with pipe.open("w") as out:
            out.write("one\ntwo\nthree\n")
        await until(pilot, lambda: "▸    3  three" in shown(app))


def test_details_look(snap_compare: Callable[..., bool], tmp_path: Path) -> None:
    (tmp_path / "greeter.py").write_text(
        "import time\ndef greet(name):\n    time.sleep(0.3)\n    return name\n"
    )
    session = session_with(str(tmp_path))

    async def prepare(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: ("watch",) in session.calls)
        await pilot.press("8", "enter")
        await until(pilot, lambda: "time.sleep" in shown(pilot.app))

    assert snap_compare(make_app(session), terminal_size=WIDE, run_before=prepare)
