"""ScriptLoop: the asyncio event loop of one script, the same class in every interpreter.

It gives the script's run lock up while it waits, knows whether anything is pending, and can tell which
timers, connections and servers it has. It costs the script nothing to be observed: nothing is counted, all is
read on demand.
"""

from __future__ import annotations

import asyncio
import os
import selectors
import socket
import threading
import time
import weakref
from typing import TYPE_CHECKING, Any, cast

from scriptnative.errors import ScriptInterrupt

from .inspection import (
    address_of,
    byte_counts,
    is_asyncio,
    is_paused,
    name_of,
    protocol_of,
    same_host,
    task_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from scriptnative import Feed, Latch, RunLock

    from .selectorloop import SelectorLoop
else:
    SelectorLoop = asyncio.SelectorEventLoop


class _YieldingSelector(selectors.BaseSelector):
    """Passes everything on to the platform's selector, and lets others run the script while it waits."""

    def __init__(self, loop: ScriptLoop) -> None:
        self._inner = selectors.DefaultSelector()
        self._loop = loop
        self.register = self._inner.register
        self.unregister = self._inner.unregister
        self.modify = self._inner.modify
        self.get_map = self._inner.get_map
        self.get_key = self._inner.get_key

    def register(self, fileobj: Any, events: int, data: Any = None) -> Any: ...
    def unregister(self, fileobj: Any) -> Any: ...
    def get_map(self) -> Any: ...

    def close(self) -> None:
        self._inner.close()

    def select(self, timeout: float | None = None) -> list[Any]:
        loop = self._loop
        lock = loop.run_lock
        if timeout is not None and timeout <= 0 and not lock.contended and not loop.paused:
            lock.turn()
            return self._inner.select(timeout)
        if timeout is None or timeout > 0:
            loop.update_busy()
        depth = lock.give_up()
        try:
            return self._inner.select(timeout)
        finally:
            if loop.paused:
                loop.resumed.wait()
            lock.restore(depth)


class ScriptLoop(SelectorLoop):
    """Event loop of one generation of a script.

    Args:
        run_lock: The script's run lock; held by the thread that runs the loop whenever callbacks execute.
        feed: Told when the script has something pending and when no more.
        on_run: Called when the loop starts to run: from then on the script counts as loaded.

    Attributes:
        background: Handles of timers that do not keep the run alive.
        background_sockets: Transports that do not, while nothing waits to be sent.
    """

    def __init__(self, run_lock: RunLock, feed: Feed, on_run: Callable[[], None] | None = None) -> None:
        self.run_lock = run_lock
        self.feed = feed
        self.on_run = on_run
        self.resumed = threading.Event()
        self.paused = False
        self.predecessor: ScriptLoop | None = None
        self.inherited: list[socket.socket] = []
        self.stopping = False
        self.finished = False
        self._retired = False
        self._finish_by = 0.0
        self.thread_id = 0
        self.outside_work = 0
        self.latches: set[Latch] = set()
        self.background: set[asyncio.TimerHandle] = set()
        self.background_sockets: weakref.WeakSet[Any] = weakref.WeakSet()
        self._is_busy = False
        self._last_id = 0
        self._seen_timers: dict[int, int] = {}
        self._observed: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()
        self._listeners: dict[int, tuple[int, socket.socket, Any, float]] = {}
        super().__init__(_YieldingSelector(self))
        self._own_descriptors = len(self._selector.get_map())
        self.set_busy(True)

    # ---- running ----------------------------------------------------------------------------

    def run_forever(self) -> None:
        """Run until stopped; on the script's thread, holding its run lock."""
        if self.stopping:
            raise asyncio.CancelledError
        if self.on_run is not None:
            self.on_run()
        super().run_forever()

    def close(self) -> None:
        """Keep the loop usable: `asyncio.run` closes it when its coroutine ends, and the script lives on."""
        if self.finished:
            super().close()
            return
        self._asyncgens_shutdown_called = False
        self._executor_shutdown_called = False
        self._default_executor = None

    def _close_self_pipe(self) -> None:
        """As asyncio's, which cannot be called again after an interrupt has hit it half way."""
        for sock in (self._ssock, self._csock):
            if sock is not None and sock.fileno() >= 0:
                self._remove_reader(sock.fileno())
                sock.close()
        self._ssock = self._csock = None
        self._internal_fds = 0

    def call_soon(self, callback: Any, *args: Any, context: Any = None) -> Any:
        """As asyncio's; from another thread, too, which wakes the loop."""
        handle = super().call_soon(callback, *args, context=context)
        if self.thread_id and threading.get_ident() != self.thread_id:
            self.set_busy(True)
            self._write_to_self()
        return handle

    def call_at(self, when: float, callback: Any, *args: Any, context: Any = None) -> Any:
        """As asyncio's; from another thread, too, which wakes the loop."""
        handle = super().call_at(when, callback, *args, context=context)
        if self.thread_id and threading.get_ident() != self.thread_id:
            self.set_busy(True)
            self._write_to_self()
        return handle

    def _check_thread(self) -> None:
        """asyncio's debug check: other threads are welcome here while they hold the run lock."""

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:
        """As asyncio's; the job counts as pending until it has ended."""
        future = super().run_in_executor(executor, func, *args)
        self.outside_work += 1
        future.add_done_callback(self._outside_work_done)
        return future

    def _outside_work_done(self, _future: Any) -> None:
        self.outside_work -= 1

    def interrupt_has_arrived(self, error: object) -> None:
        """A callback has ended with an error: if it was interrupted, the next one must not be."""
        if isinstance(error, ScriptInterrupt) and self.run_lock.held:
            self.run_lock.turn()

    # ---- pending work -------------------------------------------------------------------------

    def has_pending(self) -> bool:
        """Whether anything can still happen by itself: a timer, callback, socket, task or job in a thread."""
        if self._ready or self.outside_work:
            return True
        if len(self._scheduled) - self._timer_cancelled_count > self._count_background():
            return True
        watched = len(self._selector.get_map()) - self._own_descriptors
        if watched > 0 and watched > self._count_idle_sockets():
            return True
        return bool(asyncio.all_tasks(self))

    def _count_background(self) -> int:
        """Timers that wait but keep nothing alive."""
        if self.background:
            self.background = {handle for handle in self.background if not handle.cancelled()}
        return len(self.background)

    def _count_idle_sockets(self) -> int:
        """Sockets that are watched but keep nothing alive, unless something waits to be sent."""
        watched = self._selector.get_map()
        count = 0
        for transport in list(self.background_sockets):
            sock = transport.get_extra_info("socket")
            if sock is not None and sock.fileno() in watched and not transport.get_write_buffer_size():
                count += 1
        return count

    def is_busy(self) -> bool:
        """What the session was last told."""
        return self._is_busy

    def set_busy(self, busy: bool) -> None:
        """Tell the session whether this script keeps the run alive."""
        if busy != self._is_busy:
            self._is_busy = busy
            self.feed.busy(1 if busy else -1)

    def update_busy(self) -> None:
        """Look whether anything is pending and tell; on the script's thread."""
        self.set_busy(not self.stopping and self.has_pending())

    # ---- ending -------------------------------------------------------------------------------

    def retire(self) -> None:
        """Close timers, servers and connections at once, end the loop; any thread, holding the run lock."""
        while not self._retired:
            try:
                self.stopping = True
                self._close_all()
                self._retired = True
            except ScriptInterrupt:  # meant for the script; half retired, the loop would never end
                continue

    def _close_all(self) -> None:
        self._cancel_handles()
        for _, sock, server, _ in list(self._listeners.values()):
            if server is not None:
                server.close()
            else:
                self._stop_serving(sock)
        for transport in list(self._observed.values()):
            transport.abort()
        for task in asyncio.all_tasks(self):
            try:
                task.cancel()
            except Exception as error:  # noqa: BLE001 - of a future of the script's own that it waits for
                self.call_exception_handler(
                    {"message": "a task that cannot be cancelled", "exception": error}
                )
        self.paused = False
        self.resumed.set()
        super().call_soon(self.stop)
        self._write_to_self()

    def _cancel_handles(self) -> None:
        for handle in (*self._ready, *self._scheduled):
            # Tasks and transports need their next step to be able to end.
            if not is_asyncio(handle._callback):
                handle.cancel()

    def finish(self, limit: float) -> None:
        """Let cancelled tasks and aborted transports end, then close; on the script's thread.

        Interrupted, it goes on when called again, within what is left of the first limit.

        Args:
            limit: Seconds after which tasks that have not ended are closed, as a generator is.
        """
        self.retire()
        self._finish_by = self._finish_by or self.time() + limit
        again = False
        while (self._ready or asyncio.all_tasks(self)) and self.time() < self._finish_by:
            waiting = asyncio.all_tasks(self)
            if again and not waiting:  # callbacks that set themselves anew
                self._cancel_handles()
            again = not waiting
            self._run_until_done(waiting, self._finish_by)
        for task in asyncio.all_tasks(self):
            self._close_task(task)
        for latch in list(self.latches):  # nobody else will
            latch.set()
        self.set_busy(False)
        self.predecessor = None
        self.finished = True
        self.close()

    def _run_until_done(self, waiting: set[asyncio.Task[Any]], deadline: float) -> None:
        def ended(task: asyncio.Task[Any]) -> None:
            waiting.discard(task)
            if not waiting:
                self.stop()

        for task in waiting:
            task.add_done_callback(ended)
        timer = super().call_at(deadline, self.stop)
        if not waiting:
            super().call_soon(self.stop)
        super().run_forever()
        timer.cancel()

    def _close_task(self, task: asyncio.Task[Any]) -> None:
        """Close the coroutine of a task that was cancelled and goes on; nothing is said of what remains."""
        cast("Any", task)._log_destroy_pending = False
        coroutine = cast("Any", task.get_coro())
        try:
            coroutine.close()
        except ScriptInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - it awaits, or fails, where it should clean up
            what = f"task {task.get_name()} was closed, because it goes on although it was cancelled"
            self.call_exception_handler({"message": what, "exception": error})

    # ---- observation --------------------------------------------------------------------------

    def next_id(self) -> int:
        """A number for a timer or connection, unique within the script's generation."""
        self._last_id += 1
        return self._last_id

    def _make_socket_transport(self, sock: Any, *args: Any, **kwargs: Any) -> Any:
        return self._observe(super()._make_socket_transport(sock, *args, **kwargs), kwargs)

    def _make_ssl_transport(self, rawsock: Any, *args: Any, **kwargs: Any) -> Any:
        made = super()._make_ssl_transport(rawsock, *args, **kwargs)
        # What was made is a layer over the socket's own transport, which asyncio does not give away.
        below = self._observe(self._transports[rawsock.fileno()], kwargs)
        made.observed_id = below.observed_id
        return made

    def _make_datagram_transport(self, sock: Any, *args: Any, **kwargs: Any) -> Any:
        return self._observe(super()._make_datagram_transport(sock, *args, **kwargs), kwargs)

    def _observe(self, transport: Any, arguments: dict[str, Any]) -> Any:
        transport.observed_id = self.next_id()
        transport.observed_since = time.time()
        transport.observed_role = "server" if arguments.get("server") is not None else "client"
        self._observed[transport.observed_id] = transport
        return transport

    def _start_serving(self, protocol_factory: Any, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        server = kwargs.get("server", args[1] if len(args) > 1 else None)
        self._listeners[sock.fileno()] = (self.next_id(), sock, server, time.time())
        super()._start_serving(protocol_factory, sock, *args, **kwargs)

    def _stop_serving(self, sock: socket.socket) -> None:
        self._listeners.pop(sock.fileno(), None)
        super()._stop_serving(sock)

    async def create_server(
        self, protocol_factory: Any, host: Any = None, port: int | None = None, **kwargs: Any
    ) -> Any:
        """As asyncio's; a port that the generation before listens on is handed over: no client is refused."""
        inherited = self._inherit(host, port) if kwargs.get("sock") is None else None
        if inherited is not None:
            dropped = ("family", "flags", "reuse_address", "reuse_port", "keep_alive")
            kept = {name: value for name, value in kwargs.items() if name not in dropped}
            return await super().create_server(protocol_factory, sock=inherited, **kept)
        return await super().create_server(protocol_factory, host, port, **kwargs)

    def bound_socket(self, host: str, port: int) -> socket.socket:
        """A socket to listen on, at once: the one of the generation before, if it has that port.

        Raises:
            ValueError: The address is a name, and looking it up would have to wait.
            OSError: The port is in use or may not be bound.
        """
        return self._inherit(host, port) or _bind(host, port)

    def export_listeners(self) -> list[int]:
        """Copies of the descriptors of its listening sockets, for a loop in another interpreter."""
        return [os.dup(sock.fileno()) for _, sock, _, _ in list(self._listeners.values())]

    def close_inherited(self) -> None:
        """Close the listening sockets that were handed over and not asked for."""
        while self.inherited:
            self.inherited.pop().close()

    def _inherit(self, host: Any, port: int | None) -> socket.socket | None:
        if not port:
            return None
        before = [] if self.predecessor is None else list(self.predecessor._listeners.values())
        for sock in (*self.inherited, *(sock for _, sock, _, _ in before)):
            name = cast("tuple[Any, ...] | str", sock.getsockname())
            if isinstance(name, tuple) and name[1] == port and same_host(host, name[0]):
                return sock.dup()
        return None

    def asyncio_timers(self, limit: int) -> list[tuple[int, str, float, float, int, str, str]]:
        """Timers set by asyncio code, soonest first: (id, kind, 0, due since epoch, 0, callback, source)."""
        now, clock = self.time(), time.time()
        handles = [handle for handle in list(self._scheduled) if not handle.cancelled()]
        handles = [handle for handle in handles if getattr(handle._callback, "host_timer", None) is None]
        handles.sort(key=lambda handle: handle.when())
        seen: dict[int, int] = {}
        rows: list[tuple[int, str, float, float, int, str, str]] = []
        for handle in handles[:limit]:
            number = self._seen_timers.get(id(handle)) or self.next_id()
            seen[id(handle)] = number
            name, source = name_of(handle)
            rows.append((number, "asyncio", 0.0, clock + handle.when() - now, 0, name, source))
        self._seen_timers = seen
        return rows

    def cancel_asyncio_timer(self, timer_id: int) -> bool:
        """Cancel a timer by its number in asyncio_timers; a sleeping task is cancelled with its sleep."""
        for handle in list(self._scheduled):
            if self._seen_timers.get(id(handle)) != timer_id or handle.cancelled():
                continue
            task = task_of(handle)
            if task is not None:
                task.cancel()
            handle.cancel()
            self._write_to_self()
            return True
        return False

    def connections(self, limit: int) -> list[tuple[int, str, str, str, str, str, int, int, float]]:
        """Sockets, oldest first: (id, protocol, role, local, peer, state, received, sent, since epoch)."""
        rows: list[tuple[int, str, str, str, str, str, int, int, float]] = []
        for number, sock, _, opened in list(self._listeners.values())[:limit]:
            if sock.fileno() >= 0:
                rows.append(
                    (
                        number,
                        protocol_of(sock),
                        "listener",
                        address_of(sock, "local"),
                        "",
                        "open",
                        0,
                        0,
                        opened,
                    )
                )
        for number, transport in sorted(self._observed.items())[:limit]:
            sock = transport._sock
            if sock is None or sock.fileno() < 0:
                continue
            state = "closing" if transport.is_closing() else "paused" if is_paused(transport) else "open"
            received, sent = byte_counts(sock)
            local, peer = address_of(sock, "local"), address_of(sock, "peer")
            role, since = transport.observed_role, transport.observed_since
            rows.append((number, protocol_of(sock), role, local, peer, state, received, sent, since))
        return rows[:limit]

    def close_connection(self, number: int) -> bool:
        """Close a connection or listener by its number; holding the run lock."""
        transport = self._observed.get(number)
        if transport is not None and not transport.is_closing():
            transport.close()
            return True
        for listener, sock, server, _ in list(self._listeners.values()):
            if listener == number:
                if server is not None:
                    server.close()
                else:
                    self._stop_serving(sock)
                self._write_to_self()
                return True
        return False

    def set_paused(self, paused: bool) -> None:
        """Hold callbacks back, or let them run again; calls from outside still work."""
        self.paused = paused
        if paused:
            self.resumed.clear()
        else:
            self.resumed.set()
        self._write_to_self()


def _bind(host: str, port: int) -> socket.socket:
    flags = socket.AI_PASSIVE | socket.AI_NUMERICHOST
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=flags)
    except socket.gaierror:
        raise ValueError(f"the address must be numeric, such as 127.0.0.1, got {host!r}") from None
    family, kind, protocol, _, address = found[0]
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(address)
    except OSError as error:
        sock.close()
        raise OSError(error.errno, f"{host}:{port} cannot be bound: {error.strerror}") from None
    return sock
