"""What the tables share whose rows belong to a script: columns that several of them have, owner and key."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, ClassVar, Protocol

from scriptconsole.panes.columns import Column
from scriptconsole.panes.lines import Cell, Tone
from scriptconsole.panes.tablepane import TablePane
from scriptconsole.text import CELL_LIMIT, clean, short_source, span


class Owned(Protocol):
    """A row that belongs to a script."""

    @property
    def script(self) -> str:
        """Alias of the script."""
        ...


class Numbered(Owned, Protocol):
    """One of several of the same script."""

    @property
    def id(self) -> int:
        """Number among them."""
        ...


def text_column[Row](
    title: str,
    text: Callable[[Row], str],
    tone: Tone = Tone.PLAIN,
    *,
    least: int = 8,
    most: int = 24,
    grow: int = 0,
    rank: int = 0,
) -> Column[Row]:
    """A column that shows a text of a script as it is, and sorts by it; see Column."""
    return Column(
        title,
        lambda row, _: Cell(clean(text(row)[:CELL_LIMIT]), tone),
        text,
        least=least,
        most=most,
        grow=grow,
        rank=rank,
    )


def script_column(rank: int, tone: Tone = Tone.DIM) -> Column[Any]:
    """Whose it is."""

    def alias(row: Owned) -> str:
        return row.script

    return text_column("Script", alias, tone, least=6, most=16, rank=rank)


def age_column[Row](since: Callable[[Row], float], rank: int) -> Column[Row]:
    """How long it has been there, in whole seconds; the oldest first.

    Args:
        since: When it began, seconds since the epoch.
        rank: See Column.
    """

    def age(row: Row, now: float) -> Cell:
        return Cell(span(float(int(max(now - since(row), 0)))).replace(".0", ""), Tone.DIM)

    return Column("Age", age, lambda row: -since(row), least=4, right=True, rank=rank)


def source_column[Row](title: str, source: Callable[[Row], str], rank: int, most: int = 20) -> Column[Row]:
    """The line it is about, without its folder.

    Args:
        title: What happened there.
        source: "file:line", "" when that is unknown.
        rank: See Column.
        most: Cells at most.
    """

    def cell(row: Row, _now: float) -> Cell:
        return Cell(clean(short_source(source(row))), Tone.DIM)

    return Column(title, cell, source, least=8, most=most, rank=rank)


class OwnedPane[Row: Owned](TablePane[Row]):
    """A table of rows that belong to scripts."""

    COLUMNS: ClassVar[Sequence[Column[Any]]]

    def columns(self) -> Sequence[Column[Row]]:
        """Return the columns."""
        return self.COLUMNS

    def owner(self, row: Row) -> str:
        """Return the script it belongs to."""
        return row.script


class NumberedPane[Row: Numbered](OwnedPane[Row]):
    """A table of rows that have numbers within their scripts."""

    def key(self, row: Row) -> Hashable:
        """Return script and number."""
        return row.script, row.id
