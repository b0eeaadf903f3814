"""One connection of an HTTP server: requests in, answers out, in order, within limits of size and time.

h11 knows the protocol; what is answered is the server's, see http_server.py. A connection has one timer, set
anew only when it fires.
"""

from __future__ import annotations

import asyncio
import time
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple

import h11

from .failures import format_address
from .http_answer import Answer, headers_of, plain, target_of
from .waking import wake

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from .http_answer import Target
    from .http_server import HttpServer

_HIGH_WATER = 64 * 1024
_REASONS = {status.value: status.phrase.encode() for status in HTTPStatus}


class Limits(NamedTuple):
    """What a client may take.

    Attributes:
        header: Bytes of the head of a request.
        body: Bytes of its body.
        head_time: Seconds in which the head must have arrived, from its first byte.
        body_time: Seconds in which a piece of the body must arrive, or of the answer be taken.
        idle_time: Seconds between two requests.
        answer_time: Seconds that a route has; None for no limit.
    """

    header: int
    body: int
    head_time: float
    body_time: float
    idle_time: float
    answer_time: float | None


class Request(NamedTuple):
    """What a client has asked for, whole.

    Attributes:
        headers: By lower-case names.
        raw_headers: h11's, which has the names as they came.
    """

    method: str
    target: Target
    headers: dict[str, str]
    raw_headers: Any
    body: bytes
    peer: str


@lru_cache(1)
def _date(_second: int) -> bytes:
    return formatdate(_second, usegmt=True).encode()


