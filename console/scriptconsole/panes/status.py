"""The line at the top: first of all, which script failed and why."""

from __future__ import annotations

from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from scriptconsole.text import CELL_LIMIT, clean, plural
from scriptengines.view import Frame, ScriptState, ScriptView

NAMED = 3
"""Failed scripts named one by one; more are counted."""


class StatusLine(Static):
    """One line over all panes."""

    def __init__(self) -> None:
        super().__init__(id="status", markup=False)
        self._shown: object = None
        self._failed: tuple[str, ...] = ()

    class Chosen(Message):
        """The user clicked the failed script.

        Attributes:
            alias: Which.
        """

        def __init__(self, alias: str) -> None:
            super().__init__()
            self.alias = alias

    def on_click(self) -> None:
        """Lead to the first failed script."""
        if self._failed:
            self.post_message(self.Chosen(self._failed[0]))

    def show(self, frame: Frame, *, frozen: bool, held_back: int) -> None:
        """Describe a frame.

        Args:
            frame: The newest one.
            frozen: Whether the display stands still.
            held_back: Log records that wait for the display to go on.
        """
        failed = tuple(
            (row.alias, row.last_error) for row in frame.scripts if row.state is ScriptState.FAILED
        )
        errors = sum(row.errors for row in frame.scripts)
        facts = (failed, len(frame.scripts), errors, frame.dropped, frozen, held_back)
        if facts == self._shown:
            return
        self._shown = facts
        self._failed = tuple(alias for alias, _ in failed)
        self.set_class(bool(failed), "-failed")
        headline, rest = _health(frame.scripts, errors)
        parts = [Content.styled(" scriptconsole ", "bold"), headline]
        if frozen:
            waiting = f", {plural(held_back, 'line')} waiting" if held_back else ""
            parts.append(Content.styled(f"  ▮▮ frozen{waiting}", "bold $accent"))
        if frame.dropped:
            parts.append(Content.styled(f"  {frame.dropped:,} reports dropped", "$warning"))
        self.update(Content("").join([*parts, rest]))


def _health(scripts: tuple[ScriptView, ...], errors: int) -> tuple[Content, Content]:
    failed = [row for row in scripts if row.state is ScriptState.FAILED]
    if len(failed) == 1:
        error = failed[0].last_error
        reason = "" if error is None else f"  {clean(error.message[:CELL_LIMIT])}"
        return Content.styled(f" ✗ {clean(failed[0].alias)} failed", "bold"), Content(reason)
    if failed:
        names = ", ".join(clean(row.alias) for row in failed[:NAMED])
        more = f" and {len(failed) - NAMED} more" if len(failed) > NAMED else ""
        return Content.styled(f" ✗ {len(failed)} scripts failed: {names}{more}", "bold"), Content("")
    if not scripts:
        return Content.styled(" no scripts loaded", "$foreground-muted"), Content("")
    trouble = f", {plural(errors, 'error')} so far" if errors else ", no errors"
    return Content.styled(
        f" {plural(len(scripts), 'script')}, none failed{trouble}", "$foreground-muted"
    ), Content("")
