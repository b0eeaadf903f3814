"""The Textual app: shows one session and routes what the user does to it.

The session's `frame` is read here a few times a second; every other call to it runs in a thread of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, cast

from textual import events, on
from textual.app import App, SuspendNotSupported
from textual.command import CommandPalette, Provider
from textual.message import Message
from textual.notifications import SeverityLevel
from textual.screen import Screen
from textual.timer import Timer

from scriptconsole.appearance import SETTLED, Appearance, ThemeFilesChanged, wants_no_color
from scriptconsole.collector import Collector
from scriptconsole.config.settings import DEFAULTS, Settings
from scriptconsole.editor import EditorError, editor_command
from scriptconsole.frames import Frames
from scriptconsole.jobs import JobDone, Outcome, explain, run_job
from scriptconsole.keysteps import KeySteps
from scriptconsole.memory import Memory
from scriptconsole.out.outlet import Outlet
from scriptconsole.palette import LIMITED, ActionProvider, Palette, ThemeProvider
from scriptconsole.panes.pane import Place
from scriptconsole.registry import REGISTRY
from scriptconsole.screens.main import MainScreen
from scriptconsole.shell import started_by_shell
from scriptconsole.sizes import sizes_in_order
from scriptconsole.statefile import StateFile
from scriptconsole.text import clean, clean_lines
from scriptengines.errors import ScriptConsoleError
from scriptengines.view import Level, LogRecord, ScriptState
from scriptthemes import LATER_STYLES, STYLES

if TYPE_CHECKING:
    from textual.theme import Theme

    from scriptconsole.goto import Finder
    from scriptconsole.port import SessionPort

LOAD_PATIENCE = 2.0
"""Seconds that one script's top level may take before the next is loaded beside it."""


CLOSE_GRACE = 3.0
"""Seconds a session may take to end before the console leaves without it."""


