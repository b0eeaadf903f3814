"""Blocking TCP for `_PY.tcp_*_sync` and `require "socket"`: a script that uses it stands still meanwhile."""

from __future__ import annotations

import select
import socket
import time
from typing import TYPE_CHECKING, Any

from .files import raw, reason
from .system import SLICE

if TYPE_CHECKING:
    from . import Dialect

CONNECT_LIMIT = 1.0
"""Seconds a connection may take to come about."""
CHUNK = 65536


class BlockingSocket:
    """One connection or listener of a script.

    Args:
        sock: Of the system.
        limit: Seconds an operation may take; None for ever, 0 not to wait at all.
    """

    def __init__(self, sock: socket.socket, limit: float | None = None) -> None:
        sock.setblocking(False)
        self.sock = sock
        self.limit = limit
        self.pending = bytearray()
        self.ended = False

    def wait(self, dialect: Dialect, end: float | None, *, writing: bool = False) -> bool:
        """Wait until the socket is ready; False when the time is over."""
        waiting = select.poll()  # takes descriptors beyond 1023 too
        waiting.register(self.sock, select.POLLOUT if writing else select.POLLIN)
        while True:
            dialect.check_running()
            left = SLICE if end is None else max(0.0, min(SLICE, end - time.monotonic()))
            if waiting.poll(left * 1000):
                return True
            if end is not None and time.monotonic() >= end:
                return False

    def end_of_time(self) -> float | None:
        """When an operation that begins now has to have ended."""
        return None if self.limit is None else time.monotonic() + self.limit

    def fill(self, dialect: Dialect, end: float | None) -> bool:
        """Read what is there into `pending`; False when nothing came in time."""
        try:
            while True:
                try:
                    piece = self.sock.recv(CHUNK)
                    break
                except (BlockingIOError, InterruptedError):
                    if not self.wait(dialect, end):
                        return False
        except ConnectionResetError:
            piece = b""
        self.ended = not piece
        self.pending += piece
        return True

    def take(self, count: int) -> bytes:
        """The first bytes of what was read."""
        taken = bytes(memoryview(self.pending)[:count])
        del self.pending[:count]
        return taken


class _Sockets:
    def __init__(self) -> None:
        self.last = 0
        self.by_number: dict[int, BlockingSocket] = {}

    def add(self, sock: BlockingSocket) -> int:
        self.last += 1
        self.by_number[self.last] = sock
        return self.last

    def close(self) -> None:
        """All of them."""
        while self.by_number:
            self.by_number.popitem()[1].sock.close()


def _sockets(dialect: Dialect) -> _Sockets:
    found = dialect.kept.get("sockets")
    if not isinstance(found, _Sockets):
        found = dialect.kept["sockets"] = _Sockets()
    return found


def _find(dialect: Dialect, number: Any) -> BlockingSocket | None:
    return _sockets(dialect).by_number.get(number)


def connect(dialect: Dialect, address: str, port: int, limit: float | None = CONNECT_LIMIT) -> list[Any]:
    """[ok, number or None, message]; names of the machine are looked up first."""
    try:
        found = socket.getaddrinfo(address, int(port), type=socket.SOCK_STREAM)
    except (OSError, OverflowError, TypeError, ValueError) as error:
        return [False, None, reason(error)]
    problem = "no address"
    for *kind, _, where in found:
        made = BlockingSocket(socket.socket(*kind))
        try:
            problem = _connect_one(dialect, made, where, limit)
        except BaseException:  # the script is to stop
            made.sock.close()
            raise
        if not problem:
            return [True, _sockets(dialect).add(made), f"Connected to {address}:{int(port)}"]
        made.sock.close()
    return [False, None, problem]


def _connect_one(dialect: Dialect, made: BlockingSocket, where: Any, limit: float | None) -> str:
    import errno
    import os

    try:
        code = made.sock.connect_ex(where)
    except (OSError, OverflowError) as error:
        return reason(error)
    if code == errno.EINPROGRESS:
        if not made.wait(dialect, None if limit is None else time.monotonic() + limit, writing=True):
            return "timeout"
        code = made.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    return os.strerror(code) if code else ""


def write(dialect: Dialect, number: Any, content: Any) -> list[Any]:
    """[ok, bytes, message]."""
    found = _find(dialect, number)
    if found is None:
        return [False, 0, f"no connection {number}"]
    try:
        payload = memoryview(raw(content))
    except TypeError as error:
        return [False, 0, str(error)]
    sent, end = 0, found.end_of_time()
    while sent < len(payload):
        try:
            sent += found.sock.send(payload[sent:])
        except (BlockingIOError, InterruptedError):
            if not found.wait(dialect, end, writing=True):
                return [False, sent, "timeout"]
        except OSError as error:
            return [False, sent, reason(error)]
    return [True, sent, f"Sent {sent} bytes"]


