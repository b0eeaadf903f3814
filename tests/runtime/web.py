"""What the tests of HTTP and WebSocket share: raw peers that behave, or do not, and a baseline."""

from __future__ import annotations

import contextlib
import gc
import os
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from scriptengines.session import Session
from tests.conftest import DEADLINE, Log


class Peer:
    """A TCP server that treats each connection as it is told, in a thread of its own.

    Args:
        behave: Called with each connected socket; the socket is closed when it returns.

    Attributes:
        url: Its address for HTTP.
        accepted: Connections so far.
    """

    def __init__(self, behave: Callable[[socket.socket], None]) -> None:
        self._behave = behave
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.accepted = 0
        self.released = threading.Event()
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._run, daemon=True)]
        self._threads[0].start()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            self._open.append(connection)
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(DEADLINE)
        with contextlib.suppress(OSError), connection:
            self._behave(connection)

    def track(self, connection: socket.socket) -> None:
        """Shut down in the end what a connection has been wrapped in, too."""
        self._open.append(connection)

    def wait(self, _connection: socket.socket | None = None) -> None:
        """Do nothing until the test is over."""
        self.released.wait(DEADLINE)

    def close(self) -> None:
        self.released.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(DEADLINE)


def read_request(connection: socket.socket) -> bytes:
    """A whole request with a content-length, or what there is of it."""
    received = b""
    while b"\r\n\r\n" not in received:
        piece = connection.recv(65536)
        if not piece:
            return received
        received += piece
    head, _, body = received.partition(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    while len(body) < length:
        piece = connection.recv(65536)
        if not piece:
            break
        body += piece
    return head + b"\r\n\r\n" + body


def response(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


class Client:
    """A raw connection to a server of a script."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), DEADLINE)
        self.socket.settimeout(DEADLINE)
        self._rest = b""

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def answer(self, *, to_head: bool = False) -> tuple[int, dict[str, str], bytes]:
        """The next answer: status, headers, body."""
        while b"\r\n\r\n" not in self._rest:
            self._more()
        head, _, self._rest = self._rest.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        length = 0 if to_head else int(headers.get("content-length", 0))
        while len(self._rest) < length:
            self._more()
        body, self._rest = self._rest[:length], self._rest[length:]
        return int(first.split()[1]), headers, body

    def _more(self) -> None:
        piece = self.socket.recv(65536)
        if not piece:
            raise EOFError(self._rest)
        self._rest += piece

    def rest(self) -> bytes:
        """Everything up to the end of the connection."""
        with contextlib.suppress(ConnectionResetError):
            while piece := self.socket.recv(65536):
                self._rest += piece
        return self._rest

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def get(
    port: int, path: str = "/", method: str = "GET", body: bytes = b""
) -> tuple[int, dict[str, str], bytes]:
    """One request on a connection of its own."""
    with Client(port) as client:
        length = f"Content-Length: {len(body)}\r\n" if body else ""
        client.send(
            f"{method} {path} HTTP/1.1\r\nHost: here\r\n{length}Connection: close\r\n\r\n".encode() + body
        )
        return client.answer(to_head=method == "HEAD")


def descriptors() -> int:
    """How many this process has open."""
    return len(os.listdir("/proc/self/fd"))


@contextlib.contextmanager
def back_at_baseline(session: Session, log: Log) -> Iterator[None]:
    """What happens inside leaves nothing pending and no descriptor open."""
    log.drain()
    before = descriptors()
    yield

    def is_back() -> bool:
        gc.collect()
        return not session.pending and descriptors() <= before

    log.until(is_back, f"at most {before} descriptors and nothing pending")


def certificate(folder: Path) -> tuple[str, str]:
    """A certificate for 127.0.0.1 that nobody has signed but itself, and its key."""
    paths = str(folder / "cert.pem"), str(folder / "key.pem")
    subprocess.run(
        [
            *(
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
            ),
            *("-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"),
            *("-out", paths[0], "-keyout", paths[1]),
        ],
        check=True,
        capture_output=True,
    )
    return paths
