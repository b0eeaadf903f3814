"""What runs in the pseudo-terminal of the screen's benchmarks: the console with a heartbeat, or a bare app.

Without arguments it is the bare app, with ``tables`` one that has two large tables of Textual's own.

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


def tables() -> None:
    """The peer of keys and panes: two tables of 10,000 rows in which nothing changes, one in sight."""
    from textual.app import App, ComposeResult
    from textual.widgets import ContentSwitcher, DataTable

    class Tables(App[None]):
        BINDINGS = [(key, f"show('{name}')", name) for key, name in (("1", "one"), ("2", "two"))]  # noqa: RUF012

        def compose(self) -> ComposeResult:
            with ContentSwitcher(initial="one"):
                for name in ("one", "two"):
                    yield DataTable[str](id=name, cursor_type="row")

        def on_mount(self) -> None:
            for table in self.query(DataTable[str]):
                table.add_columns("name", "value")
                table.add_rows((f"{table.id}{number:04}", str(number)) for number in range(10_000))
            self.action_show("one")

        def action_show(self, name: str) -> None:
            self.query_one(ContentSwitcher).current = name
            self.query_one(f"#{name}", DataTable).focus()

    Tables().run()


def watched(figures: Path, arguments: list[str]) -> int:
    """The console, with a heartbeat."""
    from scriptconsole import cli
    from scriptconsole.screen import textual_environment

    with textual_environment():
        from scriptconsole import app

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
    if sys.argv[1:] == ["tables"]:
        tables()
    elif sys.argv[1:]:
        sys.exit(watched(Path(sys.argv[1]), sys.argv[2:]))
    else:
        bare()
