"""Fuzz the crossing itself: values that no sane module makes, through the real engines.

    python crossing.py SECONDS LAST_INPUT_FILE [planted]

A program for a process of its own, started by `python -m tests.fuzz` with an extension that counts coverage
and runs under AddressSanitizer. What crosses must come back from every engine as it went; else it is to be
refused by a documented error. Ends with status 3 when something else happens.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import mmap
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import scriptnative
from scriptengines.errors import ScriptConsoleError
from scriptengines.session import Session
from tests.fuzz.mutation import Corpus

HERE = Path(__file__).parent
PATIENCE = 40.0  # seconds over the time given: then an input does not end, and the traceback says where
SEEDS = (
    b"",
    b"\x05\x03abc",
    b"\x08\x02\x02\0\0\0\0\0\0\0\1\x04\x3f\xf0\0\0\0\0\0\0",
    b"\x09\x02\x02\0\0\0\0\0\0\0\1\x09\x02\x05\1a\x04\x3f\xf0\0\0\0\0\0\0",
    b"\x0c\x02\x05\1k\x06\1v",
    b"\x0a\x01\x03\x02\xff\xff\x0b\x01\x07\x01x",
    b"\x10\x0d\x0e\x04echo",
    b"\x08\x01\x11",
    b"\x10\x10\x05\1k",  # forty levels: what doubles with each of them would not end
)
TOKENS = [bytes((tag, length)) for tag in range(5, 13) for length in (1, 2)]
"""A text, a container or the like, by build_values.h, of what follows."""
PYTHON = "def echo(value): return value\n"
LUA = """
function echo(value) return value end
function look(value)
    if type(value) == "table" then for _, item in pairs(value) do look(item) end end
    return #tostring(value)
end
"""


def main() -> int:
    """Until the time is over, or something is wrong."""
    seconds, last, planted = float(sys.argv[1]), Path(sys.argv[2]), "planted" in sys.argv[3:]
    faulthandler.dump_traceback_later(seconds + PATIENCE, exit=True)
    coverage = ctypes.PyDLL(str(next(Path(scriptnative.__file__).parent.glob("_native*.so"))))
    last.write_bytes(bytes(4096))
    with (
        tempfile.TemporaryDirectory() as folder,
        Session(batch=True) as session,
        last.open("r+b") as file,
        mmap.mmap(file.fileno(), 4096) as shown,
    ):
        one_run = _runner(session, Path(folder), planted)
        corpus, seeds, runs = Corpus(SEEDS, TOKENS), list(SEEDS), 0
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            data = seeds.pop() if seeds else corpus.next()
            shown[: len(data) + 4] = len(data).to_bytes(4, "little") + data
            coverage.coverage_begin()
            try:
                wrong = one_run(data)
            finally:
                new = coverage.coverage_end()
            if wrong:
                print(wrong)
                return 3
            if new:
                corpus.keep(data)
            runs += 1
            if runs % 64 == 0:
                session.records()
        edges = coverage.coverage_edges()
    last.unlink()
    print(f"{runs} runs, {edges} edges, {len(corpus.inputs)} inputs kept")
    return 0


def _runner(session: Session, folder: Path, planted: bool) -> Any:
    text = (HERE / "build_values.h").read_text() + (HERE / "crossing.c").read_text()
    for name, source in (
        ("made.c", ("#define PLANTED_FAULT\n" if planted else "") + text),
        ("python.py", PYTHON),
        ("lua.lua", LUA),
        ("jit.lua", '-- scriptconsole: lua = "luajit2.1"\n' + LUA),
    ):
        (folder / name).write_text(source)
        session.load(folder / name)
    made = session.script("made")
    make, typed, quickly, emit, give = map(
        made.function, ("make", "make_typed", "make_quickly", "emit", "pass")
    )
    echoes = [session.script(alias).function("echo") for alias in ("made", "python", "lua", "jit")]
    looks = [session.script(alias).function("look") for alias in ("lua", "jit")]
    takers = [echoes[1], echoes[2]]

    def attempt(function: Any, *args: Any) -> Any:
        """The result, or the error that is a documented answer."""
        try:
            return function(*args)
        except (ScriptConsoleError, TypeError) as error:
            return error

    def one_run(data: bytes) -> str:
        reference = takers[len(data) % 2]
        for function in (typed, quickly, emit):
            attempt(function, reference, data)
        attempt(give, reference, data)
        value = attempt(make, reference if len(data) % 3 else None, data)
        if isinstance(value, Exception):
            return ""
        attempt(made.call, "echo_typed", value)
        for echo in echoes[:2]:
            back = attempt(echo, value)
            if _shown(back) != _shown(value):
                return f"{echo}: {value!r:.1000} came back as {back!r:.1000}"
        for function in (*echoes[2:], *looks):
            attempt(function, value)
        return ""

    return one_run


def _shown(value: Any) -> str:
    """As text, in which NaN is the same as itself, True is not 1, and a set has no order.

    Texts are joined as they are: quoting quoted texts would double their length with every level of nesting.
    """
    if isinstance(value, set | frozenset):
        return f"{type(value).__name__}({', '.join(sorted(map(_shown, value)))})"
    if isinstance(value, list | tuple):
        return f"{type(value).__name__}({', '.join(map(_shown, value))})"
    if isinstance(value, dict):
        return f"dict({', '.join(f'{_shown(key)}: {_shown(item)}' for key, item in value.items())})"
    return repr(value)


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        raise SystemExit(main())
