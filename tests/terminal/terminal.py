"""The real program in a pseudo-terminal, and what its screen shows."""

from __future__ import annotations

import os
import re
import sys
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

import pexpect
import pyte

ROOT = Path(__file__).parents[2]
DEADLINE = 20.0
"""Seconds after which what has not appeared never will; only a failing test takes that long."""

KEYS = {
    "enter": "\r",
    "escape": "\x1b",
    "tab": "\t",
    "space": " ",
    "up": "\x1b[A",
    "down": "\x1b[B",
    "f1": "\x1bOP",
    "f4": "\x1bOS",
    "ctrl+p": "\x10",
    "ctrl+q": "\x11",
    "ctrl+c": "\x03",
    "ctrl+d": "\x04",
}

# Queries and modes that pyte would take for text.
_UNKNOWN = re.compile(rb"\x1b\[(?:[<>=][0-9;]*[a-zA-Z]|\?[0-9;]*\$p|\?[0-9;]*u)")
_PARTIAL = re.compile(rb"\x1b(?:\[[^a-zA-Z~]{0,20})?\Z")

MODES_LEFT = {
    "the alternate screen": (b"\x1b[?1049h", b"\x1b[?1049l"),
    "the hidden cursor": (b"\x1b[?25l", b"\x1b[?25h"),
    "mouse clicks": (b"\x1b[?1000h", b"\x1b[?1000l"),
    "mouse movement": (b"\x1b[?1003h", b"\x1b[?1003l"),
    "mouse coordinates": (b"\x1b[?1006h", b"\x1b[?1006l"),
    "focus reports": (b"\x1b[?1004h", b"\x1b[?1004l"),
    "bracketed paste": (b"\x1b[?2004h", b"\x1b[?2004l"),
}
"""What a full-screen program switches on, and how it is switched off."""


class Terminal:
    """A running `scriptconsole` with its screen; a context manager that leaves no process behind.

    Args:
        arguments: Of the command line.
        size: Columns and lines.
        env: Added to the environment.
        program: What is started, with these arguments; the console by default.

    Attributes:
        raw: Every byte the program has written.
    """

    def __init__(
        self,
        *arguments: str | Path,
        size: tuple[int, int] = (150, 42),
        env: Mapping[str, str] | None = None,
        program: Sequence[str] = (sys.executable, "-m", "scriptconsole"),
    ) -> None:
        columns, lines = size
        self.raw: bytes = b""
        self._rest = b""
        self._screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self._screen)
        # It answers questions, such as where the cursor is.
        self._screen.write_process_input = lambda answer: self.process.send(answer)
        environment = {**os.environ, "TERM": "xterm-256color", "TEXTUAL_ANIMATIONS": "none"}
        for name in ("NO_COLOR", "COLUMNS", "LINES"):  # pytest-xdist tells its workers a size
            environment.pop(name, None)
        environment.update(env or {})
        self.process: pexpect.spawn[bytes] = pexpect.spawn(
            program[0],
            [*program[1:], *map(str, arguments)],
            dimensions=(lines, columns),
            env=environment,
            timeout=DEADLINE,
        )
        self.process.delaybeforesend = None
        self.settings_before = self.settings()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.process.close(force=True)

    # ---- what it shows -----------------------------------------------------------------------------

    @property
    def text(self) -> str:
        """The screen, a line per row."""
        return "\n".join(self._screen.display)

    def line(self, pattern: str) -> str:
        """The first row that a regular expression matches, or ""."""
        return next((row for row in self._screen.display if re.search(pattern, row)), "")

    def _read(self) -> bool:
        """Take what has arrived; False once the program has ended."""
        try:
            chunk: bytes = self.process.read_nonblocking(65536, timeout=0.02)
        except pexpect.TIMEOUT:
            return True
        except pexpect.EOF:
            return False
        self.raw += chunk
        known = _UNKNOWN.sub(b"", self._rest + chunk)
        partial = _PARTIAL.search(known)
        self._rest = b"" if partial is None else known[partial.start() :]
        self._stream.feed(known[: len(known) - len(self._rest)])
        return True

    def until(self, condition: Callable[[], object], what: str, seconds: float = DEADLINE) -> None:
        """Wait for a condition, looking again whenever something was drawn."""
        end = time.monotonic() + seconds
        while not condition():
            running = self._read()
            assert running or condition(), f"the program ended before: {what}\n{self.text}"
            assert time.monotonic() < end, f"it did not happen in {seconds:g} s: {what}\n{self.text}"

    def wait_for(self, pattern: str) -> str:
        """Wait for a row that a regular expression matches.

        Returns:
            The row.
        """
        self.until(lambda: self.line(pattern), f"a row with {pattern!r}")
        return self.line(pattern)

    def wait_gone(self, pattern: str) -> None:
        """Wait until no row matches."""
        self.until(lambda: not self.line(pattern), f"no row with {pattern!r}")

    def look(self, text: str) -> tuple[object, ...]:
        """Colours of the first character of a text, () when it is not there; they show the focus."""
        for y, row in enumerate(self._screen.display):
            if (x := row.find(text)) >= 0:
                cell = self._screen.buffer[y][x]
                return cell.fg, cell.bg, cell.reverse
        return ()

    def wait_new_look(self, text: str, *keys: str) -> None:
        """Press keys and wait until a text looks different."""
        before = self.look(text)
        assert before, f"{text!r} is not on the screen\n{self.text}"
        self.press(*keys)
        self.until(lambda: self.look(text) not in (before, ()), f"another look of {text!r}")

    def number(self, pattern: str) -> float:
        """The number that the group of a regular expression finds, or -1."""
        found = re.search(pattern, self.text)
        return float(found[1]) if found else -1.0

    def settings(self) -> list[object]:
        """Settings of the terminal, as stty shows them."""
        return termios.tcgetattr(self.process.child_fd)

    # ---- what is done to it ------------------------------------------------------------------------

    def press(self, *keys: str) -> None:
        """Press keys; names as in KEYS, everything else is typed as it is."""
        for key in keys:
            self.process.send(KEYS.get(key, key))

    def resize(self, columns: int, lines: int) -> None:
        """Give the terminal another size."""
        self._screen.resize(lines, columns)
        self.process.setwinsize(lines, columns)

    def hang_up(self) -> None:
        """Take the terminal away."""
        inner = self.process.ptyproc
        inner.fileobj.close()
        inner.closed = self.process.closed = True

    def wait_for_end(self) -> int:
        """Wait until the program has ended.

        Returns:
            Its exit status, negative when a signal killed it.
        """
        end = time.monotonic() + DEADLINE
        while self._read():
            assert time.monotonic() < end, f"it does not end\n{self.text}"
        self.process.wait()
        # What it started may still have something to write.
        with suppress(OSError):
            while chunk := os.read(self.process.child_fd, 65536):
                self.raw += chunk
        if self.process.exitstatus is not None:
            return self.process.exitstatus
        return -(self.process.signalstatus or 0)

    def left_on(self) -> list[str]:
        """Modes of the terminal that the program switched on and did not switch off again."""
        modes = [name for name, (on, off) in MODES_LEFT.items() if self.raw.rfind(on) > self.raw.rfind(off)]
        return modes if self.settings() == self.settings_before else [*modes, "settings of stty"]
