"""What a frame tells of timers, tasks and connections, also of those that ordinary Python code makes."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import threading
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from scriptengines import Session
from scriptengines.observer import LONGEST_PERIOD, Observer
from scriptengines.view import ConnectionView, Frame, TaskView, TimerView
from scriptnative import Cell
from tests.conftest import DEADLINE, Log, line_of

type Write = Callable[[str, str], Path]
type Until = Callable[[Callable[[Frame], Any]], Any]


@pytest.fixture
def until(session: Session, log: Log) -> Until:
    """Gives what a condition makes of a frame, once that is something."""

    def wait(condition: Callable[[Frame], Any]) -> Any:
        found: list[Any] = []

        def holds() -> bool:
            found[:] = [condition(session.frame())]
            return bool(found[0])

        log.until(holds, "such a frame")
        return found[0]

    return wait


@pytest.fixture
def peer() -> Iterator[socket.socket]:
    """A listening socket of somebody else."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def address(sock: socket.socket) -> str:
    host, port = sock.getsockname()
    return f"{host}:{port}"


# ---- timers -----------------------------------------------------------------------------------------


def test_a_timer_tells_what_its_calls_took_and_where_it_was_set(
    session: Session, write: Write, until: Until
) -> None:
    text = """
import host, time
def tick():
    time.sleep(0.002)
host.set_interval(tick, 5)  # here
"""
    path = write("it.py", text)
    session.load(path)
    timer: TimerView = until(lambda frame: [each for each in frame.timers if each.count > 3])[0]
    assert (timer.script, timer.kind, timer.interval, timer.callback) == ("it", "interval", 5.0, "tick")
    assert timer.source == f"it.py:{line_of(path, '# here')}"
    assert timer.last >= 2
    assert timer.mean >= 2
    assert timer.late >= 0


def test_a_timer_of_lua_tells_the_line_that_set_it(session: Session, write: Write, until: Until) -> None:
    text = """
local function helper()
  local id = setTimeout(function() end, 60000) -- first
  return id
end
helper()
host.set_interval(print, 60000) -- second
local co = coroutine.wrap(function()
  setTimeout(print, 60001) -- third
end)
co()
"""
    path = write("it.lua", text)
    session.load(path)
    timers = until(lambda frame: len(frame.timers) == 3 and frame.timers)
    lines = {f"it.lua:{line_of(path, f'-- {which}')}" for which in ("first", "second", "third")}
    assert {timer.source for timer in timers} == lines


def test_a_timer_set_by_a_callback_of_lua_has_its_line_too(
    session: Session, write: Write, until: Until
) -> None:
    path = write("it.lua", "setTimeout(function()\n  setTimeout(print, 60000) -- here\nend, 1)")
    session.load(path)
    until(lambda frame: [each for each in frame.timers if each.source == "it.lua:2"])


def test_sleeping_tasks_are_timers_of_asyncio(session: Session, write: Write, until: Until) -> None:
    text = """
import asyncio
async def nap():
    await asyncio.sleep(3600)  # here
asyncio.get_event_loop().create_task(nap())
"""
    path = write("it.py", text)
    session.load(path)
    timer = until(lambda frame: frame.timers)[0]
    place = f"it.py:{line_of(path, '# here')}"
    assert (timer.kind, timer.callback, timer.source) == ("asyncio", "nap", place)


def test_one_that_never_comes_is_shown(session: Session, write: Write, until: Until) -> None:
    session.load(write("it.lua", "setTimeout(print, math.huge)"))
    assert until(lambda frame: frame.timers)[0].due == float("inf")


# ---- tasks --------------------------------------------------------------------------------------------


def test_a_task_tells_where_it_waits(session: Session, write: Write, until: Until) -> None:
    text = """
import asyncio
async def inner():
    await asyncio.Event().wait()  # here
async def outer():
    await inner()
asyncio.get_event_loop().create_task(outer(), name="the task")
"""
    path = write("it.py", text)
    session.load(path)
    task: TaskView = until(lambda frame: [task for task in frame.tasks if task.state == "waiting"])[0]
    assert (task.script, task.name, task.coroutine) == ("it", "the task", "outer")
    assert task.waits == f"it.py:{line_of(path, '# here')}"
    assert task.since <= session.frame().time


