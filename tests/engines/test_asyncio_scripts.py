"""Ordinary asyncio programs as scripts: they run unmodified, and what they do is seen."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from scriptengines.session import Session
from scriptengines.view import Level, ScriptState
from tests.conftest import DEADLINE, Log, line_of

type Write = Callable[[str, str], Path]

SERVER = """
import asyncio

port = 0
greeted = 0


async def greet(reader, writer):
    global greeted
    while line := await reader.readline():
        greeted += 1
        writer.write(b"hello " + line)
        await writer.drain()
    writer.close()


async def tick():
    while True:
        await asyncio.sleep(3600)  # SLEEP


async def main():
    global port
    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    total = await asyncio.to_thread(sum, range(1000))
    async with server, asyncio.TaskGroup() as group:
        ticking = group.create_task(tick(), name="ticking")
        print("ready", total)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
"""


@pytest.fixture
def serving(session: Session, write: Write, log: Log) -> Session:
    session.load(write("server.py", SERVER))
    log.wait_for("ready 499500")
    return session


def test_an_unmodified_server_counts_as_loaded_once_its_loop_runs(serving: Session) -> None:
    assert serving.script("server").generation == 1
    assert serving.pending


def test_it_can_be_called_while_its_loop_runs(serving: Session) -> None:
    port = serving.evaluate("server", "port")
    with socket.create_connection(("127.0.0.1", port), DEADLINE) as client, client.makefile("rb") as lines:
        client.sendall(b"Ada\n")
        assert lines.readline() == b"hello Ada\n"
        assert serving.script("server").get("greeted") == 1


def test_its_sleeping_tasks_are_shown_as_timers(serving: Session, log: Log) -> None:
    log.until(lambda: serving.frame().timers)
    [timer] = serving.frame().timers
    line = line_of(serving.script("server").path, "SLEEP")
    assert (timer.kind, timer.callback, timer.source) == ("asyncio", "tick", f"server.py:{line}")
    assert timer.due - time.time() == pytest.approx(3600, abs=60)


def test_its_connections_are_shown_with_their_bytes(serving: Session, log: Log) -> None:
    port = serving.evaluate("server", "port")
    with socket.create_connection(("127.0.0.1", port), DEADLINE) as client:
        client.sendall(b"Ada\n")
        assert client.recv(100) == b"hello Ada\n"
        log.until(lambda: [row.role for row in serving.frame().connections] == ["listener", "server"])
        log.until(lambda: serving.frame().connections[1].sent == 10)
        listener, accepted = serving.frame().connections
        assert (listener.local, listener.peer) == (f"127.0.0.1:{port}", "")
        assert accepted.peer == f"127.0.0.1:{client.getsockname()[1]}"
        assert (accepted.received, accepted.state, accepted.protocol) == (4, "open", "tcp")
    log.until(lambda: len(serving.frame().connections) == 1)


def test_its_state_is_running(serving: Session, log: Log) -> None:
    log.until(lambda: serving.frame().scripts[0].state is ScriptState.RUNNING)


def test_unloading_cancels_its_tasks(serving: Session, log: Log) -> None:
    start = time.monotonic()
    serving.unload("server")
    assert time.monotonic() - start < 1.5
    log.drain()
    assert log.lines("server") == ["ready 499500"]


@pytest.mark.parametrize(
    "run",
    [
        "asyncio.run(main())",
        "loop = asyncio.new_event_loop(); loop.run_until_complete(main())",
        "asyncio.get_event_loop().run_until_complete(main())",
        "with asyncio.Runner() as runner: runner.run(main())",
        "with asyncio.Runner() as runner: runner.run(main()); runner.run(main())",
        "asyncio.run(main()); asyncio.run(main())",
    ],
)
def test_a_script_whose_loop_ends_is_idle_and_can_be_called(
    session: Session, write: Write, log: Log, run: str
) -> None:
    main = "async def main():\n    global n\n    await asyncio.sleep(0)\n    n += 1\n"
    script = session.load(write("it.py", f"import asyncio\nn = 0\n{main}{run}\n"))
    log.drain()
    assert script.get("n") == run.count("main()")
    assert script.evaluate("n + 1") == script.get("n") + 1
    assert script.generation == 1
    assert log.lines("it") == []


def test_timers_still_work_after_asyncio_run(session: Session, write: Write, log: Log) -> None:
    session.load(
        write(
            "it.py",
            """
import asyncio
import host

async def main():
    await asyncio.sleep(0)
    return "over"

