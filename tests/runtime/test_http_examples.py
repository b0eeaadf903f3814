"""The examples of HTTP and WebSocket, each with a peer in a process of its own."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from scriptengines.session import Session
from tests.conftest import DEADLINE, Log

EXAMPLES = Path(__file__).parents[2] / "examples"

ECHO = """
import sys, asyncio
from websockets.asyncio.server import serve
async def echo(connection):
    async for message in connection: await connection.send(message)
async def main():
    async with serve(echo, "127.0.0.1", 0) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
asyncio.run(main())
"""
EVENTS = """
import http.server, sys
class Events(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        for number, colour in enumerate(("red", "green", "blue")):
            self.wfile.write(f"id: {number}\\nevent: colour\\ndata: {colour}\\n\\n".encode())
    def log_message(self, *args): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Events)
print(server.server_port, flush=True)
import threading
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.read()
"""
TALK = """
import sys
from websockets.sync.client import connect
with connect(sys.argv[1]) as client:
    for text in sys.argv[2:]:
        client.send(text)
        print(client.recv(20))
"""


@pytest.fixture
def serves(session: Session, log: Log) -> Callable[[str], str]:
    """Starts an example that serves; gives its address."""

    def start(name: str) -> str:
        session.load(EXAMPLES / name, alias="it", arguments=["0"])
        found = re.search(r"listening on (\S+)", log.wait_for("listening on")[0].text)
        assert found is not None
        return found[1]

    return start


@contextmanager
def process(code: str, *arguments: str) -> Iterator[int]:
    """A server in a process of its own; gives its port."""
    command = [sys.executable, *(["-c", code] if code else []), *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        line = running.stdout.readline()
        found = re.search(r"(?:port )?(\d+)", line.rpartition("port")[2] or line)
        assert found is not None, line
        yield int(found[1])
        running.stdin.close()
        running.terminate()


def curl(*arguments: str) -> str:
    if shutil.which("curl") is None:
        pytest.skip("asks with curl")
    command = ["curl", "-s", "-m", str(DEADLINE), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_http_server_lua(serves: Callable[[str], str]) -> None:
    url = serves("http_server.lua")
    assert sorted(curl(f"{url}lamps")) == sorted('{"kitchen": false, "hall": true}')
    told = curl("-d", '{"on": true}', "-H", "Content-Type: application/json", f"{url}lamps/kitchen")
    assert '"on": true' in told
    assert curl("-d", "x", f"{url}lamps/kitchen") == 'send {"on": true}'
    assert curl("-d", "x", f"{url}lamps/cellar") == "no lamp cellar"
    assert curl(f"{url}slow") == "slow, but here\n"


def test_http_server_py(serves: Callable[[str], str]) -> None:
    url = serves("http_server.py")
    assert curl("-d", "buy milk", f"{url}notes") == "note 1\n"
    assert curl(f"{url}notes") == '["buy milk"]'
    assert curl(f"{url}wait?ms=1").startswith("waited for 127.0.0.1:")
    assert curl(f"{url}files/http_server.py") == (EXAMPLES / "http_server.py").read_text()


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        (
            "http_client.lua",
            {
                "called back: 200 text/html",
                "waited: 200 0 bytes",
                "caught: false GET http://127.0.0.1:1/: connection refused",
            },
        ),
        (
            "http_client.py",
            {"200 OK, 7 bytes", "caught: GET http://127.0.0.1:1/: connection refused"},
        ),
    ],
)
def test_http_clients(session: Session, log: Log, tmp_path: Path, name: str, lines: set[str]) -> None:
    (tmp_path / "index.html").write_text("<p>here")
    server = ("-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", str(tmp_path))
    with process("", *server) as port:
        session.load(EXAMPLES / name, alias="it", arguments=[f"http://127.0.0.1:{port}/"])
        log.drain()
    assert set(log.lines("it")) == lines


def test_websocket_echo_py(serves: Callable[[str], str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", TALK, serves("websocket_echo.py"), "one", "two"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "one\ntwo\n"


def test_websocket_chat_lua(serves: Callable[[str], str]) -> None:
    url = serves("websocket_chat.lua")
    assert curl(url).startswith("<!doctype html>")
    room = url.replace("http:", "ws:") + "room/Ada"
    done = subprocess.run(
        [sys.executable, "-c", TALK, room, "hello", "again"], capture_output=True, text=True, check=True
    )
    assert done.stdout == "Ada is here\nAda: hello\n"


@pytest.mark.parametrize("name", ["websocket_client.lua", "websocket_client.py"])
def test_websocket_clients(session: Session, log: Log, name: str) -> None:
    with process(ECHO) as port:
        session.load(EXAMPLES / name, alias="it", arguments=[f"ws://127.0.0.1:{port}/"])
        log.drain()
    lines = log.lines("it")
    if name.endswith("lua"):
        assert lines == ["got hello from Lua", "closed 1000"]
    else:
        assert lines[:3] == ["got one", "got two", "got three"]
        assert lines[3].startswith("a pong after ")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "sse_client.lua",
            ["status 200, text/event-stream", "colour: red", "colour: green", "colour: blue", "closed"],
        ),
        (
            "sse_client.py",
            ["0 colour: red", "1 colour: green", "2 colour: blue", "closed: the server has ended it"],
        ),
    ],
)
def test_sse_clients(session: Session, log: Log, name: str, expected: list[str]) -> None:
    with process(EVENTS) as port:
        session.load(EXAMPLES / name, alias="it", arguments=[f"http://127.0.0.1:{port}/"])
        log.drain()
    assert log.lines("it") == expected
