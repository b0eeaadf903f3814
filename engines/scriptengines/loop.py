"""ScriptLoop: the asyncio event loop of one script, the same class in every interpreter.

It gives the script's run lock up while it waits, knows whether anything is pending, and keeps its timers in a
Schedule, which runs the callbacks. What can be told of its timers, tasks and sockets is in `observation`.
"""

from __future__ import annotations

import asyncio
import math
import os
import selectors
import socket
import threading
import time
import weakref
from threading import get_ident
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from scriptnative import Schedule, Timer, take_arrivals
from scriptnative.errors import ScriptInterrupt

from .inspection import is_asyncio, same_host, task_of, tasks_of
from .transports import StreamTransport, make_datagrams_short

if TYPE_CHECKING:
    from collections.abc import Callable

    from scriptnative import Due, Feed, Latch, RunLock

    from .selectorloop import SelectorLoop
else:
    SelectorLoop = asyncio.SelectorEventLoop


PATIENCE = 0.05
"""Seconds for which a callback may hold the loop before that counts as a mistake."""


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
        epoll: Any = getattr(self._inner, "_selector", None)
        self._poll = epoll.poll if isinstance(self._inner, getattr(selectors, "EpollSelector", ())) else None
        self._keys: dict[int, Any] = getattr(self._inner, "_fd_to_key", {})

    def register(self, fileobj: Any, events: int, data: Any = None) -> Any: ...
    def unregister(self, fileobj: Any) -> Any: ...
    def get_map(self) -> Any: ...

    def close(self) -> None:
        self._inner.close()

    def select(self, timeout: float | None = None) -> list[Any]:
        return self._inner.select(timeout)

    def wait(self, timeout: float | None) -> bool:
        """Wait, without the run lock, and queue the handles of what has arrived; whether anything has."""
        loop = self._loop
        lock = loop.run_lock
        if timeout is not None and timeout <= 0 and not lock.contended and not loop.paused:
            lock.turn()
            found = self._look(timeout)
            if found:
                self._take(found)
            return bool(found)
        if timeout is None or timeout > 0:
            loop.schedule.note_wait()
            loop.update_busy()
        depth = lock.give_up()
        try:
            found = self._look(timeout)
        finally:
            if loop.paused:
                loop.wait_for_resume()
            lock.restore(depth)
        if found:
            self._take(found)
        return bool(found)

    def _look(self, timeout: float | None) -> list[Any]:
        if self._poll is None:
            return self._inner.select(timeout)
        if timeout is None:
            timeout = -1.0
        elif timeout > 0:
            timeout = math.ceil(timeout * 1e3) * 1e-3  # it counts milliseconds, and must not come too early
        try:
            return self._poll(timeout, len(self._keys) or 1)
        except InterruptedError:
            return []

    def _take(self, found: list[Any]) -> None:
        if self._poll is None:
            self._loop.queue_events(found)
        else:
            take_arrivals(found, self._keys, self._loop.schedule.ready, self._loop)


class Listening(NamedTuple):
    """A socket that a loop listens on."""

    number: int
    sock: socket.socket
    server: Any
    since: float
    source: Any


def _ignore(*_args: Any) -> None:
    pass


