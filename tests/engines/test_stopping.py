"""Python scripts that do not want to stop: interrupted, timed out, unloaded; in every isolation."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from scriptengines.errors import CallTimeout, Interrupted, LoadError
from scriptengines.session import Session
from scriptengines.view import Level
from tests.conftest import DEADLINE, Log

type Write = Callable[[str, str], Path]
MODES = ("isolated", "shared", "main")

STUBBORN = {
    "except Exception": """
    while True:
        try:
            while True: pass
        except Exception:
            pass
""",
    "except BaseException": """
    while True:
        try:
            while True: pass
        except BaseException:
            continue
""",
    "nested handlers": """
    while True:
        try:
            try:
                while True: pass
            except BaseException:
                while True: pass
        except BaseException:
            pass
""",
    "finally": """
    while True:
        try:
            while True: pass
        finally:
            continue
""",
    "a handler that calls": """
    def again():
        try:
            while True: len([])
        except:
            again()
    while True:
        try:
            again()
        except BaseException:
            pass
""",
    "a generator": """
    def numbers():
        while True:
            try:
                yield 1
            except BaseException:
                pass
    while True:
        try:
            for number in numbers(): pass
        except BaseException:
            pass
""",
    "a context manager": """
    import contextlib
    while True:
        with contextlib.suppress(BaseException):
            while True: pass
""",
}


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def header(mode: str) -> str:
    return f'# scriptconsole: isolation = "{mode}"\n'


CALLS = "calls = 0\ndef echo(value):\n    global calls\n    calls += 1\n    return value\n"


@pytest.mark.parametrize("how", STUBBORN)
def test_a_loop_that_catches_everything_is_stopped(
    session: Session, write: Write, header: str, how: str
) -> None:
    script = session.load(write("it.py", f"{header}{CALLS}def spin(entered):\n    entered(){STUBBORN[how]}"))
    for number in range(3):
        entered = threading.Event()
        outcomes: list[object] = []

        def call(entered: threading.Event = entered, outcomes: list[object] = outcomes) -> None:
            try:
                script.call("spin", entered.set)
            except BaseException as raised:  # noqa: BLE001 - compared below
                outcomes.append(raised)

        thread = threading.Thread(target=call)
        thread.start()
        assert entered.wait(DEADLINE)
        assert session.interrupt("it")
        thread.join(DEADLINE)
        assert [type(outcome) for outcome in outcomes] == [Interrupted]
        assert script.call("echo", number) == number
    assert script.get("calls") == 3


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # of its generator
@pytest.mark.parametrize("how", STUBBORN)
def test_a_stubborn_callback_is_stopped_and_the_next_one_is_spared(
    session: Session, write: Write, log: Log, header: str, how: str
) -> None:
    text = f"""{header}
import host
def spin():
    host.log("entered"){STUBBORN[how]}
def innocent():
    total = sum(range(1000))
    host.log("innocent")
def start():
    host.set_timeout(spin, 0)
    for _ in range(200):
        host.set_timeout(innocent, 0)
"""
    session.load(write("it.py", text)).call("start")
    log.wait_for("entered")
    log.until(lambda: session.interrupt("it") or log.lines().count("innocent"))
    log.wait_for("innocent", 200)
    log.drain()
    [error] = [record for record in log.records() if record.level is Level.ERROR]
    assert error.text.startswith("timeout callback: ")


def test_a_stubborn_top_level_is_stopped_in_time(session: Session, write: Write, header: str) -> None:
    text = f"{header}def spin():\n    pass{STUBBORN['except BaseException']}spin()\n"
    with pytest.raises(LoadError, match="still at its top level"):
        session.load(write("it.py", text), timeout=0.1)
    start = time.monotonic()
    assert session.close()
    assert time.monotonic() - start < DEADLINE / 2


def test_a_stubborn_call_times_out_again_and_again(session: Session, write: Write, header: str) -> None:
    text = f"{header}{CALLS}def spin():\n    pass{STUBBORN['except BaseException']}"
    script = session.load(write("it.py", text))
    for number in range(10):
        with pytest.raises(CallTimeout):
            script.call("spin", timeout=0.02)
        assert script.call("echo", number) == number


def test_a_trace_function_of_the_script_is_back_after_an_interrupt(
    session: Session, write: Write, header: str
) -> None:
    text = f"""{header}
import sys
seen = []
def trace(frame, event, argument):
    seen.append(frame.f_code.co_name)
def set_trace(on): sys.settrace(trace if on else None)
def spin():
    pass{STUBBORN["except BaseException"]}
def named(): pass
"""
    script = session.load(write("it.py", text))
    script.call("set_trace", True)
    with pytest.raises(CallTimeout):
        script.call("spin", timeout=0.02)
    script.call("named")
    script.call("set_trace", False)
    assert "named" in script.get("seen")
