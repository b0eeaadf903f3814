"""A recorded call copied as a test: the test runs, passes, and fails when the script changes."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path

import pytest

from scriptconsole.calltest import NoTest, as_test
from scriptengines import Session
from scriptengines.errors import CallError
from scriptengines.view import CallView, ScriptView

PYTHON = """
def add(a, b=1):
    return {"sum": a + b, "parts": [a, b]}

def fail(room):
    raise ValueError(f"no such room: {room} (really)")

def same(value):
    return value

def opaque():
    return object()
"""
LUA = """
function add(a, b) return {sum = a + b} end
function fail(room) error("no such room: " .. room) end
function same(value) return value end
"""


def recorded(
    folder: Path, name: str, text: str, function: str, *args: object, **named: object
) -> tuple[CallView, ScriptView]:
    """Make a call in a session and tell what the session recorded of it."""
    path = folder / name
    path.write_text(text)
    with Session() as session:
        session.load(path)
        session.record_calls(True)
        with contextlib.suppress(CallError):
            session.script(path.stem).function(function)(*args, **named)
        frame = session.frame()
    (call,) = frame.calls
    return call, frame.scripts[0]


def run(folder: Path, *texts: str) -> subprocess.CompletedProcess[str]:
    for number, text in enumerate(texts):
        (folder / f"test_recorded{number}.py").write_text(text)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(folder),
        str(folder),
    ]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False, timeout=60)


CALLS: dict[str, tuple[object, ...]] = {"add": (1, 2), "fail": ("attic",), "same": ('it\'s\n"q" \\ ü',)}
"""A result, an error, a text that needs care."""


@pytest.mark.parametrize(
    ("name", "text", "other"),
    [
        ("rooms.py", PYTHON, "def {}(*args):\n    return 'other'\n"),
        ("rooms.lua", LUA, "function {}() return 'other' end\n"),
    ],
    ids=["python", "lua"],
)
def test_tests_pass_and_notice_a_change(tmp_path: Path, name: str, text: str, other: str) -> None:
    written = [
        as_test(*recorded(tmp_path, name, text, function, *args))
        for function, args in (*CALLS.items(), ("same", (None,)))
    ]
    passed = run(tmp_path, *written)
    assert passed.returncode == 0, passed.stdout + "\n".join(written)
    (tmp_path / name).write_text("".join(map(other.format, CALLS)))
    failed = run(tmp_path, *written)
    assert failed.returncode == 1, failed.stdout
    assert f"{len(written)} failed" in failed.stdout


def test_keywords_that_mean_something_to_call_are_passed_on(tmp_path: Path) -> None:
    text = "def wait(timeout, default=2): return timeout + default\n"
    call, script = recorded(tmp_path, "rooms.py", text, "wait", timeout=5, default=6)
    assert run(tmp_path, as_test(call, script)).returncode == 0


def test_an_alias_with_quotes_is_quoted(tmp_path: Path) -> None:
    call, script = recorded(tmp_path, "rooms.py", PYTHON, "add", 1)
    compile(as_test(call, script._replace(alias='"""\\rooms"')), "test", "exec")


def test_a_result_that_is_no_literal_is_told_but_not_expected(tmp_path: Path) -> None:
    call, script = recorded(tmp_path, "rooms.py", PYTHON, "opaque")
    written = as_test(call, script)
    assert "# it gave <object of rooms>" in written
    assert run(tmp_path, written).returncode == 0


def test_a_script_is_kept_apart_as_it_was(tmp_path: Path) -> None:
    text = "# scriptconsole: isolation = 'main'\n" + PYTHON
    call, script = recorded(tmp_path, "rooms.py", text, "add", 1)
    assert "session.load(SCRIPT, isolation='main')" in as_test(call, script)


def test_what_cannot_be_repeated_is_refused(tmp_path: Path) -> None:
    call, script = recorded(tmp_path, "rooms.py", PYTHON, "same", print)
    with pytest.raises(NoTest, match="cannot all be written as literals"):
        as_test(call, script)
    nameless = CallView(1, "rooms", "outer.<locals>.tick", "timer", "", 0.0, 0.1, whole=True)
    with pytest.raises(NoTest, match="no name"):
        as_test(nameless, script)
