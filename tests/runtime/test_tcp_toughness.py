"""TCP callbacks that fail, block, reload or never end, and peers that vanish: nothing hangs or is left."""

from __future__ import annotations

import os
import resource
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager

import pytest

from scriptengines.script import Script
from scriptengines.session import Session
from tests.conftest import DEADLINE, Log

from .netpeers import Peer, dial, echo, language, load, peer, receive, receive_all, start, steady

__all__ = ["language", "load", "peer"]

type Start = Callable[[Callable[[socket.socket], None]], Peer]
type Load = Callable[..., Script]

SERVER_PY = """
closed = 0
def on_data(connection, data): connection.send(data)
def on_closed(connection, error):
    global closed
    closed += 1
def serve(backlog=100):
    global listener
    handlers = {"data": lambda c, d: on_data(c, d), "closed": on_closed, "backlog": backlog}
    listener = host.tcp_serve("127.0.0.1", 0, handlers)
    return listener.port
def get_closed(): return closed
def close(): listener.close()
"""
SERVER_LUA = """
local closed, listener = 0
function on_data(connection, data) connection:send(data) end
function serve(backlog)
  listener = host.tcp_serve("127.0.0.1", 0, {
    data = function(c, d) on_data(c, d) end,
    closed = function() closed = closed + 1 end,
    backlog = backlog,
  })
  return listener.port
end
function get_closed() return closed end
function close() listener:close() end
"""
RELOADING_PY = """
reload = None
def set_reload(function):
    global reload
    reload = function
"""
RELOADING_LUA = """
local reload
function set_reload(f) reload = f end
"""
KILLED = """
import socket, sys
peer = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
peer.sendall(b"half a mess")
print("sent", flush=True)
peer.recv(11)
sys.stdin.read()
"""


@pytest.fixture
def server(load: Load) -> Callable[..., Script]:
    """A script that answers what it gets; `on_data` can be another function."""

    def make(python: str = "", lua: str = "") -> Script:
        return load(python=SERVER_PY + python, lua=SERVER_LUA + lua)

    return make


@contextmanager
def serving(session: Session, log: Log, script: Script, *backlog: int) -> Generator[int]:
    """The port of a script that listens meanwhile; afterwards nothing of that is left."""
    with steady(session, log, script):
        yield script.call("serve", *backlog)
        script.call("close")


def answers(port: int, payload: bytes = b"hello") -> bool:
    """Whether the script still does what it should."""
    with dial(port) as client:
        client.sendall(payload)
        return receive(client, len(payload)) == payload


def reset(client: socket.socket) -> None:
    """End a connection as a crash does."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def test_a_peer_whose_process_is_killed_within_a_message(
    server: Callable[..., Script], session: Session, log: Log
) -> None:
    script = server()
    with serving(session, log, script) as port:
        command = [sys.executable, "-c", KILLED, str(port)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"sent\n"
            process.kill()
        log.until(lambda: script.call("get_closed") == 1, "the script to be told")
        assert answers(port)


@pytest.mark.parametrize("count", [200, pytest.param(10_000, marks=pytest.mark.stress)])
def test_connections_come_and_go_without_a_trace(
    server: Callable[..., Script], session: Session, log: Log, count: int
) -> None:
    script = server()
    with serving(session, log, script) as port:
        for number in range(count):
            client = dial(port)
            if number % 4 == 0:
                reset(client)
                continue
            client.sendall(b"x")
            if number % 4 == 1:
                reset(client)
                continue
            assert client.recv(1) == b"x"
            if number % 4 == 2:
                client.shutdown(socket.SHUT_WR)
                assert client.recv(1) == b""
            client.close()
        # A connection that is reset before it was accepted may never reach the script.
        log.until(lambda: script.call("get_closed") >= count * 3 // 4, "the connections to end")
    assert log.lines("it") == []


def test_a_thousand_connections_at_a_time(server: Callable[..., Script], session: Session, log: Log) -> None:
    script = server()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 4096:
        pytest.skip(f"the system allows {hard} descriptors only")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 4096), hard))
    try:
        with serving(session, log, script, 1000) as port:
            clients = [dial(port) for _ in range(1000)]
            for number, client in enumerate(clients):
                client.sendall(b"%04d" % number)
            assert all(receive(client, 4) == b"%04d" % number for number, client in enumerate(clients))
            is_apart = "process" in session.frame().scripts[0].isolation
            both = 1000 if is_apart else 2000
            log.until(lambda: len(os.listdir("/proc/self/fd")) > both, "both ends of all connections")
            for client in clients:
                client.close()
            log.until(lambda: script.call("get_closed") == 1000)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_callback_that_raises_is_reported_and_the_connection_lives(
    server: Callable[..., Script], session: Session, log: Log
) -> None:
    script = server(
        python="""
