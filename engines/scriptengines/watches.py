"""Watch expressions of one script: evaluated by who looks at it, shown with what came of them last."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, NamedTuple

from .errors import ScriptConsoleError
from .variables import HISTORY
from .view import WatchView

if TYPE_CHECKING:
    from .engine import Runtime

SHARE = 0.02
"""Part of the script's time that one watch may take; what takes long is evaluated less often."""
MAX_ERROR = 300


class _Watch(NamedTuple):
    view: WatchView
    number: float | None
    due: float


class Watches:
    """The watches of a script; may be used from any thread.

    Args:
        alias: Of the script.
    """

    def __init__(self, alias: str) -> None:
        self._alias = alias
        self._mutex = threading.Lock()
        self._watches: dict[int, _Watch] = {}

    def add(self, number: int, expression: str) -> None:
        """Evaluate an expression from now on."""
        with self._mutex:
            self._watches[number] = _Watch(WatchView(number, self._alias, expression), None, 0.0)

    def remove(self, number: int) -> bool:
        """Do so no more; whether it was a watch of this script."""
        with self._mutex:
            return self._watches.pop(number, None) is not None

    @property
    def views(self) -> tuple[WatchView, ...]:
        """As last evaluated."""
        with self._mutex:
            return tuple(watch.view for watch in self._watches.values())

    def evaluate(self, runtime: Runtime, moment: float) -> None:
        """Evaluate those that are due; ends at once when the script is busy.

        Args:
            runtime: The running generation.
            moment: Seconds since the epoch.
        """
        with self._mutex:
            waiting = list(self._watches.items())
        for number, watch in waiting:
            began = time.monotonic()
            if began < watch.due:
                continue
            try:
                found = runtime.look(watch.view.expression)
            except ScriptConsoleError as error:
                found = "", "", None, None
                problem = " ".join(str(error).split())[:MAX_ERROR]
            else:
                problem = ""
            if found is None:
                return
            ended = time.monotonic()
            view = _changed(watch, found[0], found[1], found[3], problem, moment)
            with self._mutex:
                if number in self._watches:
                    self._watches[number] = _Watch(view, found[3], ended + (ended - began) / SHARE)


def _changed(
    watch: _Watch, kind: str, text: str, number: float | None, problem: str, moment: float
) -> WatchView:
    view = watch.view
    if (view.type, view.value, view.error) == (kind, text, problem):
        return view
    history = view.history
    if number is not None and (not history or number != watch.number):
        history = (*history[1 - HISTORY :], number)
    return WatchView(view.id, view.script, view.expression, text, kind, problem, moment, history)
