"""What was typed into scripts and what came of it, as folded lines; the upper part of the REPL pane."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from scriptconsole.panes.lines import LineView, Tone
from scriptconsole.repl.conversation import Answer
from scriptconsole.repl.layout import lines_of
from scriptconsole.text import clean, clean_lines, clip, width_of

FOLDED = 8
"""Lines of a result or error that show until it is unfolded."""
LIMIT = 500
"""Inputs that are kept in sight."""


@dataclass(slots=True)
class Entry:
    """One input.

    Attributes:
        alias: Of the script.
        text: What was typed.
        answer: What came of it; None while it runs or waits.
        waits: Whether it comes after another input that runs.
        unfolded: Whether all of it shows.
    """

    alias: str
    text: str
    answer: Answer | None = None
    waits: bool = False
    unfolded: bool = False


class Line(NamedTuple):
    """One line of an entry."""

    entry: Entry
    text: str
    tone: Tone


class Transcript(LineView):
    """Inputs and answers, oldest first."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.entries: list[Entry] = []
        self._lines: list[Line] = []
        self._width = 0

    # -- what a LineView asks --------------------------------------------------------------------------

    @property
    def row_count(self) -> int:
        """Number of lines."""
        return len(self._lines)

    @property
    def empty_text(self) -> str:
        """What to do here."""
        return "type code below; tab completes, :help lists commands, escape leaves the input"

    def row_line(self, index: int, width: int) -> list[tuple[str, Tone]]:
        """Format one line."""
        line = self._lines[index]
        return [(clip(f" {line.text}", width), line.tone)]

    def on_resize(self) -> None:
        """Lay results out for the new width, and keep the end in sight."""
        self.rebuild(to_end=True)

    # -- entries ---------------------------------------------------------------------------------------

    def add(self, entry: Entry) -> None:
        """Show a new input."""
        self.entries.append(entry)
        del self.entries[:-LIMIT]
        self.rebuild(to_end=True)

    def clear(self) -> None:
        """Forget all."""
        self.entries.clear()
        self.rebuild(to_end=True)

    @property
    def selected(self) -> Entry | None:
        """The entry on whose line the cursor stands."""
        return self._lines[self.cursor].entry if self.cursor < len(self._lines) else None

    def unfold(self) -> None:
        """Show all of the selected entry, or fold it again."""
        entry = self.selected
        if entry is not None:
            entry.unfolded = not entry.unfolded
            self.rebuild(to_end=False)

    def rebuild(self, *, to_end: bool) -> None:
        """Lay all entries out anew.

        Args:
            to_end: Go to the last line.
        """
        self._width = self.size.width
        self._lines = [line for entry in self.entries for line in _lines_of(entry, max(20, self._width - 3))]
        self.fit_rows()
        if to_end:
            self.cursor = max(0, len(self._lines) - 1)
            self.scroll_to(y=max(len(self._lines) - self.page, 0), animate=False, force=True)
        else:
            self.move_to(self.cursor)
        self.refresh()

    def texts(self) -> list[str]:
        """All lines, for copying and for tests."""
        return [line.text for line in self._lines]


def _lines_of(entry: Entry, width: int) -> list[Line]:
    first, *rest = clean_lines(entry.text)
    alias = clean(entry.alias)
    lines = [Line(entry, f"{alias}› {first}", Tone.ACCENT)]
    margin = " " * (width_of(alias) + 2)
    lines += [Line(entry, margin + text, Tone.ACCENT) for text in rest]
    answer = entry.answer
    if answer is None:
        doing = "… waits for the input before it" if entry.waits else "… runs; ctrl+c stops it"
        return [*lines, Line(entry, doing, Tone.DIM)]
    told = [Line(entry, text, Tone.PLAIN) for line in answer.lines for text in clean_lines(line)]
    for result in answer.results:
        told += [
            Line(entry, text, Tone.PLAIN) for line in lines_of(result, width) for text in clean_lines(line)
        ]
    told += [Line(entry, text, Tone.BAD) for text in clean_lines(answer.error)] if answer.error else []
    if len(told) > FOLDED + 1 and not entry.unfolded:
        # The last lines of an error say what it was.
        kept = told[-FOLDED:] if answer.error else told[:FOLDED]
        note = Line(entry, f"▸ {len(told) - FOLDED:,} more lines; enter unfolds", Tone.DIM)
        told = [note, *kept] if answer.error else [*kept, note]
    return [*lines, *told]
