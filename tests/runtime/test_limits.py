"""Limits of one script: what would go over them waits where somebody can wait, and is refused elsewhere."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable

import pytest

from scriptengines.errors import CallError
from scriptengines.script import Script
from scriptengines.session import Session
from tests.conftest import DEADLINE, Log

from .netpeers import Peer, dial, echo, language, load, peer, receive, start, steady

__all__ = ["language", "load", "peer"]

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
    script = load(python=SERVER_PY, lua=SERVER_LUA, max_sockets=2)
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
    script = load(python=SERVER_PY, lua=SERVER_LUA, max_sockets=1)
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


@pytest.mark.parametrize("value", [-1, "many", 1.5, True])
def test_a_limit_that_is_none_is_refused(load: Load, value: object) -> None:
    with pytest.raises(ValueError, match="max_sockets must be a whole number"):
        load(python="", lua="", max_sockets=value)
