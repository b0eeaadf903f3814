"""WebSockets of scripts, client and server, against the websockets library and against raw peers."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.sync.server import Server, ServerConnection, serve

from scriptengines.errors import CallError
from scriptengines.script import Script
from scriptengines.session import Session
from tests.conftest import DEADLINE, Log

from .web import Client, Peer, back_at_baseline, certificate, descriptors, get

type Write = Callable[[str, str], Path]

PYTHON_SERVER = """
import host
async def later(ws, message):
    await host.sleep(1)
    ws.send(message)
def message(ws, message):
    if message == "close": ws.close(3001, "as you wish")
    elif message == "fail": raise ValueError("out of paint")
    elif message == "stop": server.close()
    else: ws.send(message)
server = host.websocket_serve("127.0.0.1", 0, {
    "connected": lambda ws: host.log(f"connected {ws.url} {ws.query}"),
    "message": message,
    "closed": lambda ws, code, reason: host.log(f"closed {code} {reason}"),
}, {"max_size": 100_000})
def port(): return server.port
def clients(): return len(server.clients)
def broadcast(text): return server.broadcast(text)
def stop(): server.close()
"""
LUA_SERVER = """
server = host.websocket_serve("127.0.0.1", 0, {
  connected = function(ws) host.log("connected " .. ws.url .. " {'a': '" .. tostring(ws.query.a) .. "'}") end,
  message = function(ws, message)
    if message == "close" then ws:close(3001, "as you wish")
    elseif message == "fail" then error("out of paint")
    elseif message == "stop" then server:close()
    else host.sleep(0) ws:send(message, ws.is_binary) end
  end,
  closed = function(ws, code, reason) host.log("closed " .. code .. " " .. reason) end,
}, {max_size = 100000})
function port() return server.port end
function clients() return #server.clients end
function broadcast(text) return server:broadcast(text) end
function stop() server:close() end
"""
SERVERS = {
    "isolated": (".py", PYTHON_SERVER, {"isolation": "isolated"}),
    "shared": (".py", PYTHON_SERVER, {"isolation": "shared"}),
    "main": (".py", PYTHON_SERVER, {"isolation": "main"}),
    "lua": (".lua", LUA_SERVER, {}),
}
PYTHON_CLIENT = """
import host

def begin(url, options=None):
    global ws
    ws = host.websocket_connect(url, {
        "connected": lambda ws: ws.send("hello"),
        "message": lambda ws, message: host.log(f"got {message!r}"),
        "closed": lambda ws, code, reason: host.log(f"closed {code} {reason}"),
        "error": lambda error: host.log(f"error {error}"),
    }, options)
def close(): ws.close()
def send(message): ws.send(message)
async def wait(url, options=None):
    ws = await host.websocket_open(url, options)
    got = []
    for message in ("grün", b"\\x00\\xff", "x" * 50_000, b""):
        await ws.write(message)
        got.append(await ws.receive(20_000) == message)
    pong = await ws.ping(20_000)
    ws.close()
    return [got, pong >= 0, await ws.receive(), ws.code]
async def receive_once(url, ms):
    ws = await host.websocket_open(url)
    try:
        return await ws.receive(ms)
    finally:
        ws.close()
async def until_the_end(url):
    ws = await host.websocket_open(url)
    got = []
    while (message := await ws.receive()) is not None: got.append(message)
    return [got, ws.code, ws.reason]
"""
LUA_CLIENT = """
function begin(url, options)
  ws = host.websocket_connect(url, {
    connected = function(ws) ws:send("hello") end,
    message = function(ws, message) host.log("got '" .. message .. "'") end,
    closed = function(ws, code, reason) host.log("closed " .. code .. " " .. reason) end,
    error = function(failure) host.log("error " .. failure) end,
  }, options)
