"""Ask for the file to write something to; one that is there is overwritten only after a second enter."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from textual import on
from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Input, Label, Static

from scriptconsole.jobs import Outcome, explain, run_job
from scriptconsole.out.files import Exists, WriteError, write_text
from scriptconsole.screens.dialog import Dialog
from scriptconsole.screens.host import console_of
from scriptconsole.screens.load import PathSuggester
from scriptconsole.text import clean


class SaveScreen(Dialog):
    """A path."""

    def __init__(
        self,
        title: str,
        name: str,
        suffixes: Sequence[str],
        content: Callable[[Path], str],
        saved: Callable[[Path], None],
        failed: Callable[[str], None],
    ) -> None:
        """Make the prompt.

        Args:
            title: What is written.
            name: Suggested.
            suffixes: Of the formats there are.
            content: Makes the text of a file, in a thread; its suffix tells the format.
            saved: Told when it has been written.
            failed: Told when it has not, and this was closed meanwhile.
        """
        super().__init__()
        self._title = title
        self._name = name
        self._suffixes = suffixes
        self._content = content
        self._saved = saved
        self._failed = failed
        self._warned: Path | None = None
        """A file that is there and of which the user has been told."""
        self._writing = False

    def compose(self) -> ComposeResult:
        """Show the input."""
        with self.box(self._title, "enter writes   → completes   esc closes"):
            yield Label(f"File, {' or '.join(self._suffixes)}; in {clean(os.getcwd())} unless it says where")
            yield Input(self._name, id="path", compact=True, suggester=PathSuggester(), select_on_focus=False)
            yield Static(id="problem", classes="error-text", markup=False)

    @on(Input.Changed)
    def _typed(self) -> None:
        self._warned = None
        self._tell("")

    @on(Input.Submitted)
    def _entered(self) -> None:
        typed = self.query_one("#path", Input).value.strip()
        if not typed or self._writing:
            return
        path = Path(os.path.expanduser(typed)).absolute()
        if path.suffix.lower() not in self._suffixes:
            self._tell(f"The name must end in {' or '.join(self._suffixes)}.")
            return
        self._writing = True
        overwrite = self._warned == path
        run_job(
            console_of(self),  # what comes of it is told also when this has been closed by then
            "save",
            lambda: write_text(path, self._content(path), overwrite=overwrite),
            lambda outcome: self._wrote(path, outcome),
        )

    def _wrote(self, path: Path, outcome: Outcome) -> None:
        self._writing = False
        if outcome.error is None:
            self._saved(path)
            if self.is_current:
                self.dismiss(None)
        elif not self.is_attached:
            reason = str(outcome.error) if isinstance(outcome.error, WriteError) else explain(outcome.error)
            self._failed(f"{path.name} was not written: {reason}")
        elif isinstance(outcome.error, Exists):
            self._warned = path
            self._tell(f"{clean(str(outcome.error))}; enter again overwrites it.")
        elif isinstance(outcome.error, WriteError):
            self._tell(f"{clean(str(outcome.error))}.")
        else:
            self._tell(explain(outcome.error))

    def _tell(self, problem: str) -> None:
        self.query_one("#problem", Static).update(Content(problem))
