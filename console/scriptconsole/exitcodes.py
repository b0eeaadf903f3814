"""How the program ends; the numbers are part of the command line's contract."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit status of `scriptconsole`; 124 as timeout(1), 130 and 141 as a shell after Ctrl-C and SIGPIPE."""

    OK = 0
    FAILED = 1
    USAGE = 2
    TIMED_OUT = 124
    INTERRUPTED = 130
    UNREAD = 141
