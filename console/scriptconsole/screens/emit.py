"""Emit a hook by hand: its name, arguments, and what the subscribers made of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.suggester import SuggestFromList
from textual.widgets import Input, Label, Static

from scriptconsole.arguments import ArgumentError, parse_arguments
from scriptconsole.jobs import Outcome, explain, run_job
from scriptconsole.port import SessionPort
from scriptconsole.screens.call import RESULT_LIMIT, shown_result
from scriptconsole.screens.dialog import Dialog
from scriptconsole.screens.host import console_of
from scriptconsole.text import clean_lines, plural


class EmitScreen(Dialog):
    """A hook's name, arguments and what came of it."""

    BINDINGS: ClassVar[list[BindingType]] = []

    def __init__(
        self, session: SessionPort, hook: str, known: Sequence[str], report: Callable[[str, Outcome], None]
    ) -> None:
        """Make the prompt.

        Args:
            session: Whose hook is emitted.
            hook: Its name, to begin with.
            known: Names to suggest.
            report: Told what was emitted and what came of it, also when the prompt was closed meanwhile.
        """
        super().__init__()
        self._session = session
        self._hook = hook
        self._known = known
        self._report = report
        self._pending = 0

    def compose(self) -> ComposeResult:
        """Show the two inputs over the result."""
        with self.box("Emit a hook", "enter emits   esc closes"):
            yield Label("Hook")
            yield Input(
                self._hook,
                id="hook",
                compact=True,
                placeholder="name",
                suggester=SuggestFromList(self._known),
            )
            yield Label("Arguments")
            yield Input(id="arguments", compact=True, placeholder='1, "text"')
            with VerticalScroll(id="result-scroll", can_focus=False):
                yield Static(Content("What became of it appears here."), id="result", classes="quiet")

    def on_mount(self) -> None:
        """Begin with what is missing."""
        self.set_focus(self.query_one("#arguments" if self._hook else "#hook"))

    @on(Input.Submitted, "#hook")
    def _named(self) -> None:
        self.set_focus(self.query_one("#arguments"))

    @on(Input.Submitted, "#arguments")
    def _emit(self) -> None:
        hook = self.query_one("#hook", Input).value.strip()
        typed = self.query_one("#arguments", Input).value
        if not hook:
            self.set_focus(self.query_one("#hook"))
            return
        try:
            positional, named = parse_arguments(typed)
            if named:
                raise ArgumentError("A hook takes no arguments by keyword.")
        except ArgumentError as error:
            self._show(str(error), "error-text")
            return
        self._pending += 1
        turn, session = self._pending, self._session
        label = f'hook "{hook}"({typed.strip()})'
        self._show(f"emitting {label} …", "quiet")

        def done(outcome: Outcome) -> None:
            self._report(label, outcome)
            if turn == self._pending and self.is_attached:
                if outcome.error is not None:
                    self._show(explain(outcome.error), "error-text")
                else:
                    self._show(describe_outcome(outcome.value), "value-text")

        run_job(console_of(self), "emit", lambda: session.consult(hook, *positional), done)

    def _show(self, text: str, classes: str) -> None:
        result = self.query_one("#result", Static)
        result.set_classes(classes)
        result.update(Content("\n".join(clean_lines(text[:RESULT_LIMIT]))))


def describe_outcome(outcome: object) -> str:
    """Write what `Session.consult` gave in sentences.

    Args:
        outcome: See scriptengines.hooks.Outcome.
    """
    taken, args, vetoed_by, reason = (
        getattr(outcome, n, "") for n in ("taken", "args", "vetoed_by", "reason")
    )
    lines = [f"{plural(int(taken or 0), 'subscriber')} took it."]
    if vetoed_by:
        lines.append(f"Vetoed by {vetoed_by}{f': {reason}' if reason else ''}; nobody after it was called.")
    lines.append(f"Arguments in the end: {shown_result(args)}")
    return "\n".join(lines)
