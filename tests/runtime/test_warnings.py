"""Mistakes that raise no error: each is provoked, and code that does not make it is not accused of it."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from scriptengines import Session, loop, mistakes
from scriptengines.view import WarningKind, WarningView
from tests.conftest import Log, line_of

type Write = Callable[[str, str], Path]
type Told = Callable[[WarningKind], WarningView]


@pytest.fixture
def told(session: Session, log: Log) -> Told:
    """Gives the first warning of a kind, once there is one."""

    def wait(kind: WarningKind) -> WarningView:
        def found() -> list[WarningView]:
            return [each for each in session.frame().warnings if each.kind == kind]

        log.until(found, f"a warning of kind {kind}")
        return found()[0]

    return wait


@pytest.fixture
def peer() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def innocent(
    session: Session, log: Log, text: str, write: Write, name: str, kind: WarningKind, **options: str
) -> None:
    """Look at a script until it says that it is done: it may not be accused of this."""
    session.frame()
    script = session.load(write(name, text), **options)
    log.wait_for("done")
    for _ in range(3):
        log.until(script.refresh, "a look at the script")
    assert [each for each in session.frame().warnings if each.kind == kind] == []


# ---- blocked ---------------------------------------------------------------------------------------


def test_a_callback_that_holds_the_loop(session: Session, write: Write, log: Log, told: Told) -> None:
    text = """
import host, time
def work():
    time.sleep(0.06)
    host.set_timeout(work, 1)
host.set_timeout(work, 1)
"""
    session.load(write("it.py", text))
    warning = told(WarningKind.BLOCKED)
    assert warning.script == "it"
    assert warning.text.startswith("work held the loop for ")
    assert "asyncio.to_thread" in warning.text
    assert warning.source in ("it.py:5", "it.py:6")
    log.until(lambda: max(each.count for each in session.frame().warnings) > 2, "more of the same")
    assert len([each for each in session.frame().warnings if each.kind == "blocked"]) <= 2


def test_a_task_that_holds_the_loop(session: Session, write: Write, told: Told) -> None:
    text = """
import asyncio, time
async def main():
    while True:
        time.sleep(0.06)
        await asyncio.sleep(0.001)  # here
asyncio.get_event_loop().create_task(main())
"""
    path = write("it.py", text)
    session.load(path)
    warning = told(WarningKind.BLOCKED)
    assert warning.text.startswith("main held the loop for ")
    assert warning.source == f"it.py:{line_of(path, '# here')}"


def test_a_lua_callback_that_holds_the_loop(session: Session, write: Write, told: Told) -> None:
    text = """
function work()
  local till = host.now() + 60
  while host.now() < till do end
end
setInterval(work, 100) -- here
"""
    path = write("it.lua", text)
    session.load(path)
    warning = told(WarningKind.BLOCKED)
    assert warning.source == f"it.lua:{line_of(path, '-- here')}"
    assert "host.sleep(0)" in warning.text


def test_a_protocol_that_holds_the_loop(session: Session, write: Write, told: Told) -> None:
    text = """
import asyncio, time
class Slow(asyncio.Protocol):
    def data_received(self, data):
        time.sleep(0.06)
async def serve():
    server = await asyncio.get_running_loop().create_server(Slow, "127.0.0.1", 0)  # here
    return server.sockets[0].getsockname()[1]
"""
    path = write("it.py", text)
    script = session.load(path)
    with socket.create_connection(("127.0.0.1", script.call("serve"))) as client:
        client.send(b"x")
        warning = told(WarningKind.BLOCKED)
    assert warning.source == f"it.py:{line_of(path, '# here')}"
    assert "a callback of Slow" in warning.text


def test_short_callbacks_hold_nothing(
    session: Session, write: Write, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many that are short, one after the other, are not one that is long."""
    monkeypatch.setattr(loop, "PATIENCE", 1.0)
    text = """
import host, time
for _ in range(150):
    host.set_timeout(time.sleep, 0, 0.01)
host.set_timeout(print, 1, "done")
"""
    innocent(session, log, text, write, "it.py", WarningKind.BLOCKED, isolation="main")


# ---- late ------------------------------------------------------------------------------------------


def test_a_timer_later_than_its_interval(session: Session, write: Write, told: Told) -> None:
    text = """
import host, time
def tick(): pass
host.set_interval(tick, 10)  # here
host.set_interval(lambda: time.sleep(0.2), 210)
"""
    path = write("it.py", text)
    session.load(path)
    warning = told(WarningKind.LATE)
    assert warning.text.startswith("tick came ")
    assert "more than its interval of 10 ms" in warning.text
    assert warning.source == f"it.py:{line_of(path, '# here')}"


