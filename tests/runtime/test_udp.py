"""UDP: datagrams by callback and by waiting; a full buffer drops the oldest and counts them."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from scriptengines.errors import CallError
from scriptengines.network import udp
from scriptengines.script import Script
from scriptengines.session import Session
from tests.conftest import DEADLINE, Log

from .netpeers import language, load, start, steady

__all__ = ["language", "load"]

type Load = Callable[..., Script]

ECHO_PY = """
sock = None
def port(**options):
    global sock
    sock = host.udp_open(data=lambda sock, data, address, port: sock.send(data[::-1], address, port))
    return sock.port
def close(): sock.close()
"""
ECHO_LUA = """
local sock
function port()
  sock = host.udp_open("127.0.0.1", 0, {
    data = function(sock, data, address, port) sock:send(data:reverse(), address, port) end,
  })
  return sock.port
end
function close() sock:close() end
"""
WAITING_PY = """
sock = None
def open(buffer=1024):
    global sock
    sock = host.udp_open(buffer=buffer)
    return sock.port
async def take(count=1):
    for _ in range(count):
        data, address, port = await sock.receive()
        host.log(f"got {data.decode()} from {address}")
async def hurry():
    try:
        await sock.receive(20)
    except TimeoutError as error:
        host.log(f"failed {error}")
async def wait_and_close():
    host.set_timeout(sock.close, 1)
    try:
        await sock.receive()
    except ConnectionError as error:
        host.log(f"failed {error}")
def send(data, address, port): sock.send(data, address, port)
def state(): return [sock.buffered, sock.dropped, sock.received, sock.sent]
def close(): sock.close()
"""
SHARED_PY = """
async def share():
    sock = host.udp_open()
    first, second = (asyncio.create_task(sock.receive()) for _ in range(2))
    await asyncio.sleep(0)
    sock.datagram_received(b"one", ("127.0.0.1", 9))
    first.cancel()
    data, _, _ = await second
    sock.close()
    return first.cancelled(), data
"""
WAITING_LUA = """
local sock
function open(buffer)
  sock = host.udp_open("127.0.0.1", 0, {buffer = buffer})
  return sock.port
end
function take(count)
  for _ = 1, count or 1 do
    local datagram = sock:receive()
    host.log("got " .. datagram[1] .. " from " .. datagram[2])
  end
end
local function try(...)
  local ok, err = pcall(sock.receive, sock, ...)
  if not ok then host.log("failed " .. err) end
end
function hurry() try(20) end
function wait_and_close()
  setTimeout(function() sock:close() end, 1)
  try()
end
function send(data, address, port) sock:send(data, address, port) end
function state() return {sock.buffered, sock.dropped, sock.received, sock.sent} end
function close() sock:close() end
"""


@pytest.fixture
def other() -> socket.socket:
    """A UDP socket that is no script's."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(DEADLINE)
        yield sock


@pytest.fixture
def script(load: Load) -> Script:
    return load(python=WAITING_PY, lua=WAITING_LUA)


def test_a_script_answers_datagrams(load: Load, session: Session, log: Log, other: socket.socket) -> None:
    script = load(python=ECHO_PY, lua=ECHO_LUA)
    with steady(session, log, script):
        port = script.call("port")
        for payload in (b"abc", b"", bytes(range(256)) * 200):
            other.sendto(payload, ("127.0.0.1", port))
            assert other.recvfrom(65536) == (payload[::-1], ("127.0.0.1", port))
        script.call("close")


def test_a_script_waits_for_datagrams(
    script: Script, session: Session, log: Log, other: socket.socket
) -> None:
    with steady(session, log, script):
        port = script.call("open", 10)
        start(script, "take", 3)
        for payload in (b"one", b"two", b"three"):
            other.sendto(payload, ("127.0.0.1", port))
        log.wait_for("got three from 127.0.0.1")
        script.call("send", "answer", "localhost", other.getsockname()[1])
        assert other.recv(100) == b"answer"
        script.call("close")
        script.call("close")
    assert [line.split()[1] for line in log.lines("it")] == ["one", "two", "three"]


def test_a_full_buffer_drops_the_oldest_and_counts_them(
    script: Script, session: Session, log: Log, other: socket.socket
) -> None:
    with steady(session, log, script):
        port = script.call("open", 3)
        for number in range(10):
            other.sendto(b"%d" % number, ("127.0.0.1", port))
        log.until(lambda: script.call("state") == [3, 7, 10, 0])
        start(script, "take", 3)
        log.wait_for("got 9")
        script.call("close")
    assert [line.split()[1] for line in log.lines("it")] == ["7", "8", "9"]


def test_receiving_times_out_and_ends_with_the_socket(script: Script, session: Session, log: Log) -> None:
    with steady(session, log, script):
        port = script.call("open", 3)
        start(script, "hurry")
        log.wait_for(f"receive on 127.0.0.1:{port}: timed out after 20 ms")
        start(script, "wait_and_close")
        log.wait_for(f"127.0.0.1:{port}: the socket is closed")
    with pytest.raises(CallError, match="the socket is closed"):
        script.call("send", "x", "127.0.0.1", port)


def test_what_cannot_be_sent_is_refused(script: Script, session: Session, log: Log) -> None:
    with steady(session, log, script):
        script.call("open", 3)
        with pytest.raises(CallError, match="a datagram has 65507 bytes at most, got 65508"):
            script.call("send", "x" * 65508, "127.0.0.1", 9)
        with pytest.raises(CallError, match="the port must be 1 to 65535, got 0"):
            script.call("send", "x", "127.0.0.1", 0)
        script.call("send", "x", "nowhere.invalid", 9)
        log.wait_for("send to nowhere.invalid:9: the name cannot be resolved")
        script.call("close")


def test_a_busy_port_is_refused_at_once(load: Load, session: Session, log: Log, other: socket.socket) -> None:
    script = load(
        python="def open(port): host.udp_open('127.0.0.1', port)",
        lua="function open(port) host.udp_open('127.0.0.1', port) end",
    )
    port = other.getsockname()[1]
    with steady(session, log, script), pytest.raises(CallError, match=f"bind 127.0.0.1:{port}: address"):
        script.call("open", port)


def test_what_waits_to_be_received_is_lost_with_the_socket(
    script: Script, session: Session, log: Log, other: socket.socket
) -> None:
    with steady(session, log, script):
        port = script.call("open", 10)
        for payload in (b"one", b"two"):
            other.sendto(payload, ("127.0.0.1", port))
        log.until(lambda: script.call("state")[0] == 2)
        script.call("close")
        assert script.call("state")[0] == 0


def test_a_datagram_goes_to_the_next_who_waits_when_the_first_is_cancelled(
    session: Session, write: Callable[[str, str], Path]
) -> None:
    script = session.load(write("it.py", f"import asyncio\nimport host\n{SHARED_PY}"))
    assert script.call("share", timeout=DEADLINE) == (True, b"one")


def test_a_socket_that_the_system_refuses_does_not_count(
    session: Session, write: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "function open() local sock = host.udp_open() sock:close() end\n"
    script = session.load(write("it.lua", text), max_sockets=1)

    def refuse(*_args: object) -> socket.socket:
        raise OSError(errno.EMFILE, "too many")

    with monkeypatch.context() as patched:
        patched.setattr(udp.socket, "socket", refuse)
        with pytest.raises(CallError, match="too many open files"):
            script.call("open")
    script.call("open")
