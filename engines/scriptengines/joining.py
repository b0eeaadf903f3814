"""Rows of all scripts as one tuple for a frame, made anew only when those of a script are."""

from __future__ import annotations

import operator
from itertools import chain
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

type _Parts = tuple[tuple[Any, ...], ...]


class Joining:
    """What was joined last, by kind of row; a screen that gets the same tuple again has nothing to do."""

    def __init__(self) -> None:
        self._last: dict[type, tuple[_Parts, tuple[Any, ...]]] = {}

    def join[T](
        self, kind: type[T], parts: Iterable[tuple[T, ...]], order: Callable[[T], Any] | None = None
    ) -> tuple[T, ...]:
        """Join rows.

        Args:
            kind: What is joined, one of each per frame.
            parts: Of each script; the same objects as long as nothing changed.
            order: What to sort them by.
        """
        now = tuple(parts)
        before, joined = self._last.get(kind, (None, ()))
        if before is None or len(before) != len(now) or not all(map(operator.is_, before, now)):
            rows = chain.from_iterable(now)
            joined = tuple(rows if order is None else sorted(rows, key=order))
            self._last[kind] = now, joined
        return joined
