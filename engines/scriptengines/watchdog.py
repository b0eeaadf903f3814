"""Deadlines for calls: one thread per session, started with the first."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Deadline:
    """One armed deadline."""

    __slots__ = ("action", "cancelled", "fired")

    def __init__(self, action: Callable[[], object]) -> None:
        self.action = action
        self.fired = False
        self.cancelled = False

    def cancel(self) -> None:
        """Do nothing when the time comes."""
        self.cancelled = True


class Watchdog:
    """Runs actions when their time has come, each in a thread of its own, because it may have to wait."""

    def __init__(self) -> None:
        self._wake = threading.Condition()
        self._queue: list[tuple[float, int, Deadline]] = []
        self._order = itertools.count()
        self._thread: threading.Thread | None = None
        self._closed = False

    def arm(self, seconds: float, action: Callable[[], object]) -> Deadline:
        """Call `action` after `seconds` unless cancelled."""
        deadline = Deadline(action)
        with self._wake:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="call deadlines", daemon=True)
                self._thread.start()
            heapq.heappush(self._queue, (time.monotonic() + seconds, next(self._order), deadline))
            self._wake.notify()
        return deadline

    def close(self) -> None:
        """Forget all deadlines and end the thread."""
        with self._wake:
            self._closed = True
            self._queue.clear()
            self._wake.notify()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        with self._wake:
            while not self._closed:
                if not self._queue:
                    self._wake.wait()
                    continue
                due, _, deadline = self._queue[0]
                delay = due - time.monotonic()
                if deadline.cancelled:
                    heapq.heappop(self._queue)
                elif delay > 0:
                    self._wake.wait(delay)
                else:
                    heapq.heappop(self._queue)
                    deadline.fired = True
                    threading.Thread(target=deadline.action, name="call deadline", daemon=True).start()
