"""Many threads call into scripts of all engines while those call each other and are reloaded."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from scriptengines import Session
from scriptengines.errors import CallCycleError, CallError, ScriptBusy, UnknownFunction
from tests.bench.harness import resident_bytes

SECONDS = float(os.environ.get("STRESS_SECONDS", "20"))

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


def _caller(
    session: Session, aliases: list[str], stop: threading.Event, counts: dict[str, int], wrong: list[object]
) -> None:
    number = 0
    handles = {alias: session.script(alias).function("double") for alias in aliases}
    while not stop.is_set():
        number += 1
        alias, other = aliases[number % len(aliases)], aliases[(number * 7 + 3) % len(aliases)]
        try:
            if handles[alias](number) != 2 * number:
                wrong.append((alias, number))
            if number % 3 == 0 and session.call(alias, "through", other, number) != 2 * number:
                wrong.append((alias, other, number))
            if number % 5 == 0:
                value = VALUES[number % len(VALUES)]
                if list(session.call(alias, "echo", value))[:1] != [value] and value is not None:
                    wrong.append((alias, value))
            counts["calls"] += 1
        except CallCycleError:
            counts["cycles"] += 1
        except (CallError, ScriptBusy, UnknownFunction) as error:
            if "CallCycleError" not in str(error):
                wrong.append(repr(error))
        except Exception as error:  # noqa: BLE001 - any other error is what this test is about
            wrong.append(repr(error))


@pytest.mark.stress
@pytest.mark.timeout(SECONDS + 60)
def test_no_deadlock_no_wrong_answer_bounded_memory(tmp_path: Path) -> None:
    sources = [
        (".py", PYTHON),
        (".lua", LUA),
        (".c", C),
        (".py", PYTHON),
        (".lua", LUA),
        (".py", PYTHON),
        (".lua", LUA),
        (".c", C),
    ]
    with Session(batch=True) as session:
        for number, (suffix, text) in enumerate(sources):
            path = tmp_path / f"s{number}{suffix}"
            path.write_text(text)
            session.load(path)
        aliases = [script.alias for script in session.scripts]
        stop, wrong = threading.Event(), list[object]()
        counts = {"calls": 0, "cycles": 0}
        callers = [
            threading.Thread(target=_caller, args=(session, aliases, stop, counts, wrong)) for _ in range(8)
        ]
        for caller in callers:
            caller.start()
        deadline, before, reloads = time.monotonic() + SECONDS, 0, 0
        while time.monotonic() < deadline and not wrong:
            session.reload(aliases[reloads % len(aliases)])
            reloads += 1
            session.frame()
            if reloads == 50:
                before = resident_bytes()
        stop.set()
        for caller in callers:
            caller.join(20)
        assert not wrong[:5]
        assert not any(caller.is_alive() for caller in callers)
        grown = (resident_bytes() - before) / 1e6 if before else 0.0
        rounds, cycles = counts["calls"], counts["cycles"]
        print(f"{rounds} rounds, {cycles} cycles refused, {reloads} reloads, {grown:.1f} MB grown")
        assert grown < 60