def read(dialect: Dialect, number: Any, pattern: Any, exact: bool = True) -> list[Any]:
    """[ok, bytes or None, partial, "timeout" or "closed" or what is wrong].

    Args:
        dialect: Of the script.
        number: Of the connection.
        pattern: "*l" a line without its end, "*a" all up to the end, a number of bytes.
        exact: Whether a number means exactly so many, or at most.
    """
    found = _find(dialect, number)
    if found is None:
        return [False, None, b"", f"no connection {number}"]
    end = found.end_of_time()
    pattern = pattern.lstrip("*")[:1] if isinstance(pattern, str) else pattern
    try:
        if pattern == "l":
            return _read_line(dialect, found, end)
        if pattern == "a":
            return _read_all(dialect, found, end)
        if isinstance(pattern, (int, float)) and not isinstance(pattern, bool) and pattern >= 0:
            return _read_count(dialect, found, int(pattern), exact, end)
    except OSError as error:
        return [False, None, found.take(len(found.pending)), reason(error)]
    return [False, None, b"", "bad pattern: use *l, *a or a number"]


def _read_line(dialect: Dialect, found: BlockingSocket, end: float | None) -> list[Any]:
    while (at := found.pending.find(b"\n")) < 0 and not found.ended:
        if not found.fill(dialect, end):
            return [False, None, found.take(len(found.pending)), "timeout"]
    if at < 0:
        return [False, None, found.take(len(found.pending)), "closed"]
    return [True, found.take(at + 1)[:-1].replace(b"\r", b""), b"", ""]


def _read_all(dialect: Dialect, found: BlockingSocket, end: float | None) -> list[Any]:
    while not found.ended:
        if not found.fill(dialect, end):
            return [False, None, found.take(len(found.pending)), "timeout"]
    return [True, found.take(len(found.pending)), b"", ""]


def _read_count(
    dialect: Dialect, found: BlockingSocket, count: int, exact: bool, end: float | None
) -> list[Any]:
    while len(found.pending) < (count if exact else 1) and not found.ended and count:
        if not found.fill(dialect, end):
            return [False, None, found.take(len(found.pending)), "timeout"]
    if exact and len(found.pending) < count:
        return [False, None, found.take(len(found.pending)), "closed"]
    return [True, found.take(count), b"", ""]


def read_until(dialect: Dialect, number: Any, delimiter: Any, limit: int) -> list[Any]:
    """[ok, bytes or None, message]; with the delimiter, or short at the end of the stream or at the limit."""
    found = _find(dialect, number)
    if found is None:
        return [False, None, f"no connection {number}"]
    mark, end = raw(delimiter), found.end_of_time()
    try:
        while (at := found.pending.find(mark)) < 0 and not found.ended and len(found.pending) < limit:
            if not found.fill(dialect, end):
                return [False, None, "timeout"]
    except OSError as error:
        return [False, None, reason(error)]
    return [True, found.take(min(limit, at + len(mark)) if at >= 0 else limit), ""]


def set_limit(dialect: Dialect, number: Any, seconds: float | None = None) -> list[Any]:
    """[ok, message]; None waits for ever, 0 not at all."""
    found = _find(dialect, number)
    if found is None:
        return [False, f"no connection {number}"]
    found.limit = None if seconds is None else max(0.0, float(seconds))
    return [True, "Timeout set"]


def get_limit(dialect: Dialect, number: Any) -> list[Any]:
    """[ok, seconds or None, message]."""
    found = _find(dialect, number)
    return [False, None, f"no connection {number}"] if found is None else [True, found.limit, ""]


def close(dialect: Dialect, number: Any) -> list[Any]:
    """[ok, message]."""
    found = _sockets(dialect).by_number.pop(number, None)
    if found is None:
        return [False, f"no connection {number}"]
    found.sock.close()
    return [True, "Connection closed"]


def count(dialect: Dialect) -> int:
    """How many are open."""
    return len(_sockets(dialect).by_number)


def close_all(dialect: Dialect) -> int:
    """Close them; how many there were."""
    closed = count(dialect)
    _sockets(dialect).close()
    return closed


def listen(dialect: Dialect, address: str, port: int) -> int:
    """Listen; the number of the listener.

    Raises:
        OSError: The port cannot be bound.
    """
    sock = socket.create_server((address, int(port)))
    return _sockets(dialect).add(BlockingSocket(sock))


def accept(dialect: Dialect, number: Any, limit: float = 10.0) -> list[Any]:
    """[ok, number or None, message]."""
    found = _find(dialect, number)
    if found is None:
        return [False, None, f"no server {number}"]
    try:
        if not found.wait(dialect, time.monotonic() + float(limit)):
            return [False, None, "timeout"]
        sock, peer = found.sock.accept()
    except OSError as error:
        return [False, None, reason(error)]
    return [True, _sockets(dialect).add(BlockingSocket(sock)), f"Client connected from {peer[0]}:{peer[1]}"]


def port_of(dialect: Dialect, number: Any) -> int | None:
    """On which a listener or connection is."""
    found = _find(dialect, number)
    return None if found is None else found.sock.getsockname()[1]


def is_free(_dialect: Dialect, port: int, address: str = "127.0.0.1") -> bool:
    """Whether a port can be bound."""
    try:
        socket.create_server((address, int(port))).close()
    except OSError:
        return False
    return True


def reachable(_dialect: Dialect, address: str, port: int) -> str:
    """Why no remote debugger can be had there."""
    try:
        socket.create_connection((address, int(port)), timeout=CONNECT_LIMIT).close()
    except (OSError, ValueError, TypeError) as error:
        return reason(error)
    return "this host does not speak the protocol of remote debuggers"
