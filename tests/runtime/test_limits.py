"""Limits of one script: what would go over them waits where somebody can wait, and is refused elsewhere."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from websockets.sync.client import connect as websocket_client

from scriptengines.errors import CallError
from scriptengines.script import Script
from scriptengines.session import Session
from tests.conftest import DEADLINE, Log

from .netpeers import Peer, dial, echo, language, load, peer, receive, start, steady
from .test_mqtt import Broker, needs_mosquitto, start_broker

__all__ = ["language", "load", "peer", "start_broker"]

type Start = Callable[[Callable[[socket.socket], None]], Peer]
type Load = Callable[..., Script]

SERVER_PY = """
seen = 0
def count(connection, data):
    global seen
    seen += 1
    connection.send(data)
def serve():
    global listener
    listener = host.tcp_serve("127.0.0.1", 0, {"data": count})
    return listener.port
def get_seen(): return seen
def open(port): return host.tcp_connect("127.0.0.1", port)
def close(): listener.close()
"""
SERVER_LUA = """
local seen, listener = 0
function serve()
  listener = host.tcp_serve("127.0.0.1", 0, {data = function(connection, data)
    seen = seen + 1
    connection:send(data)
  end})
  return listener.port
end
function get_seen() return seen end
function open(port) host.tcp_connect("127.0.0.1", port) end
function close() listener:close() end
"""


def answers(client: socket.socket, text: bytes) -> bool:
    """Whether the script answers; waits for it."""
    client.sendall(text)
    return receive(client, len(text)) == text


def test_further_clients_wait_until_a_socket_is_closed(load: Load, session: Session, log: Log) -> None:
    script = load(python=SERVER_PY, lua=SERVER_LUA, max_sockets=3)
    with steady(session, log):
        port = script.call("serve")
        clients = [dial(port) for _ in range(4)]
        assert answers(clients[0], b"one")
        assert answers(clients[1], b"two")
        clients[2].sendall(b"three")
        # Both are connected as far as the system is concerned, but the script has not accepted them.
        log.until(lambda: [row.role for row in session.frame().connections].count("server") == 2)
        assert script.call("get_seen") == 2
        clients[0].close()
        assert receive(clients[2], 5) == b"three"
        clients[1].close()
        assert answers(clients[3], b"four")
        for client in clients:
            client.close()
        script.call("close")


def test_a_socket_too_many_is_refused_to_the_script(
    load: Load, session: Session, log: Log, peer: Start
) -> None:
    script = load(python=SERVER_PY, lua=SERVER_LUA, max_sockets=2)
    server = peer(echo)
    script.call("open", server.port)
    script.call("open", server.port)
    with pytest.raises(
        CallError, match=r"connect .* 2 sockets open, as many as it may \(option max_sockets\)"
    ):
        script.call("open", server.port)
    session.unload("it")


def test_connections_that_fail_do_not_count(
    load: Load, session: Session, log: Log, free_port: Callable[[], int]
) -> None:
    script = load(python=SERVER_PY, lua=SERVER_LUA, max_sockets=2)
    port = free_port()
    for count in range(1, 11):
        script.call("open", port)
        log.wait_for("connection refused", count)
        log.until(lambda: not [row for row in session.frame().connections if row.role == "client"])
    assert answers(dial(script.call("serve")), b"still there")


def test_callbacks_come_as_fast_as_the_script_may_be_called_and_none_is_lost(
    load: Load, session: Session, log: Log
) -> None:
    script = load(python=SERVER_PY, lua=SERVER_LUA, max_callbacks=50)
    with steady(session, log):
        with dial(script.call("serve")) as client:
            received = bytearray()
            for number in range(60):
                client.sendall(b"%02d" % number)
            client.shutdown(socket.SHUT_WR)
            while chunk := client.recv(65536):
                received += chunk
            assert bytes(received) == b"".join(b"%02d" % number for number in range(60))
        script.call("close")


def test_one_slow_reader_does_not_use_up_more_than_the_script_may_queue(
    load: Load, session: Session, log: Log, peer: Start
) -> None:
    script = load(
        python="""
async def flood(port, size):
    one, two = [await host.tcp_open("127.0.0.1", port) for _ in range(2)]
    try:
        while True: one.send(bytes(65536))
    except BlockingIOError:
        host.log("full")
    task = asyncio.create_task(two.write(bytes(size)))
    await two_is_waiting(task, one)
    await task
    host.log(f"sent {two.sent}")
    two.close()
async def two_is_waiting(task, one):
    await asyncio.sleep(0)
    host.log(f"waiting {not task.done()}")
    one.abort()
""",
        lua="""
