"""Memory over many reloads and loads, and what is left when a process simply ends."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

type Write = Callable[[str, str], Path]

MEASURE = """
import os
from scriptengines.session import Session

def rss():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

session = Session()
"""
SCRIPT = """
import asyncio, json
import host

table = {n: str(n) for n in range(20_000)}

def on_paint(colour):
    return colour

host.on("paint", on_paint)
host.set_interval(on_paint, 1000, "red")

def work(value):
    return json.dumps(value)
"""


def run(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)


@pytest.mark.stress
@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs /proc")
@pytest.mark.parametrize("suffix", ["py", "lua"])
def test_a_hundred_reloads_cost_at_most_two_megabytes(write: Write, suffix: str) -> None:
    lua = (
        "t = {}\nfor i = 1, 20000 do t[i] = tostring(i) end\nhost.on('paint', function() end)\n"
        "setInterval(function() end, 1000)\nfunction work(v) return v end\n"
    )
    path = write(f"it.{suffix}", SCRIPT if suffix == "py" else lua)
    child = run(
        MEASURE
        + """
import sys
script = session.load(sys.argv[1])
work = script.function("work")

def reload(count):
    for _ in range(count):
        session.reload("it")
        work("red")
        session.emit("paint", "red")
        session.records()

def growth():
    before = rss()
    reload(100)
    return rss() - before

reload(40)
print(min(growth() for _ in range(3)))  # a leak shows every time, what the allocator keeps back does not
session.close()
""",
        path,
    )
    assert (child.returncode, child.stderr) == (0, "")
    assert float(child.stdout) <= 2.0


def test_scripts_that_come_and_go_use_the_same_interpreters(write: Write) -> None:
    path = write("it.py", SCRIPT + "import _interpreters\nhere = _interpreters.get_current()[0]\n")
    child = run(
        MEASURE
        + """
import sys
seen = set()
for _ in range(30):
    with_it = session.load(sys.argv[1])
    seen.add(with_it.get("here"))
    session.unload("it")
print(len(seen))
session.close()
""",
        path,
    )
    assert (child.returncode, child.stderr) == (0, "")
    assert child.stdout.split() == ["1"]


@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="needs /proc")
def test_sessions_that_come_and_go_leave_no_files_and_no_threads(write: Write) -> None:
    paths = [write("one.py", SCRIPT), write("two.lua", "setInterval(function() end, 1000)\n")]
    child = run(
        MEASURE
        + """
import gc, sys, threading, time

def use(count):
    for _ in range(count):
        with Session() as used:
            for path in sys.argv[1:]:
                alias = used.load(path).alias
                used.reload(alias)
            used.frame()
    gc.collect()

def left():
    return len(os.listdir("/proc/self/fd")), threading.active_count()

def settled(most):  # what a script dropped is given back within some milliseconds
    end = time.monotonic() + 10
    while left() > most and time.monotonic() < end:
        time.sleep(0.001)
    return left()

use(3)
time.sleep(0.1)
first = left()
use(10)
print(settled(first) <= first)
session.close()
""",
        *paths,
    )
    assert (child.returncode, child.stderr, child.stdout) == (0, "", "True\n")


ENDINGS = {
    "with a loaded script": "session.load(path)",
    "with a busy loop": "session.load(path); session.call('it', 'start')",
    "after a broken reload": (
        "session.load(path)\nopen(path, 'a').write('= =')\ntry: session.reload('it')\nexcept Exception: pass"
    ),
    "after a broken load": "try: session.load(broken)\nexcept Exception: pass",
    "after an unload": "session.load(path); session.unload('it')",
    "while it is observed": "session.load(path); session.frame(); session.watch()",
    "with references left": "session.load(path); kept = session.call('it', 'give'); kept()",
    "with a call under way": (
        "session.load(path)\nimport threading\nentered = threading.Event()\ndef call():\n"
        "    try: session.call('it', 'spin', entered.set)\n    except Exception: pass\n"
        "threading.Thread(target=call, daemon=True).start()\nentered.wait()"
    ),
    "by sys.exit": "session.load(path); sys.exit(0)",
}


@pytest.mark.parametrize("suffix", ["py", "lua"])
@pytest.mark.parametrize("ending", ENDINGS)
def test_a_process_that_ends_without_closing_ends_in_good_order(
    write: Write, ending: str, suffix: str
) -> None:
    texts = {
        "py": "import host\ndef tick(): pass\ndef start(): host.set_interval(tick, 0)\n"
        "def give(): return tick\ndef spin(entered):\n    entered()\n    while True: pass\n",
        "lua": "local function tick() end\nfunction start() setInterval(tick, 0) end\n"
        "function give() return tick end\nfunction spin(entered) entered() while true do end end\n",
    }
    path, broken = write(f"it.{suffix}", texts[suffix]), write(f"broken.{suffix}", "= =")
    child = run(
        "import sys\nfrom scriptengines.session import Session\npath, broken = sys.argv[1:]\n"
        f"session = Session()\n{ENDINGS[ending]}",
        path,
        broken,
    )
    assert (child.returncode, child.stderr) == (0, "")
