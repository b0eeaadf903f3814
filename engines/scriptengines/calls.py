"""Calls with a time limit, and calls that run on another thread than their caller's.

A call that may not last runs on a thread of the session's pool, because nothing can bring a thread back that
is stuck in native code: the caller gets its error in time, the stuck thread is reported and left behind. Only
a caller that executes a script itself runs such a call on its own thread; the run locks it holds would be in
the way of any other.
"""

from __future__ import annotations

import contextlib
import time
from concurrent.futures import wait
from functools import partial
from typing import TYPE_CHECKING, Any

from .errors import CallTimeout, Interrupted, ScriptBusy, ScriptClosed, ScriptKilled
from .workers import Job, Workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from scriptnative import Function

    from .script import Script
    from .watchdog import Watchdog

STOP_LIMIT = 0.5
"""Seconds that an interrupted call gets to come back, before its caller is told without it."""

STOP_AGAIN = 0.05
"""Seconds after which a call that is to stop is looked at again: it may execute another script by then."""


class Calls:
    """The calls of one session that have a limit or run elsewhere.

    Args:
        scripts: The scripts of the session, now.
        watchdog: For the limits.
        workers: Threads at most.
        room: Calls that may wait for a thread.
    """

    def __init__(
        self, scripts: Callable[[], Iterable[Script]], watchdog: Watchdog, workers: int, room: int
    ) -> None:
        self.workers = Workers(workers, room)
        self._scripts = scripts
        self._watchdog = watchdog

    def submit(
        self, script: Script, handle: Function, args: Any, kwargs: Any, timeout: float | None
    ) -> Job[Any]:
        """Start a call on another thread.

        Args:
            script: Whose function it is.
            handle: The function.
            args: Its arguments.
            kwargs: Those by keyword.
            timeout: Seconds from now after which it is stopped; None for no limit.

        Raises:
            ScriptBusy: Too many calls wait already.
        """
        if timeout is None:
            return self.workers.submit(partial(handle, *args, **kwargs))
        name = f"{script.alias}.{handle.name}"
        end = time.monotonic() + timeout

        def work() -> Any:
            if not script.lock.acquire(max(0.0, end - time.monotonic())):
                raise CallTimeout(f"{name} could not begin within {timeout:g} s: {script.alias} was busy")
            try:
                return handle(*args, **kwargs)
            except Interrupted as error:
                raise _translated(error, name, timeout, time.monotonic() >= end) from None
            finally:
                script.lock.release()

        job = self.workers.submit(work)
        deadline = self._watchdog.arm(timeout, lambda: self._give_up(job, script, name, timeout))
        job.add_done_callback(lambda _: deadline.cancel())
        return job

    def call(self, script: Script, handle: Function, args: Any, kwargs: Any, timeout: float) -> Any:
        """Call and wait, at most `timeout` seconds."""
        outer = [each for each in self._scripts() if each.lock.held]
        if outer:
            return self._call_here(script, handle, args, kwargs, timeout, outer)
        job = self.submit(script, handle, args, kwargs, timeout)
        try:
            return job.result()
        except BaseException:
            if not job.done():  # Ctrl-C, while it runs on
                self._watchdog.arm(0, lambda: self.stop(job))
            raise

    def stop(self, job: Job[Any]) -> bool:
        """Interrupt a call that runs on a worker until it has come back; False when it does not, in time."""
        end = time.monotonic() + STOP_LIMIT
        told: set[Script] = set()
        while not job.done() and time.monotonic() < end:
            if thread := job.thread:
                self._interrupt(thread, told)
            wait([job], STOP_AGAIN)
        return job.done()

    def close(self) -> None:
        """Take no more calls."""
        self.workers.close()

    def _give_up(self, job: Job[Any], script: Script, name: str, timeout: float) -> None:
        if job.thread == 0:
            job.give_up(
                CallTimeout(
                    f"{name} could not begin within {timeout:g} s: all {self.workers.limit} workers were busy"
                )
            )
        if self.stop(job):
            return
        text = f"{name} took longer than {timeout:g} s and cannot be stopped: it is in native code or waits"
        if job.give_up(CallTimeout(f"{text}; it goes on in the background")):
            self.workers.abandon(job)
            script.reporter.log("warning", f"{text}; its thread is left to it")

    def _call_here(
        self, script: Script, handle: Function, args: Any, kwargs: Any, timeout: float, outer: list[Script]
    ) -> Any:
        import threading

        name = f"{script.alias}.{handle.name}"
        thread = threading.get_ident()

        def stop() -> None:
            told = {each for each in outer if each is not script}
            while not deadline.cancelled:
                self._interrupt(thread, told)
                time.sleep(STOP_AGAIN)

        if not script.lock.acquire(timeout):
            raise CallTimeout(f"{name} could not begin within {timeout:g} s: {script.alias} was busy")
        deadline = self._watchdog.arm(timeout, stop)
        try:
            return handle(*args, **kwargs)
        except Interrupted as error:
            raise _translated(error, name, timeout, deadline.fired) from None
        finally:
            deadline.cancel()
            script.lock.release()

    def _interrupt(self, thread: int, told: set[Script]) -> None:
        """Interrupt all that a thread executes: a call goes on in whatever script it has called in turn.

        Once each: an engine sees to it that its script stops, and another interrupt would hit what the script
        does on the way out.
        """
        for script in self._scripts():
            if script in told:
                continue
            if script.lock.stop_waiting(thread):  # for what an `async def` function will give
                told.add(script)
            elif script.lock.holder() == thread:
                told.add(script)
                with contextlib.suppress(ScriptClosed, ScriptBusy):
                    script.runtime.interrupt("timed out")


def _translated(error: Interrupted, name: str, timeout: float, late: bool) -> Exception:
    """An interrupt that came of the limit is told as what it is."""
    if not late:
        return error
    after = f"; {error}" if isinstance(error, ScriptKilled) else ""
    return CallTimeout(
        f"{name} took longer than {timeout:g} s{after}", frames=error.frames, detail=error.detail
    )
