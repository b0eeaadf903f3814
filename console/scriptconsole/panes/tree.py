"""A table whose rows are a tree: right and left open, close and go to what holds the row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from scriptconsole.panes.table import VirtualTable


class Branch(Protocol):
    """What a row of a tree tells of its place."""

    @property
    def path(self) -> tuple[str | int, ...]:
        """Of what holds it; empty at the top level."""
        ...

    @property
    def expandable(self) -> bool:
        """Whether something is inside."""
        ...

    @property
    def expanded(self) -> bool:
        """Whether that is shown."""
        ...


class TreeTable[Row: Branch](VirtualTable[Row]):
    """A virtual table of rows that follow what holds them."""

    toggle: Callable[[Row], None]
    """Opens or closes a row."""

    def action_move_column(self, step: int) -> None:
        """Open a row, or close it or go to what holds it; else choose a column."""
        row = self.selected
        if row is None:
            super().action_move_column(step)
        elif row.expandable and row.expanded is (step < 0):
            self.toggle(row)
        elif step < 0 and row.path and self.filter is None:
            self.move_to(self._holder())
        else:
            super().action_move_column(step)

    def _holder(self) -> int:
        depth = len(self.rows[self.cursor].path)
        above = range(self.cursor - 1, -1, -1)
        return next((index for index in above if len(self.rows[index].path) < depth), self.cursor)

    def in_order(self, rows: Sequence[Row], order: Callable[[Row], Any], reverse: bool) -> Sequence[Row]:
        """Sort rows of the top level; what is inside stays with them."""
        blocks: list[list[Row]] = []
        for row in rows:
            if not row.path or not blocks:
                blocks.append([])
            blocks[-1].append(row)
        blocks.sort(key=lambda block: order(block[0]), reverse=reverse)
        return [row for block in blocks for row in block]
