"""The `_PY` table, `socket`, `lfs`, `class`, `mobdebug` and the changed standard functions: what needs no server."""

# ruff: noqa: E501 - the long lines are Lua

from __future__ import annotations

import base64
import fcntl
import os
import resource
import socket
import threading
import time
import types
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from scriptengines.errors import CallError, CallTimeout
from scriptengines.lua.dialect import sockets
from scriptengines.lua.versions import MODULES, installed
from scriptengines.script import Script
from scriptengines.session import Session
from tests.batch.support import batch
from tests.conftest import DEADLINE, Log

type Write = Callable[[str, str], Path]
type Peer = Callable[[Callable[[socket.socket], None]], int]

HIGH = 1100
"""A descriptor that `select` does not know."""

SOURCE = "function run(code, ...) return assert((loadstring or load)(code))(...) end"


@pytest.fixture(params=[name for name in MODULES if name in installed()])
def it(session: Session, write: Write, request: pytest.FixtureRequest) -> Iterator[Script]:
    return session.load(write("it.lua", SOURCE), lua=request.param)


@pytest.fixture
def lua(session: Session, write: Write) -> Script:
    return session.load(write("it.lua", SOURCE))


@pytest.fixture
def peer() -> Iterator[Peer]:
    """`peer(talk)` listens, and talks to the first who connects; gives the port."""
    threads: list[threading.Thread] = []

    def serve(talk: Callable[[socket.socket], None]) -> int:
        listener = socket.create_server(("127.0.0.1", 0))

        def work() -> None:
            with listener, listener.accept()[0] as client:
                talk(client)

        threads.append(threading.Thread(target=work, daemon=True))
        threads[-1].start()
        return listener.getsockname()[1]

    yield serve
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()


# ---- callbacks and counters ------------------------------------------------------------------------------


def test_registered_callbacks_are_called_once_or_again(it: Script, log: Log) -> None:
    it.execute(
        """
        got = {}
        once = _PY.registerCallback(function(...) got[#got + 1] = select("#", ...) end)
        again = _PY.registerCallback(function(x) got[#got + 1] = x end, true)
        assert(_PY.getPendingCallbackCount() == 2)
        for i = 1, 2 do _PY.timerExpired(once, 1, nil, 3) _PY.timerExpired(again, "a" .. i) end
        assert(_PY.getPendingCallbackCount() == 1)
        _PY.timerExpired(12345)
        _PY.clearRegisteredCallback(12345)
        """
    )
    assert it.get("got") == [3, "a1", "a2"]
    assert it.pending
    it.execute("_PY.clearRegisteredCallback(again)")
    log.drain()


def test_a_system_callback_keeps_nothing_alive(it: Script, log: Log) -> None:
    it.execute("_PY.registerCallback(print, true, true)")
    log.drain()


def test_a_registered_callback_may_yield_and_fail(it: Script, log: Log) -> None:
    it.execute(
        """
        local id = _PY.registerCallback(function() host.sleep(1) print("slept") error("oh") end)
        setTimeout(function() _PY.timerExpired(id) end, 0)
        """
    )
    log.wait_for("slept")
    assert "Traceback" in log.wait_for("Error in callback: LuaError: oh")[0].text


def test_timers_by_registered_callback(it: Script, log: Log) -> None:
    it.execute(
        """
        local id = _PY.registerCallback(function() print("fired") end)
        local timer = _PY.set_timeout(id, 1)
        assert(type(timer) == "string")
        local other = _PY.registerCallback(function() print("never") end)
        assert(_PY.clear_timeout(_PY.set_timeout(other, 1e6)) == true and _PY.clear_timeout("timer_999999") == false)
        _PY.clearRegisteredCallback(other)
        """
    )
    log.wait_for("fired")
    log.drain()


def test_counters_tell_what_is_pending(it: Script, log: Log) -> None:
    code = """
        local a, b = setTimeout(print, 1e9), setInterval(print, 1e9)
        local counts = {_PY.get_timer_count(), _PY.getRunningIntervalsCount(), _PY.has_active_timers(), _PY.has_active_intervals()}
        counts[5], counts[6] = _PY.get_callbacks_count()
        clearTimeout(a) clearInterval(b)
        counts[7], counts[8] = _PY.get_callbacks_count()
        return counts
    """
    assert it.call("run", code) == [1, 1, True, True, 1, 1, 0, 0]


# ---- clock, platform, environment ------------------------------------------------------------------------


