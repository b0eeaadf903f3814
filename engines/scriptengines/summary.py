"""Bounded texts for values: enough to see, never a whole large object, and no code of a script runs for them.

So nothing is asked of an object that its class could answer: not `repr`, `len`, `value.__dict__` or
`isinstance` (a class may have a property `__class__`), but the built-in type's own function for each. Trees
are in tree.py.
"""

from __future__ import annotations

import sys
from itertools import islice
from types import (
    BuiltinFunctionType,
    ClassMethodDescriptorType,
    FunctionType,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodDescriptorType,
    MethodType,
    MethodWrapperType,
    ModuleType,
    WrapperDescriptorType,
)
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

LIMIT = 200
ITEMS = 12
KEY_LIMIT = 60
ROUTINES = (
    FunctionType,
    BuiltinFunctionType,
    MethodType,
    MethodDescriptorType,
    WrapperDescriptorType,
    MethodWrapperType,
    ClassMethodDescriptorType,
)
_BRACKETS: tuple[tuple[Any, str], ...] = (
    (dict, "{}"),
    (list, "[]"),
    (tuple, "()"),
    (set, "{}"),
    (frozenset, "{}"),
)
_STOCK = frozenset({"datetime", "decimal", "_decimal", "_pydecimal", "pathlib", "pathlib._local", "uuid"})
"""Modules whose types have a `__repr__` that is short and quick; scripts define none in them."""
kind_of: Callable[[Any], type] = type
is_a: Callable[[type, Any], bool] = issubclass
"""By other names, so that a checker of types does not take them for what the value is used as."""
DICT: Any = dict
LIST: Any = list
TUPLE: Any = tuple
_SIZED: tuple[Any, ...] = (str, bytes, bytearray, list, tuple, dict, set, frozenset)
_TEXTS: tuple[Any, ...] = (str, bytes, bytearray)
_NAME: Callable[[type], str] = vars(type)["__name__"].__get__
_QUALNAME: Callable[[type], str] = vars(type)["__qualname__"].__get__
_FIELDS: Callable[[type], Any] = vars(type)["__dict__"].__get__
_BASES: Callable[[type], tuple[type, ...]] = vars(type)["__mro__"].__get__
_ARGUMENTS: Callable[[BaseException], tuple[Any, ...]] = vars(BaseException)["args"].__get__


def summarize(value: Any, limit: int = LIMIT, depth: int = 2) -> str:
    """A text of at most `limit` characters for any value.

    Args:
        value: Anything.
        limit: Characters.
        depth: How many levels of containers are shown.
    """
    text = _summary(value, limit, depth)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def type_name(kind: type) -> str:
    """The name of a type, whatever its metaclass makes of `__name__`."""
    return str.__str__(_NAME(kind))


def size_of(value: Any) -> int | None:
    """Number of items of a built-in container or string, or of a subclass; None for anything else."""
    kind = kind_of(value)
    for base in _SIZED:
        if kind is base or is_a(kind, base):
            return base.__len__(value)
    queue = _deque()
    if queue is not None and is_a(kind, queue):
        return queue.__len__(value)
    if _NAME(kind) == "ndarray" and _FIELDS(kind).get("__module__", "") == "numpy":
        return int(value.size)
    return None


def items_of(value: Any, kind: type) -> Iterator[Any] | None:
    """Iterates over what a built-in container holds, a dict's items in pairs; None for anything else."""
    if is_a(kind, dict):
        return iter(DICT.items(value))
    for base in _SIZED[3:]:
        if is_a(kind, base):
            return base.__iter__(value)
    queue = _deque()
    return queue.__iter__(value) if queue is not None and is_a(kind, queue) else None


def attributes_of(value: Any, kind: type) -> dict[str, Any] | None:
    """The `__dict__` of an object; None when it has none, or one of its class's own making."""
    for base in _BASES(kind):
        found = _FIELDS(base).get("__dict__")
        if found is not None:
            return found.__get__(value) if type(found) is GetSetDescriptorType else None
    return None


