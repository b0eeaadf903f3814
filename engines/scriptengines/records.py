"""Turns the reports of scripts into log records."""

from __future__ import annotations

import threading
import time
from math import inf
from typing import TYPE_CHECKING, Any

from scriptnative.errors import rebuild

from .errors import ScriptConsoleError, format_error
from .reports import Report
from .view import Level, LogRecord

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scriptnative import Feed

    from .script import Script

CHUNK = 256
"""Reports taken from the feed at once."""
PATIENCE = 1_000
"""Records between two looks at the clock, which is slow on some machines; an error counts as many."""
ERROR_WEIGHT = 50

type _Report = tuple[int, int, float, Any]


class Records:
    """The log records of a session, in order; what was not asked for yet waits.

    Args:
        feed: Where reports come from.
        scripts: By number; what is not there is the session's own.
        reports: Taken from the feed already.
    """

    def __init__(self, feed: Feed, scripts: Mapping[int, Script], reports: list[_Report]) -> None:
        self._feed = feed
        self._scripts = scripts
        self._mutex = threading.Lock()
        self._reports = reports[::-1]
        self._made: list[LogRecord] = []

    def take(self, limit: int, seconds: float = inf) -> tuple[list[LogRecord], bool]:
        """Take what was reported since the last time, oldest first.

        Args:
            limit: Records at most; the lines of a script that prints whole files at once are counted too.
            seconds: Processor time after which to stop, for there may be much and errors take long to tell.

        Returns:
            The records, and whether that was all there is.
        """
        with self._mutex:
            made, self._made = self._made, []
            end = time.thread_time() + seconds
            patience = PATIENCE
            while len(made) < limit:
                if not self._reports:
                    self._reports = self._feed.take(CHUNK)
                    self._reports.reverse()
                    if not self._reports:
                        return made, True
                kind, number, moment, payload = self._reports.pop()
                script = self._scripts.get(number)
                if kind == Report.OUTPUT:
                    _add_output(made, moment, "" if script is None else script.alias, payload)
                else:
                    made.append(_record(kind, number, moment, payload, script))
                patience -= ERROR_WEIGHT if kind == Report.ERROR else 1
                if patience <= 0:
                    patience = PATIENCE
                    if time.thread_time() > end:
                        break
            self._made = made[limit:]
            return made[:limit], False


def _add_output(made: list[LogRecord], moment: float, alias: str, payload: tuple[str, str]) -> None:
    stream, text = payload
    if not text.isascii():
        # A binary program's bytes come as surrogates, which no screen can show.
        text = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    level = Level.WARNING if stream == "stderr" else Level.OUTPUT
    if "\n" in text:
        made += [LogRecord(moment, alias, level, line) for line in text.split("\n")]
    else:
        made.append(LogRecord(moment, alias, level, text))


def _record(kind: int, number: int, moment: float, payload: Any, script: Script | None) -> LogRecord:
    alias = "" if script is None else script.alias
    if kind == Report.LOG:
        return LogRecord(moment, payload[2] if number == 0 else alias, Level(payload[0]), payload[1])
    where, description = payload
    error = rebuild(description)
    if script is not None:
        script.callback_errors += 1
        script.note_error(error)
    return LogRecord(moment, alias, Level.ERROR, f"{where}: {_one_line(error)}\n{format_error(error)}")


def _one_line(error: BaseException) -> str:
    place = (
        f" ({getattr(error, 'file', '')}:{getattr(error, 'line', 0)})" if getattr(error, "file", "") else ""
    )
    text = str(error) if isinstance(error, ScriptConsoleError) else f"{type(error).__name__}: {error}"
    return text.partition("\n")[0] + place
