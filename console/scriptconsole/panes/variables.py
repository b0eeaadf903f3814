"""The pane of variables: what every script holds now; what just changed is marked."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

from scriptconsole.actions import PaneName
from scriptconsole.panes.columns import Column
from scriptconsole.panes.lines import Cell, Tone
from scriptconsole.panes.pane import Pane
from scriptconsole.panes.scripts import BUSY_AFTER
from scriptconsole.panes.table import VirtualTable
from scriptconsole.text import CELL_LIMIT, clean, count, span
from scriptengines.view import Frame, VariableView

FLASH = 1.0
"""Seconds for which a changed value is marked."""


class VariablesPane(Pane):
    """The variables of all scripts."""

    NAME = PaneName.VARIABLES
    LABEL = "Variables"
    MEANING = (
        "One row per variable, by script, in order of definition.\n"
        "A value that just changed is lit for a second and marked ›.\n"
        "~ marks values of a busy script: they were true when it last yielded. Enter shows the whole value."
    )

    def __init__(self) -> None:
        super().__init__()
        self._stale: frozenset[str] = frozenset()
        self.table: VirtualTable[VariableView] = VirtualTable(
            self._columns(),
            key=lambda row: (row.script, row.name),
            text=lambda row: f"{row.script} {row.name} {row.type} {row.value}",
            empty="no variables",
            live=self._flashing,
            id="variables",
        )

    def _columns(self) -> Sequence[Column[VariableView]]:
        return (
            Column(
                "Script",
                lambda row, _: Cell(clean(row.script[:CELL_LIMIT]), Tone.DIM),
                lambda row: row.script,
                least=6,
                most=16,
                rank=2,
            ),
            Column(
                "Name",
                lambda row, _: Cell(clean(row.name[:CELL_LIMIT]), Tone.STRONG),
                lambda row: row.name,
                least=6,
                most=24,
            ),
            Column(
                "Type",
                lambda row, _: Cell(clean(row.type[:CELL_LIMIT]), Tone.DIM),
                lambda row: row.type,
                least=4,
                most=12,
                rank=3,
            ),
            Column(
                "Size",
                lambda row, _: Cell("" if row.size is None else count(row.size), Tone.DIM),
                lambda row: -1 if row.size is None else row.size,
                least=4,
                right=True,
                rank=4,
            ),
            Column("Value", self._value, lambda row: row.value, least=12, grow=1),
        )

    def _value(self, row: VariableView, now: float) -> Cell:
        text = clean(row.value[:CELL_LIMIT])
        if row.script in self._stale:
            return Cell("~ " + text, Tone.DIM)
        if 0 <= now - row.changed_at < FLASH:
            return Cell("› " + text, Tone.FLASH)
        return Cell("  " + text)

    def _flashing(self, rows: Sequence[VariableView], drawn_at: float) -> float:
        lit = (rows[i].changed_at + FLASH - drawn_at for i in self.table.in_sight)
        return min((left for left in lit if 0 < left <= FLASH), default=inf)

    @property
    def body(self) -> VirtualTable[VariableView]:
        """The table."""
        return self.table

    def apply(self, frame: Frame) -> None:
        """Show the variables, and which of them are old."""
        busy = {row.alias: row.sample_age for row in frame.scripts if row.sample_age > BUSY_AFTER}
        stale = frozenset(busy)
        if stale != self._stale:
            self._stale = stale
            self.table.prepare()
        self.table.set_rows(frame.variables, frame.time)
        if busy:
            alias, age = max(busy.items(), key=lambda item: item[1])
            others = f" and {len(busy) - 1} more" if len(busy) > 1 else ""
            self.note(f"{alias}{others} busy, values from {span(age)} ago")
        else:
            self.note("")

    def script(self) -> str | None:
        """Return the owner of the selected variable."""
        return None if self.table.selected is None else self.table.selected.script

    def copy_text(self) -> str | None:
        """Return name and value."""
        row = self.table.selected
        return None if row is None else f"{row.name} = {row.value}"
