"""Jump mode: a letter over every place that can be gone to; pressing it goes there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.geometry import Offset
from textual.widgets import Static

from scriptconsole.actions import PaneName
from scriptconsole.screens.overlay import Overlay

LETTERS = "asdfghjklqwertyuiopzxcvbnm"
"""Keys of the home row first."""


class JumpScreen(Overlay[PaneName | None]):
    """Letters over the panes and their tabs."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,ctrl+o", "close", "Close", id="jump.close", tooltip="Stay here"),
    ]

    def __init__(self, places: Mapping[PaneName, Offset]) -> None:
        """Make the overlay.

        Args:
            places: Where the title of each pane stands on the screen.
        """
        super().__init__()
        self.places = dict(zip(LETTERS, places.items(), strict=False))

    def compose(self) -> ComposeResult:
        """Put each letter over its place."""
        for letter, (_, offset) in self.places.items():
            label = Static(f" {letter} ", classes="jump", markup=False)
            label.styles.offset = offset
            yield label

    def on_key(self, event: events.Key) -> None:
        """Go where the letter says; any other key stays."""
        if event.key in ("escape", "ctrl+o"):
            return
        event.stop()
        place = self.places.get(event.key)
        self.dismiss(None if place is None else place[0])

    def action_close(self) -> None:
        """Stay."""
        self.dismiss(None)
