"""Ask for the file of a script to load."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

from textual import on
from textual.app import ComposeResult
from textual.content import Content
from textual.suggester import Suggester
from textual.widgets import Input, Label, Static

from scriptconsole.jobs import in_thread
from scriptconsole.screens.dialog import Dialog
from scriptconsole.text import clean


class PathSuggester(Suggester):
    """Completes a path from what is on the disk."""

    def __init__(self) -> None:
        super().__init__(use_cache=False, case_sensitive=True)

    async def get_suggestion(self, value: str) -> str | None:
        """Return the first entry that the typed text begins, folders with a slash."""
        # A slow network disk must not hold up the screen.
        return await in_thread(partial(complete_path, value))


def complete_path(value: str) -> str | None:
    """Complete a path.

    Args:
        value: As typed; `~` is understood.

    Returns:
        The same text with more behind it, or None.
    """
    return next(iter(complete_paths(value)), None)


def complete_paths(value: str) -> list[str]:
    """List the paths that the typed text begins, by name.

    Args:
        value: As typed; `~` is understood.
    """
    folder, _, start = value.rpartition("/")
    folder = f"{folder}/" if "/" in value else ""
    try:
        with os.scandir(os.path.expanduser(folder) or ".") as entries:
            names = sorted(
                f"{entry.name}/" if entry.is_dir() else entry.name
                for entry in entries
                if entry.name.startswith(start) and (start or not entry.name.startswith("."))
            )
    except OSError:
        return []
    # What cannot be printed cannot be shown in the input either.
    return [folder + name for name in names if name.isprintable()]


class LoadScreen(Dialog):
    """A path and, if wanted, an alias."""

    def __init__(self, load: Callable[[Path, str | None], None]) -> None:
        """Make the prompt.

        Args:
            load: Called with an existing file and the alias, None for the file's stem.
        """
        super().__init__()
        self._load = load

    def compose(self) -> ComposeResult:
        """Show the two inputs."""
        with self.box("Load a script", "enter loads   → completes   esc closes"):
            yield Label("File")
            yield Input(id="path", compact=True, placeholder="path of a script", suggester=PathSuggester())
            yield Label("Alias")
            yield Input(id="alias", compact=True, placeholder="the file's name, unless given")
            yield Static(id="problem", classes="error-text", markup=False)

    @on(Input.Submitted)
    def _entered(self) -> None:
        typed = self.query_one("#path", Input).value.strip()
        path = Path(os.path.expanduser(typed))
        problem = self.query_one("#problem", Static)
        if not typed:
            self.set_focus(self.query_one("#path"))
        elif not path.exists():
            problem.update(Content(f"There is no file {clean(typed)}."))
        elif path.is_dir():
            problem.update(Content(f"{clean(typed)} is a folder; name a script in it."))
        else:
            self.dismiss(None)
            self._load(path.absolute(), self.query_one("#alias", Input).value.strip() or None)
