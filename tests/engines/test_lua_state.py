from __future__ import annotations

import gc
import os
import threading
import weakref
from typing import TYPE_CHECKING, Any

import pytest

from scriptengines.host import HostObject
from scriptengines.lua.state import LuaState
from scriptnative import RunLock
from scriptnative.errors import CallError, LoadError, ScriptClosed, UnknownFunction

from .offering import offer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class FakeConnection(HostObject):
    id = 7
    peer = "127.0.0.1:9"
    local = local_address = "127.0.0.1:50"

    def __init__(self, handlers: dict[str, Callable[..., Any]]) -> None:
        self.handlers = handlers
        self.sent: list[bytes] = []
        self.closed = False

    def __str__(self) -> str:
        return f"connection {self.id}"

    def send(self, payload: bytes) -> None:
        if self.closed:
            raise ConnectionError("closed")
        self.sent.append(payload)

    def close(self) -> None:
        self.closed = True


class FakeHost:
    def __init__(self) -> None:
        self.timers: dict[int, tuple[str, Any, float, tuple[Any, ...]]] = {}
        self.logged: list[tuple[str, tuple[Any, ...]]] = []
        self.connections: list[FakeConnection] = []

    def log(self, *values: Any, level: str = "info") -> None:
        self.logged.append((level, values))

    def set_timeout(self, callback: Any, ms: float, *args: Any) -> int:
        return self._set("timeout", callback, ms, args)

    def set_interval(self, callback: Any, ms: float, *args: Any) -> int:
        return self._set("interval", callback, ms, args)

    def _set(self, kind: str, callback: Any, ms: float, args: tuple[Any, ...]) -> int:
        number = len(self.timers) + 1
        self.timers[number] = (kind, callback, ms, args)
        return number

    def clear_timer(self, number: int) -> bool:
        return self.timers.pop(number, None) is not None

    def echo(self, *args: Any) -> Any:
        return args[0] if len(args) == 1 else args

    def boom(self, text: str = "bad") -> None:
        raise ValueError(text)

    def tcp_connect(self, host: str, port: int, handlers: dict[str, Any]) -> FakeConnection:
        self.connections.append(FakeConnection(handlers))
        return self.connections[-1]

    def functions(self) -> dict[str, Callable[..., Any]]:
        names = "log set_timeout set_interval clear_timer echo boom tcp_connect"
        return {name: getattr(self, name) for name in names.split()}


