"""What a Python script holds that can stand where a cursor is; runs no code of the script.

Objects are looked at, never asked: no `__getattr__`, `__dir__`, property or `__repr__` is called. What a
property or a function would give is known from its annotation. Used inside every interpreter that hosts
Python scripts, and imported when somebody first completes.
"""

from __future__ import annotations

import inspect
import sys
import types
from itertools import islice
from typing import TYPE_CHECKING, Any, cast

from scriptengines.completion import LIMIT, SCANNED
from scriptengines.summary import summarize

from .describing import doc_of, is_a, module_of, name_of, result_of, signature_of, stock_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from scriptengines.completion import Candidate
    from scriptengines.completion.question import Step

_LITERALS: dict[str, type[Any]] = {"str": str, "bytes": bytes, "list": list, "dict": dict}
_DICT: Any = dict
_LIST: Any = list
_TUPLE: Any = tuple
_ABSENT: Any = object()
_MODULE_DICT = vars(types.ModuleType)["__dict__"]
_TYPE_DICT = vars(type)["__dict__"]
_TYPE_MRO = vars(type)["__mro__"]
_ROUTINES = (
    types.FunctionType,
    types.BuiltinFunctionType,
    types.MethodDescriptorType,
    types.ClassMethodDescriptorType,
    types.WrapperDescriptorType,
    types.MethodWrapperType,
)
_VALUE_LIMIT = 60


class _Instance:
    """Stands for an object of a type that does not exist yet, e.g. the result of a call."""

    def __init__(self, kind: type[Any]) -> None:
        self.kind = kind


def candidates(
    module: types.ModuleType, place: str, steps: list[Step], prefix: str, quote: str, call: list[Step]
) -> list[Candidate]:
    """What a script has for a Question, see there.

    Args:
        module: The script's.
        place: Of the question; likewise the rest.
        steps: Each a pair.
        prefix: Likewise.
        quote: Likewise.
        call: Likewise.
    """
    if place == "module":
        return _modules(str(steps[0][1]) if steps else "", prefix)
    found: list[Candidate] = []
    if place in ("attribute", "key"):
        target = _resolve(module, steps)
        if target is _ABSENT:
            return []
        if place == "attribute":
            return _members(target, prefix)
        found += _keys(target, prefix, quote)
        if quote or not prefix:
            return found[:LIMIT]
    if call:
        found += _arguments(_resolve(module, call), prefix)
    found += _rows(vars(module).items(), prefix)
    rows = _rows(stock_names(vars(module)).items(), prefix) if prefix else []
    found += [(name, "builtin", signature, doc) for name, _, signature, doc in rows]
    return found[:LIMIT]


# ---- following a chain -------------------------------------------------------------------------------------


def _resolve(module: types.ModuleType, steps: list[Step]) -> Any:
    """The object an expression stands for, an _Instance when only its type is known, or _ABSENT."""
    found: Any = _ABSENT
    for kind, key in steps:
        if kind == "name":
            found = _global(module, str(key))
        elif kind == "module":
            found = sys.modules.get(str(key), _ABSENT)
        elif kind == "literal":
            found = _Instance(_LITERALS[str(key)])
        elif kind == "attribute":
            found = _attribute(found, str(key))
        elif kind == "item":
            found = _item(found, key)
        else:
            found = _called(found)
        if found is _ABSENT:
            break
    return found


def _global(module: types.ModuleType, name: str) -> Any:
    names = vars(module)
    return names[name] if name in names else stock_names(names).get(name, _ABSENT)


def _attribute(owner: Any, name: str) -> Any:
    if is_a(owner, types.ModuleType):
        return getattr(owner, name, _ABSENT) if _is_ours(owner) else _names_of(owner).get(name, _ABSENT)
    if is_a(owner, _Instance):
        found = _in_classes(owner.kind, name)
        return _read(found, owner.kind)
    try:
        found = inspect.getattr_static(owner, name)
    except AttributeError:
        return _ABSENT
    if is_a(found, types.MemberDescriptorType):  # a slot: no code of anybody
        try:
            return found.__get__(owner, cast("type[Any]", type(owner)))
        except AttributeError:
            return _ABSENT
    return found if is_a(owner, type) else _read(found, cast("type[Any]", type(owner)))


