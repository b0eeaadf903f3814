"""Turns what a runtime reports into the rows a screen shows."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any

from .engine import NOTHING

if TYPE_CHECKING:
    from collections.abc import Callable

    from .engine import Sample

_due = attrgetter("due")


class Rows:
    """The last sample of one script, as immutable rows; its variables are in variables.py.

    Args:
        alias: Of the script.
    """

    def __init__(self, alias: str) -> None:
        self._alias = alias
        self._made: dict[type, tuple[Any, ...]] = {}
        self.sample = NOTHING

    def update(self, sample: Sample) -> None:
        """Take a new sample."""
        self.sample = sample
        # Made here, on the thread that looks, rather than on that of a screen which asks for them next. Equal
        # rows stay the same objects, which spares a screen the comparison.
        made: dict[type, tuple[Any, ...]] = {}
        for kind, old in list(self._made.items()):
            new = self._make(kind)
            made[kind] = old if new == old else new
        self._made = made

    def of[T](self, kind: type[T]) -> tuple[T, ...]:
        """The rows of one kind; made once for each sample."""
        made = self._made.get(kind)
        if made is None:
            made = self._made[kind] = self._make(kind)
        return made

    def _make(self, kind: type) -> tuple[Any, ...]:
        from .view import ConnectionView, TaskView, TimerView, WarningView

        alias, sample = self._alias, self.sample
        makers: dict[type, Callable[[], tuple[Any, ...]]] = {
            # In the order in which they are shown: putting those of all scripts in order then costs little.
            TimerView: lambda: tuple(sorted((TimerView(alias, *row) for row in sample.timers), key=_due)),
            ConnectionView: lambda: tuple(ConnectionView(alias, *row) for row in sample.connections),
            TaskView: lambda: tuple(TaskView(alias, *row) for row in sample.tasks),
            WarningView: lambda: tuple(WarningView(alias, *row) for row in sample.warnings),
        }
        return makers[kind]()
