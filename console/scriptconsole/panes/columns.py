"""Columns of a virtual table: what they show, and how they share the width of the pane."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from scriptconsole.panes.lines import Cell

GAP = 2
"""Blank cells between two columns."""


@dataclass(frozen=True, slots=True)
class Column[Row]:
    """One column.

    Attributes:
        title: Shown in the header.
        cell: Text and tone for a row at a time in seconds since the epoch.
        order: What rows are sorted by.
        least: Width it keeps at least, in cells.
        most: Width it takes at most, unless it grows.
        grow: Its share of the width left over; 0 for none.
        right: Align to the right, for numbers.
        rank: Columns with the highest rank go first when the pane is narrow; 0 always stays.
    """

    title: str
    cell: Callable[[Row, float], Cell]
    order: Callable[[Row], Any]
    least: int = 4
    most: int = 24
    grow: int = 0
    right: bool = False
    rank: int = 0


class Slot(NamedTuple):
    """Where a column lies: its index, first cell and width."""

    column: int
    start: int
    width: int


def lay_out(columns: Sequence[Column[Any]], seen: Sequence[int], width: int) -> list[Slot]:
    """Share a width among columns.

    Every column gets what its widest text needs, within its limits. When that is too much, growing columns
    shrink to their least width first, then whole columns go by rank. What is left over goes to the growing
    columns.

    Args:
        columns: In order of display.
        seen: Widest text met so far in each, in cells.
        width: Cells of the pane.

    Returns:
        The columns that are shown.
    """
    shown = list(range(len(columns)))
    wants = [_wanted(column, widest) for column, widest in zip(columns, seen, strict=True)]
    room = width - 2

    def needed() -> int:
        return sum(columns[i].least if columns[i].grow else wants[i] for i in shown) + GAP * (len(shown) - 1)

    while len(shown) > 1 and needed() > room:
        worst = max(shown, key=lambda i: (columns[i].rank, i))
        if columns[worst].rank == 0:
            break
        shown.remove(worst)
    widths = _share(columns, wants, shown, room - GAP * (len(shown) - 1))
    slots: list[Slot] = []
    start = 1
    for index in shown:
        slots.append(Slot(index, start, widths[index]))
        start += widths[index] + GAP
    return slots


def _wanted(column: Column[Any], widest: int) -> int:
    limit = max(widest, column.least) if column.grow else min(max(widest, column.least), column.most)
    # Room for the sort mark behind the title, so that sorting moves nothing.
    return max(limit, len(column.title) + 1)


def _share(columns: Sequence[Column[Any]], wants: list[int], shown: list[int], room: int) -> dict[int, int]:
    widths = {i: columns[i].least if columns[i].grow else wants[i] for i in shown}
    rest = room - sum(widths.values())
    growing = [i for i in shown if columns[i].grow]
    while rest > 0 and growing:
        total = sum(columns[i].grow for i in growing)
        for index in growing:
            widths[index] += rest * columns[index].grow // total
        rest = room - sum(widths.values())
        if rest < len(growing):
            widths[growing[-1]] += rest
            break
    return widths
