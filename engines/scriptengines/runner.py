"""Drives one generation of a script on its own thread: top level first, then the loop until it is retired.

The same code in every interpreter. What "loaded" and "failed" mean for the session is the caller's business.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from scriptnative.errors import ScriptInterrupt

if TYPE_CHECKING:
    from collections.abc import Callable

    from scriptnative import RunLock

    from .loop import ScriptLoop
    from .reports import Reporter

FINISH_LIMIT = 2.0
"""Seconds that cancelled tasks and closing connections of an old generation may take."""


class Runner:
    """One generation's thread, seen from inside.

    Args:
        lock: The script's run lock.
        loop: The generation's loop.
        reporter: For errors that nobody waits for.
        loaded: Called once, holding the run lock, when the top level has ended or has begun to run the loop.
        failed: Called instead when the top level raised before that.
    """

    def __init__(
        self,
        lock: RunLock,
        loop: ScriptLoop,
        reporter: Reporter,
        loaded: Callable[[], None],
        failed: Callable[[BaseException], None],
    ) -> None:
        self._lock = lock
        self._loop = loop
        self._reporter = reporter
        self._loaded = loaded
        self._failed = failed
        self._is_loaded = False
        loop.on_run = self.announce
        loop.set_exception_handler(self._report)

    def announce(self) -> None:
        """Count as loaded from now on; harmless when done before."""
        if not self._is_loaded:
            self._loaded()
            self._is_loaded = True

    def run(self, top_level: Callable[[], None]) -> None:
        """Execute and serve; returns when the generation has ended."""
        self._lock.acquire(entering=False)
        self._loop.thread_id = threading.get_ident()
        self._loop.schedule.settle_thread()
        try:
            if self._execute(top_level):
                _whole(self.announce)
                _whole(self._serve)
        finally:
            _whole(lambda: self._loop.finish(FINISH_LIMIT))
            self._lock.release()

    def _execute(self, top_level: Callable[[], None]) -> bool:
        try:
            top_level()
        except SystemExit as leaving:
            if leaving.code not in (None, 0):
                return self._give_up(leaving)
        except BaseException as error:  # noqa: BLE001 - whatever a script's top level raises is its outcome
            self._loop.interrupt_has_arrived(error)
            return self._give_up(error)
        return True

    def _give_up(self, error: BaseException) -> bool:
        if self._loop.stopping:
            return False
        if self._is_loaded:
            # Its main coroutine failed; what it set up besides lives on.
            self._reporter.error("script", error)
            return True
        self._failed(error)
        return False

    def _serve(self) -> None:
        while not self._loop.stopping:
            try:
                self._loop.run_forever()
            except SystemExit as leaving:
                self._loop.retire()
                if leaving.code not in (None, 0):
                    self._reporter.error("script", leaving)
            except (KeyboardInterrupt, ScriptInterrupt) as error:
                self._loop.interrupt_has_arrived(error)
                _whole(partial(self._reporter.error, "callback", error))
            except MemoryError as error:
                # It hit the loop's own code; at most what was at hand is lost.
                with suppress(MemoryError):  # without memory to tell of it
                    _whole(partial(self._reporter.error, "script", error))

    def _report(self, _loop: object, context: dict[str, object]) -> None:
        error = context.get("exception")
        self._loop.interrupt_has_arrived(error)
        self._loop.note_report(context)
        if isinstance(error, BaseException):
            self._reporter.calls.fail(error)
            self._reporter.error(str(context.get("message", "callback")), error)
        else:
            self._reporter.log("warning", str(context.get("message", "unknown trouble in the loop")))


def _whole(step: Callable[[], None]) -> None:
    """Take a step that must not be left half done: an interrupt that hits it was meant for the script."""
    while True:
        try:
            return step()
        except ScriptInterrupt:
            continue