def _read(found: Any, kind: type[Any]) -> Any:
    """What reading a class's attribute through an object would give, without running it."""
    if is_a(found, staticmethod, classmethod):
        return found.__func__
    getter: Any = _getter_of(found)
    if getter is not None:
        return _instance_of(result_of(getter)) if is_a(getter, types.FunctionType) else _ABSENT
    if is_a(found, types.GetSetDescriptorType, types.MemberDescriptorType):
        return _ABSENT
    return found


def _getter_of(found: Any) -> Any:
    """The function behind a property, None when it is no property."""
    if is_a(found, property):
        return found.fget
    cached = type(found) is getattr(sys.modules.get("functools"), "cached_property", None)
    return found.func if cached else None


def _in_classes(kind: type[Any], name: str) -> Any:
    for base in _TYPE_MRO.__get__(kind):
        names = _TYPE_DICT.__get__(base)
        if name in names:
            return names[name]
    return _ABSENT


def _item(owner: Any, key: str | int) -> Any:
    try:
        if is_a(owner, dict):
            return _DICT.get(owner, key, _ABSENT)
        for kind in (_LIST, _TUPLE):
            if is_a(owner, kind) and type(key) is int:
                return kind.__getitem__(owner, key)
    except IndexError:
        pass
    return _ABSENT


def _called(owner: Any) -> Any:
    if is_a(owner, type):
        return _Instance(cast("type[Any]", owner))
    if is_a(owner, types.MethodType):
        owner = owner.__func__
    return _instance_of(result_of(owner)) if is_a(owner, types.FunctionType) else _ABSENT


def _instance_of(kind: type[Any] | None) -> Any:
    return _ABSENT if kind is None else _Instance(kind)


# ---- what there is -----------------------------------------------------------------------------------------


def _is_ours(owner: Any) -> bool:
    """Whether it is one of our own modules or objects, whose `__getattr__` and `__dir__` may be asked."""
    kind = cast("type[Any]", type(owner))
    if kind is types.ModuleType:
        offer: Any = _names_of(owner).get("__getattr__")
        return is_a(offer, types.MethodType) and module_of(type(offer.__self__)).startswith("scriptengines.")
    return module_of(kind).startswith("scriptengines.")


def _names_of(module: types.ModuleType) -> dict[str, Any]:
    return _MODULE_DICT.__get__(module)


def _members(owner: Any, prefix: str) -> list[Candidate]:
    if is_a(owner, types.ModuleType):
        if not _is_ours(owner):
            return _rows(_names_of(owner).items(), prefix)
        known = [name for name in dir(owner) if name.startswith(prefix)]
        if type(owner) is types.ModuleType:  # `host`
            own = _names_of(owner)
            return [
                _row(name, own[name], own=False) if name in ("state", "batch") else (name, "host", "", "")
                for name in sorted(known)
                if _is_shown(name, prefix)
            ]
        return _rows(((name, getattr(owner, name, None)) for name in known), prefix)
    names: dict[str, Any] = {}
    if is_a(owner, type):
        _add_classes(names, cast("type[Any]", owner))
        if prefix.startswith("_"):
            _add_classes(names, cast("type[Any]", type(owner)))
        return _rows(names.items(), prefix, kind=owner)
    kind = owner.kind if is_a(owner, _Instance) else cast("type[Any]", type(owner))
    names.update(_fields(owner, kind))
    _add_classes(names, kind)
    return _rows(names.items(), prefix, kind=kind)


def _fields(owner: Any, kind: type[Any]) -> dict[str, Any]:
    if is_a(owner, _Instance):
        return {}
    for base in _TYPE_MRO.__get__(kind):
        found = _TYPE_DICT.__get__(base).get("__dict__")
        if found is not None:
            return found.__get__(owner) if is_a(found, types.GetSetDescriptorType) else {}
    return {}


def _add_classes(names: dict[str, Any], kind: type[Any]) -> None:
    for base in _TYPE_MRO.__get__(kind):
        for name, value in list(_TYPE_DICT.__get__(base).items()):
            names.setdefault(name, value)


def _is_shown(name: str, prefix: str) -> bool:
    return name.startswith(prefix) and (prefix.startswith("_") or not name.startswith("_"))


