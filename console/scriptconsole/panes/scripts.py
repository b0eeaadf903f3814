"""The pane of loaded scripts: which of them runs, and which failed and why."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from scriptconsole.actions import PaneName
from scriptconsole.editor import place_in
from scriptconsole.glyphs import sparkline
from scriptconsole.panes.columns import Column
from scriptconsole.panes.lines import Cell, Tone
from scriptconsole.panes.pane import Place
from scriptconsole.panes.tablepane import TablePane
from scriptconsole.screens.host import console_of
from scriptconsole.text import CELL_LIMIT, clean, count, size
from scriptengines.view import Frame, ScriptState, ScriptView

SYMBOLS: dict[ScriptState, tuple[str, Tone]] = {
    ScriptState.LOADING: ("◌", Tone.DIM),
    ScriptState.RUNNING: ("●", Tone.GOOD),
    ScriptState.IDLE: ("○", Tone.PLAIN),
    ScriptState.PAUSED: ("‖", Tone.WARN),
    ScriptState.FAILED: ("✗", Tone.ALARM),
    ScriptState.CLOSED: ("·", Tone.DIM),
}
"""A mark for each state that can be told apart without colour."""

_URGENCY = (
    ScriptState.FAILED,
    ScriptState.PAUSED,
    ScriptState.LOADING,
    ScriptState.RUNNING,
    ScriptState.IDLE,
    ScriptState.CLOSED,
)

BUSY_AFTER = 1.0
"""Seconds without fresh values after which a script counts as busy."""


def _state(row: ScriptView, _now: float) -> Cell:
    symbol, tone = SYMBOLS[row.state]
    return Cell(f"{symbol} {row.state}", tone)


def _alias(row: ScriptView, _now: float) -> Cell:
    return Cell(clean(row.alias[:CELL_LIMIT]), Tone.ALARM if row.state is ScriptState.FAILED else Tone.STRONG)


def _errors(row: ScriptView, _now: float) -> Cell:
    return Cell(count(row.errors), Tone.WARN if row.errors else Tone.DIM)


def _last_error(row: ScriptView, _now: float) -> Cell:
    if row.last_error is None:
        return Cell("")
    folder = row.path.rpartition("/")[0] + "/"  # it is the same in every message, and long
    text = clean(row.last_error.message.replace(folder, "")[:CELL_LIMIT])
    return Cell(text, Tone.BAD if row.state is ScriptState.FAILED else Tone.WARN)


SPARKS = 10
"""Seconds of the picture of calls a second."""
BUSY_SHARE = 0.8
"""Share of a core from which on a script counts as hungry."""


def _rate(row: ScriptView, _now: float) -> Cell:
    text = f"{row.rate:.1f}" if 0 < row.rate < 9.95 else count(round(row.rate))
    return Cell(text, Tone.PLAIN if row.rate else Tone.DIM)


def _sparks(row: ScriptView, _now: float) -> Cell:
    return Cell(sparkline(row.rates, SPARKS), Tone.ACCENT)


def _cpu(row: ScriptView, _now: float) -> Cell:
    hungry = row.cpu >= BUSY_SHARE
    tone = Tone.WARN if hungry else Tone.PLAIN if row.cpu >= 0.005 else Tone.DIM
    return Cell(f"{'! ' if hungry else ''}{row.cpu:.0%}", tone)


def _memory(row: ScriptView, _now: float) -> Cell:
    return Cell("", Tone.DIM) if row.memory is None else Cell(size(row.memory))


COLUMNS: tuple[Column[ScriptView], ...] = (
    Column("State", _state, lambda row: _URGENCY.index(row.state), least=9, most=9),
    Column("Script", _alias, lambda row: row.alias, least=6, most=24),
    Column("Engine", lambda row, _: Cell(row.engine), lambda row: row.engine, least=6, most=8, rank=4),
    Column("Kept", lambda row, _: Cell(row.isolation, Tone.DIM), lambda row: row.isolation, most=9, rank=8),
    Column(
        "Gen",
        lambda row, _: Cell(str(row.generation)),
        lambda row: row.generation,
        least=3,
        right=True,
        rank=6,
    ),
    Column(
        "Calls", lambda row, _: Cell(count(row.calls)), lambda row: row.calls, least=5, right=True, rank=3
    ),
    Column("Calls/s", _rate, lambda row: row.rate, least=5, right=True, rank=1),
    Column("", _sparks, lambda row: row.rate, least=SPARKS, most=SPARKS, rank=7),
    Column("CPU", _cpu, lambda row: row.cpu, least=5, right=True, rank=2),
    Column(
        "Memory",
        _memory,
        lambda row: -1 if row.memory is None else row.memory,
        least=7,
        right=True,
        rank=5,
    ),
    Column("Errors", _errors, lambda row: row.errors, least=6, right=True),
    Column(
        "Last error",
        _last_error,
        lambda row: "" if row.last_error is None else row.last_error.message,
        least=16,
        grow=1,
    ),
)


class ScriptsPane(TablePane[ScriptView]):
    """The scripts, in order of loading."""

    NAME = PaneName.SCRIPTS
    LABEL = "Scripts"
    MEANING = (
        "One row per script, in order of loading.\n"
        "● running  ○ idle  ◌ loading  ‖ paused  ✗ failed  · closed\n"
        "Kept: how it is isolated. Gen: the version of its code; a reload makes the next one.\n"
        "Calls: from outside. CPU: share of a core that its own thread had over a second; ! is 80 % or more."
    )
    EMPTY = "no scripts yet: o loads one"
    LANDMARK = "script"

    def columns(self) -> Sequence[Column[ScriptView]]:
        """Return the columns."""
        return COLUMNS

    def rows(self, frame: Frame) -> Sequence[ScriptView]:
        """Return the scripts."""
        return frame.scripts

    def key(self, row: ScriptView) -> Hashable:
        """Return the alias."""
        return row.alias

    def landmark(self, row: ScriptView) -> str:
        """Return the alias."""
        return row.alias

    def text(self, row: ScriptView) -> str:
        """Return what the filter searches."""
        error = row.last_error.message if row.last_error else ""
        return f"{row.alias} {row.state} {row.engine} {row.isolation} {error}"

    def owner(self, row: ScriptView) -> str:
        """Return the script itself."""
        return row.alias

    def apply(self, frame: Frame) -> None:
        """Show the scripts, and name the busy ones."""
        super().apply(frame)
        busy = [script for script in frame.scripts if script.sample_age > BUSY_AFTER]
        self.note(", ".join(script.alias for script in busy[:3]) + " busy" if busy else "")

    def summary(self) -> str:
        """Count the failed ones."""
        failed = sum(row.state is ScriptState.FAILED for row in self.table.source)
        return f"{failed} failed" if failed else ""

    def row_text(self, row: ScriptView) -> str:
        """Return alias, path and last error."""
        error = "" if row.last_error is None else f"\n{row.last_error.detail or row.last_error.message}"
        return f"{row.alias}\t{row.path}\t{row.state}{error}"

    def place(self) -> Place | None:
        """Return the line of the last error, or the file."""
        row = self.selected
        return None if row is None else error_place(row) or Place(row.path, 0)

    def open_details(self) -> bool:
        """Show how the script does, its last error, functions, hooks and source."""
        row = self.selected
        if row is not None:
            from scriptconsole.screens.script import ScriptScreen

            console_of(self).push_screen(ScriptScreen(row))
        return row is not None


def error_place(row: ScriptView) -> Place | None:
    """Find the line of a script's file at which its last error happened."""
    error = row.last_error
    if error is None:
        return None
    # The innermost frame may lie in another file, which is not the one opened here.
    line = error.line if error.file in ("", row.path) else place_in(error.detail, row.path)
    return Place(row.path, line) if line else None
