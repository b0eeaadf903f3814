"""The line at the top: first of all, which script failed or has just raised an error, and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from scriptconsole.text import CELL_LIMIT, clean, plural
from scriptengines.view import Frame, ScriptState, ScriptView

NAMED = 3
"""Scripts in trouble that are named one by one; more are counted."""
RECENT = 60.0
"""Seconds for which an error of a script that goes on is shown here."""


class Health(NamedTuple):
    """How the scripts are.

    Attributes:
        failed: Whether the scripts in trouble have failed, or only raised errors.
        aliases: The scripts in trouble.
        headline: What is said first.
        reason: Why, as far as one reason can be given.
    """

    failed: bool
    aliases: tuple[str, ...]
    headline: str
    reason: str = ""


class StatusLine(Static):
    """One line over all panes."""

    class Chosen(Message):
        """The user clicked the line while a script is in trouble.

        Attributes:
            alias: Which.
        """

        def __init__(self, alias: str) -> None:
            super().__init__()
            self.alias = alias

    def __init__(self) -> None:
        super().__init__(id="status", markup=False)
        self._shown: object = None
        self._health = Health(False, (), "")

    def on_click(self) -> None:
        """Lead to the first script in trouble."""
        if self._health.aliases:
            self.post_message(self.Chosen(self._health.aliases[0]))

    def show(self, frame: Frame, *, frozen: bool, held_back: int) -> None:
        """Describe a frame.

        Args:
            frame: The newest one.
            frozen: Whether the display stands still.
            held_back: Log records that wait for the display to go on.
        """
        health = health_of(frame)
        warnings = len(frame.warnings)
        facts = (health, frame.dropped, frozen, held_back, warnings)
        if facts == self._shown:
            return
        self._shown, self._health = facts, health
        self.set_class(health.failed, "-failed")
        self.set_class(bool(health.aliases) and not health.failed, "-troubled")
        style = "bold" if health.aliases else "$foreground-muted"
        parts = [Content.styled(" scriptconsole ", "bold"), Content.styled(f" {health.headline}", style)]
        if frozen:
            waiting = f", {plural(held_back, 'line')} waiting" if held_back else ""
            parts.append(Content.styled(f"  ▮▮ frozen{waiting}", "bold $accent"))
        if frame.dropped:
            parts.append(Content.styled(f"  {frame.dropped:,} reports dropped", "$warning"))
        if warnings:
            parts.append(Content.styled(f"  ! {plural(warnings, 'warning')}", "$warning"))
        if health.reason:
            parts.append(Content(f"  {health.reason}"))
        self.update(Content("").join(parts), layout=False)


def health_of(frame: Frame) -> Health:
    """Find what the user should look at first.

    Args:
        frame: The newest one.
    """
    scripts = frame.scripts
    failed = [row for row in scripts if row.state is ScriptState.FAILED]
    if len(failed) == 1:
        return Health(True, (failed[0].alias,), f"✗ {clean(failed[0].alias)} failed", _reason(failed[0]))
    if failed:
        headline = f"✗ {len(failed)} scripts failed: {_names(failed)}"
        return Health(True, tuple(row.alias for row in failed), headline)
    # A callback that raises leaves its script running, but that is what its author is looking for.
    troubled = [r for r in scripts if r.last_error is not None and frame.time - r.last_error.time < RECENT]
    if len(troubled) == 1:
        row = troubled[0]
        trouble = plural(row.errors, "error") if row.errors else "reload refused"
        return Health(False, (row.alias,), f"! {clean(row.alias)}: {trouble}", _reason(row))
    if troubled:
        headline = f"! errors in {len(troubled)} scripts: {_names(troubled)}"
        return Health(False, tuple(row.alias for row in troubled), headline)
    if not scripts:
        return Health(False, (), "no scripts loaded")
    errors = sum(row.errors for row in scripts)
    past = plural(errors, "earlier error") if errors else "no errors"
    return Health(False, (), f"{plural(len(scripts), 'script')}, none failed, {past}")


def _names(rows: Sequence[ScriptView]) -> str:
    more = f" and {len(rows) - NAMED} more" if len(rows) > NAMED else ""
    return ", ".join(clean(row.alias) for row in rows[:NAMED]) + more


def _reason(row: ScriptView) -> str:
    return "" if row.last_error is None else clean(row.last_error.message[:CELL_LIMIT])
