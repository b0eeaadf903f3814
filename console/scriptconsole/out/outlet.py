"""What leaves the app: text for the clipboard, tables and pictures for files, notifications.

Programs and files may be slow, so they run in threads; what came of it is told to the user.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from scriptconsole.jobs import Outcome, explain, run_job
from scriptconsole.out import sequences
from scriptconsole.out.alarm import Alarm
from scriptconsole.out.programs import ProgramError, clipboard_program, is_remote, notify_program, run
from scriptconsole.text import clean, size

if TYPE_CHECKING:
    from scriptconsole.app import ScriptConsoleApp
    from scriptconsole.panes.pane import Pane
    from scriptengines.view import Frame, ScriptView


class CopyError(Exception):
    """Text could not be copied; the message says why, and what else can be done."""


class Outlet:
    """The ways out of one app."""

    def __init__(
        self, app: ScriptConsoleApp, send: Callable[[str], None], environ: Mapping[str, str] = os.environ
    ) -> None:
        """Make the ways out.

        Args:
            app: Whose.
            send: Writes to the terminal.
            environ: What terminal and desktop tell of themselves.
        """
        self._app = app
        self._send = send
        self._environ = environ
        self._alarm = Alarm()

    # -- clipboard -------------------------------------------------------------------------------------

    def copy(self, text: str, said: str = "") -> None:
        """Copy text.

        Args:
            text: Of any length.
            said: What the user is told when it went well; nothing when empty.
        """
        try:
            command = self._command(text)
        except CopyError as error:
            self._app.notify(str(error), severity="error", markup=False)
            return
        if command is None:
            sequence = sequences.clipboard(text)
            assert sequence is not None
            self._send(sequences.wrapped(sequence, self._environ))
            self._copied(said)
        else:
            run_job(self._app, "copy", partial(run, command, text), partial(self._program_ended, text, said))

    def _command(self, text: str) -> list[str] | None:
        """The program that copies a text, None for the terminal."""
        way = self._app.settings.clipboard
        program = clipboard_program(self._environ)
        reaches = program is not None and not is_remote(self._environ)
        if way == "program":
            if program is None:
                raise CopyError(
                    "clipboard is set to program, but there is no wl-copy, xclip, xsel, pbcopy or clip.exe."
                )
            return program
        if way == "auto" and reaches:
            return program
        if sequences.clipboard(text) is not None:
            return None
        if reaches:  # better than a text that the terminal cuts
            return program
        octets = len(text.encode("utf-8", "backslashreplace"))
        raise CopyError(
            f"{size(octets)} are too much to copy through the terminal: most take {size(sequences.LIMIT)}, "
            "encoded. W exports rows to a file."
        )

    def _program_ended(self, text: str, said: str, outcome: Outcome) -> None:
        if outcome.error is None:
            self._copied(said)
            return
        sequence = sequences.clipboard(text) if self._app.settings.clipboard == "auto" else None
        if sequence is None:
            self._app.notify_error(f"copy: {explain(outcome.error)}")
        else:
            self._send(sequences.wrapped(sequence, self._environ))
            self._copied(said)

    def _copied(self, said: str) -> None:
        if said:
            self._app.notify(said, markup=False, timeout=2)

    # -- files -----------------------------------------------------------------------------------------

    def export(self, pane: Pane) -> None:
        """Ask for a file and write the rows of a pane to it, as they are filtered and sorted."""
        from scriptconsole.out.tables import FORMATS, as_csv, as_json
        from scriptconsole.screens.save import SaveScreen

        export = pane.export()
        if export is None:
            self._app.notify("There are no rows to export.", severity="warning", markup=False)
            return

        def content(path: Path) -> str:
            return (as_json if path.suffix.lower() == ".json" else as_csv)(export.rows())

        self._app.push_screen(
            SaveScreen(
                f"Export {export.title}",
                f"{pane.NAME}.csv",
                FORMATS,
                content,
                self._saved,
                self._app.notify_error,
            )
        )

    def screenshot(self) -> None:
        """Ask for a file and write a picture of the screen as it is to it."""
        from scriptconsole.screens.save import SaveScreen

        picture = self._app.export_screenshot()
        name = time.strftime("scriptconsole-%Y%m%d-%H%M%S.svg", time.localtime(self._app.clock()))
        self._app.push_screen(
            SaveScreen(
                "Save a picture of the screen",
                name,
                (".svg",),
                lambda _: picture,
                self._saved,
                self._app.notify_error,
            )
        )

    def _saved(self, path: Path) -> None:
        self._app.notify(f"wrote {clean(str(path))}", markup=False, timeout=3)

    # -- notifications ---------------------------------------------------------------------------------

    def look(self, frame: Frame) -> None:
        """Ring or notify when a script of a frame has just failed, if the user wants that."""
        way = self._app.settings.notify
        if way == "off":
            return
        failed = self._alarm.look(frame)
        if not failed:
            return
        if way in ("bell", "both"):
            self._app.bell()
        if way in ("desktop", "both"):
            self._notify(failed)

    def _notify(self, failed: Sequence[ScriptView]) -> None:
        first = failed[0]
        others = f" and {len(failed) - 1} more" if len(failed) > 1 else ""
        title = f"{clean(first.alias[:80])}{others} failed"
        reason = "" if first.last_error is None else clean(first.last_error.message[:300])
        command = None if is_remote(self._environ) else notify_program(title, reason, self._environ)
        if command is None:
            sequence = sequences.notification(title, reason, self._environ)
            self._send(sequences.wrapped(sequence, self._environ))
        else:
            run_job(self._app, "notify", partial(run, command), self._notified)

    def _notified(self, outcome: Outcome) -> None:
        if isinstance(outcome.error, ProgramError):
            self._app.notify_error(f"notify: {outcome.error}")
