"""An HTTP server in a script: routes, the protocol, files, limits, and what goes wrong."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scriptengines.errors import CallError
from scriptengines.script import Script
from scriptengines.session import Session
from scriptengines.view import Level
from tests.conftest import DEADLINE, Log

from .web import Client, certificate, descriptors, get

type Write = Callable[[str, str], Path]

PYTHON = """
import host

def rooms(request): return {"room": request["params"]["name"], "query": request["query"]}
def seen(request):
    return {name: request[name] for name in ("method", "path", "raw_query", "headers", "json")} | {
        "size": len(request["body"])}
async def slow(request):
    await host.sleep(1)
    return 201, "made", {"x-colour": "red"}
def fail(request): raise ValueError("out of paint")
async def fail_late(request):
    await host.sleep(1)
    raise ValueError("out of paint")
def whole(request): return {"status": 202, "json": [1], "headers": {"x-colour": "blue"}}
def nothing(request): pass
def wrong(request): return object()
def split(request): return 200, "x", {"x-colour": "red\\r\\nx-more: 1"}
def close(request):
    server.close()
    return "closed"

server = host.http_serve("127.0.0.1", 0, {
    "GET /": lambda request: "hello", "GET /rooms/{name}": rooms, "POST /rooms/{name}": rooms,
    "* /seen": seen,
    "GET /slow": slow, "GET /fail": fail, "GET /fail-late": fail_late, "GET /whole": whole,
    "GET /nothing": nothing, "GET /wrong": wrong, "GET /split": split, "GET /close": close,
    "GET /files/{rest*}": lambda request: request["params"]["rest"],
})
def port(): return server.port
def stop(): server.close()
"""
LUA = """
server = host.http_serve("127.0.0.1", 0, {
  ["GET /"] = function() return "hello" end,
  ["GET /rooms/{name}"] = function(r) return {room = r.params.name, query = r.query} end,
  ["POST /rooms/{name}"] = function(r) return {room = r.params.name, query = r.query} end,
  ["* /seen"] = function(r)
    return {method = r.method, path = r.path, raw_query = r.raw_query, headers = r.headers, json = r.json,
            size = #r.body}
  end,
  ["GET /slow"] = function() host.sleep(1) return 201, "made", {["x-colour"] = "red"} end,
  ["GET /fail"] = function() error("out of paint") end,
  ["GET /fail-late"] = function() host.sleep(1) error("out of paint") end,
  ["GET /whole"] = function() return {status = 202, json = {1}, headers = {["x-colour"] = "blue"}} end,
  ["GET /nothing"] = function() end,
  ["GET /wrong"] = function() return print end,
  ["GET /split"] = function() return 200, "x", {["x-colour"] = "red\\r\\nx-more: 1"} end,
  ["GET /close"] = function() server:close() return "closed" end,
  ["GET /files/{rest*}"] = function(r) return r.params.rest end,
})
function port() return server.port end
function stop() server:close() end
"""
WAYS = {
    "isolated": (".py", PYTHON, {"isolation": "isolated"}),
    "shared": (".py", PYTHON, {"isolation": "shared"}),
    "main": (".py", PYTHON, {"isolation": "main"}),
    "process": (".py", PYTHON, {"isolation": "process"}),
    "lua": (".lua", LUA, {}),
    "lua51": (".lua", LUA, {"lua": "5.1"}),
    "luajit": (".lua", LUA, {"lua": "luajit2.1"}),
}
C = """
#include <scriptconsole.h>
#include <stdio.h>
static sc_value server;
static int rooms(sc_ctx *ctx, const sc_value *args, size_t n, sc_value *out) {
    (void)ctx, (void)args, (void)n;
    static sc_value pair[2];
    pair[0] = sc_str("room"), pair[1] = sc_str("red");
    *out = sc_items(SC_DICT, pair, 2);
    return 0;
}
static int fail(sc_ctx *ctx, const sc_value *args, size_t n, sc_value *out) {
    (void)args, (void)n, (void)out;
    return ctx->fail(ctx, "ValueError", "out of paint");
}
static int open_it(sc_ctx *ctx, const sc_value *args, size_t n, sc_value *out) {
    (void)args, (void)n;
    sc_value handlers[4] = {sc_str("GET /rooms/{name}"), sc_callback("rooms"), sc_str("GET /fail"),
                            sc_callback("fail")};
    sc_value given[3] = {sc_str("127.0.0.1"), sc_int(0), sc_items(SC_DICT, handlers, 4)};
    if (ctx->host(ctx, "http_serve", given, 3, &server)) return -1;
    ctx->retain(ctx, server.as.ref);
    sc_value field[2] = {server, sc_str("port")};
    return ctx->host(ctx, "get", field, 2, out);
}
static int stop(sc_ctx *ctx, const sc_value *args, size_t n, sc_value *out) {
    (void)args, (void)n;
    sc_value wanted[2] = {server, sc_str("close")};
    return ctx->host(ctx, "method", wanted, 2, out);
}
static const sc_export exports[] = {
    {"rooms", rooms, NULL, ""}, {"fail", fail, NULL, ""}, {"open_it", open_it, ":A", ""},
    {"stop", stop, ":A", ""}, {0}
};
static const sc_module module = {SC_ABI_VERSION, "it", "1.0", exports, NULL, NULL, NULL};
SC_MODULE(module)
"""


@pytest.fixture(params=WAYS)
def any_script(request: pytest.FixtureRequest, session: Session, write: Write) -> Script:
    suffix, text, options = WAYS[request.param]
    return session.load(write(f"it{suffix}", text), **options)


@pytest.fixture(params=["isolated", "lua"])
def script(request: pytest.FixtureRequest, session: Session, write: Write) -> Script:
    suffix, text, options = WAYS[request.param]
    return session.load(write(f"it{suffix}", text), **options)


@pytest.fixture
def port(script: Script) -> int:
    return script.call("port")


# ---- routes ------------------------------------------------------------------------------------------


def test_a_route_answers_in_every_language_and_isolation(
    any_script: Script, session: Session, log: Log
) -> None:
    port = any_script.call("port")
    assert get(port)[::2] == (200, b"hello")
    status, headers, body = get(port, "/rooms/red%20one?size=2&size=3&dry")
    assert (status, headers["content-type"]) == (200, "application/json")
    assert json.loads(body) == {"room": "red one", "query": {"size": "3", "dry": ""}}
    status, headers, body = get(port, "/slow")
    assert (status, headers["x-colour"], body) == (201, "red", b"made")
    status, headers, body = get(port, "/whole")
    assert (status, headers["x-colour"], json.loads(body)) == (202, "blue", [1])
    assert get(port, "/nothing")[::2] == (204, b"")
    assert session.pending
    any_script.call("stop")
    log.drain()


def test_a_route_in_c_answers(session: Session, write: Write, log: Log) -> None:
    script = session.load(write("it.c", C))
    port = script.call("open_it")
    status, headers, body = get(port, "/rooms/x")
    assert (status, headers["content-type"], body) == (200, "application/json", b'{"room": "red"}')
    assert get(port, "/fail")[0] == 500
    log.wait_for("out of paint")
    script.call("stop")
    log.drain()


@pytest.mark.parametrize("path", ["/fail", "/fail-late", "/wrong", "/split"])
def test_a_route_that_fails_is_reported_and_answered_with_500(
    any_script: Script, log: Log, path: str
) -> None:
    port = any_script.call("port")
    status, headers, body = get(port, path)
    assert (status, body) == (500, b"500 Internal Server Error\n")
    assert "x-more" not in headers
    log.until(lambda: [r for r in log.records("it") if r.level is Level.ERROR])
    assert get(port)[0] == 200
    assert len([r for r in log.records("it") if r.level is Level.ERROR]) == 1


def test_the_request_says_all_there_is(script: Script) -> None:
    with Client(script.call("port")) as client:
        body = b'{"size": 2}'
        client.send(
            b"PUT /seen?a=%%20b HTTP/1.1\r\nHost: here\r\nX-Colour: red\r\nX-Colour: blue\r\n"
            b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body
        )
        seen = json.loads(client.answer()[2])
    assert (seen["method"], seen["path"], seen["raw_query"]) == ("PUT", "/seen", "a=%20b")
    assert (seen["headers"]["x-colour"], seen["json"], seen["size"]) == ("red, blue", {"size": 2}, len(body))


def test_what_no_route_fits_gets_404_and_another_method_405(port: int) -> None:
    assert get(port, "/nowhere")[::2] == (404, b"404 Not Found\n")
    status, headers, _ = get(port, "/rooms/red", "DELETE")
    assert (status, headers["allow"]) == (405, "GET, HEAD, POST")
    assert get(port, "/rooms")[0] == 404
    assert get(port, "/rooms/")[0] == 404
    assert get(port, "/files/a/b/c")[2] == b"a/b/c"


def test_head_has_the_headers_of_get_and_no_body(port: int) -> None:
    with Client(port) as client:
        client.send(b"HEAD / HTTP/1.1\r\nHost: here\r\n\r\nGET / HTTP/1.1\r\nHost: here\r\n\r\n")
        status, headers, body = client.answer(to_head=True)
        assert (status, headers["content-length"], body) == (200, "5", b"")
        assert client.answer()[2] == b"hello"


def test_an_encoded_slash_does_not_part_a_segment(port: int) -> None:
    assert json.loads(get(port, "/rooms/a%2Fb")[2])["room"] == "a/b"


ONE_FUNCTION = {
    ".py": """import host
s = host.http_serve("127.0.0.1", 0, lambda request: "for " + request["path"])
def port(): return s.port
""",
    ".lua": """s = host.http_serve("127.0.0.1", 0, function(request) return "for " .. request.path end)
function port() return s.port end
""",
}


@pytest.mark.parametrize("suffix", ONE_FUNCTION)
def test_one_function_can_answer_everything(session: Session, write: Write, suffix: str) -> None:
    port = session.load(write(f"it{suffix}", ONE_FUNCTION[suffix])).call("port")
    assert get(port, "/any/thing", "DELETE")[2] == b"for /any/thing"


@pytest.mark.parametrize(
    "call",
    [
        'route("GET", "rooms", print)',
        'route("GET", "/a{b}", print)',
        'route("GET", "/{b*}/c", print)',
        'route("FETCH", "/", print)',
        'route("GET", "/", 7)',
        'static("/f", "/nowhere/at/all")',
    ],
)
def test_a_route_that_cannot_be_is_refused(session: Session, write: Write, call: str) -> None:
    text = f"import host\ns = host.http_serve('127.0.0.1', 0)\ndef add(): s.{call}\n"
    with pytest.raises(CallError, match=r"pattern|method|function is needed|no folder"):
        session.load(write("it.py", text)).call("add")


# ---- the protocol ------------------------------------------------------------------------------------


def test_requests_that_arrive_together_are_answered_in_order(port: int) -> None:
    paths = ["/slow", "/", "/rooms/1", "/fail", "/slow"] * 20
    with Client(port) as client:
        client.send(b"".join(f"GET {path} HTTP/1.1\r\nHost: here\r\n\r\n".encode() for path in paths))
        expected = {"/slow": 201, "/": 200, "/rooms/1": 200, "/fail": 500}
        assert [client.answer()[0] for _ in paths] == [expected[path] for path in paths]


def test_a_request_may_arrive_byte_by_byte(port: int) -> None:
    with Client(port) as client:
        for byte in b"POST /seen HTTP/1.1\r\nHost: here\r\nContent-Length: 3\r\n\r\nabc":
            client.send(bytes([byte]))
        assert json.loads(client.answer()[2])["size"] == 3


def test_a_chunked_body_is_put_together(port: int) -> None:
    with Client(port) as client:
        client.send(b"POST /seen HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n")
        client.send(b"3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\n\r\n")
        assert json.loads(client.answer()[2])["size"] == 7
        client.send(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
        assert client.answer()[2] == b"hello"


def test_a_client_that_waits_to_be_told_may_send_its_body(port: int) -> None:
    with Client(port) as client:
        client.send(b"POST /seen HTTP/1.1\r\nHost: here\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        assert client.answer()[0] == 100
        client.send(b"abc")
        assert json.loads(client.answer()[2])["size"] == 3


def test_http_1_0_and_close_end_the_connection(port: int) -> None:
    for head in (b"GET / HTTP/1.0\r\n\r\n", b"GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n"):
        with Client(port) as client:
            client.send(head)
            assert client.rest().endswith(b"hello")


def test_a_client_that_ends_its_side_is_still_answered(port: int) -> None:
    with Client(port) as client:
        client.send(b"GET /slow HTTP/1.1\r\nHost: here\r\n\r\n")
        client.socket.shutdown(1)
        assert client.rest().endswith(b"made")


MALFORMED = {
    "no HTTP": b"hello there\r\n\r\n",
    "no version": b"GET /\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two lengths": b"POST /seen HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "a length that is none": b"POST /seen HTTP/1.1\r\nHost: x\r\nContent-Length: -3\r\n\r\n",
    "a header without colon": b"GET / HTTP/1.1\r\nHost: x\r\nnonsense\r\n\r\n",
    "a space before the colon": b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
    "a NUL": b"GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n",
    "a chunk that is none": b"POST /seen HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
    "bytes of no kind": bytes(range(256)) * 4 + b"\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 40 + b"\r\n\r\n",
    "a target that is none": b"GET hello HTTP/1.1\r\nHost: x\r\n\r\n",
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_request_gets_400_and_harms_nobody(port: int, name: str) -> None:
    with Client(port) as client:
        client.send(MALFORMED[name])
        answer = client.rest()
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert b"connection: close" in answer
    assert get(port)[0] == 200


# ---- limits ------------------------------------------------------------------------------------------

LIMITED = """
import host
options = dict(max_header=2000, max_body=1000, header_timeout={head}, body_timeout={body},
               idle_timeout={idle}, timeout={answer}, max_connections=50)
async def never(request): await host.sleep(1e9)
s = host.http_serve("127.0.0.1", 0, {{"* /": lambda r: str(len(r["body"])), "GET /never": never}}, options)
def port(): return s.port
def stop(): s.close()
"""


@pytest.fixture
def limited(session: Session, write: Write) -> Callable[..., Script]:
    def load(head: int = 20_000, body: int = 20_000, idle: int = 20_000, answer: int = 20_000) -> Script:
        text = LIMITED.format(head=head, body=body, idle=idle, answer=answer)
        return session.load(write("it.py", text))

    return load


def test_a_head_over_the_limit_gets_431(limited: Callable[..., Script]) -> None:
    port = limited().call("port")
    with Client(port) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: here\r\nX: " + b"x" * 2500)
        assert client.answer()[0] == 431


@pytest.mark.parametrize(
    "body",
    [
        b"Content-Length: 1001\r\n\r\n",
        b"Content-Length: 99999999999999999999\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n" + b"3e8\r\n" + b"x" * 1000 + b"\r\n1\r\nx\r\n",
    ],
)
def test_a_body_over_the_limit_gets_413(limited: Callable[..., Script], body: bytes) -> None:
    port = limited().call("port")
    with Client(port) as client:
        client.send(b"POST / HTTP/1.1\r\nHost: here\r\n" + body)
        assert client.answer()[0] == 413
    with Client(port) as client:
        client.send(b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 1000\r\n\r\n" + b"x" * 1000)
        assert client.answer()[2] == b"1000"


def test_a_client_that_sends_its_head_too_slowly_gets_408(limited: Callable[..., Script]) -> None:
    with Client(limited(head=50).call("port")) as client:
        client.send(b"GET / HT")
        assert client.rest().startswith(b"HTTP/1.1 408 ")


def test_a_client_that_stops_in_its_body_gets_408(limited: Callable[..., Script]) -> None:
    with Client(limited(body=50).call("port")) as client:
        client.send(b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 10\r\n\r\nabc")
        assert client.rest().startswith(b"HTTP/1.1 408 ")


def test_a_client_that_says_nothing_is_closed(limited: Callable[..., Script]) -> None:
    port = limited(head=50, idle=50).call("port")
    with Client(port) as client:
        assert client.rest() == b""
    with Client(port) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
        assert client.rest().endswith(b"\r\n\r\n0")


def test_a_route_that_never_answers_gets_504(limited: Callable[..., Script], log: Log) -> None:
    with Client(limited(answer=50).call("port")) as client:
        client.send(b"GET /never HTTP/1.1\r\nHost: here\r\n\r\n")
        assert client.rest().startswith(b"HTTP/1.1 504 ")
    log.wait_for("a route has not answered")


def test_a_lua_route_that_yields_forever_gets_504(session: Session, write: Write) -> None:
    text = """s = host.http_serve("127.0.0.1", 0, function() coroutine.yield() end, {timeout = 50})
function port() return s.port end
"""
    assert get(session.load(write("it.lua", text)).call("port"))[0] == 504


def test_one_client_too_many_gets_503(limited: Callable[..., Script], session: Session, log: Log) -> None:
    script = limited()
    with back_at_baseline_after(script, log):
        clients = [Client(script.call("port")) for _ in range(50)]
        log.until(lambda: len(session.frame().connections) >= 51)
        with Client(script.call("port")) as client:
            assert client.rest().startswith(b"HTTP/1.1 503 ")
        for each in clients:
            each.close()


@contextlib.contextmanager
def back_at_baseline_after(script: Script, log: Log) -> Iterator[None]:
    """What happens inside leaves no descriptor but the server's; closed, that leaves nothing pending."""
    before = descriptors()
    yield
    log.until(lambda: descriptors() <= before, "the end of all connections")
    script.call("stop")
    log.drain()
    assert descriptors() < before


# ---- files -------------------------------------------------------------------------------------------

FILES = """
import host
s = host.http_serve("127.0.0.1", 0).static("/files", {folder!r})
def port(): return s.port
def stop(): s.close()
"""


@pytest.fixture
def files(session: Session, write: Write, tmp_path: Path) -> Script:
    folder = tmp_path / "public"
    (folder / "sub").mkdir(parents=True)
    (folder / "a b.txt").write_text("grün")
    (folder / ".hidden").write_text("secret")
    (folder / "sub" / "index.html").write_text("<p>here")
    (folder / "picture.png").write_bytes(b"\x89PNG")
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "public-too").mkdir()
    (tmp_path / "public-too" / "secret.txt").write_text("secret")
    os.symlink(tmp_path / "secret.txt", folder / "link.txt")
    os.symlink(tmp_path, folder / "up")
    return session.load(write("it.py", FILES.format(folder=str(folder))))


