"""The line that `:` opens at the foot of the screen, with suggestions over it."""

from __future__ import annotations

from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from scriptconsole.commands import CommandError, resolve, suggest
from scriptconsole.screens.host import console_of
from scriptconsole.screens.overlay import Overlay
from scriptconsole.text import clean

SHOWN = 200
"""Suggestions that are listed; the list shows a few and scrolls."""


class CommandLine(Overlay[None]):
    """A line, what may be meant by it, and what is wrong with it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "close", "Close", id="command.close", tooltip="Go back"),
        Binding(
            "tab", "complete", "Complete", id="command.complete", tooltip="Take the suggestion", priority=True
        ),
        Binding("down", "choose(1)", "Next", id="command.next", tooltip="Next suggestion"),
        Binding("up", "choose(-1)", "Before", id="command.previous", tooltip="Suggestion or line before"),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._lines: list[str] = []
        self._recalled = 0
        """How many lines back the one is that stands in the entry, 0 when it was typed."""

    def compose(self) -> ComposeResult:
        """Put the suggestions over the line."""
        with Vertical(id="command"):
            yield OptionList(id="suggestions", compact=True, markup=False)
            yield Static(id="problem", classes="error-text", markup=False)
            with Horizontal():
                yield Static(":", id="prompt", markup=False)
                yield Input(id="line", compact=True, select_on_focus=False)

    def on_mount(self) -> None:
        """Show all commands."""
        self.query_one("#suggestions").can_focus = False
        self.set_focus(self.query_one("#line"))
        self._complain("")
        self._suggest("")

    def _complain(self, problem: str) -> None:
        widget = self.query_one("#problem", Static)
        widget.update(Content(clean(problem)))
        widget.display = bool(problem)

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        history = console_of(self).command_history
        if self._recalled and event.value != history[-self._recalled]:
            self._recalled = 0
        self._complain("")
        self._suggest(event.value)

    @work(exclusive=True)
    async def _suggest(self, line: str) -> None:
        found = await suggest(console_of(self), line)
        width = max((len(text) for text, _ in found), default=0)
        options = [
            Option(Content.assemble(f"{clean(text):<{width}}  ", (clean(doc), "$foreground-muted")))
            for text, doc in found[:SHOWN]
        ]
        self._lines = [text for text, _ in found[:SHOWN]]
        listed = self.query_one(OptionList)
        listed.clear_options()
        listed.add_options(options)
        listed.display = bool(options)
        listed.highlighted = None

    def action_choose(self, step: int) -> None:
        """Go through the suggestions; on an empty line, up brings back the lines typed before."""
        entry, listed = self.query_one("#line", Input), self.query_one(OptionList)
        history = console_of(self).command_history
        recalling = step < 0 and listed.highlighted is None and (not entry.value or self._recalled)
        if recalling and history:
            self._recalled = min(self._recalled + 1, len(history))
            entry.value = history[-self._recalled]
            entry.cursor_position = len(entry.value)
        elif listed.option_count:
            at = -1 if listed.highlighted is None and step > 0 else listed.highlighted or 0
            listed.highlighted = (at + step) % listed.option_count

    def action_complete(self) -> None:
        """Take the marked suggestion, else the first."""
        if self._lines:
            entry, listed = self.query_one("#line", Input), self.query_one(OptionList)
            entry.value = self._lines[listed.highlighted or 0]
            entry.cursor_position = len(entry.value)

    @on(OptionList.OptionSelected)
    def _clicked(self, event: OptionList.OptionSelected) -> None:
        self.query_one(OptionList).highlighted = event.option_index
        self.action_complete()

    @on(Input.Submitted)
    def _entered(self, event: Input.Submitted) -> None:
        event.stop()
        listed = self.query_one(OptionList)
        line = event.value if listed.highlighted is None else self._lines[listed.highlighted]
        if not line.strip():
            self.dismiss(None)
            return
        app = console_of(self)
        try:
            step = resolve(app, line)
        except CommandError as error:
            self._complain(str(error))
            return
        app.remember_command(line)
        self.dismiss(None)
        # After the main screen has the focus again, which actions ask for.
        app.call_later(step)

    def action_close(self) -> None:
        """Go back."""
        self.dismiss(None)
