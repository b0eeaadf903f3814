"""The transports that a ScriptLoop makes: asyncio's, with a shorter way for short messages."""

from __future__ import annotations

import asyncio.selector_events
import socket
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:

    class _StreamTransport(asyncio.Transport):
        max_size: int
        _buffer: Any
        _conn_lost: int
        _empty_waiter: Any
        _eof: bool
        _sock: socket.socket

        def __init__(self, loop: Any, sock: socket.socket, *args: Any, **named: Any) -> None: ...

else:
    _StreamTransport = asyncio.selector_events._SelectorSocketTransport

READ_SIZE = 65536
"""Bytes that are read at a time. asyncio's 256 KiB come from the system and go back to it with every read,
which costs more than to read a short message."""


class StreamTransport(_StreamTransport):
    """A connected socket."""

    max_size = READ_SIZE

    def write(self, data: Any) -> None:
        """As asyncio's; bytes that the system takes at once go straight there."""
        waits = self._buffer or self._conn_lost or self._eof or self._empty_waiter
        if type(data) is bytes and data and not waits:
            try:
                taken = self._sock.send(data)
            except OSError:
                taken = 0  # asyncio tries again, and knows what to do
            if taken == len(data):
                return
            data = memoryview(data)[taken:]
        super().write(data)


def make_datagrams_short(transport: Any, sock: socket.socket) -> None:
    """Let it read into less memory at a time, if no datagram can be longer."""
    if sock.family in (socket.AF_INET, socket.AF_INET6):
        transport.max_size = READ_SIZE
