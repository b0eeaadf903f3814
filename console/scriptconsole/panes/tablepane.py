"""A pane of rows: what all tables of the console share.

A new table is a subclass with columns and what its rows mean; see `tasks.py` for the smallest one, and
`owned.py` for what tables share whose rows belong to scripts.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable, Iterator, Sequence
from math import inf
from pathlib import Path
from typing import Any, ClassVar

from scriptconsole.panes.columns import Column
from scriptconsole.panes.filter import Filter
from scriptconsole.panes.pane import Export, Pane, Place
from scriptconsole.panes.table import VirtualTable
from scriptconsole.screens.host import console_of
from scriptconsole.state import SavedPane
from scriptconsole.text import plural
from scriptengines.view import Frame


class TablePane[Row](Pane):
    """A frame round a virtual table."""

    TABLE: ClassVar[type[VirtualTable[Any]]] = VirtualTable
    EMPTY: ClassVar[str]
    """What the table says when it has no rows."""
    LANDMARK: ClassVar[str] = ""
    """What one row is called where it can be gone to by its name; "" when it cannot."""

    def __init__(self) -> None:
        super().__init__()
        self.table: VirtualTable[Row] = self.TABLE(
            self.columns(),
            key=self.key,
            text=self.text,
            empty=self.EMPTY,
            live=self.looks_different_after,
            id=str(self.NAME),
        )

    # -- what a subclass says --------------------------------------------------------------------------

    @abstractmethod
    def columns(self) -> Sequence[Column[Row]]:
        """Return the columns; asked for once."""

    @abstractmethod
    def rows(self, frame: Frame) -> Sequence[Row]:
        """Return the rows of a frame; the same object while nothing changed costs least."""

    @abstractmethod
    def key(self, row: Row) -> Hashable:
        """Return what identifies a row from frame to frame."""

    @abstractmethod
    def text(self, row: Row) -> str:
        """Return what the filter searches."""

    @abstractmethod
    def owner(self, row: Row) -> str | None:
        """Return the alias of the row's script."""

    def landmark(self, row: Row) -> str:
        """Return the name by which one goes to a row; asked for when `LANDMARK` says what it is."""
        return self.text(row)

    def row_text(self, row: Row) -> str:
        """Return what is copied."""
        return self.text(row)

    def source(self, row: Row) -> str:
        """Return "file:line" that the row is about, or ""."""
        return ""

    def looks_different_after(self, rows: Sequence[Row], now: float) -> float:
        """Tell after how many seconds rows look different though nothing changed (countdowns)."""
        return inf

    # -- the pane --------------------------------------------------------------------------------------

    @property
    def body(self) -> VirtualTable[Row]:
        """The table."""
        return self.table

    @property
    def selected(self) -> Row | None:
        """The row under the cursor, if any."""
        return self.table.selected

    @property
    def cursor_line(self) -> int | None:
        """Line of the body on which the cursor stands."""
        return self.table.cursor_line

    def apply(self, frame: Frame) -> None:
        """Show the rows of a frame."""
        self.table.set_rows(self.rows(frame), frame.time)

    def count(self, frame: Frame) -> int | None:
        """Count the rows of a frame."""
        return len(self.rows(frame))

    def counts(self) -> tuple[int, int]:
        """Count the rows after and before filtering."""
        return self.table.row_count, self.table.total

    def script(self) -> str | None:
        """Return the owner of the selected row."""
        return None if self.selected is None else self.owner(self.selected)

    def copy_text(self) -> str | None:
        """Return the text of the selected row."""
        return None if self.selected is None else self.row_text(self.selected)

    def export(self) -> Export | None:
        """Return the rows as they are shown."""
        rows = tuple(self.table.rows)
        return Export(f"{plural(len(rows), 'row')} of {self.LABEL}", lambda: rows) if rows else None

    def place(self) -> Place | None:
        """Return the line that the selected row is about."""
        row = self.selected
        path, _, line = ("" if row is None else self.source(row)).rpartition(":")
        if row is None or not path or not line.isdecimal():
            return None
        owner = self.owner(row)
        script = None if owner is None else console_of(self).main.view(owner)
        if script is not None:  # sources name the file only, and it lies beside its script or is it
            path = str(Path(script.path).parent / path)
        return Place(path, int(line))

    @property
    def filter(self) -> Filter | None:
        """The filter that is on."""
        return self.table.filter

    def filter_by(self, chosen: Filter | None) -> None:
        """Show only the rows a filter keeps."""
        self.table.set_filter(chosen)

    def saved(self) -> SavedPane:
        """Return filter, order and chosen column."""
        table = self.table
        titles = [column.title for column in table.columns]
        return (
            super()
            .saved()
            ._replace(
                sort="" if table.sort_column is None else titles[table.sort_column],
                descending=table.sort_column is not None and table.sort_reverse,
                column=titles[table.column_cursor] if table.column_cursor else "",
            )
        )

    def restore(self, saved: SavedPane) -> Iterator[str]:
        """Take on filter, order and chosen column."""
        yield from super().restore(saved)
        titles = [column.title for column in self.table.columns]
        for title in dict.fromkeys((saved.sort, saved.column)):
            if title and title not in titles:
                yield f"there is no column {title[:40]} any more"
        # A column without a title is none that could be named.
        named = set(titles) - {""}
        self.table.column_cursor = titles.index(saved.column) if saved.column in named else 0
        if saved.sort in named:
            self.table.set_order(titles.index(saved.sort), saved.descending)

    def select(self, key: object) -> bool:
        """Put the cursor on the row with this key; return whether it is there."""
        for index, row in enumerate(self.table.rows):
            if self.key(row) == key:
                self.table.move_to(index)
                return True
        return False

    def sort(self) -> None:
        """Sort by the chosen column."""
        self.table.action_sort()
