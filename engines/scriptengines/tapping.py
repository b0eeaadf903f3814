"""The last bytes that went over a connection, kept from when somebody asks for them until nobody does.

While a connection is tapped its socket, or the TLS object in front of it, is of a class that notes what its
methods return; before and after, nothing differs from a connection that was never looked at. Works for the
transports of asyncio and for blocking code alike, as long as it goes by Python's own sockets.
"""

from __future__ import annotations

import socket
import ssl
from asyncio import sslproto
from typing import TYPE_CHECKING, Any, cast

from scriptnative import Outlet

from .host import HostObject
from .inspection import is_listening, protocol_over

if TYPE_CHECKING:
    from collections.abc import Callable

    from .loop import ScriptLoop
    from .sockets import OwnSockets

_SSLProtocol: Any = sslproto.SSLProtocol

KEPT = 4096
"""Bytes that are kept each way."""

LISTENS = "A listening socket carries no bytes: look at the connections that it accepts."
UNSEEN = "The bytes of this connection cannot be seen: its library reads and writes past Python's sockets."
GONE = "The connection has ended."
MESSAGES = "These are the messages of the websocket, without the frames around them."

type TappedRow = tuple[bytes, bytes, int, int, str]
"""(received, sent, bytes received before those, bytes sent before those, note)."""


class Tap:
    """The last bytes of one connection.

    Attributes:
        note: What one should know of them, "" for nothing.
    """

    def __init__(self) -> None:
        self._received, self._sent = bytearray(), bytearray()
        self._came = self._went = 0
        self.note = ""

    def received(self, piece: Any) -> None:
        """Bytes have come."""
        self._came += _keep(self._received, piece)

    def sent(self, piece: Any) -> None:
        """Bytes have gone."""
        self._went += _keep(self._sent, piece)

    def row(self) -> TappedRow:
        """What is kept."""
        received, sent = bytes(self._received), bytes(self._sent)
        return received, sent, max(0, self._came - len(received)), max(0, self._went - len(sent)), self.note


def _keep(kept: bytearray, piece: Any) -> int:
    """Add to what is kept, and forget the oldest of it; how many there were."""
    with memoryview(piece) as view, view.cast("B") as raw:
        count = len(raw)
        kept += raw[-KEPT:] if count > KEPT else raw
    if len(kept) > KEPT:
        del kept[:-KEPT]
    return count


class Taps:
    """Those of one generation of a script.

    Args:
        loop: Its loop.
        sockets: Those that it opens past its loop.
    """

    def __init__(self, loop: ScriptLoop, sockets: OwnSockets | None) -> None:
        self._loop = loop
        self._sockets = sockets
        self._taps: dict[int, tuple[Tap, Any, Callable[[], None]]] = {}

    def turn(self, number: int, on: bool) -> bool:
        """Begin or end to keep bytes; from any thread.

        Args:
            number: Of the connection.
            on: Which of the two.

        Returns:
            Whether there is such a connection.
        """
        spot, listens = self._find(number)
        if on and number not in self._taps and spot is not None:
            self._put(number, Tap(), spot)
        elif not on and number in self._taps:
            self._taps.pop(number)[2]()
        return spot is not None or listens

    def row(self, number: int) -> TappedRow:
        """What is kept of a connection, with a sentence for one of which nothing can be."""
        spot, listens = self._find(number)
        known = self._taps.get(number)
        if known is None:
            return b"", b"", 0, 0, LISTENS if listens else GONE if spot is None else ""
        tap, where, undo = known
        if spot is not None and spot is not where:  # TLS or another protocol has begun on it
            undo()
            self._put(number, tap, spot)
        row = tap.row()
        return row if spot is not None else (*row[:4], GONE)

    def _put(self, number: int, tap: Tap, spot: Any) -> None:
        speaks = isinstance(spot, HostObject)
        tap.note = MESSAGES if speaks else ""
        try:
            undo: Callable[[], None] = cast("Any", spot)._tap(tap) if speaks else _swap(spot, tap)
        except TypeError:  # a class of a library's own, with a layout of its own
            tap.note, undo = UNSEEN, _nothing
        self._taps[number] = tap, spot, self._without_shortcut(number, undo)

    def _without_shortcut(self, number: int, undo: Callable[[], None]) -> Callable[[], None]:
        """Until what is given back is called, no bytes of Lua pass Python's socket by."""
        transport = self._loop.transports().get(number)
        inner: Any = None if transport is None else protocol_over(transport)
        if not isinstance(inner, Outlet):
            return undo
        shortcut = cast("Any", inner)._shortcut
        shortcut(False)

        def restore() -> None:
            undo()
            shortcut(True)

        return restore

    def _find(self, number: int) -> tuple[Any, bool]:
        """Where the bytes of a connection can be seen, None for nowhere; and whether it listens."""
        transport = self._loop.transports().get(number)
        if transport is not None and transport._sock is not None:
            return _spot(transport), False
        if any(each.number == number for each in list(self._loop.listeners.values())):
            return None, True
        if self._sockets is not None:
            for own, sock in self._sockets.open_ones(set(), 10_000):
                if own.number == number:
                    listens = is_listening(sock)
                    return (None if listens else sock), listens
        return None, False


