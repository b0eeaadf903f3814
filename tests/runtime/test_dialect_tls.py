"""`wss`, `https` and `mqtts` of the Lua dialect: certificates are verified, also those of an own authority."""

# ruff: noqa: E501 - the long lines are Lua

from __future__ import annotations

import shutil
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection
from websockets.sync.server import serve as websocket_server

from scriptengines.errors import CallError
from scriptengines.script import Script
from scriptengines.session import Session
from tests.conftest import Log

from .test_mqtt import Broker, needs_mosquitto, start_broker

__all__ = ["start_broker"]

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="makes its certificates with openssl")

type Write = Callable[[str, str], Path]


class Authority(NamedTuple):
    """Files: an authority's certificate, and one that it has signed for localhost with its key."""

    ca: str
    cert: str
    key: str


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    folder = tmp_path_factory.mktemp("authority")
    ca, ca_key, cert, key, asked = (
        str(folder / name) for name in ("ca.pem", "ca.key", "it.pem", "it.key", "it.csr")
    )
    new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    run("openssl", "req", "-x509", *new_key, "-keyout", ca_key, "-out", ca, "-days", "2", "-subj", "/CN=Own authority",
        "-addext", "keyUsage=critical,keyCertSign,cRLSign")  # fmt: skip
    run("openssl", "req", *new_key, "-keyout", key, "-out", asked, "-subj", "/CN=localhost")
    names = folder / "names"
    names.write_text(
        "subjectAltName=DNS:localhost,IP:127.0.0.1\nauthorityKeyIdentifier=keyid\nsubjectKeyIdentifier=hash\n"
    )
    run("openssl", "x509", "-req", "-in", asked, "-CA", ca, "-CAkey", ca_key, "-CAcreateserial", "-out", cert,
        "-days", "2", "-extfile", str(names))  # fmt: skip
    return Authority(ca, cert, key)


@pytest.fixture
def context(authority: Authority) -> ssl.SSLContext:
    made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    made.load_cert_chain(authority.cert, authority.key)
    return made


@pytest.fixture(params=["5.4", "5.1", "luajit2.1"])
def it(session: Session, write: Write, request: pytest.FixtureRequest) -> Script:
    return session.load(
        write("it.lua", "function run(code, ...) return assert((loadstring or load)(code))(...) end"),
        lua=request.param,
    )


# ---- wss ---------------------------------------------------------------------------------------------------

WEBSOCKET = """
local url, options, name = ...
client = net.WebSocketClientTls(options)
client:addEventListener("connected", function() print(name .. " connected") client:send("h\\255") end)
client:addEventListener("dataReceived", function(data) print(name .. " got " .. #data) client:close() print(name .. " done") end)
client:addEventListener("disconnected", function() print(name .. " disconnected") end)
client:addEventListener("error", function(problem) print(name .. " error " .. problem) end)
client:connect(url)
"""


@pytest.fixture
def wss(context: ssl.SSLContext) -> Iterator[str]:
    def talk(connection: ServerConnection) -> None:
        try:
            for message in connection:
                connection.send(message)
        except ConnectionClosed:
            pass

    with websocket_server(talk, "127.0.0.1", 0, ssl=context) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"wss://localhost:{server.socket.getsockname()[1]}/"
        server.shutdown()
        thread.join()


def test_a_websocket_to_a_server_of_an_own_authority(
    it: Script, log: Log, wss: str, authority: Authority
) -> None:
    it.call("run", WEBSOCKET, wss, {"ca": authority.ca}, "ours")
    log.wait_for("ours done")
    it.call("run", WEBSOCKET, wss, {"checkCertificate": False}, "unchecked")
    log.wait_for("unchecked done")
    log.drain()
    assert not [line for line in log.lines("it") if "error" in line]


def test_without_that_authority_it_is_refused(it: Script, log: Log, wss: str) -> None:
    it.call("run", WEBSOCKET, wss, {}, "it")
    assert "certificate is not trusted" in log.wait_for("it error Connection error: ")[0].text
    log.drain()
    assert len(log.lines("it")) == 1