def test_what_is_late_after_a_pause_is_so_by_order(
    session: Session, write: Write, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mistakes, "LATE_AFTER", 0.25)
    text = """
import host
count = 0
def tick():
    global count
    count += 1
host.set_interval(tick, 5)
"""
    script = session.load(write("it.py", text), isolation="main")
    log.until(script.refresh, "a first look")
    log.until(lambda: script.get("count") > 2, "some ticks")
    session.pause("it")
    before, since = script.get("count"), session.frame().time
    log.until(lambda: session.frame().time - since > 0.6, "a pause that is longer than LATE_AFTER")
    session.resume("it")
    log.until(lambda: script.get("count") > before + 2, "more ticks")
    log.until(script.refresh, "a look")
    assert [each for each in session.frame().warnings if each.kind == "late"] == []


# ---- never awaited ---------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:coroutine 'fetch' was never awaited")
@pytest.mark.parametrize("isolation", ["isolated", "main"])
def test_a_coroutine_that_is_never_awaited(
    session: Session, write: Write, told: Told, isolation: str
) -> None:
    text = """
import host
async def fetch(): pass
def tick():
    fetch()  # here
host.set_timeout(tick, 1)
"""
    path = write("it.py", text)
    session.load(path, isolation=isolation)
    warning = told(WarningKind.NEVER_AWAITED)
    assert warning.text.startswith("fetch() was called but never awaited")
    assert "await fetch(…)" in warning.text
    assert warning.source == f"it.py:{line_of(path, '# here')}"


def test_a_task_that_nobody_keeps(session: Session, write: Write, told: Told) -> None:
    text = """
import asyncio, gc, host
async def forgotten():
    await asyncio.get_running_loop().create_future()
asyncio.get_event_loop().create_task(forgotten())
host.set_timeout(gc.collect, 5)
"""
    session.load(write("it.py", text))
    warning = told(WarningKind.NEVER_AWAITED)
    assert warning.text.startswith("the task of forgotten has gone before it ended")


def test_what_is_awaited_is_not(session: Session, write: Write, log: Log) -> None:
    text = """
import asyncio, host
async def fetch():
    await asyncio.sleep(0.001)
async def main():
    await fetch()
    await asyncio.create_task(fetch())
    await asyncio.gather(fetch(), fetch())
    print("done")
host.set_timeout(fetch, 1)
asyncio.get_event_loop().create_task(main())
"""
    innocent(session, log, text, write, "it.py", WarningKind.NEVER_AWAITED)


# ---- connections -----------------------------------------------------------------------------------


def test_a_connection_that_is_idle(
    session: Session, write: Write, told: Told, peer: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mistakes, "IDLE_AFTER", 0.2)
    text = f'host.tcp_connect("127.0.0.1", {peer.getsockname()[1]}, {{}}) -- here'
    session.load(write("it.lua", text))
    warning = told(WarningKind.IDLE)
    assert warning.source == "it.lua:1"
    assert "nothing has come or gone for" in warning.text


def test_a_connection_with_traffic_is_not_idle(
    session: Session, write: Write, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mistakes, "IDLE_AFTER", 2.0)
    text = """
local server = host.tcp_serve("127.0.0.1", 0, {data = function(c, d) c:send(d) end})
local n, timer, client = 0
client = host.tcp_connect("127.0.0.1", server.port, {data = function() n = n + 1 end})
timer = setInterval(function()
  if n >= 20 then clearInterval(timer) print("done") else client:send("x") end
end, 10)
"""
    innocent(session, log, text, write, "it.lua", WarningKind.IDLE)


def test_a_blocking_connection_whose_peer_has_hung_up(
    session: Session, write: Write, told: Told, peer: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mistakes, "LEAK_AFTER", 0.2)
    text = f"""
import socket
client = socket.create_connection(("127.0.0.1", {peer.getsockname()[1]}))  # here
"""
    path = write("it.py", text)
    session.load(path, isolation="main")
    peer.accept()[0].close()
    warning = told(WarningKind.LEAK)
    assert warning.source == f"it.py:{line_of(path, '# here')}"
    assert "its peer hung up" in warning.text


def test_a_stream_that_is_forgotten(session: Session, write: Write, told: Told, peer: socket.socket) -> None:
    text = f"""
import asyncio
async def main():
    reader, writer = await asyncio.open_connection("127.0.0.1", {peer.getsockname()[1]})
async def run():
    await main()  # here
asyncio.get_event_loop().create_task(run())
"""
    session.load(write("it.py", text))
    warning = told(WarningKind.LEAK)
    assert "was forgotten while it was open" in warning.text


