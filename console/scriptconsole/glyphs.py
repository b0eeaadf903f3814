"""Small pictures of numbers for one line of a terminal: bars and sparklines."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

_RISING = "▁▂▃▄▅▆▇█"


def bar(share: float, width: int) -> str:
    """Draw a share as a bar, in halves of a cell; thin, so that those of two rows do not run together.

    Args:
        share: From 0 to 1; what is beyond counts as the end.
        width: Cells of a whole bar.
    """
    halves = round(max(0.0, min(share, 1.0)) * width * 2)
    return "━" * (halves // 2) + "╸" * (halves % 2)


def sparkline(values: Sequence[float], width: int) -> str:
    """Draw the last values as columns, from 0 up to the largest of them.

    Args:
        values: Newest last.
        width: Of how many there is room.
    """
    shown = [max(0.0, value) for value in values[-width:]]
    top = max(shown, default=0.0)
    if top <= 0:
        return _RISING[0] * len(shown)
    return "".join(_RISING[min(int(value / top * 7.999), 7)] for value in shown)


def course(numbers: Sequence[float], width: int) -> str:
    """Draw the newest numbers, one cell each, between the least and the greatest of them.

    Args:
        numbers: Newest last; what is not finite is drawn as a dot.
        width: Cells at most.

    Returns:
        "" for less than two numbers, which show no course.
    """
    newest = numbers[-width:]
    finite = [number for number in newest if isfinite(number)]
    if len(newest) < 2 or not finite:
        return ""
    least, most = min(finite), max(finite)
    # Halved first: the difference of the greatest floats is infinite.
    span = most / 2 - least / 2
    top = len(_RISING) - 1
    return "".join(
        "·" if not isfinite(number) else _RISING[round((number / 2 - least / 2) / span * top) if span else 0]
        for number in newest
    )
