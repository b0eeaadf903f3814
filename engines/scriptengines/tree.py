"""The variables of a script as rows of a tree, for values that are Python objects; and changes in that tree.

Reading runs no code of a script and is bounded in items, depth and time; see summary.py. What Lua states
hold is walked by lua/inspect.lua, which gives the same rows. Which rows are open, and how rows become views,
is the business of variables.py.
"""

from __future__ import annotations

import time
from itertools import islice
from types import (
    AsyncGeneratorType,
    CoroutineType,
    FunctionType,
    GeneratorType,
    MappingProxyType,
    MethodType,
)
from typing import TYPE_CHECKING, Any, cast

from scriptnative.errors import CrossingError

from .summary import (
    DICT,
    KEY_LIMIT,
    LIMIT,
    LIST,
    ROUTINES,
    TUPLE,
    attributes_of,
    class_attributes,
    field_names,
    is_a,
    is_ours,
    items_of,
    kind_of,
    size_of,
    slots_of,
    summarize,
    type_name,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

type Step = str | int
"""One step down: an index, the name of an attribute, a key; what is neither begins with a NUL."""
type Opened = Mapping[Step, tuple[int, Opened]]
"""What is open at one level: how many items of it are shown, and what is open inside."""
type Row = tuple[int, Step, str, str, str, int | None, int, float | None]
"""(depth, step, label, type, bounded text, number of items or None, flags, its number or None)."""

type Delta = tuple[int, int, list[int] | None, list[Row]]
"""(number of the reading, rows it has, which of them are told, these); None: all are told."""

ITEMS = 100
"""Items of a container that are shown at first."""
CLOSED: Opened = {}
MAX_DEPTH = 32
READING_LIMIT = 0.2
"""Seconds of processor time that one look at a script's variables may take; what is left is not shown."""
MORE = "\0more"
"""Step of the row that stands for what is not shown; its size is how much that is."""
STATE = "host.state"
CLOSURES = "(closures)"
EXPANDABLE, EXPANDED = 1, 2
_BIG = 2**1000


class Readings:
    """Tells of each reading only what differs from the one before, as most rows of a large one do not."""

    def __init__(self) -> None:
        self._number = time.perf_counter_ns()
        self._rows: list[Row] = []

    def delta(self, rows: list[Row], known: int) -> Delta:
        """A new reading, for who knows the reading of that number."""
        before, is_known = self._rows, self._number == known
        self._number += 1
        self._rows = rows
        if not is_known:
            return self._number, len(rows), None, rows
        changed = [index for index, (old, new) in enumerate(zip(before, rows, strict=False)) if old != new]
        changed += range(len(before), len(rows))
        return self._number, len(rows), changed, [rows[index] for index in changed]


class Tree:
    """Collects the rows of one look.

    Args:
        limit: Rows at most.
        deep: Levels that are opened although nobody has; cycles end there.
        before: What `scalars` was in the look before.

    Attributes:
        rows: Those collected so far.
        scalars: Values of the top level that cannot change, and their rows.
    """

    def __init__(
        self, limit: int, deep: int = 0, before: Mapping[Step, tuple[Any, Row]] = MappingProxyType({})
    ) -> None:
        self.scalars: dict[Step, tuple[Any, Row]] = {}
        self._before = before
        self.rows: list[Row] = []
        self._limit = limit
        self._deep = deep
        self._end = time.thread_time() + READING_LIMIT
        self._above: list[Any] = []

    def add_all(self, depth: int, named: Iterable[tuple[Step, str, Any]], opened: Opened) -> None:
        """Add rows of one level, and below each what is open inside it."""
        rows = self.rows
        waiting = list(named)
        for done, (step, label, value) in enumerate(waiting):
            if not len(rows) & 127:
                time.sleep(0)  # by itself the interpreter would let others wait for 5 ms
            if len(rows) >= self._limit or (not len(rows) & 127 and time.thread_time() > self._end):
                rows.append((depth, MORE, "…", "", "not read", len(waiting) - done, 0, None))
                return
            known = self._before.get(step) if depth == 0 else None
            if known is not None and known[0] is value:
                self.scalars[step] = known
                rows.append(known[1])
                continue
            kind = kind_of(value)
            if kind is int:
                number = float(value) if -_BIG < value < _BIG else None
                rows.append((depth, step, label, "int", summarize(value), None, 0, number))
            elif kind is float:
                rows.append((depth, step, label, "float", repr(value), None, 0, value))
            elif kind is str or kind is bool or value is None:
                size = size_of(value) if kind is str else None
                rows.append((depth, step, label, kind.__name__, summarize(value), size, 0, None))
            else:
                self._add(depth, step, label, value, kind, opened)
                continue
            if depth == 0:
                self.scalars[step] = value, rows[-1]

    def _add(self, depth: int, step: Step, label: str, value: Any, kind: type, opened: Opened) -> None:
        flags = EXPANDABLE if depth < MAX_DEPTH and is_expandable(value, kind) else 0
        inside = opened.get(step) if flags else None
        if inside is None and flags and depth < self._deep and not any(value is each for each in self._above):
            inside = ITEMS, CLOSED
        if inside is not None:
            flags |= EXPANDED
        self.rows.append((depth, step, label, type_name(kind), summarize(value), size_of(value), flags, None))
        if inside is None:
            return
        self._above.append(value)
        self._add_inside(depth + 1, value, kind, *inside)
        self._above.pop()

    def _add_inside(self, depth: int, value: Any, kind: type, shown: int, opened: Opened) -> None:
        inside, hidden = children(value, kind, shown)
        self.add_all(depth, inside, opened)
        if hidden > 0 and (not self.rows or self.rows[-1][:2] != (depth, MORE)):
            self.rows.append((depth, MORE, "…", "", f"{hidden:,} more", hidden, 0, None))

    def add_group(
        self, name: str, kind: str, text: str, inside: list[tuple[Step, str, Any]], opened: Opened
    ) -> None:
        """Add a row of the top level that stands for several values."""
        given = opened.get(name, (ITEMS, CLOSED) if self._deep else None)
        flags = EXPANDABLE | (EXPANDED if given is not None else 0)
        self.rows.append((0, name, name, kind, text, len(inside), flags, None))
        if given is not None:
            self.add_all(1, inside[: given[0]], given[1])


def is_expandable(value: Any, kind: type) -> bool:
    """Whether there is something inside that could be shown."""
    if kind is FunctionType:
        return bool(value.__closure__ or attributes_of(value, kind))
    if is_a(kind, type):
        return bool(class_attributes(value))
    if _is_frame(kind):
        return _frame_of(value) is not None
    if is_a(kind, (str, bytes, bytearray)):
        return bool(attributes_of(value, kind))
    if items_of(value, kind) is not None and size_of(value):
        return True
    if kind is MethodType:
        return True
    if is_a(kind, ROUTINES):
        return False
    return bool(attributes_of(value, kind)) or bool(slots_of(value, kind))


def children(value: Any, kind: type, limit: int) -> tuple[list[tuple[Step, str, Any]], int]:
    """What is inside a value: at most `limit` of (step, label, value), and how many there are besides."""
    inside: list[tuple[Step, str, Any]]
    size = size_of(value) or 0
    items = None if is_a(kind, (str, bytes, bytearray)) else items_of(value, kind)
    if items is not None:
        try:
            head = list(islice(items, limit))
        except RuntimeError:  # changed its size just then
            head = []
        if is_a(kind, dict):
            inside = [(*_key(key), item) for key, item in head]
        else:
            names = field_names(kind)
            labels = (
                [f".{name}" for name in names] if names else [f"[{number}]" for number in range(len(head))]
            )
            inside = list(zip(range(len(head)), labels, head, strict=False))
        own = attributes_of(value, kind)
        if own and len(inside) < limit:
            inside += [(f"\0.{name}", f".{name}", item) for name, item in list(DICT.items(own))[:limit]]
        return inside, size - len(head)
    mark = "" if kind is FunctionType or _is_frame(kind) else "."
    inside = [(name, f"{mark}{name}", item) for name, item in _fields(value, kind)]
    return inside[:limit], len(inside) - limit


def _key(key: Any) -> tuple[Step, str]:
    """Step and label of an item of a dict."""
    label = f"[{summarize(key, KEY_LIMIT, 1)}]"
    if type(key) is int:
        return key, label
    return key if type(key) is str and key[:1] != "\0" and len(key) < LIMIT else f"\0{label}", label


def _fields(value: Any, kind: type) -> list[tuple[str, Any]]:
    """Names and values inside an object that is no container."""
    if kind is FunctionType:
        found = [(name, cell) for name, cell in _cells(value) if cell is not _EMPTY]
        return found + list((attributes_of(value, kind) or {}).items())
    if kind is MethodType:
        return [("__self__", value.__self__), ("__func__", value.__func__)]
    if is_a(kind, type):
        return class_attributes(value)
    frame = _frame_of(value) if _is_frame(kind) else None
    if frame is not None:
        return list(dict(frame.f_locals).items())
    own = attributes_of(value, kind)
    named = [(name, item) for name, item in list(DICT.items(own or {})) if type(name) is str]
    if is_ours(kind):
        return [(name, item) for name, item in named if not name.startswith("_")]
    return slots_of(value, kind) + named


def _is_frame(kind: type) -> bool:
    return kind is GeneratorType or kind is CoroutineType or kind is AsyncGeneratorType


_EMPTY = object()


def _cells(function: Any) -> list[tuple[str, Any]]:
    cells: list[tuple[str, Any]] = []
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=False):
        try:
            cells.append((name, cell.cell_contents))
        except ValueError:  # not assigned yet
            cells.append((name, _EMPTY))
    return cells


