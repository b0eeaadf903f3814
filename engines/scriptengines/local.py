"""What runtimes share whose code runs in the main interpreter: loop, host, and runner on its own thread."""

from __future__ import annotations

import asyncio
import socket
from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from .engine import Runtime
from .host import Host
from .loop import ScriptLoop
from .runner import Runner
from .steering import steer_timer
from .tree import Readings

if TYPE_CHECKING:
    from .engine import Context, Sample, Source
    from .steering import TimerStep
    from .tapping import TappedRow
    from .tree import Opened


class LocalRuntime(Runtime):
    """A Runtime of the main interpreter.

    Args:
        source: What to run.
        context: The session's side.
        previous: The generation that runs now.
        state: What the script kept, as a copy.
    """

    def __init__(
        self, source: Source, context: Context, previous: Runtime | None, state: dict[Any, Any]
    ) -> None:
        self.source = source
        self.context = context
        self.previous = previous
        self.loop = ScriptLoop(context.lock, context.reporter.feed)
        if isinstance(previous, LocalRuntime):
            self.loop.predecessor = previous.loop
        elif previous is not None:
            self.loop.inherited = [socket.socket(fileno=each) for each in previous.export_listeners()]
        self.host = Host(self.loop, context.reporter, context.bridge, state, in_python=False)
        self.host.options = source.options
        self.readings = Readings()

    @abstractmethod
    def execute_top_level(self) -> None:
        """Run the script's top level; on the generation's thread, holding the run lock."""

    def run(self) -> None:
        runner = Runner(
            self.context.lock, self.loop, self.context.reporter, self._loaded, self.context.failed
        )
        asyncio.set_event_loop(self.loop)
        try:
            runner.run(self.execute_top_level)
        finally:
            asyncio.set_event_loop(None)

    def give_up(self) -> None:
        """Undo what was made so far: it will never run."""
        with self.context.lock:
            self.loop.finish(0)

    def _loaded(self) -> None:
        self.previous = self.loop.predecessor = None
        self.loop.close_inherited()
        self.context.loaded()

    def retire(self) -> None:
        self.loop.retire()

    @property
    def pending(self) -> bool:
        return self.loop.is_busy()

    def sample(self, limit: int, opened: Opened, known: int) -> Sample | None:
        rows = self.variables(limit, opened, 0)
        if rows is None:
            return None
        return self.host.observation.sample(self.readings.delta(rows, known), limit)

    def cancel_timer(self, timer_id: int) -> bool:
        with self.context.lock:
            return self.host.cancel_timer(timer_id)

    def steer_timer(self, timer_id: int, step: TimerStep, milliseconds: float = 0.0) -> bool:
        with self.context.lock:
            return steer_timer(self.loop, timer_id, step, milliseconds)

    def tap(self, connection_id: int, on: bool) -> bool:
        return self.host.observation.taps.turn(connection_id, on)

    def tapped(self, connection_id: int) -> TappedRow:
        return self.host.observation.taps.row(connection_id)

    def close_connection(self, connection_id: int) -> bool:
        with self.context.lock:
            return self.host.observation.close_connection(connection_id)

    def set_paused(self, paused: bool) -> None:
        self.loop.set_paused(paused)

    def export_listeners(self) -> list[int]:
        return self.loop.export_listeners()
