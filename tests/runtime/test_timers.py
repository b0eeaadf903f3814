"""Timers of scripts: order, arguments, clearing, delays that are none, callbacks that misbehave."""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path

import pytest

from scriptengines import Session
from scriptengines.errors import CallError
from tests.conftest import Log

type Write = Callable[[str, str], Path]


@pytest.fixture(params=["isolated", "shared", "main"])
def isolation(request: pytest.FixtureRequest) -> str:
    return request.param


def run(session: Session, write: Write, log: Log, text: str, **options: str) -> list[str]:
    """The lines that a Python script prints, once nothing of it is pending."""
    session.load(write("it.py", "import host, asyncio, time\n" + text), **options)
    log.drain()
    return log.lines("it")


def run_lua(session: Session, write: Write, log: Log, text: str) -> list[str]:
    session.load(write("it.lua", text))
    log.drain()
    return log.lines("it")


# ---- order -------------------------------------------------------------------------------------------


def test_those_of_the_same_delay_come_in_the_order_they_were_set(
    session: Session, write: Write, log: Log, isolation: str
) -> None:
    text = """
for i in range(200):
    host.set_timeout(print, 1, i)
"""
    assert run(session, write, log, text, isolation=isolation) == [str(i) for i in range(200)]


def test_ties_of_asyncio_come_in_order_too(session: Session, write: Write, log: Log) -> None:
    text = """
loop = asyncio.get_event_loop()
moment = loop.time() + 0.005
for i in range(200):
    loop.call_at(moment, print, i)
"""
    assert run(session, write, log, text) == [str(i) for i in range(200)]


def test_shorter_delays_come_first(session: Session, write: Write, log: Log) -> None:
    text = """
for delay in (30, 10, 20, 5):
    host.set_timeout(print, delay, delay)
"""
    assert run(session, write, log, text) == ["5", "10", "20", "30"]


@pytest.mark.parametrize("none", ["0", "-5", "-math.inf", "0.0"])
def test_no_delay_comes_before_any_delay(session: Session, write: Write, log: Log, none: str) -> None:
    text = f"""
import math
host.set_timeout(print, 0.0001, "some")
host.set_timeout(print, {none}, "none")
host.set_timeout(print, {none}, "none, too")
"""
    assert run(session, write, log, text) == ["none", "none, too", "some"]


def test_no_delay_comes_first_in_lua_too(session: Session, write: Write, log: Log) -> None:
    text = """
setTimeout(function() print("some") end, 0.0001)
setTimeout(function() print("none") end, -math.huge)
host.set_timeout(print, 0, "none", "too")
"""
    assert run_lua(session, write, log, text) == ["none", "none\ttoo", "some"]


def test_others_get_their_turn_between_the_ticks_of_an_interval_of_0(
    session: Session, write: Write, log: Log
) -> None:
    text = """
ticks = 0
def tick():
    global ticks
    ticks += 1
timer = host.set_interval(tick, 0)

async def main():
    async def serve(reader, writer):
        writer.write(await reader.read(10))
        writer.close()
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    writer.write(b"hello")
    print((await reader.read()).decode())
    writer.close()
    server.close()
    await asyncio.sleep(0.002)
    print(ticks > 10, host.clear_timer(timer))
asyncio.get_event_loop().create_task(main())
"""
    assert run(session, write, log, text) == ["hello", "True True"]


# ---- arguments -----------------------------------------------------------------------------------------


def test_arguments_are_passed_on(session: Session, write: Write, log: Log) -> None:
    text = "host.set_timeout(print, 1, 'a', 2, None)\n"
    assert run(session, write, log, text) == ["a 2 None"]


def test_arguments_are_passed_on_in_lua(session: Session, write: Write, log: Log) -> None:
    text = 'host.set_timeout(function(...) print(select("#", ...), ...) end, 1, "a", 2, nil)'
    assert run_lua(session, write, log, text) == ["3\ta\t2\tnil"]


