"""The last bytes of connections: of host connections, of asyncio's, of blocking code; TLS as plain text."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from scriptengines import Session
from scriptengines.script import Script
from scriptengines.tapping import KEPT, Tap
from scriptengines.view import ConnectionView, Tapped
from tests.conftest import DEADLINE, Log

from .web import certificate

type Write = Callable[[str, str], Path]


class Echo:
    """A server of somebody else that gives back what it gets; with TLS or without."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listening.getsockname()[1]
        self._context = context
        self.upgrade: ssl.SSLContext | None = None
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self.listening.accept()
            except OSError:
                return
            threading.Thread(target=self._echo, args=(connection,), daemon=True).start()

    def _echo(self, connection: socket.socket) -> None:
        try:
            if self._context is not None:
                connection = self._context.wrap_socket(connection, server_side=True)
            with connection:
                while found := connection.recv(65536):
                    connection.sendall(found)
                    if found == b"STARTTLS":
                        assert self.upgrade is not None
                        connection = self.upgrade.wrap_socket(connection, server_side=True)
        except OSError:
            return


@pytest.fixture
def echo() -> Iterator[Echo]:
    server = Echo()
    yield server
    server.listening.close()


@pytest.fixture
def context(tmp_path: Path) -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(*certificate(tmp_path))
    return made


@pytest.fixture
def secure(context: ssl.SSLContext) -> Iterator[Echo]:
    server = Echo(context)
    yield server
    server.listening.close()


class Watch:
    """Finds connections of a session, and waits for their bytes."""

    def __init__(self, session: Session, log: Log) -> None:
        self._session = session
        self._log = log

    def row(self, role: str = "client", script: str = "it") -> ConnectionView:
        found: list[ConnectionView] = []

        def look() -> bool:
            rows = self._session.frame().connections
            found[:] = [row for row in rows if row.role == role and row.script == script]
            return bool(found)

        self._log.until(look, f"a {role}")
        return found[0]

    def tap(self, role: str = "client", script: str = "it") -> int:
        number = self.row(role, script).id
        assert self._session.tap(script, number)
        return number

    def until(self, number: int, received: bytes | None, sent: bytes | None, script: str = "it") -> Tapped:
        seen: list[Tapped] = []

        def look() -> bool:
            seen[:] = [self._session.tapped(script, number)]
            return received in (None, seen[0].received) and sent in (None, seen[0].sent)

        self._log.until(look, f"{received!r} and {sent!r}")
        return seen[0]


@pytest.fixture
def watch(session: Session, log: Log) -> Watch:
    return Watch(session, log)


def test_only_the_last_bytes_are_kept() -> None:
    tap = Tap()
    tap.received(b"a" * KEPT)
    tap.received(memoryview(b"bc"))
    tap.sent(bytearray(range(256)) * 100)
    received, sent, received_before, sent_before, note = tap.row()
    assert (received, received_before) == (b"a" * (KEPT - 2) + b"bc", 2)
    assert (sent, sent_before) == ((bytes(range(256)) * 100)[-KEPT:], 25_600 - KEPT)
    assert note == ""


# ---- blocking code --------------------------------------------------------------------------------------

BLOCKING = """
import socket, ssl
def connect(port, ca):
    global sock
    sock = socket.create_connection(("127.0.0.1", port))
    if ca:
        sock = ssl.create_default_context(cafile=ca).wrap_socket(sock, server_hostname="localhost")
def recv():
    sock.sendall(b"one")
    assert sock.recv(3, *([] if isinstance(sock, ssl.SSLSocket) else [socket.MSG_PEEK])) == b"one"
    if not isinstance(sock, ssl.SSLSocket): sock.recv(3)
def into():
    sock.send(memoryview(b"two!!")[:3])
    buffer = bytearray(10)
    assert sock.recv_into(buffer) == 3
def file():
    with sock.makefile("rwb") as lines:
        lines.write(b"three\\n")
        lines.flush()
        assert lines.readline() == b"three\\n"
def message():
    sock.sendmsg([b"fo", bytearray(b"ur")])
    assert sock.recvmsg(4, 2, socket.MSG_PEEK)[0] == b"four"
    assert sock.recvmsg(4, socket.MSG_PEEK)[0] == b"four", "there, it is a number of bytes"
def kind():
    return f"{type(sock).__module__}.{type(sock).__qualname__} {type(sock) in (socket.socket, ssl.SSLSocket)}"
"""


