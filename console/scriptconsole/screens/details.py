"""All of one row: a value, a timer, a task, a log record. Scripts and connections have their own screens."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import ClassVar, cast

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from scriptconsole.jobs import Outcome, run_job
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
            edit: Opens the editor for the row; None when no file is known.
        """
        super().__init__()
        self._title, self._facts, texts, self._more = details
        self._texts = list(texts)
        self._edit = edit

    def compose(self) -> ComposeResult:
        """Show facts over texts."""
        with self.box(self._title, "y copies   e edits   esc closes"), VerticalScroll(id="scroll"):
            wide = max((len(name) for name, _ in self._facts), default=0)
            lines = [
                Content.assemble((f"{name:<{wide}}  ", "$foreground-muted"), clean(value[:LIMIT]))
                for name, value in self._facts
            ]
            yield Static(Content("\n").join(lines), id="facts")
            yield from _shown(self._texts)

    def on_mount(self) -> None:
        """Let the keys scroll, and wait for what comes later."""
        self.set_focus(self.query_one("#scroll"))
        if self._more is not None:
            run_job(self, "details", self._more, self._came)

    def _came(self, outcome: Outcome) -> None:
        texts = cast("Sequence[tuple[str, str, str]]", outcome.value or ())
        self._texts += texts
        self.query_one("#scroll").mount(*_shown(texts))

    def action_copy(self) -> None:
        """Copy everything shown here."""
        parts = [f"{name}: {value}" for name, value in self._facts]
        parts += [f"\n{heading}\n{text}" for heading, text, _ in self._texts]
        said = f"Copied {plural(len(parts), 'entry').replace('entrys', 'entries')}."
        console_of(self).copy("\n".join(parts), said)

    def action_edit(self) -> None:
        """Open the file in the user's editor."""
        if self._edit is not None:
            self._edit()
        else:
            self.notify("No file is known for this row.", severity="warning", markup=False)


def _shown(texts: Iterable[tuple[str, str, str]]) -> Iterator[Static]:
    for heading, text, classes in texts:
        yield Static(Content(heading), classes="heading")
        yield Static(Content("\n".join(clean_lines(text[:LIMIT]))), classes=classes)


def describe_function(function: FunctionInfo) -> Content:
    """Write a function on one line: name, signature, first line of its documentation."""
    doc = clean(function.doc.partition("\n")[0][:200])
    return Content.assemble(
        (clean(function.name), "bold"),
        (clean(function.signature), "$accent"),
        (f"  {doc}" if doc else "", "$foreground-muted"),
    )
