"""MQTT for scripts: paho speaks the protocol; connecting, TLS, timers and callbacks are the own loop's.

paho gets a stream in the place of its socket, so it never waits and needs no thread.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote, urlsplit

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from scriptengines.host import HostObject
from scriptengines.hostapi.registry import host_function

from .failures import explain, format_address, format_endpoint
from .limits import Place, limits_of
from .settings import bytes_of, count_of, seconds, split_handlers, values_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scriptengines.host import Host

EVENTS = (
    "connected",
    "message",
    "subscribed",
    "unsubscribed",
    "published",
    "error",
    "disconnected",
    "closed",
)
OPTIONS: dict[str, Any] = {
    "client_id": "",
    "username": None,
    "password": None,
    "keepalive": 60000,
    "clean": True,
    "version": "3.1.1",
    "will": None,
    "tls": None,
    "timeout": 10000,
    "reconnect": 0,
}
PORTS = {"mqtt": 1883, "mqtts": 8883}
VERSIONS = {"3.1.1": MQTTProtocolVersion.MQTTv311, "5": MQTTProtocolVersion.MQTTv5}
UNREAD = 1000
"""Messages that wait to be received from which on the broker has to wait."""


class _Stream(asyncio.Protocol):
    """A connection to the broker, with the methods of a socket that paho uses."""

    _application = "mqtt"

    def __init__(self, client: MqttClient, place: Place) -> None:
        self._client = client
        self._place = place
        self._arrived = bytearray()
        self._ended = False
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def pause(self) -> None:
        """Let the broker wait."""
        if not self._ended:
            self.transport.pause_reading()

    def resume(self) -> None:
        """Read again; harmless when it does already."""
        if not self._ended:
            self.transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        self._arrived += data
        self._client.read(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended = True
        self._place.release()
        self._client.lost(self, exc)

    @property
    def unread(self) -> int:
        """Bytes that paho has not taken."""
        return len(self._arrived)

    # ---- as a socket -----------------------------------------------------------------------------

    def recv(self, size: int) -> bytes:
        """For paho."""
        if not self._arrived and not self._ended:
            raise BlockingIOError
        taken = bytes(self._arrived[:size])
        del self._arrived[:size]
        return taken

    def send(self, data: bytes | bytearray) -> int:
        """For paho."""
        if self._ended or self.transport.is_closing():
            raise ConnectionError("the connection is closed")
        self.transport.write(bytes(data))
        return len(data)

    def setblocking(self, flag: bool) -> None:
        """For paho."""

    def close(self) -> None:
        """For paho."""
        if self.transport is not None:
            self.transport.close()


class _Protocol(paho.Client):
    """paho's client on a stream that is given to it."""

    stream: _Stream | None = None

    def _create_socket(self) -> Any:
        assert self.stream is not None
        return self.stream


