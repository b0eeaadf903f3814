"""Lines typed after the scripts of a batch run have been loaded (`-i`): each runs in the last script."""

from __future__ import annotations

import os
import select
import sys
from typing import TYPE_CHECKING

from scriptengines.errors import ScriptConsoleError, format_error

from .exitcodes import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable

    from scriptengines.session import Session

LEAVING = ("exit", "quit")


def converse(session: Session, alias: str, tell: Callable[[], bool]) -> ExitCode:
    """Run lines from stdin until its end, or until one says to leave.

    Args:
        session: Timers and sockets of its scripts go on meanwhile.
        alias: In which script lines run.
        tell: Tells what scripts have reported since the last time.
    """
    prompt = f"{session.script(alias).engine.name}> "
    rest = b""
    _show(prompt)
    while True:
        line, newline, after = rest.partition(b"\n")
        if not newline:
            chunk = _read(session, tell)
            if not chunk:
                if rest:
                    _run(session, alias, rest, tell)
                _show("\n")
                return ExitCode.OK
            rest += chunk
            continue
        rest = after
        if line.strip().decode("utf-8", "replace") in LEAVING:
            return ExitCode.OK
        _run(session, alias, line, tell)
        _show(prompt)


def _read(session: Session, tell: Callable[[], bool]) -> bytes:
    """What was typed, telling reports while nothing is."""
    waiting = select.poll()
    waiting.register(0, select.POLLIN)
    waiting.register(session.wake_descriptor, select.POLLIN)
    while True:
        ready = [descriptor for descriptor, _ in waiting.poll()]
        if session.wake_descriptor in ready:
            session.wait(0)
            while tell():
                pass
        if 0 in ready:
            return os.read(0, 65536)


def _run(session: Session, alias: str, line: bytes, tell: Callable[[], bool]) -> None:
    code = line.decode("utf-8", "surrogateescape").strip()
    if not code:
        return
    try:
        session.script(alias).run_fragment(code)
    except ScriptConsoleError as error:
        print(format_error(error), file=sys.stderr, flush=True)
    while tell():
        pass


def _show(text: str) -> None:
    """The prompt is for somebody who types; a program that writes lines into a pipe does not want it."""
    if sys.stdin.isatty():
        sys.stdout.write(text)
        sys.stdout.flush()