def test_a_certificate_for_another_name_is_refused(
    it: Script, log: Log, wss: str, authority: Authority
) -> None:
    it.call("run", WEBSOCKET, wss.replace("localhost", "127.0.0.2"), {"ca": authority.ca}, "it")
    assert len(log.wait_for("it error Connection error: ")) == 1
    log.drain()


# ---- https -------------------------------------------------------------------------------------------------


class _Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        is_stream = self.path == "/events"
        body = b"id: 1\ndata: one\n\ndata: two\n\n" if is_stream else b"secret"
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream" if is_stream else "text/plain")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


def _serve(context: ssl.SSLContext | None) -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Answers) as server:
        if context is not None:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.fixture
def https(context: ssl.SSLContext) -> Iterator[str]:
    for port in _serve(context):
        yield f"https://localhost:{port}"


@pytest.fixture
def http() -> Iterator[str]:
    for port in _serve(None):
        yield f"http://127.0.0.1:{port}"


def test_an_https_server_of_an_own_authority(it: Script, log: Log, https: str, authority: Authority) -> None:
    code = """
        local url, options, name = ...
        net.HTTPClient():request(url, {
            options = options,
            success = function(r) print(name .. " got " .. r.data) end,
            error = function(problem) print(name .. " error " .. problem) end,
        })
    """
    it.call("run", code, https, {"ca": authority.ca}, "ours")
    log.wait_for("ours got secret")
    it.call("run", code, https, {"checkCertificate": False}, "unchecked")
    log.wait_for("unchecked got secret")
    it.call("run", code, https, {}, "others")
    assert "certificate is not trusted" in log.wait_for("others error ")[0].text
    log.drain()


# ---- streams by registered callbacks -----------------------------------------------------------------------


def test_a_stream_by_a_registered_callback(it: Script, log: Log, http: str) -> None:
    it.call(
        "run",
        """
        local base = ...
        local id = _PY.registerCallback(function(problem, event)
            if problem then return print("end " .. problem) end
            print("event " .. event.status .. " " .. event.data .. " " .. tostring(event.id) .. " " .. tostring(event.streaming))
        end, true)
        stream = _PY.call_http_stream(base .. "/events", {headers = {Accept = "text/event-stream"}}, id)
        assert(type(stream) == "string")
        """,
        http,
    )
    log.wait_for("event 200 one 1 true")
    log.wait_for("event 200 two")
    log.wait_for("end stream closed")
    log.drain()  # neither the stream nor its callback keeps the run alive
    assert it.call("run", "return _PY.cancel_http_stream(stream)") is False


def test_a_stream_that_is_cancelled_tells_nothing_more(it: Script, log: Log, http: str) -> None:
    it.call(
        "run",
        """
        local base = ...
        local id = _PY.registerCallback(function(problem) print("told " .. tostring(problem)) end, true)
        stream = _PY.call_http_stream(base .. "/events", {}, id)
        print("cancelled " .. tostring(_PY.cancel_http_stream(stream)) .. " " .. tostring(_PY.cancel_http_stream(stream)))
        _PY.clearRegisteredCallback(id)
        """,
        http,
    )
    log.wait_for("cancelled true false")
    log.drain()
    assert log.lines("it") == ["cancelled true false"]


# ---- UDP of the older generation ---------------------------------------------------------------------------


def test_udp_by_functions_of_the_older_generation(it: Script, log: Log) -> None:
    it.call(
        "run",
        """
        local server = host.udp_open("127.0.0.1", 0, {
            data = function(socket, data, address, port) socket:send(data .. "!", address, port) end,
        })
        _PY.udp_connect("127.0.0.1", server.port, function(ok, conn, message)
            assert(ok and message == "Connected")
            _PY.udp_read(conn, 100, function(ok, data, message)
                print("read " .. tostring(ok) .. " " .. data:gsub("\\255", "x") .. " " .. message)
                _PY.udp_close(conn, function(ok, message)
                    print("closed " .. tostring(ok) .. " " .. message)
                    server:close()
                    _PY.udp_close(conn, function(ok, message) print("again " .. tostring(ok) .. " " .. message) end)
                    _PY.udp_write(conn, "x", nil, nil, function(ok, bytes, message) print("late " .. tostring(ok) .. " " .. bytes .. " " .. message) end)
                    _PY.udp_read(conn, 100, function(ok, data, message) print("gone " .. tostring(ok) .. " " .. tostring(data) .. " " .. message) end)
                end)
            end)
            _PY.udp_write(conn, "h\\255", nil, nil, function(ok, bytes, message)
                print("written " .. tostring(ok) .. " " .. bytes .. " " .. message)
            end)
        end)
        """,
    )
    for text in ("written true 2 Sent", "read true hx! Received", "closed true Closed"):
        log.wait_for(text)
    for text in ("again false Not connected", "late false 0 Not connected", "gone false nil Not connected"):
        log.wait_for(text)
    log.drain()


