"""Scripts that fail: status 1, one message that names file, line and remedy, the stack of all languages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from .support import Run, batch

type Write = Callable[[str, str], Path]


def failed(run: Run) -> list[str]:
    """Lines on stderr of a run in which a script failed."""
    assert run.code == 1, run
    assert "scriptconsole/" not in run.err, "frames of our own are nobody's business"
    assert "_native" not in run.err
    return run.err.splitlines()


# ---- across languages ------------------------------------------------------------------------------


def test_lua_calls_python_that_raises(write: Write) -> None:
    sensor = write(
        "sensor.py", "def scale(raw):\n    return 100 / raw\n\ndef read(raw):\n    return scale(raw)\n"
    )
    caller = write("caller.lua", 'local value = host.call("sensor", "read", 0)\nprint(value)\n')
    assert failed(batch(sensor, caller)) == [
        "Traceback (most recent call last):",
        f'  File "{caller}", line 1, in <module> (lua)',
        '    local value = host.call("sensor", "read", 0)',
        f'  File "{sensor}", line 5, in read',
        "    return scale(raw)",
        f'  File "{sensor}", line 2, in scale',
        "    return 100 / raw",
        f"{caller}:1: ZeroDivisionError: division by zero",
    ]


def test_python_calls_lua_that_raises(write: Write) -> None:
    plants = write("plants.lua", 'function find(name)\n  error("no such plant: " .. name)\nend\n')
    text = 'import host\n\ndef go():\n    host.call("plants", "find", "fern")\n\ngo()\n'
    caller = write("z_caller.py", text)
    assert failed(batch(plants, caller)) == [
        "Traceback (most recent call last):",
        f'  File "{caller}", line 6, in <module>',
        "    go()",
        f'  File "{caller}", line 4, in go',
        '    host.call("plants", "find", "fern")',
        f'  File "{plants}", line 2, in find (lua)',
        '    error("no such plant: " .. name)',
        f"{caller}:4: LuaError: no such plant: fern",
    ]


C_MODULE = """#include <scriptconsole.h>
static int set_alpha(sc_ctx *ctx, const sc_value *args, size_t n, sc_value *out) {
    (void)args, (void)n, (void)out;
    return ctx->fail(ctx, "ValueError", "alpha must be at most 1");
}
static const sc_export exports[] = {{"set_alpha", set_alpha, "d:", "Set the weight."}, {0}};
static const sc_module module = {SC_ABI_VERSION, "filter", "1.0", exports, NULL, NULL, NULL};
SC_MODULE(module)
"""


def test_c_function_that_fails(write: Write) -> None:
    module = write("filter.c", C_MODULE)
    caller = write("tune.lua", 'host.call("filter", "set_alpha", 2.5)\n')
    lines = failed(batch(module, caller))
    assert lines[:3] == [
        "Traceback (most recent call last):",
        f'  File "{caller}", line 1, in <module> (lua)',
        '    host.call("filter", "set_alpha", 2.5)',
    ]
    assert lines[3].startswith(f'  File "{module}", line ')
    assert lines[3].endswith("in set_alpha (native)")
    assert lines[-1] == f"{caller}:1: ValueError: alpha must be at most 1"


def test_c_function_called_with_the_wrong_type(write: Write) -> None:
    module = write("filter.c", C_MODULE)
    caller = write("tune.py", 'import host\nhost.call("filter", "set_alpha", "high")\n')
    lines = failed(batch(module, caller))
    assert lines[-1] == f"{caller}:2: TypeError: set_alpha() argument 1 must be double, got str"


def test_c_module_that_fails_to_load(write: Write) -> None:
    text = """#include <scriptconsole.h>
static int load(sc_ctx *ctx) { return ctx->fail(ctx, "OSError", "no device"); }
static const sc_export exports[] = {{0}};
static const sc_module module = {SC_ABI_VERSION, "device", "1.0", exports, NULL, load, NULL};
SC_MODULE(module)
"""
    lines = failed(batch(write("device.c", text)))
    assert lines[-1].endswith("OSError: no device")
    assert "device.c" in lines[-1]


def test_no_frame_has_line_0(write: Write) -> None:
    text = """#include <scriptconsole.h>
static int load(sc_ctx *ctx) { return ctx->fail(ctx, "OSError", "no device"); }
static const sc_export exports[] = {{0}};
static const sc_module module = {SC_ABI_VERSION, "device", "1.0", exports, NULL, load, NULL};
SC_MODULE(module)
"""
    assert "line 0" not in batch(write("device.c", text)).err


# ---- loading ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("bad.py", "x = 1\ndef broken(:\n    pass\n", "SyntaxError: invalid syntax"),
        ("bad.lua", "x = 1\nlocal y = = 2\n", "unexpected symbol near '='"),
    ],
)
def test_syntax_error(write: Write, name: str, text: str, message: str) -> None:
    script = write(name, text)
    assert f"{script}:2: {message}" in failed(batch(script))


def test_lua_syntax_error_is_told_once(write: Write) -> None:
    assert batch(write("bad.lua", "local y = = 2\n")).err.count("unexpected symbol") == 1


def test_c_that_does_not_compile(write: Write) -> None:
    script = write("bad.c", "#include <scriptconsole.h>\nstatic int load(sc_ctx *ctx) { return nothing; }\n")
    lines = failed(batch(script))
    assert lines[0].startswith(f"{script}:2: 'nothing' undeclared")
    assert "correct the line" in lines[0]
    assert any("return nothing" in line for line in lines[1:]), "the compiler's own output follows"


def test_c_that_is_no_module(write: Write) -> None:
    script = write("plain.c", "int x;\n")
    (line,) = failed(batch(script))
    assert line.startswith(f"{script}: ")
    assert "SC_MODULE(table)" in line


def test_raising_at_the_top_level(write: Write) -> None:
    python = write("a.py", 'x = {}\nx["missing"]\n')
    lua = write("b.lua", "local x\nprint(x.field)\n")
    lines = failed(batch(python, lua))
    assert f"{python}:2: KeyError: 'missing'" in lines
    assert f"{lua}:2: LuaError: attempt to index a nil value (local 'x')" in lines


def test_import_that_fails_names_the_line(write: Write) -> None:
    script = write("a.py", "\nimport no_such_module\n")
    assert failed(batch(script))[-1] == (f"{script}:2: ModuleNotFoundError: No module named 'no_such_module'")


def test_one_script_that_fails_does_not_keep_the_others(write: Write) -> None:
    bad = write("a.py", "def broken(:\n")
    good = write("b.lua", 'setTimeout(function() print("still ran") end, 20)\n')
    run = batch(bad, good)
    assert (run.code, run.out) == (1, "still ran\n")


# ---- callbacks -------------------------------------------------------------------------------------


def test_error_in_a_timer_of_python(write: Write) -> None:
    text = """import host
