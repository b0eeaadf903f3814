"""The `json` of Lua scripts: strict, compared with Python's own, in every Lua there is."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scriptengines.errors import CallError
from scriptengines.lua.versions import MODULES, installed
from scriptengines.script import Script
from scriptengines.session import Session

type Write = Callable[[str, str], Path]

SOURCE = """
function encode(value) return json.encode(value) end
function encode2(value) return json.encode2(value) end
function pretty(value, indent) return json.encodeFormated(value, indent) end
function decode(text) return json.decode(text) end
function again(text) local value, problem = json.decode(text) assert(problem == nil, problem) return json.encode(value) end
function run(code) return assert((loadstring or load)(code))() end
"""
VERSIONS = [name for name in MODULES if name in installed()]
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=20,
)


@pytest.fixture
def it(session: Session, write: Write) -> Script:
    return session.load(write("it.lua", SOURCE))


@pytest.fixture(params=VERSIONS)
def any_lua(session: Session, write: Write, request: pytest.FixtureRequest) -> Iterator[Script]:
    yield session.load(write("it.lua", SOURCE), lua=request.param)


def as_lua_has_it(value: Any) -> Any:
    """What remains of a value in Lua: no null in objects, no difference between [] and {}."""
    if isinstance(value, dict):
        kept = {key: as_lua_has_it(item) for key, item in value.items() if item is not None}
        return kept or []
    if isinstance(value, list):
        items = [as_lua_has_it(item) for item in value]
        while items and items[-1] is None:
            items.pop()
        return items
    return value


# ---- against Python's json -----------------------------------------------------------------------------


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    value=SCALARS.filter(lambda value: value is not None) | st.dictionaries(st.text(), SCALARS, max_size=6)
)
def test_what_is_encoded_python_reads_as_the_same(it: Script, value: Any) -> None:
    expected = as_lua_has_it(value)
    read = json.loads(it.call("encode", value))
    assert (read or []) == expected if isinstance(value, dict) else read == expected
    assert type(read) is type(value)
    if isinstance(value, float):
        assert math.copysign(1, read) == math.copysign(1, value)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(value=VALUES, ascii_only=st.booleans(), indent=st.sampled_from([None, 2]))
def test_what_python_writes_is_decoded_as_the_same(
    it: Script, value: Any, ascii_only: bool, indent: int | None
) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    assert json.loads(it.call("again", text)) == json.loads(it.call("encode", value))


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(value=st.floats(allow_nan=False, allow_infinity=False))
def test_floats_are_as_short_as_they_can_be(it: Script, value: float) -> None:
    text = it.call("encode", value)
    assert float(text) == value
    digits = text.lower().partition("e")[0].lstrip("-").replace(".", "").strip("0")
    shortest = repr(value).lower().partition("e")[0].lstrip("-").replace(".", "").strip("0")
    assert len(digits) <= len(shortest)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(text=st.text() | st.text('{}[]",:0123456789.eE-+truefalsnl \\u', max_size=12))
def test_decode_never_raises_and_agrees_on_what_json_is(it: Script, text: str) -> None:
    def refuse(name: str) -> None:
        raise ValueError(name)

    value, problem = it.call("run", f"local v, p = json.decode({lua_string(text)}) return v == nil, p")
    try:
        wanted = json.loads(text, parse_constant=refuse)
    except (ValueError, RecursionError):
        assert problem
        assert value is True
    else:
        assert not problem
        assert value is (wanted is None)


def lua_string(text: str) -> str:
    return '"' + "".join(f"\\{byte:03d}" for byte in text.encode()) + '"'


# ---- decode ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    ["", "[1,", "{'a':1}", "[1] x", "NaN", "[Infinity]", "-Infinity", '"\\ud800"', "01", "[1,]", '"\t"'],
)
def test_bad_text_gives_nil_and_a_message(any_lua: Script, text: str) -> None:
    value, problem = any_lua.call("decode", text)
    assert value is None
    assert isinstance(problem, str)
    assert problem


@pytest.mark.parametrize("code", ["nil", "12", "{}", "true", "print", '"\\255"'])
def test_what_is_no_text_gives_nil_and_a_message(any_lua: Script, code: str) -> None:
    assert any_lua.call("run", f"local v, p = json.decode({code}) return v == nil and type(p)") == "string"


def test_numbers_and_nulls_in_lua(it: Script) -> None:
    assert it.call(
        "run",
        """
        local v = json.decode('{"i": 3, "f": 3.0, "e": 1e2, "big": 9223372036854775807, "more": 9223372036854775808,'
            .. '"n": null, "list": [1, null, 3], "dup": 1, "dup": 2, "nul": "a\\\\u0000b", "pair": "\\\\ud83d\\\\ude00"}')
        assert(math.type(v.i) == "integer" and math.type(v.f) == "float" and math.type(v.e) == "float")
        assert(v.big == math.maxinteger and math.type(v.more) == "float" and v.more == 2.0^63)
        assert(v.n == nil and v.list[2] == nil and v.list[3] == 3 and v.dup == 2)
        assert(v.nul == "a\\0b" and v.pair == "\\240\\159\\152\\128")
        return select("#", json.decode("1")), json.encode(json.decode("[]")), json.encode(json.decode("{}"))""",
    ) == (2, "{}", "{}")


def test_integers_that_a_lua_cannot_hold_become_floats(any_lua: Script) -> None:
    assert any_lua.call(
        "run", 'return json.decode("123456789012345678901234567890") == 123456789012345678901234567890.0'
    )
    assert any_lua.call("run", 'return json.decode("[9007199254740993, 18446744073709551616]")[2] == 2^64')


def test_deep_nesting_is_refused_not_fatal(it: Script) -> None:
    value, problem = it.call("decode", "[" * 100_000)
    assert value is None
    assert problem


# ---- encode ----------------------------------------------------------------------------------------------

ENCODED = [
    ("{}", "{}"),
    ("nil", "null"),
    ("{1, 2, {}}", "[1,2,{}]"),
    ("json.initArray({})", "[]"),
    ("{a = json.util.InitArray({})}", '{"a":[]}'),
    ("{1, 2, x = 5}", "[1,2]"),
    ("{[1] = false}", "[false]"),
    ("{[5] = 'x'}", '{"5":"x"}'),
    ("{[true] = 1}", '{"true":1}'),
    (
        "{msg=1, zebra=2, type=3, id=4, alpha=5, key=6}",
        '{"type":3,"id":4,"key":6,"msg":1,"alpha":5,"zebra":2}',
    ),
    ("json.null", "null"),
    ("{json.null, 1}", "[null,1]"),
    (r"'a\"\\\b\t\n\f\r\1/é'", r'"a\"\\\b\t\n\f\r\u0001/é"'),
    (r"{['a\n'] = 1}", r'{"a\n":1}'),
    ("0.1 + 0.2", "0.30000000000000004"),
]


@pytest.mark.parametrize(("code", "text"), ENCODED)
def test_encode(any_lua: Script, code: str, text: str) -> None:
    assert any_lua.call("run", f"return json.encode({code})") == text
    assert any_lua.call("run", f"return json.encodeFast({code})") == text


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("1.0", "1.0"),
        ("1e15", "1e+15"),
        ("-0.0", "-0.0"),
        ("math.mininteger", str(-(2**63))),
        ("3 // 1", "3"),
        ("{1, nil, 3}", "[1,null,3]"),
    ],
)
def test_encode_tells_integers_from_floats_and_keeps_holes(it: Script, code: str, text: str) -> None:
    assert it.call("run", f"return json.encode({code})") == text


@pytest.mark.parametrize(
    "code",
    [
        "1/0",
        "-1/0",
        "0/0",
        "print",
        "{f = print}",
        "coroutine.create(function() end)",
        "io.stdout",
        '"\\255"',
        "{[{}] = 1}",
        "{[2] = 1, ['2'] = 2}",
        "(function() local t = {} t.t = t return t end)()",
    ],
)
@pytest.mark.parametrize("function", ["encode", "encode2", "encodeFormated"])
def test_what_json_cannot_hold_is_an_error(any_lua: Script, function: str, code: str) -> None:
    with pytest.raises(CallError, match="json: "):
        any_lua.call("run", f"return json.{function}({code})")


def test_the_same_table_twice_is_no_cycle(it: Script) -> None:
    assert it.call("run", "local t = {1} return json.encode({t, t})") == "[[1],[1]]"


def test_an_error_names_the_line_that_asked(it: Script, write: Write) -> None:
    it.execute("function broken()\n  local text = json.encode(print)\n  return text\nend")
    with pytest.raises(CallError) as caught:
        it.call("broken")
    assert caught.value.frames[-1].line == 2


def test_encode2_keeps_sparse_arrays_as_objects(it: Script) -> None:
    assert it.call("run", "return json.encode2({1, 2})") == "[1,2]"
    assert json.loads(it.call("run", "return json.encode2({[1] = 'a', [3] = 'c'})")) == {"1": "a", "3": "c"}
    assert it.call("run", "return json.encode2({1, x = 2}) == _PY.to_json({1, x = 2})") is True
    assert json.loads(it.call("run", "return json.encode2({1, x = 2})")) == {"1": 1, "x": 2}


def test_formatted(it: Script) -> None:
    assert it.call("run", "return json.encodeFormated({1, {}})") == "[\n  1,\n  {}\n]"
    assert it.call("run", "return json.encodeFormated({a = {1}}, 4)") == '{\n    "a": [\n        1\n    ]\n}'
    assert it.call("run", "return json.encodeFormated(nil)") == "null"
    assert it.call("run", "return _PY.to_json_formatted({}) .. _PY.pretty_print({1}, 1)") == "{}[\n 1\n]"


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("{1, 2}", "{1,2}"),
        ("{a = 1, [2] = 'x'}", '{[2]="x",a=1}'),
        ("{['a b'] = {}}", '{["a b"]={}}'),
        ("nil", "null"),
        ("{zeta = 1, id = 2}", "{id=2,zeta=1}"),
    ],
)
def test_encode_lua_is_for_people(it: Script, code: str, text: str) -> None:
    assert it.call("run", f"return json.encodeLua({code})") == text


def test_require_gives_the_global(it: Script) -> None:
    assert it.call("run", 'return require("json") == json and require("plua.json") == json') is True


def test_a_module_of_the_scripts_own_comes_first(session: Session, write: Write) -> None:
    write("json.lua", "return {mine = true}")
    write("class.lua", "return 'my class'")
    it = session.load(write("it.lua", "j, c = require 'json', require 'class'"))
    assert it.get("j") == {"mine": True}
    assert it.get("c") == "my class"


def test_what_a_script_puts_into_it_stays(it: Script) -> None:
    assert it.call("run", "json.mine = 5 return json.mine, json.encode({})") == (5, "{}")
