"""The isolation of a Python script: how it is chosen, and how a reload moves a script from one to another."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from scriptengines.errors import ConfigError, LoadError
from scriptengines.session import Session
from tests.conftest import DEADLINE, Log

type Write = Callable[[str, str], Path]
MODES = ("isolated", "shared", "main")
MOVES = [(old, new) for old in MODES for new in MODES if old != new]


def header(isolation: str) -> str:
    return f'# scriptconsole: isolation = "{isolation}"\n'


SERVER = """
import host

host.state["loads"] = host.state.get("loads", 0) + 1

def echo(connection, data):
    connection.send(data)

listener = host.tcp_serve("127.0.0.1", host.state.get("port", 0), data=echo)
host.state["port"] = listener.port
host.set_interval(lambda: None, 60_000)

def look():
    return [host.state["loads"], listener.port]

def spin(entered):
    entered()
    while True: pass
"""


def test_a_script_says_in_its_header_how_it_is_kept_apart(session: Session, write: Write) -> None:
    for isolation in MODES:
        script = session.load(write(f"{isolation}.py", header(isolation)))
        assert script.view().isolation == isolation
    assert session.load(write("plain.py", "")).view().isolation == "isolated"


def test_the_caller_and_the_project_file_may_say_it_too(session: Session, write: Write) -> None:
    write("scriptconsole.toml", '[engines.python]\nisolation = "shared"\n')
    assert session.load(write("it.py", "")).view().isolation == "shared"
    assert session.load(write("it.py", ""), isolation="main").view().isolation == "main"


def test_a_wrong_isolation_is_refused_with_its_place(session: Session, write: Write) -> None:
    path = write("it.py", "\n" + header("safe"))
    with pytest.raises(ConfigError, match=rf"{path}:2: isolation must be 'isolated' or 'shared' or 'main'"):
        session.load(path)


@pytest.mark.parametrize(("old", "new"), MOVES)
def test_a_reload_moves_a_script_with_its_state_and_its_ports(
    session: Session, write: Write, log: Log, old: str, new: str
) -> None:
    script = session.load(write("it.py", header(old) + SERVER))
    look = script.function("look")
    _, port = look()
    refused: list[OSError] = []
    served, stop = threading.Semaphore(0), threading.Event()

    def connect() -> None:
        while not stop.is_set():
            try:
                with socket.create_connection(("127.0.0.1", port), DEADLINE):
                    served.release()
            except OSError as error:
                refused.append(error)

    thread = threading.Thread(target=connect)
    thread.start()
    for number, isolation in enumerate((new, old, new), start=2):
        assert served.acquire(timeout=DEADLINE)
        write("it.py", header(isolation) + SERVER)
        session.reload("it")
        assert look() == [number, port]
        assert (script.view().isolation, script.generation) == (isolation, number)
    stop.set()
    thread.join(DEADLINE)
    assert refused == []
    session.unload("it")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), DEADLINE)
    log.drain()


@pytest.mark.parametrize(("old", "new"), MOVES)
def test_a_move_that_fails_changes_nothing(session: Session, write: Write, old: str, new: str) -> None:
    script = session.load(write("it.py", header(old) + SERVER))
    before = script.call("look")
    for broken in ("raise ValueError('no paint')\n", "def oops(:\n"):
        write("it.py", header(new) + SERVER + broken)
        with pytest.raises(LoadError):
            session.reload("it")
        assert script.call("look") == before
        assert (script.view().isolation, script.generation) == (old, 1)
        with socket.create_connection(("127.0.0.1", before[1]), DEADLINE) as client:
            client.sendall(b"x")
            assert client.recv(1) == b"x"


def test_state_that_cannot_move_is_refused_by_name(session: Session, write: Write) -> None:
    text = "import host, threading\nhost.state.setdefault('locks', [1, threading.Lock()])\n"
    script = session.load(write("it.py", text))
    write("it.py", header("main") + text)
    with pytest.raises(LoadError, match=r"host\.state\['locks'\]\[1\] is a lock and cannot move"):
        session.reload("it")
    assert script.view().isolation == "isolated"


@pytest.mark.parametrize("isolation", MODES)
def test_a_moved_script_can_be_interrupted(session: Session, write: Write, isolation: str) -> None:
    old = "main" if isolation != "main" else "isolated"
    script = session.load(write("it.py", header(old) + SERVER))
    write("it.py", header(isolation) + SERVER)
    session.reload("it")
    entered = threading.Event()
    thread = threading.Thread(target=pytest.raises, args=(Exception, script.call, "spin", entered.set))
    thread.start()
    assert entered.wait(DEADLINE)
    assert session.interrupt("it")
    thread.join(DEADLINE)
    assert not thread.is_alive()
