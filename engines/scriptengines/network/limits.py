"""What one script may have of the network at a time: sockets, bytes that wait to be sent, callbacks a second.

They belong to the Host of a generation and are set by the options max_sockets, max_queued and max_callbacks.
What would go over a limit waits where somebody can wait (accepting, reading, `write`), and is refused with
an error that names the option where nobody can (`send`, `tcp_connect`).
"""

from __future__ import annotations

import socket
import sys
from collections import deque
from typing import TYPE_CHECKING, Any, Protocol, cast

from scriptengines.options import NETWORK

from .waking import wake

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from scriptengines.host import Host


class Sender(Protocol):
    """What has a queue of bytes to be sent."""

    @property
    def queued(self) -> int:
        """Bytes that wait."""
        ...


class Limits:
    """Of one generation of a script.

    Args:
        host: Its `options` may hold "max_sockets", "max_queued" and "max_callbacks"; 0 is no limit.

    Attributes:
        sockets: How many it has open.
        max_queued: Bytes.
        senders: Whatever is open and can have bytes that wait.
        estimate: Bytes that wait to be sent at most: counted up by each sender, corrected by check_queued.
        rate: Callbacks a second, 0 for no limit.
    """

    def __init__(self, host: Host) -> None:
        options = host.options
        self._loop = host.loop
        self.sockets = 0
        self.max_sockets: int = options.get("max_sockets", 0)
        self.max_queued: int = options.get("max_queued", NETWORK["max_queued"].default) or sys.maxsize
        self.estimate = 0
        self.rate: int = options.get("max_callbacks", 0)
        self._tokens = float(self.rate)
        self._filled = self._loop.time()
        self._calls: deque[tuple[Callable[..., object], tuple[Any, ...]]] = deque()
        self.senders: set[Sender] = set()
        self._waiting: set[ListeningSocket] = set()
        self._writers: list[asyncio.Future[None]] = []

    # ---- sockets ---------------------------------------------------------------------------------

    def claim(self, what: str) -> None:
        """Count a socket that is about to be opened.

        Raises:
            OSError: There are as many as the script may have.
        """
        if self.is_full:
            raise OSError(
                f"{what}: the script has {self.sockets} sockets open, as many as it may (option max_sockets)"
            )
        self.sockets += 1

    @property
    def is_full(self) -> bool:
        """Whether no further socket may be opened."""
        return bool(self.max_sockets) and self.sockets >= self.max_sockets

    def release(self) -> None:
        """A socket is closed; who waits to accept goes on."""
        self.sockets -= 1
        while self._waiting and not self.is_full:
            self._waiting.pop().listen_again()

    def wait_for_socket(self, listening: ListeningSocket) -> None:
        """Let a listener accept again as soon as a socket may be opened."""
        self._waiting.add(listening)

    def forget(self, listening: ListeningSocket) -> None:
        """A listener is closed."""
        self._waiting.discard(listening)

    # ---- bytes that wait to be sent ------------------------------------------------------------------

    @property
    def queued(self) -> int:
        """Bytes of the script that wait to be sent."""
        return sum(sender.queued for sender in self.senders)

    def check_queued(self, what: str, more: int) -> None:
        """Correct the estimate, of which `more` is part already, and refuse what goes over the limit.

        Raises:
            BlockingIOError: So many bytes do not fit.
        """
        queued = self.queued
        self.estimate = queued + more
        if self.estimate > self.max_queued:
            self.estimate = queued
            raise BlockingIOError(
                f"{what}: {queued} bytes wait to be sent already, and {more} more would be over the limit of "
                f"{self.max_queued} (option max_queued); use write, which waits"
            )

    def may_queue(self, more: int) -> bool:
        """Whether so many bytes more may wait."""
        if self.estimate + more <= self.max_queued:
            return True
        self.estimate = self.queued
        return self.estimate + more <= self.max_queued

    async def wait_to_queue(self) -> None:
        """Wait until something of what waits to be sent has left."""
        waiting = self._loop.create_future()
        self._writers.append(waiting)
        await waiting

    def wake_writers(self) -> None:
        """Something has left."""
        writers, self._writers = self._writers, []
        for waiting in writers:
            wake(waiting)

    # ---- callbacks -------------------------------------------------------------------------------------

    def delay(self) -> float:
        """Count a callback of a script that has a `rate`.

        Returns:
            Seconds until there may be one, 0 when it may be called now; only then it is counted.
        """
        now = self._loop.time()
        self._tokens = min(float(self.rate), self._tokens + (now - self._filled) * self.rate)
        self._filled = now
        if self._tokens >= 1.0:
            self._tokens -= 1.0
            return 0.0
        return (1.0 - self._tokens) / self.rate

    def call(self, function: Callable[..., object], *args: Any) -> None:
        """Call what calls the script back, at once or as soon as its rate allows; in order.

        Whoever brings it holds back what comes next until then, so that this does not grow.
        """
        if not self.rate:
            function(*args)
            return
        self._calls.append((function, args))
        if len(self._calls) == 1:
            self._call_next()

    def _call_next(self) -> None:
        while self._calls:
            delay = self.delay()
            if delay:
                self._loop.call_later(delay, self._call_next)
                return
            function, args = self._calls[0]
            try:
                function(*args)
            except BaseException:  # what ends the script, or is meant for it: those that wait go on
                if len(self._calls) > 1:
                    self._loop.call_soon(self._call_next)
                raise
            finally:
                self._calls.popleft()  # only now: what is added during the call goes behind it

    async def turn(self) -> None:
        """Wait until the script may be called back."""
        if self.rate:
            waiting = self._loop.create_future()
            self.call(wake, waiting)
            await waiting


