"""The pane of warnings: mistakes that raise no error, each with what to do about it."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from functools import partial
from itertools import islice

from scriptconsole.actions import PaneName
from scriptconsole.panes.columns import Column
from scriptconsole.panes.lines import Cell, Tone
from scriptconsole.panes.owned import OwnedPane, script_column, source_column, text_column
from scriptconsole.panes.pane import Details, Place
from scriptconsole.text import count, moment
from scriptengines.view import Frame, WarningKind, WarningView

AROUND = 3
"""Lines of source shown before and after the one that makes the mistake."""

EXPLAINED: dict[str, str] = {
    WarningKind.BLOCKED: (
        "While a callback runs, nothing else of its script does: timers come late and connections wait. "
        "Split long work up with timers, await it, or hand it to a thread."
    ),
    WarningKind.LATE: (
        "An interval is over before its callback had its turn, so beats are lost. Look for what holds the "
        "loop (blocked), make the interval longer, or do less at each beat."
    ),
    WarningKind.BUSY_LOOP: (
        "Timers of zero delay that set each other keep a processor busy although nothing happens. Wait for "
        "an event, or give them a delay."
    ),
    WarningKind.NEVER_AWAITED: (
        "Calling an `async def` function only makes a coroutine: its body does not run. Put `await` in front "
        "of the call, or start it with asyncio.create_task."
    ),
    WarningKind.IDLE: (
        "A connection that nothing moves over may be forgotten or half dead. Close it, or let the peers "
        "send something from time to time."
    ),
    WarningKind.LEAK: (
        "What is dropped without being closed keeps its descriptor until the garbage collector comes, and "
        "descriptors are few. Use `with`, or close it where it ends."
    ),
}
"""Why each kind of mistake matters, and what helps in general."""

COLUMNS: tuple[Column[WarningView], ...] = (
    Column("Kind", lambda row, _: Cell(f"! {row.kind}", Tone.WARN), lambda row: row.kind, least=8, most=15),
    script_column(rank=2, tone=Tone.STRONG),
    Column(
        "Times",
        lambda row, _: Cell(count(row.count)),
        lambda row: row.count,
        least=5,
        right=True,
        rank=3,
    ),
    source_column("At", lambda row: row.source, rank=1, most=24),
    text_column("What", lambda row: row.text, least=16, grow=1),
)


class WarningsPane(OwnedPane[WarningView]):
    """The mistakes of all scripts, once for each line that makes them."""

    NAME = PaneName.WARNINGS
    LABEL = "Warnings"
    MEANING = (
        "One row per mistake and line that makes it; enter explains it and says what to do.\n"
        "blocked: a callback held its loop   late: a timer fired late   busy-loop: timers of zero delay\n"
        "never-awaited: a coroutine nobody awaits   idle, leak: connections nobody uses or closes"
    )
    COLUMNS = COLUMNS
    EMPTY = "no warnings"

    def rows(self, frame: Frame) -> Sequence[WarningView]:
        """Return the warnings."""
        return frame.warnings

    def key(self, row: WarningView) -> Hashable:
        """Return script, kind, place and when it was first seen."""
        return row.script, row.kind, row.source, row.since

    def text(self, row: WarningView) -> str:
        """Return what the filter searches."""
        return f"{row.script} {row.kind} {row.source} {row.text}"

    def source(self, row: WarningView) -> str:
        """Return the line that makes it."""
        return row.source

    def details(self) -> Details | None:
        """Return what is wrong and what to do."""
        row = self.selected
        if row is None:
            return None
        facts = [
            ("script", row.script),
            ("kind", row.kind),
            ("at", row.source or "unknown"),
            ("first seen", moment(row.since)),
            ("times", f"{row.count:,}"),
        ]
        texts = [("What is wrong", row.text, "value-text")]
        if row.kind in EXPLAINED:
            texts.append(("Why it matters", EXPLAINED[row.kind], "quiet"))
        place = self.place()
        return Details("Warning", facts, texts, None if place is None else partial(_source, place))


def _source(place: Place) -> list[tuple[str, str, str]]:
    lines = excerpt(place)
    return [("Source; e opens it", lines, "value-text")] if lines else []


def excerpt(place: Place) -> str:
    """Return the lines round a place with a mark before it, "" when the file cannot be read."""
    try:
        with open(place.path, encoding="utf-8", errors="replace") as file:
            lines = list(islice(file, max(place.line - 1 - AROUND, 0), place.line + AROUND))
    except OSError:
        return ""
    first = max(place.line - AROUND, 1)
    return "\n".join(
        f"{'▸' if number == place.line else ' '} {number:4}  {line.rstrip()[:200]}"
        for number, line in enumerate(lines, first)
    )
