"""The pane round the log."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.widgets import Input

from scriptconsole.actions import Action, PaneName
from scriptconsole.editor import named_place, place_in
from scriptconsole.panes.filter import Filter, FilterError, parse_filter
from scriptconsole.panes.log import LogView
from scriptconsole.panes.pane import Details, Export, FilterInput, Pane, Place
from scriptconsole.panes.ring import CONSOLE, LogLine
from scriptconsole.panes.scripts import error_place
from scriptconsole.screens.host import console_of
from scriptconsole.state import Scalar
from scriptconsole.text import clean, moment
from scriptengines.view import Frame, Level, LogRecord

LEAST: tuple[Level | None, ...] = (None, Level.INFO, Level.WARNING, Level.ERROR)
"""What `v` goes through."""


class SearchInput(FilterInput):
    """The line in which a search is typed."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "escape", "clear_filter", "Leave", priority=True, id="search.clear", tooltip="End the search"
        ),
        Binding(
            "enter,down", "keep_filter", "Find", show=False, priority=True, id="search.keep", tooltip="Search"
        ),
    ]

    def action_clear_filter(self) -> None:
        """End the search."""
        self.value = ""
        self.action_keep_filter()

    def action_keep_filter(self) -> None:
        """Search for what was typed."""
        pane = self.parent
        assert isinstance(pane, LogPane)
        pane.search(self.value)


def _action(id: str, key: str, label: str, tooltip: str, command: str, *, footer: bool = False) -> Action:
    return Action(
        f"log.{id}",
        (key,),
        label,
        tooltip,
        f"pane('{command}')",
        frozenset({PaneName.LOG}),
        footer=footer,
    )


