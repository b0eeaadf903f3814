"""Gives back, in the background, what this process no longer needs of its children.

A handle may go at any moment, in the middle of a garbage collection for instance, when nothing may be waited
for; so it is only noted there.
"""

from __future__ import annotations

import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_noted: SimpleQueue[tuple[Callable[[int, int], None], int, int]] = SimpleQueue()
_starting = threading.Lock()
_thread: threading.Thread | None = None


def start() -> None:
    """Start the thread that all children share; harmless when it runs."""
    global _thread
    with _starting:
        if _thread is None or not _thread.is_alive():
            _thread = threading.Thread(target=_work, name="process releases", daemon=True)
            _thread.start()


def note(give_back: Callable[[int, int], None], number: int, times: int) -> None:
    """Call `give_back(number, times)` soon; takes no lock."""
    _noted.put((give_back, number, times))


def _work() -> None:
    while True:
        give_back, number, times = _noted.get()
        give_back(number, times)
        del give_back