def test_clock_and_platform(it: Script) -> None:
    assert abs(it.call("run", "return _PY.get_time()") - time.time()) < 60
    assert abs(it.call("run", "return _PY.milli_time()") - time.time()) < 60
    assert it.call("run", "return _PY.get_platform()")["system"] == os.uname().sysname
    about = it.call("run", "return _PY.get_system_info()")
    assert about["runtime"]["pid"] == os.getpid()
    assert about["environment"]["cwd"] == os.getcwd()
    assert it.call("run", "local x = _PY.random_number(5, 6) return x >= 5 and x <= 6") is True
    assert it.call("run", "return _PY.config.isLinux, _PY.config.fileSeparator, type(_PY.config.scripts)")[
        1:
    ] == ("/", "table")
    assert it.call("run", "return _PY.getConfig()") == []


def test_sleep_blocks_the_run_and_can_be_stopped(it: Script) -> None:
    started = time.monotonic()
    it.call("run", "_PY.sleep(0.02) _PY.py_sleep(20)")
    assert time.monotonic() - started >= 0.039
    with pytest.raises(CallTimeout):
        it.call("run", "_PY.sleep(1000)", timeout=0.05)
    assert it.call("run", "return 1") == 1


def test_environment_and_env_files(session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / ".env").write_text('# comment\nA_HERE=here # said\nexport B_QUOTED="a # b"\nHOME=never\n')
    (tmp_path / "home" / ".env").write_text("A_HERE=home\nC_HOME=home\n")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "it.lua").write_text(SOURCE)
    it = session.load(tmp_path / "it.lua")
    for name in ("os.getenv", "_PY.dotgetenv", "_PY.get_env", "_PY.get_env_var"):
        found = it.call(
            "run",
            f"local e = {name} return e'A_HERE', e'B_QUOTED', e'C_HOME', e'HOME', e('NOT_THERE', 'else')",
        )
        assert found == ("here", "a # b", "home", str(tmp_path / "home"), "else"), name
    assert it.call("run", "return os.getenv('NOT_THERE') == nil and _PY.get_env('NOT_THERE') == ''") is True
    assert it.call("run", "return _PY.set_env('SET_BY_LUA', 5), os.getenv('SET_BY_LUA')") == (True, "5")
    del os.environ["SET_BY_LUA"]


# ---- text ------------------------------------------------------------------------------------------------


def test_base64_is_of_bytes(it: Script) -> None:
    every = bytes(range(256))
    assert it.call("run", "return _PY.base64_encode(...)", every) == base64.b64encode(every).decode()
    assert it.call("run", "return _PY.base64_decode(...)", base64.b64encode(every)) == every
    assert it.call("run", "return pcall(_PY.base64_decode, '***')")[0] is False


def test_json_by_its_other_names(it: Script, log: Log) -> None:
    assert it.call("run", "return _PY.parse_json('[1]')") == ([1], None)
    assert it.call("run", "local v, p = _PY.parse_json('[') return v == nil and type(p)") == "string"
    assert it.call("run", "return _PY.to_json({1, 'a'})") == '[1,"a"]'
    assert it.call("run", "return _PY.print_table({1})") is True
    log.until(lambda: log.lines("it")[-3:] == ["[", "  1", "]"])


def test_print_and_log_of_the_host(it: Script, log: Log) -> None:
    it.call("run", "_PY.print(1, nil, 'x') _PY.log('warning', 'careful')")
    log.wait_for("1 nil x")
    assert log.wait_for("careful")[0].level.name == "WARNING"


def test_html_for_a_terminal(lua: Script) -> None:
    text = lua.call("run", """return _PY.html2console("<font color='red'>a</font>&nbsp;&lt;b&gt;<br/>c")""")
    assert text == "\x1b[31ma\x1b[0m <b>\nc"
    assert "red" in lua.call("run", "return _PY.get_available_colors()")


# ---- files -----------------------------------------------------------------------------------------------


