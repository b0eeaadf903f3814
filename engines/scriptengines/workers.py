"""A bounded pool of threads on which calls run that their caller does not want to run itself.

Unlike concurrent.futures' pool it refuses work it has no room for, and neither its end nor that of the
process waits for a thread that is stuck in native code.
"""

from __future__ import annotations

import collections
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from .errors import ScriptBusy

if TYPE_CHECKING:
    from collections.abc import Callable

IDLE_LIMIT = 10.0
"""Seconds after which a thread without work ends."""


class Job[T](Future[T]):
    """The future of one piece of work.

    Attributes:
        thread: Identifier of the thread that runs it; 0 before and after.
    """

    def __init__(self, work: Callable[[], T]) -> None:
        super().__init__()
        self._work: Callable[[], T] | None = work
        self._settling = threading.Lock()
        self.thread = 0

    def run(self) -> None:
        """Do the work, unless it was cancelled or given up before; on a worker's thread."""
        with self._settling:
            work, self._work = self._work, None
            if work is None or not self.set_running_or_notify_cancel():
                return
            self.thread = threading.get_ident()
        try:
            outcome, error = work(), None
        except BaseException as caught:  # noqa: BLE001 - it is for whoever asks for the result
            outcome, error = None, caught
        self.thread = 0
        with self._settling:
            if self.done():  # given up meanwhile
                return
            if error is None:
                self.set_result(outcome)  # pyright: ignore[reportArgumentType] - it is a T then
            else:
                self.set_exception(error)

    def give_up(self, error: BaseException) -> bool:
        """Fail at once, whether it has begun or not; False when it has ended already."""
        with self._settling:
            if self.done():
                return False
            self._work = None
            self.set_exception(error)
            return True


class Workers:
    """The threads of one session, started as they are needed.

    Args:
        limit: Threads at most; one that was given up does not count.
        room: Jobs that may wait for a thread.
    """

    def __init__(self, limit: int, room: int) -> None:
        self.limit = limit
        self.room = room
        self._changed = threading.Condition()
        self._waiting: collections.deque[Job[Any]] = collections.deque()
        self._threads = 0
        self._idle = 0
        self._stuck: set[Job[Any]] = set()
        self._closed = False

    def submit[T](self, work: Callable[[], T]) -> Job[T]:
        """Run `work` on a thread of the pool.

        Raises:
            ScriptBusy: So many jobs wait already that this one is refused.
        """
        job = Job(work)
        with self._changed:
            if self._closed:
                raise ScriptBusy("the session is closed; it takes no more calls")
            if len(self._waiting) >= self.room:
                raise ScriptBusy(
                    f"{self.room} calls wait for one of {self.limit} threads already; wait for some of them, "
                    "or give the session more workers"
                )
            self._waiting.append(job)
            if self._idle >= len(self._waiting):
                self._changed.notify()
            elif self._threads < self.limit:
                self._threads += 1
                threading.Thread(target=self._work, name="call worker", daemon=True).start()
        return job

    def abandon(self, job: Job[Any]) -> None:
        """The thread of a job that was given up is stuck: let another one take its place."""
        with self._changed:
            if job.thread:
                self._stuck.add(job)
                self._threads -= 1

    @property
    def stuck(self) -> int:
        """Threads that are stuck in a job that was given up."""
        return len(self._stuck)

    @property
    def waiting(self) -> int:
        """Jobs that no thread has begun."""
        return len(self._waiting)

    def close(self) -> None:
        """Take no more work; what waits is cancelled, what runs is left alone."""
        with self._changed:
            self._closed = True
            while self._waiting:
                self._waiting.popleft().cancel()
            self._changed.notify_all()

    def _work(self) -> None:
        """Body of a thread."""
        while (job := self._next()) is not None:
            job.run()
            with self._changed:
                if job in self._stuck:  # it came back after all; there is another in its place
                    self._stuck.remove(job)
                    return

    def _next(self) -> Job[Any] | None:
        with self._changed:
            self._idle += 1
            while not self._waiting and not self._closed:
                if not self._changed.wait(IDLE_LIMIT):
                    break
            self._idle -= 1
            if self._waiting:
                return self._waiting.popleft()
            self._threads -= 1
            return None
