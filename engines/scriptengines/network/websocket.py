"""WebSockets of scripts: one connection, of a client or of a server; with handlers, or to be read.

The websockets library knows the protocol (its side without I/O); it runs on an asyncio protocol of ours, so
that a message costs no task and no queue. Serving is in websocket_server.py.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake, InvalidURI
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from scriptengines.host import HostObject
from scriptengines.hostapi.registry import host_function

from .failures import format_address
from .limits import Place, limits_of
from .settings import bytes_of, count_in, options_of, seconds_in, table_of
from .waking import wake
from .web import failure

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from websockets.http11 import Request

    from scriptengines.host import Asking, Host
    from scriptengines.tapping import Tap

COMMON_OPTIONS = (
    "max_size",
    "max_queued",
    "ping_interval",
    "ping_timeout",
    "close_timeout",
    "subprotocols",
    "compression",
)
_TLS = ("verify", "ca", "cert", "key", "server_name")
_OPTIONS = (*COMMON_OPTIONS, "headers", "origin", "timeout", *_TLS)
_EVENTS = ("connected", "message", "closed", "error")
_MESSAGES = (Opcode.TEXT, Opcode.BINARY, Opcode.CONT)
_MAX_WAITING = 32
_HIGH_WATER = 1024 * 1024


class Manner(NamedTuple):
    """How a websocket behaves.

    Attributes:
        max_size: Bytes a message that arrives may have.
        max_queued: Bytes that may wait to be sent.
        ping_interval: Seconds between two pings, or None.
        ping_timeout: Seconds in which something must arrive after one, or None.
        close_timeout: Seconds the other side has to close.
        subprotocols: In order of preference.
        compression: Whether messages are compressed, if the other side agrees.
    """

    max_size: int
    max_queued: int
    ping_interval: float | None
    ping_timeout: float | None
    close_timeout: float
    subprotocols: tuple[str, ...]
    compression: bool

    @classmethod
    def of(cls, what: str, given: Mapping[str, Any]) -> Manner:
        """As options of `what` say it."""
        names = given.get("subprotocols") or ()
        return cls(
            count_in(what, given, "max_size", 2**20),
            count_in(what, given, "max_queued", 16 * 2**20),
            seconds_in(what, given, "ping_interval", 20.0),
            seconds_in(what, given, "ping_timeout", 20.0),
            seconds_in(what, given, "close_timeout", 10.0) or 10.0,
            (names,) if isinstance(names, str) else tuple(map(str, names)),
            bool(given.get("compression", False)),
        )


def handlers_of(host: Host, handlers: Any, named: Mapping[str, Any]) -> dict[str, Asking]:
    """The handlers a script gave.

    Raises:
        ValueError: There is no such event.
    """
    wanted = {**table_of("websocket: handlers", handlers), **named}
    for name in wanted:
        if name not in _EVENTS:
            raise ValueError(f'a websocket has no event "{name}"; it has {", ".join(_EVENTS)}')
    return {name: host.asking(handler) for name, handler in wanted.items() if handler is not None}


class WebSocket(HostObject, asyncio.Protocol):
    """A websocket of a script.

    Attributes:
        id: Its number in the console's list.
        url: What it was opened with; of a server's, the path.
        params: Of the path, on a server.
        query: Of the path, on a server.
        headers: Of the request, on a server.
        peer: Remote address, "host:port".
        local: Own address.
        subprotocol: That both have agreed on, or None.
        code: Why it was closed, by number; 0 while it is open.
        reason: The same in words.
        is_binary: Whether the last message that arrived was; Lua has one kind of string for both.
        received: Messages so far.
        sent: Messages so far.
    """

    _application = "websocket"

    def __init__(
        self,
        host: Host,
        protocol: ClientProtocol | ServerProtocol,
        url: str,
        handlers: Mapping[str, Asking],
        manner: Manner,
    ) -> None:
        super().__init__(host)
        self._protocol = protocol
        self._handlers = handlers
        self._manner = manner
        self._loop = host.loop
        self._limits = limits_of(host)
        self._transport: Any = None
        self._opened: asyncio.Future[None] = host.loop.create_future()
        self._task: asyncio.Task[None] | None = None
        self._owner: Any = None
        self._place: Place | None = None
        self._parts: list[bytes] = []
        self._is_text = False
        self._waiting: deque[bytes | str] = deque()
        self._waiting_size = 0
        self._in_flight = 0
        self._readers: deque[asyncio.Future[None]] = deque()
        self._pings: dict[bytes, asyncio.Future[None]] = {}
        self._paused = False
        self._drained: asyncio.Future[None] | None = None
        self._keeper: Any = None
        self._closer: Any = None
        self._heard = True
        self._was_open = False
        self._ended = False
        self.id = 0
        self.url = url
        self.params: dict[str, str] = {}
        self.query: dict[str, str] = {}
        self.headers: dict[str, str] = {}
        self.peer = self.local = ""
        self.subprotocol: str | None = None
        self.code = 0
        self.reason = ""
        self.is_binary = False
        self.received = self.sent = 0

    # ---- for the script ----------------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """Whether messages can be sent."""
        return self._protocol.state is State.OPEN and not self._ended

    @property
    def local_address(self) -> str:
        """`local`, by a name that Lua can write."""
        return self.local

    @property
    def buffered(self) -> int:
        """Bytes that wait to be sent."""
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    def __str__(self) -> str:
        return f"websocket {self.url}"

    def send(self, data: Any, binary: bool | None = None) -> None:
        """Send a message: of a str a text, of bytes a binary one.

        Args:
            data: The message.
            binary: To say which, whatever `data` is, as Lua knows one kind of string only.

        Raises:
            ConnectionError: It is not open, or so much waits to be sent that this is too much.
        """
        if not self.is_open:
            raise ConnectionError(f"{self} is not open")
        payload = bytes_of("send", data)
        if self.buffered + len(payload) > self._manner.max_queued and self.buffered:
            raise ConnectionError(
                f"{self}: the other side does not read: {self.buffered} bytes wait to be sent (max_queued)"
            )
        if isinstance(data, str) if binary is None else not binary:
            self._protocol.send_text(payload)
        else:
            self._protocol.send_binary(payload)
        self.sent += 1
        self._flush()

    async def write(self, data: Any, binary: bool | None = None) -> None:
        """As `send`, and wait until the other side has taken enough of what waits.

        Raises:
            ConnectionError: It is not open.
        """
        while self._drained is not None and self.is_open:
            await asyncio.shield(self._drained)
        self.send(data, binary)
        while self._drained is not None and self.is_open:
            await asyncio.shield(self._drained)

    async def receive(self, timeout: float | None = None) -> bytes | str | None:
        """Wait for the next message; without a "message" handler.

        Args:
            timeout: Milliseconds.

        Returns:
            A str of a text, bytes of a binary one; None when it was closed: `code` and `reason` tell why.

        Raises:
            TimeoutError: None came in time.
        """
        limit = seconds_in("receive", {"timeout": timeout}, "timeout", None)
        try:
            async with asyncio.timeout(limit):
                while not self._waiting:
                    if self._ended:
                        return None
                    reader: asyncio.Future[None] = self._loop.create_future()
                    self._readers.append(reader)
                    try:
                        await reader
                    except BaseException:
                        if reader.done() and not reader.cancelled():
                            self._wake_reader()  # the message is another's now
                        raise
                    finally:
                        if reader in self._readers:
                            self._readers.remove(reader)
        except TimeoutError:
            raise TimeoutError(f"timeout: {self}: no message came") from None
        message = self._waiting.popleft()
        self._waiting_size -= len(message)
        self._resume_if_low()
        return message

    async def ping(self, timeout: float | None = None) -> float:
        """Ask the other side for an answer.

        Args:
            timeout: Milliseconds.

        Returns:
            After how many milliseconds it came.

        Raises:
            ConnectionError: It is not open, or was closed meanwhile.
            TimeoutError: None came in time.
        """
        if not self.is_open:
            raise ConnectionError(f"{self} is not open")
        started = self._loop.time()
        payload = self._loop.next_id().to_bytes(8, "big")
        answer = self._pings[payload] = self._loop.create_future()
        self._protocol.send_ping(payload)
        self._flush()
        try:
            async with asyncio.timeout(seconds_in("ping", {"timeout": timeout}, "timeout", None)):
                await answer
        except TimeoutError:
            raise TimeoutError(f"timeout: {self}: no pong came") from None
        finally:
            self._pings.pop(payload, None)
        if self._ended:
            raise ConnectionError(f"{self} was closed")
        return (self._loop.time() - started) * 1000.0

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Tell the other side that it ends; harmless when closed already.

        Args:
            code: 1000, or 3000 to 4999.
            reason: At most 123 bytes.
        """
        if self._ended or self._protocol.state in (State.CLOSING, State.CLOSED):
            return
        if self._protocol.state is State.CONNECTING:
            self._end(ConnectionError("closed before it was open"))
            self.abort()
            return
        if not (code in (1000, 1001, 1011, 1012, 1013) or 3000 <= code <= 4999):
            raise ValueError(f"a websocket is closed with 1000, or 3000 to 4999, got {code}")
        if len(reason.encode()) > 123:
            raise ValueError("the reason has over 123 bytes")
        self._protocol.send_close(int(code), reason)
        self._flush()

    def abort(self) -> None:
        """Drop it without a word."""
        if self._task is not None:
            self._task.cancel()
        if self._transport is not None:
            self._transport.abort()

    # ---- asyncio -----------------------------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        """For asyncio: begin with the handshake."""
        self._transport = transport
        self.id = getattr(transport, "observed_id", 0)
        self.peer = format_address(transport.get_extra_info("peername"))
        self.local = format_address(transport.get_extra_info("sockname"))
        if self._ended:
            transport.abort()

    def data_received(self, data: bytes) -> None:
        """For asyncio: take what the other side says."""
        self._heard = True
        self._protocol.receive_data(data)
        self._take()

    def eof_received(self) -> None:
        """For asyncio: the other side will say no more."""
        self._protocol.receive_eof()
        self._take()

    def connection_lost(self, exc: Exception | None) -> None:
        """For asyncio: tell the script that it has ended, and why."""
        if self._protocol.state is not State.CLOSED:
            self._protocol.receive_eof()
            self._protocol.data_to_send()
        self._leave()
        self._end(exc)

    def pause_writing(self) -> None:
        """For asyncio: the other side does not read as fast."""
        self._drained = self._loop.create_future()

    def resume_writing(self) -> None:
        """For asyncio."""
        wake(self._drained)
        self._drained = None

    def _tap(self, tap: Tap) -> Callable[[], None]:
        """Tell a tap of each message; what ends that."""
        protocol: Any = self._protocol
        take, send = protocol.recv_frame, protocol.send_frame

        def taken(frame: Frame) -> None:
            if frame.opcode in _MESSAGES:
                tap.received(frame.data)
            take(frame)

        def sent(frame: Frame) -> None:
            if frame.opcode in _MESSAGES:
                tap.sent(frame.data)
            send(frame)

        def undo() -> None:
            del protocol.recv_frame, protocol.send_frame

        protocol.recv_frame, protocol.send_frame = taken, sent
        return undo

    # ---- the protocol ---------------------------------------------------------------------------------

    def start(self, handshake: bytes | None) -> None:
        """Begin with what the other side has sent, or with a request."""
        if handshake is None:
            client = cast("ClientProtocol", self._protocol)
            request = client.connect()
            for name, value in self.headers.items():
                request.headers[name] = value
            client.send_request(request)
            self._flush()
        else:
            self.data_received(handshake)

    def _take(self) -> None:
        protocol = self._protocol
        events = protocol.events_received()
        if protocol.writes:
            self._flush()
        for event in events:
            if isinstance(event, Frame):
                self._take_frame(event)
            elif isinstance(event, Response):
                self._answered()
            else:
                self._asked(event)
        if isinstance(protocol, ClientProtocol) and protocol.handshake_exc is not None:
            self._answered()
        elif protocol.state is not State.OPEN:
            self._flush()

    def _answered(self) -> None:
        """A client's request was granted, or not."""
        error = self._protocol.handshake_exc
        if error is None:
            self._open()
        else:
            self._end(error)
            self._transport.abort()

    def _asked(self, request: Request) -> None:
        """Grant the request of a client."""
        server = cast("ServerProtocol", self._protocol)
        server.send_response(server.accept(request))
        self._flush()
        if self._protocol.state is State.OPEN:
            self._open()
        else:  # the answer says why
            self._was_refused()

    def _was_refused(self) -> None:
        self._ended = True
        self._transport.close()

    def _open(self) -> None:
        self._was_open = True
        self.subprotocol = self._protocol.subprotocol
        if self._manner.ping_interval is not None:
            self._keeper = self._loop.call_later(self._manner.ping_interval, self._keep_alive)
        if self._owner is not None:
            self._owner.opened(self)
        wake(self._opened)
        self._notify("connected", self)

    def _take_frame(self, frame: Frame) -> None:
        opcode = frame.opcode
        if opcode is Opcode.PONG:
            wake(self._pings.get(bytes(frame.data)))
            return
        if opcode is Opcode.TEXT or opcode is Opcode.BINARY:
            self._is_text = opcode is Opcode.TEXT
        elif opcode is not Opcode.CONT:
            return
        payload = bytes(frame.data)
        if not frame.fin or self._parts:
            self._parts.append(payload)
            if not frame.fin:
                return
            payload = b"".join(self._parts)
            self._parts.clear()
        if self._is_text:
            try:
                self._message(payload.decode())
            except UnicodeDecodeError:
                self._protocol.fail(1007, "a text that is no UTF-8")
                self._flush()
        else:
            self._message(payload)

    def _message(self, message: bytes | str) -> None:
        if self._ended:
            return
        self.received += 1
        self.is_binary = not self._is_text
        handler = self._handlers.get("message")
        if handler is not None:
            self._in_flight += 1
            self._limits.call(handler.begin, "websocket message callback", (self, message), self._handled)
        else:
            self._waiting.append(message)
            self._waiting_size += len(message)
            self._wake_reader()
        if not self._paused and self._is_full():
            self._paused = True
            self._transport.pause_reading()

    def _handled(self, well: bool, result: Any) -> None:
        del well, result
        self._in_flight -= 1
        self._resume_if_low()

    def _is_full(self) -> bool:
        waiting = len(self._waiting) + self._in_flight
        return waiting >= _MAX_WAITING or self._waiting_size >= _HIGH_WATER

    def _resume_if_low(self) -> None:
        if self._paused and not self._is_full() and not self._ended:
            self._paused = False
            self._heard = True
            self._transport.resume_reading()

    def _wake_reader(self) -> None:
        while self._readers:
            reader = self._readers.popleft()
            if not reader.done():
                reader.set_result(None)
                return

    def _flush(self) -> None:
        """Send what the protocol wants sent, and see that a close comes to its end."""
        transport = self._transport
        for chunk in self._protocol.data_to_send():
            if chunk:
                transport.write(chunk)
            elif transport.can_write_eof() and not transport.is_closing():
                transport.write_eof()
            else:
                transport.close()
        if self._closer is None and self._protocol.close_expected() and not self._ended:
            self._closer = self._loop.call_later(self._manner.close_timeout, self._transport.abort)
            if self._paused:  # or its answer would never be read
                self._paused = False
                transport.resume_reading()

    def _keep_alive(self) -> None:
        limit, interval = self._manner.ping_timeout, self._manner.ping_interval
        if not self.is_open or interval is None:
            return
        self._heard = self._paused  # who is not read cannot be heard
        self._protocol.send_ping(b"keep")
        self._flush()
        self._keeper = self._loop.call_later(
            interval if limit is None else limit, self._keep_alive if limit is None else self._check_alive
        )

    def _check_alive(self) -> None:
        if not self.is_open:
            return
        if not self._heard and not self._paused:
            self._protocol.fail(1011, "no answer to a ping")
            self._flush()
            self._transport.abort()
            return
        self._keeper = self._loop.call_later(self._manner.ping_interval or 0, self._keep_alive)

    # ---- ends ---------------------------------------------------------------------------------------

    def _end(self, error: BaseException | None) -> None:
        """It has ended, or never began; the script is told once."""
        if self._ended:
            return
        self._ended = True
        for timer in (self._keeper, self._closer):
            if timer is not None:
                timer.cancel()
        for waiter in (*self._readers, *self._pings.values(), self._drained):
            wake(waiter)
        self._readers.clear()
        if self._owner is not None:
            self._owner.ended(self)
        if not self._was_open:
            self._fail(error)
            return
        sent, received = self._protocol.close_sent, self._protocol.close_rcvd
        told = received or sent
        if received is None and sent is not None and sent.code in (1002, 1007, 1009, 1011):
            told = sent  # our own complaint says more than that nobody answered it
        elif received is None:
            told = None
        self.code = 1006 if told is None else int(told.code)
        self.reason = "the connection was lost" if told is None else told.reason
        self._notify("closed", self, self.code, self.reason)

    def _fail(self, error: BaseException | None) -> None:
        wanted = error or ConnectionError("the server closed the connection without an answer")
        if isinstance(wanted, InvalidHandshake):
            cause = wanted.__cause__
            wanted = ConnectionError(f"{wanted}{f' ({cause})' if cause is not None else ''}")
        failed = failure(str(self), wanted)
        self.code, self.reason = 1006, str(failed)
        if not self._opened.done():
            self._opened.set_exception(failed)
            self._opened.exception()  # whoever awaits it is told; else the handler
        if self._task is None:
            return
        if "error" in self._handlers:
            self._notify("error", str(failed))
        elif not self._is_awaited:
            self._host.reporter.error("websocket_connect", failed)

    _is_awaited = False

    def _notify(self, event: str, *args: Any) -> None:
        handler = self._handlers.get(event)
        if handler is not None:
            self._limits.call(handler.begin, f"websocket {event} callback", args, _nothing)

    # ---- connecting -----------------------------------------------------------------------------------

    def connect(self, given: Mapping[str, Any], limit: float | None) -> None:
        """Begin to connect.

        Raises:
            OSError: The script may have no more sockets.
        """
        self._place = Place(self._host, str(self))
        self._task = self._loop.create_task(self._connect(given, limit), name=f"websocket_connect {self.url}")

    async def opened(self) -> WebSocket:
        """Wait until it is open.

        Raises:
            OSError: It could not be opened.
        """
        self._is_awaited = True
        try:
            await asyncio.shield(self._opened)
        except asyncio.CancelledError:
            self._ended = True
            self.abort()
            raise
        return self

    async def _connect(self, given: Mapping[str, Any], limit: float | None) -> None:
        try:
            await self._try_to_connect(given, limit)
        finally:
            if self._transport is None:
                self._leave()

    def _leave(self) -> None:
        """Count the socket no more."""
        if self._place is not None:
            self._place.release()
            self._place = None

    async def _try_to_connect(self, given: Mapping[str, Any], limit: float | None) -> None:
        uri = cast("ClientProtocol", self._protocol).uri
        try:
            async with asyncio.timeout(limit):
                tls: dict[str, Any] = {}
                if uri.secure:
                    from .tls import client_context

                    wanted = {name: given[name] for name in _TLS if name in given}
                    context, name = client_context(self._host, wanted, uri.host)
                    tls = {"ssl": context, "server_hostname": name}
                await self._loop.create_connection(lambda: self, uri.host, uri.port, **tls)
                self.start(None)
                await asyncio.shield(self._opened)
        except asyncio.CancelledError:
            if not self._loop.stopping:
                self._end(ConnectionError("it was cancelled"))
            raise
        except Exception as error:  # noqa: BLE001 - whatever the network does becomes one kind of error
            self._end(error)
            if self._transport is not None:
                self._transport.abort()


