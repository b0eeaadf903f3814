"""Scripts that are closed while they load on another thread: nothing of them is left behind."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scriptengines.errors import Interrupted, LoadError, ScriptClosed
from scriptengines.lua import LuaEngine
from scriptengines.python import PythonEngine
from scriptengines.python.chambers import InterpreterChamber
from scriptengines.script import Script
from scriptengines.session import Session
from scriptnative.errors import ScriptInterrupt
from tests.conftest import DEADLINE, Log

type Write = Callable[[str, str], Path]

SCRIPTS = {
    "it.py": "import host\nhost.set_interval(print, 1000)\n",
    "it.lua": "setInterval(print, 1000)\n",
}
ENGINES = {"it.py": PythonEngine, "it.lua": LuaEngine}


class Background:
    """Something that is done on a thread.

    Args:
        work: What.

    Attributes:
        result: What it gave, or what it raised.
    """

    def __init__(self, work: Callable[[], Any]) -> None:
        self.result: Any = None
        self._work = work
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.result = self._work()
        except BaseException as error:  # noqa: BLE001 - the test looks at it
            self.result = error

    def wait(self) -> Any:
        self._thread.join(DEADLINE)
        assert not self._thread.is_alive()
        return self.result


class Door:
    """A method that waits until the test lets it go on.

    Args:
        monkeypatch: Puts it there.
        owner: Of the method.
        name: Of the method.
        before: Whether it waits before the real method, or after it.
    """

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, owner: type, name: str, *, before: bool = True
    ) -> None:
        self.reached, self.open = threading.Event(), threading.Event()
        method = getattr(owner, name)

        def gated(*args: Any) -> Any:
            if before:
                self._pass()
            result = method(*args)
            if not before:
                self._pass()
            return result

        monkeypatch.setattr(owner, name, gated)

    def _pass(self) -> None:
        self.reached.set()
        assert self.open.wait(DEADLINE)


def script_threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.startswith("script ")}


@pytest.fixture(autouse=True)
def nothing_stays() -> Any:
    before = script_threads()  # of a test before, whose script cannot be ended
    yield
    assert script_threads() <= before


@pytest.fixture
def closing(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Set as soon as a script is being closed."""
    begun = threading.Event()

    def get_closed(script: Script) -> bool:
        return vars(script)["closed"]

    def set_closed(script: Script, value: bool) -> None:
        vars(script)["closed"] = value
        if value:
            begun.set()

    monkeypatch.setattr(Script, "closed", property(get_closed, set_closed), raising=False)
    return begun


def close_behind(door: Door, session: Session, closing: threading.Event) -> None:
    """Close a session while a load of it waits at the door."""
    assert door.reached.wait(DEADLINE)
    closed = Background(session.close)
    assert closing.wait(DEADLINE)
    door.open.set()
    assert closed.wait() is True


@pytest.mark.parametrize("before", [True, False], ids=["not made", "made"])
@pytest.mark.parametrize("name", SCRIPTS)
def test_while_the_engine_makes_it(
    write: Write, monkeypatch: pytest.MonkeyPatch, closing: threading.Event, name: str, *, before: bool
) -> None:
    door = Door(monkeypatch, ENGINES[name], "create", before=before)
    session = Session()
    loading = Background(lambda: session.load(write(name, SCRIPTS[name])))
    close_behind(door, session, closing)
    assert isinstance(loading.wait(), LoadError)
    assert session.scripts == ()


@pytest.mark.parametrize("name", SCRIPTS)
def test_while_its_top_level_runs(write: Write, name: str) -> None:
    session = Session()
    spin = {"it.py": "while True: pass\n", "it.lua": "while true do end\n"}[name]
    loading = Background(lambda: session.load(write(name, f"print('begun')\n{spin}")))
    Log(session).wait_for("begun")
    assert session.close()
    assert isinstance(loading.wait(), LoadError)


@pytest.mark.parametrize("name", SCRIPTS)
def test_just_when_it_has_loaded(
    write: Write, monkeypatch: pytest.MonkeyPatch, closing: threading.Event, name: str
) -> None:
    door = Door(monkeypatch, Script, "adopt")
    session = Session()
    loading = Background(lambda: session.load(write(name, SCRIPTS[name])))
    close_behind(door, session, closing)
    assert isinstance(loading.wait(), Script)
    with pytest.raises(ScriptClosed):
        loading.result.call("anything")


def test_before_the_load_has_begun(write: Write) -> None:
    session = Session()
    session.close()
    with pytest.raises(ScriptClosed, match="the session is closed"):
        session.load(write("it.py", SCRIPTS["it.py"]))
    assert session.scripts == ()


def test_an_interrupt_while_the_engine_makes_it_stops_the_load(
    session: Session, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write("it.lua", "function version() return 1 end\n")
    script = session.load(path)
    path.write_text("function version() return 2 end\n")
    door = Door(monkeypatch, LuaEngine, "create")
    reloading = Background(lambda: session.reload("it"))
    assert door.reached.wait(DEADLINE)
    assert session.interrupt("it")
    door.open.set()
    assert isinstance(reloading.wait(), LoadError)
    assert (script.generation, script.call("version")) == (1, 1), "the generation before goes on"
    session.close()


def test_the_last_generation_waits_for_one_that_is_being_discarded(
    session: Session, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write("it.py", SCRIPTS["it.py"])
    session.load(path)
    path.write_text("while True: pass\n")
    discarding = Door(monkeypatch, PythonEngine, "generation_ended", before=False)
    leaving = Door(monkeypatch, InterpreterChamber, "move_out", before=False)
    with pytest.raises(LoadError, match="still at its top level"):
        session.reload("it", timeout=0.05)
    assert discarding.reached.wait(DEADLINE)
    unloading = Background(lambda: session.unload("it"))
    assert not leaving.reached.wait(0.2), "it has taken the place from under the other one"
    discarding.open.set()
    leaving.open.set()
    assert unloading.wait() is None
    assert session.close()


@pytest.mark.parametrize("meant_for_the_script", [Interrupted, ScriptInterrupt])
def test_an_interrupt_that_hits_who_retires_a_script_does_not_keep_it_alive(
    session: Session,
    write: Write,
    monkeypatch: pytest.MonkeyPatch,
    meant_for_the_script: type[BaseException],
) -> None:
    script = session.load(write("it.py", SCRIPTS["it.py"]))
    retire, hits = script.runtime.retire, iter([meant_for_the_script("stopped")])

    def hit() -> None:
        for interrupt in hits:
            raise interrupt
        retire()

    monkeypatch.setattr(script.runtime, "retire", hit)
    session.unload("it")
    assert session.close()


RACE = """
import sys, threading
from scriptengines.errors import LoadError, ScriptClosed
from scriptengines.session import Session
for path in sys.argv[1:] * 8:
    session = Session()

    def load():
        try:
            session.load(path)
        except (LoadError, ScriptClosed):
            pass

    loading = threading.Thread(target=load)
    loading.start()
    while not any(record.text == "begun" for record in session.records()):
        session.wait(None)
    assert session.close()
    loading.join()
"""


def test_the_process_can_be_finalised_afterwards(write: Write) -> None:
    source = f"print('begun')\n{SCRIPTS['it.py']}"
    paths = [write("one.py", source), write("two.py", f'# scriptconsole: isolation = "shared"\n{source}')]
    command = [sys.executable, "-c", RACE, *paths]
    child = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (child.returncode, child.stdout, child.stderr) == (0, "", "")
