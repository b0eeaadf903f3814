"""The C layer under valgrind: no invalid access, no use of what was never written, in a tour of it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SUPPRESSIONS = Path(__file__).with_name("valgrind.supp")


@pytest.mark.stress
@pytest.mark.timeout(600)
@pytest.mark.skipif(shutil.which("valgrind") is None, reason="valgrind is not installed")
def test_memcheck_finds_no_error_in_a_tour(tmp_path: Path) -> None:
    # Without CPython's own allocator, whose tricks are what its suppressions for valgrind are about.
    environment = {**os.environ, "PYTHONMALLOC": "malloc", "SCRIPTCONSOLE_CACHE": str(tmp_path / "cache")}
    log = tmp_path / "valgrind.txt"
    command = [
        "valgrind", "--num-callers=40", f"--suppressions={SUPPRESSIONS}", f"--log-file={log}",
        sys.executable, "-m", "tests.stress.tour",
    ]  # fmt: skip
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    report = log.read_text()
    assert run.returncode == 0, run.stderr[-2000:]
    assert run.stdout == "the tour has ended\n"
    summary = re.search(r"ERROR SUMMARY: (\d+) errors", report)
    assert summary is not None, report[-2000:]
    assert summary[1] == "0", report
