"""TCP in waiting style: a script reads and writes as if it had the connection to itself."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from scriptengines.errors import CallError
from scriptengines.script import Script
from scriptengines.session import Session
from scriptengines.view import WarningKind
from tests.conftest import DEADLINE, Log

from .netpeers import Peer, dial, echo, language, load, peer, receive, receive_all, start, steady

__all__ = ["language", "load", "peer"]

type Start = Callable[[Callable[[socket.socket], None]], Peer]
type Load = Callable[..., Script]

CLIENT_PY = """
results = []
def note(*values): host.log(" ".join(map(str, values)))

async def ask(port, question):
    connection = await host.tcp_open("127.0.0.1", port)
    await connection.write(question)
    answer = await connection.read_exactly(len(question))
    connection.close()
    note("got", answer.decode(), connection.sent, connection.received, connection.is_open)

async def lines(port):
    connection = await host.tcp_open("127.0.0.1", port)
    while (line := await connection.read_line()) is not None:
        note("line", line.decode())
    connection.close()
    note("end")

async def until(port, mark):
    connection = await host.tcp_open("127.0.0.1", port)
    note("first", (await connection.read_until(mark)).decode())
    note("rest", (await connection.read(100)).decode(), connection.buffered)
    note("end", len(await connection.read()))
    connection.close()

async def try_open(address, port, options=None):
    try:
        await host.tcp_open(address, port, options)
    except OSError as error:
        note("failed", error)

async def hurried(port):
    connection = await host.tcp_open("127.0.0.1", port)
    try:
        await connection.read_exactly(10, 20)
    except TimeoutError as error:
        note("failed", error)
    await connection.write("go")
    note("got", (await connection.read_exactly(10)).decode())
    connection.close()

async def cut(port, count):
    connection = await host.tcp_open("127.0.0.1", port)
    await connection.write("go")
    try:
        await connection.read_exactly(count)
    except ConnectionError as error:
        note("failed", error)
    try:
        note("left", (await connection.read()).decode())
    except ConnectionError as error:
        note("failed", error)
    connection.close()

async def half(port):
    connection = await host.tcp_open("127.0.0.1", port)
    await connection.write("question")
    connection.end()
    note("answer", (await connection.read()).decode())
    connection.close()
"""
CLIENT_LUA = """
local function note(...)
  local texts = {...}
  for i = 1, select("#", ...) do texts[i] = tostring(texts[i]) end
  host.log(table.concat(texts, " "))
end

