"""What the dialogs share that ask a session for something: they show what came of it under what was typed."""

from __future__ import annotations

from collections.abc import Callable

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from scriptconsole.arguments import ArgumentError, parse_arguments
from scriptconsole.jobs import Outcome, explain, run_job
from scriptconsole.port import SessionPort
from scriptconsole.screens.dialog import Dialog
from scriptconsole.screens.host import console_of
from scriptconsole.text import clean_lines

RESULT_LIMIT = 20_000
"""Characters of a result that are shown."""

type Report = Callable[[str, Outcome], None]
"""Told what was asked and what came of it, as text, also when the dialog was closed meanwhile."""


class Asking(Dialog):
    """A dialog with a result at its foot."""

    def __init__(self, session: SessionPort, report: Report) -> None:
        """Make the dialog.

        Args:
            session: Which is asked.
            report: See `Report`.
        """
        super().__init__()
        self._session = session
        self._report = report
        self._turn = 0

    def result(self, hint: str) -> ComposeResult:
        """Compose the place of the result, which says first what will appear there."""
        with VerticalScroll(id="result-scroll", can_focus=False):
            yield Static(Content(hint), id="result", classes="quiet")

    def show(self, text: str, classes: str) -> None:
        """Show a result, an error, or what is done now.

        Args:
            text: Of a script.
            classes: "value-text", "error-text" or "quiet".
        """
        result = self.query_one("#result", Static)
        result.set_classes(classes)
        result.update(Content("\n".join(clean_lines(text[:RESULT_LIMIT]))))

    def arguments(self, typed: str) -> tuple[list[object], dict[str, object]] | None:
        """Read arguments; None when they are none, which is shown then."""
        try:
            return parse_arguments(typed)
        except ArgumentError as error:
            self.show(str(error), "error-text")
            return None

    def ask(self, doing: str, label: str, work: Callable[[], str]) -> None:
        """Ask, and show what comes of it, unless something else was asked since.

        Args:
            doing: What is done now, for the user.
            label: What is asked, for the log.
            work: Asks, and writes the result as text; in a thread, since both may run code of scripts.
        """
        self._turn += 1
        turn = self._turn
        self.show(f"{doing} …", "quiet")

        def done(outcome: Outcome) -> None:
            self._report(label, outcome)
            if turn == self._turn and self.is_attached:
                if outcome.error is not None:
                    self.show(explain(outcome.error), "error-text")
                else:
                    self.show(str(outcome.value), "value-text")

        run_job(console_of(self), "ask", work, done)

    def interrupt(self, alias: str) -> None:
        """Break into what a script runs."""
        session = self._session
        run_job(self, "interrupt", lambda: session.interrupt(alias), lambda _: None)


def shown_result(value: object) -> str:
    """Write a result as Python would, whatever its repr does; in a thread, for that may take its time.

    Args:
        value: What a call returned; its repr may belong to a script and fail.
    """
    try:
        return repr(value)
    except Exception as error:  # noqa: BLE001 - a foreign __repr__ may raise anything
        return f"<{type(value).__name__}, whose repr failed: {explain(error)}>"
