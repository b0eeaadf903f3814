"""What runs inside the pseudo-terminal of the screen's benchmarks: the console with a heartbeat, or a bare app.

``python -m tests.bench.watched_screen FIGURES [argument of scriptconsole ...]`` is the console as a user starts
it, but its app has a task that wakes every few milliseconds and notes how late it was. On SIGUSR1 the figures
since the signal before are written to the file.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

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
            ring = self.main.log_pane.view.ring
            told = {
                "beats": len(late),
                "stall": late[-1] * 1e3,
                "p99": late[len(late) * 99 // 100] * 1e3,
                "resident": resident_bytes(),
                "lines": ring._next,  # ever seen
                "kept": ring.total,
                "dropped": self.main.latest.dropped,
                "rows": [len(self.main.latest.variables), len(self.main.latest.timers), len(self.main.latest.connections)],
            }
            scratch = figures.with_suffix(".new")
            scratch.write_text(json.dumps(told))
            os.replace(scratch, figures)

    app.ScriptConsoleApp = Watched
    return cli.main(arguments)


if __name__ == "__main__":
    if sys.argv[1:]:
        sys.exit(watched(Path(sys.argv[1]), sys.argv[2:]))
    bare()