function ask(port, question)
  local connection = host.tcp_open("127.0.0.1", port)
  connection:write(question)
  local answer = connection:read_exactly(#question)
  connection:close()
  note("got", answer, connection.sent, connection.received, connection.is_open and "True" or "False")
end

function lines(port)
  local connection = host.tcp_open("127.0.0.1", port)
  for line in function() return connection:read_line() end do note("line", line) end
  connection:close()
  note("end")
end

function until_(port, mark)
  local connection = host.tcp_open("127.0.0.1", port)
  note("first", connection:read_until(mark))
  note("rest", connection:read(100), connection.buffered)
  note("end", #connection:read())
  connection:close()
end
_G["until"] = until_

function try_open(address, port, options)
  local ok, err = pcall(host.tcp_open, address, port, options)
  if not ok then note("failed", err) end
end

function hurried(port)
  local connection = host.tcp_open("127.0.0.1", port)
  local ok, err = pcall(connection.read_exactly, connection, 10, 20)
  note("failed", err)
  connection:write("go")
  note("got", connection:read_exactly(10))
  connection:close()
end

function cut(port, count)
  local connection = host.tcp_open("127.0.0.1", port)
  connection:write("go")
  local ok, err = pcall(connection.read_exactly, connection, count)
  note("failed", err)
  local ok, text = pcall(connection.read, connection)
  note(ok and "left" or "failed", text)
  connection:close()
end

function half(port)
  local connection = host.tcp_open("127.0.0.1", port)
  connection:write("question")
  connection:shutdown()
  note("answer", connection:read())
  connection:close()
end
"""


@pytest.fixture
def client(load: Load) -> Script:
    return load(python=CLIENT_PY, lua=CLIENT_LUA)


def test_a_script_writes_and_reads_by_waiting(
    client: Script, session: Session, log: Log, peer: Start
) -> None:
    server = peer(echo)
    with steady(session, log, client):
        start(client, "ask", server.port, "hello")
        log.wait_for("got hello 5 5 False")


def test_lines_come_one_by_one_and_the_last_may_lack_its_end(
    client: Script, session: Session, log: Log, peer: Start
) -> None:
    server = peer(lambda connection: connection.sendall(b"one\r\n\ntwo\nthree"))
    with steady(session, log, client):
        start(client, "lines", server.port)
        log.drain()
    assert log.lines("it") == ["line one", "line ", "line two", "line three", "end"]


def test_a_delimiter_may_arrive_in_pieces(client: Script, session: Session, log: Log, peer: Start) -> None:
    def serve(connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in (b"ab=", b"=", b"=cd"):
            connection.send(piece)

    server = peer(serve)
    with steady(session, log, client):
        start(client, "until", server.port, "===")
        log.wait_for("end 0")
    assert log.lines("it")[0] == "first ab==="


def test_what_came_before_a_timeout_is_not_lost(
    client: Script, session: Session, log: Log, peer: Start
) -> None:
    def serve(connection: socket.socket) -> None:
        connection.sendall(b"01234")
        assert receive(connection, 2) == b"go"
        connection.sendall(b"56789")
        assert connection.recv(1) == b""

    server = peer(serve)
    with steady(session, log, client):
        start(client, "hurried", server.port)
        log.wait_for("got 0123456789")
    port = server.port
    assert log.lines("it")[0].endswith(f"read_exactly 127.0.0.1:{port}: timed out after 20 ms")


def test_a_peer_that_ends_within_a_message_is_told_and_the_rest_can_be_read(
    client: Script, session: Session, log: Log, peer: Start
) -> None:
    def serve(connection: socket.socket) -> None:
        assert receive(connection, 2) == b"go"
        connection.sendall(b"only this")

    server = peer(serve)
    with steady(session, log, client):
        start(client, "cut", server.port, 100)
        log.wait_for("left only this")
    [failed] = [line for line in log.lines("it") if line.startswith("failed")]
    assert failed.endswith(f"127.0.0.1:{server.port}: the connection ended after 9 bytes, before 100 bytes")


def test_a_peer_that_is_killed_within_a_message_is_told(
    client: Script, session: Session, log: Log, peer: Start
) -> None:
    def serve(connection: socket.socket) -> None:
        assert receive(connection, 2) == b"go"
        # What a killed process leaves behind that had unread data: a reset instead of an end.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    server = peer(serve)
    with steady(session, log, client):
        start(client, "cut", server.port, 100)
        log.wait_for("connection reset by peer", 2)


def test_one_side_may_end_and_the_other_still_answer(
    client: Script, session: Session, log: Log, peer: Start
) -> None:
    def serve(connection: socket.socket) -> None:
        assert receive_all(connection) == b"question"
        connection.sendall(b"answer")

    server = peer(serve)
    with steady(session, log, client):
        start(client, "half", server.port)
        log.wait_for("answer answer")


def test_a_refused_connection_names_the_address(
    client: Script, session: Session, log: Log, free_port: Callable[[], int]
) -> None:
    port = free_port()
    with steady(session, log, client):
        start(client, "try_open", "127.0.0.1", port)
        [record] = log.wait_for("failed")
    assert record.text.endswith(f"connect 127.0.0.1:{port}: connection refused")


def test_an_unknown_name_is_an_error(client: Script, session: Session, log: Log) -> None:
    with steady(session, log, client):
        start(client, "try_open", "nowhere.invalid", 80)
        [record] = log.wait_for("failed")
        assert "connect nowhere.invalid:80: the name cannot be resolved" in record.text
        start(client, "try_open", "a" * 80 + ".invalid", 80)
        assert "not a valid name" in log.wait_for("failed", 2)[1].text


@pytest.fixture
def silent_port() -> int:
    """A port whose clients get no answer: the queue of those that wait to be accepted is full."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        waiting: list[socket.socket] = []
        for _ in range(3):
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex(listening.getsockname())
            waiting.append(client)
        yield listening.getsockname()[1]
        for client in waiting:
            client.close()


def test_a_connection_that_gets_no_answer_times_out(
    client: Script, session: Session, log: Log, silent_port: int
) -> None:
    with steady(session, log, client):
        start(client, "try_open", "127.0.0.1", silent_port, {"timeout": 50})
        [record] = log.wait_for("failed")
    assert record.text.endswith(f"connect 127.0.0.1:{silent_port}: timed out after 50 ms")


def test_a_busy_port_is_refused_at_once_and_keeps_nothing_alive(
    load: Load, session: Session, log: Log
) -> None:
    script = load(
        python="def serve(port): host.tcp_serve('127.0.0.1', port)",
        lua="function serve(port) host.tcp_serve('127.0.0.1', port) end",
    )
    with socket.create_server(("127.0.0.1", 0)) as taken, steady(session, log, script):
        port = taken.getsockname()[1]
        with pytest.raises(CallError, match=f"listen on 127.0.0.1:{port}: address already in use"):
            script.call("serve", port)
    for wrong in (-1, 65536, "http"):
        with pytest.raises(CallError, match="the port must be 0 to 65535"):
            script.call("serve", wrong)


def test_a_handler_that_is_none_is_refused(load: Load) -> None:
    script = load(
        python="def serve(handlers): host.tcp_serve('127.0.0.1', 0, handlers)",
        lua="function serve(handlers) host.tcp_serve('127.0.0.1', 0, handlers) end",
    )
    with pytest.raises(CallError, match=r'has no handler or option "dta"\. Did you mean "data"'):
        script.call("serve", {"dta": print})
    with pytest.raises(CallError, match='the handler "data" must be a function'):
        script.call("serve", {"data": 5})


def test_a_wrong_time_limit_is_refused_before_anything_waits(
    session: Session, write: Callable[[str, str], Path], log: Log
) -> None:
    text = """
import host
async def ask():
    listener = host.tcp_serve("127.0.0.1", 0, {})
    connection = await host.tcp_open("127.0.0.1", listener.port)
    try:
        await connection.read(10, "soon")
    except TypeError as error:
        return str(error)
    finally:
        connection.close()
        listener.close()
"""
    script = session.load(write("it.py", text))
    assert script.call("ask") == "read: timeout must be a number of milliseconds, got 'soon'"
    log.until(script.refresh, "a look")
    assert WarningKind.NEVER_AWAITED not in [each.kind for each in session.frame().warnings]


WAITING_SERVER_PY = """
async def talk(connection):
    while line := await connection.read_line():
        await connection.write(line[::-1] + b"\\n")
    connection.close()
listener = host.tcp_serve("127.0.0.1", 0, {"connected": talk})
def port(): return listener.port
def stop(): listener.close()
"""
WAITING_SERVER_LUA = """
local listener = host.tcp_serve("127.0.0.1", 0, {connected = function(connection)
  for line in function() return connection:read_line() end do
    connection:write(line:reverse() .. "\\n")
  end
  connection:close()
end})
function port() return listener.port end
function stop() listener:close() end
"""


def test_a_server_can_wait_too(load: Load, session: Session, log: Log) -> None:
    server = load(python=WAITING_SERVER_PY, lua=WAITING_SERVER_LUA)
    port = server.call("port")
    with dial(port) as one, dial(port) as two:
        one.sendall(b"abc\nde")
        two.sendall(b"123\n")
        assert receive(two, 4) == b"321\n"
        assert receive(one, 4) == b"cba\n"
        one.sendall(b"f\n")
        one.shutdown(socket.SHUT_WR)
        assert receive_all(one) == b"fed\n"
    server.call("stop")
    log.drain()
    assert log.lines("it") == []


SINK_PY = """
async def flood(port, size):
    connection = await host.tcp_open("127.0.0.1", port)
    await connection.write(bytes(size))
    connection.close()
    host.log(f"sent {connection.sent}")

async def hurry(port, size):
    connection = await host.tcp_open("127.0.0.1", port)
    try:
        await connection.write(bytes(size), {"timeout": 50})
    except TimeoutError as error:
        host.log(f"failed {error}")
    host.log(f"queued {connection.queued <= 2 * 65536} {connection.sent < size}")
    connection.abort()

async def pile(port, size):
    connection = await host.tcp_open("127.0.0.1", port)
    try:
        while True:
            connection.send(bytes(65536))
    except BlockingIOError as error:
        host.log(f"refused {connection.queued <= size} {error}")
    connection.abort()
"""
SINK_LUA = """
function flood(port, size)
  local connection = host.tcp_open("127.0.0.1", port)
  connection:write(("\\0"):rep(size))
  connection:close()
  host.log("sent " .. connection.sent)
end

local function title(value) return value and "True" or "False" end

function hurry(port, size)
  local connection = host.tcp_open("127.0.0.1", port)
  local ok, err = pcall(connection.write, connection, ("\\0"):rep(size), {timeout = 50})
  host.log("failed " .. err)
  host.log("queued " .. title(connection.queued <= 2 * 65536) .. " " .. title(connection.sent < size))
  connection:abort()
end

function pile(port, size)
  local connection = host.tcp_open("127.0.0.1", port)
  local piece, ok, err = ("\\0"):rep(65536)
  repeat ok, err = pcall(connection.send, connection, piece) until not ok
  host.log("refused " .. title(connection.queued <= size) .. " " .. err)
  connection:abort()
end
"""
BIG = 20 * 2**20


@pytest.fixture
def sink(load: Load) -> Script:
    return load(python=SINK_PY, lua=SINK_LUA)


def test_write_waits_for_a_slow_reader(sink: Script, session: Session, log: Log, peer: Start) -> None:
    gate = threading.Event()
    counts: list[int] = []

    def serve(connection: socket.socket) -> None:
        assert gate.wait(DEADLINE)
        counts.append(len(receive_all(connection)))

    server = peer(serve)
    with steady(session, log, sink):
        start(sink, "flood", server.port, BIG)
        log.until(lambda: any(row.state for row in session.frame().connections), "the connection")
        assert log.lines("it") == []
        gate.set()
        log.wait_for(f"sent {BIG}")
    log.until(lambda: counts == [BIG])


def test_a_write_to_a_reader_that_sleeps_times_out_and_queues_little(
    sink: Script, session: Session, log: Log, peer: Start
) -> None:
    gate = threading.Event()
    server = peer(lambda connection: gate.wait(DEADLINE) and None)
    with steady(session, log, sink):
        start(sink, "hurry", server.port, BIG)
        log.wait_for("queued True True")
        gate.set()
    assert f"write 127.0.0.1:{server.port}: timed out after 50 ms" in log.lines("it")[0]


def test_send_refuses_to_pile_up_more_than_the_script_may(
    sink: Script, session: Session, log: Log, peer: Start
) -> None:
    gate = threading.Event()
    server = peer(lambda connection: gate.wait(DEADLINE) and None)
    with steady(session, log, sink):
        start(sink, "pile", server.port, 64 * 2**20)
        [record] = log.wait_for("refused True")
        gate.set()
    assert "(option max_queued); use write, which waits" in record.text


LAZY_PY = """
kept = []
async def open(port):
    kept.append(await host.tcp_open("127.0.0.1", port))
    host.log("open")
def buffered(): return kept[0].buffered
async def read_all():
    total = 0
    while chunk := await kept[0].read(): total += len(chunk)
    kept.pop().close()
    host.log(f"read {total}")
"""
LAZY_LUA = """
local kept
function open(port) kept = host.tcp_open("127.0.0.1", port) host.log("open") end
function buffered() return kept.buffered end
function read_all()
  local total, chunk = 0, kept:read()
  while #chunk > 0 do total, chunk = total + #chunk, kept:read() end
  kept:close()
  kept = nil
  host.log("read " .. total)
end
"""


def test_while_nobody_reads_the_other_side_has_to_wait(
    load: Load, session: Session, log: Log, peer: Start
) -> None:
    script = load(python=LAZY_PY, lua=LAZY_LUA)
    blocked = threading.Event()

    def serve(connection: socket.socket) -> None:
        connection.settimeout(0.2)
        sent = 0
        while True:
            try:
                sent += connection.send(bytes(min(65536, BIG - sent)))
            except TimeoutError:
                blocked.set()
                connection.settimeout(DEADLINE)
            if sent == BIG:
                return

    server = peer(serve)
    with steady(session, log, script):
        start(script, "open", server.port)
        assert blocked.wait(DEADLINE)
        assert 0 < script.call("buffered") <= 65536 + 256 * 1024
        start(script, "read_all")
        log.wait_for(f"read {BIG}")
