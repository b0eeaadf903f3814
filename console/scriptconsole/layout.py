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

from scriptconsole.actions import PaneName

WIDE = 100
"""Columns from which panes stand side by side."""
TALL = 34
"""Lines from which all slots of a wide screen fit over each other."""
TALL_STACK = 44
"""Lines from which all slots fit in one stack."""

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
