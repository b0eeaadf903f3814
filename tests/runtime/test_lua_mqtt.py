"""`mqtt` of Lua scripts against a real mosquitto: callbacks with error codes, one listener an event, one `closed`."""
# ruff: noqa: E501 - the long lines are Lua

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from scriptengines.script import Script
from scriptengines.session import Session
from tests.conftest import Log

from .test_mqtt import Broker, needs_mosquitto, start_broker

__all__ = ["start_broker"]

type Write = Callable[[str, str], Path]
type Start = Callable[..., Broker]

SOURCE = """
function connect(uri, options)
    options = options or {}
    options.callback = function(code) print("connect " .. code) end
    client = mqtt.Client.connect(uri, options)
    for name in ("connected message subscribed unsubscribed published error disconnected closed"):gmatch("%a+") do
        client:addEventListener(name, function(e)
            assert(e.event == name and e.client_id)
            print(name, e.topic or e.error or e.packetId or "", e.payload or "", e.returnCode or "", e.qos or "")
        end)
    end
end
function run(code, ...) return assert((loadstring or load)(code))(...) end
"""


@pytest.fixture(params=["5.4", "5.1", "luajit2.1"])
def it(session: Session, write: Write, request: pytest.FixtureRequest) -> Script:
    return session.load(write("it.lua", SOURCE), lua=request.param)


@needs_mosquitto
def test_a_client_publishes_and_subscribes(it: Script, log: Log, start_broker: Start) -> None:
    it.call("connect", start_broker().uri, {"clientId": "me"})
    log.wait_for("connected\t\t\t0")
    log.wait_for("connect 0")
    assert it.call("run", "return client:isConnected(), client:getInfo().client_id") == (True, "me")
    assert (
        it.call(
            "run",
            "return client:subscribe({'a/+', 'b'}, {qos = 1, callback = function(c) print('sub ' .. c) end})",
        )
        == 1
    )
    log.wait_for("sub 0")
    assert isinstance(it.call("run", "return client:subscribe({{'c', 0}, {'d', 2}})"), int)
    assert isinstance(
        it.call(
            "run",
            "return client:publish('a/1', 'x\\255', {qos = 1, callback = function(c) print('pub ' .. c) end})",
        ),
        int,
    )
    log.wait_for("pub 0")
    log.wait_for("message\ta/1\tx\ufffd")  # as a byte that is no UTF-8 is shown
    log.wait_for("published\ta/1")
    it.call("run", "client:publish('d', 'q0', {callback = function(c) print('q0 ' .. c) end})")
    log.wait_for("q0 0")
    log.wait_for("message\td\tq0")
    it.call("run", "client:unsubscribe('b', {callback = function(c) print('unsub ' .. c) end})")
    log.wait_for("unsub 0")


@needs_mosquitto
def test_a_client_that_has_disconnected_keeps_nothing_alive(
    it: Script, log: Log, start_broker: Start
) -> None:
    it.call("connect", start_broker().uri)
    log.wait_for("connect 0")
    it.call("run", "client:disconnect({callback = function(c) print('gone ' .. c) end})")
    log.wait_for("gone 0")
    log.drain()
    assert len([line for line in log.lines("it") if line.startswith("closed")]) == 1
    it.call(
        "run", "assert(client:publish('x', 'y', {callback = function(c) print('failed ' .. c) end}) == nil)"
    )
    log.wait_for("failed 1")
    assert it.call("run", "return client:isConnected(), client:getInfo() == nil") == (False, True)


@needs_mosquitto
def test_a_listener_replaces_the_one_before(it: Script, log: Log, start_broker: Start) -> None:
    it.call(
        "run",
        "connect(...) client:addEventListener('connected', function() print('only me') client:removeEventListener('closed') client:disconnect() end)",
        start_broker().uri,
    )
    log.wait_for("only me")
    log.drain()
    assert not [line for line in log.lines("it") if line.startswith(("connected", "closed"))]


@needs_mosquitto
def test_the_last_will_is_sent(
    it: Script, log: Log, session: Session, write: Write, start_broker: Start
) -> None:
    uri = start_broker().uri
    it.call("connect", uri)
    log.wait_for("connect 0")
    it.call("run", "client:subscribe('will')")
    log.wait_for("subscribed")
    other = session.load(write("other.lua", SOURCE))
    other.call("connect", uri, {"lastWill": {"topic": "will", "payload": "dead"}})
    log.until(lambda: "connect 0" in log.lines("other"))
    session.unload("other")
    log.wait_for("message\twill\tdead")


def test_a_broker_that_is_not_there(it: Script, log: Log) -> None:
    it.call("connect", "mqtt://127.0.0.1:1")
    log.wait_for("connect 1")
    log.wait_for("error\t")
    log.drain()


@needs_mosquitto
def test_the_old_style_and_the_names_of_py(it: Script, log: Log, start_broker: Start) -> None:
    uri = start_broker().uri
    it.call(
        "run",
        """
        local uri = ...
        local c = net.MQTTClient()
        assert(c:connect(uri, {callback = function(code) print("old " .. code) c:disconnect() end}) == c)
        assert(net.QoS.EXACTLY_ONCE == 2 and mqtt.MQTTConnectReturnCode.NOT_AUTHORIZED == 5 and net.Client == mqtt.Client)
        local handle
        handle = _PY.mqtt_client_connect(uri, {}, _PY.registerCallback(function(e)
            if e.event == "connected" then
                print("py " .. tostring(_PY.mqtt_client_is_connected(handle)) .. _PY.mqtt_client_get_info(handle).host)
                _PY.mqtt_client_disconnect(handle)
            end
        end, true))
        """,
        uri,
    )
    log.wait_for("old 0")
    log.wait_for("py true127.0.0.1")
    log.drain()
