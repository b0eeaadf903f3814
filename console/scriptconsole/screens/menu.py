"""The context menu: what can be done with the selected row, opened by a key or the right mouse button."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.geometry import Offset
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from scriptconsole.actions import Action, key_name
from scriptconsole.screens.host import console_of
from scriptconsole.screens.overlay import Overlay

_OWN = frozenset({"enter", "escape", "up", "down", "left", "j", "k", "q", "full_stop"})
"""Keys of the menu itself."""


class Menu(Overlay[None]):
    """A list of actions beside the row they are about."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,full_stop,q,left", "close", "Close", id="menu.close", tooltip="Go back"),
        Binding("j", "move(1)", "Down", show=False, id="menu.down", tooltip="Next entry"),
        Binding("k", "move(-1)", "Up", show=False, id="menu.up", tooltip="Entry before"),
    ]

    def __init__(self, actions: Sequence[Action], at: Offset) -> None:
        """Make the menu.

        Args:
            actions: Its entries.
            at: Cell of the screen beside which it opens.
        """
        super().__init__()
        self._actions = actions
        self._at = at

    def compose(self) -> ComposeResult:
        """List the actions, each with its key, which works here too."""
        wide = max(len(action.label) for action in self._actions)
        yield OptionList(
            *(
                Option(
                    Content.assemble(
                        f"{action.label:<{wide}}  ",
                        (key_name(action.keys[0]) if action.keys else "", "$accent"),
                    ),
                    id=action.id,
                )
                for action in self._actions
            ),
            id="menu",
            compact=True,
        )

    def on_mount(self) -> None:
        """Open beside the row, inside the screen."""
        listed = self.query_one(OptionList)
        width, height = console_of(self).size
        listed.styles.offset = (
            max(min(self._at.x, width - 30), 0),
            max(min(self._at.y, height - len(self._actions) - 3), 0),
        )
        listed.highlighted = 0
        self.set_focus(listed)

    def action_move(self, step: int) -> None:
        """Go to another entry."""
        listed = self.query_one(OptionList)
        listed.highlighted = ((listed.highlighted or 0) + step) % listed.option_count

    def on_key(self, event: events.Key) -> None:
        """Take the key of an entry as its choice."""
        if event.key in _OWN:
            return
        chosen = next((action for action in self._actions if event.key in action.keys), None)
        if chosen is not None:
            event.stop()
            self._run(chosen)

    @on(OptionList.OptionSelected)
    def _selected(self, event: OptionList.OptionSelected) -> None:
        self._run(self._actions[event.option_index])

    def _run(self, action: Action) -> None:
        app = console_of(self)
        self.dismiss(None)
        app.call_later(app.main.run_action, action.command)

    def on_click(self, event: events.Click) -> None:
        """Close when the user clicks beside the menu."""
        if event.widget is self:
            self.dismiss(None)

    def action_close(self) -> None:
        """Go back."""
        self.dismiss(None)
