"""The virtual table: any number of rows, of which only those in sight are ever formatted.

Rows are immutable values with a key. `set_rows` replaces them all at frame rate; the cursor follows its key,
and a line is drawn again only when its text changed.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

from scriptconsole.panes.columns import GAP, Column, Slot, lay_out
from scriptconsole.panes.filter import Filter
from scriptconsole.panes.lines import Cell, LineView, Tone
from scriptconsole.text import clean, clip, fit, width_of


class VirtualTable[Row](LineView):
    """A table over a sequence of rows."""

    HEADER = 1

    def __init__(
        self,
        columns: Sequence[Column[Row]],
        *,
        key: Callable[[Row], Hashable],
        text: Callable[[Row], str],
        empty: str,
        live: Callable[[Sequence[Row], float], float] | None = None,
        id: str | None = None,
    ) -> None:
        """Make an empty table.

        Args:
            columns: In order of display.
            key: Identifies a row from frame to frame.
            text: What the filter searches.
            empty: Shown when there is no row.
            live: Seconds after which rows, drawn at a time, look different though nothing changed
                (countdowns); infinity for never. None when that never happens.
            id: Of the widget.
        """
        super().__init__(id=id)
        self.columns = columns
        self._key = key
        self._text = text
        self._empty = empty
        self._live = live
        self._source: Sequence[Row] = ()
        self._rows: Sequence[Row] = ()
        self._cells: dict[int, tuple[Cell, ...]] = {}
        self._seen = [0] * len(columns)
        self._slots: list[Slot] = []
        self._slots_width = -1
        self._cursor_key: Hashable = None
        self._now = 0.0
        self._drawn_at = 0.0
        self.filter: Filter | None = None
        self.sort_column: int | None = None
        self.sort_reverse = False
        self.column_cursor = 0

    # -- rows ------------------------------------------------------------------------------------------

    @property
    def row_count(self) -> int:
        """Number of rows after filtering."""
        return len(self._rows)

    @property
    def total(self) -> int:
        """Number of rows before filtering."""
        return len(self._source)

    @property
    def source(self) -> Sequence[Row]:
        """Rows before filtering, in natural order."""
        return self._source

    @property
    def rows(self) -> Sequence[Row]:
        """Rows in order of display."""
        return self._rows

    @property
    def selected(self) -> Row | None:
        """The row under the cursor, if any."""
        return self._rows[self.cursor] if self.cursor < len(self._rows) else None

    def set_rows(self, rows: Sequence[Row], now: float) -> None:
        """Show these rows.

        Args:
            rows: Immutable; the sequence is kept.
            now: Time they describe, in seconds since the epoch.
        """
        self._now = now
        if rows is not self._source and rows != self._source:
            self._source = rows
            self._arrange()
        elif self._live is not None and not (
            # The clock may have been set back.
            0 <= now - self._drawn_at < self._live(self._rows, self._drawn_at)
        ):
            self.prepare()

    def set_filter(self, chosen: Filter | None) -> None:
        """Show only the rows a filter keeps."""
        self.filter = chosen
        self._arrange()
        self.refresh()

    def sort_by(self, column: int) -> None:
        """Sort by a column; again inverts, a third time returns to the natural order."""
        if self.sort_column != column:
            self.set_order(column)
        elif not self.sort_reverse:
            self.set_order(column, descending=True)
        else:
            self.set_order(None)

    def set_order(self, column: int | None, descending: bool = False) -> None:
        """Sort by a column, or return to the natural order.

        Args:
            column: Index of the column, None for the natural order.
            descending: Invert the order.
        """
        self.sort_column, self.sort_reverse = column, descending
        self._arrange()
        self.refresh()

    def _arrange(self) -> None:
        rows = self._source
        if self.filter is not None:
            keeps, text = self.filter.keeps, self._text
            rows = [row for row in rows if keeps(text(row))]
        if self.sort_column is not None:
            rows = self.in_order(rows, self.columns[self.sort_column].order, self.sort_reverse)
        counted = len(rows) != len(self._rows)
        was_in_sight = self.cursor in self.in_sight
        self._rows = rows
        moved = self._follow_key()
        self.fit_rows()
        if moved and was_in_sight:
            self.move_to(self.cursor)
        self.prepare()
        if counted or moved:
            self.refresh()

    def in_order(self, rows: Sequence[Row], order: Callable[[Row], Any], reverse: bool) -> Sequence[Row]:
        """Sort rows by what a column sorts by."""
        return sorted(rows, key=order, reverse=reverse)

    def slot(self, title: str) -> Slot | None:
        """Return where a column lies, None when the table is too narrow for it."""
        return next((slot for slot in self._slots if self.columns[slot.column].title == title), None)

    def _follow_key(self) -> bool:
        """Put the cursor on the row it stood on, or near where that was; return whether its index changed."""
        rows, key = self._rows, self._key
        before = self.cursor
        if not rows:
            self.cursor = 0
        elif self._cursor_key is None or (before < len(rows) and key(rows[before]) == self._cursor_key):
            self.cursor = min(before, len(rows) - 1)
        else:
            wanted = self._cursor_key
            found = next((i for i, row in enumerate(rows) if key(row) == wanted), None)
            self.cursor = min(before, len(rows) - 1) if found is None else found
        self.on_cursor_moved()
        return self.cursor != before

    def on_cursor_moved(self) -> None:
        """Remember the row under the cursor."""
        selected = self.selected
        self._cursor_key = None if selected is None else self._key(selected)

    # -- drawing ---------------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Format the rows in sight and draw those whose text changed."""
        self._drawn_at = self._now
        before, now = self._cells, self._now
        cells = {i: self._format(self._rows[i], now) for i in self.in_sight}
        self._cells = cells
        width = self.size.width
        if self._widen(cells) or width != self._slots_width:
            self._slots = lay_out(self.columns, self._seen, width)
            self._slots_width = width
            self.refresh()
            return
        for index, line in cells.items():
            if before.get(index) != line:
                self.repaint_row(index)

    def _format(self, row: Row, now: float) -> tuple[Cell, ...]:
        # Once more for every column, so that none can forget it.
        cells = (column.cell(row, now) for column in self.columns)
        return tuple(cell._replace(text=clean(cell.text)) for cell in cells)

    def _widen(self, cells: dict[int, tuple[Cell, ...]]) -> bool:
        seen = self._seen
        grown = False
        for line in cells.values():
            for column, cell in enumerate(line):
                length = width_of(cell.text)
                if length > seen[column]:
                    seen[column] = length
                    # A growing column takes what is left over, so its text never moves the others.
                    grown = grown or not self.columns[column].grow
        return grown

    def row_line(self, index: int, width: int) -> list[tuple[str, Tone]]:
        """Join the cells of a row."""
        cells = self._cells.get(index)
        if cells is None:
            cells = self._format(self._rows[index], self._now)
        spans = [(" ", Tone.PLAIN)]
        for slot in self._slots:
            cell = cells[slot.column]
            text = clip(cell.text, slot.width)
            # Blanks stay plain, so that a tone with a background covers the text only.
            gap = " " * (slot.width - width_of(text))
            if self.columns[slot.column].right:
                spans += [(gap, Tone.PLAIN), (text, cell.tone), (" " * GAP, Tone.PLAIN)]
            else:
                spans += [(text, cell.tone), (gap + " " * GAP, Tone.PLAIN)]
        return spans

    def header_line(self, width: int) -> list[tuple[str, str]]:
        """Join the column titles; the sorted one carries an arrow, the chosen one is underlined."""
        if not self._rows:
            text = "nothing matches the filter" if self._source else self._empty
            return [(" " + fit(text, width - 1), "line--empty")]
        spans = [(" ", "line--header")]
        for slot in self._slots:
            column = self.columns[slot.column]
            title = column.title
            if slot.column == self.sort_column:
                title += "▼" if self.sort_reverse else "▲"
            chosen = self.has_focus and slot.column == self.column_cursor
            text = fit(title, slot.width, right=column.right)
            bare = text.strip()
            left, right = text[: len(text) - len(text.lstrip())], text[len(text.rstrip()) :]
            spans += [
                (left, "line--header"),
                (bare, "line--column" if chosen else "line--header"),
                (right + " " * GAP, "line--header"),
            ]
        return spans

    # -- columns ---------------------------------------------------------------------------------------

    def action_move_column(self, step: int) -> None:
        """Choose the column that `s` sorts by."""
        shown = [slot.column for slot in self._slots] or [0]
        at = shown.index(self.column_cursor) if self.column_cursor in shown else 0
        self.column_cursor = shown[max(0, min(at + step, len(shown) - 1))]
        self.refresh()

    def action_sort(self) -> None:
        """Sort by the chosen column."""
        self.sort_by(self.column_cursor)

    def on_header_click(self, x: int) -> None:
        """Sort by the column under the mouse."""
        for slot in self._slots:
            if slot.start - 1 <= x < slot.start + slot.width + GAP - 1:
                self.column_cursor = slot.column
                self.sort_by(slot.column)
