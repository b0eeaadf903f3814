"""The variables of one script for a screen: what is open, what changed when, what numbers were, what differs.

Works on the rows that runtimes give (see tree.py); reads nothing itself. All methods may be called from any
thread.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from .tree import CLOSURES, EXPANDABLE, EXPANDED, ITEMS, MAX_DEPTH, MORE, STATE
from .view import Change, DifferenceView, VariableView

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .tree import Delta, Row, Step

type Path = tuple[Step, ...]
type _Node = tuple[int, dict[Step, _Node]]

HISTORY = 48
"""Values of a number that are remembered."""
UPVALUES = "(upvalues)"
MAX_ITEMS = 10_000
"""Items of one container that can be shown."""


class Variables:
    """What is known of the variables of one script.

    Args:
        alias: Of the script.

    Attributes:
        views: As last read.
        opened: What is open, for Runtime.sample; never changed in place.
        marks: What was remembered, by "mark" and "generation".
    """

    def __init__(self, alias: str) -> None:
        self.views: tuple[VariableView, ...] = ()
        self.opened: dict[Step, _Node] = {STATE: (ITEMS, {}), UPVALUES: (ITEMS, {})}
        self.marks: dict[str, list[Row]] = {}
        self._alias = alias
        self._mutex = threading.Lock()
        self._known: dict[Path, tuple[Row, VariableView]] = {}
        self._rows: list[Row] = []
        self._reading = 0
        self._seen_once = False

    # ---- what is open ---------------------------------------------------------------------------

    def expand(self, path: Path, items: int = ITEMS) -> None:
        """Show what is inside a row, at most `items` of it."""
        if path and len(path) <= MAX_DEPTH:
            with self._mutex:
                self.opened = _opened(self.opened, path, max(1, min(items, MAX_ITEMS)))

    def collapse(self, path: Path) -> None:
        """Show it no more; what was open inside is forgotten."""
        with self._mutex:
            self.opened = _closed(self.opened, path)

    # ---- what was read --------------------------------------------------------------------------

    @property
    def known(self) -> int:
        """Number of the last reading."""
        return self._reading

    def top_level(self) -> list[tuple[str, str, str, int | None]]:
        """Name, type, bounded text and size of each variable, as last read."""
        return [(row[2], row[3], row[4], row[5]) for row in self._rows if row[0] == 0]

    def update(self, delta: Delta, moment: float) -> None:
        """Take a reading of `moment`, in seconds since the epoch.

        What was there before is not lit when it comes into sight again or a list is opened: only a row whose
        owner was in sight can be new.
        """
        with self._mutex:
            number, total, changed, told = delta
            if changed is None:
                rows = told
            elif number != self._reading + 1:  # of a reading that is not known here
                return
            else:
                rows = self._rows[:total]
                rows += told[len(told) - (total - len(rows)) :] if total > len(rows) else []
                for index, row in zip(changed, told, strict=True):
                    rows[index] = row
            self._reading = number
            if rows == self._rows:
                self._rows = rows
                return
            if changed is None or not self._patch(rows, changed, moment):
                self._rebuild(rows, moment)
            self._rows = rows

    def _patch(self, rows: list[Row], changed: list[int], moment: float) -> bool:
        """Replace the views of rows that only have another value; False when the tree has another shape."""
        before = self._rows
        if len(before) != len(rows) or any(
            before[index][:3] != rows[index][:3] or before[index][6] != rows[index][6] for index in changed
        ):
            return False
        if not changed:
            return True
        views = list(self.views)
        for index in changed:
            view = views[index]
            row = before[index], view
            address = view.address
            views[index] = fresh = self._view(rows[index], row, view.path, view.expression, moment)
            self._known[address] = rows[index], fresh
        self.views = tuple(views)
        return True

    def _rebuild(self, rows: list[Row], moment: float) -> None:
        before, known = self._known, {}
        views: list[VariableView] = []
        place: list[Step] = []
        texts: list[str] = []
        opened_now: set[Path] = set()
        path: Path = ()
        for row in rows:
            depth, step = row[0], row[1]
            if not len(views) & 255:
                time.sleep(0)  # by itself the interpreter would let the screen wait for 5 ms
            if depth != len(path):
                path = tuple(place[:depth])
            address = (*path, step)
            seen = before.get(address)
            if seen is not None and seen[0] == row:
                view = seen[1]
            else:
                text = _written(texts[depth - 1] if depth else "", row[2])
                fresh = seen is None and (not self._seen_once or self._came_into_sight(path, opened_now))
                view = self._view(row, seen, path, text, 0.0 if fresh else moment)
            known[address] = row, view
            views.append(view)
            if row[6] & EXPANDED:
                was = seen is not None and seen[0][6] & EXPANDED
                if not was or path in opened_now:
                    opened_now.add(address)
                del place[depth:], texts[depth:]
                place.append(step)
                texts.append(view.expression)
        self._known, self._seen_once = known, True
        self.views = tuple(views)

    def _came_into_sight(self, owner: Path, opened_now: set[Path]) -> bool:
        """Whether a row that was not known may have been there before, because its owner showed less."""
        return bool(owner) and (owner in opened_now or (*owner, MORE) in self._known)

    def _view(
        self, row: Row, seen: tuple[Row, VariableView] | None, path: Path, text: str, moment: float
    ) -> VariableView:
        _, step, label, kind, value, size, flags, number = row
        changed_at, history = moment, ()
        if seen is not None:
            old, view = seen
            history = view.history if old[3] == kind else ()
            if old[3:6] == row[3:6]:
                changed_at = view.changed_at
        if number is not None and (not history or seen is None or seen[0][7] != number):
            history = (*history[1 - HISTORY :], number)
        more = step == MORE
        return VariableView(
            script=self._alias,
            name=label,
            type=kind,
            value=value,
            size=None if more else size,
            changed_at=0.0 if more else changed_at,
            path=path,
            expandable=bool(flags & EXPANDABLE),
            expanded=bool(flags & EXPANDED),
            history=history,
            step=step,
            expression="" if more else text,
            hidden=size or 0 if more else 0,
        )

    # ---- differences ----------------------------------------------------------------------------

    def differences(self, before: list[Row], after: list[Row]) -> list[DifferenceView]:
        """What differs between two readings, in the order of the second; what is gone comes last.

        Of something that was added or removed whole, what is inside is not told as well. A container differs
        by what is inside, if that was read, else by its text.
        """
        old, new = _by_address(before), _by_address(after)
        found: list[DifferenceView] = []
        inside = {address[:length] for address in (*old, *new) for length in range(1, len(address))}
        for address, (row, expression) in new.items():
            if row[1] == MORE:
                continue
            earlier = old.get(address)
            if earlier is None:
                if len(address) == 1 or address[:-1] in old:
                    found.append(self._difference(Change.ADDED, address, expression, None, row))
            elif earlier[0][3:6] != row[3:6] and (address not in inside or earlier[0][3] != row[3]):
                found.append(self._difference(Change.CHANGED, address, expression, earlier[0], row))
        for address, (row, expression) in old.items():
            if row[1] != MORE and address not in new and (len(address) == 1 or address[:-1] in new):
                found.append(self._difference(Change.REMOVED, address, expression, row, None))
        return found

    def _difference(
        self, change: Change, address: Path, expression: str, before: Row | None, after: Row | None
    ) -> DifferenceView:
        some: Any = after or before
        return DifferenceView(
            script=self._alias,
            name=expression,
            path=address,
            change=change,
            type=some[3],
            before="" if before is None else before[4],
            after="" if after is None else after[4],
        )


def _opened(nodes: dict[Step, _Node], path: Path, items: int) -> dict[Step, _Node]:
    """A copy with one more node open; what leads there is opened as well."""
    step, *rest = path
    shown, inside = nodes.get(step, (ITEMS, {}))
    return {**nodes, step: (shown, _opened(inside, tuple(rest), items)) if rest else (items, inside)}


def _closed(nodes: dict[Step, _Node], path: Path) -> dict[Step, _Node]:
    if not path or path[0] not in nodes:
        return nodes
    step, *rest = path
    if not rest:
        return {known: node for known, node in nodes.items() if known != step}
    shown, inside = nodes[step]
    return {**nodes, step: (shown, _closed(inside, tuple(rest)))}


def _written(owner: str, label: str) -> str:
    """What a step inside a value is written as; of what no language has a notation for, nearly so."""
    if owner in ("", UPVALUES, CLOSURES):
        return label
    return f"{owner}{label}" if label[:1] in (".", "[") else f"{owner} {label}"


def _by_address(rows: Iterable[Row]) -> dict[Path, tuple[Row, str]]:
    found: dict[Path, tuple[Row, str]] = {}
    place: list[tuple[Step, str]] = []
    for row in rows:
        depth, step, label = row[:3]
        del place[depth:]
        expression = _written(place[-1][1] if place else "", label)
        place.append((step, expression))
        found[tuple(known for known, _ in place)] = row, expression
    return found
