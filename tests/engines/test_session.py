"""Session: what it does beyond any one language."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from scriptengines.errors import (
    CallTimeout,
    ConfigError,
    LoadError,
    ScriptClosed,
    UnknownFunction,
    UnknownScript,
)
from scriptengines.session import Session
from scriptengines.view import Level, ScriptState
from tests.conftest import DEADLINE, Log

type Write = Callable[[str, str], Path]

COUNTER = """
import host

n = 0

def tick():
    global n
    n += 1

def start(count):
    for _ in range(count):
        host.set_interval(tick, 0)

def echo(value):
    return value

def spin(entered):
    entered()
    while True:
        pass

def clear():
    for number in range(1, 10):
        host.clear_timer(number)
"""


# ---- loading -----------------------------------------------------------------------------------------------


def test_a_suffix_that_no_engine_has_is_refused_with_the_known_ones(session: Session, write: Write) -> None:
    with pytest.raises(LoadError, match=r'no engine for "\.rb"; known suffixes: \.c .*\.py'):
        session.load(write("it.rb", ""))


def test_a_folder_is_no_script(session: Session, tmp_path: Path) -> None:
    (tmp_path / "it.py").mkdir()
    with pytest.raises(LoadError, match="is a directory"):
        session.load(tmp_path / "it.py")


def test_a_script_gets_its_arguments(session: Session, write: Write) -> None:
    python = session.load(write("one.py", "import sys\nargs = sys.argv\n"), arguments=["a", "b"])
    assert python.get("args") == [str(python.path), "a", "b"]
    lua = session.load(write("two.lua", "args = {...}\n"), arguments=["a", "b"])
    assert lua.get("args") == ["a", "b"]


def test_a_script_is_its_own_main_module(session: Session, write: Write) -> None:
    script = session.load(write("it.py", "here = __file__\nname = __name__\n"))
    assert (script.get("name"), script.get("here")) == ("__main__", str(script.path))


def test_a_script_imports_what_lies_beside_it(session: Session, write: Write) -> None:
    helper = write("beside.py", "value = 1\n")
    script = session.load(write("it.py", "import beside\ndef value(): return beside.value\n"))
    assert script.call("value") == 1
    helper.write_text("value = 22\n")
    session.reload("it")
    assert script.call("value") == 22


def test_leaving_with_zero_is_no_error(session: Session, write: Write, log: Log) -> None:
    session.load(write("fine.py", "import sys\nsys.exit(0)\n"))
    with pytest.raises(LoadError, match="SystemExit: 3"):
        session.load(write("bad.py", "import sys\nsys.exit(3)\n"))
    log.drain()


def test_a_load_error_names_the_line_of_the_script_not_of_the_library(session: Session, write: Write) -> None:
    path = write("it.py", "import json\n\njson.loads('{')\n")
    with pytest.raises(LoadError, match=r"it\.py:3: JSONDecodeError") as caught:
        session.load(path)
    assert (caught.value.file, caught.value.line) == (str(path), 3)


def test_loading_many_scripts_at_once(session: Session, write: Write) -> None:
    paths = [write(f"s{number}.{suffix}", "x = 1\n") for number in range(6) for suffix in ("py", "lua")]
    threads = [threading.Thread(target=session.load, args=[path]) for path in paths]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(session.scripts) == 12
    assert all(script.get("x") == 1 for script in session.scripts)


def test_names_are_told_when_they_are_wrong(session: Session, write: Write) -> None:
    session.load(write("sensors.py", "def read(): return 1\n"))
    with pytest.raises(UnknownScript, match='Did you mean "sensors"'):
        session.call("sensor", "read")
    with pytest.raises(UnknownFunction, match='Did you mean "read"'):
        session.call("sensors", "reed")
    with pytest.raises(ConfigError):
        session.load(write("other.py", ""), "sensors")


# ---- calls -------------------------------------------------------------------------------------------------


def test_a_dotted_name_calls_a_method(session: Session, write: Write) -> None:
    text = (
        "class Lamp:\n    on = False\n    def switch(self, on):\n"
        "        self.on = on\n        return self.on\nlamp = Lamp()\n"
    )
    script = session.load(write("it.py", text))
    assert script.call("lamp.switch", True) is True
    assert script.get("lamp", "on") is True


def test_what_is_no_function_is_not_called(session: Session, write: Write) -> None:
    script = session.load(write("it.py", "x = 1\n"))
    with pytest.raises(UnknownFunction, match=r'"x" in .* is a int, not a function'):
        script.call("x")


def test_interrupting_the_loop_itself_leaves_the_script_running(
    session: Session, write: Write, log: Log
) -> None:
    """An interrupt may hit the loop between two callbacks; it must not take the script's thread with it."""
    script = session.load(write("it.py", COUNTER))
    script.call("start", 3)
    hits = 0
    while hits < 20:
        hits += session.interrupt("it")
        assert script.call("echo", hits) == hits
    script.call("clear")
    before = script.get("n")
    script.call("start", 1)
    log.until(lambda: script.get("n") > before)


def test_a_timed_out_call_spares_the_next_one(session: Session, write: Write) -> None:
    script = session.load(write("it.py", COUNTER))
    for number in range(20):
        with pytest.raises(CallTimeout):
            script.call("spin", bool, timeout=0.01)
        assert script.call("echo", number) == number