def test_a_task_is_the_same_whichever_thread_has_made_it(
    session: Session, write: Write, until: Until, log: Log
) -> None:
    text = """
import asyncio
kept = []
async def wait(name):
    try:
        await asyncio.Event().wait()
    finally:
        print("ended", name)
def make(name):
    kept.append(asyncio.get_running_loop().create_task(wait(name), name=name))
asyncio.get_event_loop().call_soon(make, "by the loop")
"""
    script = session.load(write("it.py", text))
    script.call("make", "by a call")
    rows = until(lambda frame: [task for task in frame.tasks if task.state == "waiting"][1:] and frame.tasks)
    assert {row.name for row in rows} == {"by the loop", "by a call"}
    assert script.pending
    session.unload("it")
    log.wait_for("ended by the loop")
    log.wait_for("ended by a call")


def test_a_task_that_does_not_heed_its_cancellation_is_cancelling(
    session: Session, write: Write, until: Until
) -> None:
    text = """
import asyncio
async def stubborn():
    try:
        await asyncio.sleep(3600)
    except asyncio.CancelledError:
        await asyncio.sleep(3600)
def cancel():
    task.cancel()
task = asyncio.get_event_loop().create_task(stubborn())
"""
    script = session.load(write("it.py", text))
    until(lambda frame: [task for task in frame.tasks if task.state == "waiting"])
    script.call("cancel")
    until(lambda frame: [task for task in frame.tasks if task.state == "cancelling"])


def test_tasks_that_have_ended_are_gone(session: Session, write: Write, until: Until, log: Log) -> None:
    text = """
import asyncio
async def nap():
    await event.wait()
def end():
    event.set()
event = asyncio.Event()
tasks = [asyncio.get_event_loop().create_task(nap()) for _ in range(5)]
"""
    script = session.load(write("it.py", text))
    until(lambda frame: len(frame.tasks) == 5)
    script.call("end")
    until(lambda frame: not frame.tasks)


# ---- connections of the loop ------------------------------------------------------------------------------

ASYNCIO = """
import asyncio
async def main():
    global writer
    async def serve(reader, writer):
        while data := await reader.read(100_000):
            writer.write(data)
    server = await asyncio.start_server(serve, "127.0.0.1", 0)  # served
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())  # opened
    while True:
        writer.write(b"x" * 10_000)
        await reader.readexactly(10_000)
        await asyncio.sleep(0.001)
asyncio.get_event_loop().create_task(main())
"""


def test_connections_of_asyncio_have_bytes_rates_and_source_lines(
    session: Session, write: Write, until: Until
) -> None:
    path = write("it.py", ASYNCIO)
    session.load(path)
    rows: list[ConnectionView] = until(
        lambda frame: (
            len([each for each in frame.connections if each.receiving > 0 and each.sending > 0]) == 2
            and frame.connections
        )
    )
    by_role = {row.role: row for row in rows}
    served, opened = (f"it.py:{line_of(path, mark)}" for mark in ("# served", "# opened"))
    assert by_role["listener"].source == by_role["server"].source == served
    assert by_role["client"].source == opened
    assert by_role["client"].peer == by_role["server"].local == by_role["listener"].local
    assert by_role["client"].received >= 10_000
    assert {row.protocol for row in rows} == {"tcp"}


def test_connections_of_the_host_have_source_lines_in_lua(
    session: Session, write: Write, until: Until, peer: socket.socket
) -> None:
    port = peer.getsockname()[1]
    text = f"""
server = host.tcp_serve("127.0.0.1", 0, {{}}) -- served
function go() connection = host.tcp_connect("127.0.0.1", {port}, {{}}) end -- opened
go()
"""
    path = write("it.lua", text)
    session.load(path)
    rows = until(lambda frame: len(frame.connections) == 2 and frame.connections)
    by_role = {row.role: row for row in rows}
    assert by_role["listener"].source == f"it.lua:{line_of(path, '-- served')}"
    assert by_role["client"].source == f"it.lua:{line_of(path, '-- opened')}"
    assert by_role["client"].peer == address(peer)


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=localhost"
    done = subprocess.run(
        [*command.split(), "-keyout", key, "-out", certificate], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("openssl cannot make a certificate here")
    return certificate, key


def test_tls_is_told_apart(
    session: Session, write: Write, until: Until, peer: socket.socket, certificate: tuple[Path, Path]
) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificate)
    accepted: list[socket.socket] = []

    def serve() -> None:
        sock, _ = peer.accept()
        accepted.append(context.wrap_socket(sock, server_side=True))

    thread = threading.Thread(target=serve)
    thread.start()
    text = f"""
import asyncio, ssl
async def main():
    global streams
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    streams = await asyncio.open_connection("127.0.0.1", {peer.getsockname()[1]}, ssl=context)  # here
asyncio.get_event_loop().create_task(main())
"""
    path = write("it.py", text)
    session.load(path)
    row = until(lambda frame: [each for each in frame.connections if each.protocol == "tls"])[0]
    assert (row.role, row.source) == ("client", f"it.py:{line_of(path, '# here')}")
    thread.join()
    session.unload("it")
    accepted[0].close()