end
function close() ws:close() end
function wait(url)
  setTimeout(function()
    local ws = host.websocket_open(url)
    ws:write("one")
    ws:send("\\0\\255", true)
    local a, b = ws:receive(), ws:receive()
    ws:close()
    host.log("waited " .. a .. " " .. #b .. " " .. tostring(ws:receive()) .. " " .. ws.code)
  end, 0)
end
"""
C_CLIENT = """
#include <scriptconsole.h>
static int connected(sc_ctx *ctx, const sc_value *args, size_t n, sc_value *out) {
    (void)n;
    sc_value wanted[3] = {args[0], sc_str("send"), sc_str("from C")};
    return ctx->host(ctx, "method", wanted, 3, out);
}
static int message(sc_ctx *ctx, const sc_value *args, size_t n, sc_value *out) {
    (void)n;
    sc_value wanted[2] = {args[0], sc_str("close")};
    if (ctx->host(ctx, "log", &args[1], 1, out)) return -1;
    return ctx->host(ctx, "method", wanted, 2, out);
}
static int failed(sc_ctx *ctx, const sc_value *args, size_t n, sc_value *out) {
    (void)n;
    return ctx->host(ctx, "log", args, 1, out);
}
static int begin(sc_ctx *ctx, const sc_value *args, size_t n, sc_value *out) {
    (void)n;
    sc_value handlers[6] = {sc_str("connected"), sc_callback("connected"), sc_str("message"),
                            sc_callback("message"), sc_str("error"), sc_callback("failed")};
    sc_value given[2] = {args[0], sc_items(SC_DICT, handlers, 6)}, socket;
    *out = sc_nil();
    return ctx->host(ctx, "websocket_connect", given, 2, &socket);
}
static const sc_export exports[] = {
    {"connected", connected, NULL, ""}, {"message", message, NULL, ""}, {"failed", failed, NULL, ""},
    {"begin", begin, "s:A", ""}, {0}
};
static const sc_module module = {SC_ABI_VERSION, "it", "1.0", exports, NULL, NULL, NULL};
SC_MODULE(module)
"""


@pytest.fixture(params=SERVERS)
def any_server(request: pytest.FixtureRequest, session: Session, write: Write) -> Script:
    suffix, text, options = SERVERS[request.param]
    return session.load(write(f"it{suffix}", text), **options)


@pytest.fixture(params=["isolated", "lua"])
def server(request: pytest.FixtureRequest, session: Session, write: Write) -> Script:
    suffix, text, options = SERVERS[request.param]
    return session.load(write(f"it{suffix}", text), **options)


def to(script: Script, path: str = "/", **options: Any) -> ClientConnection:
    """The library's client, connected to a script."""
    url = f"ws://127.0.0.1:{script.call('port')}{path}"
    return connect(url, open_timeout=DEADLINE, close_timeout=DEADLINE, compression=None, **options)


# ---- servers -------------------------------------------------------------------------------------------


def test_a_server_echoes_texts_and_bytes(any_server: Script, log: Log) -> None:
    with to(any_server, "/room?a=b") as client:
        log.wait_for("connected /room {'a': 'b'}")
        for message in ("grün", b"\0\xff", b"text?", "", "x" * 90_000, os.urandom(70_000)):
            client.send(message)
            assert client.recv(DEADLINE) == message
        client.send(["in ", "three ", "parts"])
        assert client.recv(DEADLINE) == "in three parts"
        assert client.ping().wait(DEADLINE)
    log.wait_for("closed 1000")
    any_server.call("stop")
    log.drain()


def test_a_server_closes_with_code_and_reason(any_server: Script, log: Log) -> None:
    with to(any_server) as client:
        client.send("close")
        with pytest.raises(ConnectionClosed) as caught:
            client.recv(DEADLINE)
        assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (3001, "as you wish")
    log.wait_for("closed 3001 as you wish")


def test_a_failing_handler_is_reported_and_the_websocket_lives_on(any_server: Script, log: Log) -> None:
    with to(any_server) as client:
        client.send("fail")
        client.send("still there")
        assert client.recv(DEADLINE) == "still there"
        log.wait_for("out of paint")


def test_a_message_over_the_limit_closes_with_1009(server: Script, log: Log) -> None:
    with to(server) as client:
        client.send("x" * 100_001)
        with pytest.raises(ConnectionClosed) as caught:
            client.recv(DEADLINE)
        assert caught.value.rcvd.code == 1009
    log.wait_for("closed 1009")


def test_a_broadcast_reaches_all(server: Script, log: Log) -> None:
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(to(server)) for _ in range(5)]
        log.until(lambda: server.call("clients") == 5)
        assert server.call("broadcast", "to all") == 5
        assert [client.recv(DEADLINE) for client in clients] == ["to all"] * 5
    log.until(lambda: server.call("clients") == 0)


