"""Small steps that several screen tests take."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from textual.pilot import Pilot

from scriptconsole.actions import PaneName
from scriptconsole.app import ScriptConsoleApp
from scriptconsole.panes.log import LogView
from scriptconsole.panes.table import VirtualTable

from .recording import NOW, RecordedSession

WIDE = (140, 44)
NARROW = (80, 24)


def make_app(session: RecordedSession, paths: Sequence[Path] = (), theme: str = "dark") -> ScriptConsoleApp:
    app = ScriptConsoleApp(session, paths, clock=lambda: NOW)
    app.theme = f"scriptconsole-{theme}"
    app.project = Path("/nowhere")
    app.history_file = Path("/dev/null/none")
    return app


@asynccontextmanager
async def running(
    session: RecordedSession, *, size: tuple[int, int] = WIDE, paths: Sequence[Path] = ()
) -> AsyncIterator[tuple[ScriptConsoleApp, Pilot[None]]]:
    app = make_app(session, paths)
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: ("watch",) in session.calls)
        yield app, pilot


async def until(pilot: Pilot[None], condition: Callable[[], object], seconds: float = 20) -> None:
    """Wait for what another thread brings about; only a failing test waits that long."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, "it did not happen in time"
        await asyncio.sleep(0.005)
    await pilot.pause()


def table(app: ScriptConsoleApp, name: str) -> VirtualTable[object]:
    body = app.main.panes[PaneName(name)].body
    assert isinstance(body, VirtualTable)
    return body


def log(app: ScriptConsoleApp) -> LogView:
    return app.main.log_pane.view


def log_texts(app: ScriptConsoleApp) -> list[str]:
    ring = log(app).ring
    return [ring[i].record.text for i in range(len(ring)) if ring[i].first]


def drawn(widget: VirtualTable[object] | LogView) -> list[str]:
    """Return the lines of a widget as the terminal shows them."""
    return [widget.render_line(y).text.rstrip() for y in range(widget.size.height)]


def notices(app: ScriptConsoleApp) -> list[str]:
    return [notice.message for notice in app._notifications]
