"""The pane of variables: what every script holds now; what just changed is marked."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from math import inf

from scriptconsole.actions import PaneName
from scriptconsole.panes.columns import Column
from scriptconsole.panes.lines import Cell, Tone
from scriptconsole.panes.pane import Details
from scriptconsole.panes.scripts import BUSY_AFTER
from scriptconsole.panes.tablepane import TablePane
from scriptconsole.text import CELL_LIMIT, clean, count, moment, span
from scriptengines.view import Frame, VariableView

FLASH = 1.0
"""Seconds for which a changed value is marked."""


class VariablesPane(TablePane[VariableView]):
    """The variables of all scripts."""

    NAME = PaneName.VARIABLES
    LABEL = "Variables"
    MEANING = (
        "One row per variable, by script, in order of definition.\n"
        "A value that just changed is lit for a second and marked ›.\n"
        "~ marks values of a busy script: they were true when it last yielded. Enter shows the whole value."
    )
    EMPTY = "no variables"
    LANDMARK = "variable"

    def __init__(self) -> None:
        self._stale: frozenset[str] = frozenset()
        super().__init__()

    def columns(self) -> Sequence[Column[VariableView]]:
        """Return the columns; how a value looks depends on whether its script is busy."""
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

    def rows(self, frame: Frame) -> Sequence[VariableView]:
        """Return the variables."""
        return frame.variables

    def key(self, row: VariableView) -> Hashable:
        """Return script and name."""
        return row.script, row.name

    def landmark(self, row: VariableView) -> str:
        """Return the name."""
        return row.name

    def text(self, row: VariableView) -> str:
        """Return what the filter searches."""
        return f"{row.script} {row.name} {row.type} {row.value}"

    def owner(self, row: VariableView) -> str:
        """Return the script it belongs to."""
        return row.script

    def looks_different_after(self, rows: Sequence[VariableView], now: float) -> float:
        """Redraw when the next mark of a change goes out."""
        lit = (rows[i].changed_at + FLASH - now for i in self.table.in_sight)
        return min((left for left in lit if 0 < left <= FLASH), default=inf)

    def row_text(self, row: VariableView) -> str:
        """Return name and value."""
        return f"{row.name} = {row.value}"

    def apply(self, frame: Frame) -> None:
        """Show the variables, and which of them are old."""
        busy = {row.alias: row.sample_age for row in frame.scripts if row.sample_age > BUSY_AFTER}
        stale = frozenset(busy)
        if stale != self._stale:
            self._stale = stale
            self.table.prepare()
        super().apply(frame)
        if busy:
            alias, age = max(busy.items(), key=lambda item: item[1])
            others = f" and {len(busy) - 1} more" if len(busy) > 1 else ""
            self.note(f"{alias}{others} busy, values from {span(age)} ago")
        else:
            self.note("")

    def details(self) -> Details | None:
        """Return the whole value."""
        row = self.selected
        if row is None:
            return None
        facts = [("script", row.script), ("type", row.type)]
        if row.size is not None:
            facts.append(("size", f"{row.size:,}"))
        facts.append(("changed", moment(row.changed_at) if row.changed_at else "never"))
        return Details(f"Variable {row.name}", facts, [("Value", row.value, "value-text")])
