"""Which command opens a file at a line in the user's own editor."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

_COLON = frozenset({"hx", "helix", "subl", "zed"})
_GOTO = frozenset({"code", "codium", "code-insiders", "cursor"})

_PLACE = re.compile(r'File "(?P<quoted>[^"\n]+)", line (?P<at>\d+)|(?P<path>[^\s:"\'()\[\]]+):(?P<line>\d+)')


class EditorError(Exception):
    """No editor can be started; the message says what to do."""


def editor_command(path: str, line: int, environ: Mapping[str, str]) -> list[str]:
    """Build the command that opens a file.

    Args:
        path: The file.
        line: Line to stand on, from 1; 0 for none.
        environ: Where VISUAL and EDITOR are looked up, in that order, as POSIX tools do.

    Returns:
        Program and arguments.

    Raises:
        EditorError: Neither variable names a program.
    """
    chosen = environ.get("VISUAL") or environ.get("EDITOR") or ""
    try:
        import shlex

        words = shlex.split(chosen)
    except ValueError as error:
        raise EditorError(f"$VISUAL or $EDITOR cannot be read ({error}): {chosen}") from error
    if not words:
        raise EditorError("No editor is set: export VISUAL or EDITOR, for example EDITOR=nano.")
    if line <= 0:
        return [*words, path]
    name = Path(words[0]).name
    if name in _GOTO:
        return [*words, "--goto", f"{path}:{line}"]
    if name in _COLON:
        return [*words, f"{path}:{line}"]
    return [*words, f"+{line}", path]


def named_place(text: str) -> tuple[str, int] | None:
    """Find the file and line that a line of a traceback names; the last one, None without any."""
    places = [
        (match["quoted"] or match["path"], int(match["at"] or match["line"]))
        for match in _PLACE.finditer(text)
    ]
    return places[-1] if places else None


def place_in(text: str, script_path: str) -> int:
    """Find the line of a script that a message names.

    Args:
        text: A traceback, or anything with `file.lua:12` in it.
        script_path: The script's file; places in other files do not count.

    Returns:
        The last such line, which a traceback puts nearest to the error, or 0.
    """
    wanted = Path(script_path).name
    found = 0
    for match in _PLACE.finditer(text):
        file = match["quoted"] or match["path"]
        if Path(file).name == wanted:
            found = int(match["at"] or match["line"])
    return found