function flood(port, size)
  local one, two = host.tcp_open("127.0.0.1", port), host.tcp_open("127.0.0.1", port)
  local piece, ok = ("\\0"):rep(65536)
  repeat ok = pcall(one.send, one, piece) until not ok
  host.log("full")
  local done = false
  setTimeout(function() host.log("waiting " .. (done and "False" or "True")) one:abort() end, 0)
  two:write(("\\0"):rep(size))
  done = true
  host.log("sent " .. two.sent)
  two:close()
end
""",
        max_queued="1 MiB",
    )
    gate = threading.Event()
    counts: list[int] = []

    def serve(connection: socket.socket) -> None:
        assert gate.wait(DEADLINE)
        total = 0
        try:
            while chunk := connection.recv(65536):
                total += len(chunk)
        except ConnectionResetError:
            return
        counts.append(total)

    server = peer(serve)
    with steady(session, log, script):
        start(script, "flood", server.port, 1_000_000)
        log.wait_for("waiting True")
        gate.set()
        log.wait_for("sent 1000000")
    log.until(lambda: 1_000_000 in counts)


def test_a_reader_may_not_ask_for_more_at_once_than_the_script_may_queue(
    load: Load, log: Log, peer: Start
) -> None:
    script = load(
        python="""
async def greedy(port):
    connection = await host.tcp_open("127.0.0.1", port)
    try:
        await connection.read_exactly(2 ** 21)
    except ValueError as error:
        host.log(f"failed {error}")
    connection.close()
""",
        lua="""
function greedy(port)
  local connection = host.tcp_open("127.0.0.1", port)
  local ok, err = pcall(connection.read_exactly, connection, 2 ^ 21)
  host.log("failed " .. err)
  connection:close()
end
""",
        max_queued="1 MiB",
    )
    start(script, "greedy", peer(echo).port)
    log.wait_for("2097152 bytes at once are over the limit of 1048576 (option max_queued)")


RATE, MESSAGES = 40, 60
LEAST = (MESSAGES - RATE) / RATE
"""Seconds that so many callbacks take at least: a second's may come at once."""


def test_websocket_messages_come_as_fast_as_the_script_may_be_called(load: Load, log: Log) -> None:
    script = load(
        python="""
def serve():
    global server
    server = host.websocket_serve("127.0.0.1", 0, {"message": lambda socket, data: socket.send(data)})
    return server.port
def close(): server.close()
""",
        lua="""
local server
function serve()
  server = host.websocket_serve("127.0.0.1", 0, {message = function(socket, data) socket:send(data) end})
  return server.port
end
function close() server:close() end
""",
        max_callbacks=RATE,
    )
    with websocket_client(f"ws://127.0.0.1:{script.call('serve')}/") as client:
        began = time.monotonic()
        for number in range(MESSAGES):
            client.send(str(number))
        assert [client.recv(DEADLINE) for _ in range(MESSAGES)] == [str(each) for each in range(MESSAGES)]
        assert time.monotonic() - began >= LEAST
    script.call("close")
    log.drain()


def test_requests_are_answered_as_fast_as_the_script_may_be_called(load: Load, log: Log) -> None:
    script = load(
        python="""
def serve():
    global server
    server = host.http_serve("127.0.0.1", 0, lambda request: request["path"])
    return server.port
def close(): server.close()
""",
        lua="""
local server
function serve()
  server = host.http_serve("127.0.0.1", 0, function(request) return request.path end)
  return server.port
end
function close() server:close() end
""",
        max_callbacks=RATE,
    )
    connection = http.client.HTTPConnection("127.0.0.1", script.call("serve"), timeout=DEADLINE)
    began = time.monotonic()
    for number in range(MESSAGES):
        connection.request("GET", f"/{number}")
        assert connection.getresponse().read() == f"/{number}".encode()
    assert time.monotonic() - began >= LEAST
    connection.close()
    script.call("close")
    log.drain()


def test_mqtt_messages_that_the_broker_does_not_take_count_as_queued(
    load: Load, log: Log, peer: Start
) -> None:
    done = threading.Event()

    def broker(connection: socket.socket) -> None:
        assert connection.recv(1000)[:1] == b"\x10", "connect"
        connection.sendall(b"\x20\x02\x00\x00")  # accepted; and then it reads no more
        assert done.wait(DEADLINE)

    script = load(
        python="""
def connect(uri):
    global client
    client = host.mqtt_connect(uri, None, {"connected": lambda *_: host.log("connected")})
def fill():
    for number in range(100):
        client.publish("a", b"x" * 1_000_000)
""",
        lua="""
local client
function connect(uri)
  client = host.mqtt_connect(uri, nil, {connected = function() host.log("connected") end})
end
function fill()
  for _ = 1, 100 do client:publish("a", ("x"):rep(1000000)) end
end
""",
        max_queued=2_000_000,
    )
    script.call("connect", f"mqtt://127.0.0.1:{peer(broker).port}")
    log.wait_for("connected")
    with pytest.raises(CallError, match=r"bytes wait to be sent already, .*\(option max_queued\)"):
        script.call("fill")
    done.set()


