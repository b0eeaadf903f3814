"""Timers of scripts: once or again and again, without drift."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Any

from .registry import host_function

if TYPE_CHECKING:
    from collections.abc import Callable

    from scriptengines.host import Host


@host_function("timers")
def set_timeout(host: Host, callback: Callable[..., Any], ms: float, *args: Any) -> int:
    """Call `callback(*args)` once.

    Args:
        callback: A function; may be `async def`.
        ms: Milliseconds from now; 0 or less means the next turn of the loop, infinity never.
        args: Passed on.

    Returns:
        A number for `clear_timer`.
    """
    return host.loop.set_timer(_checked(callback), _milliseconds(ms), args, False, host.place())


@host_function("timers")
def set_interval(host: Host, callback: Callable[..., Any], ms: float, *args: Any) -> int:
    """Call `callback(*args)` every `ms` milliseconds, without drift, first after `ms`.

    A call never begins before the one before has ended: what is due meanwhile is left out.

    Returns:
        A number for `clear_timer`.
    """
    return host.loop.set_timer(_checked(callback), _milliseconds(ms), args, True, host.place())


def _checked(callback: Any) -> Any:
    if not callable(callback):
        raise TypeError(f"the callback must be a function, got {type(callback).__name__}")
    return callback


def _milliseconds(ms: Any) -> float:
    if isinstance(ms, bool) or not isinstance(ms, (int, float)):
        raise TypeError(f"ms must be a number of milliseconds, got {type(ms).__name__}")
    try:
        wanted = float(ms)
    except OverflowError:
        return math.inf if ms > 0 else 0.0
    if wanted != wanted:
        raise ValueError("ms must be a number of milliseconds, got nan")
    return wanted


@host_function("timers")
def clear_timer(host: Host, timer_id: int) -> bool:
    """Cancel a timer.

    Returns:
        Whether it was still pending.
    """
    return host.clear_timer(timer_id)


@host_function("timers")
async def sleep(host: Host, ms: float) -> None:
    """Wait; other callbacks of the script run meanwhile.

    Args:
        ms: Milliseconds.
    """
    del host
    await asyncio.sleep(max(0.0, _milliseconds(ms)) / 1000.0)


@host_function("timers")
def now(host: Host) -> float:
    """The time of day that timers go by, in milliseconds since 1970.

    It jumps with the virtual clock (`--virtual-time`), as the time of timers does.
    """
    return host.loop.wall_time() * 1000.0