@pytest.mark.parametrize("isolation", ["isolated", "shared", "main", "process"])
def test_bytes_of_blocking_sockets_are_seen(
    session: Session, write: Write, watch: Watch, echo: Echo, isolation: str
) -> None:
    script = session.load(write("it.py", BLOCKING), isolation=isolation)
    script.call("connect", echo.port, "")
    number = watch.tap()
    for name in ("recv", "into", "file", "message"):
        script.call(name)
    watch.until(number, b"onetwothree\nfour", b"onetwothree\nfour")
    assert script.call("kind") == "socket.socket False"
    assert session.tap("it", number, on=False)
    assert script.call("kind") == "socket.socket True"
    script.call("recv")
    assert session.tapped("it", number) == Tapped(b"", b"")


def test_bytes_of_blocking_tls_are_seen_as_plain_text(
    session: Session, write: Write, watch: Watch, secure: Echo, tmp_path: Path
) -> None:
    script = session.load(write("it.py", BLOCKING))
    script.call("connect", secure.port, str(tmp_path / "cert.pem"))
    number = watch.tap()
    for name in ("recv", "into", "file"):
        script.call(name)
    watch.until(number, b"onetwothree\n", b"onetwothree\n")
    session.tap("it", number, on=False)
    assert script.call("kind") == "ssl.SSLSocket True"


def test_a_socket_that_has_no_room_for_it_says_so(
    session: Session, write: Write, watch: Watch, echo: Echo
) -> None:
    text = (
        BLOCKING
        + """
class Odd(socket.socket):
    def __init_subclass__(cls): raise TypeError("final")
def odd(port):
    global sock
    sock = Odd()
    sock.connect(("127.0.0.1", port))
"""
    )
    script = session.load(write("it.py", text))
    script.call("odd", echo.port)
    number = watch.tap()
    script.call("recv")
    assert session.tapped("it", number) == Tapped(
        b"",
        b"",
        note="The bytes of this connection cannot be seen: its library reads and writes past "
        "Python's sockets.",
    )


# ---- asyncio --------------------------------------------------------------------------------------------

STREAMS = """
import asyncio, ssl
async def connect(port, ca):
    global reader, writer
    tls = dict(ssl=ssl.create_default_context(cafile=ca), server_hostname="localhost") if ca else {}
    reader, writer = await asyncio.open_connection("127.0.0.1", port, **tls)
async def start_tls(ca):
    await writer.start_tls(ssl.create_default_context(cafile=ca), server_hostname="localhost")
async def say(what):
    writer.write(what)
    await writer.drain()
    return await reader.readexactly(len(what))
async def lines(what):
    writer.writelines(what)
    return await reader.readexactly(sum(map(len, what)))
def close(): writer.close()
"""


@pytest.mark.parametrize("isolation", ["isolated", "shared", "main", "process"])
def test_bytes_of_unmodified_asyncio_scripts_are_seen(
    session: Session, write: Write, watch: Watch, echo: Echo, isolation: str
) -> None:
    script = session.load(write("it.py", STREAMS), isolation=isolation)
    script.call("connect", echo.port, "")
    number = watch.tap()
    assert script.call("say", b"one") == b"one"
    assert script.call("lines", [b"two", b"three"]) == b"twothree"
    watch.until(number, b"onetwothree", b"onetwothree")
    script.call("close")


def test_tls_of_asyncio_is_seen_as_plain_text(
    session: Session, write: Write, watch: Watch, secure: Echo, tmp_path: Path
) -> None:
    script = session.load(write("it.py", STREAMS))
    script.call("connect", secure.port, str(tmp_path / "cert.pem"))
    number = watch.tap()
    assert script.call("say", b"secret") == b"secret"
    watch.until(number, b"secret", b"secret")
    session.tap("it", number, on=False)
    assert script.call("say", b"more") == b"more"
    script.call("close")


def test_what_becomes_tls_is_seen_as_plain_text_from_the_next_look_on(
    session: Session, write: Write, watch: Watch, echo: Echo, context: ssl.SSLContext, tmp_path: Path
) -> None:
    echo.upgrade = context
    script = session.load(write("it.py", STREAMS))
    script.call("connect", echo.port, "")
    number = watch.tap()
    assert script.call("say", b"STARTTLS") == b"STARTTLS"
    assert session.tapped("it", number).sent == b"STARTTLS"
    script.call("start_tls", str(tmp_path / "cert.pem"))
    encrypted = session.tapped("it", number)
    assert script.call("say", b"secret") == b"secret"
    watch.until(number, encrypted.received + b"secret", encrypted.sent + b"secret")


