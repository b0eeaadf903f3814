"""What a script may ask of the host: timers, hooks, log, output, sockets."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from scriptengines.hooks import Outcome
from scriptengines.session import Session
from scriptengines.view import Level, TimerView
from tests.conftest import DEADLINE, Log, line_of

from .conftest import Load
from .languages import Language

behaviour = pytest.mark.behaviour


# ---- timers ------------------------------------------------------------------------------------------------


@behaviour("set_timeout")
def test_a_timeout_fires_once(load: Load, log: Log) -> None:
    script = load("timers")
    script.call("start", 1)
    log.drain()
    assert log.lines("it") == ["tick 1"]
    assert script.get("ticks") == 1


@behaviour("set_timeout")
def test_timeouts_fire_in_order_of_time_then_age(load: Load, log: Log, session: Session) -> None:
    load("timers", alias="first")
    load("timers", alias="second")
    for alias, delay in (("first", 400), ("second", 1), ("second", 200)):
        session.call(alias, "start", delay)
    log.drain()
    assert [r.script for r in log.records() if "tick" in r.text] == ["second", "second", "first"]


@behaviour("set_timeout")
def test_a_failing_callback_is_reported_and_the_script_lives_on(load: Load, log: Log) -> None:
    script = load("timers")
    script.call("start_broken", 1)
    [record] = log.wait_for("no paint")
    assert (record.script, record.level) == ("it", Level.ERROR)
    assert record.text.startswith("timeout callback: ")
    assert f"{script.path}:{line_of(script.path, 'HERE')}" in record.text.partition("\n")[0]
    error = script.view().last_error
    assert error is not None
    assert (error.file, error.line) == (str(script.path), line_of(script.path, "HERE"))
    assert script.view().errors == 1
    script.call("start", 0)
    log.wait_for("tick 1")


@behaviour("set_interval")
def test_an_interval_fires_until_it_is_cleared(load: Load, log: Log) -> None:
    load("timers").call("repeat", 1)
    log.drain()
    assert log.lines("it") == ["tick 1", "tick 2", "tick 3"]


@behaviour("clear_timer")
def test_a_cleared_timer_does_not_fire(load: Load, log: Log) -> None:
    script = load("timers")
    number = script.call("start", 60_000)
    assert script.call("clear", number)
    log.drain()
    assert log.lines("it") == []


@behaviour("timers are shown")
def test_timers_appear_in_the_frame_and_can_be_cancelled_there(
    session: Session, load: Load, log: Log
) -> None:
    load("timers").call("start", 60_000)
    log.until(lambda: session.frame().timers)
    [timer] = session.frame().timers
    assert (timer.script, timer.kind, timer.interval, timer.count) == ("it", "timeout", 60_000.0, 0)
    assert timer.callback
    assert session.cancel_timer("it", timer.id)
    log.drain()
    assert not session.cancel_timer("it", timer.id)


@behaviour("timers are fired by hand")
def test_a_timer_can_be_fired_by_hand(session: Session, load: Load, log: Log) -> None:
    script = load("timers")
    once, again = script.call("start", 60_000), script.call("repeat", 60_000)
    before = shown(session, log, again)
    assert session.fire_timer("it", once)
    log.wait_for("tick 1")
    assert not session.fire_timer("it", once)
    assert session.fire_timer("it", again)
    log.wait_for("tick 2")
    after = shown(session, log, again, lambda timer: timer.count == 1)
    assert abs(after.due - before.due) < 1
    assert session.fire_timer("it", again)  # it clears itself
    log.drain()
    assert not session.fire_timer("it", again)


@behaviour("timers are paused")
def test_a_timer_can_be_paused(session: Session, load: Load, log: Log) -> None:
    script = load("timers")
    number = script.call("start", 60_000)
    assert session.pause_timer("it", number)
    held = shown(session, log, number, lambda timer: timer.paused)
    assert 0 < held.left <= 60_000
    assert session.change_interval("it", number, 1)
    assert shown(session, log, number, lambda timer: timer.left == 1).paused
    assert session.pending
    assert script.get("ticks") == 0
    assert session.resume_timer("it", number)
    log.drain()
    assert script.get("ticks") == 1
    assert not session.pause_timer("it", number)
    assert not session.resume_timer("it", number)


@behaviour("intervals are changed")
def test_the_interval_of_a_timer_can_be_changed(session: Session, load: Load, log: Log) -> None:
    script = load("timers")
    number = script.call("repeat", 100)
    assert session.change_interval("it", number, 1)
    log.drain()
    assert log.lines("it") == ["tick 1", "tick 2", "tick 3"]
    assert not session.change_interval("it", number, 1)
    with pytest.raises(ValueError, match="not less than 0, got -1"):
        session.change_interval("it", number, -1)


def shown(
    session: Session, log: Log, number: int, so: Callable[[TimerView], bool] = lambda _: True
) -> TimerView:
    """The row of a timer, once it is `so`."""
    found: list[TimerView] = []

    def look() -> bool:
        found[:] = [timer for timer in session.frame().timers if timer.id == number and so(timer)]
        return bool(found)

    log.until(look, "such a row")
    return found[0]


# ---- log and output ---------------------------------------------------------------------------------------


@behaviour("log")
def test_a_script_writes_to_the_log(load: Load, log: Log) -> None:
    load("talk").call("say", "wet paint – grün")
    [record] = log.wait_for("wet paint")
    assert (record.script, record.level, record.text) == ("it", Level.INFO, "wet paint – grün")


@behaviour("log levels")
def test_a_log_line_has_a_level(load: Load, log: Log) -> None:
    load("talk").call("warn", "wet paint")
    assert log.wait_for("wet paint")[0].level is Level.WARNING


@behaviour("print")
def test_what_a_script_prints_is_output(load: Load, log: Log) -> None:
    load("talk").call("show", "red\ngreen")
    records = log.wait_for("green")
    assert [(r.level, r.text) for r in log.records("it")] == [(Level.OUTPUT, "red"), (Level.OUTPUT, "green")]
    assert len(records) == 1


# ---- functions that wait, configuration ------------------------------------------------------------------


@behaviour("functions that wait")
def test_a_function_that_waits_calls_back(load: Load, log: Log) -> None:
    load("waiting").call("rest", 1)
    assert "rested: n" in log.wait_for("rested: ")[0].text.lower()


@behaviour("functions that wait")
def test_what_goes_wrong_is_told_to_the_callback(load: Load, log: Log) -> None:
    load("waiting").call("misuse")
    log.wait_for("refused: ms must be a number of milliseconds, got str")


@behaviour("configuration")
def test_a_script_reads_what_its_option_config_holds(session: Session, save: Callable[..., Path]) -> None:
    script = session.load(save("waiting"), config={"unit": "K"})
    assert [script.call("setting", name) for name in ("unit", "other")] == ["K", "none"]


@behaviour("fragments")
def test_a_fragment_prints_what_an_expression_gives(load: Load, log: Log) -> None:
    script = load("waiting")
    script.run_fragment("value")
    assert log.wait_for("20")[0].level is Level.OUTPUT
    script.run_fragment("value = 30")
    assert script.get("value") == 30


# ---- hooks ------------------------------------------------------------------------------------------------


@behaviour("hooks")
def test_a_hook_reaches_all_subscribers_by_priority_then_age(
    session: Session, load: Load, log: Log, language: Language
):
    for alias, priority in (("low", 0), ("high", 10), ("low-too", 0), ("middle", 5)):
        load("hooks", alias=alias).call("subscribe", priority)
    assert session.emit("paint", "red") == 4
    log.wait_for("saw red", 4)
    assert [r.script for r in log.records() if "saw" in r.text] == ["high", "middle", "low", "low-too"]


@behaviour("hooks")
def test_a_script_emits_to_a_script_of_any_language(
    session: Session, load: Load, log: Log, other: Language
) -> None:
    load("hooks", alias="painter")
    load("hooks", alias="viewer", language=other).call("subscribe", 0)
    assert session.call("painter", "emit", "blue") == 1
    assert log.wait_for("saw blue")[0].script == "viewer"


@behaviour("hooks")
def test_a_failing_subscriber_is_reported_and_skipped(session: Session, load: Load, log: Log) -> None:
    broken = load("hooks", alias="broken")
    broken.call("subscribe_broken", 10)
    load("hooks", alias="fine").call("subscribe", 0)
    assert session.emit("paint", "red") == 1
    [error] = [record for record in log.wait_for("no red") if record.level is Level.ERROR]
    assert error.script == "broken"
    assert 'hook "paint"' in error.text
    assert f"{broken.path}:{line_of(broken.path, 'HERE')}" in error.text
    assert log.wait_for("saw red")[0].script == "fine"


@behaviour("hooks")
def test_a_subscription_can_be_ended(session: Session, load: Load) -> None:
    script = load("hooks")
    number = script.call("subscribe", 0)
    assert script.call("unsubscribe", number) is True
    assert script.call("unsubscribe", number) is False
    assert session.emit("paint", "red") == 0


@behaviour("hooks")
def test_the_subscriptions_of_an_unloaded_script_are_gone(session: Session, load: Load) -> None:
    load("hooks").call("subscribe", 0)
    session.unload("it")
    assert session.emit("paint", "red") == 0


@behaviour("once")
def test_a_subscription_for_once_ends_with_the_first_emission(session: Session, load: Load, log: Log) -> None:
    load("waiting").call("next_time")
    assert [session.emit("paint", "red"), session.emit("paint", "blue")] == [1, 0]
    log.wait_for("once red")


@behaviour("hooks by name")
def test_functions_subscribe_by_their_names_when_the_profile_says_so(
    session: Session, save: Callable[..., Path], log: Log
) -> None:
    session.load(save("waiting"), profile="hooks")
    assert session.emit("paint", "red") == 1
    log.wait_for("by name red")


@behaviour("veto and replacement")
def test_a_veto_keeps_a_hook_from_those_after_it(session: Session, load: Load, log: Log) -> None:
    load("hooks", alias="first").call("subscribe", 20)
    load("rulings").call("subscribe", "deny", 10)
    load("hooks", alias="last").call("subscribe", 0)
    assert session.emit("paint", "red") == 2
    assert session.consult("paint", "blue") == Outcome(2, ("blue",), "it", "no blue")
    log.wait_for("saw blue")
    assert [record.text for record in log.records() if "saw" in record.text] == ["saw red", "saw blue"]


@behaviour("veto and replacement")
def test_replaced_arguments_go_to_those_after_it_and_to_whoever_asked(
    session: Session, load: Load, log: Log, other: Language
) -> None:
    load("rulings").call("subscribe", "lighten", 10)
    load("hooks", alias="viewer", language=other).call("subscribe", 0)
    assert session.emit("paint", "red") == 2
    log.wait_for("saw light red")
    assert session.consult("paint", "blue") == Outcome(2, ("light blue",))


@behaviour("veto and replacement")
def test_a_script_consults_the_subscribers_of_another(session: Session, load: Load, other: Language) -> None:
    asker = load("rulings", alias="asker", language=other)
    judge = load("rulings", alias="judge")
    judge.call("subscribe", "answer", 20)  # what it returns means nothing
    judge.call("subscribe", "lighten", 10)
    assert asker.call("consult", "red") == ["light red"]
    judge.call("subscribe", "deny", 0)
    assert asker.call("consult", "red") is None


# ---- network ---------------------------------------------------------------------------------------------


def talk(port: int, payload: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), DEADLINE) as client:
        client.sendall(payload)
        received = b""
        while len(received) < len(payload):
            chunk = client.recv(65536)
            assert chunk, "the server closed the connection"
            received += chunk
        return received


@behaviour("tcp server")
def test_a_script_serves_tcp(load: Load) -> None:
    port = load("server").call("port")
    payload = bytes(range(256)) * 1000
    assert talk(port, payload) == payload


@behaviour("tcp server")
def test_the_server_and_its_connections_are_shown(session: Session, load: Load, log: Log) -> None:
    port = load("server").call("port")

    def rows() -> list[tuple[str, str]]:
        return [(row.role, row.local) for row in session.frame().connections]

    with socket.create_connection(("127.0.0.1", port), DEADLINE):
        expected = [("listener", f"127.0.0.1:{port}"), ("server", f"127.0.0.1:{port}")]
        log.until(lambda: rows() == expected)
    log.until(lambda: rows() == expected[:1])
    [listener] = session.frame().connections
    assert session.close_connection("it", listener.id)
    log.drain()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), DEADLINE)


@behaviour("connections are tapped")
def test_the_last_bytes_of_a_connection_can_be_seen(session: Session, load: Load, log: Log) -> None:
    port = load("server").call("port")
    with socket.create_connection(("127.0.0.1", port), DEADLINE) as client:
        client.sendall(b"before")
        assert client.recv(6, socket.MSG_WAITALL) == b"before"
        log.until(lambda: len(session.frame().connections) == 2)
        [number] = [row.id for row in session.frame().connections if row.role == "server"]
        assert session.tapped("it", number).received == b""
        assert session.tap("it", number)
        payload = b"\x1b[31m" + bytes(range(256)) * 40
        client.sendall(payload)
        assert client.recv(len(payload), socket.MSG_WAITALL) == payload
        log.until(lambda: session.tapped("it", number).sent_before + 4096 >= len(payload))
        seen = session.tapped("it", number)
        assert seen.received == seen.sent == payload[-4096:]
        assert seen.received_before == seen.sent_before == len(payload) - 4096
        assert session.tap("it", number, on=False)
        client.sendall(b"after")
        assert client.recv(5, socket.MSG_WAITALL) == b"after"
        assert session.tapped("it", number).received == b""
    log.until(lambda: len(session.frame().connections) == 1)
    assert not session.tap("it", number)
    [listener] = session.frame().connections
    assert session.tap("it", listener.id)
    assert "no bytes" in session.tapped("it", listener.id).note


@pytest.fixture
def echo_port() -> int:
    """A TCP server that is no script."""

    class Echo(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            while data := self.request.recv(1000):
                self.request.sendall(data)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@behaviour("tcp client")
def test_a_script_connects_sends_receives_and_closes(load: Load, log: Log, echo_port: int) -> None:
    load("client").call("connect", echo_port)
    log.drain()
    assert log.lines("it") == ["got hello", "closed"]


@behaviour("tcp client")
def test_a_refused_connection_is_told_to_the_script(
    load: Load, log: Log, free_port: Callable[[], int]
) -> None:
    load("client").call("connect", free_port())
    log.drain()
    [line] = log.lines("it")
    assert line.startswith("failed: ")
    assert "refused" in line or "Connect call failed" in line


@behaviour("tcp client")
def test_two_scripts_talk_over_tcp(load: Load, log: Log, session: Session, other: Language) -> None:
    port = load("server", alias="server").call("port")
    load("client", alias="client", language=other).call("connect", port)
    log.wait_for("closed")
    assert log.lines("client") == ["got hello", "closed"]
