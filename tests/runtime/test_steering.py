"""Timers steered by hand: fired, paused, resumed, given another interval; those of asyncio, too."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from scriptengines import Session
from scriptengines.view import TimerView
from tests.conftest import Log

type Write = Callable[[str, str], Path]
type Steer = Callable[[Session, int], object]

SETTERS = {
    "it.py": """
import host
def keep(tell):
    start = host.now()
    return lambda: tell(round(host.now() - start))
def repeat(tell, ms): return host.set_interval(keep(tell), ms)
def once(tell, ms): return host.set_timeout(keep(tell), ms)
def clear(number): return host.clear_timer(number)
""",
    "it.lua": """
local function keep(tell)
  local start = host.now()
  return function() tell(math.floor(host.now() - start + 0.5)) end
end
function repeat_(tell, ms) return host.set_interval(keep(tell), ms) end
_G["repeat"] = repeat_
function once(tell, ms) return host.set_timeout(keep(tell), ms) end
function clear(number) return host.clear_timer(number) end
""",
}


@pytest.fixture
def session() -> Iterator[Session]:
    with Session(virtual_time=True) as opened:
        yield opened


@pytest.fixture(params=sorted(SETTERS))
def run(request: pytest.FixtureRequest, session: Session, write: Write, log: Log) -> Callable[..., list[int]]:
    """`run("once" or "repeat", ms, {at: step}, until=ms)` gives the virtual moments at which it fired.

    A step is taken at its moment by another script, which calls back.
    """

    def run(kind: str, ms: float, steps: dict[int, Steer], until: int = 10_000) -> list[int]:
        fired: list[int] = []
        assert session.clock is not None
        clock = "import host\ndef at(ms, call): host.set_timeout(call, ms)\n"
        with session.clock:
            script = session.load(write(request.param, SETTERS[request.param]))
            other = session.load(write("clock.py", clock), isolation="main")
            number = script.call(kind, fired.append, ms)
            for moment, step in steps.items():
                other.call("at", moment, partial(take, step, session, number))
            other.call("at", until, lambda: void(script.call("clear", number)))
        log.drain()
        return fired

    return run


def void(_: object) -> None:
    """A callback of a timer has no result."""


def take(step: Steer, session: Session, number: int) -> None:
    void(step(session, number))


type Run = Callable[..., list[int]]


def fire(session: Session, number: int) -> bool:
    return session.fire_timer("it", number)


def pause(session: Session, number: int) -> bool:
    return session.pause_timer("it", number)


def resume(session: Session, number: int) -> bool:
    return session.resume_timer("it", number)


def change(ms: float) -> Steer:
    return lambda session, number: session.change_interval("it", number, ms)


def test_an_interval_that_is_fired_keeps_its_beat(run: Run) -> None:
    assert run("repeat", 1000, {300: fire, 1700: fire}, until=3500) == [300, 1000, 1700, 2000, 3000]


def test_a_timeout_that_is_fired_has_fired(run: Run) -> None:
    assert run("once", 1000, {300: fire, 400: fire}) == [300]


def test_what_is_paused_goes_on_with_what_was_left(run: Run) -> None:
    assert run("once", 1000, {300: pause, 5000: resume}) == [5700]


def test_an_interval_goes_on_with_what_was_left_of_it(run: Run) -> None:
    assert run("repeat", 1000, {2300: pause, 5000: resume}, until=7000) == [1000, 2000, 5700, 6700]


def test_to_pause_or_resume_twice_changes_nothing(run: Run) -> None:
    steps = {300: pause, 500: pause, 5000: resume, 5100: resume}
    assert run("once", 1000, steps) == [5700]


def test_what_is_paused_can_be_fired_and_an_interval_stays_paused(run: Run) -> None:
    assert run("once", 1000, {300: pause, 400: fire, 500: resume}) == [400]


def test_an_interval_that_is_paused_and_fired_stays_paused(run: Run) -> None:
    assert run("repeat", 1000, {300: pause, 400: fire, 3000: resume}, until=4000) == [400, 3700]


def test_another_interval_holds_from_the_next_firing_on(run: Run) -> None:
    assert run("repeat", 1000, {1500: change(400)}, until=3000) == [1000, 2000, 2400, 2800]


def test_a_longer_interval_does_not_delay_the_next_firing(run: Run) -> None:
    assert run("repeat", 1000, {1500: change(5000)}, until=9000) == [1000, 2000, 7000]


def test_another_delay_of_what_fires_once_counts_from_now(run: Run) -> None:
    assert run("once", 1000, {500: change(2000)}) == [2500]


def test_a_paused_timer_can_be_cleared(run: Run) -> None:
    assert run("repeat", 1000, {1500: pause}, until=3000) == [1000]


def test_a_paused_timer_is_gone_with_its_generation(session: Session, write: Write, log: Log) -> None:
    assert session.clock is not None
    with session.clock:
        script = session.load(write("it.py", SETTERS["it.py"]))
        number = script.call("once", void, 1000)
        assert session.pause_timer("it", number)
        session.reload("it")
    log.drain()
    assert not session.resume_timer("it", number)


def test_an_interval_whose_async_call_goes_on_is_fired_when_that_ends(
    session: Session, write: Write, log: Log
) -> None:
    text = """
