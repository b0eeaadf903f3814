"""How much a script does: calls a second, its share of a core, its memory. Read by its observer.

Costs the script nothing but the look at its memory, which is rare and lets the script go before it.
"""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from .script import Script

SPAN = 1.0
"""Seconds over which is averaged."""
SECONDS = 16
"""Of which the rates are kept."""
MEMORY_PERIOD = 2.0
"""Seconds between two looks at the memory at least."""
MEMORY_SHARE = 0.005
"""Part of a processor that these looks may take."""


class Usage(NamedTuple):
    """What a script has used of late.

    Attributes:
        rate: Calls a second.
        cpu: Share of a core.
        memory: Bytes, None when nothing tells.
        rates: Calls a second in the last seconds since the first call, newest last.
    """

    rate: float = 0.0
    cpu: float = 0.0
    memory: int | None = None
    rates: tuple[float, ...] = ()


class Gauge:
    """Of one script.

    Args:
        script: Whose.
    """

    def __init__(self, script: Script) -> None:
        self._script = script
        self._looks: deque[tuple[float, int, float]] = deque()
        self._rates: tuple[float, ...] = ()
        self._rated = 0.0
        self._memory: int | None = None
        self._memory_due = 0.0

    def look(self) -> Usage:
        """What it has used over the last second."""
        now = time.monotonic()
        calls, cpu = self._script.cell.calls, self._script.cpu_time
        looks = self._looks
        looks.append((now, calls, cpu))
        while len(looks) > 2 and looks[1][0] <= now - SPAN:
            looks.popleft()
        began, calls_then, cpu_then = looks[0]
        passed = max(now - began, 1e-3)
        rate, share = max(0, calls - calls_then) / passed, max(0.0, cpu - cpu_then) / passed
        if now - self._rated >= SPAN:
            self._rated = now
            if rate or self._rates:
                self._rates = (*self._rates[1 - SECONDS :], rate)
        # Rounded, so that what stays the same to the eye is the same to a screen, which draws it no more.
        return Usage(round(rate, 2), round(share, 3), self._look_at_memory(now), self._rates)

    def _look_at_memory(self, now: float) -> int | None:
        if now >= self._memory_due:
            began = time.thread_time()
            self._memory = self._script.memory()
            spent = time.thread_time() - began
            self._memory_due = now + max(MEMORY_PERIOD, spent / MEMORY_SHARE)
        return self._memory
