"""`net` and the network functions of `_PY`, with real peers: sockets, http.server and the websockets library."""

# ruff: noqa: E501 - the long lines are Lua

from __future__ import annotations

import http.client
import http.server
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from websockets.sync.client import connect as websocket_client
from websockets.sync.server import serve as websocket_server

from scriptengines.script import Script
from scriptengines.session import Session
from scriptengines.view import Level
from tests.batch.support import batch
from tests.conftest import Log

type Write = Callable[[str, str], Path]
type Peer = Callable[[Callable[[socket.socket], None]], int]


@pytest.fixture(params=["5.4", "5.1", "luajit2.1"])
def it(session: Session, write: Write, request: pytest.FixtureRequest) -> Iterator[Script]:
    return session.load(
        write("it.lua", "function run(code, ...) return assert((loadstring or load)(code))(...) end"),
        lua=request.param,
    )


@pytest.fixture
def lua(session: Session, write: Write) -> Script:
    return session.load(write("it.lua", "function run(code, ...) return assert(load(code))(...) end"))


@pytest.fixture
def peer() -> Iterator[Peer]:
    """`peer(talk)` listens, and talks to each who connects; gives the port."""
    listeners: list[socket.socket] = []

    def serve(talk: Callable[[socket.socket], None]) -> int:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def work() -> None:
            while True:
                try:
                    client = listener.accept()[0]
                except OSError:
                    return
                with client:
                    talk(client)

        threading.Thread(target=work, daemon=True).start()
        return listener.getsockname()[1]

    yield serve
    for listener in listeners:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


# ---- TCP ---------------------------------------------------------------------------------------------------


def test_a_tcp_client_sends_and_reads_bytes(it: Script, log: Log, peer: Peer) -> None:
    def talk(client: socket.socket) -> None:
        assert client.recv(100) == b"hi\xff"
        client.sendall(b"first;second\x00\xfe")

    it.call(
        "run",
        """
        local s = net.TCPSocket()
        assert(s.socket == nil and tostring(s):find("^TCPSocket object: "))
        s:connect("127.0.0.1", ..., {success = function()
            assert(type(s.socket) == "number")
            s:send("hi\\255", {success = function()
                s:readUntil(";", {success = function(data)
                    assert(data == "first;", data)
                    s:readUntil("never", {success = function(rest)
                        assert(rest == "second\\0\\254")
                        s:read({success = function(nothing)
                            assert(nothing == "")
                            s:close() s:close()
                            s:read({error = function(problem) print("after: " .. problem) end})
                        end})
                    end})
                end})
            end})
        end, error = print})
        """,
        peer(talk),
    )
    log.wait_for("after: Not connected")
    log.drain()


def test_without_a_connection_the_error_is_told_at_once(it: Script) -> None:
    code = """
        local s, told = net.TCPSocket(), {}
        for _, name in ipairs{"send", "write"} do s[name](s, "x", {error = function(e) told[#told + 1] = e end}) end
        s:read({error = function(e) told[#told + 1] = e end})
        s:readUntil("x", {error = function(e) told[#told + 1] = e end})
        s:read() s:read({}) s:send("x")
        return told
    """
    assert it.call("run", code) == ["Not connected"] * 4


def test_a_refused_connection_is_told(it: Script, log: Log) -> None:
    it.call(
        "run", "net.TCPSocket():connect('127.0.0.1', 1, {error = function(e) print('refused: ' .. e) end})"
    )
    assert len(log.wait_for("refused: ")[0].text) > len("refused: ")
    it.call("run", "net.TCPSocket():connect('127.0.0.1', 1)")
    log.drain()


def test_a_read_takes_no_longer_than_its_limit(it: Script, log: Log, peer: Peer) -> None:
    release = threading.Event()
    port = peer(lambda client: release.wait(20) or None)
    it.call(
        "run",
        """
        local s = net.TCPSocket({timeout = 300})
        s:connect("127.0.0.1", ..., {success = function()
            s:read({success = print, error = function(e) print("read: " .. e) s:close() end})
        end, error = print})
        """,
        port,
    )
    log.wait_for("read: timeout")
    release.set()


