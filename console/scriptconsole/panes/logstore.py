"""The log's memory: the lines of the newest records in chunks, older chunks compressed.

A line costs some eleven bytes and what is left of its text; the chunks that were read last are kept unpacked.
Lines have numbers that never change, so a view can hold on to one while older ones go.
"""

from __future__ import annotations

import zlib
from array import array
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from scriptengines.view import Level, LogRecord

CHUNK_LINES = 4_096
"""Lines of a chunk at most, but for a last record that is longer."""
CHUNK_CHARACTERS = 1_000_000
"""Characters of a chunk at most, likewise."""
UNPACKED = 6
"""Chunks that are kept unpacked beside the one that grows."""
LEVELS = tuple(Level)
_FIRST_MARKS = {level: 0x80 | code for code, level in enumerate(LEVELS)}
_AT_ONCE = 256
_FIRST = 0x80
_LEVEL = 0x7F
_MANY_SCRIPTS = 0xFFFF


class Head(NamedTuple):
    """What is known of a record without its text.

    Attributes:
        number: Of its first line.
        end: Number after its last line.
        level: Its severity.
        script: Alias, "" for the console.
    """

    number: int
    end: int
    level: Level
    script: str


class _Chunk:
    """Some lines that follow each other; begins and ends with a whole record."""

    __slots__ = ("characters", "first", "lines", "marks", "packed", "scripts", "times")

    def __init__(self, first: int) -> None:
        self.first = first
        self.lines: list[str] | None = []
        self.packed = b""
        self.times = array("d")
        self.marks = bytearray()
        self.scripts = array("H")
        self.characters = 0

    def __len__(self) -> int:
        return len(self.marks)

    def pack(self) -> None:
        assert self.lines is not None
        text = "\n".join(self.lines).encode("utf-8", "surrogatepass")
        self.packed = zlib.compress(text, 1)
        self.lines = None

    def copy(self) -> _Chunk:
        other = _Chunk(self.first)
        other.lines = None if self.lines is None else list(self.lines)
        other.packed = self.packed
        other.times, other.marks, other.scripts = self.times[:], self.marks[:], self.scripts[:]
        other.characters = self.characters
        return other

    def unpacked(self) -> list[str]:
        return zlib.decompress(self.packed).decode("utf-8", "surrogatepass").split("\n")