def test_files_are_served_with_their_types(files: Script) -> None:
    port = files.call("port")
    status, headers, body = get(port, "/files/a%20b.txt")
    assert (status, headers["content-type"], body.decode()) == (200, "text/plain; charset=utf-8", "grün")
    assert get(port, "/files/picture.png")[1]["content-type"] == "image/png"
    assert get(port, "/files/sub/")[2] == get(port, "/files/sub")[2] == b"<p>here"
    assert get(port, "/files/")[0] == get(port, "/files/nowhere")[0] == get(port, "/filesystem")[0] == 404
    assert get(port, "/files/picture.png", "HEAD")[1]["content-length"] == "4"
    assert get(port, "/files/picture.png", "POST")[0] == 405


def test_a_file_that_the_client_has_already_is_not_sent_again(files: Script) -> None:
    port = files.call("port")
    changed = get(port, "/files/picture.png")[1]["last-modified"]
    with Client(port) as client:
        client.send(
            f"GET /files/picture.png HTTP/1.1\r\nHost: x\r\nIf-Modified-Since: {changed}\r\n\r\n".encode()
        )
        assert client.answer()[::2] == (304, b"")


@pytest.mark.parametrize(
    "path",
    [
        "/files/../secret.txt",
        "/files/%2e%2e/secret.txt",
        "/files/..%2fsecret.txt",
        "/files/%2e%2e%2fsecret.txt",
        "/files/..%5csecret.txt",
        "/files/sub/../../secret.txt",
        "/files/../public-too/secret.txt",
        "/files//../secret.txt",
        "/files/link.txt",
        "/files/up/secret.txt",
        "/files/.hidden",
        "/files/secret.txt%00.png",
        "/files/%2fetc%2fpasswd",
        "/files//etc/passwd",
    ],
)
def test_nothing_outside_the_folder_is_given_away(files: Script, path: str) -> None:
    status, _, body = get(files.call("port"), path)
    assert (status, b"secret" in body, b"root" in body) == (404, False, False)


