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
QUIET_PERIOD = 0.3
"""Seconds after which a script that has done nothing since the look before is asked whether it has now."""
IDLE_PERIOD = 1.0
"""Seconds between two looks while it has not: threads of its own may change something unseen."""
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
        script.looker = threading.get_ident()
        gauge = Gauge(script)
        known: object = None
        quiet, due = 0, 0.0
        while not stop.is_set() and not script.closed:
            looked, spent, seen = True, 0.0, script.tree.views
            quiet = quiet + 1 if script.progress() == known else 0
            # The first look at a quiet script is for what it did during the one before.
            if quiet < 2 or time.monotonic() >= due:
                looked, spent = self._look_once(script)
                due = time.monotonic() + IDLE_PERIOD
            with contextlib.suppress(ScriptConsoleError):
                script.usage = gauge.look()
            if not looked or script.tree.views is not seen:
                quiet = 0
            pause = min(max(QUIET_PERIOD if quiet else PERIOD, spent / SHARE), LONGEST_PERIOD)
            if looked:
                script.look_due = time.monotonic() + pause
            known = script.progress()
            stop.wait(pause)

    def _look_once(self, script: Script) -> tuple[bool, float]:
        """Whether it could be looked at, and the processor time of that in seconds."""
        began = time.thread_time()
        looked = False
        with contextlib.suppress(ScriptConsoleError):  # it is being closed, or between two generations
            looked = script.refresh()
        return looked, time.thread_time() - began
