"""The pane of loaded scripts: which of them runs, and which failed and why."""

from __future__ import annotations

from scriptconsole.actions import PaneName
from scriptconsole.panes.columns import Column
from scriptconsole.panes.lines import Cell, Tone
from scriptconsole.panes.pane import Pane
from scriptconsole.panes.table import VirtualTable
from scriptconsole.text import CELL_LIMIT, clean, count
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


COLUMNS: tuple[Column[ScriptView], ...] = (
    Column("State", _state, lambda row: _URGENCY.index(row.state), least=9, most=9),
    Column("Script", _alias, lambda row: row.alias, least=6, most=24),
    Column("Engine", lambda row, _: Cell(row.engine), lambda row: row.engine, least=6, most=8, rank=2),
    Column("Kept", lambda row, _: Cell(row.isolation, Tone.DIM), lambda row: row.isolation, most=9, rank=4),
    Column(
        "Gen",
        lambda row, _: Cell(str(row.generation)),
        lambda row: row.generation,
        least=3,
        right=True,
        rank=3,
    ),
    Column(
        "Calls", lambda row, _: Cell(count(row.calls)), lambda row: row.calls, least=5, right=True, rank=1
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


class ScriptsPane(Pane):
    """The scripts, in order of loading."""

    NAME = PaneName.SCRIPTS
    LABEL = "Scripts"
    MEANING = (
        "One row per script, in order of loading.\n"
        "● running  ○ idle  ◌ loading  ‖ paused  ✗ failed  · closed\n"
        "Kept: how it is isolated. Gen: the version of its code; a reload makes the next one."
    )

    def __init__(self) -> None:
        super().__init__()
        self.table: VirtualTable[ScriptView] = VirtualTable(
            COLUMNS,
            key=lambda row: row.alias,
            text=lambda row: (
                f"{row.alias} {row.state} {row.engine} {row.isolation} "
                f"{row.last_error.message if row.last_error else ''}"
            ),
            empty="no scripts yet: o loads one",
            id="scripts",
        )

    @property
    def body(self) -> VirtualTable[ScriptView]:
        """The table."""
        return self.table

    def apply(self, frame: Frame) -> None:
        """Show the scripts."""
        self.table.set_rows(frame.scripts, frame.time)
        busy = [script for script in frame.scripts if script.sample_age > BUSY_AFTER]
        self.note(", ".join(script.alias for script in busy[:3]) + " busy" if busy else "")

    def summary(self) -> str:
        """Count the failed ones."""
        failed = sum(row.state is ScriptState.FAILED for row in self.table.source)
        return f"{failed} failed" if failed else ""

    def script(self) -> str | None:
        """Return the selected script."""
        return None if self.table.selected is None else self.table.selected.alias

    def copy_text(self) -> str | None:
        """Return alias, path and last error."""
        row = self.table.selected
        if row is None:
            return None
        error = "" if row.last_error is None else f"\n{row.last_error.detail or row.last_error.message}"
        return f"{row.alias}\t{row.path}\t{row.state}{error}"