def limits_of(host: Host) -> Limits:
    """The limits of a script, made when they are first asked for."""
    found: Limits | None = host.limits
    if found is None:
        found = host.limits = Limits(host)
    return found


class Place:
    """A socket counted against the script's limit, from before it is opened until it is closed."""

    def __init__(self, host: Host, what: str) -> None:
        self._limits = limits_of(host)
        self._limits.claim(what)
        self._is_taken = True

    def release(self) -> None:
        """Count it no more; harmless when called again."""
        if self._is_taken:
            self._is_taken = False
            self._limits.release()


class AcceptedSocket(socket.socket):
    """A connection that was accepted: counted until its descriptor is closed."""

    limits: Limits | None = None

    def _real_close(self, *args: Any) -> None:
        limits, self.limits = self.limits, None
        cast("Any", super())._real_close(*args)
        if limits is not None:
            limits.release()

    def detach(self) -> int:
        """As of any socket; who takes the descriptor is not counted."""
        limits, self.limits = self.limits, None
        if limits is not None:
            limits.release()
        return super().detach()


class ListeningSocket(socket.socket):
    """A listening socket that leaves clients in the system's backlog while the script may open no socket."""

    limits: Limits | None = None
    loop: Any
    _again: Callable[[], object] | None = None

    @classmethod
    def take(cls, sock: socket.socket, host: Host) -> ListeningSocket:
        """Make one of a bound socket, which is used up.

        Raises:
            OSError: The script has as many sockets as it may.
        """
        limits = limits_of(host)
        try:
            limits.claim("listen")
        except OSError:
            sock.close()
            raise
        made = cls(sock.family, sock.type, sock.proto, fileno=sock.detach())
        made.limits = limits
        made.loop = host.loop
        return made

    def accept(self) -> tuple[socket.socket, Any]:
        """As of any socket; BlockingIOError when the client has to wait."""
        limits = self.limits
        assert limits is not None
        if limits.is_full:
            self._stop_listening(limits)
            raise BlockingIOError
        descriptor, address = cast("Any", self)._accept()
        accepted = AcceptedSocket(self.family, self.type, self.proto, fileno=descriptor)
        limits.sockets += 1
        accepted.limits = limits
        return accepted, address

    def _stop_listening(self, limits: Limits) -> None:
        """Look away until a socket of the script is closed; the selector would tell of it for ever."""
        reader = self.loop._selector.get_key(self).data[0]
        callback, args = reader._callback, reader._args

        def again() -> None:
            if self.fileno() >= 0:
                self.loop._add_reader(self.fileno(), callback, *args)

        self._again = again
        self.loop._remove_reader(self.fileno())
        limits.wait_for_socket(self)

    def listen_again(self) -> None:
        """A socket was closed."""
        again, self._again = self._again, None
        if again is not None:
            again()

    def _real_close(self, *args: Any) -> None:
        self._again = None
        limits, self.limits = self.limits, None
        cast("Any", super())._real_close(*args)
        if limits is not None:
            limits.forget(self)
            limits.release()
