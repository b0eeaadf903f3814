"""How the program ends; the numbers are part of the command line's contract."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit status of `scriptconsole`; 124 and 130 are those of timeout(1) and of a shell after Ctrl-C."""

    OK = 0
    FAILED = 1
    USAGE = 2
    TIMED_OUT = 124
    INTERRUPTED = 130
