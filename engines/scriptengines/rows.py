"""Turns what a runtime reports into the rows a screen shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .engine import NOTHING

if TYPE_CHECKING:
    from collections.abc import Callable

    from .engine import Sample


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
        self._made = {}

    def of[T](self, kind: type[T]) -> tuple[T, ...]:
        """The rows of one kind; made once for each sample."""
        made = self._made.get(kind)
        if made is None:
            from .view import ConnectionView, TaskView, TimerView, WarningView

            makers: dict[type, Callable[[], tuple[Any, ...]]] = {
                TimerView: lambda: tuple(TimerView(self._alias, *row) for row in self.sample.timers),
                ConnectionView: lambda: tuple(
                    ConnectionView(self._alias, *row) for row in self.sample.connections
                ),
                TaskView: lambda: tuple(TaskView(self._alias, *row) for row in self.sample.tasks),
                WarningView: lambda: tuple(WarningView(self._alias, *row) for row in self.sample.warnings),
            }
            made = self._made[kind] = makers[kind]()
        return made
