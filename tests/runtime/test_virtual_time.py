"""The virtual clock: it jumps to what is due next when all scripts wait, in one order over all of them."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scriptengines import Session
from scriptengines.errors import LoadError
from tests.conftest import Log

type Write = Callable[[str, str], Path]

DAY = 86_400_000


@pytest.fixture
def session() -> Iterator[Session]:
    with Session(virtual_time=True) as opened:
        yield opened


def test_a_day_of_timers_comes_at_once_and_in_order(session: Session, write: Write, log: Log) -> None:
    text = """
import host
for hour in range(24, 0, -1):
    host.set_timeout(print, hour * 3_600_000, hour)
"""
    began = time.monotonic()
    session.load(write("it.py", text))
    log.drain()
    assert log.lines("it") == [str(hour) for hour in range(1, 25)]
    assert time.monotonic() - began < 3600


def test_each_second_of_a_day_is_a_tick(session: Session, write: Write, log: Log) -> None:
    text = """
local ticks, timer = 0
timer = setInterval(function()
  ticks = ticks + 1
  if ticks == 86400 then clearInterval(timer) print(ticks) end
end, 1000)
"""
    session.load(write("it.lua", text))
    log.drain()
    assert log.lines("it") == ["86400"]


def test_scripts_of_all_engines_share_one_order(session: Session, write: Write, log: Log) -> None:
    minutes = range(1, 200)
    assert session.clock is not None
    heard: list[str] = []
    with session.clock:
        for name, text in {
            "a.lua": "for m = 1, 199, 3 do setTimeout(function() tell('m' .. m) end, m * 60000) end",
            "b.py": "import host\nfor m in range(2, 200, 3): host.set_timeout(tell, m * 60000, f'm{m}')",
            "c.py": "import host\nfor m in range(3, 200, 3): host.set_timeout(tell, m * 60000, f'm{m}')",
        }.items():
            isolation = {"isolation": "main"} if name == "c.py" else {}
            body = f"function go(tell)\n{text}\nend" if name.endswith("lua") else _indented(text)
            script = session.load(write(name, body), **isolation)
            script.call("go", heard.append)
        assert heard == []
    log.drain()
    assert heard == [f"m{minute}" for minute in minutes]


def _indented(text: str) -> str:
    return "def go(tell):\n" + "".join(f"    {line}\n" for line in text.splitlines())


def test_ties_of_different_scripts_come_in_the_order_they_were_set(
    session: Session, write: Write, log: Log
) -> None:
    text = "import host\ndef later(tell, what): host.set_timeout(tell, 1000, what)\n"
    heard: list[int] = []
    assert session.clock is not None
    scripts = [session.load(write(f"s{number}.py", text)) for number in range(3)]
    with session.clock:
        for number in range(60):
            scripts[number * 7 % 3].call("later", heard.append, number)
    log.drain()
    assert heard == list(range(60))


def test_asyncio_and_sleeps_go_by_it(session: Session, write: Write, log: Log) -> None:
    text = """
import asyncio, host, time
async def main():
    loop = asyncio.get_running_loop()
    began, real, day = loop.time(), time.time(), host.now()
    await asyncio.sleep(3600)
    await host.sleep(3_600_000)
    try:
        await asyncio.wait_for(loop.create_future(), 3600)
    except TimeoutError:
        print(round(loop.time() - began), round((host.now() - day) / 1000), time.time() - real < 3600)
asyncio.run(main())
"""
    session.load(write("it.py", text))
    log.drain()
    assert log.lines("it") == ["10800 10800 True"]


def test_lua_sleeps_by_it(session: Session, write: Write, log: Log) -> None:
    text = """
setTimeout(function()
  local began = host.now()
  host.sleep(3600000)
  print(math.floor((host.now() - began) / 1000 + 0.5))
end, 0)
"""
    session.load(write("it.lua", text))
    log.drain()
    assert log.lines("it") == ["3600"]


def test_a_callback_takes_no_time(session: Session, write: Write, log: Log) -> None:
    text = """
import asyncio, host, time
loop = asyncio.get_event_loop()
def fire():
    began = loop.time()
    time.sleep(0.02)
    print(loop.time() - began)
host.set_timeout(fire, 1000)
"""
    session.load(write("it.py", text))
    log.drain()
    assert log.lines("it") == ["0.0"]


def test_it_does_not_jump_while_input_is_awaited(session: Session, write: Write, log: Log) -> None:
    """An answer that comes in real time is not overtaken by an hour."""
    text = """
import asyncio, host
async def main():
    async def serve(reader, writer):
        await asyncio.to_thread(host_wait)
        writer.write(b"answer")
        writer.close()
    import threading
    def host_wait(): threading.Event().wait(0.05)
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    host.set_timeout(print, 3_600_000, "an hour later")
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    print((await reader.read()).decode())
    writer.close()
    server.close()
asyncio.get_event_loop().create_task(main())
"""
    session.load(write("it.py", text))
    log.drain()
    assert log.lines("it") == ["answer", "an hour later"]


def test_with_input_awaited_it_goes_like_a_real_one(session: Session, write: Write, log: Log) -> None:
    text = """
import asyncio, host
async def main():
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    await asyncio.sleep(0.02)
    print("short sleep")
    server.close()
    await asyncio.sleep(3600)
    print("long sleep")
