"""Keeps the screen whole: what native code or child processes write to stdout and stderr goes into the log.

Textual draws through `sys.__stderr__`, so that file gets a descriptor of its own on the terminal first.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from _typeshed import ReadableBuffer


LINE_LIMIT = 16_384
"""Characters after which a line is passed on though it has not ended, for it may never end."""


class Terminal(io.FileIO):
    """The terminal that is drawn on; once it is gone, what is written is lost and nothing fails.

    An error would end Textual's writing thread, for which the app then waits for ever.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, "w")
        self.text = io.TextIOWrapper(
            io.BufferedWriter(self), encoding="utf-8", errors="replace", newline="", write_through=False
        )
        """The same as a text file."""

    def write(self, octets: ReadableBuffer, /) -> int:
        """Write, or lose it."""
        try:
            return super().write(octets)
        except OSError:
            return memoryview(octets).nbytes

    def drop(self) -> None:
        """The terminal is gone: write into nothing from now on."""
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, self.fileno())
        os.close(nothing)


@contextlib.contextmanager
def captured(emit: Callable[[str], None]) -> Generator[Terminal]:
    """Send descriptors 1 and 2 to `emit`, a line at a time, on a thread of its own; undone on leaving.

    Yields:
        The terminal that they were.
    """
    read, write = os.pipe()
    saved_out, saved_err = os.dup(1), os.dup(2)
    terminal = Terminal(os.dup(1))
    # `sys.__stdout__` too: its descriptor is the one that is asked for the size of the terminal.
    originals = sys.__stdout__, sys.__stderr__
    sys.__stdout__ = sys.__stderr__ = terminal.text
    os.dup2(write, 1)
    os.dup2(write, 2)
    os.close(write)
    reader = threading.Thread(target=_read_lines, args=(read, emit), name="captured output", daemon=True)
    reader.start()
    try:
        yield terminal
    finally:
        os.dup2(saved_out, 1)
        os.dup2(saved_err, 2)
        os.close(saved_out)
        os.close(saved_err)
        sys.__stdout__, sys.__stderr__ = originals
        terminal.text.close()
        # A child process may hold the pipe open for long: wait for what is there, not for its end.
        reader.join(0.2)


def _read_lines(descriptor: int, emit: Callable[[str], None]) -> None:
    with open(descriptor, encoding="utf-8", errors="replace") as lines:
        while line := lines.readline(LINE_LIMIT):
            emit(line.removesuffix("\n"))
