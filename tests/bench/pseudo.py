"""A program in a pseudo-terminal, timed by the bytes that go in and come out of it."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import tempfile
import termios
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

DEADLINE = 20.0
SIZE = (150, 42)
ENVIRONMENT = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "TEXTUAL_ANIMATIONS": "none"}


class Pseudo:
    """A running program; a context manager that leaves no process behind.

    Args:
        command: Program and arguments.
        figures: The file into which a watched screen writes.
    """

    def __init__(self, command: Sequence[str | os.PathLike[str]], figures: Path | None = None) -> None:
        self.figures = figures
        self.written = bytearray()
        """What it has written since `press` or the start."""
        columns, lines = SIZE
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        # Nothing of the user's own: settings, or what an earlier run was left with.
        self._home = tempfile.TemporaryDirectory()
        own = {f"XDG_{kind}_HOME": self._home.name for kind in ("STATE", "CONFIG", "DATA")}
        environment = {**os.environ, **ENVIRONMENT, **own}
        for name in ("NO_COLOR", "COLUMNS", "LINES"):
            environment.pop(name, None)
        self.began = time.perf_counter()
        self.process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, env=environment, start_new_session=True
        )
        os.close(slave)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._master)
        self._home.cleanup()

    def read(self, seconds: float) -> None:
        """Take what it writes within so many seconds, at least once."""
        if select.select([self._master], [], [], max(seconds, 0))[0]:
            self.written += os.read(self._master, 1 << 20)

    def until(self, found: Callable[[bytearray], object]) -> float:
        """Wait until what was written satisfies a condition.

        Returns:
            Seconds of `time.perf_counter` at which it did.

        Raises:
            TimeoutError: It never did.
        """
        end = time.perf_counter() + DEADLINE
        while not found(self.written):
            now = time.perf_counter()
            if now > end:
                text = re.sub(rb"\x1b\[[^A-Za-z]*[A-Za-z]|\s+", b" ", self.written[-3000:])
                raise TimeoutError(
                    f"not seen within {DEADLINE:g} s; at the end: {text.decode(errors='replace')}"
                )
            self.read(end - now)
        return time.perf_counter()

    def until_seen(self, pattern: bytes) -> float:
        """Wait for a regular expression in what was written; see `until`."""
        wanted = re.compile(pattern)
        return self.until(wanted.search)

    def press(self, keys: bytes) -> float:
        """Type; what was written before is forgotten.

        Returns:
            Seconds of `time.perf_counter`.
        """
        self.read(0)
        self.written.clear()
        now = time.perf_counter()
        os.write(self._master, keys)
        return now

    def rest(self, seconds: float) -> None:
        """Let it run, taking what it writes."""
        end = time.perf_counter() + seconds
        while (left := end - time.perf_counter()) > 0:
            self.read(left)
        self.written.clear()

    def tell(self) -> dict[str, Any]:
        """Ask a watched screen for its figures since the last time."""
        assert self.figures is not None
        self.figures.unlink(missing_ok=True)
        self.process.send_signal(signal.SIGUSR1)
        end = time.perf_counter() + DEADLINE
        while not self.figures.exists():
            if time.perf_counter() > end:
                raise TimeoutError("no figures")
            self.read(0.01)
        self.written.clear()
        return json.loads(self.figures.read_text())

    def cpu(self) -> float:
        """Seconds of processor time so far (fields 14 and 15 of /proc/PID/stat, see proc(5))."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
