"""The log: the newest lines of all scripts, followed or held still.

Moving the cursor up holds the view; going to the last line follows again. Held lines stay where they are even
when old ones leave the ring.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import lru_cache
from itertools import islice

from rich.cells import cell_len
from textual.message import Message
from textual.timer import Timer

from scriptconsole.panes.filter import Filter
from scriptconsole.panes.lines import LineView, Tone
from scriptconsole.panes.ring import CAPACITY, CONSOLE, MARKS, LogLine, Ring
from scriptconsole.panes.search import Search
from scriptconsole.text import CELL_LIMIT, clean, clip, fit
from scriptengines.view import Level, LogRecord

TONES: dict[Level, tuple[Tone, Tone]] = {
    Level.DEBUG: (Tone.DIM, Tone.DIM),
    Level.OUTPUT: (Tone.DIM, Tone.PLAIN),
    Level.INFO: (Tone.ACCENT, Tone.PLAIN),
    Level.WARNING: (Tone.WARN, Tone.WARN),
    Level.ERROR: (Tone.ALARM, Tone.BAD),
}
"""Tone of the mark and of the text, by level."""

MOST_MARKS = 50
"""Matches that are highlighted in one line."""

SEARCH_PAUSE = 0.01
"""Seconds between two slices of a search, in which keys are answered."""


class LogView(LineView):
    """A virtual view over the ring of log lines."""

    class Arranged(Message):
        """Lines came, or following or the filter changed."""

    def __init__(self, *, capacity: int = CAPACITY, id: str | None = None) -> None:
        super().__init__(id=id)
        self.ring = Ring(capacity)
        self.following = True
        self.unseen = 0
        """Lines that came while the view is held."""
        self.search: Search | None = None
        self._sought: int | None = None
        """Number of the line that was selected when filters changed, until they have looked at it."""
        self._came = 0
        self._gone = 0
        self._script_width = 7
        self._shift = 0
        self._next: dict[str, Timer] = {}
        """Slices to come, by name of what does them."""

    @property
    def row_count(self) -> int:
        """Number of lines after filtering."""
        return len(self.ring)

    @property
    def selected(self) -> LogLine | None:
        """The line under the cursor, if any."""
        return self.ring[self.cursor] if self.cursor < len(self.ring) else None

    @property
    def empty_text(self) -> str:
        """Why there are no lines."""
        return "nothing matches the filter" if self.ring.total else "nothing logged yet"

    def take(self, records: Iterable[LogRecord]) -> None:
        """Add records, which `extend` will show."""
        before = len(self.ring)
        gone = self.ring.extend(records)
        self._came += len(self.ring) - before + gone
        self._gone += gone
        if not self.following:
            self._hold(gone)  # at once: a key may come before they are shown

    def extend(self, records: Iterable[LogRecord]) -> None:
        """Add records, and scroll to them when following."""
        self.take(records)
        came, gone, self._came, self._gone = self._came, self._gone, 0, 0
        if not came and not gone:
            return
        if self.following:
            self._to_end()
        else:
            self.unseen += came
            self.fit_rows()
        self.refresh()
        self.post_message(self.Arranged())

    def _to_end(self) -> None:
        self.cursor = max(len(self.ring) - 1, 0)
        self.unseen = 0
        self.fit_rows()
        self.scroll_to(y=max(len(self.ring) - self.page, 0), animate=False, force=True)

    def _hold(self, gone: int) -> None:
        self.cursor = max(self.cursor - gone, 0)
        if gone:
            self.scroll_to(y=max(self.top - gone, 0), animate=False, force=True)
            self.fit_rows()

    def set_filter(self, chosen: Filter | None) -> None:
        """Show only the records a filter keeps."""
        self.ring.filter = chosen
        self.show_again()

    def show_again(self) -> None:
        """Apply filters that have changed; the line under the cursor stays, if it is still shown."""
        if self._sought is None and not self.following and self.selected is not None:
            self._sought = self.selected.number
        self.ring.search_again()
        if not self.is_attached:
            return
        self._soon(self.search_older)
        self.unseen = self._came = self._gone = 0
        if self._sought is None:
            self._to_end()
        else:
            self.cursor = 0
            self.fit_rows()
            self._go_to_sought()
        self.refresh()
        self.post_message(self.Arranged())

    def search_older(self) -> None:
        """Let a new filter go through the next older lines."""
        if not self.ring.unsearched:
            return
        came = self.ring.search_older()
        if self.following:
            self._to_end()
        else:
            top = self.top
            self.cursor += came
            self.fit_rows()
            self.scroll_to(y=top + came, animate=False, force=True)
            self._go_to_sought()
        self._soon(self.search_older)
        self.refresh()
        self.post_message(self.Arranged())

    def _go_to_sought(self) -> None:
        if self._sought is not None and self.ring.has_searched(self._sought):
            self.move_to(self.ring.place_of(self._sought))
            self._sought = None

    def _soon(self, slice_: Callable[[], None]) -> None:
        """Do a slice after keys have been answered; once, however often it was asked for."""
        before = self._next.get(slice_.__name__)
        if before is not None:
            before.stop()
        self._next[slice_.__name__] = self.set_timer(SEARCH_PAUSE, slice_)

    def toggle_fold(self) -> bool:
        """Fold or unfold the record under the cursor; return whether it has more than a line."""
        if not len(self.ring):
            return False
        place = self.ring.toggle(self.cursor)
        if place is None:
            return False
        self.fit_rows()
        self.following = False
        self.move_to(place)
        self.refresh()
        self.post_message(self.Arranged())
        return True

    # -- searching -------------------------------------------------------------------------------------

    def find(self, chosen: Filter | None, step: int = 1) -> None:
        """Go to the next line that matches, round the end if need be; highlight all that match.

        Args:
            chosen: What to look for; None ends the search.
            step: 1 for the lines below the cursor, -1 for those above.
        """
        self.search = None if chosen is None else Search(self.ring, chosen, self.cursor, step)
        self.refresh()
        self.post_message(self.Arranged())
        self._go_on_searching()

    def find_next(self, step: int) -> None:
        """Search again from the cursor."""
        if self.search is not None:
            self.find(self.search.chosen, step)

    def _go_on_searching(self) -> None:
        search = self.search
        if search is None or search.done:
            return
        place = search.look()
        if place is not None:
            line = self.ring[place]
            if line.folded and not search.chosen.keeps(line.text):
                self.ring.toggle(place)
                self.fit_rows()
                place = search.inside(place, line.folded)
            self.following = False
            self.move_to(place)
            self.refresh()
        elif not search.done:
            self._soon(self._go_on_searching)
        self.post_message(self.Arranged())

    def on_cursor_moved(self) -> None:
        """Follow when the cursor reached the last line, hold otherwise."""
        self.following = self.cursor >= len(self.ring) - 1
        self._sought = None
        if self.following:
            self.unseen = 0
        self.post_message(self.Arranged())

    def action_move_last(self) -> None:
        """Go to the last line and follow."""
        self.following = True
        self._to_end()
        self.refresh()
        self.post_message(self.Arranged())

    def action_move_column(self, step: int) -> None:
        """Scroll long lines sideways."""
        self._shift = max(0, self._shift + 16 * step)
        self.refresh()

    def on_resize(self) -> None:
        """Keep the end in sight while following."""
        if self.following:
            self._to_end()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Hold the view when the wheel or the scroll bar left the end."""
        super().watch_scroll_y(old_value, new_value)
        if not self.is_mounted:
            return
        # A view that has just become higher, or is in sight again, is scrolled up without anybody's wish.
        at_end = self.top + self.page >= len(self.ring) or round(new_value) >= self.max_scroll_y
        if self.following and not at_end and new_value < old_value:
            self.following = False
            self.cursor = min(self.top + self.page - 1, max(len(self.ring) - 1, 0))
            self.post_message(self.Arranged())

    # -- drawing ---------------------------------------------------------------------------------------

    def row_line(self, index: int, width: int) -> list[tuple[str, Tone]]:
        """Format one line: time, level mark, script, text."""
        line = self.ring[index]
        record = line.record
        mark_tone, text_tone = TONES[record.level]
        brief = width < 90
        script = clean(record.script[:64]) or CONSOLE
        self._widen(script)
        stamp = (
            _clock(int(record.time))
            if brief
            else f"{_clock(int(record.time))}.{int(record.time % 1 * 1000):03d}"
        )
        script_width = min(self._script_width, 8 if brief else 16)
        if not line.first:
            head: list[tuple[str, Tone]] = [(" " * (len(stamp) + script_width + 10), Tone.DIM)]
        else:
            head = [
                (f" {stamp} ", Tone.DIM),
                (f" {MARKS[record.level]} ", mark_tone),
                (" " + fit(script, script_width) + "  ", Tone.STRONG if record.script else Tone.DIM),
            ]
        room = width - sum(cell_len(text) for text, _ in head)
        text = clean(line.text[: self._shift + CELL_LIMIT])
        if self._shift:
            text = "…" + text[self._shift + 1 :]
        more = f"  ▸ {line.folded} more" if line.folded else ""
        text = clip(text, max(room - len(more), 1))
        return [*head, *self._marked(text, text_tone), (more, Tone.ACCENT)]

    def _marked(self, text: str, tone: Tone) -> list[tuple[str, Tone]]:
        """Text with what the search looks for in it."""
        if self.search is None or self.search.chosen.inverse:
            return [(text, tone)]
        spans: list[tuple[str, Tone]] = []
        at = 0
        for match in islice(self.search.chosen.pattern.finditer(text), MOST_MARKS):
            spans += [(text[at : match.start()], tone), (match[0], Tone.FLASH)]
            at = match.end()
        return [*spans, (text[at:], tone)]

    def _widen(self, script: str) -> None:
        length = cell_len(script)
        if length > self._script_width and self._script_width < 16:
            self._script_width = min(length, 16)
            self.refresh()


@lru_cache(maxsize=256)
def _clock(seconds: int) -> str:
    return time.strftime("%H:%M:%S", time.localtime(seconds))
