"""The pane round the log."""

from __future__ import annotations

from collections.abc import Iterable

from scriptconsole.actions import PaneName
from scriptconsole.panes.log import LogView
from scriptconsole.panes.pane import Pane
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

    def apply(self, frame: Frame) -> None:
        """Add the new records."""
        self.view.extend(frame.log)

    def extend(self, records: Iterable[LogRecord]) -> None:
        """Add records of the console itself."""
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
