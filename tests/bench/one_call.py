"""``python -m tests.bench.one_call [NAME ...]``: where the instructions of one call go, counted by callgrind.

Times of a call differ from run to run; the number of instructions hardly does, and it can be told apart by
what they are for. Each case runs in a process of its own under ``valgrind --tool=callgrind``, which counts
only what is executed within the one function of ours that is the call. docs/performance.md has the table and
explains its lines; ``--functions`` also prints the functions that were counted.
"""

from __future__ import annotations

import argparse
import collections
import functools
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from scriptengines import Session
from tests.bench.bench_engines import LUA, PYTHON, QUICK_C, C

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from scriptengines import Script

CALLS = 10_000
WARM_UP = 500
HEARD = "def heard(nick, text):\n    pass\n"
LISTENER = f"import host\n{HEARD}host.on('message', heard)\n"


class Case(NamedTuple):
    """One way to call.

    Attributes:
        suffix: Of the script's file.
        text: Of the script.
        function: To be called through its handle; "" emits the hook "message" instead.
        args: Of each call.
    """

    suffix: str
    text: str
    function: str = "inc"
    args: tuple[object, ...] = (1,)

    @property
    def symbol(self) -> str:
        """The C function within which is counted."""
        return "function_vectorcall" if self.function else "emit"


STRINGS = ("nick", "some text")
CASES = {
    "Python, int": Case(".py", PYTHON),
    "Python, two strings": Case(".py", HEARD, "heard", STRINGS),
    "Python, shared, int": Case(".py", '# scriptconsole: isolation = "shared"\n' + PYTHON),
    "hook into Python": Case(".py", LISTENER, "", STRINGS),
    "Lua, int": Case(".lua", LUA),
    "Lua, two strings": Case(".lua", LUA, "heard", STRINGS),
    "C, int": Case(".c", C),
    "C, GIL kept, int": Case(".c", QUICK_C),
}
"""The columns of the table."""

GROUPS = {
    "script": r"PyObject_Vectorcall<(invoke|run_inside)|_PyFunction_Vectorcall|_PyEval_(Vector|EvalFrame\w*)"
    r"|lua_resume|inc",
    "GIL and thread state": r"PyThreadState_Swap|PyEval_(Save|Restore)Thread|sc_visit_(begin|end)"
    r"|seat_for|leave_seat",
    "run lock": r"sc_runlock_\w+",
    "encode": r"encode\w*|sc_encode\w*|sc_cross_push\w*",
    "decode": r"sc_decode\w*|sc_cross_pull\w*|take_outcome"
    r"|PyLong_FromLongLong<sc_native_call|_Py_Dealloc<(invoke|run_inside)",
    "statistics": r"sc_stats_\w+",
    "handle": r"",
}
"""What instructions are for: by the nearest of the functions within which they are executed, as "function" or
"function<its caller"; the handle has what is left."""
INLINED = {
    "stats.h": "statistics",
    "runlock.h": "run lock",
    "value.h": "encode",
    "longintrepr.h": "encode",
    "scriptconsole.h": "encode",
}
"""Parts so short that the compiler copies them into our functions: told by the header they come from."""
OURS = r"(function|invoke|sc|reference)_\w+|begin|perform|run_inside"


# ---- the process that is counted --------------------------------------------------------------------------


def work(case: Case, calls: int) -> None:
    """Make the calls. callgrind sets its counts to zero at getloadavg(3), which nothing else here calls."""
    with tempfile.TemporaryDirectory() as folder, Session() as session:
        path = Path(folder, f"one{case.suffix}")
        path.write_text(case.text)
        call = caller(session, session.load(path), case)
        for _ in range(WARM_UP):
            call(*case.args)
        os.getloadavg()
        for _ in range(calls):
            call(*case.args)
        shutil.rmtree(folder)
        os._exit(0)  # what comes after the calls is none of them


def caller(session: Session, script: Script, case: Case) -> Callable[..., object]:
    """What is called."""
    if case.function:
        return script.function(case.function)
    return functools.partial(session.emit, "message")


# ---- counting ---------------------------------------------------------------------------------------------


