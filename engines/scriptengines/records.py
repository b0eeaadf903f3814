"""Turns the reports of scripts into log records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scriptnative.errors import rebuild

from .errors import ScriptConsoleError, format_error
from .reports import Report
from .view import Level, LogRecord

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .script import Script


def to_record(report: tuple[int, int, float, Any], scripts: Mapping[int, Script]) -> Iterator[LogRecord]:
    """The records of one report; output of several lines gives several.

    Args:
        report: As `Feed.take` gives it.
        scripts: By number; what is not there is the session's own. An error is noted as its script's last.
    """
    kind, number, moment, payload = report
    script = scripts.get(number)
    alias = "" if script is None else script.alias
    if kind == Report.OUTPUT:
        stream, text = payload
        # A binary program's bytes come as surrogates, which no screen can show.
        text = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        level = Level.WARNING if stream == "stderr" else Level.OUTPUT
        for line in text.split("\n"):
            yield LogRecord(moment, alias, level, line)
    elif kind == Report.LOG:
        yield LogRecord(moment, payload[2] if number == 0 else alias, Level(payload[0]), payload[1])
    else:
        where, description = payload
        error = rebuild(description)
        if script is not None:
            script.callback_errors += 1
            script.note_error(error)
        yield LogRecord(moment, alias, Level.ERROR, f"{where}: {_one_line(error)}\n{format_error(error)}")


def _one_line(error: BaseException) -> str:
    place = (
        f" ({getattr(error, 'file', '')}:{getattr(error, 'line', 0)})" if getattr(error, "file", "") else ""
    )
    text = str(error) if isinstance(error, ScriptConsoleError) else f"{type(error).__name__}: {error}"
    return text.partition("\n")[0] + place
