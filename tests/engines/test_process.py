"""Isolation "process": what a script does in its own process, and what is left of it when that dies."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from scriptengines.errors import (
    CallCycleError,
    CallError,
    CallTimeout,
    CrossingError,
    LoadError,
    ScriptBusy,
    ScriptClosed,
    ScriptConsoleError,
    ScriptCrashed,
    ScriptKilled,
)
from scriptengines.process.runtime import ProcessRuntime
from scriptengines.process.values import Packing, Values
from scriptengines.script import Script
from scriptengines.session import Session
from scriptengines.view import Level, ScriptState
from tests.conformance.sources_native import module
from tests.conftest import DEADLINE, Log, line_of

type Put = Callable[..., Script]

PYTHON = """
import ctypes, os, signal, host

host.state.setdefault("n", 0)

def bump():
    host.state["n"] += 1
    return host.state["n"]

def echo(value): return value
def pid(): return os.getpid()
def abort(): os.abort()  # ABORT
def leave(): os._exit(3)
def segfault(): ctypes.string_at(0)  # SEGFAULT
def later(name): host.set_timeout(globals()[name], 1)
def hold_gil(entered):
    entered()
    ctypes.PyDLL(None).sleep(1000)  # HELD
def call(alias, function, *args): return host.call(alias, function, *args)
def call_later(*wanted): host.set_timeout(lambda: host.log("got", host.call(*wanted)), 1)
def kill(pid): os.kill(pid, signal.SIGKILL)
def subscribe(): return host.on("paint", host.log)
"""
C = module("""
#include <stdio.h>
@echo { *out = args[0]; return 0; }
@segfault { /* HERE */ *(volatile int *)8 = 1; *out = sc_nil(); return 0; }
@spin {
    sc_value none;
    if (ctx->call_ref(ctx, args[0].as.ref, NULL, 0, &none)) return -1;
    for (volatile int on = 1; on;) {}
    *out = sc_nil();
    return 0;
}
@say { puts("from C"); fflush(stdout); fputs("to stderr\\n", stderr); *out = sc_nil(); return 0; }
""")
LUA = """
host.state.n = host.state.n or 0
function bump() host.state.n = host.state.n + 1 return host.state.n end
function echo(value) return value end
function call(...) return host.call(...) end
function call_later(...)
    local wanted = {...}
    host.set_timeout(function() host.log("got", host.call(table.unpack(wanted))) end, 1)
end
function keep(f) kept = f end
function use(...) return kept(...) end
"""
TEXTS = {".py": PYTHON, ".c": C, ".lua": LUA}


@pytest.fixture
def put(session: Session, write: Callable[[str, str], Path]) -> Put:
    """`put(suffix=".py", alias="it", text=…, **options)` loads a script, in a process by default."""

    def put(suffix: str = ".py", alias: str = "it", text: str = "", **options: object) -> Script:
        path = write(f"{alias}{suffix}", text or TEXTS[suffix])
        return session.load(path, alias, **{"isolation": "process", **options})

    return put


def state_of(pid: int) -> str:
    """The kernel's letter for what a process does; Z, a zombie, also when it is gone."""
    try:
        return Path(f"/proc/{pid}/status").read_text().partition("State:\t")[2][0]
    except (FileNotFoundError, ProcessLookupError):
        return "Z"


def alive(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    return state_of(pid) != "Z"


def wait_until(condition: Callable[[], object]) -> None:
    """For what no report tells of."""
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end


# ---- how it dies -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("suffix", "function", "words", "mark"),
    [
        (".py", "abort", r"aborted \(SIGABRT\)", "ABORT"),
        (".py", "segfault", r"was killed by signal 11 \(SIGSEGV\)", "SEGFAULT"),
        (".py", "leave", r"left with os\._exit\(3\)", ""),
        (".c", "segfault", r"was killed by signal 11 \(SIGSEGV\)", ""),
    ],
)
def test_a_call_that_kills_the_process_says_what_killed_it(
    session: Session, put: Put, log: Log, suffix: str, function: str, words: str, mark: str
) -> None:
    script = put(suffix)
    bystander = put(".lua", "bystander")
    with pytest.raises(ScriptCrashed, match=words + ".* reload it") as caught:
        script.call(function)
    assert caught.value.file == str(script.path)
    if mark:
        assert caught.value.line == line_of(script.path, mark)
        assert caught.value.frames[-1].function == function
    [record] = log.wait_for("process: ")
    assert (record.script, record.level) == ("it", Level.ERROR)
    log.drain()
    view = script.view()
    assert view.state is ScriptState.FAILED
    assert view.last_error is not None
    assert "its process" in view.last_error.message
    assert script.variables() == []
    assert not script.pending
    assert bystander.call("bump") == 1


