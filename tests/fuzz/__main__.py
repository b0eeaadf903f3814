"""``python -m tests.fuzz [TARGET ...] [--seconds N]``: feed the C parsers made-up input, guided by coverage.

With clang the targets run under libFuzzer, else under the small driver of `driver.c`; under AddressSanitizer
either way. A target is a `fuzz_NAME.c` with `LLVMFuzzerTestOneInput` that stands for itself: no Python.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
NATIVE = HERE.parent.parent / "native" / "scriptnative"
_FLAGS = ("-g", "-O1", "-std=gnu11", "-fno-omit-frame-pointer", f"-I{NATIVE}", f"-I{NATIVE / 'include'}")


class Target(NamedTuple):
    """What a fuzz target consists of, and texts to begin with."""

    sources: tuple[str, ...]
    seeds: tuple[str, ...]


TARGETS = {
    "signature": Target(("signature.c",), ("ll:l", "Ld...:s", "T(lT(sd...)b)ypDOA:L", "...:", "T(")),
}


class Crash(Exception):
    """The target crashed or broke its promise; the text is its report and the input."""


def unavailable() -> str:
    """Why this machine cannot fuzz; empty when it can."""
    return "" if shutil.which("clang") or shutil.which("gcc") else "needs clang or gcc"


def run(name: str, seconds: int) -> str:
    """Build a target and run it.

    Returns:
        The last line of what the fuzzer says: how far it came.

    Raises:
        Crash: An input broke it.
    """
    target = TARGETS[name]
    with tempfile.TemporaryDirectory() as folder:
        program, last = Path(folder, name), Path(folder, "last-input")
        sources = [str(HERE / f"fuzz_{name}.c"), *(str(NATIVE / source) for source in target.sources)]
        if shutil.which("clang") and _build_with_clang(sources, program):
            corpus = Path(folder, "corpus")
            corpus.mkdir()
            for number, seed in enumerate(target.seeds):
                (corpus / str(number)).write_text(seed)
            command = [
                str(program),
                f"-max_total_time={seconds}",
                f"-exact_artifact_path={last}",
                str(corpus),
            ]
        else:
            _build_with_gcc(sources, program, Path(folder))
            command = [str(program), str(seconds), str(last), *target.seeds]
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, check=False)
        output = (done.stdout + done.stderr).strip()
        if done.returncode != 0:
            tried = last.read_bytes() if last.exists() else b""
            raise Crash(f"{name}: status {done.returncode}\n{output}\nlast input: {tried.rstrip(bytes(1))!r}")
        return output.splitlines()[-1] if output else ""


def _build_with_clang(sources: list[str], program: Path) -> bool:
    """A clang without its run-time libraries cannot link a fuzzer: then gcc may."""
    command = ["clang", *_FLAGS, "-fsanitize=fuzzer,address", *sources, "-o", str(program)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _build_with_gcc(sources: list[str], program: Path, folder: Path) -> None:
    driver = folder / "driver.o"
    subprocess.run(["gcc", *_FLAGS, "-O2", "-c", str(HERE / "driver.c"), "-o", str(driver)], check=True)
    coverage = ("-fsanitize=address", "-fsanitize-coverage=trace-pc")
    subprocess.run(["gcc", *_FLAGS, *coverage, *sources, str(driver), "-o", str(program)], check=True)


def main() -> int:
    """Run the chosen targets; the exit status is 1 when one crashed."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Fuzz the C parsers.")
    parser.add_argument(
        "targets", nargs="*", metavar="TARGET", help=f"of {', '.join(sorted(TARGETS))}; default: all"
    )
    parser.add_argument("--seconds", type=int, default=60, help="for each target (default: 60)")
    options = parser.parse_args()
    if unknown := set(options.targets) - set(TARGETS):
        parser.error(f"no target {', '.join(sorted(unknown))}")
    failed = 0
    for name in options.targets or sorted(TARGETS):
        try:
            print(f"{name}: {run(name, options.seconds)}", flush=True)
        except Crash as crash:
            print(crash, flush=True)
            failed = 1
    return failed


if __name__ == "__main__":
    raise SystemExit(main())
