"""Small pictures of numbers for one line of a terminal: bars and sparklines."""

from __future__ import annotations

from collections.abc import Sequence

_RISING = "▁▂▃▄▅▆▇█"


def bar(share: float, width: int) -> str:
    """Draw a share as a bar, in halves of a cell; thin, so that those of two rows do not run together.

    Args:
        share: From 0 to 1; what is beyond counts as the end.
        width: Cells of a whole bar.
    """
    halves = round(max(0.0, min(share, 1.0)) * width * 2)
    return "━" * (halves // 2) + "╸" * (halves % 2)


def sparkline(values: Sequence[float], width: int, most: float | None = None) -> str:
    """Draw the last values as columns, from 0 up.

    Args:
        values: Newest last.
        width: Of how many there is room.
        most: What fills a cell; the largest of those shown by default.
    """
    shown = [max(0.0, value) for value in values[-width:]]
    top = max(shown, default=0.0) if most is None else most
    if top <= 0:
        return _RISING[0] * len(shown)
    return "".join(_RISING[min(int(value / top * 7.999), 7)] for value in shown)