def test_a_handler_closes_its_own_server(server: Script, log: Log) -> None:
    with to(server) as one, to(server) as two:
        log.until(lambda: server.call("clients") == 2)
        one.send("stop")
        for client in (one, two):
            with pytest.raises(ConnectionClosed) as caught:
                client.recv(DEADLINE)
            assert caught.value.rcvd.code == 1001
    log.drain()


def test_a_plain_request_is_told_that_a_websocket_is_needed(server: Script) -> None:
    status, headers, _ = get(server.call("port"))
    assert (status, headers["upgrade"]) == (426, "websocket")


HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
BAD_FRAMES = {
    "not masked": (b"\x81\x02hi", 1002),
    "an unknown opcode": (b"\x83\x80\0\0\0\0", 1002),
    "reserved bits": (b"\xf1\x80\0\0\0\0", 1002),
    "a text that is no UTF-8": (b"\x81\x82\0\0\0\0\xff\xff", 1007),
    "a continuation of nothing": (b"\x80\x80\0\0\0\0", 1002),
    "too long a ping": (b"\x89\xfe\x00\x80\0\0\0\0" + b"x" * 128, 1002),
    "too much": (b"\x82\xff\0\0\0\0\x7f\0\0\0\0\0\0\0", 1009),
}


@pytest.mark.parametrize("name", BAD_FRAMES)
def test_a_broken_frame_closes_the_websocket_with_its_code(server: Script, log: Log, name: str) -> None:
    frame, code = BAD_FRAMES[name]
    with Client(server.call("port")) as client:
        client.send(HANDSHAKE)
        assert client.answer()[0] == 101
        client.send(frame)
        closing = client.rest()
        assert (closing[:1], int.from_bytes(closing[2:4], "big")) == (b"\x88", code)
    log.wait_for(f"closed {code}")
    with to(server) as other:
        other.send("hello")
        assert other.recv(DEADLINE) == "hello"


