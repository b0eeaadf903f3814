"""All of one script: how it does, its last error, functions with their statistics, hooks and source."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import ClassVar, NamedTuple

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from scriptconsole.jobs import Outcome, explain, run_job
from scriptconsole.panes.pane import Place
from scriptconsole.port import SessionPort
from scriptconsole.screens.details import describe_function
from scriptconsole.screens.dialog import Dialog
from scriptconsole.screens.host import console_of
from scriptconsole.text import clean, clean_lines, count, duration, moment, plural, size
from scriptengines.health import FunctionStatistics
from scriptengines.view import FunctionInfo, ScriptView

PERIOD = 0.5
"""Seconds between two looks at the figures."""
EXCERPT = 4
"""Lines before and after that of the last error which are shown with it."""
SOURCE_LINES = 400
"""Lines of the source that are shown; laying out more would stall the screen."""
FUNCTIONS = 500
"""Functions that are shown."""
_MARK = "▶"


class Studied(NamedTuple):
    """What a script was asked for.

    Attributes:
        functions: What can be called.
        statistics: Of what was called.
        source: Lines of its file; empty when that is no text.
        problem: Why something of this is missing, or "".
    """

    functions: Sequence[FunctionInfo]
    statistics: Sequence[FunctionStatistics]
    source: Sequence[str]
    problem: str


class ScriptScreen(Dialog):
    """One script; figures and functions follow it while this is open."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q,enter", "close", "Close", show=False, id="script.close", tooltip="Go back"),
        Binding("y", "copy", "Copy", id="script.copy", tooltip="Copy everything shown here"),
        Binding("e", "edit", "Edit", id="script.edit_file", tooltip="Open the file in $VISUAL or $EDITOR"),
    ]

    def __init__(self, row: ScriptView) -> None:
        """Make the screen.

        Args:
            row: The script.
        """
        super().__init__()
        self._row = row
        self._line = 0
        self._studied = Studied((), (), (), "")
        self._asking = False
        self._gone = False

    def compose(self) -> ComposeResult:
        """Show the figures over all else."""
        title = f"Script {self._row.alias}"
        with self.box(title, "y copies   e edits   esc closes"), VerticalScroll(id="scroll"):
            yield Static(id="facts")
            for name in ("error", "functions", "hooks", "source"):
                yield Static(id=f"{name}-heading", classes="heading")
                yield Static(id=name, classes="error-text" if name == "error" else "")

    def on_mount(self) -> None:
        """Ask the script, and follow it."""
        self.set_focus(self.query_one("#scroll"))
        self._show()
        self._ask()
        self.set_interval(PERIOD, self._look)

    # -- what is shown -----------------------------------------------------------------------------------

    def _look(self) -> None:
        found = console_of(self).main.view(self._row.alias)
        before, self._gone = self._row, found is None
        if found is not None:
            self._row = found
        changed = (before.generation, before.calls) != (self._row.generation, self._row.calls)
        if changed or self._studied.problem:
            self._ask()
        self._show()

    def _ask(self) -> None:
        if not self._asking:
            self._asking = True
            work = partial(_study, console_of(self).session, self._row.alias, self._row.path)
            run_job(self, "study", work, self._answered)

    def _answered(self, outcome: Outcome) -> None:
        self._asking = False
        if isinstance(outcome.value, Studied):
            self._studied = outcome.value
            self._show()

    def _show(self) -> None:
        from scriptconsole.panes.scripts import error_place

        place = error_place(self._row)
        self._line = 0 if place is None else place.line
        studied = self._studied
        self._put("facts", "", self._facts())
        error = self._row.last_error
        heading = "" if error is None else f"Last error, {moment(error.time)}"
        self._put("error", heading, self._error())
        functions = studied.functions
        self._put("functions", f"Functions, {count(len(functions))}", self._functions())
        hooks = self._hooks()
        self._put("hooks", "Hooks" if hooks else "", hooks)
        self._put("source", "Source", self._source())

    def _put(self, name: str, heading: str, lines: Sequence[Content]) -> None:
        body = self.query_one(f"#{name}", Static)
        body.display = bool(lines)
        body.update(Content("\n").join(lines))
        if name != "facts":
            head = self.query_one(f"#{name}-heading", Static)
            head.display = bool(heading and lines)
            head.update(Content(heading))

    def _facts(self) -> list[Content]:
        row = self._row
        facts = [
            ("state", "unloaded" if self._gone else str(row.state)),
            ("file", row.path),
            ("engine", f"{row.engine}, {row.isolation}"),
            ("generation", str(row.generation)),
            ("calls", f"{row.calls:,}, {row.rate:.1f} a second"),
            ("errors", f"{row.errors:,}"),
            ("processor", f"{row.cpu:.1%} of a core"),
            ("memory", "its engine cannot tell" if row.memory is None else size(row.memory)),
        ]
        return [
            Content.assemble((f"{name:<12}", "$foreground-muted"), clean(value[:500]))
            for name, value in facts
        ]

    def _error(self) -> list[Content]:
        error = self._row.last_error
        if error is None:
            return []
        shown = (error.detail or error.message)[:50_000]
        if error.file and error.line:
            shown = f"{error.file}:{error.line}\n{shown}"
        lines = [Content(line) for line in clean_lines(shown)]
        around = range(max(self._line - EXCERPT, 1), self._line + EXCERPT + 1) if self._line else range(0)
        excerpt = self._numbered(around)
        return [*lines, Content(""), *excerpt] if excerpt else lines

    def _functions(self) -> list[Content]:
        studied = self._studied
        if studied.problem:
            return [Content(clean(studied.problem))]
        known = {row.name: row for row in studied.statistics}
        lines: list[Content] = []
        for function in studied.functions[:FUNCTIONS]:
            lines.append(describe_function(function))
            figures = known.pop(function.name, None)
            if figures is not None:
                lines += _figures(figures)
        for name, figures in known.items():
            lines += [Content.styled(clean(name), "bold"), *_figures(figures)]
        left = len(studied.functions) - FUNCTIONS
        if left > 0:
            lines.append(Content(f"… and {plural(left, 'more function')}"))
        return lines or [Content.styled("none", "$foreground-muted")]

    def _hooks(self) -> list[Content]:
        lines: list[Content] = []
        for hook in console_of(self).main.latest.hooks:
            for each in hook.subscribers:
                if each.script == self._row.alias:
                    off = "" if each.enabled else ", disabled"
                    failed = f", {plural(each.errors, 'error')}" if each.errors else ""
                    text = f"  {each.function}, priority {each.priority}, {plural(each.calls, 'call')}"
                    text += failed + off
                    lines.append(Content.assemble((clean(hook.name), "bold"), clean(text)))
        return lines

    def _source(self) -> list[Content]:
        total = len(self._studied.source)
        first = max(1, min(self._line - SOURCE_LINES // 2, total - SOURCE_LINES + 1)) if self._line else 1
        last = min(total, first + SOURCE_LINES - 1)
        lines = self._numbered(range(first, last + 1))
        if lines and last - first + 1 < total:
            lines.append(Content.styled(f"lines {first} to {last} of {total:,}", "$foreground-muted"))
        return lines

    def _numbered(self, numbers: range) -> list[Content]:
        """Lines of the source with their numbers, that of the last error marked."""
        source = self._studied.source
        wide = len(str(numbers.stop))
        lines: list[Content] = []
        for number in numbers:
            if number <= len(source):
                marked = number == self._line
                head = f"{_MARK if marked else ' '} {number:>{wide}}  "
                style = "$error bold" if marked else "$foreground"
                head_style = style if marked else "$foreground-muted"
                lines.append(Content.assemble((head, head_style), (source[number - 1], style)))
        return lines

    # -- keys ------------------------------------------------------------------------------------------

    def action_copy(self) -> None:
        """Copy everything shown here."""
        parts = (self._facts(), self._error(), self._functions(), self._hooks(), self._source())
        text = "\n\n".join("\n".join(line.plain for line in part) for part in parts if part)
        console_of(self).copy_to_clipboard(text)
        self.notify(f"Copied {plural(text.count(chr(10)) + 1, 'line')}.", markup=False, timeout=2)

    def action_edit(self) -> None:
        """Open the file in the user's editor, at the line of the last error."""
        from scriptconsole.panes.scripts import error_place

        console_of(self).edit(error_place(self._row) or Place(self._row.path, 0))


def _figures(row: FunctionStatistics) -> list[Content]:
    """What the calls of a function took, below its name."""
    if not row.calls:
        return []
    times = ((each, getattr(row, each)) for each in ("mean", "p50", "p99", "longest"))
    parts = [plural(row.calls, "call"), *(f"{name} {duration(1e3 * seconds)}" for name, seconds in times)]
    lines = [Content.styled("    " + "   ".join(parts), "$foreground-muted")]
    if row.errors:
        text = f"    {plural(row.errors, 'error')}; the last: {row.last_error or 'unknown'}"
        lines.append(Content.styled(clean(text.partition(chr(10))[0][:300]), "$error"))
    return lines


def _study(session: SessionPort, alias: str, path: str) -> Studied:
    """Ask a script for all that is shown of it; in a thread."""
    functions: Sequence[FunctionInfo] = ()
    statistics: Sequence[FunctionStatistics] = ()
    problem = ""
    try:
        functions = session.functions(alias)
        statistics = session.statistics(alias)
    except Exception as error:  # noqa: BLE001 - shown in its place
        problem = explain(error)
    return Studied(functions, statistics, _lines_of(path), problem)


def _lines_of(path: str) -> list[str]:
    try:
        text = Path(path).read_bytes()
    except OSError:
        return []
    return [] if b"\0" in text else clean_lines(text.decode("utf-8", "replace").removesuffix("\n"))
