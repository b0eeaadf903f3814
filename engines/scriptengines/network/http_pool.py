"""The connections under the HTTP client: one h11 exchange after the other on each, kept and used again.

An httpx transport on asyncio protocols of our own, in place of httpx's: that takes twice the time a request,
loses more with every request at the same time (measured: 1,070 requests/s one after the other, 620 with 16 at
once), and its idle connections would keep the run alive.
"""

from __future__ import annotations

import asyncio
import select
import weakref
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import h11
import httpx

from .limits import limits_of
from .waking import wake

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from scriptengines.host import Host

MAX_IDLE = 32
"""Connections kept for later, of a script; the one unused for longest goes first."""
IDLE_LIMIT = 30.0
"""Seconds after which a kept connection is not used again: servers tend to close them then."""
_HIGH_WATER = 256 * 1024
_PIECE = 64 * 1024
_MAX_HEAD = 256 * 1024
_AGAIN = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"})


class Way(NamedTuple):
    """How a request is to be sent; travels with it, as an extension, through redirects.

    Attributes:
        connect: Seconds to connect in, or None.
        read: Seconds in which something has to arrive, or None.
        verify: Whether certificates are checked.
        ca: What to trust instead of the system's.
    """

    connect: float | None
    read: float | None
    verify: bool = True
    ca: str | None = None


class _Closed(ConnectionError):
    """The server has closed a kept connection before it answered anything."""


