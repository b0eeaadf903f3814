"""``python -m tests.bench [NAME ...] [--json FILE]``: run benchmarks and print them against their budgets.

The exit code is 1 when a figure is over its budget or a benchmark fails. Benchmarks are in ``bench_*.py``.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import pkgutil
import platform
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path

from tests import bench as package
from tests.bench.harness import REGISTRY, Bench, Result, Unavailable

HEADINGS = ("benchmark", "ours", "peer", "ratio", "budget", "verdict")


@dataclass(frozen=True, slots=True)
class Row:
    """One benchmark and how it went: ``ok``, ``OVER``, ``FAILED`` or ``skipped``."""

    bench: Bench
    result: Result | None
    verdict: str

    def cells(self) -> tuple[str, ...]:
        """Lay the row out under `HEADINGS`."""
        name = f"{self.bench.group}/{self.bench.name}"
        if self.result is None:
            return (name, "-", "-", "-", self.bench.budget.text, self.verdict)
        result = self.result
        peer = "-" if result.peer is None else f"{figure(result.peer)} {result.unit} ({self.bench.peer})"
        ratio = "-" if result.ratio is None else f"{result.ratio:.2f}"
        ours = f"{figure(result.ours)} {result.unit}"
        return (name, ours, peer, ratio, self.bench.budget.text, self.verdict)

    def record(self) -> dict[str, object]:
        """Make the row's entry in the JSON file."""
        return {
            "group": self.bench.group,
            "name": self.bench.name,
            "ours": self.result and self.result.ours,
            "peer": self.result and self.result.peer,
            "peer_name": self.bench.peer,
            "unit": self.result and self.result.unit,
            "better": self.result and self.result.better,
            "ratio": self.result and self.result.ratio,
            "budget": self.bench.budget.text,
            "verdict": self.verdict,
        }


def figure(value: float) -> str:
    """Write a number with three digits that count and without an exponent."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def run(bench: Bench) -> Row:
    """Run one benchmark; one that fails is a row of its own and does not take the others down."""
    try:
        result = bench.run()
        return Row(bench, result, "ok" if bench.budget.holds(result) else "OVER")
    except Unavailable as reason:
        return Row(bench, None, f"skipped: {reason}")
    except Exception:  # noqa: BLE001 - whatever the benchmark raises is its result
        traceback.print_exc()
        return Row(bench, None, "FAILED")


def chosen(names: list[str]) -> list[Bench]:
    """Return the benchmarks of these groups or with these names, all of them when there is no name."""
    for module in pkgutil.iter_modules(package.__path__):
        if module.name.startswith("bench_"):
            importlib.import_module(f"{package.__name__}.{module.name}")
    known = {name for bench in REGISTRY for name in (bench.group, bench.name, f"{bench.group}/{bench.name}")}
    if unknown := [name for name in names if name not in known]:
        raise SystemExit(f"no benchmark or group {', '.join(unknown)}; there are: {', '.join(sorted(known))}")
    wanted = set(names)
    return [
        bench
        for bench in REGISTRY
        if not wanted or wanted & {bench.group, bench.name, f"{bench.group}/{bench.name}"}
    ]


def table(rows: list[Row]) -> str:
    """Lay the rows out in columns."""
    lines = [HEADINGS, *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)


def main() -> int:
    """Run the chosen benchmarks and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Compare ours with a peer's.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="a group, a benchmark or group/benchmark")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here as well")
    options = parser.parse_args()

    rows: list[Row] = []
    for bench in chosen(options.names):
        print(f"{bench.group}/{bench.name} ...", file=sys.stderr, flush=True)
        rows.append(run(bench))
    machine = {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
    }
    print(*(f"{key} {value}" for key, value in machine.items()), "ratio = ours / peer", sep=", ", end="\n\n")
    print(table(rows))
    if options.json:
        report = {**machine, "benchmarks": [row.record() for row in rows]}
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    return int(any(row.verdict in ("OVER", "FAILED") for row in rows))


if __name__ == "__main__":
    raise SystemExit(main())
