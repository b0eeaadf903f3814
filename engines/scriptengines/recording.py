"""Calls on record: what the recorder in scriptnative and the processes of scripts know, as rows for display.

Recording is off until a front end asks for it. How calls get on record is in native/scriptnative/calls.h.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from scriptnative import CallRecord

    from .engine import CallRow
    from .script import Script
    from .view import CallView

_ELSEWHERE = 1 << 40
"""Numbers of calls in a script's own process begin at this times the script's number."""


class Recording:
    """The calls of one session while they are recorded.

    Args:
        record: Where they go on record.
    """

    def __init__(self, record: CallRecord) -> None:
        self._record = record
        self._since = 0.0

    @property
    def on(self) -> bool:
        """Whether calls are recorded."""
        return self._record.on

    def set(self, on: bool) -> None:
        """Begin or cease to record."""
        if on and not self._record.on:
            self._since = time.time()
        self._record.on = on

    @property
    def dropped(self) -> int:
        """Calls that were lost because more ended than anybody took."""
        return self._record.dropped

    def take(
        self, scripts: Iterable[Script], by_number: Mapping[int, Script]
    ) -> tuple[tuple[CallView, ...], tuple[CallView, ...]]:
        """Calls that have ended since the last time, oldest first, and those under way now.

        Args:
            scripts: The session's, now.
            by_number: Those, and those that have left; by number.
        """
        from .view import CallView

        ended, running = self._record.take(), self._record.running()
        elsewhere = [(script, script.take_recorded()) for script in scripts]
        unseen = [(script, each) for script in scripts for each in script.under_way()]
        if not (ended or running or unseen or any(rows[0] or rows[1] for _, rows in elsewhere)):
            return (), ()
        threads = {thread.native_id: thread.name for thread in threading.enumerate()}

        def view(row: CallRow, script: Script | None, base: int = 0, thread: str = "") -> CallView:
            return CallView(
                id=base + row[0],
                parent=base + row[1] if row[1] else 0,
                script="" if script is None else script.alias,
                function=row[4],
                caller=row[5],
                thread=thread or threads.get(row[3], f"thread {row[3]}"),
                started=row[6],
                duration=None if row[7] < 0 else row[7],
                arguments=row[8],
                result=row[9],
                error=row[10],
                whole=bool(row[11]),
                result_whole=bool(row[12]),
            )

        done = [view(row, by_number.get(row[2])) for row in ended]
        now = [view(row, by_number.get(row[2])) for row in running]
        for script, (theirs, under_way) in elsewhere:
            base = script.reporter.script * _ELSEWHERE
            done += [view(row, script, base, "process") for row in theirs]
            now += [view(row, script, base, "process") for row in under_way]
        for place, (script, (name, count)) in enumerate(unseen):
            now.append(self._before(script, name, count, -place - 1))
        return tuple(sorted(done, key=lambda call: call.started + (call.duration or 0.0))), tuple(now)

    def _before(self, script: Script, name: str, count: int, number: int) -> CallView:
        """A call that began before recording did."""
        from .view import CallView

        times = "" if count == 1 else f" ({count} calls)"
        return CallView(
            id=number - script.reporter.script * 10_000,
            parent=0,
            script=script.alias,
            function=name,
            caller=f"began earlier{times}",
            thread="",
            started=self._since,
            duration=None,
        )