@needs_mosquitto
def test_mqtt_messages_come_as_fast_as_the_script_may_be_called(
    load: Load, log: Log, start_broker: Callable[..., Broker]
) -> None:
    script = load(
        python="""
def connect(uri):
    global client
    client = host.mqtt_connect(uri, None, {
        "connected": lambda c, present: c.subscribe("a"),
        "subscribed": lambda c, number, reasons: host.log("subscribed"),
        "message": lambda c, message: host.log("message " + message["payload"].decode()),
    })
def publish(count):
    for number in range(count): client.publish("a", str(number))
def close(): client.disconnect()
""",
        lua="""
local client
function connect(uri)
  client = host.mqtt_connect(uri, nil, {
    connected = function(c) c:subscribe("a") end,
    subscribed = function() host.log("subscribed") end,
    message = function(c, message) host.log("message " .. message.payload) end,
  })
end
function publish(count) for number = 0, count - 1 do client:publish("a", tostring(number)) end end
function close() client:disconnect() end
""",
        max_callbacks=RATE,
    )
    script.call("connect", start_broker().uri)
    log.wait_for("subscribed")
    began = time.monotonic()
    script.call("publish", MESSAGES)
    log.wait_for("message ", MESSAGES)
    assert time.monotonic() - began >= LEAST
    told = [line for line in log.lines("it") if line.startswith("message ")]
    assert told == [f"message {number}" for number in range(MESSAGES)]
    script.call("close")
    log.drain()


def test_pieces_of_a_stream_come_as_fast_as_the_script_may_be_called(
    load: Load, log: Log, peer: Start
) -> None:
    script = load(
        python="""
def stream(url):
    host.http_stream(url, None, {"event": lambda event: host.log("event " + event["data"])})
""",
        lua="""
function stream(url)
  host.http_stream(url, nil, {event = function(event) host.log("event " .. event.data) end})
end
""",
        max_callbacks=RATE,
    )

    def serve(connection: socket.socket) -> None:
        connection.recv(10_000)
        connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        connection.sendall(b"".join(b"data: %d\n\n" % number for number in range(MESSAGES)))

    began = time.monotonic()
    script.call("stream", f"http://127.0.0.1:{peer(serve).port}/")
    log.wait_for("event ", MESSAGES)
    assert time.monotonic() - began >= LEAST
    assert log.lines("it") == [f"event {number}" for number in range(MESSAGES)]
    log.drain()


def test_listeners_are_sockets_too(load: Load, log: Log, free_port: Callable[[], int]) -> None:
    script = load(python=SERVER_PY, lua=SERVER_LUA, max_sockets=2)
    script.call("serve")
    script.call("serve")
    with pytest.raises(CallError, match=r"2 sockets open, as many as it may \(option max_sockets\)"):
        script.call("serve")
    script.call("close")
    log.until(lambda: answers_to_serve(script), "room for another listener")


def answers_to_serve(script: Script) -> bool:
    try:
        script.call("serve")
    except CallError:
        return False
    return True


@pytest.mark.parametrize("value", [-1, "many", 1.5, True])
def test_a_limit_that_is_none_is_refused(load: Load, value: object) -> None:
    with pytest.raises(ValueError, match="max_sockets must be a whole number"):
        load(python="", lua="", max_sockets=value)


def test_what_waits_for_its_turn_comes_after_a_callback_that_raised_what_ends_a_run(
    session: Session, write: Callable[[str, str], Path], log: Log
) -> None:
    text = """
import host
def data(connection, piece):
    host.log("data " + piece.decode())
    if piece == b"1":
        raise KeyboardInterrupt
def serve():
    global listener
    listener = host.tcp_serve("127.0.0.1", 0, {"data": data})
    return listener.port
def http():
    global server
    def answer(request):
        host.log("asked " + request["path"])
        if request["path"] == "/1":
            raise KeyboardInterrupt
        return "well"
    server = host.http_serve("127.0.0.1", 0, answer)
    return server.port
"""
    script = session.load(write("it.py", text), max_callbacks=20)
    with dial(script.call("serve")) as client:
        for number in (1, 2):
            client.sendall(b"%d" % number)
            log.wait_for(f"data {number}")
    port = script.call("http")
    clients = [dial(port) for _ in range(3)]
    for number, client in enumerate(clients, start=1):
        client.sendall(f"GET /{number} HTTP/1.1\r\nhost: it\r\n\r\n".encode())
    for number in (1, 2, 3):
        log.wait_for(f"asked /{number}")
    for client in clients:
        client.close()
