"""What a benchmark is made of: the registry, the budget, and ways to measure ours and a peer side by side.

Ours and the peer take turns, round by round, and each figure is a median: what else the machine does falls on
both, so the ratio means something even where the absolute figures do not.
"""

from __future__ import annotations

import gc
import operator
import os
import re
import statistics
import subprocess
import threading
import time
import timeit
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

type Round = Callable[[], float]
type Statement = str | Callable[[], object]


class Unavailable(Exception):
    """This machine cannot run the benchmark, for lack of a second core or of the peer; the text says why."""


@dataclass(frozen=True, slots=True)
class Result:
    """Two figures in the same unit.

    Args:
        ours: Our figure.
        peer: The peer's, measured in the same run; None when the budget is an absolute figure.
        unit: What both are counted in, such as ``ns`` or ``calls/s``.
        better: Whether a lower or a higher figure is the better one.
    """

    ours: float
    peer: float | None
    unit: str
    better: Literal["lower", "higher"] = "lower"

    @property
    def ratio(self) -> float | None:
        """Ours divided by the peer's."""
        return self.ours / self.peer if self.peer else None


@dataclass(frozen=True, slots=True)
class Budget:
    """A limit on the ratio (``<= 1.2``) or, with a unit, on our own figure (``>= 2e6 calls/s``)."""

    text: str
    operator: Literal["<=", ">="]
    limit: float
    unit: str

    @classmethod
    def parse(cls, text: str) -> Budget:
        """Read a budget.

        Raises:
            ValueError: The text is not ``<=`` or ``>=``, a number, and perhaps a unit.
        """
        match = re.fullmatch(r"(<=|>=)\s*([\d_.]+(?:e\d+)?)(?:\s+(\S+))?", text)
        if match is None:
            raise ValueError(f"budget {text!r}: write '<= 1.2' for a ratio or '<= 8 us' for our own figure")
        return cls(text, "<=" if match[1] == "<=" else ">=", float(match[2]), match[3] or "")

    def holds(self, result: Result) -> bool:
        """Whether the result keeps within the limit.

        Raises:
            ValueError: The budget cannot be applied to this result (other unit, wrong direction, no peer).
        """
        if (self.operator == "<=") != (result.better == "lower"):
            raise ValueError(f"budget {self.text!r} for a figure of which {result.better} is better")
        if self.unit and self.unit != result.unit:
            raise ValueError(f"budget {self.text!r} for a figure in {result.unit}")
        figure = result.ours if self.unit else result.ratio
        if figure is None:
            raise ValueError(f"budget {self.text!r} is a ratio, and there is no peer figure")
        return (operator.le if self.operator == "<=" else operator.ge)(figure, self.limit)


type Measurement = Callable[[], Result]


@dataclass(frozen=True, slots=True)
class Bench:
    """One registered benchmark."""

    group: str
    name: str
    budget: Budget
    peer: str
    run: Measurement


REGISTRY: list[Bench] = []


def bench(group: str, name: str, *, budget: str, peer: str = "") -> Callable[[Measurement], Measurement]:
    """Register the decorated function as a benchmark.

    Args:
        group: Which group it is listed in.
        name: What is measured; unique within the group.
        budget: The limit, see `Budget`.
        peer: What ours is compared with.

    Raises:
        ValueError: The budget cannot be read, or the name is taken.
    """
    limit = Budget.parse(budget)
    if any((known.group, known.name) == (group, name) for known in REGISTRY):
        raise ValueError(f"there are two benchmarks {group}/{name}")

    def register(run: Measurement) -> Measurement:
        REGISTRY.append(Bench(group, name, limit, peer, run))
        return run

    return register


def alternate(ours: Round, peer: Round, *, rounds: int = 9) -> tuple[float, float]:
    """Run both in turn and return the two medians.

    Who goes first changes every round, so that neither always inherits the other's warm caches. The garbage
    collector is off while a round runs.
    """
    figures: dict[Round, list[float]] = {ours: [], peer: []}
    for turn in range(rounds):
        for measure in (ours, peer) if turn % 2 == 0 else (peer, ours):
            figures[measure].append(_without_collector(measure))
    return statistics.median(figures[ours]), statistics.median(figures[peer])


def _without_collector(measure: Round) -> float:
    gc.collect()
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        return measure()
    finally:
        if was_enabled:
            gc.enable()


def per_call(statement: Statement, names: Mapping[str, Any] | None = None, *, seconds: float = 0.05) -> Round:
    """Make a round that measures the time of one call.

    Args:
        statement: A callable, or source such as ``f(1)``, which spares the call of a wrapper.
        names: The names that source uses.
        seconds: How long a round lasts at least. The number of loops is found once, here, as a warm-up.

    Returns:
        A round that gives nanoseconds per call.
    """
    timer = timeit.Timer(statement, globals=dict(names or {}))
    loops = 1
    while (taken := timer.timeit(loops)) < seconds:
        loops = max(loops + 1, min(loops * 10, int(loops * seconds / max(taken, 1e-9) * 1.2)))
    return lambda: timer.timeit(loops) / loops * 1e9


def compare_calls(
    ours: Statement,
    peer: Statement,
    names: Mapping[str, Any] | None = None,
    *,
    rounds: int = 9,
    seconds: float = 0.05,
) -> Result:
    """Compare the time of one call; the arguments are those of `per_call`."""
    ours_round, peer_round = (per_call(statement, names, seconds=seconds) for statement in (ours, peer))
    return Result(*alternate(ours_round, peer_round, rounds=rounds), "ns")


def wall(command: Sequence[str | os.PathLike[str]], *, cwd: Path | None = None, seconds: float = 60) -> Round:
    """Make a round that runs a command from start to end; it gives milliseconds.

    The round raises `subprocess.CalledProcessError` when the command fails (a crash is quick, but no result)
    or had to be killed after so many seconds.
    """

    nothing = subprocess.DEVNULL

    def measure() -> float:
        started = time.perf_counter()
        with subprocess.Popen(command, cwd=cwd, stdin=nothing, stdout=nothing) as process:
            # Not `wait(timeout=...)`: that polls with growing pauses, and every figure becomes 64 or 114 ms.
            guard = threading.Timer(seconds, process.kill)
            guard.start()
            status = process.wait()
            taken = time.perf_counter() - started
            guard.cancel()
        if status:
            raise subprocess.CalledProcessError(status, process.args)
        return taken * 1e3

    return measure


def compare_commands(
    ours: Sequence[str | os.PathLike[str]], peer: Sequence[str | os.PathLike[str]], *, rounds: int = 15
) -> Result:
    """Compare two commands as whole processes, after one run of each to fill the file cache."""
    ours_round, peer_round = wall(ours), wall(peer)
    ours_round()
    peer_round()
    return Result(*alternate(ours_round, peer_round, rounds=rounds), "ms")


def resident_bytes(pid: int | Literal["self"] = "self") -> int:
    """Read a process's resident memory (field 2 of ``/proc/PID/statm``, see proc(5))."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