def test_everybody_who_still_calls_it_is_told(put: Put) -> None:
    script = put()
    echo = script.function("echo")
    function = script.evaluate("echo")
    with pytest.raises(ScriptCrashed):
        script.call("abort")
    for use in (lambda: echo(1), lambda: function(1), lambda: script.get("os"), script.functions):
        with pytest.raises(ScriptCrashed, match="reload it"):
            use()
    assert not script.interrupt()


def test_a_reload_starts_it_again_and_says_that_its_state_is_lost(
    session: Session, put: Put, log: Log
) -> None:
    script = put()
    assert [script.call("bump") for _ in range(2)] == [1, 2]
    with pytest.raises(ScriptCrashed):
        script.call("abort")
    echo = script.function("echo")
    session.reload("it")
    assert echo(1) == 1
    assert script.call("bump") == 1
    assert log.wait_for("host.state it had: it is lost")
    assert script.view().state is not ScriptState.FAILED
    session.reload("it")
    assert script.call("bump") == 2


def test_a_process_killed_from_outside_is_noticed(put: Put, log: Log) -> None:
    script = put()
    os.kill(script.call("pid"), signal.SIGKILL)
    assert log.wait_for("was killed by signal 9 (SIGKILL)")
    assert script.view().state is ScriptState.FAILED


def test_a_timer_that_kills_it_ends_its_pending_work(session: Session, put: Put, log: Log) -> None:
    script = put()
    script.call("subscribe")
    assert session.emit("paint", 1) == 1
    script.call("later", "segfault")
    assert log.wait_for("SIGSEGV")
    log.drain()
    assert session.emit("paint", 2) == 0
    assert session.frame().variables == ()


def test_a_top_level_that_kills_it_is_an_error_of_loading(session: Session, put: Put) -> None:
    with pytest.raises(LoadError, match=r"it\.py:2: .*aborted \(SIGABRT\)"):
        put(text="import os\nos.abort()\n")
    assert session.scripts == ()
    assert put().call("echo", 1) == 1


def test_a_reload_that_kills_the_new_process_leaves_the_old_one(session: Session, put: Put) -> None:
    script = put()
    script.call("bump")
    before = script.call("pid")
    script.path.write_text("import os\nos._exit(0)\n")
    with pytest.raises(LoadError, match=r"left with os\._exit\(0\)"):
        session.reload("it")
    assert (script.call("pid"), script.call("bump")) == (before, 2)


def test_a_script_survives_the_one_it_calls(session: Session, put: Put) -> None:
    for suffix in (".py", ".lua"):
        caller = put(suffix, f"caller{suffix[1:]}")
        victim = put(".py", f"victim{suffix[1:]}")
        with pytest.raises(ScriptCrashed, match="SIGABRT"):
            caller.call("call", victim.alias, "abort")
        assert caller.call("echo", 1) == 1


def test_a_call_learns_that_its_script_died_while_another_worked_for_it(put: Put) -> None:
    script, killer = put(), put(alias="killer", isolation="isolated")
    with pytest.raises(ScriptCrashed, match="SIGKILL"):
        script.call("call", "killer", "kill", script.call("pid"))
    assert killer.call("echo", 1) == 1


def test_what_happens_in_a_process_ends_with_it(session: Session, put: Put) -> None:
    script = put(text="import subprocess\nsleeper = subprocess.Popen(['sleep', '1000'])\npid = sleeper.pid\n")
    pid = script.get("pid")
    assert alive(pid)
    session.unload("it")
    wait_until(lambda: not alive(pid))


def test_nothing_is_left_of_processes_that_have_ended(session: Session, put: Put) -> None:
    def come_and_go() -> tuple[int, int]:
        put().call("echo", len)
        session.reload("it")
        with pytest.raises(ScriptCrashed):
            session.call("it", "abort")
        session.reload("it")
        session.unload("it")
        gc.collect()
        return len(os.listdir("/proc/self/fd")), threading.active_count()

    come_and_go()
    before = come_and_go()
    for _ in range(3):
        come_and_go()
    wait_until(lambda: (len(os.listdir("/proc/self/fd")), threading.active_count()) == before)
    kept = [each for each in gc.get_objects() if isinstance(each, ProcessRuntime)]
    assert kept == []


