"""The pane of sockets: who talks to whom, and how much."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from functools import partial
from math import inf

from scriptconsole.actions import Action, PaneName
from scriptconsole.panes.columns import Column
from scriptconsole.panes.lines import Cell, Tone
from scriptconsole.panes.pane import Details
from scriptconsole.panes.tablepane import TablePane
from scriptconsole.screens.host import console_of
from scriptconsole.text import CELL_LIMIT, clean, moment, size, span
from scriptengines.view import ConnectionView, Frame

_MARKS = {"listener": "◂", "server": "←", "client": "→"}


def _role(row: ConnectionView, _now: float) -> Cell:
    return Cell(f"{_MARKS.get(row.role, '-')} {row.role}")


def _state(row: ConnectionView, _now: float) -> Cell:
    return Cell(row.state, Tone.GOOD if row.state == "open" else Tone.WARN)


COLUMNS: tuple[Column[ConnectionView], ...] = (
    Column("Role", _role, lambda row: row.role, least=8, most=10),
    Column("Proto", lambda row, _: Cell(row.protocol, Tone.DIM), lambda row: row.protocol, least=5, rank=3),
    Column(
        "Local",
        lambda row, _: Cell(clean(row.local[:CELL_LIMIT])),
        lambda row: row.local,
        least=15,
        grow=1,
    ),
    Column("Peer", lambda row, _: Cell(clean(row.peer[:CELL_LIMIT])), lambda row: row.peer, least=15, grow=1),
    Column("State", _state, lambda row: row.state, least=5, most=8, rank=2),
    Column(
        "In", lambda row, _: Cell(size(row.received)), lambda row: row.received, least=7, right=True, rank=1
    ),
    Column("Out", lambda row, _: Cell(size(row.sent)), lambda row: row.sent, least=7, right=True, rank=1),
    Column(
        "Script",
        lambda row, _: Cell(clean(row.script[:CELL_LIMIT]), Tone.DIM),
        lambda row: row.script,
        least=6,
        most=16,
        rank=4,
    ),
    Column(
        "Age",
        lambda row, now: Cell(span(float(int(max(now - row.opened, 0)))).replace(".0", ""), Tone.DIM),
        lambda row: -row.opened,
        least=4,
        right=True,
        rank=5,
    ),
)


class ConnectionsPane(TablePane[ConnectionView]):
    """The sockets of all scripts, oldest first."""

    NAME = PaneName.CONNECTIONS
    LABEL = "Connections"
    MEANING = (
        "One row per socket of a script, oldest first.\n"
        "◂ listener waits for peers   ← server: a peer came to us   → client: we went to a peer"
    )
    ACTIONS = (
        Action(
            "connection.close",
            ("x", "delete"),
            "Close",
            "Close the selected connection",
            "pane('close_it')",
            frozenset({PaneName.CONNECTIONS}),
            footer=True,
        ),
    )
    EMPTY = "no connections"
    LANDMARK = "connection"

    def columns(self) -> Sequence[Column[ConnectionView]]:
        """Return the columns."""
        return COLUMNS

    def rows(self, frame: Frame) -> Sequence[ConnectionView]:
        """Return the connections."""
        return frame.connections

    def key(self, row: ConnectionView) -> Hashable:
        """Return script and number."""
        return row.script, row.id

    def landmark(self, row: ConnectionView) -> str:
        """Return the other end, or its own where it listens."""
        return f"{row.peer or row.local} {row.protocol} {row.role}"

    def text(self, row: ConnectionView) -> str:
        """Return what the filter searches."""
        return f"{row.script} {row.protocol} {row.role} {row.local} {row.peer} {row.state}"

    def owner(self, row: ConnectionView) -> str:
        """Return the script that opened it."""
        return row.script

    def source(self, row: ConnectionView) -> str:
        """Return where it was opened."""
        return row.source

    def looks_different_after(self, rows: Sequence[ConnectionView], now: float) -> float:
        """Show ages in whole seconds."""
        return 1.0 if rows else inf

    def row_text(self, row: ConnectionView) -> str:
        """Return owner, protocol and both addresses."""
        return f"{row.script}\t{row.protocol} {row.role}\t{row.local}\t{row.peer}"

    def action_close_it(self) -> None:
        """Close the selected connection."""
        row = self.selected
        if row is not None:
            app, name = console_of(self), row.peer or row.local
            work = partial(app.session.close_connection, row.script, row.id)
            app.act(f"close {name}", work, f"closed {row.protocol} {row.role} {name} of {row.script}")

    def details(self) -> Details | None:
        """Return both ends and what went through."""
        row = self.selected
        if row is None:
            return None
        facts = [
            ("script", row.script),
            ("socket", f"{row.protocol} {row.role}, {row.state}"),
            ("local", row.local),
            ("peer", row.peer or "none"),
            ("received", f"{size(row.received)} ({row.received:,} bytes)"),
            ("sent", f"{size(row.sent)} ({row.sent:,} bytes)"),
            ("opened", moment(row.opened)),
            ("opened at", row.source or "unknown"),
            ("number", str(row.id)),
        ]
        return Details("Connection", facts)
