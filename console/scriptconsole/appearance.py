"""Which theme the console shows: what is set, what the terminal can do, what the user chooses meanwhile."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from textual.app import App
from textual.message import Message

from scriptconsole.config.places import themes_folder
from scriptconsole.config.themefiles import AUTO, BUILT_IN, load_themes
from scriptthemes import DARK, LIGHT, TERMINAL

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SETTLED = 0.1
"""Seconds without another change after which the files of themes are read again."""


class ThemeFilesChanged(Message):
    """Something happened in the folder of the user's themes."""


def wants_no_color(environ: Mapping[str, str]) -> bool:
    """Whether the user wants no colours at all (no-color.org)."""
    return bool(environ.get("NO_COLOR"))


def ground_of(environ: Mapping[str, str]) -> str:
    """The theme for a terminal that tells its ground.

    Args:
        environ: COLORFGBG, where a terminal sets it, is "15;0": foreground and ground among the 16 colours.
    """
    ground = environ.get("COLORFGBG", "").rpartition(";")[2]
    return LIGHT.name if ground in ("7", "15") else DARK.name


class Appearance:
    """The themes of one app.

    A terminal with 16 colours, and a user who wants none, get the theme made for that whatever is set: the
    others could not be read there.
    """

    def __init__(
        self,
        app: App[None],
        wanted: str,
        folder: Path | None = None,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        """Register all themes and show the right one.

        Args:
            app: Whose.
            wanted: The setting `theme`; checked.
            folder: Of the user's themes.
            environ: What the terminal tells.
        """
        self._app = app
        self._folder = themes_folder() if folder is None else folder
        self._end: Callable[[], None] | None = None
        self.limited = wants_no_color(environ) or app.console.color_system in ("standard", None)
        """Whether only the theme for 16 colours can be shown."""
        self.names: list[str] = []
        """Of all themes."""
        self.complaints = self._register()
        """What is wrong with files of themes, one sentence each."""
        if self.limited:
            app.theme = TERMINAL.name
        else:
            # A file that broke after it had been checked is complained of like any other.
            found = wanted if wanted in self.names else AUTO
            app.theme = ground_of(environ) if found == AUTO else found

    def _register(self) -> list[str]:
        own, errors = load_themes(self._folder)
        for theme in (*BUILT_IN.values(), *own):
            self._app.register_theme(theme)
        self.names = [*BUILT_IN, *(theme.name for theme in own)]
        return [str(error) for error in errors]

    def choose(self, name: str) -> bool:
        """Show a theme.

        Args:
            name: One of `names`.

        Returns:
            Whether the terminal can show it.
        """
        if self.limited:
            return name == TERMINAL.name
        self._app.theme = name
        return True

    def toggle(self) -> bool:
        """Change between dark and light; return whether the terminal can show them."""
        return self.choose(DARK.name if not self._app.current_theme.dark else LIGHT.name)

    # -- files that change -----------------------------------------------------------------------------

    def watch(self) -> None:
        """Start to look for changes of the user's themes; nothing to do where there is no folder."""
        if self._folder.is_dir():
            from scriptconsole.config.watching import watch_folder

            try:
                self._end = watch_folder(self._folder, lambda: self._app.post_message(ThemeFilesChanged()))
            except OSError as error:  # the system watches only so much at once
                why = error.strerror or type(error).__name__
                self.complaints.append(f"Themes that change are not read again: {why} ({self._folder}).")

    def reload(self) -> list[str]:
        """Read the user's themes again and show the one that is on as it is now.

        Returns:
            What is wrong with them.
        """
        before = self._app.current_theme
        complaints = self._register()
        if self._app.current_theme != before:
            self._app.mutate_reactive(App.theme)
        new = [text for text in complaints if text not in self.complaints]
        self.complaints = complaints
        return new

    def close(self) -> None:
        """Stop looking."""
        if self._end is not None:
            self._end()