def _nothing(well: bool, result: Any) -> None:
    pass


def extensions_of(manner: Manner, *, server: bool) -> Any:
    """What the protocol is offered, for compression."""
    if not manner.compression:
        return None
    if server:
        from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory

        return [ServerPerMessageDeflateFactory()]
    from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

    return [ClientPerMessageDeflateFactory()]


def _websocket(host: Host, url: Any, handlers: Mapping[str, Asking], options: Any) -> WebSocket:
    given = options_of("websocket_connect", options, _OPTIONS)
    try:
        uri = parse_uri(url)
    except (InvalidURI, AttributeError, ValueError, TypeError):
        raise ValueError(f"the address must begin with ws:// or wss:// and a host, got {url!r}") from None
    manner = Manner.of("websocket_connect", given)
    protocol = ClientProtocol(
        uri,
        origin=given.get("origin"),
        extensions=extensions_of(manner, server=False),
        subprotocols=cast("Any", manner.subprotocols) or None,
        max_size=manner.max_size or None,
    )
    websocket = WebSocket(host, protocol, url, handlers, manner)
    for name, value in table_of("websocket_connect: headers", given.get("headers")).items():
        text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
        if any(mark in f"{name}{text}" for mark in "\r\n\0"):
            raise ValueError(f"the header {name!r} has a line break in it")
        websocket.headers[str(name)] = text
    websocket.connect(given, seconds_in("websocket_connect", given, "timeout", 10.0))
    return websocket