@pytest.mark.parametrize(
    "head",
    [
        HANDSHAKE.replace(b"Version: 13", b"Version: 12"),
        HANDSHAKE.replace(b"dGhlIHNhbXBsZSBub25jZQ==", b"short"),
        HANDSHAKE.replace(b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", b""),
    ],
)
def test_a_broken_handshake_is_refused(server: Script, session: Session, log: Log, head: bytes) -> None:
    with Client(server.call("port")) as client:
        client.send(head)
        assert 400 <= client.answer()[0] < 500
    assert log.lines("it") == []


def test_a_client_that_is_gone_in_the_middle_of_a_message_is_told(server: Script, log: Log) -> None:
    before = descriptors()
    with Client(server.call("port")) as client:
        client.send(HANDSHAKE + b"\x81\xfe\x10\x00\0\0\0\0half a mess")
        client.answer()
    log.wait_for("closed 1006")
    log.until(lambda: descriptors() <= before)


def test_a_frame_right_behind_the_handshake_is_not_lost(server: Script) -> None:
    with Client(server.call("port")) as client:
        client.send(HANDSHAKE + b"\x81\x82\0\0\0\0hi")
        client.answer()
        while b"hi" not in client._rest:
            client._more()


def test_clients_that_come_and_go_leave_nothing_behind(server: Script, session: Session, log: Log) -> None:
    before = descriptors()
    for number in range(150):
        if number % 3 == 0:
            with to(server) as client:
                client.send("x")
        else:
            with Client(server.call("port")) as raw:
                raw.send(HANDSHAKE if number % 3 == 1 else HANDSHAKE[:50])
    log.until(lambda: descriptors() <= before)
    log.until(lambda: server.call("clients") == 0)
    server.call("stop")
    log.drain()


def test_only_pages_of_known_origins_may_connect(session: Session, write: Write) -> None:
    text = """import host
s = host.websocket_serve("127.0.0.1", 0, {}, {"origins": ["https://ours.example"]})
def port(): return s.port
"""
    script = session.load(write("it.py", text))
    with to(script, origin="https://ours.example"):
        pass
    with pytest.raises(InvalidStatus, match="403"):
        to(script, origin="https://theirs.example")


def test_subprotocols_and_compression_are_agreed_on(session: Session, write: Write) -> None:
    text = """import host
s = host.websocket_serve("127.0.0.1", 0, {"message": lambda ws, m: ws.send(f"{ws.subprotocol} {m}")},
                         {"subprotocols": ["chat", "talk"], "compression": True})
def port(): return s.port
"""
    url = f"ws://127.0.0.1:{session.load(write('it.py', text)).call('port')}/"
    with connect(url, subprotocols=["talk"]) as client:
        client.send("x" * 1000)
        assert client.recv(DEADLINE) == "talk " + "x" * 1000
        assert [each.name for each in client.protocol.extensions] == ["permessage-deflate"]


@pytest.mark.parametrize("suffix", [".py", ".lua"])
def test_a_websocket_shares_the_port_of_an_http_server(
    session: Session, write: Write, log: Log, suffix: str
) -> None:
    texts = {
        ".py": """import host
s = host.http_serve("127.0.0.1", 0, {"GET /": lambda r: "page"})
s.websocket("/live/{name}", {"message": lambda ws, m: ws.send(ws.params["name"] + " " + m)})
def port(): return s.port
def stop(): s.close()
""",
        ".lua": """s = host.http_serve("127.0.0.1", 0, {["GET /"] = function() return "page" end})
s:websocket("/live/{name}", {message = function(ws, m) ws:send(ws.params.name .. " " .. m) end})
function port() return s.port end
function stop() s:close() end
""",
    }
    script = session.load(write(f"it{suffix}", texts[suffix]))
    with to(script, "/live/red") as client:
        client.send("paint")
        assert client.recv(DEADLINE) == "red paint"
        assert get(script.call("port"))[2] == b"page"
        with pytest.raises(InvalidStatus, match="404"):
            to(script, "/dead")
        script.call("stop")
        with pytest.raises(ConnectionClosed):
            client.recv(DEADLINE)
    log.drain()


def test_a_client_that_does_not_answer_pings_is_dropped(session: Session, write: Write, log: Log) -> None:
    text = """import host
s = host.websocket_serve("127.0.0.1", 0, {"closed": lambda ws, c, r: host.log(f"closed {c} {r}")},
                         {"ping_interval": 20, "ping_timeout": 20})
def port(): return s.port
"""
    script = session.load(write("it.py", text))
    with Client(script.call("port")) as client:
        client.send(HANDSHAKE)
        log.wait_for("closed 1011 no answer to a ping")
        assert b"\x89\x04keep" in client.rest()


def test_a_client_that_does_not_read_is_held_in_bounds(session: Session, write: Write, log: Log) -> None:
    text = """import host
s = host.websocket_serve("127.0.0.1", 0, {"connected": lambda ws: host.log("connected"),
                                          "closed": lambda ws, c, r: host.log(f"closed {c}")},
                         {"max_queued": 1_000_000})
def port(): return s.port
def fill():
    ws = s.clients[0]
    for _ in range(10_000): ws.send(bytes(100_000))
def most(): return max(ws.buffered for ws in s.clients)
def broadcast(): return s.broadcast(bytes(1_000_000))
"""
    script = session.load(write("it.py", text))
    with Client(script.call("port")) as client:
        client.send(HANDSHAKE)
        log.wait_for("connected")
        with pytest.raises(CallError, match=r"does not read: \d+ bytes wait to be sent \(max_queued\)"):
            script.call("fill")
        assert script.call("most") <= 1_100_000
        assert script.call("broadcast") == 0
        log.wait_for("is dropped")
        log.wait_for("closed 1006")


def test_a_handler_that_waits_holds_the_client_up(session: Session, write: Write, log: Log) -> None:
    text = """import host, asyncio
gate = asyncio.Event()
running = most = done = 0
async def message(ws, message):
    global running, most, done
    running += 1
    most = max(most, running)
    await gate.wait()
    running -= 1
    done += 1
s = host.websocket_serve("127.0.0.1", 0, {"message": message})
def port(): return s.port
def go_on(): gate.set()
"""
    script = session.load(write("it.py", text))
    with to(script) as client:
        stuck = threading.Event()

        def send() -> None:
            for _ in range(400):
                client.send(bytes(60_000))
            stuck.set()

        thread = threading.Thread(target=send)
        thread.start()
        log.until(lambda: script.get("most") >= 32)
        assert not stuck.wait(0.2)
        script.call("go_on")
        thread.join(DEADLINE)
        log.until(lambda: script.get("done") == 400)
        assert script.get("most") < 100


# ---- clients -----------------------------------------------------------------------------------------------


@contextlib.contextmanager
def library(handler: Callable[[ServerConnection], None], **options: Any) -> Iterator[str]:
    """A server of the websockets library; gives its address."""
    with serve(handler, "127.0.0.1", 0, **options) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        scheme = "wss" if "ssl" in options else "ws"
        try:
            yield f"{scheme}://127.0.0.1:{_port(running)}/"
        finally:
            running.shutdown()
            thread.join(DEADLINE)


def _port(running: Server) -> int:
    return running.socket.getsockname()[1]


def echo(connection: ServerConnection) -> None:
    for message in connection:
        connection.send(message)


@pytest.fixture(params=[(".py", PYTHON_CLIENT), (".lua", LUA_CLIENT)], ids=["python", "lua"])
def either(request: pytest.FixtureRequest, session: Session, write: Write) -> Script:
    return session.load(write(f"client{request.param[0]}", request.param[1]), alias="it")


@pytest.mark.parametrize("isolation", ["isolated", "shared", "main", "process"])
def test_python_waits_for_messages(session: Session, write: Write, log: Log, isolation: str) -> None:
    script = session.load(write("it.py", PYTHON_CLIENT), isolation=isolation)
    with library(echo) as url:
        assert script.call("wait", url) == [[True] * 4, True, None, 1000]
        assert script.call("wait", url, {"compression": True}) == [[True] * 4, True, None, 1000]
        log.drain()


def test_handlers_are_called(either: Script, session: Session, log: Log) -> None:
    with library(echo) as url, back_at_baseline(session, log):
        either.call("begin", url)
        log.wait_for("got 'hello'")
        assert session.pending
        either.call("close")
        log.wait_for("closed 1000")
    assert log.lines("it") == ["got 'hello'", "closed 1000 "]


def test_lua_waits_in_a_coroutine(session: Session, write: Write, log: Log) -> None:
    script = session.load(write("it.lua", LUA_CLIENT))
    with library(echo) as url:
        script.call("wait", url)
        log.wait_for("waited one 2 nil 1000")
        log.drain()


def test_c_is_called_back(session: Session, write: Write, log: Log, free_port: Callable[[], int]) -> None:
    script = session.load(write("it.c", C_CLIENT))
    with library(echo) as url:
        script.call("begin", url)
        log.wait_for("from C")
        log.drain()
    script.call("begin", f"ws://127.0.0.1:{free_port()}/")
    log.wait_for("connection refused")


def test_messages_that_came_before_the_end_are_not_lost(session: Session, write: Write) -> None:
    def handler(connection: ServerConnection) -> None:
        for number in range(100):
            connection.send(str(number))
        connection.close(4000, "enough")

    script = session.load(write("it.py", PYTHON_CLIENT))
    with library(handler) as url:
        assert script.call("until_the_end", url) == [[str(n) for n in range(100)], 4000, "enough"]


def test_waiting_for_a_message_has_a_timeout(session: Session, write: Write, log: Log) -> None:
    script = session.load(write("it.py", PYTHON_CLIENT))
    with library(echo) as url:
        with pytest.raises(CallError, match=f"timeout: websocket {url}: no message came"):
            script.call("receive_once", url, 20)
        log.drain()


def _says(text: bytes) -> Callable[[socket.socket], None]:
    def behave(connection: socket.socket) -> None:
        connection.recv(10_000)
        connection.sendall(text)

    return behave


def _nothing(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while connection.recv(10_000):
            pass


FAILURES: dict[str, tuple[Callable[[socket.socket], None], str]] = {
    "never answers": (_nothing, "timeout: websocket {url}"),
    "closes": (_says(b""), "websocket {url}: "),
    "speaks no HTTP": (
        _says(b"SSH-2.0-OpenSSH\r\n\r\n"),
        "websocket {url}: did not receive a valid HTTP response",
    ),
    "has no websocket": (
        _says(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"),
        "websocket {url}: server rejected WebSocket connection: HTTP 404",
    ),
    "answers another key": (
        _says(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: AAAA\r\n\r\n"
        ),
        "websocket {url}: invalid Sec-WebSocket-Accept header: AAAA",
    ),
}


@pytest.mark.parametrize("name", FAILURES)
def test_what_cannot_be_opened_is_told_once(either: Script, session: Session, log: Log, name: str) -> None:
    behave, text = FAILURES[name]
    peer = Peer(behave)
    url = peer.url.replace("http:", "ws:")
    try:
        for _ in range(2):
            either.call("begin", url, {"timeout": 100})
            log.until(lambda: not session.pending)
        before = descriptors()
        either.call("begin", url, {"timeout": 100})
        log.until(lambda: not session.pending and descriptors() <= before)
    finally:
        peer.close()
    lines = log.lines("it")
    assert len(lines) == 3
    assert lines[0].startswith("error " + text.format(url=url)), lines


def test_a_refused_connection_and_an_unknown_host_are_told(
    either: Script, log: Log, free_port: Callable[[], int]
) -> None:
    url = f"ws://127.0.0.1:{free_port()}/"
    either.call("begin", url)
    log.wait_for(f"error websocket {url}: connection refused")
    either.call("begin", "ws://nowhere.invalid/")
    log.wait_for("error websocket ws://nowhere.invalid/: the host cannot be found")
    log.drain()


@pytest.mark.parametrize("url", ["http://127.0.0.1/", "ws://", "nonsense", 7])
def test_an_address_that_is_none_is_refused(either: Script, url: Any) -> None:
    with pytest.raises(CallError, match="must begin with ws:// or wss://"):
        either.call("begin", url)


def test_a_server_that_dies_is_told_as_1006(either: Script, session: Session, log: Log) -> None:
    import base64
    import hashlib

    def behave(connection: socket.socket) -> None:
        request = connection.recv(10_000)
        key = next(line for line in request.split(b"\r\n") if line.startswith(b"Sec-WebSocket-Key: "))[19:]
        digest = hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
        connection.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + base64.b64encode(digest) + b"\r\n\r\n\x81\x05par"
        )
        connection.recv(10_000)

    peer = Peer(behave)
    try:
        either.call("begin", peer.url.replace("http:", "ws:"))
        log.wait_for("closed 1006 the connection was lost")
        log.drain()
    finally:
        peer.close()
    assert log.lines("it") == ["closed 1006 the connection was lost"]


def test_certificates_are_verified(session: Session, write: Write, tmp_path: Path, log: Log) -> None:
    cert, key = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    script = session.load(write("it.py", PYTHON_CLIENT))
    with library(echo, ssl=context) as url:
        with pytest.raises(CallError, match=f"websocket {url}: TLS: the certificate is not trusted"):
            script.call("wait", url)
        assert script.call("wait", url, {"ca": cert}) == [[True] * 4, True, None, 1000]
        assert script.call("wait", url, {"verify": False}) == [[True] * 4, True, None, 1000]
        log.drain()


def test_a_script_serves_wss(session: Session, write: Write, tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    text = PYTHON_SERVER.replace('"max_size"', f'"tls": {{"cert": {cert!r}, "key": {key!r}}}, "max_size"')
    port = session.load(write("it.py", text)).call("port")
    context = ssl.create_default_context(cafile=cert)
    with connect(f"wss://127.0.0.1:{port}/", ssl=context) as client:
        client.send("secret")
        assert client.recv(DEADLINE) == "secret"


def test_two_scripts_talk(server: Script, session: Session, write: Write, log: Log) -> None:
    client = session.load(write("client.py", PYTHON_CLIENT))
    assert client.call("wait", f"ws://127.0.0.1:{server.call('port')}/")[0] == [True] * 4
    log.wait_for("closed 1000")


@pytest.mark.stress
def test_a_thousand_websockets_at_the_same_time(server: Script, log: Log) -> None:
    before = descriptors()
    clients = [Client(server.call("port")) for _ in range(1000)]
    for client in clients:
        client.send(HANDSHAKE)
        assert client.answer()[0] == 101
    log.until(lambda: server.call("clients") == 1000)
    assert server.call("broadcast", "hi") == 1000
    for client in clients:
        while b"hi" not in client._rest:
            client._more()
        client.close()
    log.until(lambda: server.call("clients") == 0 and descriptors() <= before)
