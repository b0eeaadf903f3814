"""What a script has running, as rows for display: timers, tasks, connections.

Read on demand, while the script may run: nothing here waits for it, and it pays only for what ScriptLoop
notes when something is made. Addresses of a connection are asked for once; its bytes are the kernel's count.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from .engine import Sample
from .host import HostObject, written
from .inspection import (
    address_of,
    application_of,
    byte_counts,
    describe_callable,
    is_closed_by_peer,
    is_listening,
    is_paused,
    name_of,
    protocol_of,
    protocol_over,
    tasks_of,
    waits_at,
)
from .mistakes import Mistakes

if TYPE_CHECKING:
    from scriptnative import Due, Timer

    from .engine import ConnectionRow, TaskRow, TimerRow
    from .host import Host
    from .loop import ScriptLoop
    from .sockets import OwnSocket, OwnSockets
    from .tapping import Taps
    from .tree import Delta


class Traffic(NamedTuple):
    """What one connection had at the last look.

    Attributes:
        protocol: See ConnectionView.
        local: Its own address.
        peer: The other end's.
        at: Seconds of the loop's time.
        received: Bytes.
        sent: Bytes.
        receiving: Bytes a second.
        sending: Bytes a second.
        active: When a byte moved last, in the loop's time.
        hung_up: When the peer was first seen to have closed; None while it has not.
    """

    protocol: str
    local: str
    peer: str
    at: float
    received: int
    sent: int
    receiving: float
    sending: float
    active: float
    hung_up: float | None


class Seen(NamedTuple):
    """A connection of the last look, for `mistakes`."""

    number: int
    transport: Any
    traffic: Traffic
    source: str


class Observation:
    """Looks at one generation of a script.

    Args:
        host: Of the generation.

    Attributes:
        seen: The connections of the last look.
        mistakes: What it has done wrong.
    """

    def __init__(self, host: Host) -> None:
        self._loop: ScriptLoop = host.loop
        self._sockets: OwnSockets | None = host.sockets
        self._traffic: dict[int, Traffic] = {}
        self._ports: set[str] = set()
        self._taps: Taps | None = None
        self.seen: list[Seen] = []
        self.mistakes = Mistakes(host)

    def sample(self, variables: Delta, limit: int) -> Sample:
        """All rows, at most `limit` of each kind; the variables are the engine's."""
        timers, connections = self.timers(limit), self.connections(limit)
        tasks = self.tasks(limit)
        self.mistakes.look(self.seen)
        return Sample(variables, timers, connections, tasks, self.mistakes.rows())

    def close_connection(self, number: int) -> bool:
        """Close a connection of the rows; whether it was open. Holding the run lock."""
        return self._loop.close_connection(number) or (
            self._sockets is not None and self._sockets.close(number)
        )

    @property
    def taps(self) -> Taps:
        """What is kept of the bytes that connections carry; made when it is first asked for."""
        if self._taps is None:
            from .tapping import Taps

            self._taps = Taps(self._loop, self._sockets)
        return self._taps

    # ---- timers -------------------------------------------------------------------------------

    def timers(self, limit: int) -> list[TimerRow]:
        """All pending timers, soonest first."""
        schedule = self._loop.schedule
        now = self._loop.time()
        offset = self._loop.wall_time() - now
        own = sorted(list(schedule.timers.values()), key=lambda timer: timer.when)[:limit]
        places: dict[tuple[int, int], str] = {}
        rows = [_timer_row(timer, now, offset, places) for timer in own]
        return sorted(rows + self._asyncio_timers(limit, now, offset), key=lambda row: row[3])[:limit]

    def _asyncio_timers(self, limit: int, now: float, offset: float) -> list[TimerRow]:
        loop = self._loop
        waiting = sorted(loop.asyncio_timers(), key=lambda due: due.when)
        seen: dict[int, int] = {}
        rows: list[TimerRow] = []
        for due in waiting[:limit]:
            number = loop.seen_timers.get(id(due.handle)) or loop.next_id()
            seen[id(due.handle)] = number
            name, source = name_of(due.handle)
            when, left = _due(due, now) + offset, due.left * 1e3 if due.paused else 0.0
            rows.append((number, "asyncio", 0.0, when, 0, name, source, 0.0, 0.0, 0.0, due.paused, left))
        loop.seen_timers = seen
        return rows

    # ---- tasks --------------------------------------------------------------------------------

    def tasks(self, limit: int) -> list[TaskRow]:
        """Tasks that have not ended, oldest first."""
        loop = self._loop
        try:
            current = asyncio.current_task(loop)
            waiting = [task for task in tasks_of(loop) if not task.done()]
        except RuntimeError:  # the set changed while it was copied; the next look is soon
            return []
        offset = loop.wall_time() - loop.time()
        rows: list[TaskRow] = []
        for task in waiting:
            made: Any = task
            name, place = waits_at(task)
            state = "running" if task is current or _runs(task) else _state_of(made)
            since = getattr(made, "made_at", loop.time()) + offset
            rows.append((id(task), task.get_name(), state, since, place, name))
        return sorted(rows, key=lambda row: row[3])[:limit]

    # ---- connections --------------------------------------------------------------------------

    def connections(self, limit: int) -> list[ConnectionRow]:
        """Sockets: first those that listen, then the others, oldest first."""
        loop = self._loop
        rows: list[ConnectionRow] = []
        known: set[int] = set()
        for each in list(loop.listeners.values())[:limit]:
            if each.sock.fileno() >= 0:
                known.add(each.sock.fileno())
                rows.append(_listener_row(each.number, each.sock, each.since, written(each.source)))
        self.seen = []
        traffic: dict[int, Traffic] = {}
        for number, transport in list(loop.transports().items())[:limit]:
            sock = transport._sock
            if sock is None or sock.fileno() < 0:
                continue
            known.add(sock.fileno())
            state = "closing" if transport.is_closing() else "paused" if is_paused(transport) else "open"
            protocol, source = transport.observed_protocol, written(transport.observed_source)
            carried = protocol_over(transport)
            now = traffic[number] = self._measure(number, sock, protocol, carried)
            self.seen.append(Seen(number, transport, now, source))
            role, since = transport.observed_role, transport.observed_since
            rows.append(_row(number, role, state, since, source, now, application_of(carried)))
        for own, sock in [] if self._sockets is None else self._sockets.open_ones(known, limit - len(rows)):
            with suppress(OSError):  # closed meanwhile
                row = self._row_of_own(own, sock, traffic)
                if row is not None:
                    rows.append(row)
        self._traffic = traffic
        return rows[:limit]

    def _row_of_own(
        self, own: OwnSocket, sock: socket.socket, traffic: dict[int, Traffic]
    ) -> ConnectionRow | None:
        source = written(own.source)
        if is_listening(sock):
            self._ports.add(address_of(sock, "local").rpartition(":")[2])
            return _listener_row(own.number, sock, own.since, source)
        protocol = "tls" if hasattr(sock, "getpeercert") else ""
        now = self._measure(own.number, sock, protocol)
        if not now.peer and (now.protocol != "udp" or now.local.endswith(":0")):
            return None  # neither bound nor connected
        traffic[own.number] = now
        self.seen.append(Seen(own.number, sock, now, source))
        role = "server" if not now.peer or now.local.rpartition(":")[2] in self._ports else "client"
        return _row(own.number, role, "open", own.since, source, now)

    def _measure(self, number: int, sock: socket.socket, protocol: str, carried: Any = None) -> Traffic:
        now = self._loop.time()
        before = self._traffic.get(number)
        own = getattr(carried, "_counts", None) if isinstance(carried, HostObject) else None
        received, sent = byte_counts(sock) if own is None else own()
        hung_up = is_closed_by_peer(sock)
        if before is None or not before.peer:
            where = protocol or protocol_of(sock), address_of(sock, "local"), address_of(sock, "peer")
            return Traffic(*where, now, received, sent, 0.0, 0.0, now, now if hung_up else None)
        passed = max(now - before.at, 1e-3)
        new, out = received - before.received, sent - before.sent
        return before._replace(
            at=now,
            received=received,
            sent=sent,
            receiving=_smoothed(before.receiving, new / passed),
            sending=_smoothed(before.sending, out / passed),
            active=now if new or out else before.active,
            hung_up=(before.hung_up or now) if hung_up else None,
        )


