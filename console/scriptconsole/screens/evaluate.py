"""Evaluate an expression inside a script, in its own language."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.suggester import Suggester
from textual.widgets import Input

from scriptconsole.jobs import in_thread
from scriptconsole.port import SessionPort
from scriptconsole.screens.asking import Asking, Report, shown_result


class NameSuggester(Suggester):
    """Completes the last name of an expression by asking the script."""

    def __init__(self, session: SessionPort, alias: str) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._session = session
        self._alias = alias

    async def get_suggestion(self, value: str) -> str | None:
        """Return the text with its last name completed, or None."""
        try:
            found = await in_thread(partial(self._session.completions, self._alias, value, len(value)))
        except Exception:  # noqa: BLE001 - a script may be at its end; a guess is not worth a word
            return None
        if not found or found[0].start >= len(value):
            return None
        completed = value[: found[0].start] + found[0].text
        # What cannot be printed cannot be shown in an input either.
        return completed if completed.isprintable() else None


class EvaluateScreen(Asking):
    """An expression and its value."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f4", "interrupt", "Interrupt", id="evaluate.interrupt", tooltip="Break into the evaluation"),
    ]

    def __init__(self, session: SessionPort, alias: str, report: Report) -> None:
        """Make the prompt.

        Args:
            session: Whose script evaluates.
            alias: The script.
            report: See `Report`.
        """
        super().__init__(session, report)
        self._alias = alias

    def compose(self) -> ComposeResult:
        """Show the input over the value."""
        with self.box(
            f"Evaluate inside {self._alias}", "enter evaluates   → completes   F4 interrupts   esc closes"
        ):
            yield Input(
                id="expression",
                compact=True,
                placeholder="expression",
                suggester=NameSuggester(self._session, self._alias),
            )
            yield from self.result("The value appears here.")

    @on(Input.Submitted)
    def _evaluate(self, event: Input.Submitted) -> None:
        expression = event.value.strip()
        if not expression:
            return
        alias, session = self._alias, self._session
        self.ask(
            "evaluating",
            f"{alias}: {expression}",
            lambda: shown_result(session.evaluate(alias, expression)),
        )

    def action_interrupt(self) -> None:
        """Break into what the script runs."""
        self.interrupt(self._alias)
