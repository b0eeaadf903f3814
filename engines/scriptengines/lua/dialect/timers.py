"""The dialect's timers: an interval counts from the end of its callback, and ends with an error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scriptengines.hostapi.timers import Timer

if TYPE_CHECKING:
    from collections.abc import Callable

    from scriptengines.host import Host

    from . import Dialect


class DialectTimer(Timer):
    """A timer set by setTimeout or setInterval.

    Args:
        system: Whether it leaves the run free to end.
    """

    __slots__ = ("system",)

    def __init__(self, host: Host, kind: str, callback: Any, milliseconds: float, system: bool) -> None:
        self.system = system
        super().__init__(host, kind, callback, milliseconds, ())

    def schedule(self) -> None:
        """Ask the loop for the next `fire`."""
        super().schedule()
        if self.system and self.interval > 0:
            self.host.loop.background.add(self.handle)

    def fire(self) -> None:
        """Call the script's function; the next tick of an interval is `interval` after its end."""
        host = self.host
        self.count += 1
        host.loop.background.discard(self.handle)
        if self.kind == "timeout":
            host.timers.pop(self.id, None)
        try:
            self.callback()
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001 - whatever a script raises ends here, in the report
            host.loop.interrupt_has_arrived(error)
            host.timers.pop(self.id, None)
            kind = "timer" if self.kind == "timeout" else "interval"
            host.reporter.error(f"Error in {kind} callback", error)
        if self.kind == "interval" and self.id in host.timers:
            self.due = host.loop.time() + max(self.interval, 0.0) / 1000.0
            self.schedule()

    # By this the loop tells our timers from asyncio's; a function's own attributes have no types.
    fire.host_timer = True  # pyright: ignore[reportFunctionMemberAccess]


def set_timeout(dialect: Dialect, callback: Callable[[], Any], ms: float, system: bool) -> int:
    """Call a function once; gives its number."""
    return _set(dialect.host, "timeout", callback, ms, system)


def set_interval(dialect: Dialect, callback: Callable[[], Any], ms: float) -> int:
    """Call a function again and again, each time so long after its last end; gives its number."""
    return _set(dialect.host, "interval", callback, ms, False)


def _set(host: Host, kind: str, callback: Any, ms: float, system: bool) -> int:
    timer = DialectTimer(host, kind, callback, ms, system)
    host.timers[timer.id] = timer
    return timer.id


def clear_timer(dialect: Dialect, timer_id: int) -> bool:
    """Cancel a timer; whether it was pending."""
    return dialect.host.clear_timer(timer_id)


def count(dialect: Dialect, kind: str) -> int:
    """How many timers of a kind are pending: "timeout" or "interval"."""
    return sum(timer.kind == kind for timer in dialect.host.timers.values())


def next_id(dialect: Dialect) -> int:
    """A number from the counter of the timers, for a registered callback."""
    return dialect.host.loop.next_id()
