"""Programs of the desktop: those that hold the clipboard, and the one that shows notifications."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence

PATIENCE = 3.0
"""Seconds that a program may take; one that waits for a display that is gone would wait for ever."""


class ProgramError(Exception):
    """A program could not be started, or failed; the message names it."""


def clipboard_program(environ: Mapping[str, str]) -> list[str] | None:
    """The command that takes text for the clipboard from its stdin.

    Args:
        environ: Tells which desktop there is, and the PATH.

    Returns:
        None when there is none for this desktop.
    """
    wanted: list[list[str]] = []
    if environ.get("WAYLAND_DISPLAY"):
        wanted.append(["wl-copy"])
    if environ.get("DISPLAY"):
        wanted += [["xclip", "-selection", "clipboard"], ["xsel", "--clipboard", "--input"]]
    wanted += [["pbcopy"], ["clip.exe"]]
    for name, *arguments in wanted:
        if (found := _found(name, environ)) is not None:
            return [found, *arguments]
    return None


def notify_program(title: str, body: str, environ: Mapping[str, str]) -> list[str] | None:
    """The command that shows a notification, None when there is none for this desktop."""
    desktop = any(environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
    program = _found("notify-send", environ) if desktop else None
    if program is None:
        return None
    # The body may hold a few tags, and a script's text must not.
    import html  # its table of names takes a while

    return [program, "--app-name=scriptconsole", "--", title, html.escape(body, quote=False)]


def is_remote(environ: Mapping[str, str]) -> bool:
    """Whether the user sits at another machine, whose clipboard and desktop programs here do not reach."""
    return bool(environ.get("SSH_CONNECTION") or environ.get("SSH_TTY"))


def run(command: Sequence[str], text: str = "") -> None:
    """Run a program and wait for its end.

    Raises:
        ProgramError: It failed or took too long.
    """
    name = os.path.basename(command[0])
    # xclip and wl-copy leave a process behind that serves the clipboard; it must not hold our pipes.
    quiet = subprocess.DEVNULL
    encoding = "utf-16-le" if name == "clip.exe" else "utf-8"
    try:
        done = subprocess.run(
            command,
            input=text.encode(encoding, "backslashreplace"),
            stdout=quiet,
            stderr=quiet,
            timeout=PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ProgramError(f"{name} did not end within {PATIENCE:g} s") from None
    except OSError as error:
        raise ProgramError(f"{name}: {error.strerror}") from None
    if done.returncode:
        raise ProgramError(f"{name} ended with status {done.returncode}")


def _found(name: str, environ: Mapping[str, str]) -> str | None:
    return shutil.which(name, path=environ.get("PATH"))
