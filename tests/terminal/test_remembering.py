"""A project opens again as it was left, also after the console was killed."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .terminal import Terminal

PUMP = 'flow = 7\nsetInterval(function() flow = flow + 1 end, 1000)\nprint("pump is on")\n'
FAN = "speed = 3\nblades = 5\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "greenhouse"
    folder.mkdir()
    (folder / "scriptconsole.toml").touch()
    (folder / "pump.lua").write_text(PUMP)
    (folder / "fan.py").write_text(FAN)
    monkeypatch.chdir(folder)
    return folder


def states(folder: Path) -> list[Path]:
    return sorted((folder / "scriptconsole" / "projects").glob("*.json"))


def saved(folder: Path) -> dict[str, Any]:
    found = states(folder)
    return json.loads(found[0].read_text()) if found else {}


def until_saved(
    console: Terminal, folder: Path, what: str, condition: Callable[[dict[str, Any]], object]
) -> None:
    console.until(lambda: (state := saved(folder)) and condition(state), f"{what} in the saved state")


def test_killed_and_started_again(project: Path, own_state: Path) -> None:
    with Terminal("pump.lua", "fan.py") as console:
        console.wait_for(r"pump +lua")
        console.wait_for(r"fan +python")
        console.press("2", "/")
        console.wait_for("regular expression")
        console.press("speed|flow", "enter")
        console.wait_gone("blades +int")
        console.press("4", "H", "5", "m")
        console.wait_gone("2 Variables")
        until_saved(console, own_state, "the maximised log", lambda state: state["layout"]["maximised"])
        console.process.kill(signal.SIGKILL)
        assert console.wait_for_end() == -signal.SIGKILL

    assert len(saved(own_state)["scripts"]) == 2
    with Terminal() as console:
        console.wait_for("pump is on")
        assert not console.line("2 Variables"), "the log is maximised, as it was left"
        console.press("m")
        console.wait_for(r"pump +lua")
        console.wait_for(r"fan +python")
        assert console.wait_for("2 Variables").find("/speed|flow") > 0
        console.wait_for(r"speed +int")
        assert not console.line(r"blades +int")
        assert not console.line("4 Connections +0.*─╮"), "its place was put away"
        console.press("q")
        assert console.wait_for_end() == 0
        assert console.left_on() == []
    assert sorted(path.name for path in project.iterdir()) == ["fan.py", "pump.lua", "scriptconsole.toml"]


def test_open_rows_and_what_the_log_leaves_out(project: Path, own_state: Path) -> None:
    (project / "fan.py").write_text("parts = {'blades': [5, 7]}\nprint('fan is on')\n")
    with Terminal("fan.py") as console:
        console.wait_for("fan is on")
        console.press("2")
        console.wait_for(r"▸ parts +dict")
        console.press("l")
        console.wait_for(r"▸ \['blades'\] +list")
        console.press("j", "l")
        console.wait_for(r"\[1\] +int")
        console.press("5", "v", "v")
        console.wait_for("Log.*warning and worse")
        until_saved(console, own_state, "both rows", lambda state: len(state["rows"]) == 2)
        until_saved(console, own_state, "the level", lambda state: "log" in state["panes"])
        console.process.kill(signal.SIGKILL)
        console.wait_for_end()
    with Terminal() as console:
        console.wait_for(r"▾ parts +dict")
        console.wait_for(r"\[1\] +int")
        console.wait_for("Log.*warning and worse")
        assert not console.line("out +fan +fan is on")
        console.press("q")
        assert console.wait_for_end() == 0


def test_fresh_starts_without(project: Path, own_state: Path) -> None:
    with Terminal("fan.py") as console:
        console.wait_for(r"fan +python")
        until_saved(console, own_state, "the script", lambda state: state["scripts"])
        console.press("q")
        assert console.wait_for_end() == 0
    with Terminal("--fresh") as console:
        console.wait_for("no scripts")
        until_saved(console, own_state, "the fresh start", lambda state: not state["scripts"])
        console.press("q")
        assert console.wait_for_end() == 0


def test_a_script_that_is_gone_keeps_no_other_out(project: Path, own_state: Path) -> None:
    with Terminal("pump.lua", "fan.py") as console:
        until_saved(console, own_state, "both scripts", lambda state: len(state["scripts"]) == 2)
        console.process.kill(signal.SIGKILL)
        console.wait_for_end()
    (project / "pump.lua").unlink()
    with Terminal() as console:
        console.wait_for(r"fan +python")
        console.wait_for(r"pump\.lua.*no such file")
        until_saved(console, own_state, "only the other", lambda state: len(state["scripts"]) == 1)
        console.press("q")
        assert console.wait_for_end() == 0


def test_two_consoles_of_one_project_leave_a_whole_state(project: Path, own_state: Path) -> None:
    with Terminal("pump.lua") as one, Terminal("fan.py") as other:
        one.wait_for(r"pump +lua")
        other.wait_for(r"fan +python")
        for key in "24135":
            one.press(key)
            other.press(key)
        one.press("m", "q")
        assert one.wait_for_end() == 0
        other.press("q")
        assert other.wait_for_end() == 0
    assert len(states(own_state)) == 1
    assert [script["alias"] for script in saved(own_state)["scripts"]] == ["fan"]


def test_a_damaged_state_is_set_aside(project: Path, own_state: Path) -> None:
    with Terminal("fan.py") as console:
        until_saved(console, own_state, "the script", lambda state: state["scripts"])
        console.press("q")
        assert console.wait_for_end() == 0
    (path,) = states(own_state)
    path.write_bytes(path.read_bytes()[:-20])
    with Terminal() as console:
        console.wait_for("WRN .*state of this project is not used: it is damaged")
        console.wait_for("no scripts")
        console.press("q")
        assert console.wait_for_end() == 0
    assert path.with_name(path.name + ".corrupt").exists()
