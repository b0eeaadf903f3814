"""What share of a core a script has used since somebody asked before; `health` tells it."""

from __future__ import annotations

import time


class Meter:
    """Remembers what a script had used when health was asked for the last time."""

    def __init__(self) -> None:
        self._used = 0.0
        self._asked = time.monotonic()

    def share(self, used: float) -> float:
        """Share of a core since the last time."""
        now = time.monotonic()
        passed, spent = now - self._asked, used - self._used
        self._asked, self._used = now, used
        return max(0.0, spent / passed) if passed > 0 else 0.0