print(asyncio.run(main()))
host.set_timeout(lambda: print("later"), 1)
""",
        )
    )
    log.drain()
    assert log.lines("it") == ["over", "later"]


def test_host_callbacks_may_be_async(session: Session, write: Write, log: Log) -> None:
    session.load(
        write(
            "it.py",
            """
import asyncio
import host

async def later(name):
    await asyncio.sleep(0.001)
    print("later", name)

async def broken():
    await asyncio.sleep(0)
    raise ValueError("no paint")  # HERE

host.set_timeout(later, 1, "timer")
host.set_timeout(broken, 1)
host.on("paint", later)
""",
        )
    )
    session.emit("paint", "hook")
    log.drain()
    log.wait_for("later hook")
    [error] = log.wait_for("no paint")
    assert f"it.py:{line_of(session.script('it').path, 'HERE')}" in error.text
    assert {"later timer", "later hook"} <= set(log.lines("it"))


def test_an_inline_call_may_start_what_the_loop_finishes(session: Session, write: Write, log: Log) -> None:
    script = session.load(
        write(
            "it.py",
            """
import asyncio

tasks = set()

async def work(name):
    await asyncio.sleep(0.001)
    print("done", name)

def soon(name):
    asyncio.get_running_loop().call_soon(print, "soon", name)

def later(name):
    asyncio.get_running_loop().call_later(0.001, print, "later", name)

def start(name):
    task = asyncio.create_task(work(name))
    tasks.add(task)
    task.add_done_callback(tasks.discard)
""",
        )
    )
    log.drain()
    for name in ("a", "b", "c"):
        script.call("soon", name)
        log.wait_for(f"soon {name}")
        script.call("later", name)
        log.wait_for(f"later {name}")
        script.call("start", name)
        log.wait_for(f"done {name}")
    log.drain()


def test_errors_in_tasks_are_reported(session: Session, write: Write, log: Log) -> None:
    script = session.load(
        write(
            "it.py",
            """
import asyncio
import gc

async def broken():
    raise ValueError("no paint")  # HERE

async def main():
    asyncio.create_task(broken())
    await asyncio.sleep(0.001)
    gc.collect()

asyncio.run(main())
""",
        )
    )
    [record] = log.wait_for("no paint")
    assert record.level is Level.ERROR
    assert f"it.py:{line_of(script.path, 'HERE')}" in record.text
    assert script.view().last_error.line == line_of(script.path, "HERE")


def test_an_error_of_the_main_coroutine_is_reported(session: Session, write: Write, log: Log) -> None:
    main = "async def main():\n    await asyncio.sleep(0.001)\n    raise ValueError('no paint')\n"
    session.load(write("it.py", f"import asyncio\n{main}asyncio.run(main())\n"))
    [record] = log.wait_for("no paint")
    assert "it.py:4" in record.text
    assert session.evaluate("it", "main.__name__") == "main"
    log.drain()


def test_a_script_that_leaves_ends_its_tasks_at_once(session: Session, write: Write, log: Log) -> None:
    start = time.monotonic()
    session.load(
        write(
            "it.py",
            """
import asyncio
import sys
import host

async def work(name):
    try:
        await asyncio.sleep(3600)
    finally:
        print("cleaned up", name)

async def before():
    asyncio.create_task(work("old"))
    await asyncio.sleep(0)
    host.set_timeout(leave, 1)

def leave():
    asyncio.create_task(work("new"))
    sys.exit()

host.set_timeout(before, 1)
""",
        )
    )
    log.drain()
    assert log.lines("it") == ["cleaned up old"]
    session.unload("it")
    assert time.monotonic() - start < 1.5, "a task that had not begun was waited for"


def test_a_loop_in_a_thread_of_the_script_is_its_own_affair(session: Session, write: Write, log: Log) -> None:
    session.load(
        write(
            "it.py",
            """
import asyncio
import threading

async def main():
    await asyncio.sleep(0.001)
    print("in a thread")

thread = threading.Thread(target=asyncio.run, args=[main()])
thread.start()
thread.join()
""",
        )
    )
    assert "in a thread" in log.lines("it")


def test_a_subprocess_is_awaited(session: Session, write: Write, log: Log) -> None:
    session.load(
        write(
            "it.py",
            """
import asyncio

async def main():
    child = await asyncio.create_subprocess_exec("echo", "from a child", stdout=asyncio.subprocess.PIPE)
    output, _ = await child.communicate()
    print(output.decode().strip(), child.returncode)

asyncio.run(main())
""",
        )
    )
    log.wait_for("from a child 0")
    log.drain()
