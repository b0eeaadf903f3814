"""What a call into a script costs, next to the same call by other means in the same run."""

from __future__ import annotations

import ctypes
import os
import statistics
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from scriptengines import Session
from tests.bench.harness import Result, Unavailable, alternate, bench, compare_calls, resident_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scriptengines import Script

PYTHON = """
def inc(x):
    return x + 1

def work(n):
    total = 0
    for i in range(n):
        total += i * i % 7
    return total
"""
LUA = """
function inc(x) return x + 1 end
function heard(nick, text) last = text end
local given
function take(f) given = f end
function call_given(times) for i = 1, times do given(i) end end
function tell_given(times) for i = 1, times do given("nick", "some text") end end
function work(n) local total = 0 for i = 1, n do total = total + i * i % 7 end return total end
"""
C = """
#include <scriptconsole.h>
static int inc(sc_ctx *ctx, const sc_value *args, size_t n, sc_value *out) {
    *out = sc_int(args[0].as.integer + 1);
    return 0;
}
static const sc_export exports[] = {{"inc", inc, "l:l", ""}, {0}};
static const sc_module module = {SC_ABI_VERSION, "bench", "1", exports, 0, 0, 0};
SC_MODULE(module)
"""
QUICK_C = C.replace('"l:l", ""', '"l:l", "", SC_KEEP_GIL')
PLAIN_C = "long inc(long x) { return x + 1; }"


@contextmanager
def loaded(*sources: tuple[str, str]) -> Iterator[list[Script]]:
    """Scripts of the given (suffix, text), in a session of their own."""
    with tempfile.TemporaryDirectory() as folder, Session() as session:
        scripts = []
        for number, (suffix, text) in enumerate(sources):
            path = Path(folder, f"bench{number}{suffix}")
            path.write_text(text)
            scripts.append(session.load(path))
        yield scripts


def _lupa_inc() -> object:
    import lupa.lua54

    return lupa.lua54.LuaRuntime(encoding=None).eval(b"function(x) return x + 1 end")


@bench("engines", "Python handle", budget="<= 1.2", peer="lupa")
def python_handle() -> Result:
    """int -> int through a Function handle of an isolated Python script."""
    with loaded((".py", PYTHON)) as [script]:
        return compare_calls("f(1)", "g(1)", {"f": script.function("inc"), "g": _lupa_inc()})


@bench("engines", "Python handle, shared", budget="<= 1.2", peer="lupa")
def python_shared_handle() -> Result:
    """int -> int through a Function handle of a Python script on the main GIL."""
    with loaded((".py", '# scriptconsole: isolation = "shared"\n' + PYTHON)) as [script]:
        return compare_calls("f(1)", "g(1)", {"f": script.function("inc"), "g": _lupa_inc()})


@bench("engines", "Python handle, main", budget="<= 1.2", peer="lupa")
def python_main_handle() -> Result:
    """int -> int through a Function handle of a Python script in the main interpreter."""
    with loaded((".py", '# scriptconsole: isolation = "main"\n' + PYTHON)) as [script]:
        return compare_calls("f(1)", "g(1)", {"f": script.function("inc"), "g": _lupa_inc()})


@bench("engines", "Python handle, queue", budget="<= 0.04", peer="_interpreters.call")
def python_against_interpreters() -> Result:
    """The same next to CPython's own way of calling into an interpreter."""
    import _interpreters

    other = _interpreters.create()
    try:
        with loaded((".py", PYTHON)) as [script]:
            names = {"f": script.function("inc"), "call": _interpreters.call, "other": other, "inc": _nothing}
            return compare_calls("f(1)", "call(other, inc)", names)
    finally:
        _interpreters.destroy(other)


def _nothing() -> None:
    pass


@bench("engines", "Python by name", budget="<= 2", peer="its handle")
def python_by_name() -> Result:
    """script.call("inc", 1)."""
    with loaded((".py", PYTHON)) as [script]:
        return compare_calls("s.call('inc', 1)", "f(1)", {"s": script, "f": script.function("inc")})


@bench("engines", "Lua handle", budget="<= 1.15", peer="lupa")
def lua_handle() -> Result:
    """int -> int through a Function handle of a Lua script."""
    with loaded((".lua", LUA)) as [script]:
        return compare_calls("f(1)", "g(1)", {"f": script.function("inc"), "g": _lupa_inc()})


def _lupa(code: str) -> object:
    import lupa.lua54

    return lupa.lua54.LuaRuntime().eval(code)


@bench("engines", "Lua handle, two strings", budget="<= 1.15", peer="lupa")
def lua_handle_strings() -> Result:
    """(str, str) -> None through a Function handle of a Lua script."""
    with loaded((".lua", LUA)) as [script]:
        names = {"f": script.function("heard"), "g": _lupa("function(nick, text) last = text end")}
        return compare_calls("f('nick', 'some text')", "g('nick', 'some text')", names)


@bench("engines", "messages into Lua", budget=">= 1.2e6 calls/s")
def lua_messages() -> Result:
    """200,000 hook messages of two strings into one Lua script."""
    with loaded((".lua", LUA)) as [script]:
        heard = script.function("heard")

        def burst() -> float:
            start = time.perf_counter()
            for _ in range(200_000):
                heard("nick", "some text")
            return 200_000 / (time.perf_counter() - start)

        return Result(statistics.median(burst() for _ in range(5)), None, "calls/s", better="higher")


