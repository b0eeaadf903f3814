"""Component: one loaded native module with a manifest: where it is in its life, and its figures.

What concerns several of them is `components.py`.
"""

from __future__ import annotations

import enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .native import NativeRuntime
    from .native.manifest import Manifest
    from .script import Script


class State(enum.StrEnum):
    """Where a component is in its life."""

    LOADED = "loaded"
    STARTED = "started"
    PAUSED = "paused"
    STOPPED = "stopped"


TRANSITIONS: Mapping[str, tuple[frozenset[State], State]] = {
    "start": (frozenset({State.LOADED, State.STOPPED}), State.STARTED),
    "pause": (frozenset({State.STARTED}), State.PAUSED),
    "resume": (frozenset({State.PAUSED}), State.STARTED),
    "stop": (frozenset({State.STARTED, State.PAUSED}), State.STOPPED),
}
"""What may be done in which states, and the state it leads to."""

EVENTS = ("loading", "loaded", "started", "paused", "resumed", "stopped", "reloaded", "unloaded", "failed")
"""Kinds of events; the hook of each is called component_KIND."""


class Event(NamedTuple):
    """Something happened to a component.

    Attributes:
        kind: One of EVENTS.
        name: Of the component.
        time: Seconds since the epoch.
        detail: What failed, else "".
    """

    kind: str
    name: str
    time: float
    detail: str = ""


class Statistics(NamedTuple):
    """Figures of one component.

    Attributes:
        calls: Calls through handles so far.
        errors: How many of them raised.
        load_seconds: What its load took, compiling included.
        mapped_bytes: Address space of its library; 0 where the system does not tell.
        references: Objects of other scripts that it keeps.
        generation: Number of the running build.
        own: What the module's own statistics() gives.
    """

    calls: int
    errors: int
    load_seconds: float
    mapped_bytes: int
    references: int
    generation: int
    own: Mapping[str, Any]


class Component:
    """One loaded component.

    Attributes:
        script: The script it is.
        load_seconds: What its load took.
    """

    def __init__(self, script: Script, load_seconds: float) -> None:
        self.script = script
        self.load_seconds = load_seconds

    @property
    def runtime(self) -> NativeRuntime:
        """The running build.

        Raises:
            ScriptClosed: It was unloaded.
        """
        return cast("NativeRuntime", self.script.runtime)

    @property
    def manifest(self) -> Manifest:
        """Of the running build."""
        manifest = self.runtime.manifest
        assert manifest is not None
        return manifest

    @property
    def name(self) -> str:
        """Of the component, by which others require it."""
        return self.manifest.name

    @property
    def state(self) -> State:
        """Where it is in its life."""
        runtime = self.runtime
        if not runtime.started:
            return State.STOPPED if runtime.stopped else State.LOADED
        return State.PAUSED if runtime.paused else State.STARTED

    def statistics(self) -> Statistics:
        """Its figures now; waits for the component when it has a statistics() of its own."""
        library = self.runtime.module.library
        return Statistics(
            self.script.cell.calls,
            self.script.cell.errors,
            self.load_seconds,
            _mapped_bytes(library.path),
            library.kept,
            self.script.generation,
            self.runtime.statistics(),
        )

    def __repr__(self) -> str:
        return f"<Component {self.script.alias} {self.runtime.version} {self.state}>"


def _mapped_bytes(path: str) -> int:
    try:
        lines = Path("/proc/self/maps").read_text("utf-8", "replace").splitlines()
    except OSError:
        return 0
    total = 0
    for line in lines:
        if line.endswith(path):
            first, _, last = line.partition(" ")[0].partition("-")
            total += int(last, 16) - int(first, 16)
    return total
