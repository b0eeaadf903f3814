"""A program that embeds the engines and has had to abandon an interpreter exits as if it had not."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

type Write = Callable[[str, str], Path]

STUCK = """# scriptconsole: isolation = "{mode}"
import threading, time
threading.Thread(target=time.sleep, args=[1000]).start()
"""
HOST = """
import atexit, sys, threading, time
atexit.register(print, "first registered")
from scriptengines import attempt
from scriptengines.python import chambers
from scriptengines.session import Session
attempt.UNLOAD_LIMIT, chambers.END_LIMIT = 0.5, 0.1
session = Session()
session.load(sys.argv[1])
{closing}
atexit.register(print, "last registered")
sys.stdout.write("written\\n")
threading.Thread(target=lambda: (time.sleep(0.1), print("own thread"))).start()
{ending}
"""
ENDINGS = {
    "at its end": ("pass", 0),
    "by sys.exit()": ("sys.exit()", 0),
    "by sys.exit(3)": ("sys.exit(3)", 3),
    "by SystemExit in a function": ("def leave(): raise SystemExit(4)\nleave()", 4),
    "by sys.exit with a text": ("sys.exit('no device')", 1),
    "by an error": ("raise ValueError('x')", 1),
    "by Ctrl-C": ("raise KeyboardInterrupt", -signal.SIGINT),
    "after a SystemExit that was caught": ("try: sys.exit(3)\nexcept SystemExit: pass", 0),
}


def run(write: Write, mode: str, closing: str, ending: str) -> tuple[int, list[str], str]:
    """Status, lines and stderr of a host that has loaded a script that cannot be stopped."""
    script = write("stuck.py", STUCK.format(mode=mode))
    host = write("host.py", HOST.format(closing=closing, ending=ending))
    child = subprocess.run(
        [sys.executable, host, script], capture_output=True, text=True, timeout=60, check=False
    )
    return child.returncode, child.stdout.splitlines(), child.stderr


@pytest.mark.parametrize("ending", ENDINGS)
def test_status_and_output_are_kept(write: Write, ending: str) -> None:
    code, status = ENDINGS[ending]
    returned, lines, errors = run(write, "isolated", "assert not session.close()", code)
    assert returned == status, errors
    assert lines == ["written", "own thread", "last registered", "first registered"]
    assert "Fatal" not in errors


@pytest.mark.parametrize("mode", ["shared", "main"])
def test_in_every_mode(write: Write, mode: str) -> None:
    returned, lines, errors = run(write, mode, "assert not session.close()", "sys.exit(3)")
    assert (returned, errors) == (3, "")
    assert lines == ["written", "own thread", "last registered", "first registered"]


@pytest.mark.parametrize("ending", ENDINGS)
def test_session_that_nobody_closed(write: Write, ending: str) -> None:
    code, status = ENDINGS[ending]
    returned, lines, errors = run(write, "isolated", "", code)
    assert returned == status, errors
    assert lines[:3] == ["written", "own thread", "last registered"]  # older ones may be left out
    assert "Fatal" not in errors


def test_process_without_abandoned_interpreters_is_finalised(write: Write) -> None:
    host = write(
        "host.py",
        "from scriptengines import Session\nimport sys\nclass Late:\n"
        "    def __del__(self): print('finalised')\nlate = Late()\n"
        "with Session() as session: session.load(sys.argv[1])\nsys.exit(2)\n",
    )
    script = write("calm.py", "x = 1\n")
    child = subprocess.run(
        [sys.executable, host, script], capture_output=True, text=True, timeout=60, check=False
    )
    assert (child.returncode, child.stdout, child.stderr) == (2, "finalised\n", "")
