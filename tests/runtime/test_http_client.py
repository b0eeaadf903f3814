"""HTTP requests of a script: what is sent, what comes back, and every way in which nothing does."""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from scriptengines.errors import CallError
from scriptengines.script import Script
from scriptengines.session import Session
from tests.conftest import DEADLINE, Log

from .web import Peer, back_at_baseline, certificate, descriptors, read_request, response

type Write = Callable[[str, str], Path]
type Serve = Callable[[Callable[[socket.socket], None]], Peer]

PYTHON = """
import host, asyncio

async def ask(url, options=None):
    return await host.http_request(url, options)

def begin(url, options=None):
    global operation
    operation = host.http_request(url, options, callback=told)

def told(error, answer):
    host.log(f"told {error} / {answer and answer['status']}")

def cancel(): return operation.cancel()

async def at_once(url, count):
    answers = await asyncio.gather(*[host.http_request(url) for _ in range(count)])
    return [answer["status"] for answer in answers]

def stream(url, options=None, events=False):
    global open_stream
    handlers = {
        "response": lambda status, headers: host.log(f"status {status} {headers.get('content-type')}"),
        "data": lambda piece: host.log(f"data {len(piece)}"),
        "closed": lambda error: host.log(f"closed {error}"),
    }
    if events:
        handlers = {"event": lambda e: host.log(f"event {e['event']} {e['data']!r} {e['id']}"),
                    "closed": handlers["closed"]}
    open_stream = host.http_stream(url, options, handlers)

def end(): return open_stream.close()
"""
LUA = """
function begin(url, options)
  operation = host.http_request(url, options, function(failure, answer)
    host.log("told " .. tostring(failure) .. " / " .. tostring(answer and answer.status))
  end)
end
function cancel() return operation:cancel() end
function wait(url, options)
  setTimeout(function()
    local ok, answer = pcall(host.http_request, url, options)
    host.log("got " .. (ok and answer.status .. " " .. answer.body or tostring(answer)))
  end, 0)
end
function stream(url, options)
  open_stream = host.http_stream(url, options, {
    response = function(status, headers) host.log("status " .. status .. " " .. headers["content-type"]) end,
    data = function(piece) host.log("data " .. #piece) end,
    closed = function(failure) host.log("closed " .. tostring(failure)) end,
  })
end
function finish() return open_stream:close() end
"""
C = """
#include <scriptconsole.h>
static int told(sc_ctx *ctx, const sc_value *args, size_t n, sc_value *out) {
    (void)n;
    *out = sc_nil();
    if (args[0].tag != SC_NIL) return ctx->host(ctx, "log", &args[0], 1, out);
    return ctx->host(ctx, "log", &args[1], 1, out);
}
static int begin(sc_ctx *ctx, const sc_value *args, size_t n, sc_value *out) {
    (void)n;
    sc_value given[3] = { args[0], sc_nil(), sc_callback("told") }, operation;
    *out = sc_nil();
    return ctx->host(ctx, "http_request", given, 3, &operation);
}
static const sc_export exports[] = { {"told", told, NULL, ""}, {"begin", begin, "s:A", ""}, {0} };
static const sc_module module = {SC_ABI_VERSION, "it", "1.0", exports, NULL, NULL, NULL};
SC_MODULE(module)
"""


@pytest.fixture
def serve() -> Iterator[Serve]:
    """`serve(behave)` starts a server that does that with each connection."""
    peers: list[Peer] = []

    def start(behave: Callable[[socket.socket], None]) -> Peer:
        peers.append(Peer(behave))
        return peers[-1]

    yield start
    for peer in peers:
        peer.close()


def echo(connection: socket.socket) -> None:
    """Answer each request with what it was, as JSON."""
    while request := read_request(connection):
        head, _, body = request.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        method, path, _ = first.split()
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        seen = {"method": method, "path": path, "headers": headers, "body": body.decode("latin-1")}
        connection.sendall(response(json.dumps(seen).encode(), "Content-Type: application/json"))


@pytest.fixture(params=["isolated", "shared", "main"])
def any_python(request: pytest.FixtureRequest, session: Session, write: Write) -> Script:
    return session.load(write("it.py", PYTHON), isolation=request.param)


@pytest.fixture
def python(session: Session, write: Write) -> Script:
    return session.load(write("it.py", PYTHON))


