"""Work that may wait for a script, done away from the UI thread.

Each job has a daemon thread of its own. Textual's thread workers share an executor of a few threads that
Python joins at exit: six calls stuck in scripts would block the interrupt that frees them, and one would keep
the console from leaving.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import NamedTuple, cast

from textual.message import Message
from textual.message_pump import MessagePump


class Outcome(NamedTuple):
    """What came of a job.

    Attributes:
        value: Its result, None when it failed.
        error: What it raised, if anything.
    """

    value: object = None
    error: BaseException | None = None


class JobDone(Message, bubble=False):
    """A job ended; handled by whoever started it, and by nobody else."""

    def __init__(self, outcome: Outcome, then: Callable[[Outcome], None]) -> None:
        super().__init__()
        self.outcome = outcome
        self.then = then


def run_job(
    owner: MessagePump, name: str, work: Callable[[], object], then: Callable[[Outcome], None]
) -> None:
    """Run work in a thread of its own and hand its outcome back to the UI thread.

    Args:
        owner: App or screen that receives `JobDone`; when it is gone by then, the outcome is dropped.
        name: Of the thread, for debuggers.
        work: Called in the thread; it must not touch widgets.
        then: Called on the UI thread.
    """

    def run() -> None:
        try:
            outcome = Outcome(value=work())
        except BaseException as error:  # noqa: BLE001 - whoever started the job decides what an error means
            outcome = Outcome(error=error)
        owner.post_message(JobDone(outcome, then))

    threading.Thread(target=run, name=f"scriptconsole-{name}", daemon=True).start()


class Switch:
    """Something that is turned on and off by jobs: the last wish holds, whichever job comes last."""

    def __init__(self, turn: Callable[[bool], object]) -> None:
        """Take it as being off.

        Args:
            turn: Turns it on or off; called in threads, one at a time.
        """
        self._turn = turn
        self._wanted = False
        self._lock = threading.Lock()

    @property
    def wanted(self) -> bool:
        """Whether it is to be on."""
        return self._wanted

    def wish(self, on: bool) -> Callable[[], object]:
        """Wish it to be on or off.

        Returns:
            The work of a job that fulfils the wish, or a later one.
        """
        self._wanted = on
        return self._fulfil

    def _fulfil(self) -> object:
        with self._lock:
            return self._turn(self._wanted)


async def in_thread[Value](work: Callable[[], Value]) -> Value:
    """Run work in a thread of its own and wait for it; who stops waiting leaves it to itself.

    Args:
        work: Called in the thread; it must not touch widgets.

    Returns:
        What it returns; what it raises is raised here.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Value] = loop.create_future()

    def settle(value: Value | None, error: BaseException | None) -> None:
        if done.cancelled():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(cast("Value", value))

    def run() -> None:
        value, failed = None, None
        try:
            value = work()
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            failed = error
        with contextlib.suppress(RuntimeError):  # the loop has ended, and with it who waited
            loop.call_soon_threadsafe(settle, value, failed)

    threading.Thread(target=run, name="scriptconsole-wait", daemon=True).start()
    return await done


def explain(error: BaseException) -> str:
    """Put an error into one sentence for the user.

    Args:
        error: Ours, which already reads well, or anything else, which is shown with its type.
    """
    from scriptengines.errors import ScriptConsoleError

    text = str(error)
    if isinstance(error, ScriptConsoleError) and text:
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