def _rows(items: Iterable[tuple[Any, Any]], prefix: str, kind: type[Any] | None = None) -> list[Candidate]:
    try:
        wanted = [
            (name, value)
            for name, value in islice(items, SCANNED)
            if type(name) is str and _is_shown(name, prefix)
        ]
    except RuntimeError:  # it grew just then; the next key asks again
        return []
    wanted.sort(key=lambda each: (each[0].startswith("_"), each[0]))
    return [_row(name, value, own=kind is not None) for name, value in wanted[:LIMIT]]


def _row(name: str, value: Any, *, own: bool) -> Candidate:
    """A candidate for a name; `own` when it is one of an object or class."""
    target = value.__func__ if is_a(value, staticmethod, classmethod) else value
    getter: Any = _getter_of(target)
    if getter is not None:
        kind = result_of(getter) if is_a(getter, types.FunctionType) else None
        return name, "property", "" if kind is None else f": {name_of(kind)}", doc_of(target)
    if is_a(target, types.MemberDescriptorType, types.GetSetDescriptorType):
        return name, "attribute", "", doc_of(target)
    if is_a(target, types.ModuleType):
        return name, "module", "", doc_of(target)
    if is_a(target, type):
        return name, "class", signature_of(target), doc_of(target)
    if is_a(target, *_ROUTINES):
        bound = own and not is_a(value, staticmethod)
        return name, "method" if own else "function", signature_of(target, bound=bound), doc_of(target)
    if module_of(type(target)) == "functools" or is_a(target, types.MethodType):
        return name, "function", signature_of(target), doc_of(target)
    text = summarize(target, _VALUE_LIMIT)
    return name, "attribute" if own else "variable", f": {name_of(type(target))}", text


def _keys(owner: Any, prefix: str, quote: str) -> list[Candidate]:
    """Keys of a dict that can be written, as they would be."""
    if not is_a(owner, dict):
        return []
    found: list[Candidate] = []
    items: Iterator[tuple[Any, Any]] = islice(_DICT.items(owner), SCANNED)
    try:
        for key, value in items:
            text = _written(key, quote)
            if text is not None and text.startswith(prefix):
                found.append((text, "key", f": {name_of(type(value))}", summarize(value, _VALUE_LIMIT)))
            if len(found) >= LIMIT:
                break
    except RuntimeError:  # it grew just then
        pass
    return found


def _written(key: Any, quote: str) -> str | None:
    if type(key) is str and len(key) < 200:
        if not quote:
            return repr(key)
        return None if quote in key or "\\" in key or not key.isprintable() else key
    return repr(key) if not quote and type(key) in (int, bool, float, type(None)) else None


def _arguments(owner: Any, prefix: str) -> list[Candidate]:
    """Names of the parameters of what is being called."""
    bound = is_a(owner, types.MethodType)
    function: Any = owner.__func__ if bound else owner
    if is_a(owner, type):
        function, bound = _in_classes(cast("type[Any]", owner), "__init__"), True
    if not is_a(function, types.FunctionType):
        return []
    code = function.__code__
    first = 1 if bound else 0
    names = code.co_varnames[max(first, code.co_posonlyargcount) : code.co_argcount + code.co_kwonlyargcount]
    return [(f"{name}=", "argument", "", "") for name in names if name.startswith(prefix) and name != "self"]


def _modules(package: str, prefix: str) -> list[Candidate]:
    """Modules that can be imported: the loaded ones, the standard library, and what lies in the path."""
    names: set[str] = set()
    head = package + "." if package else ""
    for name in list(sys.modules):
        if name.startswith(head):
            names.add(name.removeprefix(head).partition(".")[0])
    path: list[str] | None = None
    if package:
        found = getattr(sys.modules.get(package), "__path__", [])
        path = [each for each in found if type(each) is str] if is_a(found, list) else []
    else:
        names |= sys.stdlib_module_names
    import pkgutil

    names.update(each.name for each in islice(pkgutil.iter_modules(path), SCANNED))
    shown = sorted(name for name in names if name.isidentifier() and _is_shown(name, prefix))
    return [(name, "module", "", doc_of(sys.modules.get(head + name))) for name in shown[:LIMIT]]