def test_files(it: Script, tmp_path: Path) -> None:
    path = str(tmp_path / "data.bin")
    every = bytes(range(256))
    assert it.call("run", "return _PY.write_file(...)", path, every) is True
    assert (tmp_path / "data.bin").read_bytes() == every
    assert it.call("run", "return _PY.read_file(...)", path) == every
    assert it.call("run", "return _PY.fread_file(...)", path) == every
    assert it.call("run", "return _PY.get_file_size(...)", path) == 256
    assert it.call("run", "return _PY.file_exists(...), _PY.is_directory(...)", path) == (True, False)
    assert it.call("run", "return _PY.fwrite_file(...)", path, "new") is True
    assert it.call("run", "local path = ... return _PY.utime(path, 1000, 2000)", path) == 0
    assert os.stat(path).st_mtime == 2000
    assert it.call("run", "return _PY.create_directory(...)", str(tmp_path / "a" / "b")) is True
    assert it.call("run", "return _PY.list_files(...)", str(tmp_path)) == sorted(os.listdir(tmp_path))
    listing = it.call("run", "return _PY.list_directory(...)", str(tmp_path))
    assert listing["count"] == 3
    assert {"name": "data.bin", "is_file": True, "is_directory": False, "size": 3} in listing["entries"]
    made = it.call("run", "return _PY.create_temp_directory('mine')")
    assert os.path.isdir(made)
    os.rmdir(made)


def test_what_is_not_there(it: Script, log: Log, tmp_path: Path) -> None:
    gone = str(tmp_path / "gone")
    content, problem = it.call("run", "return _PY.read_file(...)", gone)
    assert content is None
    assert problem == f"{gone}: No such file or directory"
    for name in ("fread_file", "utime"):
        with pytest.raises(CallError, match="No such file or directory"):
            it.call("run", f"local path = ... return _PY.{name}(path, 1, 2)", gone)
    with pytest.raises(CallError, match="No such file or directory"):
        it.call("run", "return _PY.fwrite_file(... .. '/x', 'y')", gone)
    assert it.call("run", "return _PY.write_file(... .. '/x', 'y')", gone) is False
    log.wait_for("No such file or directory")
    assert it.call("run", "return _PY.file_exists(...)", gone) is False
    listing = it.call("run", "return _PY.list_directory(...)", gone)
    assert listing["count"] == 0
    assert "No such file" in listing["error"]


# ---- running code ----------------------------------------------------------------------------------------


def test_fragments(lua: Script, log: Log) -> None:
    lua.call(
        "run",
        "_PY.luaFragment('1 + 1, nil, \"x\"') _PY.luaFragment('y = 5 z = 6') _PY.clientExecute(0, 'y + z')",
    )
    log.wait_for("2\tnil\tx")
    log.wait_for("11")
    with pytest.raises(CallError, match="unexpected symbol"):
        lua.call("run", "_PY.luaFragment('= 1')")


def test_thread_requests(lua: Script) -> None:
    lua.execute(
        "told = {} function _PY.threadRequestResult(id, result) told[id] = result end function add(a, b) return a + b end"
    )
    lua.call("run", "_PY.threadRequest('a', 'return 6 * 7', false)")
    lua.call("run", """_PY.threadRequest('b', '{"function": "add", "args": [1, 2]}', true)""")
    lua.call("run", "_PY.threadRequest('c', 'error(\"no\")', false)")
    told = lua.get("told")
    assert (told["a"]["result"], told["b"]["result"], told["c"]["success"]) == (42, 3, False)
    assert "no" in told["c"]["error"]


def test_files_as_main_scripts(lua: Script, write: Write, log: Log) -> None:
    lua.call("run", "_PY.mainLuaFile({...})", str(write("part.lua", "print('part ran', ...)")))
    log.wait_for("part ran")
    with pytest.raises(CallError, match=r"Error: Running Lua file: .*bad.lua:1: "):
        lua.call("run", "_PY.mainLuaFile({...})", str(write("bad.lua", "= =")))
    with pytest.raises(CallError, match="Error: Reading Lua file: "):
        lua.call("run", "_PY.mainLuaFile({'/not/there.lua'})")


def test_modules_of_python(it: Script) -> None:
    assert it.call("run", "return _PY.loadPythonModule('math').sqrt(9)") == 3
    assert "No module named" in it.call("run", "return _PY.loadPythonModule('not_there').error")
    assert it.call("run", "return _PY.import_module('not_there') == nil") is True


def test_every_name_can_be_listed(lua: Script) -> None:
    names = lua.call("run", "local n = {} for k in pairs(_PY) do n[#n + 1] = k end return n")
    assert {
        "setTimeout",
        "tcp_connect",
        "udp_bind",
        "websocket_connect",
        "http_server_start",
        "config",
    } <= set(names)