def test_a_download_may_take_longer_than_a_route(session: Session, write: Write, tmp_path: Path) -> None:
    (tmp_path / "large.bin").write_bytes(bytes(30 << 20))
    text = f"""import host
s = host.http_serve("127.0.0.1", 0, None, {{"timeout": 50}}).static("/", {str(tmp_path)!r})
def port(): return s.port
"""
    with Client(session.load(write("it.py", text)).call("port")) as client:
        client.send(b"GET /large.bin HTTP/1.1\r\nHost: x\r\n\r\n")
        size = 0
        while size < 30 << 20:
            size += len(client.socket.recv(1 << 20))
            if size < 1 << 20:
                threading.Event().wait(0.03)  # a slow reader: several times the limit of a route
        assert size < (30 << 20) + 1000


def test_a_proxy_is_not_what_it_is(port: int) -> None:
    with Client(port) as client:
        client.send(b"CONNECT there:80 HTTP/1.1\r\nHost: there\r\n\r\n")
        assert client.answer()[0] in (400, 405)
    assert get(port)[0] == 200


def test_a_large_file_is_sent_as_fast_as_the_client_takes_it(files: Script, tmp_path: Path, log: Log) -> None:
    content = os.urandom(1 << 20) * 8
    (tmp_path / "public" / "large.bin").write_bytes(content)
    with Client(files.call("port")) as client:
        client.send(b"GET /files/large.bin HTTP/1.1\r\nHost: x\r\n\r\n" * 2)
        assert client.answer()[2] == content
        assert client.answer()[2] == content


