"""UDP for scripts: datagrams that call back, or are waited for in a buffer that drops its oldest if full."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections import deque
from typing import TYPE_CHECKING, Any, cast

from scriptengines.host import HostObject
from scriptengines.hostapi.registry import host_function

from .failures import explain, format_address, format_endpoint
from .limits import limits_of
from .settings import bytes_of, count_of, port_of, seconds, split_handlers
from .waking import wake

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scriptengines.host import Host

LARGEST = 65507
"""Bytes of the largest datagram; see RFC 768, less the header of IPv4."""
BUFFER = 1024
"""Datagrams that wait to be received, unless the script sets another number."""
BUFFER_BYTES = 4 * 2**20
"""Bytes of them, whatever their number."""


class UdpSocket(HostObject, asyncio.DatagramProtocol):
    """One bound UDP socket of a script.

    Attributes:
        id: Its number in the console's list.
        port: To which it is bound.
        local: Address and port.
        received: Bytes so far.
        sent: Bytes so far.
        dropped: Datagrams that came and were never received, because nobody took the ones before in time.
    """

    def __init__(self, host: Host, sock: socket.socket, handlers: Mapping[str, Any], buffer: int) -> None:
        super().__init__(host)
        self._source = host.caller()
        self._limits = limits_of(host)
        self._handlers = handlers
        self._on_data: Any = handlers.get("data")
        self._datagrams: deque[tuple[bytes, str, int]] = deque()
        self._buffer = buffer
        self._buffered = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._is_slowed = False
        self._is_closed = False
        self._family = sock.family
        self.local = format_address(sock.getsockname())
        self.port: int = sock.getsockname()[1]
        self.received = 0
        self.sent = 0
        self.dropped = 0
        self._transport: Any = cast("Any", host.loop)._make_datagram_transport(sock, self)
        self.id: int = self._transport.observed_id
        self._limits.senders.add(self)

    # ---- called by asyncio ------------------------------------------------------------------------

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """For asyncio: hand the datagram to the script, or keep it until it is received."""
        self.received += len(data)
        handler = self._on_data
        if handler is None or self._limits.rate:
            self._keep((data, addr[0], addr[1]))
        else:
            self._host.run("udp data callback", handler, (self, data, addr[0], addr[1]))

    def error_received(self, exc: Exception) -> None:
        """For asyncio: something could not be sent, or was refused."""
        self._fail(explain(self.local, exc))

    def connection_lost(self, exc: Exception | None) -> None:
        """For asyncio: the socket is closed."""
        if not self._is_closed:
            self._is_closed = True
            self._leave()
            if exc is not None:
                self.error_received(exc)
        while self._waiting:
            wake(self._waiting.popleft())

    def _fail(self, error: OSError) -> None:
        handler = self._handlers.get("error")
        if handler is None:
            self._host.reporter.error("udp socket", error)
        else:
            self._host.run("udp error callback", handler, (self, str(error)))

    # ---- receiving --------------------------------------------------------------------------------

    def _keep(self, datagram: tuple[bytes, str, int]) -> None:
        self._datagrams.append(datagram)
        self._buffered += len(datagram[0])
        while len(self._datagrams) > self._buffer or self._buffered > BUFFER_BYTES:
            self._buffered -= len(self._datagrams.popleft()[0])
            self.dropped += 1
        if self._on_data is None:
            self._wake_receiver()
        elif not self._is_slowed:
            self._hand_over()

    def _wake_receiver(self) -> None:
        """Let the first go on who has not been let already."""
        wake(next((waiting for waiting in self._waiting if not waiting.done()), None))

    def _hand_over(self) -> None:
        """Call back with what is kept, as fast as the script's rate allows."""
        self._is_slowed = False
        while self._datagrams:
            delay = self._limits.delay()
            if delay:
                self._is_slowed = True
                self._host.loop.call_later(delay, self._hand_over)
                return
            self._host.run("udp data callback", self._on_data, (self, *self._take()))

    def _take(self) -> tuple[bytes, str, int]:
        datagram = self._datagrams.popleft()
        self._buffered -= len(datagram[0])
        return datagram

    async def receive(self, timeout: Any = None) -> tuple[bytes, str, int]:
        """Wait for a datagram.

        Args:
            timeout: Milliseconds, or a table with it.

        Returns:
            Its bytes, and the address and port it came from.

        Raises:
            TimeoutError: None came in time.
            OSError: The socket is closed.
        """
        if self._on_data is not None:
            raise RuntimeError(f'{self.local}: what arrives goes to the "data" handler')
        limit = seconds("receive", timeout)
        if not self._datagrams:
            scope = asyncio.timeout(limit)
            try:
                async with scope:
                    await self._arrival()
            except TimeoutError:
                raise TimeoutError(
                    f"receive on {self.local}: timed out after {(limit or 0) * 1000:g} ms"
                ) from None
        return self._take()

    async def _arrival(self) -> None:
        while not self._datagrams:
            if self._is_closed:
                raise ConnectionError(f"{self.local}: the socket is closed")
            waiting = self._host.loop.create_future()
            self._waiting.append(waiting)
            try:
                await waiting
            except asyncio.CancelledError:
                if waiting.done() and not waiting.cancelled():
                    self._wake_receiver()  # the datagram is another's now
                raise
            finally:
                if waiting in self._waiting:
                    self._waiting.remove(waiting)

    # ---- sending ----------------------------------------------------------------------------------

    def send(self, data: bytes | str, address: str, port: int) -> None:
        """Send a datagram.

        Args:
            data: bytes, or a str as UTF-8; 65,507 bytes at most.
            address: Of the receiver. A name is looked up meanwhile; when there is none, "error" tells.
            port: Of the receiver.

        Raises:
            ValueError: It is too large, or the port is none.
            ConnectionError: The socket is closed.
            BlockingIOError: Too much waits to be sent already (option max_queued).
        """
        payload = bytes_of("send", data)
        number = port_of("send", port, least=1)
        if len(payload) > LARGEST:
            raise ValueError(f"send: a datagram has {LARGEST} bytes at most, got {len(payload)}")
        if self._is_closed:
            raise ConnectionError(f"{self.local}: the socket is closed")
        name = "127.0.0.1" if address == "localhost" and self._family == socket.AF_INET else str(address)
        if _is_numeric(name):
            self._send(payload, (name, number))
        else:
            self._host.loop.create_task(self._look_up(payload, name, number), name=f"udp send to {name}")

    def _send(self, payload: bytes, address: Any) -> None:
        limits = self._limits
        limits.estimate += len(payload)
        if limits.estimate > limits.max_queued:
            limits.check_queued(f"send from {self.local}", len(payload))
        self._transport.sendto(payload, address)
        self.sent += len(payload)

    async def _look_up(self, payload: bytes, name: str, port: int) -> None:
        try:
            found = await self._host.loop.getaddrinfo(name, port, family=self._family, type=socket.SOCK_DGRAM)
            if not self._is_closed:
                self._send(payload, found[0][4])
        except (OSError, UnicodeError) as error:
            self._fail(explain(f"send to {format_endpoint(name, port)}", error))

    # ---- state ------------------------------------------------------------------------------------

    def _counts(self) -> tuple[int, int]:
        """Bytes each way, which the kernel counts for connections only."""
        return self.received, self.sent

    @property
    def local_address(self) -> str:
        """`local`, by a name that Lua can write."""
        return self.local

    @property
    def is_open(self) -> bool:
        """Whether it is not closed."""
        return not self._is_closed

    @property
    def buffered(self) -> int:
        """Datagrams that have come and were not received yet."""
        return len(self._datagrams)

    @property
    def queued(self) -> int:
        """Bytes that were sent and have not left yet."""
        return 0 if self._is_closed else self._transport.get_write_buffer_size()

    def __str__(self) -> str:
        return f"udp {self.local}"

    def close(self) -> None:
        """Close; what waits to be received is lost. Harmless when closed already."""
        if not self._is_closed:
            self._is_closed = True
            self._leave()
            self._datagrams.clear()
            self._buffered = 0
            self._transport.close()

    def _leave(self) -> None:
        self._limits.senders.discard(self)
        self._limits.release()


