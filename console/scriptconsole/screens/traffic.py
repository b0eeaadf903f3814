"""A connection while it is used: how much goes each way, and the last bytes as hex or text."""

from __future__ import annotations

from functools import partial
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.widgets import Static

from scriptconsole.jobs import Outcome, Switch, explain, run_job
from scriptconsole.panes.bytesview import BytesView, hex_dump
from scriptconsole.panes.pane import Place
from scriptconsole.screens.dialog import Dialog
from scriptconsole.screens.host import console_of
from scriptconsole.text import clean, moment, size, span
from scriptengines.view import ConnectionView, Tapped

PERIOD = 0.25
"""Seconds between two looks at the bytes."""


class TrafficScreen(Dialog):
    """One connection; its bytes are kept for as long as this is open."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q,enter", "close", "Back", show=False, id="traffic.close", tooltip="Go back", priority=True),
        Binding("t", "turn", "Text", id="traffic.text", tooltip="Show text instead of hex, or hex again"),
        Binding("space", "freeze", "Freeze", id="traffic.freeze", tooltip="Freeze the bytes, or go on"),
        Binding("y", "copy", "Copy", id="traffic.copy", tooltip="Copy the bytes as they are shown"),
        Binding("x,delete", "cut", "Close it", id="traffic.cut", tooltip="Close the connection"),
        Binding("e", "edit", "Edit", id="traffic.edit", tooltip="Open the line that opened it"),
    ]

    def __init__(self, row: ConnectionView, place: Place | None) -> None:
        """Make the screen.

        Args:
            row: The connection.
            place: Of the line that opened it, or else its script; None when neither is known.
        """
        super().__init__()
        self._row = row
        self._place = place
        self._views = BytesView("received", id="received"), BytesView("sent", id="sent")
        self._looking = False
        self._frozen = False
        self._note = ""
        self._ended = False

    def compose(self) -> ComposeResult:
        """Show the facts over what came and what went."""
        keys = "t text/hex   space freezes   y copies   x closes it   esc back"
        with self.box(f"Connection {self._row.peer or self._row.local}", keys):
            yield Static(self._facts(), id="facts")
            yield Static(Content(""), id="note")
            yield from self._views

    def on_mount(self) -> None:
        """Begin to keep the bytes, and to look at them."""
        self.set_focus(self._views[0])
        row, session = self._row, console_of(self).session
        self._tap = Switch(partial(session.tap, row.script, row.id))
        run_job(self, "tap", self._tap.wish(True), self._tapped)
        self.set_interval(PERIOD, self._look)

    def on_unmount(self) -> None:
        """Let the connection go on unwatched."""
        run_job(console_of(self), "tap", self._tap.wish(False), lambda _: None)

    def _tapped(self, outcome: Outcome) -> None:
        if outcome.error is not None:
            self._say(explain(outcome.error))
        else:
            self._look()

    def _look(self) -> None:
        self._follow_row()
        if self._looking or self._frozen:
            return
        self._looking = True
        row, session = self._row, console_of(self).session
        run_job(self, "tapped", partial(session.tapped, row.script, row.id), self._show)

    def _follow_row(self) -> None:
        """Take the newest figures; what has ended keeps its last ones."""
        wanted = self._row.script, self._row.id
        rows = console_of(self).main.latest.connections
        found = next((row for row in rows if (row.script, row.id) == wanted), None)
        self._ended = found is None
        if found is not None:
            self._row = found
        self.query_one("#facts", Static).update(self._facts())

    def _show(self, outcome: Outcome) -> None:
        self._looking = False
        if outcome.error is not None:
            self._say(explain(outcome.error))
        elif isinstance(tapped := outcome.value, Tapped) and not self._frozen:
            self._views[0].show(tapped.received, tapped.received_before)
            self._views[1].show(tapped.sent, tapped.sent_before)
            self._say(tapped.note)

    def _say(self, text: str) -> None:
        if text != self._note:
            self._note = text
            self.query_one("#note", Static).update(Content(clean(text)))

    def _facts(self) -> Content:
        row, frame = self._row, console_of(self).main.latest
        spoken = f"{row.application} over {row.protocol}" if row.application else row.protocol
        arrow = "→" if row.role == "client" else "←"
        ends = f"{row.local} {arrow} {row.peer}" if row.peer else row.local
        state = "ended" if self._ended else row.state
        first = f"{spoken} {row.role}, {state}   {ends}"
        second = (
            f"in {size(row.received)} at {size(round(row.receiving))}/s   "
            f"out {size(row.sent)} at {size(round(row.sending))}/s   "
            f"open {span(float(int(max(frame.time - row.opened, 0.0))))}"
        )
        third = f"of {row.script}, opened {moment(row.opened)} at {row.source or 'an unknown line'}"
        return Content("\n").join([Content(clean(line)) for line in (first, second, third)])

    # -- keys ------------------------------------------------------------------------------------------

    def action_turn(self) -> None:
        """Show text instead of hex, or hex again."""
        as_text = not self._views[0].as_text
        for view in self._views:
            view.show_as_text(as_text)

    def action_freeze(self) -> None:
        """Freeze the bytes, or let them go on; nothing is lost but what the last 4 KiB cannot hold."""
        self._frozen = not self._frozen
        self.query_one("#box").set_class(self._frozen, "-frozen")
        self._say("Frozen: space goes on." if self._frozen else "")
        self._look()

    def action_copy(self) -> None:
        """Copy what both views show."""
        received, sent = self._views
        text = f"{self._facts().plain}\n" + "\n".join(
            f"{name}:\n{view.text() if view.as_text else hex_dump(view.payload, view.before)}"
            for name, view in (("received", received), ("sent", sent))
        )
        console_of(self).copy_to_clipboard(text)
        self.notify("Copied the bytes.", markup=False, timeout=2)

    def action_cut(self) -> None:
        """Close the connection."""
        row, app = self._row, console_of(self)
        name = row.peer or row.local
        work = partial(app.session.close_connection, row.script, row.id)
        app.act(f"close {name}", work, f"closed {row.protocol} {row.role} {name} of {row.script}")

    def action_edit(self) -> None:
        """Open the script where the connection was opened."""
        if self._place is not None:
            console_of(self).edit(self._place)
        else:
            self.notify("No file is known for this connection.", severity="warning", markup=False)
