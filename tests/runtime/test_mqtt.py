"""MQTT against a real mosquitto: publish, subscribe, wait, be refused, lose the broker and find it again."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scriptengines.errors import CallError
from scriptengines.script import Script
from scriptengines.session import Session
from tests.conftest import DEADLINE, Log

from .netpeers import Peer, language, load, peer, receive_all, start, steady

__all__ = ["language", "load", "peer"]

MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
needs_mosquitto = pytest.mark.skipif(MOSQUITTO is None, reason="talks to mosquitto, which is not installed")

type Load = Callable[..., Script]
type Start = Callable[[Callable[[socket.socket], None]], Peer]


class Broker:
    """A mosquitto on a port of its own."""

    def __init__(self, folder: Path, port: int, settings: str) -> None:
        self.port = port
        self.uri = f"mqtt://127.0.0.1:{port}"
        self._config = folder / "mosquitto.conf"
        self._config.write_text(f"listener {port} 127.0.0.1\n{settings}\n")
        self.start()

    def start(self) -> None:
        assert MOSQUITTO is not None
        nothing = subprocess.DEVNULL
        self.process = subprocess.Popen([MOSQUITTO, "-c", str(self._config)], stdout=nothing, stderr=nothing)
        end = time.monotonic() + DEADLINE
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), DEADLINE).close()
                return
            except ConnectionRefusedError:
                assert time.monotonic() < end, "mosquitto does not answer"
                assert self.process.poll() is None, "mosquitto has ended"
                time.sleep(0.01)

    def stop(self, number: int = signal.SIGTERM) -> None:
        self.process.send_signal(number)
        self.process.wait(DEADLINE)


@pytest.fixture
def start_broker(tmp_path: Path, free_port: Callable[[], int]) -> Iterator[Callable[..., Broker]]:
    brokers: list[Broker] = []

    def make(settings: str = "allow_anonymous true") -> Broker:
        brokers.append(Broker(tmp_path, free_port(), settings))
        return brokers[-1]

    yield make
    for broker in brokers:
        broker.stop(signal.SIGKILL)


PY = """
client = None
def note(*values): host.log(" ".join(map(str, values)))
HANDLERS = {
    "connected": lambda c, present: note("connected", bool(present)),
    "message": lambda c, m: note("message", m["topic"], m["payload"].decode(), m["qos"], m["retain"]),
    "subscribed": lambda c, number, reasons: note("subscribed", number, list(reasons)),
    "unsubscribed": lambda c, number: note("unsubscribed", number),
    "published": lambda c, number: note("published", number),
    "error": lambda c, text: note("error", text),
    "disconnected": lambda c, reason: note("disconnected", reason),
    "closed": lambda c, reason: note("closed", reason),
}
def connect(uri, options=None):
    global client
    client = host.mqtt_connect(uri, options, HANDLERS)
def publish(*args): return client.publish(*args)
def subscribe(*args): return client.subscribe(*args)
def unsubscribe(topic): return client.unsubscribe(topic)
def disconnect(): client.disconnect()
def is_connected(): return client.is_connected()

async def talk(uri):
    client = await host.mqtt_open(uri)
    client.subscribe("a/#", 1)
    for number in range(3):
        await client.deliver("a/b", f"text {number}", 1)
    for _ in range(3):
        message = await client.receive(10000)
        note("received", message["topic"], message["payload"].decode())
    try:
        await client.receive(20)
    except TimeoutError as error:
        note("failed", error)
    client.disconnect()
    note("end", await client.receive())

async def try_open(uri, options=None):
    try:
        client = await host.mqtt_open(uri, options)
        note("open")
        client.disconnect()
    except OSError as error:
        note("failed", error)
"""
LUA = """
local client
local function note(...)
  local texts = {...}
  for i = 1, select("#", ...) do
    local value = texts[i]
    if value == nil then value = "None" end
    texts[i] = tostring(value):gsub("^%l", {t = "T", f = "F"}, type(value) == "boolean" and 1 or 0)
  end
  host.log(table.concat(texts, " "))
end
local handlers = {
  connected = function(c, present) note("connected", present) end,
  message = function(c, m) note("message", m.topic, m.payload, m.qos, m.retain) end,
  subscribed = function(c, number, reasons)
    note("subscribed", number, "[" .. table.concat(reasons, ", ") .. "]")
  end,
  unsubscribed = function(c, number) note("unsubscribed", number) end,
  published = function(c, number) note("published", number) end,
  error = function(c, text) note("error", text) end,
  disconnected = function(c, reason) note("disconnected", reason) end,
  closed = function(c, reason) note("closed", reason) end,
}
function connect(uri, options) client = host.mqtt_connect(uri, options, handlers) end
function publish(...) return client:publish(...) end
function subscribe(...) return client:subscribe(...) end
function unsubscribe(topic) return client:unsubscribe(topic) end
function disconnect() client:disconnect() end
function is_connected() return client:is_connected() end

function talk(uri)
  local client = host.mqtt_open(uri)
  client:subscribe("a/#", 1)
  for number = 0, 2 do client:deliver("a/b", "text " .. number, 1) end
  for _ = 1, 3 do
    local message = client:receive(10000)
    note("received", message.topic, message.payload)
  end
  local ok, err = pcall(client.receive, client, 20)
  note("failed", err)
  client:disconnect()
  note("end", client:receive())
