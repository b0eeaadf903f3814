"""The option `files`: a script that opens, lists, moves and removes files in its own folder only.

It keeps mistakes of a script from the rest of the machine. It is no wall against code that wants to get out:
a script shares the process with the console, and what asks without touching (`os.stat`) is not heard of.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from .options import Option

if TYPE_CHECKING:
    from collections.abc import Mapping

FILES: Mapping[str, Option] = {
    "files": Option(
        "choice", "any", "Which files it may use: any, or those in its own folder.", ("any", "own")
    )
}
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_SYSTEM = ("/dev/null", "/dev/urandom", "/dev/random", "/usr/share/zoneinfo", "/etc/ssl", "/proc/self")
_PATHS = {
    "os.listdir": 1,
    "os.scandir": 1,
    "os.mkdir": 1,
    "os.rmdir": 1,
    "os.remove": 1,
    "os.rename": 2,
    "os.link": 2,
    "os.symlink": 2,
    "os.truncate": 1,
    "os.chmod": 1,
    "os.chown": 1,
    "os.utime": 1,
    "os.chdir": 1,
    "os.setxattr": 1,
    "sqlite3.connect": 1,
    "shutil.rmtree": 1,
}
_READING = frozenset({"os.listdir", "os.scandir", "os.chdir"})
_REFUSED = frozenset(
    {
        "subprocess.Popen",
        "os.system",
        "os.exec",
        "os.posix_spawn",
        "os.spawn",
        "os.fork",
        "os.forkpty",
        "pty.spawn",
    }
)
EVENTS = frozenset({"open", *_PATHS, *_REFUSED})
"""Audit events that a Confinement wants to hear; see "Audit events table" in Python's documentation."""


class Confinement:
    """What one script may touch.

    Args:
        folder: Its own; everything below it, too.
        readable: Other places it may read.
    """

    def __init__(self, folder: str, readable: tuple[str, ...] = ()) -> None:
        self._folder = os.path.realpath(folder)
        self._readable = tuple(os.path.realpath(place) for place in readable if place)

    def check(self, path: Any, *, writes: bool) -> None:
        """Refuse a path outside.

        Raises:
            PermissionError: It is; links are followed.
        """
        if isinstance(path, int):  # something that is open already
            return
        real = os.path.realpath(os.fsdecode(path))
        places = (self._folder,) if writes else (self._folder, *self._readable)
        if not any(real == place or real.startswith(place.rstrip("/") + "/") for place in places):
            raise PermissionError(
                f"{os.fsdecode(path)} is outside of the script's folder {self._folder} "
                '(option files = "own")'
            )

    def problem(self, path: Any, writes: bool = False) -> str | None:
        """What `check` would say, or None; for languages that return errors."""
        try:
            self.check(path, writes=writes)
        except (PermissionError, ValueError) as error:
            return str(error)
        return None

    def heard(self, event: str, args: tuple[Any, ...]) -> None:
        """An audit event of Python, before it takes effect; of EVENTS.

        Raises:
            PermissionError: It concerns a file outside, or another program.
        """
        if event in _REFUSED:
            raise PermissionError(f'{event}: other programs may use any file (option files = "own")')
        if event == "open":
            path, mode, flags = args[:3]
            writing = bool(flags & _WRITING) if isinstance(flags, int) else mode not in (None, "r", "rb")
            if path is not None:
                self.check(path, writes=writing)
            return
        for path in args[: _PATHS[event]]:
            if event == "sqlite3.connect" and path in (":memory:", ""):
                continue
            if path is not None:
                self.check(path, writes=event not in _READING)


def confinement(options: Mapping[str, Any], script: str, *, python: bool) -> Confinement | None:
    """The confinement of a script, if its options ask for one.

    Args:
        options: Its own.
        script: Its file.
        python: Whether it reads Python's libraries.
    """
    if options.get("files") != "own":
        return None
    folder = os.path.dirname(script)
    libraries = (sys.prefix, sys.base_prefix, *sys.path, *_SYSTEM) if python else ()
    return Confinement(folder, tuple(place for place in libraries if place))