class ScriptConsoleApp(App[None]):
    """The console over one session."""

    TITLE = "scriptconsole"
    CSS_PATH = STYLES
    COMMANDS: ClassVar[set[type[Provider] | Callable[[], type[Provider]]]] = {ActionProvider}
    ESCAPE_TO_MINIMIZE: ClassVar[bool] = False
    _coloured: Theme | None = None
    """The theme that `_variables` are of; asked for before `__init__` of this class begins."""
    _variables: Mapping[str, str] = MappingProxyType({})

    def __init__(
        self,
        session: SessionPort,
        paths: Sequence[Path] = (),
        *,
        clock: Callable[[], float] = time.time,
        settings: Settings = DEFAULTS,
        keys: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
    ) -> None:
        """Make the app; it starts with `run`.

        Args:
            session: Shown and driven; closed when the app ends.
            paths: Scripts to load at the start.
            clock: Seconds since the epoch, for the console's own log records.
            settings: What the user has set.
            keys: By action id: keys of the user's choice, checked.
        """
        super().__init__(ansi_color=wants_no_color(os.environ) or None)
        self.session = session
        self.settings = settings
        self.registry = REGISTRY.with_keys(keys)
        self.main = MainScreen()
        self.main.log_pane.view.ring.capacity = settings.log_capacity
        self._paths: list[tuple[Path, str | None]] = [(path, None) for path in paths]
        self.clock = clock
        self.leaving = False
        """Whether the session is being closed; what it shows from then on says nothing."""
        self.command_history: list[str] = []
        """Lines typed after `:`, oldest first."""
        self._steps = KeySteps(self)
        self.frames = Frames(self)
        self.typed, self.key = False, ""
        """Whether the key that is being handled writes something where text is entered."""
        self.appearance = Appearance(self, settings.theme)
        self._colours: dict[str, str] = {}
        self.out = Outlet(self, self._send)
        self._theme_timer: Timer | None = None
        self.memory: Memory | None = None
        """What is remembered of the project, if anything is."""
        self.collector: Collector | None = None
        """What collects garbage, if that is left to the app."""
        self.project = Path.cwd()
        """Folder whose files can be gone to."""
        self.history_file: Path | None = None
        """Where typed code is kept; by default in the platform's place, for the project."""

    def remember(self, file: StateFile, *, fresh: bool = False) -> None:
        """Show the project as it was left, and remember it from now on; called before `run`.

        Scripts that were open are loaded again unless others have been given.

        Args:
            file: Where its state is kept.
            fresh: Start without what was kept there.
        """
        self.memory = Memory(self, file, fresh=fresh)
        self._paths = self._paths or self.memory.scripts_to_open()

    def on_load(self) -> None:
        """Have the style sheets parsed with the colours of the first theme, and only with those."""
        self._colours = self.get_css_variables()
        self.stylesheet.set_variables(self._colours)

    def get_css_variables(self) -> dict[str, str]:
        """Return the colours of the theme; made once, though Textual asks three times at the start."""
        theme = self.current_theme
        if theme is not self._coloured:
            self._coloured, self._variables = theme, super().get_css_variables()
        return dict(self._variables)

    def refresh_css(self, animate: bool = True) -> None:
        """Parse the style sheets again, if colours have changed since."""
        colours, before = self.get_css_variables(), self._colours
        if colours != before or animate:
            self._colours = colours
            super().refresh_css(animate)

    @cached_property
    def finder(self) -> Finder:
        """What the user can go to by its name."""
        from scriptconsole.goto import Finder

        return Finder(self)

    def get_default_screen(self) -> Screen[None]:
        """Return the main screen."""
        return self.main

    def on_mount(self) -> None:
        """Start to show frames, and load the first scripts."""
        self.appearance.watch()
        for text in self.appearance.complaints:
            self.fail(text)
        # Textual leaves open what its apps return, which strict typing cannot.
        self.app_resume_signal.subscribe(self, self._resumed)  # pyright: ignore[reportUnknownMemberType]
        sizes_in_order()
        if self.memory is not None:
            self.memory.start()
        # Not before there is something to see: it imports much, and two threads take turns.
        self.call_after_refresh(self._begin)

    def _begin(self) -> None:
        self.stylesheet.read(LATER_STYLES)
        self.stylesheet.parse()
        self.frames.begin()
        run_job(self, "start", self._load_first, self._started)

    def _resumed(self, _: object) -> None:
        sizes_in_order()
        # The signal comes from the driver, which does not draw.
        self.refresh(layout=True)

    def post_message(self, message: Message) -> bool:
        """Queue a message; of keys, note which come back from the widgets."""
        if isinstance(message, events.Key) and message.is_forwarded:
            self._steps.returning = True
        return super().post_message(message)

    async def on_event(self, event: events.Event) -> None:
        """Handle an event; keys and pastes one after the other; of keys, remember whether they are text."""
        if isinstance(event, events.InputEvent) and not self.screen_stack:
            return  # the last screen has gone: the app ends
        key = event if isinstance(event, events.Key) else None
        typed = event if isinstance(event, events.Key | events.Paste) else None
        if isinstance(event, events.MouseMove):
            self.frames.stir()
        elif isinstance(event, events.InputEvent):
            self.frames.touched()
        if key is not None and key.is_forwarded:
            self._steps.returning = False
        elif typed is not None and not typed.is_forwarded and not await self._steps.settle():
            self.post_message(typed)  # behind the one before, as all that follow
            return
        self.typed = key is not None and key.is_printable
        self.key = "" if key is None else key.key
        try:
            await super().on_event(event)
        finally:
            self.typed, self.key = False, ""
            if typed is not None:
                self._steps.handed_on()

    def tick(self) -> None:
        """Show the session as it is now."""
        self.frames.show()

    def _send(self, sequence: str) -> None:
        if self._driver is not None:
            self._driver.write(sequence)

    def copy(self, text: str, said: str = "") -> None:
        """Copy text to the clipboard of the desktop and to that of the app's own inputs.

        Args:
            text: Of any length.
            said: What the user is told when it went well; nothing when empty.
        """
        self._clipboard = text
        self.out.copy(text, said)

    def copy_to_clipboard(self, text: str) -> None:
        """Copy what was marked in an input or on the screen."""
        self.copy(text)

    def action_screenshot(self, filename: str | None = None, path: str | None = None) -> None:
        """Save a picture of the screen."""
        self.out.screenshot()

    # -- outcomes --------------------------------------------------------------------------------------

    def on_job_done(self, message: JobDone) -> None:
        """Hand the outcome of a job on."""
        message.then(message.outcome)

    def report(self, label: str, outcome: Outcome) -> None:
        """Write what came of an action into the log, and notify when it failed.

        Args:
            label: What was done.
            outcome: What came of it, as text.
        """
        if outcome.error is None:
            self.write_log(Level.INFO, f"{label} = {outcome.value}")
        else:
            self.fail(f"{label}: {explain(outcome.error)}")

    def fail(self, text: str) -> None:
        """Tell the user of an error, as notification and log record."""
        self.write_log(Level.ERROR, text)
        self.notify_error(text)

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: SeverityLevel = "information",
        timeout: float | None = None,
        markup: bool = True,
    ) -> None:
        """Show a notification; what scripts have put into it steers no terminal."""
        message = "\n".join(clean_lines(message))
        super().notify(message, title=clean(title), severity=severity, timeout=timeout, markup=markup)

    def notify_error(self, text: str) -> None:
        """Tell the user of an error that the log has already."""
        self.notify(text[:500], title="Error", severity="error", markup=False)

    def write_log(self, level: Level, text: str) -> None:
        """Add a record of the console's own."""
        self.main.add_log(LogRecord(self.clock(), "", level, text))

    def act(
        self,
        label: str,
        work: Callable[[], object],
        done: str,
        *,
        gone: str = "it was gone already",
        logged: bool = False,
    ) -> None:
        """Ask the session for something and tell the user what came of it.

        Args:
            label: What is done, for an error.
            work: Asks the session; it runs in a thread and must not touch widgets.
            done: What has been done, for the log.
            gone: Said when `work` returns False.
            logged: Whether the session itself writes into the log what it did.
        """

        def then(outcome: Outcome) -> None:
            if logged and isinstance(outcome.error, ScriptConsoleError):
                self.notify_error(f"{label}: {explain(outcome.error)}")
            elif outcome.error is not None:
                self.fail(f"{label}: {explain(outcome.error)}")
            elif outcome.value is False:
                self.notify(f"{label}: {gone}.", severity="warning", markup=False)
            else:
                self.notify(done, markup=False, timeout=2)
                if not logged:
                    self.write_log(Level.INFO, done)

        run_job(self, label, work, then)

    def ask(self, label: str, work: Callable[[], object]) -> None:
        """Ask a script for something whose result the user wants to see.

        Args:
            label: What is asked, for the log.
            work: Asks; it runs in a thread and must not touch widgets.
        """

        from scriptconsole.screens.asking import shown_result

        def then(outcome: Outcome) -> None:
            self.report(label, outcome)
            if outcome.error is None:
                self.notify(str(outcome.value)[:500], title=label[:80], markup=False)

        run_job(self, "ask", lambda: shown_result(work()), then)

    def _script(self) -> str | None:
        alias = self.main.script()
        if alias is None:
            self.notify("No script is selected; o loads one.", severity="warning", markup=False)
        return alias

    def remember_command(self, line: str) -> None:
        """Keep a line that was typed after `:`."""
        if self.command_history[-1:] != [line]:
            self.command_history.append(line)

    # -- loading ---------------------------------------------------------------------------------------

    def _load_first(self) -> None:
        if self.settings.watch:
            try:
                self.session.watch()
            except Exception as error:  # noqa: BLE001 - the scripts can be shown all the same
                text = f"Scripts are not reloaded when their files change: {explain(error)}"
                self.post_message(JobDone(Outcome(error=error), lambda _: self.fail(text)))
        for path, alias in self._paths:
            loading = threading.Thread(target=self._load_one, args=(path, alias), daemon=True)
            loading.start()
            loading.join(LOAD_PATIENCE)

    def _load_one(self, path: Path, alias: str | None) -> None:
        try:
            self.session.load(path, alias)
        except Exception as error:  # noqa: BLE001 - one bad script must not keep the others out
            text = f"load {path.name}: {explain(error)}"
            self.post_message(JobDone(Outcome(error=error), lambda _: self.notify_error(text)))

    def _started(self, outcome: Outcome) -> None:
        if outcome.error is not None:
            self.fail(f"start: {explain(outcome.error)}")
        if self.memory is not None:
            self.memory.opened()

    def action_load(self) -> None:
        """Ask for a file and load it."""
        from scriptconsole.screens.load import LoadScreen

        self.push_screen(LoadScreen(self.load))

    def load(self, path: Path, alias: str | None = None) -> None:
        """Load a script.

        Args:
            path: Its file.
            alias: By default the file's stem.
        """
        work = partial(self.session.load, path, alias)
        self.act(f"load {path.name}", work, f"loaded {alias or path.stem}", logged=True)

    # -- scripts ---------------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer only what means something in the focused pane, and while leaving only to leave at once."""
        if self.leaving:
            return action == "quit"
        return self.main.check_action(action, parameters)

    def action_reload(self) -> None:
        """Reload the selected script."""
        if (alias := self._script()) is not None:
            self.act(f"reload {alias}", partial(self.session.reload, alias), f"reloaded {alias}", logged=True)

    def action_unload(self) -> None:
        """Unload the selected script."""
        if (alias := self._script()) is not None:
            self.act(f"unload {alias}", partial(self.session.unload, alias), f"unloaded {alias}", logged=True)

    def action_interrupt(self) -> None:
        """Break into the selected script."""
        if (alias := self._script()) is not None:
            work = partial(self.session.interrupt, alias)
            self.act(
                f"interrupt {alias}", work, f"interrupted {alias}", gone="nothing runs that could be stopped"
            )

    def action_pause(self) -> None:
        """Pause the selected script, or let it go on."""
        alias = self._script()
        if alias is None:
            return
        row = self.main.view(alias)
        if row is not None and row.state is ScriptState.PAUSED:
            self.act(f"resume {alias}", partial(self.session.resume, alias), f"resumed {alias}")
        else:
            self.act(f"pause {alias}", partial(self.session.pause, alias), f"paused {alias}")

    def action_call(self) -> None:
        """Call a function of the selected script."""
        if (alias := self._script()) is not None:
            from scriptconsole.screens.call import CallScreen

            self.push_screen(CallScreen(self.session, alias, self.report))

    def action_evaluate(self) -> None:
        """Evaluate an expression in the selected script."""
        if (alias := self._script()) is not None:
            from scriptconsole.screens.evaluate import EvaluateScreen

            self.push_screen(EvaluateScreen(self.session, alias, self.report))

    # -- finding -----------------------------------------------------------------------------------------

    async def action_goto(self) -> None:
        """Go to anything by its name."""
        from scriptconsole.goto import open_search

        await open_search(self)

    # -- editor ----------------------------------------------------------------------------------------

    def action_edit(self) -> None:
        """Open the selected script in the user's editor, at the line the row is about."""
        place = self.main.place()
        if place is not None:
            self.edit(place)
        else:
            self._script()

    def edit(self, place: Place) -> None:
        """Open a file in the user's editor.

        Args:
            place: File and line.
        """
        try:
            chosen = {"VISUAL": self.settings.editor} if self.settings.editor else os.environ
            command = editor_command(place.path, place.line, chosen)
            with self.suspend():
                subprocess.run(command, check=False, stdout=sys.__stdout__, stderr=sys.__stderr__)
        except EditorError as error:
            self.notify(str(error), severity="warning", markup=False)
        except SuspendNotSupported:
            self.notify("This terminal cannot be handed to an editor.", severity="warning", markup=False)
        except OSError as error:
            self.fail(f"edit {Path(place.path).name}: {error}; check $VISUAL and $EDITOR.")

    # -- the rest --------------------------------------------------------------------------------------

    def action_toggle_theme(self) -> None:
        """Change between dark and light."""
        if not self.appearance.toggle():
            self.notify(LIMITED, severity="warning", markup=False)

    def choose_theme(self, name: str) -> None:
        """Show a theme, or tell why this terminal cannot."""
        if not self.appearance.choose(name):
            self.notify(LIMITED, severity="warning", markup=False)

    def action_choose_theme(self) -> None:
        """Choose a theme from a list of all."""
        self.push_screen(Palette(providers=[ThemeProvider], placeholder="Choose a theme"))

    @on(ThemeFilesChanged)
    def _theme_files_changed(self) -> None:
        # An editor saves in several steps.
        if self._theme_timer is not None:
            self._theme_timer.stop()
        self._theme_timer = self.set_timer(SETTLED, self._reload_themes)

    def _reload_themes(self) -> None:
        for text in self.appearance.reload():
            self.fail(text)

    def on_unmount(self) -> None:
        """Stop looking at the session, and for changes of themes."""
        self.frames.end()
        self.appearance.close()

    def action_command_palette(self) -> None:
        """Search everything that can be done."""
        if not CommandPalette.is_open(cast("App[object]", self)):
            self.push_screen(Palette(id="--command-palette"))

    def action_suspend_process(self) -> None:
        """Stop until the shell says to go on, where there is one to go back to."""
        if started_by_shell():
            super().action_suspend_process()
        else:
            self.notify("No shell waits that could bring the console back.", severity="warning", markup=False)

    async def action_quit(self) -> None:
        """End the session, then leave; a second time leaves at once."""
        if self.leaving:
            self.exit()
            return
        save = None if self.memory is None else self.memory.last()
        self.leaving = True

        def close() -> None:
            if save is not None:
                save()
            self.session.close()

        self.set_timer(CLOSE_GRACE, self.exit)
        run_job(self, "close", close, lambda _: self.exit())
