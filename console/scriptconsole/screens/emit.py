"""Emit a hook by hand: its name, arguments, and what the subscribers made of it."""

from __future__ import annotations

from collections.abc import Sequence

from textual import on
from textual.app import ComposeResult
from textual.suggester import SuggestFromList
from textual.widgets import Input, Label

from scriptconsole.port import SessionPort
from scriptconsole.screens.asking import Asking, Report, shown_result
from scriptconsole.text import plural


class EmitScreen(Asking):
    """A hook's name, arguments and what came of it."""

    def __init__(self, session: SessionPort, hook: str, known: Sequence[str], report: Report) -> None:
        """Make the prompt.

        Args:
            session: Whose hook is emitted.
            hook: Its name, to begin with.
            known: Names to suggest.
            report: See `Report`.
        """
        super().__init__(session, report)
        # What cannot be printed cannot be shown in an input either.
        self._hook = hook if hook.isprintable() else ""
        self._known = [name for name in known if name.isprintable()]

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
            yield from self.result("What became of it appears here.")

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
        arguments = self.arguments(typed)
        if arguments is None:
            return
        positional, named = arguments
        if named:
            self.show("A hook takes no arguments by keyword.", "error-text")
            return
        session = self._session
        label = f'hook "{hook}"({typed.strip()})'
        self.ask(f"emitting {label}", label, lambda: describe_outcome(session.consult(hook, *positional)))


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
