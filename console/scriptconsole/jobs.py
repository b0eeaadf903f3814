"""Work that may wait for a script, done away from the UI thread.

Each job has a daemon thread of its own. Textual's thread workers share an executor of a few threads that
Python joins at exit: six calls stuck in scripts would block the interrupt that frees them, and one would keep
the console from leaving.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from textual.message import Message
from textual.message_pump import MessagePump


@dataclass(frozen=True, slots=True)
class Outcome:
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