class MqttClient(HostObject):
    """A client of an MQTT broker.

    Attributes:
        uri: Of the broker, without a password.
        peer: Its address, once connected.
    """

    def __init__(self, host: Host, uri: str, options: Mapping[str, Any] | None, handlers: Any) -> None:
        super().__init__(host)
        self._source = host.caller()
        self._handlers, _ = split_handlers("mqtt_connect", EVENTS, (), handlers)
        self._limits = limits_of(host)
        self._late = 0
        names = dict(zip(OPTIONS, values_of("mqtt_connect", options, **OPTIONS), strict=True))
        self._name, self._port, tls = self._take_apart(uri, names)
        self._timeout = seconds("mqtt_connect", names["timeout"])
        self._reconnect = seconds("mqtt_connect: reconnect", names["reconnect"]) or 0.0
        self._tls: Any = None
        if tls:
            from .tls import client_context

            self._tls = client_context(host, tls, self._name)
        self._keepalive = max(1, round(seconds("mqtt_connect: keepalive", names["keepalive"]) or 0))
        self._mqtt = self._make(names)
        self._stream: _Stream | None = None
        self._events: deque[tuple[Any, ...]] = deque()
        self._messages: deque[dict[str, Any]] = deque()
        self._receiver: asyncio.Future[None] | None = None
        self._answer: asyncio.Future[None] | None = None
        self._deliveries: dict[int, asyncio.Future[None]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[Any] | None = None
        self._is_connected = self._is_ended = self._is_paused = False
        self.peer = ""

    def _take_apart(self, uri: str, names: dict[str, Any]) -> tuple[str, int, Any]:
        parts = urlsplit(uri if "://" in uri else f"mqtt://{uri}")
        if parts.scheme not in PORTS or not parts.hostname:
            raise ValueError(f"mqtt_connect: write mqtt://HOST:PORT or mqtts://HOST:PORT, got {uri!r}")
        if parts.username is not None and names["username"] is None:
            names["username"] = unquote(parts.username)
            names["password"] = None if parts.password is None else unquote(parts.password)
        port = parts.port or PORTS[parts.scheme]
        self.uri = f"{parts.scheme}://{format_endpoint(parts.hostname, port)}"
        return parts.hostname, port, names["tls"] or parts.scheme == "mqtts"

    def _make(self, names: dict[str, Any]) -> _Protocol:
        version = VERSIONS.get(str(names["version"]).removesuffix(".0"))
        if version is None:
            raise ValueError(f'mqtt_connect: version must be "3.1.1" or "5", got {names["version"]!r}')
        made = _Protocol(
            CallbackAPIVersion.VERSION2,
            client_id=str(names["client_id"]),
            clean_session=bool(names["clean"]) if version == MQTTProtocolVersion.MQTTv311 else None,
            protocol=version,
        )
        if names["username"] is not None:
            made.username_pw_set(str(names["username"]), names["password"])
        if names["will"] is not None:
            topic, payload, qos, retain = values_of(
                "mqtt_connect: will", names["will"], topic="", payload=b"", qos=0, retain=False
            )
            made.will_set(topic, bytes_of("mqtt_connect: will", payload), int(qos), bool(retain))
        made.on_connect = self._on_connect
        made.on_message = self._on_message
        made.on_publish = self._on_publish
        made.on_unsubscribe = self._on_unsubscribe
        made.on_subscribe = self._on_subscribe
        return made

    # ---- called by paho: noted, and told when it is done -----------------------------------------

    def _on_connect(self, _client: Any, _data: Any, flags: Any, reason: Any, _properties: Any) -> None:
        self._events.append(
            ("refused", str(reason)) if reason.is_failure else ("connected", flags.session_present)
        )

    def _on_message(self, _client: Any, _data: Any, message: Any) -> None:
        names = ("topic", "payload", "qos", "retain", "dup", "mid")
        found = {name: getattr(message, name) for name in names}
        found["duplicate"], found["id"] = found.pop("dup"), found.pop("mid")
        found["payload"] = bytes(found["payload"])
        found["retain"] = bool(found["retain"])
        self._events.append(("message", found))

    def _on_publish(self, _client: Any, _data: Any, number: int, _reason: Any, _properties: Any) -> None:
        self._events.append(("published", number))

    def _on_unsubscribe(self, _client: Any, _data: Any, number: int, _reasons: Any, _properties: Any) -> None:
        self._events.append(("unsubscribed", number))

    def _on_subscribe(self, _client: Any, _data: Any, number: int, reasons: Any, _properties: Any) -> None:
        failed = [str(reason) for reason in reasons if reason.is_failure]
        self._events.append(("subscribed", number, [reason.value for reason in reasons]))
        if failed:
            self._events.append(("error", f"{self.uri}: subscription {number}: {', '.join(failed)}"))

    # ---- the connection --------------------------------------------------------------------------

    async def open(self) -> MqttClient:
        """Connect, and wait for the broker's answer; for `mqtt_connect` and `mqtt_open`."""
        what = f"connect {self.uri}"
        place = Place(self._host, what)
        stream = _Stream(self, place)
        named: dict[str, Any] = (
            {} if self._tls is None else {"ssl": self._tls[0], "server_hostname": self._tls[1]}
        )
        scope = asyncio.timeout(self._timeout)
        try:
            async with scope:
                await self._host.loop.create_connection(
                    lambda: stream, self._name, self._port, all_errors=True, **named
                )
                self._stream = self._mqtt.stream = stream
                self._limits.senders.add(self)
                self.peer = format_address(stream.transport.get_extra_info("peername"))
                self._answer = self._host.loop.create_future()
                self._mqtt.connect_async(self._name, self._port, self._keepalive)
                self._mqtt.reconnect()
                await self._answer
        except BaseException as error:
            self._limits.senders.discard(self)
            if stream.transport is None:
                place.release()
            else:
                self._stream = None
                stream.transport.abort()
            if isinstance(error, TimeoutError) and scope.expired():
                text = f"{what}: timed out after {(self._timeout or 0) * 1000:g} ms"
                raise TimeoutError(text) from None
            if isinstance(error, (OSError, ExceptionGroup, UnicodeError)):
                raise explain(what, cast("BaseException", error)) from None
            raise
        finally:
            self._answer = None
        self._tick()
        return self

    def start(self) -> None:
        """Connect in the background."""
        self._task = self._host.loop.create_task(self._open_and_tell(), name=f"mqtt_connect {self.uri}")

    async def _open_and_tell(self) -> None:
        try:
            await self.open()
        except OSError as error:
            self._tell("error", str(error))
            self._retry(str(error))

    def _retry(self, reason: str | None) -> None:
        if self._reconnect and not self._is_ended:
            self._timer = self._host.loop.call_later(self._reconnect, self.start)
        else:
            self._is_ended = True
            self._tell("closed", reason)

    def _tick(self) -> None:
        """Let paho look whether it has to send, or miss, a sign of life."""
        if self._is_connected:
            self._timer = self._host.loop.call_later(max(0.5, self._keepalive / 4), self._tick)
            self._mqtt.loop_misc()
            self._dispatch()

    def read(self, stream: _Stream) -> None:
        """For the stream: something has arrived."""
        if stream is self._stream:
            before = -1
            while stream.unread != before and self._stream is stream:
                before = stream.unread
                self._mqtt.loop_read()
            self._dispatch()

    def lost(self, stream: _Stream, error: Exception | None) -> None:
        """For the stream: the connection has ended."""
        if stream is not self._stream:
            return
        self._mqtt.loop_read()  # finds the end, and forgets the stream
        self._dispatch()
        self._stream = None
        self._limits.senders.discard(self)
        reason = (
            None
            if self._is_ended
            else str(explain(self.uri, error or ConnectionError("the broker ended it")))
        )
        was_connected, self._is_connected = self._is_connected, False
        if self._timer is not None:
            self._timer.cancel()
        for waiting in self._deliveries.values():
            _fail(waiting, ConnectionError(reason or f"{self.uri}: disconnected"))
        self._deliveries.clear()
        if self._receiver is not None and not self._receiver.done():
            self._receiver.set_result(None)
        if self._answer is not None:
            _fail(self._answer, ConnectionError("the broker ended the connection"))
        elif was_connected:
            self._tell("disconnected", reason)
            self._retry(reason)

    # ---- what the script is told -----------------------------------------------------------------

    def _dispatch(self) -> None:
        while self._events:
            name, *args = self._events.popleft()
            if name == "refused":
                if self._answer is not None:
                    _fail(self._answer, ConnectionRefusedError(args[0]))
            elif name == "connected":
                self._is_connected = True
                if self._answer is not None and not self._answer.done():
                    self._answer.set_result(None)
                self._tell(name, *args)
            elif name == "message" and "message" not in self._handlers:
                self._keep(args[0])
            else:
                if name == "published" and args[0] in self._deliveries:
                    waiting = self._deliveries.pop(args[0])
                    if not waiting.done():
                        waiting.set_result(None)
                self._tell(name, *args)

    def _tell_late(self, event: str, handler: Any, args: tuple[Any, ...]) -> None:
        """The rate of the script allows it now; when nothing is late any more, the broker may send again."""
        self._late -= 1
        self._host.run(f"mqtt {event} callback", handler, (self, *args))
        if not self._late and self._stream is not None:
            self._stream.resume()

    def _tell(self, event: str, *args: Any) -> None:
        handler = self._handlers.get(event)
        if handler is not None and self._limits.rate:
            self._late += 1
            if self._stream is not None and event == "message":
                self._stream.pause()
            self._limits.call(self._tell_late, event, handler, args)
        elif handler is not None:
            self._host.run(f"mqtt {event} callback", handler, (self, *args))
        elif event == "error":
            self._host.reporter.error("mqtt", ConnectionError(args[0]))

    def _keep(self, message: dict[str, Any]) -> None:
        self._messages.append(message)
        if self._receiver is not None and not self._receiver.done():
            self._receiver.set_result(None)
        if len(self._messages) >= UNREAD and self._stream is not None:
            self._is_paused = True
            self._stream.transport.pause_reading()

    # ---- for scripts -----------------------------------------------------------------------------

    def publish(self, topic: str, payload: Any = b"", qos: int = 0, retain: bool = False) -> int:
        """Send a message.

        Args:
            topic: Without wildcards.
            payload: bytes, or a str as UTF-8.
            qos: 0, 1 or 2.
            retain: Whether the broker keeps it for later subscribers.

        Returns:
            Its number, with which "published" is called once the broker has it.

        Raises:
            ConnectionError: Not connected.
            BlockingIOError: Too much waits to be sent already (option max_queued).
        """
        data = bytes_of("publish", payload)
        self._check_connected()
        limits = self._limits
        limits.estimate += len(data)
        if limits.estimate > limits.max_queued:
            limits.check_queued(f"publish {self.uri}", len(data))
        number = self._mqtt.publish(str(topic), data, _qos(qos), bool(retain)).mid
        self._host.loop.call_soon(self._dispatch)
        return number

    async def deliver(
        self, topic: str, payload: Any = b"", qos: int = 1, retain: bool = False, timeout: Any = None
    ) -> int:
        """Send a message, and wait until the broker has it.

        Raises:
            ConnectionError: Not connected, or the connection was lost meanwhile.
            TimeoutError: It was not confirmed within `timeout` milliseconds.
        """
        limit = seconds("deliver", timeout)
        number = self.publish(topic, payload, qos, retain)
        waiting = self._deliveries[number] = self._host.loop.create_future()
        scope = asyncio.timeout(limit)
        try:
            async with scope:
                await waiting
        except TimeoutError:
            raise TimeoutError(f"deliver {self.uri}: timed out after {(limit or 0) * 1000:g} ms") from None
        finally:
            self._deliveries.pop(number, None)
        return number

    def subscribe(self, topic: Any, qos: int = 0) -> int:
        """Ask for the messages of a topic, which may have wildcards, or of a list of topics.

        Returns:
            A number, with which "subscribed" is called.

        Raises:
            ConnectionError: Not connected.
        """
        self._check_connected()
        topics = cast("list[Any]", topic) if isinstance(topic, (list, tuple)) else [topic]
        level = _qos(qos)
        _, number = self._mqtt.subscribe([(str(each), level) for each in topics])
        assert number is not None
        return number

    def unsubscribe(self, topic: Any) -> int:
        """End what `subscribe` asked for.

        Returns:
            A number, with which "unsubscribed" is called.
        """
        self._check_connected()
        topics = cast("list[Any]", topic) if isinstance(topic, (list, tuple)) else [topic]
        _, number = self._mqtt.unsubscribe([str(each) for each in topics])
        assert number is not None
        return number

    async def receive(self, timeout: Any = None) -> dict[str, Any] | None:
        """Wait for a message, when there is no "message" handler.

        Returns:
            What the handler would get: topic, payload, qos, retain, duplicate, id; None at the end.

        Raises:
            TimeoutError: None came within `timeout` milliseconds.
        """
        if "message" in self._handlers:
            raise RuntimeError(f'{self.uri}: messages go to the "message" handler')
        if self._receiver is not None:
            raise RuntimeError(f"{self.uri}: another receive is waiting already")
        limit = seconds("receive", timeout)
        scope = asyncio.timeout(limit)
        try:
            async with scope:
                while not self._messages and not self._is_ended:
                    self._receiver = self._host.loop.create_future()
                    await self._receiver
        except TimeoutError:
            raise TimeoutError(f"receive {self.uri}: timed out after {(limit or 0) * 1000:g} ms") from None
        finally:
            self._receiver = None
        found = self._messages.popleft() if self._messages else None
        if self._is_paused and len(self._messages) < UNREAD // 2 and self._stream is not None:
            self._is_paused = False
            self._stream.transport.resume_reading()
        return found

    def disconnect(self) -> None:
        """Take leave of the broker; harmless when that has happened."""
        if self._is_ended:
            return
        self._is_ended = True
        if self._timer is not None:
            self._timer.cancel()
        if self._is_connected:
            self._mqtt.disconnect()
        elif self._task is not None:
            self._task.cancel()
        if self._receiver is not None and not self._receiver.done():
            self._receiver.set_result(None)

    def close(self) -> None:
        """`disconnect`, by the name that other connections have."""
        self.disconnect()

    def is_connected(self) -> bool:
        """Whether the broker has accepted it and is there."""
        return self._is_connected

    @property
    def queued(self) -> int:
        """Bytes that wait to be sent."""
        return 0 if self._stream is None else self._stream.transport.get_write_buffer_size()

    def __str__(self) -> str:
        return f"mqtt client of {self.uri}"

    def _check_connected(self) -> None:
        if not self._is_connected or self._is_ended:
            raise ConnectionError(f"{self.uri}: not connected")


@host_function("network")
def mqtt_connect(
    host: Host,
    uri: str,
    options: Mapping[str, Any] | None = None,
    handlers: Mapping[str, Any] | None = None,
) -> MqttClient:
    """Connect to an MQTT broker, and be called back.

    Args:
        uri: "mqtt://host:1883", "mqtts://host:8883" with TLS; may hold user and password.
        options: "client_id", "username", "password", "keepalive" (60000 ms), "clean" (true), "version"
            ("3.1.1" or "5"), "will" {"topic", "payload", "qos", "retain"}, "tls" as for `tcp_connect`,
            "timeout" (10000 ms), "reconnect": milliseconds after which to try again, for ever; 0 for never.
        handlers: "connected"(client, session_present), "message"(client, {topic, payload, qos, retain,
            duplicate, id}), "subscribed"(client, id, reasons), "unsubscribed"(client, id),
            "published"(client, id), "error"(client, message), "disconnected"(client, reason),
            "closed"(client, reason).

    Returns:
        The client; it can publish and subscribe once "connected" was called.
    """
    client = MqttClient(host, uri, options, handlers)
    client.start()
    return client


@host_function("network")
async def mqtt_open(
    host: Host,
    uri: str,
    options: Mapping[str, Any] | None = None,
    handlers: Mapping[str, Any] | None = None,
) -> MqttClient:
    """Connect to an MQTT broker, and wait until it has accepted.

    Args:
        uri: As for `mqtt_connect`.
        options: The same.
        handlers: The same; without "message", messages are waited for with `receive`.

    Returns:
        The client.

    Raises:
        OSError: It could not be reached, or has refused; the text tells why.
        TimeoutError: Not within "timeout".
    """
    return await MqttClient(host, uri, options, handlers).open()


def _qos(value: Any) -> int:
    number = count_of("mqtt", "qos", value)
    if number > 2:
        raise ValueError(f"mqtt: qos must be 0, 1 or 2, got {value!r}")
    return number


def _fail(waiting: asyncio.Future[None], error: Exception) -> None:
    if not waiting.done():
        waiting.set_exception(error)
        waiting.exception()  # it may be that nobody waits any more
