"""The pane of pending timers, with a countdown to each, and what can be done to them by hand."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from math import inf

from scriptconsole.actions import Action, PaneName
from scriptconsole.glyphs import bar
from scriptconsole.panes.columns import Column
from scriptconsole.panes.lines import Cell, Tone
from scriptconsole.panes.owned import NumberedPane, script_column, source_column, text_column
from scriptconsole.panes.pane import Details
from scriptconsole.screens.host import console_of
from scriptconsole.text import count, duration, interval, moment, span
from scriptengines.view import Frame, TimerView

LATE_AFTER = 0.25
"""Seconds past its due time after which a timer is shown as late; less is the age of the snapshot."""
SLOW = 50.0
"""Milliseconds from which on a call holds up all else of its script."""
BAR = 8
"""Cells of the bar that runs out until a timer fires."""
_HERE = frozenset({PaneName.TIMERS})


def _due(row: TimerView, now: float) -> Cell:
    if row.paused:
        return Cell(f"‖ {span(row.left / 1e3)}", Tone.WARN)
    left = row.due - now
    if left < -LATE_AFTER:
        return Cell(f"late {span(-left)}", Tone.WARN)
    return Cell(span(left), Tone.STRONG if left < 1 else Tone.PLAIN)


def _bar(row: TimerView, now: float) -> Cell:
    if row.interval <= 0:  # of a timer of asyncio nobody knows how long it was
        return Cell("")
    left = row.left if row.paused else (row.due - now) * 1e3
    return Cell(bar(left / row.interval, BAR), Tone.WARN if row.paused else Tone.ACCENT)


def _spent(milliseconds: float) -> Cell:
    """Time that calls took; what a callback must not take is marked."""
    if milliseconds >= SLOW:
        return Cell(f"! {duration(milliseconds)}", Tone.WARN)
    return Cell(duration(milliseconds) if milliseconds else "", Tone.PLAIN)


def _late(row: TimerView, _now: float) -> Cell:
    if not row.count:
        return Cell("")
    late = row.late >= LATE_AFTER * 1e3
    return Cell(("! " if late else "") + duration(row.late), Tone.WARN if late else Tone.DIM)


COLUMNS: tuple[Column[TimerView], ...] = (
    Column("Due in", _due, lambda row: row.due, least=8, most=11, right=True),
    Column("Left", _bar, lambda row: row.due, least=BAR, most=BAR, rank=4),
    text_column("Callback", lambda row: row.callback, grow=2),
    script_column(rank=1),
    Column(
        "Every",
        lambda row, _: Cell(interval(row.interval)),
        lambda row: row.interval,
        least=6,
        right=True,
        rank=2,
    ),
    Column(
        "Fired", lambda row, _: Cell(count(row.count)), lambda row: row.count, least=5, right=True, rank=3
    ),
    Column("Took", lambda row, _: _spent(row.last), lambda row: row.last, least=6, right=True, rank=6),
    Column("Mean", lambda row, _: _spent(row.mean), lambda row: row.mean, least=6, right=True, rank=7),
    Column("Late by", _late, lambda row: row.late, least=6, right=True, rank=8),
    Column("Kind", lambda row, _: Cell(row.kind, Tone.DIM), lambda row: row.kind, least=8, rank=9),
    source_column("Set at", lambda row: row.source, rank=5),
)


class TimersPane(NumberedPane[TimerView]):
    """The pending timers of all scripts, soonest first."""

    NAME = PaneName.TIMERS
    LABEL = "Timers"
    MEANING = (
        "One row per pending timer, soonest first.\n"
        "Kind: timeout fires once, interval again and again, asyncio was made by asyncio itself.\n"
        "late: it should have fired; its script is busy or paused.  ‖ it is paused, with so much left.\n"
        "Took, Mean: what its last call took, and all on average; ! holds up its script for 50 ms or more.\n"
        "Late by: how much later than due it fired the last time."
    )
    ACTIONS = (
        Action(
            "timer.cancel",
            ("x", "delete"),
            "Cancel",
            "Cancel the selected timer",
            "pane('cancel')",
            _HERE,
            footer=True,
        ),
        Action(
            "timer.fire",
            ("F",),
            "Fire",
            "Let the selected timer fire now; an interval keeps its beat",
            "pane('fire')",
            _HERE,
            footer=True,
        ),
        Action(
            "timer.pause",
            ("P",),
            "Hold",
            "Pause the selected timer, or let it go on with what is left",
            "pane('hold')",
            _HERE,
            footer=True,
        ),
        Action(
            "timer.interval",
            ("a",),
            "Interval",
            "Adjust the interval of the selected timer",
            "pane('adjust')",
            _HERE,
        ),
    )
    COLUMNS = COLUMNS
    EMPTY = "no timers"
    LANDMARK = "timer"

    def rows(self, frame: Frame) -> Sequence[TimerView]:
        """Return the timers."""
        return frame.timers

    def landmark(self, row: TimerView) -> str:
        """Return the callback."""
        return row.callback

    def text(self, row: TimerView) -> str:
        """Return what the filter searches."""
        return f"{row.script} {row.callback} {row.kind} {row.source} {row.id}"

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

    def action_fire(self) -> None:
        """Let the selected timer fire now."""
        row = self.selected
        if row is not None:
            app = console_of(self)
            work = partial(app.session.fire_timer, row.script, row.id)
            app.act(f"fire {row.callback}", work, f"fired timer {row.callback} of {row.script}")

    def action_hold(self) -> None:
        """Pause the selected timer, or let it go on."""
        row = self.selected
        if row is None:
            return
        app = console_of(self)
        verb, done, ask = (
            ("resume", "resumed", app.session.resume_timer)
            if row.paused
            else ("pause", "paused", app.session.pause_timer)
        )
        work = partial(ask, row.script, row.id)
        app.act(f"{verb} {row.callback}", work, f"{done} timer {row.callback} of {row.script}")

    def action_adjust(self) -> None:
        """Ask for another interval."""
        row = self.selected
        if row is not None:
            from scriptconsole.screens.interval import IntervalScreen

            console_of(self).push_screen(IntervalScreen(row))

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
            ("due", f"paused, {span(row.left / 1e3)} left" if row.paused else _moment(row.due)),
            ("fired", f"{row.count:,}"),
            ("took", f"{duration(row.last)} the last time, {duration(row.mean)} on average"),
            ("late by", duration(row.late) if row.count else "never fired"),
            ("set at", row.source or "unknown"),
            ("number", str(row.id)),
        ]
        return Details("Timer", facts)


def _moment(due: float) -> str:
    return "never" if due == inf else moment(due)
