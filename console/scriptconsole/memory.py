"""Remembers what the user arranged in a project: takes it from the screen, and gives it back at the start.

While something happens, the screen is looked at twice a second instead of each part telling of its changes: a
part that forgot to tell would be lost, and the look costs less than drawing one row.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from scriptconsole.jobs import Outcome, explain, run_job
from scriptconsole.openrows import OpenRows
from scriptconsole.state import SavedPane, SavedScript, SavedState, SavedTheme, SavedWatch
from scriptconsole.statefile import StateFile
from scriptengines.view import Level

if TYPE_CHECKING:
    from scriptconsole.app import ScriptConsoleApp

EVERY = 0.4
"""Seconds between two looks: with the writing, a crash loses less than a second."""


class Memory:
    """The state of the project that an app shows."""

    def __init__(self, app: ScriptConsoleApp, file: StateFile, *, fresh: bool = False) -> None:
        """Read the state, and put back what needs no script; made before the app is mounted.

        Args:
            app: Over the project.
            file: Where its state is kept.
            fresh: Start without what was saved; it is replaced by what there is then.
        """
        self._app = app
        self._file = file
        self._configured_theme = app.theme
        self._found, self._told = (SavedState(), ()) if fresh else file.read()
        self._written = None if fresh else self._found
        self._expected: tuple[SavedScript, ...] = ()
        """Scripts that are to be opened; until then a look would not see them."""
        self._watches = list(self._found.watches)
        """Watches that are not on yet: their script is not open, or the frame does not show them."""
        self._asked: list[SavedWatch] = []
        """Those of them that the session has been asked for."""
        self._rows = OpenRows(app, self._found.rows)
        self.busy = False
        """Whether a state is being written."""
        self._failed = False
        self._looked_at = 0.0
        self._looked_quietly = False
        self._told += tuple(self._put_back())

    def _put_back(self) -> list[str]:
        app, saved = self._app, self._found
        app.main.layout_model = deepcopy(saved.layout)
        problems: list[str] = []
        theme = saved.theme
        if theme is not None and theme.instead_of == self._configured_theme:
            if theme.chosen in app.appearance.names:
                app.appearance.choose(theme.chosen)
            else:
                problems.append(f"There is no theme {theme.chosen[:80]} any more.")
        there = app.main.panes
        for pane, state in ((there[name], state) for name, state in saved.panes.items() if name in there):
            for problem in pane.restore(state):
                problems.append(f"{pane.LABEL}: {problem}")
        return problems

    # -- scripts ---------------------------------------------------------------------------------------

    def scripts_to_open(self) -> list[tuple[Path, str | None]]:
        """List the scripts that were open; until `opened` they count as open."""
        self._expected = self._found.scripts
        return [(Path(script.path), script.alias) for script in self._expected]

    def opened(self) -> None:
        """All scripts that were to be opened have been, or could not be."""
        self._expected = ()

    # -- watches ---------------------------------------------------------------------------------------

    def _add_watches(self) -> None:
        """Ask for the watches of scripts that are open by now."""
        app = self._app
        there = [SavedWatch(row.script, row.expression) for row in app.main.latest.watches]
        for watch in [watch for watch in self._asked if watch in there]:
            self._settled(watch)
        open_now = {row.alias for row in app.main.latest.scripts}
        for watch in self._watches:
            if watch.script in open_now and watch not in self._asked:
                self._asked.append(watch)
                work = partial(app.session.add_watch, watch.script, watch.expression)
                run_job(app, f"watch {watch.expression[:40]}", work, partial(self._watch_added, watch))

    def _watch_added(self, watch: SavedWatch, outcome: Outcome) -> None:
        if outcome.error is not None:
            self._settled(watch)
            self._app.fail(f"watch {watch.expression[:80]} of {watch.script}: {explain(outcome.error)}")

    def _settled(self, watch: SavedWatch) -> None:
        # Perhaps already, when the user has pinned the same expression meanwhile.
        with suppress(ValueError):
            self._asked.remove(watch)
            self._watches.remove(watch)

    # -- looking ---------------------------------------------------------------------------------------

    def start(self) -> None:
        """Tell what the file gave cause to tell."""
        for sentence in self._told:
            self._app.write_log(Level.WARNING, sentence)

    def look_after(self, *, quiet: bool) -> None:
        """Look, after a frame, if there may be something to see.

        Args:
            quiet: Nothing has happened of late: one more look, then none until something does.
        """
        now = time.monotonic()
        if now - self._looked_at < EVERY or (quiet and self._looked_quietly):
            return
        self._looked_at = now
        self._looked_quietly = quiet and not self.busy
        self.look()

    def now(self) -> SavedState:
        """Return what there is to remember at this moment."""
        app = self._app
        theme = None
        if app.theme != self._configured_theme:
            theme = SavedTheme(app.theme, self._configured_theme)
        elif self._found.theme is not None and self._found.theme.instead_of != self._configured_theme:
            # Of another configuration, e.g. one `--theme`: what was chosen then counts again later.
            theme = self._found.theme
        scripts = {row.alias: SavedScript(row.alias, row.path) for row in app.main.latest.scripts}
        expected = {script.alias: script for script in self._expected}
        watches = [SavedWatch(row.script, row.expression) for row in app.main.latest.watches]
        watches += [watch for watch in self._watches if watch not in watches]
        panes = {name: pane.saved() for name, pane in app.main.panes.items()}
        return SavedState(
            deepcopy(app.main.layout_model),
            theme,
            tuple((expected | scripts).values()),
            tuple(watches),
            self._rows.now(),
            {name: pane for name, pane in panes.items() if pane != SavedPane()},
        )

    def look(self) -> None:
        """Write what has changed since it was last written, in a thread."""
        if self._app.leaving:
            return
        self._add_watches()
        self._rows.look()
        if self.busy:
            return
        state = self.now()
        if state != self._written:
            self.busy = True
            run_job(self._app, "state", partial(self._file.write, state), partial(self._wrote, state))

    def _wrote(self, state: SavedState, outcome: Outcome) -> None:
        self.busy = False
        # Also after a failure: what cannot be written is tried again when it changes, not twice a second.
        self._written = state
        if outcome.error is None:
            self._failed = False
        elif not self._failed:
            self._failed = True
            self._app.fail(
                f"The state of this project cannot be saved: {explain(outcome.error)}."
                " The console goes on without."
            )

    def last(self) -> Callable[[], None]:
        """Take a last look; return what writes it, for a thread, and never fails."""
        state = self.now()

        def write() -> None:
            # Also when nothing changed: of two consoles the one that is left last wins.
            with suppress(OSError):  # told before, or nobody is left to be told
                self._file.write(state)

        return write