@host_function("network")
def udp_open(
    host: Host,
    address: str = "127.0.0.1",
    port: int = 0,
    handlers: Mapping[str, Any] | None = None,
    **named: Any,
) -> UdpSocket:
    """Open a UDP socket.

    Args:
        address: To bind; "0.0.0.0" takes datagrams from other machines too.
        port: 0 lets the system choose: see the result's `port`.
        handlers: "data"(socket, bytes, address, port), "error"(socket, message); by keyword too. In the same
            table: "broadcast": true, "buffer": how many datagrams wait to be received at most.
        named: More of them.

    Returns:
        The socket; without a "data" handler, datagrams are waited for with `receive`.

    Raises:
        OSError: The port is in use or may not be bound.
    """
    found, options = split_handlers("udp_open", ("data", "error"), ("broadcast", "buffer"), handlers, named)
    name = "127.0.0.1" if address in (None, "", "localhost") else str(address)
    number = port_of("udp_open", port)
    buffer = count_of("udp_open", "buffer", options.get("buffer", BUFFER))
    if not _is_numeric(name):
        raise ValueError(f"udp_open: the address must be numeric, such as 127.0.0.1, got {name!r}")
    where = format_endpoint(name, number)
    limits_of(host).claim(f"bind {where}")
    sock: socket.socket | None = None
    try:
        sock = socket.socket(socket.AF_INET6 if ":" in name else socket.AF_INET, socket.SOCK_DGRAM)
        sock.setblocking(False)
        if options.get("broadcast"):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        sock.bind((name, number))
        return UdpSocket(host, sock, found, buffer)
    except OSError as error:
        if sock is not None:
            sock.close()
        limits_of(host).release()
        raise explain(f"bind {where}", error) from None


def _is_numeric(address: str) -> bool:
    try:
        ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    return True
