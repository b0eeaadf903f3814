"""Reads what scripts hold, for display: one thread per script, never the UI's, waiting 10 ms at most."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING

from .errors import ScriptConsoleError
from .gauge import Gauge

if TYPE_CHECKING:
    from .script import Script

PERIOD = 0.1
"""Seconds between two looks at a script, if they are cheap."""
QUIET_PERIOD = 0.25
"""Seconds between two looks at a script that has done nothing since the look before."""
SHARE = 0.02
"""Part of a processor that the looks at one script may take; with much to see they become rarer."""
LONGEST_PERIOD = 2.0
"""Seconds between two looks at most."""


class Observer:
    """Looks at every followed script up to ten times a second; one that is busy is simply looked at later."""

    def __init__(self) -> None:
        self._stops: dict[Script, threading.Event] = {}
        self._threads: dict[Script, threading.Thread] = {}

    def follow(self, script: Script) -> None:
        """Begin to look at a script; harmless when done before, as while it loads."""
        if script in self._stops:
            return
        stop = self._stops[script] = threading.Event()
        thread = threading.Thread(
            target=self._look, args=(script, stop), name=f"observer {script.alias}", daemon=True
        )
        self._threads[script] = thread
        thread.start()

    def forget(self, script: Script) -> None:
        """Look no more."""
        stop = self._stops.pop(script, None)
        if stop is not None:
            stop.set()
            self._threads.pop(script).join(PERIOD * 5)

    def close(self) -> None:
        """Forget all scripts."""
        for stop in list(self._stops.values()):
            stop.set()
        for script in list(self._stops):
            self.forget(script)

    def _look(self, script: Script, stop: threading.Event) -> None:
        gauge = Gauge(script)
        work_before: object = None
        while not stop.is_set() and not script.closed:
            work = script.generation, script.cell.calls, script.cpu_time
            looked = False
            began = time.thread_time()
            with contextlib.suppress(ScriptConsoleError):  # it is being closed, or between two generations
                looked = script.refresh()
            spent = time.thread_time() - began
            with contextlib.suppress(ScriptConsoleError):
                script.usage = gauge.look()
            period = QUIET_PERIOD if work == work_before else PERIOD
            pause = min(max(period, spent / SHARE), LONGEST_PERIOD)
            if looked:
                script.look_due = time.monotonic() + pause
            work_before = work
            stop.wait(pause)
