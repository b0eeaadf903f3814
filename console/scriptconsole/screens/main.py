"""The main screen: the panes in their slots, the status line over them and the footer under them.

It owns what is shown (focus, layout, filter, freeze); what is done to scripts belongs to the app.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.geometry import Offset
from textual.screen import Screen
from textual.widget import Widget

from scriptconsole.actions import PaneName, bindings
from scriptconsole.layout import HOMES, MIDDLE, RIGHT, TALL, WIDE, Extent, Layout, Slot
from scriptconsole.panes.ground import Column, Ground, Row
from scriptconsole.panes.keyline import KeyLine
from scriptconsole.panes.kinds import PANES
from scriptconsole.panes.lines import STYLES, LineView
from scriptconsole.panes.logpane import LogPane
from scriptconsole.panes.pane import FilterInput, Pane, Place
from scriptconsole.panes.status import StatusLine
from scriptconsole.registry import REGISTRY
from scriptconsole.screens.host import console_of
from scriptengines.view import Frame, LogRecord, ScriptView

_WHILE_TYPING = frozenset(
    {"help", "next_pane", "maximise", "quit", "command_palette", "toggle_theme", "jump"}
)


class MainScreen(Screen[None], Ground):  # pyright: ignore[reportIncompatibleMethodOverride] - Textual's own
    """The panes."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings(REGISTRY.actions)]
    ESCAPE_TO_MINIMIZE = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {*STYLES}

    def __init__(self) -> None:
        super().__init__(id="main")
        self.panes: dict[PaneName, Pane] = {kind.NAME: kind() for kind in PANES}
        self.layout_model = Layout()
        self.status = StatusLine()
        self.frozen = False
        self.latest = Frame(0.0)
        """The newest frame that is shown."""
        self._boxes = {slot: Column(id=f"slot-{slot}", classes="slot") for slot in Slot}
        self._waiting: list[LogRecord] = []
        self._was_shown = False

    async def on_event(self, event: events.Event) -> None:
        """Handle an event; the first time it is shown, its parts have just been styled."""
        if isinstance(event, events.ScreenResume) and not self._was_shown:
            self._was_shown = True
            event.refresh_styles = False
        await super().on_event(event)

    def compose(self) -> ComposeResult:
        """Lay out the slots; a pane is mounted when it is first in sight."""
        yield self.status
        yield from self._slot(Slot.TOP)
        with Row(id="middle"):
            yield from self._slot(Slot.LEFT)
            with Column(id="right"):
                yield from self._slot(Slot.UPPER)
                yield from self._slot(Slot.LOWER)
        yield from self._slot(Slot.BOTTOM)
        yield KeyLine()

    def _slot(self, slot: Slot) -> ComposeResult:
        with self._boxes[slot]:
            yield self.panes[self._shown_in(slot)]

    def on_mount(self) -> None:
        """Start with the scripts."""
        self._bindings = console_of(self).registry.rebound(self._bindings)
        self.arrange_panes()
        self.panes[self.recent[0]].focus_body()
        self.status.show(self.latest, frozen=False, held_back=0)

    # -- frames ----------------------------------------------------------------------------------------

    def apply(self, frame: Frame) -> None:
        """Show a frame, or keep its log for later while the display is frozen."""
        if self.frozen:
            self.take_log(frame.log)
            self.status.show(frame, frozen=True, held_back=len(self._waiting))
            return
        scripts = len(self.latest.scripts)
        self.latest = frame
        with console_of(self).batch_update():
            self.log_pane.extend(frame.log)
            if len(frame.scripts) != scripts:
                self._size_slots()
            self._show_panes()
            self.status.show(frame, frozen=False, held_back=0)

    def _show_panes(self) -> None:
        tabs = self._tabs
        for pane in self.panes_in_sight():
            pane.apply(self.latest)
            pane.neighbours = [
                (name, self.panes[name].LABEL, self.panes[name].count(self.latest))
                for name in tabs.get(pane.NAME, ())
            ]
            pane.retitle()

    def take_log(self, records: Sequence[LogRecord]) -> None:
        """Add records of the session that come before the next frame, which will show them."""
        if self.frozen:
            self._waiting.extend(records)
            del self._waiting[: -self.log_pane.view.ring.capacity]
        else:
            self.log_pane.view.take(records)

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

    def view(self, alias: str) -> ScriptView | None:
        """Find a script of the newest frame."""
        return next((row for row in self.latest.scripts if row.alias == alias), None)

    # -- focus and layout ------------------------------------------------------------------------------

    @property
    def recent(self) -> list[PaneName]:
        """All panes there are, last used first."""
        return [name for name in self.layout_model.recent if name in self.panes]

    @property
    def maximised(self) -> bool:
        """Whether one pane has the whole screen."""
        return self.layout_model.maximised

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

    def panes_in_sight(self) -> list[Pane]:
        """List the panes that are shown now."""
        return [pane for pane in self.panes.values() if pane.is_attached and pane.in_sight]

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer only what means something in the focused pane."""
        typing = isinstance(self.focused, FilterInput)
        own_keys = getattr(self.focused, "OWN_KEYS", None)
        if own_keys is not None:
            own = console_of(self).typed or console_of(self).key in own_keys
            if own or action not in _WHILE_TYPING:
                return False
        if typing and (action not in _WHILE_TYPING or console_of(self).typed):
            return False
        return console_of(self).registry.allows(action, parameters, self.pane_name)

    async def _mount_panes(self) -> None:
        """Mount the panes that the slots show and that were not in sight before."""
        for slot, box in self._boxes.items():
            pane = self.panes[self._shown_in(slot)]
            if not pane.is_attached:
                await box.mount(pane)

    def _shown_in(self, slot: Slot) -> PaneName:
        return next(name for name in self.recent if HOMES[name] is slot)

    @property
    def _tabs(self) -> Mapping[PaneName, list[PaneName]]:
        """Panes out of sight that the title of a pane in sight names."""
        shown = {slot: self._shown_in(slot) for slot in self._slots}
        tabs: dict[PaneName, list[PaneName]] = {name: [] for name in shown.values()}
        if self.maximised:
            return tabs
        for name in self.panes:
            home = HOMES[name]
            if shown.get(home) is name or home in self.layout_model.hidden:
                continue
            # A slot without room of its own is reached through the one that took it.
            host = next((slot for slot in (home, *RIGHT, *MIDDLE) if slot in shown), None)
            if host is not None:
                tabs[shown[host]].append(name)
        return tabs

    @property
    def _slots(self) -> frozenset[Slot]:
        return self.layout_model.slots(*console_of(self).size)

    def arrange_panes(self) -> None:
        """Show the panes that fit, or only the maximised one."""
        width, height = console_of(self).size
        slots = self._slots
        for slot, box in self._boxes.items():
            box.display = slot in slots
            shown = self._shown_in(slot)
            for name in self.panes:
                if HOMES[name] is slot:
                    self.panes[name].in_sight = slot in slots and name is shown
        self.query_one("#right").display = any(slot in slots for slot in RIGHT)
        self.query_one("#middle").display = any(slot in slots for slot in MIDDLE)
        self.set_class(self.maximised, "-maximised")
        self.set_class(width < WIDE, "-stacked")
        self.set_class(height < TALL, "-short")
        self._size_slots()
        for pane in self.panes_in_sight():
            pane.note_in_title = height < TALL
        self._show_panes()

    def _extent(self) -> Extent:
        width, height = console_of(self).size
        rows = max(len(self.latest.scripts), 1) + 1 + (2 if height >= TALL else 1)
        return self.layout_model.extent(width, height, rows)

    def _size_slots(self) -> None:
        slots = self._slots
        extent = self._extent()
        stacked = console_of(self).size.width < WIDE
        middle = any(slot in slots for slot in MIDDLE)
        right = [slot for slot in RIGHT if slot in slots]
        boxes = self._boxes
        boxes[Slot.TOP].styles.height = extent.top if len(slots) > 1 else "1fr"
        boxes[Slot.BOTTOM].styles.height = extent.bottom if middle else "1fr"
        self.query_one("#middle").styles.height = "1fr"
        boxes[Slot.LEFT].styles.width = extent.left if right and not stacked else "1fr"
        boxes[Slot.UPPER].styles.height = extent.upper if len(right) > 1 else "1fr"

    def on_resize(self, event: events.Resize) -> None:
        """Choose the panes for the new size."""
        if self.panes[self.recent[0]].is_attached:
            self.arrange_panes()

    @on(events.DescendantFocus)
    def _focused(self) -> None:
        name = self.pane_name
        if name is not None and self.recent[0] != name:
            self.layout_model.use(name)
            self.arrange_panes()
            self.refresh_bindings()

    async def action_show_pane(self, name: str) -> None:
        """Go to a pane, making it visible first."""
        wanted = PaneName(name)
        self.layout_model.use(wanted)
        await self._mount_panes()
        self.arrange_panes()
        self.panes[wanted].focus_body()
        self.refresh_bindings()

    async def action_next_pane(self, step: int) -> None:
        """Go round the panes, hidden ones included."""
        names = list(self.panes)
        at = names.index(self.pane_name or self.recent[0])
        await self.action_show_pane(names[(at + step) % len(names)])

    def action_maximise(self) -> None:
        """Give the focused pane the whole screen, or give it back."""
        self.layout_model.maximised = not self.maximised
        self.arrange_panes()

    async def action_hide_pane(self) -> None:
        """Put the focused pane's slot away; going to one of its panes brings it back."""
        name = self.pane_name or self.recent[0]
        self.layout_model.maximised = False
        if not self.layout_model.hide(name):
            self.notify("This is the last pane in sight.", severity="warning", markup=False)
            return
        await self.action_show_pane(self.recent[0])

    def action_resize_pane(self, direction: str, steps: int) -> None:
        """Make the focused pane larger or smaller."""
        layout, sizes, before = self.layout_model, dict(self.layout_model.sizes), self._extent()
        if not layout.resize(self.pane_name or self.recent[0], direction, steps):
            self.notify("This pane has the whole width.", severity="warning", markup=False, timeout=2)
        elif self._extent() == before:
            # Else the other key would seem to do nothing until it has undone what was in vain.
            layout.sizes = sizes
            self.notify("There is no more room to take or to give.", markup=False, timeout=2)
        else:
            self.arrange_panes()

    async def action_reset_layout(self) -> None:
        """Put all panes back to their places and sizes."""
        await self.set_layout(Layout())

    async def set_layout(self, layout: Layout) -> None:
        """Take on a layout."""
        self.layout_model = layout
        await self.action_show_pane(self.recent[0])

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
        if self.pane is not None:
            self.pane.sort()

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
        lines = text.count("\n") + 1
        console_of(self).copy(text, "Copied the row." if lines == 1 else f"Copied {lines} lines.")

    def action_export(self) -> None:
        """Write the rows of the focused pane to a file."""
        if self.pane is not None:
            console_of(self).out.export(self.pane)

    def action_help(self) -> None:
        """Show the keys of the focused pane."""
        from scriptconsole.screens.help import HelpScreen

        console_of(self).push_screen(HelpScreen(self.panes[self.pane_name or self.recent[0]]))

    @on(LineView.Activated)
    def action_details(self) -> None:
        """Show all of the selected row, unless enter means something else there."""
        if self.pane is None or not self.pane.open_row():
            self.show_details()

    def show_details(self) -> None:
        """Show all of the selected row."""
        from scriptconsole.screens.details import DetailsScreen

        if self.pane is not None and self.pane.open_details():
            return
        details = None if self.pane is None else self.pane.details()
        if details is not None:
            app = console_of(self)
            # Of the row as it is now: the cursor of a log that is followed goes on meanwhile.
            place = self.place()
            app.push_screen(DetailsScreen(details, edit=None if place is None else partial(app.edit, place)))

    def action_command_line(self) -> None:
        """Type a command."""
        from scriptconsole.screens.commandline import CommandLine

        console_of(self).push_screen(CommandLine())

    def action_menu(self) -> None:
        """List what can be done with the selected row."""
        pane = self.pane
        if pane is not None:
            row = pane.cursor_line
            self._open_menu(pane, pane.body.region.offset + Offset(4, 1 if row is None else row + 1))

    def _open_menu(self, pane: Pane, at: Offset) -> None:
        from scriptconsole.screens.menu import Menu

        registry = console_of(self).registry
        own = [registry.by_id[action.id] for action in pane.ACTIONS]
        common = [action for action in registry.in_pane(pane.NAME) if action.row]
        console_of(self).push_screen(Menu([*own, *common], at))

    @on(LineView.Asked)
    def _right_clicked(self, message: LineView.Asked) -> None:
        if self.pane is not None:
            self._open_menu(self.pane, message.at)

    def action_jump(self) -> None:
        """Show a letter over every pane and tab, and go to the one that is pressed."""
        from scriptconsole.screens.jump import JumpScreen

        places: dict[PaneName, Offset] = {}
        for pane in self.panes_in_sight():
            places[pane.NAME] = pane.region.offset + Offset(1, 0)
            for name, _, _ in pane.neighbours:
                places[name] = pane.region.offset + Offset(pane.tab_start(name) - 2, 0)

        async def go(name: PaneName | None) -> None:
            if name is not None:
                await self.action_show_pane(name)

        console_of(self).push_screen(JumpScreen(places), go)

    async def action_pane(self, name: str) -> None:
        """Do what only the focused pane can."""
        if self.pane is not None:
            await self.pane.run_action(name)

    # -- selection -------------------------------------------------------------------------------------

    def script(self) -> str | None:
        """Return the script an action is meant for: that of the selected row, else of the scripts pane."""
        chosen = None if self.pane is None else self.pane.script()
        return chosen if chosen is not None else self.panes[PaneName.SCRIPTS].script()

    def place(self) -> Place | None:
        """Return the line that the selected row is about, else the file of its script."""
        place = None if self.pane is None else self.pane.place()
        alias = self.script() if place is None else None
        row = None if alias is None else self.view(alias)
        return place if row is None else Place(row.path, 0)

    @on(StatusLine.Chosen)
    async def _go_to_failed(self, message: StatusLine.Chosen) -> None:
        await self.select(PaneName.SCRIPTS, message.alias)

    async def select(self, name: PaneName, key: object) -> bool:
        """Go to a row of a table.

        Args:
            name: Of the pane.
            key: Of the row, as the pane's `key` makes it.

        Returns:
            Whether the row is there.
        """
        await self.action_show_pane(name)
        return self.panes[name].select(key)

    async def on_click(self, event: events.Click) -> None:
        """Focus the pane whose frame was clicked, or the one its title names there."""
        widget: Widget | None = event.widget
        if isinstance(widget, Pane):
            tab = widget.tab_at(event.x) if event.y == 0 else None
            await self.action_show_pane(tab or widget.NAME)
