"""The five-minute tour of the README, in a real terminal."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from .terminal import ROOT, Terminal

READINGS = r"filter +readings +int64 +(?:› )?(\d+)"


@pytest.fixture
def greenhouse(tmp_path: Path) -> Path:
    """A copy that a test may edit."""
    return Path(shutil.copytree(ROOT / "examples" / "greenhouse", tmp_path / "greenhouse"))


@pytest.fixture
def console(greenhouse: Path) -> Iterator[Terminal]:
    # High enough for the variables of all three scripts.
    with Terminal(greenhouse, size=(150, 70)) as terminal:
        terminal.wait_for(r"sensors +python")
        terminal.until(lambda: terminal.number(READINGS) > 0, "the first reading")
        yield terminal


def edit(path: Path, old: str, new: str) -> None:
    """Save as most editors do: a new file takes the place of the old one."""
    text = path.read_text()
    assert old in text
    scratch = path.with_suffix(".new")
    scratch.write_text(text.replace(old, new))
    scratch.replace(path)


def test_shows_scripts_and_live_values(console: Terminal) -> None:
    assert console.line(r"running +controller +lua +state +1")
    assert console.line(r"idle +filter +native +library +1")
    assert console.line(r"running +sensors +python +isolated +1")
    assert console.line(r"TARGET +float +21\.0")
    console.wait_for(r"broadcast +sensors")
    console.wait_for(r"listener +127\.0\.0\.1:\d+")
    console.wait_for("connected to the sensors at")
    before = console.number(READINGS)
    console.until(lambda: console.number(READINGS) > before + 3, "more readings")
    console.press("q")
    assert console.wait_for_end() == 0
    assert console.left_on() == []


def test_edit_break_and_mend_a_script(console: Terminal, greenhouse: Path) -> None:
    controller = greenhouse / "controller.lua"
    edit(controller, "TARGET = 21.0", "TARGET = 25.0")
    console.wait_for(r"running +controller +lua +state +2 ")
    console.wait_for(r"TARGET +float +(› )?25\.0")
    before = console.number(READINGS)
    console.until(lambda: console.number(READINGS) > before + 3, "the new version to go on")

    edit(controller, "TARGET = 25.0", "TARGET = = 25.0")
    console.wait_for(r"ERR +controller +reload refused")
    console.wait_for(r"controller\.lua:4: unexpected symbol")
    console.wait_for(
        r"running +controller +lua +state +2 .* 1 +\S|running +controller +lua +state +2 +\d+ +\d+ +\S"
    )
    before = console.number(READINGS)
    console.until(lambda: console.number(READINGS) > before + 3, "the old version to go on")

    edit(controller, "TARGET = = 25.0", "TARGET = 22.5")
    console.wait_for(r"running +controller +lua +state +3 ")
    console.wait_for(r"TARGET +float +(› )?22\.5")
    console.press("ctrl+q")
    assert console.wait_for_end() == 0


def test_file_that_is_written_in_place_is_loaded_whole(console: Terminal, greenhouse: Path) -> None:
    controller = greenhouse / "controller.lua"
    text = controller.read_text()
    for target in ("22.5", "23.5", "24.5"):
        with controller.open("w") as file:
            file.flush()
            for line in text.replace("TARGET = 21.0", f"TARGET = {target}").splitlines(keepends=True):
                file.write(line)
                file.flush()
        wanted = rf"TARGET +float +(› )?{re.escape(target)}"
        console.until(lambda wanted=wanted: console.line(wanted), "the new value", 5)
    assert console.line(r"running +controller +lua +state +4 ")
    assert not console.line("reload refused")


def test_keys(console: Terminal) -> None:
    console.press("?")
    console.wait_for("Help: Scripts")
    console.press("escape")
    console.wait_gone("Help: Scripts")

    console.wait_new_look("╭─ 2 Variables", "2")
    console.press("/")
    console.wait_for("regular expression")
    console.press("TARGET", "enter")
    console.wait_gone("MARGIN")
    assert console.line(r"TARGET +float")
    console.press("escape")
    console.wait_for("MARGIN")

    console.wait_new_look("╭─ 2 Variables", "1")
    console.press("c")
    console.wait_for("Call a function of controller")
    console.wait_for(r"decide\(reading\)")
    console.press("switch")
    console.wait_new_look('1, "text"', "enter")
    console.press("True", "enter")
    console.wait_for(r"INF +console +controller\.switch\(True\) = ")
    console.press("escape")
    console.wait_gone("Call a function of controller")

    console.press("=")
    console.wait_for("Evaluate inside controller")
    console.press("TARGET + 1", "enter")
    console.wait_for(r"22\.0")
    console.press("escape")
    console.wait_gone("Evaluate inside controller")

    console.press("u")
    console.wait_gone(r"controller +lua")
    console.wait_for(r"controller +unloaded")
    console.press("q")
    assert console.wait_for_end() == 0
    assert console.left_on() == []
