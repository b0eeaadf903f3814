"""What a script does wrong without an error: it holds its loop, comes late, spins, forgets to await or close.

Each mistake is told once for each line of the script, with what to do about it, and counted. Found where it
happens, or at a look at what the script has; nothing is done about it.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, cast

from scriptnative import Timer

from .host import written
from .inspection import describe_callable, tasks_of, waits_at

if TYPE_CHECKING:
    from .engine import WarningRow
    from .host import Host
    from .observation import Seen

MAX_MISTAKES = 100
"""Different ones that are kept, the newest."""
LATE_AFTER = 0.05
"""Seconds that a timer must be late, besides being later than its interval."""
IDLE_AFTER = 300.0
"""Seconds without a byte after which a connection counts as idle."""
LEAK_AFTER = 5.0
"""Seconds that a connection may stay open when its peer has closed it."""
SPIN_TIME = 1.0
"""Seconds that a loop may turn without ever waiting."""
SPIN_RATE = 500
"""Turns a second, with nothing in them but zero timers, from which that is a busy loop."""


class Mistakes:
    """Those of one generation.

    Args:
        host: Of the generation.
    """

    def __init__(self, host: Host) -> None:
        self._loop = host.loop
        self._in_python = host.in_python
        self._found: dict[tuple[str, str, str], list[Any]] = {}
        self._told: set[tuple[str, int]] = set()
        self._spin = self._spinning()
        self._zeros = 0
        host.loop.schedule.latest_by = LATE_AFTER

    def rows(self) -> list[WarningRow]:
        """All so far, oldest first."""
        return [
            (kind, row[0], source, row[1], row[2]) for (kind, source, _), row in list(self._found.items())
        ]

    def note(self, kind: str, what: str, source: str, text: str) -> None:
        """Count one.

        Args:
            kind: See WarningKind.
            what: Name of what does it.
            source: "file:line" of the script, or "".
            text: What is wrong and what to do about it; the newest is kept.
        """
        row = self._found.get((kind, source, what))
        if row is not None:
            row[0], row[2] = text, row[2] + 1
            return
        if len(self._found) >= MAX_MISTAKES:
            self._found.pop(next(iter(self._found)), None)
        self._found[kind, source, what] = [text, self._loop.wall_time(), 1]

    # ---- where they happen --------------------------------------------------------------------

    def held(self, handle: Any, seconds: float) -> None:
        """A callback has held the loop for long."""
        name, source = self._describe(handle)
        if self._in_python:
            remedy = "let a thread do the work (await asyncio.to_thread(…)), or await between its parts"
        else:
            remedy = "do it in smaller parts, with host.sleep(0) or a timer between them"
        text = f"{name} held the loop for {seconds * 1e3:.0f} ms; all else of the script waited: {remedy}"
        self.note("blocked", name, source, text)

    def never_awaited(self, coroutine: Any, place: Any) -> None:
        """A coroutine was made, and has gone without having run."""
        name = str(getattr(coroutine, "__qualname__", "a coroutine"))
        code = getattr(coroutine, "cr_code", None)
        source = written(place) or ("" if code is None else written((code, 0)))
        self.note(
            "never-awaited",
            name,
            source,
            f"{name}() was called but never awaited, so nothing of it has run: write await {name}(…), or "
            f"asyncio.create_task({name}(…))",
        )

    def unclosed(self, what: str, source: str) -> None:
        """A socket, transport or stream has gone that was open: nobody could have closed it any more."""
        self.note(
            "leak",
            "unclosed",
            source,
            f"{what} was forgotten while it was open: call close() when it is done with, or use it in a with "
            "statement",
        )

    def reported(self, context: dict[str, object]) -> None:
        """What asyncio tells the loop's exception handler, some of which are mistakes of this kind."""
        message = str(context.get("message", ""))
        task = context.get("task")
        if message.startswith("Task was destroyed") and isinstance(task, asyncio.Task):
            name, source = waits_at(cast("asyncio.Task[Any]", task))
            text = f"the task of {name} has gone before it ended: keep what asyncio.create_task gives"
            self.note("never-awaited", name, source, text)

    def _describe(self, handle: Any) -> tuple[str, str]:
        """Name and "file:line" of what a callback belongs to."""
        if isinstance(handle, Timer):
            name, source = ("", "") if handle.callback is None else describe_callable(handle.callback)
            return name or f"a timer ({handle.kind})", written(handle.place) or source
        owner: Any = getattr(handle._callback, "__self__", None)
        if isinstance(owner, asyncio.Task):
            task = cast("asyncio.Task[Any]", owner)
            name, source = waits_at(task)
            return name, source or written(getattr(task, "made_by", ""))
        if hasattr(owner, "observed_id"):
            protocol = type(owner.get_protocol()).__name__
            return f"a callback of {protocol}", written(owner.observed_source)
        return ("a callback", "") if handle._callback is None else describe_callable(handle._callback)

    # ---- at a look ----------------------------------------------------------------------------

    def look(self, seen: list[Seen]) -> None:
        """Find those that show only from outside.

        Args:
            seen: The connections there are.
        """
        self._look_at_timers()
        self._look_at_turns()
        numbers = {each.number for each in seen}
        self._told = {key for key in self._told if key[1] in numbers}
        for each in seen:
            self._look_at_connection(each)

    def _look_at_timers(self) -> None:
        schedule = self._loop.schedule
        timer, late = schedule.latest, schedule.latest_by
        if timer is None:
            return
        schedule.latest, schedule.latest_by = None, LATE_AFTER
        name, source = self._describe(timer)
        self.note(
            "late",
            name,
            source,
            f"{name} came {late * 1e3:.0f} ms late, more than its interval of {timer.interval:g} ms, "
            "so that calls were left out: give it a longer interval, or let the script do less at a time",
        )

    def _spinning(self) -> tuple[float, int, int]:
        schedule = self._loop.schedule
        return time.monotonic(), schedule.waits, schedule.spins

    def _look_at_turns(self) -> None:
        since, waits, spins = self._spin
        now = self._spinning()
        passed = now[0] - since
        if now[1] != waits or now[2] == spins:
            self._spin = now
        elif passed >= SPIN_TIME:
            self._spin = now
            rate = (now[2] - spins) / passed
            if rate >= SPIN_RATE:
                name, source = self._spinner()
                self.note(
                    "busy-loop",
                    name,
                    source,
                    f"{name} keeps a processor busy with {rate:.0f} turns a second that wait for nothing: "
                    "give it a delay of 1 ms or more, or wait for the event itself",
                )

    def _spinner(self) -> tuple[str, str]:
        schedule = self._loop.schedule
        if schedule.zeros != self._zeros:
            self._zeros = schedule.zeros
            return "a timer without a delay", written(schedule.last_zero)
        for task in tasks_of(self._loop):
            if getattr(task, "_fut_waiter", None) is None:
                return waits_at(task)
        return "the loop", ""

    def _look_at_connection(self, seen: Seen) -> None:
        now, traffic = self._loop.time(), seen.traffic
        ends = f"{traffic.local} to {traffic.peer}" if traffic.peer else traffic.local
        if traffic.hung_up is not None and now - traffic.hung_up >= LEAK_AFTER:
            what = f"its peer hung up {now - traffic.hung_up:.0f} s ago, and it is still open"
            self._tell("leak", seen, f"connection {ends} leaks: {what}; read until it ends, and close() it")
        elif now - traffic.active >= IDLE_AFTER:
            what = f"nothing has come or gone for {now - traffic.active:.0f} s"
            self._tell("idle", seen, f"connection {ends} is idle: {what}; close() it, or limit the wait")

    def _tell(self, kind: str, seen: Seen, text: str) -> None:
        """Once for each connection; many of one line count together."""
        if (kind, seen.number) not in self._told:
            self._told.add((kind, seen.number))
            self.note(kind, kind, seen.source, text)
