"""What a Lua script holds that can stand where a cursor is; runs no code of the script.

The names of the host and of the dialect's tables are known from their sources: the script may not have looked
at them yet, and a look would fill them.
"""

from __future__ import annotations

import re
from functools import cache
from itertools import batched
from typing import TYPE_CHECKING, Any, cast

from scriptengines.completion import LIMIT
from scriptengines.host import HostObject

from .dialect import text_of as dialect_text
from .stocknames import SIGNATURES
from .traces import Sources, path_of, text_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from scriptengines.completion import Candidate
    from scriptengines.completion.question import Question

    from .state import LuaState

_OWN = "[scriptconsole]"
_TABLES = {
    "json": ("json", "json"),
    "net": ("net", "net"),
    "mqtt": ("mqtt", "mqtt"),
    "_PY": ("PY", "py", "pynet"),
}
"""Of each table of the dialect its name in the files that fill it, and these."""
_NAME = re.compile(r"[A-Za-z_]\w*\Z")


def candidates(state: LuaState, question: Question) -> list[Candidate]:
    """What a state has for a Question; holding the run lock."""
    place, steps, prefix, _, quote, _ = question
    if any(kind == "call" for kind, _ in steps):
        return []
    literal = bool(steps) and steps[0][0] == "literal"
    way = [key for _, key in steps[literal:]]
    if literal and way:
        return []
    found: list[Candidate] = []
    wanted = "name" if place == "attribute" else place
    rows, kind, userdata = _looked(state, wanted, prefix, literal, way)
    name = way[0] if len(way) == 1 and steps[0][0] == "name" else ""
    if rows is not None:
        stock = "string" if kind == "string" else ".".join(map(str, way))
        known = _dialect_functions(str(name)) if name in _TABLES else {}
        if not all(row[0] in known for row in rows):  # the script has a table of that name of its own
            known = {}
        found = [_row(state.sources, stock, known, place, row) for row in rows]
        if name == "host" and place in ("attribute", "method"):
            found = [row for row in found if row[1] != "function"]
            found += [(each, "host", "", "") for each in state.host_names() if each.startswith(prefix)]
        elif known and place in ("attribute", "method"):
            had = {row[0] for row in found}
            found += [
                (each, "function", signature, doc)
                for each, (signature, doc) in known.items()
                if each.startswith(prefix) and each not in had
            ]
    if isinstance(userdata, HostObject):
        found += _methods(userdata, prefix)
    if place != "key" and not prefix.startswith("_"):
        found = [row for row in found if not row[0].startswith("__")]
    if place == "key":
        found = [row for row in (_key(row, quote) for row in found) if row is not None]
        found = [row for row in found if row[0].startswith(prefix)]
        if prefix and not quote:  # the name of a variable
            found += [
                _row(state.sources, "", {}, "name", row)
                for row in _looked(state, "name", prefix, False, [])[0] or ()
            ]
    return sorted(found, key=lambda row: (row[0].startswith("_"), row[0]))[:LIMIT]


type _Found = tuple[Any, str, str, int, str]
"""key, type, text or parameters, line, source."""


def _looked(
    state: LuaState, wanted: str, prefix: str, literal: bool, way: list[str | int]
) -> tuple[list[_Found] | None, str, Any]:
    """The rows of inspect.lua, the type of the value they are in, and that itself if it is userdata."""
    answer = state.candidates(wanted, prefix, literal, way)
    if answer is None:
        return None, "", None
    flat, value_type, *rest = cast("tuple[Any, ...]", answer)
    rows = [
        (
            text_of(key) if isinstance(key, str | bytes) else key,
            text_of(kind),
            text_of(text),
            line,
            path_of(source),
        )
        for key, kind, text, line, source in batched(cast("Iterable[Any]", flat), 5, strict=True)
    ]
    return rows, text_of(value_type), rest[0] if rest else None


def _row(
    sources: Sources, owner: str, known: dict[str, tuple[str, str]], place: str, row: _Found
) -> Candidate:
    key, kind, text, line, source = row
    name = key if isinstance(key, str) else str(key).lower() if isinstance(key, bool) else f"{key}"
    if kind != "function":
        shape = "key" if place == "key" else "variable" if place == "name" else "attribute"
        return name, shape, f": {kind}", text
    shape = "key" if place == "key" else "method" if place == "method" else "function"
    if source == _OWN or not line:
        signature, doc = known.get(name) or (SIGNATURES.get(f"{owner}.{name}" if owner else name, ""), "")
        signature = signature or (text if source == _OWN else "") or "(…)"
        builtin = "builtin" if place == "name" else shape
        return name, builtin, signature, doc or _global_docs().get(name, ("", ""))[1] if not owner else doc
    return name, shape, text or sources.parameters(source, line), sources.comment_above(source, line)


def _key(row: Candidate, quote: str) -> Candidate | None:
    """A candidate for a key as it would be written in a subscript."""
    name, kind, signature, doc = row
    numeric = name.lstrip("-").replace(".", "", 1).isdigit() or name in ("true", "false")
    if quote:
        return None if numeric or quote in name or "\\" in name or not name.isprintable() else row
    if numeric:
        return row
    quoted = name.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{quoted}"', kind, signature, doc


def _methods(owner: HostObject, prefix: str) -> list[Candidate]:
    """Of an object of the host, such as a connection."""
    import inspect

    found: list[Candidate] = []
    for name in dir(type(owner)):
        if name.startswith("_") or not name.startswith(prefix) or name == "begin":
            continue
        value: Any = getattr(type(owner), name)
        doc = (inspect.getdoc(value) or "").partition("\n\n")[0]
        if inspect.isfunction(value):
            names = list(inspect.signature(value).parameters)[1:]
            found.append((name, "method", f"({', '.join(names)})", doc))
        else:
            found.append((name, "attribute", "", doc))
    return found


# ---- what the files of the dialect define ------------------------------------------------------------------


@cache
def _dialect_functions(table: str) -> dict[str, tuple[str, str]]:
    """Signature and documentation of what a table of the dialect has, by name."""
    alias, *files = _TABLES[table]
    found: dict[str, tuple[str, str]] = {}
    for file in files:
        _read(dialect_text(file).decode(), alias, found)
    return found


@cache
def _global_docs() -> dict[str, tuple[str, str]]:
    found: dict[str, tuple[str, str]] = {}
    _read(dialect_text("globals").decode(), "", found)
    return found


def _read(text: str, table: str, found: dict[str, tuple[str, str]]) -> None:
    """Collect what a file assigns to a table: `function T.name(…)` and `T.a, T.b = …` at the left margin."""
    sources = Sources()
    sources.add("file", text)
    owner = rf"{table}\." if table else ""
    function = re.compile(rf"function {owner}(\w+)(\([^)]*\))")
    assigned = re.compile(rf"(?:{owner}\w+\s*,\s*)*{owner}\w+\s*=[^=]") if table else None
    for number, line in enumerate(text.split("\n"), start=1):
        if defined := function.match(line):
            found[defined[1]] = defined[2], sources.comment_above("file", number)
        elif assigned is not None and (left := assigned.match(line)):
            anonymous = re.search(r"= function(\([^)]*\))", line)
            signature = anonymous[1] if anonymous else "(…)" if "{" not in line else ""
            for name in re.findall(rf"{owner}(\w+)", left[0]):
                found.setdefault(name, (signature, ""))