def test_a_client_that_leaves_in_the_middle_of_a_file_leaves_nothing_behind(
    files: Script, tmp_path: Path, session: Session, log: Log
) -> None:
    (tmp_path / "public" / "large.bin").write_bytes(bytes(8 << 20))
    port = files.call("port")
    with back_at_baseline_after(files, log):
        for _ in range(5):
            with Client(port) as client:
                client.send(b"GET /files/large.bin HTTP/1.1\r\nHost: x\r\n\r\n")
                client.socket.recv(1000)


# ---- what goes wrong ---------------------------------------------------------------------------------


def test_a_port_in_use_raises_at_once(session: Session, write: Write, script: Script) -> None:
    port = script.call("port")
    with pytest.raises(Exception, match=f"127.0.0.1:{port} cannot be bound: Address already in use"):
        session.load(write("two.py", f"import host\nhost.http_serve('127.0.0.1', {port})"), alias="two")
    with pytest.raises(Exception, match="cannot be bound"):
        session.load(write("three.lua", f"host.http_serve('127.0.0.1', {port})"), alias="three")


def test_an_unknown_option_is_named_with_a_likely_one(session: Session, write: Write) -> None:
    before = descriptors()
    for _ in range(2):
        with pytest.raises(Exception, match=r'no option "max_bdy".*max_body'):
            session.load(write("it.py", "import host\nhost.http_serve('127.0.0.1', 0, None, {'max_bdy': 1})"))
    assert descriptors() <= before + 20


