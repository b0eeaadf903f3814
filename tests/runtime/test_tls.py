"""TLS both ways: certificates are checked unless a script says otherwise; what is wrong is told."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from scriptengines.errors import CallError
from scriptengines.script import Script
from scriptengines.session import Session
from tests.conftest import Log

from .netpeers import Peer, dial, language, load, peer, receive, receive_all, start, steady

__all__ = ["language", "load", "peer"]

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="makes its certificates with openssl")

type Start = Callable[[Callable[[socket.socket], None]], Peer]
type Load = Callable[..., Script]

CLIENT_PY = """
async def ask(port, tls):
    try:
        connection = await host.tcp_open("localhost", port, {"tls": tls, "timeout": 10000})
    except OSError as error:
        host.log(f"failed {error}")
        return
    await connection.write("hello" * 20000)
    host.log(f"got {len(await connection.read_exactly(100000))} {connection.peer}")
    connection.close()

async def bare(port):
    connection = await host.tcp_open("localhost", port, {"tls": {"verify": False}})
    try:
        connection.end()
    except OSError as error:
        host.log(f"failed {error}")
    host.log(f"end {len(await connection.read())}")
    connection.close()
"""
CLIENT_LUA = """
function ask(port, tls)
  local ok, connection = pcall(host.tcp_open, "localhost", port, {tls = tls, timeout = 10000})
  if not ok then host.log("failed " .. connection) return end
  connection:write(("hello"):rep(20000))
  host.log("got " .. #connection:read_exactly(100000) .. " " .. connection.peer)
  connection:close()
end

function bare(port)
  local connection = host.tcp_open("localhost", port, {tls = {verify = false}})
  local ok, err = pcall(connection.shutdown, connection)
  host.log("failed " .. err)
  host.log("end " .. #connection:read())
  connection:close()
end
"""
SERVER_PY = """
listener = None
def serve(tls):
    global listener
    listener = host.tcp_serve("127.0.0.1", 0, {"data": lambda c, data: c.send(data), "tls": tls})
    return listener.port
def close(): listener.close()
"""
SERVER_LUA = """
local listener
function serve(tls)
  listener = host.tcp_serve("127.0.0.1", 0, {data = function(c, data) c:send(data) end, tls = tls})
  return listener.port
end
function close() listener:close() end
"""


class Certificates(NamedTuple):
    """Files: a certificate that signs itself, and its key."""

    cert: str
    key: str


def make(folder: Path, name: str) -> Certificates:
    cert, key = folder / f"{name}.pem", folder / f"{name}.key"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    command += ["-nodes", "-keyout", str(key), "-out", str(cert), "-days", "2", "-subj", f"/CN={name}"]
    subprocess.run([*command, "-addext", f"subjectAltName=DNS:{name}"], check=True, capture_output=True)
    return Certificates(str(cert), str(key))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("certificates")


@pytest.fixture(scope="module")
def ours(folder: Path) -> Certificates:
    return make(folder, "localhost")


@pytest.fixture(scope="module")
def others(folder: Path) -> Certificates:
    return make(folder, "elsewhere.example")


def serving(certificates: Certificates, *, fails: bool = False) -> Callable[[socket.socket], None]:
    """A TLS echo server; with `fails` the client is to refuse it."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*certificates)

    def serve(connection: socket.socket) -> None:
        try:
            with context.wrap_socket(connection, server_side=True) as secure:
                while data := secure.recv(65536):
                    secure.sendall(data)
        except (ssl.SSLError, ConnectionError):
            if not fails:
                raise

    return serve


def has_ended(connection: ssl.SSLSocket) -> bool:
    """Whether the other side ends it, in an orderly way or not; waits for that."""
    try:
        return connection.recv(1) == b""
    except (ssl.SSLError, ConnectionError):
        return True


@pytest.fixture
def client(load: Load) -> Script:
    return load(python=CLIENT_PY, lua=CLIENT_LUA)


def test_a_script_talks_to_a_server_whose_certificate_it_trusts(
    client: Script, session: Session, log: Log, peer: Start, ours: Certificates
) -> None:
    server = peer(serving(ours))
    with steady(session, log, client):
        start(client, "ask", server.port, {"ca": ours.cert})
        log.wait_for(f"got 100000 127.0.0.1:{server.port}")


@pytest.mark.parametrize(
    ("tls", "reason"),
    [
        (True, "self-signed certificate"),
        ({"ca": "others"}, "self-signed certificate"),
        ({"ca": "ours", "server_name": "elsewhere.example"}, "Hostname mismatch"),
    ],
    ids=["unknown", "other authority", "other name"],
)
def test_a_certificate_that_cannot_be_trusted_is_refused(
    client: Script,
    session: Session,
    log: Log,
    peer: Start,
    ours: Certificates,
    others: Certificates,
    tls: object,
    reason: str,
) -> None:
    if isinstance(tls, dict):
        tls = {**tls, "ca": {"ours": ours, "others": others}[tls["ca"]].cert}
    server = peer(serving(ours, fails=True))
    with steady(session, log, client):
        start(client, "ask", server.port, tls)
        [record] = log.wait_for("failed")
    assert f"connect localhost:{server.port}: the certificate is not accepted: " in record.text
    assert reason in record.text


def test_a_name_other_than_the_address_can_be_expected(
    client: Script, session: Session, log: Log, peer: Start, others: Certificates
) -> None:
    server = peer(serving(others))
    with steady(session, log, client):
        start(client, "ask", server.port, {"ca": others.cert, "server_name": "elsewhere.example"})
        log.wait_for("got 100000")


def test_verification_can_be_switched_off(
    client: Script, session: Session, log: Log, peer: Start, others: Certificates
) -> None:
    server = peer(serving(others))
    with steady(session, log, client):
        start(client, "ask", server.port, {"verify": False})
        log.wait_for("got 100000")


def test_a_server_without_tls_is_told_as_an_error(
    client: Script, session: Session, log: Log, peer: Start
) -> None:
    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        receive_all(connection)

    server = peer(serve)
    with steady(session, log, client):
        start(client, "ask", server.port, True)
        [record] = log.wait_for("failed")
    assert f"connect localhost:{server.port}: TLS: " in record.text


def test_tls_has_no_half_close_and_says_so(
    client: Script, session: Session, log: Log, peer: Start, ours: Certificates
) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*ours)

    def serve(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secure:
            secure.unwrap().close()

    server = peer(serve)
    with steady(session, log, client):
        start(client, "bare", server.port)
        log.wait_for("end 0")
    assert "cannot be ended on one side only" in log.lines("it")[0]


def test_a_script_serves_tls(load: Load, session: Session, log: Log, ours: Certificates) -> None:
    script = load(python=SERVER_PY, lua=SERVER_LUA)
    with steady(session, log, script):
        port = script.call("serve", {"cert": ours.cert, "key": ours.key})
        context = ssl.create_default_context(cafile=ours.cert)
        with dial(port) as plain, context.wrap_socket(plain, server_hostname="localhost") as secure:
            piece = bytes(range(256)) * 60  # a TLS socket of Python is not for two threads at once
            for _ in range(20):
                secure.sendall(piece)
                assert receive(secure, len(piece)) == piece
        with dial(port) as stranger:  # who does not speak TLS is sent away, and harms nobody
            stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")
            receive_all(stranger)
        script.call("close")
    assert log.lines("it") == []


def test_a_server_can_demand_certificates(
    load: Load, session: Session, log: Log, ours: Certificates, others: Certificates
) -> None:
    script = load(python=SERVER_PY, lua=SERVER_LUA)
    with steady(session, log, script):
        port = script.call("serve", {"cert": ours.cert, "key": ours.key, "ca": others.cert})
        context = ssl.create_default_context(cafile=ours.cert)
        with dial(port) as plain, context.wrap_socket(plain, server_hostname="localhost") as secure:
            assert has_ended(secure)  # in TLS 1.3 the client is done before it is refused
        context.load_cert_chain(*others)
        with dial(port) as plain, context.wrap_socket(plain, server_hostname="localhost") as secure:
            secure.sendall(b"hello")
            assert receive(secure, 5) == b"hello"
        script.call("close")


def test_files_that_are_no_certificate_are_refused(load: Load, ours: Certificates) -> None:
    script = load(python=SERVER_PY, lua=SERVER_LUA)
    with pytest.raises(CallError, match='a server needs "cert"'):
        script.call("serve", {"verify": True})
    with pytest.raises(CallError, match="cert cannot be read: No such file"):
        script.call("serve", {"cert": "/nowhere.pem"})
    with pytest.raises(CallError, match="are no certificate and its key"):
        script.call("serve", {"cert": ours.key, "key": ours.key})


def test_an_unloaded_script_leaves_no_tls_connection_behind(
    load: Load, session: Session, log: Log, ours: Certificates
) -> None:
    script = load(python=SERVER_PY, lua=SERVER_LUA)
    with steady(session, log):
        port = script.call("serve", {"cert": ours.cert, "key": ours.key})
        context = ssl.create_default_context(cafile=ours.cert)
        with dial(port) as plain, context.wrap_socket(plain, server_hostname="localhost") as secure:
            secure.sendall(b"hello")
            assert receive(secure, 5) == b"hello"
            session.unload("it")
            assert has_ended(secure)