def test_a_name_that_does_not_exist_is_told_to_who_writes(it: Script, log: Log) -> None:
    it.call(
        "run",
        """
        _PY.udp_connect("nowhere.invalid", 9, function(ok, conn)
            _PY.udp_write(conn, "x", nil, nil, function(ok, bytes, message)
                print("failed " .. tostring(ok) .. " " .. bytes .. " " .. message)
                _PY.udp_close(conn)
            end)
        end)
        """,
    )
    assert len(log.wait_for("failed false 0 ")[0].text) > len("failed false 0 ")
    log.drain()


# ---- mqtts -------------------------------------------------------------------------------------------------

MQTT = """
local uri, tls, name = ...
client = mqtt.Client.connect(uri, {tls = tls, callback = function(code) print(name .. " code " .. code) end})
client:addEventListener("connected", function() client:subscribe("a", {callback = function() client:publish("a", "hidden") end}) end)
client:addEventListener("message", function(e) print(name .. " got " .. e.payload) client:disconnect() end)
client:addEventListener("error", function(e) print(name .. " error " .. e.error) end)
client:addEventListener("closed", function() print(name .. " closed") end)
"""


@needs_mosquitto
def test_a_broker_of_an_own_authority(
    it: Script, log: Log, authority: Authority, start_broker: Callable[..., Broker]
) -> None:
    # As root it would become a user who may not read the key.
    broker = start_broker(
        f"user root\nallow_anonymous true\ncertfile {authority.cert}\nkeyfile {authority.key}"
    )
    uri = f"mqtts://localhost:{broker.port}"
    it.call("run", MQTT, uri, {"ca": authority.ca}, "ours")
    for text in ("ours code 0", "ours got hidden", "ours closed"):
        log.wait_for(text)
    it.call("run", MQTT, uri, {"allowUnauthorized": True}, "unchecked")
    log.wait_for("unchecked got hidden")
    it.call("run", MQTT, uri, None, "others")
    assert "certificate" in log.wait_for("others error ")[0].text
    it.call("run", "client:disconnect()")
    log.drain()
    assert not [
        line for line in log.lines("it") if line.startswith(("ours error", "others got", "others code 0"))
    ]


def test_an_authority_outside_of_the_folder_of_a_confined_script(
    session: Session, write: Write, authority: Authority, tmp_path: Path, log: Log
) -> None:
    script = session.load(
        write("it.lua", "function run(code, ...) return assert(load(code))(...) end"), files="own"
    )
    for code in (
        "host.tcp_serve('127.0.0.1', 0, {tls = {cert = ..., key = ...}})",
        "host.http_serve('127.0.0.1', 0, {}, {tls = {cert = ..., key = ...}})",
        "host.tcp_connect('127.0.0.1', 9, {tls = {ca = ...}})",
        "host.mqtt_connect('mqtts://127.0.0.1:9', {tls = {ca = ...}}, {})",
    ):
        with pytest.raises(CallError, match=r"is outside of the script's folder"):
            script.call("run", code, authority.cert)
    script.call(
        "run",
        "net.HTTPClient():request('https://127.0.0.1:9/', {options = {ca = ...}, error = function(e) print('https ' .. e) end})",
        authority.ca,
    )
    assert "is outside of the script's folder" in log.wait_for("https ")[0].text
    own = tmp_path / "own.pem"
    shutil.copy(authority.cert, own)
    shutil.copy(authority.key, tmp_path / "own.key")
    code = "local folder = ... host.tcp_serve('127.0.0.1', 0, {tls = {cert = folder .. '/own.pem', key = folder .. '/own.key'}}):close()"
    script.call("run", code, str(tmp_path))
    log.drain()
