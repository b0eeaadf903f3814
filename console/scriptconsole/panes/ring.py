"""The lines that the log shows: the newest up to a bound, of the records that its filters keep, some folded.

What is kept of them is in `logstore`. Line numbers never change, so a view can hold on to a line while older
ones go.
"""

from __future__ import annotations

import time
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache, partial
from typing import NamedTuple

from scriptconsole.panes.filter import Filter
from scriptconsole.panes.logstore import CHUNK_CHARACTERS, CHUNK_LINES, LEVELS, Head, LogStore
from scriptengines.view import Level, LogRecord

CAPACITY = 1_000_000
"""Lines kept."""
CHARACTERS = 200_000_000
"""Characters kept, most of them compressed."""
PACKED_BYTES = 40_000_000
"""Bytes of compressed text kept, so that lines that do not compress stay bounded too."""
LINE_LIMIT = 16_384
"""Characters kept of one record."""


MARKS: dict[Level, str] = {
    Level.DEBUG: "DBG",
    Level.OUTPUT: "out",
    Level.INFO: "INF",
    Level.WARNING: "WRN",
    Level.ERROR: "ERR",
}
"""Marks by which levels can be told apart without colour."""

CONSOLE = "console"
"""Shown as the script of the console's own records."""


SLICE = 8_000
"""Lines looked at at once, at most, when a filter changes."""
SLICE_SECONDS = 0.006
"""Time after which a slice ends."""


class LogLine(NamedTuple):
    """One line of a record.

    Attributes:
        number: Counts up from 0 over the life of the log.
        record: The whole record.
        text: The line, not yet cleaned.
        first: Whether it is the record's first line.
        folded: How many lines of the record follow that are not shown.
    """

    number: int
    record: LogRecord
    text: str
    first: bool
    folded: int = 0


@lru_cache(maxsize=4096)
def _front(script: str, level: Level) -> str:
    return f"{script or CONSOLE} {MARKS[level]} {level} "


