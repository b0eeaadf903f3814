"""The pane of sockets: who talks to whom, and how much."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from math import inf

from scriptconsole.actions import Action, PaneName
from scriptconsole.panes.columns import Column
from scriptconsole.panes.lines import Cell, Tone
from scriptconsole.panes.owned import NumberedPane, age_column, script_column, source_column, text_column
from scriptconsole.screens.host import console_of
from scriptconsole.text import size
from scriptengines.view import ConnectionView, Frame

_MARKS = {"listener": "◂", "server": "←", "client": "→"}


def _role(row: ConnectionView, _now: float) -> Cell:
    return Cell(f"{_MARKS.get(row.role, '-')} {row.role}")


def _state(row: ConnectionView, _now: float) -> Cell:
    return Cell(row.state, Tone.GOOD if row.state == "open" else Tone.WARN)


def _spoken(row: ConnectionView) -> str:
    """What is spoken over what: "http/tls", "tcp"."""
    return f"{row.application}/{row.protocol}" if row.application else row.protocol


def _flow(rate: float) -> Cell:
    return Cell(f"{size(round(rate))}/s", Tone.GOOD) if rate >= 1 else Cell("·", Tone.DIM)


COLUMNS: tuple[Column[ConnectionView], ...] = (
    Column("Role", _role, lambda row: row.role, least=8, most=10),
    Column("Proto", lambda row, _: Cell(_spoken(row), Tone.DIM), _spoken, least=5, most=13, rank=3),
    text_column("Local", lambda row: row.local, least=15, grow=1),
    text_column("Peer", lambda row: row.peer, least=15, grow=1),
    Column("State", _state, lambda row: row.state, least=5, most=8, rank=2),
    Column(
        "In", lambda row, _: Cell(size(row.received)), lambda row: row.received, least=7, right=True, rank=1
    ),
    Column("Out", lambda row, _: Cell(size(row.sent)), lambda row: row.sent, least=7, right=True, rank=1),
    Column(
        "In/s",
        lambda row, _: _flow(row.receiving),
        lambda row: row.receiving,
        least=8,
        right=True,
        rank=6,
    ),
    Column("Out/s", lambda row, _: _flow(row.sending), lambda row: row.sending, least=8, right=True, rank=6),
    script_column(rank=4),
    age_column(lambda row: row.opened, rank=5),
    source_column("Opened at", lambda row: row.source, rank=7),
)


class ConnectionsPane(NumberedPane[ConnectionView]):
    """The sockets of all scripts, oldest first."""

    NAME = PaneName.CONNECTIONS
    LABEL = "Connections"
    MEANING = (
        "One row per socket of a script, oldest first.\n"
        "◂ listener waits for peers   ← server: a peer came to us   → client: we went to a peer\n"
        "Proto: what is spoken over what, as far as the host knows.\n"
        "enter shows the last bytes each way, live."
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
    COLUMNS = COLUMNS
    EMPTY = "no connections"
    LANDMARK = "connection"

    def rows(self, frame: Frame) -> Sequence[ConnectionView]:
        """Return the connections."""
        return frame.connections

    def landmark(self, row: ConnectionView) -> str:
        """Return the other end, or its own where it listens."""
        return f"{row.peer or row.local} {row.protocol} {row.role}"

    def text(self, row: ConnectionView) -> str:
        """Return what the filter searches."""
        ends = f"{row.local} {row.peer}"
        return f"{row.script} {_spoken(row)} {row.role} {ends} {row.state} {row.source}"

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

    def open_details(self) -> bool:
        """Show the connection live, with its last bytes."""
        row = self.selected
        if row is not None:
            from scriptconsole.screens.traffic import TrafficScreen

            app = console_of(self)
            app.push_screen(TrafficScreen(row, app.main.place()))
        return row is not None