# ---- sockets past the loop ---------------------------------------------------------------------------------


@pytest.fixture(params=["isolated", "main"])
def isolation(request: pytest.FixtureRequest) -> str:
    return request.param


def test_blocking_sockets_are_seen(
    session: Session, write: Write, until: Until, peer: socket.socket, isolation: str
) -> None:
    text = f"""
import socket
client = socket.create_connection(("127.0.0.1", {peer.getsockname()[1]}))  # client
server = socket.create_server(("127.0.0.1", 0))  # server
unused = socket.socket()
def talk():
    client.sendall(b"x" * 5000)
def close():
    client.close()
    server.close()
"""
    path = write("it.py", text)
    script = session.load(path, isolation=isolation)
    script.call("talk")
    rows = until(
        lambda frame: [each for each in frame.connections if each.sent == 5000] and frame.connections
    )
    by_role = {row.role: row for row in rows}
    assert by_role.keys() == {"client", "listener"}
    assert by_role["client"].source == f"it.py:{line_of(path, '# client')}"
    assert by_role["client"].peer == address(peer)
    assert by_role["listener"].source == f"it.py:{line_of(path, '# server')}"
    script.call("close")
    until(lambda frame: not frame.connections)


def test_urllib_is_seen_while_it_waits(
    session: Session, write: Write, until: Until, peer: socket.socket, log: Log
) -> None:
    text = f"""
import threading, urllib.request
def fetch():
    print(urllib.request.urlopen("http://127.0.0.1:{peer.getsockname()[1]}/").read())  # here
threading.Thread(target=fetch).start()
"""
    path = write("it.py", text)
    session.load(path)
    accepted, _ = peer.accept()
    row = until(lambda frame: frame.connections)[0]
    assert (row.role, row.peer) == ("client", address(peer))
    assert row.source == f"it.py:{line_of(path, '# here')}"
    with accepted:
        accepted.recv(10_000)
        accepted.sendall(b"HTTP/1.0 200 OK\r\n\r\nhello")
    log.wait_for("hello")
    until(lambda frame: not frame.connections)


def test_what_a_blocking_server_accepts_is_seen(session: Session, write: Write, until: Until) -> None:
    text = """
import socket, threading
server = socket.create_server(("127.0.0.1", 0))
accepted = []
def serve():
    accepted.append(server.accept()[0])
threading.Thread(target=serve).start()
def port():
    return server.getsockname()[1]
"""
    script = session.load(write("it.py", text))
    with socket.create_connection(("127.0.0.1", script.call("port"))) as client:
        row = until(lambda frame: [each for each in frame.connections if each.role == "server"])[0]
        assert row.peer == address(client)


def test_httpx_is_seen(session: Session, write: Write, until: Until, peer: socket.socket, log: Log) -> None:
    pytest.importorskip("httpx")
    text = f"""
import asyncio, httpx
async def main():
    async with httpx.AsyncClient() as client:
        answer = await client.get("http://127.0.0.1:{peer.getsockname()[1]}/")  # here
        print(answer.text)
asyncio.get_event_loop().create_task(main())
"""
    path = write("it.py", text)
    session.load(path)
    accepted, _ = peer.accept()
    row = until(lambda frame: [each for each in frame.connections if each.peer == address(peer)])[0]
    assert row.source == f"it.py:{line_of(path, '# here')}"
    with accepted:
        accepted.recv(10_000)
        accepted.sendall(b"HTTP/1.0 200 OK\r\n\r\nhello")
    log.wait_for("hello")


def test_udp_is_seen_once_it_is_bound(session: Session, write: Write, until: Until) -> None:
    text = """
import socket
sock = socket.socket(type=socket.SOCK_DGRAM)
sock.bind(("127.0.0.1", 0))  # bound
other = socket.socket(type=socket.SOCK_DGRAM)
"""
    session.load(write("it.py", text))
    rows = until(lambda frame: frame.connections)
    assert [row.protocol for row in rows] == ["udp"]


def test_a_blocking_connection_can_be_closed_by_its_number(
    session: Session, write: Write, until: Until, peer: socket.socket, log: Log
) -> None:
    text = f"""
import socket, threading
client = socket.create_connection(("127.0.0.1", {peer.getsockname()[1]}))
def read():
    print("read", client.recv(10))
threading.Thread(target=read).start()
"""
    session.load(write("it.py", text))
    row = until(lambda frame: frame.connections)[0]
    assert session.close_connection("it", row.id)
    log.wait_for("read b''")
    assert not session.close_connection("it", 123456)