def _runs(task: asyncio.Task[Any]) -> bool:
    """Whether it runs right now, on whatever thread."""
    return getattr(task.get_coro(), "cr_running", False)


def _state_of(task: Any) -> str:
    if task.cancelling():
        return "cancelling"
    return "ready" if task._fut_waiter is None else "waiting"


def _due(due: Due, now: float) -> float:
    """When it comes, in the loop's time; of what is paused: when it came if it were resumed now."""
    return now + due.left if due.paused else due.when


def _timer_row(timer: Timer, now: float, offset: float, places: dict[tuple[int, int], str]) -> TimerRow:
    place: Any = timer.place
    if isinstance(place, str):
        source = place
    else:  # many are set by the same line
        key = id(place[0]), place[1]
        source = places.get(key) or places.setdefault(key, written(place))
    callback = timer.callback
    name, defined = ("", "") if callback is None else describe_callable(callback)
    mean = timer.total / timer.count * 1e3 if timer.count else 0.0
    return (
        timer.id,
        timer.kind,
        timer.interval,
        _due(timer, now) + offset,
        timer.count,
        name,
        source or defined,
        timer.last * 1e3,
        mean,
        max(0.0, timer.late) * 1e3,
        timer.paused,
        timer.left * 1e3 if timer.paused else 0.0,
    )


def _listener_row(number: int, sock: socket.socket, since: float, source: str) -> ConnectionRow:
    local = address_of(sock, "local")
    return (number, protocol_of(sock), "listener", local, "", "open", 0, 0, since, 0.0, 0.0, source, "")


def _row(
    number: int, role: str, state: str, since: float, source: str, now: Traffic, application: str = ""
) -> ConnectionRow:
    return (
        number,
        now.protocol,
        role,
        now.local,
        now.peer,
        state,
        now.received,
        now.sent,
        since,
        now.receiving,
        now.sending,
        source,
        application,
    )


def _smoothed(before: float, now: float) -> float:
    """So that a rate can be read; it still falls to 0 within a second."""
    rate = 0.5 * before + 0.5 * now
    return rate if rate >= 1 else 0.0