asyncio.get_event_loop().create_task(main())
"""
    session.load(write("it.py", text))
    log.drain()
    assert log.lines("it") == ["short sleep", "long sleep"]


def test_work_in_a_thread_is_waited_for(session: Session, write: Write, log: Log) -> None:
    text = """
import asyncio, host, threading
def work():
    threading.Event().wait(0.05)
    return "worked"
async def main():
    host.set_timeout(print, 60_000, "a minute later")
    print(await asyncio.to_thread(work))
asyncio.get_event_loop().create_task(main())
"""
    session.load(write("it.py", text))
    log.drain()
    assert log.lines("it") == ["worked", "a minute later"]


def test_a_script_that_waits_for_another_does_not_stop_the_clock(
    session: Session, write: Write, log: Log
) -> None:
    session.load(
        write(
            "slow.py", "import asyncio\nasync def slow():\n    await asyncio.sleep(3600)\n    return 'done'\n"
        )
    )
    session.load(write("it.lua", "setTimeout(function() print(host.call('slow', 'slow')) end, 1000)"))
    log.drain()
    assert log.lines("it") == ["done"]


def test_a_call_from_outside_wakes_it(session: Session, write: Write, log: Log) -> None:
    script = session.load(
        write("it.py", "import host, asyncio\nasync def wait(s):\n    await asyncio.sleep(s)\n    return s\n")
    )
    for seconds in range(1, 30):
        assert script.call("wait", seconds * 1000) == seconds * 1000


def test_a_paused_script_rests_and_the_others_go_on(session: Session, write: Write, log: Log) -> None:
    text = "import host\ndef go(delay): host.set_timeout(print, delay, 'came')\n"
    paused, other = (session.load(write(f"{name}.py", text)) for name in ("paused", "other"))
    session.pause("paused")
    paused.call("go", 1000)
    other.call("go", 2000)
    log.wait_for("came")
    assert log.lines("paused") == []
    session.resume("paused")
    log.drain()
    assert log.lines("paused") == ["came"]


def test_the_clock_waits_until_it_is_let_go(session: Session, write: Write, log: Log) -> None:
    assert session.clock is not None
    with session.clock:
        session.load(write("late.py", "import host\nhost.set_timeout(print, 2000, 'late')\n"))
        session.load(write("early.py", "import host\nhost.set_timeout(print, 1000, 'early')\n"))
    log.drain()
    assert log.lines() == ["early", "late"]


def test_a_reload_keeps_the_time(session: Session, write: Write, log: Log) -> None:
    text = "import asyncio, host\nbegan = host.now()\nhost.set_timeout(print, 3_600_000, 'hour')\n"
    path = write("it.py", text)
    script = session.load(path)
    log.drain()
    first = script.get("began")
    write("it.py", text + "# again\n")
    session.reload("it")
    log.drain()
    assert script.get("began") - first >= 3_600_000
    assert log.lines("it") == ["hour", "hour"]


def test_a_script_that_spins_can_be_unloaded(session: Session, write: Write, log: Log) -> None:
    text = """
import asyncio
async def spin():
    while True:
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            print("goes on")
asyncio.get_event_loop().create_task(spin())
"""
    session.load(write("it.py", text))
    session.unload("it")
    assert session.scripts == ()


def test_timers_are_shown_in_its_time(session: Session, write: Write, log: Log) -> None:
    assert session.clock is not None
    with session.clock:
        script = session.load(write("it.py", f"import host\nhost.set_timeout(print, {DAY})\n"))
        log.until(lambda: script.refresh() and session.frame().timers, "the timer in the frame")
        frame = session.frame()
        assert abs(frame.timers[0].due - frame.time - DAY / 1000) < 0.001


def test_a_process_of_its_own_has_no_virtual_time(session: Session, write: Write) -> None:
    with pytest.raises(LoadError, match='isolation "process" has no virtual time'):
        session.load(write("it.py", ""), isolation="process")


def test_it_stays_in_order_under_repetition(write: Write) -> None:
    """Two scripts that hand each other the turn, many times: none is lost, none comes early."""
    text = """
import host
def go(tell, first):
    def step(n):
        tell(n)
        if n + 2 <= 400:
            host.set_timeout(step, 2000, n + 2)
    host.set_timeout(step, 1000 * first, first)
"""
    with Session(virtual_time=True) as session:
        assert session.clock is not None
        heard: list[int] = []
        with session.clock:
            for first in (1, 2):
                session.load(write(f"s{first}.py", text)).call("go", heard.append, first)
        Log(session).drain()
        assert heard == list(range(1, 401))


def test_the_command_line_has_it(write: Write) -> None:
    script = write("it.lua", "setTimeout(function() print('a day later') end, 86400000)")
    command = [sys.executable, "-m", "scriptconsole", "--batch", "--virtual-time", str(script)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "a day later\n", "")


def test_the_command_line_loads_all_before_the_clock_goes(write: Write) -> None:
    first = write("first.lua", "setTimeout(function() print('two hours') end, 7200000)")
    second = write("second.py", "import host\nhost.set_timeout(print, 3_600_000, 'one hour')\n")
    command = [sys.executable, "-m", "scriptconsole", "--batch", "--virtual-time", str(first), str(second)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "one hour\ntwo hours\n"


def test_the_command_line_wants_a_batch_for_it(write: Write) -> None:
    command = [sys.executable, "-m", "scriptconsole", "--virtual-time", str(write("it.lua", ""))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "--virtual-time goes with --batch" in done.stderr
