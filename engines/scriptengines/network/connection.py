"""One TCP connection of a script, with or without TLS: it calls back, or is read and written by waiting.

How connections come about is in `tcp`. Back-pressure works both ways: without a "data" handler, what arrives
is kept up to READ_LIMIT and then the other side has to wait; what is sent counts against the script's limits.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any

from scriptengines.host import HostObject
from scriptengines.transports import StreamTransport
from scriptnative import Outlet

from .failures import IncompleteRead, explain, format_address
from .limits import limits_of
from .settings import bytes_of, count_of, seconds, values_of
from .waking import wake

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from scriptengines.host import Host

_DATA = "connection data callback"
EVENTS = ("connected", "data", "ended", "closed", "error")
READ_LIMIT = 65536
"""Unread bytes from which on the other side has to wait."""
WRITE_SLICE = 65536
"""What `write` hands over at a time."""
MAX_ASYNC = 64
"""Calls of an `async def` "data" handler that may go on at the same time; then reading pauses."""
LINGER = 30.0
"""Seconds in which a closed connection must get rid of something it still has to send, or it is cut."""


class Connection(HostObject, Outlet, asyncio.Protocol):
    """One TCP connection of a script.

    Attributes:
        id: Its number in the console's list.
        peer: Remote address, "host:port".
        local: Own address.
        received: Bytes so far.
        sent: Bytes handed over so far.
    """

    def __init__(
        self,
        host: Host,
        handlers: Mapping[str, Any],
        endpoint: str,
        source: str,
        release: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(host)
        self._source = source
        self._handlers = handlers
        self._on_data: Any = handlers.get("data")
        self._limits = limits_of(host)
        self._is_direct = self._on_data is not None and not self._limits.rate
        self._release = release
        self._transport: Any = None
        self._put: Callable[[bytes], None] | None = None  # the transport's write, while it is open
        self._task: asyncio.Task[Any] | None = None
        self._arrived = bytearray()
        self._reader: asyncio.Future[None] | None = None
        self._needed = 0
        self._ended = False
        self._was_read = False
        self._paused = False
        self._error: OSError | None = None
        self._lost = False
        self._held_back: deque[bytes] = deque()
        self._async_calls = 0
        self._blocked = False
        self._cutter: asyncio.TimerHandle | None = None
        self._writers: deque[asyncio.Future[None]] = deque()
        self.id = 0
        self.peer = endpoint
        self.local = ""
        self.received = 0
        self._open_descriptor = -1  # of a socket that takes bytes as they are

    def opened_by(self, task: asyncio.Task[Any]) -> None:
        """The task that opens it; `close` cancels that, too."""
        self._task = task
        task.add_done_callback(self._opening_ended)

    def _opening_ended(self, task: asyncio.Task[Any]) -> None:
        self._task = None
        if task.cancelled() and self._release is not None:  # it may not even have begun
            self._release()

    # ---- called by asyncio ----------------------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        """For asyncio: the connection is there; tell the script."""
        self._transport = transport
        self._put = transport.write
        self._shortcut(True)
        self.descriptor = self._open_descriptor
        self._limits.senders.add(self)
        self.id = getattr(transport, "observed_id", 0) or self._host.loop.next_id()
        self.peer = format_address(transport.get_extra_info("peername")) or self.peer
        self.local = format_address(transport.get_extra_info("sockname"))
        self._notify("connected", self)

    def data_received(self, data: bytes) -> None:
        """For asyncio: hand what arrived to the script, or keep it until it is read."""
        self.received += len(data)
        if self._is_direct:
            try:
                if self._host.reporter.calls.on:
                    result = self._host.call(_DATA, self._on_data, (self, data))
                else:
                    result = self._on_data(self, data)
            except BaseException as error:  # noqa: BLE001 - the host sorts out whose it is
                self._host.callback_failed(_DATA, error)
                return
            if result is not None and (task := self._host.follow_if_coroutine(result)) is not None:
                self._follow(task)
        elif self._on_data is None:
            self._arrived += data
            self._wake_reader()
            self._balance()
        else:
            self._held_back.append(data)
            if len(self._held_back) == 1:
                self._hand_over()

    def eof_received(self) -> bool:
        """For asyncio: the other side sends no more; whether the connection stays open for sending."""
        self._ended = True
        self._wake_reader()
        if self._held_back:
            return self._can_half_close()
        stays = self._tell_end()
        if not stays:  # asyncio closes it now
            self._stop_sending()
        return stays

    def connection_lost(self, exc: Exception | None) -> None:
        """For asyncio: tell the script that the connection has ended, and why."""
        self._lost = True
        self._stop_sending()
        self._limits.senders.discard(self)
        self._error = None if exc is None else explain(self.peer, exc)
        if self._release is not None:
            self._release()
        if self._cutter is not None:
            self._cutter.cancel()
        self._wake_reader()
        self.resume_writing()
        if not self._held_back:
            self._tell_closed()

    def pause_writing(self) -> None:
        """For asyncio: the other side does not take what is sent as fast as it is sent."""
        self._blocked = True

    def resume_writing(self) -> None:
        """For asyncio: it has caught up."""
        self._blocked = False
        while self._writers:
            wake(self._writers.popleft())
        self._limits.wake_writers()

    # ---- what the script is told ----------------------------------------------------------------------

    def _notify(self, event: str, *args: Any) -> None:
        handler = self._handlers.get(event)
        if handler is not None:
            self._host.run(f"connection {event} callback", handler, args)

    def _follow(self, task: asyncio.Task[Any]) -> None:
        """An `async def` handler goes on: count it until it ends."""
        self._async_calls += 1
        task.add_done_callback(self._async_call_ended)
        self._balance()

    def _async_call_ended(self, _task: Any) -> None:
        self._async_calls -= 1
        self._balance()

    def _hand_over(self) -> None:
        """Call back with what is held back, as fast as the script's rate allows."""
        while self._held_back:
            delay = self._limits.delay() if self._limits.rate else 0.0
            if delay:
                self._balance()
                self._host.loop.call_later(delay, self._hand_over)
                return
            try:
                task = self._host.run(_DATA, self._on_data, (self, self._held_back[0]))
            except BaseException:  # what ends the script or is meant for it
                if len(self._held_back) > 1:
                    self._host.loop.call_soon(self._hand_over)
                raise
            finally:
                self._held_back.popleft()  # only now: what arrives during the call goes behind it
            if task is not None:
                self._follow(task)
        self._balance()
        if self._lost:
            self._tell_closed()
        elif self._ended and not self._tell_end():
            self.close()

    def _tell_end(self) -> bool:
        """The other side sends no more; whether the script may still send."""
        if "ended" in self._handlers:
            self._notify("ended", self)
            return self._can_half_close()
        # Who reads finds the end there; otherwise nobody would ever close it.
        is_read = self._was_read or bool(self._arrived)
        return self._on_data is None and is_read and self._can_half_close()

    def _tell_closed(self) -> None:
        error = self._error
        self._notify("closed", self, None if error is None else str(error))

    def fail(self, error: BaseException) -> None:
        """Tell the script that no connection came about."""
        handler = self._handlers.get("error")
        if handler is None:
            self._host.reporter.error("tcp_connect", error)
        else:
            self._host.run("connection error callback", handler, (str(error),))

    # ---- reading --------------------------------------------------------------------------------------

    def _balance(self) -> None:
        """Let the other side wait while nobody takes what it sends, and go on afterwards."""
        if self._ended or self._lost or self._transport is None:
            return
        too_much = len(self._arrived) >= READ_LIMIT and self._reader is None
        pause = too_much or bool(self._held_back) or self._async_calls >= MAX_ASYNC
        if pause != self._paused:
            self._paused = pause
            if pause:
                self._transport.pause_reading()
            else:
                self._transport.resume_reading()

    def _wake_reader(self) -> None:
        if self._reader is not None and (len(self._arrived) >= self._needed or self._ended or self._lost):
            wake(self._reader)

    async def _arrival(self, needed: int) -> bool:
        """Wait until at least so many bytes can be read; whether there are."""
        if self._on_data is not None:
            raise RuntimeError(f'{self.peer}: what arrives goes to the "data" handler')
        if self._reader is not None:
            raise RuntimeError(f"{self.peer}: another read is waiting already")
        self._was_read = True
        if len(self._arrived) < needed and not self._ended and not self._lost and self._transport is not None:
            self._needed = needed
            self._reader = self._host.loop.create_future()
            self._balance()
            try:
                await self._reader
            finally:
                self._reader = None
                self._balance()
        if len(self._arrived) >= needed:
            return True
        if not self._arrived and self._error is not None:
            raise self._error
        return False

    def _taken(self, count: int) -> bytes:
        taken = (
            bytes(memoryview(self._arrived)[:count]) if count < len(self._arrived) else bytes(self._arrived)
        )
        del self._arrived[:count]
        self._balance()
        return taken

    async def read(self, limit: Any = READ_LIMIT, timeout: Any = None) -> bytes:
        """Wait for bytes.

        Args:
            limit: How many at most; or a table with "limit" and "timeout".
            timeout: Milliseconds, or a table with it.

        Returns:
            What has arrived; b"" at the end.

        Raises:
            TimeoutError: Nothing came in time; a later read gets it.
            OSError: The connection was lost.
        """
        if isinstance(limit, dict):
            limit, timeout = values_of("read", limit, limit=READ_LIMIT, timeout=timeout)
        size = count_of("read", "limit", limit)
        if not size:
            return b""
        await self._within("read", timeout, self._arrival, 1)
        return self._taken(size)

    async def read_exactly(self, count: int, timeout: Any = None) -> bytes:
        """Wait for so many bytes.

        Raises:
            IncompleteRead: It ended before; what has come can still be read.
            TimeoutError: They did not come in time; none is lost.
        """
        size = count_of("read_exactly", "count", count)
        if size > self._limits.max_queued:
            raise ValueError(
                f"{self.peer}: {size} bytes at once are over the limit of {self._limits.max_queued} "
                "(option max_queued); read them piece by piece"
            )
        if not await self._within("read_exactly", timeout, self._arrival, size):
            raise self._incomplete(f"{size} bytes")
        return self._taken(size)

    async def read_until(self, delimiter: Any = b"\n", limit: Any = READ_LIMIT, timeout: Any = None) -> bytes:
        """Wait for a delimiter.

        Args:
            delimiter: bytes or str.
            limit: Within how many bytes it must come; or a table with "limit" and "timeout".
            timeout: Milliseconds, or a table with it.

        Returns:
            What has come up to the delimiter, and the delimiter.

        Raises:
            IncompleteRead: It ended before; what has come can still be read.
            ValueError: No delimiter within `limit` bytes; what has come can still be read.
            TimeoutError: It did not come in time; nothing is lost.
        """
        if isinstance(limit, dict):
            limit, timeout = values_of("read_until", limit, limit=READ_LIMIT, timeout=timeout)
        mark = bytes_of("read_until", delimiter)
        if not mark:
            raise ValueError("read_until: the delimiter must not be empty")
        size = count_of("read_until", "limit", limit)
        end = await self._within("read_until", timeout, self._find, mark, size)
        if end < 0:
            raise self._incomplete(f"{mark!r}")
        return self._taken(end)

    async def read_line(self, limit: Any = READ_LIMIT, timeout: Any = None) -> bytes | None:
        """Wait for a line; the last one may lack its end.

        Returns:
            The line without its end, be it a line feed or a carriage return with it; None at the end.

        Raises:
            ValueError: No end of line within `limit` bytes.
            TimeoutError: It did not come in time; nothing is lost.
        """
        if isinstance(limit, dict):
            limit, timeout = values_of("read_line", limit, limit=READ_LIMIT, timeout=timeout)
        size = count_of("read_line", "limit", limit)
        end = await self._within("read_line", timeout, self._find, b"\n", size)
        if end < 0:
            return self._taken(len(self._arrived)) if self._arrived else None
        line = self._taken(end)[:-1]
        return line.removesuffix(b"\r")

    async def _find(self, mark: bytes, limit: int) -> int:
        """Where the first delimiter ends; -1 when the connection has ended without one."""
        start = 0
        while True:
            at = self._arrived.find(mark, start)
            if at >= 0 and at + len(mark) <= limit:
                return at + len(mark)
            if at >= 0 or len(self._arrived) >= limit:
                raise ValueError(f"{self.peer}: no {mark!r} within {limit} bytes")
            start = max(0, len(self._arrived) - len(mark) + 1)
            if not await self._arrival(len(self._arrived) + 1):
                return -1

    def _incomplete(self, wanted: str) -> OSError:
        if self._error is not None:
            return self._error
        return IncompleteRead(
            f"{self.peer}: the connection ended after {len(self._arrived)} bytes, before {wanted}"
        )

    async def _within(self, action: str, timeout: Any, wait: Callable[..., Any], *args: Any) -> Any:
        limit = seconds(action, timeout)
        if limit is None:
            return await wait(*args)
        scope = asyncio.timeout(limit)
        try:
            async with scope:
                return await wait(*args)
        except TimeoutError:
            if not scope.expired():
                raise
            raise TimeoutError(f"{action} {self.peer}: timed out after {limit * 1000:g} ms") from None

    # ---- sending --------------------------------------------------------------------------------------

    def send(self, data: bytes | str) -> None:
        """Send bytes, or a str as UTF-8, without waiting.

        Raises:
            ConnectionError: The connection is not open.
            BlockingIOError: The script would have more waiting to be sent than it may (option max_queued).
        """
        if type(data) is bytes:
            payload = data
        else:  # a Lua string is a str here where it can be one
            payload = data.encode() if type(data) is str else bytes_of("send", data)
        write = self._put
        if write is None:
            raise self._not_open()
        size = len(payload)
        limits = self._limits
        limits.estimate = estimate = limits.estimate + size
        if estimate > limits.max_queued:
            limits.check_queued(f"send {self.peer}", size)
        write(payload)
        self.sent += size
        if self._open_descriptor >= 0:  # the next one from Lua may go straight there, if all of this has
            self.descriptor = self._open_descriptor if self._transport.is_clear else -1
            if self._open_descriptor < 0:  # it is tapped since just now
                self.descriptor = -1

    async def write(self, data: bytes | str, timeout: Any = None) -> None:
        """Send bytes, or a str as UTF-8, as fast as the other side takes them.

        Args:
            data: Of any size.
            timeout: Milliseconds, or a table with it.

        Raises:
            ConnectionError: The connection is not open, or was lost meanwhile.
            TimeoutError: The other side took too little of it in time; `sent` and `queued` tell how much.
        """
        await self._within("write", timeout, self._write, bytes_of("write", data))

    async def _write(self, payload: bytes) -> None:
        for start in range(0, len(payload), WRITE_SLICE) if len(payload) > WRITE_SLICE else (0,):
            piece = payload if len(payload) <= WRITE_SLICE else payload[start : start + WRITE_SLICE]
            while not self._blocked and not self._limits.may_queue(len(piece)):
                await self._limits.wait_to_queue()
            self.send(piece)
            while self._blocked and not self._lost:
                waiting = self._host.loop.create_future()
                self._writers.append(waiting)
                await waiting
            if self._lost:
                raise self._not_open()

    def _not_open(self) -> OSError:
        return self._error or ConnectionError(f"{self.peer}: the connection is not open")

    def _shortcut(self, allowed: bool) -> None:
        """Whether `send` of Lua may go straight to the socket."""
        if not allowed:
            self._open_descriptor = self.descriptor = -1
        elif (
            self._put is not None
            and not self._host.in_python
            and isinstance(self._transport, StreamTransport)
        ):
            self._open_descriptor = self._transport.descriptor

    def _stop_sending(self) -> None:
        self._put = None
        self._open_descriptor = self.descriptor = -1

    # ---- ending ---------------------------------------------------------------------------------------

    def _can_half_close(self) -> bool:
        return self._transport is not None and bool(self._transport.can_write_eof())

    def end(self) -> None:
        """Send no more, once what was sent has left; the other side may go on sending.

        Raises:
            OSError: TLS does not know that.
            ConnectionError: The connection is not open.
        """
        if self._put is None:
            raise self._not_open()
        if not self._can_half_close():
            raise OSError(f"{self.peer}: a TLS connection cannot be ended on one side only; close it")
        self._stop_sending()
        self._transport.write_eof()

    def shutdown(self) -> None:
        """`end`, by a name that Lua can write."""
        self.end()

    def close(self) -> None:
        """Close after what was sent has left; harmless when closed already."""
        if self._transport is None:
            if self._task is not None:
                self._task.cancel()
            return
        self._stop_sending()
        if not self._transport.is_closing():
            self._transport.close()
            self._watch_linger(self.queued)

    def _watch_linger(self, before: int) -> None:
        if before and not self._lost:
            self._cutter = self._host.loop.call_later(LINGER, self._cut, before)

    def _cut(self, before: int) -> None:
        """End what was closed and does not get rid of the rest."""
        if self.queued < before:
            self._watch_linger(self.queued)
        else:
            self._transport.abort()

    def abort(self) -> None:
        """Close at once; what has not been sent is lost."""
        if self._transport is None:
            self.close()
        else:
            self._stop_sending()
            self._transport.abort()

    # ---- state ----------------------------------------------------------------------------------------

    @property
    def local_address(self) -> str:
        """`local`, by a name that Lua can write."""
        return self.local

    @property
    def is_open(self) -> bool:
        """Whether `send` works."""
        return self._put is not None and not self._transport.is_closing()

    @property
    def buffered(self) -> int:
        """Bytes that have arrived and were not read yet."""
        return len(self._arrived) + sum(map(len, self._held_back))

    @property
    def queued(self) -> int:
        """Bytes that were sent and have not left yet."""
        return 0 if self._transport is None or self._lost else self._transport.get_write_buffer_size()

    def __str__(self) -> str:
        return f"connection {self.id}"
