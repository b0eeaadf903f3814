"""What an expression typed into a script gave, as a tree that is bounded and can be laid out and unfolded.

A runtime tells it as flat rows, outermost first; `tree` puts them together. Making rows of a Python value is
here too; that runs `__repr__` of the script's own types, as part of the input that can be interrupted.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, cast

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

type ResultRow = tuple[int, str, str, str, str, int, int]
"""(depth, label, text, type, brackets, items or -1, items that are not told); the fields of Result."""

ROWS = 2000
ITEMS = 100
DEPTH = 6
TEXT = 10_000
"""What a result has at most: rows, items of a container, levels, characters of a text."""


_CONTAINERS: tuple[tuple[Any, str], ...] = (
    (list, "[]"),
    (tuple, "()"),
    (set, "{}"),
    (frozenset, "frozenset({})"),
    (dict, "{}"),
)


class Result(NamedTuple):
    """One value of a result.

    Attributes:
        label: What it is called in its container, as it is written: "'port': ", "x=", "[1] = ", or "".
        text: How it is written; "" for a container, which is written as its items.
        type: Name of its type.
        brackets: Around the items of a container, e.g. "[]" or "Point()"; "" for anything else.
        size: Number of items, or of characters; None when it has none.
        hidden: Items that are not among `items`.
        items: What is in it; what has a text may have some too, to be seen on demand.
    """

    label: str
    text: str
    type: str
    brackets: str
    size: int | None
    hidden: int
    items: tuple[Result, ...]

    @property
    def opening(self) -> str:
        """The brackets before its items."""
        return self.brackets.rstrip(")]}")

    @property
    def closing(self) -> str:
        """Those after them."""
        return self.brackets[len(self.opening) :]


def tree(rows: Iterable[ResultRow]) -> list[Result]:
    """The values that rows tell, mostly one."""
    levels: list[list[Result]] = [[]]
    for depth, label, text, kind, brackets, size, hidden in reversed(list(rows)):
        while len(levels) <= depth + 1:
            levels.append([])
        items = tuple(reversed(levels[depth + 1]))
        del levels[depth + 2 :]
        levels[depth + 1] = []
        levels[depth].append(Result(label, text, kind, brackets, size if size >= 0 else None, hidden, items))
    return levels[0][::-1]


def rows_of(value: Any) -> list[ResultRow]:
    """Rows for a Python value."""
    rows: list[ResultRow] = []
    _Writer(rows).add(value, "", 0)
    return rows


class _Writer:
    def __init__(self, rows: list[ResultRow]) -> None:
        self._rows = rows
        self._above: set[int] = set()

    def add(self, value: Any, label: str, depth: int) -> None:
        kind = cast("type[Any]", type(value))
        found = _items_of(value, kind)
        if found is None:
            text, fields = _text_of(value, kind)
            size = len(value) if kind in (str, bytes, bytearray) else -1
            self._rows.append((depth, label, text, kind.__name__, "", size, 0))
            self._add_items(iter(fields), len(fields), value, depth)
            return
        brackets, items, size = found
        if id(value) in self._above:
            self._rows.append((depth, label, f"<{kind.__name__} that it is in>", kind.__name__, "", size, 0))
            return
        place = len(self._rows)
        self._rows.append((depth, label, "", kind.__name__, brackets, size, 0))
        told = self._add_items(items, size, value, depth)
        self._rows[place] = (depth, label, "", kind.__name__, brackets, size, max(0, size - told))

    def _add_items(self, items: Iterator[tuple[str, Any]], size: int, value: Any, depth: int) -> int:
        if not size or depth >= DEPTH:
            return 0
        self._above.add(id(value))
        told = 0
        for name, item in islice(items, ITEMS):
            if len(self._rows) >= ROWS:
                break
            self.add(item, name, depth + 1)
            told += 1
        self._above.discard(id(value))
        return told


def _items_of(value: Any, kind: type[Any]) -> tuple[str, Iterator[tuple[str, Any]], int] | None:
    """Brackets, labelled items and their number of what is written as its items; None for anything else."""
    for base, brackets in _CONTAINERS:
        if issubclass(kind, base):
            return _container(value, kind, base, brackets)
    parameters: Any = getattr(kind, "__dataclass_params__", None)
    if parameters is not None and parameters.repr and hasattr(kind.__repr__, "__wrapped__"):
        names = [name for name, field in kind.__dataclass_fields__.items() if field.repr]
        return (
            f"{kind.__qualname__}()",
            ((f"{name}=", getattr(value, name, None)) for name in names),
            len(names),
        )
    return None


def _container(
    value: Any, kind: Any, base: Any, brackets: str
) -> tuple[str, Iterator[tuple[str, Any]], int] | None:
    written, size = kind.__repr__, base.__len__(value)
    whole = brackets if kind is base else f"{kind.__name__}({brackets})"
    fields: tuple[str, ...] = getattr(kind, "_fields", ())
    if fields and written.__module__ == "collections":
        labels = [f"{name}=" for name in fields]
        return f"{kind.__name__}()", zip(labels, base.__iter__(value), strict=False), size
    if written is not base.__repr__ and written.__module__ != "collections":
        return None  # it has a __repr__ of its own
    if not size:
        return whole if hasattr(base, "__getitem__") else f"{base.__name__}()", iter(()), 0
    if hasattr(base, "items"):
        return whole, ((f"{_key(key)}: ", item) for key, item in base.items(value)), size
    return whole, (("", item) for item in base.__iter__(value)), size


def _key(key: Any) -> str:
    text, _ = _text_of(key, cast("type[Any]", type(key)))
    return text if len(text) <= 200 else text[:199] + "…"


def _text_of(value: Any, kind: type[Any]) -> tuple[str, list[tuple[str, Any]]]:
    """How a value is written, and its attributes."""
    if kind in (str, bytes, bytearray):
        return repr(value[:TEXT]) + ("…" if len(value) > TEXT else ""), []
    if kind is int and value.bit_length() > 4000:
        return f"<int of {value.bit_length()} bits>", []
    try:
        text = repr(value)
    except Exception as error:  # noqa: BLE001 - a script's own __repr__ may raise anything
        text = f"<{kind.__qualname__} whose __repr__ raised {type(error).__name__}>"
    if type(text) is not str:
        text = str.__str__(text)
    own = getattr(value, "__dict__", None) if not isinstance(value, type) and not callable(value) else None
    names = cast("dict[str, Any]", own) if type(own) is dict else {}
    fields = [(f"{name}=", item) for name, item in islice(names.items(), ITEMS)]
    return (text if len(text) <= TEXT else text[: TEXT - 1] + "…"), fields