# ---- what does not stop ------------------------------------------------------------------------------------


@pytest.fixture(params=[".c", ".py"], ids=["native code", "a C call with the GIL"])
def stuck(request: pytest.FixtureRequest, put: Put) -> tuple[Script, str]:
    """A script, and its function that never ends once it has called its argument."""
    return put(request.param), {".c": "spin", ".py": "hold_gil"}[request.param]


def test_a_call_that_takes_too_long_is_killed_and_says_so(
    stuck: tuple[Script, str], session: Session
) -> None:
    script, function = stuck
    with pytest.raises(CallTimeout, match=r"longer than 0\.05 s; .*so its process was killed; reload it"):
        script.call(function, bool, timeout=0.05)
    assert script.view().state is ScriptState.FAILED
    session.reload("it")
    assert script.call("echo", 1) == 1


def test_an_interrupt_by_hand_kills_nothing(stuck: tuple[Script, str], session: Session, log: Log) -> None:
    script, function = stuck
    entered, outcome = threading.Event(), []

    def call() -> None:
        with pytest.raises(ScriptConsoleError) as caught:
            script.call(function, entered.set)
        outcome.append(caught.value)

    thread = threading.Thread(target=call)
    thread.start()
    assert entered.wait(DEADLINE)
    assert session.interrupt("it") is False
    assert log.wait_for("to kill its process, reload or unload it")
    assert thread.is_alive()
    script.refresh()  # comes back, whatever it sees
    started = time.monotonic()
    session.unload("it")
    assert time.monotonic() - started < 10
    thread.join(DEADLINE)
    assert isinstance(outcome[0], (ScriptKilled, ScriptClosed))


def test_a_reload_replaces_a_script_that_is_stuck(stuck: tuple[Script, str], session: Session) -> None:
    script, function = stuck
    entered = threading.Event()

    def call() -> None:
        with pytest.raises(ScriptKilled, match="so its process was killed"):
            script.call(function, entered.set)

    thread = threading.Thread(target=call)
    thread.start()
    assert entered.wait(DEADLINE)
    session.reload("it")
    thread.join(DEADLINE)
    assert script.call("echo", 1) == 1


def test_a_top_level_that_is_stuck_is_killed(session: Session, put: Put) -> None:
    with pytest.raises(LoadError, match="still at its top level"):
        put(text="import ctypes\nctypes.PyDLL(None).sleep(1000)\n", timeout=0.2)
    assert session.close(), "nothing is left behind"


def test_a_stopped_process_is_ended_all_the_same(session: Session, put: Put) -> None:
    script = put()
    pid = script.call("pid")
    os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: state_of(pid) == "T")
    assert script.refresh() is False
    with pytest.raises(ScriptBusy):
        script.functions()
    session.unload("it")
    assert not alive(pid)


def test_closing_the_session_ends_all_processes(put: Put, session: Session) -> None:
    pids = [put(alias=alias).call("pid") for alias in ("a", "b")]
    assert session.close()
    assert not any(map(alive, pids))


def test_a_process_dies_with_its_parent_even_inside_a_c_call(tmp_path: Path) -> None:
    (tmp_path / "it.py").write_text(PYTHON)
    text = f"""
import os, threading
from scriptengines.session import Session
session = Session()
script = session.load({str(tmp_path / "it.py")!r}, isolation="process")
print(script.call("pid"), flush=True)
script.call("hold_gil", lambda: print("held", flush=True))
"""
    parent = subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert parent.stdout.readline() == "held\n"
    assert alive(pid)
    parent.kill()
    parent.wait()
    wait_until(lambda: not alive(pid))
    parent.stdout.close()


def test_ctrl_c_stops_the_call_that_the_main_thread_waits_for(put: Put) -> None:
    script = put(".lua", text="function spin(f) f() while true do end end function echo(x) return x end")
    with pytest.raises(KeyboardInterrupt):
        script.call("spin", lambda: threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start())
    assert script.call("echo", 1) == 1


# ---- threads that wait for each other ----------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".py", ".lua"])
def test_timers_that_call_each_other_never_hang(session: Session, put: Put, log: Log, suffix: str) -> None:
    """Each process is blocked in a timer that asks for the other: one of them is told, or both succeed."""
    put(suffix, "a")
    put(suffix, "b")
    for turn in range(50):
        session.call("a", "call_later", "b", "echo", turn)
        session.call("b", "call_later", "a", "echo", turn)
    log.drain()
    lines = log.lines()
    told = [line for line in lines if "CallCycleError" in line or "would wait for ever" in line]
    assert len([line for line in lines if line.startswith("got ")]) + len(told) == 100


