"""When garbage is looked for: while nothing happens, so that no key waits for it.

Left to itself, CPython looks in the midst of whatever makes many objects, which on a screen is painting, and
then through all of them: 50 to 70 ms at 10,000 variables. Rows hold no cycles, so that hardly any garbage
comes of them; what dialogs leave behind can wait.
"""

from __future__ import annotations

import gc
import time

NEW = 2_000
"""New objects from which on they are put aside, out of CPython's sight."""
MANY = 20_000
"""Put aside, from which on it is worth looking through all."""
CALM_EVERY = 30.0
"""Seconds between two such looks at least, while nothing happens."""
BUSY_EVERY = 600.0
"""The same while something does: 100 ms at 10,000 variables."""
ANYHOW = (100_000, 50, 100)
"""Thresholds for CPython: somebody makes very many at once, perhaps a script in this interpreter."""


class Collector:
    """Collects for one app, on its thread; what there is now stays."""

    def __init__(self) -> None:
        gc.freeze()
        gc.set_threshold(*ANYHOW)
        gc.enable()
        self._aside = 0
        self._looked_at = time.monotonic()

    def turn(self, *, calm: bool) -> None:
        """Do what is worth it now.

        Args:
            calm: Nothing happens, so that nobody notices a pause.
        """
        new = gc.get_count()[0]
        if new > NEW:
            self._aside += new
            gc.freeze()
        now = time.monotonic()
        if self._aside > MANY and now - self._looked_at > (CALM_EVERY if calm else BUSY_EVERY):
            self._aside, self._looked_at = 0, now
            gc.unfreeze()
            gc.collect()
            gc.freeze()