def test_a_route_closes_its_own_server(script: Script, session: Session, log: Log) -> None:
    with Client(script.call("port")) as client:
        client.send(b"GET /close HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.rest().endswith(b"closed")
    log.drain()
    with pytest.raises(ConnectionRefusedError):
        Client(script.call("port"))


def test_closing_lets_requests_that_have_arrived_be_answered(script: Script, log: Log) -> None:
    clients = [Client(script.call("port")) for _ in range(5)]
    for client in clients:
        client.send(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
    get(script.call("port"), "/close")
    for client in clients:
        answer = client.rest()
        assert answer == b"" or answer.endswith(b"made")  # one that had not been read yet is closed
        client.close()
    log.drain()


def test_a_route_that_blocks_is_stopped_and_the_others_are_answered(session: Session, write: Write) -> None:
    text = """import host
def blocked(request):
    entered()
    while True: pass
def take(function):
    global entered
    entered = function
s = host.http_serve("127.0.0.1", 0, {"GET /": lambda r: "hello", "GET /block": blocked})
def port(): return s.port
"""
    script = session.load(write("it.py", text))
    entered = threading.Event()
    script.call("take", entered.set)
    port = script.call("port")
    with Client(port) as one, Client(port) as two:
        one.send(b"GET /block HTTP/1.1\r\nHost: x\r\n\r\n")
        assert entered.wait(DEADLINE)
        two.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert session.interrupt("it")
        assert one.answer()[0] == 500
        assert two.answer()[2] == b"hello"


def test_a_route_reloads_its_own_script(session: Session, write: Write) -> None:
    """The new code answers from then on; the request that asked for it is answered, or just ends."""
    text = """import host
s = host.http_serve("127.0.0.1", host.state.setdefault("port", 0), lambda r: {body})
host.state["port"] = s.port
def take(function):
    global reload
    reload = function
def port(): return s.port
"""
    path = write("it.py", text.format(body="reload()"))
    script = session.load(path)
    port = script.call("port")
    path.write_text(text.format(body="'new'"))

    thread = threading.Thread(target=session.reload, args=("it",))

    def reload() -> str:
        thread.start()
        return "asked for"

    script.call("take", reload)
    with Client(port) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.rest()[-9:] in (b"", b"asked for")
    thread.join(DEADLINE)
    assert not thread.is_alive()
    assert get(port)[2] == b"new"


def test_a_reload_hands_the_port_over(script: Script, session: Session) -> None:
    """With a fixed port no client is refused; here, it is another one, and the old one is gone."""
    port = script.call("port")
    with Client(port) as client:
        session.reload("it")
        client.rest()
    assert get(script.call("port"))[0] == 200


def test_clients_that_come_and_go_leave_nothing_behind(script: Script, session: Session, log: Log) -> None:
    port = script.call("port")
    with back_at_baseline_after(script, log):
        for number in range(300):
            with Client(port) as client:
                if number % 3 == 0:
                    client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                    client.answer()
                elif number % 3 == 1:
                    client.send(b"GET /slow HTTP/1.1\r\nHo")


@pytest.mark.stress
def test_ten_thousand_connects_leave_nothing_behind(script: Script, session: Session, log: Log) -> None:
    port = script.call("port")
    with back_at_baseline_after(script, log):
        for _ in range(10_000):
            with Client(port) as client:
                client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")


def test_a_thousand_clients_at_the_same_time(script: Script, session: Session, log: Log) -> None:
    port = script.call("port")
    with back_at_baseline_after(script, log):
        clients = [Client(port) for _ in range(1000)]
        for client in clients:
            client.send(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        assert {client.answer()[0] for client in clients} == {201}
        for client in reversed(clients):
            client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert {client.answer()[2] for client in clients} == {b"hello"}
        for client in clients:
            client.close()


def test_unloading_with_requests_on_their_way_ends_all(script: Script, session: Session, log: Log) -> None:
    before = descriptors() - 10
    clients = [Client(script.call("port")) for _ in range(20)]
    for client in clients:
        client.send(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
    session.unload("it")
    for client in clients:
        client.rest()
        client.close()
    log.until(lambda: descriptors() <= before + 12)
    assert not session.pending


@pytest.mark.stress
def test_a_body_of_100_mb_goes_up_and_down(session: Session, write: Write) -> None:
    text = """import host
s = host.http_serve("127.0.0.1", 0, lambda r: r["body"], {"max_body": 200_000_000, "timeout": 0})
def port(): return s.port
"""
    port = session.load(write("it.py", text)).call("port")
    body = os.urandom(1 << 20) * 100
    with Client(port) as client:
        sender = threading.Thread(
            target=client.send,
            args=(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body,),
        )
        sender.start()
        client.socket.settimeout(60)
        received = client.answer()[2]
        sender.join()
    assert received == body


# ---- TLS ---------------------------------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("curl") is None, reason="asks with curl")
def test_a_server_with_a_certificate_speaks_tls(session: Session, write: Write, tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    text = f"""import host
s = host.http_serve("127.0.0.1", 0, lambda r: "secret", {{"tls": {{"cert": {cert!r}, "key": {key!r}}}}})
def port(): return s.port
"""
    port = session.load(write("it.py", text)).call("port")
    done = subprocess.run(
        ["curl", "-s", "-m", "10", "--cacert", cert, f"https://127.0.0.1:{port}/"],
        capture_output=True,
        check=True,
    )
    assert done.stdout == b"secret"
    refused = subprocess.run(
        ["curl", "-s", "-m", "10", f"https://127.0.0.1:{port}/"], capture_output=True, check=False
    )
    assert refused.returncode == 60