def bad():
    raise ValueError("too warm")
host.set_timeout(bad, 5)
host.set_timeout(lambda: print("others finish"), 50)
"""
    script = write("timer.py", text)
    run = batch(script)
    assert run.out == "others finish\n"
    assert failed(run) == [
        f"error: timer: timeout callback: ValueError: too warm ({script}:3)",
        "Traceback (most recent call last):",
        f'  File "{script}", line 3, in bad',
        '    raise ValueError("too warm")',
        "ValueError: too warm",
    ]


def test_error_in_a_timer_of_lua(write: Write) -> None:
    text = """setTimeout(function() error("too warm") end, 5)
setTimeout(function() print("others finish") end, 50)
"""
    script = write("timer.lua", text)
    run = batch(script)
    assert run.out == "others finish\n"
    assert failed(run)[0] == f"error: timer: Error in timer callback: LuaError: too warm ({script}:1)"


def test_error_in_an_async_callback(write: Write) -> None:
    text = """import asyncio, host
async def bad():
    await asyncio.sleep(0.01)
    raise ValueError("too warm")
host.set_timeout(bad, 5)
"""
    script = write("later.py", text)
    assert failed(batch(script))[0] == f"error: later: async callback: ValueError: too warm ({script}:4)"


def test_error_in_the_main_coroutine(write: Write) -> None:
    text = """import asyncio
async def main():
    await asyncio.sleep(0.01)
    raise ValueError("too warm")
asyncio.run(main())
"""
    script = write("main.py", text)
    assert failed(batch(script))[0] == f"error: main: script: ValueError: too warm ({script}:4)"


def test_error_in_a_hook_is_the_subscribers(write: Write) -> None:
    listener = write("a_listener.lua", 'host.on("day", function() error("not today") end)\n')
    sender = write("b_sender.py", 'import host\nprint(host.emit("day"))\n')
    run = batch(listener, sender)
    assert run.out == "0\n"
    place = f"{listener}:1"
    assert failed(run)[0] == f'error: a_listener: hook "day": LuaError: not today ({place})'


def test_error_that_a_script_catches_is_no_failure(write: Write) -> None:
    bad = write("bad.lua", 'function fail() error("caught") end\n')
    text = (
        'import host\ntry:\n    host.call("bad", "fail")\nexcept RuntimeError as error:\n    print(error)\n'
    )
    run = batch(bad, write("careful.py", text))
    assert (run.code, run.out, run.err) == (0, "LuaError: caught\n", "")


# ---- calls that cannot be made ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "call"),
    [("z.py", 'import host; host.call("sensor", "raed")\n'), ("z.lua", 'host.call("sensor", "raed")\n')],
)
def test_unknown_function(write: Write, name: str, call: str) -> None:
    sensor = write("sensor.py", "def read(): return 1\n")
    caller = write(name, call)
    wanted = f'{caller}:1: no function "raed" in {sensor}. Did you mean "read"?'
    assert failed(batch(sensor, caller))[-1] == wanted


def test_unknown_script(write: Write) -> None:
    sensor = write("sensor.py", "def read(): return 1\n")
    caller = write("z.lua", 'host.call("sensors", "read")\n')
    wanted = f'{caller}:1: no script "sensors" is loaded. Did you mean "sensor"?'
    assert failed(batch(sensor, caller))[-1] == wanted


def test_cycle_from_python(write: Write) -> None:
    taker = write("taker.lua", "function take() end\n")
    text = """import host
user = {"friends": []}
user["friends"].append(user)
host.call("taker", "take", user)
"""
    caller = write("z.py", text)
    # Counted as in the call that was made: args[0] is the alias.
    wanted = f"{caller}:4: args[2].friends[0] refers back to a container it is in; a cycle cannot cross"
    assert failed(batch(taker, caller))[-1] == wanted


def test_cycle_from_lua(write: Write) -> None:
    taker = write("taker.py", "def take(user): pass\n")
    caller = write("z.lua", 'user = {}\nuser.self = user\nhost.call("taker", "take", user)\n')
    wanted = f"{caller}:3: args[2].self refers back to a table it is in; a cycle cannot cross"
    assert failed(batch(taker, caller))[-1] == wanted
