"""Inputs that come line by line from a pipe or file: no prompt, results on stdout, errors on stderr."""

from __future__ import annotations

import os
import re
import select
import sys
from typing import TYPE_CHECKING

from scriptconsole.exitcodes import ExitCode

from .layout import lines_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from scriptengines.session import Session

    from .conversation import Conversation

WIDTH = 100
_GOES_ON = re.compile(r"(?:else|elif|except|finally)\b|#")
"""Begins a line that is not indented and yet belongs to the block before it."""
_CLAUSES = ("else: 0", "finally: 0")
"""One of them can follow wherever any other clause of a block of Python can; in Lua both are wrong."""


class Pieces:
    """Puts lines together into inputs.

    A block of Python ends with an empty line, as at a prompt, or before a line that is not indented and does
    not belong to it, as in a file.

    Args:
        is_complete: Whether an input can be run as it is.
    """

    def __init__(self, is_complete: Callable[[str], bool]) -> None:
        self._is_complete = is_complete
        self._lines: list[str] = []

    def add(self, line: str) -> Iterator[str]:
        """Take a line; gives the inputs that are complete now."""
        if self._lines and line.strip() and not line[0].isspace() and not _GOES_ON.match(line):
            before = "\n".join(self._lines)
            if self._is_complete(before + "\n"):
                self._lines = []
                yield before
        if self._lines or line.strip():
            self._lines.append(line)
            text = "\n".join(self._lines)
            if self._is_complete(text) and not (line.strip() and self._may_go_on(text)):
                self._lines = []
                yield text

    def _may_go_on(self, text: str) -> bool:
        """Whether it is a block on one line, such as `if x: y`, of which a further clause may come."""
        return not all(self._is_complete(f"{text}\n{clause}") for clause in _CLAUSES)

    def rest(self) -> str:
        """What is left when no more lines come."""
        text, self._lines = "\n".join(self._lines), []
        return text


def converse(session: Session, conversation: Conversation, tell: Callable[[], bool]) -> ExitCode:
    """Run what stdin holds until its end, or until an input says to leave.

    Args:
        session: Timers and sockets of its scripts go on meanwhile; it writes output at once.
        conversation: Runs the inputs.
        tell: Tells what scripts have reported since the last time; whether there was anything.

    Returns:
        FAILED when an input has failed.
    """
    pieces = Pieces(conversation.is_complete)
    code = ExitCode.OK
    for line in _lines(session, tell):
        for piece in pieces.add(line):
            failed, leaves = _run(conversation, piece, tell)
            code = ExitCode.FAILED if failed else code
            if leaves:
                return code
    rest = pieces.rest()
    if rest.strip() and _run(conversation, rest, tell)[0]:
        code = ExitCode.FAILED
    return code


def _lines(session: Session, tell: Callable[[], bool]) -> Iterator[str]:
    rest = b""
    while chunk := _read(session, tell):
        *lines, rest = (rest + chunk).split(b"\n")
        yield from (line.decode("utf-8", "surrogateescape").rstrip("\r") for line in lines)
    if rest:
        yield rest.decode("utf-8", "surrogateescape")


def _read(session: Session, tell: Callable[[], bool]) -> bytes:
    """What has come, telling reports while nothing does."""
    waiting = select.poll()
    waiting.register(0, select.POLLIN)
    waiting.register(session.wake_descriptor, select.POLLIN)
    while True:
        ready = [descriptor for descriptor, _ in waiting.poll()]
        if session.wake_descriptor in ready:
            session.wait(0)
            while tell():
                pass
        if 0 in ready:
            return os.read(0, 65536)


def _run(conversation: Conversation, text: str, tell: Callable[[], bool]) -> tuple[bool, bool]:
    """Run an input; whether it failed, and whether it says to leave."""
    answer = conversation.run(text)
    while tell():
        pass
    lines = [*answer.lines, *(line for result in answer.results for line in lines_of(result, WIDTH))]
    if lines:
        sys.stdout.write(
            "\n".join(lines).encode("utf-8", "surrogateescape").decode("utf-8", "replace") + "\n"
        )
        sys.stdout.flush()
    if answer.error:
        print(answer.error, file=sys.stderr, flush=True)
    return bool(answer.error), answer.leaves
