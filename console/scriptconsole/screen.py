"""Starts the terminal app over a session and ends both."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from scriptengines.errors import ConfigError
from scriptengines.session import Session

from .capture import captured
from .scripts import expand

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence
    from types import FrameType

    from .app import ScriptConsoleApp


def run_screen(
    paths: Sequence[str],
    *,
    theme: str | None = None,
    watch: bool = True,
    fresh: bool = False,
    options: Mapping[str, Any] = MappingProxyType({}),
) -> bool:
    """Show the console until the user leaves.

    Args:
        paths: Scripts and folders to load.
        theme: Name of a theme.
        watch: Reload scripts when their files change.
        fresh: Start without what is remembered of the project.
        options: Of every script.

    Returns:
        Whether every script's thread has ended.

    Raises:
        ConfigError: A path is wrong.
    """
    files = expand(paths)
    from scriptthemes import THEMES

    from .app import ScriptConsoleApp
    from .statefile import StateFile, project_of

    names = [known.name for known in THEMES]
    if theme is not None and theme not in names:
        raise ConfigError(f'no theme "{theme}"; there are {", ".join(names)}')
    with Session(keep_failed=True, options=options) as session:
        app = ScriptConsoleApp(session, files, watch=watch)
        if theme is not None:
            app.theme = theme
        app.remember(StateFile(project_of(files[0].parent if files else Path())), fresh=fresh)
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