def test_hooks_of_the_automation_layer_have_their_defaults(lua: Script) -> None:
    assert lua.call("run", "return select('#', _PY.fibaroApiHook()), select(2, _PY.fibaroApiHook())") == (
        2,
        503,
    )
    assert lua.call("run", "return select(2, _PY.fibaroapi())") == 501


# ---- blocking sockets -------------------------------------------------------------------------------------


def test_synchronous_tcp(it: Script, peer: Peer) -> None:
    def talk(client: socket.socket) -> None:
        assert client.recv(100) == b"hi\xff"
        client.sendall(b"one\r\ntwo\nrest of it")

    code = """
        local port = ...
        local out = {}
        local ok, conn, message = _PY.tcp_connect_sync("127.0.0.1", port)
        assert(ok and message, message)
        assert(_PY.get_socket_connection_count() == 1)
        local sent, bytes = _PY.tcp_write_sync(conn, "hi\\255")
        assert(sent and bytes == 3)
        for i, pattern in ipairs{"*l", "*l", 4, "*a"} do
            local ok, data = _PY.tcp_read_sync(conn, pattern)
            out[i] = ok and data
        end
        local ok, data = _PY.tcp_read_sync(conn, "*l")
        assert(not ok and data == nil)
        assert(_PY.tcp_close_sync(conn) and not _PY.tcp_close_sync(conn))
        assert(not _PY.tcp_read_sync(conn, "*l") and not _PY.tcp_write_sync(conn, "x"))
        assert(_PY.get_socket_connection_count() == 0)
        return out
    """
    assert it.call("run", code, peer(talk)) == ["one", "two", "rest", " of it"]


def test_synchronous_tcp_keeps_its_limit(it: Script, peer: Peer) -> None:
    done = threading.Event()

    def talk(client: socket.socket) -> None:
        client.sendall(b"part")
        done.wait(20)

    code = """
        local ok, conn = _PY.tcp_connect_sync("127.0.0.1", ...)
        assert(_PY.tcp_set_timeout_sync(conn, 0.05))
        local ok, data, partial = _PY.tcp_read_sync(conn, "*l")
        assert(ok == false and data == nil and partial == "part", partial)
        assert(_PY.tcp_set_timeout_sync(conn, 0))
        ok, data = _PY.tcp_read_sync(conn, "*l")
        assert(ok == false and data == nil)
        ok, data = _PY.tcp_read_sync(conn, {})
        assert(ok == false and data == nil)
        _PY.close_all_socket_connections()
    """
    it.call("run", code, peer(talk))
    done.set()


def test_blocking_reads_can_be_stopped(lua: Script, peer: Peer) -> None:
    done = threading.Event()
    port = peer(lambda client: done.wait(20) or None)
    with pytest.raises(CallTimeout):
        lua.call(
            "run",
            "local _, c = _PY.tcp_connect_sync('127.0.0.1', ...) _PY.tcp_read_sync(c, '*l')",
            port,
            timeout=0.1,
        )
    done.set()


def test_blocking_servers(it: Script) -> None:
    code = """
        local server = _PY.tcp_server_create_sync("127.0.0.1", 0)
        local port = _PY.tcp_server_port_sync(server)
        assert(not _PY.is_port_available(port))
        assert(not pcall(_PY.tcp_server_create_sync, "127.0.0.1", port))
        assert(_PY.tcp_server_accept_sync(server, 0.01).success == false)
        local client = _PY.tcp_connect_to_sync_server("127.0.0.1", port).client_id
        local accepted = _PY.tcp_server_accept_sync(server).client_id
        assert(_PY.tcp_write_sync_client(client, "hello").bytes_written == 5)
        local read = _PY.tcp_read_sync_client(accepted)
        assert(_PY.tcp_close_sync_client(client) and _PY.tcp_close_sync_client(accepted) and _PY.tcp_server_close_sync(server))
        return read.data
    """
    assert it.call("run", code) == "hello"


def test_the_sync_api(it: Script, peer: Peer) -> None:
    def talk(client: socket.socket) -> None:
        assert client.recv(100) == b"ask\n"
        client.sendall(b"answer\n")

    code = """
        assert(_PY.sync_api_setup_server("127.0.0.1", ...))
        local ok, response = _PY.sync_api_send("ask")
        _PY.sync_api_close()
        return ok, response, (_PY.sync_api_send("ask"))
    """
    assert it.call("run", code, peer(talk)) == (True, "answer", False)


