"""The pane of pending timers, with a countdown to each."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from functools import partial
from math import inf

from scriptconsole.actions import Action, PaneName
from scriptconsole.panes.columns import Column
from scriptconsole.panes.lines import Cell, Tone
from scriptconsole.panes.pane import Details
from scriptconsole.panes.tablepane import TablePane
from scriptconsole.screens.host import console_of
from scriptconsole.text import CELL_LIMIT, clean, count, interval, moment, short_source, span
from scriptengines.view import Frame, TimerView

LATE_AFTER = 0.25
"""Seconds past its due time after which a timer is shown as late; less is the age of the snapshot."""


def _due(row: TimerView, now: float) -> Cell:
    left = row.due - now
    if left < -LATE_AFTER:
        return Cell(f"late {span(-left)}", Tone.WARN)
    return Cell(span(left), Tone.STRONG if left < 1 else Tone.PLAIN)


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


class TimersPane(TablePane[TimerView]):
    """The pending timers of all scripts, soonest first."""

    NAME = PaneName.TIMERS
    LABEL = "Timers"
    MEANING = (
        "One row per pending timer, soonest first.\n"
        "Kind: timeout fires once, interval again and again, asyncio was made by asyncio itself.\n"
        "late: it should have fired; its script is busy or paused."
    )
    ACTIONS = (
        Action(
            "timer.cancel",
            ("x", "delete"),
            "Cancel",
            "Cancel the selected timer",
            "pane('cancel')",
            frozenset({PaneName.TIMERS}),
            footer=True,
        ),
    )
    EMPTY = "no timers"
    LANDMARK = "timer"

    def columns(self) -> Sequence[Column[TimerView]]:
        """Return the columns."""
        return COLUMNS

    def rows(self, frame: Frame) -> Sequence[TimerView]:
        """Return the timers."""
        return frame.timers

    def key(self, row: TimerView) -> Hashable:
        """Return script and number."""
        return row.script, row.id

    def landmark(self, row: TimerView) -> str:
        """Return the callback."""
        return row.callback

    def text(self, row: TimerView) -> str:
        """Return what the filter searches."""
        return f"{row.script} {row.callback} {row.kind} {row.source} {row.id}"

    def owner(self, row: TimerView) -> str:
        """Return the script that set it."""
        return row.script

    def source(self, row: TimerView) -> str:
        """Return where it was set."""
        return row.source

    def looks_different_after(self, rows: Sequence[TimerView], now: float) -> float:
        """Count down in tenths when a timer is near, else in seconds."""
        # Soonest first: when the first is over 10 s away, countdowns show whole seconds only.
        return inf if not rows else 0.1 if min(row.due for row in rows[:64]) - now < 10 else 1.0

    def row_text(self, row: TimerView) -> str:
        """Return owner, callback, interval and source."""
        return f"{row.script}\t{row.callback}\t{interval(row.interval)}\t{row.source}"

    def action_cancel(self) -> None:
        """Cancel the selected timer."""
        row = self.selected
        if row is not None:
            app = console_of(self)
            work = partial(app.session.cancel_timer, row.script, row.id)
            app.act(f"cancel {row.callback}", work, f"cancelled timer {row.callback} of {row.script}")

    def details(self) -> Details | None:
        """Return what it calls, when, and where it was set."""
        row = self.selected
        if row is None:
            return None
        facts = [
            ("script", row.script),
            ("callback", row.callback),
            ("kind", row.kind),
            ("every", interval(row.interval)),
            ("due", moment(row.due)),
            ("fired", f"{row.count:,}"),
            ("set at", row.source or "unknown"),
            ("number", str(row.id)),
        ]
        return Details("Timer", facts)
