"""How the two processes talk: frames on a stream socket, and the kinds of message in them.

A frame is four bytes, little-endian, and one MessagePack array. The bytes hold its length and, as their
highest bit, whether there are marks in it. Each channel is used by one thread at a time on either side, or
under a mutex.
"""

from __future__ import annotations

import select
from typing import TYPE_CHECKING, Any, cast

from scriptnative.errors import CrossingError

from .values import MAX_FRAME, Malformed, Packing, Values, too_large

if TYPE_CHECKING:
    import socket

STOP_LIMIT = 0.2
"""Seconds that an interrupted script gets to come to an end."""
_CHUNK = 65_536
_LARGE = 2**22
MARKED = 2**31


def anything_in_flight(channels: tuple[Channel, ...]) -> bool:
    """Whether something may have arrived that is not decoded yet.

    What is given back is told on another channel than it was last named on, and may overtake that.
    """
    waiting = select.poll()
    for channel in channels:
        waiting.register(channel, select.POLLIN)
    # In this order: who takes something from a socket says so before.
    return bool(waiting.poll(0)) or any(channel.buffered or channel.reading for channel in channels)


class Kind:
    """First item of every message; the others are named beside each.

    `reports` is how many messages the child had sent on the control channel before: what it reported first is
    seen first. The parent sends 0.
    """

    # On the call channel and on the script's own: strictly nested, as calls are.
    CALL = 0  # reports, operation, target, args, kwargs or None
    OK = 1  # reports, result
    FAIL = 2  # reports, description
    # On the control channel, from the parent.
    ASK = 3  # number, operation, argument
    ASIDE_OK = 4  # number, result
    ASIDE_FAIL = 5  # number, description
    # On the control channel, from the child.
    ANSWER = 6  # number, whether it was done, result or account of the error; None, None: too busy
    ASIDE = (
        7  # number, operation, target, args, kwargs or None: asked by a thread that does not run the script
    )
    REPORT = 8  # kind, payload: as Feed.push takes them
    BUSY = 9  # change
    BYE = 10  # it ends as it should
    # On the control channel, from either side.
    DROPPED = 11  # object, times


_LENGTHS = {
    Kind.CALL: 6,
    Kind.OK: 3,
    Kind.FAIL: 3,
    Kind.ASK: 4,
    Kind.ASIDE_OK: 3,
    Kind.ASIDE_FAIL: 3,
    Kind.ANSWER: 4,
    Kind.ASIDE: 6,
    Kind.REPORT: 3,
    Kind.BUSY: 2,
    Kind.BYE: 1,
    Kind.DROPPED: 3,
}


class Channel:
    """One end of a stream of messages.

    Args:
        sock: A connected stream socket, blocking.
        values: Decodes what arrives.
    """

    def __init__(self, sock: socket.socket, values: Values) -> None:
        self.sock = sock
        self._values = values
        self._packing = Packing()
        self._rest = b""
        self.reading = False

    def fileno(self) -> int:
        """For poll."""
        return self.sock.fileno()

    @property
    def buffered(self) -> bool:
        """Whether something has been read already that `receive` has not given."""
        return bool(self._rest)

    def send(self, message: tuple[Any, ...]) -> None:
        """Send a message of prepared values.

        Raises:
            CrossingError: It is too large; nothing was sent.
            OSError: The other side has ended.
        """
        try:
            payload = self._packing.pack(message)
        except ValueError as error:  # beyond what the packer can hold
            raise CrossingError(f"the values cannot be packed ({error}); {too_large()}") from None
        size = len(payload)
        if size > MAX_FRAME:
            raise CrossingError(f"the values take {size / 2**20:.0f} MiB together; {too_large()}")
        head = (size | MARKED if self._packing.marked else size).to_bytes(4, "little")
        if size <= _CHUNK:
            self.sock.sendall(head + payload)
        else:
            self.sock.sendall(head)
            self.sock.sendall(payload)

    def receive(self) -> list[Any]:
        """The next message; waits for it. It is better to wait with poll: see `anything_in_flight`.

        Raises:
            EOFError: The other side has ended.
            Malformed: It is no message.
        """
        self.reading = True
        try:
            return self._receive()
        finally:
            self.reading = False
            self._values.bury()

    def _receive(self) -> list[Any]:
        frame = self._rest or self._read()
        while len(frame) < 4:
            frame += self._read()
        head = int.from_bytes(frame[:4], "little")
        end = 4 + (head & ~MARKED)
        if end > MAX_FRAME + 4:
            raise Malformed(f"a message of {end - 4} bytes")
        if len(frame) < end:
            parts, missing = [frame], end - len(frame)
            while missing > 0:
                parts.append(self._read(min(missing, _LARGE)))
                missing -= len(parts[-1])
            frame = b"".join(parts)
        self._rest = frame[end:]
        decoded = self._values.decode(memoryview(frame)[4:end], head >= MARKED)
        if type(decoded) is not list or not decoded:
            raise Malformed("no message")
        message = cast("list[Any]", decoded)
        if type(message[0]) is not int:
            raise Malformed("a message of no kind")
        if _LENGTHS.get(message[0]) != len(message):
            raise Malformed(f"a message of kind {message[0]} with {len(message)} parts")
        if len(message) > 1 and type(message[1]) is not int:
            raise Malformed(f"a message of kind {message[0]} without its number")
        return message

    def _read(self, size: int = _CHUNK) -> bytes:
        try:
            chunk = self.sock.recv(size)
        except ConnectionError:
            chunk = b""
        if not chunk:
            raise EOFError("the other process has ended")
        return chunk

    def close(self) -> None:
        """Close it."""
        self.sock.close()