def test_a_socket_that_is_forgotten(session: Session, write: Write, told: Told, peer: socket.socket) -> None:
    port = peer.getsockname()[1]
    text = f"""
import socket
def use():
    client = socket.create_connection(("127.0.0.1", {port}))  # here
    client.send(b"x")
use()
"""
    path = write("it.py", text)
    session.load(path)
    warning = told(WarningKind.LEAK)
    assert warning.text.startswith(f"a socket to 127.0.0.1:{port} was forgotten while it was open")
    assert warning.source == f"it.py:{line_of(path, '# here')}"


def test_what_python_says_of_it_is_printed_when_the_script_asks(
    session: Session, write: Write, log: Log
) -> None:
    text = """
import socket, warnings
def drop():
    socket.socket()
drop()
print("quiet")
warnings.simplefilter("default")
drop()
"""
    session.load(write("it.py", text))
    log.wait_for("ResourceWarning: unclosed <socket.socket")
    assert log.lines("it")[0] == "quiet"


def test_connections_that_are_closed_do_not_leak(session: Session, write: Write, log: Log) -> None:
    text = """
import asyncio
async def serve(reader, writer):
    writer.write(await reader.read(10))
    writer.close()
async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    for _ in range(20):
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"hello")
        await reader.read()
        writer.close()
        await writer.wait_closed()
    server.close()
    print("done")
asyncio.get_event_loop().create_task(main())
"""
    innocent(session, log, text, write, "it.py", WarningKind.LEAK)


# ---- busy loops ------------------------------------------------------------------------------------


@pytest.mark.parametrize("isolation", ["isolated", "main"])
def test_a_chain_of_zero_timers(session: Session, write: Write, told: Told, isolation: str) -> None:
    text = """
import host
def hop():
    host.set_timeout(hop, 0)  # here
hop()
"""
    path = write("it.py", text)
    session.load(path, isolation=isolation)
    warning = told(WarningKind.BUSY_LOOP)
    assert warning.source == f"it.py:{line_of(path, '# here')}"
    assert "turns a second that wait for nothing" in warning.text
    assert "give it a delay of 1 ms or more" in warning.text


def test_a_zero_interval_in_lua(session: Session, write: Write, told: Told) -> None:
    session.load(write("it.lua", "local n = 0\nsetInterval(function() n = n + 1 end, 0)"))
    assert told(WarningKind.BUSY_LOOP).source == "it.lua:2"


def test_a_task_that_only_yields(session: Session, write: Write, told: Told) -> None:
    text = """
import asyncio
async def spin():
    while True:
        await asyncio.sleep(0)  # here
asyncio.get_event_loop().create_task(spin())
"""
    path = write("it.py", text)
    session.load(path)
    warning = told(WarningKind.BUSY_LOOP)
    assert warning.source == f"it.py:{line_of(path, '# here')}"


def test_a_burst_of_zero_timers_is_no_busy_loop(session: Session, write: Write, log: Log) -> None:
    text = """
local n = 0
local function hop() n = n + 1 if n < 20000 then setTimeout(hop, 0) else print("done") end end
hop()
setInterval(function() end, 20)
"""
    innocent(session, log, text, write, "it.lua", WarningKind.BUSY_LOOP)


# ---- bounds ----------------------------------------------------------------------------------------


def test_they_are_counted_once_a_line_and_bounded(session: Session, write: Write) -> None:
    text = """
import host
def many():
    for number in range(1000):
        exec(f"async def f{number}(): pass\\nf{number}()")
async def fetch(): pass
def same():
    for _ in range(1000):
        fetch()
"""
    script = session.load(write("it.py", text))
    script.call("many")
    script.call("same")
    rows: list[Any] = []
    while not rows:
        script.refresh()
        rows = list(session.frame().warnings)
    assert len(rows) == mistakes.MAX_MISTAKES
    assert rows[-1].count == 1000
    assert rows[-1].text.startswith("fetch() was called")


def test_a_reload_begins_anew(session: Session, write: Write, log: Log, told: Told) -> None:
    path = write("it.py", "async def fetch(): pass\nfetch()\n")
    script = session.load(path)
    told(WarningKind.NEVER_AWAITED)
    write("it.py", "async def fetch(): pass\n")
    session.reload("it")
    log.until(lambda: script.refresh() and not session.frame().warnings, "a frame without warnings")
