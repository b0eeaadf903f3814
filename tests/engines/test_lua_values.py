from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from scriptengines.lua.state import LuaState
from scriptnative import LuaCallable, LuaReference, RunLock
from scriptnative.errors import CrossingError

from .offering import offer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Bench:
    def __init__(self) -> None:
        self.state = LuaState("values", RunLock("values"), lambda text, stream: None)
        offer(self.state, {"echo": lambda *args: args[0]})
        self.run = self.state.execute

    def __call__(self, name: str, *args: Any) -> Any:
        return self.state.call(name, args)


@pytest.fixture
def lua() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.state.close()


@pytest.fixture
def identity(lua: Bench) -> Callable[[Any], Any]:
    lua.run("function id(...) return ... end")
    return lambda value: lua("id", value)


PLAIN = [
    None,
    True,
    False,
    0,
    -(2**63),
    2**63 - 1,
    1.5,
    float("inf"),
    "é\0ü",
    b"\xff\0",
    "",
    [1, [2, ["x"]]],
    [],
    {"a": {"b": 1}, 2: 3, 1.5: True, True: 0},
    {b"\xfe": b"\xff"},
    {1: "a", 3: "c"},
]


@pytest.mark.parametrize("value", PLAIN, ids=repr)
def test_plain_values_come_back(identity: Callable[[Any], Any], value: Any) -> None:
    back = identity(value)
    assert back == value
    assert type(back) is type(value)


def test_documented_answers(identity: Callable[[Any], Any]) -> None:
    assert identity((1, 2)) == [1, 2]
    assert identity({}) == []
    assert identity({1: "a", 2: "b"}) == ["a", "b"]
    assert identity({"x"}) == {"x"}
    assert identity({1, 2}) == {1, 2}
    assert identity(frozenset({"x"})) == frozenset({"x"})
    assert type(identity([frozenset()])[0]) is frozenset
    assert identity(b"text") == "text"
    assert identity(bytearray(b"\xff")) == b"\xff"
    assert identity([1, None, 3]) == {1: 1, 3: 3}
    nan = identity(float("nan"))
    assert nan != nan


def test_objects_keep_their_identity(identity: Callable[[Any], Any]) -> None:
    thing = object()
    assert identity(thing) is thing
    assert identity([thing])[0] is thing
    assert identity(len) is len


def cyclic() -> dict[str, Any]:
    user: dict[str, Any] = {"name": "x"}
    user["self"] = user
    return {"users": [0, user]}


def deep(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


REFUSED = [
    (2**63, r"args\[0\]: an int of more than 64 bits"),
    ("\ud800", r"args\[0\]: a lone surrogate"),
    ({"a": [1, {"b": 2**70}]}, r"args\[0\]\.a\[1\]\.b: "),
    ({(1, 2): 3}, r"args\[0\]\[\(1, 2\)\]: a key of type tuple"),
    ({"a": 1, b"a": 2}, r"args\[0\]: two of its keys"),
    (cyclic(), r"args\[0\]\.users\[1\]\.self .*cycle"),
    (deep(300), r"deeper than 200 levels"),
]


@pytest.mark.parametrize(("value", "message"), REFUSED, ids=[f"refused{n}" for n in range(len(REFUSED))])
def test_refused_arguments_name_the_place(identity: Callable[[Any], Any], value: Any, message: str) -> None:
    with pytest.raises(CrossingError, match=message):
        identity(value)


def test_refused_tables_name_the_place(lua: Bench) -> None:
    lua.run("""
        t = {users = {1, {}}}
        t.users[2].self = t.users
        function give() return t end
        function pass() host.echo(1, t) end
        function keys() return {[1] = 1, [true] = 2} end
    """)
    with pytest.raises(CrossingError, match=r"^result\.users\[2\]\.self refers back to a table it is in"):
        lua("give")
    with pytest.raises(CrossingError, match=r"^args\[1\]\.users\[2\]\.self refers back to a table it is in"):
        lua("pass")
    with pytest.raises(CrossingError, match="same in Python"):
        lua("keys")


def test_lua_functions_are_callables_from_any_thread(lua: Bench) -> None:
    lua.run("""
        local total = 0
        function adder() return function(n) total = total + n return total end end
        function same(f) return f == kept end
        function keep(f) kept = f end
    """)
    add = lua("adder")
    assert isinstance(add, LuaCallable)
    lua("keep", add)
    assert lua("same", add) is True
    threads = [threading.Thread(target=lambda: [add(1) for _ in range(200)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert add(0) == 800
    assert isinstance(lua.state.evaluate("(coroutine.running())"), LuaReference)


def test_python_functions_are_lua_functions(lua: Bench) -> None:
    lua.run("function apply(f, ...) return type(f), f(...) end")
    assert lua("apply", lambda a, b: a + b, 1, 2) == ("function", 3)
