"""What a process boundary costs, next to the standard library's in the same run."""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scriptengines import Session
from tests.bench.harness import Result, alternate, bench, compare_calls, wall

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.connection import Connection

    from scriptengines import Script

TEXTS = {
    ".py": "def inc(x):\n    return x + 1\n\ndef echo(value):\n    return value\n",
    ".lua": "function inc(x) return x + 1 end\n",
}


@contextmanager
def _script(suffix: str) -> Iterator[Script]:
    with tempfile.TemporaryDirectory() as folder, Session() as session:
        path = Path(folder, f"bench{suffix}")
        path.write_text(TEXTS[suffix])
        yield session.load(path, isolation="process")


def _answer(connection: Connection) -> None:
    """Body of the peer's process: the same two functions, as (name, argument) -> result."""
    while (message := connection.recv()) is not None:
        name, argument = message
        connection.send(argument + 1 if name == "inc" else argument)


@contextmanager
def _pipe() -> Iterator[Connection]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_answer, args=(theirs,), daemon=True)
    process.start()
    yield ours
    ours.send(None)
    process.join()


@contextmanager
def _on_one_core() -> Iterator[None]:
    """Keep this thread, and the processes that it starts, on one core.

    To wake a thread on an idle core takes several times as long as a round trip on one core, and the kernel
    chooses anew in each run: a peer that was placed otherwise cannot be compared.
    """
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


_NAMES = "c.send(('inc', 1)); c.recv()"


@bench("process", "Python handle", budget="<= 1.5", peer="multiprocessing.Pipe")
def python_handle() -> Result:
    """int -> int through a Function handle of a Python script in a process."""
    with _on_one_core(), _script(".py") as script, _pipe() as connection:
        return compare_calls("f(1)", _NAMES, {"f": script.function("inc"), "c": connection})


@bench("process", "Lua handle", budget="<= 1.5", peer="multiprocessing.Pipe")
def lua_handle() -> Result:
    """The same for a Lua script."""
    with _on_one_core(), _script(".lua") as script, _pipe() as connection:
        return compare_calls("f(1)", _NAMES, {"f": script.function("inc"), "c": connection})


@bench("process", "list of 1,000 rows", budget="<= 3", peer="multiprocessing.Pipe")
def rows() -> Result:
    """A list of dicts there and back: checked on the way for cycles and depth, and decoded without pickle."""
    value = [{"name": f"row {number}", "at": number / 7, "tags": ["a", "b"]} for number in range(1000)]
    with _on_one_core(), _script(".py") as script, _pipe() as connection:
        names: dict[str, Any] = {"f": script.function("echo"), "c": connection, "v": value}
        return compare_calls("f(v)", "c.send(('echo', v)); c.recv()", names)


@bench("process", "start", budget="<= 2", peer="python -c 'import asyncio'")
def start() -> Result:
    """From load to the first call of a Lua script in a process."""
    with tempfile.TemporaryDirectory() as folder, Session() as session:
        path = Path(folder, "bench.lua")
        path.write_text(TEXTS[".lua"])

        def ours() -> float:
            started = time.perf_counter()
            session.load(path, "bench", isolation="process").call("inc", 1)
            taken = time.perf_counter() - started
            session.unload("bench")
            return taken * 1e3

        ours()
        return Result(*alternate(ours, wall([sys.executable, "-c", "import asyncio"])), "ms")