def slots_of(value: Any, kind: type) -> list[tuple[str, Any]]:
    """Names and values of the slots of an object that are set."""
    found: list[tuple[str, Any]] = []
    for base in reversed(_BASES(kind)):
        for name, member in list(_FIELDS(base).items()):
            if type(member) is MemberDescriptorType and type(name) is str and not name.startswith("__"):
                try:
                    found.append((name, member.__get__(value)))
                except AttributeError:  # not set
                    continue
    return found


def class_attributes(value: type) -> list[tuple[str, Any]]:
    """What a class defines besides functions and what Python puts there."""
    return [
        (name, item)
        for name, item in list(_FIELDS(value).items())
        if type(name) is str and not name.startswith("_") and not _is_descriptor(kind_of(item))
    ]


def _is_descriptor(kind: type) -> bool:
    return any("__get__" in _FIELDS(base) for base in _BASES(kind))


def field_names(kind: type) -> tuple[str, ...]:
    """Those of a named tuple; empty for anything else."""
    names: Any = _FIELDS(kind).get("_fields") if is_a(kind, tuple) else None
    return names if kind_of(names) is tuple and all(kind_of(name) is str for name in names) else ()


def is_ours(kind: type) -> bool:
    """Whether it is a type of the host, whose texts run no code of a script."""
    module = _FIELDS(kind).get("__module__")
    return kind_of(module) is str and module.startswith(("scriptengines.", "scriptnative"))


def reachable_bytes(roots: Iterable[Any], limit: int = 200_000) -> int:
    """Bytes of what can be reached from some objects, but for modules, classes and the code of functions.

    Args:
        roots: Where to start.
        limit: Objects to look at, one that is found twice counted twice; the rest does not count.
    """
    import gc
    import time
    from itertools import islice
    from types import CodeType, FrameType

    def inside(value: Any, most: int) -> list[Any]:
        kind = kind_of(value)
        if kind is dict:
            return [*islice(value, most), *islice(value.values(), most)]
        # Of these the collector would copy all, while everybody waits.
        return list(islice(value, most)) if kind in (list, tuple, set, frozenset) else gc.get_referents(value)

    seen: set[int] = set()
    waiting = list(roots)
    total = looked = 0
    while waiting and looked < limit:
        value = waiting.pop()
        looked += 1
        if id(value) in seen or is_a(kind_of(value), (type, ModuleType, CodeType, FrameType)):
            continue
        seen.add(id(value))
        total += sys.getsizeof(value, 0)
        if not looked % 256:  # by itself the interpreter would let others wait for 5 ms
            time.sleep(0)
        if gc.is_tracked(value):
            waiting += inside(value, limit - looked)
    return total


def _deque() -> Any:
    """The type, if anybody here has a deque."""
    return getattr(sys.modules.get("_collections"), "deque", None)


def _summary(value: Any, limit: int, depth: int) -> str:
    kind = kind_of(value)
    if kind is int:
        return repr(value) if value.bit_length() <= 4 * limit else f"<int of {value.bit_length()} bits>"
    if kind is str or kind is bytes or kind is bytearray:
        return repr(value[:limit]) + ("…" if len(value) > limit else "")
    if kind is float or kind is bool or value is None or kind is complex or value is ...:
        return repr(value)
    for base, brackets in _BRACKETS:
        if kind is base:
            return _container(value, kind, brackets, limit, depth)
    if is_a(kind, ROUTINES):
        return f"<function {str.__str__(_routine_name(value, kind))}>"
    if is_a(kind, type):
        return f"<class {str.__str__(_QUALNAME(value))}>"
    if is_a(kind, ModuleType):
        return f"<module {_summary(vars(ModuleType)['__dict__'].__get__(value).get('__name__'), limit, 0)}>"
    return _object(value, kind, limit, depth)


def _routine_name(value: Any, kind: type) -> str:
    if kind is MethodType:  # of any callable
        function = value.__func__
        return function.__qualname__ if type(function) is FunctionType else "method"
    return value.__qualname__


