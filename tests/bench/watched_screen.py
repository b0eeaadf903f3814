"""What runs in the pseudo-terminal of the screen's benchmarks: the console with a heartbeat, or a bare app.

``python -m tests.bench.watched_screen FIGURES [argument of scriptconsole ...]`` is the console as a user
starts it, but its app has a task that wakes every few milliseconds and notes how late it was. On SIGUSR1 the
figures since the signal before are written to the file.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from scriptengines.view import LogRecord
from tests.bench.harness import resident_bytes

PERIOD = 0.005


def bare() -> None:
    """The peer: a Textual app with one word on the screen."""
    from textual.app import App, ComposeResult
    from textual.widgets import Static

    class Bare(App[None]):
        def compose(self) -> ComposeResult:
            yield Static("here it is")

    Bare().run()


def watched(figures: Path, arguments: list[str]) -> int:
    """The console, with a heartbeat."""
    from scriptconsole import app, cli

    class Watched(app.ScriptConsoleApp):
        def on_mount(self) -> None:
            self._late: list[float] = []
            self._before = time.monotonic(), 0
            self._lines = 0
            ring = self.main.log_pane.view.ring
            extend = ring.extend

            def count(records: Iterable[LogRecord]) -> int:
                taken = list(records)
                self._lines += len(taken)
                return extend(taken)

            ring.extend = count
            self._beating = asyncio.create_task(self._beat())
            asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, self._tell)

        async def _beat(self) -> None:
            clock = asyncio.get_running_loop().time
            while True:
                began = clock()
                await asyncio.sleep(PERIOD)
                self._late.append(clock() - began - PERIOD)

        def _tell(self) -> None:
            late, self._late = sorted(self._late), []
            frame = self.main.latest
            told = {
                "stall": late[-1] * 1e3,
                "p99": late[len(late) * 99 // 100] * 1e3,
                "resident": resident_bytes(),
                "lines": self._lines,
                "rate": (self._lines - self._before[1]) / (time.monotonic() - self._before[0]),
                "dropped": frame.dropped,
                "rows": [len(frame.variables), len(frame.timers), len(frame.connections)],
            }
            self._before = time.monotonic(), self._lines
            scratch = figures.with_suffix(".new")
            scratch.write_text(json.dumps(told))
            os.replace(scratch, figures)

    app.ScriptConsoleApp = Watched
    return cli.main(arguments)


if __name__ == "__main__":
    if sys.argv[1:]:
        sys.exit(watched(Path(sys.argv[1]), sys.argv[2:]))
    bare()