def test_reads_are_answered_in_order(lua: Script, log: Log, peer: Peer) -> None:
    def talk(client: socket.socket) -> None:
        for piece in (b"1", b"2", b"3"):
            client.sendall(piece)
            assert client.recv(1)

    lua.call(
        "run",
        """
        local s = net.TCPSocket()
        s:connect("127.0.0.1", ..., {success = function()
            for i = 1, 3 do s:read({success = function(data) print("read " .. i .. " " .. data) s:send("+") end}) end
        end})
        """,
        peer(talk),
    )
    log.until(
        lambda: (
            [line for line in log.lines("it") if line.startswith("read")]
            == ["read 1 1", "read 2 2", "read 3 3"]
        )
    )


def test_an_error_in_a_callback_names_the_operation(it: Script, log: Log, peer: Peer) -> None:
    it.call(
        "run",
        "net.TCPSocket():connect('127.0.0.1', ..., {success = function() error('mine') end})",
        peer(lambda client: None),
    )
    assert "Traceback" in log.wait_for("Error in TCP connect success callback: LuaError: mine")[0].text
    it.call("run", "net.TCPSocket():read({error = function() error('sync') end})")
    log.wait_for("Error in TCP read error callback: LuaError: sync")


def test_callbacks_of_the_network_may_yield(it: Script, log: Log, peer: Peer) -> None:
    it.call(
        "run",
        """
        local port = ...
        setTimeout(function()
            local co = coroutine.running()
            local s = net.TCPSocket()
            s:connect("127.0.0.1", port, {success = function()
                host.sleep(1)
                coroutine.resume(co, "connected")
            end})
            print("idiom " .. coroutine.yield())
            s:read({success = function(data) coroutine.resume(co, data) end})
            print("idiom " .. coroutine.yield())
        end, 0)
        """,
        peer(lambda client: client.sendall(b"data")),
    )
    log.wait_for("idiom connected")
    log.wait_for("idiom data")


def test_an_idle_connection_keeps_nothing_alive(write: Write, peer: Peer) -> None:
    release = threading.Event()
    port = peer(lambda client: release.wait(20) or None)
    path = write(
        "it.lua",
        f"s = net.TCPSocket() s:connect('127.0.0.1', {port}, {{success = function() print('connected') end}}) u = net.UDPSocket()\n"
        "setTimeout(function() print('later') end, 1500)",
    )
    run = batch(path)
    assert run.lines == ["connected", "later"]
    assert run.seconds < 15
    release.set()


def test_a_tcp_server(it: Script, log: Log) -> None:
    port = it.call(
        "run",
        """
        server = net.TCPServer()
        server:start("127.0.0.1", 0, function(client, ip, port)
            assert(ip == "127.0.0.1" and type(port) == "number")
            client:readUntil("\\n", {success = function(line) client:send("got " .. line, {success = function() client:close() end}) end})
        end)
        return server.port
        """,
    )
    for text in (b"a\n", b"\xff\n"):
        with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
            client.sendall(text)
            assert client.makefile("rb").read() == b"got " + text
    assert it.pending
    it.call("run", "server:stop() server:stop()")
    log.drain()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), timeout=20)


