"""`connection:send` of Lua goes straight to the socket while nothing waits; nobody can tell but by the time."""

# ruff: noqa: E501 - the long lines are Lua

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from scriptengines.errors import CallError
from scriptengines.script import Script
from scriptengines.session import Session
from tests.conftest import Log

from .netpeers import Peer, peer, receive, receive_all

__all__ = ["peer"]

type Start = Callable[[Callable[[socket.socket], None]], Peer]
type Write = Callable[[str, str], Path]

LINES = 150_000  # of 128 bytes: more than two sockets take
SOURCE = """
function connect(port)
  connection = host.tcp_connect("127.0.0.1", port, {
    data = function() end,
    connected = function() host.log("connected") end,
    closed = function() host.log("closed") end,
  })
end
function send(data)
  local nothing = connection:send(data)
  return nothing
end
function send_with(method, data) return method(connection, data) end
function get(name) return connection[name] end
function count_up(from, to)
  for i = from, to do connection:send(("%07d\\n"):format(i):rep(16)) end
end
function close() connection:close() end
"""


@pytest.fixture(params=["5.4", "5.1", "5.5", "luajit2.1"])
def it(session: Session, write: Write, request: pytest.FixtureRequest) -> Script:
    return session.load(write("it.lua", SOURCE), lua=request.param)


@pytest.fixture
def connect(it: Script, log: Log, peer: Start) -> Callable[[Callable[[socket.socket], None]], None]:
    def make(serve: Callable[[socket.socket], None]) -> None:
        it.call("connect", peer(serve).port)
        log.wait_for("connected")

    return make


type Connect = Callable[[Callable[[socket.socket], None]], None]


def until_the_end(client: socket.socket) -> None:
    receive_all(client)


def test_bytes_of_any_kind_arrive_and_are_counted(it: Script, connect: Connect) -> None:
    got: list[bytes] = []
    connect(lambda client: got.append(receive_all(client)))
    for piece in ("text", b"\x00\xff", "", "é"):
        assert it.call("send", piece) is None
    assert it.call("get", "sent") == 8
    it.call("close")
    it.close()  # what was sent leaves before
    assert b"".join(got) in (b"", b"text\x00\xff\xc3\xa9")


def test_what_does_not_fit_into_the_socket_keeps_its_order(it: Script, log: Log, connect: Connect) -> None:
    may_read = threading.Event()
    got: list[bytes] = []

    def slow(client: socket.socket) -> None:
        may_read.wait()
        got.append(receive(client, LINES * 128))
        got.append(receive_all(client))

    connect(slow)
    try:
        big = 0
        while not it.call("get", "queued"):  # until the system takes no more
            it.call("count_up", big + 1, big + 1000)
            big += 1000
        assert big < LINES // 2
        it.call("count_up", big + 1, LINES - 1000)
    finally:
        may_read.set()
    log.until(lambda: it.call("get", "queued") == 0, "all to have left")
    it.call("count_up", LINES - 999, LINES)  # straight again
    assert it.call("get", "sent") == LINES * 128
    it.call("close")
    log.wait_for("closed")
    log.until(lambda: len(got) == 2, "all to have been read")
    assert got[0] == b"".join(b"%07d\n" % number * 16 for number in range(1, LINES + 1))
    assert got[1] == b""


def test_a_closed_connection_refuses_at_the_line_that_sends(it: Script, log: Log, connect: Connect) -> None:
    connect(lambda client: None)
    log.wait_for("closed")
    with pytest.raises(CallError, match="not open") as told:
        it.call("send", "x")
    assert it.call("get", "sent") == 0
    assert told.value.frames[-1].line == 10


def test_what_is_no_string_is_refused(it: Script, connect: Connect) -> None:
    connect(until_the_end)
    for wrong in (None, [1], True):
        with pytest.raises(CallError, match="send"):
            it.call("send", wrong)
    it.call("close")


def test_the_method_of_one_object_is_not_that_of_another(
    session: Session, write: Write, log: Log, peer: Start
) -> None:
    it = session.load(
        write(
            "other.lua",
            """
            function try(port)
              local connection = host.tcp_connect("127.0.0.1", port, {connected = function(c) c:send("x") c:close() end})
              local listener = host.tcp_serve("127.0.0.1", 0, {})
              local send = connection.send
              for _, object in ipairs({listener, {}, 1, "text"}) do
                if pcall(send, object, "stolen") then host.log("sent by " .. tostring(object)) end
              end
              listener:close()
              host.log("tried")
            end
            """,
        )
    )
    got: list[bytes] = []
    it.call("try", peer(lambda client: got.append(receive_all(client))).port)
    log.wait_for("tried")
    log.until(lambda: got == [b"x"], "what the connection sent")
    assert not [line for line in log.lines() if "sent by" in line]


def test_who_taps_a_connection_sees_what_lua_sends(it: Script, session: Session, connect: Connect) -> None:
    connect(until_the_end)
    it.call("send", "unseen")
    number = it.call("get", "id")
    session.tap("it", number, True)
    it.call("send", "one ")
    it.call("send", "two")
    assert session.tapped("it", number).sent == b"one two"
    session.tap("it", number, False)
    it.call("send", "three")
    it.call("send", "four")
    assert it.call("get", "sent") == len("unseenone twothreefour")
    it.call("close")
