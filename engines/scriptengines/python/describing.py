"""Signatures and documentation of Python objects as they can be read without running code of a script."""

from __future__ import annotations

import builtins
import inspect
import sys
import types
from typing import Any, cast

from scriptengines.summary import summarize

_DOC_LIMIT = 600
_SIGNATURE_LIMIT = 300
_TYPE_DICT = vars(type)["__dict__"]
_TYPE_MRO = vars(type)["__mro__"]


def is_a(value: Any, *kinds: Any) -> bool:
    """As isinstance, without asking the object for its `__class__`, which a script may have made anything."""
    return issubclass(cast("type[Any]", type(value)), kinds)


def module_of(kind: Any) -> str:
    """Name of the module of a class, without asking its metaclass."""
    found: Any = _TYPE_DICT.__get__(kind).get("__module__")
    return found if type(found) is str else "builtins"


def name_of(kind: Any) -> str:
    """Qualified name of a class, without asking its metaclass."""
    return vars(type)["__qualname__"].__get__(kind)


def doc_of(value: Any) -> str:
    """First paragraph of the documentation of a module, class, function or property; "" when it has none."""
    if is_a(value, type):
        doc: Any = _TYPE_DICT.__get__(value).get("__doc__")
    elif is_a(value, types.ModuleType):
        doc = vars(types.ModuleType)["__dict__"].__get__(value).get("__doc__")
    elif is_a(value, types.FunctionType, types.BuiltinFunctionType, property):
        doc = value.__doc__
    elif is_a(value, types.MethodType):
        return doc_of(value.__func__)
    elif inspect.ismethoddescriptor(value) or inspect.isdatadescriptor(value):
        # Those of C code only: a descriptor of the script's own could compute it.
        doc = value.__doc__ if module_of(type(value)) == "builtins" else ""
    else:
        doc = ""
    if type(doc) is not str:
        return ""
    return inspect.cleandoc(doc[: 4 * _DOC_LIMIT]).partition("\n\n")[0][:_DOC_LIMIT]


def signature_of(value: Any, *, bound: bool = False) -> str:
    """ "(a, b=1) -> int" of what can be called, as far as it is known.

    Args:
        value: A function, method or class.
        bound: Leave the first parameter of a function out.
    """
    if is_a(value, types.MethodType):
        value, bound = value.__func__, True
    if is_a(value, type):
        return _of_class(cast("type[Any]", value))
    if is_a(value, types.FunctionType):
        return _of_function(value, bound)[:_SIGNATURE_LIMIT]
    text = getattr(value, "__text_signature__", None) if module_of(type(value)) == "builtins" else None
    if type(text) is not str:
        return "(…)"
    kept = [part for part in text[1:-1].split(", ") if part not in ("$self", "$module", "$type")]
    if kept[:1] == ["/"]:
        kept = kept[1:]
    return f"({', '.join(kept)})"


def _of_class(kind: type[Any]) -> str:
    for name in ("__init__", "__new__"):
        for base in _TYPE_MRO.__get__(kind):
            found = _TYPE_DICT.__get__(base).get(name)
            found = found.__func__ if is_a(found, staticmethod) else found
            if is_a(found, types.FunctionType):
                return _of_function(found, True).partition(" -> ")[0][:_SIGNATURE_LIMIT]
    text: Any = vars(type)["__text_signature__"].__get__(kind) if module_of(kind) == "builtins" else None
    return text if type(text) is str else "(…)"


def _of_function(function: types.FunctionType, bound: bool) -> str:
    code = function.__code__
    positional = code.co_argcount
    names = code.co_varnames
    notes = annotations_of(function)
    defaults: dict[str, Any] = dict(function.__kwdefaults__ or {})
    for name, value in zip(reversed(names[:positional]), reversed(function.__defaults__ or ()), strict=False):
        defaults[name] = value

    def shown(name: str, star: str = "") -> str:
        note = f": {_written(notes[name])}" if name in notes else ""
        if name not in defaults or star:
            return f"{star}{name}{note}"
        return f"{name}{note}{' = ' if note else '='}{summarize(defaults[name], 40)}"

    parts = [shown(name) for name in names[:positional]]
    if code.co_posonlyargcount:
        parts.insert(code.co_posonlyargcount, "/")
    after = positional + code.co_kwonlyargcount
    if code.co_flags & inspect.CO_VARARGS:
        parts.append(shown(names[after], "*"))
    elif code.co_kwonlyargcount:
        parts.append("*")
    parts += [shown(name) for name in names[positional:after]]
    if code.co_flags & inspect.CO_VARKEYWORDS:
        parts.append(shown(names[after + bool(code.co_flags & inspect.CO_VARARGS)], "**"))
    if bound and positional:
        del parts[0]
        if parts[:1] == ["/"]:
            del parts[0]
    result = f" -> {_written(notes['return'])}" if "return" in notes else ""
    return f"({', '.join(parts)}){result}"


def annotations_of(function: types.FunctionType) -> dict[str, Any]:
    """Annotations of a function, as texts where evaluating them would run code."""
    if sys.version_info < (3, 14):
        return function.__annotations__
    import annotationlib  # pyright: ignore[reportMissingImports] - new in 3.14

    try:
        return cast("Any", annotationlib).get_annotations(
            function, format=cast("Any", annotationlib).Format.STRING
        )
    except Exception:  # noqa: BLE001 - whatever a script has put in its place
        return {}


def _written(note: Any) -> str:
    if type(note) is str:
        return note[:80]
    if is_a(note, type):
        return name_of(cast("type[Any]", note))
    return "None" if note is None else str(note)[:80] if module_of(type(note)) in ("typing", "types") else "…"


def stock_names(names: dict[str, Any]) -> dict[str, Any]:
    """The built-in names as code with these globals sees them."""
    own = names.get("__builtins__", builtins)
    return cast("dict[str, Any]", vars(own) if is_a(own, types.ModuleType) else own)


def result_of(function: types.FunctionType) -> type[Any] | None:
    """The class a function says it returns; None when it says nothing that can be told."""
    note = annotations_of(function).get("return")
    if is_a(note, type) and type(note) is not types.GenericAlias:
        return cast("type[Any]", note)
    if type(note) is not str:
        return None
    name = note.strip("\"'").partition("|")[0].partition("[")[0].strip()
    head, *rest = name.split(".")
    found = function.__globals__.get(head)
    if found is None:
        found = stock_names(function.__globals__).get(head)
    for part in rest:
        found = vars(found).get(part) if is_a(found, types.ModuleType) else None
    return cast("type[Any]", found) if is_a(found, type) else None
