"""Many threads call into scripts of all engines while those call each other and are reloaded.

For STRESS_SECONDS, or until STRESS_CALLS calls have come back, whichever is set.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from scriptengines import Session
from scriptengines.errors import CallCycleError, CallError, ScriptBusy, UnknownFunction
from tests.bench.harness import resident_bytes
from tests.engines.native_parts import HAS_COMPILER

CALLS = int(os.environ.get("STRESS_CALLS", "0"))
SECONDS = 1800.0 if CALLS else float(os.environ.get("STRESS_SECONDS", "10"))

PYTHON = """
import host
host.state.setdefault("loads", 0)
host.state["loads"] += 1
host.set_interval(lambda: None, 1)
def double(x): return x * 2
def echo(*args): return args
def through(alias, x): return host.call(alias, "double", x)
"""
LUA = """
host.state.loads = (host.state.loads or 0) + 1
setInterval(function() end, 1)
function double(x) return x * 2 end
function echo(...) return {...} end
function through(alias, x) return host.call(alias, "double", x) end
"""
C = """
#include <scriptconsole.h>
static int twice(sc_ctx *ctx, const sc_value *args, size_t n, sc_value *out) {
    *out = sc_int(args[0].as.integer * 2);
    return 0;
}
static int echo(sc_ctx *ctx, const sc_value *args, size_t n, sc_value *out) {
    *out = sc_items(SC_LIST, (sc_value *)args, n);
    return 0;
}
static int through(sc_ctx *ctx, const sc_value *args, size_t n, sc_value *out) {
    sc_value passed[3] = { args[0], sc_str("double"), args[1] };
    return ctx->host(ctx, "call", passed, 3, out);
}
static const sc_export exports[] = {
    {"double", twice, "l:l", ""}, {"echo", echo, NULL, ""}, {"through", through, NULL, ""}, {0}};
static const sc_module module = {SC_ABI_VERSION, "stress", "1", exports, 0, 0, 0};
SC_MODULE(module)
"""
VALUES = [None, True, 7, 2.5, "é\0", [1, [2, {"k": "v"}]], "x" * 5000]


SCRIPTS = (
    ("isolated.py", PYTHON),
    ("shared.py", '# scriptconsole: isolation = "shared"\n' + PYTHON),
    ("main.py", '# scriptconsole: isolation = "main"\n' + PYTHON),
    ("process.py", '# scriptconsole: isolation = "process"\n' + PYTHON),
    ("lua54.lua", LUA),
    ("luajit.lua", '-- scriptconsole: lua = "luajit2.1"\n' + LUA),
    ("native.c", C),
    ("native2.c", C),
)
HOOKS = {
    ".py": "def saw(number): pass\nhost.on('sweep', saw)\n",
    ".lua": "host.on('sweep', function(number) end)\n",
    ".c": "",
}


class Tally:
    """What the callers of one run have done.

    Attributes:
        calls: That came back with their result, also those within call_many and from script to script.
        emits: Events sent to all scripts.
        cycles: Calls refused because two threads would have waited for each other.
        wrong: What should not have happened.
    """

    def __init__(self) -> None:
        self.calls = self.emits = self.cycles = 0
        self.wrong: list[object] = []


def _caller(session: Session, aliases: list[str], stop: threading.Event, tally: Tally) -> None:
    number = 0
    handles = {alias: session.script(alias).function("double") for alias in aliases}
    while not stop.is_set():
        number += 1
        alias, other = aliases[number % len(aliases)], aliases[(number * 7 + 3) % len(aliases)]
        try:
            _one_round(session, handles[alias], alias, other, number, tally)
        except CallCycleError:
            tally.cycles += 1
        except (CallError, ScriptBusy, UnknownFunction) as error:
            if "CallCycleError" in str(error):
                tally.cycles += 1
            else:
                tally.wrong.append(repr(error))
        except Exception as error:  # noqa: BLE001 - any other error is what this test is about
            tally.wrong.append(repr(error))


def _one_round(
    session: Session, double: Callable[[int], int], alias: str, other: str, number: int, tally: Tally
) -> None:
    if double(number) != 2 * number:
        tally.wrong.append((alias, number))
    tally.calls += 1
    if number % 3 == 0:
        if session.call(alias, "through", other, number) != 2 * number:
            tally.wrong.append((alias, other, number))
        tally.calls += 2
    if number % 5 == 0:
        value = VALUES[number // 5 % len(VALUES)]
        back = list(session.call(alias, "echo", value))
        # A table of Lua has no place for nil.
        if back[:1] != [value] and value is not None:
            tally.wrong.append((alias, value, back))
        tally.calls += 1
    if number % 11 == 0:
        results = session.script(alias).call_many("double", [(number + n,) for n in range(10)])
        if results != [2 * (number + n) for n in range(10)]:
            tally.wrong.append((alias, number, results))
        tally.calls += 10
    if number % 101 == 0:
        session.emit("sweep", number)
        tally.emits += 1


@pytest.mark.stress
@pytest.mark.timeout(SECONDS + 60)
@pytest.mark.skipif(not HAS_COMPILER, reason="needs a C compiler")
def test_no_deadlock_no_wrong_answer_bounded_memory(tmp_path: Path) -> None:
    with Session(batch=True) as session:
        for name, text in SCRIPTS:
            path = tmp_path / name
            path.write_text(text + HOOKS[path.suffix])
            session.load(path)
        aliases = [script.alias for script in session.scripts]
        stop, tallies = threading.Event(), [Tally() for _ in range(8)]
        callers = [
            threading.Thread(target=_caller, args=(session, aliases, stop, tally)) for tally in tallies
        ]
        started = time.monotonic()
        for caller in callers:
            caller.start()
        deadline, before, reloads, refused = started + SECONDS, 0, 0, 0

        def calls() -> int:
            return sum(tally.calls for tally in tallies)

        while time.monotonic() < deadline and not any(tally.wrong for tally in tallies):
            if CALLS and calls() >= CALLS:
                break
            try:
                session.reload(aliases[reloads % len(aliases)])
            except ScriptBusy:  # never idle for long enough: said, and nothing has changed
                refused += 1
            reloads += 1
            session.frame()
            if reloads == 2 * len(aliases):
                before = resident_bytes()
        stop.set()
        for caller in callers:
            caller.join(20)
        seconds = time.monotonic() - started
        assert not [wrong for tally in tallies for wrong in tally.wrong[:2]]
        assert not any(caller.is_alive() for caller in callers)
        grown = (resident_bytes() - before) / 1e6 if before else 0.0
        print(
            f"{calls()} calls in {seconds:.0f} s, {sum(tally.emits for tally in tallies)} events, "
            f"{sum(tally.cycles for tally in tallies)} cycles refused, "
            f"{reloads} reloads ({refused} refused), {grown:.1f} MB grown"
        )
        assert all(tally.calls for tally in tallies)
        assert grown < 60