@pytest.mark.parametrize("kind", ["TCPServer", "HTTPServer"])
def test_a_port_in_use_is_an_error_of_start(it: Script, log: Log, kind: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ok, problem = it.call(
            "run", f"return pcall(net.{kind}().start, net.{kind}(), '127.0.0.1', ...)", taken.getsockname()[1]
        )
    assert ok is False
    assert problem
    log.drain()


def test_an_echo_server(it: Script, log: Log) -> None:
    port = it.call("run", "echo = net.TCPEchoServer('127.0.0.1', 0) return echo.port")
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        client.sendall(b"same\xff")
        assert client.recv(100) == b"same\xff"
    log.wait_for("Client connected: 127.0.0.1 ")
    it.call("run", "echo:stop()")
    port = it.call("run", "echo = net.EchoServer('127.0.0.1', 0) return echo.port")
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        client.sendall(b"old")
        assert client.recv(100) == b"Echo: old"


# ---- UDP ---------------------------------------------------------------------------------------------------


def test_udp(it: Script, log: Log) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        other.settimeout(20)
        it.call(
            "run",
            """
            local s, n = net.UDPSocket(), 0
            assert(s.socket == nil)
            s:sendTo("one\\255", "127.0.0.1", ..., {success = function() print("sent") end, error = print})
            s:send("localhost", ..., "two")
            for i = 1, 2 do
                s:receive({success = function(data, ip, port)
                    print("datagram " .. i .. " " .. data .. " " .. ip .. " " .. type(port))
                    n = n + 1
                    if n == 2 then
                        s:close()
                        s:receive({error = function(e) print("closed: " .. e) end})
                    end
                end})
            end
            """,
            other.getsockname()[1],
        )
        found = [other.recvfrom(100) for _ in range(2)]
        assert sorted(data for data, _ in found) == [b"one\xff", b"two"]
        for data in (b"x", b"y"):
            other.sendto(data, ("127.0.0.1", found[0][1][1]))
    log.wait_for("datagram 1 x 127.0.0.1 number")
    log.wait_for("datagram 2 y 127.0.0.1 number")
    log.wait_for("closed: Not connected")
    log.drain()
    assert not [line for line in log.lines("it") if "UDP socket created" in line]


def test_udp_on_a_chosen_port(it: Script, log: Log) -> None:
    it.call(
        "run",
        """
        local function once(f) return _PY.registerCallback(f) end
        _PY.udp_create_socket(once(function(made)
            assert(made.success, made.message)
            _PY.udp_bind(made.socket_id, "127.0.0.1", 0, once(function(bound)
                assert(bound.success, bound.message)
                _PY.udp_receive(made.socket_id, once(function(got)
                    print("bound got " .. got.data .. " " .. got.ip)
                    _PY.udp_close(made.socket_id)
                end))
                _PY.udp_send_to(made.socket_id, "self", "127.0.0.1", bound.port, once(function(sent) assert(sent.success) end))
            end))
        end))
        """,
    )
    log.wait_for("bound got self 127.0.0.1")
    log.drain()


# ---- HTTP client -------------------------------------------------------------------------------------------


class _Answers(http.server.BaseHTTPRequestHandler):
    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/end")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if self.path == "/slow":
            self.server.release.wait(20)  # pyright: ignore
        if self.path == "/events":
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("X-Own-Name", "One")
            self.send_header("X-OWN-name", "tWo")
            self.end_headers()
            self.wfile.write(b": hello\n\nevent: tick\nid: 7\ndata: one\ndata: two\n\ndata: last\n\n")
            return
        status = 404 if self.path == "/missing" else 200
        told = f"{self.command} {self.path} {self.headers.get('X-Mine')} ".encode() + body + b"\xff"
        self.send_response(status)
        self.send_header("Content-Length", str(len(told)))
        self.send_header("X-Own-Name", "One")
        self.send_header("X-OWN-name", "tWo")
        self.end_headers()
        self.wfile.write(told)

    do_GET = do_POST = do_PUT = do_DELETE = _answer

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def web() -> Iterator[http.server.ThreadingHTTPServer]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Answers)
    server.release = threading.Event()  # pyright: ignore
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.release.set()  # pyright: ignore
    server.shutdown()
    server.server_close()


def url(web: http.server.ThreadingHTTPServer) -> str:
    return f"http://127.0.0.1:{web.server_address[1]}"


def test_an_http_client(it: Script, log: Log, web: http.server.ThreadingHTTPServer) -> None:
    it.call(
        "run",
        """
        local base, client = ..., net.HTTPClient()
        local returned = false
        for _, path in ipairs{"/get", "/missing", "/moved"} do
            client:request(base .. path, {
                options = {headers = {["X-Mine"] = "it"}},
                success = function(r)
                    assert(returned and r.data:sub(-1) == "\\255" and type(r.headers) == "table")
                    print(path .. " " .. tostring(r.status) .. " " .. r.data:sub(1, -2))
                end,
                error = print,
            })
        end
        client:request(base .. "/post", {options = {method = "delete", data = "body\\254"}, success = function(r)
            print("post " .. tostring(r.data == "DELETE /post None body\\254\\255"))
        end})
        client:request(base .. "/fire and forget", {})
        returned = true
        """,
        url(web),
    )
    log.wait_for("/get 200 GET /get it ")
    log.wait_for("/missing 404 GET /missing it ")
    log.wait_for("/moved 200 GET /end it ")
    log.wait_for("post true")
    assert it.call("run", "return pcall(net.HTTPClient().request, net.HTTPClient(), 'http://x')")[0] is False