def count(name: str) -> collections.Counter[tuple[str, str]]:
    """Instructions of one call of a case, by (file, function and its callers).

    Raises:
        SystemExit: There is no valgrind, or it failed.
    """
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        raise SystemExit("valgrind is not installed; it counts the instructions")
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "callgrind.out")
        done = subprocess.run(
            [
                valgrind,
                "--tool=callgrind",
                "--collect-atstart=no",
                f"--toggle-collect={CASES[name].symbol}",
                "--zero-before=getloadavg",
                "--separate-callers=40",
                f"--callgrind-out-file={out}",
                *(sys.executable, "-m", "tests.bench.one_call", "--work", name),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SystemExit(f"{name}: {done.stderr}")
        return own_costs(out.read_text().splitlines())


def own_costs(lines: list[str]) -> collections.Counter[tuple[str, str]]:
    """What each function executed itself; the format is that of the Callgrind manual, "Callgrind Format"."""
    costs: collections.Counter[tuple[str, str]] = collections.Counter()
    names: dict[tuple[str, str], str] = {}
    file = function = ""
    of_a_call = False
    for line in lines:
        matched = re.match(r"(fl|fi|fe|fn|cfn|cfi|cfl|cob|ob)=\((\d+)\)(?: (.*))?", line)
        if matched:
            kind = {"fn": "fn", "cfn": "fn", "ob": "ob", "cob": "ob"}.get(matched[1], "fl")
            if matched[3] is not None:
                names[kind, matched[2]] = matched[3]
            named = names[kind, matched[2]]
            if matched[1] == "fn":
                function = named
            elif matched[1] in ("fl", "fi", "fe"):
                file = named
        elif line.startswith("calls="):
            of_a_call = True
        elif re.match(r"[+\-*\d]", line):
            if not of_a_call:
                costs[file.rpartition("/")[2], function] += int(line.split()[1])
            of_a_call = False
    return costs


def group_of(symbol: str, file: str, function: str) -> str:
    """What the instructions of a function are for.

    Args:
        symbol: The function that is the call; those around it do not matter.
        file: Where the instructions are from.
        function: Its name, and after it those of its callers, with ' between them.
    """
    names = (name for name in function.split("'") if not name.isdigit())  # '2 marks a recursion
    chain = [re.sub(r"\.(part|constprop|isra|cold|lto_priv)\b.*", "", name) for name in names]
    chain = chain[: chain.index(symbol) + 1]
    if file in INLINED and re.fullmatch(OURS, chain[0]):
        return INLINED[file]
    for name, caller in zip(chain, [*chain[1:], ""], strict=True):
        for group, pattern in GROUPS.items():
            if re.fullmatch(pattern, name) or re.fullmatch(pattern, f"{name}<{caller}"):
                return group
    return "handle"


def table(columns: dict[str, collections.Counter[str]]) -> Iterator[str]:
    """The lines of the table in docs/performance.md."""
    yield f"| instructions of one call | {' | '.join(columns)} |"
    yield "|---|" + "---:|" * len(columns)
    for group in GROUPS:
        yield f"| {group} | {' | '.join(str(round(c[group] / CALLS)) for c in columns.values())} |"
    yield f"| **all** | {' | '.join(f'**{round(sum(c.values()) / CALLS)}**' for c in columns.values())} |"


def main() -> None:
    """Count the chosen cases, all by default."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.one_call")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"one of: {', '.join(CASES)}")
    parser.add_argument("--functions", action="store_true", help="also print the functions of each group")
    parser.add_argument("--work", metavar="NAME", choices=CASES, help="only make the calls of one case")
    parser.add_argument("--calls", type=int, default=CALLS, metavar="N", help="with --work: so many")
    options = parser.parse_args()
    if options.work:
        return work(CASES[options.work], options.calls)
    if unknown := set(options.names) - set(CASES):
        parser.error(f"no case {', '.join(unknown)}; there are: {', '.join(CASES)}")
    columns: dict[str, collections.Counter[str]] = {}
    for name in options.names or CASES:
        print(f"{name} ...", file=sys.stderr, flush=True)
        costs = count(name)
        columns[name] = collections.Counter()
        functions: collections.Counter[tuple[str, str]] = collections.Counter()
        for (file, function), cost in costs.items():
            group = group_of(CASES[name].symbol, file, function)
            columns[name][group] += cost
            functions[group, function.partition("'")[0]] += cost
        if options.functions:
            for (group, function), cost in sorted(functions.items(), key=lambda item: (item[0][0], -item[1])):
                if cost >= CALLS:
                    print(f"{group:20} {cost / CALLS:8.1f}  {function}")
    print("\n".join(table(columns)))


if __name__ == "__main__":
    main()