@pytest.mark.parametrize(
    ("call", "told"),
    [
        ("host.set_timeout(1, 1)", "the callback must be a function, got int"),
        ("host.set_timeout(print, '1')", "ms must be a number of milliseconds, got str"),
        ("host.set_timeout(print, True)", "ms must be a number of milliseconds, got bool"),
        ("host.set_interval(print, float('nan'))", "ms must be a number of milliseconds, got nan"),
    ],
)
def test_what_is_no_timer_is_refused(session: Session, write: Write, call: str, told: str) -> None:
    script = session.load(write("it.py", "import host\n"))
    with pytest.raises(CallError, match=told):
        script.execute(call)


# ---- clearing -------------------------------------------------------------------------------------------


def test_clear_tells_whether_it_hit(session: Session, write: Write, log: Log) -> None:
    text = """
timer = host.set_timeout(print, 10_000)
print(host.clear_timer(timer), host.clear_timer(timer), host.clear_timer(12345))
"""
    assert run(session, write, log, text) == ["True False False"]


def test_ids_are_never_given_twice(session: Session, write: Write, log: Log) -> None:
    text = """
ids = set()
for _ in range(100):
    timer = host.set_timeout(print, 10_000)
    ids.add(timer)
    host.clear_timer(timer)
print(len(ids))
"""
    assert run(session, write, log, text) == ["100"]


def test_one_that_is_cleared_by_another_of_the_same_turn_never_runs(
    session: Session, write: Write, log: Log, isolation: str
) -> None:
    text = """
def first():
    print("first", host.clear_timer(second), host.clear_timer(third))
host.set_timeout(first, 1)
second = host.set_timeout(print, 1, "second")
host.set_timeout(first_zero := lambda: print("zero", host.clear_timer(zero)), 0)
zero = host.set_timeout(print, 0, "zero, second")
third = host.set_interval(print, 1, "third")
time.sleep(0.005)
"""
    lines = run(session, write, log, text, isolation=isolation)
    assert lines == ["zero True", "first True True"]


def test_an_interval_may_clear_itself(session: Session, write: Write, log: Log) -> None:
    text = """
count = 0
def tick():
    global count
    count += 1
    if count == 3:
        print("cleared", host.clear_timer(timer))
timer = host.set_interval(tick, 1)
"""
    assert run(session, write, log, text) == ["cleared True"]
    assert session.script("it").get("count") == 3


def test_a_timeout_that_runs_is_pending_no_more(session: Session, write: Write, log: Log) -> None:
    text = """
def fire():
    print(host.clear_timer(timer))
timer = host.set_timeout(fire, 1)
"""
    assert run(session, write, log, text) == ["False"]


def test_100_000_set_and_cleared_leave_nothing(session: Session, write: Write, log: Log) -> None:
    text = """
import gc, weakref
class Thing:
    def __call__(self): print("called")
def churn():
    things = []
    for i in range(100_000):
        thing = Thing()
        if i % 1000 == 0:
            things.append(weakref.ref(thing))
        host.clear_timer(host.set_timeout(thing, 60_000 + i))
    del thing
    return sum(each() is not None for each in things)
print(churn())
"""
    assert run(session, write, log, text) == ["0"]
    script = session.script("it")
    assert script.evaluate("len(asyncio.get_event_loop().schedule.timers)") == 0
    assert script.evaluate("len(asyncio.get_event_loop().schedule.heap)") <= 100
    gc.collect()
    script.refresh()
    session.frame()
    assert not session.frame().timers


# ---- never ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("delay", ["math.inf", "10 ** 400", "1e308"])
def test_an_infinite_delay_never_comes_and_keeps_the_run_alive(
    session: Session, write: Write, log: Log, delay: str
) -> None:
    script = session.load(
        write(
            "it.py",
            f"import host, math\nt = host.set_timeout(print, {delay}, 'never')\n"
            "host.set_timeout(print, 5, 'soon')\n",
        )
    )
    log.wait_for("soon")
    assert session.pending
    assert script.evaluate("host.clear_timer(t)") is True
    log.drain()
    assert log.lines("it") == ["soon"]