def _spot(transport: Any) -> Any:
    """What the plain text of a transport passes: a protocol of ours that has messages, TLS, or the socket."""
    inner = protocol_over(transport)
    if isinstance(inner, HostObject) and hasattr(inner, "_tap"):
        return inner
    below: Any = transport.get_protocol()
    return (below._sslobj if isinstance(below, _SSLProtocol) else None) or transport._sock


def _swap(spot: Any, tap: Tap) -> Callable[[], None]:
    """Give an object a class that tells a tap; what puts the old one back.

    Raises:
        TypeError: It has no room for that.
    """
    before = cast("Any", type(spot))
    wrappers = _TLS if isinstance(spot, (ssl.SSLSocket, ssl.SSLObject)) else _PLAIN
    body = {
        name: make(getattr(before, name), tap) for name, make in wrappers.items() if hasattr(before, name)
    }
    body |= {"__slots__": (), "__module__": before.__module__, "__qualname__": before.__qualname__}
    spot.__class__ = type(before.__name__, (before,), body)

    def undo() -> None:
        spot.__class__ = before

    return undo


def _nothing() -> None:
    pass


# ---- the methods of sockets, and what they tell -----------------------------------------------------------


def _gives_bytes(method: Any, tap: Tap) -> Any:
    """recv(count, flags)"""

    def recv(self: Any, count: int, flags: int = 0) -> bytes:
        found = method(self, count, flags)
        if not flags & socket.MSG_PEEK:
            tap.received(found)
        return found

    return recv


def _fills(method: Any, tap: Tap) -> Any:
    """recv_into(buffer, count, flags)"""

    def recv_into(self: Any, buffer: Any, nbytes: Any = 0, flags: int = 0) -> int:
        count = method(self, buffer, nbytes or 0, flags)
        if not flags & socket.MSG_PEEK:
            _told(tap.received, buffer, count)
        return count

    return recv_into


def _gives_datagram(method: Any, tap: Tap) -> Any:
    """recvfrom(count, flags): the bytes come first"""

    def recvfrom(self: Any, count: int, flags: int = 0) -> Any:
        found = method(self, count, flags)
        if not flags & socket.MSG_PEEK:
            tap.received(found[0])
        return found

    return recvfrom


def _gives_message(method: Any, tap: Tap) -> Any:
    """recvmsg(count, count of ancillary bytes, flags): the bytes come first"""

    def recvmsg(self: Any, count: int, ancillary: int = 0, flags: int = 0) -> Any:
        found = method(self, count, ancillary, flags)
        if not flags & socket.MSG_PEEK:
            tap.received(found[0])
        return found

    return recvmsg


def _fills_datagram(method: Any, tap: Tap) -> Any:
    """recvfrom_into(buffer, count, flags)"""

    def recvfrom_into(self: Any, buffer: Any, nbytes: int = 0, flags: int = 0) -> Any:
        found = method(self, buffer, nbytes, flags)
        if not flags & socket.MSG_PEEK:
            _told(tap.received, buffer, found[0])
        return found

    return recvfrom_into


def _takes_some(method: Any, tap: Tap) -> Any:
    """send(data, …), write(data): gives how many went"""

    def send(self: Any, data: Any, *args: Any) -> int:
        count = method(self, data, *args)
        _told(tap.sent, data, count)
        return count

    return send


def _takes_all(method: Any, tap: Tap) -> Any:
    """sendall(data, flags)"""

    def sendall(self: Any, data: Any, *args: Any) -> None:
        method(self, data, *args)
        tap.sent(data)

    return sendall


def _takes_parts(method: Any, tap: Tap) -> Any:
    """sendmsg(buffers, …): gives how many bytes went"""

    def sendmsg(self: Any, buffers: Any, *args: Any) -> int:
        parts = list(buffers)
        count = method(self, parts, *args)
        _told(tap.sent, b"".join(parts), count)
        return count

    return sendmsg


def _decrypts(method: Any, tap: Tap) -> Any:
    """read(count, buffer) of TLS: gives bytes, or how many it has put into the buffer"""

    def read(self: Any, count: int = 1024, buffer: Any = None) -> Any:
        if buffer is None:
            found = method(self, count)
            tap.received(found)
        else:
            found = method(self, count, buffer)
            _told(tap.received, buffer, found)
        return found

    return read


def _told(tell: Callable[[Any], None], buffer: Any, count: int) -> None:
    with memoryview(buffer) as view, view.cast("B") as raw, raw[:count] as piece:
        tell(piece)


_PLAIN: dict[str, Callable[[Any, Tap], Any]] = {
    "recv": _gives_bytes,
    "recv_into": _fills,
    "recvfrom": _gives_datagram,
    "recvfrom_into": _fills_datagram,
    "recvmsg": _gives_message,
    "send": _takes_some,
    "sendall": _takes_all,
    "sendto": _takes_some,
    "sendmsg": _takes_parts,
}
# The others of these classes go by these.
_TLS: dict[str, Callable[[Any, Tap], Any]] = {"read": _decrypts, "send": _takes_some, "write": _takes_some}