def on_data(connection, data):
    connection.send(data)
    raise ValueError("no paint")
""",
        lua="""
function on_data(connection, data)
  connection:send(data)
  error("no paint")
end
""",
    )
    with serving(session, log, script) as port, dial(port) as client:
        for number in range(1, 4):
            client.sendall(b"x")
            assert client.recv(1) == b"x"
            log.wait_for("no paint", number)
    assert all("connection data callback: " in line for line in log.lines("it"))


def test_a_callback_that_blocks_can_be_interrupted_and_the_rest_goes_on(
    server: Callable[..., Script], session: Session, log: Log
) -> None:
    script = server(
        python="""
def on_data(connection, data):
    if data == b"block":
        host.log("blocking")
        while True: pass
    connection.send(data)
""",
        lua="""
function on_data(connection, data)
  if data == "block" then
    host.log("blocking")
    while true do end
  end
  connection:send(data)
end
""",
    )
    with serving(session, log, script) as port, dial(port) as blocking, dial(port) as waiting:
        blocking.sendall(b"block")
        log.wait_for("blocking")
        waiting.sendall(b"hello")
        assert session.interrupt("it")
        assert receive(waiting, 5) == b"hello"
        blocking.sendall(b"again")
        assert receive(blocking, 5) == b"again"


def test_a_callback_that_closes_its_own_connection(
    server: Callable[..., Script], session: Session, log: Log
) -> None:
    script = server(
        python="""
def on_data(connection, data):
    connection.send(b"bye")
    connection.close()
    connection.close()
    connection.abort() if data == b"abort" else None
    try:
        connection.send(b"more")
    except ConnectionError as error:
        host.log(f"refused {error}")
""",
        lua="""
function on_data(connection, data)
  connection:send("bye")
  connection:close()
  connection:close()
  if data == "abort" then connection:abort() end
  local ok, err = pcall(connection.send, connection, "more")
  host.log("refused " .. tostring(err))
end
""",
    )
    with serving(session, log, script) as port:
        for text in (b"close", b"abort"):
            with dial(port) as client:
                client.sendall(text)
                assert receive_all(client) == b"bye"
        log.until(lambda: script.call("get_closed") == 2)
        assert len(log.wait_for("the connection is not open")) == 2


def test_a_callback_that_reloads_its_own_script(
    server: Callable[..., Script], session: Session, log: Log
) -> None:
    script = server(
        python=RELOADING_PY
        + """
def on_data(connection, data):
    connection.send(data)
    if data == b"reload": reload()
""",
        lua=RELOADING_LUA
        + """
function on_data(connection, data)
  connection:send(data)
  if data == "reload" then reload() end
end
""",
    )
    done = threading.Event()
    threads: list[threading.Thread] = []

    def reload() -> None:
        session.reload("it")
        done.set()

    def request() -> None:  # as the console's file watcher: never on the script's own thread
        threads.append(threading.Thread(target=reload))
        threads[-1].start()

    script.call("set_reload", request)
    with steady(session, log, reloaded=True):
        port = script.call("serve")
        with dial(port) as client:
            client.sendall(b"reload")
            assert receive(client, 6) == b"reload"
            assert client.recv(1) == b""  # the old generation ends, and its connections with it
        assert done.wait(DEADLINE)
        threads[0].join(DEADLINE)
        assert answers(script.call("serve"))
        script.call("close")


def test_a_callback_that_waits_for_its_own_reload_is_told_at_once(
    server: Callable[..., Script], session: Session, log: Log
) -> None:
    script = server(
        python=RELOADING_PY
        + """
def on_data(connection, data):
    try:
        reload()
    except Exception as error:
        connection.send(str(error))
""",
        lua=RELOADING_LUA
        + """
function on_data(connection, data)
  local ok, err = pcall(reload)
  connection:send(err)
