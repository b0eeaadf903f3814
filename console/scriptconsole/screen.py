"""Starts the terminal app over a session and ends both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scriptengines.session import Session

from .capture import captured
from .scripts import expand

if TYPE_CHECKING:
    from collections.abc import Sequence


def run_screen(paths: Sequence[str], *, theme: str | None = None, watch: bool = True) -> bool:
    """Show the console until the user leaves.

    Args:
        paths: Scripts and folders to load.
        theme: Name of a theme.
        watch: Reload scripts when their files change.

    Returns:
        Whether every script's thread has ended.

    Raises:
        ConfigError: A path is wrong.
    """
    files = expand(paths)
    from .app import ScriptConsoleApp

    with Session() as session:
        if watch:
            session.watch()
        with captured(lambda line: session.note("output", line)):
            ScriptConsoleApp(session, files, theme=theme).run()
        return session.close()
