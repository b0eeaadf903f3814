"""How a Python script's stay ends: exit functions run, threads get time, are stopped, or else told of."""

from __future__ import annotations

import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from scriptnative import interrupt_thread, thread_frames
from scriptnative.errors import ScriptInterrupt

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from scriptengines.reports import Reporter

POLL = 0.005
STOP_LIMIT = 0.5
"""Seconds that a thread gets to end once it has been stopped."""


class ExitFunctions:
    """What a script registered with atexit; run when the script leaves, not when the process does.

    Args:
        reporter: For what they raise.
    """

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self._functions: list[tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]] = []

    def register(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Callable[..., Any]:
        """As atexit.register."""
        if not callable(function):
            raise TypeError("the first argument must be callable")
        self._functions.append((function, args, kwargs))
        return function

    def unregister(self, function: Callable[..., Any]) -> None:
        """As atexit.unregister."""
        self._functions = [each for each in self._functions if each[0] != function]

    def run(self) -> None:
        """Call them, last first."""
        while self._functions:
            function, args, kwargs = self._functions.pop()
            try:
                function(*args, **kwargs)
            except (SystemExit, ScriptInterrupt):
                continue
            except BaseException as error:  # noqa: BLE001 - the others are called all the same
                self._reporter.error("atexit", error)

    def run_aside(self) -> None:
        """As `run`, on a thread of the script's own: it may take no more time than those."""
        if self._functions:
            threading.Thread(target=self.run, name="atexit").start()


def end_threads(alive: Callable[[], Mapping[int, str]], limit: float) -> list[str]:
    """Wait for threads to end, then make them.

    Args:
        alive: Identifier and name of those that live.
        limit: Seconds to wait before they are stopped.

    Returns:
        Name and place of those that cannot be stopped.
    """
    _wait(alive, limit)
    for insist in (False, True):
        for thread in alive():
            interrupt_thread(thread, insist=insist)
        _wait(alive, STOP_LIMIT / 2)
    frames = thread_frames()
    return [f"{name}{_place(frames.get(thread))}" for thread, name in alive().items()]


def _wait(alive: Callable[[], Mapping[int, str]], limit: float) -> None:
    end = time.monotonic() + limit
    while alive() and time.monotonic() < end:
        time.sleep(POLL)


def _place(frame: Any) -> str:
    while frame is not None and frame.f_code.co_filename.startswith((sys.prefix, sys.base_prefix, "<")):
        frame = frame.f_back
    return "" if frame is None else f" at {frame.f_code.co_filename}:{frame.f_lineno}"


def thread_names(known: list[threading.Thread]) -> dict[int, str]:
    """Those of the threads that live."""
    return {thread.ident: thread.name for thread in known if thread.is_alive() and thread.ident is not None}


def report_thread_error(reporter: Reporter, failure: Any) -> None:
    """For threading.excepthook: an error that ended a thread of a script; being stopped is none."""
    if not issubclass(failure.exc_type, ScriptInterrupt):
        reporter.error("thread", failure.exc_value or RuntimeError("unknown"))


def ignoring_interrupts(hook: Callable[[Any], object]) -> Callable[[Any], None]:
    """A sys.unraisablehook that says nothing of what was stopped, and leaves all else to `hook`."""

    def report(failure: Any) -> None:
        if not issubclass(failure.exc_type, ScriptInterrupt):
            hook(failure)

    return report
