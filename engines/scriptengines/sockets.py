"""Sockets that a Python script opens past its loop: blocking code, urllib, http.client, database drivers.

Heard of through the audit event of their making, which costs the script about a microsecond each.
"""

from __future__ import annotations

import socket
import time
import weakref
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from .host import python_place

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_KNOWN = 10_000
"""Sockets remembered at most; the oldest are forgotten first."""


class OwnSocket:
    """One of them.

    Attributes:
        number: By which it can be closed.
        made: Gives it while it is there.
        since: Seconds since the epoch.
        source: Where it was made, as Host.place tells it.
    """

    __slots__ = ("made", "number", "since", "source")

    def __init__(self, number: int, made: socket.socket, source: Any) -> None:
        self.number = number
        self.made = weakref.ref(made)
        self.since = time.time()
        self.source = source


class OwnSockets:
    """Those of one script."""

    def __init__(self) -> None:
        self._known: dict[int, OwnSocket] = {}

    def heard(self, args: tuple[Any, ...], next_id: Callable[[], int]) -> None:
        """A socket is being made.

        Args:
            args: Of the audit event.
            next_id: Gives it a number.
        """
        made = args[0]
        if not isinstance(made, socket.socket):
            return
        place = python_place()
        if not place:  # ours, or asyncio's own
            return
        self._known[id(made)] = OwnSocket(next_id(), made, place)
        if len(self._known) > MAX_KNOWN:
            self._known.pop(next(iter(self._known)), None)

    def made_at(self, sock: Any) -> Any:
        """Where a socket was made, as Host.place tells it; "" for one that is not known."""
        own = self._known.get(id(sock))
        return "" if own is None else own.source

    def open_ones(self, known: set[int], limit: int) -> list[tuple[OwnSocket, socket.socket]]:
        """At most `limit` that are open, oldest first.

        Args:
            known: Descriptors that the loop tells of.
            limit: How many.
        """
        found: list[tuple[OwnSocket, socket.socket]] = []
        for key, own in list(self._known.items()):
            sock = own.made()
            if sock is None or (sock.fileno() < 0 and getattr(sock, "_closed", False)):
                if self._known.get(key) is own:
                    del self._known[key]
            elif sock.fileno() >= 0 and sock.fileno() not in known and len(found) < limit:
                found.append((own, sock))
        return found

    def close(self, number: int) -> bool:
        """End the connection of one: what waits for it in the script returns at once; whether it was open."""
        for own, sock in self.open_ones(set(), MAX_KNOWN):
            if own.number == number:
                with suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)
                return True
        return False