def test_an_infinite_delay_in_lua(session: Session, write: Write, log: Log) -> None:
    script = session.load(
        write("it.lua", "t = setTimeout(print, math.huge) host.set_timeout(print, 2, 'soon')")
    )
    log.wait_for("soon")
    assert session.pending
    script.execute("clearTimeout(t)")
    log.drain()


# ---- intervals ---------------------------------------------------------------------------------------------


def test_intervals_do_not_drift(session: Session, write: Write, log: Log) -> None:
    text = """
loop = asyncio.get_event_loop()
begin = None
def tick():
    global begin, count
    now = loop.time()
    if begin is None:
        begin = loop.schedule.timers[timer].when - 0.002
    count += 1
    time.sleep(0.0007)
    if count == 50:
        beats = (loop.schedule.timers[timer].when - begin) / 0.002
        print(abs(beats - round(beats)) < 1e-6)
        host.clear_timer(timer)
count = 0
timer = host.set_interval(tick, 2)
"""
    assert run(session, write, log, text) == ["True"]


def test_what_a_long_callback_swallows_is_left_out_and_the_beat_kept(
    session: Session, write: Write, log: Log
) -> None:
    text = """
loop = asyncio.get_event_loop()
dues = []
def tick():
    dues.append(loop.schedule.timers[timer].when)
    time.sleep(0.012)
    if len(dues) == 3:
        host.clear_timer(timer)
        steps = [(b - a) / 0.005 for a, b in zip(dues, dues[1:])]
        print(all(abs(step - round(step)) < 1e-6 and step > 1.5 for step in steps))
timer = host.set_interval(tick, 5)
"""
    assert run(session, write, log, text) == ["True"]


def test_async_callbacks_of_an_interval_do_not_overlap(session: Session, write: Write, log: Log) -> None:
    text = """
running = most = count = 0
async def tick():
    global running, most, count
    running += 1
    most = max(most, running)
    await asyncio.sleep(0.01)
    running -= 1
    count += 1
    if count == 3:
        host.clear_timer(timer)
        print("most", most)
timer = host.set_interval(tick, 1)
"""
    assert run(session, write, log, text) == ["most 1"]


def test_an_async_callback_that_fails_lets_the_interval_go_on(
    session: Session, write: Write, log: Log
) -> None:
    text = """
count = 0
async def tick():
    global count
    count += 1
    if count == 3:
        host.clear_timer(timer)
    raise ValueError(count)
timer = host.set_interval(tick, 1)
"""
    run(session, write, log, text)
    assert [line.split()[3] for line in log.lines("it")] == ["1", "2", "3"]


# ---- callbacks that misbehave ----------------------------------------------------------------------


def test_one_that_raises_stops_nothing_else(session: Session, write: Write, log: Log, isolation: str) -> None:
    text = """
def fail():
    raise ValueError("mistaken")
host.set_timeout(fail, 1)
host.set_timeout(print, 2, "next")
"""
    lines = run(session, write, log, text, isolation=isolation)
    assert "ValueError: mistaken" in lines[0]
    assert lines[1:] == ["next"]
    assert session.script("it").callback_errors == 1


def test_an_interval_that_raises_goes_on(session: Session, write: Write, log: Log) -> None:
    text = """
local n = 0
local t
t = host.set_interval(function()
  n = n + 1
  if n == 3 then clearInterval(t) end
  error("mistake " .. n)
end, 1)
"""
    lines = run_lua(session, write, log, text)
    assert len(lines) == 3
    assert all(f"mistake {number}" in line for number, line in enumerate(lines, start=1))


def test_one_that_blocks_can_be_interrupted_and_the_others_come(
    session: Session, write: Write, log: Log
) -> None:
    script = session.load(
        write(
            "it.py",
            "import host\ndef block():\n    print('blocks')\n    while True: pass\n"
            "host.set_timeout(block, 1)\nhost.set_timeout(print, 2, 'next')\n",
        )
    )
    log.wait_for("blocks")
    log.until(lambda: script.interrupt(), "an interrupt that hits")
    log.wait_for("next")
    log.drain()


