"""Where a Lua error happened: frames with their source lines, and the Python error for a Lua one."""

from __future__ import annotations

import re
from typing import Any

from scriptnative.errors import CallError, Interrupted, LoadError, RemoteFrame, all_frames, describe, rebuild

_POSITION = re.compile(r'^(?:\[string "[^\n]*"\]|[^\n]+?):(\d+): ')
_PARAMETERS = re.compile(r"\bfunction\b[^(]*\(([^()]*)\)")
_OWN_POSITION = re.compile(r"^\[scriptconsole\]:\d+: ")


def text_of(raw: str | bytes) -> str:
    """Text of a Lua string for showing: never fails."""
    return raw if isinstance(raw, str) else raw.decode("utf-8", "replace")


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

    def frames(self, trace: list[tuple[bytes, int, bytes]]) -> list[RemoteFrame]:
        """Frames of a trace (source, line, name), outermost first."""
        return [self.frame(path_of(source), line, text_of(name)) for source, line, name in trace][::-1]

    def placed(self, frame: RemoteFrame, message: str) -> RemoteFrame:
        """The frame with the line that a message begins with."""
        position = _POSITION.match(message)
        return self.frame(frame.file, int(position[1]), frame.function) if position else frame

    def parameters(self, path: str, line: int) -> str:
        """The parameter list of the function that begins on a line; "" when it is not seen there."""
        lines = self.lines(path)
        found = _PARAMETERS.search(lines[line - 1]) if 0 < line <= len(lines) else None
        return f"({', '.join(found[1].replace(',', ' ').split())})" if found else ""

    def comment_above(self, path: str, line: int) -> str:
        """Text of the comment lines directly above a line."""
        comment: list[str] = []
        for text in reversed(self.lines(path)[: max(line - 1, 0)]):
            stripped = text.strip()
            if not stripped.startswith("--") or stripped.startswith("--["):
                break
            comment.append(stripped.lstrip("-").strip())
        return "\n".join(reversed(comment)).strip()


def path_of(source: str | bytes) -> str:
    """File of a chunk from the `source` field of debug.getinfo."""
    text = text_of(source)
    return text[1:] if text[:1] in "@=" else f"[string {text.partition(chr(10))[0][:40]!r}]"


def load_error(sources: Sources, path: str, raw: str | bytes) -> LoadError:
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
    message = (
        text_of(value) if isinstance(value, (str, bytes)) else f"error object is a {type(value).__name__}"
    )
    message = _OWN_POSITION.sub("", message)
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


def limit_error(limit: int, frames: list[RemoteFrame]) -> CallError:
    """The error of a script that asked for more memory than it may have."""
    text = f"not enough memory: the script may have {limit / 2**20:.4g} MiB (option memory)"
    return CallError(text, remote_type="LuaError", frames=frames)


def interruption(reason: str, frames: list[RemoteFrame]) -> Interrupted:
    """The error of a call that was stopped."""
    last = frames[-1] if frames else RemoteFrame("", 0, "")
    return Interrupted(reason, frames=frames, file=last.file, line=last.line)
