"""Copying, exporting, pictures and alarms, from the keys of the console to what leaves it."""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Iterator
from copy import replace
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, Static

from scriptconsole.app import ScriptConsoleApp
from scriptconsole.config.settings import DEFAULTS
from scriptconsole.out.alarm import QUIET, Alarm
from scriptconsole.out.files import WriteError
from scriptconsole.out.outlet import Outlet
from scriptconsole.out.programs import clipboard_program, is_remote, notify_program
from scriptconsole.out.sequences import LIMIT
from scriptconsole.panes.ring import Ring
from scriptconsole.screens.save import SaveScreen
from scriptengines.view import ErrorView, Frame, Level, LogRecord, ScriptState
from tests.console.recording import FRAME, NOW, SCRIPTS, RecordedSession
from tests.console.support import notices, until

PROGRAMS = ("wl-copy", "xclip", "xsel", "pbcopy", "clip.exe", "notify-send")


class Desk:
    """An app whose terminal and desktop are recorded.

    Attributes:
        sent: What was written to the terminal besides the screen.
        environ: What terminal and desktop tell of themselves.
        programs: The folder of the desktop's programs.
    """

    def __init__(self, folder: Path, **settings: object) -> None:
        self.sent: list[str] = []
        self.programs = folder / "programs"
        self.programs.mkdir()
        self.environ = {"PATH": str(self.programs)}
        self.session = RecordedSession()
        self.app = ScriptConsoleApp(
            self.session,
            clock=lambda: NOW,
            settings=DEFAULTS._replace(**settings),  # pyright: ignore[reportArgumentType]
        )
        self.app.out = Outlet(self.app, self.sent.append, self.environ)

    def install(self, name: str, *, status: int = 0) -> Path:
        """Make a program that writes its arguments and its stdin to a file.

        Returns:
            The file.
        """
        output = self.programs / f"{name}.got"
        program = self.programs / name
        lines = ["#!/bin/sh", f'{{ echo "$*"; /bin/cat; }} > "{output}.part"']
        lines += [f'/bin/mv "{output}.part" "{output}"', f"exit {status}"]
        program.write_text("\n".join(lines))
        program.chmod(0o755)
        return output

    @property
    def copied(self) -> list[str]:
        """Texts that were sent to the terminal's clipboard."""
        found = [re.fullmatch(r"\x1b\]52;c;(.*)\a", each) for each in self.sent]
        return [base64.b64decode(each[1]).decode() for each in found if each]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.setenv("TEXTUAL_ANIMATIONS", "none")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return tmp_path


async def ready(desk: Desk, pilot: Pilot[None], *keys: str) -> None:
    await until(pilot, lambda: ("watch",) in desk.session.calls)
    for key in keys:
        await pilot.press(key)
    await pilot.pause()


# ---- copying -------------------------------------------------------------------------------------------


async def test_a_row_goes_to_the_clipboard_of_the_terminal(folder: Path) -> None:
    desk = Desk(folder)
    async with desk.app.run_test() as pilot:
        await ready(desk, pilot, "2", "y")
        assert desk.copied == ["greeting = 'Hello, {name}'"]
        await until(pilot, lambda: notices(desk.app) == ["Copied the row."])


async def test_a_program_of_the_desktop_is_asked_first(folder: Path) -> None:
    desk = Desk(folder)
    desk.environ["DISPLAY"] = ":0"
    got = desk.install("xsel")
    async with desk.app.run_test() as pilot:
        await ready(desk, pilot, "2", "y")
        await until(pilot, lambda: notices(desk.app))
        assert got.read_text() == "--clipboard --input\ngreeting = 'Hello, {name}'"
        assert notices(desk.app) == ["Copied the row."]
        assert not desk.sent


async def test_over_ssh_programs_would_copy_at_the_wrong_end(folder: Path) -> None:
    desk = Desk(folder)
    desk.environ |= {"DISPLAY": ":0", "SSH_CONNECTION": "a b c d"}
    desk.install("xsel")
    async with desk.app.run_test() as pilot:
        await ready(desk, pilot, "2", "y")
        assert len(desk.copied) == 1


async def test_when_the_program_fails_the_terminal_is_asked(folder: Path) -> None:
    desk = Desk(folder)
    desk.environ["DISPLAY"] = ":0"
    desk.install("xsel", status=1)
    async with desk.app.run_test() as pilot:
        await ready(desk, pilot, "2", "y")
        await until(pilot, lambda: desk.copied)
        assert notices(desk.app) == ["Copied the row."]


async def test_what_is_too_long_for_the_terminal_is_told(folder: Path) -> None:
    desk = Desk(folder)
    async with desk.app.run_test() as pilot:
        await ready(desk, pilot)
        desk.app.out.copy("x" * LIMIT, "copied")
        assert not desk.sent
        await until(pilot, lambda: notices(desk.app))
        assert "100.0 kB are too much to copy through the terminal" in notices(desk.app)[0]
        assert "W exports" in notices(desk.app)[0]


