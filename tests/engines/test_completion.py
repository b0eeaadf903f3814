"""Completion from the live runtime: what is asked for, what is known, and that no script code runs for it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from scriptengines.completion import LIMIT, Completion
from scriptengines.completion.grammar import grammar_of
from scriptengines.completion.question import Question, read
from scriptengines.session import Session

type Write = Callable[[str, str], Path]


# ---- reading the text ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "place", "steps", "prefix"),
    [
        ("cou", "name", "", "cou"),
        ("x = a.b.c", "attribute", "a .b", "c"),
        ("a\n  .b", "attribute", "a", "b"),
        ("f(1)(2).z", "attribute", "f () ()", "z"),
        ("(a.b).c", "attribute", "a .b", "c"),
        ("a['k'][-1].n", "attribute", "a [k] [-1]", "n"),
        ("'x'.up", "attribute", "<str>", "up"),
        ("b'x'.de", "attribute", "<bytes>", "de"),
        ("x = [1, 2].ap", "attribute", "<list>", "ap"),
        ("d['ke", "key", "d", "ke"),
        ("d[", "key", "d", ""),
        ("import js", "module", "", "js"),
        ("import os.pa", "module", "os", "pa"),
        ("from os.path import join, ex", "attribute", "os.path", "ex"),
        ("1.", "", "", ""),
        ("x = 'abc", "", "", ""),
        ("x  # foo", "", "", ""),
        ("(a + b).c", "", "", ""),
        ("not.x", "", "", ""),
    ],
)
def test_what_python_code_asks_for(text: str, place: str, steps: str, prefix: str) -> None:
    question = read(text, len(text), grammar_of("python"))
    assert (question.place, _written(question), question.prefix) == (place, steps, prefix)
    assert not place or text[question.start :] == prefix


@pytest.mark.parametrize(
    ("text", "place", "steps", "prefix"),
    [
        ("a..b", "name", "", "b"),
        ("a.b:c", "method", "a .b", "c"),
        ("s:", "method", "s", ""),
        ("('x'):up", "method", "<str>", "up"),
        ("a.b[1]:me", "method", "a .b [1]", "me"),
        ("t['k", "key", "t", "k"),
        ("x = [==[ a ]] ]==] y", "name", "", "y"),
        ("-- foo", "", "", ""),
        ("--[[ foo", "", "", ""),
        ("[[abc", "", "", ""),
        ("{1}.x", "", "", ""),
    ],
)
def test_what_lua_code_asks_for(text: str, place: str, steps: str, prefix: str) -> None:
    question = read(text, len(text), grammar_of("lua"))
    assert (question.place, _written(question), question.prefix) == (place, steps, prefix)


def test_the_function_that_is_being_called_is_known() -> None:
    text = "print(math.floor(1), add(x, (y), ke"
    assert read(text, len(text), grammar_of("python")).call == (("name", "add"),)


def test_only_what_is_before_the_cursor_counts() -> None:
    assert read("a.b + c", 3, grammar_of("python")).prefix == "b"


def test_a_long_text_is_read_from_its_end_only() -> None:
    text = "x = 1\n" * 100_000 + "conf.po"
    question = read(text, len(text), grammar_of("python"))
    assert (_written(question), question.start) == ("conf", len(text) - 2)


def _written(question: Question) -> str:
    forms = {"attribute": ".{}", "item": "[{}]", "call": "()", "literal": "<{}>"}
    return " ".join(forms.get(kind, "{}").format(key) for kind, key in question.steps)


# ---- Python ----------------------------------------------------------------------------------------------

PYTHON = '''
import functools, host, json
from host import set_timeout

class Point:
    """A point in the plane.

    More of it.
    """
    __slots__ = ("x", "y")
    def __init__(self, x: int = 0):
        self.x = x
    def length(self, unit="m", *, exact: bool = False) -> float:
        """How long it is."""
        return 1.0
    @property
    def twin(self) -> "Point":
        """Another one."""
        host.state["asked"] = True
        return Point()
    @classmethod
    def origin(cls): ...

class Hostile:
    def __getattribute__(self, name):
        host.state["asked"] = True
        while True: pass
    def __dir__(self):
        host.state["asked"] = True
        while True: pass
    __repr__ = __dir__
    def quiet(self): ...

p = Point(5)
q = Hostile()
conf = {"port": 8080, "it's": 1, 7: "seven", "inner": {"deep": [p]}}
def make(kind: str, *, size=3) -> Point: ...
'''


@pytest.fixture(params=["isolated", "shared", "main", "process"])
def ask(session: Session, write: Write, request: pytest.FixtureRequest) -> Callable[[str], list[Completion]]:
    session.load(write("it.py", PYTHON), isolation=request.param)
    return lambda text: session.completions("it", text, len(text))


def test_members_of_python_objects(ask: Callable[[str], list[Completion]]) -> None:
    found = {each.text: each for each in ask("p.")}
    assert sorted(found) == ["length", "origin", "twin", "x", "y"]
    assert found["length"].signature == "(unit='m', *, exact: bool = False) -> float"
    assert found["length"].doc == "How long it is."
    assert (found["twin"].kind, found["twin"].signature) == ("property", ": Point")
    assert "__init__" in [each.text for each in ask("p.__i")]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("p.twin.twin.le", "length"),
        ("Point().le", "length"),
        ("make('a').ori", "origin"),
        ("conf['inner']['deep'][0].tw", "twin"),
        ("json.dum", "dump"),
        ("json.loads('x').", None),
        ("''.uppe", "upper"),
        ("from json import dum", "dump"),
        ("import functo", "functools"),
        ("make('a', si", "size="),
        ("Poi", "Point"),
        ("conf['po", "port"),
        ('conf["it', "it's"),
        ("conf['it", None),
        ("conf[", "'port'"),
        ("conf[7", None),
        ("whi", "while"),
        ("prin", "print"),
        ("host.state", "state"),
        ("host.set_t", "set_timeout"),
        ("missing.", None),
    ],
)
def test_expressions_are_followed_without_running_them(
    ask: Callable[[str], list[Completion]], text: str, wanted: str | None
) -> None:
    found = [each.text for each in ask(text)]
    assert found[0] == wanted if wanted else not found


def test_no_code_of_a_script_runs(session: Session, write: Write) -> None:
    session.load(write("it.py", PYTHON))
    for text in ("p.twin.", "q.", "q.quiet", "q", "q[", "q().", "p."):
        session.completions("it", text, len(text))
    assert [each.text for each in session.completions("it", "q.", 2)] == ["quiet"]
    assert session.evaluate("it", "host.state") == {}


def test_a_huge_container_is_not_listed_whole(session: Session, write: Write) -> None:
    session.load(write("it.py", "many = {f'key{n}': n for n in range(300_000)}\n"))
    assert len(session.completions("it", "many['", 6)) == LIMIT


def test_a_script_that_never_leaves_its_top_level_is_looked_into(session: Session, write: Write) -> None:
    path = write("it.py", "count = 1\nimport host\nhost.log('begun')\nwhile True: pass\n")
    loading = threading.Thread(target=_load, args=(session, path))
    loading.start()
    try:
        while not any(record.text == "begun" for record in session.records()):
            session.wait(1)
        assert [each.text for each in session.completions("it", "coun", 4)] == ["count"]
    finally:
        session.interrupt("it")
        loading.join()


def _load(session: Session, path: Path) -> None:
    from scriptengines.errors import ScriptConsoleError

    with pytest.raises(ScriptConsoleError):
        session.load(path)


# ---- Lua -------------------------------------------------------------------------------------------------

LUA = """
Base = {}
Base.__index = Base
-- Says hello.
function Base:hello(name) end
obj = setmetatable({own = 1}, {__index = setmetatable({}, Base), __tostring = function() error("asked") end})
evil = setmetatable({}, {__index = function() asked = true while true do end end})
conf = {port = 8080, ["a b"] = 2, [3] = "x", [true] = 1}
text = "abc"
"""


@pytest.mark.parametrize("isolation", ["state", "process"])
def test_lua_tables_methods_and_strings(session: Session, write: Write, isolation: str) -> None:
    session.load(write("it.lua", LUA), isolation=isolation)

    def ask(text: str) -> list[Completion]:
        return session.completions("it", text, len(text))

    [hello] = ask("obj:")
    assert (hello.text, hello.signature, hello.doc) == ("hello", "(self, name)", "Says hello.")
    assert [each.text for each in ask("obj.")] == ["hello", "own"]
    assert [each.text for each in ask("conf.")] == ["port"]
    assert [each.text for each in ask("conf['")] == ["a b", "port"]
    assert [each.text for each in ask("conf[")] == ['"a b"', '"port"', "3", "true"]
    assert [(each.text, each.signature) for each in ask("text:upp")] == [("upper", "(s)")]
    assert [(each.text, each.signature) for each in ask("table.ins")] == [("insert", "(list, pos, value)")]
    assert ask("evil.") == []
    assert ask("evil:") == []
    assert session.evaluate("it", "asked") is None


@pytest.mark.parametrize("lua", ["5.1", "5.4", "luajit2.1"])
def test_names_of_the_dialect_are_known_before_they_are_used(
    session: Session, write: Write, lua: str
) -> None:
    session.load(write("it.lua", ""), lua=lua)

    def ask(text: str) -> list[Completion]:
        return session.completions("it", text, len(text))

    assert [(each.text, each.signature) for each in ask("net.TCPServer")] == [("TCPServer", "()")]
    assert ask("net.TCPE")[0].doc.startswith("Sends back what comes.")
    assert "to_json" in [each.text for each in ask("_PY.to_")]
    assert "decode" in [each.text for each in ask("json.")]
    assert [each.text for each in ask("setTime")] == ["setTimeout"]


def test_a_table_of_the_scripts_own_hides_that_of_the_dialect(session: Session, write: Write) -> None:
    session.load(write("it.lua", "net = {mine = 1}\n"))
    assert [each.text for each in session.completions("it", "net.", 4)] == ["mine"]


@pytest.mark.parametrize("name", ["it.py", "it.lua"])
def test_host_functions_have_signature_and_doc(session: Session, write: Write, name: str) -> None:
    session.load(write(name, "import host\n" if name == "it.py" else ""))
    [found] = session.completions("it", "host.set_t", 10)
    assert (found.text, found.kind, found.start) == ("set_timeout", "host", 5)
    assert found.signature.startswith("(callback: ")
    assert found.doc == "Call `callback(*args)` once."


def test_a_busy_lua_script_answers_with_what_is_known(session: Session, write: Write) -> None:
    script = session.load(write("it.lua", "count = 1\nfunction add(a) end\n"))
    assert [each.text for each in session.completions("it", "ad", 2)] == ["add"]
    script.refresh()
    with script.lock:
        assert [each.text for each in session.completions("it", "ad", 2)] == ["add"]
        assert [each.text for each in session.completions("it", "cou", 3)] == ["count"]
        assert [each.text for each in session.completions("it", "host.set_t", 10)] == ["set_timeout"]


def test_c_code_that_keeps_the_gil_does_not_hold_completion_up(session: Session, write: Write) -> None:
    code = "import host\ncount = 1\ndef hold():\n    host.log('holds')\n    sum(range(100_000_000))\n"
    script = session.load(write("it.py", code))
    assert [each.text for each in session.completions("it", "coun", 4)] == ["count"]
    busy = script.submit("hold")
    while not any(record.text == "holds" for record in session.records()):
        session.wait(1)
    assert [each.text for each in session.completions("it", "coun", 4)] == ["count"]
    busy.result()