@pytest.fixture(params=[(".py", PYTHON), (".lua", LUA)], ids=["python", "lua"])
def either(request: pytest.FixtureRequest, session: Session, write: Write) -> Script:
    return session.load(write(f"it{request.param[0]}", request.param[1]))


# ---- what is sent ------------------------------------------------------------------------------------


def test_an_answer_has_all_its_parts(any_python: Script, serve: Serve) -> None:
    peer = serve(
        lambda c: c.sendall(
            response(b"gr\xc3\xbcn", "X-A: 1", "X-A: 2", status="203 Fine") if read_request(c) else b""
        )
    )
    answer = any_python.call("ask", f"{peer.url}/a?b=c")
    assert answer == {
        "status": 203,
        "reason": "Fine",
        "headers": {"content-length": "5", "x-a": "1, 2"},
        "body": b"gr\xc3\xbcn",
        "text": "grün",
        "json": None,
        "url": f"{peer.url}/a?b=c",
    }


@pytest.mark.parametrize(
    ("options", "method", "path", "kind", "body"),
    [
        ({}, "GET", "/", None, ""),
        ({"method": "delete"}, "DELETE", "/", None, ""),
        ({"params": {"a": "b c", "d": 1}}, "GET", "/?a=b+c&d=1", None, ""),
        ({"body": "grün"}, "POST", "/", None, "grÃ¼n"),
        ({"data": b"\xff\x00", "method": "PUT"}, "PUT", "/", None, "\xff\0"),
        ({"json": {"a": [1, None]}}, "POST", "/", "application/json", '{"a":[1,null]}'),
        ({"form": {"a": "b&c", "d": 1}}, "POST", "/", "application/x-www-form-urlencoded", "a=b%26c&d=1"),
    ],
)
def test_what_the_options_say_is_sent(
    python: Script, serve: Serve, options: dict[str, Any], method: str, path: str, kind: str | None, body: str
) -> None:
    seen = python.call("ask", f"{serve(echo).url}/", options)["json"]
    assert (seen["method"], seen["path"].replace("%20", "+"), seen["body"]) == (method, path, body)
    assert seen["headers"].get("content-type") == kind


def test_headers_are_sent(python: Script, serve: Serve) -> None:
    seen = python.call("ask", serve(echo).url, {"headers": {"X-Colour": "red", "User-Agent": "me"}})["json"]
    assert (seen["headers"]["x-colour"], seen["headers"]["user-agent"]) == ("red", "me")


@pytest.mark.parametrize(
    ("url", "options", "text"),
    [
        ("ftp://127.0.0.1/", None, "must begin with http:// or https://"),
        ("127.0.0.1", None, "must begin with http:// or https://"),
        ("http://", None, "must begin with http:// or https://"),
        (7, None, "url must be a text"),
        ("http://127.0.0.1/", {"tiemout": 1}, 'no option "tiemout".*timeout'),
        ("http://127.0.0.1/", {"timeout": "1"}, "must be a number of milliseconds"),
        ("http://127.0.0.1/", {"body": "a", "json": 1}, "one body, not body and json"),
        ("http://127.0.0.1/", {"headers": {"x": "a\r\nb: c"}}, "a line break"),
    ],
)
def test_a_request_that_cannot_be_is_refused(python: Script, url: Any, options: Any, text: str) -> None:
    with pytest.raises(CallError, match=text):
        python.call("ask", url, options)


# ---- redirects, compression --------------------------------------------------------------------------


def test_redirects_are_followed_unless_told_otherwise(python: Script, serve: Serve) -> None:
    def behave(connection: socket.socket) -> None:
        while request := read_request(connection):
            there = b" /there" in request
            connection.sendall(
                response(b"there") if there else response(b"", "Location: /there", status="302 Found")
            )

    peer = serve(behave)
    answer = python.call("ask", f"{peer.url}/here")
    assert (answer["status"], answer["text"], answer["url"]) == (200, "there", f"{peer.url}/there")
    assert python.call("ask", f"{peer.url}/here", {"follow_redirects": False})["status"] == 302


def test_a_redirect_in_a_circle_is_an_error(python: Script, serve: Serve) -> None:
    def behave(connection: socket.socket) -> None:
        while read_request(connection):
            connection.sendall(response(b"", "Location: /", status="302 Found"))

    with pytest.raises(CallError, match="over 20 redirects"):
        python.call("ask", serve(behave).url)


