"""Objects that are not copied: those of Lua in Python, those of Python in Lua."""

from __future__ import annotations

import gc
import threading
import weakref
from typing import TYPE_CHECKING, Any

import pytest

from scriptengines.errors import CallError, CrossingError, ScriptClosed
from scriptengines.lua.state import LuaState
from scriptengines.lua.versions import MODULES, installed
from scriptnative import LuaCallable, LuaReference, RunLock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from scriptengines.session import Session

PLAYER = """
Player = {}
Player.__index = Player
function Player.new(name) return setmetatable({name = name, x = 0, y = 0}, Player) end
function Player:move(dx, dy)
    self.x, self.y = self.x + dx, self.y + dy
    return self.x, self.y
end
function Player:wait() self.waiting = coroutine.running() self.got = coroutine.yield() end
function Player:fail() error("out of breath") end
player = Player.new("Ada")
function same(other) return other == player end
function x_of(p) return p.x end
"""


class Bench:
    def __init__(self, lua: str) -> None:
        self.state = LuaState("objects", RunLock("objects"), lambda text, stream: None, lua=lua)
        self.execute, self.evaluate = self.state.execute, self.state.evaluate

    def __call__(self, name: str, *args: Any) -> Any:
        return self.state.call(name, args)

    def set(self, name: str, value: Any) -> None:
        self.state.set((name,), value)


@pytest.fixture(params=[name for name in MODULES if name in installed()])
def lua(request: pytest.FixtureRequest) -> Iterator[Bench]:
    bench = Bench(request.param)
    yield bench
    bench.state.close()


# ---- of Lua, in Python ------------------------------------------------------------------------------------


def test_a_table_with_a_metatable_is_an_object(lua: Bench) -> None:
    lua.execute(PLAYER)
    player = lua.state.get(("player",))
    assert isinstance(player, LuaReference)
    assert player.get("name") == "Ada"
    assert player.call("move", 1, 2) == (1, 2)
    assert player.call("move", 1, 2) == (2, 4)
    player.set("name", "Grace")
    assert lua.evaluate("player.name") == "Grace"
    assert lua("same", player) is True
    assert lua("x_of", player) == 2
    assert player == lua.state.get(("player",))
    assert hash(player) == hash(lua.state.get(("player",)))
    assert player != lua.evaluate("Player.new('x')")
    assert type(player).__sc_object__ is True  # pyright: ignore[reportAttributeAccessIssue]


def test_a_plain_table_is_copied(lua: Bench) -> None:
    assert lua.evaluate("{name = 'Ada', {1}}") == {"name": "Ada", 1: [1]}


def test_objects_within_tables_are_references_too(lua: Bench) -> None:
    lua.execute(PLAYER)
    team = lua.evaluate("{leader = player, all = {player, Player.new('Alan')}}")
    assert team["leader"] == team["all"][0]
    assert team["all"][1].get("name") == "Alan"


def test_methods_may_yield_and_fail(lua: Bench) -> None:
    lua.execute(PLAYER)
    player = lua.state.get(("player",))
    assert player.call("wait") is None
    lua.execute("coroutine.resume(player.waiting, 5)")
    assert player.get("got") == 5
    with pytest.raises(CallError, match="LuaError: out of breath") as caught:
        player.call("fail")
    assert caught.value.frames[-1].line == 10
    with pytest.raises(CallError, match=r'^LuaError: no method "jump"$'):
        player.call("jump")


def test_functions_coroutines_and_files_are_references(lua: Bench) -> None:
    function, coroutine, file = lua.evaluate("print, coroutine.create(function() end), io.stdout")
    assert isinstance(function, LuaCallable)
    assert not isinstance(coroutine, LuaCallable)
    assert not callable(coroutine)
    assert isinstance(file, LuaReference)
    lua.set("file", file)
    assert lua.evaluate("file == io.stdout") is True
    assert lua.evaluate("function() return 7 end")() == 7


def test_a_reference_ends_with_its_state(lua: Bench) -> None:
    lua.execute(PLAYER)
    player, same = lua.state.get(("player",)), lua.state.lookup("same")
    lua.state.close()
    for use in (lambda: player.get("name"), lambda: player.call("move", 1, 1), lambda: same(1)):
        with pytest.raises(ScriptClosed, match="objects is closed"):
            use()
    assert repr(player) == "<LuaReference  >"


def test_what_python_lets_go_is_collected_in_lua(lua: Bench) -> None:
    lua.execute("""
        local known = setmetatable({}, {__mode = "k"})
        function make()
            local own = {}
            local function made() return own end
            known[made] = true
            return made
        end
        function left()
            collectgarbage() collectgarbage()
            local count = 0
            for _ in pairs(known) do count = count + 1 end
            return count
        end
    """)
    kept = [lua("make") for _ in range(100)]
    assert lua("left") == 100
    threads = [threading.Thread(target=kept[n::4].clear) for n in range(4)]
    del kept[:]
    for thread in threads:
        thread.start()
        thread.join()
    assert lua("left") == 0


