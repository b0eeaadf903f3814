"""What scripts tell the session through the feed, and where their output goes.

Used in every interpreter, so it imports nothing but the standard library and scriptnative.
"""

from __future__ import annotations

import io
import os
from enum import IntEnum
from typing import TYPE_CHECKING

from scriptnative.errors import describe

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed import ReadableBuffer

    from scriptnative import Feed


class Report(IntEnum):
    """Kinds of report; the payload is named beside each."""

    OUTPUT = 1  # (stream, text)
    LOG = 2  # (level, text)
    ERROR = 3  # (where, description)


class Reporter:
    """One script's way to the session: log lines, output, errors.

    Args:
        feed: The session's feed.
        script: Number of the script.
        direct: Write the script's output to the process's own stdout and stderr at once, as `--batch` wants.
        batch: Whether the run is headless; scripts see it as `host.batch`.

    Attributes:
        calls: Where calls go on record, while that is on.
    """

    def __init__(self, feed: Feed, script: int, direct: bool, batch: bool) -> None:
        self.feed = feed
        self.script = script
        self.direct = direct
        self.batch = batch
        self.calls = feed.calls

    def output(self, text: str, stream: str = "stdout") -> None:
        """One or more whole lines that the script printed, without the last line end."""
        if self.direct:
            _write_all(2 if stream == "stderr" else 1, (text + "\n").encode("utf-8", "surrogateescape"))
        else:
            self.feed.push(Report.OUTPUT, self.script, (stream, text))

    def log(self, level: str, text: str) -> None:
        """A log line of the script."""
        self.feed.push(Report.LOG, self.script, (level, text))

    def error(self, where: str, error: BaseException) -> None:
        """An error in a callback that nobody called, e.g. that of a timer.

        Args:
            where: What failed, e.g. "timer callback".
            error: What it raised.
        """
        self.feed.push(Report.ERROR, self.script, (where, describe(error)), urgent=True)


def _write_all(descriptor: int, payload: bytes) -> None:
    while payload:
        payload = payload[os.write(descriptor, payload) :]


class LineWriter(io.TextIOBase):
    """A text stream that hands on whole lines; what is unfinished waits for its end or a flush.

    Args:
        emit: Called with lines joined by newlines, without the last line end.
    """

    def __init__(self, emit: Callable[[str], None]) -> None:
        super().__init__()
        self._emit = emit
        self._partial = ""

    encoding = "utf-8"
    errors = "surrogateescape"

    def writable(self) -> bool:
        """Always; nothing can be read from it."""
        return True

    @property
    def buffer(self) -> io.BufferedIOBase:
        """For programs that write bytes; they arrive in order with the text."""
        return _ByteWriter(self)

    def write(self, text: str, /) -> int:
        """Report the lines that are complete and keep the rest."""
        text.encode(self.encoding, "surrogateescape")  # refused here, where the script's line is on the stack
        lines, newline, rest = text.rpartition("\n")
        if newline:
            lines, self._partial = self._partial + lines, rest
            self._emit(lines)
        else:
            self._partial += text
        return len(text)

    def finish(self) -> None:
        """Hand on an unfinished last line; the script has ended."""
        if self._partial:
            text, self._partial = self._partial, ""
            self._emit(text)


class _ByteWriter(io.BufferedIOBase):
    """The bytes side of a LineWriter."""

    def __init__(self, writer: LineWriter) -> None:
        super().__init__()
        self._writer = writer

    def writable(self) -> bool:
        """Always; nothing can be read from it."""
        return True

    def write(self, payload: ReadableBuffer, /) -> int:
        """Write bytes as they are."""
        raw = bytes(payload)
        self._writer.write(raw.decode("utf-8", "surrogateescape"))
        return len(raw)
