"""Sequences for the terminal: as it reads them, short enough, and through tmux and screen for real."""

from __future__ import annotations

import base64
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

from scriptconsole.out.sequences import LIMIT, clipboard, notification, wrapped

DEADLINE = 15.0


def copied(sequence: str) -> str:
    found = re.fullmatch(r"\x1b\]52;c;([A-Za-z0-9+/=]*)\a", sequence)
    assert found
    return base64.b64decode(found[1]).decode()


@pytest.mark.parametrize("text", ["plain", "two\nlines", "ünï 😀", "\x1b[31m", ""])
def test_text_for_the_clipboard_is_encoded(text: str) -> None:
    sequence = clipboard(text)
    assert sequence is not None
    assert copied(sequence) == text


def test_a_lone_surrogate_is_written_as_its_escape() -> None:
    assert copied(clipboard("a\ud800") or "") == "a\\ud800"


def test_what_is_longer_than_terminals_take_is_not_made() -> None:
    most = (LIMIT - len("\x1b]52;c;\a")) // 4 * 3
    longest = clipboard("x" * most)
    assert longest is not None
    assert LIMIT - 4 < len(longest) <= LIMIT
    assert clipboard("x" * (most + 1)) is None


def test_a_notification_as_the_terminal_at_hand_reads_it() -> None:
    assert notification("a", "b", {}) == "\x1b]9;a: b\a"
    assert notification("a;x", "b;y", {"VTE_VERSION": "7600"}) == "\x1b]777;notify;a,x;b;y\a"
    assert notification("a", "b", {"TERM": "rxvt-unicode"}).startswith("\x1b]777;")
    assert notification("a", "b", {"TERM": "foot"}).startswith("\x1b]777;")


def test_nothing_in_a_notification_steers_the_terminal() -> None:
    assert notification("a\x07\x1b]0;t", "b\x9c\n", {}) == "\x1b]9;a ]0;t: b \a"


def test_wrapping() -> None:
    assert wrapped("\x1b]9;x\a", {}) == "\x1b]9;x\a"
    assert wrapped("\x1b]9;x\a", {"TMUX": "/s,1,0"}) == "\x1b]9;x\a\x1bPtmux;\x1b\x1b]9;x\a\x1b\\"
    pieces = wrapped("\x1b]52;" + "A" * 600 + "\a", {"STY": "1.pts"}).split("\x1b\\")
    assert [len(piece) for piece in pieces] == [2 + 256, 2 + 256, 2 + 94, 0]
    assert "".join(piece.removeprefix("\x1bP") for piece in pieces) == "\x1b]52;" + "A" * 600 + "\a"


# ---- for real ------------------------------------------------------------------------------------------

WRITE = """
import os, sys
from scriptconsole.out.sequences import clipboard, notification, wrapped
sys.stdout.write(wrapped({}, os.environ))
sys.stdout.flush()
"""


@pytest.fixture
def tmux(tmp_path: Path) -> Iterator[list[str]]:
    """A command for a tmux server of the test's own."""
    if shutil.which("tmux") is None:
        pytest.skip("there is no tmux here")
    command = ["tmux", "-S", str(tmp_path / "socket"), "-f", "/dev/null"]
    yield command
    subprocess.run([*command, "kill-server"], capture_output=True, check=False)


def inside(command: list[str], env: dict[str, str] | None = None) -> pexpect.spawn[bytes]:
    outer = {name: value for name, value in os.environ.items() if name not in ("TMUX", "STY")}
    return pexpect.spawn(
        command[0],
        command[1:],
        env={**outer, "TERM": "xterm-256color", **(env or {})},
        timeout=DEADLINE,
        dimensions=(24, 80),
    )


def until_seen(child: pexpect.spawn[bytes], pattern: bytes) -> None:
    child.expect(pattern)


def python(expression: str) -> list[str]:
    return [sys.executable, "-c", WRITE.format(expression)]


def quoted(words: list[str]) -> str:
    import shlex

    return shlex.join(words)


def test_tmux_takes_the_text_itself_when_it_may(tmux: list[str]) -> None:
    program = quoted(python("clipboard('through tmux')")) + "; sleep 20"
    child = inside(
        [*tmux, "new-session", ";", "set", "-g", "set-clipboard", "on", ";", "respawn-pane", "-k", program]
    )
    try:
        end = time.monotonic() + DEADLINE
        while True:
            shown = subprocess.run([*tmux, "show-buffer"], capture_output=True, text=True, check=False)
            if shown.stdout == "through tmux":
                break
            assert time.monotonic() < end, shown
            time.sleep(0.05)
    finally:
        child.close(force=True)


def test_tmux_passes_it_on_when_it_may(tmux: list[str]) -> None:
    program = quoted(python("notification('a', 'passed on', {})")) + "; sleep 20"
    child = inside(
        [
            *tmux,
            "new-session",
            ";",
            "set",
            "-g",
            "allow-passthrough",
            "on",
            ";",
            "respawn-pane",
            "-k",
            program,
        ]
    )
    try:
        until_seen(child, rb"\x1b\]9;a: passed on\x07")
    finally:
        child.close(force=True)


def test_screen_passes_long_text_on(tmp_path: Path) -> None:
    if shutil.which("screen") is None:
        pytest.skip("there is no screen here")
    text = "through screen " * 400
    sockets = tmp_path / "sockets"
    sockets.mkdir(mode=0o700)
    program = f"{quoted(python(f'clipboard({text!r})'))}; sleep 20"
    child = inside(["screen", "-c", "/dev/null", "-m", "sh", "-c", program], {"SCREENDIR": str(sockets)})
    try:
        encoded = base64.b64encode(text.encode())
        until_seen(child, rb"\x1b\]52;c;" + re.escape(encoded) + rb"\x07")
    finally:
        child.close(force=True)