def test_one_may_have_its_own_script_reloaded(session: Session, write: Write, log: Log) -> None:
    text = """
import host, threading
def fire(reload):
    thread = threading.Thread(target=reload)
    thread.start()
def go(reload):
    host.set_timeout(fire, 1, reload)
"""
    script = session.load(write("it.py", text))
    write("it.py", "import host\nhost.set_timeout(print, 1, 'second')\n")
    script.call("go", lambda: session.reload("it"))
    log.wait_for("second")
    log.drain()
    assert script.generation == 2


def test_one_that_would_wait_for_the_reload_of_its_own_script_is_told_so(
    session: Session, write: Write, log: Log
) -> None:
    script = session.load(write("it.py", "import host\ndef go(reload):\n    host.set_timeout(reload, 1)\n"))
    script.call("go", lambda: session.reload("it"))
    log.wait_for("it asks for its own reload, and would wait for itself")
    log.drain()
    assert script.generation == 1


def test_exit_in_a_timer_ends_the_script(session: Session, write: Write, log: Log) -> None:
    session.load(
        write("it.py", "import host, sys\nhost.set_timeout(sys.exit, 1)\nhost.set_interval(print, 5000)\n")
    )
    log.drain()
    assert not session.pending


def test_a_retired_generation_has_no_timers(session: Session, write: Write, log: Log) -> None:
    path = write("it.py", "import host\nhost.set_interval(print, 1, 'old')\n")
    session.load(path)
    log.wait_for("old")
    write("it.py", "import host\nhost.set_timeout(print, 1, 'new')\n")
    session.reload("it")
    log.wait_for("new")
    log.drain()


def test_context_variables_are_those_of_who_set_the_timer(session: Session, write: Write, log: Log) -> None:
    text = """
import contextvars
var = contextvars.ContextVar("var", default="none")
def fire():
    print(var.get())
    var.set("changed")
var.set("mine")
host.set_timeout(fire, 1)
host.set_timeout(fire, 2)
"""
    assert run(session, write, log, text) == ["mine", "mine"]


def test_a_call_from_outside_sets_timers_that_come(session: Session, write: Write, log: Log) -> None:
    script = session.load(
        write("it.py", "import host\ndef later(what):\n    host.set_timeout(print, 1, what)\n")
    )
    log.drain()
    for number in range(50):
        script.call("later", f"call {number}")
        log.wait_for(f"call {number}")


# ---- the clock ----------------------------------------------------------------------------------------


def test_the_wall_clock_may_jump(session: Session, write: Write, log: Log) -> None:
    """Timers go by the monotonic clock: a `time.time` that jumps changes none of them."""
    text = """
real = time.time
time.time = lambda: real() - 1e9
host.set_timeout(print, 2, "after")
host.set_timeout(print, 1, "before")
time.time = lambda: real() + 1e9
"""
    assert run(session, write, log, text) == ["before", "after"]


def test_signals_stay_with_the_console(session: Session, write: Write) -> None:
    script = session.load(write("it.py", "import asyncio, signal\n"))
    with pytest.raises(CallError, match="signal 15 stays with the console"):
        script.execute("asyncio.get_event_loop().add_signal_handler(signal.SIGTERM, print)")


@pytest.mark.parametrize("jump", [-86_400.0, 86_400.0], ids=["back", "ahead"])
def test_timers_do_not_care_when_the_wall_clock_jumps(
    session: Session, write: Write, log: Log, jump: float
) -> None:
    text = f"""
import host, time
real, count = time.time, 0
def tick():
    global count
    count += 1
    if count == 2:
        time.time = lambda: real() + {jump}
    if count == 5:
        host.clear_timer(number)
        print("five ticks")
number = host.set_interval(tick, 5)
later = host.set_timeout(print, 60_000, "an hour too early")
host.set_timeout(host.clear_timer, 300, later)
"""
    lines = run(session, write, log, text)
    assert lines == ["five ticks"]