class Exchange(asyncio.Protocol):
    """One client.

    Args:
        server: Whose it is.
        is_one_too_many: Whether the server has as many as it may have.
    """

    _application = "http"

    def __init__(self, server: HttpServer, *, is_one_too_many: bool = False) -> None:
        self._is_one_too_many = is_one_too_many
        self._server = server
        self._limits = server.limits
        self._loop = server.loop
        self._state = h11.Connection(h11.SERVER, max_incomplete_event_size=server.limits.header)
        self._transport: Any = None
        self._timer: Any = None
        self._deadline: float | None = None
        self._head: h11.Request | None = None
        self._target: Target | None = None
        self._pieces: list[bytes] = []
        self._size = 0
        self._unread = 0
        self._number = 0
        self._paused = False
        self._advancing = False
        self._drained: asyncio.Future[None] | None = None
        self._closing = False
        self._is_sending = False
        self.is_answering = False
        self.peer = ""

    # ---- asyncio ------------------------------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        """For asyncio."""
        self._transport = transport
        self.peer = format_address(transport.get_extra_info("peername"))
        self._server.exchanges.add(self)
        self._limit(self._limits.head_time)
        if self._is_one_too_many:
            self._refuse(503)

    def data_received(self, data: bytes) -> None:
        """For asyncio: go on as far as it leads."""
        if self._closing:
            return
        self._state.receive_data(data)
        if self.is_answering:  # the next requests already; they wait for their turn
            self._unread += len(data)
            if self._unread > _HIGH_WATER and not self._paused:
                self._paused = True
                self._transport.pause_reading()
            return
        if self._head is not None:
            self._limit(self._limits.body_time)
        elif self._state.their_state is h11.IDLE and self._deadline_is_idle:
            self._limit(self._limits.head_time)
        self._advance()

    def eof_received(self) -> bool:
        """For asyncio: what has been asked for is still answered."""
        self._state.receive_data(b"")
        if not self.is_answering:
            self._advance()
        return self.is_answering

    def connection_lost(self, exc: Exception | None) -> None:
        """For asyncio: whatever was on its way is let go."""
        self._closing = True
        self._number += 1
        self._server.exchanges.discard(self)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        wake(self._drained)

    def pause_writing(self) -> None:
        """For asyncio: the client does not read as fast."""
        self._drained = self._loop.create_future()
        self._limit(self._limits.body_time)

    def resume_writing(self) -> None:
        """For asyncio."""
        wake(self._drained)
        self._drained = None
        if self._closing:
            return
        if self._is_sending:
            self._limit(None)
        elif self.is_answering:
            self._limit(self._limits.answer_time)
        else:
            self._limit(self._limits.idle_time, idle=True)

    # ---- time -----------------------------------------------------------------------------------------

    _deadline_is_idle = False

    def _limit(self, seconds: float | None, *, idle: bool = False) -> None:
        self._deadline_is_idle = idle
        if seconds is None:
            self._deadline = None
            return
        self._deadline = deadline = self._loop.time() + seconds
        if self._timer is None or self._timer.when() > deadline:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop.call_at(deadline, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._deadline is None:
            return
        if self._loop.time() < self._deadline:
            self._timer = self._loop.call_at(self._deadline, self._look)
            return
        self._deadline = None
        if self._closing or self._drained is not None:
            self.abort()  # it does not take what it asked for
        elif self.is_answering:
            self._number += 1
            self._server.gave_up(self)
            self._closing = True
            self.answer(self._number, plain(504))
        elif self._deadline_is_idle or (self._head is None and not self._state.trailing_data[0]):
            self._transport.close()
        else:
            self._refuse(408)

    # ---- requests ---------------------------------------------------------------------------------------

    def _advance(self) -> None:
        """Take what has arrived; at most one request at a time is with the server."""
        if self._advancing:
            return
        self._advancing = True
        try:
            while not self.is_answering and not self._closing and self._step():
                pass
        except h11.RemoteProtocolError as error:
            status = error.error_status_hint
            self._refuse(431 if status == 431 else 501 if status == 501 else 400)
        finally:
            self._advancing = False

    def _step(self) -> bool:
        event = self._state.next_event()
        if event is h11.NEED_DATA:
            if self._state.they_are_waiting_for_100_continue:
                proceed = h11.InformationalResponse(status_code=100, headers=[], reason=b"Continue")
                self._transport.write(self._state.send(proceed) or b"")
            return False
        if isinstance(event, h11.Request):
            self._begin(event)
        elif isinstance(event, h11.Data):
            self._size += len(event.data)
            if self._size > self._limits.body:
                self._refuse(413)
                return False
            self._pieces.append(bytes(event.data))
        elif isinstance(event, h11.EndOfMessage):
            self._dispatch()
        else:  # h11.PAUSED: an upgrade that nobody made; ConnectionClosed: the client has gone
            if not self.is_answering:
                self._close()
            return False
        return True

    def _begin(self, head: h11.Request) -> None:
        self._head = head
        self._pieces, self._size = [], 0
        self._limit(self._limits.body_time)
        self._target = target_of(head.target)
        if self._target is None:
            self._refuse(400)
            return
        for name, value in head.headers:
            if name == b"content-length" and int(value) > self._limits.body:
                self._refuse(413)

    def _dispatch(self) -> None:
        head, target = self._head, self._target
        assert head is not None
        assert target is not None
        headers = headers_of(head.headers)
        body = b"".join(self._pieces) if self._pieces else b""
        self._pieces = []
        self.is_answering = True
        self._number += 1
        self._limit(self._limits.answer_time)
        method = head.method.decode("ascii")
        request = Request(method, target, headers, head.headers, body, self.peer)
        if headers.get("upgrade", "").lower() == "websocket" and self._server.upgrade(self, request, head):
            return
        self._server.dispatch(self, self._number, request)

    def _refuse(self, status: int) -> None:
        """Answer a request that is none, or too much, and close."""
        self._closing = True
        self._number += 1
        self.is_answering = True
        self.answer(self._number, plain(status))

    # ---- answers ------------------------------------------------------------------------------------------

    def is_waiting(self, number: int) -> bool:
        """Whether a request still waits for its answer."""
        return self.is_answering and number == self._number and not self._transport.is_closing()

    def answer(self, number: int, answer: Answer) -> None:
        """Answer a request; nothing when it does not wait any more.

        Raises:
            ValueError: A header cannot be.
        """
        if not self.is_waiting(number):
            return
        parts = [self._send_head(answer, len(answer.body))]
        if answer.body and not self._is_head:
            parts.append(self._state.send(h11.Data(data=answer.body)) or b"")
        self._transport.write(b"".join(parts))
        self._finish()

    async def answer_piecewise(
        self, number: int, answer: Answer, size: int, pieces: AsyncIterator[bytes]
    ) -> None:
        """Answer with a body that is read while it is sent, as fast as the client takes it."""
        if not self.is_waiting(number):
            return
        self._transport.write(self._send_head(answer, size))
        self._is_sending = True
        self._limit(self._limits.body_time if self._drained is not None else None)
        if not self._is_head:
            async for piece in pieces:
                self._transport.write(self._state.send(h11.Data(data=piece)) or b"")
                if self._drained is not None:
                    await self._drained
                if not self.is_waiting(number):
                    return
            if not self.is_waiting(number):
                return
        self._finish()

    @property
    def _is_head(self) -> bool:
        return self._head is not None and self._head.method == b"HEAD"

    def _send_head(self, answer: Answer, size: int) -> bytes:
        headers: list[tuple[bytes, bytes]] = [(b"date", _date(int(time.time())))]
        try:
            headers += [(name.encode("ascii"), value.encode("latin-1")) for name, value in answer.headers]
        except UnicodeEncodeError as error:
            raise ValueError(f"a header holds what cannot be sent: {error.object!r}") from None
        if answer.status not in (204, 304):
            headers.append((b"content-length", b"%d" % size))
        if self._closing or self._server.is_closing:
            headers.append((b"connection", b"close"))
        try:
            head = h11.Response(
                status_code=answer.status, headers=headers, reason=_REASONS.get(answer.status, b"")
            )
            return self._state.send(head) or b""
        except h11.LocalProtocolError as error:
            raise ValueError(f"the answer cannot be sent: {error}") from None

    def _finish(self) -> None:
        state = self._state
        self._transport.write(state.send(h11.EndOfMessage()) or b"")
        self.is_answering = self._is_sending = False
        self._head = self._target = None
        if self._closing or self._server.is_closing or state.our_state is not h11.DONE:
            self._close()
            return
        if state.their_state is not h11.DONE:
            self._close()
            return
        state.start_next_cycle()
        self._unread = 0
        self._limit(self._limits.idle_time, idle=True)
        if self._paused:
            self._paused = False
            self._transport.resume_reading()
        if self._advancing:
            return
        self._advance()

    def _close(self) -> None:
        """Close when what was sent has left; a client that goes on sending must still read the answer."""
        self._closing = True
        if self._transport.is_closing():
            return
        if self._state.their_state in (h11.DONE, h11.CLOSED, h11.IDLE):
            self._transport.close()
            return
        # Closing with unread data resets the connection, and the answer with it.
        if self._transport.can_write_eof():
            self._transport.write_eof()
        else:
            self._transport.close()
        self._limit(min(2.0, self._limits.body_time))

    def close_idle(self) -> None:
        """Close it now if nothing is asked, else with the next answer."""
        if not self.is_answering:
            self._transport.close()

    def abort(self) -> None:
        """Drop it."""
        self._transport.abort()

    def hand_over(self) -> tuple[Any, bytes]:
        """Give the transport to another protocol.

        Returns:
            It, and the bytes that have arrived already.
        """
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._closing = True
        self._server.exchanges.discard(self)
        return self._transport, self._state.trailing_data[0]