class LogStore:
    """Lines of records by number, from `first` up to `end`."""

    def __init__(self) -> None:
        self._chunks = [_Chunk(0)]
        self._firsts = [0]
        self._names: list[str] = [""]
        self._codes: dict[str, int] = {"": 0}
        self._unpacked: OrderedDict[int, list[str]] = OrderedDict()
        self.first = 0
        self.end = 0
        self.characters = 0
        self.packed_bytes = 0

    @property
    def stored_bytes(self) -> int:
        """What it takes without the chunks that are unpacked."""
        lines = sum(
            len(chunk) * (1 + chunk.times.itemsize + chunk.scripts.itemsize) for chunk in self._chunks
        )
        return lines + self.packed_bytes

    def __len__(self) -> int:
        """Return the number of lines."""
        return self.end - self.first

    def append(
        self, record: LogRecord, chunk_lines: int = CHUNK_LINES, chunk_characters: int = CHUNK_CHARACTERS
    ) -> int:
        """Add a record.

        Args:
            record: Its text is split into lines.
            chunk_lines: Lines after which a new chunk is begun.
            chunk_characters: Characters likewise.

        Returns:
            How many lines it has.
        """
        chunk = self._chunks[-1]
        if len(chunk) >= chunk_lines or chunk.characters >= chunk_characters:
            chunk = self._begin()
        assert chunk.lines is not None
        mark = LEVELS.index(record.level)
        code = self._codes.get(record.script)
        if code is None:
            code = self._code(record.script)
        text = record.text
        self.characters += len(text)
        chunk.characters += len(text)
        if "\n" not in text:
            chunk.lines.append(text)
            chunk.marks.append(mark | _FIRST)
            chunk.times.append(record.time)
            chunk.scripts.append(code)
            self.end += 1
            return 1
        lines = text.rstrip("\n").split("\n")
        count = len(lines)
        chunk.lines += lines
        chunk.marks.append(mark | _FIRST)
        chunk.marks += bytes((mark,)) * (count - 1)
        chunk.times.extend([record.time] * count)
        chunk.scripts.extend([code] * count)
        self.end += count
        return count

    def append_lines(
        self,
        records: Sequence[LogRecord],
        chunk_lines: int = CHUNK_LINES,
        chunk_characters: int = CHUNK_CHARACTERS,
    ) -> None:
        """Add records of one line each; a quarter of the work of `append` for each.

        Args:
            records: None has a line end in its text.
            chunk_lines: As for `append`.
            chunk_characters: Likewise, but for the last `_AT_ONCE` records of a chunk.
        """
        at = 0
        while at < len(records):
            chunk = self._chunks[-1]
            if len(chunk) >= chunk_lines or chunk.characters >= chunk_characters:
                chunk = self._begin()
            assert chunk.lines is not None
            some = records[at : at + min(_AT_ONCE, chunk_lines - len(chunk))]
            texts = [record.text for record in some]
            for script in {record.script for record in some} - self._codes.keys():
                self._code(script)
            code_of = self._codes.get
            characters = sum(map(len, texts))
            self.characters += characters
            chunk.characters += characters
            chunk.lines += texts
            chunk.marks += bytes([_FIRST_MARKS[record.level] for record in some])
            chunk.times.extend([record.time for record in some])
            chunk.scripts.extend([code_of(record.script, 0) for record in some])
            self.end += len(some)
            at += len(some)

    def _code(self, script: str) -> int:
        if len(self._names) >= _MANY_SCRIPTS:
            return 0
        self._names.append(script)
        return self._codes.setdefault(script, len(self._names) - 1)

    def _begin(self) -> _Chunk:
        last = self._chunks[-1]
        assert last.lines is not None
        self._keep(last.first, last.lines)
        last.pack()
        self.packed_bytes += len(last.packed)
        chunk = _Chunk(self.end)
        self._chunks.append(chunk)
        self._firsts.append(self.end)
        return chunk

    def drop_oldest(self) -> bool:
        """Forget the oldest chunk; return whether there was one beside the one that grows."""
        if len(self._chunks) == 1:
            return False
        chunk = self._chunks.pop(0)
        del self._firsts[0]
        self._unpacked.pop(chunk.first, None)
        self.packed_bytes -= len(chunk.packed)
        self.characters -= chunk.characters
        self.first = self._chunks[0].first
        return True

    def copy(self) -> LogStore:
        """Return the lines that are there now, for another thread: nothing comes to them and nothing goes."""
        other = LogStore()
        # A chunk that is packed changes no more.
        other._chunks = [*self._chunks[:-1], self._chunks[-1].copy()]
        other._firsts = list(self._firsts)
        other._names, other._codes = list(self._names), dict(self._codes)
        other.first, other.end = self.first, self.end
        other.characters, other.packed_bytes = self.characters, self.packed_bytes
        return other

    # -- reading ---------------------------------------------------------------------------------------

    def _chunk_of(self, number: int) -> _Chunk:
        return self._chunks[bisect_right(self._firsts, number) - 1]

    def _lines(self, chunk: _Chunk) -> list[str]:
        if chunk.lines is not None:
            return chunk.lines
        lines = self._unpacked.get(chunk.first)
        if lines is None:
            lines = chunk.unpacked()
        self._keep(chunk.first, lines)
        return lines

    def _keep(self, first: int, lines: list[str]) -> None:
        self._unpacked[first] = lines
        self._unpacked.move_to_end(first)
        while len(self._unpacked) > UNPACKED:
            self._unpacked.popitem(last=False)

    def text(self, number: int) -> str:
        """Return one line."""
        chunk = self._chunk_of(number)
        return self._lines(chunk)[number - chunk.first]

    def is_first(self, number: int) -> bool:
        """Tell whether a line is the first of its record."""
        chunk = self._chunk_of(number)
        return bool(chunk.marks[number - chunk.first] & _FIRST)

    def head(self, number: int) -> Head:
        """Return what is known of the record that a line belongs to."""
        chunk = self._chunk_of(number)
        marks, at = chunk.marks, number - chunk.first
        start = at
        while not marks[start] & _FIRST:
            start -= 1
        end = at + 1
        while end < len(marks) and not marks[end] & _FIRST:
            end += 1
        level = LEVELS[marks[start] & _LEVEL]
        script = self._names[chunk.scripts[start]]
        return Head(chunk.first + start, chunk.first + end, level, script)

    def whole_text(self, head: Head) -> str:
        """Return all lines of a record."""
        chunk = self._chunk_of(head.number)
        return "\n".join(self._lines(chunk)[head.number - chunk.first : head.end - chunk.first])

    def record(self, head: Head) -> LogRecord:
        """Return a whole record."""
        chunk = self._chunk_of(head.number)
        time = chunk.times[head.number - chunk.first]
        return LogRecord(time, head.script, head.level, self.whole_text(head))

    def heads_before(self, number: int) -> Iterator[tuple[Head, Callable[[], str]]]:
        """List the records whose first line is before a number, newest first, and what gives their text."""
        place = bisect_right(self._firsts, number - 1) - 1
        end = number
        for chunk in reversed(self._chunks[: place + 1]):
            marks, lines, first = chunk.marks, chunk.lines, chunk.first

            def text() -> str:
                nonlocal lines
                # Called before the next step, so the loop's variables are those of this record.
                if lines is None:
                    lines = self._lines(chunk)  # noqa: B023
                one = end == first + at + 1  # noqa: B023
                return lines[at] if one else "\n".join(lines[at : end - first])  # noqa: B023

            for at in range(min(end - chunk.first, len(marks)) - 1, -1, -1):
                if marks[at] & _FIRST:
                    level = LEVELS[marks[at] & _LEVEL]
                    yield Head(first + at, end, level, self._names[chunk.scripts[at]]), text
                    end = chunk.first + at
