"""Which panes are in sight, where, and how large: the model of the main screen's layout.

No widgets here. Every pane has a home slot; a slot shows the pane of its own that was used last.

    wide                            narrow
    ┌───────── top ─────────┐       top
    │  left   │   upper     │       one of left, upper, lower
    │         │   lower     │       bottom
    └──────── bottom ───────┘
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from scriptconsole.actions import PaneName

WIDE = 100
"""Columns from which panes stand side by side."""
TALL = 34
"""Lines from which all slots of a wide screen fit over each other."""
TALL_STACK = 44
"""Lines from which all slots fit in one stack."""

TOP_SHARE = 0.35
"""Share of the lines that the scripts take at most, unless the user gives them more."""
LEAST_WIDTH = 24
"""Columns that a pane beside another keeps."""

STEP = 1.25
"""By what a slot grows at a key press."""
LIMIT = 8.0
"""How much larger or smaller than at first a slot can be made."""


class Slot(StrEnum):
    """A place for panes on the main screen."""

    TOP = "top"
    LEFT = "left"
    UPPER = "upper"
    LOWER = "lower"
    BOTTOM = "bottom"


HOMES: dict[PaneName, Slot] = {
    PaneName.SCRIPTS: Slot.TOP,
    PaneName.VARIABLES: Slot.LEFT,
    PaneName.CALLS: Slot.LEFT,
    PaneName.HOOKS: Slot.LEFT,
    PaneName.TIMERS: Slot.UPPER,
    PaneName.TASKS: Slot.UPPER,
    PaneName.CONNECTIONS: Slot.LOWER,
    PaneName.WARNINGS: Slot.LOWER,
    PaneName.LOG: Slot.BOTTOM,
    PaneName.REPL: Slot.BOTTOM,
}
"""Where each pane lives."""

RIGHT = (Slot.UPPER, Slot.LOWER)
MIDDLE = (Slot.LEFT, *RIGHT)

SIZES = ("top", "bottom", "left", "upper")
"""Shares that can be changed: of `left` the width, of the others the height."""


class Extent(NamedTuple):
    """Cells of what the user can resize; what lies beside or below takes the rest.

    Attributes:
        top: Lines.
        bottom: Lines.
        left: Columns.
        upper: Lines.
    """

    top: int
    bottom: int
    left: int
    upper: int


@dataclass
class Layout:
    """The state of the layout; plain values, so that it can be saved.

    Attributes:
        recent: All panes, last used first.
        hidden: Slots the user has put away.
        sizes: How much larger each share is than at first.
        maximised: Whether the last used pane has the whole screen.
    """

    recent: list[PaneName] = field(default_factory=lambda: list(PaneName))
    hidden: set[Slot] = field(default_factory=set[Slot])
    sizes: dict[str, float] = field(default_factory=lambda: dict.fromkeys(SIZES, 1.0))
    maximised: bool = False

    def use(self, pane: PaneName) -> None:
        """Make a pane the last used one; its slot is shown again when it was hidden."""
        self.recent.remove(pane)
        self.recent.insert(0, pane)
        self.hidden.discard(HOMES[pane])

    def shown_in(self, slot: Slot) -> PaneName:
        """Return the pane that a slot shows when the slot is in sight."""
        return next(pane for pane in self.recent if HOMES[pane] is slot)

    def slots(self, width: int, height: int) -> frozenset[Slot]:
        """Choose the slots for a terminal size.

        Args:
            width: Columns.
            height: Lines.
        """
        if self.maximised:
            return frozenset({HOMES[self.recent[0]]})
        wanted = [slot for slot in Slot if slot not in self.hidden]
        if width >= WIDE:
            rivals = () if height >= TALL else RIGHT
        else:
            rivals = () if height >= TALL_STACK else MIDDLE
        order = [HOMES[pane] for pane in self.recent]
        losing = sorted((slot for slot in wanted if slot in rivals), key=order.index)[1:]
        return frozenset(wanted).difference(losing)

    def extent(self, width: int, height: int, rows: int) -> Extent:
        """Turn the sizes into cells, so that every pane in sight keeps room for a row.

        Args:
            width: Columns of the terminal.
            height: Lines of the terminal.
            rows: Lines that the top pane needs to show all of its rows.
        """
        shown = self.slots(width, height)
        tall, stacked = height >= TALL, width < WIDE
        right = sum(slot in shown for slot in RIGHT)
        left = int(Slot.LEFT in shown)
        stack = left + right if stacked else max(left, right)
        below = int(Slot.BOTTOM in shown)
        lines = max(height - 2, 1)  # without status line and footer
        # Border, header and a row, where there is room for that much.
        least = max(min(4 if tall else 3, lines // (1 + stack + below)), 1)

        most = max(round(height * TOP_SHARE * self.sizes["top"]), 3)
        top = min(rows, most) if self.sizes["top"] <= 1 else most
        top = _between(least, top, lines - least * (stack + below))
        rest = lines - top if Slot.TOP in shown else lines
        middle_weight = 3 if tall else 1
        bottom_weight = (2 if tall and not stacked else 1) * self.sizes["bottom"]
        middle = int(rest * middle_weight / (middle_weight + bottom_weight))
        bottom = _between(least, rest - middle, rest - least * stack)

        column = rest - bottom if below else rest
        if stacked and left:
            column -= column // 3
        upper = int(column * self.sizes["upper"] / (self.sizes["upper"] + 1))
        wide = int(width * self.sizes["left"] / (self.sizes["left"] + 1))
        return Extent(
            top,
            bottom,
            _between(LEAST_WIDTH, wide, width - LEAST_WIDTH),
            _between(least, upper, column - least),
        )

    def hide(self, pane: PaneName) -> bool:
        """Put a pane's slot away.

        Returns:
            Whether that was possible; the last slot stays.
        """
        home = HOMES[pane]
        if len(self.hidden | {home}) == len(Slot):
            return False
        self.hidden.add(home)
        self.recent = [
            *(name for name in self.recent if HOMES[name] is not home),
            *(name for name in self.recent if HOMES[name] is home),
        ]
        return True

    def resize(self, pane: PaneName, direction: str, steps: int) -> bool:
        """Make a pane larger or smaller.

        Args:
            pane: Which.
            direction: "width" or "height".
            steps: Positive to grow.

        Returns:
            Whether the pane has a border that can be moved that way.
        """
        slot = HOMES[pane]
        moved: tuple[str, int] | None
        if direction == "width":
            moved = {Slot.LEFT: ("left", 1), Slot.UPPER: ("left", -1), Slot.LOWER: ("left", -1)}.get(slot)
        else:
            moved = {
                Slot.TOP: ("top", 1),
                Slot.BOTTOM: ("bottom", 1),
                Slot.LEFT: ("bottom", -1),
                Slot.UPPER: ("upper", 1),
                Slot.LOWER: ("upper", -1),
            }[slot]
        if moved is None:
            return False
        name, sign = moved
        size = self.sizes[name] * STEP ** (sign * steps)
        self.sizes[name] = min(max(size, 1 / LIMIT), LIMIT)
        return True


def _between(least: int, wanted: int, most: int) -> int:
    return max(least, min(wanted, most))
