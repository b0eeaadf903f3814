"""Going to things by their names, in a real terminal."""

from __future__ import annotations

from pathlib import Path

import pytest

from .terminal import Terminal

FAN = "speed = 3\nblades = 5\n\n\ndef faster(by=1):\n    global speed\n    speed += by\n"


def test_to_a_variable_a_function_and_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fan.py").write_text(FAN)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "wiring.txt").write_text("red is live\n")
    opened = tmp_path / "opened"
    editor = tmp_path / "vi"
    editor.write_text(f'#!/bin/sh\necho "$@" >> {opened}\n')
    editor.chmod(0o755)
    with Terminal("fan.py", env={"VISUAL": str(editor)}) as console:
        console.wait_for(r"speed +int")
        # Typed ahead: nothing waits for the search to open.
        console.press("f", "spd var")
        console.wait_for(r"speed +fan +variable")
        console.press("enter")
        console.wait_gone(r"speed +fan +variable")
        console.press("enter")
        console.wait_for("Variable speed")
        console.press("escape")
        console.wait_gone("Variable speed")
        console.press("f", "fastr")
        console.wait_for(r"faster +fan +function")
        console.press("enter")
        console.until(
            lambda: opened.exists() and "fan.py" in opened.read_text(), "the function in the editor"
        )
        assert opened.read_text().split() == ["+5", str(tmp_path / "fan.py")]
        console.wait_for(r"speed +int")
        console.press("f", "wiring")
        console.wait_for(r"wiring\.txt +notes +file")
        console.press("enter")
        console.until(lambda: "wiring.txt" in opened.read_text(), "the file in the editor")
        console.wait_for(r"speed +int")
        console.press("q")
        assert console.wait_for_end() == 0
        assert console.left_on() == []
