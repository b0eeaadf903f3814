"""A host that has closed its session can fork, although interpreters are kept for the next one."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from scriptengines.session import Session


def test_a_process_can_fork_after_a_session(write: Callable[[str, str], Path]) -> None:
    with Session() as session:
        session.load(write("a.py", "x = 1\n"))
    child = os.fork()
    if child == 0:
        os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    with Session() as session:
        assert session.load(write("b.py", "x = 2\n")).get("x") == 2
