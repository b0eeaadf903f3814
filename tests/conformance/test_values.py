"""What each kind of value arrives as, and what comes back: the documented answer of each engine."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import pytest

from scriptengines.errors import CrossingError

from .conftest import Load
from .languages import Language

behaviour = pytest.mark.behaviour
SAME = object()
NAN, INFINITY, BIG = math.nan, math.inf, 2**70


class Case(NamedTuple):
    """A value, and per engine: what the script sees, and what comes back when it returns it."""

    name: str
    value: Any
    kinds: tuple[str, str | None, str]
    lua: Any = SAME


CASES = (
    Case("None", None, ("NoneType", "nil", "NIL")),
    Case("True", True, ("bool", "boolean", "BOOL")),
    Case("False", False, ("bool", "boolean", "BOOL")),
    Case("zero", 0, ("int", "integer", "INT")),
    Case("smallest int64", -(2**63), ("int", "integer", "INT")),
    Case("largest int64", 2**63 - 1, ("int", "integer", "INT")),
    Case("big int", BIG, ("int", None, "BIGINT")),
    Case("negative big int", -BIG, ("int", None, "BIGINT")),
    Case("float", 1.5, ("float", "float", "DOUBLE")),
    Case("whole float", 2.0, ("float", "float", "DOUBLE")),
    Case("NaN", NAN, ("float", "float", "DOUBLE")),
    Case("infinity", -INFINITY, ("float", "float", "DOUBLE")),
    Case("empty str", "", ("str", "string", "STR")),
    Case("str with NUL", "a\0b", ("str", "string", "STR")),
    Case("non-ASCII str", "Grün 数 🎨", ("str", "string", "STR")),
    Case("long str", "x" * 100_000, ("str", "string", "STR")),
    Case("lone surrogate", "\udc80", ("str", None, "STR")),
    Case("bytes", b"\xff\0\xfe", ("bytes", "string", "BYTES")),
    Case("bytes that are text", b"red", ("bytes", "string", "BYTES"), lua="red"),
    Case("bytearray", bytearray(b"\xff"), ("bytearray", "string", "BYTEARRAY"), lua=b"\xff"),
    Case("list", [1, "two", 3.0], ("list", "table", "LIST")),
    Case("empty list", [], ("list", "table", "LIST")),
    Case("list with a hole", [1, None, 3], ("list", "table", "LIST"), lua={1: 1, 3: 3}),
    Case("tuple", (1, 2), ("tuple", "table", "TUPLE"), lua=[1, 2]),
    Case("dict", {"a": 1, "b": 2}, ("dict", "table", "DICT")),
    Case("empty dict", {}, ("dict", "table", "DICT"), lua=[]),
    Case("dict of 1..n", {1: "a", 2: "b"}, ("dict", "table", "DICT"), lua=["a", "b"]),
    Case("dict with an empty entry", {"a": None, "b": 1}, ("dict", "table", "DICT"), lua={"b": 1}),
    Case("set", {"a", "b"}, ("set", "table", "SET")),
    Case("set of 1..n", {1, 2}, ("set", "table", "SET")),
    Case("frozenset", frozenset({"a"}), ("frozenset", "table", "FROZENSET")),
    Case("nested", {"users": [{"name": "Ada", "tags": [b"\xff"]}]}, ("dict", "table", "DICT")),
)
INDEX = {"python": 0, "lua": 1, "native": 2}
EXACT = 2**53
"""What a Lua without integers can count to."""


def answer(case: Case, language: Language) -> tuple[str | None, Any]:
    """What a script calls the value, None when it cannot have it; and what comes back."""
    kind = case.kinds[INDEX[language.engine]]
    result = case.lua if language.engine == "lua" and case.lua is not SAME else case.value
    if language.engine != "lua" or language.integers:
        return kind, result
    if isinstance(case.value, int) and abs(case.value) > EXACT:
        return None, None
    whole = type(result) is float and result.is_integer()
    return "number" if kind in ("integer", "float") else kind, int(result) if whole else result


def same(a: Any, b: Any) -> bool:
    """Equal and of the same type, NaN included."""
    return type(a) is type(b) and (a == b or (a != a and b != b))


@behaviour("values arrive")
def test_values_arrive_as_documented(load: Load, language: Language) -> None:
    script = load("kinds")
    for case in CASES:
        kind, _ = answer(case, language)
        if kind is None:
            with pytest.raises(CrossingError, match=r"args\[0\]: "):
                script.call("kind", case.value)
        else:
            assert script.call("kind", case.value) == kind, case.name


@behaviour("values come back")
def test_values_come_back_as_documented(load: Load, language: Language) -> None:
    script = load("plain")
    for case in CASES:
        kind, expected = answer(case, language)
        if kind is not None:
            assert same(script.call("echo", case.value), expected), case.name


MADE = {
    "nothing": ("None", "nil", "sc_nil()", None),
    "yes": ("True", "true", "sc_bool(1)", True),
    "integer": ("-7", "-7", "sc_int(-7)", -7),
    "real": ("0.5", "0.5", "sc_double(0.5)", 0.5),
    "text": ("'gr\\xfcn\\0'", '"gr\\195\\188n\\0"', 'sc_strn("gr\\xc3\\xbcn", 6)', "grün\0"),
    "raw": ("b'\\xff'", '"\\255"', 'sc_bytes("\\xff", 1)', b"\xff"),
    "sequence": ("[1, [2]]", "{1, {2}}", "sc_items(SC_LIST, list, 2)", [1, [2]]),
    "mapping": ("{'k': 1.5}", "{k = 1.5}", "sc_items(SC_DICT, dict, 2)", {"k": 1.5}),
}
C_DATA = """
static sc_value inner[1], list[2], dict[2];
static int load(sc_ctx *ctx) {
    (void)ctx;
    inner[0] = sc_int(2);
    list[0] = sc_int(1);
    list[1] = sc_items(SC_LIST, inner, 1);
    dict[0] = sc_str("k");
    dict[1] = sc_double(1.5);
    return 0;
}
"""


def _maker(language: Language, name: str) -> str:
    expression = MADE[name][INDEX[language.engine]]
    if language.engine == "python":
        return f"def {name}(): return {expression}\n"
    if language.engine == "lua":
        return f"function {name}() return {expression} end\n"
    return f"@{name} {{ *out = {expression}; return 0; }}\n"


@behaviour("values made by a script")
def test_what_a_script_makes_arrives_as_documented(session, write, language: Language) -> None:
    from .sources_native import module

    text = "".join(_maker(language, name) for name in MADE)
    text = module(C_DATA + text) if language.engine == "native" else language.headed(text)
    script = session.load(write(f"it{language.suffix}", text))
    for name, (*_, expected) in MADE.items():
        assert same(script.call(name), expected), name


@behaviour("large values cross")
def test_a_list_of_ten_thousand_crosses(load: Load) -> None:
    assert load("plain").call("echo", list(range(10_000))) == list(range(10_000))
