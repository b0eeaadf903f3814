"""Where a Lua error happened: frames with their source lines, and the Python error for a Lua one."""

from __future__ import annotations

import os
import re
from typing import Any

from scriptnative.errors import CallError, Interrupted, LoadError, RemoteFrame, all_frames, describe, rebuild

_POSITION = re.compile(r'^(?:\[string "[^\n]*"\]|[^\n]+?):(\d+): ')
_TRACEBACK_LINE = re.compile(r"^\t(?!\[C\])(.+?):(\d+): in (?:(main chunk)|.*? '([^']*)'|.*)$", re.MULTILINE)
_OWN = "[scriptconsole]"


def text_of(raw: bytes) -> str:
    """Text of a Lua string for showing: never fails."""
    return raw.decode("utf-8", "replace")


class Sources:
    """The source lines of the files of one state, as they were when loaded."""

    def __init__(self) -> None:
        self._lines: dict[str, list[str]] = {}

    def add(self, path: str, source: str) -> None:
        """Remember the text that is about to run under that name."""
        self._lines[path] = source.split("\n")

    def lines(self, path: str) -> list[str]:
        """All lines of a file; none when it cannot be read."""
        lines = self._lines.get(path)
        if lines is None:
            try:
                with open(path, encoding="utf-8", errors="replace") as file:
                    lines = file.read().split("\n")
            except (OSError, ValueError):
                lines = []
            self._lines[path] = lines
        return lines

    def frame(self, file: str, line: int, name: str) -> RemoteFrame:
        """A frame with its source line."""
        lines = self.lines(file)
        source = lines[line - 1].strip() if 0 < line <= len(lines) else ""
        return RemoteFrame(file, max(line, 0), name, source, "lua")

    def frames(self, flat: list[Any]) -> list[RemoteFrame]:
        """Frames of a trace made by the prelude (source, line, name …), outermost first."""
        rows = zip(flat[::3], flat[1::3], flat[2::3], strict=True)
        return [self.frame(path_of(source), line, text_of(name)) for source, line, name in rows][::-1]

    def frames_of_traceback(self, text: str) -> list[RemoteFrame]:
        """Frames of a text that debug.traceback made, outermost first."""
        found = [
            self.frame(self._whole(file), int(line), "<module>" if main else name or "<function>")
            for file, line, main, name in _TRACEBACK_LINE.findall(text)
            if file != _OWN
        ]
        return found[::-1]

    def _whole(self, file: str) -> str:
        """The path that Lua cut to 60 characters, if it is one of the script or of a module beside it."""
        if not file.startswith("..."):
            return file
        name = file.rpartition("/")[2]
        beside = (os.path.join(os.path.dirname(known), name) for known in list(self._lines))
        paths = (path for path in (*self._lines, *beside) if path.endswith(file[3:]) and os.path.isfile(path))
        return next(paths, file)

    def comment_above(self, path: str, line: int) -> str:
        """Text of the comment lines directly above a line."""
        comment: list[str] = []
        for text in reversed(self.lines(path)[: max(line - 1, 0)]):
            stripped = text.strip()
            if not stripped.startswith("--") or stripped.startswith("--["):
                break
            comment.append(stripped.lstrip("-").strip())
        return "\n".join(reversed(comment)).strip()


def path_of(source: bytes) -> str:
    """File of a chunk from the `source` field of debug.getinfo."""
    text = text_of(source)
    return text[1:] if text[:1] in "@=" else f"[string {text.partition(chr(10))[0][:40]!r}]"


def load_error(sources: Sources, path: str, raw: bytes) -> LoadError:
    """The error for what the Lua compiler said."""
    message = text_of(raw)
    position = _POSITION.match(message)
    line = int(position[1]) if position else 0
    reason = message[position.end() :] if position else message
    frame = sources.frame(path, line, "<module>")
    return LoadError(f"{path}:{line}: {reason}", file=path, line=line, frames=[frame])


def lua_error(value: Any, plain: bool, frames: list[RemoteFrame]) -> CallError:
    """The error for one that Lua code raised.

    Args:
        value: Its text.
        plain: Whether the error value was a string, which begins with its position.
        frames: The Lua stack.
    """
    message = text_of(value) if isinstance(value, bytes) else f"error object is a {type(value).__name__}"
    position = _POSITION.match(message)
    if plain and position and frames and int(position[1]) == frames[-1].line:
        message = message[position.end() :]
    return CallError(message, remote_type="LuaError", frames=frames)


def host_error(failure: BaseException, frames: list[RemoteFrame]) -> BaseException:
    """The error for one that a host function raised: the Lua stack, then the frames it went on into."""
    if isinstance(failure, (SystemExit, KeyboardInterrupt)):
        failure.frames = tuple(frames)  # pyright: ignore[reportAttributeAccessIssue] - for all_frames
        return failure
    name, text, notes, _, cause, detail = describe(failure)
    stack = [tuple(frame) for frame in (*frames, *all_frames(failure))]
    return rebuild((name, text, notes, stack, cause, detail))


def interruption(reason: str, frames: list[RemoteFrame]) -> Interrupted:
    """The error of a call that was stopped."""
    last = frames[-1] if frames else RemoteFrame("", 0, "")
    return Interrupted(reason, frames=frames, file=last.file, line=last.line)
