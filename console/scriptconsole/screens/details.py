"""All of one row: a script with functions and last error, a value, a timer, a connection, a log record."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, cast

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from scriptconsole.jobs import Outcome, explain, run_job
from scriptconsole.panes.pane import Details
from scriptconsole.screens.dialog import Dialog
from scriptconsole.screens.host import console_of
from scriptconsole.text import clean, clean_lines, plural
from scriptengines.view import FunctionInfo

LIMIT = 200_000
"""Characters of a value or text that are shown; laying out more would stall the screen."""


class DetailsScreen(Dialog):
    """Facts as a list of names and values, then long texts."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q,enter", "close", "Close", show=False, id="details.close", tooltip="Go back"),
        Binding("y", "copy", "Copy", id="details.copy", tooltip="Copy everything shown here"),
        Binding("e", "edit", "Edit", id="details.edit", tooltip="Open the file in $VISUAL or $EDITOR"),
    ]

    def __init__(
        self,
        details: Details,
        *,
        edit: Callable[[], None] | None = None,
    ) -> None:
        """Make the screen.

        Args:
            details: Of the row.
            edit: Opens the editor for the row.
        """
        super().__init__()
        self._title, self._facts, self._texts, self._functions_of = details
        self._edit = edit

    def compose(self) -> ComposeResult:
        """Show facts over texts over functions."""
        with self.box(self._title, "y copies   e edits   esc closes"), VerticalScroll(id="scroll"):
            wide = max((len(name) for name, _ in self._facts), default=0)
            lines = [
                Content.assemble((f"{name:<{wide}}  ", "$foreground-muted"), clean(value[:LIMIT]))
                for name, value in self._facts
            ]
            yield Static(Content("\n").join(lines), id="facts")
            for heading, text, classes in self._texts:
                yield Static(Content(heading), classes="heading")
                yield Static(Content("\n".join(clean_lines(text[:LIMIT]))), classes=classes)
            if self._functions_of is not None:
                yield Static(Content("Functions"), classes="heading")
                yield Static(Content("…"), id="functions")

    def on_mount(self) -> None:
        """Ask the script for its functions."""
        self.set_focus(self.query_one("#scroll"))
        alias = self._functions_of
        if alias is not None:
            session = console_of(self).session
            run_job(self, "functions", lambda: session.functions(alias), self._list_functions)

    def _list_functions(self, outcome: Outcome) -> None:
        widget = self.query_one("#functions", Static)
        if outcome.error is not None:
            widget.update(Content(clean(explain(outcome.error))))
            return
        functions = cast("list[FunctionInfo]", outcome.value)
        lines = [describe_function(function) for function in functions]
        widget.update(Content("\n").join(lines) if lines else Content("none"))

    def action_copy(self) -> None:
        """Copy everything shown here."""
        parts = [f"{name}: {value}" for name, value in self._facts]
        parts += [f"\n{heading}\n{text}" for heading, text, _ in self._texts]
        said = f"Copied {plural(len(parts), 'entry').replace('entrys', 'entries')}."
        console_of(self).out.copy("\n".join(parts), said)

    def action_edit(self) -> None:
        """Open the file in the user's editor."""
        if self._edit is not None:
            self._edit()


def describe_function(function: FunctionInfo) -> Content:
    """Write a function on one line: name, signature, first line of its documentation."""
    doc = clean(function.doc.partition("\n")[0][:200])
    return Content.assemble(
        (clean(function.name), "bold"),
        (clean(function.signature), "$accent"),
        (f"  {doc}" if doc else "", "$foreground-muted"),
    )
