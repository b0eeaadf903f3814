"""The tree of variables: odd values, hostile ones, huge ones; what may be changed, and what is lit."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from scriptengines.errors import ScriptBusy, ScriptConsoleError
from scriptengines.script import Script
from scriptengines.session import Session
from scriptengines.view import Change, VariableView
from tests.conftest import Log

type Write = Callable[[str, str], Path]


def rows(session: Session, script: Script) -> dict[str, VariableView]:
    """The rows of a script by how they are written."""
    script.refresh()
    return {
        row.expression or row.value: row for row in session.frame().variables if row.script == script.alias
    }


def open_all(session: Session, alias: str, *paths: tuple[str | int, ...]) -> None:
    for path in paths:
        session.expand(alias, path)


HOSTILE = """
calls = []
class Evil:
    def _lie(self, *args):
        calls.append(1)
        while True: pass
    __repr__ = __str__ = __len__ = __iter__ = __bool__ = __hash__ = __eq__ = __getattribute__ = _lie
    __class__ = __dict__ = property(_lie)
class Items(list):
    __len__ = __iter__ = __getitem__ = __repr__ = Evil._lie
class Table(dict):
    __len__ = __iter__ = __getitem__ = items = keys = __repr__ = Evil._lie
class Meta(type):
    __hash__ = __eq__ = __instancecheck__ = __subclasscheck__ = __repr__ = Evil._lie
    __name__ = property(Evil._lie)
    def mro(cls): return type.mro(cls)
class Odd(metaclass=Meta):
    def __init__(self): self.inside = 1
class Text(str):
    __repr__ = __str__ = __len__ = Evil._lie
class Key:
    def __hash__(self): return hash("plain")
    __eq__ = __repr__ = Evil._lie
evil, items, odd, text = Evil(), Items([1, 2]), Odd(), Text("abc")
table = Table(a=1)
keyed = {Key(): 1}
"""


def test_no_code_of_a_hostile_object_runs(session: Session, write: Write) -> None:
    script = session.load(write("it.py", HOSTILE))
    open_all(session, "it", ("evil",), ("items",), ("table",), ("odd",), ("text",), ("keyed",))
    seen = rows(session, script)
    assert seen["evil"].value == "<Evil>"
    assert seen["items"].value == "Items([1, 2])"
    assert seen["items[1]"].value == "2"
    assert seen["table"].value == "Table({'a': 1})"
    assert seen["table['a']"].value == "1"
    assert (seen["odd"].type, seen["odd.inside"].value) == ("Odd", "1")
    assert seen["text"].value == "Text('abc')"
    assert seen["keyed[<Key>]"].value == "1"
    assert seen["calls"].value == "[]"


def test_no_metamethod_of_a_table_runs(session: Session, write: Write) -> None:
    text = """
    calls = 0
    local function lie() calls = calls + 1 while true do end end
    evil = setmetatable({x = 1}, {__index = lie, __len = lie, __tostring = lie, __pairs = lie, __eq = lie,
      __name = "T"})
    string.format, string.sub, table.concat, debug.getinfo, string.gsub = lie, lie, lie, lie, lie
    tostring, next, type, rawget = lie, lie, lie, lie
    """
    script = session.load(write("it.lua", text))
    open_all(session, "it", ("evil",), ("evil", "\0metatable"))
    seen = rows(session, script)
    assert seen["evil"].value == "{x = 1}"
    assert seen["evil.x"].value == "1"
    assert seen["evil (metatable).__name"].value == '"T"'
    assert seen["calls"].value == "0"


CYCLES = {"it.py": "me = [1]\nme.append(me)\n", "it.lua": "me = {1}\nme[2] = me\n"}


@pytest.mark.parametrize("name", CYCLES)
def test_a_cycle_opens_step_by_step_and_a_mark_ends(session: Session, write: Write, name: str) -> None:
    script = session.load(write(name, CYCLES[name]))
    own = 2 if name == "it.lua" else 1
    path: tuple[str | int, ...] = ("me",)
    for _ in range(40):
        session.expand("it", path)
        path = (*path, own)
    seen = rows(session, script)
    assert max(len(row.path) for row in seen.values()) == 32, "deeper ones are not opened"
    session.mark("it")
    assert session.differences("it") == []


def test_a_long_list_is_shown_in_parts(session: Session, write: Write) -> None:
    script = session.load(write("it.py", "long = list(range(1_000_000))\n"))
    session.expand("it", ("long",))
    seen = rows(session, script)
    assert len(seen) == 102
    assert (seen["999,900 more"].hidden, seen["999,900 more"].path) == (999_900, ("long",))
    session.expand("it", ("long",), 1000)
    seen = rows(session, script)
    assert seen["long[999]"].value == "999"
    assert seen["999,000 more"].hidden == 999_000
    assert all(row.changed_at == 0 for row in seen.values()), "what comes into sight has not changed"


def test_a_long_table_is_shown_in_parts(session: Session, write: Write) -> None:
    script = session.load(write("it.lua", "long = {} for i = 1, 1000000 do long[i] = i end"))
    session.expand("it", ("long",), 1000)
    seen = rows(session, script)
    assert seen["long[1000]"].value == "1000"
    assert [row.hidden for row in seen.values() if row.hidden] == [999_000]


ODD_KEYS = """
odd = {None: 1, 1.5: 2, (1, 'a'): 3, True: 4, b'x': 5, 'a b': 6,
       '[bold]': 7, '\\x00': 8, -3: 9, 'long' * 99: 10}