def test_a_compressed_answer_is_unpacked_within_the_limit(python: Script, serve: Serve) -> None:
    packed = gzip.compress(b"x" * 5_000_000)

    def behave(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(response(packed, "Content-Encoding: gzip"))

    peer = serve(behave)
    assert len(python.call("ask", peer.url)["body"]) == 5_000_000
    with pytest.raises(CallError, match=r"GET http://\S+: the body has over 1000000 bytes \(max_body\)"):
        python.call("ask", peer.url, {"max_body": 1_000_000})


# ---- connections -------------------------------------------------------------------------------------


def test_a_connection_is_used_again_and_does_not_keep_the_run_alive(
    python: Script, serve: Serve, log: Log
) -> None:
    peer = serve(echo)
    for _ in range(20):
        python.call("ask", peer.url)
    log.drain()
    assert peer.accepted == 1
    assert set(python.call("at_once", peer.url, 10)) == {200}
    assert peer.accepted == 10
    assert set(python.call("at_once", peer.url, 10)) == {200}
    assert peer.accepted == 10


def test_a_kept_connection_that_the_server_closed_is_not_used(python: Script, serve: Serve) -> None:
    closed = threading.Semaphore(0)

    def behave(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(response(b"once"))
        connection.shutdown(socket.SHUT_RDWR)
        closed.release()

    peer = serve(behave)
    for _ in range(3):
        assert python.call("ask", peer.url, {"method": "POST"})["text"] == "once"
        assert closed.acquire(timeout=DEADLINE)
    assert peer.accepted == 3


def test_a_kept_connection_that_was_closed_by_hand_is_not_used(
    session: Session, python: Script, serve: Serve, log: Log
) -> None:
    url = serve(echo).url
    assert python.call("ask", url)["status"] == 200
    log.until(python.refresh, "a look")
    [kept] = session.frame().connections
    assert session.close_connection("it", kept.id)
    assert python.call("ask", url)["status"] == 200


def test_a_request_is_repeated_where_a_kept_connection_dies_under_it(python: Script, serve: Serve) -> None:
    def behave(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(response(b"once"))
        read_request(connection)  # and closes without an answer

    peer = serve(behave)
    assert python.call("ask", peer.url)["text"] == "once"
    assert python.call("ask", peer.url)["text"] == "once"
    assert peer.accepted == 2
    with pytest.raises(CallError, match="without an answer"):
        python.call("ask", peer.url, {"method": "POST"})  # might be done twice


def test_the_connections_of_a_script_end_with_it(
    python: Script, serve: Serve, session: Session, log: Log
) -> None:
    before = descriptors()
    peer = serve(echo)
    python.call("at_once", peer.url, 20)
    session.unload("it")
    peer.close()
    log.until(lambda: descriptors() <= before)


def test_the_limit_of_sockets_counts_for_requests(
    session: Session, write: Write, serve: Serve, log: Log
) -> None:
    script = session.load(write("it.py", PYTHON), max_sockets=3)
    peers = [serve(echo) for _ in range(5)]
    for peer in peers:  # kept connections make room
        assert script.call("ask", peer.url)["status"] == 200
    assert len(script.call("at_once", peers[0].url, 3)) == 3
    with pytest.raises(CallError, match=r"GET http://\S+: no connection: .*max_sockets"):
        script.call("at_once", peers[0].url, 4)
    log.drain()
    assert len(script.call("at_once", peers[1].url, 3)) == 3


def test_sixty_connections_at_once_leave_32_at_most(python: Script, serve: Serve, log: Log) -> None:
    peer = serve(lambda connection: echo(connection))
    before = descriptors()
    assert len(python.call("at_once", peer.url, 60)) == 60
    log.until(lambda: descriptors() <= before + 2 * 32)


# ---- what goes wrong ---------------------------------------------------------------------------------


def nothing(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while connection.recv(65536):
            pass


def closes(connection: socket.socket) -> None:
    read_request(connection)


def says(text: bytes, then: Callable[[socket.socket], None] | None = None) -> Callable[[socket.socket], None]:
    def behave(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(text)
        if then is not None:
            then(connection)

    return behave


def resets(connection: socket.socket) -> None:
    read_request(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


FAILURES: dict[str, tuple[Callable[[socket.socket], None], dict[str, Any], str]] = {
    "never answers": (nothing, {"read_timeout": 50}, "timeout: GET {url}: the server does not answer"),
    "never answers in all": (nothing, {"timeout": 50}, "timeout: GET {url}"),
    "stops in its head": (
        says(b"HTTP/1.1 200 OK\r\nConte", then=nothing),
        {"read_timeout": 50},
        "timeout: GET {url}: the server does not answer",
    ),
    "stops in its body": (
        says(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", then=nothing),
        {"read_timeout": 50},
        "timeout: GET {url}: the server does not answer",
    ),
    "closes": (closes, {}, "GET {url}: the server closed the connection without an answer"),
    "closes in its head": (says(b"HTTP/1.1 20"), {}, "GET {url}: the server closed the connection"),
    "closes in its body": (
        says(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"),
        {},
        "GET {url}: the server closed the connection in the middle of its answer",
    ),
    "closes in a chunk": (
        says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"),
        {},
        "GET {url}: the server closed the connection in the middle of its answer",
    ),
    "resets in its body": (resets, {}, "GET {url}: "),
    "speaks no HTTP": (says(b"SSH-2.0-OpenSSH\r\n\r\n"), {}, "GET {url}: the server's answer is no HTTP"),
    "has a broken chunk": (
        says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"),
        {},
        "GET {url}: the server's answer is no HTTP",
    ),
    "has an endless head": (says(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 300_000), {}, "GET {url}: "),
    "has too much": (says(response(b"x" * 100)), {"max_body": 99}, "GET {url}: the body has over 99 bytes"),
    "has no gzip": (says(response(b"abc", "Content-Encoding: gzip")), {}, "GET {url}: "),
}


@pytest.mark.parametrize("name", FAILURES)
def test_what_goes_wrong_is_told_once_and_with_the_address(
    either: Script, serve: Serve, session: Session, log: Log, name: str
) -> None:
    behave, options, text = FAILURES[name]
    peer = serve(behave)
    either.call("begin", peer.url, options)
    log.wait_for("told ")
    log.drain()
    [line] = log.lines("it")
    assert line.startswith("told " + text.format(url=peer.url)), line
    assert line.endswith((" / None", " / nil"))


@pytest.mark.parametrize("name", FAILURES)
def test_what_goes_wrong_leaves_nothing_behind(
    python: Script, serve: Serve, session: Session, log: Log, name: str
) -> None:
    behave, options, _ = FAILURES[name]
    peer = serve(behave)
    for _ in range(2):  # the first makes what a script has once
        with pytest.raises(CallError):
            python.call("ask", peer.url, options)
    log.until(lambda: not session.pending)
    before = descriptors()
    for _ in range(5):
        with pytest.raises(CallError):
            python.call("ask", peer.url, options)
    log.until(lambda: not session.pending and descriptors() <= before)


def test_a_refused_connection_and_an_unknown_host_are_told(
    either: Script, log: Log, free_port: Callable[[], int]
) -> None:
    port = free_port()
    either.call("begin", f"http://127.0.0.1:{port}/")
    log.wait_for(f"told GET http://127.0.0.1:{port}/: connection refused / ")
    either.call("begin", "http://nowhere.invalid/")
    log.wait_for("told GET http://nowhere.invalid/: the host cannot be found")
    log.drain()
    assert len(log.lines("it")) == 2


def test_in_python_the_errors_have_types(python: Script, serve: Serve, free_port: Callable[[], int]) -> None:
    for url, options, kind in (
        (f"http://127.0.0.1:{free_port()}/", {}, "ConnectionRefusedError"),
        (serve(nothing).url, {"timeout": 20}, "TimeoutError"),
        (serve(closes).url, {}, "ConnectionError"),
    ):
        with pytest.raises(CallError) as caught:
            python.call("ask", url, options)
        assert caught.value.remote_type == kind


def test_lua_waits_in_a_coroutine_and_catches_errors(
    session: Session, write: Write, serve: Serve, log: Log, free_port: Callable[[], int]
) -> None:
    script = session.load(write("it.lua", LUA))
    script.call("wait", serve(says(response(b"hello"))).url)
    log.wait_for("got 200 hello")
    port = free_port()
    script.call("wait", f"http://127.0.0.1:{port}/")
    assert log.wait_for("connection refused")[0].text.startswith("got ")


def test_c_is_called_back(
    session: Session, write: Write, serve: Serve, log: Log, free_port: Callable[[], int]
) -> None:
    script = session.load(write("it.c", C))
    script.call("begin", serve(says(response(b"hello"))).url)
    log.wait_for("'status': 200")
    script.call("begin", f"http://127.0.0.1:{free_port()}/")
    log.wait_for("connection refused")


def test_cancelling_frees_the_connection_and_calls_nobody(
    either: Script, serve: Serve, session: Session, log: Log
) -> None:
    arrived, ended = threading.Event(), threading.Event()

    def behave(connection: socket.socket) -> None:
        read_request(connection)
        arrived.set()
        with contextlib.suppress(OSError):
            connection.recv(100)
        ended.set()

    peer = serve(behave)
    with back_at_baseline(session, log):
        either.call("begin", peer.url)
        assert arrived.wait(DEADLINE)
        assert either.call("cancel")
        assert ended.wait(DEADLINE)
        assert not either.call("cancel")
    assert log.lines("it") == []


def test_unloading_ends_requests_on_their_way(
    either: Script, serve: Serve, session: Session, log: Log
) -> None:
    arrived, ended = threading.Semaphore(0), threading.Semaphore(0)

    def behave(connection: socket.socket) -> None:
        read_request(connection)
        arrived.release()
        with contextlib.suppress(OSError):
            connection.recv(100)
        ended.release()

    before = descriptors()
    peer = serve(behave)
    for _ in range(5):
        either.call("begin", peer.url)
        either.call("stream", peer.url)
    assert all(arrived.acquire(timeout=DEADLINE) for _ in range(10))
    session.unload("it")
    assert all(ended.acquire(timeout=DEADLINE) for _ in range(10))
    peer.close()
    log.until(lambda: descriptors() <= before)
    assert log.lines("it") == []


def test_a_server_that_answers_before_it_has_read_all_is_heard(python: Script, serve: Serve) -> None:
    def behave(connection: socket.socket) -> None:
        connection.recv(1000)
        connection.sendall(response(b"no", status="413 Too Large"))
        peer.wait()

    peer = serve(behave)
    assert python.call("ask", peer.url, {"body": b"x" * 20_000_000})["status"] == 413


# ---- TLS ---------------------------------------------------------------------------------------------


@pytest.fixture
def secure(serve: Serve, tmp_path: Path) -> tuple[str, str]:
    """A server whose certificate nobody has signed, and its file."""
    cert, key = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)

    def behave(connection: socket.socket) -> None:
        with contextlib.suppress(ssl.SSLError), context.wrap_socket(connection, server_side=True) as wrapped:
            peer.track(wrapped)
            while read_request(wrapped):
                wrapped.sendall(response(b"secret"))

    peer = serve(behave)
    return f"https://127.0.0.1:{peer.port}/", cert


def test_certificates_are_verified(python: Script, secure: tuple[str, str], log: Log) -> None:
    url, cert = secure
    with pytest.raises(CallError, match=f"GET {url}: TLS: the certificate is not trusted: self-signed"):
        python.call("ask", url)
    assert python.call("ask", url, {"ca": cert})["text"] == "secret"
    assert python.call("ask", url, {"ca": cert})["text"] == "secret"
    assert python.call("ask", url, {"verify": False})["text"] == "secret"
    with pytest.raises(CallError, match="not trusted"):
        python.call("ask", url)  # also when one that is not verified is kept
    log.drain()


def test_a_server_that_never_ends_its_handshake_is_a_timeout(python: Script, serve: Serve) -> None:
    url = serve(nothing).url.replace("http:", "https:")
    with pytest.raises(CallError, match=f"timeout: GET {url}: it cannot be connected to"):
        python.call("ask", url, {"connect_timeout": 50})


# ---- streams -----------------------------------------------------------------------------------------


def test_a_stream_gives_the_pieces_as_they_arrive(
    either: Script, serve: Serve, log: Log, session: Session
) -> None:
    go_on = threading.Event()

    def behave(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
        )
        go_on.wait(DEADLINE)
        connection.sendall(b"5\r\nabcde\r\n0\r\n\r\n")

    either.call("stream", serve(behave).url)
    log.wait_for("data 3")
    assert session.pending
    go_on.set()
    log.wait_for("closed ")
    log.drain()
    assert [line.replace("nil", "None") for line in log.lines("it")] == [
        "status 200 text/x", "data 3", "data 5", "closed None",
    ]  # fmt: skip


def test_a_stream_that_fails_is_closed_once_with_the_error(either: Script, serve: Serve, log: Log) -> None:
    peer = serve(says(b"HTTP/1.1 200 OK\r\nContent-Type: x\r\nContent-Length: 9\r\n\r\nabc"))
    either.call("stream", peer.url)
    log.drain()
    *_, last = log.lines("it")
    assert last == f"closed GET {peer.url}: the server closed the connection in the middle of its answer"
    assert sum("closed" in line for line in log.lines("it")) == 1


def test_closing_a_stream_frees_its_connection(
    either: Script, serve: Serve, session: Session, log: Log
) -> None:
    ended = threading.Event()

    def behave(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: x\r\nContent-Length: 9\r\n\r\nabc")
        with contextlib.suppress(OSError):
            connection.recv(100)
        ended.set()

    peer = serve(behave)
    with back_at_baseline(session, log):
        either.call("stream", peer.url)
        log.wait_for("data 3")
        assert either.call("end" if either.path.suffix == ".py" else "finish")
        assert ended.wait(DEADLINE)
        log.wait_for("closed ")
    assert [line for line in log.lines("it") if "closed" in line] in (["closed None"], ["closed nil"])


def test_a_stream_that_is_closed_at_once_is_closed(
    session: Session, write: Write, serve: Serve, log: Log
) -> None:
    text = """import host
def begin(url): host.http_stream(url, None, {"closed": lambda error: host.log(f"closed {error}")}).close()
"""
    session.load(write("it.py", text)).call("begin", serve(nothing).url)
    log.drain()
    assert log.lines("it") == ["closed None"]


def test_server_sent_events_are_parted(python: Script, serve: Serve, log: Log) -> None:
    text = (
        "\ufeff: a comment\r\ndata: one\r\n\r\nevent: colour\ndata: red\ndata:  and grün\nid: 7\n\n"
        "retry: 10\rdata:three\r\rdata: never ended\n"
    ).encode()

    def behave(connection: socket.socket) -> None:
        assert b"accept: text/event-stream" in read_request(connection).lower()
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        for byte in text:
            connection.sendall(bytes([byte]))

    python.call("stream", serve(behave).url, None, True)
    log.drain()
    assert log.lines("it") == [
        "event message 'one' ",
        "event colour 'red\\n and grün' 7",
        "event message 'three' 7",
        "closed None",
    ]


def test_a_slow_handler_holds_the_server_up(session: Session, write: Write, serve: Serve, log: Log) -> None:
    """Memory stays bounded: what the handler has not taken stays with the server."""
    text = """import host, asyncio
gate = asyncio.Event()
count = 0
async def data(piece):
    global count
    count += len(piece)
    await gate.wait()
def begin(url):
    host.http_stream(url, None, {"data": data, "closed": lambda error: host.log(f"closed {error} {count}")})
def go_on(): gate.set()
"""
    script = session.load(write("it.py", text))
    size = 50_000_000
    sent: list[int] = []
    stuck = threading.Event()

    def behave(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        connection.settimeout(0.3)
        left = memoryview(bytes(size))
        while left:
            try:
                done = connection.send(left[:65536])
            except TimeoutError:
                stuck.set()
                continue
            sent.append(done)
            left = left[done:]

    script.call("begin", serve(behave).url)
    assert stuck.wait(DEADLINE)
    assert sum(sent) < 20_000_000
    script.call("go_on")
    log.wait_for(f"closed None {size}")


@pytest.mark.stress
def test_a_stream_of_100_mb_takes_no_memory(session: Session, write: Write, serve: Serve, log: Log) -> None:
    from tests.bench.harness import resident_bytes

    text = """import host
count = 0
def data(piece):
    global count
    count += len(piece)
def begin(url):
    host.http_stream(url, None, {"data": data, "closed": lambda error: host.log(f"closed {error} {count}")})
"""
    script = session.load(write("it.py", text))
    piece = bytes(1 << 20)

    def behave(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (100 << 20))
        for _ in range(100):
            connection.sendall(piece)

    before = resident_bytes()
    script.call("begin", serve(behave).url)
    log.wait_for(f"closed None {100 << 20}")
    assert resident_bytes() - before < 40 << 20
