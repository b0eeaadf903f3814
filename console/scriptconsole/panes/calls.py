"""The pane of calls: what runs now, longest first, and below it what ran last, each with its place in time.

Calls are recorded only while this pane is in sight.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Sequence
from math import inf

from scriptconsole.actions import Action, PaneName
from scriptconsole.calltest import NoTest, as_test
from scriptconsole.jobs import Switch, run_job
from scriptconsole.panes.columns import Column
from scriptconsole.panes.lines import Cell, Tone
from scriptconsole.panes.owned import text_column
from scriptconsole.panes.pane import Details
from scriptconsole.panes.tablepane import TablePane
from scriptconsole.screens.host import console_of
from scriptconsole.state import Scalar
from scriptconsole.text import CELL_LIMIT, clean, moment, plural
from scriptengines.view import CallView, Frame

RECENT = 1_000
"""Calls that have ended and are kept."""
SLOW = 200
"""Slow ones that are kept longer than that, so that a flood of fast ones does not wash them away."""
BAR = 24
"""Cells of the bar that shows when a call ran."""
SLOW_FROM = (0.001, 0.01, 0.05, 0.25, 1.0)
"""Seconds from which a call can count as slow."""
WINDOWS = (1.0, 5.0, 30.0)
"""Seconds that the bar can stand for."""

_TONES = (Tone.ACCENT, Tone.GOOD, Tone.STRONG, Tone.PLAIN)


def took(seconds: float) -> str:
    """Format how long a call took: 840 ns, 12.5 µs, 3.1 ms, 2.4 s."""
    for unit, factor in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)):
        if seconds * factor >= 1.0:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds * 1e9:.0f} ns"


class CallsPane(TablePane[CallView]):
    """The calls of all scripts: those under way, then those that ended last."""

    NAME = PaneName.CALLS
    LABEL = "Calls"
    MEANING = (
        "On top what runs now, longest first (▸); below what ended last, newest first.\n"
        "! took longer than the threshold, which t changes   ✗ raised an error\n"
        "The bar shows when a call ran, now is at its right end; w changes the time it stands for.\n"
        "By: timer, hook, task, connection; ↳ another call, which the details name.\n"
        "Calls are recorded only while this pane is in sight."
    )
    ACTIONS = (
        Action(
            "call.as_test",
            ("T",),
            "Copy as test",
            "Copy the selected call as a test for pytest",
            "pane('copy_as_test')",
            frozenset({PaneName.CALLS}),
            footer=True,
        ),
        Action(
            "call.threshold",
            ("t",),
            "Slow from",
            "Change from when on a call counts as slow",
            "pane('threshold')",
            frozenset({PaneName.CALLS}),
            footer=True,
        ),
        Action(
            "call.window",
            ("w",),
            "Window",
            "Change the time that the bars stand for",
            "pane('window')",
            frozenset({PaneName.CALLS}),
        ),
        Action(
            "call.clear",
            ("X",),
            "Clear",
            "Forget the calls that have ended",
            "pane('clear')",
            frozenset({PaneName.CALLS}),
        ),
    )
    EMPTY = "no calls since this pane came into sight"

    def __init__(self) -> None:
        self.slow_from = SLOW_FROM[1]
        self._chosen = False
        """Whether the threshold is the user's choice, and not that of the configuration."""
        self.window = WINDOWS[1]
        self._recent: deque[CallView] = deque(maxlen=RECENT)
        self._slow: deque[CallView] = deque(maxlen=SLOW)
        self._rows: list[CallView] = []
        self._frame: Frame | None = None
        self._dropped = 0
        self._recording: Switch | None = None
        self._tones: dict[str, Tone] = {}
        super().__init__()

    def on_mount(self) -> None:
        """Begin with the threshold of the configuration, unless another one was chosen."""
        if not self._chosen:
            self.slow_from = console_of(self).settings.slow_call / 1000

    # -- recording -------------------------------------------------------------------------------------

    @property
    def in_sight(self) -> bool:
        """Whether the main screen shows it."""
        return bool(self.display)

    @in_sight.setter
    def in_sight(self, shown: bool) -> None:
        self.display = shown
        if self._recording is None and self.is_attached:
            self._recording = Switch(console_of(self).session.record_calls)
        if self._recording is not None and shown != self._recording.wanted:
            run_job(console_of(self), "record calls", self._recording.wish(shown), lambda _: None)

    # -- rows ------------------------------------------------------------------------------------------

    def columns(self) -> Sequence[Column[CallView]]:
        """Return the columns."""
        return (
            Column("Took", self._took, self._length, least=9, most=12, right=True),
            Column(
                "Call",
                lambda row, _: Cell(clean(f"{row.script}.{row.function}"[:CELL_LIMIT]), Tone.STRONG),
                lambda row: (row.script, row.function),
                least=10,
                most=36,
            ),
            text_column("Arguments", lambda row: row.arguments, grow=2, rank=2),
            Column(
                "Gave",
                lambda row, _: (
                    Cell(clean(row.error[:CELL_LIMIT]), Tone.BAD)
                    if row.error
                    else Cell(clean(row.result[:CELL_LIMIT]))
                ),
                lambda row: row.error or row.result,
                least=6,
                grow=1,
                rank=4,
            ),
            Column("By", self._by, lambda row: row.caller, least=5, most=20, rank=3),
            Column("Time →", self._bar, lambda row: row.started, least=BAR, most=BAR, rank=1),
        )

    def _length(self, row: CallView) -> float:
        return inf if row.duration is None else row.duration

    def is_slow(self, row: CallView, now: float) -> bool:
        """Tell whether a call took too long, or does."""
        return (now - row.started if row.duration is None else row.duration) >= self.slow_from

    def _took(self, row: CallView, now: float) -> Cell:
        slow = self.is_slow(row, now)
        mark = "!" if slow else "✗" if row.error else " "
        if row.duration is None:
            return Cell(f"▸{mark} {took(max(now - row.started, 0.0))}", Tone.WARN if slow else Tone.GOOD)
        tone = Tone.BAD if row.error else Tone.WARN if slow else Tone.PLAIN
        return Cell(f"{mark} {took(row.duration)}", tone)

    def _by(self, row: CallView, _now: float) -> Cell:
        return Cell(clean(row.caller[:CELL_LIMIT]) or ("↳ call" if row.parent else "program"), Tone.DIM)

    def _bar(self, row: CallView, now: float) -> Cell:
        cell = self.window / BAR
        end = now if row.duration is None else row.started + row.duration
        first = int(BAR - (now - row.started) / cell)
        last = int(BAR - (now - end) / cell)
        if last < 0:
            return Cell("")
        first = max(min(first, BAR - 1), 0)
        length = max(min(last, BAR) - first, 1)
        tone = Tone.BAD if row.error else Tone.WARN if self.is_slow(row, now) else self._tone(row.script)
        return Cell(" " * first + ("█" * length if length > 1 else "▌"), tone)

    def _tone(self, script: str) -> Tone:
        return self._tones.setdefault(script, _TONES[len(self._tones) % len(_TONES)])

    def apply(self, frame: Frame) -> None:
        """Take the calls of a frame, once, and show them."""
        if frame is not self._frame:
            self._frame = frame
            self._dropped = frame.calls_dropped
            if frame.calls or frame.running or (self._rows and self._rows[0].duration is None):
                self._take(frame)
        super().apply(frame)

    def _take(self, frame: Frame) -> None:
        for call in frame.calls[-RECENT:]:
            self._recent.append(call)
        self._slow.extend(call for call in frame.calls if (call.duration or 0.0) >= self.slow_from)
        running = sorted(frame.running, key=lambda call: call.started)
        first = self._recent[0].id if self._recent else 0
        kept = {call.id for call in self._recent}
        washed = [call for call in self._slow if call.id < first and call.id not in kept]
        self._rows = [*running, *reversed(self._recent), *reversed(washed)]

    def rows(self, frame: Frame) -> Sequence[CallView]:
        """Return the calls that are kept."""
        return self._rows

    def count(self, frame: Frame) -> int | None:
        """Count the calls; nothing is known while none are recorded."""
        return len(self._rows) if self._rows and self.in_sight else None

    def summary(self) -> str:
        """Say what counts as slow, and what was lost."""
        parts = [f"slow from {took(self.slow_from)}", f"bars {self.window:g} s"]
        if self._dropped:
            parts.append(f"{self._dropped:,} dropped")
        return ", ".join(parts)

    def key(self, row: CallView) -> Hashable:
        """Return the call's number."""
        return row.id

    def text(self, row: CallView) -> str:
        """Return what the filter searches."""
        return f"{row.script}.{row.function} {row.caller} {row.arguments} {row.result} {row.error}"

    def row_text(self, row: CallView) -> str:
        """Return the call as it could be written."""
        return f"{row.script}.{row.function}({row.arguments})"

    def owner(self, row: CallView) -> str:
        """Return the script that is called."""
        return row.script

    def looks_different_after(self, rows: Sequence[CallView], now: float) -> float:
        """Move the bars; faster while something runs."""
        if not rows:
            return inf
        newest = max(row.started + (row.duration or 0.0) for row in rows[:64])
        if rows[0].duration is None:
            return 0.1
        return self.window / BAR if now - newest <= self.window * 1.1 else inf

    # -- what is remembered ----------------------------------------------------------------------------

    def settings(self) -> dict[str, Scalar]:
        """Return from when a call is slow, and what the bars span."""
        chosen: dict[str, Scalar] = {}
        if self._chosen:
            chosen["slow_from"] = self.slow_from
        if self.window != WINDOWS[1]:
            chosen["window"] = self.window
        return chosen

    def take_setting(self, name: str, value: Scalar) -> bool:
        """Take on one of them."""
        if name == "slow_from" and value in SLOW_FROM:
            self.slow_from, self._chosen = SLOW_FROM[SLOW_FROM.index(value)], True
        elif name == "window" and value in WINDOWS:
            self.window = WINDOWS[WINDOWS.index(value)]
        else:
            return False
        return True

    # -- what can be done ------------------------------------------------------------------------------

    def action_threshold(self) -> None:
        """Take the next threshold."""
        self.slow_from = next((each for each in SLOW_FROM if each > self.slow_from), SLOW_FROM[0])
        self._chosen = True
        self._redraw()

    def action_window(self) -> None:
        """Take the next window."""
        self.window = WINDOWS[(WINDOWS.index(self.window) + 1) % len(WINDOWS)]
        self._redraw()

    def action_clear(self) -> None:
        """Forget what has ended."""
        self._recent.clear()
        self._slow.clear()
        self._rows = [row for row in self._rows if row.duration is None]
        self._redraw()

    def _redraw(self) -> None:
        if self._frame is not None:
            self.table.set_rows(self._rows, self._frame.time)
        self.table.prepare()
        self.retitle()

    def action_copy_as_test(self) -> None:
        """Copy the selected call as a test."""
        app, row = console_of(self), self.selected
        script = None if row is None else app.main.view(row.script)
        if row is None or script is None:
            self.notify("There is no call of a loaded script here.", severity="warning", markup=False)
            return
        try:
            text = as_test(row, script)
        except NoTest as error:
            self.notify(str(error), severity="warning", markup=False)
            return
        app.copy_to_clipboard(text)
        self.notify(f"Copied a test of {row.function}, {plural(text.count(chr(10)), 'line')}.", markup=False)

    def details(self) -> Details | None:
        """Return who called what, when, and what came of it."""
        row = self.selected
        if row is None:
            return None
        parent = next((call for call in self._rows if call.id == row.parent), None) if row.parent else None
        within = f"{parent.script}.{parent.function}({parent.arguments})" if parent else "a call not kept"
        facts = [
            ("script", row.script),
            ("function", row.function),
            ("called by", row.caller or (within if row.parent else "the program")),
            *([("within", within)] if row.caller and row.parent else []),
            ("thread", row.thread or "unknown"),
            ("began", f"{moment(row.started)}.{int(row.started % 1 * 1_000_000):06d}"),
            ("took", "still runs" if row.duration is None else took(row.duration)),
            ("number", str(row.id)),
        ]
        texts = [("Arguments", row.arguments or "none", "value-text")]
        if row.error:
            texts.append(("Error", row.error, "error-text"))
        elif row.duration is not None:
            texts.append(("Gave", row.result, "value-text"))
        return Details("Call", facts, texts)
