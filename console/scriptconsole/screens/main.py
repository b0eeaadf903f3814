"""The main screen: five panes, the status line over them and the footer under them.

It owns what is shown (focus, filter, freeze, which panes fit); what is done to scripts belongs to the app.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Footer

from scriptconsole.actions import ACTIONS, PaneName, bindings, in_scope
from scriptconsole.panes.connections import ConnectionsPane
from scriptconsole.panes.lines import LineView
from scriptconsole.panes.logpane import LogPane
from scriptconsole.panes.pane import FilterInput, Pane
from scriptconsole.panes.ring import CAPACITY
from scriptconsole.panes.scripts import ScriptsPane
from scriptconsole.panes.status import StatusLine
from scriptconsole.panes.table import VirtualTable
from scriptconsole.panes.timers import TimersPane
from scriptconsole.panes.variables import VariablesPane
from scriptconsole.screens.host import console_of
from scriptengines.view import Frame, LogRecord, ScriptView

WIDE = 100
"""Columns from which panes stand side by side."""
TALL = 34
"""Lines from which all panes of a wide screen fit over each other."""
TALL_STACK = 44
"""Lines from which all five panes fit in one stack."""

_MIDDLE = (PaneName.VARIABLES, PaneName.TIMERS, PaneName.CONNECTIONS)
_WHILE_TYPING = frozenset({"help", "next_pane", "maximise", "quit", "command_palette", "toggle_theme"})
_RIGHT = (PaneName.TIMERS, PaneName.CONNECTIONS)


def panes_that_fit(width: int, height: int, recent: Sequence[PaneName]) -> frozenset[PaneName]:
    """Choose the panes for a terminal size.

    Args:
        width: Columns.
        height: Lines.
        recent: All panes, last used first; where not all fit, the last used one is shown.
    """
    if width >= WIDE:
        if height >= TALL:
            return frozenset(PaneName)
        hidden = [name for name in recent if name in _RIGHT][1:]
    elif height >= TALL_STACK:
        return frozenset(PaneName)
    else:
        hidden = [name for name in recent if name in _MIDDLE][1:]
    return frozenset(PaneName).difference(hidden)


class MainScreen(Screen[None]):
    """The five panes."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings(ACTIONS)]
    ESCAPE_TO_MINIMIZE = False

    def __init__(self) -> None:
        super().__init__(id="main")
        self.panes: dict[PaneName, Pane] = {
            pane.NAME: pane
            for pane in (ScriptsPane(), VariablesPane(), TimersPane(), ConnectionsPane(), LogPane())
        }
        self.status = StatusLine()
        self.recent = list(PaneName)
        self.maximised = False
        self.frozen = False
        self.latest = Frame(0.0)
        """The newest frame that is shown."""
        self._waiting: list[LogRecord] = []

    def compose(self) -> ComposeResult:
        """Lay out the panes."""
        yield self.status
        yield self.panes[PaneName.SCRIPTS]
        with Horizontal(id="middle"):
            yield self.panes[PaneName.VARIABLES]
            with Vertical(id="right"):
                yield self.panes[PaneName.TIMERS]
                yield self.panes[PaneName.CONNECTIONS]
        yield self.panes[PaneName.LOG]
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        """Start with the scripts."""
        self.panes[PaneName.SCRIPTS].focus_body()
        self.status.show(self.latest, frozen=False, held_back=0)

    # -- frames ----------------------------------------------------------------------------------------

    def apply(self, frame: Frame) -> None:
        """Show a frame, or keep its log for later while the display is frozen."""
        if self.frozen:
            self._waiting.extend(frame.log)
            del self._waiting[:-CAPACITY]
            self.status.show(frame, frozen=True, held_back=len(self._waiting))
            return
        self.latest = frame
        with console_of(self).batch_update():
            for pane in self.panes.values():
                pane.apply(frame)
                pane.retitle()
            self.status.show(frame, frozen=False, held_back=0)

    def add_log(self, record: LogRecord) -> None:
        """Add a record of the console itself."""
        if self.frozen:
            self._waiting.append(record)
        else:
            self.log_pane.extend((record,))

    @property
    def log_pane(self) -> LogPane:
        """The pane round the log."""
        pane = self.panes[PaneName.LOG]
        assert isinstance(pane, LogPane)
        return pane

    # -- focus and layout ------------------------------------------------------------------------------

    @property
    def pane_name(self) -> PaneName | None:
        """Name of the focused pane."""
        pane = self.pane
        return None if pane is None else pane.NAME

    @property
    def pane(self) -> Pane | None:
        """The focused pane."""
        focused = self.focused
        if focused is None:
            return None
        return next((node for node in focused.ancestors_with_self if isinstance(node, Pane)), None)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer only what means something in the focused pane."""
        typing = isinstance(self.focused, FilterInput)
        if typing and (action not in _WHILE_TYPING or console_of(self).typed):
            return False
        return in_scope(action, self.pane_name)

    def arrange_panes(self) -> None:
        """Show the panes that fit, or only the maximised one."""
        width, height = console_of(self).size
        if self.maximised:
            shown: Iterable[PaneName] = {self.recent[0]}
        else:
            shown = panes_that_fit(width, height, self.recent)
        for name, pane in self.panes.items():
            pane.display = name in shown
        self.query_one("#right").display = any(self.panes[name].display for name in _RIGHT)
        self.query_one("#middle").display = any(self.panes[name].display for name in _MIDDLE)
        hidden = [] if self.maximised else [pane for pane in self.panes.values() if not pane.display]
        for pane in self.panes.values():
            host = pane.NAME is next(
                (name for name in self.recent if name in _MIDDLE and name in shown), None
            )
            pane.neighbours = hidden if host else ()
            pane.note_in_title = height < TALL
            pane.retitle()
        self.set_class(self.maximised, "-maximised")
        self.set_class(width < WIDE, "-stacked")
        self.set_class(height < TALL, "-short")

    def on_resize(self, event: events.Resize) -> None:
        """Choose the panes for the new size."""
        self.arrange_panes()

    @on(events.DescendantFocus)
    def _focused(self) -> None:
        name = self.pane_name
        if name is not None and self.recent[0] != name:
            self.recent.remove(name)
            self.recent.insert(0, name)
            self.arrange_panes()
            self.refresh_bindings()

    def action_show_pane(self, name: str) -> None:
        """Go to a pane, making it visible first."""
        wanted = PaneName(name)
        self.recent.remove(wanted)
        self.recent.insert(0, wanted)
        self.arrange_panes()
        self.panes[wanted].focus_body()
        self.refresh_bindings()

    def action_next_pane(self, step: int) -> None:
        """Go round the panes, hidden ones included."""
        names = list(PaneName)
        at = names.index(self.pane_name or self.recent[0])
        self.action_show_pane(names[(at + step) % len(names)])

    def action_maximise(self) -> None:
        """Give the focused pane the whole screen, or give it back."""
        self.maximised = not self.maximised
        self.arrange_panes()

    # -- display ---------------------------------------------------------------------------------------

    def action_freeze(self) -> None:
        """Freeze the display, or let it run again."""
        self.frozen = not self.frozen
        self.set_class(self.frozen, "-frozen")
        if not self.frozen:
            waiting, self._waiting = self._waiting, []
            self.log_pane.extend(waiting)
        self.status.show(self.latest, frozen=self.frozen, held_back=0)

    def action_filter(self) -> None:
        """Type a filter for the focused pane."""
        if self.pane is not None:
            self.pane.open_filter()

    def action_sort(self) -> None:
        """Sort the focused table by its chosen column."""
        if self.pane is not None and isinstance(self.pane.body, VirtualTable):
            self.pane.body.action_sort()

    def action_back(self) -> None:
        """Leave one thing: maximised, filter, freeze."""
        pane = self.pane
        if self.maximised:
            self.action_maximise()
        elif pane is not None and pane.clear_filter():
            pane.focus_body()
        elif self.frozen:
            self.action_freeze()

    def action_copy_row(self) -> None:
        """Copy the selected row to the clipboard."""
        text = None if self.pane is None else self.pane.copy_text()
        if text is None:
            self.notify("There is no row to copy.", severity="warning", markup=False)
            return
        console_of(self).copy_to_clipboard(text)
        lines = text.count("\n") + 1
        self.notify("Copied the row." if lines == 1 else f"Copied {lines} lines.", markup=False, timeout=2)

    def action_help(self) -> None:
        """Show the keys of the focused pane."""
        from scriptconsole.screens.help import HelpScreen

        console_of(self).push_screen(HelpScreen(self.panes[self.pane_name or self.recent[0]]))

    @on(LineView.Activated)
    def action_details(self) -> None:
        """Show all of the selected row."""
        from scriptconsole.screens.details import open_details

        if self.pane is not None:
            open_details(self, self.pane)

    # -- selection -------------------------------------------------------------------------------------

    def script(self) -> str | None:
        """Return the script an action is meant for: that of the selected row, else of the scripts pane."""
        chosen = None if self.pane is None else self.pane.script()
        return chosen if chosen is not None else self.panes[PaneName.SCRIPTS].script()

    @on(StatusLine.Chosen)
    def _go_to_failed(self, message: StatusLine.Chosen) -> None:
        self.action_show_pane(PaneName.SCRIPTS)
        body = self.panes[PaneName.SCRIPTS].body
        for index in range(body.row_count):
            row = body.rows[index] if isinstance(body, VirtualTable) else None
            if isinstance(row, ScriptView) and row.alias == message.alias:
                body.move_to(index)

    def on_click(self, event: events.Click) -> None:
        """Focus the pane whose frame was clicked."""
        widget: Widget | None = event.widget
        if isinstance(widget, Pane):
            widget.focus_body()
