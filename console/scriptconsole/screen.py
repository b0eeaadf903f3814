"""Starts the terminal app over a session and ends both."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from scriptengines.session import Session

from .capture import captured
from .config.sources import load, project_folder
from .scripts import expand

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence
    from types import FrameType

    from .app import ScriptConsoleApp


def run_screen(
    paths: Sequence[str],
    *,
    given: Mapping[str, tuple[str, Any]] = MappingProxyType({}),
    fresh: bool = False,
    options: Mapping[str, Any] = MappingProxyType({}),
) -> bool:
    """Show the console until the user leaves.

    Args:
        paths: Scripts and folders to load.
        given: Settings of the command line: by name, the option that gives it, and its value.
        fresh: Start without what is remembered of the project.
        options: Of every script.

    Returns:
        Whether every script's thread has ended.

    Raises:
        ConfigError: A path or a setting is wrong.
    """
    files = expand(paths)
    configuration = load(project_folder(paths), given=given)
    settings = configuration.settings
    from .app import ScriptConsoleApp
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
        with _ended_by_signals(app), captured(lambda line: session.note("output", line)):
            app.run()
        return session.close()


@contextlib.contextmanager
def _ended_by_signals(app: ScriptConsoleApp) -> Generator[None]:
    """Leave in good order on SIGTERM and SIGINT, so that the terminal is restored; then die of the signal."""
    received: list[int] = []

    def leave(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        app.call_later(app.action_quit)

    before = {number: signal.signal(number, leave) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if received:
        signal.signal(received[0], signal.SIG_DFL)
        os.kill(os.getpid(), received[0])