"""


def test_keys_of_any_type_are_shown_and_set(session: Session, write: Write) -> None:
    script = session.load(write("it.py", ODD_KEYS))
    session.expand("it", ("odd",))
    seen = rows(session, script)
    inside = [row for row in seen.values() if row.path == ("odd",)]
    assert [row.value for row in inside] == [str(number) for number in range(1, 11)]
    assert [row.name for row in inside][:9] == [
        "[None]",
        "[1.5]",
        "[(1, 'a')]",
        "[True]",
        "[b'x']",
        "['a b']",
        "['[bold]']",
        r"['\x00']",
        "[-3]",
    ]
    for row in inside:
        session.set_variable("it", row.address, f"{row.value} + 100")
    assert script.evaluate("list(odd.values())") == list(range(101, 111))


def test_keys_of_any_type_are_shown_and_set_in_lua(session: Session, write: Write) -> None:
    text = """
    t = {}
    odd = {[true] = 1, [1.5] = 2, [t] = 3, ['a b'] = 4, ['[bold]'] = 5, ['x\\0y'] = 6, [-3] = 7, [print] = 8}
    function values() local all = {} for _, v in pairs(odd) do all[#all + 1] = v end return all end
    """
    script = session.load(write("it.lua", text))
    session.expand("it", ("odd",))
    inside = [row for row in rows(session, script).values() if row.path == ("odd",)]
    assert {row.name for row in inside} >= {"[true]", "[1.5]", '["a b"]', '["[bold]"]', "[-3]"}
    assert sorted(row.value for row in inside) == list("12345678")
    for row in inside:
        session.set_variable("it", row.address, f"{row.value} + 100")
    assert sorted(script.call("values")) == list(range(101, 109))


INSIDE = """
import host
from collections import deque, namedtuple
host.state["n"] = 1
class Slotted:
    __slots__ = ("x", "unset")
    def __init__(self): self.x = 5
class Plain:
    limit = 7
    def __init__(self): self.y = [1]
def counter():
    count = 3
    def step(): return count
    step.calls = 0
    return step
def generate():
    local = "here"
    yield local
step, running = counter(), generate()
next(running)
slotted, plain, queue, pair = Slotted(), Plain(), deque([1, 2]), namedtuple("Pair", "left right")(1, 2)
server = host.tcp_serve("127.0.0.1", 0, {})
"""


@pytest.mark.parametrize("isolation", ["isolated", "shared", "main", "process"])
def test_objects_open_into_what_they_hold(session: Session, write: Write, isolation: str) -> None:
    script = session.load(write("it.py", f'# scriptconsole: isolation = "{isolation}"\n' + INSIDE))
    closed = ("slotted",), ("plain",), ("plain", "y"), ("queue",), ("pair",), ("running",), ("server",)
    open_all(session, "it", *closed, ("Plain",), ("(closures)",), ("(closures)", "step"))
    seen = rows(session, script)
    values = {
        "host.state['n']": "1",
        "slotted.x": "5",
        "plain.y": "[1]",
        "plain.y[0]": "1",
        "Plain.limit": "7",
        "queue[1]": "2",
        "pair.right": "2",
        "running local": "'here'",
        "step count": "3",
        "step calls": "0",
    }
    assert {name: seen[name].value for name in values} == values
    assert seen["server"].value == f"listener 127.0.0.1:{seen['server.port'].value}"
    session.set_variable("it", ("host.state", "n"), "2")
    session.set_variable("it", ("slotted", "x"), "'new'")
    session.set_variable("it", ("plain", "y", 0), "[8]")
    session.set_variable("it", ("queue", 1), "9")
    session.set_variable("it", ("(closures)", "step", "count"), "50")
    assert script.evaluate("[host.state['n'], slotted.x, plain.y, queue[1], step()]") == [
        2,
        "new",
        [[8]],
        9,
        50,
    ]
    for path in (
        ("pair", 1),
        ("running", "local"),
        ("host.state",),
        ("(closures)", "step"),
        ("plain", "y", 5),
        ("gone", "x"),
    ):
        with pytest.raises((ScriptConsoleError, LookupError)):
            session.set_variable("it", path, "1")


def _lua_inside(session: Session, write: Write, header: str) -> Script:
    text = """
    host.state.n = 1
    local count, items = 3, {1, 2}
    local function hidden() return items end
    function tick() count = count + 1 return hidden() end
    function value() return count end
    server = host.tcp_serve("127.0.0.1", 0, {})
    waiting = coroutine.create(function(given) local own = 7 coroutine.yield() return own end)
    coroutine.resume(waiting, "x")
    out = io.stdout
    object = setmetatable({}, {__index = {shared = 1}})
    """
    return session.load(write("it.lua", header + text))


@pytest.mark.parametrize("version", ["5.1", "5.3", "5.4", "5.5", "luajit2.1"])
def test_lua_values_open_into_what_they_hold(session: Session, write: Write, version: str) -> None:
    pytest.importorskip("lupa")
    script = _lua_inside(session, write, f'-- scriptconsole: lua = "{version}"\n')
    open_all(session, "it", ("(upvalues)", "items"), ("waiting",), ("object",), ("object", "\0metatable"))
    seen = rows(session, script)
    values = {"host.state.n": "1", "count": "3", "items[2]": "2", "waiting own": "7", "waiting given": '"x"'}
    assert {name: seen[name].value for name in values} == values
    assert seen["object (metatable).__index"].value == "{shared = 1}"
    assert (seen["server"].type, seen["server"].value[:19]) == ("Listener", "listener 127.0.0.1:")
    assert (seen["out"].type, seen["out"].value) == ("file", "file")
    assert (seen["waiting"].type, seen["waiting"].value) == ("coroutine", "coroutine, suspended at it.lua:9")
    session.set_variable("it", ("host.state", "n"), "2")
    session.set_variable("it", ("(upvalues)", "count"), "count and 50 or 50")
    session.set_variable("it", ("(upvalues)", "items", 1), "'one'")
    session.set_variable("it", ("waiting", "own"), "8")
    session.set_variable("it", ("object", "\0metatable"), "nil")
    assert script.evaluate("host.state.n") == 2
    assert script.call("value") == 50
    assert script.call("tick") == ["one", 2]
    assert script.evaluate("select(2, coroutine.resume(waiting))") == 8
    assert script.evaluate("getmetatable(object) == nil") is True
    for path in ("host.state",), ("(upvalues)", "gone"), ("server", "x"), ("gone", "x"):
        with pytest.raises(ScriptConsoleError):
            session.set_variable("it", path, "1")


def test_an_element_of_a_native_array_is_set_alone(session: Session, write: Write) -> None:
    from tests.conformance.sources_native import module

    text = module(
        "static int32_t many[5000];\nstatic float one = 1;\n"
        '$"many", SC_VAR_INT32, many, 5000\n$"one", SC_VAR_FLOAT, &one, 1\n'
    )
    script = session.load(write("it.c", text))
    session.expand("it", ("many",))
    seen = rows(session, script)
    assert seen["many[99]"].value == "0"
    assert seen["4,900 more"].hidden == 4900
    session.set_variable("it", ("many", 4999), "-7")
    assert script.get("many", 4999) == -7
    for text in ("2.5", "2**40", "'x'", str(2**40)):
        with pytest.raises(ScriptConsoleError):
            session.set_variable("it", ("many", 0), text)
    with pytest.raises(ScriptConsoleError):
        session.set_variable("it", ("many", 5000), "1")


# ---- time ------------------------------------------------------------------------------------------------

SPIN = {
    "it.py": (
        "value = 1\ndef spin(entered):\n    entered()\n    while value: pass\n",
        "[x for x in iter(int, 1)]",
    ),
    "it.lua": (
        "value = 1\nfunction spin(entered) entered() while value do end end\n",
        "(function() while true do end end)()",
    ),
}


@pytest.mark.parametrize("name", SPIN)
def test_a_watch_that_does_not_end_is_stopped(session: Session, write: Write, name: str) -> None:
    text, endless = SPIN[name]
    script = session.load(write(name, text))
    session.add_watch("it", endless)
    session.add_watch("it", "value")
    script.refresh()
    stopped, fine = session.frame().watches
    assert "took longer than 0.1 s" in stopped.error
    assert fine.value == "1"


@pytest.mark.parametrize("isolation", ["isolated", "main", "process"])
def test_a_watch_never_hits_what_the_script_does(session: Session, write: Write, isolation: str) -> None:
    text = f'# scriptconsole: isolation = "{isolation}"\nvalue = 1\ndef work(): return sum(range(1000))\n'
    script = session.load(write("it.py", text))
    session.add_watch("it", "[x for x in iter(int, 1)]")
    for _ in range(5):
        for watch in list(script.watches.views):
            session.remove_watch(watch.id)
        session.add_watch("it", "[x for x in iter(int, 1)]")
        looking = threading.Thread(target=script.refresh)
        looking.start()
        while looking.is_alive():
            assert script.call("work") == 499500
        looking.join()


@pytest.mark.parametrize("name", SPIN)
def test_a_busy_script_is_not_waited_for(session: Session, write: Write, log: Log, name: str) -> None:
    script = session.load(write(name, SPIN[name][0]))
    session.add_watch("it", "value")
    entered = threading.Event()

    def spin() -> None:
        with pytest.raises(ScriptConsoleError):
            script.call("spin", entered.set)

    thread = threading.Thread(target=spin)
    thread.start()
    assert entered.wait(20)
    script.refresh()
    [watch] = session.frame().watches
    assert (watch.value, watch.error) == ("", "")
    with pytest.raises(ScriptBusy):
        session.set_variable("it", ("value",), "2")
    log.until(lambda: script.interrupt() or not thread.is_alive())
    thread.join(20)
    assert script.get("value") == 1


# ---- what is lit -----------------------------------------------------------------------------------------


def test_what_changes_is_lit_and_what_comes_into_sight_is_not(session: Session, write: Write) -> None:
    script = session.load(write("it.py", "a = 1\nd = {'x': 1, 'y': [1]}\n"))
    assert all(row.changed_at == 0 for row in rows(session, script).values())
    open_all(session, "it", ("d",), ("d", "y"))
    assert all(row.changed_at == 0 for row in rows(session, script).values())
    before = time.time()
    script.execute("d['x'] = 2; d['z'] = 3; b = 1")
    seen = rows(session, script)
    lit = {name for name, row in seen.items() if row.changed_at >= before}
    assert lit == {"d", "d['x']", "d['z']", "b"}


def test_the_views_of_what_did_not_change_are_the_same(session: Session, write: Write) -> None:
    script = session.load(write("it.py", "\n".join(f"v{number} = {number}" for number in range(500))))
    script.refresh()
    before = session.frame().variables
    script.refresh()
    assert session.frame().variables is before
    script.execute("v7 = -1")
    script.refresh()
    after = session.frame().variables
    assert [
        number for number, (old, new) in enumerate(zip(before, after, strict=True)) if old is not new
    ] == [7]
    assert after[7].history == (7.0, -1.0)


@pytest.mark.parametrize("name", ["it.py", "it.lua"])
def test_many_variables_come_and_go(session: Session, write: Write, log: Log, name: str) -> None:
    assign = "\n".join(f"v{number:05} = {number}" for number in range(3000))
    script = session.load(write(name, assign))
    assert len(rows(session, script)) == 3000
    script.execute("del v00000, v01500" if name == "it.py" else "v00000, v01500 = nil, nil")
    script.execute("w = 1")

    def seen() -> set[str]:
        return set(rows(session, script))

    log.until(lambda: {"w", "v02999"} <= seen() and not {"v00000", "v01500"} & seen())
    assert len(seen()) == 2999


def test_of_something_new_only_itself_is_told(session: Session, write: Write) -> None:
    script = session.load(write("it.py", "a = {'x': {'y': 1}}\ngone = [1, 2]\nkind = 1\n"))
    session.mark("it")
    script.execute("a['n'] = {'deep': [1]}; a['x']['y'] = 2; del gone; kind = 'text'")
    told = {(row.name, row.change) for row in session.differences("it")}
    assert told == {
        ("a['n']", Change.ADDED),
        ("a['x']['y']", Change.CHANGED),
        ("gone", Change.REMOVED),
        ("kind", Change.CHANGED),
    }


def test_a_refused_reload_keeps_the_generation_before(session: Session, write: Write) -> None:
    script = session.load(write("it.py", "n = 1\n"))
    session.frame()
    script.execute("n = 2")
    session.reload("it")
    write("it.py", "n = = 3\n")
    script.execute("n = 9")
    with pytest.raises(ScriptConsoleError):
        session.reload("it")
    [row] = session.differences("it", "generation")
    assert (row.before, row.after) == ("2", "9")


def test_marks_are_whole_while_a_screen_looks_too(session: Session, write: Write) -> None:
    script = session.load(write("it.lua", "for i = 1, 3000 do _G['v' .. i] = i end\n"))  # more than a slice
    ended = threading.Event()

    def look() -> None:
        while not ended.is_set():
            script.refresh()

    looking = threading.Thread(target=look)
    looking.start()
    for _ in range(20):
        session.mark("it")
        assert session.differences("it") == []
    ended.set()
    looking.join()
