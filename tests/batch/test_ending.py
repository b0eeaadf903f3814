"""When a run ends and with which status: smart exit, time limit, Ctrl-C, scripts that leave by themselves."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from .support import batch, interrupted

type Write = Callable[[str, str], Path]

LOOP_C = """
#include <scriptconsole.h>
static volatile int spins;
static int load(sc_ctx *ctx) { sc_print(ctx, "start"); for (;;) spins++; return 0; }
static const sc_export exports[] = {{0}};
static const sc_module module = {SC_ABI_VERSION, "loop", "1.0", exports, NULL, load, NULL};
SC_MODULE(module)
"""
SERVER = """
import asyncio

async def main():
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    print("listening")
    await server.serve_forever()

asyncio.run(main())
"""
SLEEP_PY = """
import asyncio

async def main():
    await asyncio.sleep(0.05)
    print("tick")

asyncio.run(main())
"""
# Busy for a moment first, so that whoever hears of the start finds the loading well under way.
LOOP_PY = 'for _ in range(500_000): pass\nprint("start")\nwhile True:\n    pass\n'
LOOP_LUA = 'for _ = 1, 2e6 do end\nprint("start")\nwhile true do\nend\n'
TICK_C = """
#include <scriptconsole.h>
static int tick(sc_ctx *ctx, const sc_value *args, size_t n, sc_value *out) {
    (void)args, (void)n;
    *out = sc_nil();
    return sc_print(ctx, "tick");
}
static int load(sc_ctx *ctx) { return sc_set_timeout(ctx, "tick", 50, NULL); }
static const sc_export exports[] = {{"tick", tick, ":", ""}, {0}};
static const sc_module module = {SC_ABI_VERSION, "tick", "1.0", exports, NULL, load, NULL};
SC_MODULE(module)
"""


# ---- smart exit ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("tick.py", 'import host\nhost.set_timeout(lambda: print("tick"), 50)\n'),
        ("tick.lua", 'setTimeout(function() print("tick") end, 50)\n'),
        ("tick.c", TICK_C),
        ("sleep.py", SLEEP_PY),
    ],
)
def test_ends_once_nothing_is_pending(write: Write, name: str, text: str) -> None:
    run = batch(write(name, text), "--timeout", "30")
    assert (run.code, run.out, run.err) == (0, "tick\n", "")
    assert run.seconds < 15


def test_cancelled_timer_does_not_keep_the_run(write: Write) -> None:
    python = write("a.py", "import host\nhost.clear_timer(host.set_timeout(print, 60_000))\n")
    lua = write(
        "b.lua", "local id = setInterval(print, 1000)\nsetTimeout(function() clearInterval(id) end, 5)\n"
    )
    run = batch(python, lua, "--timeout", "30")
    assert (run.code, run.err) == (0, "")


def test_subscription_does_not_keep_the_run(write: Write) -> None:
    run = batch(write("a.lua", 'host.on("never", function() end)\n'), "--timeout", "30")
    assert run.code == 0, run.err


def test_scripts_tell_that_nobody_watches(write: Write) -> None:
    python = write("a.py", "import host\nprint(host.batch)\n")
    lua = write("b.lua", "print(host.batch)\n")
    assert batch(python, lua).lines == ["True", "true"]


# ---- time limit ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "text"), [("loop.py", LOOP_PY), ("loop.lua", LOOP_LUA), ("loop.c", LOOP_C)])
def test_endless_loop_at_load(write: Write, name: str, text: str) -> None:
    script = write(name, text)
    limit = 5 if name.endswith(".c") else 2  # it has to be compiled and to begin until then
    run = batch(script, "--timeout", str(limit))
    assert (run.code, run.out) == (124, "start\n")
    place = script if name.endswith(".c") else f"{script}:3"  # where C code is cannot be found out
    assert re.search(rf"{re.escape(str(place))}: still at its top level after [\d.]+ s; is this an", run.err)
    assert f"timed out after {limit} s; still pending: the loading of {name}" in run.err
    assert run.seconds < 15


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("loop.py", "import host\ndef spin():\n    while True: pass\nhost.set_timeout(spin, 1)\n"),
        ("loop.lua", "setTimeout(function() while true do end end, 1)\n"),
    ],
)
def test_endless_loop_in_a_callback(write: Write, name: str, text: str) -> None:
    run = batch(write(name, text), "--timeout", "1")
    assert run.code == 124
    assert "timed out after 1 s; still pending: loop" in run.err
    assert run.seconds < 15


def test_server_that_never_ends(write: Write) -> None:
    run = batch(write("server.py", SERVER), "--timeout", "3")
    assert (run.code, run.out) == (124, "listening\n")
    assert run.err == "timed out after 3 s; still pending: server\n"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("listen.py", 'import host\nserver = host.tcp_serve("127.0.0.1", 0)\nprint(server.port > 0)\n'),
        ("listen.lua", 'server = host.tcp_serve("127.0.0.1", 0, {})\nprint(tostring(server.port > 0))\n'),
    ],
)
def test_listener_of_the_host_keeps_the_run(write: Write, name: str, text: str) -> None:
    run = batch(write(name, text), "--timeout", "3")
    assert (run.code, run.out.lower()) == (124, "true\n")
    assert run.err == "timed out after 3 s; still pending: listen\n"


def test_time_limit_names_who_is_pending(write: Write) -> None:
    run = batch(
        write("done.py", "x = 1\n"),
        write("wait.lua", "setInterval(function() end, 100)\n"),
        "--timeout",
        "3",
    )
    assert run.code == 124
    assert run.err == "timed out after 3 s; still pending: wait\n"


# ---- Ctrl-C ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("wait.py", 'import host\nhost.set_interval(lambda: print("tick"), 50)\n'),
        ("wait.lua", 'setInterval(function() print("tick") end, 50)\n'),
        ("wait.c", TICK_C.replace("sc_set_timeout", "sc_set_interval")),
    ],
)
def test_interrupt_while_waiting(write: Write, name: str, text: str) -> None:
    run = interrupted(write(name, text))
    assert (run.code, run.lines[0], run.err) == (130, "tick", "interrupted\n")
    assert run.seconds < 10


def test_interrupt_of_an_asyncio_program(write: Write) -> None:
    run = interrupted(write("server.py", SERVER))
    assert (run.code, run.out, run.err) == (130, "listening\n", "interrupted\n")


@pytest.mark.parametrize(("name", "text"), [("loop.py", LOOP_PY), ("loop.lua", LOOP_LUA)])
def test_interrupt_while_loading_tells_where(write: Write, name: str, text: str) -> None:
    script = write(name, text)
    run = interrupted(script)
    assert (run.code, run.out) == (130, "start\n")
    assert run.err.startswith("interrupted\n")
    assert re.search(re.escape(f"({script}:") + "[23]" + re.escape(")"), run.err), run.err
    assert run.seconds < 10


def test_interrupt_while_loading_is_told_once(write: Write) -> None:
    script = write("loop.py", LOOP_PY)
    for _ in range(3):
        assert interrupted(script).err.count("Traceback") == 1


def test_interrupt_of_what_cannot_be_stopped(write: Write) -> None:
    run = interrupted(write("loop.c", LOOP_C))
    assert run.code == 130
    assert run.err.startswith("interrupted\n")
    assert run.seconds < 20


def test_second_interrupt_waits_for_nothing(write: Write) -> None:
    run = interrupted(write("loop.c", LOOP_C), again=True)
    # Both are 130 in a shell; which one depends on how far Python's own clean-up is.
    assert run.code in (130, -signal.SIGINT)
    assert run.err == "interrupted\n"
    assert run.seconds < 5


# ---- scripts that leave ----------------------------------------------------------------------------

LEAVING = {
    "exit.py": ("import sys\nprint('x')\nsys.exit({})\n", 3),
    "exit.lua": ('print("x") os.exit({})\n', 1),
    "later.py": ("import host, sys\nprint('x')\nhost.set_timeout(lambda: sys.exit({}), 1)\n", 3),
    "later.lua": ('print("x") setTimeout(function() os.exit({}) end, 1)\n', 1),
    "main.py": (
        "import asyncio, sys\nprint('x')\nasync def main():\n    sys.exit({})\nasyncio.run(main())\n",
        4,
    ),
}


@pytest.mark.parametrize("name", LEAVING)
def test_script_that_leaves_with_0(write: Write, name: str) -> None:
    run = batch(write(name, LEAVING[name][0].format(0)), "--timeout", "20")
    assert (run.code, run.out, run.err) == (0, "x\n", "")


@pytest.mark.parametrize(
    "name",
    [
        "exit.py",
        "main.py",
        "later.py",
        "exit.lua",
        "later.lua",
    ],
)
def test_script_that_leaves_with_3_has_failed(write: Write, name: str) -> None:
    text, line = LEAVING[name]
    run = batch(write(name, text.format(3)), "--timeout", "20")
    assert (run.code, run.out) == (1, "x\n")
    assert f"{name}:{line}" in run.err
    assert "SystemExit: 3" in run.err


def test_sys_exit_with_a_message_shows_it(write: Write) -> None:
    run = batch(write("exit.py", 'import sys\nsys.exit("no device")\n'))
    assert run.code == 1
    assert "exit.py:2: SystemExit: no device" in run.err


def test_script_that_leaves_does_not_take_others_with_it(write: Write) -> None:
    run = batch(
        write("exit.py", "import sys\nsys.exit(0)\n"),
        write("wait.lua", 'setTimeout(function() print("still here") end, 50)\n'),
    )
    assert (run.code, run.out) == (0, "still here\n")
