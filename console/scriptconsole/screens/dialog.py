"""The frame all modal screens share: a titled box that escape closes."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content

from scriptconsole.jobs import JobDone
from scriptconsole.screens.overlay import Overlay
from scriptconsole.text import clean


class Box(Vertical):
    """The visible frame of a dialog."""

    ALLOW_MAXIMIZE = False


class Dialog(Overlay[None]):
    """A modal screen with one titled box."""

    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide")]  # noqa: RUF012 - as Textual declares it
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "close", "Close", id="dialog.close", tooltip="Go back"),
    ]

    def box(self, title: str, subtitle: str = "") -> Box:
        """Make the box.

        Args:
            title: Shown in the upper border.
            subtitle: Shown in the lower border: what the keys do.
        """
        box = Box(id="box")
        box.border_title = Content.styled(clean(title), "bold")
        box.border_subtitle = Content(clean(subtitle)) if subtitle else None
        return box

    def action_close(self) -> None:
        """Go back to where the user came from."""
        self.dismiss(None)

    def on_click(self, event: events.Click) -> None:
        """Close when the user clicks beside the box."""
        if event.widget is self:
            self.action_close()

    def on_job_done(self, message: JobDone) -> None:
        """Hand the outcome of a job of this dialog on, unless it was closed meanwhile."""
        if self.is_attached:
            message.then(message.outcome)