def test_a_call_is_served_while_a_timer_of_the_script_asks_for_its_caller(
    session: Session, put: Put, log: Log
) -> None:
    """The caller holds what the timer wants, and waits for the timer: it works for it meanwhile."""
    put(".lua", "a")
    put(".py", "b", isolation="isolated")
    for turn in range(50):
        session.call("a", "call_later", "b", "call", "a", "echo", turn)
        with contextlib.suppress(CallCycleError):
            assert session.call("b", "call", "a", "echo", turn) == turn
    log.drain()


def test_threads_of_a_script_may_ask_at_the_same_time(session: Session, put: Put) -> None:
    put(".lua", "called")
    script = put(
        text="""
import threading, host

def ask(count):
    results = []
    threads = [threading.Thread(target=lambda n=n: results.append(host.call("called", "echo", n)))
               for n in range(count)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    return sorted(results)
"""
    )
    assert script.call("ask", 20) == list(range(20))


def test_many_threads_call_and_are_called_back(put: Put) -> None:
    script = put(".lua")
    script.call("keep", lambda value: value + 1)
    use = script.function("use")
    results: list[int] = []

    def call(base: int) -> None:
        results.extend(use(base + n) for n in range(100))

    threads = [threading.Thread(target=call, args=(base,)) for base in range(0, 800, 100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)
    assert sorted(results) == list(range(1, 801))


# ---- what crosses ------------------------------------------------------------------------------------------


def test_a_value_too_large_is_refused_by_name(put: Put) -> None:
    script = put()
    with pytest.raises(CrossingError, match=r"args\[0\]\[1\] has 1\.0 GiB; the limit .* 256 MiB"):
        script.call("echo", [1, bytes(2**30)])
    with pytest.raises(CrossingError, match=r"result has 1\.0 GiB"):
        script.evaluate("bytes(2**30)")
    with pytest.raises(CrossingError, match=r"take 300 MiB together"):
        script.call("echo", [bytes(100 * 2**20)] * 3)
    assert script.call("echo", 1) == 1


def test_a_large_value_crosses(put: Put) -> None:
    value = {"rows": [("x" * 1000, n) for n in range(10_000)], "raw": bytes(5_000_000)}
    assert put().call("echo", value) == value


def test_functions_are_given_back_when_they_are_no_longer_needed(put: Put, log: Log) -> None:
    script = put(".lua")
    values = script.runtime.peer.values  # type: ignore[attr-defined]
    for number in range(200):
        script.call("keep", lambda number=number: number)
    script.call("keep", None)
    assert values.given <= 200
    script.execute("kept = nil collectgarbage() collectgarbage()")
    # Lua lets go at its next calls.
    log.until(lambda: (script.call("echo", 1), values.given == 0)[1], "the end of all handles")


@pytest.mark.parametrize("suffix", [".py", ".lua", ".c"])
def test_a_handle_that_is_given_back_at_once_is_still_itself(put: Put, suffix: str) -> None:
    """What the child no longer needs is told on another channel than its result, and may overtake it."""
    echo = put(suffix).function("echo")
    for _ in range(300):
        thing = object()
        assert echo(thing) is thing


def test_objects_of_the_script_are_given_back_when_handles_go(put: Put, log: Log) -> None:
    script = put(
        text="""
import weakref
class Thing: pass
alive = weakref.WeakSet()
def make():
    thing = Thing()
    alive.add(thing)
    return thing
def echo(value): return value in alive
def count(): return len(alive)
"""
    )
    things = [script.call("make") for _ in range(10)]
    assert script.call("count") == 10
    assert script.call("echo", things[3]) is True
    assert "object" in repr(things[0])
    things.clear()
    log.until(lambda: script.call("count") == 0)


def test_objects_of_the_script_can_be_used_but_not_those_of_the_console(put: Put) -> None:
    script = put(
        text="""
class Player:
    def __init__(self): self.at = 1
    def move(self, steps): self.at += steps; return self.at
player = Player()
def peek(thing): return thing.call("get", "__class__")  # of what stands for it there
"""
    )
    player = script.get("player")
    assert player.call("move", 2) == 3
    player.set("at", 10)
    assert player.get("at") == 10
    with pytest.raises(CallError, match="has no attribute 'name'"):
        player.get("name")
    with pytest.raises(CrossingError, match=r"lend no attributes to a process: \.__class__"):
        script.call("peek", object())


def test_what_c_code_writes_itself_is_output(put: Put, log: Log) -> None:
    put(".c").call("say")
    [line] = log.wait_for("from C")
    assert (line.script, line.level) == ("it", Level.OUTPUT)
    [line] = log.wait_for("to stderr")
    assert (line.script, line.level) == ("it", Level.WARNING)


def test_the_process_inherits_nothing_but_its_channels(put: Put) -> None:
    read, write = os.pipe()
    os.set_inheritable(read, True)
    try:
        script = put(
            text="""
import os
def inherited():
    names = []
    for number in os.listdir("/proc/self/fd"):
        try:
            names.append(os.readlink(f"/proc/self/fd/{number}"))
        except FileNotFoundError:
            pass  # that of the folder itself
    return names
"""
        )
        theirs = script.call("inherited")
        assert os.readlink(f"/proc/self/fd/{read}") not in theirs
        assert len([name for name in theirs if name.startswith("pipe:")]) == 4, (
            "stdout, stderr, faults, lifeline"
        )
    finally:
        os.close(read)
        os.close(write)


# ---- what a hostile script sends ---------------------------------------------------------------------------

HOSTILE = """
import os, socket, stat

def send(garbage):
    for name in os.listdir("/proc/self/fd"):
        try:
            if stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                os.write(int(name), garbage)
        except OSError:
            pass

def close():
    os.closerange(3, 1000)
"""


@pytest.mark.parametrize(
    "garbage",
    [
        b"\xff\xff\xff\xff" + bytes(100),
        b"\x01\x00\x00\x00\xc1",
        b"\x01\x00\x00\x00\x90",
        b"\x01\x00\x00\x00\x05",
        b"\x03\x00\x00\x00\x92\x63\x00",
        b"\x05\x00\x00\x00\xdd\xff\xff\xff\xff",
        (3000).to_bytes(4, "little") + b"\x91" * 3000,
        b"\x0b\x00\x00\x00\x96\x00\x00\xa6delete\xc0",
        # A list that claims to be a set of lists; an object that was never given; one given back twice.
        b"\x08\x00\x00\x00\x92\xc7\x00\x02\x91\x01\xc0\xc0",
        b"\x0e\x00\x00\x00\x93\x01\x00\xc7\x09\x08\x09\x00\x00\x00\x00\x00\x00\x00",
        b"\x04\x00\x00\x00\x93\x0b\x05\x01",
    ],
)
def test_what_is_no_message_ends_the_script_and_nothing_else(
    session: Session, put: Put, log: Log, garbage: bytes
) -> None:
    script, bystander = put(text=HOSTILE), put(".lua", "bystander")

    def provoke() -> None:
        for _ in range(3):
            script.call("send", garbage)

    with pytest.raises((ScriptCrashed, CallError)):
        provoke()
    log.until(lambda: script.view().state is ScriptState.FAILED)
    assert "reload it" in log.wait_for("process: ")[0].text
    assert bystander.call("echo", 1) == 1
    session.reload("it")


def test_a_script_that_only_claims_to_have_stopped_is_ended(session: Session, put: Put) -> None:
    script = put(
        text="""
import gc, time
def lie(entered):
    from scriptengines.process.child import Child
    [child] = [each for each in gc.get_objects() if isinstance(each, Child)]
    child._interrupt = lambda runtime, reason: True
    entered()
    while True: time.sleep(1000)
"""
    )
    entered = threading.Event()

    def call() -> None:
        with contextlib.suppress(ScriptConsoleError):
            script.call("lie", entered.set)

    thread = threading.Thread(target=call)
    thread.start()
    assert entered.wait(DEADLINE)
    pid = script.runtime.peer.pid  # type: ignore[attr-defined]
    session.unload("it")
    thread.join(DEADLINE)
    assert not thread.is_alive()
    assert not alive(pid)


def test_a_script_that_closes_its_channels_has_ended(put: Put, log: Log) -> None:
    script = put(text=HOSTILE)
    with pytest.raises(ScriptCrashed):
        script.call("close")
    assert script.view().state is ScriptState.FAILED


# ---- from one isolation to another -------------------------------------------------------------------------


@pytest.mark.parametrize(("suffix", "inside"), [(".py", "isolated"), (".py", "main"), (".lua", "state")])
def test_state_moves_between_isolations(session: Session, put: Put, suffix: str, inside: str) -> None:
    script = put(suffix)
    assert script.call("bump") == 1
    for number, isolation in enumerate((inside, "process", "process", inside), start=2):
        script.options["isolation"] = isolation
        session.reload("it")
        assert script.view().isolation == isolation
        assert script.call("bump") == number


# ---- what a runtime tells of itself ------------------------------------------------------------------------


def test_its_memory_is_that_of_its_process(put: Put) -> None:
    it = put(text="import os\nheld = []\ndef take(n): held.append(b'x' * n)\ndef leave(): os._exit(3)\n")
    before = it.memory()
    assert before
    it.call("take", 64 * 2**20)
    after = it.memory()
    assert after
    assert after - before >= 60 * 2**20
    with pytest.raises(ScriptCrashed):
        it.call("leave")
    assert it.memory() is None


def test_the_files_of_a_manifest_are_known_and_looked_at(
    session: Session, write: Callable[[str, str], Path]
) -> None:
    source = write("inc.c", module("@inc { *out = sc_int(args[0].as.integer + 1); return 0; }"))
    manifest = write("inc.scmod", 'name = "inc"\nversion = "1.0"\nsources = ["inc.c"]\n')
    it = session.load(manifest, isolation="process")
    assert it.files == (source,)
    assert not it.files_changed()
    source.write_text(source.read_text().replace("+ 1", "+ 2"))
    assert it.files_changed()
    session.reload("inc")
    assert it.call("inc", 1) == 3
    assert not it.files_changed()


def test_when_a_process_has_died_its_files_count_as_changed(
    session: Session, write: Callable[[str, str], Path]
) -> None:
    write("inc.c", module("#include <stdlib.h>\n@leave { abort(); }"))
    it = session.load(
        write("inc.scmod", 'name = "inc"\nversion = "1.0"\nsources = ["inc.c"]\n'), isolation="process"
    )
    with pytest.raises(ScriptCrashed):
        it.call("leave")
    assert it.files_changed()


# ---- plain values and others -------------------------------------------------------------------------------

_ROW = {"name": "é", "at": 1.5, "tags": ["a", b"b"], "on": True, "none": None, "n": -(2**63)}


@pytest.mark.parametrize(
    "special",
    [
        (1, 2),
        {3},
        frozenset({4}),
        bytearray(b"5"),
        {6: 7},
        {(8,): [9]},
        2**63,
        2**64 - 1,
        -(2**63) - 1,
        2**200,
        "\udc80",
        {"\udc80": "\udc80"},
        [[]],
        {},
    ],
    ids=repr,
)
def test_a_special_value_among_plain_ones_keeps_its_type(put: Put, special: object) -> None:
    it = put()
    for value in (special, [special], [_ROW, {"x": [special, _ROW]}], (special, _ROW)):
        result = it.call("echo", value)
        assert repr(result) == repr(value)


def test_a_cycle_among_plain_values_is_refused_with_its_place(put: Put) -> None:
    row: dict[str, object] = {"name": "it"}
    row["self"] = [row]
    with pytest.raises(CrossingError, match=r"args\[0\]\[1\]\.self\[0\] refers back"):
        put().call("echo", [1, row])


def test_a_list_that_another_thread_changes_crosses_as_it_was_at_one_moment() -> None:
    values = Values("it", lambda number, args, kwargs: None, lambda number, times: None)
    plain, special = {"n": 0, "b": ["x"]}, {"n": 1, "b": bytearray(b"x"), "t": (1,)}
    rows = [plain] * 300
    stopped = threading.Event()

    def change() -> None:
        while not stopped.is_set():
            for row in (special, plain):  # between the rounds of a loop, CPython changes threads
                rows[250] = row

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    changing = threading.Thread(target=change)
    changing.start()
    try:
        for _ in range(1000):
            packing = Packing()
            packed = packing.pack((values.result(rows),))
            result = values.decode(packed, packing.marked)[0]
            assert len(result) == 300
            assert all(row == plain or (row == special and type(row["b"]) is bytearray) for row in result)
    finally:
        stopped.set()
        changing.join()
        sys.setswitchinterval(before)


def test_what_it_changes_of_its_own_process_is_its_own(put: Put, session: Session, log: Log) -> None:
    text = "import os\ndef change():\n    os.chdir('/')\n    os.environ['ITS_OWN'] = 'yes'\n"
    script = put(text=text)
    script.call("change")
    session.unload("it")
    assert log.lines("it") == []
    assert "ITS_OWN" not in os.environ
