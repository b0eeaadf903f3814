"""Gives the terminal back when the console could not: after a crash of native code, or SIGKILL.

A small shell waits beside the console for the end of a pipe. When the console ends in good order it says so
first. Otherwise the shell puts the terminal back as it was and shows what the interpreter said when it died.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import subprocess
import tempfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator

RESTORE = (
    "\x1b[?2048l\x1b[?2026l\x1b[?2004l\x1b[?1016l\x1b[?1015l\x1b[?1006l\x1b[?1004l\x1b[?1003l\x1b[?1000l"
    "\x1b[<u\x1b[?7h\x1b[?1049l\x1b[?25h\x1b[0m"
)
"""Switches off what a full-screen program switches on (xterm's ctlseqs, the kitty keyboard protocol)."""

_WATCH = """\
trap '' HUP INT QUIT TERM TSTP TTIN TTOU
read -r end && exit 0
stty "$1" <&2
printf '%s' "$2" >&2
[ -s "$3" ] && printf 'scriptconsole was ended by a crash in native code:\\n' >&2 && cat "$3" >&2
rm -f "$3"
"""


@contextlib.contextmanager
def guarded() -> Generator[None]:
    """Have the terminal on descriptor 2 restored if this process dies within."""
    settings = _settings()
    if settings is None:
        yield
        return
    said, name = tempfile.mkstemp(prefix="scriptconsole-", suffix=".crash")
    watch = subprocess.Popen(
        ["/bin/sh", "-c", _WATCH, "scriptconsole-guard", settings, RESTORE, name],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    )
    assert watch.stdin is not None
    faulthandler.enable(said, all_threads=False)
    try:
        yield
    finally:
        faulthandler.disable()
        os.close(said)
        with contextlib.suppress(BrokenPipeError):  # somebody killed the shell
            watch.stdin.write(b"end\n")
            watch.stdin.close()
        watch.wait()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)


def _settings() -> str | None:
    """The terminal's settings as stty(1) takes them; None where there is no such terminal or program."""
    try:
        found = subprocess.run(["stty", "-g"], stdin=2, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return found.stdout.strip()
