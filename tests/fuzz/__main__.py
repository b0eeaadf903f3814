"""``python -m tests.fuzz [TARGET ...] [--seconds N]``: made-up input for parsers and decoders.

Inputs that reach something new are what others are made from.

A `fuzz_NAME.c` with `LLVMFuzzerTestOneInput` stands for itself, without Python. With clang it runs under
libFuzzer, else under the small driver of `driver.c`; under AddressSanitizer either way. Two more targets need
Python: `crossing` (the whole way of a value, in C, see crossing.py) and `wire` (what arrives from a
script's process, see wire.py).
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from . import wire

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
NATIVE = ROOT / "native" / "scriptnative"
_FLAGS = ("-g", "-O1", "-std=gnu11", "-fno-omit-frame-pointer", f"-I{NATIVE}", f"-I{NATIVE / 'include'}")


class Target(NamedTuple):
    """What a fuzz target consists of, and texts to begin with."""

    sources: tuple[str, ...]
    seeds: tuple[str, ...]


TARGETS = {
    "signature": Target(("signature.c",), ("ll:l", "Ld...:s", "T(lT(sd...)b)ypDOA:L", "...:", "T(")),
    "values": Target(
        ("value.c", "feed.c", "clock.c"),
        ("\x05\x03abc", "\x08\x02\x02aaaaaaaa\x05\x01b", "\x0c\x01\x05\x01k\x06\x01v"),
    ),
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
        status, output = _ended(command, seconds + 60)
        if status != 0:
            tried = last.read_bytes() if last.exists() else b""
            raise Crash(f"{name}: status {status}\n{output}\nlast input: {tried.rstrip(bytes(1))!r}")
        return output.splitlines()[-1] if output else ""


def _ended(command: list[str], limit: int, **options: Any) -> tuple[int | str, str]:
    """The status and the output of a program; one that does not end within its limit is a find too."""
    try:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=limit, check=False, **options
        )
    except subprocess.TimeoutExpired as expired:
        return f"none after {limit} s", (expired.output or b"").decode(errors="replace").strip()
    return done.returncode, done.stdout.decode(errors="replace").strip()


def _build_with_clang(sources: list[str], program: Path) -> bool:
    """A clang without its run-time libraries cannot link a fuzzer: then gcc may."""
    command = ["clang", *_FLAGS, "-fsanitize=fuzzer,address", *sources, "-o", str(program)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _build_with_gcc(sources: list[str], program: Path, folder: Path) -> None:
    driver = folder / "driver.o"
    subprocess.run(["gcc", *_FLAGS, "-O2", "-c", str(HERE / "driver.c"), "-o", str(driver)], check=True)
    coverage = ("-fsanitize=address", "-fsanitize-coverage=trace-pc")
    subprocess.run(["gcc", *_FLAGS, *coverage, *sources, str(driver), "-o", str(program)], check=True)


# ---- the crossing, in a Python of its own -----------------------------------------------------


def _sources() -> list[Path]:
    return sorted(path for path in NATIVE.glob("*.c") if path.name != "_native.c")


def build_extension(folder: Path) -> Path:
    """Build the extension with coverage and AddressSanitizer; the folder to put on the path of Python.

    What Cython makes is not instrumented: it is large, and none of it decodes anything.
    """
    package = folder / "native" / "scriptnative"
    shutil.copytree(
        NATIVE, package, ignore=shutil.ignore_patterns("*.so", "*.c", "*.pyx", "*.pxi", "__pycache__")
    )
    generated = folder / "_native.c"
    cython = (sys.executable, "-m", "cython", "-3", "-I", str(NATIVE), str(NATIVE / "_native.pyx"))
    _checked(*cython, "-o", str(generated))
    common = ("gcc", *_FLAGS, "-fPIC", "-fvisibility=hidden", f"-I{sysconfig.get_path('include')}", "-c")
    defines = ("-D_GNU_SOURCE", "-DCYTHON_USE_MODULE_STATE=1", "-DCYTHON_USE_TYPE_SPECS=1")
    _checked(*common, *defines, "-O0", str(generated), "-o", str(folder / "_native.o"))
    _checked(*common, "-O2", str(HERE / "coverage.c"), "-o", str(folder / "coverage.o"))
    instrumented = ("-fsanitize=address", "-fsanitize-coverage=trace-pc")
    builds: list[Future[str]] = []
    objects = [folder / "_native.o", folder / "coverage.o"]
    objects += [folder / f"{source.stem}.o" for source in _sources()]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for source, made in zip(_sources(), objects[2:], strict=True):
            builds.append(
                pool.submit(_checked, *common, *defines, *instrumented, str(source), "-o", str(made))
            )
    library = package / f"_native{sysconfig.get_config_var('EXT_SUFFIX')}"
    for build in builds:
        build.result()
    linked = (str(item) for item in objects)
    _checked("gcc", "-shared", "-fsanitize=address", *linked, "-o", str(library), "-ldl", "-lpthread")
    return folder / "native"


def run_crossing(seconds: int, extension: Path, *, planted: bool = False) -> str:
    """Fuzz the crossing with an extension that `build_extension` made; see `run`."""
    sanitizer = _checked("gcc", "-print-file-name=libasan.so").strip()
    with tempfile.TemporaryDirectory() as folder:
        last = Path(folder, "last-input")
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(extension), str(ROOT / "engines"), str(ROOT)]),
            "LD_PRELOAD": sanitizer,
            "ASAN_OPTIONS": "detect_leaks=0,handle_segv=0",
            "PYTHONMALLOC": "malloc",
            "SCRIPTCONSOLE_CACHE": str(Path(folder, "cache")),
        }
        command = [sys.executable, "-X", "faulthandler", "-m", "tests.fuzz.crossing", str(seconds), str(last)]
        command += ["planted"] if planted else []
        status, output = _ended(command, seconds + 60, cwd=ROOT, env=environment)
        if status != 0:
            shown = last.read_bytes() if last.exists() else bytes(4)
            tried = shown[4 : 4 + int.from_bytes(shown[:4], "little")]
            raise Crash(f"crossing: status {status}\n{output}\nlast input: {tried!r}")
        return output.splitlines()[-1]


def _checked(*command: str) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def _crossing(seconds: int) -> str:
    with tempfile.TemporaryDirectory() as folder:
        return run_crossing(seconds, build_extension(Path(folder)))


def _wire(seconds: int) -> str:
    try:
        return wire.run(seconds)
    except wire.Wrong as wrong:
        raise Crash(f"wire: {wrong}") from wrong


def main() -> int:
    """Run the chosen targets; the exit status is 1 when one crashed."""
    targets = {name: partial(run, name) for name in TARGETS} | {"crossing": _crossing, "wire": _wire}
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Fuzz parsers and decoders.")
    parser.add_argument(
        "targets", nargs="*", metavar="TARGET", help=f"of {', '.join(sorted(targets))}; default: all"
    )
    parser.add_argument("--seconds", type=int, default=60, help="for each target (default: 60)")
    options = parser.parse_args()
    if unknown := set(options.targets) - set(targets):
        parser.error(f"no target {', '.join(sorted(unknown))}")
    failed = 0
    for name in options.targets or sorted(targets):
        try:
            print(f"{name}: {targets[name](options.seconds)}", flush=True)
        except Crash as crash:
            print(crash, flush=True)
            failed = 1
    return failed


if __name__ == "__main__":
    raise SystemExit(main())