class Wire(asyncio.Protocol):
    """One connection to a server.

    Args:
        leave: Called once, when it has ended.
    """

    _application = "http"

    def __init__(self, leave: Callable[[], None]) -> None:
        self._leave: Callable[[], None] | None = leave
        self._state = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MAX_HEAD)
        self._transport: Any = None
        self._below: Any = None
        self._waiter: asyncio.Future[None] | None = None
        self._drained: asyncio.Future[None] | None = None
        self._unread = 0
        self._error: BaseException | None = None
        self._paused = False
        self.got_any = False
        self.idle_since = 0.0

    # ---- asyncio ------------------------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        """For asyncio."""
        self._transport = transport
        inner = getattr(transport, "_ssl_protocol", None)
        self._below = transport if inner is None else getattr(inner, "_transport", None)

    def data_received(self, data: bytes) -> None:
        """For asyncio: keep it for whoever reads, and stop reading when nobody does."""
        self.got_any = True
        self._unread += len(data)
        self._state.receive_data(data)
        if self._unread > _HIGH_WATER and not self._paused:
            self._paused = True
            self._transport.pause_reading()
        wake(self._waiter)
        wake(self._drained)  # who has answered already will not read the rest

    def eof_received(self) -> None:
        """For asyncio: a body may end by this."""
        self._end(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """For asyncio: whoever waits is told."""
        self._end(exc)
        self._count_no_more()
        wake(self._drained)

    def _end(self, error: BaseException | None) -> None:
        if self._error is None:
            self._error = error or ConnectionError("the server closed the connection")
            if error is None:
                self._state.receive_data(b"")
        wake(self._waiter)

    def pause_writing(self) -> None:
        """For asyncio: the server does not read as fast."""
        self._drained = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        """For asyncio."""
        wake(self._drained)
        self._drained = None

    # ---- one exchange ---------------------------------------------------------------------------

    async def send(self, request: httpx.Request, read: float | None) -> None:
        """Send a request; a server that answers before it has read it all is listened to."""
        self.got_any = False
        head = h11.Request(method=request.method, target=request.url.raw_path, headers=request.headers.raw)
        out = [self._state.send(head) or b""]
        stream = request.stream
        if isinstance(stream, httpx.ByteStream):
            async for chunk in stream:
                for start in range(0, len(chunk), _HIGH_WATER):
                    out.append(self._state.send(h11.Data(data=chunk[start : start + _HIGH_WATER])) or b"")
                    if start:
                        await self._write(out, read)
                    if self.got_any:
                        return
        else:
            async for chunk in cast("httpx.AsyncByteStream", stream):
                out.append(self._state.send(h11.Data(data=chunk)) or b"")
                await self._write(out, read)
                if self.got_any:
                    return
        out.append(self._state.send(h11.EndOfMessage()) or b"")
        await self._write(out, read)

    async def _write(self, out: list[bytes], limit: float | None) -> None:
        if self._error is None:
            self._transport.write(b"".join(out))
        out.clear()
        if self._drained is not None and self._error is None:
            try:
                async with asyncio.timeout(limit):
                    await self._drained
            except TimeoutError:
                raise TimeoutError("the server does not read") from None

    async def head(self, read: float | None) -> h11.Response:
        """The status and headers of the answer."""
        while True:
            event = await self._event(read)
            if isinstance(event, h11.Response):
                return event
            if not isinstance(event, h11.InformationalResponse):
                raise self._failure("the server closed the connection without an answer")

    async def body(self, read: float | None) -> AsyncIterator[bytes]:
        """What the answer has, piece by piece."""
        while True:
            event = await self._event(read)
            if isinstance(event, h11.Data):
                data = bytes(event.data)
                if len(data) <= _PIECE:
                    yield data
                else:  # a piece that was compressed may become a thousand times as long
                    for start in range(0, len(data), _PIECE):
                        yield data[start : start + _PIECE]
            elif isinstance(event, h11.EndOfMessage):
                return
            else:
                raise self._failure("the server closed the connection in the middle of its answer")

    def _failure(self, text: str) -> BaseException:
        known = self._error
        return known if isinstance(known, OSError) and known.errno else ConnectionError(text)

    async def _event(self, limit: float | None) -> Any:
        while True:
            try:
                event = self._state.next_event()
            except h11.RemoteProtocolError as error:
                if self._error is not None:
                    if not self.got_any:
                        raise _Closed(str(self._error)) from None
                    raise self._failure(
                        "the server closed the connection in the middle of its answer"
                    ) from None
                raise ConnectionError(f"the server's answer is no HTTP: {error}") from None
            if event is not h11.NEED_DATA:
                if isinstance(event, h11.ConnectionClosed) and not self.got_any:
                    raise _Closed(str(self._error))
                return event
            if self._error is not None:
                if not self.got_any:
                    raise _Closed(str(self._error)) from self._error
                raise self._failure("the server closed the connection in the middle of its answer")
            await self._more(limit)

    async def _more(self, limit: float | None) -> None:
        self._unread = 0
        if self._paused:
            self._paused = False
            self._transport.resume_reading()
        self._waiter = waiter = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(limit):
                await waiter
        except TimeoutError:
            raise TimeoutError("the server does not answer") from None
        finally:
            self._waiter = None

    # ---- between exchanges -----------------------------------------------------------------------

    def rest(self, now: float) -> bool:
        """Make ready for another exchange; whether that can be.

        Its descriptor is taken out of the selector: a connection that is only kept must not keep the run
        alive.
        """
        state = self._state
        if self._error is not None or state.our_state is not h11.DONE or state.their_state is not h11.DONE:
            return False
        if self._below is None or self._transport.is_closing() or state.trailing_data[0]:
            return False
        state.start_next_cycle()
        if self._paused:
            self._paused = False
            self._transport.resume_reading()
        self._below.pause_reading()
        if self._transport.get_write_buffer_size():
            return False
        self.idle_since = now
        return True

    def wake_up(self) -> bool:
        """Go on; whether the server still has it open."""
        if self._below.is_closing():  # by hand
            return False
        poll = select.poll()
        poll.register(self._below.get_extra_info("socket").fileno(), select.POLLIN)
        if poll.poll(0):
            return False
        self._unread = 0
        self._below.resume_reading()
        return True

    def _count_no_more(self) -> None:
        leave, self._leave = self._leave, None
        if leave is not None:
            leave()

    def abort(self) -> None:
        """Drop it."""
        self._count_no_more()
        if self._transport is not None:
            self._transport.abort()


class _Body(httpx.AsyncByteStream):
    def __init__(self, pool: Pool, key: Any, wire: Wire, read: float | None) -> None:
        self._pool = pool
        self._key = key
        self._wire: Wire | None = wire
        self._read = read

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self._wire is not None:
            async for chunk in self._wire.body(self._read):
                yield chunk
            self._give_back()

    def _give_back(self) -> None:
        if self._wire is not None:
            wire, self._wire = self._wire, None
            self._pool.take_back(self._key, wire)

    async def aclose(self) -> None:
        self._give_back()


class Pool(httpx.AsyncBaseTransport):
    """The kept connections of one script.

    Args:
        host: Of the script, which keeps this pool.
    """

    def __init__(self, host: Host) -> None:
        self._host: Host = weakref.proxy(host)
        self._limits = limits_of(host)
        self._idle: dict[Any, deque[Wire]] = {}
        self._contexts: dict[tuple[bool, str | None], Any] = {}

    @property
    def idle(self) -> int:
        """How many are kept."""
        return sum(map(len, self._idle.values()))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """For httpx: send a request, and give the head of the answer and a stream of its body."""
        way: Way = request.extensions["way"]
        url = request.url
        secure = url.scheme == "https"
        key = (url.scheme, url.host, url.port, (way.verify, way.ca) if secure else None)
        while True:
            wire = self._take(key)
            is_kept = wire is not None
            if wire is None:
                wire = await self._connect(url, way, secure)
            try:
                await wire.send(request, way.read)
                head = await wire.head(way.read)
            except _Closed as error:
                wire.abort()
                if is_kept and request.method in _AGAIN:
                    continue
                raise ConnectionError("the server closed the connection without an answer") from error
            except BaseException:
                wire.abort()
                raise
            return httpx.Response(
                head.status_code,
                headers=head.headers.raw_items(),
                stream=_Body(self, key, wire, way.read),
                extensions={
                    "reason_phrase": bytes(head.reason),
                    "http_version": b"HTTP/" + head.http_version,
                },
            )

    async def _connect(self, url: httpx.URL, way: Way, secure: bool) -> Wire:
        loop = asyncio.get_running_loop()
        context = self._context(way) if secure else None
        port = url.port or (443 if secure else 80)
        while self._limits.is_full and self._idle:
            self._drop_oldest()
        self._limits.claim("no connection")
        wire = Wire(self._limits.release)
        try:
            async with asyncio.timeout(way.connect):
                await loop.create_connection(lambda: wire, url.host, port, ssl=context)
        except BaseException as error:
            wire.abort()
            if isinstance(error, TimeoutError) and error.errno is None:
                raise TimeoutError("it cannot be connected to") from None
            raise
        return wire

    def _context(self, way: Way) -> Any:
        key = (way.verify, way.ca)
        if key not in self._contexts:
            from .tls import client_context

            self._contexts[key], _ = client_context(self._host, {"verify": way.verify, "ca": way.ca}, "")
        return self._contexts[key]

    def _take(self, key: Any) -> Wire | None:
        kept = self._idle.get(key)
        now = asyncio.get_running_loop().time()
        while kept:
            wire = kept.pop()
            if not kept:
                del self._idle[key]
            if now - wire.idle_since < IDLE_LIMIT and wire.wake_up():
                return wire
            wire.abort()
        return None

    def take_back(self, key: Any, wire: Wire) -> None:
        """Keep a connection that a request has done with, or drop it."""
        if not wire.rest(asyncio.get_running_loop().time()):
            wire.abort()
            return
        self._idle.setdefault(key, deque()).append(wire)
        while self.idle > MAX_IDLE:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        oldest = min(self._idle, key=lambda each: self._idle[each][0].idle_since)
        self._idle[oldest].popleft().abort()
        if not self._idle[oldest]:
            del self._idle[oldest]

    async def aclose(self) -> None:
        """Drop all that are kept."""
        for kept in self._idle.values():
            for wire in kept:
                wire.abort()
        self._idle.clear()
