"""The line at the bottom: keys that mean something here, and what they do; each can be clicked.

One widget rather than Textual's footer, which makes a widget for each key, all of them anew whenever another
pane has the focus.
"""

from __future__ import annotations

from typing import NamedTuple

from textual import events
from textual.content import Content
from textual.screen import Screen
from textual.widget import Widget

from scriptconsole.layout import WIDE
from scriptconsole.screens.host import console_of


class Shown(NamedTuple):
    """One key as it is shown.

    Attributes:
        key: Its name.
        display: What is shown for it.
        label: What it does, in a word or two.
        tooltip: The same in a sentence.
        enabled: Whether it can do so now.
    """

    key: str
    display: str
    label: str
    tooltip: str
    enabled: bool

    @property
    def width(self) -> int:
        """Cells it takes."""
        return len(self.display) + 1 + len(self.label)


class KeyLine(Widget):
    """Keys of the focused pane and of the screen."""

    ALLOW_SELECT = False

    def __init__(self) -> None:
        super().__init__(id="keys")
        self.keys: list[Shown] = []
        """In order; those at the end may not fit."""
        self._pointed: Shown | None = None

    def on_mount(self) -> None:
        """Show other keys when the bindings change."""
        main = console_of(self).main
        # Textual leaves open what its apps return, which strict typing cannot.
        main.bindings_updated_signal.subscribe(self, self._bindings_changed)  # pyright: ignore[reportUnknownMemberType]

    def _bindings_changed(self, screen: Screen[object]) -> None:
        keys: dict[str, Shown] = {}
        for _, binding, enabled, tooltip in screen.active_bindings.values():
            if binding.show and binding.action not in keys:
                display = console_of(self).get_key_display(binding)
                label = binding.description
                keys[binding.action] = Shown(binding.key, display, label, tooltip or label, enabled)
        shown = list(keys.values())
        if shown != self.keys:
            self.keys = shown
            self._point_at(None)
            self.refresh()

    @property
    def _gap(self) -> int:
        return 2 if self.size.width >= WIDE else 1

    def key_at(self, x: int) -> Shown | None:
        """Find the key shown at a cell."""
        start = 0
        for shown in self.keys:
            if start <= x < start + shown.width:
                return shown
            start += shown.width + self._gap
        return None

    def start_of(self, label: str) -> int:
        """Find the cell at which the key with a label is shown.

        Raises:
            ValueError: There is no such key.
        """
        place = [shown.label for shown in self.keys].index(label)
        return sum(shown.width + self._gap for shown in self.keys[:place])

    def render(self) -> Content:
        """Write as many as fit."""
        gap = " " * self._gap
        parts: list[Content | str] = []
        room = self.size.width
        for shown in self.keys:
            if shown.width > room:
                break
            pointed = " on $block-hover-background" if shown is self._pointed else ""
            dim = "" if shown.enabled else " dim"
            parts += [
                Content.styled(shown.display, f"bold $footer-key-foreground{pointed}{dim}"),
                Content.styled(f" {shown.label}", f"$footer-description-foreground{pointed}{dim}"),
                gap,
            ]
            room -= shown.width + len(gap)
        return Content.assemble(*parts[:-1])

    # -- mouse -----------------------------------------------------------------------------------------

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Light up the key under the mouse, and tell more of it."""
        self._point_at(self.key_at(event.x))

    def on_leave(self) -> None:
        """Light up none."""
        self._point_at(None)

    def _point_at(self, shown: Shown | None) -> None:
        if shown is not self._pointed:
            self._pointed = shown
            self.tooltip = None if shown is None else shown.tooltip
            self.refresh()

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Do what the key under the mouse does."""
        shown = self.key_at(event.x)
        if shown is None:
            return
        if shown.enabled:
            console_of(self).simulate_key(shown.key)
        else:
            console_of(self).bell()