def test_a_script_in_a_process_of_its_own_is_seen_as_well(
    session: Session, write: Write, until: Until, peer: socket.socket
) -> None:
    text = f"""
import asyncio, host, socket
client = socket.create_connection(("127.0.0.1", {peer.getsockname()[1]}))
async def nap():
    await asyncio.sleep(3600)
host.set_interval(nap, 60_000)  # here
task = asyncio.get_event_loop().create_task(nap())
"""
    path = write("it.py", text)
    session.load(path, isolation="process")
    frame = until(lambda frame: frame.connections and frame.tasks and frame)
    assert frame.connections[0].peer == address(peer)
    assert frame.tasks[0].coroutine == "nap"
    assert f"it.py:{line_of(path, '# here')}" in {timer.source for timer in frame.timers}


def test_looking_leaves_no_descriptors(
    session: Session, write: Write, until: Until, peer: socket.socket
) -> None:
    text = f"""
import socket
clients = [socket.create_connection(("127.0.0.1", {peer.getsockname()[1]})) for _ in range(20)]
"""
    script = session.load(write("it.py", text))
    until(lambda frame: len(frame.connections) == 20)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(200):
        script.refresh()
    # Fewer, when something of an earlier test is collected meanwhile.
    assert len(os.listdir("/proc/self/fd")) <= before


# ---- scripts ---------------------------------------------------------------------------------------


def test_a_script_tells_how_often_it_is_called(session: Session, write: Write, until: Until) -> None:
    script = session.load(write("it.lua", "function add(a, b) return a + b end"))
    assert until(lambda frame: frame.scripts and frame.scripts[0].memory)  # it is looked at

    def called(frame: Frame) -> bool:
        for _ in range(100):
            script.call("add", 1, 2)
        return frame.scripts[0].rate > 100

    until(called)
    until(lambda frame: frame.scripts[0].rate == 0.0)


@pytest.mark.parametrize("isolation", ["isolated", "process"])
def test_a_busy_script_has_a_share_of_a_core(
    session: Session, write: Write, until: Until, isolation: str
) -> None:
    text = "def spin():\n    while True:\n        pass\nimport host\nhost.set_timeout(spin, 0)\n"
    session.load(write("it.py", text), isolation=isolation)
    until(lambda frame: 0.2 < frame.scripts[0].cpu < 1.5)


def test_the_memory_of_a_script_is_read_now_and_then(session: Session, write: Write, until: Until) -> None:
    session.load(write("it.py", "kept = [bytes(1000) for _ in range(1000)]"))
    until(lambda frame: 1_000_000 < (frame.scripts[0].memory or 0) < 10_000_000)


def test_a_busy_lua_script_is_not_waited_for(session: Session, write: Write, log: Log) -> None:
    script = session.load(write("it.lua", "function spin() print('spins') while true do end end"))
    spinning = session.submit("it", "spin")
    log.wait_for("spins")
    assert script.memory() is None
    script.interrupt()
    assert spinning.exception(DEADLINE) is not None
    assert (script.memory() or 0) > 1000


# ---- what it costs --------------------------------------------------------------------------------


def test_costly_looks_become_rare(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    class Stop(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            assert timeout is not None
            waits.append(timeout)
            self.set()
            return True

    class Costly:
        closed = False
        generation = 1
        cell = Cell()
        cpu_time = 0.0
        tree = types.SimpleNamespace(views=())

        def memory(self) -> None:
            pass

        def progress(self) -> None:
            pass

        def refresh(self) -> None:
            while sum(range(1000)) and clock[0] < 10:
                clock[0] += 1

    clock = [0.0]
    monkeypatch.setattr("scriptengines.observer.time.thread_time", lambda: clock[0])
    Observer()._look(Costly(), Stop())  # type: ignore[arg-type]
    assert waits == [LONGEST_PERIOD]


@pytest.mark.parametrize("isolation", ["isolated", "main"])
def test_a_callable_with_odd_attributes_is_called_by_its_type(
    session: Session, write: Write, log: Log, isolation: str
) -> None:
    text = """
import host
class Odd:
    name = property(lambda self: 1 / 0)
    func = describe = lambda self: 1 / 0
    def __call__(self): pass
host.set_interval(Odd(), 1000)
host.on("something", Odd())
"""
    script = session.load(write("it.py", text), isolation=isolation)
    log.until(script.refresh, "a look")
    [timer] = script.rows(TimerView)
    assert timer.callback == "Odd"
    [hook] = session.frame().hooks
    assert [each.function for each in hook.subscribers] == ["Odd"]
