"""Looking for a line of the log: in slices, so that keys are answered meanwhile."""

from __future__ import annotations

import time

from scriptconsole.panes.filter import Filter
from scriptconsole.panes.ring import Ring

SLICE_SECONDS = 0.008
"""Time that one look may take."""


class Search:
    """One search, from a line on and round the end until it is back there."""

    def __init__(self, ring: Ring, chosen: Filter, start: int, step: int) -> None:
        """Begin a search.

        Args:
            ring: Where to look; what it shows is searched, folded lines included.
            chosen: What to look for.
            start: Place of the line to begin after.
            step: 1 for the lines below, -1 for those above.
        """
        self.chosen = chosen
        self.done = False
        self.found = False
        self.wrapped = False
        self._ring = ring
        self._step = step
        self._at = start
        self._left = len(ring)

    def look(self) -> int | None:
        """Go on for a slice.

        Returns:
            Place of the line that was found; None while there is none, and when there is none at all.
        """
        ring, keeps, step = self._ring, self.chosen.keeps, self._step
        end = time.monotonic() + SLICE_SECONDS
        at, count = self._at, len(ring)
        while self._left > 0 and count:
            self._left -= 1
            at += step
            if not 0 <= at < count:
                at %= count
                self.wrapped = True
            if keeps(ring.text(at)):
                self._at, self.done, self.found = at, True, True
                return at
            if self._left % 64 == 0 and time.monotonic() > end:
                self._at = at
                return None
        self.done = True
        return None

    def inside(self, place: int, more: int) -> int:
        """Find the line within a record that has just been unfolded.

        Args:
            place: Of its first line.
            more: Lines that follow.
        """
        keeps, text = self.chosen.keeps, self._ring.text
        return next((at for at in range(place, place + more + 1) if keeps(text(at))), place)
