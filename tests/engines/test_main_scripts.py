"""Python scripts in the main interpreter: each has what it takes for the process's own; nothing is lost."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import io
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from scriptengines.errors import CallError, ScriptClosed
from scriptengines.session import Session
from scriptnative import Reference
from tests.conftest import DEADLINE, Log

type Write = Callable[[str, str], Path]
HEADER = '# scriptconsole: isolation = "main"\n'


def load(session: Session, write: Write, name: str, text: str, **options: object):
    return session.load(write(name, HEADER + text), **options)


def test_it_runs_in_the_main_interpreter(session: Session, write: Write) -> None:
    script = load(session, write, "it.py", "import _interpreters\nhere = _interpreters.get_current()[0]\n")
    assert script.get("here") == 0
    assert script.view().isolation == "main"


def test_each_has_output_arguments_host_and_main_module_of_its_own(
    session: Session, write: Write, log: Log
) -> None:
    text = """
import argparse, sys, threading
import host, __main__, importlib

host.state["who"] = sys.argv[1]

def look():
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    same = __main__.look is look and sys.modules["__main__"].look is look
    return [sys.argv[1:], parser.parse_args().name, same, host.state["who"],
            importlib.import_module("host").state["who"]]

def show(text):
    print(text)
    print(text, file=sys.stderr)
    host.log(text)

def from_thread(text):
    thread = threading.Thread(target=show, args=[text])
    thread.start()
    thread.join()
"""
    for name in ("one", "two"):
        load(session, write, f"{name}.py", text, arguments=[name])
    for name in ("one", "two"):
        assert session.call(name, "look") == [[name], name, True, name, name]
        session.call(name, "show", f"called {name}")
        session.call(name, "from_thread", f"thread of {name}")
        log.until(lambda name=name: len(log.lines(name)) == 6)
        assert set(log.lines(name)) == {f"called {name}", f"thread of {name}"}


def test_two_scripts_have_modules_of_the_same_name(session: Session, tmp_path: Path) -> None:
    for name in ("one", "two"):
        folder = tmp_path / name
        (folder / "package").mkdir(parents=True)
        (folder / "beside.py").write_text(f"import host\nfrom package.inner import value\nname = {name!r}\n")
        (folder / "package" / "__init__.py").write_text("")
        (folder / "package" / "inner.py").write_text("from . import more\nvalue = more.value\n")
        (folder / "package" / "more.py").write_text(f"value = {name!r} + ' inner'\n")
        (folder / f"{name}.py").write_text(
            HEADER + "import beside, package.more, pickle\nfrom package import inner\n"
            "def look(): return [beside.name, beside.value, inner.value, package.more.value]\n"
        )
    scripts = [session.load(tmp_path / name / f"{name}.py") for name in ("one", "two")]
    for script in scripts:
        name = script.alias
        assert script.call("look") == [name] + [f"{name} inner"] * 3
    (tmp_path / "one" / "beside.py").write_text("name = 'edited'\nvalue = 'new'\n")
    session.reload("one")
    assert scripts[0].call("look")[:2] == ["edited", "new"]
    assert scripts[1].call("look")[:2] == ["two", "two inner"]


def test_classes_of_a_script_can_be_pickled_and_annotated(session: Session, write: Write) -> None:
    text = """from __future__ import annotations
import pickle, typing
from dataclasses import dataclass

class Colour: pass

@dataclass
class Paint:
    colour: Colour

def look():
    loaded = pickle.loads(pickle.dumps(Paint(Colour())))
    return [type(loaded) is Paint, typing.get_type_hints(Paint)["colour"] is Colour]
"""
    assert load(session, write, "it.py", text).call("look") == [True, True]


def test_values_are_copied_and_functions_keep_the_run_lock(session: Session, write: Write) -> None:
    text = """
kept = [1]
inside = most = 0
def give(): return kept
def work(wait):
    global inside, most
    inside += 1
    most = max(most, inside)
    wait()
    inside -= 1
def give_work(): return work
"""
    script = load(session, write, "it.py", text)
    script.call("give").append(2)
    assert script.call("give") == [1]
    work = script.call("give_work")
    assert isinstance(work, Reference)
    threads = [threading.Thread(target=work, args=[lambda: None]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (script.get("most"), script.get("inside")) == (1, 0)
    session.unload("it")
    with pytest.raises(ScriptClosed, match="it is closed"):
        work(print)


def test_a_caller_with_a_running_loop_gets_it_back(session: Session, write: Write, log: Log) -> None:
    text = """
import asyncio
async def work():
    print("in", type(asyncio.get_running_loop()).__name__)
def start():
    asyncio.create_task(work())
    return type(asyncio.get_running_loop()).__name__
"""
    script = load(session, write, "it.py", text)

    async def call() -> None:
        loop = asyncio.get_running_loop()
        assert script.call("start") == "ScriptLoop"
        with pytest.raises(CallError):
            script.call("start", 1)
        assert asyncio.get_running_loop() is loop

    asyncio.run(call())
    log.wait_for("in ScriptLoop")
    assert asyncio._get_running_loop() is None


def test_asyncio_run_uses_the_loop_of_the_script(session: Session, write: Write, log: Log) -> None:
    text = """
import asyncio
async def main():
    print(type(asyncio.get_running_loop()).__name__)
asyncio.run(main())
with asyncio.Runner() as runner:
    runner.run(main())
