"""What in the variables of a script is not as it was: at a mark, or when the generation before ended."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import ClassVar, Literal, cast

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from scriptconsole.jobs import Outcome, explain, run_job
from scriptconsole.port import SessionPort
from scriptconsole.screens.dialog import Dialog
from scriptconsole.screens.host import console_of
from scriptconsole.text import CELL_LIMIT, clean, plural
from scriptengines.view import Change, DifferenceView

SIGNS = {Change.ADDED: ("+", "$success"), Change.REMOVED: ("−", "$error"), Change.CHANGED: ("~", "$warning")}
"""A mark for each kind that can be told apart without colour."""
LIMIT = 500
"""Differences that are listed; laying out more would stall the screen."""


class DifferencesScreen(Dialog):
    """A list of differences, each with what was and what is."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q,enter", "close", "Close", show=False, id="differences.close", tooltip="Go back"),
        Binding(
            "g", "against", "Generation", id="differences.against", tooltip="Compare with the other moment"
        ),
        Binding(
            "m", "mark", "Mark", id="differences.mark", tooltip="Compare with how it is now from here on"
        ),
        Binding("r", "again", "Again", id="differences.again", tooltip="Compare again"),
        Binding("y", "copy", "Copy", id="differences.copy", tooltip="Copy everything shown here"),
    ]

    def __init__(self, session: SessionPort, alias: str) -> None:
        """Make the screen.

        Args:
            session: Whose script it is.
            alias: The script.
        """
        super().__init__()
        self._session = session
        self._alias = alias
        self._against: Literal["mark", "generation"] = "mark"
        self._turn = 0

    def compose(self) -> ComposeResult:
        """Show the list under what it is compared with."""
        keys = "g mark or generation   m new mark   r again   y copies   esc closes"
        with self.box(f"What changed in {self._alias}", keys), VerticalScroll(id="scroll"):
            yield Static(Content("…"), id="against", classes="heading")
            yield Static(Content(""), id="differences")

    def on_mount(self) -> None:
        """Compare."""
        self.set_focus(self.query_one("#scroll"))
        self.action_again()

    def action_again(self) -> None:
        """Compare with how it is now."""
        session, alias, against = self._session, self._alias, self._against
        self._turn += 1
        show = partial(self._show, self._turn, against)
        run_job(self, "differences", lambda: session.differences(alias, against), show)

    def action_against(self) -> None:
        """Compare with the other moment."""
        self._against = "generation" if self._against == "mark" else "mark"
        self.action_again()

    def action_mark(self) -> None:
        """Remember how it is now."""
        session, alias = self._session, self._alias
        self._against = "mark"
        run_job(self, "mark", lambda: session.mark(alias), lambda _: self.action_again())

    def _show(self, turn: int, against: str, outcome: Outcome) -> None:
        if turn != self._turn:  # something else was asked since
            return
        since = "since the mark" if against == "mark" else "since the generation before"
        if outcome.error is not None:
            self._say(since, Content.styled(clean(explain(outcome.error)), "$error"))
            return
        found = cast("Sequence[DifferenceView]", outcome.value)
        lines = [line for difference in found[:LIMIT] for line in describe(difference)]
        if len(found) > LIMIT:
            lines.append(Content.styled(f"… and {len(found) - LIMIT:,} more", "$foreground-muted"))
        nothing = Content.styled("Nothing has changed.", "$foreground-muted")
        self._say(
            f"{plural(len(found), 'difference')} {since}", Content("\n").join(lines) if lines else nothing
        )

    def _say(self, heading: str, text: Content) -> None:
        self.query_one("#against", Static).update(Content(heading))
        self.query_one("#differences", Static).update(text)

    def action_copy(self) -> None:
        """Copy everything shown."""
        shown = [self.query_one(f"#{name}", Static).visual for name in ("against", "differences")]
        console_of(self).copy_to_clipboard("\n".join(str(part) for part in shown))
        self.notify("Copied the differences.", markup=False, timeout=2)


def describe(difference: DifferenceView) -> list[Content]:
    """Write a difference as lines: what it is, then what was and what is."""
    sign, colour = SIGNS[difference.change]
    kind = clean(difference.type[:CELL_LIMIT])
    name = clean(difference.name[:CELL_LIMIT])
    lines = [Content.assemble((f"{sign} ", colour), (name, "bold"), (f"  {kind}", "$foreground-muted"))]
    if difference.change is not Change.ADDED:
        lines.append(Content.assemble(("    was ", "$foreground-muted"), clean(difference.before)))
    if difference.change is not Change.REMOVED:
        lines.append(Content.assemble(("    is  ", "$foreground-muted"), clean(difference.after)))
    return lines