def test_a_call_waits_for_the_one_before_it(session: Session, write: Write) -> None:
    text = (
        "inside = 0\nmost = 0\ndef work(wait):\n    global inside, most\n"
        "    inside += 1\n    most = max(most, inside)\n    wait()\n    inside -= 1\n"
    )
    script = session.load(write("it.py", text))
    threads = [threading.Thread(target=script.call, args=["work", lambda: None]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (script.get("most"), script.get("inside")) == (1, 0)


def test_two_scripts_run_at_the_same_time(session: Session, write: Write) -> None:
    """Both are inside a call at once, or the barrier would break."""
    barrier = threading.Barrier(2, timeout=DEADLINE)
    path = write("it.py", "def meet(wait): return wait()\n")
    scripts = [session.load(path, alias) for alias in ("a", "b")]
    results: list[int] = []
    threads = [
        threading.Thread(target=lambda s=s: results.append(s.call("meet", barrier.wait))) for s in scripts
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [0, 1]


# ---- observation -------------------------------------------------------------------------------------------


def test_a_frame_never_waits_for_a_busy_script(session: Session, write: Write, log: Log) -> None:
    script = session.load(write("it.lua", "x = 1\nfunction spin(entered) entered() while true do end end\n"))
    log.until(lambda: session.frame().variables)
    entered = threading.Event()
    thread = threading.Thread(target=pytest.raises, args=(Exception, script.call, "spin", entered.set))
    thread.start()
    assert entered.wait(DEADLINE)
    log.until(lambda: session.frame().scripts[0].sample_age > 0.3)
    assert [variable.name for variable in session.frame().variables] == ["x"]
    assert session.interrupt("it")
    thread.join(DEADLINE)


def test_unfinished_output_appears_when_the_script_ends(session: Session, write: Write, log: Log) -> None:
    for suffix, text in (("py", "print('no line end', end='')\n"), ("lua", "io.write('no line end')\n")):
        session.load(write(f"it.{suffix}", text), suffix)
        session.unload(suffix)
        log.until(lambda suffix=suffix: log.lines(suffix) == ["no line end"])


def test_stderr_is_a_warning(session: Session, write: Write, log: Log) -> None:
    session.load(write("it.py", "import sys\nprint('careful', file=sys.stderr)\n"))
    assert log.wait_for("careful")[0].level is Level.WARNING


def test_a_flood_of_output_is_bounded_and_counted(session: Session, write: Write, log: Log) -> None:
    script = session.load(write("it.py", "def flood(n):\n    for i in range(n): print(i)\n"))
    script.call("flood", 250_000)
    kept = 0
    while more := len(log.lines("it")) - kept:
        kept += more
    assert kept < 250_000
    assert kept + session.feed.dropped >= 250_000


def test_an_error_in_a_thread_of_a_script_is_reported(session: Session, write: Write, log: Log) -> None:
    text = (
        "import threading\ndef work(): raise ValueError('no paint')\nthreading.Thread(target=work).start()\n"
    )
    session.load(write("it.py", text))
    [record] = log.wait_for("no paint")
    assert (record.script, record.level) == ("it", Level.ERROR)
    assert "it.py:2" in record.text


def test_a_note_is_the_sessions_own_line(session: Session, log: Log) -> None:
    session.note("warning", "disk nearly full")
    [record] = log.wait_for("disk nearly full")
    assert (record.script, record.level) == ("", Level.WARNING)


# ---- ending ------------------------------------------------------------------------------------------------


def test_closing_ends_everything_and_is_harmless_twice(write: Write) -> None:
    session = Session()
    script = session.load(write("it.py", COUNTER))
    script.call("start", 2)
    assert session.close()
    assert session.close()
    assert script.view().state is ScriptState.CLOSED
    with pytest.raises(ScriptClosed):
        script.call("echo", 1)


def test_closing_stops_runaways(write: Write) -> None:
    session = Session()
    python = session.load(write("one.py", COUNTER))
    lua = session.load(write("two.lua", "function spin(entered) entered() while true do end end\n"))
    threads = []
    for script in (python, lua):
        entered = threading.Event()
        threads.append(
            threading.Thread(target=pytest.raises, args=(Exception, script.call, "spin", entered.set))
        )
        threads[-1].start()
        assert entered.wait(DEADLINE)
    assert session.close()
    for thread in threads:
        thread.join(DEADLINE)
        assert not thread.is_alive()


def test_closing_right_after_a_load_was_given_up_leaves_nothing_behind(write: Write) -> None:
    path = write("it.py", "while True: pass\n")
    for _ in range(5):
        session = Session()
        with pytest.raises(LoadError, match="still at its top level"):
            session.load(path, timeout=0.02)
        assert session.close()


def test_a_script_may_end_its_own_threads_before_it_is_unloaded(
    session: Session, write: Write, log: Log
) -> None:
    text = (
        "import threading\nstop = threading.Event()\nthread = threading.Thread(target=stop.wait)\n"
        "thread.start()\ndef end(): stop.set()\n"
    )
    script = session.load(write("it.py", text))
    script.call("end")
    session.unload("it")
    log.drain()


def test_an_interpreter_is_empty_for_its_next_script(session: Session, write: Write) -> None:
    first = session.load(
        write(
            "one.py",
            "import json, wave, sys\nsys.path.append('/nowhere')\nimport host\nhost.state['x'] = 1\nx = 1\n",
        )
    )
    give = first.evaluate("lambda: 1")
    session.unload("one")
    text = (
        "import sys, host\ndef look():\n"
        "    return ['wave' in sys.modules, '/nowhere' in sys.path, dict(host.state), 'x' in globals()]\n"
    )
    second = session.load(write("two.py", text))
    assert second.call("look") == [False, False, {}, False]
    with pytest.raises(ScriptClosed, match="one is closed"):
        give()
