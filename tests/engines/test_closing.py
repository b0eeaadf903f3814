"""Unloading a Python script always returns, whatever its threads do; what cannot be stopped is told once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

type Told = dict[str, list[str]]
"""Texts of the warnings, by what a script does."""

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
import json, os, sys, threading, time
from pathlib import Path
from scriptengines import attempt
from scriptengines.python import chambers
from scriptengines.session import Session
other, together, *paths = sys.argv[1:]
# A task that ignores its end is given 2 s, which must be within three times the first.
attempt.UNLOAD_LIMIT, chambers.END_LIMIT = 0.5 if together == "all" else 1.0, 0.2
session = Session()
calm = session.load(other)

def unload(path):
    alias = Path(path).stem
    session.load(path, alias)
    end = time.monotonic() + 0.02
    while time.monotonic() < end:
        assert calm.call("add", 1, 2) == 3
    start = time.monotonic()
    session.unload(alias)
    taken = time.monotonic() - start
    assert taken < 10, taken
    assert calm.call("add", 2, 3) == 5
    again = session.load(other, "again-" + alias)
    assert again.call("add", 3, 4) == 7
    session.unload("again-" + alias)

unloading = [threading.Thread(target=unload, args=[path]) for path in paths]
for thread in unloading:
    thread.start()
    if together == "one":
        thread.join()
for thread in unloading:
    thread.join()
told = [(record.script, record.text) for record in session.records() if record.level.name == "WARNING"]
print(json.dumps([told, session.close()]), flush=True)
os._exit(0)
"""


def unloading(folder: Path, lines: dict[str, str], mode: str, *, together: bool) -> tuple[Told, bool]:
    """What a process warns of that loads and unloads a script of each line; whether all has ended."""
    other = folder / "other.py"
    other.write_text(OTHER)
    paths: dict[str, Path] = {}
    for number, (what, line) in enumerate(lines.items()):
        paths[what] = folder / f"it{number}.py"
        paths[what].write_text(SCRIPT.format(mode=mode, line=line))
    command = [sys.executable, "-c", DRIVER, other, "all" if together else "one", *paths.values()]
    child = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (child.returncode, child.stderr) == (0, "")
    warnings, ended = json.loads(child.stdout.splitlines()[-1])
    by_script = {path.stem: what for what, path in paths.items()}
    told: Told = {what: [] for what in lines}
    for script, text in warnings:
        told[by_script[script]].append(text)
    return told, ended


@pytest.fixture(scope="module", params=MODES)
def stoppable(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Told, bool]:
    lines = dict(STOPPABLE)
    if request.param == "main":
        del lines["a raw thread"]  # nobody knows whose thread it is; it goes on, as in any Python process
    return unloading(tmp_path_factory.mktemp("stoppable"), lines, request.param, together=False)


@pytest.fixture(scope="module", params=MODES)
def stuck(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Told, bool]:
    return unloading(tmp_path_factory.mktemp("stuck"), STUCK, request.param, together=True)


def test_what_runs_is_stopped(stoppable: tuple[Told, bool]) -> None:
    told, ended = stoppable
    assert told == {what: [] for what in told}
    assert ended


def test_what_is_stuck_in_c_is_left_behind_and_told_once(stuck: tuple[Told, bool]) -> None:
    told, ended = stuck
    assert {what: len(texts) for what, texts in told.items()} == dict.fromkeys(STUCK, 1), told
    assert not ended


SLEEPER = "import host, time\nhost.set_timeout(time.sleep, 0, 1000)\n"
EVERY_KIND = {
    "isolated.py": SLEEPER,
    # Such a call never lets the GIL of its interpreter go.
    "holding.py": "import host, itertools\nhost.set_timeout(all, 0, itertools.repeat(1))\n",
    "shared.py": f'# scriptconsole: isolation = "shared"\n{SLEEPER}',
    "main.py": f'# scriptconsole: isolation = "main"\n{SLEEPER}',
    "process.py": f'# scriptconsole: isolation = "process"\n{SLEEPER}',
    "loop.lua": "setTimeout(function() while true do pcall(function() while true do end end) end end, 0)\n",
    "finder.lua": "setTimeout(function() string.find(('a'):rep(10000), ('.-'):rep(10) .. 'b') end, 0)\n",
    "sleeper.c": """
#include <scriptconsole.h>
#include <unistd.h>
static int nap(sc_ctx *ctx, const sc_value *args, size_t n, sc_value *out) {
    (void)ctx, (void)args, (void)n;
    *out = sc_nil();
    for (;;) sleep(1000);
}
static int load(sc_ctx *ctx) { return sc_set_timeout(ctx, "nap", 0, NULL); }
static const sc_export exports[] = {{"nap", nap, ":", ""}, {0}};
static const sc_module module = {SC_ABI_VERSION, "sleeper", "1.0", exports, NULL, load, NULL};
SC_MODULE(module)
""",
}
CLOSE_ALL = """
import sys, time
from scriptengines import session as sessions
session = sessions.Session()
for path in sys.argv[1:]:
    session.load(path)
end = time.monotonic() + 10
while any(script.lock.holder() is None for script in session.scripts) and time.monotonic() < end:
    time.sleep(0.01)
start = time.monotonic()
ended = session.close()
print(ended, time.monotonic() - start < sessions.CLOSE_LIMIT + 5)
sys.exit(3)
"""


@pytest.mark.stress
def test_a_session_of_stuck_scripts_of_every_kind_closes_and_the_process_exits(tmp_path: Path) -> None:
    for name, text in EVERY_KIND.items():
        (tmp_path / name).write_text(text)
    command = [sys.executable, "-c", CLOSE_ALL, *(tmp_path / name for name in EVERY_KIND)]
    child = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    assert (child.returncode, child.stdout, child.stderr) == (3, "False True\n", "")
