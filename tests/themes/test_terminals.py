"""Which theme a terminal gets, and that 16 colours, or none, are enough."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scriptconsole.appearance import ground_of
from scriptthemes import CONTRAST, DARK, LIGHT, TERMINAL
from tests.console.recording import RecordedSession
from tests.console.support import notices
from tests.terminal.terminal import ROOT, Terminal

from .screens import app_with

HELLO = ROOT / "examples" / "hello" / "hello.lua"
SGR = re.compile(rb"\x1b\[([0-9;]*)m")


@pytest.mark.parametrize(
    ("told", "name"),
    [
        ("", DARK.name),
        ("15;0", DARK.name),
        ("0;15", LIGHT.name),
        ("0;default;7", LIGHT.name),
        ("7;8", DARK.name),
    ],
)
def test_auto_goes_by_what_the_terminal_tells_of_its_ground(told: str, name: str) -> None:
    assert ground_of({"COLORFGBG": told}) == name


@pytest.mark.parametrize(
    ("environ", "name"),
    [
        ({"TERM": "xterm-256color"}, CONTRAST.name),
        ({"TERM": "xterm", "COLORTERM": "truecolor"}, CONTRAST.name),
        ({"TERM": "xterm"}, TERMINAL.name),
        ({"TERM": "linux"}, TERMINAL.name),
        ({"TERM": "xterm-16color"}, TERMINAL.name),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, TERMINAL.name),
    ],
)
def test_what_cannot_be_shown_is_not_chosen(
    monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], name: str
) -> None:
    monkeypatch.delenv("COLORTERM")
    for variable, value in environ.items():
        monkeypatch.setenv(variable, value)
    app = app_with(CONTRAST.name, RecordedSession())
    assert app.theme == name
    assert app.appearance.choose(LIGHT.name) is (name != TERMINAL.name)
    assert app.theme == (TERMINAL.name if name == TERMINAL.name else LIGHT.name)


async def test_choosing_another_is_answered_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = app_with("auto", RecordedSession())
    async with app.run_test() as pilot:
        await pilot.press("ctrl+t")
        await pilot.pause()
        assert app.theme == TERMINAL.name
        assert "16 colours at most" in notices(app)[0]


def codes(terminal: Terminal) -> set[str]:
    """Parameters of all colour and style sequences that were written."""
    found = b";".join(SGR.findall(terminal.raw)).decode().split(";")
    return set(found)


def shown(environ: dict[str, str | None], tmp_path: Path) -> set[str]:
    """What is written to show a script that failed, is selected, and stands in the focused pane."""
    script = tmp_path / "broken.lua"
    script.write_text("error('no')")
    env = {"SCRIPTCONSOLE_CONFIG": str(tmp_path / "none.toml"), "COLORTERM": "", **environ}
    with Terminal(script, env={name: value for name, value in env.items() if value is not None}) as terminal:
        terminal.wait_for("✗ failed")
        terminal.press("2")
        terminal.wait_for("═ 2 Variables")
        terminal.press("q")
        terminal.wait_for_end()
        return codes(terminal)


@pytest.mark.parametrize("term", ["xterm", "linux"])
def test_sixteen_colours_are_the_terminals_own(term: str, tmp_path: Path) -> None:
    written = shown({"TERM": term}, tmp_path)
    assert "31" in written, "red for what failed"
    assert "7" in written, "the cursor in reverse"
    assert not {"38", "48"} & written, "neither 256 nor 16 million colours"


def test_no_color_means_none(tmp_path: Path) -> None:
    written = shown({"TERM": "xterm-256color", "NO_COLOR": "1"}, tmp_path)
    colors = {str(code) for base in (30, 40, 90, 100) for code in range(base, base + 9)}
    assert not written & colors
    assert {"1", "2", "7"} <= written, "bold, faint and reverse tell what colours would"