def test_bytes_of_datagrams_are_seen(session: Session, write: Write, watch: Watch) -> None:
    text = """
import asyncio
class Protocol(asyncio.DatagramProtocol):
    def datagram_received(self, data, addr):
        transport.sendto(data.upper(), addr)
async def go():
    global transport
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        Protocol, local_addr=("127.0.0.1", 0))
    return transport.get_extra_info("sockname")[1]
"""
    port = session.load(write("it.py", text)).call("go")
    number = watch.tap("client")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(DEADLINE)
        for piece in (b"one", b"two"):
            sock.sendto(piece, ("127.0.0.1", port))
            assert sock.recv(100) == piece.upper()
    watch.until(number, b"onetwo", b"ONETWO")


# ---- host connections -----------------------------------------------------------------------------------


def test_tls_of_a_lua_script_is_seen_as_plain_text(
    session: Session, write: Write, watch: Watch, secure: Echo, tmp_path: Path, log: Log
) -> None:
    text = """
function connect(port, ca)
  connection = host.tcp_open("127.0.0.1", port, { tls = { ca = ca, server_name = "localhost" },
    connected = function() print("connected") end, data = function(_, bytes) print(bytes) end })
end
function say(what) connection:send(what) end
"""
    script = session.load(write("it.lua", text))
    script.call("connect", secure.port, str(tmp_path / "cert.pem"))
    log.wait_for("connected")
    number = watch.tap()
    script.call("say", "secret")
    watch.until(number, b"secret", b"secret")


SOCKETS = """
import host
def serve():
    server = host.websocket_serve("127.0.0.1", 0, {"message": lambda ws, text: ws.send(text.upper())})
    return server.port
def connect(port):
    global client
    client = host.websocket_connect(f"ws://127.0.0.1:{port}/", connected=lambda _: host.log("connected"),
        message=lambda _, text: host.log("got " + text))
def say(text): client.send(text)
"""


def test_of_a_websocket_the_messages_are_kept(session: Session, write: Write, watch: Watch, log: Log) -> None:
    server = session.load(write("server.py", SOCKETS))
    client = session.load(write("it.py", SOCKETS))
    client.call("connect", server.call("serve"))
    log.wait_for("connected")
    mine, theirs = watch.tap(), watch.tap("server", "server")
    client.call("say", "hello")
    log.wait_for("got HELLO")
    assert watch.row().application == "websocket"
    assert "messages" in watch.until(mine, b"HELLO", b"hello").note
    watch.until(theirs, b"hello", b"HELLO", "server")
    session.tap("it", mine, on=False)
    client.call("say", "again")
    log.wait_for("got AGAIN")
    assert session.tapped("it", mine).sent == b""


# ---- busy scripts, and what has gone --------------------------------------------------------------------


def test_a_busy_script_is_not_waited_for(
    session: Session, write: Write, watch: Watch, echo: Echo, log: Log
) -> None:
    script = session.load(write("it.py", STREAMS + "def spin():\n    print('spins')\n    while True: pass\n"))
    script.call("connect", echo.port, "")
    number = watch.row().id
    spinning = session.submit("it", "spin")
    log.wait_for("spins")
    assert session.tap("it", number)
    assert session.tapped("it", number) == Tapped(b"", b"")
    script.interrupt()
    assert spinning.exception(DEADLINE) is not None
    assert script.call("say", b"one") == b"one"
    watch.until(number, b"one", b"one")


def test_what_was_kept_stays_when_the_connection_ends(
    session: Session, write: Write, watch: Watch, echo: Echo
) -> None:
    script = session.load(write("it.py", STREAMS))
    script.call("connect", echo.port, "")
    number = watch.tap()
    script.call("say", b"last words")
    script.call("close")
    seen = watch.until(number, b"last words", b"last words")
    while not seen.note:
        seen = session.tapped("it", number)
    assert seen == Tapped(b"last words", b"last words", note="The connection has ended.")
    assert not session.tap("it", number, on=False)
    assert session.tapped("it", number) == Tapped(b"", b"", note="The connection has ended.")


def test_taps_come_and_go_while_bytes_flow(session: Session, write: Write, watch: Watch, echo: Echo) -> None:
    script: Script = session.load(write("it.py", STREAMS))
    script.call("connect", echo.port, "")
    number = watch.row().id
    ended = threading.Event()
    failures: list[Any] = []

    def talk() -> None:
        while not ended.is_set():
            if script.call("say", b"x" * 100) != b"x" * 100:
                failures.append("lost")

    talking = threading.Thread(target=talk)
    talking.start()
    for _ in range(300):
        assert session.tap("it", number)
        assert set(session.tapped("it", number).sent) <= {ord("x")}
        assert session.tap("it", number, on=False)
    ended.set()
    talking.join()
    assert not failures