def test_luasocket(it: Script, peer: Peer) -> None:
    def talk(client: socket.socket) -> None:
        assert client.recv(100) == b"bcd"
        client.sendall(b"line\r\nabcde")

    code = """
        local socket = require "socket"
        local tcp = socket.tcp()
        tcp:settimeout(5)
        assert(tcp:connect("127.0.0.1", ...) == 1)
        assert(tcp:send("abcde", 2, 4) == 4)
        assert(tcp:receive() == "line" and tcp:receive(3) == "abc" and tcp:receive("*a") == "de")
        local data, problem, partial = tcp:receive("*l")
        assert(data == nil and problem == "closed" and partial == "")
        tcp:close()
        data, problem = tcp:receive()
        assert(data == nil and problem == "closed")
        data, problem = tcp:send("x")
        assert(data == nil and problem == "closed")
        data, problem = socket.tcp():connect("127.0.0.1", 1)
        assert(data == nil and problem:find("refused"))
    """
    it.call("run", code, peer(talk))


# ---- lfs ------------------------------------------------------------------------------------------------


def test_lfs(it: Script, tmp_path: Path) -> None:
    (tmp_path / "f").write_text("12345")
    code = """
        local lfs, folder = require "lfs", ...
        local about = lfs.attributes(folder .. "/f")
        local names = {}
        for name in pairs(about) do names[#names + 1] = name end
        assert(#names == 14 and about.unknown == nil and about.mode == "file" and about.size == 5)
        assert(about.permissions:match("^r[w-][x-]"), about.permissions)
        assert(lfs.attributes(folder, "mode") == "directory" and lfs.attributes(folder .. "/f", {x = 1}).size == 5)
        local nothing, message, number = lfs.attributes(folder .. "/gone")
        assert(nothing == nil and message:find("No such file") and number == 2)
        assert(lfs.mkdir(folder .. "/d") and lfs.touch(folder .. "/d/new") and lfs.touch(folder .. "/f", 1000, 2000))
        assert(lfs.attributes(folder .. "/f", "access") == 1000 and lfs.attributes(folder .. "/f", "modification") == 2000)
        assert(lfs.link("f", folder .. "/l", true) and lfs.link(folder .. "/f", folder .. "/hard"))
        assert(lfs.symlinkattributes(folder .. "/l").target == "f" and lfs.symlinkattributes(folder .. "/l", "mode") == "link")
        local seen = {}
        for name in lfs.dir(folder) do seen[#seen + 1] = name end
        local next_name, dir = lfs.dir(folder .. "/d")
        assert(dir:next() == "new" and dir:next() == nil)
        assert(not pcall(lfs.dir, folder .. "/f"))
        local lock = assert(lfs.lock_dir(folder))
        local again, why = lfs.lock_dir(folder)
        assert(again == nil and why == "File exists")
        lock:free()
        assert(lfs.lock_dir(folder)):free()
        assert(select("#", lfs.rmdir(folder .. "/d")) == 3 and os.remove(folder .. "/d/new") and lfs.rmdir(folder .. "/d"))
        assert(lfs.setmode(io.stdout, "text") and lfs.lock(io.stdout, "w") and lfs.unlock(io.stdout))
        return seen
    """
    assert it.call("run", code, str(tmp_path)) == ["d", "f", "hard", "it.lua", "l"]


def test_lfs_changes_the_folder_of_the_process(lua: Script, tmp_path: Path) -> None:
    before = os.getcwd()
    try:
        assert lua.call(
            "run", "local lfs = require 'lfs' return lfs.chdir(...), lfs.currentdir()", str(tmp_path)
        ) == (
            True,
            str(tmp_path),
        )
    finally:
        os.chdir(before)


def test_back_ends_of_lfs(lua: Script, tmp_path: Path) -> None:
    code = """
        local n = _PY.fs_dir_open(...)
        local first = _PY.fs_dir_next(n)
        assert(_PY.fs_dir_next(n) == nil)
        _PY.fs_dir_close(n)
        return first, _PY.fs_attributes(...).mode
    """
    assert lua.call("run", code, str(tmp_path)) == ("it.lua", "directory")


# ---- class, mobdebug, standard functions ---------------------------------------------------------------------


