"""What is typed into a script: expressions and statements, `_`, bounded results, whether it is complete."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from scriptengines.errors import CallError, Interrupted, LoadError, format_error
from scriptengines.results import ITEMS, ROWS, TEXT, Result
from scriptengines.session import Session
from tests.conftest import Log

type Write = Callable[[str, str], Path]
type Type = Callable[[str], list[Result]]


@pytest.fixture(params=["isolated", "shared", "main", "process"])
def python(session: Session, write: Write, request: pytest.FixtureRequest) -> Type:
    session.load(write("it.py", "import host\n"), isolation=request.param)
    return lambda code: session.interact("it", code)


@pytest.fixture(params=["state", "process"])
def lua(session: Session, write: Write, request: pytest.FixtureRequest) -> Type:
    session.load(write("it.lua", ""), isolation=request.param)
    return lambda code: session.interact("it", code)


def written(result: Result) -> str:
    """A result on one line, as the terminal shows it when there is room."""
    if result.text:
        return result.label + result.text
    inner = ", ".join(map(written, result.items)) + (", …" if result.hidden else "")
    return result.label + result.opening + inner + result.closing


# ---- Python ----------------------------------------------------------------------------------------------


def test_statements_then_an_expression(python: Type) -> None:
    assert python("x = 3") == []
    assert written(python("y = x + 1; [x, {'k': (y, None)}]")[0]) == "[3, {'k': (4, None)}]"
    assert python("None") == []
    assert python("for i in range(3):\n    x += i\n") == []
    assert written(python("x")[0]) == "6"


def test_the_last_value_is_an_underscore_unless_the_script_has_its_own(python: Type) -> None:
    python("21")
    assert written(python("_ * 2")[0]) == "42"
    python("_ = 'mine'")
    python("5")
    assert written(python("_")[0]) == "'mine'"


def test_coroutines_are_waited_for(python: Type) -> None:
    assert written(python("import asyncio; await asyncio.sleep(0.001, 'done')")[0]) == "'done'"
    assert written(python("asyncio.sleep(0.001, 'again')")[0]) == "'again'"
    assert python("await host.sleep(1)") == []


def test_errors_show_the_lines_that_were_typed(python: Type) -> None:
    python("def fail(n):\n    return 1 / n\n")
    with pytest.raises(CallError) as caught:
        python("fail(0)")
    shown = [
        (frame.function, frame.source) for frame in caught.value.frames if frame.file.startswith("<input")
    ]
    assert shown == [("<module>", "fail(0)"), ("fail", "return 1 / n")]
    with pytest.raises(CallError) as caught:
        python("x = = 1")
    assert "x = = 1" in format_error(caught.value)


def test_objects_are_written_as_they_say_and_can_be_looked_into(python: Type) -> None:
    python(
        "import dataclasses, collections\n"
        "@dataclasses.dataclass\nclass Point:\n    x: int = 1\n    y: object = None\n"
        "class Own:\n    def __init__(self): self.inside = [1]\n    def __repr__(self): return '<own>'\n"
        "class Bad:\n    def __repr__(self): raise ValueError\n"
    )
    assert written(python("Point(y=Point())")[0]) == "Point(x=1, y=Point(x=1, y=None))"
    [own] = python("Own()")
    assert (own.text, [written(item) for item in own.items]) == ("<own>", ["inside=[1]"])
    assert written(python("Bad()")[0]) == "<Bad whose __repr__ raised ValueError>"
    assert written(python("collections.namedtuple('N', 'a b')(1, 2)")[0]) == "N(a=1, b=2)"
    assert written(python("collections.Counter('aab')")[0]) == "Counter({'a': 2, 'b': 1})"
    assert (
        written(python("(frozenset([1]), set(), frozenset())")[0]) == "(frozenset({1}), set(), frozenset())"
    )


def test_results_are_bounded(python: Type) -> None:
    [huge] = python("list(range(1_000_000))")
    assert (len(huge.items), huge.size, huge.hidden) == (ITEMS, 1_000_000, 1_000_000 - ITEMS)
    assert len(python("'x' * 1_000_000")[0].text) <= TEXT + 3
    [wide] = python("[[list(range(50)) for _ in range(50)] for _ in range(50)]")
    assert count(wide) <= ROWS
    [circle] = python("a = [1]; a.append(a); a")
    assert written(circle) == "[1, <list that it is in>]"
    assert "bits>" in python("1 << 100_000")[0].text


def count(result: Result) -> int:
    return 1 + sum(map(count, result.items))


@pytest.mark.parametrize(
    ("code", "complete"),
    [
        ("1 + 1", True),
        ("f(1,", False),
        ("def f():", False),
        ("def f():\n    return 1", False),
        ("def f():\n    return 1\n", True),
        ("for x in y: print(x)", True),
        ("if x:\n    y()\nelse:", False),
        ("x = '''", False),
        ("x = '''\n  a'''", True),
        ("await f()", True),
        ("async with a:\n  b()", False),
        ("match x:\n  case 1: pass", False),
        ("x = = 1", True),
        ("x = 1\ny = 2", True),
        ("@decorated", False),
        ("a \\", False),
        ("", True),
    ],
)
def test_whether_python_is_complete(session: Session, write: Write, code: str, complete: bool) -> None:
    session.load(write("it.py", ""), isolation="main")
    assert session.is_complete("it", code) is complete


# ---- Lua -------------------------------------------------------------------------------------------------


def test_lua_expressions_and_statements(lua: Type) -> None:
    assert lua("x = 3") == []
    assert [written(each) for each in lua("x, 'a', nil")] == ["3", '"a"', "nil"]
    assert lua("nil") == []
    assert (
        written(lua("{1, 2, a = {b = true}, ['c d'] = 'e\\n'}")[0])
        == '{1, 2, a = {b = true}, ["c d"] = "e\\n"}'
    )
    assert written(lua("_.a.b")[0]) == "true"
    lua("_ = 'mine'")
    lua("5")
    assert written(lua("_")[0]) == '"mine"'


def test_a_lua_input_may_wait(lua: Type) -> None:
    lua("function slow() host.sleep(2) return 'done' end")
    assert written(lua("slow()")[0]) == '"done"'


def test_lua_errors_show_the_lines_that_were_typed(lua: Type) -> None:
    lua("function fail()\n  error('no')\nend")
    with pytest.raises(CallError) as caught:
        lua("fail()")
    assert (caught.value.remote_message, caught.value.frames[-1].source) == ("no", "error('no')")
    with pytest.raises(LoadError, match="syntax error"):
        lua("x ==")


def test_lua_results_are_bounded_and_tell_their_own_text(lua: Type) -> None:
    [huge] = lua("(function() local t = {} for i = 1, 100000 do t[i] = i end return t end)()")
    assert (len(huge.items), huge.size, huge.hidden) == (ITEMS, 100_000, 100_000 - ITEMS)
    assert written(lua("(function() local t = {1} t[2] = t return t end)()")[0]) == "{1, {…}}"
    assert written(lua("setmetatable({}, {__tostring = function() return 'me' end})")[0]) == "me"
    assert len(lua("('x'):rep(1000000)")[0].text) <= TEXT + 3


@pytest.mark.parametrize(
    ("code", "complete"),
    [
        ("1 + 1", True),
        ("x = ", False),
        ("for i = 1, 2 do", False),
        ("for i = 1, 2 do end", True),
        ("f(1,", False),
        ("x = [[", False),
        ("x = 'abc", True),
        ("function f()\n  return 1\nend", True),
        ("x = = 1", True),
        ("local t <const> = ", False),
        ("", True),
    ],
)
def test_whether_lua_is_complete(session: Session, write: Write, code: str, complete: bool) -> None:
    session.load(write("it.lua", ""))
    assert session.is_complete("it", code) is complete


@pytest.mark.parametrize("lua", ["5.1", "5.5", "luajit2.1"])
def test_each_version_knows_its_own_grammar(session: Session, write: Write, lua: str) -> None:
    session.load(write("it.lua", ""), lua=lua)
    assert session.is_complete("it", "x = function()") is False
    assert session.is_complete("it", "x = 1") is True


# ---- all -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "code"),
    [("it.py", "host.log('runs')\nwhile True: pass\n"), ("it.lua", "host.log('runs') while true do end")],
)
def test_an_input_that_never_ends_can_be_interrupted(
    session: Session, write: Write, log: Log, name: str, code: str
) -> None:
    session.load(write(name, "import host\n" if name == "it.py" else ""))
    caught: list[BaseException] = []

    def run() -> None:
        try:
            session.interact("it", code)
        except Interrupted as error:
            caught.append(error)

    typing = threading.Thread(target=run)
    typing.start()
    log.wait_for("runs")
    assert session.interrupt("it")
    typing.join()
    assert caught
    assert written(session.interact("it", "1 + 1")[0]) == "2"


def test_what_was_typed_goes_with_the_script(session: Session, write: Write) -> None:
    session.load(write("it.py", "class Marked: pass\n"), isolation="main")
    assert session.interact("it", "Marked()")
    assert any(type(each).__name__ == "Marked" for each in gc.get_objects())
    session.unload("it")
    gc.collect()
    assert not any(type(each).__name__ == "Marked" for each in gc.get_objects())
