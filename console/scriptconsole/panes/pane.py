"""A pane: a titled frame round one body, with the line in which its filter is typed.

What is in the body is up to the subclasses: `tablepane` for rows, `logpane` for the log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import ClassVar, NamedTuple

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input, Static

from scriptconsole.actions import Action, PaneName
from scriptconsole.panes.filter import Filter, FilterError, parse_filter
from scriptconsole.panes.ground import Column
from scriptconsole.state import SavedPane, Scalar
from scriptconsole.text import clean, width_of
from scriptengines.view import Frame


class Details(NamedTuple):
    """All of one row, for the details screen.

    Attributes:
        title: What the row is.
        facts: Names and values.
        texts: Heading, text and style class ("value-text", "error-text", "quiet") of each long text.
        more: Gives further texts that have to be waited for, as those of files; called in a thread.
    """

    title: str
    facts: Sequence[tuple[str, str]]
    texts: Sequence[tuple[str, str, str]] = ()
    more: Callable[[], Sequence[tuple[str, str, str]]] | None = None


class Place(NamedTuple):
    """A line of a file; line 0 when only the file is known."""

    path: str
    line: int


class Export(NamedTuple):
    """Rows for a file.

    Attributes:
        title: What they are, for people.
        rows: Gives them: dataclasses or named tuples, all of one kind. It is called in a thread, and again
            when they are written again.
    """

    title: str
    rows: Callable[[], Iterable[object]]


class FilterInput(Input):
    """The line in which a filter is typed."""

    # With priority, so that keys typed ahead meet the rows and not the filter that is about to close.
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "escape",
            "clear_filter",
            "Clear",
            priority=True,
            id="filter.clear",
            tooltip="Show all rows again",
        ),
        Binding(
            "enter,down",
            "keep_filter",
            "Rows",
            show=False,
            priority=True,
            id="filter.keep",
            tooltip="Go to the rows",
        ),
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


class Pane(Column):
    """A frame round one body."""

    NAME: ClassVar[PaneName]
    LABEL: ClassVar[str]
    MEANING: ClassVar[str] = ""
    """What the rows mean, for the help screen."""
    ACTIONS: ClassVar[tuple[Action, ...]] = ()
    """What can be done in this pane only; `pane('x')` as a command calls its `action_x`."""
    ALLOW_MAXIMIZE = False

    def __init__(self) -> None:
        super().__init__(id=f"pane-{self.NAME}")
        self._note = ""
        self._filter_line: FilterInput | None = None
        self._titles: object = None
        self.title_text = ""
        """The title as it reads, without its styles."""
        self.neighbours: Sequence[tuple[PaneName, str, int | None]] = ()
        """Name, label and count of the panes out of sight that this one's title names."""
        self.note_in_title = False
        """Whether the frame has no lower border that could hold the note."""

    def compose(self) -> ComposeResult:
        """Start with the body alone."""
        yield self.body

    def on_mount(self) -> None:
        """Show the title of an empty pane."""
        self.retitle()

    @property
    def in_sight(self) -> bool:
        """Whether the main screen shows it."""
        return bool(self.display)

    @in_sight.setter
    def in_sight(self, shown: bool) -> None:
        self.display = shown

    # -- what a subclass says --------------------------------------------------------------------------

    @property
    def body(self) -> Widget:
        """What takes the focus."""
        raise NotImplementedError

    def apply(self, frame: Frame) -> None:
        """Show a frame; called while the pane is in sight."""
        raise NotImplementedError

    def count(self, frame: Frame) -> int | None:
        """Count the rows a frame has for this pane, for titles; None when that says nothing."""
        return None

    def counts(self) -> tuple[int, int]:
        """Count the rows after and before filtering."""
        return 0, 0

    def summary(self) -> str:
        """Say in a few words what stands out, for the title."""
        return ""

    def script(self) -> str | None:
        """Return the alias of the script the selected row belongs to."""
        return None

    def copy_text(self) -> str | None:
        """Return the selected row as text for the clipboard."""
        return None

    def open_row(self) -> bool:
        """Do what enter means for the selected row; false when it means to show all of it."""
        return False

    def export(self) -> Export | None:
        """Return all rows as they are filtered and sorted now, for a file; None when there are none."""
        return None

    def details(self) -> Details | None:
        """Return all of the selected row."""
        return None

    def open_details(self) -> bool:
        """Show all of the selected row on a screen of its own; return whether there is one."""
        return False

    def place(self) -> Place | None:
        """Return the line of source that the selected row is about."""
        return None

    def select(self, key: object) -> bool:
        """Put the cursor on the row with this key; return whether it is there."""
        return False

    def sort(self) -> None:
        """Sort by the chosen column."""

    # -- what is remembered ----------------------------------------------------------------------------

    def saved(self) -> SavedPane:
        """Return what the user set here, to be remembered with the project."""
        source = "" if self.filter is None else self.filter.source
        return SavedPane(filter=source, settings=self.settings())

    def settings(self) -> dict[str, Scalar]:
        """Return what only this pane has and what differs from how it comes, by name."""
        return {}

    def take_setting(self, name: str, value: Scalar) -> bool:
        """Take on one of `settings`, checked; return whether it can be."""
        return False

    def restore(self, saved: SavedPane) -> Iterator[str]:
        """Take on what was remembered; asked for before the pane is mounted.

        Yields:
            A sentence for each part that there is no place for any more.
        """
        self.filter_by(parse_filter(saved.filter))
        for name, value in saved.settings.items():
            if not self.take_setting(name, value):
                yield f"{name[:40]} cannot be {str(value)[:40]!r}"

    # -- title -----------------------------------------------------------------------------------------

    def note(self, text: str) -> None:
        """Set what the lower border says."""
        if text != self._note:
            self._note = text
            self.retitle()

    def retitle(self) -> None:
        """Show number, name, counts, filter, neighbours and note."""
        chosen = self.filter
        shown, total = self.counts()
        parts = [f"{shown:,} of {total:,}" if chosen is not None else f"{total:,}"] if self.counted else []
        if summary := self.summary():
            parts.append(clean(summary))
        tail = " · ".join(parts)
        pattern = f"  /{clean(chosen.source)}" if chosen is not None else ""
        titles = (tail, pattern, tuple(self.neighbours), self._note, self.note_in_title)
        if titles == self._titles:
            return
        self._titles = titles
        note = clean(self._note)
        beside, below = (f"  {note}", "") if note and self.note_in_title else ("", note)
        title = Content.assemble(
            (f"{self.NAME.digit} ", "$accent"),
            (self.LABEL, "bold"),
            f"  {tail}" if tail else "",
            (pattern, "$warning bold"),
            *(self._tab(*neighbour) for neighbour in self.neighbours),
            (beside, "$warning"),
        )
        self.title_text = title.plain
        self.border_title = title
        self.border_subtitle = Content(below) if below else None

    @staticmethod
    def _tab(name: PaneName, label: str, count: int | None) -> tuple[str, str]:
        return f"  {name.digit} {label}" + ("" if count is None else f" {count:,}"), "$foreground-muted"

    def tab_at(self, x: int) -> PaneName | None:
        """Find the neighbour that the title names at a cell, counted from the pane's left edge."""
        for name, label, count in self.neighbours:
            start = self.tab_start(name)
            if start <= x < start + len(self._tab(name, label, count)[0].strip()):
                return name
        return None

    def tab_start(self, wanted: PaneName) -> int:
        """Find the cell at which the title names a neighbour, counted from the pane's left edge."""
        names = [name for name, _, _ in self.neighbours]
        after = "".join(self._tab(*each)[0] for each in self.neighbours[names.index(wanted) :])
        if self.note_in_title and self._note:
            after += f"  {clean(self._note)}"
        # From the end, since a filter may stand before it and say anything. Three cells of the frame stand
        # before the title, two blanks before each name.
        return width_of(self.title_text) - width_of(after) + 5

    @property
    def cursor_line(self) -> int | None:
        """Line of the body on which the cursor stands, if it has one."""
        return None

    @property
    def counted(self) -> bool:
        """Whether the title tells the number of rows."""
        return True

    # -- focus and filter ------------------------------------------------------------------------------

    def focus_body(self) -> None:
        """Give the body the focus at once; `Widget.focus` would come after the keys typed ahead."""
        self.screen.set_focus(self.body)

    @property
    def filter(self) -> Filter | None:
        """The filter that is on."""
        return None

    def filter_by(self, chosen: Filter | None) -> None:
        """Show only the rows a filter keeps."""

    def open_filter(self) -> None:
        """Show the filter line and type into it."""
        self.add_class("-filtering")
        if self._filter_line is None:
            # Only now: most panes are never filtered, and an input takes long to make.
            self._filter_line = FilterInput(
                "" if self.filter is None else self.filter.source,
                placeholder="regular expression, !regex inverts, ~letters matches loosely",
                compact=True,
                id="filter",
                select_on_focus=False,
            )
            self.mount(Static(id="filter-error", markup=False), self._filter_line)
        self.screen.set_focus(self._filter_line)

    def close_filter(self) -> None:
        """Hide the filter line; the filter stays as it is."""
        self.remove_class("-filtering", "-bad-filter")
        self.focus_body()

    def clear_filter(self) -> bool:
        """Show all rows again; return whether any were hidden."""
        if self.filter is None and not (self._filter_line is not None and self._filter_line.value):
            return False
        self.set_filter("")
        return True

    def set_filter(self, source: str) -> None:
        """Filter by what a user could have typed.

        Raises:
            FilterError: It is no regular expression.
        """
        chosen = parse_filter(source)
        if self._filter_line is not None:
            with self.prevent(Input.Changed):
                self._filter_line.value = source
        self._filter_by(chosen)

    def _filter_by(self, chosen: Filter | None) -> None:
        self.filter_by(chosen)
        self.retitle()

    @on(Input.Changed, "#filter")
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        try:
            chosen = parse_filter(event.value)
        except FilterError as error:
            self.add_class("-bad-filter")
            self.query_one("#filter-error", Static).update(Content(clean(str(error))))
            return
        self.remove_class("-bad-filter")
        self._filter_by(chosen)

    @on(Input.Submitted, "#filter")
    def _entered(self, event: Input.Submitted) -> None:
        event.stop()
        self.close_filter()
