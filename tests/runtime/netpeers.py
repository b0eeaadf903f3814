"""The other side of a script's connections, plain sockets on threads; and what must be as it was before."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from scriptengines.script import Script
from scriptengines.session import Session
from tests.conftest import DEADLINE, Log

TASKS = "len(__import__('asyncio').all_tasks(__import__('asyncio').get_running_loop()))"
"""How many tasks a Python script has; asked from outside, where its loop counts as running."""


class Peer:
    """A TCP server that runs `serve(connection)` on a thread for each client; errors there fail the test."""

    def __init__(self, serve: Callable[[socket.socket], None]) -> None:
        self._serve = serve
        self._threads: list[threading.Thread] = []
        self.errors: list[BaseException] = []
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.port: int = self._listening.getsockname()[1]
        self._acceptor = threading.Thread(target=self._accept)
        self._acceptor.start()

    def _accept(self) -> None:
        while True:
            connection, _ = self._listening.accept()
            if not self.port:
                connection.close()
                return
            thread = threading.Thread(target=self._run, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _run(self, connection: socket.socket) -> None:
        connection.settimeout(DEADLINE)
        try:
            with connection:
                self._serve(connection)
        except BaseException as error:  # noqa: BLE001 - told when the peer is closed
            self.errors.append(error)

    def close(self) -> None:
        port, self.port = self.port, 0
        socket.create_connection(("127.0.0.1", port)).close()
        for thread in (self._acceptor, *self._threads):
            thread.join(DEADLINE)
            assert not thread.is_alive()
        self._listening.close()
        assert not self.errors, self.errors


@pytest.fixture
def peer() -> Iterator[Callable[[Callable[[socket.socket], None]], Peer]]:
    """Starts servers that are no scripts."""
    peers: list[Peer] = []

    def start(serve: Callable[[socket.socket], None]) -> Peer:
        peers.append(Peer(serve))
        return peers[-1]

    yield start
    for each in peers:
        each.close()


def echo(connection: socket.socket) -> None:
    while data := connection.recv(65536):
        connection.sendall(data)


def receive(connection: socket.socket, count: int) -> bytes:
    """Exactly so many bytes."""
    received = bytearray()
    while len(received) < count:
        chunk = connection.recv(min(65536, count - len(received)))
        assert chunk, f"the connection ended after {len(received)} of {count} bytes"
        received += chunk
    return bytes(received)


def receive_all(connection: socket.socket) -> bytes:
    """All until the end."""
    received = bytearray()
    while chunk := connection.recv(65536):
        received += chunk
    return bytes(received)


def dial(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), DEADLINE)


def descriptors() -> set[str]:
    """The open descriptors of this process and what they are; sockets by their inodes."""
    found: set[str] = set()
    for name in os.listdir("/proc/self/fd"):
        try:
            found.add(f"{name} {os.readlink(f'/proc/self/fd/{name}')}")
        except FileNotFoundError:  # that of the listing itself
            continue
    return found


def tasks(script: Script) -> int:
    """How many asyncio tasks a script has."""
    if script.path.suffix == ".py":
        return script.evaluate(TASKS)
    loop: Any = getattr(script.runtime, "loop", None)
    return 0 if loop is None else len(asyncio.all_tasks(loop))  # in a process of its own, nobody can tell


@contextmanager
def steady(session: Session, log: Log, *scripts: Script, reloaded: bool = False) -> Iterator[None]:
    """Whatever happens within: afterwards nothing is pending, and there are no more descriptors and tasks.

    A script that is `reloaded` has other descriptors afterwards, but as many.
    """
    log.drain()
    before = descriptors()
    counts = [tasks(script) for script in scripts]
    yield
    closed = (lambda: len(descriptors()) <= len(before)) if reloaded else (lambda: descriptors() <= before)
    log.until(closed, f"the descriptors to be closed: {descriptors() - before}")
    log.until(lambda: [tasks(script) for script in scripts] == counts, "the tasks to end")
    log.drain()
    assert not session.pending


ISOLATIONS = {
    "python": {},
    "python-main": {"isolation": "main"},
    "lua": {},
    "python-shared": {"isolation": "shared"},
    "python-process": {"isolation": "process"},
    "lua-process": {"isolation": "process"},
}
ALWAYS = 3
"""So many of them are tested always, the rest by `make stress`."""


@pytest.fixture(
    params=[
        *list(ISOLATIONS)[:ALWAYS],
        *(pytest.param(name, marks=pytest.mark.stress) for name in list(ISOLATIONS)[ALWAYS:]),
    ]
)
def language(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def load(session: Session, write: Callable[[str, str], Path], language: str) -> Callable[..., Script]:
    """Loads the text of the language under test."""

    def load(*, python: str, lua: str, alias: str = "it", **options: Any) -> Script:
        is_lua = language.startswith("lua")
        text = lua if is_lua else f"import asyncio\nimport host\n{python}"
        path = write(f"{alias}.{'lua' if is_lua else 'py'}", text)
        return session.load(path, alias, **ISOLATIONS[language], **options)

    return load


def start(script: Script, name: str, *args: object) -> None:
    """Call a function that waits, without waiting for it: an `async def` of Python as a task."""
    if script.path.suffix == ".py":
        script.execute(f"asyncio.get_running_loop().create_task({name}(*{args!r}))")
    elif script.path.suffix == ".lua":
        script.execute("function begin(name, ...) coroutine.wrap(_G[name])(...) end")
        script.call("begin", name, *args)
    else:
        script.call(name, *args)
