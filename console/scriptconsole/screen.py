"""Starts the terminal app over a session and ends both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scriptengines.errors import ConfigError
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
    from scriptthemes import THEMES

    from .app import ScriptConsoleApp

    names = [known.name for known in THEMES]
    if theme is not None and theme not in names:
        raise ConfigError(f'no theme "{theme}"; there are {", ".join(names)}')
    with Session() as session:
        app = ScriptConsoleApp(session, files, watch=watch)
        if theme is not None:
            app.theme = theme
        with captured(lambda line: session.note("output", line)):
            app.run()
        return session.close()