def test_classes(it: Script) -> None:
    it.call(
        "run",
        """
        local class = require "class"
        assert(class == require "plua.class" and _G.class == nil)
        class 'A'
        function A:__init(x) self.x = x end
        function A:get() return self.x end
        function A.__eq(a, b) return a.x == b.x end
        class 'B'(A)
        function B:__init(x) A.__init(self, x + 1) end
        function B:__tostring() return "B" .. self.x end
        class 'C'(B)
        assert(A(3):get() == 3 and B(3):get() == 4 and A(1) == A(1) and B.__USERDATA == true and A(1).__USERDATA == true)
        assert(tostring(A) == "class A" and tostring(A(1)) == "object A" and tostring(B(1)) == "B2")
        local ok, message = pcall(C, 1)
        assert(not ok and message:find("No constructor"))
        """,
    )


def test_mobdebug_is_harmless(it: Script, log: Log) -> None:
    it.call(
        "run",
        """
        local m = require "mobdebug"
        assert(select("#", m.start("127.0.0.1", 1)) == 0)
        for name in ("on off coro done pause setbreakpoint removebreakpoint listen loop connect logging basedir output"):gmatch("%a+") do
            m[name]("a", 1)
        end
        assert(m.line({1}) == "{1}" and m.dump("x") == '"x"')
        _PY.mobdebug.on()
        """,
    )
    log.wait_for("Could not connect to 127.0.0.1:1: Connection refused")


def test_print_stays_as_it_is(write: Write) -> None:
    run = batch(
        write(
            "it.lua",
            "print(1, nil, true, {} ~= nil, nil) print() print(setmetatable({}, {__tostring = function() return 'me' end}))",
        )
    )
    assert run.out == "1\tnil\ttrue\ttrue\tnil\n\nme\n"


def test_nothing_of_it_is_loaded_before_it_is_used(write: Write) -> None:
    code = "print(#_PY.loadPythonModule('scriptengines.lua.dialect.system') >= 0)"
    assert batch(write("it.lua", code)).code == 0
    run = batch(
        write(
            "idle.lua", "assert(rawget(_G, 'json') and rawget(_G, '_PY') and rawget(json, 'encode') == nil)"
        )
    )
    assert (run.code, run.err) == (0, "")


def test_a_broken_configuration_of_the_user_is_told(
    session: Session, write: Write, log: Log, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    write(".plua.lua", "return {")
    session.load(write("it.lua", "print(type(_PY.pluaconfig))"))
    assert ".plua.lua" in log.wait_for("Error in ")[0].text
    log.wait_for("table")


@pytest.mark.parametrize(
    "code",
    [
        "print(select(2, _PY.start_web_server(0)))",
        """_PY.udp_create_socket(_PY.registerCallback(function(made)
            _PY.udp_bind(made.socket_id, nil, 0, _PY.registerCallback(function(bound) print(bound.message) end))
        end))""",
    ],
    ids=["web server", "udp"],
)
def test_what_listens_is_for_this_machine_unless_told(
    session: Session, write: Write, log: Log, code: str
) -> None:
    session.load(write("it.lua", code))

    def addresses() -> list[str]:
        return [row.local.partition(":")[0] for row in session.frame().connections]

    log.until(lambda: addresses() == ["127.0.0.1"], "one socket for this machine only")


# ---- what blocking sockets have of the system --------------------------------------------------------------


def test_blocking_sockets_are_closed_when_the_script_ends(session: Session, write: Write) -> None:
    session.load(write("it.lua", "_PY.tcp_server_create_sync('127.0.0.1', 0)"))
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        session.unload("it")
    assert [str(each.message) for each in told] == []


def test_a_port_that_cannot_be_is_told(lua: Script) -> None:
    for port in ("70000", "-1", "math.huge"):
        ok, number, _message = lua.call("run", f"return _PY.tcp_connect_sync('127.0.0.1', {port})")
        assert (ok, number) == (False, None)


def test_descriptors_beyond_those_of_select_can_wait() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < HIGH + 10:
        pytest.skip("the system allows no such descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, HIGH + 10), hard))
    here, there = socket.socketpair()
    with here, there, socket.socket(fileno=fcntl.fcntl(here, fcntl.F_DUPFD, HIGH)) as high:
        waiting = sockets.BlockingSocket(high)
        dialect = cast("Any", types.SimpleNamespace(check_running=lambda: None))
        assert not waiting.wait(dialect, 0)
        there.sendall(b"abc")
        assert waiting.wait(dialect, time.monotonic() + DEADLINE)
        assert waiting.fill(dialect, None)
        assert (waiting.take(2), waiting.take(2)) == (b"ab", b"c")
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
