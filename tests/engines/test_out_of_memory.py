"""Each allocation on the way of a value fails once: the answer is MemoryError or the right result, no crash.

Each kind of value has a child process of its own, in which the n-th allocation from the call on fails, for
all n. The C layer's own memory comes from `malloc`, which a small preloaded library makes fail as well.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from scriptengines.session import Session
from tests.conftest import Log

type Write = Callable[[str, str], Path]

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("_testcapi") is None, reason="needs _testcapi"),
    pytest.mark.skipif(sys.platform != "linux", reason="preloads a library"),
]

SCRIPT = """
import array, collections, datetime
class Thing:
    name = "thing"
    def method(self, x): return x
thing = Thing()
def echo(value): return value
def take(*args, **named): return len(args) + len(named)
def give(): return Thing
def fail(): raise ValueError("torn")
def rows(): yield from [1, "two"]
async def fetch(): return [1]
def apply(function): return function([1])
numbers = array.array("d", [1.0])
"""
VALUES = {
    "int": "echo(7)",
    "big int": "echo(2**300)",
    "float": "echo(0.5)",
    "text": "echo('grün \\udc80')",
    "long text": "echo('ü' * 100_000)",
    "bytes": "echo(b'x' * 100_000)",
    "bytearray": "echo(bytearray(b'x' * 5000))",
    "list": "echo([1, [2.5, 'x' * 5000], None])",
    "long list": "echo(list(range(300, 900)))",
    "dict": "echo({'a': (1, 2), 3: {4: b'5'}})",
    "sets": "echo([{1, 'a'}, frozenset({2})])",
    "object": "echo(Thing)",
    "date": "echo(datetime.date(2024, 2, 29))",
    "memoryview": "bytes(echo(memoryview(b'abc')))",
    "array": "bytes(memoryview(script.get('numbers')))",
    "many arguments": "take(*range(300, 320), one=1, two='2')",
    "result": "give().type_name",
    "error": "fail()",
    "attribute": "thing.get('name'), thing.set('name', 'thing'), thing.call('method', [2])",
    "iterator": "list(script.call('rows'))",
    "coroutine": "script.call('fetch')",
    "callback": "script.call('apply', tuple)",
}
CHILD = """
import datetime, sys, threading
import _testcapi
from scriptengines.errors import CallError, ScriptConsoleError
from scriptengines.session import Session
from scriptnative import leaving

class Thing: pass

session = Session()
if sys.version_info >= (3, 15):  # see below
    sys.monitoring.set_events(leaving.TOOL_IDS[0], 0)
script = session.load(sys.argv[1])
echo, take, give, fail = map(script.function, ("echo", "take", "give", "fail"))
thing = script.get("thing")
code = compile(sys.argv[2], "value", "eval")

if sys.argv[3] == "malloc":
    import ctypes
    shim = ctypes.CDLL(None)
    def arm(number): shim.fail_malloc(number, threading.get_native_id())
    def disarm(): shim.fail_malloc(-1, 0)
else:
    def arm(number): _testcapi.set_nomemory(number, number + int(sys.argv[3]))
    disarm = _testcapi.remove_mem_hooks

def outcome():
    try:
        return "result", eval(code)
    except MemoryError:
        return "MemoryError", None
    except CallError as error:
        return error.remote_type, str(error)

def attempt(number):
    arm(number)
    try:
        return outcome()
    except BaseException as error:
        return "other", error
    finally:
        disarm()

good = outcome()
for _ in range(3):
    assert outcome()[0] == good[0]
seen, right = {}, 0
for number in range(1, 3000):
    kind, value = attempt(number)
    seen[kind] = seen.get(kind, 0) + 1
    if kind == good[0]:
        right += 1
        if kind == "result":
            assert value == good[1], (number, value)
    else:
        right = 0
        if kind != "MemoryError":
            print("UNEXPECTED", number, kind, repr(value))
    if right == 25:
        break
else:
    print("NEVER RIGHT AGAIN")
assert outcome()[0] == good[0]
assert sys.argv[3] == "malloc" or "MemoryError" in seen
print(seen, file=sys.stderr)
session.close()
"""
SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdatomic.h>
#include <stddef.h>
#include <unistd.h>
extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
static atomic_long left = -1;
static atomic_int who;
static int fails(void) {
    if (atomic_load(&left) < 0 || gettid() != atomic_load(&who)) return 0;
    return atomic_fetch_sub(&left, 1) == 0;
}
void fail_malloc(long number, int thread) { atomic_store(&who, thread); atomic_store(&left, number); }
void *malloc(size_t size) { return fails() ? NULL : __libc_malloc(size); }
void *calloc(size_t n, size_t size) { return fails() ? NULL : __libc_calloc(n, size); }
"""


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("cc") is None:
        pytest.skip("needs a C compiler")
    folder = tmp_path_factory.mktemp("shim")
    (folder / "shim.c").write_text(SHIM)
    library = folder / "shim.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, folder / "shim.c"], check=True)
    return library


@pytest.mark.parametrize("isolation", ["isolated", "shared", "main"])
def test_a_loop_without_memory_is_reported_and_goes_on(
    session: Session, write: Write, log: Log, isolation: str
) -> None:
    text = (
        f'# scriptconsole: isolation = "{isolation}"\n'
        + """
import asyncio, host
def starve():
    loop = asyncio.get_running_loop()
    def fail():
        del loop._run_once
        raise MemoryError("no room")
    loop._run_once = fail
host.set_timeout(starve, 1)
host.set_interval(lambda: host.log("alive"), 20)
def echo(value): return value
"""
    )
    script = session.load(write("it.py", text))
    log.wait_for("no room")
    log.wait_for("alive")
    assert script.call("echo", 1) == 1


IN_PYTHON = {"error", "coroutine"}
"""They run much Python code, in which CPython 3.13.0 itself crashes when its allocators fail: in the
tokenizer, and in the warning of a coroutine never awaited. So only the C layer's own memory fails here.

CPython 3.15.2 crashes, too, when there is no memory to instrument a function that is called for the first
time while PY_UNWIND is monitored: the event is the code's own there, and `co_monitoring` is still NULL. With
`sys.monitoring.set_events(3, PY_UNWIND)` and `_testcapi.set_nomemory(n, n + 3)` that takes no code of ours;
so the child does without what `leaving` listens for."""


@pytest.mark.parametrize(
    ("value", "how"),
    [
        (value, how)
        for how in ("1", "3", "malloc")
        for value in VALUES
        if how == "malloc" or value not in IN_PYTHON
    ],
)
def test_a_failing_allocation_is_a_memory_error(
    write: Write, request: pytest.FixtureRequest, value: str, how: str
) -> None:
    environment = dict(os.environ)
    if how == "malloc":
        environment["LD_PRELOAD"] = str(request.getfixturevalue("shim"))
    path = write("it.py", SCRIPT)
    child = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", CHILD, path, VALUES[value], how],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env=environment,
    )
    assert (child.returncode, child.stdout) == (0, ""), child.stderr[-3000:]
