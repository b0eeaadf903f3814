"""The pane of asyncio tasks: what runs beside each other inside a script, and where each waits."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from math import inf

from scriptconsole.actions import PaneName
from scriptconsole.panes.columns import Column
from scriptconsole.panes.lines import Cell, Tone
from scriptconsole.panes.pane import Details
from scriptconsole.panes.tablepane import TablePane
from scriptconsole.text import CELL_LIMIT, clean, moment, short_source, span
from scriptengines.view import Frame, TaskView

_TONES = {"running": Tone.GOOD, "cancelling": Tone.WARN}


def _age(row: TaskView, now: float) -> Cell:
    return Cell(span(float(int(max(now - row.since, 0)))).replace(".0", ""), Tone.DIM)


COLUMNS: tuple[Column[TaskView], ...] = (
    Column(
        "State",
        lambda row, _: Cell(row.state, _TONES.get(row.state, Tone.PLAIN)),
        lambda row: row.state,
        least=7,
        most=10,
    ),
    Column(
        "Task",
        lambda row, _: Cell(clean(row.name[:CELL_LIMIT]), Tone.STRONG),
        lambda row: row.name,
        least=6,
        most=24,
    ),
    Column(
        "Runs",
        lambda row, _: Cell(clean(row.coroutine[:CELL_LIMIT])),
        lambda row: row.coroutine,
        least=8,
        grow=1,
        rank=1,
    ),
    Column(
        "Waits at",
        lambda row, _: Cell(clean(short_source(row.waits)), Tone.DIM),
        lambda row: row.waits,
        least=8,
        most=24,
        rank=2,
    ),
    Column("Age", _age, lambda row: -row.since, least=4, right=True, rank=3),
    Column(
        "Script",
        lambda row, _: Cell(clean(row.script[:CELL_LIMIT]), Tone.DIM),
        lambda row: row.script,
        least=6,
        most=16,
        rank=4,
    ),
)


class TasksPane(TablePane[TaskView]):
    """The tasks of all scripts that have not ended, oldest first within a script."""

    NAME = PaneName.TASKS
    LABEL = "Tasks"
    MEANING = (
        "One row per asyncio task that has not ended.\n"
        "State: running now, ready to go on, waiting, or cancelling. Waits at: the line it has reached."
    )
    EMPTY = "no tasks"

    def columns(self) -> Sequence[Column[TaskView]]:
        """Return the columns."""
        return COLUMNS

    def rows(self, frame: Frame) -> Sequence[TaskView]:
        """Return the tasks."""
        return frame.tasks

    def key(self, row: TaskView) -> Hashable:
        """Return script and number."""
        return row.script, row.id

    def text(self, row: TaskView) -> str:
        """Return what the filter searches."""
        return f"{row.script} {row.name} {row.coroutine} {row.state} {row.waits}"

    def owner(self, row: TaskView) -> str:
        """Return the script whose loop runs it."""
        return row.script

    def source(self, row: TaskView) -> str:
        """Return the line it has reached."""
        return row.waits

    def looks_different_after(self, rows: Sequence[TaskView], now: float) -> float:
        """Show ages in whole seconds."""
        return 1.0 if rows else inf

    def details(self) -> Details | None:
        """Return what it runs and where it is."""
        row = self.selected
        if row is None:
            return None
        facts = [
            ("script", row.script),
            ("name", row.name),
            ("runs", row.coroutine),
            ("state", row.state),
            ("waits at", row.waits or "unknown"),
            ("made", moment(row.since)),
        ]
        return Details("Task", facts)