def test_names_of_headers_are_those_that_came(
    it: Script, log: Log, web: http.server.ThreadingHTTPServer
) -> None:
    it.call(
        "run",
        """
        local base = ...
        local function tell(what)
            return function(r) print(what .. " " .. tostring(r.headers["X-Own-Name"]) .. " " .. tostring(r.headers["x-own-name"])) end
        end
        net.HTTPClient():request(base .. "/get", {success = tell("client")})
        net.HTTPClient():request(base .. "/events", {stream = true, success = tell("stream"), error = print})
        _PY.call_http(base .. "/get", {}, _PY.registerCallback(function(_, r) tell("call")(r) end))
        tell("sync")(_PY.http_request_sync({url = base .. "/get"}))
        """,
        url(web),
    )
    for what in ("client", "stream", "call", "sync"):
        log.wait_for(f"{what} One, tWo nil")


def test_http_failures_are_told_once(it: Script, log: Log, web: http.server.ThreadingHTTPServer) -> None:
    it.call(
        "run",
        """
        local base = ...
        net.HTTPClient():request(base .. "/slow", {options = {timeout = 60}, success = print, error = function(e) print("slow: " .. e) end})
        net.HTTPClient():request("http://127.0.0.1:1/", {success = print, error = function(e) print("refused: " .. e) end})
        """,
        url(web),
    )
    log.wait_for("slow: timeout")
    log.wait_for("refused: ")


def test_server_sent_events(it: Script, log: Log, web: http.server.ThreadingHTTPServer) -> None:
    it.call(
        "run",
        """
        local base = ...
        local handle = net.HTTPClient():request(base .. "/events", {
            options = {headers = {Accept = "text/event-stream"}},
            success = function(r) print("event " .. r.status .. " " .. tostring(r.event) .. " " .. r.data:gsub("\\n", "|") .. " " .. tostring(r.id)) end,
            error = function(e) print("end: " .. e) end,
        })
        assert(handle.stream_id and handle.close)
        net.HTTPClient():request(base .. "/missing", {stream = true, success = print, error = function(e) print("none: " .. e) end})
        """,
        url(web),
    )
    log.wait_for("event 200 tick one|two 7")
    log.wait_for("last")
    log.wait_for("end: stream closed")
    log.wait_for("none: HTTP 404: ")


def test_blocking_http(it: Script, web: http.server.ThreadingHTTPServer) -> None:
    code = """
        local base = ...
        local r = _PY.http_request_sync({url = base .. "/a", method = "POST", data = "x"})
        assert(r.status == 200 and r.ok and r.text == "POST /a None x\\255")
        assert(_PY.http_request_sync({url = "http://127.0.0.1:1/"}).error)
        local old = _PY.http_request(base .. "/missing")
        assert(old.code == 404 and old.error == true)
        assert(_PY.http_request_sync("http://127.0.0.1:1/").code == 0)
        local ok, status, body = _PY.http_call_sync("GET", base .. "/b", {["X-Mine"] = "me"})
        assert(ok and status == 200 and body == "GET /b me \\255")
        local called = require("socket").http_call("GET", base .. "/c")
        return called.success, called.status_code, _PY.http_request_sync({url = base .. "/slow", timeout = 0.05}).error
    """
    assert it.call("run", code, url(web)) == (True, 200, "timeout")


def test_http_by_registered_callbacks(it: Script, log: Log, web: http.server.ThreadingHTTPServer) -> None:
    it.call(
        "run",
        """
        local base = ...
        _PY.call_http(base .. "/a", {method = "GET"}, _PY.registerCallback(function(err, r) print("new " .. tostring(err) .. " " .. r.status) end))
        _PY.call_http("http://127.0.0.1:1/", {}, _PY.registerCallback(function(err, r) print("failed " .. tostring(err ~= nil and r == nil)) end))
        _PY.http_request_async({url = base .. "/missing"}, function(r) print("old " .. r.code .. " " .. tostring(r.error)) end)
        """,
        url(web),
    )
    for text in ("new nil 200", "failed true", "old 404 true"):
        log.wait_for(text)
    log.drain()


# ---- HTTP server -------------------------------------------------------------------------------------------

HTTP_SERVER = """
server = net.HTTPServer()
server:start("127.0.0.1", 0, function(method, path, body, headers)
    if path == "/error" then error("handler") end
    if path == "/nil" then return nil end
    if path == "/wait" then host.sleep(2) return "waited", 202 end
    if path == "/resumed" then
        local co = coroutine.running()
        setTimeout(function() coroutine.resume(co, "by timer") end, 1)
        return coroutine.yield()
    end
    if path == "/never" then print("asked") coroutine.yield() end
    if path == "/own" then return "\\255", 201, {["Content-Type"] = "image/png", ["X-Mine"] = "y"} end
    return method .. " " .. path .. " " .. body .. " " .. (headers["x-it"] or headers["X-It"] or "")
end)
return server.port
"""


