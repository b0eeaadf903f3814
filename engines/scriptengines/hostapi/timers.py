"""Timers of scripts: once or again and again, without drift."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from .registry import host_function

if TYPE_CHECKING:
    from collections.abc import Callable

    from scriptengines.host import Host


class Timer:
    """One timer a script set through the host."""

    __slots__ = ("args", "callback", "count", "due", "handle", "host", "id", "interval", "kind", "source")

    def __init__(
        self, host: Host, kind: str, callback: Any, milliseconds: float, args: tuple[Any, ...]
    ) -> None:
        self.host = host
        self.id = host.loop.next_id()
        self.kind = kind
        self.callback = callback
        self.args = args
        self.interval = milliseconds
        self.count = 0
        self.source = host.caller()
        self.due = host.loop.time() + max(milliseconds, 0.0) / 1000.0
        self.handle: Any = None
        self.schedule()

    def schedule(self) -> None:
        """Ask the loop for the next `fire`."""
        loop = self.host.loop
        self.handle = loop.call_soon(self.fire) if self.interval <= 0 else loop.call_at(self.due, self.fire)

    def fire(self) -> None:
        """Call the script's function; an interval is set again, a timeout is over."""
        self.count += 1
        if self.kind == "interval":
            # Without drift; but what a pause or a long callback swallowed is not made up for.
            self.due = max(self.due + self.interval / 1000.0, self.host.loop.time())
            self.schedule()
        else:
            self.host.timers.pop(self.id, None)
        self.host.run(f"{self.kind} callback", self.callback, self.args)

    # By this the loop tells our timers from asyncio's; a function's own attributes have no types.
    fire.host_timer = True  # pyright: ignore[reportFunctionMemberAccess]


@host_function("timers")
def set_timeout(host: Host, callback: Callable[..., Any], ms: float, *args: Any) -> int:
    """Call `callback(*args)` once.

    Args:
        callback: A function; may be `async def`.
        ms: Milliseconds from now; 0 or less means the next turn of the loop.
        args: Passed on.

    Returns:
        A number for `clear_timer`.
    """
    return _set(host, "timeout", callback, ms, args)


@host_function("timers")
def set_interval(host: Host, callback: Callable[..., Any], ms: float, *args: Any) -> int:
    """Call `callback(*args)` every `ms` milliseconds, without drift, first after `ms`.

    Returns:
        A number for `clear_timer`.
    """
    return _set(host, "interval", callback, ms, args)


def _set(host: Host, kind: str, callback: Any, ms: Any, args: tuple[Any, ...]) -> int:
    if not callable(callback):
        raise TypeError(f"the callback must be a function, got {type(callback).__name__}")
    timer = Timer(host, kind, callback, _milliseconds(ms), args)
    host.timers[timer.id] = timer
    return timer.id


def _milliseconds(ms: Any) -> float:
    if isinstance(ms, bool) or not isinstance(ms, (int, float)):
        raise TypeError(f"ms must be a number of milliseconds, got {type(ms).__name__}")
    return ms


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
