"""What was typed before, in this session and earlier ones: a file for each project in the platform's place.

One line of JSON for each input, appended at once, so that a crash loses nothing and two consoles share a
file. An input that begins with a space is not kept, as in a shell: that is for what nobody should find.
"""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any, cast

from scriptconsole.config.places import name_for
from scriptconsole.config.settings import HISTORY_SIZE

TEXT_LIMIT = 20_000
"""Characters of an input; what is longer was pasted and is in a file already."""


def history_file(project: Path, folder: Path | None = None) -> Path:
    """Where the inputs of a project are kept.

    Args:
        project: Its folder.
        folder: Where such files are, by default in the platform's folder of the user's own states.
    """
    if folder is None:
        import platformdirs

        folder = platformdirs.user_state_path("scriptconsole") / "history"
    return folder / f"{name_for(project)}.jsonl"


class History:
    """The inputs of one project, oldest first.

    Args:
        file: Where they are kept; None keeps them in memory only. What cannot be read or written is as if
            it were not there: nobody is kept from typing by it.
        limit: Inputs that are kept; the file may grow to twice as many before it is shortened.
    """

    def __init__(self, file: Path | None, limit: int = HISTORY_SIZE) -> None:
        self._file = file
        self._limit = limit
        self._entries: list[tuple[str, str]] = []
        if file is not None:
            self._read(file)

    def inputs(self, language: str) -> list[str]:
        """Inputs in a language, and commands; oldest first, none twice in a row."""
        found: list[str] = []
        for written_in, text in self._entries:
            if written_in in (language, "") and text not in found[-1:]:
                found.append(text)
        return found

    def add(self, text: str, language: str) -> bool:
        """Keep an input, unless it repeats the one before or begins with a space.

        Args:
            text: As it was typed.
            language: Of the script, "" for a command.

        Returns:
            Whether it is kept.
        """
        text = text.rstrip()
        if not text or text[0].isspace() or len(text) > TEXT_LIMIT or (language, text) in self._entries[-1:]:
            return False
        self._entries.append((language, text))
        if self._file is not None and self._limit:
            with contextlib.suppress(OSError):
                self._append(self._file, [(language, text)])
        return True

    def _read(self, file: Path) -> None:
        try:
            lines = file.read_bytes().splitlines()
        except OSError:
            return
        for line in lines:
            with contextlib.suppress(ValueError):  # cut off by a crash, or not ours
                found: Any = json.loads(line)
                if type(found) is list and list(map(type, cast("list[Any]", found))) == [str, str]:
                    self._entries.append(tuple(cast("list[Any]", found)))
        del self._entries[: max(len(self._entries) - self._limit, 0)]
        if len(lines) > 2 * self._limit:
            with contextlib.suppress(OSError):
                self._shorten(file)

    def _shorten(self, file: Path) -> None:
        fresh = file.with_name(f".{file.name}-{os.getpid()}")
        self._append(fresh, self._entries)
        os.replace(fresh, file)

    @staticmethod
    def _append(file: Path, entries: list[tuple[str, str]]) -> None:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        text = "".join(json.dumps(entry) + "\n" for entry in entries)
        descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, text.encode())  # in one piece: another console may write too
        finally:
            os.close(descriptor)
