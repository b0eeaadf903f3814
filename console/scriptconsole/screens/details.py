"""All of one row: a script with functions and last error, a value, a timer, a connection, a log record."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, ClassVar, cast

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static

from scriptconsole.jobs import Outcome, explain, run_job
from scriptconsole.panes.ring import CONSOLE, LogLine
from scriptconsole.panes.scripts import SYMBOLS
from scriptconsole.screens.dialog import Dialog
from scriptconsole.screens.host import console_of
from scriptconsole.text import clean, clean_lines, interval, plural, size
from scriptengines.view import (
    ConnectionView,
    ErrorView,
    FunctionInfo,
    LogRecord,
    ScriptView,
    TimerView,
    VariableView,
)

if TYPE_CHECKING:
    from scriptconsole.panes.pane import Pane

LIMIT = 200_000
"""Characters of a value or text that are shown; laying out more would stall the screen."""

Facts = list[tuple[str, str]]


class DetailsScreen(Dialog):
    """Facts as a list of names and values, then long texts."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q,enter", "close", "Close", show=False, id="details.close", tooltip="Go back"),
        Binding("y", "copy", "Copy", id="details.copy", tooltip="Copy everything shown here"),
        Binding("e", "edit", "Edit", id="details.edit", tooltip="Open the file in $VISUAL or $EDITOR"),
    ]

    def __init__(
        self,
        title: str,
        facts: Facts,
        texts: Iterable[tuple[str, str, str]] = (),
        *,
        functions_of: str | None = None,
        edit: Callable[[], None] | None = None,
    ) -> None:
        """Make the screen.

        Args:
            title: What the row is.
            facts: Names and values.
            texts: Heading, text and style class of each long text.
            functions_of: Alias of the script whose functions are listed.
            edit: Opens the editor for the row.
        """
        super().__init__()
        self._title = title
        self._facts = facts
        self._texts = list(texts)
        self._functions_of = functions_of
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
        self.query_one("#scroll").focus()
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
        console_of(self).copy_to_clipboard("\n".join(parts))
        self.notify(
            f"Copied {plural(len(parts), 'entry').replace('entrys', 'entries')}.", markup=False, timeout=2
        )

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


def open_details(screen: Screen[None], pane: Pane) -> None:
    """Show all of a pane's selected row, if it has one.

    Args:
        screen: The screen to go back to.
        pane: The pane.
    """
    app = console_of(screen)
    row = pane.body.selected
    match row:
        case ScriptView():
            details = _script(row, app.action_edit)
        case VariableView():
            details = _variable(row, app.action_edit)
        case TimerView():
            details = _timer(row, app.action_edit)
        case ConnectionView():
            details = _connection(row, app.action_edit)
        case LogLine():
            details = _record(row.record, app.action_edit)
        case _:
            return
    app.push_screen(details)


def _moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def _error_text(error: ErrorView) -> str:
    place = f"{error.file}:{error.line}\n" if error.file and error.line else ""
    return f"{place}{error.detail or error.message}"


def _script(row: ScriptView, edit: Callable[[], None]) -> DetailsScreen:
    facts = [
        ("state", f"{SYMBOLS[row.state][0]} {row.state}"),
        ("file", row.path),
        ("engine", f"{row.engine}, {row.isolation}"),
        ("generation", str(row.generation)),
        ("calls", f"{row.calls:,}"),
        ("errors", f"{row.errors:,}"),
    ]
    texts: list[tuple[str, str, str]] = []
    if row.last_error is not None:
        texts.append(
            (f"Last error, {_moment(row.last_error.time)}", _error_text(row.last_error), "error-text")
        )
    return DetailsScreen(f"Script {row.alias}", facts, texts, functions_of=row.alias, edit=edit)


def _variable(row: VariableView, edit: Callable[[], None]) -> DetailsScreen:
    facts = [("script", row.script), ("type", row.type)]
    if row.size is not None:
        facts.append(("size", f"{row.size:,}"))
    facts.append(("changed", _moment(row.changed_at) if row.changed_at else "never"))
    return DetailsScreen(f"Variable {row.name}", facts, [("Value", row.value, "value-text")], edit=edit)


def _timer(row: TimerView, edit: Callable[[], None]) -> DetailsScreen:
    facts = [
        ("script", row.script),
        ("callback", row.callback),
        ("kind", row.kind),
        ("every", interval(row.interval)),
        ("due", _moment(row.due)),
        ("fired", f"{row.count:,}"),
        ("set at", row.source or "unknown"),
        ("number", str(row.id)),
    ]
    return DetailsScreen("Timer", facts, edit=edit)


def _connection(row: ConnectionView, edit: Callable[[], None]) -> DetailsScreen:
    facts = [
        ("script", row.script),
        ("socket", f"{row.protocol} {row.role}, {row.state}"),
        ("local", row.local),
        ("peer", row.peer or "none"),
        ("received", f"{size(row.received)} ({row.received:,} bytes)"),
        ("sent", f"{size(row.sent)} ({row.sent:,} bytes)"),
        ("opened", _moment(row.opened)),
        ("number", str(row.id)),
    ]
    return DetailsScreen("Connection", facts, edit=edit)


def _record(record: LogRecord, edit: Callable[[], None]) -> DetailsScreen:
    facts = [
        ("time", f"{_moment(record.time)}.{int(record.time % 1 * 1000):03d}"),
        ("script", record.script or CONSOLE),
        ("level", str(record.level)),
    ]
    classes = "error-text" if record.level == "error" else "value-text"
    return DetailsScreen("Log record", facts, [("Text", record.text, classes)], edit=edit)
