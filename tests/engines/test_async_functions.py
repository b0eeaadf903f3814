"""`async def` functions called from outside: they run on their script's loop, the caller gets the result."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scriptengines.errors import CallCycleError, CallError, CallTimeout, CrossingError, Interrupted
from scriptengines.script import Script
from scriptengines.session import Session
from tests.conftest import DEADLINE, Log, line_of

type Write = Callable[[str, str], Path]

TEXT = """
import asyncio
import threading
import host

ticks = 0
started = None

async def fetch(n, *, by=2):
    await asyncio.sleep(0)
    return n * by, threading.get_ident(), asyncio.get_running_loop() is asyncio.get_event_loop()

def as_task(n):
    return asyncio.create_task(fetch(n))

def as_future():
    future = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_later(0.001, future.set_result, "late")
    return future

class Thing:
    async def method(self):
        return "method"

thing = Thing()
task = None

async def inner():
    raise KeyError("inner")

async def fail():
    await asyncio.sleep(0)
    await inner()

ended = []

async def wait(entered):
    try:
        entered()
        await asyncio.sleep(3600)  # WAITS
    finally:
        ended.append("wait")

async def wait_for_tick():
    before = ticks
    while ticks == before:
        await asyncio.sleep(0.001)
    return True

def start_task():
    global task
    task = asyncio.create_task(asyncio.sleep(3600))

def tick():
    global ticks
    ticks += 1

def add(a, b): return a + b

def spin(entered):
    entered()
    while True:
        pass

async def gather(*numbers):
    return await asyncio.gather(*(fetch(n) for n in numbers))

async def call(alias, name, *args):
    return host.call(alias, name, *args)

def call_plainly(alias, name, *args):
    return host.call(alias, name, *args)

async def cancelled():
    asyncio.current_task().cancel()
    await asyncio.sleep(0)

async def slowly(count):
    for n in range(count):
        await asyncio.sleep(0)
        yield n
"""


@pytest.fixture
def it(session: Session, write: Write) -> Script:
    return session.load(write("it.py", TEXT))


def test_the_result_of_a_coroutine_function_is_what_it_returns(it: Script) -> None:
    assert it.call("fetch", 21)[0] == 42
    assert it.call("fetch", 21, by=3)[0] == 63
    assert it.function("fetch")(1)[0] == 2


def test_it_runs_on_the_scripts_own_thread_and_loop(it: Script) -> None:
    _, thread, is_its_loop = it.call("fetch", 1)
    assert thread != threading.get_ident()
    assert is_its_loop


@pytest.mark.parametrize("name", ["as_task", "as_future", "gather"])
def test_whatever_can_be_awaited_is(it: Script, name: str) -> None:
    results = {
        "as_task": lambda: it.call("as_task", 4)[0] == 8,
        "as_future": lambda: it.call("as_future") == "late",
        "gather": lambda: [row[0] for row in it.call("gather", 1, 2, 3)] == [2, 4, 6],
    }
    assert results[name]()


def test_so_is_what_a_method_or_an_expression_gives(it: Script) -> None:
    assert it.get("thing").call("method") == "method"
    assert it.evaluate("fetch(3)")[0] == 6
    fetch = it.get("fetch")
    assert fetch(4)[0] == 8


def test_looking_at_a_task_does_not_wait_for_it(it: Script) -> None:
    it.call("start_task")
    task = it.get("task")
    assert task.type_name == "Task"
    assert task.call("done") is False
    task.call("cancel")


def test_an_error_has_the_frames_of_all_coroutines(it: Script, tmp_path: Path) -> None:
    with pytest.raises(CallError, match="KeyError: 'inner'") as caught:
        it.call("fail")
    assert [frame.function for frame in caught.value.frames] == ["fail", "inner"]


def test_a_coroutine_that_cancels_itself_is_an_error(it: Script) -> None:
    with pytest.raises(CallError, match="CancelledError"):
        it.call("cancelled")


def test_timers_and_other_callers_go_on_meanwhile(it: Script) -> None:
    entered = threading.Event()
    results: list[Any] = []
    waiter = threading.Thread(target=lambda: results.append(it.call("wait_for_tick")))
    waiter.start()
    while not results:
        it.call("tick")
    waiter.join()
    assert results == [True]
    it.execute("host.set_timeout(tick, 20)")
    assert it.call("wait_for_tick") is True
    assert not entered.is_set()


def test_many_threads_wait_at_once(it: Script) -> None:
    results: list[int] = []
    threads = [threading.Thread(target=lambda n=n: results.append(it.call("fetch", n)[0])) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [2 * n for n in range(8)]


def test_a_timeout_cancels_it_and_says_where_it_waited(it: Script, tmp_path: Path) -> None:
    with pytest.raises(CallTimeout, match=r"it\.wait took longer than 0\.05 s") as caught:
        it.call("wait", bool, timeout=0.05)
    assert (tmp_path / "it.py", "wait") == (
        Path(caught.value.frames[0].file),
        caught.value.frames[0].function,
    )
    assert caught.value.frames[0].line == line_of(tmp_path / "it.py", "WAITS")
    assert it.call("fetch", 1)[0] == 2
    assert it.get("ended") == ["wait"]


def test_a_timeout_spares_other_calls(it: Script) -> None:
    entered = threading.Event()
    errors: list[BaseException] = []

    def wait() -> None:
        try:
            it.call("wait", entered.set)
        except Interrupted as error:
            errors.append(error)

    waiter = threading.Thread(target=wait)
    waiter.start()
    assert entered.wait(DEADLINE)
    with pytest.raises(CallTimeout):
        it.call("wait", bool, timeout=0.02)
    assert (waiter.is_alive(), errors) == (True, [])
    assert it.interrupt(), "which is not for what the other leaves to be done"
    waiter.join(DEADLINE)
    assert [type(error) for error in errors] == [Interrupted]
    assert it.call("add", 1, 2) == 3


@pytest.mark.parametrize("isolation", ["isolated", "main", "process"])
def test_an_interrupt_is_for_what_lasts(session: Session, write: Write, isolation: str) -> None:
    text = "def hold(): time.sleep(0.0005)\nimport time\nhost.set_interval(hold, 1)\n"
    it = session.load(write("it.py", TEXT + text), isolation=isolation)
    for _ in range(5):  # many a time in the midst of what the timer does
        job = it.submit("wait", entered := Signal())
        entered.wait()
        assert it.interrupt()
        assert isinstance(job.exception(DEADLINE), Interrupted)
    assert session.frame().scripts[0].last_error is None, "the timer's function was never hit"


def test_a_runaway_is_stopped_before_those_who_wait_for_its_loop(it: Script) -> None:
    waiting = it.submit("wait", entered := Signal())
    entered.wait()
    running = it.submit("spin", entered := Signal())
    entered.wait()
    assert it.interrupt()
    assert isinstance(running.exception(DEADLINE), Interrupted)
    assert not waiting.done()
    assert it.interrupt()
    assert isinstance(waiting.exception(DEADLINE), Interrupted)


class Signal:
    """Something a script can call."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def __call__(self) -> None:
        self._event.set()

    def wait(self) -> None:
        """Until it has."""
        assert self._event.wait(DEADLINE)


