"""The pane of sockets: who talks to whom, and how much."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

from scriptconsole.actions import PaneName
from scriptconsole.panes.columns import Column
from scriptconsole.panes.lines import Cell, Tone
from scriptconsole.panes.pane import Pane
from scriptconsole.panes.table import VirtualTable
from scriptconsole.text import CELL_LIMIT, clean, size, span
from scriptengines.view import ConnectionView, Frame

_MARKS = {"listener": "◂", "server": "←", "client": "→"}


def _role(row: ConnectionView, _now: float) -> Cell:
    return Cell(f"{_MARKS.get(row.role, '-')} {row.role}")


def _state(row: ConnectionView, _now: float) -> Cell:
    return Cell(row.state, Tone.GOOD if row.state == "open" else Tone.WARN)


def _refresh_after(rows: Sequence[ConnectionView], _now: float) -> float:
    return 1.0 if rows else inf


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


class ConnectionsPane(Pane):
    """The sockets of all scripts, oldest first."""

    NAME = PaneName.CONNECTIONS
    LABEL = "Connections"
    MEANING = (
        "One row per socket of a script's event loop, oldest first.\n"
        "◂ listener waits for peers   ← server: a peer came to us   → client: we went to a peer"
    )

    def __init__(self) -> None:
        super().__init__()
        self.table: VirtualTable[ConnectionView] = VirtualTable(
            COLUMNS,
            key=lambda row: (row.script, row.id),
            text=lambda row: f"{row.script} {row.protocol} {row.role} {row.local} {row.peer} {row.state}",
            empty="no connections",
            live=_refresh_after,
            id="connections",
        )

    @property
    def body(self) -> VirtualTable[ConnectionView]:
        """The table."""
        return self.table

    def apply(self, frame: Frame) -> None:
        """Show the connections."""
        self.table.set_rows(frame.connections, frame.time)

    def script(self) -> str | None:
        """Return the owner of the selected connection."""
        return None if self.table.selected is None else self.table.selected.script

    def copy_text(self) -> str | None:
        """Return owner, protocol and both addresses."""
        row = self.table.selected
        return None if row is None else f"{row.script}\t{row.protocol} {row.role}\t{row.local}\t{row.peer}"