async def test_what_is_too_long_for_the_terminal_goes_to_a_program(folder: Path) -> None:
    desk = Desk(folder, clipboard="terminal")
    desk.environ["WAYLAND_DISPLAY"] = "wayland-0"
    got = desk.install("wl-copy")
    async with desk.app.run_test() as pilot:
        await ready(desk, pilot)
        desk.app.out.copy("short")
        assert desk.copied == ["short"]
        desk.app.out.copy("x" * LIMIT, "copied")
        await until(pilot, lambda: notices(desk.app) == ["copied"])
        assert got.read_text() == "\n" + "x" * LIMIT


async def test_a_program_that_is_wanted_and_not_there_is_told(folder: Path) -> None:
    desk = Desk(folder, clipboard="program")
    async with desk.app.run_test() as pilot:
        await ready(desk, pilot, "2", "y")
        await until(pilot, lambda: notices(desk.app))
        assert "there is no wl-copy, xclip, xsel, pbcopy or clip.exe" in notices(desk.app)[0]
        assert not desk.sent


def test_programs_by_desktop(folder: Path) -> None:
    desk = Desk(folder)
    for name in PROGRAMS:
        desk.install(name)
    environ = desk.environ

    def first(**more: str) -> str:
        return Path((clipboard_program({**environ, **more}) or [""])[0]).name

    assert first(WAYLAND_DISPLAY="w", DISPLAY=":0") == "wl-copy"
    assert first(DISPLAY=":0") == "xclip"
    assert first() == "pbcopy"
    (desk.programs / "pbcopy").unlink()
    assert first() == "clip.exe"
    assert clipboard_program({"PATH": "/nowhere", "DISPLAY": ":0"}) is None
    assert is_remote({"SSH_TTY": "/dev/pts/1"})
    assert not is_remote(environ)
    assert notify_program("a", "b", environ) is None
    wanted = [str(desk.programs / "notify-send"), "--app-name=scriptconsole", "--", "-t", "&lt;b&gt;"]
    assert notify_program("-t", "<b>", {**environ, "DISPLAY": ":0"}) == wanted


# ---- exporting -----------------------------------------------------------------------------------------


def entry(app: ScriptConsoleApp) -> Input:
    return app.screen.query_one("#path", Input)


def problem(app: ScriptConsoleApp) -> str:
    return str(app.screen.query_one("#problem", Static).render())


async def test_all_rows_after_filter_and_sort_are_exported(folder: Path) -> None:
    desk = Desk(folder)
    async with desk.app.run_test(size=(140, 44)) as pilot:
        await ready(desk, pilot, "2", "slash", *"thermo", "enter", "l", "s", "s", "W")
        assert entry(desk.app).value == "variables.csv"
        entry(desk.app).value = "out.json"
        await pilot.press("enter")
        await until(pilot, lambda: notices(desk.app))
        names = [row["name"] for row in json.loads((folder / "out.json").read_text())]
        assert sorted(names, reverse=True) == names == ["target", "sensor", "history"]
        await until(pilot, lambda: notices(desk.app) == [f"wrote {folder / 'out.json'}"])


async def test_the_log_is_exported_by_records(folder: Path) -> None:
    desk = Desk(folder)
    async with desk.app.run_test(size=(140, 44)) as pilot:
        await ready(desk, pilot, "5", "slash", *"ERR", "enter", "W", "enter")
        await until(pilot, lambda: notices(desk.app))
        text = (folder / "log.csv").read_text()
        assert text.startswith("time,script,level,text\n")
        assert "stack traceback:" in text


async def test_the_log_is_gone_through_in_a_thread_as_it_was(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(folder)
    threads: set[int] = set()
    records = Ring.records

    def noted(self: Ring) -> Iterator[LogRecord]:
        threads.add(threading.get_ident())
        yield from records(self)

    monkeypatch.setattr(Ring, "records", noted)
    async with desk.app.run_test(size=(140, 44)) as pilot:
        await ready(desk, pilot, "5")
        ring = desk.app.main.log_pane.view.ring
        before = [record.text for record in records(ring)]
        await pilot.press("W")
        ring.extend([LogRecord(0.0, "late", Level.INFO, "came later")])
        entry(desk.app).value = "log.json"
        await pilot.press("enter")
        await until(pilot, lambda: notices(desk.app))
        assert [row["text"] for row in json.loads((folder / "log.json").read_text())] == before
        assert threads
        assert threading.get_ident() not in threads


async def test_what_becomes_of_a_file_is_told_also_when_the_dialog_was_closed(folder: Path) -> None:
    desk = Desk(folder)
    goes_on = threading.Event()
    screens: list[SaveScreen] = []

    def content(path: Path) -> str:
        assert goes_on.wait(10)
        raise WriteError("the disk is full")

    async with desk.app.run_test(size=(140, 44)) as pilot:
        await ready(desk, pilot)
        failed: list[str] = []
        screens.append(SaveScreen("Export", "x.csv", (".csv",), content, lambda _: None, failed.append))
        await desk.app.push_screen(screens[0])
        await pilot.press("enter", "escape")
        await until(pilot, lambda: desk.app.screen is desk.app.main)
        goes_on.set()
        await until(pilot, lambda: failed == ["x.csv was not written: the disk is full"])


async def test_a_file_that_is_there_is_overwritten_only_by_a_second_enter(folder: Path) -> None:
    desk = Desk(folder)
    file = folder / "timers.csv"
    file.write_text("mine")
    async with desk.app.run_test(size=(140, 44)) as pilot:
        await ready(desk, pilot, "3", "W", "enter")
        await until(pilot, lambda: "is there already; enter again overwrites it" in problem(desk.app))
        assert file.read_text() == "mine"
        await pilot.press("x", "backspace", "enter")
        await until(pilot, lambda: "is there already" in problem(desk.app))
        assert file.read_text() == "mine", "what was typed in between is another question"
        await pilot.press("enter")
        await until(pilot, lambda: notices(desk.app))
        assert file.read_text().startswith("script,id")


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("timers.txt", "must end in .csv or .json"),
        ("no/timers.csv", "there is no folder"),
        ("~/x", "must end in .csv"),
    ],
)
async def test_what_cannot_be_written_is_told_in_the_dialog(folder: Path, typed: str, told: str) -> None:
    desk = Desk(folder)
    async with desk.app.run_test(size=(140, 44)) as pilot:
        await ready(desk, pilot, "3", "W")
        entry(desk.app).value = typed
        await pilot.press("enter")
        await until(pilot, lambda: told in problem(desk.app))
        await pilot.press("escape")
        await pilot.pause()
        assert desk.app.screen is desk.app.main