class LogPane(Pane):
    """What scripts print and log, and what the console did."""

    NAME = PaneName.LOG
    LABEL = "Log"
    MEANING = (
        "ERR error   WRN warning   INF info   out printed by a script   DBG debug\n"
        "Moving up holds the view while new lines are counted; G follows again. h and l scroll long lines.\n"
        "▸ lines of a traceback are folded: enter or z shows them; enter on one opens its file there."
    )
    ACTIONS = (
        _action("find", "F", "Search", "Search the lines shown, folded ones too", "find", footer=True),
        _action("find_next", "n", "Next match", "Go to the next line that matches", "find_next"),
        _action("find_previous", "N", "Match before", "Go to the line before that matches", "find_before"),
        _action("fold", "z", "Fold", "Fold the record of the selected line, or unfold it", "fold"),
        _action("level", "v", "Level", "Show all, or only info, warnings or errors", "level", footer=True),
        _action("script", "a", "Only this", "Show only the selected line's script, or all again", "only"),
    )

    def __init__(self) -> None:
        super().__init__()
        self.view = LogView(id="log")
        self._search_line: SearchInput | None = None

    @property
    def body(self) -> LogView:
        """The view over the log."""
        return self.view

    @property
    def filter(self) -> Filter | None:
        """The filter that is on."""
        return self.view.ring.filter

    def filter_by(self, chosen: Filter | None) -> None:
        """Show only the records a filter keeps."""
        self.view.set_filter(chosen)

    @on(LogView.Arranged)
    def _arranged(self) -> None:
        if self.in_sight:
            self.retitle()

    def apply(self, frame: Frame) -> None:
        """Nothing: records are added by `extend`, whether the pane is in sight or not."""

    def count(self, frame: Frame) -> int:
        """Count the lines, of which a frame holds only the new ones."""
        return self.view.ring.total

    def counts(self) -> tuple[int, int]:
        """Count the lines after and before filtering."""
        return self.view.row_count, self.view.ring.total

    @property
    def cursor_line(self) -> int | None:
        """Line of the body on which the cursor stands."""
        return self.view.cursor_line

    def extend(self, records: Iterable[LogRecord]) -> None:
        """Add records."""
        self.view.extend(records)

    def summary(self) -> str:
        """Say whether the end is followed, what is left out, and what is searched."""
        view, ring = self.view, self.view.ring
        held = f"held, {view.unseen:,} new below" if view.unseen else "held"
        parts = ["following" if view.following else held]
        if ring.level is not None:
            parts.append(f"{ring.level} and worse")
        if ring.script is not None:
            parts.append(f"only {clean(ring.script[:40]) or CONSOLE}")
        if (search := view.search) is not None:
            state = ("wrapped" if search.wrapped else "") if search.found else "not found"
            what = clean(search.chosen.source[:40])
            parts.append(
                f"find {what}{f', {state}' if state and search.done else '' if search.done else ' …'}"
            )
        return " · ".join(parts)

    def script(self) -> str | None:
        """Return the script that wrote the selected line."""
        line = self.view.selected
        return line.record.script if line is not None and line.record.script else None

    def copy_text(self) -> str | None:
        """Return the whole record."""
        line = self.view.selected
        return None if line is None else line.record.text

    def export(self) -> Export | None:
        """Return the records that the filters keep, those that they have yet to look at included."""
        ring = self.view.ring
        return Export("the log's records", ring.copy().records) if len(ring) or ring.unsearched else None

    def details(self) -> Details | None:
        """Return the whole record."""
        line = self.view.selected
        if line is None:
            return None
        record = line.record
        facts = [
            ("time", f"{moment(record.time)}.{int(record.time % 1 * 1000):03d}"),
            ("script", record.script or CONSOLE),
            ("level", str(record.level)),
        ]
        style = "error-text" if record.level == "error" else "value-text"
        return Details("Log record", facts, [("Text", record.text, style)])

    # -- what is remembered ----------------------------------------------------------------------------

    def settings(self) -> dict[str, Scalar]:
        """Return what is left out besides the filter, and whether the view is held."""
        ring = self.view.ring
        chosen: dict[str, Scalar] = {}
        if ring.level is not None:
            chosen["level"] = str(ring.level)
        if ring.script is not None:
            chosen["script"] = ring.script
        if not self.view.following:
            chosen["follow"] = False
        return chosen

    def take_setting(self, name: str, value: Scalar) -> bool:
        """Take on one of them."""
        ring = self.view.ring
        if name == "level" and value in LEAST:
            ring.level = Level(value)
        elif name == "script" and isinstance(value, str):
            ring.script = value
        elif name == "follow" and isinstance(value, bool):
            self.view.following = value
        else:
            return False
        return True

    # -- folds and places ------------------------------------------------------------------------------

    def open_details(self) -> bool:
        """Unfold a record, or open the file that a line of one names; return whether that was done."""
        line = self.view.selected
        if line is None:
            return False
        if line.folded:
            return self.view.toggle_fold()
        if line.first:
            return False
        place = self._named_by(line)
        if place is not None:
            console_of(self).edit(place)
        return place is not None

    def action_fold(self) -> None:
        """Fold the record of the selected line, or unfold it."""
        if not self.view.toggle_fold():
            self.notify("This record has one line only.", severity="warning", markup=False, timeout=2)

    def place(self) -> Place | None:
        """Return the line that the record names, else that of its script's last error."""
        line = self.view.selected
        if line is None:
            return None
        named = None if line.first else self._named_by(line)
        script = console_of(self).main.view(line.record.script)
        if named is not None or script is None:
            return named
        at = place_in(line.record.text, script.path)
        return Place(script.path, at) if at else error_place(script) or Place(script.path, 0)

    def _named_by(self, line: LogLine) -> Place | None:
        """The place that a line of a traceback names: an existing file, or one beside its script."""
        named = named_place(line.text)
        if named is None:
            return None
        file, at = Path(named[0]), named[1]
        script = console_of(self).main.view(line.record.script)
        if script is not None:
            path = Path(script.path)
            if file.name == path.name and not file.is_absolute():
                return Place(script.path, at)
            file = path.parent / file
        return Place(str(file), at) if file.is_absolute() and file.is_file() else None

    # -- searching -------------------------------------------------------------------------------------

    def action_find(self) -> None:
        """Type what to search for."""
        self.add_class("-searching")
        if self._search_line is None:
            self._search_line = SearchInput(
                placeholder="search: a regular expression, ~letters matches loosely",
                compact=True,
                id="search",
                select_on_focus=False,
            )
            self.mount(self._search_line)
        self._search_line.value = ""
        self.screen.set_focus(self._search_line)

    def search(self, typed: str) -> None:
        """Search for what was typed; nothing ends the search."""
        try:
            chosen = parse_filter(re.sub(r"\A!", r"\\!", typed))
        except FilterError as error:
            self.notify(str(error), severity="warning", markup=False)
            return
        self.remove_class("-searching")
        self.focus_body()
        self.view.find(chosen)

    @on(Input.Changed, "#search")
    def _search_typed(self, event: Input.Changed) -> None:
        event.stop()

    def action_find_next(self) -> None:
        """Go to the next match."""
        self._find_again(1)

    def action_find_before(self) -> None:
        """Go to the match before."""
        self._find_again(-1)

    def _find_again(self, step: int) -> None:
        if self.view.search is None:
            self.action_find()
        else:
            self.view.find_next(step)

    # -- filters by key --------------------------------------------------------------------------------

    def action_level(self) -> None:
        """Show all levels, or only the next worse ones."""
        ring = self.view.ring
        ring.level = LEAST[(LEAST.index(ring.level) + 1) % len(LEAST)]
        self.view.show_again()

    def action_only(self) -> None:
        """Show only the script of the selected line, or all again."""
        ring, line = self.view.ring, self.view.selected
        if ring.script is not None:
            ring.script = None
        elif line is not None:
            ring.script = line.record.script
        self.view.show_again()

    def clear_filter(self) -> bool:
        """Show everything again, and end the search; return whether anything was hidden or searched."""
        ring, view = self.view.ring, self.view
        chosen = ring.level is not None or ring.script is not None or view.search is not None
        if view.search is not None:
            view.find(None)
        if ring.level is not None or ring.script is not None:
            ring.level = ring.script = None
            view.show_again()
        return super().clear_filter() or chosen
