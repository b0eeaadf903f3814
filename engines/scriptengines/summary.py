"""Bounded texts for values: enough to see, never a whole large object, never a script's own `__repr__`."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Iterable, Sized

LIMIT = 200
ITEMS = 12
_SCALARS = (bool, int, float, complex, type(None), type(...))


def summarize(value: Any, limit: int = LIMIT, depth: int = 2) -> str:
    """A text of at most `limit` characters for any value.

    Args:
        value: Anything.
        limit: Characters.
        depth: How many levels of containers are shown.
    """
    text = _summary(value, limit, depth)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def size_of(value: Any) -> int | None:
    """Number of items of a built-in container or string; None for anything else."""
    kinds = (str, bytes, bytearray, list, tuple, dict, set, frozenset)
    return len(cast("Sized", value)) if isinstance(value, kinds) else None


def reachable_bytes(roots: Iterable[Any], limit: int = 200_000) -> int:
    """Bytes of what can be reached from some objects, but for modules, classes and the code of functions.

    Args:
        roots: Where to start.
        limit: Objects to look at; the rest does not count.
    """
    import gc
    import sys
    import time
    from types import CodeType, FrameType, ModuleType

    seen: set[int] = set()
    waiting = list(roots)
    total = 0
    while waiting and len(seen) < limit:
        value = waiting.pop()
        if id(value) in seen or isinstance(value, (type, ModuleType, CodeType, FrameType)):
            continue
        seen.add(id(value))
        total += sys.getsizeof(value, 0)
        if not len(seen) % 256:  # by itself the interpreter would let others wait for 5 ms
            time.sleep(0)
        if gc.is_tracked(value):
            waiting += gc.get_referents(value)
    return total


def _summary(value: Any, limit: int, depth: int) -> str:
    kind = cast("type[Any]", type(value))
    if kind is int and value.bit_length() > 4 * limit:
        return f"<int of {value.bit_length()} bits>"
    if kind in _SCALARS:
        return repr(value)
    if kind in (str, bytes, bytearray):
        return repr(value[:limit]) + ("…" if len(value) > limit else "")
    if kind in (list, tuple, set, frozenset, dict):
        return _container(value, kind, limit, depth)
    if isinstance(value, type):
        return f"<class {value.__qualname__}>"
    if callable(value):
        return f"<function {getattr(value, '__qualname__', kind.__name__)}>"
    return _object(value, kind, limit, depth)


def _container(value: Any, kind: type, limit: int, depth: int) -> str:
    opening, closing = {list: "[]", tuple: "()", dict: "{}", set: "{}", frozenset: "{}"}[kind]
    if not value:
        return {set: "set()", frozenset: "frozenset()"}.get(kind, opening + closing)
    if depth <= 0:
        return f"{opening}…{closing}"
    parts: list[str] = []
    used = 0
    # A copy of a few items: the script may change the container while its thread has the GIL.
    try:
        items: Iterable[Any] = value.items() if kind is dict else value
        head = list(islice(items, ITEMS))
    except RuntimeError:  # changed its size just then
        return f"{opening}…{closing}"
    for item in head:
        if kind is dict:
            text = f"{_summary(item[0], limit, 0)}: {_summary(item[1], limit, depth - 1)}"
        else:
            text = _summary(item, limit, depth - 1)
        parts.append(text)
        used += len(text) + 2
        if used > limit:
            break
    if len(parts) < len(value):
        parts.append("…")
    comma = "," if kind is tuple and len(value) == 1 else ""
    prefix = "frozenset(" if kind is frozenset else ""
    return prefix + opening + ", ".join(parts) + comma + closing + (")" if prefix else "")


def _object(value: Any, kind: type, limit: int, depth: int) -> str:
    found = getattr(value, "__dict__", None) if kind.__dictoffset__ else None
    if not isinstance(found, dict) or not found or depth <= 0:
        return f"<{kind.__qualname__}>"
    fields = cast("dict[Any, Any]", found)
    head = list(islice(fields.items(), ITEMS))
    shown = [f"{name}={_summary(item, limit, depth - 1)}" for name, item in head]
    return f"{kind.__qualname__}({', '.join(shown)}{', …' if len(fields) > ITEMS else ''})"
