"""What keeps a run going, in words: for --explain-exit and for whoever wonders."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scriptengines.engine import Sample
    from scriptengines.script import Script
    from scriptengines.session import Session

LIMIT = 100
"""Of each kind and script."""


def reasons(session: Session) -> list[str]:
    """A line for each thing that is pending, script by script."""
    return [line for script in session.scripts if script.pending for line in _of(script)]


def _of(script: Script) -> Iterator[str]:
    sample = script.runtime.sample(LIMIT, {}, 0)
    found = [] if sample is None else list(_lines(sample))
    for line in found:
        yield f"{script.alias}: {line}"
    if not found:
        yield f"{script.alias}: a task, a job in a thread, or code that is running now"


def _lines(sample: Sample) -> Iterator[str]:
    for _, kind, interval, due, _, callback, source, *_ in sample.timers:
        every = f" every {interval:g} ms" if kind == "interval" else ""
        yield f"{kind}{every} of {callback}, next in {max(0.0, due - time.time()):.3g} s{_at(source)}"
    for _, protocol, role, local, peer, state, *_ in sample.connections:
        what = f"{protocol} {role} {local}" if role == "listener" else f"{protocol} {role} {local} - {peer}"
        yield f"{what}, {state}"


def _at(source: str) -> str:
    return f", set at {source}" if source else ""
