"""A reload is all or nothing; state survives, timers and sockets do not, no client is refused meanwhile."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from scriptengines.errors import LoadError
from scriptengines.session import Session
from scriptengines.view import ScriptState
from tests.conftest import DEADLINE, Log, line_of

from .conftest import Load
from .languages import Language

behaviour = pytest.mark.behaviour
type Save = Callable[..., Path]


@behaviour("reload")
def test_a_reload_makes_the_next_generation(session: Session, load: Load, save: Save) -> None:
    script = load("version")
    save("version", version=2)
    assert session.reload("it") is script
    assert script.call("version") == 2
    assert script.view().generation == 2


@behaviour("reload")
def test_a_handle_never_misses_while_its_script_is_reloaded(session: Session, load: Load, save: Save) -> None:
    version = load("version").function("version")
    seen: list[int] = []
    errors: list[BaseException] = []
    stop = threading.Event()

    def call() -> None:
        try:
            while not stop.is_set():
                seen.append(version())
        except BaseException as error:  # noqa: BLE001 - reported below
            errors.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    for number in range(2, 8):
        save("version", version=number)
        session.reload("it")
    stop.set()
    thread.join(DEADLINE)
    assert errors == []
    assert seen == sorted(seen), "an old generation was called after a new one"
    assert version() == 7


@behaviour("state survives a reload")
def test_state_survives_a_reload(session: Session, load: Load) -> None:
    script = load("state")
    assert [script.call("bump") for _ in range(3)] == [1, 2, 3]
    session.reload("it")
    assert script.call("bump") == 4


@behaviour("state survives a reload")
def test_state_does_not_survive_unloading(session: Session, load: Load) -> None:
    load("state").call("bump")
    session.unload("it")
    assert load("state").call("bump") == 1


@behaviour("a broken reload changes nothing")
def test_a_syntax_error_leaves_the_old_generation_running(session: Session, load: Load, save: Save) -> None:
    script = load("version")
    path = save("broken")
    with pytest.raises(LoadError) as caught:
        session.reload("it")
    assert (caught.value.file, caught.value.line) == (str(path), line_of(path, "HERE"))
    assert script.call("version") == 1
    view = script.view()
    assert view.generation == 1
    assert view.last_error is not None
    assert (view.last_error.file, view.last_error.line) == (str(path), line_of(path, "HERE"))


@behaviour("a broken reload changes nothing")
def test_an_error_at_top_level_leaves_generation_and_state(
    session: Session, load: Load, save: Save, log: Log
) -> None:
    script = load("state")
    script.call("bump")
    path = save("spoiling")
    with pytest.raises(LoadError, match=r"no paint at load") as caught:
        session.reload("it")
    assert caught.value.file == str(path)
    assert script.call("bump") == 2
    assert script.view().generation == 1
    assert "no paint at load" in script.view().last_error.message
    assert log.wait_for("reload refused: ")


@behaviour("a broken reload changes nothing")
def test_a_mended_script_reloads_again(session: Session, load: Load, save: Save) -> None:
    script = load("version")
    for number in (2, 3):
        save("broken")
        with pytest.raises(LoadError):
            session.reload("it")
        save("version", version=number)
        session.reload("it")
        assert (script.call("version"), script.generation) == (number, number)


@behaviour("a broken load leaves nothing")
def test_a_script_that_does_not_load_is_not_there(session: Session, save: Save, log: Log) -> None:
    for text in ("broken", "spoiling"):
        path = save(text)
        with pytest.raises(LoadError, match=path.name):
            session.load(path)
        assert session.scripts == ()
        log.drain()
    save("version")
    assert session.load(path).call("version") == 1


@behaviour("old timers end with a reload")
def test_timers_of_the_old_generation_do_not_fire(session: Session, load: Load, log: Log) -> None:
    script = load("timers")
    script.call("start", 60_000)
    script.call("repeat", 60_000)
    session.reload("it")
    log.drain()
    assert log.lines("it") == []
    assert script.get("ticks") == 0


@behaviour("old subscriptions end with a reload")
def test_subscriptions_of_the_old_generation_are_gone(session: Session, load: Load) -> None:
    script = load("hooks")
    script.call("subscribe", 0)
    session.reload("it")
    assert session.emit("paint", "red") == 0


@behaviour("old sockets end with a reload")
def test_connections_and_listeners_of_the_old_generation_are_closed(
    session: Session, load: Load, save: Save, log: Log
) -> None:
    port = load("server").call("port")
    with socket.create_connection(("127.0.0.1", port), DEADLINE) as client:
        client.sendall(b"x")
        assert client.recv(1) == b"x"
        save("version")
        session.reload("it")
        with contextlib.suppress(ConnectionResetError):
            assert client.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), DEADLINE)
    log.drain()


@behaviour("a port is handed over")
def test_no_client_is_refused_while_a_server_is_reloaded(session: Session, load: Load) -> None:
    script = load("server")
    port = script.call("port")
    refused: list[OSError] = []
    served = threading.Semaphore(0)
    stop = threading.Event()

    def connect() -> None:
        while not stop.is_set():
            try:
                with socket.create_connection(("127.0.0.1", port), DEADLINE):
                    served.release()
            except OSError as error:
                refused.append(error)
                return

    thread = threading.Thread(target=connect)
    thread.start()
    for _ in range(10):
        assert served.acquire(timeout=DEADLINE)
        session.reload("it")
    stop.set()
    thread.join(DEADLINE)
    assert refused == []
    assert script.call("port") == port
    with socket.create_connection(("127.0.0.1", port), DEADLINE) as client:
        client.sendall(b"x")
        assert client.recv(1) == b"x"


@behaviour("a paused script stays paused")
def test_a_paused_script_stays_paused_over_a_reload(session: Session, load: Load) -> None:
    script = load("timers")
    session.pause("it")
    session.reload("it")
    assert script.view().state is ScriptState.PAUSED
    session.resume("it")
    assert script.view().state is not ScriptState.PAUSED


@behaviour("reload interrupts a runaway")
def test_a_reload_replaces_a_script_that_is_stuck(
    session: Session, load: Load, save: Save, language: Language
) -> None:
    script = load("spin")
    entered = threading.Event()

    def call() -> None:
        with pytest.raises(Exception, match=r"interrupt|reloaded"):
            script.call("spin", entered.set)

    thread = threading.Thread(target=call)
    thread.start()
    assert entered.wait(DEADLINE)
    save("version", version=2)
    session.reload("it")
    thread.join(DEADLINE)
    assert script.call("version") == 2
