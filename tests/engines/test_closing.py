"""Unloading a Python script always returns, whatever its threads do; what cannot be stopped is told once."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

type Write = Callable[[str, str], Path]
MODES = ("isolated", "shared", "main")

STOPPABLE = {
    "a thread that loops": "threading.Thread(target=spin).start()",
    "a thread that catches everything": "threading.Thread(target=stubborn).start()",
    "a thread that waits in turns": "threading.Thread(target=turns).start()",
    "a raw thread": "_thread.start_new_thread(spin, ())",
    "an idle executor": "pool = concurrent.futures.ThreadPoolExecutor(2); pool.submit(print).result()",
    "an executor of asyncio": "asyncio.run(in_thread())",
    "open sockets": "sockets = [socket.create_server(('127.0.0.1', 0)) for _ in range(5)]",
    "a busy loop": "host.set_interval(spin, 0)",
    "a stubborn callback": "host.set_timeout(stubborn, 0)",
    "a task that does not want to end": "tasks = asyncio.get_event_loop().create_task(stay())",
    "an exit function that loops": "atexit.register(spin)",
}
STUCK = {
    "a thread that sleeps": "threading.Thread(target=time.sleep, args=[1000], name='sleeper').start()",
    "a thread that waits for a lock": "threading.Thread(target=wait_for_lock, name='waiter').start()",
    "a callback that sleeps": "host.set_timeout(time.sleep, 0, 1000)",
}
SCRIPT = """# scriptconsole: isolation = "{mode}"
import _thread, asyncio, atexit, concurrent.futures, socket, threading, time
import host

def spin():
    while True: pass

def stubborn():
    while True:
        try:
            while True: pass
        except BaseException:
            continue

def turns():
    event = threading.Event()
    while not event.wait(0.01): pass

def wait_for_lock():
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()

async def in_thread():
    await asyncio.to_thread(print, "in a thread")

async def stay():
    while True:
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            pass

{line}
"""
OTHER = "def add(a, b): return a + b\n"
DRIVER = """
import os, sys, time
from scriptengines import attempt
from scriptengines.python import chambers
from scriptengines.session import Session
attempt.UNLOAD_LIMIT, chambers.END_LIMIT = 1.0, 0.2
session = Session()
other = session.load(sys.argv[2])
session.load(sys.argv[1])
end = time.monotonic() + 0.1
while time.monotonic() < end:
    assert other.call("add", 1, 2) == 3
start = time.monotonic()
session.unload("it")
taken = time.monotonic() - start
assert taken < 10, taken
assert other.call("add", 2, 3) == 5
again = session.load(sys.argv[2], "again")
assert again.call("add", 3, 4) == 7
warnings = [record.text for record in session.records() if record.level.name == "WARNING"]
print(len(warnings), session.close(), *warnings, flush=True)
os._exit(0)
"""


def unloading(path: Path, other: Path) -> str:
    """Warnings and whether all ended, of a process that loads both and unloads the first."""
    command = [sys.executable, "-c", DRIVER, str(path), str(other)]
    child = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (child.returncode, child.stderr) == (0, "")
    return child.stdout.strip()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("what", STOPPABLE)
def test_what_runs_is_stopped(write: Write, mode: str, what: str) -> None:
    if (mode, what) == ("main", "a raw thread"):
        pytest.skip("nobody knows whose thread it is; it goes on, as in any Python process")
    path = write("it.py", SCRIPT.format(mode=mode, line=STOPPABLE[what]))
    assert unloading(path, write("other.py", OTHER)) == "0 True"


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("what", STUCK)
def test_what_is_stuck_in_c_is_left_behind_and_told_once(write: Write, mode: str, what: str) -> None:
    path = write("it.py", SCRIPT.format(mode=mode, line=STUCK[what]))
    assert unloading(path, write("other.py", OTHER)).startswith("1 False ")