def ask(
    port: int, method: str, path: str, body: bytes | None = None, **headers: str
) -> tuple[int, bytes, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request(method, path, body, headers)
    response = connection.getresponse()
    answer = response.status, response.read(), response.headers["Content-Type"]
    connection.close()
    return answer


JSON_TYPE = "application/json; charset=utf-8"


def test_an_http_server_has_one_handler_for_all(it: Script, log: Log) -> None:
    port = it.call("run", HTTP_SERVER)
    assert ask(port, "DELETE", "/x?a=%201", b"body", **{"X-It": "h"}) == (
        200,
        b"DELETE /x?a=%201 body h",
        JSON_TYPE,
    )
    assert ask(port, "GET", "/nil") == (200, b'{"error": "No data returned"}', JSON_TYPE)
    assert ask(port, "GET", "/wait") == (202, b"waited", JSON_TYPE)
    assert ask(port, "GET", "/resumed") == (200, b"by timer", JSON_TYPE)
    assert ask(port, "GET", "/own") == (201, b"\xff", "image/png")
    assert ask(port, "GET", "/error") == (500, b'{"error":"Internal server error"}', JSON_TYPE)
    log.wait_for("Error in HTTP handler: LuaError: handler")
    assert it.pending
    it.call("run", "server:stop() server:stop()")
    log.wait_for("HTTP Server stopped successfully")
    log.drain()
    assert [line for line in log.lines("it") if "stopped" in line] == ["HTTP Server stopped successfully"]


def test_a_handler_gets_the_request_as_it_came(it: Script, log: Log) -> None:
    port = it.call(
        "run",
        """
        server = net.HTTPServer()
        server:start("127.0.0.1", 0, function(method, path, body, headers)
            return path .. " " .. tostring(headers["X-iT"]) .. " " .. tostring(headers["x-it"])
        end)
        return server.port
        """,
    )
    for path in ("/a%20b%2Fc?q=%C3%A9+1", "/plain", "/?only=query", "//two"):
        assert ask(port, "GET", path, None, **{"X-iT": "h"})[1] == f"{path} h nil".encode()
    it.call("run", "server:stop()")


def test_a_handler_that_does_not_answer_in_time(it: Script, log: Log) -> None:
    port = it.call(
        "run",
        """
        server = net.HTTPServer({timeout = 20})
        server:start("127.0.0.1", 0, function(method, path)
            if path == "/never" then kept = coroutine.running() coroutine.yield() return "too late" end
            return "at once"
        end)
        return server.port
        """,
    )
    assert ask(port, "GET", "/never") == (504, b'{"error": "Request timeout"}', JSON_TYPE)
    assert it.call("run", "return coroutine.resume(kept)") is True  # nobody gets what it gives
    assert ask(port, "GET", "/fast")[:2] == (200, b"at once")
    it.call("run", "server:stop()")
    log.wait_for("HTTP Server stopped successfully")
    log.drain()


def test_stopping_answers_open_requests(it: Script, log: Log) -> None:
    port = it.call("run", HTTP_SERVER)
    answers: list[tuple[int, bytes, str]] = []
    asking = threading.Thread(target=lambda: answers.append(ask(port, "GET", "/never")))
    asking.start()
    log.wait_for("asked")
    it.call("run", "server:stop()")
    asking.join(20)
    assert answers[0][0] == 503
    log.drain()


def test_an_http_server_without_handler_knows_nothing(it: Script) -> None:
    port = it.call("run", "server = net.HTTPServer() server:start('127.0.0.1', 0) return server.port")
    assert ask(port, "GET", "/") == (404, b'{"error":"Not found"}', JSON_TYPE)


def test_an_http_server_by_registered_callbacks(it: Script, log: Log) -> None:
    port = it.call(
        "run",
        """
        sid = _PY.http_server_create()
        local id = _PY.registerCallback(function(request)
            _PY.http_server_respond(request.request_id, request.method .. request.path, 201, "text/plain", {["X-Y"] = "z"})
            assert(not _PY.http_server_respond(request.request_id, "again"))
        end, true)
        _PY.http_server_start(sid, "127.0.0.1", 0, id)
        assert(_PY.http_server_is_running(sid))
        return _PY.http_server_port
        """,
    )
    assert ask(port, "GET", "/p") == (201, b"GET/p", "text/plain")
    it.call("run", "_PY.http_server_stop(sid)")
    assert it.call("run", "return _PY.http_server_is_running(sid)") is False
    log.drain()


def test_the_web_server_of_the_older_generation(it: Script, log: Log) -> None:
    it.call(
        "run",
        """
        assert(_PY.start_web_server(0, "127.0.0.1"))
        assert(not _PY.start_web_server(0, "127.0.0.1"))
        _PY.register_web_callback("http_request", function(m)
            print("web " .. m.method .. " " .. m.path .. " " .. m.query.a[1] .. m.query.a[2] .. " " .. tostring(m.body.x))
        end)
        _PY.start_web_message_processing()
        """,
    )
    port = it.call("run", "return _PY.get_web_server_status().port")
    status, body, _ = ask(port, "POST", "/p?a=1&a=%32", b'{"x": 5}', **{"Content-Type": "application/json"})
    assert status == 200
    assert b'"status":"received"' in body
    log.wait_for("web POST /p 12 5")
    assert it.call("run", "return (_PY.stop_web_server()), _PY.is_web_server_running()") == (True, False)
    log.drain()


def test_a_udp_socket_that_cannot_be_had_tells_who_asks_of_it(
    session: Session, write: Write, log: Log
) -> None:
    text = """
    local function ask(socket)
        socket:sendTo("x", "127.0.0.1", 9, {error = function(problem) print("failed " .. problem) end})
    end
    local first, second = net.UDPSocket(), net.UDPSocket()
    ask(second)
    setTimeout(function() ask(second) first:close() second:close() end, 1)
    """
    session.load(write("it.lua", text), max_sockets=1)
    assert all("(option max_sockets)" in record.text for record in log.wait_for("failed ", 2))
    log.drain()
    assert not [record for record in log.records("it") if record.level is Level.ERROR]


# ---- _PY.tcp_* ---------------------------------------------------------------------------------------------


def test_what_had_come_before_a_time_limit_can_still_be_read(lua: Script, log: Log, peer: Peer) -> None:
    def talk(client: socket.socket) -> None:
        client.sendall(b"abc")
        client.recv(100)

    lua.call(
        "run",
        """
        local function once(f) return _PY.registerCallback(f) end
        local function try(id)
            _PY.tcp_read_until(id, ";", 100, once(function(r)
                assert(not r.success and r.message == "timeout", r.message)
                _PY.tcp_read(id, 3, once(function(r)
                    print("read " .. r.data)
                    _PY.tcp_close(id, once(function() end))
                end))
            end))
        end
        _PY.tcp_connect("127.0.0.1", ..., once(function(c)
            _PY.tcp_set_timeout(c.conn_id, 0.05)
            try(c.conn_id)
        end))
        """,
        peer(talk),
    )
    log.wait_for("read abc")
    log.drain()


def test_tcp_by_registered_callbacks(it: Script, log: Log, peer: Peer) -> None:
    def talk(client: socket.socket) -> None:
        client.sendall(client.recv(100) + b";rest")

    it.call(
        "run",
        """
        local function once(f) return _PY.registerCallback(f) end
        _PY.tcp_connect("127.0.0.1", ..., once(function(c)
            assert(c.success and c.message)
            _PY.tcp_write(c.conn_id, "abc", once(function(w)
                assert(w.success and w.bytes_written == 3)
                _PY.tcp_read_until(c.conn_id, ";", 100, once(function(r)
                    assert(r.data == "abc;")
                    _PY.tcp_read(c.conn_id, 100, once(function(r)
                        assert(r.data == "rest")
                        _PY.tcp_read(c.conn_id, 100, once(function(r)
                            assert(r.success and r.data == "")
                            _PY.tcp_close(c.conn_id, once(function(r) print("closed " .. tostring(r.success)) end))
                        end))
                    end))
                end))
            end))
        end))
        _PY.tcp_connect("127.0.0.1", 1, once(function(c) print("refused " .. tostring(c.success)) end))
        _PY.tcp_read(4711, 1, once(function(c) print("unknown " .. c.message) end))
        """,
        peer(talk),
    )
    for text in ("closed true", "refused false", "unknown Not connected"):
        log.wait_for(text)
    log.drain()


def test_tcp_by_functions_of_the_older_generation(it: Script, log: Log, peer: Peer) -> None:
    it.call(
        "run",
        """
        _PY.tcp_connect("127.0.0.1", ..., function(ok, conn, msg)
            assert(ok and msg)
            _PY.tcp_write(conn, "abc", function(ok, bytes)
                assert(ok and bytes == 3)
                _PY.tcp_read(conn, 100, function(ok, data)
                    assert(ok and data == "abc")
                    _PY.tcp_set_timeout(conn, 2, function(ok) assert(ok) end)
                    _PY.tcp_get_timeout(conn, function(ok, seconds) assert(seconds == 2) end)
                    _PY.tcp_read(conn, 100, function(ok, data, msg)
                        print("end " .. tostring(ok) .. " " .. msg)
                        _PY.tcp_close(conn, function(ok) print("closed " .. tostring(ok)) end)
                    end)
                end)
            end)
        end)
        """,
        peer(lambda client: client.sendall(client.recv(100))),
    )
    log.wait_for("end false Connection closed by peer")
    log.wait_for("closed true")
    log.drain()


def test_tcp_servers_of_py(it: Script, log: Log) -> None:
    port = it.call(
        "run",
        """
        new, old = _PY.tcp_server_create(), _PY.tcp_server_create()
        local id = _PY.registerCallback(function(c)
            assert(c.success and c.client_ip == "127.0.0.1")
            _PY.tcp_write(c.conn_id, "welcome", _PY.registerCallback(function() _PY.tcp_close(c.conn_id) end))
        end, true)
        _PY.tcp_server_add_event_listener(old, "client_connected", function(conn, addr)
            local ok, data = _PY.tcp_server_read_sync(conn)
            assert(_PY.tcp_server_write_sync(conn, "old " .. data))
        end)
        _PY.tcp_server_add_event_listener(old, "client_disconnected", function() print("left") end)
        return {_PY.tcp_server_start(new, "127.0.0.1", 0, id), _PY.tcp_server_start(old, "127.0.0.1", 0), _PY.tcp_server_is_ready(old)}
        """,
    )
    with socket.create_connection(("127.0.0.1", port[0]), timeout=20) as client:
        assert client.makefile("rb").read() == b"welcome"
    with socket.create_connection(("127.0.0.1", port[1]), timeout=20) as client:
        client.sendall(b"x")
        assert client.recv(100) == b"old x"
    log.wait_for("left")
    it.call("run", "_PY.tcp_server_stop(new) _PY.tcp_server_close(old)")
    log.drain()


def test_tcp_inside_a_coroutine(it: Script, log: Log, peer: Peer) -> None:
    it.call(
        "run",
        """
        local port = ...
        setTimeout(function()
            local ok, conn = net.tcp_connect_sync("127.0.0.1", port)
            assert(ok and net.tcp_write_sync(conn, "abc"))
            local ok, data = net.tcp_read_sync(conn, 100)
            assert(net.tcp_close_sync(conn) and not net.tcp_read_sync(conn, 1))
            print("sync " .. data .. " " .. tostring((net.tcp_connect_sync("127.0.0.1", 1))))
        end, 0)
        """,
        peer(lambda client: client.sendall(client.recv(100))),
    )
    log.wait_for("sync abc false")
    log.drain()


# ---- WebSockets --------------------------------------------------------------------------------------------

WEBSOCKET_CLIENT = """
local url = ...
client = net.WebSocketClient({headers = {["X-Mine"] = "yes"}})
local function listen(name) client:addEventListener(name, function(x) print(name .. " " .. tostring(x)) end) end
client:connect(url)
for _, name in ipairs{"connected", "dataReceived", "disconnected", "error"} do listen(name) end
client:addEventListener("connected", function() client:send(42) client:connect(url) end)
"""


def test_a_websocket_client(it: Script, log: Log) -> None:
    seen: list[object] = []

    def handle(connection: object) -> None:
        message = connection.recv()  # pyright: ignore
        seen.append((message, connection.request.headers["X-Mine"]))  # pyright: ignore
        connection.send("text")  # pyright: ignore
        connection.send(b"\xff")  # pyright: ignore

    with websocket_server(handle, "127.0.0.1", 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        it.call("run", WEBSOCKET_CLIENT, f"ws://127.0.0.1:{server.socket.getsockname()[1]}/")
        for text in ("connected nil", "error Already connected", "dataReceived text", "disconnected nil"):
            log.wait_for(text)
        server.shutdown()
    assert seen == [("42", "yes")]
    assert it.call("run", "client:close() client:close() return client:isOpen()") is False
    it.call("run", "client:send('x')")
    log.wait_for("error Not connected")
    log.drain()


def test_a_failed_websocket_gives_an_error_only_and_keeps_nothing_alive(it: Script, log: Log) -> None:
    it.call("run", WEBSOCKET_CLIENT, "ws://127.0.0.1:1/")
    log.wait_for("error Connection error: ")
    log.drain()
    assert not [line for line in log.lines("it") if line.startswith("disconnected")]


def test_its_own_close_is_not_told(it: Script, log: Log) -> None:
    it.call("run", "echo = net.WebSocketEchoServer('127.0.0.1', 0) function port() return echo.port end")
    it.call("run", WEBSOCKET_CLIENT, f"ws://127.0.0.1:{it.call('port')}/")
    log.wait_for("dataReceived Echo: 42")
    it.call("run", "client:close() setTimeout(function() print('done') end, 20)")
    log.wait_for("done")
    assert not [line for line in log.lines("it") if line.startswith("disconnected")]


WEBSOCKET_SERVER = """
server = net.WebSocketServer()
local function listen(name) return function(...) print(name, ...) end end
server:start("127.0.0.1", 0, {
    started = listen("started"), connected = listen("joined"), disconnected = listen("left"), error = listen("failed"),
    receive = function(client, data) server:send(client, "got " .. data) end,
})
return server.port
"""


def test_a_websocket_server(it: Script, log: Log) -> None:
    port = it.call("run", WEBSOCKET_SERVER)
    log.wait_for("started")
    with (
        websocket_client(f"ws://127.0.0.1:{port}/") as one,
        websocket_client(f"ws://127.0.0.1:{port}/") as two,
    ):
        one.send("a")
        two.send("b")
        assert (one.recv(20), two.recv(20)) == ("got a", "got b")
        log.wait_for("joined\t2")
        assert it.call("run", "return server:getClients(), server:isRunning(), server.running") == (
            [1, 2],
            True,
            True,
        )
        one.close()
        log.wait_for("left\t1")
        it.call("run", "server:send(1, 'x') server:start('127.0.0.1', 0, {error = print})")
        log.wait_for("failed\tClient 1 not connected")
        log.wait_for("Server already running")
        it.call("run", "server:stop() server:stop()")
        log.wait_for("left\t2")
    assert it.call("run", "server:send(2, 'x') return server:isRunning()") is False
    log.wait_for("failed\tServer not running")
    log.drain()


def test_a_websocket_server_whose_port_is_taken(it: Script, log: Log) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        it.call(
            "run", "net.WebSocketServer():start('127.0.0.1', ..., {error = print})", taken.getsockname()[1]
        )
    log.wait_for("Failed to start server: ")
    log.drain()


def test_websockets_by_registered_callbacks(it: Script, log: Log) -> None:
    it.call(
        "run",
        """
        srv = _PY.websocket_server_create()
        local sid = _PY.registerCallback(function(e)
            if e.event == "receive" then _PY.websocket_server_send(srv, e.client_id, "re: " .. e.data) end
        end, true)
        assert(_PY.websocket_server_start(srv, "127.0.0.1", 0, sid) and _PY.websocket_server_is_running(srv))
        """,
    )
    it.call(
        "run",
        """
        local echo = net.WebSocketServer()
        local conn
        local cid = _PY.registerCallback(function(e)
            if e.event == "connected" then assert(_PY.websocket_send(e.conn_id, "hello")) end
            if e.event == "dataReceived" then
                print("client " .. e.data .. " " .. tostring(_PY.websocket_is_open(e.conn_id)))
                _PY.websocket_close(e.conn_id)
                _PY.websocket_server_stop(srv)
            end
        end, true)
        conn = _PY.websocket_connect("ws://127.0.0.1:" .. _PY.websocket_server_port(srv) .. "/", cid)
        """,
    )
    log.wait_for("client re: hello true")
    log.drain()


def test_an_idle_echo_server_keeps_nothing_alive(write: Write) -> None:
    run = batch(write("it.lua", "net.WebSocketEchoServer('127.0.0.1', 0) print('up')"))
    assert run.lines == ["up"]
    assert run.code == 0
