"""The pane of asyncio tasks: what runs beside each other inside a script, and where each waits."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

from scriptconsole.actions import PaneName
from scriptconsole.panes.columns import Column
from scriptconsole.panes.lines import Cell, Tone
from scriptconsole.panes.owned import NumberedPane, age_column, script_column, source_column, text_column
from scriptconsole.panes.pane import Details
from scriptconsole.text import moment
from scriptengines.view import Frame, TaskView

_TONES = {"running": Tone.GOOD, "cancelling": Tone.WARN}


COLUMNS: tuple[Column[TaskView], ...] = (
    Column(
        "State",
        lambda row, _: Cell(row.state, _TONES.get(row.state, Tone.PLAIN)),
        lambda row: row.state,
        least=7,
        most=10,
    ),
    text_column("Task", lambda row: row.name, Tone.STRONG, least=6),
    text_column("Runs", lambda row: row.coroutine, grow=1, rank=1),
    source_column("Waits at", lambda row: row.waits, rank=2, most=24),
    age_column(lambda row: row.since, rank=3),
    script_column(rank=4),
)


class TasksPane(NumberedPane[TaskView]):
    """The tasks of all scripts that have not ended, oldest first within a script."""

    NAME = PaneName.TASKS
    LABEL = "Tasks"
    MEANING = (
        "One row per asyncio task that has not ended.\n"
        "State: running now, ready to go on, waiting, or cancelling. Waits at: the line it has reached."
    )
    COLUMNS = COLUMNS
    EMPTY = "no tasks"

    def rows(self, frame: Frame) -> Sequence[TaskView]:
        """Return the tasks."""
        return frame.tasks

    def text(self, row: TaskView) -> str:
        """Return what the filter searches."""
        return f"{row.script} {row.name} {row.coroutine} {row.state} {row.waits}"

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
