"""Evaluate an expression inside a script, in its own language."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.suggester import Suggester
from textual.widgets import Input, Static

from scriptconsole.jobs import Outcome, explain, run_job
from scriptconsole.port import SessionPort
from scriptconsole.screens.call import RESULT_LIMIT, shown_result
from scriptconsole.screens.dialog import Dialog
from scriptconsole.screens.host import console_of
from scriptconsole.text import clean_lines


class NameSuggester(Suggester):
    """Completes the last name of an expression by asking the script."""

    def __init__(self, session: SessionPort, alias: str) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._session = session
        self._alias = alias

    async def get_suggestion(self, value: str) -> str | None:
        """Return the text with its last name completed, or None."""
        try:
            found = await asyncio.to_thread(self._session.completions, self._alias, value, len(value))
        except Exception:  # noqa: BLE001 - a script may be at its end; a guess is not worth a word
            return None
        return value[: found[0].start] + found[0].text if found and found[0].start < len(value) else None


class EvaluateScreen(Dialog):
    """An expression and its value."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f4", "interrupt", "Interrupt", id="evaluate.interrupt", tooltip="Break into the evaluation"),
    ]

    def __init__(self, session: SessionPort, alias: str, report: Callable[[str, Outcome], None]) -> None:
        """Make the prompt.

        Args:
            session: Whose script evaluates.
            alias: The script.
            report: Told what was evaluated and what came of it.
        """
        super().__init__()
        self._session = session
        self._alias = alias
        self._report = report

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
            with VerticalScroll(id="result-scroll", can_focus=False):
                yield Static(Content("The value appears here."), id="result", classes="quiet")

    @on(Input.Submitted)
    def _evaluate(self, event: Input.Submitted) -> None:
        expression = event.value.strip()
        if not expression:
            return
        self._show("evaluating …", "quiet")
        alias, session = self._alias, self._session

        def done(outcome: Outcome) -> None:
            self._report(f"{alias}: {expression}", outcome)
            if self.is_attached:
                failed = outcome.error is not None
                text = explain(outcome.error) if outcome.error is not None else shown_result(outcome.value)
                self._show(text, "error-text" if failed else "value-text")

        run_job(console_of(self), "evaluate", lambda: session.evaluate(alias, expression), done)

    def action_interrupt(self) -> None:
        """Break into what the script runs."""
        alias, session = self._alias, self._session
        run_job(self, "interrupt", lambda: session.interrupt(alias), lambda _: None)

    def _show(self, text: str, classes: str) -> None:
        result = self.query_one("#result", Static)
        result.set_classes(classes)
        result.update(Content("\n".join(clean_lines(text[:RESULT_LIMIT]))))