class ScriptLoop(SelectorLoop):
    """Event loop of one generation of a script.

    Args:
        run_lock: The script's run lock; held by the thread that runs the loop whenever callbacks execute.
        feed: Told when the script has something pending and when no more.
        on_run: Called when the loop starts to run: from then on the script counts as loaded.

    Attributes:
        background_sockets: Transports that keep nothing alive while nothing waits to be sent.
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
        self.background_sockets: weakref.WeakSet[Any] = weakref.WeakSet()
        self.locate: Callable[[], Any] | None = None
        self.settle_timer: Callable[[Timer, Any], None] = _ignore
        self.timer_failed: Callable[[Timer, BaseException], None] = _ignore
        self.note_held: Callable[[Any, float], None] = _ignore
        self.note_report: Callable[[dict[str, object]], None] = _ignore
        self._is_busy = False
        self.seen_timers: dict[int, int] = {}
        self._transports_seen: dict[int, weakref.ref[Any]] = {}
        self.listeners: dict[int, Listening] = {}
        self._waiting_selector = _YieldingSelector(self)
        super().__init__(self._waiting_selector)
        self._own_descriptors = len(self._selector.get_map())
        assert self._csock is not None
        clock = feed.clock
        self.schedule = Schedule(
            self._ready,
            lambda timer, result: self.settle_timer(timer, result),
            lambda timer, error: self.timer_failed(timer, error),
            lambda handle, seconds: self.note_held(handle, seconds),
            clock,
            self._csock.fileno(),
        )
        self.schedule.patience = PATIENCE
        self._scheduled = self.schedule.heap
        self._is_virtual = clock is not None
        self.set_busy(True)

    # ---- running ----------------------------------------------------------------------------

    def time(self) -> float:
        """As asyncio's; what the virtual clock shows, where there is one."""
        return self.schedule.time()

    def wall_time(self) -> float:
        """Seconds since the epoch, by the virtual clock where there is one."""
        shown = self.schedule.wall()
        return time.time() if shown is None else shown

    def run_forever(self) -> None:
        """Run until stopped; on the script's thread, holding its run lock."""
        if self.stopping:
            raise asyncio.CancelledError
        if self.on_run is not None:
            self.on_run()
        super().run_forever()

    def _run_once(self) -> None:
        """One turn: wait for descriptors or for what is due, then run the callbacks."""
        schedule = self.schedule
        timeout: float | None
        timeout = 0.0 if self._ready or self._stopping else schedule.timeout()
        rests = self._is_virtual and (self.paused or not (self._ready or self._stopping))
        if rests:
            timeout = schedule.rest(self._awaits_input(), self.paused)
        has_arrived = self._waiting_selector.wait(timeout)
        if rests:
            schedule.rise()
        schedule.turn(not has_arrived and timeout == 0.0)

    def queue_events(self, found: list[Any]) -> None:
        """Queue the handles of what a selector has found."""
        self._process_events(found)

    def _awaits_input(self) -> bool:
        return bool(self.outside_work) or len(self._selector.get_map()) > self._own_descriptors

    def close(self) -> None:
        """Keep the loop usable: `asyncio.run` closes it when its coroutine ends, and the script lives on."""
        if self.finished:
            self.schedule.leave_clock()
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
        if self._closed or self._debug:
            handle = super().call_soon(callback, *args, context=context)
        else:
            handle = asyncio.Handle(callback, args, self, context)
            self._ready.append(handle)
        if self.thread_id != get_ident():
            self.wake()
        return handle

    def call_at(self, when: float, callback: Any, *args: Any, context: Any = None) -> Any:
        """As asyncio's; from another thread, too, which wakes the loop."""
        if when is None:  # pyright: ignore[reportUnnecessaryComparison] - as asyncio asks
            raise TypeError("when cannot be None")
        self._check_closed()
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        self.schedule.add(when, handle)
        if self.thread_id != get_ident():
            self.wake()
        return handle

    def wake(self) -> None:
        """Something was added from another thread: let the loop look."""
        if self.thread_id:
            self.set_busy(True)
            self._write_to_self()

    def _write_to_self(self) -> None:
        if not self.paused:  # held back, it rests whatever it is given
            self.schedule.rouse()
        super()._write_to_self()

    def set_timer(
        self, callback: Any, milliseconds: float, args: tuple[Any, ...], repeats: bool, place: Any
    ) -> int:
        """Set a timer of the script; its number. See Schedule.set."""
        self._check_closed()
        number = self.schedule.set(callback, milliseconds, args, repeats, place)
        if self.thread_id != get_ident():
            self.wake()
        return number

    def _timer_handle_cancelled(self, handle: Any) -> None:
        if handle._scheduled:
            self.schedule.note_cancelled()

    def wait_for_resume(self) -> None:
        """Stay until the script may go on; without the run lock."""
        if self._is_virtual:
            self.schedule.rest(False, True)
        self.resumed.wait()
        self.schedule.rise()

    def add_signal_handler(self, sig: int, callback: Any, *args: Any) -> None:
        """Refused: the signals are the console's.

        Raises:
            RuntimeError: Always.
        """
        del callback, args
        raise RuntimeError(
            f"signal {int(sig)} stays with the console, and a script cannot handle it; "
            "to clean up, use atexit.register, or a shutdown function that the host calls"
        )

    def remove_signal_handler(self, sig: int) -> bool:
        """There is none."""
        del sig
        return False

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
        if self._ready or self.schedule.pending or self.outside_work:
            return True
        watched = len(self._selector.get_map()) - self._own_descriptors
        if watched > 0 and watched > self._count_idle_sockets():
            return True
        return bool(tasks_of(self))

    def _count_idle_sockets(self) -> int:
        """Sockets that are watched but keep nothing alive, unless something waits to be sent."""
        watched = self._selector.get_map()
        count = 0
        for transport in list(self.background_sockets):
            sock = transport.get_extra_info("socket")
            descriptor = -1 if sock is None else sock.fileno()
            if descriptor >= 0 and descriptor in watched and not transport.get_write_buffer_size():
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
        for each in list(self.listeners.values()):
            if each.server is not None:
                each.server.close()
            else:
                self._stop_serving(each.sock)
        for transport in self.transports().values():
            transport.abort()
        for task in tasks_of(self):
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
        self.schedule.clear_all()
        waiting = [due.handle for due in list(self.schedule.heap) if due.handle is not None]
        for handle in (*self._ready, *waiting):
            # Tasks and transports need their next step to be able to end.
            if not isinstance(handle, Timer) and not is_asyncio(handle._callback):
                handle.cancel()

    def finish(self, limit: float) -> None:
        """Let cancelled tasks and aborted transports end, then close; on the script's thread.

        Interrupted, it goes on when called again, within what is left of the first limit.

        Args:
            limit: Seconds after which tasks that have not ended are closed, as a generator is.
        """
        self.retire()
        self.schedule.leave_clock()  # what ends gets real time to do so
        self._is_virtual = False
        self._finish_by = self._finish_by or self.time() + limit
        again = False
        while (self._ready or tasks_of(self)) and self.time() < self._finish_by:
            waiting = tasks_of(self)
            if again and not waiting:  # callbacks that set themselves anew
                self._cancel_handles()
            again = not waiting
            self._run_until_done(waiting, self._finish_by)
        for task in tasks_of(self):
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
        timer = self.call_at(deadline, self.stop)
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

    # ---- sockets ------------------------------------------------------------------------------

    def next_id(self) -> int:
        """A number for a timer or connection, unique within the script's generation."""
        return self.schedule.next_id()

    def create_task(self, coro: Any, **options: Any) -> asyncio.Task[Any]:
        """As asyncio's; when it was made and by which line is kept for display."""
        task: Any = super().create_task(coro, **options)
        task.made_at = self.schedule.time()
        if self.locate is not None:
            task.made_by = self.locate()
        return task

    def _make_socket_transport(self, sock: Any, *args: Any, **kwargs: Any) -> Any:
        self._ensure_fd_no_transport(sock)
        transport: Any = StreamTransport(self, sock, *args, **kwargs)
        self._observe(transport, kwargs, "")
        return transport

    def _make_datagram_transport(self, sock: Any, *args: Any, **kwargs: Any) -> Any:
        transport = super()._make_datagram_transport(sock, *args, **kwargs)
        make_datagrams_short(transport, sock)
        self._observe(transport, kwargs, "")
        return transport

    def _make_ssl_transport(self, rawsock: Any, *args: Any, **kwargs: Any) -> Any:
        transport: Any = super()._make_ssl_transport(rawsock, *args, **kwargs)
        # What was made is a layer over the socket's own transport, which asyncio does not give away.
        below: Any = self._transports[rawsock.fileno()]
        self._observe(below, kwargs, "tls")
        transport.observed_id = below.observed_id
        return transport

    def _observe(self, transport: Any, arguments: dict[str, Any], protocol: str) -> None:
        server = arguments.get("server")
        transport.observed_id = number = self.next_id()
        transport.observed_since = self.wall_time()
        transport.observed_role = "client" if server is None else "server"
        transport.observed_protocol = protocol
        transport.observed_source = self.opened_by() if server is None else self._listens_at(server)
        known = self._transports_seen
        known[number] = weakref.ref(transport, lambda _: known.pop(number, None))

    def transports(self) -> dict[int, Any]:
        """Its connections by number, in the order they were made; from any thread."""
        found = ((number, weak()) for number, weak in list(self._transports_seen.items()))
        return {
            number: transport
            for number, transport in found
            if transport is not None and transport._sock is not None  # its end has been told
        }

    def opened_by(self) -> Any:
        """Where the script asks for what is being opened, as `locate` tells it, or "" """
        found = None if self.locate is None else self.locate()
        if not found:
            found = getattr(asyncio.current_task(self), "made_by", None)
        return found or ""

    def _listens_at(self, server: Any) -> Any:
        return next((each.source for each in self.listeners.values() if each.server is server), "")

    def _start_serving(self, protocol_factory: Any, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        server = kwargs.get("server", args[1] if len(args) > 1 else None)
        since = self.wall_time()
        self.listeners[sock.fileno()] = Listening(self.next_id(), sock, server, since, self.opened_by())
        super()._start_serving(protocol_factory, sock, *args, **kwargs)

    def _stop_serving(self, sock: socket.socket) -> None:
        self.listeners.pop(sock.fileno(), None)
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
        return [os.dup(each.sock.fileno()) for each in list(self.listeners.values())]

    def close_inherited(self) -> None:
        """Close the listening sockets that were handed over and not asked for."""
        while self.inherited:
            self.inherited.pop().close()

    def _inherit(self, host: Any, port: int | None) -> socket.socket | None:
        if not port:
            return None
        before = [] if self.predecessor is None else list(self.predecessor.listeners.values())
        for sock in (*self.inherited, *(each.sock for each in before)):
            name = cast("tuple[Any, ...] | str", sock.getsockname())
            if isinstance(name, tuple) and name[1] == port and same_host(host, name[0]):
                return sock.dup()
        return None

    def find_timer(self, timer_id: int) -> Due | None:
        """The pending timer of a number in the rows, the script's or asyncio's."""
        schedule = self.schedule
        own = schedule.timers.get(timer_id)
        if own is not None:
            return own
        return next(
            (due for due in self.asyncio_timers() if self.seen_timers.get(id(due.handle)) == timer_id), None
        )

    def asyncio_timers(self) -> list[Due]:
        """Those of asyncio that are queued or paused; from any thread."""
        schedule = self.schedule
        waiting = [due for due in (*schedule.heap, *schedule.shelf) if due.handle is not None]
        return [due for due in waiting if not due.handle.cancelled()]

    def cancel_asyncio_timer(self, timer_id: int) -> bool:
        """Cancel a timer by its number in the rows; a sleeping task is cancelled with its sleep."""
        due = self.find_timer(timer_id)
        if due is None or due.handle is None:
            return False
        task = task_of(due.handle)
        if task is not None:
            task.cancel()
        due.handle.cancel()
        self._write_to_self()
        return True

    def close_connection(self, number: int) -> bool:
        """Close a connection or listener by its number; holding the run lock."""
        transport = self.transports().get(number)
        if transport is not None and not transport.is_closing():
            transport.close()
            return True
        for each in list(self.listeners.values()):
            if each.number == number:
                if each.server is not None:
                    each.server.close()
                else:
                    self._stop_serving(each.sock)
                self._write_to_self()
                return True
        return False

    def set_paused(self, paused: bool) -> None:
        """Hold callbacks back, or let them run again; calls from outside still work."""
        self.paused = paused
        if paused:
            self.resumed.clear()
        else:
            self.schedule.forgiven = self.time()  # what was late until now was so by order
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
