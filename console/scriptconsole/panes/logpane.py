"""The pane round the log."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from textual import on

from scriptconsole.actions import PaneName
from scriptconsole.editor import place_in
from scriptconsole.panes.filter import Filter
from scriptconsole.panes.log import LogView
from scriptconsole.panes.pane import Details, Pane, Place
from scriptconsole.panes.ring import CONSOLE
from scriptconsole.panes.scripts import error_place
from scriptconsole.screens.host import console_of
from scriptconsole.text import moment
from scriptengines.view import Frame, LogRecord


class LogPane(Pane):
    """What scripts print and log, and what the console did."""

    NAME = PaneName.LOG
    LABEL = "Log"
    MEANING = (
        "ERR error   WRN warning   INF info   out printed by a script   DBG debug\n"
        "Moving up holds the view while new lines are counted; G follows again. h and l scroll long lines.\n"
        "e opens the file and line a message names."
    )

    def __init__(self) -> None:
        super().__init__()
        self.view = LogView(id="log")

    @property
    def body(self) -> LogView:
        """The view over the log."""
        return self.view

    @property
    def filter(self) -> Filter | None:
        """The filter that is on."""
        return self.view.ring.filter

    def filter_by(self, chosen: Filter | None) -> None:
        """Show only the records a filter keeps."""
        self.view.set_filter(chosen)

    @on(LogView.Arranged)
    def _arranged(self) -> None:
        self.retitle()

    def apply(self, frame: Frame) -> None:
        """Nothing: records are added by `extend`, whether the pane is in sight or not."""

    def count(self, frame: Frame) -> int:
        """Count the lines, of which a frame holds only the new ones."""
        return self.view.ring.total

    def counts(self) -> tuple[int, int]:
        """Count the lines after and before filtering."""
        return self.view.row_count, self.view.ring.total

    @property
    def cursor_line(self) -> int | None:
        """Line of the body on which the cursor stands."""
        return self.view.cursor_line

    def extend(self, records: Iterable[LogRecord]) -> None:
        """Add records."""
        self.view.extend(records)

    def summary(self) -> str:
        """Say whether the end is followed."""
        if self.view.following:
            return "following"
        return f"held, {self.view.unseen:,} new below" if self.view.unseen else "held"

    def script(self) -> str | None:
        """Return the script that wrote the selected line."""
        line = self.view.selected
        return line.record.script if line is not None and line.record.script else None

    def copy_text(self) -> str | None:
        """Return the whole record."""
        line = self.view.selected
        return None if line is None else line.record.text

    def export_rows(self) -> Sequence[LogRecord]:
        """Return the records whose lines are shown."""
        ring = self.view.ring
        lines = (ring[index] for index in range(len(ring)))
        return tuple(line.record for line in lines if line.first)

    def details(self) -> Details | None:
        """Return the whole record."""
        line = self.view.selected
        if line is None:
            return None
        record = line.record
        facts = [
            ("time", f"{moment(record.time)}.{int(record.time % 1 * 1000):03d}"),
            ("script", record.script or CONSOLE),
            ("level", str(record.level)),
        ]
        style = "error-text" if record.level == "error" else "value-text"
        return Details("Log record", facts, [("Text", record.text, style)])

    def place(self) -> Place | None:
        """Return the line that the record names, else that of its script's last error."""
        line = self.view.selected
        script = None if line is None else console_of(self).main.view(line.record.script)
        if line is None or script is None:
            return None
        named = place_in(line.record.text, script.path)
        return Place(script.path, named) if named else error_place(script) or Place(script.path, 0)