class Bench:
    """A state with its host, and what it printed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = str(folder / "demo.lua")
        self.host = FakeHost()
        self.output: list[tuple[str, str]] = []
        self.lock = RunLock("demo")
        self.state = LuaState("demo", self.lock, lambda text, stream: self.output.append((stream, text)))
        offer(self.state, self.host.functions())

    def run(self, source: str | bytes, *args: str) -> Any:
        return self.state.run(source if isinstance(source, bytes) else source.encode(), self.path, args)

    def __call__(self, name: str, *args: Any) -> Any:
        return self.state.call(name, args)


@pytest.fixture
def lua(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.state.close()


# ---- running ------------------------------------------------------------------------------------------


def test_output_and_arguments(lua: Bench) -> None:
    lua.run(
        "#!/usr/bin/lua\n"
        'print("a", nil, 1, 1.5, ...)\n'
        'io.write("x", 1, 2.5, "\\n"):write("y")\n'
        'io.stderr:write("problem")\n'
        "print() assert(arg[1] == 'one' and arg[0])\n",
        "one",
        "two",
    )
    assert lua.output == [
        ("stdout", "a\tnil\t1\t1.5\tone\ttwo\n"),
        ("stdout", "x12.5\n"),
        ("stdout", "y"),
        ("stderr", "problem"),
        ("stdout", "\n"),
    ]


def test_require_finds_siblings(lua: Bench) -> None:
    (lua.folder / "sibling.lua").write_text("return {answer = 42}")
    lua.run("answer = require('sibling').answer")
    assert lua.state.get(("answer",)) == 42


def test_syntax_error_has_file_and_line(lua: Bench) -> None:
    with pytest.raises(LoadError, match=r"demo\.lua:2: unexpected symbol") as caught:
        lua.run("x = 1\ny = = 2\n")
    assert (caught.value.file, caught.value.line) == (lua.path, 2)
    assert caught.value.frames[0].source == "y = = 2"


def test_private_parts_of_python_are_out_of_reach(lua: Bench) -> None:
    lua.run("function reach(o) return o.__class__ end  function put(o) o._x = 1 end")
    assert lua.state.get(("python",)) is None
    for name in ("reach", "put"):
        with pytest.raises(CallError, match=r'AttributeError: "_\w+" of a Python Event is private'):
            lua(name, threading.Event())


def test_coroutines_keep_their_stock_behaviour(lua: Bench) -> None:
    lua.run(r"""
        local co = coroutine.wrap(function(a) local b = coroutine.yield(a + 1) error("boom") end)
        assert(co(1) == 2)
        local ok, message = pcall(function() return co(3) end)
        assert(not ok and message:find("demo.lua:2: boom$"), message)
        assert(select(2, pcall(co)):find("cannot resume dead coroutine"))
        local value = {}
        assert(select(2, pcall(coroutine.wrap(function() error(value) end))) == value)
        co = coroutine.create(function(...)
            assert(coroutine.isyieldable() and coroutine.running() == co)
            local ok, x = pcall(function(...) return coroutine.yield(...) end, ...)
            assert(ok and x == "in" and coroutine.status(co) == "running")
            return nil, 2, nil
        end)
        assert(select("#", coroutine.resume(co, 1, nil)) == 3 and coroutine.status(co) == "suspended")
        assert(select("#", coroutine.resume(co, "in")) == 4 and coroutine.status(co) == "dead")
        assert(select(2, coroutine.resume(co)) == "cannot resume dead coroutine")
        local closed
        co = coroutine.create(function()
            local guard <close> = setmetatable({}, {
                __close = function() closed = true; error("at close") end,
            })
            coroutine.yield()
        end)
        coroutine.resume(co)
        local done, why = coroutine.close(co)
        assert(closed and not done and why:find("at close"))
        assert(not pcall(coroutine.close, coroutine.running()) and not pcall(coroutine.resume, 1))
    """)


def test_callbacks_may_yield_and_be_resumed_later(lua: Bench) -> None:
    lua.run("""
        assert(coroutine.isyieldable())
        function wait()
            co = coroutine.running()
            got = coroutine.yield("ignored")
        end
        function wake(value) return coroutine.resume(co, value) end
    """)
    assert lua("wait") is None
    assert lua("wake", 5) is True
    assert lua.state.get(("got",)) == 5


def test_running_coroutine_survives_a_collection_in_a_nested_call(lua: Bench) -> None:
    lua.run("""
        function inner() collectgarbage() collectgarbage() return 1 end
        function outer()
            return select(2, coroutine.resume(coroutine.create(function()
                local junk = {}
                for i = 1, 50 do junk[i] = {i}; call_back(); collectgarbage() end
                return #junk
            end)))
        end
    """)
    lua.state.set(("call_back",), lambda: lua("inner"))
    assert lua("outer") == 50


# ---- errors ---------------------------------------------------------------------------------------------


def test_frames_of_both_languages_in_call_order(lua: Bench) -> None:
    lua.run(
        "function inner(x)\n  local t = nil\n  return t.y\nend\n"
        "function outer(x)\n  local result = call_back(x)\n  return result\nend\n"
    )

    def in_between(x: int) -> Any:
        return lua("inner", x)

    lua.state.set(("call_back",), in_between)
    with pytest.raises(CallError, match=r"^LuaError: attempt to index a nil value \(local 't'\)") as caught:
        lua("outer", 1)
    frames = [(f.language, os.path.basename(f.file), f.function, f.line) for f in caught.value.frames]
    assert [frame[:3] for frame in frames] == [
        ("lua", "demo.lua", "outer"),
        ("python", "test_lua_state.py", "in_between"),
        ("python", "test_lua_state.py", "__call__"),
        ("lua", "demo.lua", "inner"),
    ]
    assert (frames[0][3], frames[-1][3]) == (6, 3)
    assert caught.value.frames[-1].source == "return t.y"
    assert (caught.value.file, caught.value.line) == (lua.path, 3)


def test_host_errors_are_texts_with_the_position_of_the_caller(lua: Bench) -> None:
    lua.run("function f()\n  local ok, e = pcall(function()\n    host.boom('x')\n  end)\n  return ok, e\nend")
    caught_there, message = lua("f")
    assert caught_there is False
    assert message.endswith("demo.lua:3: ValueError: x")
    lua.run("function g()\n  host.boom('y')\nend")
    with pytest.raises(CallError) as caught:
        lua("g")
    assert (caught.value.remote_type, caught.value.remote_message) == ("ValueError", "y")
    assert [frame.function for frame in caught.value.frames] == ["g", "boom"]


def test_error_values_that_are_no_strings(lua: Bench) -> None:
    lua.run("""
        function a() error({message = "from a field"}) end
        function b() error(setmetatable({}, {__tostring = function() return "told" end})) end
        function c() error() end
    """)
    for name, message in (("a", "from a field"), ("b", "told"), ("c", "error object is a nil value")):
        with pytest.raises(CallError, match=message):
            lua(name)


def test_unknown_function_and_exit(lua: Bench) -> None:
    lua.run("function tick() end function leave() os.exit(3) end")
    with pytest.raises(UnknownFunction, match='Did you mean "tick"'):
        lua("tock")
    with pytest.raises(SystemExit) as caught:
        lua("leave")
    assert caught.value.code == 3


def test_a_looked_up_function_raises_like_a_call_by_name(lua: Bench) -> None:
    lua.run("function f()\n  error('é')\nend\nfunction g()\n  f()\nend")
    with pytest.raises(CallError) as caught:
        lua.state.lookup("g")()
    assert caught.value.remote_message == "é"
    assert [frame.line for frame in caught.value.frames] == [5, 2]


# ---- host ------------------------------------------------------------------------------------------------


def test_functions_are_callbacks_of_the_host(lua: Bench) -> None:
    lua.run("host.set_timeout(function() fired = true end, 5.5)\nassert(setTimeout == nil)")
    ((kind, callback, ms, _),) = lua.host.timers.values()
    assert (kind, ms) == ("timeout", 5.5)
    callback()
    assert lua.state.get(("fired",)) is True
    assert callback.describe() == ("function:1", "demo.lua:1")


def test_log_levels(lua: Bench) -> None:
    lua.run("host.log('a', 1) host.warning('b')")
    assert lua.host.logged == [("info", ("a", 1)), ("warning", ("b",))]


def test_connections(lua: Bench) -> None:
    lua.run(r"""
        seen = {}
        conn = host.tcp_connect("127.0.0.1", 9000, {
            connected = function(c) seen.same = c == conn; c:send("hi\0\255") end,
            data = function(c, bytes) seen.bytes = bytes end,
            closed = function(c, err) seen.closed = c.id end,
            error = function(msg) seen.error = msg end,
        })
        assert(conn.id == 7 and conn.peer == "127.0.0.1:9" and conn.local_address == "127.0.0.1:50")
        assert(conn.nothing == nil and tostring(conn) == "connection 7")
    """)
    connection = lua.host.connections[0]
    connection.handlers["connected"](connection)
    connection.handlers["data"](connection, b"\0\xfe")
    connection.handlers["closed"](connection, None)
    connection.handlers["error"]("refused")
    assert connection.sent == [b"hi\0\xff"]
    assert lua.state.get(("seen",)) == {"same": True, "bytes": b"\0\xfe", "closed": 7, "error": "refused"}
    lua.state.execute("conn:close()")
    with pytest.raises(CallError, match="ConnectionError: closed"):
        lua.state.execute("conn:send('x')")


def test_state_travels(lua: Bench, tmp_path: Path) -> None:
    lua.run("host.state.list = {1, 2} host.state[1] = 'one'")
    exported = lua.state.export_state()
    assert exported == {"list": [1, 2], 1: "one"}
    other = Bench(tmp_path)
    other.state.import_state(exported)
    other.run("n = #host.state.list")
    assert other.state.get(("n",)) == 2
    other.state.close()


# ---- looking in --------------------------------------------------------------------------------------------


def test_functions_and_variables(lua: Bench) -> None:
    lua.run("-- Adds.\n-- Two.\nfunction add(a, b, ...) end\n\nlocal x = 1\nfunction plain() end\nbig = {}\n"
            "for i = 1, 100000 do big[i] = i end\nname = 'a\\0b' conf = {a = {1}} print = print")  # fmt: skip
    found = {info.name: (info.signature, info.doc, info.line) for info in lua.state.functions()}
    assert found == {"add": ("(a, b, ...)", "Adds.\nTwo.", 3), "plain": ("()", "", 6)}
    rows = {row[2]: row[3:6] for row in lua.state.variables()}
    assert list(rows) == ["big", "conf", "name"]
    assert rows["big"][0] == "table"
    assert rows["big"][2] == 100000
    assert len(rows["big"][1]) <= 200
    assert rows["conf"] == ("table", "{a = {…}}", 1)
    assert rows["name"][2] == 3


def test_console_access(lua: Bench) -> None:
    lua.run("conf = {items = {10, 20}} function conf.run() return 'ran' end")
    state = lua.state
    state.set(("conf", "items", 2), "new")
    assert state.get(("conf", "items")) == [10, "new"]
    assert state.evaluate("1 + 1, 'x'") == (2, "x")
    assert state.evaluate("y = 5") is None
    assert lua("conf.run") == "ran"
    assert state.lookup("conf.nothing") is None


def test_closed_state_frees_everything(tmp_path: Path) -> None:
    gc.collect()
    gc.disable()
    try:
        bench = Bench(tmp_path)
        bench.run('setmetatable({}, {__gc = function() print("bye") end}) f = function() end')
        callback = bench.state.evaluate("f")
        alive = weakref.ref(bench.state)
        bench.state.close()
        bench.state.close()
        with pytest.raises(ScriptClosed):
            callback()
        assert bench.output == [("stdout", "bye\n")]
        del bench, callback
        assert alive() is None
    finally:
        gc.enable()
