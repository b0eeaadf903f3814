"""A pane: a titled frame round a list of rows, with the line in which its filter is typed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input, Static

from scriptconsole.actions import PaneName
from scriptconsole.panes.filter import Filter, FilterError, parse_filter
from scriptconsole.panes.log import LogView
from scriptconsole.panes.table import VirtualTable
from scriptconsole.text import clean
from scriptengines.view import Frame


class FilterInput(Input):
    """The line in which a filter is typed."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "escape", "clear_filter", "Clear", show=True, id="filter.clear", tooltip="Show all rows again"
        ),
        Binding("down", "keep_filter", "Rows", show=False, id="filter.keep", tooltip="Go to the rows"),
    ]

    def action_clear_filter(self) -> None:
        """Show all rows and go back to them."""
        self.value = ""
        self.action_keep_filter()

    def action_keep_filter(self) -> None:
        """Go back to the rows, filtered as they are."""
        pane = self.parent
        assert isinstance(pane, Pane)
        pane.close_filter()


class Pane(Vertical):
    """A frame round one body of rows."""

    NAME: ClassVar[PaneName]
    LABEL: ClassVar[str]
    MEANING: ClassVar[str] = ""
    """What the rows mean, for the help screen."""
    ALLOW_MAXIMIZE = False

    def __init__(self) -> None:
        super().__init__(id=f"pane-{self.NAME}")
        self.number = list(PaneName).index(self.NAME) + 1
        self._note = ""
        self._titles: object = None
        self.neighbours: Sequence[Pane] = ()
        """Panes hidden for want of room, named in this one's title."""
        self.note_in_title = False
        """Whether the frame has no lower border that could hold the note."""

    def compose(self) -> ComposeResult:
        """Put the body over the filter line."""
        yield self.body
        yield Static(id="filter-error", markup=False)
        yield FilterInput(
            placeholder="regular expression, !regex inverts", compact=True, id="filter", select_on_focus=False
        )

    def on_mount(self) -> None:
        """Show the title of an empty pane."""
        self.retitle()

    # -- what a subclass says --------------------------------------------------------------------------

    @property
    def body(self) -> VirtualTable[Any] | LogView:
        """The rows."""
        raise NotImplementedError

    def apply(self, frame: Frame) -> None:
        """Show a frame."""
        raise NotImplementedError

    def summary(self) -> str:
        """Say in a few words what stands out, for the title."""
        return ""

    def script(self) -> str | None:
        """Return the alias of the script the selected row belongs to."""
        raise NotImplementedError

    def copy_text(self) -> str | None:
        """Return the selected row as text for the clipboard."""
        raise NotImplementedError

    # -- title -----------------------------------------------------------------------------------------

    def note(self, text: str) -> None:
        """Set what the lower border says."""
        if text != self._note:
            self._note = text
            self.retitle()

    @on(LogView.Arranged)
    def retitle(self) -> None:
        """Show number, name, counts, filter and note."""
        chosen = self.body.filter if isinstance(self.body, VirtualTable) else self.body.ring.filter
        total = self.total
        shown = self.body.row_count
        parts = [f"{shown:,} of {total:,}" if chosen is not None else f"{total:,}"]
        if summary := self.summary():
            parts.append(summary)
        tail = " · ".join(parts)
        pattern = f"  /{clean(chosen.source)}" if chosen is not None else ""
        hidden = "".join(f"  {pane.number} {pane.LABEL} {pane.total:,}" for pane in self.neighbours)
        titles = (tail, pattern, hidden, self._note, self.note_in_title)
        if titles == self._titles:
            return
        self._titles = titles
        note = clean(self._note)
        beside, below = (f"  {note}", "") if note and self.note_in_title else ("", note)
        self.border_title = Content.assemble(
            (f"{self.number} ", "$accent"),
            (self.LABEL, "bold"),
            f"  {tail}",
            (pattern, "$warning bold"),
            (hidden, "$foreground-muted"),
            (beside, "$warning"),
        )
        self.border_subtitle = Content(below) if below else None

    @property
    def total(self) -> int:
        """Rows before filtering."""
        return self.body.total if isinstance(self.body, VirtualTable) else self.body.ring.total

    def focus_body(self) -> None:
        """Give the rows the focus at once; `Widget.focus` would come after the keys typed ahead."""
        self.screen.set_focus(self.body)

    # -- filter ----------------------------------------------------------------------------------------

    def open_filter(self) -> None:
        """Show the filter line and type into it."""
        self.add_class("-filtering")
        self.screen.set_focus(self.query_one(FilterInput))

    def close_filter(self) -> None:
        """Hide the filter line; the filter stays as it is."""
        self.remove_class("-filtering", "-bad-filter")
        self.focus_body()

    def clear_filter(self) -> bool:
        """Show all rows again; return whether any were hidden."""
        entry = self.query_one(FilterInput)
        if not entry.value:
            return False
        entry.value = ""
        self.filter_by(None)
        return True

    def filter_by(self, chosen: Filter | None) -> None:
        """Show only the rows a filter keeps."""
        self.body.set_filter(chosen)
        self.retitle()

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        try:
            chosen = parse_filter(event.value)
        except FilterError as error:
            self.add_class("-bad-filter")
            self.query_one("#filter-error", Static).update(Content(str(error)))
            return
        self.remove_class("-bad-filter")
        self.filter_by(chosen)

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        event.stop()
        self.close_filter()
