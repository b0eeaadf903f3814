"""Runs the real program, without a screen."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
LIMIT = 60.0
"""Seconds after which a run is killed; only a failing test takes that long."""


@dataclass(frozen=True, slots=True)
class Run:
    """What came of one run.

    Attributes:
        code: Exit status, negative when a signal killed it.
        out: Its stdout; bytes that are no UTF-8 as surrogates.
        err: Its stderr.
        seconds: From start to end.
    """

    code: int
    out: str
    err: str
    seconds: float

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "scriptconsole", *map(str, arguments)]


def run(*arguments: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> Run:
    """Run `scriptconsole` with arguments and wait for its end."""
    started = time.monotonic()
    done = subprocess.run(
        command(*arguments),
        capture_output=True,
        check=False,
        cwd=cwd,
        env={**os.environ, **(env or {})},
        stdin=subprocess.DEVNULL,
        timeout=LIMIT,
    )
    seconds = time.monotonic() - started
    return Run(done.returncode, _text(done.stdout), _text(done.stderr), seconds)


def batch(*arguments: str | Path, cwd: Path | None = None) -> Run:
    """Run `scriptconsole --batch`."""
    return run("--batch", *arguments, cwd=cwd)


def interrupted(*arguments: str | Path, again: bool = False) -> Run:
    """Run `scriptconsole --batch`, press Ctrl-C once it has printed a line, and wait for its end.

    Args:
        arguments: Of the command line.
        again: Press it a second time as soon as the first was heard.
    """
    child = subprocess.Popen(
        command("--batch", *arguments),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
    )
    killer = threading.Timer(LIMIT, child.kill)
    killer.start()
    try:
        assert child.stdout is not None
        first = child.stdout.readline()
        started = time.monotonic()
        child.send_signal(signal.SIGINT)
        heard = b""
        if again:
            assert child.stderr is not None
            heard = child.stderr.readline()
            child.send_signal(signal.SIGINT)
        out, err = child.communicate()
        return Run(child.returncode, _text(first + out), _text(heard + err), time.monotonic() - started)
    finally:
        killer.cancel()


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")
