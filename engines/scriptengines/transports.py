"""The transports that a ScriptLoop makes: asyncio's, with a shorter way for short messages."""

from __future__ import annotations

import asyncio.selector_events
import socket
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections import deque

    class _StreamTransport(asyncio.Transport):
        max_size: int
        _buffer: deque[Any]
        _buffer_size: int
        _conn_lost: int
        _empty_waiter: Any
        _eof: bool
        _protocol_paused: bool
        _sock: socket.socket

        def __init__(self, loop: Any, sock: socket.socket, *args: Any, **named: Any) -> None: ...
        def _maybe_pause_protocol(self) -> None: ...

else:
    _StreamTransport = asyncio.selector_events._SelectorSocketTransport

_IS_COUNTED = sys.version_info >= (3, 15)
"""Whether asyncio keeps the number of bytes that wait; before, it adds them up."""
READ_SIZE = 65536
"""Bytes that are read at a time. asyncio's 256 KiB come from the system and go back to it with every read,
which costs more than to read a short message."""
PIECE = 65536
"""Bytes up to which what waits to be sent is put together."""


class StreamTransport(_StreamTransport):
    """A connected socket."""

    max_size = READ_SIZE

    @property
    def descriptor(self) -> int:
        """Of the socket."""
        return self._sock.fileno()

    @property
    def is_clear(self) -> bool:
        """Whether nothing waits to be sent."""
        return not self._buffer

    def write(self, data: Any) -> None:
        """As asyncio's; bytes that the system takes at once go straight there, and few wait together."""
        if type(data) is not bytes or not data or self._conn_lost or self._eof or self._empty_waiter:
            super().write(data)
        elif self._buffer:
            self._keep(data)
        else:
            try:
                taken = self._sock.send(data)
            except OSError:
                taken = 0  # asyncio tries again, and knows what to do
            if taken < len(data):
                super().write(memoryview(data)[taken:])

    def _keep(self, data: bytes) -> None:
        """Let bytes wait, in few pieces: before 3.15 asyncio adds them up whenever there is one more."""
        last = self._buffer[-1]
        if type(last) is bytearray and len(last) < PIECE:
            last += data
        else:
            self._buffer.append(bytearray(data) if len(data) < PIECE else data)
        if _IS_COUNTED:
            self._buffer_size += len(data)
        if not self._protocol_paused:
            self._maybe_pause_protocol()


def make_datagrams_short(transport: Any, sock: socket.socket) -> None:
    """Let it read into less memory at a time, if no datagram can be longer."""
    if sock.family in (socket.AF_INET, socket.AF_INET6):
        transport.max_size = READ_SIZE