# ---- of Python, in Lua ------------------------------------------------------------------------------------


class Lamp:
    """Something a host passes to a script."""

    def __init__(self) -> None:
        self.level = 1
        self.names = ["left", "right"]
        self._secret = "x"
        self.changed: Any = None

    def dim(self, by: int, *more: Any) -> Any:
        self.level -= by
        return [self.level, *more]

    def fail(self) -> None:
        raise ValueError("no bulb")

    def __str__(self) -> str:
        return "Lamp 1"


def test_fields_can_be_read_written_and_called(lua: Bench) -> None:
    lamp = Lamp()
    lua.set("lamp", lamp)
    assert lua.evaluate("lamp.level") == 1
    assert lua.evaluate("lamp.names") == ["left", "right"]
    lua.execute("lamp.level = 9 lamp.extra = {a = 1}")
    assert (lamp.level, lamp.extra) == (9, {"a": 1})  # pyright: ignore[reportAttributeAccessIssue]
    assert lua.evaluate("lamp:dim(2, 'x', nil, 3)") == {1: 7, 2: "x", 4: 3}
    assert lua.evaluate("lamp.dim(2)") == [5]
    assert lua.evaluate("tostring(lamp)") == "Lamp 1"
    assert lua.evaluate("type(lamp)") == "userdata"
    lua.execute("lamp.changed = function(level) return level * 2 end")
    assert lamp.changed(4) == 8
    assert lua.evaluate("lamp.changed(5)") == 10


def test_an_object_is_the_same_value_each_time(lua: Bench) -> None:
    lamp = Lamp()
    lua.execute(
        "function keep(o) kept = o end function is(o) return o == kept end function give() return kept end"
    )
    for value in (lamp, len):
        lua("keep", value)
        assert lua("is", value) is True
        assert lua("give") is value


def test_private_and_unknown_fields_are_errors_with_the_line(lua: Bench) -> None:
    lua.set("lamp", Lamp())
    for code, message in (
        ("lamp._secret", '"_secret" of a Python Lamp is private'),
        ("lamp.colour", "'Lamp' object has no attribute 'colour'"),
        ("lamp[1]", "the fields of a Python Lamp have names, got 1"),
        ("lamp:fail()", "ValueError: no bulb"),
    ):
        assert message in lua.evaluate(f"select(2, pcall(function() return {code} end))")
        with pytest.raises(CallError, match="Error"):
            lua.evaluate(code)
    assert lua.evaluate("select(2, pcall(function()\nlocal x = lamp.colour\nreturn x end))").startswith(
        "(console):2: "
    )
    with pytest.raises(CallError, match="is private"):
        lua.execute("lamp._secret = 1")


def test_objects_are_released_with_the_last_holder(lua: Bench) -> None:
    lamp = Lamp()
    alive = weakref.ref(lamp)
    lua.execute("function keep(o) kept = o end")
    lua("keep", lamp)
    del lamp
    gc.collect()
    assert alive() is not None
    lua("keep", None)
    lua.execute("collectgarbage() collectgarbage()")
    gc.collect()
    assert alive() is None


def test_an_object_of_one_state_is_an_object_in_another(lua: Bench) -> None:
    other = Bench("5.4")
    other.execute(PLAYER)
    lua.set("player", other.state.get(("player",)))
    assert lua.evaluate("player.name") == "Ada"
    assert lua.evaluate("player:move(3, 4)") == [3, 4]
    lua.execute("player.name = 'Grace'")
    assert other.evaluate("player.name") == "Grace"
    assert isinstance(lua.state.get(("player",)), LuaReference)
    other.state.close()
    with pytest.raises(ScriptClosed, match="objects is closed"):
        lua.evaluate("player.name")


def test_objects_meet_across_scripts(session: Session, write: Callable[..., Path]) -> None:
    session.load(write("a.lua", PLAYER + "function get() return player end"), "a")
    session.load(
        write("b.lua", "local p = host.call('a', 'get')\nfunction go() return p:move(1, 1) end"), "b"
    )
    assert session.call("b", "go") == [1, 1]
    assert session.call("b", "go") == [2, 2]
    assert session.script("a").get("player").call("move", 1, 0) == (3, 2)


# ---- what cannot cross -----------------------------------------------------------------------------------