def _container(value: Any, kind: type, brackets: str, limit: int, depth: int) -> str:
    opening, closing = brackets
    size = size_of(value) or 0
    if not size:
        return {set: "set()", frozenset: "frozenset()"}.get(kind, opening + closing)
    if depth <= 0:
        return f"{opening}…{closing}"
    parts: list[str] = []
    used = 0
    # A copy of a few items: the script may change the container while its thread has the GIL.
    try:
        head = list(islice(items_of(value, kind) or (), ITEMS))
    except RuntimeError:  # changed its size just then
        return f"{opening}…{closing}"
    for item in head:
        if is_a(kind, dict):
            text = f"{_summary(item[0], limit, 0)}: {_summary(item[1], limit, depth - 1)}"
        else:
            text = _summary(item, limit, depth - 1)
        parts.append(text)
        used += len(text) + 2
        if used > limit:
            break
    if len(parts) < size:
        parts.append("…")
    comma = "," if kind is tuple and size == 1 else ""
    prefix = "frozenset(" if kind is frozenset else ""
    return prefix + opening + ", ".join(parts) + comma + closing + (")" if prefix else "")


def _object(value: Any, kind: type, limit: int, depth: int) -> str:
    name = str.__str__(_QUALNAME(kind))
    module = _FIELDS(kind).get("__module__", "")
    if kind_of(module) is str and module in _STOCK and kind is getattr(sys.modules.get(module), name, None):
        return repr(value)
    if name == "ndarray" and module == "numpy":
        return f"<ndarray {value.dtype} {value.shape}>"
    fields = attributes_of(value, kind)
    enum = getattr(sys.modules.get("enum"), "EnumType", None)
    if enum is not None and is_a(kind_of(kind), enum) and fields is not None:
        return f"{name}.{_plain(fields.get('_name_'))}"
    if is_a(kind, BaseException):
        inner = _container(_ARGUMENTS(value), tuple, "()", limit, depth)
        return f"{name}{inner.replace(',)', ')') if len(_ARGUMENTS(value)) == 1 else inner}"
    if is_ours(kind):
        return str(value) + ("" if getattr(value, "is_open", True) else " (closed)")
    if names := field_names(kind):
        pairs = list(zip(names, TUPLE.__iter__(value), strict=False))
        return f"{name}({_assignments(pairs[:ITEMS], len(pairs) > ITEMS, limit, depth)})"
    for base, brackets in (*_BRACKETS, (_deque(), "[]")):
        if base is not None and is_a(kind, base):
            return f"{name}({_container(value, base, brackets, limit, depth)})"
    for base in _TEXTS:
        if is_a(kind, base):
            return f"{name}({base.__getitem__(value, slice(limit))!r})"
    if is_a(kind, (int, float)) and kind is not bool:
        base = int if is_a(kind, int) else float
        return (
            f"{name}({base.__repr__(value) if base is float or int.bit_length(value) <= 4 * limit else '…'})"
        )
    if depth <= 0:
        return f"<{name}>"
    head: list[tuple[Any, Any]] = []
    more = False
    if fields:
        head = list(islice(DICT.items(fields), ITEMS))
        more = DICT.__len__(fields) > ITEMS
    if not head:
        slots = slots_of(value, kind)
        head, more = slots[:ITEMS], len(slots) > ITEMS
    if not head:
        return f"<{name}>"
    return f"{name}({_assignments(head, more, limit, depth)})"


def _assignments(pairs: list[tuple[Any, Any]], more: bool, limit: int, depth: int) -> str:
    shown = [f"{_plain(key)}={_summary(item, limit, max(0, depth - 1))}" for key, item in pairs]
    return ", ".join(shown) + (", …" if more else "")


def _plain(name: Any) -> str:
    """A name, which is nearly always text."""
    return name if type(name) is str else _summary(name, KEY_LIMIT, 0)