end
""",
    )

    def reload() -> None:
        session.reload("it")

    script.call("set_reload", reload)
    port = script.call("serve")
    with dial(port) as client:
        client.sendall(b"x")
        assert b"it asks for its own reload, and would wait for itself; use a thread" in client.recv(1000)
    assert script.generation == 1
    session.reload("it")
    assert script.generation == 2
    log.drain()


def test_callbacks_that_never_end_hold_nothing_up(
    server: Callable[..., Script], session: Session, log: Log
) -> None:
    script = server(
        python="""
waiting = []
async def on_data(connection, data):
    connection.send(data)
    if data == b"x":
        waiting.append(asyncio.current_task())
        await asyncio.Event().wait()
def stop():
    for task in waiting: task.cancel()
""",
        lua="""
function on_data(connection, data)
  connection:send(data)
  if data == "x" then while true do coroutine.yield() end end
end
function stop() end
""",
    )
    with serving(session, log, script) as port:
        for _ in range(50):
            assert answers(port, b"x")
        assert answers(port, b"hello")
        script.call("stop")


def test_an_async_callback_that_is_slow_makes_its_peer_wait(session: Session, load: Load, log: Log) -> None:
    script = load(
        python="""
started = 0
gate = asyncio.Event()
async def on_data(connection, data):
    global started
    started += 1
    connection.send(b".")
    await gate.wait()
def serve():
    global listener
    listener = host.tcp_serve("127.0.0.1", 0, data=on_data)
    return listener.port
def get_started(): return started
def open(): gate.set()
def close(): listener.close()
""",
        lua="function none() end",
    )
    if script.path.suffix == ".lua":
        pytest.skip("nobody can tell whether a coroutine of Lua will ever be resumed, so it holds nothing up")
    with serving(session, log, script) as port, dial(port) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(64):
            client.sendall(b"x")
            assert client.recv(1) == b"."
        client.sendall(b"x")
        log.until(lambda: any(row.state == "paused" for row in session.frame().connections), "a paused row")
        assert script.call("get_started") == 64
        script.call("open")
        assert client.recv(1) == b"."


def test_an_unloaded_script_leaves_no_connection_behind(
    server: Callable[..., Script], session: Session, log: Log
) -> None:
    script = server()
    with steady(session, log):
        port = script.call("serve")
        clients = [dial(port) for _ in range(20)]
        for client in clients:
            client.sendall(b"x")
            assert client.recv(1) == b"x"
        session.unload("it")
        for client in clients:
            assert client.recv(1) == b""
            client.close()


WAITER_PY = """
async def wait(port):
    connection = await host.tcp_open("127.0.0.1", port)
    host.log("waiting")
    await connection.read()
"""
WAITER_LUA = """
function wait(port)
  local connection = host.tcp_open("127.0.0.1", port)
  host.log("waiting")
  connection:read()
end
"""


def test_a_script_can_be_unloaded_while_it_waits(load: Load, session: Session, log: Log, peer: Start) -> None:
    script = load(python=WAITER_PY, lua=WAITER_LUA)
    server = peer(echo)
    with steady(session, log):
        start(script, "wait", server.port)
        log.wait_for("waiting")
        session.unload("it")


def test_a_connection_is_closed_before_it_came_about(
    load: Load, session: Session, log: Log, peer: Start
) -> None:
    script = load(
        python="""
def hasty(port):
    connection = host.tcp_connect("127.0.0.1", port, connected=lambda c: host.log("connected"))
    connection.close()
    return connection.is_open
""",
        lua="""
function hasty(port)
  local connection = host.tcp_connect("127.0.0.1", port, {connected = function() host.log("connected") end})
  connection:close()
  return connection.is_open
end
""",
    )
    server = peer(echo)
    with steady(session, log, script):
        assert script.call("hasty", server.port) is False
    assert log.lines("it") == []


@pytest.mark.stress
def test_a_hundred_megabytes_go_there_and_back(
    server: Callable[..., Script], session: Session, log: Log
) -> None:
    script = server()
    size = 100 * 2**20
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with serving(session, log, script) as port, dial(port) as client:
        piece = bytes(range(256)) * 256

        def send() -> None:
            for _ in range(size // len(piece)):
                client.sendall(piece)

        sender = threading.Thread(target=send)
        sender.start()
        for _ in range(size // len(piece)):
            assert receive(client, len(piece)) == piece
        sender.join(DEADLINE)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024  # in KiB