def _frame_of(value: Any) -> Any:
    for name in ("gi_frame", "cr_frame", "ag_frame"):
        frame = getattr(value, name, None)
        if frame is not None:
            return frame
    return None


# ---- changing ----------------------------------------------------------------------------------------------


def step_into(owner: Any, step: Step, place: str) -> Any:
    """What is at a step inside a value.

    Raises:
        CrossingError: Nothing is.
    """
    kind = kind_of(owner)
    if is_a(kind, dict) and not (type(step) is str and step[:1] == "\0"):
        if DICT.__contains__(owner, step):
            return DICT.__getitem__(owner, step)
    elif type(step) is int and is_a(kind, (list, tuple)):
        base = LIST if is_a(kind, list) else TUPLE
        if 0 <= step < base.__len__(owner):
            return base.__getitem__(owner, step)
    else:
        count = step + 1 if type(step) is int else size_of(owner) or 0
        inside, _ = children(owner, kind, max(count, 10_000))
        for known, _, value in inside:
            if known == step:
                return value
    raise CrossingError(f"{place}: there is no {_said(step)} in it any more")


def put(owner: Any, step: Step, value: Any, place: str) -> None:
    """Put a value at a step inside another.

    Raises:
        CrossingError: What is there cannot be changed.
    """
    kind = kind_of(owner)
    if isinstance(step, str) and step.startswith("\0."):
        setattr(owner, step[2:], value)
    elif is_a(kind, dict):
        cast("dict[Any, Any]", owner)[_real_key(owner, step, place)] = value
    elif is_a(kind, (tuple, set, frozenset)):
        raise CrossingError(f"{place}: a {type_name(kind)} cannot be changed; change what holds it")
    elif isinstance(step, int):
        owner[step] = value
    elif kind is FunctionType and step in owner.__code__.co_freevars:
        owner.__closure__[owner.__code__.co_freevars.index(step)].cell_contents = value
    elif kind is MethodType or _is_frame(kind):
        raise CrossingError(f"{place}: what a {type_name(kind)} holds cannot be changed from outside")
    else:
        setattr(owner, step, value)


def _real_key(owner: dict[Any, Any], step: Step, place: str) -> Any:
    if isinstance(step, int) or step[:1] != "\0":
        return step
    for key in list(DICT.keys(owner)):
        if _key(key)[0] == step:
            return key
    raise CrossingError(f"{place}: there is no {_said(step)} in it any more")


def _said(step: Step) -> str:
    return step.lstrip("\0") if isinstance(step, str) else f"[{step}]"
