"""A one-line editor over the place whose text it changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.geometry import Region
from textual.widgets import Input, Static

from scriptconsole.jobs import JobDone, Outcome, explain, run_job
from scriptconsole.screens.host import console_of
from scriptconsole.screens.overlay import Overlay
from scriptconsole.text import clean

LEAST_WIDTH = 30
ERROR_LIMIT = 500


class OneLine(Overlay[None]):
    """An entry that stays open until what was typed has been accepted."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "close", "Close", id="oneline.close", tooltip="Leave it as it is"),
    ]

    def __init__(self, at: Region, hint: str, text: str, work: Callable[[str], object]) -> None:
        """Make the entry.

        Args:
            at: Cells of the screen over which it opens; of these it takes the first line.
            hint: What is typed here, shown below.
            text: To begin with.
            work: Does what was typed; it runs in a thread and must not touch widgets. What it raises is shown
                and the entry stays open.
        """
        super().__init__()
        self._at = at
        self._hint = hint
        # What cannot be printed cannot be shown in an input either.
        self._text = text if text.isprintable() else ""
        self._work = work
        self._doing = False

    def compose(self) -> ComposeResult:
        """Put the entry over what is to be said of it."""
        with Vertical(id="oneline"):
            yield Input(self._text, id="entry", compact=True, select_on_focus=True)
            yield Static(Content(clean(self._hint)), id="said", classes="quiet")

    def on_mount(self) -> None:
        """Open over the place, inside the screen."""
        box = self.query_one("#oneline")
        width, height = console_of(self).size
        wide = min(max(self._at.width, LEAST_WIDTH), width)
        box.styles.width = wide
        box.styles.offset = max(min(self._at.x, width - wide), 0), max(min(self._at.y, height - 3), 0)
        self.set_focus(self.query_one(Input))

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        text = event.value.strip()
        if self._doing:
            return
        if not text:
            self._say("type an expression, or esc to leave it as it is", "error-text")
            return
        self._doing = True
        self._say("…", "quiet")
        run_job(self, "entry", lambda: self._work(text), self._done)

    def _done(self, outcome: Outcome) -> None:
        self._doing = False
        if outcome.error is None:
            self.dismiss(None)
        else:
            self._say(explain(outcome.error)[:ERROR_LIMIT], "error-text")

    def _say(self, text: str, classes: str) -> None:
        said = self.query_one("#said", Static)
        said.set_classes(classes)
        said.update(Content(clean(text)))

    def on_job_done(self, message: JobDone) -> None:
        """Hand the outcome on, unless the entry was closed meanwhile."""
        if self.is_attached:
            message.then(message.outcome)

    def on_click(self, event: events.Click) -> None:
        """Close when the user clicks beside it."""
        if event.widget is self:
            self.dismiss(None)

    def action_close(self) -> None:
        """Go back."""
        self.dismiss(None)