async def test_nothing_to_export_is_told(folder: Path) -> None:
    desk = Desk(folder)
    async with desk.app.run_test(size=(140, 44)) as pilot:
        await ready(desk, pilot, "3", "slash", *"nothing at all", "enter", "W")
        await until(pilot, lambda: notices(desk.app) == ["There are no rows to export."])


async def test_a_picture_shows_the_screen_without_the_dialog(folder: Path) -> None:
    desk = Desk(folder)
    async with desk.app.run_test(size=(140, 44)) as pilot:
        await ready(desk, pilot, "S")
        name = entry(desk.app).value
        assert re.fullmatch(r"scriptconsole-\d{8}-\d{6}\.svg", name)
        await pilot.press("enter")
        await until(pilot, lambda: notices(desk.app))
        picture = (folder / name).read_text()
        assert picture.startswith("<svg")
        assert "thermostat" in picture
        assert "Save&#160;a&#160;picture" not in picture


# ---- alarms --------------------------------------------------------------------------------------------


def frame(state: ScriptState, error_at: float | None = None) -> Frame:
    error = None if error_at is None else ErrorView("boom <b>", "", "", 0, error_at)
    return replace(FRAME, scripts=(replace(SCRIPTS[0], alias="it", state=state, last_error=error),))


def test_a_script_that_fails_is_told_once() -> None:
    alarm = Alarm()
    assert not alarm.look(frame(ScriptState.RUNNING))
    assert [row.alias for row in alarm.look(frame(ScriptState.FAILED, 5.0))] == ["it"]
    assert not alarm.look(frame(ScriptState.FAILED, 5.0))
    assert not alarm.look(frame(ScriptState.RUNNING, 5.0))
    assert alarm.look(frame(ScriptState.FAILED, 6.0))


def test_errors_of_a_script_that_goes_on_are_told_after_quiet_only() -> None:
    alarm = Alarm()
    assert alarm.look(frame(ScriptState.RUNNING, 1000.0))
    assert not alarm.look(frame(ScriptState.RUNNING, 1001.0))
    assert not alarm.look(frame(ScriptState.RUNNING, 1001.0 + QUIET - 1))
    assert alarm.look(frame(ScriptState.RUNNING, 1001.0 + 2 * QUIET))


async def test_notifications_are_off_unless_wanted(folder: Path) -> None:
    desk = Desk(folder)
    async with desk.app.run_test() as pilot:
        await ready(desk, pilot)
        await until(pilot, lambda: desk.app.main.latest.scripts)
        assert any(row.state is ScriptState.FAILED for row in desk.app.main.latest.scripts)
        assert not desk.sent


async def test_the_desktop_is_told_by_program_or_through_the_terminal(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(folder, notify="both")
    rung: list[bool] = []
    monkeypatch.setattr(desk.app, "bell", lambda: rung.append(True))
    desk.session.now = frame(ScriptState.FAILED, NOW)
    async with desk.app.run_test() as pilot:
        await until(pilot, lambda: rung)
        assert desk.sent == ["\x1b]9;it failed: boom <b>\a"]
        got = desk.install("notify-send")
        desk.environ["DISPLAY"] = ":0"
        desk.session.now = frame(ScriptState.RUNNING, NOW)
        await until(pilot, lambda: desk.app.main.latest.scripts[0].state is ScriptState.RUNNING)
        desk.session.now = frame(ScriptState.FAILED, NOW + 1)
        await until(pilot, got.exists)
        assert got.read_text() == "--app-name=scriptconsole -- it failed boom &lt;b&gt;\n"
        assert len(desk.sent) == 1
        assert len(rung) == 2
