"""The examples of network scripts, each against a peer in another process; and a C module on a connection."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from scriptengines.session import Session
from tests.batch.support import EXAMPLES, LIMIT, batch, command
from tests.conftest import DEADLINE, Log

from .netpeers import Peer, dial, echo, peer, receive, steady
from .test_mqtt import Broker, needs_mosquitto, start_broker

__all__ = ["peer", "start_broker"]

type Start = Callable[[Callable[[socket.socket], None]], Peer]


@contextmanager
def running(*arguments: str | Path) -> Iterator[Callable[[], str]]:
    """An example in a process of its own; gives its next line of output. Interrupted in the end."""
    process = subprocess.Popen(command("--batch", *arguments), stdout=subprocess.PIPE, text=True)
    killer = threading.Timer(LIMIT, process.kill)
    killer.start()
    assert process.stdout is not None
    output = process.stdout
    try:
        yield lambda: output.readline().rstrip("\n")
        process.send_signal(signal.SIGINT)
        process.wait(DEADLINE)
    finally:
        killer.cancel()
        process.kill()
        process.wait()
        output.close()


def port_in(line: str) -> int:
    assert line.startswith("listening on 127.0.0.1:")
    return int(line.rpartition(":")[2])


@pytest.mark.parametrize("name", ["tcp_echo.py", "tcp_echo.lua"])
def test_the_echo_servers(name: str) -> None:
    with running(EXAMPLES / name) as line:
        with dial(port_in(line())) as client:
            own = f"127.0.0.1:{client.getsockname()[1]}"
            assert line() == f"{own} is here"
            client.sendall(b"hello")
            assert receive(client, 5) == b"hello"
        assert line() == f"{own} has gone after 5 bytes: no error"


@pytest.mark.parametrize("name", ["tcp_ask.py", "tcp_ask.lua"])
def test_the_clients_that_wait(name: str, peer: Start, free_port: Callable[[], int]) -> None:
    def serve(connection: socket.socket) -> None:
        with connection.makefile("rwb") as lines:
            lines.write(lines.readline().upper())
            lines.flush()
            lines.readline()

    port = str(peer(serve).port)
    run = batch(EXAMPLES / name, "--", "127.0.0.1", port, "one", "two")
    assert (run.code, run.lines) == (0, ["one: ONE", "two: no answer"])
    port = str(free_port())
    run = batch(EXAMPLES / name, "--", "127.0.0.1", port, "one")
    [line] = run.lines
    assert line.startswith("failed: ")
    assert line.endswith(f"connect 127.0.0.1:{port}: connection refused")


def test_the_datagrams() -> None:
    with running(EXAMPLES / "udp_count.py") as line:
        port = str(port_in(line()))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
            other.settimeout(DEADLINE)
            for count in (b"1", b"2"):
                other.sendto(b"hello", ("127.0.0.1", int(port)))
                assert other.recv(100) == count + b": hello"
        run = batch(EXAMPLES / "udp_ask.lua", "--", "127.0.0.1", port, "hello")
        assert (run.code, run.lines) == (0, ["try 1: 1: hello"])


@needs_mosquitto
def test_the_rooms(start_broker: Callable[..., Broker]) -> None:
    uri = start_broker().uri
    with running(EXAMPLES / "mqtt_rooms.py", "--", uri) as line:
        assert line() == "watching"
        for room, state in (("kitchen", "on"), ("hall", "end")):
            run = batch(EXAMPLES / "mqtt_switch.lua", "--", uri, room, state)
            assert (run.code, run.lines) == (0, [f"{room} is {state}"])
            assert line() == f"{room}: {state}"


C = """
#include <scriptconsole.h>
#include <stdio.h>

static int method(sc_ctx *ctx, sc_value object, const char *name, sc_value argument, size_t extra,
                  sc_value *out) {
    sc_value given[3] = {object, sc_str(name), argument};
    return ctx->host(ctx, "method", given, 2 + extra, out);
}
static int connected(sc_ctx *ctx, const sc_value *args, size_t n, sc_value *out) {
    (void)n;
    return method(ctx, args[0], "send", sc_str("hello from C"), 1, out);
}
static int received(sc_ctx *ctx, const sc_value *args, size_t n, sc_value *out) {
    (void)n;
    sc_value wanted[2] = {args[0], sc_str("received")}, count;
    char text[100];
    if (ctx->host(ctx, "get", wanted, 2, &count)) return -1;
    snprintf(text, sizeof text, "got %.*s, %d bytes", (int)args[1].length, args[1].as.bytes,
             (int)count.as.integer);
    if (sc_log(ctx, text)) return -1;
    return method(ctx, args[0], "close", sc_nil(), 0, out);
}
static int read_line(sc_ctx *ctx, const sc_value *args, size_t n, sc_value *out) {
    char text[100];
    (void)n;
    *out = sc_nil();
    if (args[0].tag != SC_NIL) return sc_log(ctx, "failed");
    snprintf(text, sizeof text, "line %.*s", (int)args[1].length, args[1].as.bytes);
    return sc_log(ctx, text);
}
static int opened(sc_ctx *ctx, const sc_value *args, size_t n, sc_value *out) {
    (void)n;
    *out = sc_nil();
    if (args[0].tag != SC_NIL) {
        char text[200];
        snprintf(text, sizeof text, "failed: %.*s", (int)args[0].length, args[0].as.bytes);
        return sc_log(ctx, text);
    }
    if (method(ctx, args[1], "send", sc_str("a line\\n"), 1, out)) return -1;
    return method(ctx, args[1], "read_line", sc_callback("read_line"), 1, out);
}
static int event_style(sc_ctx *ctx, const sc_value *args, size_t n, sc_value *out) {
    sc_value handlers[4] = {sc_str("connected"), sc_callback("connected"), sc_str("data"),
                            sc_callback("received")};
    sc_value wanted[3] = {sc_str("127.0.0.1"), args[0], sc_items(SC_DICT, handlers, 4)}, got;
    (void)n;
    *out = sc_nil();
    return ctx->host(ctx, "tcp_connect", wanted, 3, &got);
}
static int waiting_style(sc_ctx *ctx, const sc_value *args, size_t n, sc_value *out) {
    sc_value wanted[3] = {sc_str("127.0.0.1"), args[0], sc_callback("opened")}, got;
    (void)n;
    *out = sc_nil();
    return ctx->host(ctx, "tcp_open", wanted, 3, &got);
}
static const sc_export exports[] = {
    {"event_style", event_style, "l:A", ""}, {"waiting_style", waiting_style, "l:A", ""},
    {"connected", connected, NULL, ""}, {"received", received, NULL, ""},
    {"opened", opened, NULL, ""}, {"read_line", read_line, NULL, ""}, {0}
};
static const sc_module module = {SC_ABI_VERSION, "it", "1.0", exports, NULL, NULL, NULL};
SC_MODULE(module)
"""


def test_a_c_module_has_connections_too(
    session: Session, write: Callable[[str, str], Path], log: Log, peer: Start, free_port: Callable[[], int]
) -> None:
    def serve(connection: socket.socket) -> None:
        with contextlib.suppress(ConnectionResetError):
            echo(connection)

    module = session.load(write("it.c", C))
    server = peer(serve)
    with steady(session, log):
        module.call("event_style", server.port)
        log.wait_for("got hello from C, 12 bytes")
    port = free_port()
    with steady(session, log):
        module.call("waiting_style", port)
        log.wait_for(f"failed: connect 127.0.0.1:{port}: connection refused")
    module.call("waiting_style", server.port)
    log.wait_for("line a line")
    session.unload("it")