end

function try_open(uri, options)
  local ok, result = pcall(host.mqtt_open, uri, options)
  if ok then note("open") result:disconnect() else note("failed", result) end
end
"""


@pytest.fixture
def script(load: Load) -> Script:
    return load(python=PY, lua=LUA)


@needs_mosquitto
def test_a_script_publishes_and_subscribes(
    script: Script, session: Session, log: Log, start_broker: Callable[..., Broker]
) -> None:
    broker = start_broker()
    with steady(session, log, script):
        script.call("connect", broker.uri)
        log.wait_for("connected False")
        assert script.call("is_connected") is True
        number = script.call("subscribe", ["room/+/light", "other"], 1)
        log.wait_for(f"subscribed {number} [1, 1]")
        number = script.call("publish", "room/1/light", "on", 1)
        log.wait_for(f"published {number}")
        log.wait_for("message room/1/light on 1 False")
        number = script.call("unsubscribe", "other")
        log.wait_for(f"unsubscribed {number}")
        script.call("publish", "room/2/light", "off", 0, True)
        log.wait_for("message room/2/light off 0 False")
        script.call("disconnect")
        log.wait_for("closed None")
    assert script.call("is_connected") is False
    with pytest.raises(CallError, match="not connected"):
        script.call("publish", "room/1/light", "on")


@needs_mosquitto
def test_a_script_waits_for_messages(
    script: Script, session: Session, log: Log, start_broker: Callable[..., Broker]
) -> None:
    broker = start_broker()
    with steady(session, log, script):
        start(script, "talk", broker.uri)
        log.wait_for("end None")
    received = [line for line in log.lines("it") if line.startswith("received")]
    assert received == [f"received a/b text {number}" for number in range(3)]
    assert any("timed out after 20 ms" in line for line in log.lines("it"))


@needs_mosquitto
def test_a_retained_message_and_a_large_one_arrive_whole(
    script: Script, session: Session, log: Log, start_broker: Callable[..., Broker]
) -> None:
    broker = start_broker()
    with steady(session, log, script):
        script.call("connect", broker.uri, {"version": "5", "client_id": "painter"})
        log.wait_for("connected False")
        script.call("publish", "paint/colour", "red", 1, True)
        log.wait_for("published")
        script.call("publish", "paint/large", "x" * 300_000, 1, True)
        log.wait_for("published", 2)
        script.call("subscribe", "paint/#")
        log.wait_for("message paint/colour red 0 True")
        assert f"message paint/large {'x' * 300_000} 0 True" in log.wait_for("message paint/large")[0].text
        script.call("disconnect")


@needs_mosquitto
def test_a_broker_that_refuses_says_why(
    script: Script, session: Session, log: Log, start_broker: Callable[..., Broker]
) -> None:
    broker = start_broker("allow_anonymous false")
    with steady(session, log, script):
        start(script, "try_open", broker.uri)
        log.wait_for(f"failed connect {broker.uri}: Not authorized")
        script.call("connect", broker.uri.replace("//", "//ada:secret@"))
        log.wait_for(f"error connect {broker.uri}: Not authorized")
        log.wait_for("closed")
    assert not any("secret" in line for line in log.lines())


def test_a_broker_that_is_not_there_is_told(
    script: Script, session: Session, log: Log, free_port: Callable[[], int]
) -> None:
    port = free_port()
    with steady(session, log, script):
        start(script, "try_open", f"mqtt://127.0.0.1:{port}")
        log.wait_for(f"connect mqtt://127.0.0.1:{port}: connection refused")
    with pytest.raises(CallError, match="write mqtt://HOST:PORT"):
        script.call("connect", "http://127.0.0.1")


def test_a_server_that_does_not_answer_times_out(
    script: Script, session: Session, log: Log, peer: Start
) -> None:
    server = peer(lambda connection: receive_all(connection) and None)
    with steady(session, log, script):
        start(script, "try_open", f"127.0.0.1:{server.port}", {"timeout": 50})
        log.wait_for(f"connect mqtt://127.0.0.1:{server.port}: timed out after 50 ms")


@needs_mosquitto
def test_a_lost_broker_is_told_and_found_again(
    script: Script, session: Session, log: Log, start_broker: Callable[..., Broker]
) -> None:
    broker = start_broker()
    with steady(session, log, script):
        script.call("connect", broker.uri, {"reconnect": 20})
        log.wait_for("connected")
        broker.stop(signal.SIGKILL)
        log.wait_for("disconnected " + broker.uri)
        with pytest.raises(CallError, match="not connected"):
            script.call("publish", "a", "b")
        log.wait_for("error connect")
        broker.start()
        log.wait_for("connected False", 2)
        script.call("disconnect")
        log.wait_for("closed None")


@needs_mosquitto
def test_without_reconnect_a_lost_broker_is_the_end(
    script: Script, session: Session, log: Log, start_broker: Callable[..., Broker]
) -> None:
    broker = start_broker()
    with steady(session, log, script):
        script.call("connect", broker.uri)
        log.wait_for("connected")
        broker.stop(signal.SIGKILL)
        log.wait_for("closed " + broker.uri)
