"""Values on their way through two scripts, and what the documentation (docs/crossing.md) says comes back."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from scriptengines.errors import CrossingError
from scriptengines.script import Script
from scriptengines.session import Session

type Write = Callable[[str, str], Path]

SOURCES = {
    "python": (
        ".py",
        "import host\n"
        "def echo(value): return value\n"
        "def forward(alias, value): return host.call(alias, 'echo', value)\n",
    ),
    "lua": (
        ".lua",
        "function echo(value) return value end\n"
        "function forward(alias, value) return host.call(alias, 'echo', value) end\n",
    ),
    "native": (
        ".c",
        """#include <scriptconsole.h>
static int echo(sc_ctx *c, const sc_value *a, size_t n, sc_value *out) { *out = a[0]; return 0; }
static int forward(sc_ctx *c, const sc_value *a, size_t n, sc_value *out) {
    sc_value passed[3] = { a[0], sc_str("echo"), a[1] };
    return c->host(c, "call", passed, 3, out);
}
static const sc_export exports[] = {{"echo", echo, NULL, ""}, {"forward", forward, NULL, ""}, {0}};
static const sc_module module = {SC_ABI_VERSION, "it", "1", exports, NULL, NULL, NULL};
SC_MODULE(module)
""",
    ),
}
PAIRS = list(itertools.product(SOURCES, SOURCES))
"""The engine of the script that is called, and of the one that it calls."""


def load_pair(session: Session, write: Write, first: str, second: str) -> tuple[Script, Script]:
    scripts = []
    for alias, engine in (("first", first), ("second", second)):
        suffix, text = SOURCES[engine]
        scripts.append(session.load(write(f"{alias}{suffix}", text), alias))
    return scripts[0], scripts[1]


# ---- what is sent ----------------------------------------------------------------------------------------

text = st.text(st.characters(codec=None), max_size=20)
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**200), 2**200)
    | st.floats()
    | text
    | st.binary(max_size=20)
    | st.binary(max_size=20).map(bytearray)
    | st.sampled_from(["x" * 5000, b"\xff" * 70_000, "ü" * 40_000])
)
keys = st.booleans() | st.integers() | text | st.binary(max_size=8)
any_keys = keys | st.none() | st.tuples(keys)
values = st.recursive(
    scalars | st.sets(keys, max_size=4) | st.frozensets(any_keys, max_size=4),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.lists(inner, max_size=5).map(tuple)
        | st.dictionaries(keys, inner, max_size=5)
        | st.dictionaries(any_keys, inner, max_size=3)
        | st.dictionaries(st.integers(1, 4), inner, max_size=4)
    ),
    max_leaves=15,
)


# ---- what comes back -------------------------------------------------------------------------------------


class Refused(Exception):
    """Lua has no such value."""


def in_lua(value: Any) -> Any:
    """What comes back from a Lua script."""
    if isinstance(value, bool) or value is None or isinstance(value, float):
        return value
    if isinstance(value, int):
        if not -(2**63) <= value < 2**63:
            raise Refused
        return value
    if isinstance(value, str):
        _encodable(value)
        return value
    if isinstance(value, (bytes, bytearray)):
        return _text_or_bytes(bytes(value))
    if isinstance(value, (list, tuple)):
        return _table(dict(enumerate(value, 1)))
    if isinstance(value, (set, frozenset)):
        elements = _pairs(dict.fromkeys(value, True))
        return frozenset(elements) if isinstance(value, frozenset) else set(elements)
    return _table(value)


def _table(pairs: dict[Any, Any]) -> Any:
    table = _pairs(pairs)
    if all(type(key) is int and 1 <= key <= len(table) for key in table):
        return [table[number] for number in range(1, len(table) + 1)]
    return table


def _pairs(pairs: dict[Any, Any]) -> dict[Any, Any]:
    table: dict[Any, Any] = {}
    for key, value in pairs.items():
        if not isinstance(key, (str, bytes, int)):
            raise Refused
        known, stored = in_lua(key), in_lua(value)
        if known in table:
            raise Refused
        table[known] = stored
    return {key: value for key, value in table.items() if value is not None}


def _encodable(value: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Refused from None


def _text_or_bytes(value: bytes) -> str | bytes:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value


def same(a: Any, b: Any) -> bool:
    """Equal and of the same types all through; NaN is the same as NaN, 0.0 not as -0.0."""
    if type(a) is not type(b):
        return False
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return len(a) == len(b) and all(key in b and same(value, b[key]) for key, value in a.items())
    return repr(a) == repr(b) if isinstance(a, float) else a == b


def check(first: Script, second: Script, value: Any) -> None:
    """Send a value through both scripts: it comes back as documented, or is refused with its place."""
    through_lua = "lua" in (first.engine.name, second.engine.name)
    try:
        expected = in_lua(value) if through_lua else value
    except Refused:
        try:
            result = first.call("forward", second.alias, value)
        except CrossingError as error:
            assert "args[" in str(error)  # noqa: PT017 - where it was
            return
        raise AssertionError(f"{value!r} came back as {result!r}") from None
    result = first.call("forward", second.alias, value)
    assert same(result, expected), (value, result, expected)