@pytest.mark.parametrize("end", ["unload", "reload", "close"])
def test_a_script_that_ends_ends_the_calls_that_wait(session: Session, it: Script, end: str) -> None:
    entered = threading.Event()
    errors: list[BaseException] = []

    def wait() -> None:
        try:
            it.call("wait", entered.set)
        except BaseException as error:  # noqa: BLE001 - any error shall be looked at below
            errors.append(error)

    waiter = threading.Thread(target=wait)
    waiter.start()
    assert entered.wait(DEADLINE)
    if end == "close":
        session.close()
    else:
        getattr(session, end)("it")
    waiter.join(DEADLINE)
    assert [type(error) for error in errors] == [Interrupted]
    assert "reloaded or unloaded" in str(errors[0]) or "unloaded" in str(errors[0])


def test_its_own_loop_cannot_wait_for_it(session: Session, write: Write, it: Script, log: Log) -> None:
    it.execute("host.set_timeout(call_plainly, 0, 'it', 'fetch', 1)")
    assert (
        "await it there, or start it with asyncio.create_task" in log.wait_for("fetch() would wait")[0].text
    )
    with pytest.raises(CallCycleError, match="would wait for ever"):
        it.call("call", "it", "fetch", 1)
    session.load(write("other.py", TEXT))
    with pytest.raises(CallCycleError, match="would wait for ever"):
        it.call("call", "other", "call_plainly", "it", "fetch", 1)
    assert it.call("fetch", 1)[0] == 2


def test_a_caller_that_visits_the_script_may_wait_in_it(it: Script) -> None:
    assert it.call("call_plainly", "it", "fetch", 5)[0] == 10


def test_another_script_waits(session: Session, write: Write, it: Script) -> None:
    other = session.load(write("other.py", TEXT))
    assert other.call("call_plainly", "it", "fetch", 5)[0] == 10
    assert other.call("call", "it", "fetch", 5)[0] == 10
    assert list(other.call("call_plainly", "it", "slowly", 3)) == [0, 1, 2]


def test_a_circle_of_waiting_threads_is_refused(session: Session, write: Write, it: Script) -> None:
    """The caller holds `other` and waits for the loop of `it`, whose coroutine wants into `other`."""
    other = session.load(write("other.py", TEXT))
    with pytest.raises(CallCycleError, match="wait"):
        other.call("call_plainly", "it", "call", "other", "add", 1, 2)
    assert (other.call("add", 1, 2), it.call("add", 3, 4)) == (3, 7)


def test_a_circle_over_two_loops_is_refused(session: Session, write: Write, it: Script) -> None:
    """The loop of `it` waits for that of `other`, whose coroutine wants into `it`."""
    other = session.load(write("other.py", TEXT))
    with pytest.raises(CallCycleError, match="wait"):
        it.call("call", "other", "call", "it", "add", 1, 2)
    assert (other.call("add", 1, 2), it.call("add", 3, 4)) == (3, 7)


def test_calls_in_circles_never_hang(session: Session, write: Write, it: Script) -> None:
    session.load(write("other.py", TEXT))
    finished: list[str] = []

    def work(first: str, second: str) -> None:
        for number in range(40):
            name = ("call", "call_plainly")[number % 2]
            try:
                assert session.call(first, name, second, "call", first, "add", number, 1) == number + 1
            except CallCycleError:
                pass
            except CallError as error:
                assert error.remote_type == "CallCycleError"  # noqa: PT017
        finished.append(first)

    threads = [threading.Thread(target=work, args=pair) for pair in [("it", "other"), ("other", "it")] * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(finished) == ["it", "it", "other", "other"]


def test_an_async_generator_arrives_as_an_iterator(it: Script) -> None:
    items = it.call("slowly", 3)
    assert list(items) == [0, 1, 2]
    items = it.call("slowly", 3)
    assert next(items) == 0
    items.close()
    assert list(items) == []


def test_a_coroutine_of_the_host_has_no_loop_to_run_on(it: Script) -> None:
    async def answer() -> int:
        return 1

    with pytest.raises(CrossingError, match="async def"):
        it.call("wait", answer)
