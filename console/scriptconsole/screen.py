"""Starts the terminal app over a session and ends both."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import threading
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from scriptengines.session import Session

from .capture import captured
from .config.sources import load, project_folder
from .exitcodes import ExitCode
from .guard import guarded
from .scripts import expand

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    from rich.console import Console

    from .app import ScriptConsoleApp
    from .capture import Terminal

PICTURES = 120
"""A second at most; Textual's own 60 let a key that just missed one wait for 17 ms."""
SWITCH_INTERVAL = 0.001
"""Seconds for which the screen waits at most while another thread looks at a script; Python's own is 5 ms."""

FOCUS_LOST = b"\x1b[O"
"""What a terminal sends when another window is chosen (xterm's ctlseqs)."""


def run_screen(
    paths: Sequence[str],
    *,
    given: Mapping[str, tuple[str, Any]] = MappingProxyType({}),
    fresh: bool = False,
    options: Mapping[str, Any] = MappingProxyType({}),
) -> tuple[ExitCode, bool]:
    """Show the console until the user leaves.

    Args:
        paths: Scripts and folders to load.
        given: Settings of the command line: by name, the option that gives it, and its value.
        fresh: Start without what is remembered of the project.
        options: Of every script.

    Returns:
        FAILED after an error of the console's own; and whether every script's thread has ended.

    Raises:
        ConfigError: A path or a setting is wrong.
    """
    files = expand(paths)
    configuration = load(project_folder(paths), given=given)
    settings = configuration.settings
    with textual_environment():
        from .app import ScriptConsoleApp
    from .collector import Collector
    from .config.keymap import check
    from .config.themefiles import check_theme
    from .registry import EVERY_ACTION
    from .statefile import StateFile

    keys = check(configuration.keys, EVERY_ACTION)
    check_theme(settings.theme, configuration.origins["theme"])
    with Session(keep_failed=True, options=options) as session:
        app = ScriptConsoleApp(session, files, settings=settings, keys=keys)
        app.project = Path.cwd() if configuration.project is None else configuration.project.parent
        if settings.restore_layout:
            app.remember(StateFile(app.project), fresh=fresh)
        with (
            _ended_by_signals(app) as end,
            guarded(),
            captured(lambda line: session.note("output", line)) as terminal,
            _ended_with(terminal, end),
        ):
            app.error_console = _console_on(terminal)
            app.collector = Collector()
            sys.setswitchinterval(SWITCH_INTERVAL)
            app.run()
        return ExitCode.FAILED if app.return_code else ExitCode.OK, session.close()


@contextlib.contextmanager
def textual_environment() -> Generator[None]:
    """What Textual reads when it is imported; scripts and editors do not inherit it."""
    if "TEXTUAL_FPS" in os.environ:
        yield
        return
    os.environ["TEXTUAL_FPS"] = str(PICTURES)
    try:
        yield
    finally:
        del os.environ["TEXTUAL_FPS"]


def _console_on(terminal: Terminal) -> Console:
    """Where Textual tells of an error that ended the app; its own goes to what is captured."""
    from rich.console import Console

    return Console(file=terminal.text, markup=False, highlight=False)


@contextlib.contextmanager
def _ended_by_signals(app: ScriptConsoleApp) -> Generator[Callable[[int], None]]:
    """Leave in good order on SIGHUP, SIGTERM and SIGINT; then die of the signal, so that the status tells.

    Yields:
        What does so for a signal that did not come.
    """
    received: list[int] = []

    def leave(number: int) -> None:
        if not received:  # a second one must not cut short the end of the scripts
            received.append(number)
            app.call_later(app.action_quit)

    numbers = (signal.SIGHUP, signal.SIGTERM, signal.SIGINT)
    before = {number: signal.signal(number, lambda number, _frame: leave(number)) for number in numbers}
    try:
        yield leave
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if received:
        signal.signal(received[0], signal.SIG_DFL)
        os.kill(os.getpid(), received[0])


@contextlib.contextmanager
def _ended_with(terminal: Terminal, end: Callable[[int], None]) -> Generator[None]:
    """Leave as on SIGHUP when the terminal goes away without that signal, as for a detached process."""
    read, write = os.pipe()

    def watch() -> None:
        poll = select.poll()
        poll.register(0, 0)  # 0: only that it is gone
        poll.register(read, 0)
        if all(descriptor != read for descriptor, _ in poll.poll()):
            # Who reads a terminal that is gone finds its end, at once and for ever.
            os.dup2(read, 0)
            # Who was about to read that end would now wait for ever, and the app for them.
            os.write(write, FOCUS_LOST)
            terminal.drop()
            end(signal.SIGHUP)

    watcher = threading.Thread(target=watch, name="terminal", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        os.close(write)
        watcher.join()
        os.close(read)