"""
    load(session, write, "it.py", text)
    log.wait_for("ScriptLoop", 2)
    loop = asyncio.new_event_loop()
    loop.close()
    assert type(loop).__name__ != "ScriptLoop"


def test_the_process_is_as_before_when_the_last_one_has_gone(session: Session, write: Write) -> None:
    def state() -> list[object]:
        return [
            sys.stdout,
            sys.stderr,
            sys.argv,
            list(sys.argv),
            sys.modules["__main__"],
            sys.meta_path[:],
            sys.path[:],
            threading.excepthook,
            sys.excepthook,
            threading.Thread.start,
            asyncio.new_event_loop,
            "host" in sys.modules,
        ]

    load(session, write, "warm.py", "import argparse\n")
    session.unload("warm")
    assert asyncio._get_running_loop() is None
    before, modules = state(), set(sys.modules)
    write("beside.py", "import host\nx = 1\n")
    for name in ("one", "two"):
        load(session, write, f"{name}.py", "import beside, host, sys\nsys.stdout = None\nsys.argv = []\n")
    session.reload("one")
    for name in ("one", "two"):
        session.unload(name)
    assert state() == before
    assert set(sys.modules) == modules


def test_what_is_printed_by_others_goes_where_it_went(session: Session, write: Write, log: Log) -> None:
    load(session, write, "it.py", "def show(): print('mine')\n")
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        print("not mine")
    session.call("it", "show")
    log.wait_for("mine")
    assert printed.getvalue() == "not mine\n"
    assert log.lines("it") == ["mine"]


def test_an_interrupt_never_hits_what_the_script_has_called(session: Session, write: Write) -> None:
    """The thread is in the console's own code then; the interrupt waits until it is back in the script."""
    script = load(session, write, "it.py", "def work(wait):\n    wait()\n    while True: pass\n")
    entered, leave = threading.Event(), threading.Event()
    outcomes: list[object] = []

    def wait() -> None:
        entered.set()
        leave.wait(DEADLINE)
        outcomes.append("waited")

    def call() -> None:
        try:
            script.call("work", wait)
        except Exception as error:  # noqa: BLE001 - compared below
            outcomes.append(type(error).__name__)

    thread = threading.Thread(target=call)
    thread.start()
    assert entered.wait(DEADLINE)
    assert session.interrupt("it")
    leave.set()
    thread.join(DEADLINE)
    assert outcomes == ["waited", "Interrupted"]


def test_interrupts_never_hit_the_caller(session: Session, write: Write) -> None:
    script = load(session, write, "it.py", "def echo(value): return value\n")
    stop = threading.Event()

    def interrupt() -> None:
        while not stop.is_set():
            session.interrupt("it")

    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        for number in range(20_000):
            with contextlib.suppress(CallError, RuntimeError):
                assert script.call("echo", number) == number
            sum(range(50))  # a late interrupt would end the test
    finally:
        stop.set()
        thread.join(DEADLINE)
    assert script.call("echo", 1) == 1


NUMPY = "import numpy\ndef total(n): return int(numpy.arange(n).sum())\n"


@pytest.mark.skipif(importlib.util.find_spec("numpy") is None, reason="numpy is not installed")
def test_numpy_works_in_several_scripts_and_over_reloads(write: Write) -> None:
    """In a process of its own: numpy loads in one interpreter per process only."""
    path = write("it.py", HEADER + NUMPY)
    child = subprocess.run(
        [
            sys.executable,
            "-c",
            f"from scriptengines.session import Session\nwith Session() as s:\n"
            f"    one, two = s.load({str(path)!r}), s.load({str(path)!r})\n"
            "    s.reload('it')\n    print(one.call('total', 10), two.call('total', 100))\n",
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (child.stdout, child.stderr, child.returncode) == ("45 4950\n", "", 0)


WHILE_IMPORTING = """
import _imp, sys, threading, time
from scriptengines.errors import LoadError
from scriptengines.session import Session
from scriptnative import thread_frames
session = Session(batch=True)

def load(path):
    try:
        session.load(path)
    except LoadError as error:
        print(error)

warming = threading.Thread(target=load, args=[sys.argv[1]])  # so that all is imported that an interrupt needs
warming.start()
while not session.records():
    session.wait(None)
session.interrupt("warm")
warming.join()
loading = threading.Thread(target=load, args=[sys.argv[2]], daemon=True)
_imp.acquire_lock()
loading.start()
while not any(frame.f_code.co_name == "_get_module_lock" for frame in thread_frames().values()):
    time.sleep(0.001)
interrupting = threading.Thread(target=session.interrupt, args=["it"], daemon=True)
interrupting.start()
interrupting.join(0.2)
_imp.release_lock()
loading.join(20)
print("held" if _imp.lock_held() else "free", loading.is_alive())
"""


def test_an_interrupt_leaves_the_import_lock_free(write: Write) -> None:
    spin = "while True: pass\n"
    paths = (
        write("warm.py", f"{HEADER}print('begun')\n{spin}"),
        write("it.py", f"{HEADER}import colorsys\n{spin}"),
    )
    command = [sys.executable, "-c", WHILE_IMPORTING, *paths]
    child = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    warm, it, end = child.stdout.splitlines()
    assert warm.endswith("warm.py:3: the script was interrupted")
    assert it.endswith("it.py:3: the script was interrupted"), "after the import"
    assert end == "free False"