def test_bad_values_are_refused_with_their_place(lua: Bench) -> None:
    lua.execute("function id(...) return ... end function size(s) return #s end")
    cyclic: dict[str, Any] = {"users": [1, 2, 3, {}]}
    cyclic["users"][3]["self"] = cyclic
    for value, message in (
        (cyclic, r"^args\[0\]\.users\[3\]\.self .*cycle"),
        ({"a": [0, {"b": 2**70}]}, r"^args\[0\]\.a\[1\]\.b: an int of more than 64 bits"),
        ([{"n": "\ud800"}], r"^args\[0\]\[0\]\.n: a lone surrogate"),
        ({float("nan"): 1}, r"^args\[0\]: NaN cannot be a key"),
        ({"k": {(1, 2): 3}}, r"^args\[0\]\.k\[\(1, 2\)\]: a key of type tuple"),
        ({"k": {frozenset(): 3}}, r"a key of type frozenset"),
        ({None: 3}, r"^args\[0\]\[None\]: a key of type NoneType"),
        ({2**70: 3}, r"^args\[0\]: a key of more than 64 bits"),
        ({"a": 1, b"a": 2}, r"^args\[0\]: two of its keys are the same in Lua"),
        ({"a", b"a"}, r"^args\[0\]: two of its elements are the same in Lua"),
        ([{Lamp()}], r"^args\[0\]\[0\]\[.*\]: a key of type object"),
    ):
        with pytest.raises(CrossingError, match=message):
            lua("id", value)
        with pytest.raises(CrossingError, match=message.replace(r"args\[0\]", r"args\[1\]")):
            lua("id", 1, value)
    assert lua("size", b"\xff\0\xfe") == 3
    assert lua("id", b"\xff\0\xfe") == b"\xff\0\xfe"


def test_bad_tables_are_refused_with_their_place(lua: Bench) -> None:
    for code, message in (
        ("(function() local t = {u = {1}} t.u[2] = t return t end)()", r"^result\.u\[2\] .*cycle"),
        ("{a = {[1] = 1, [true] = 2}}", r"^result\.a: two of its keys, such as 1 and true"),
        ("{a = {[{}] = 1}}", r"^result\.a\[\?\]: a key of type table"),
        ("{[print] = 1}", r"a key of type function"),
        ("(function() local t = {} for i = 1, 300 do t = {t} end return t end)()", r"deeper than 200 levels"),
    ):  # fmt: skip
        with pytest.raises(CrossingError, match=message):
            lua.evaluate(code)
    assert lua.evaluate("1") == 1


def test_a_refused_result_of_python_tells_lua(lua: Bench) -> None:
    lua.set("give", lambda: {"n": [2**70]})
    assert "CrossingError: result.n[0]: an int" in lua.evaluate("select(2, pcall(give))")
    with pytest.raises(CrossingError, match=r"^result\.n\[0\]: an int of more than 64 bits"):
        lua.execute("give()")


def test_many_arguments_and_results(lua: Bench) -> None:
    lua.execute("function id(...) return ... end function count(...) return select('#', ...) end")
    many = tuple(range(200))
    assert lua("id", *many) == many
    assert lua("count", *(["x"] * 200)) == 200
    lua.set("back", lambda *args: list(args))
    assert lua.evaluate("back((unpack or table.unpack)({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 'x'}))") == [
        *range(1, 11),
        "x",
    ]


def test_large_strings_cross_whole(lua: Bench) -> None:
    lua.execute("function id(s) return s end")
    for value in ("ü" * 5_000_000, b"\xff" * 10_000_000, "x" * 4097):
        assert lua("id", value) == value
        assert lua("id", [value]) == [value]


# ---- threads --------------------------------------------------------------------------------------------


def test_references_may_be_dropped_and_used_from_any_thread(lua: Bench) -> None:
    lua.execute("""
        function make(n) return function(x) return x + n end end
        function apply(f, x) return f(x) end
        function churn(n) local t = {} for i = 1, n do t[i % 50] = {tostring(i)} end return n end
    """)
    make, apply, churn = (lua.state.lookup(name) for name in ("make", "apply", "churn"))
    wrong: list[object] = []

    def work(number: int) -> None:
        for round_ in range(100):
            made = [make(number) for _ in range(5)]
            results = [made[0](round_), apply(made[1], round_), apply(lambda x: x + number, round_)]
            if results != [round_ + number] * 3 or churn(200) != 200:
                wrong.append((number, round_, results))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert wrong == []


def test_other_threads_run_python_while_lua_runs(lua: Bench) -> None:
    entered, left = threading.Event(), threading.Event()
    lua.set("entered", entered.set)
    lua.set("may_leave", left.is_set)
    lua.execute("""
        function spin()
            entered()
            while not may_leave() do for i = 1, 1e5 do end end
            return true
        end
    """)
    results: list[object] = []
    thread = threading.Thread(target=lambda: results.append(lua("spin")))
    thread.start()
    assert entered.wait(10)
    assert sum(range(1000)) == 499500  # with the GIL, which the other thread has left
    left.set()
    thread.join(10)
    assert results == [True]
