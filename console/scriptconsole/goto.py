"""Going to anything by its name: what there is to go to, the search over it, and the way there.

Rows come from the panes that say they are landmarks; functions and files of the project are asked for in
threads when the search opens, since both may have to wait.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from textual.command import CommandInput, DiscoveryHit, Hit, Hits, Provider
from textual.content import Content

from scriptconsole.actions import PaneName
from scriptconsole.fuzzy import GAP, SLICE, Index
from scriptconsole.jobs import Outcome, run_job
from scriptconsole.palette import Palette
from scriptconsole.panes.pane import Place
from scriptconsole.panes.tablepane import TablePane
from scriptconsole.screens.host import console_of
from scriptconsole.text import clean
from scriptengines.view import FunctionInfo, ScriptView

if TYPE_CHECKING:
    from scriptconsole.app import ScriptConsoleApp

MOST = 50
"""Matches that are shown; who wants others types another letter."""
NAME_LIMIT = 200
"""Characters of a name that are searched and shown."""
PATIENCE = 0.15
"""Seconds to wait for functions and files before a search begins; what comes later is found then."""

FILES_LIMIT = 20_000
FOLDERS_DEPTH = 8
WALK_LIMIT = 3.0
"""Seconds that looking for the files of a project may take."""
SKIPPED_FOLDERS = frozenset({"__pycache__", "node_modules", "venv", "build", "dist", "target"})
SKIPPED_SUFFIXES = frozenset(
    {".pyc", ".pyo", ".so", ".o", ".a", ".png", ".jpg", ".gif", ".zip", ".gz", ".whl"}
)


class Target(NamedTuple):
    """Something to go to.

    Attributes:
        name: Of it.
        owner: Script or folder it belongs to, "" for none.
        kind: What it is, in a word.
        go: Goes there.
    """

    name: str
    owner: str
    kind: str
    go: Callable[[], object]

    @property
    def text(self) -> str:
        """What is searched and shown: the name, then what tells it from others of that name."""
        return GAP.join(filter(None, (self.name, self.owner, self.kind)))


class Finder:
    """What an app has to go to. It outlives a search, so that functions are asked for once a generation."""

    def __init__(self, app: ScriptConsoleApp) -> None:
        self._app = app
        self._functions: dict[str, tuple[int, list[FunctionInfo]]] = {}
        self._asked: set[str] = set()
        self._files: list[str] = []
        self._arrived = asyncio.Event()
        self.arrivals = 0
        """How often functions or files have arrived."""

    # -- what has to be asked for ------------------------------------------------------------------------

    async def refresh(self) -> None:
        """Ask for functions and files, and wait a moment for the answers."""
        for row in self._app.main.latest.scripts:
            known = self._functions.get(row.alias)
            if known is None or known[0] != row.generation:
                work = partial(self._app.session.functions, row.alias)
                self._ask(f"functions {row.alias}", work, partial(self._take_functions, row))
        self._ask("files", partial(project_files, self._app.project), self._take_files)
        end = time.monotonic() + PATIENCE
        while self._asked and (left := end - time.monotonic()) > 0:
            self._arrived.clear()
            try:
                await asyncio.wait_for(self._arrived.wait(), left)
            except TimeoutError:
                break

    def _ask(self, what: str, work: Callable[[], object], take: Callable[[Any], None]) -> None:
        # A script that is stuck answers never; it must not cost a thread for every search.
        if what in self._asked:
            return
        self._asked.add(what)

        def then(outcome: Outcome) -> None:
            self._asked.discard(what)
            # A script that ended meanwhile, or failed: it has no functions to go to.
            if outcome.error is None:
                take(outcome.value)
                self.arrivals += 1
            self._arrived.set()

        run_job(self._app, what, work, then)

    def _take_functions(self, row: ScriptView, functions: list[FunctionInfo]) -> None:
        self._functions[row.alias] = row.generation, functions

    def _take_files(self, files: list[str]) -> None:
        self._files = files

    # -- targets -----------------------------------------------------------------------------------------

    def targets(self) -> Iterator[Target]:
        """List everything, the likeliest kinds first."""
        main = self._app.main
        frame = main.latest
        for name, pane in main.panes.items():
            yield Target(pane.LABEL, "", "pane", partial(main.action_show_pane, name))
        tables = [cast("TablePane[Any]", pane) for pane in main.panes.values() if isinstance(pane, TablePane)]
        landmarks = [pane for pane in tables if pane.LANDMARK]
        for pane in landmarks:
            owned = pane.NAME is not PaneName.SCRIPTS
            for row in pane.rows(frame):
                owner = _short(pane.owner(row) or "") if owned else ""
                yield Target(
                    _short(pane.landmark(row)), owner, pane.LANDMARK, partial(self.go_to_row, pane, row)
                )
        for script in frame.scripts:
            for function in self._functions.get(script.alias, (0, ()))[1]:
                go = partial(self.go_to_function, script, function)
                yield Target(_short(function.name), _short(script.alias), "function", go)
        for path in self._files:
            folder, _, name = path.rpartition("/")
            place = Place(str(self._app.project / path), 0)
            yield Target(_short(name), _short(folder), "file", partial(self._app.edit, place))

    async def go_to_row(self, pane: TablePane[Any], row: object) -> None:
        """Put the cursor on a row, showing rows again that a filter hides."""
        main = self._app.main
        key = pane.key(row)
        if await main.select(pane.NAME, key):
            return
        if pane.clear_filter() and pane.select(key):
            self._app.notify("The filter is off: it hid this row.", markup=False, timeout=2)
            return
        text = f"This {pane.LANDMARK} is gone."
        self._app.notify(text, severity="warning", markup=False)

    async def go_to_function(self, script: ScriptView, function: FunctionInfo) -> None:
        """Open the line that defines a function; where that is unknown, show what the script offers."""
        if function.line:
            self._app.edit(Place(script.path, function.line))
        elif await self._app.main.select(PaneName.SCRIPTS, script.alias):
            self._app.main.action_details()


def _short(text: str) -> str:
    # Single blanks only: two stand between fields.
    return " ".join(clean(text[:NAME_LIMIT]).split())


def project_files(project: Path) -> list[str]:
    """List the files of a project that are worth opening, near ones first; bounded in number and time.

    Args:
        project: Folder.

    Returns:
        Paths below it, with "/" between folders.
    """
    found: list[str] = []
    end = time.monotonic() + WALK_LIMIT
    waiting = deque([("", 0)])
    while waiting and len(found) < FILES_LIMIT and time.monotonic() < end:
        folder, depth = waiting.popleft()
        for entry in _entries(project / folder):
            path = f"{folder}/{entry.name}" if folder else entry.name
            if entry.name.startswith("."):
                continue
            if not entry.is_dir(follow_symlinks=False):
                if os.path.splitext(entry.name)[1].lower() not in SKIPPED_SUFFIXES:
                    found.append(path)
            elif depth < FOLDERS_DEPTH and entry.name not in SKIPPED_FOLDERS:
                waiting.append((path, depth + 1))
    return found[:FILES_LIMIT]


def _entries(folder: Path) -> Iterable[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError:
        return ()  # gone meanwhile, or not for us to read


class GoToProvider(Provider):
    """Offers everything by its name."""

    async def startup(self) -> None:
        """Begin to gather what there is to go to."""
        self._finder = console_of(self.screen).finder
        # In a task of its own: a key typed meanwhile cancels who waits for `startup`, and `startup` with it.
        self._ready = asyncio.create_task(self._prepare())

    async def shutdown(self) -> None:
        """Gather no more."""
        self._ready.cancel()

    async def _prepare(self) -> None:
        await self._finder.refresh()
        await self._gather()

    async def _gather(self) -> None:
        self._seen = self._finder.arrivals
        targets: list[Target] = []
        for number, target in enumerate(self._finder.targets()):
            targets.append(target)
            if number % SLICE == 0:
                await asyncio.sleep(0)
        self._targets = targets
        self._index = Index([target.text for target in targets])

    async def discover(self) -> Hits:
        """Offer the first ones: panes and scripts."""
        await asyncio.shield(self._ready)
        for target in self._targets[:MOST]:
            yield DiscoveryHit(self._shown(target), target.go, text=target.name)

    async def search(self, query: str) -> Hits:
        """Offer what matches, best first."""
        await asyncio.shield(self._ready)
        if self._seen != self._finder.arrivals:
            await self._gather()
        for rank, match in enumerate(await self._index.search(query, MOST)):
            target = self._targets[match.place]
            shown = self._shown(target, match.positions)
            yield Hit(1 - rank / (MOST + 1), shown, target.go, text=target.name)

    @staticmethod
    def _shown(target: Target, letters: Iterable[int] = ()) -> Content:
        shown = Content(target.text).stylize("$foreground-muted not bold", len(target.name))
        for letter in letters:
            shown = shown.stylize("$accent underline", letter, letter + 1)
        return shown


async def open_search(app: ScriptConsoleApp) -> None:
    """Open the search over everything; what is typed ahead goes into it."""
    search = Palette([GoToProvider], placeholder="script, function, variable, timer, connection, file …")
    await app.push_screen(search)
    search.set_focus(search.query_one(CommandInput))
