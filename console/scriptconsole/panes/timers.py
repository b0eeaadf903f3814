"""The pane of pending timers, with a countdown to each."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

from scriptconsole.actions import PaneName
from scriptconsole.panes.columns import Column
from scriptconsole.panes.lines import Cell, Tone
from scriptconsole.panes.pane import Pane
from scriptconsole.panes.table import VirtualTable
from scriptconsole.text import CELL_LIMIT, clean, count, interval, span
from scriptengines.view import Frame, TimerView

LATE_AFTER = 0.25
"""Seconds past its due time after which a timer is shown as late; less is the age of the snapshot."""


def _due(row: TimerView, now: float) -> Cell:
    left = row.due - now
    if left < -LATE_AFTER:
        return Cell(f"late {span(-left)}", Tone.WARN)
    return Cell(span(left), Tone.STRONG if left < 1 else Tone.PLAIN)


def _refresh_after(rows: Sequence[TimerView], now: float) -> float:
    # Soonest first: when the first is over 10 s away, countdowns show whole seconds only.
    return inf if not rows else 0.1 if min(row.due for row in rows[:64]) - now < 10 else 1.0


COLUMNS: tuple[Column[TimerView], ...] = (
    Column("Due in", _due, lambda row: row.due, least=8, most=11, right=True),
    Column(
        "Callback",
        lambda row, _: Cell(clean(row.callback[:CELL_LIMIT])),
        lambda row: row.callback,
        least=8,
        grow=2,
    ),
    Column(
        "Script",
        lambda row, _: Cell(clean(row.script[:CELL_LIMIT]), Tone.DIM),
        lambda row: row.script,
        least=6,
        most=16,
        rank=1,
    ),
    Column(
        "Every",
        lambda row, _: Cell(interval(row.interval)),
        lambda row: row.interval,
        least=6,
        right=True,
        rank=2,
    ),
    Column("Kind", lambda row, _: Cell(row.kind, Tone.DIM), lambda row: row.kind, least=8, rank=4),
    Column(
        "Fired", lambda row, _: Cell(count(row.count)), lambda row: row.count, least=5, right=True, rank=3
    ),
    Column(
        "Set at",
        lambda row, _: Cell(clean(short_source(row.source)), Tone.DIM),
        lambda row: row.source,
        least=8,
        most=20,
        rank=5,
    ),
)


def short_source(source: str) -> str:
    """Shorten "/path/file.py:12" to "file.py:12"."""
    return source.rpartition("/")[2][:CELL_LIMIT]


class TimersPane(Pane):
    """The pending timers of all scripts, soonest first."""

    NAME = PaneName.TIMERS
    LABEL = "Timers"
    MEANING = (
        "One row per pending timer, soonest first.\n"
        "Kind: timeout fires once, interval again and again, asyncio was made by asyncio itself.\n"
        "late: it should have fired; its script is busy or paused."
    )

    def __init__(self) -> None:
        super().__init__()
        self.table: VirtualTable[TimerView] = VirtualTable(
            COLUMNS,
            key=lambda row: (row.script, row.id),
            text=lambda row: f"{row.script} {row.callback} {row.kind} {row.source} {row.id}",
            empty="no timers",
            live=_refresh_after,
            id="timers",
        )

    @property
    def body(self) -> VirtualTable[TimerView]:
        """The table."""
        return self.table

    def apply(self, frame: Frame) -> None:
        """Show the timers."""
        self.table.set_rows(frame.timers, frame.time)

    def script(self) -> str | None:
        """Return the owner of the selected timer."""
        return None if self.table.selected is None else self.table.selected.script

    def copy_text(self) -> str | None:
        """Return owner, callback, interval and source."""
        row = self.table.selected
        return (
            None if row is None else f"{row.script}\t{row.callback}\t{interval(row.interval)}\t{row.source}"
        )
