"""Sparklines: a few numbers as a line of bars."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

BARS = "▁▂▃▄▅▆▇█"


def sparkline(numbers: Sequence[float], width: int) -> str:
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
    top = len(BARS) - 1
    return "".join(
        "·" if not isfinite(number) else BARS[round((number / 2 - least / 2) / span * top) if span else 0]
        for number in newest
    )
