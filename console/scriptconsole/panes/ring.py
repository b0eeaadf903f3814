"""The log's memory: the newest lines up to a bound, and those of them a filter keeps.

Positions are sequence numbers that never change, so a view can hold on to a line while older ones go.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from typing import NamedTuple

from scriptconsole.panes.filter import Filter
from scriptengines.view import Level, LogRecord

CAPACITY = 100_000
"""Lines kept."""
CHARACTERS = 64_000_000
"""Characters kept, so that few but huge lines stay bounded too."""
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
"""Lines searched at once when a filter changes."""


class LogLine(NamedTuple):
    """One line of a record.

    Attributes:
        number: Counts up from 0 over the life of the log.
        record: The whole record, shared by its lines.
        text: The line, not yet cleaned.
        first: Whether it is the record's first line.
    """

    number: int
    record: LogRecord
    text: str
    first: bool


def searched(record: LogRecord) -> str:
    """Return what the filter searches: script, level as shown and as named, and text."""
    return f"{record.script or CONSOLE} {MARKS[record.level]} {record.level} {record.text}"


class Ring:
    """A bounded list of log lines with a filter."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        """Make an empty ring.

        Args:
            capacity: Lines kept; the oldest tenth goes at once when it is reached, which costs least.
        """
        self.capacity = capacity
        self.filter: Filter | None = None
        self._lines: list[LogLine] = []
        self._kept: list[LogLine] = self._lines
        self._next = 0
        self.unsearched = 0
        """Lines at the front that the filter has yet to look at."""
        self._characters = 0

    def __len__(self) -> int:
        """Return the number of lines the filter keeps."""
        return len(self._kept)

    def __getitem__(self, index: int) -> LogLine:
        """Return a line by its place among those the filter keeps."""
        return self._kept[index]

    @property
    def total(self) -> int:
        """Lines in memory, filtered or not."""
        return len(self._lines)

    def extend(self, records: Iterable[LogRecord]) -> int:
        """Add records at the end.

        Args:
            records: In order of time.

        Returns:
            How many of the lines the filter keeps were dropped at the front to make room.
        """
        lines, chosen = self._lines, self.filter
        for record in records:
            if len(record.text) > LINE_LIMIT:
                record = record._replace(text=record.text[:LINE_LIMIT] + "…")
            self._characters += len(record.text)
            before = len(lines)
            if "\n" in record.text:
                parts = record.text.rstrip("\n").split("\n")
                lines += [LogLine(self._next + i, record, part, i == 0) for i, part in enumerate(parts)]
            else:
                lines.append(LogLine(self._next, record, record.text, True))
            self._next += len(lines) - before
            if chosen is not None and chosen.keeps(searched(record)):
                self._kept += lines[before:]
        return self._trim()

    def _trim(self) -> int:
        lines = self._lines
        if len(lines) <= self.capacity and self._characters <= CHARACTERS:
            return 0
        excess = max(len(lines) - self.capacity, 0) + self.capacity // 10
        if self._characters > CHARACTERS:
            excess = max(excess, len(lines) // 4)
        excess = min(excess, len(lines))
        self._characters -= sum(len(line.text) for line in lines[:excess])
        kept = self._kept
        gone = (
            excess
            if kept is lines
            else bisect_left(kept, self._number_at(excess), key=lambda line: line.number)
        )
        del lines[:excess]
        self.unsearched = max(self.unsearched - excess, 0)
        if kept is not lines:
            del kept[:gone]
        return gone

    def _number_at(self, index: int) -> int:
        return self._lines[index].number if index < len(self._lines) else self._next

    def set_filter(self, chosen: Filter | None) -> None:
        """Keep only the records a filter keeps; their lines stay together.

        Only the newest lines are searched at once; `search_older` goes on while `unsearched` is not 0.
        """
        self.filter = chosen
        self.unsearched = 0 if chosen is None else len(self._lines)
        self._kept = self._lines if chosen is None else []
        self.search_older()

    def search_older(self) -> int:
        """Search the next older slice of lines; one slice takes a few milliseconds.

        Returns:
            How many kept lines came in at the front.
        """
        chosen, end = self.filter, self.unsearched
        if chosen is None or not end:
            return 0
        start = max(end - SLICE, 0)
        # A record is kept or not as a whole, so a slice begins where a record does.
        while start and not self._lines[start].first:
            start -= 1
        found: list[LogLine] = []
        verdict = False
        for line in self._lines[start:end]:
            if line.first:
                verdict = chosen.keeps(searched(line.record))
            if verdict:
                found.append(line)
        self.unsearched = start
        self._kept[:0] = found
        return len(found)

    def place_of(self, number: int) -> int:
        """Return where a line is among those the filter keeps, or where it would be."""
        return bisect_left(self._kept, number, key=lambda line: line.number)
