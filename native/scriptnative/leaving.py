"""How a process ends in which an interpreter had to be abandoned, because a thread in it cannot be stopped.

CPython ends the interpreters that are left when the process exits, and aborts it when one of them has a
thread ("not the last thread"). So the process leaves before that point: once all its exit functions have
run and its output is written, with the status it would have had.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import CodeType

TOOL_IDS = (4, 3)
"""Numbers for sys.monitoring that no well-known kind of tool uses."""

_abandoned = False
_running_exit_functions = False
_left_threads: set[threading.Thread] = set()
_exit_status: int | None = None
"""Of the SystemExit that ends the program; that itself would keep the program's frames alive."""
_watching = False


def watch_exit() -> None:
    """Be prepared for an interpreter that must be abandoned; once, in the main interpreter."""
    global _watching
    if _watching:
        return
    _watching = True
    atexit.register(_leave_if_abandoned)
    events = sys.monitoring.events
    for tool in TOOL_IDS:
        try:
            sys.monitoring.use_tool_id(tool, "scriptconsole exit status")
        except ValueError:  # another tool has it
            continue
        sys.monitoring.register_callback(tool, events.PY_UNWIND, _unwound)
        sys.monitoring.set_events(tool, events.PY_UNWIND)
        return


def abandon(threads: Iterable[threading.Thread] = ()) -> None:
    """An interpreter is left to itself: the process cannot be finalised any more.

    Args:
        threads: Of the main interpreter, that nobody shall wait for.
    """
    global _abandoned
    _left_threads.update(threads)
    if _abandoned:
        return
    _abandoned = True
    # In front of all others, so the last to be called: before threads are joined and exit functions run.
    cast("Any", threading)._threading_atexits.insert(0, _end_orderly)


def _unwound(_code: CodeType, _offset: int, error: BaseException) -> None:
    """An exception leaves a frame: SystemExit, leaving the outermost one, is how the program ends."""
    global _exit_status
    if isinstance(error, SystemExit) and threading.current_thread() is threading.main_thread():
        frame = cast("Any", sys)._getframe(1)
        if frame.f_back is None:
            code: object = error.code
            _exit_status = code & 0xFF if isinstance(code, int) else int(code is not None)


def _end_orderly() -> None:
    """What CPython does at exit, up to where it would end interpreters."""
    global _running_exit_functions
    for thread in threading.enumerate():
        if not thread.daemon and thread is not threading.main_thread() and thread not in _left_threads:
            thread.join()
    _running_exit_functions = True
    status = _status()
    cast("Any", atexit)._run_exitfuncs()
    _leave(status)


def _leave_if_abandoned() -> None:
    """Only now was one abandoned, by a session that nobody had closed."""
    if not _abandoned or _running_exit_functions:
        return
    status = _status()
    logging = sys.modules.get("logging")  # its exit function may be older than this one
    if logging is not None:
        logging.shutdown()
    _leave(status)


def _status() -> int:
    if _exit_status is not None:
        return _exit_status
    error = None if hasattr(sys, "ps1") else getattr(sys, "last_exc", None)
    if isinstance(error, KeyboardInterrupt):
        return -signal.SIGINT
    return int(error is not None)


def _leave(status: int) -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):  # there is none, or nobody reads it, or it is closed
            continue
    if status == -signal.SIGINT:  # as the interpreter does, so that a shell knows
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    os._exit(status if status >= 0 else 128 + signal.SIGINT)
