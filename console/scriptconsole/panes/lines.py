"""What the tables and the log share: a scrolled view of many rows that formats only those in sight.

`LineView` owns the cursor, keys, mouse and colours; what a row says is up to its subclasses.
"""

from __future__ import annotations

from enum import StrEnum
from itertools import groupby
from operator import itemgetter
from typing import ClassVar, NamedTuple

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import BindingType
from textual.geometry import Offset, Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widget import Widget

from scriptconsole.actions import MOVES, bindings
from scriptconsole.screens.host import console_of


class Tone(StrEnum):
    """How a piece of text is meant; the style sheet gives each a colour."""

    PLAIN = "plain"
    DIM = "dim"
    STRONG = "strong"
    GOOD = "good"
    WARN = "warn"
    BAD = "bad"
    ALARM = "alarm"
    ACCENT = "accent"
    FLASH = "flash"


STYLES = frozenset(
    {
        "line--cursor",
        "line--blurred",
        "line--header",
        "line--column",
        "line--empty",
        *(f"tone--{tone}" for tone in Tone),
    }
)
"""Component classes of the main screen: looked up there, since every view would have its own set made."""


class Cell(NamedTuple):
    """Clean text and how it is meant."""

    text: str
    tone: Tone = Tone.PLAIN


class LineView(ScrollView, can_focus=True):
    """A scrolled list of one-line rows with a cursor."""

    ALLOW_SELECT = False
    ALLOW_MAXIMIZE = False
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(MOVES)]
    HEADER = 0
    """Lines at the top that stay when rows scroll."""

    class Activated(Message):
        """A row was double-clicked."""

    class Asked(Message):
        """The right mouse button was pressed on a row.

        Attributes:
            at: Cell of the screen.
        """

        def __init__(self, at: Offset) -> None:
            super().__init__()
            self.at = at

    class Moved(Message):
        """The cursor stands on another row."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.cursor = 0
        """Index of the selected row; 0 when there is none."""
        self._looks: dict[tuple[str, str], Style] = {}

    def on_mount(self) -> None:
        """Take on the keys of the user's choice."""
        self._bindings = console_of(self).registry.rebound(self._bindings)

    # -- what a subclass says --------------------------------------------------------------------------

    @property
    def row_count(self) -> int:
        """Number of rows that can be scrolled to."""
        raise NotImplementedError

    def row_line(self, index: int, width: int) -> list[tuple[str, Tone]]:
        """Format one row in sight as spans of clean text, together `width` cells wide."""
        raise NotImplementedError

    def header_line(self, width: int) -> list[tuple[str, str]]:
        """Format the header as spans of text and component class."""
        raise NotImplementedError

    @property
    def empty_text(self) -> str:
        """What a view without a header says when it has no rows."""
        return ""

    def prepare(self) -> None:
        """Bring what is in sight up to date; called when rows, size or scroll position changed."""

    def on_header_click(self, x: int) -> None:
        """The header was clicked at a column of cells."""

    # -- geometry --------------------------------------------------------------------------------------

    @property
    def page(self) -> int:
        """Rows that fit, at least one."""
        return max(self.size.height - self.HEADER, 1)

    @property
    def top(self) -> int:
        """Index of the first row in sight."""
        return self.scroll_offset.y

    @property
    def in_sight(self) -> range:
        """Indices of the rows in sight."""
        return range(self.top, min(self.top + self.page, self.row_count))

    @property
    def cursor_line(self) -> int | None:
        """Line of the viewport on which the cursor stands, None when it is out of sight."""
        return self.cursor - self.top + self.HEADER if self.cursor in self.in_sight else None

    def fit_rows(self) -> None:
        """Tell the scroll bar how many rows there are."""
        wanted, before = Size(1, self.row_count + self.HEADER), self.virtual_size
        if wanted == before:
            return
        room = self.container_size.height
        if (wanted.height > room) != (before.height > room):
            self.virtual_size = wanted
            return
        # The bar neither appears nor goes, so nothing else moves: assigning would lay the screen out anew.
        self.set_reactive(Widget.virtual_size, wanted)  # pyright: ignore[reportArgumentType] - seen as its value
        if self.show_vertical_scrollbar:
            self.vertical_scrollbar.window_virtual_size = wanted.height
        if self.scroll_y > self.max_scroll_y:
            self.scroll_y = self.max_scroll_y

    def repaint_row(self, index: int) -> None:
        """Draw one row again."""
        self.refresh(Region(0, index - self.top + self.HEADER, self.size.width, 1))

    # -- drawing ---------------------------------------------------------------------------------------

    def render_lines(self, crop: Region) -> list[Strip]:
        """Draw lines, with the colours as they are now; of those under the last row, one for all."""
        self._looks.clear()
        used = max(crop.y, self.HEADER + max(1, self.row_count - self.top))
        left = crop.bottom - used
        if left < 2:
            return super().render_lines(crop)
        drawn = super().render_lines(Region(crop.x, crop.y, crop.width, used - crop.y + 1))
        return drawn + drawn[-1:] * (left - 1)

    def render_line(self, y: int) -> Strip:
        """Draw one line of the viewport."""
        width = self.size.width
        if y < self.HEADER:
            return self._strip(self.header_line(width), width, "line--header")
        index = self.top + y - self.HEADER
        if index >= self.row_count:
            empty = self.empty_text if y == 0 else ""
            return self._strip([(f" {empty}", "line--empty")], width)
        ground = ""
        if index == self.cursor:
            ground = "line--cursor" if self.has_focus else "line--blurred"
        spans = [(text, f"tone--{tone}") for text, tone in self.row_line(index, width)]
        return self._strip(spans, width, ground)

    def _strip(self, spans: list[tuple[str, str]], width: int, ground: str = "") -> Strip:
        """Make a line of spans with their component classes, over another one or none."""
        # Fewer, longer segments are less to write to the terminal.
        styled = groupby([(text, self._look(ground, name)) for text, name in spans if text], itemgetter(1))
        segments = [Segment("".join([text for text, _ in group]), look) for look, group in styled]
        return Strip(segments).adjust_cell_length(width, self._look(ground, ""))

    def _look(self, ground: str, name: str) -> Style:
        look = self._looks.get((ground, name))
        if look is None:
            if not name:
                look = self.rich_style if not ground else self._look("", "") + self._component(ground)
            else:
                look = self._look(ground, "") + self._component(name)
            self._looks[ground, name] = look
        return look

    def _component(self, name: str) -> Style:
        return console_of(self).main.get_component_rich_style(name, partial=True)

    # -- cursor ----------------------------------------------------------------------------------------

    def move_to(self, index: int) -> None:
        """Select a row and bring it into sight.

        Args:
            index: Clamped to the rows there are.
        """
        index = max(0, min(index, self.row_count - 1))
        before, self.cursor = self.cursor, index
        if before != index:
            # Before scrolling, so that the log stops following before it is asked whether it left the end.
            self.on_cursor_moved()
        # Forced, since a scroll bar that is about to appear does not allow scrolling yet.
        if index < self.top:
            self.scroll_to(y=index, animate=False, force=True)
        elif index >= self.top + self.page:
            self.scroll_to(y=index - self.page + 1, animate=False, force=True)
        if before != index:
            self.repaint_row(before)
            self.repaint_row(index)
            self.post_message(self.Moved())

    def on_cursor_moved(self) -> None:
        """The user moved the cursor."""

    def action_move(self, rows: int) -> None:
        """Move the cursor by rows."""
        self.move_to(self.cursor + rows)

    def action_move_page(self, pages: int) -> None:
        """Move the cursor by pages."""
        self.move_to(self.cursor + pages * self.page)

    def action_move_first(self) -> None:
        """Move the cursor to the first row."""
        self.move_to(0)

    def action_move_last(self) -> None:
        """Move the cursor to the last row."""
        self.move_to(self.row_count - 1)

    # -- events ----------------------------------------------------------------------------------------

    def on_click(self, event: events.Click) -> None:
        """Select the row under the mouse; a second click opens it."""
        if event.y < self.HEADER:
            self.on_header_click(event.x)
            return
        index = self.top + event.y - self.HEADER
        if index >= self.row_count:
            return
        self.move_to(index)
        if event.button == 3:
            self.post_message(self.Asked(event.screen_offset))
        elif event.chain == 2:
            self.post_message(self.Activated())

    def on_resize(self) -> None:
        """Keep the cursor in sight when the pane shrinks."""
        self.prepare()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Format what came into sight."""
        super().watch_scroll_y(old_value, new_value)
        if round(old_value) != round(new_value):
            self.prepare()

    def on_focus(self) -> None:
        """Show the cursor as active."""
        self.refresh()

    def on_blur(self) -> None:
        """Show the cursor as resting."""
        self.refresh()
