"""The file in which the state of a project is kept: where it is, how it is read and written.

It lies in the platform's folder for such things, never in the project. It is only ever replaced as a whole,
so that neither a crash nor a second console leaves half of it.
"""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
import threading
from collections.abc import Iterable
from itertools import count
from pathlib import Path

from scriptconsole.config.places import name_for
from scriptconsole.state import SavedState, StateError, decode, encode

SIZE_LIMIT = 4 * 2**20
"""Bytes; what is longer no console wrote."""

SHOWN = 3
"""How much of what was left out is told in full."""


class StateFile:
    """The saved state of one project."""

    def __init__(self, project: Path, folder: Path | None = None) -> None:
        """Name the file; nothing is read yet.

        Args:
            project: The project's folder.
            folder: Where states are kept, by default in the platform's folder of the user's own states.
        """
        if folder is None:
            import platformdirs

            folder = platformdirs.user_state_path("scriptconsole") / "projects"
        self.project = os.path.realpath(project)
        self.path = folder / f"{name_for(project)}.json"
        self._lock = threading.Lock()

    def read(self) -> tuple[SavedState, tuple[str, ...]]:
        """Read the state; what cannot be used is set aside, what cannot be read is left alone.

        Returns:
            The state, a fresh one when there is none, and what there is to tell: a sentence for each.
        """
        try:
            text = self._content()
        except FileNotFoundError:
            return SavedState(), ()
        except OSError as error:
            return SavedState(), (f"The state of this project cannot be read: {_why(error)} ({self.path}).",)
        try:
            if len(text) > SIZE_LIMIT:
                raise StateError(f"it has more than {SIZE_LIMIT // 2**20} MiB")
            state, left_out = decode(text, self.project)
        except StateError as error:
            return SavedState(), (self._set_aside(error),)
        return state, (_told(left_out),) if left_out else ()

    def _content(self) -> bytes:
        # Without waiting, should somebody have put a pipe there.
        with open(os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise OSError(0, "not a file")
            return file.read(SIZE_LIMIT + 1)

    def _set_aside(self, why: StateError) -> str:
        try:
            aside = self._free_name()
            os.replace(self.path, aside)
        except OSError as error:
            return (
                f"The state of this project is not used: {why}; nor moved away: {_why(error)} ({self.path})."
            )
        return f"The state of this project is not used: {why}. It was set aside as {aside}."

    def _free_name(self) -> Path:
        for number in count(1):
            name = self.path.with_name(self.path.name + (f".corrupt-{number}" if number > 1 else ".corrupt"))
            with contextlib.suppress(FileExistsError):
                os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
                return name
        raise AssertionError("numbers do not end")

    def write(self, state: SavedState) -> None:
        """Replace the file, as a whole and readable for nobody else.

        Raises:
            OSError: That is not possible; what was there before is still there.
        """
        text = encode(state, self.project)
        with self._lock:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # mkstemp: mode 0600, and a name of its own for every console.
            number, name = tempfile.mkstemp(dir=self.path.parent, prefix=f".{self.path.name}-")
            try:
                with open(number, "wb") as file:
                    file.write(text)
                    file.flush()
                    # Else a power failure could leave the new name with nothing in it.
                    os.fsync(number)
                os.replace(name, self.path)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(name)
                raise


def _why(error: OSError) -> str:
    return error.strerror or type(error).__name__


def _told(left_out: Iterable[str]) -> str:
    sentences = list(left_out)
    more = f"; and {len(sentences) - SHOWN:,} more" if len(sentences) > SHOWN else ""
    return f"Left out of the saved state: {'; '.join(sentences[:SHOWN])}{more}."
