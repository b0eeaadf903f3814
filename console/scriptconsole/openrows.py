"""Remembers which rows of the tree of variables are open, and opens them again with their scripts."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from itertools import chain, islice
from typing import TYPE_CHECKING

from scriptconsole.jobs import Outcome, run_job
from scriptconsole.state import LIST_LIMIT, SavedRow, is_step
from scriptengines.tree import STATE
from scriptengines.variables import UPVALUES

if TYPE_CHECKING:
    from scriptconsole.app import ScriptConsoleApp
    from scriptconsole.port import SessionPort
    from scriptengines.view import Frame, VariableView

OPEN_AT_FIRST = frozenset({STATE, UPVALUES})
"""Rows of the top level that come open; of them it is remembered that they were closed."""


class OpenRows:
    """The open rows of all scripts; those of a script that is not open wait until it is."""

    def __init__(self, app: ScriptConsoleApp, saved: Iterable[SavedRow]) -> None:
        """Nothing is opened yet.

        Args:
            app: Over the project.
            saved: What was open; what holds a row comes before it.
        """
        self._app = app
        self._waiting: dict[str, list[SavedRow]] = {}
        for row in saved:
            self._waiting.setdefault(row.script, []).append(row)
        self._asked: set[str] = set()
        self._known: dict[str, list[SavedRow]] = {}
        self._seen: object = None

    def look(self) -> None:
        """Open the rows of scripts that are open by now."""
        for alias in [script.alias for script in self._app.main.latest.scripts]:
            if alias in self._waiting and alias not in self._asked:
                self._asked.add(alias)
                work = partial(_restore, self._app.session, self._waiting[alias])
                run_job(self._app, f"rows of {alias}", work, partial(self._restored, alias))

    def _restored(self, alias: str, _: Outcome) -> None:
        # What failed did so because the script has gone again: nothing is left to open.
        self._asked.discard(alias)
        self._known[alias] = self._waiting.pop(alias)

    def now(self) -> tuple[SavedRow, ...]:
        """Return what is open at this moment, or will be."""
        frame = self._app.main.latest
        if frame.variables is not self._seen:
            self._seen = frame.variables
            self._take(frame)
        open_now = [script.alias for script in frame.scripts if script.alias not in self._waiting]
        known = (self._known.get(alias, ()) for alias in open_now)
        return tuple(islice(chain(*known, *self._waiting.values()), LIST_LIMIT))

    def _take(self, frame: Frame) -> None:
        # There may be ten thousands of rows, several times a second.
        found: dict[str, list[SavedRow]] = {alias: [] for alias in {row.script for row in frame.variables}}
        for row in [row for row in frame.variables if row.expanded or row.name in OPEN_AT_FIRST]:
            if _differs(row) and all(map(is_step, row.address)):
                found[row.script].append(SavedRow(row.script, row.address, row.expanded))
        # A script that shows no rows now, because it is reloaded or has failed, has them again later.
        self._known.update(found)


def _differs(row: VariableView) -> bool:
    """Whether a row is not as it comes."""
    at_first = not row.path and row.name in OPEN_AT_FIRST
    return row.expandable and row.expanded is not at_first


def _restore(session: SessionPort, rows: Iterable[SavedRow]) -> None:
    for row in rows:
        if row.open:
            session.expand(row.script, row.path)
        else:
            session.collapse(row.script, row.path)
