"""Running a short piece of a script's code for somebody who only looks: no waiting, and a limit of time."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from .errors import Interrupted

if TYPE_CHECKING:
    from collections.abc import Callable

    from scriptnative import RunLock

LOOK_LIMIT = 0.01
"""Seconds that a look at a script waits for its turn."""
RUN_LIMIT = 0.1
"""Seconds that code run for a look may take."""


def within[T](lock: RunLock, interrupt: Callable[[str], object], step: Callable[[], T]) -> T | None:
    """Run code of a script, if it is its turn.

    Args:
        lock: The script's run lock.
        interrupt: Stops what the script does; called when the limit is over.
        step: What to do.

    Returns:
        What `step` gives; None when the script was busy.

    Raises:
        Interrupted: It took longer than RUN_LIMIT.
    """
    if not lock.acquire(LOOK_LIMIT):
        return None
    hold = lock.hold()
    ended = threading.Lock()  # once it is taken, an interrupt would hit the script
    stopped = False

    def stop() -> None:
        nonlocal stopped
        if ended.acquire(blocking=False):
            try:
                if lock.hold() == hold:
                    stopped = True
                    interrupt(f"took longer than {RUN_LIMIT:g} s")
            finally:
                ended.release()

    limit = threading.Timer(RUN_LIMIT, stop)
    limit.daemon = True
    limit.start()
    try:
        return step()
    except Interrupted:
        if not stopped:
            raise
        raise Interrupted(f"took longer than {RUN_LIMIT:g} s, and was stopped") from None
    finally:
        limit.cancel()
        ended.acquire()
        lock.release()