@host_function("websocket")
def websocket_connect(
    host: Host,
    url: str,
    handlers: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
    **named: Any,
) -> WebSocket:
    """Open a websocket, and call back.

    Either "error" is called, and nothing else, or "connected" and in the end "closed".

    Args:
        url: Begins with ws:// or wss://; certificates are verified.
        handlers: "connected"(websocket), "message"(websocket, str or bytes), "closed"(websocket, code,
            reason), "error"(message); may be given by keyword too. Without "message", messages wait for
            `receive`.
        options: headers, origin, subprotocols; timeout (10,000, to open it), ping_interval (20,000),
            ping_timeout (20,000), close_timeout (10,000) in milliseconds; max_size (1 MiB, of a message that
            arrives), max_queued (16 MiB, that wait to be sent); compression (false); verify (true), ca, cert,
            key, server_name.

    Returns:
        The websocket; it can send once "connected" was called.
    """
    return _websocket(host, url, handlers_of(host, handlers, named), options)


@host_function("websocket")
async def websocket_open(host: Host, url: str, options: Mapping[str, Any] | None = None) -> WebSocket:
    """Open a websocket, and wait until it is: then `send`, `write`, `receive` and `close` it.

    Args:
        url: Begins with ws:// or wss://; certificates are verified.
        options: As for `websocket_connect`.

    Raises:
        OSError: It cannot be opened: TimeoutError ("timeout: …"), ConnectionRefusedError, ConnectionError.
    """
    return await _websocket(host, url, {}, options).opened()
