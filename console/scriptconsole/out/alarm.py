"""Notices when a script fails, for those who look elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

from scriptengines.view import Frame, ScriptState, ScriptView

QUIET = 60.0
"""Seconds without an error after which the next one of a script that goes on is told again."""


class Alarm:
    """Compares each frame with what was known before."""

    def __init__(self) -> None:
        self._failed: set[str] = set()
        self._erred: dict[str, float] = {}

    def look(self, frame: Frame) -> Sequence[ScriptView]:
        """Tell which scripts have failed since the frame before.

        Args:
            frame: The newest one.

        Returns:
            Scripts that are failed now and were not, and scripts that go on but raised their first error for
            a while.
        """
        fresh: list[ScriptView] = []
        for row in frame.scripts:
            failed = row.state is ScriptState.FAILED
            at = row.last_error.time if row.last_error is not None else 0.0
            before = self._erred.get(row.alias, 0.0)
            if failed:
                if row.alias not in self._failed:
                    fresh.append(row)
            elif at > before and at - before >= QUIET:
                fresh.append(row)
            if at > before:
                self._erred[row.alias] = at
        self._failed = {row.alias for row in frame.scripts if row.state is ScriptState.FAILED}
        for alias in self._erred.keys() - {row.alias for row in frame.scripts}:
            del self._erred[alias]
        return fresh