def _from_lua(ours: str, peer: str) -> Result:
    """A thousand calls of a Python function from within a Lua function."""
    with loaded((".lua", LUA)) as [script]:
        script.call("take", _nothing_of)
        names = {"f": script.function(ours), "g": _lupa(peer), "h": _nothing_of}
        return compare_calls("f(1000)", "g(h, 1000)", names)


def _nothing_of(*args: object) -> None:
    pass


@bench("engines", "host call from Lua", budget="<= 1", peer="lupa")
def lua_host_call() -> Result:
    """A Python function of one int, called a thousand times from Lua."""
    return _from_lua("call_given", "function(f, n) for i = 1, n do f(i) end end")


@bench("engines", "host call from Lua, two strings", budget="<= 1", peer="lupa")
def lua_host_call_strings() -> Result:
    """A Python function of two strings, called a thousand times from Lua."""
    return _from_lua("tell_given", "function(f, n) for i = 1, n do f('nick', 'some text') end end")


@bench("engines", "native handle, ctypes", budget="<= 0.5", peer="ctypes")
def native_against_ctypes() -> Result:
    """int -> int through a Function handle of a C module."""
    from scriptengines.native.compiler import Recipe, SourceFile, build

    with tempfile.TemporaryDirectory() as folder, loaded((".c", C)) as [script]:
        recipe = Recipe("plain", (SourceFile(Path(folder, "plain.c"), PLAIN_C.encode()),))
        plain = ctypes.CDLL(str(build(recipe, Path(folder)).path)).inc
        plain.argtypes, plain.restype = [ctypes.c_long], ctypes.c_long
        return compare_calls("f(1)", "g(1)", {"f": script.function("inc"), "g": plain})


@bench("engines", "native handle, cffi", budget="<= 1.2", peer="cffi API mode")
def native_against_cffi() -> Result:
    """The same next to cffi's compiled mode; both release the GIL."""
    return _against_cffi(C)


@bench("engines", "native handle, GIL kept", budget="<= 0.8", peer="cffi API mode")
def native_with_gil_against_cffi() -> Result:
    """The same for a function that asked for the GIL, which cffi cannot."""
    return _against_cffi(QUICK_C)


@bench("engines", "native reload", budget="<= 50 ms")
def native_reload() -> Result:
    """A C module whose two builds are in the cache, reloaded in turn."""
    with loaded((".c", C)) as [script]:
        texts = [script.path.read_bytes() + f"/* {number} */".encode() for number in range(2)]
        for text in texts:
            script.start(text=text)
        begun = time.perf_counter()
        for number in range(20):
            script.start(text=texts[number % 2])
        return Result((time.perf_counter() - begun) / 20 * 1000, None, "ms")


def _against_cffi(text: str) -> Result:
    import importlib.util

    import cffi

    with tempfile.TemporaryDirectory() as folder, loaded((".c", text)) as [script]:
        builder = cffi.FFI()
        builder.cdef("long inc(long x);")
        builder.set_source("_bench_cffi", PLAIN_C)
        spec = importlib.util.spec_from_file_location("_bench_cffi", builder.compile(tmpdir=folder))
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return compare_calls("f(1)", "g(1)", {"f": script.function("inc"), "g": module.lib.inc})


def _parallel(first: tuple[str, str], second: tuple[str, str]) -> Result:
    """Work per second of two scripts at once, against that of one alone."""
    if len(os.sched_getaffinity(0)) < 2:
        raise Unavailable("one core")
    with loaded(first, second) as scripts:
        handles = [script.function("work") for script in scripts]
        sizes = [_size_for(handle, 0.15) for handle in handles]

        def both() -> float:
            threads = [
                threading.Thread(target=handle, args=(size,))
                for handle, size in zip(handles, sizes, strict=True)
            ]
            start = time.perf_counter()
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            return 2 / (time.perf_counter() - start)

        def alone() -> float:
            start = time.perf_counter()
            for handle, size in zip(handles, sizes, strict=True):
                handle(size)
            return 2 / (time.perf_counter() - start)

        return Result(*alternate(both, alone, rounds=7), "jobs/s", better="higher")


def _size_for(handle: object, seconds: float) -> int:
    size = 1000
    while True:
        start = time.perf_counter()
        handle(size)  # type: ignore[operator]
        taken = time.perf_counter() - start
        if taken > seconds / 4:
            return int(size * seconds / taken)
        size *= 2


@bench("engines", "two Python scripts", budget=">= 1.85", peer="one at a time")
def two_python() -> Result:
    """Two busy Python scripts on two cores."""
    return _parallel((".py", PYTHON), (".py", PYTHON))


@bench("engines", "Python and Lua", budget=">= 1.85", peer="one at a time")
def python_and_lua() -> Result:
    """A busy Python and a busy Lua script on two cores."""
    return _parallel((".py", PYTHON), (".lua", LUA))


@bench("engines", "two Lua scripts", budget=">= 1.85", peer="one at a time")
def two_lua() -> Result:
    """Two busy Lua scripts on two cores."""
    return _parallel((".lua", LUA), (".lua", LUA))


@bench("engines", "memory of 100 reloads", budget="<= 2 MB")
def reload_memory() -> Result:
    """Growth of the resident set over 100 reloads of a Python script, after ten to warm up."""
    with loaded((".py", PYTHON)) as [script]:
        for _ in range(10):
            script.start()
        before = resident_bytes()
        for _ in range(100):
            script.start()
        return Result((resident_bytes() - before) / 1e6, None, "MB")
