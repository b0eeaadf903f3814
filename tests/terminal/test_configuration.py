"""The configuration of the real program: keys, bell and copying as they reach and leave a terminal."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import pytest

from .terminal import Terminal


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A script in a project of its own; it fails when it is told to."""
    script = tmp_path / "it.lua"
    script.write_text("treasure = 'under the tree'\n")
    return script


def settings(project: Path, text: str) -> None:
    (project.parent / "scriptconsole.toml").write_text(text)


PLAIN = {"DISPLAY": "", "WAYLAND_DISPLAY": "", "TMUX": "", "STY": "", "PATH": "/nowhere"}
"""A terminal without a desktop round it."""


def rings(raw: bytes) -> int:
    """How often the bell rang; the same character ends other sequences."""
    return re.sub(rb"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)", b"", raw).count(b"\x07")


def test_keys_of_the_configuration_do_what_they_say(project: Path) -> None:
    settings(project, '[keys]\nhelp = ["f1", "Z"]\nquit = "Q"\nmove.down = "ctrl+n"\n')
    with Terminal(project) as console:
        console.wait_for("it +lua")
        console.press("Z")
        console.wait_for(r"F1 Z +Show the keys")
        console.wait_for(r"\bQ +End all scripts")
        console.press("escape")
        console.wait_gone("Show the keys")
        console.wait_for(r"f1 Help .* Q Quit")
        console.press("?", "q", "2")
        console.wait_for("treasure")
        console.press("Q")
        assert console.wait_for_end() == 0


def test_a_mistake_keeps_the_console_from_starting(project: Path) -> None:
    settings(project, '[keys]\n"script.reload" = "c"\n')
    with Terminal(project) as console:
        assert console.wait_for_end() == 2
        told = console.raw.decode()
        assert "scriptconsole.toml:2: c would mean both" in told
        assert "\x1b[?1049h" not in told


def test_the_bell_rings_when_a_script_fails(project: Path) -> None:
    with Terminal(project, env={"SCRIPTCONSOLE_NOTIFY": "bell"}) as console:
        console.wait_for("it +lua")
        assert not rings(console.raw)
        project.write_text("error('no')\n")
        console.press("r")
        console.wait_for("reload refused|no")
        console.until(lambda: rings(console.raw), "the bell")


def test_a_copied_row_leaves_through_the_terminal(project: Path) -> None:
    with Terminal(project, env=PLAIN) as console:
        console.wait_for("treasure")
        console.press("2", "y")
        console.wait_for("Copied the row")
        found = re.search(rb"\x1b\]52;c;([A-Za-z0-9+/=]+)\x07", console.raw)
        assert found
        assert b"under the tree" in base64.b64decode(found[1])


def test_rows_are_exported_to_a_file(project: Path) -> None:
    with Terminal(project) as console:
        console.wait_for("treasure")
        console.press("2", "W")
        console.wait_for("Export 1 row of Variables")
        # As a user does it: the suggested name goes, another comes.
        console.press("\x15")
        console.wait_gone(r"variables\.csv")
        console.press(str(project.parent / "out.csv"), "enter")
        console.wait_for("wrote ")
        lines = (project.parent / "out.csv").read_text().splitlines()
        assert lines[0].startswith("script,name")
        assert "under the tree" in lines[1]
