"""Isolation "process": a script of any engine in a child process, behind the same Runtime interface.

What the script does there, a crash included, cannot harm this process. `runtime` is our side and `child` the
other one; `values` and `wire` are what they share.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scriptengines.engine import Context, Engine, Runtime, Source


def create(engine: Engine, source: Source, context: Context, previous: Runtime | None) -> Runtime:
    """Prepare a generation that runs in a process of its own; as Engine.create.

    Args:
        engine: Whose script it is; the child makes another engine of that class.
        source: What to run.
        context: The session's side.
        previous: The generation that runs now, of any isolation.
    """
    from .runtime import ProcessRuntime

    return ProcessRuntime(engine, source, context, previous)