class Ring:
    """A bounded list of log lines with filters and folds."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        """Make an empty ring.

        Args:
            capacity: Lines kept; some of the oldest go at once when it is reached.
        """
        self.capacity = capacity
        self.filter: Filter | None = None
        self.level: Level | None = None
        """The least level that is shown."""
        self.script: str | None = None
        """The one script that is shown."""
        self._store = LogStore()
        self._kept = array("Q")
        self._toggled: set[int] = set()
        self._unsearched = 0
        """Number of the line before which the filters have yet to look."""

    def __len__(self) -> int:
        """Return the number of lines that are shown."""
        return len(self._kept)

    def __getitem__(self, index: int) -> LogLine:
        """Return a line by its place among those that are shown."""
        number = self._kept[index]
        store = self._store
        head = store.head(number)
        folded = head.end - head.number - 1 if number == head.number and self.is_folded(head) else 0
        return LogLine(number, store.record(head), store.text(number), number == head.number, folded)

    def text(self, index: int) -> str:
        """Return the text of a line by its place; with what follows it when that is folded."""
        number = self._kept[index]
        store = self._store
        if not store.is_first(number):
            return store.text(number)
        head = store.head(number)
        return store.whole_text(head) if self.is_folded(head) else store.text(number)

    @property
    def total(self) -> int:
        """Lines in memory, shown or not."""
        return len(self._store)

    @property
    def stored_bytes(self) -> int:
        """What the lines take, but for those read last."""
        return self._store.stored_bytes + self._kept.itemsize * len(self._kept)

    @property
    def unsearched(self) -> int:
        """Lines at the front that the filters have yet to look at."""
        return max(self._unsearched - self._store.first, 0)

    def has_searched(self, number: int) -> bool:
        """Tell whether the filters have looked at a line."""
        return number >= self._unsearched

    # -- growing ---------------------------------------------------------------------------------------

    def extend(self, records: Iterable[LogRecord]) -> int:
        """Add records at the end.

        Args:
            records: In order of time.

        Returns:
            How many of the lines shown were dropped at the front to make room.
        """
        store, kept = self._store, self._kept
        chunk_lines = min(CHUNK_LINES, max(self.capacity // 10, 1))
        chunk_characters = min(CHUNK_CHARACTERS, CHARACTERS // 16)
        plain = self.filter is None and self.level is None and self.script is None
        records = list(records)
        if plain and not any(len(record.text) > LINE_LIMIT or "\n" in record.text for record in records):
            number = store.end
            store.append_lines(records, chunk_lines, chunk_characters)
            kept.extend(range(number, store.end))
            return self._trim()
        for record in records:
            if len(record.text) > LINE_LIMIT:
                record = record._replace(text=record.text[:LINE_LIMIT] + "…")
            number = store.end
            count = store.append(record, chunk_lines, chunk_characters)
            if plain and count == 1:
                kept.append(number)
                continue
            head = Head(number, number + count, record.level, record.script)
            if plain or self._keeps(head, lambda: record.text):  # noqa: B023 - called at once
                kept.extend(self._shown(head))
        return self._trim()

    def _trim(self) -> int:
        store = self._store
        while (
            len(store) > self.capacity or store.characters > CHARACTERS or store.packed_bytes > PACKED_BYTES
        ):
            if not store.drop_oldest():
                break
        if not self._kept or self._kept[0] >= store.first:
            return 0
        gone = bisect_left(self._kept, store.first)
        del self._kept[:gone]
        self._toggled = {number for number in self._toggled if number >= store.first}
        return gone

    # -- going through ---------------------------------------------------------------------------------

    def copy(self) -> Ring:
        """Return what is there now, for another thread; no lines are shown in it, but `records` has them."""
        other = Ring(self.capacity)
        other.filter, other.level, other.script = self.filter, self.level, self.script
        other._store = self._store.copy()
        return other

    def records(self) -> Iterator[LogRecord]:
        """Go through the records that the filters keep, oldest first, those not searched yet included."""
        store = self._store
        number = store.first
        while number < store.end:
            head = store.head(number)
            if self._keeps(head, partial(store.whole_text, head)):
                yield store.record(head)
            number = head.end

    # -- folds -----------------------------------------------------------------------------------------

    def is_folded(self, head: Head) -> bool:
        """Tell whether a record shows its first line only; errors do unless they were unfolded."""
        if head.end - head.number == 1:
            return False
        return (head.level is Level.ERROR) != (head.number in self._toggled)

    def toggle(self, index: int) -> int | None:
        """Fold the record of a line, or unfold it.

        Args:
            index: Place of the line.

        Returns:
            Place of the record's first line, None when it has but one.
        """
        head = self._store.head(self._kept[index])
        if head.end - head.number == 1:
            return None
        place = bisect_left(self._kept, head.number)
        self._toggled ^= {head.number}
        stop = bisect_left(self._kept, head.end)
        self._kept[place:stop] = array("Q", self._shown(head))
        return place

    def _shown(self, head: Head) -> range:
        return range(head.number, head.number + 1 if self.is_folded(head) else head.end)

    # -- filters ---------------------------------------------------------------------------------------

    def _keeps(self, head: Head, text: Callable[[], str]) -> bool:
        """Tell whether a record is shown; a filter searches script, level as shown and as named, and text."""
        if self.script is not None and head.script != self.script:
            return False
        if self.level is not None and LEVELS.index(head.level) < LEVELS.index(self.level):
            return False
        return self.filter is None or self.filter.keeps(_front(head.script, head.level) + text())

    def set_filter(self, chosen: Filter | None) -> None:
        """Show only the records a filter keeps; their lines stay together."""
        self.filter = chosen
        self.search_again()

    def search_again(self) -> None:
        """Apply filters that have changed.

        Only the newest lines are looked at at once; `search_older` goes on while `unsearched` is not 0.
        """
        self._kept = array("Q")
        self._unsearched = self._store.end
        self.search_older()

    def search_older(self) -> int:
        """Look at the next older slice of lines; that takes a few milliseconds.

        Returns:
            How many lines came in at the front.
        """
        if not self.unsearched:
            return 0
        began = time.monotonic()
        stop = self._unsearched - SLICE
        found: list[Head] = []
        reached = self._store.first
        for looked, (head, text) in enumerate(self._store.heads_before(self._unsearched), 1):
            if self._keeps(head, text):
                found.append(head)
            if head.number <= stop or (looked % 64 == 0 and time.monotonic() - began > SLICE_SECONDS):
                reached = head.number
                break
        self._unsearched = reached
        front = array("Q")
        for head in reversed(found):
            front.extend(self._shown(head))
        self._kept[:0] = front
        return len(front)

    def place_of(self, number: int) -> int:
        """Return where a line is among those shown, or where it would be."""
        return bisect_left(self._kept, number)
