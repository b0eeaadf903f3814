"""What differs between the Lua runtimes, and the options of a Lua script: lua, memory, python, jit."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from scriptengines.errors import CallError, ConfigError, CrossingError, Interrupted, LoadError
from scriptengines.lua.state import LuaState
from scriptengines.lua.versions import MODULES, installed
from scriptengines.session import Session
from scriptnative import RunLock

from .offering import offer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

VERSIONS = [name for name in MODULES if name in installed()]
NAMES = {
    "5.1": "Lua 5.1",
    "5.2": "Lua 5.2",
    "5.3": "Lua 5.3",
    "5.4": "Lua 5.4",
    "5.5": "Lua 5.5",
    "luajit2.0": "LuaJIT 2.0",
    "luajit2.1": "LuaJIT 2.1",
}
DOUBLES = ("5.1", "5.2", "luajit2.0", "luajit2.1")
"""Those whose only numbers are doubles."""


class Bench:
    def __init__(self, lua: str, **options: Any) -> None:
        self.lua = lua
        self.output: list[str] = []
        self.state = LuaState(
            "versions", RunLock("versions"), lambda text, stream: self.output.append(text), lua=lua, **options
        )
        self.execute, self.evaluate = self.state.execute, self.state.evaluate

    def __call__(self, name: str, *args: Any) -> Any:
        return self.state.call(name, args)


@pytest.fixture(params=VERSIONS)
def lua(request: pytest.FixtureRequest) -> Iterator[Bench]:
    bench = Bench(request.param)
    yield bench
    bench.state.close()


# ---- which Lua ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", VERSIONS)
def test_a_script_chooses_its_lua_in_its_header(
    session: Session, write: Callable[..., Path], name: str
) -> None:
    script = session.load(
        write("it.lua", f'-- scriptconsole: lua = "{name}"\nversion = jit and jit.version or _VERSION')
    )
    assert script.get("version").startswith(NAMES[name])


def test_the_caller_may_choose_and_the_default_is_5_4(session: Session, write: Callable[..., Path]) -> None:
    path = write("it.lua", "version = _VERSION")
    assert session.load(path).get("version") == "Lua 5.4"
    assert session.load(path, lua="5.3").get("version") == "Lua 5.3"
    with pytest.raises(ConfigError, match=r"lua must be '5\.1' or .* or 'luajit2\.1', got '6'"):
        session.load(path, lua="6")


def test_a_lua_that_is_not_installed_is_refused_with_those_that_are(
    session: Session, write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write("it.lua", "")
    monkeypatch.setitem(sys.modules, "lupa.lua53", None)  # as if it were not there
    with pytest.raises(LoadError, match=r"it\.lua: Lua 5\.3 is not installed; there is .*5\.4"):
        session.load(path, lua="5.3")


def test_without_lupa_the_error_says_what_is_missing(
    session: Session, write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "lupa"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "lupa", None)
    with pytest.raises(LoadError, match="need the package lupa, which is not installed or has no build"):
        session.load(write("it.lua", ""))


def test_a_reload_may_bring_another_lua(session: Session, write: Callable[..., Path]) -> None:
    script = session.load(write("it.lua", "host.state.n = 7\nversion = _VERSION"))
    write("it.lua", '-- scriptconsole: lua = "5.2"\nversion = _VERSION\nfunction n() return host.state.n end')
    session.reload("it")
    assert (script.get("version"), script.call("n")) == ("Lua 5.2", 7)


# ---- stock behaviour ------------------------------------------------------------------------------------

PRINTED = {name: "1\t2.5\tnil\ttrue\tx\t2.0\n" for name in ("5.3", "5.4", "5.5")}
WRITTEN = {"5.5": "1 2.0 0.5 1e+15x"}


def test_print_and_write_give_what_the_stock_functions_give(lua: Bench) -> None:
    lua.execute("print(1, 2.5, nil, true, 'x', 2.0)")
    lua.execute("result = io.write(1, ' ', 2.0, ' ', 0.5, ' ', 1e15, 'x')")
    assert lua.output == [
        PRINTED.get(lua.lua, "1\t2.5\tnil\ttrue\tx\t2\n"),
        WRITTEN.get(lua.lua, "1 2 0.5 1e+15x"),
    ]
    returns_true = lua.lua in ("5.1", "luajit2.0", "luajit2.1")
    assert lua.evaluate("result == " + ("true" if returns_true else "io.stdout")) is True


def test_print_asks_the_global_tostring_before_5_4(lua: Bench) -> None:
    lua.execute(
        "local stock = tostring function tostring(value) return '<' .. stock(value) .. '>' end print(1)"
    )
    assert lua.output == ["1\n" if lua.lua in ("5.4", "5.5") else "<1>\n"]


def test_write_refuses_what_is_no_text(lua: Bench) -> None:
    with pytest.raises(CallError, match=r"bad argument #2 to 'write' \(string expected, got table\)"):
        lua.execute("io.write('x', {})")
    assert lua.output == []


def test_error_levels_and_values(lua: Bench) -> None:
    lua.execute("""
        local function plain() error("text") end
        local function bare() error("text", 0) end
        local function outer() error("text", 2) end
        local function of(f) return select(2, pcall(function() f() return 1 end)) end
        texts = {of(plain), of(bare), of(outer)}
        value = {}
        same = select(2, pcall(error, value)) == value
    """)
    first, second, third = lua.state.get(("texts",))
    assert (first, second, third) == ("(console):2: text", "text", "(console):5: text")
    assert lua.state.get(("same",)) is True


def test_arguments_of_the_main_chunk(lua: Bench, tmp_path: Path) -> None:
    path = str(tmp_path / "it.lua")
    lua.state.run(
        b"first, count = ..., select('#', ...)\nzero, one, two = arg[0], arg[1], arg[2]", path, ("a", "b")
    )
    names = ("first", "count", "zero", "one", "two")
    assert [lua.state.get((name,)) for name in names] == ["a", 2, path, "a", "b"]


def test_bytecode_is_refused(lua: Bench) -> None:
    with pytest.raises(LoadError, match="binary chunk"):
        lua.state.run(b"\x1bLua", "/it.lua")


def test_coroutines_yield_through_what_the_version_allows(lua: Bench) -> None:
    lua.execute("""
        local co = coroutine.wrap(function(a)
            local b = coroutine.yield(a + 1)
            if _VERSION ~= "Lua 5.1" or jit then
                local ok, c = pcall(function(x) return coroutine.yield(x) end, b)
                assert(ok and c == "c")
            end
            return "end"
        end)
        assert(co(1) == 2)
        if _VERSION ~= "Lua 5.1" or jit then assert(co("b") == "b") end
        assert(co("c") == "end")
        local ok, message = pcall(co)
        assert(not ok and message:find("cannot resume dead coroutine"), message)
        local inner
        inner = coroutine.create(function()
            local ok, message = coroutine.resume(inner)
            assert(not ok and message:find("cannot resume"), message)
            assert(coroutine.running() == inner and coroutine.status(inner) == "running")
            local other = coroutine.create(function()
                assert(coroutine.status(inner) == "normal")
                local ok, message = coroutine.resume(inner)
                assert(not ok and message:find("cannot resume"), message)
            end)
            assert(coroutine.resume(other))
            assert(coroutine.status(other) == "dead")
            local ok, message = coroutine.resume(other)
            assert(not ok and message:find("cannot resume dead"), message)
        end)
        assert(coroutine.resume(inner))
        assert(not pcall(coroutine.resume, 1) and not pcall(coroutine.wrap, 1))
    """)


def test_a_call_may_yield_and_be_resumed_later(lua: Bench) -> None:
    lua.execute("""
        function wait() co = coroutine.running() got = coroutine.yield("ignored") return 5 end
        function wake(value) return coroutine.resume(co, value) end
    """)
    for round_ in range(3):
        assert lua("wait") is None
        assert lua("wake", round_) == (True, 5)
        assert lua.state.get(("got",)) == round_


def test_a_coroutine_that_a_script_keeps_is_not_used_again(lua: Bench) -> None:
    lua.execute(
        "seen = {} function keep()"
        " local co = coroutine.running() local known = seen[co] seen[co] = true return known end"
    )
    assert [lua("keep") for _ in range(5)] == [None] * 5


def test_functions_tell_their_parameters_and_lines(lua: Bench, tmp_path: Path) -> None:
    lua.state.run(b"\nfunction add(a, b, ...) return a end\nfunction none() end\n", str(tmp_path / "it.lua"))
    assert [(f.name, f.signature, f.line) for f in lua.state.functions()] == [
        ("add", "(a, b, ...)", 2),
        ("none", "()", 3),
    ]


def test_frames_of_nested_calls_in_both_languages(lua: Bench, tmp_path: Path) -> None:
    text = "function inner()\n  local t = nil\n  return t.x\nend\n"
    text += "function outer()\n  local r = back()\n  return r\nend\n"
    lua.state.run(text.encode(), str(tmp_path / "it.lua"))
    lua.state.set(("back",), lambda: lua("inner"))
    with pytest.raises(CallError, match="attempt to index") as caught:
        lua("outer")
    frames = [(f.language, f.line) for f in caught.value.frames if f.language == "lua"]
    assert frames == [("lua", 6), ("lua", 3)]


def test_calls_nested_too_deeply_are_refused(lua: Bench) -> None:
    lua.execute("function again() return back() end")
    lua.state.set(("back",), lambda: lua("again"))
    with pytest.raises(CallError, match=r"C stack overflow|nested more than"):
        lua("again")
    assert lua.evaluate("1 + 1") == 2


# ---- numbers ---------------------------------------------------------------------------------------------


def test_integers_are_exact_or_refused(lua: Bench) -> None:
    lua.execute("function id(...) return ... end")
    assert lua("id", 2**53) == 2**53
    if lua.lua in DOUBLES:
        for value, place in ((2**53 + 1, r"args\[0\]"), ([{"n": -(2**60)}], r"args\[0\]\[0\]\.n")):
            with pytest.raises(CrossingError, match=place + r": an int beyond 2\^53 is not exact"):
                lua("id", value)
    else:
        assert lua("id", 2**63 - 1, -(2**63)) == (2**63 - 1, -(2**63))
    assert [type(value) for value in lua("id", 1.5, -0.0)] == [float, float]


# ---- memory ------------------------------------------------------------------------------------------------

MEBI = 2**20
UNBOUNDED = ("luajit2.0",)
"""They crash when memory is refused to them at certain moments."""


@pytest.mark.parametrize("name", UNBOUNDED)
def test_a_lua_that_would_crash_takes_no_limit(
    session: Session, write: Callable[..., Path], name: str
) -> None:
    with pytest.raises(ConfigError, match=rf"it\.lua: {name} may crash when memory is refused to it"):
        session.load(write("it.lua", ""), lua=name, memory=MEBI)


@pytest.fixture(params=[name for name in VERSIONS if name not in UNBOUNDED])
def capped(request: pytest.FixtureRequest) -> Iterator[Bench]:
    bench = Bench(request.param, memory=8 * MEBI)
    yield bench
    bench.state.close()


def test_a_script_over_its_memory_gets_an_error_and_lives(capped: Bench) -> None:
    capped.execute(
        "function grow() local t = {} for i = 1, 1e9 do t[i] = {i} end end "
        "function add(a, b) return a + b end"
    )
    for _ in range(3):
        with pytest.raises(
            CallError, match=r"not enough memory: the script may have 8 MiB \(option memory\)"
        ):
            capped("grow")
        assert capped("add", 1, 2) == 3
    assert capped.state.memory <= 8 * MEBI


def test_a_script_may_catch_its_memory_error(capped: Bench) -> None:
    assert "not enough memory" in capped.evaluate("select(2, pcall(string.rep, 'x', 16 * 2^20))")


def test_garbage_does_not_count_against_the_memory(capped: Bench) -> None:
    capped.execute("for i = 1, 2000 do local t = {('x'):rep(50000 + i)} end")


def test_a_value_too_large_for_the_memory_names_its_place(capped: Bench) -> None:
    capped.execute("function id(...) return ... end")
    for value in ("x" * (9 * MEBI), [b"x"] * MEBI):
        with pytest.raises(CrossingError, match=r"args\[1\]: it does not fit into the memory"):
            capped("id", 1, value)
    assert capped("id", "x" * MEBI) == "x" * MEBI


def test_a_capped_script_can_be_interrupted(capped: Bench) -> None:
    ready = threading.Event()
    capped.state.set(("ready",), ready.set)

    def stop() -> None:
        ready.wait(10)
        capped.state.guard.interrupt("enough")

    thread = threading.Thread(target=stop)
    thread.start()
    with pytest.raises(Interrupted, match="enough"):
        capped.execute("ready() while true do pcall(string.rep, 'x', 2^24) end")
    thread.join()
    assert capped.evaluate("1") == 1


@pytest.mark.parametrize("name", [name for name in VERSIONS if name not in UNBOUNDED])
def test_running_out_of_memory_at_any_moment_is_an_error(name: str) -> None:
    probe = Bench(name)
    needed = probe.state.memory
    probe.state.close()
    with pytest.raises(LoadError, match=r"option memory: \d+ bytes are too few"):
        Bench(name, memory=needed // 2)
    outcomes: set[bool] = set()
    for limit in range(needed + 4000, needed + 160_000, 2503):
        bench = Bench(name, memory=limit)
        for _ in range(3):
            try:
                offer(bench.state, {"f": lambda *args: list(args)})
                bench.execute(
                    "t = {} for i = 1, 100 do t[i] = tostring(i) end function id(...) return ... end"
                )
                bench("id", [{"a": [1, 2, "x" * 1000]}, len, object()])
                bench.execute("host.f(1, 'x', t) pcall(host.f, setmetatable({}, {}), print)")
                bench.state.functions()
                bench.state.variables()
                outcomes.add(True)
            except (CallError, CrossingError, LoadError, MemoryError):
                outcomes.add(False)
        bench.state.close()
    assert True in outcomes


def test_memory_in_the_header(session: Session, write: Callable[..., Path]) -> None:
    script = session.load(
        write("it.lua", '-- scriptconsole: memory = "4 MiB"\nfunction rep(n) return #("x"):rep(n) end')
    )
    assert script.call("rep", 1000) == 1000
    with pytest.raises(CallError, match="may have 4 MiB"):
        script.call("rep", 2**23)


# ---- python ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", VERSIONS)
def test_pythons_module_is_there_when_asked_for(name: str) -> None:
    bench = Bench(name, python=True)
    bench.execute("""
        local math = python.eval("__import__('math')")
        root = math.sqrt(16)
        function up(text) return python.eval("str.upper")(text) end
        function late(f) return python.eval("lambda f: f(20)")(f) end
        function twice() return late(function(x) return 2 * x end) end
        function fail() return python.eval("1/0") end
    """)
    assert bench.state.get(("root",)) == 4.0
    assert bench("up", "grün") == "GRÜN"
    assert bench("twice") == 40
    with pytest.raises(CallError, match="ZeroDivisionError"):
        bench("fail")
    assert bench("up", "x") == "X"
    bench.state.close()


def test_pythons_module_is_hidden_otherwise(lua: Bench) -> None:
    assert lua.evaluate("python == nil and package.loaded.python == nil") is True


def test_pythons_module_and_a_memory_limit_exclude_each_other(
    session: Session, write: Callable[..., Path]
) -> None:
    with pytest.raises(ConfigError, match=r"it\.lua: python and memory exclude each other"):
        session.load(write("it.lua", ""), python=True, memory=MEBI)


# ---- LuaJIT ------------------------------------------------------------------------------------------------

JITS = [name for name in VERSIONS if name.startswith("luajit")]


@pytest.mark.parametrize("name", JITS)
def test_luajit_compiles_only_when_asked(session: Session, write: Callable[..., Path], name: str) -> None:
    path = write("it.lua", "compiles = jit.status()")
    assert session.load(path, lua=name).get("compiles") is False
    assert session.load(path, lua=name, jit=True).get("compiles") is True


@pytest.mark.parametrize("name", JITS)
def test_an_interrupt_of_compiled_code_tells_whether_it_worked(
    session: Session, write: Callable[..., Path], name: str
) -> None:
    text = """
        function interpreted(ready) ready() while true do pcall(error) load("return 1") end end
    """
    script = session.load(write("it.lua", text), lua=name, jit=True)
    ready = threading.Event()
    outcome: list[Any] = []

    def call(function: str) -> None:
        try:
            outcome.append(script.call(function, ready.set))
        except Interrupted as error:
            outcome.append(error)

    thread = threading.Thread(target=call, args=("interpreted",))
    thread.start()
    assert ready.wait(10)
    assert script.interrupt("enough") is True
    thread.join()
    assert isinstance(outcome.pop(), Interrupted)
