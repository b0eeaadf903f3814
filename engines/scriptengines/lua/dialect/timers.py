"""The dialect's timers: an interval counts from the end of its callback, and ends with an error."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from . import Dialect


def set_timeout(dialect: Dialect, callback: Callable[[], object], ms: float, system: bool) -> int:
    """Call a function once; gives its number.

    Args:
        dialect: Of the script.
        callback: The function.
        ms: Milliseconds from now.
        system: Whether it leaves the run free to end.
    """
    host = dialect.host
    number = host.loop.set_timer(callback, ms, (), False, host.place())
    timer = host.loop.schedule.timers[number]
    timer.label = "Error in timer callback"
    if system:
        timer.silent = host.loop.schedule.has_silent = True
    return number


def set_interval(dialect: Dialect, callback: Callable[[], object], ms: float) -> int:
    """Call a function again and again, each time so long after its last end; gives its number."""
    host = dialect.host
    number = host.loop.set_timer(callback, ms, (), True, host.place())
    timer = host.loop.schedule.timers[number]
    timer.label = "Error in interval callback"
    timer.rests = True
    return number


def clear_timer(dialect: Dialect, timer_id: int) -> bool:
    """Cancel a timer; whether it was pending."""
    return dialect.host.clear_timer(timer_id)


def count(dialect: Dialect, kind: str) -> int:
    """How many timers of a kind are pending: "timeout" or "interval"."""
    return sum(timer.kind == kind for timer in dialect.host.loop.schedule.timers.values())


def next_id(dialect: Dialect) -> int:
    """A number from the counter of the timers, for a registered callback."""
    return dialect.host.loop.next_id()