import asyncio, host
async def tick():
    host.log(f"begins at {round(host.now() - start)}")
    await asyncio.sleep(0.5)
    if host.now() - start > 1900: host.clear_timer(number)
def go():
    global start, number
    start, number = host.now(), host.set_interval(tick, 1000)
    return number
def at(ms, call): host.set_timeout(call, ms)
"""
    assert session.clock is not None
    with session.clock:
        script = session.load(write("it.py", text))
        number = script.call("go")
        script.call("at", 1200, lambda: void(session.fire_timer("it", number)))
        script.call("at", 1300, lambda: void(session.fire_timer("it", number)))
    log.drain()
    assert log.lines("it") == ["begins at 1000", "begins at 1500"]


# ---- timers of asyncio -----------------------------------------------------------------------------------

NAPS = """
import asyncio, host
async def nap(tell):
    await asyncio.sleep(1)
    tell(round(host.now() - start))
def go(tell):
    global start, task
    start = host.now()
    task = asyncio.get_event_loop().create_task(nap(tell))
"""


def sleeping(session: Session, log: Log) -> TimerView:
    found: list[TimerView] = []

    def look() -> bool:
        session.script("it").refresh()
        found[:] = session.script("it").rows(TimerView)
        return bool(found)

    log.until(look, "a timer of asyncio")
    assert found[0].kind == "asyncio"
    return found[0]


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([("fire_timer",)], [0]),
        ([("change_interval", 250)], [250]),
        ([("pause_timer",), ("change_interval", 300), ("resume_timer",)], [300]),
        ([("pause_timer",), ("resume_timer",)], [1000]),
        ([("pause_timer",), ("fire_timer",)], [0]),
    ],
)
@pytest.mark.parametrize("isolation", ["isolated", "main"])
def test_a_sleeping_task_is_steered_by_its_timer(
    session: Session, write: Write, log: Log, isolation: str, steps: Any, expected: list[int]
) -> None:
    woke: list[int] = []
    assert session.clock is not None
    with session.clock:
        session.load(write("it.py", NAPS), isolation=isolation).call("go", woke.append)
        number = sleeping(session, log).id
        for name, *args in steps:
            assert getattr(session, name)("it", number, *args)
    log.drain()
    assert woke == expected
    assert not session.fire_timer("it", number)


def test_a_paused_sleep_can_be_cancelled(session: Session, write: Write, log: Log) -> None:
    woke: list[int] = []
    assert session.clock is not None
    with session.clock:
        script = session.load(write("it.py", NAPS))
        script.call("go", woke.append)
        number = sleeping(session, log).id
        assert session.pause_timer("it", number)
        script.refresh()
        assert [timer.paused for timer in script.rows(TimerView)] == [True]
        assert session.cancel_timer("it", number)
    log.drain()
    assert woke == []
    assert not session.resume_timer("it", number)


def test_a_script_with_a_paused_sleep_can_be_unloaded(session: Session, write: Write, log: Log) -> None:
    text = (
        NAPS
        + """
async def careful(tell):
    try:
        await asyncio.sleep(1)
    finally:
        await asyncio.sleep(0.01)
        tell(-1)
def go_careful(tell):
    global start, task
    start, task = 0, asyncio.get_event_loop().create_task(careful(tell))
"""
    )
    woke: list[int] = []
    assert session.clock is not None
    with session.clock:
        session.load(write("it.py", text)).call("go_careful", woke.append)
        assert session.pause_timer("it", sleeping(session, log).id)
    session.unload("it")
    assert woke == [-1]


# ---- while the script runs ------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["py", "lua"])
def test_steering_while_timers_fire_loses_none(
    session: Session, write: Write, log: Log, language: str
) -> None:
    """Two threads pause, resume, fire and change what fires all the time; in the end each still fires."""
    texts = {
        "py": "import host\nticks = [0] * 20\ndef tick(n): ticks[n] += 1\n"
        "numbers = [host.set_interval(tick, 1, n) for n in range(20)]\ndef all(): return list(ticks)\n"
        "def names(): return list(numbers)\n",
        "lua": "local ticks, numbers = {}, {}\nfor n = 1, 20 do ticks[n] = 0\n"
        "numbers[n] = host.set_interval(function() ticks[n] = ticks[n] + 1 end, 1) end\n"
        "function all() return ticks end\nfunction names() return numbers end\n",
    }
    with Session() as real:
        script = real.load(write(f"busy.{language}", texts[language]))
        numbers = script.call("names")

        def meddle(shift: int) -> None:
            steps = (real.pause_timer, real.fire_timer, real.resume_timer)
            for turn in range(300):
                number = numbers[(turn + shift) % 20]
                assert steps[turn % 3]("busy", number)
                assert real.change_interval("busy", number, 1 + turn % 2)

        threads = [threading.Thread(target=meddle, args=(shift,)) for shift in (0, 7)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for number in numbers:
            assert real.resume_timer("busy", number)
        before = script.call("all")
        log.until(lambda: all(a > b for a, b in zip(script.call("all"), before, strict=True)))
