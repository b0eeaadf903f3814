"""Makes docs/images/*.svg from the real console over the real greenhouse: `python docs/screenshots.py`.

The scripts run while the pictures are taken, so the numbers in them differ from run to run.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from textual.pilot import Pilot

from scriptconsole.actions import PaneName
from scriptconsole.app import ScriptConsoleApp
from scriptconsole.scripts import expand
from scriptengines.session import Session
from scriptthemes import DARK

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs" / "images"
SIZE = (140, 40)
FONTS = "ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
DEADLINE = 20.0


async def until(condition: Callable[[], object]) -> None:
    """Wait for what scripts bring about."""
    async with asyncio.timeout(DEADLINE):
        while not condition():
            await asyncio.sleep(0.02)


def save(app: ScriptConsoleApp, name: str, folder: Path) -> None:
    """Write what the screen shows; the scratch folder appears under another name of the same length."""
    scratch = str(folder.parent)
    shown = "/srv/automations".ljust(len(scratch), "_")[: len(scratch)]
    picture = app.export_screenshot(title="scriptconsole").replace(scratch, shown)
    # A picture that loads a font from elsewhere would look different without a network.
    picture = re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL)
    picture = re.sub(r"font-family: [^;]*Fira Code[^;]*;", f"font-family: {FONTS};", picture)
    (IMAGES / f"{name}.svg").write_text(picture, encoding="utf-8")


def reading_count(app: ScriptConsoleApp) -> int:
    """How many readings the filter has smoothed, as shown."""
    rows = app.main.latest.variables
    return next((int(row.value) for row in rows if (row.script, row.name) == ("filter", "readings")), 0)


async def take(app: ScriptConsoleApp, session: Session, pilot: Pilot[None], folder: Path) -> None:
    """Walk through the tour of the README."""
    await until(lambda: reading_count(app) > 35)
    await pilot.pause()
    save(app, "console", folder)

    await pilot.press("c")
    await pilot.pause()
    for key in ("s", "w", "i", "t", "c", "h", "enter", "T", "r", "u", "e", "enter"):
        await pilot.press(key)
    await asyncio.sleep(0.3)
    save(app, "call", folder)
    await pilot.press("escape")

    await pilot.press("colon", "r", "e", "down")
    await asyncio.sleep(0.3)
    save(app, "command-line", folder)
    await pilot.press("escape")

    await pilot.press("6")
    await until(lambda: app.main.panes[PaneName.CALLS].counts()[1] > 60)
    await pilot.press("4")
    await pilot.pause()
    save(app, "calls", folder)
    await pilot.press("2")

    await pilot.press("f")
    await until(lambda: app.finder.arrivals > len(app.main.latest.scripts))
    await pilot.press("s", "e", "t")
    await asyncio.sleep(0.5)
    save(app, "goto", folder)
    await pilot.press("escape")

    controller = folder / "controller.lua"
    good = controller.read_text()
    scratch = folder / "controller.new"
    scratch.write_text(good.replace("TARGET = 21.0", "TARGET = = 21.0"))
    scratch.replace(controller)
    await until(lambda: session.script("controller").last_error is not None)
    await asyncio.sleep(0.3)
    await pilot.press("1", "enter")
    await asyncio.sleep(0.3)
    save(app, "error", folder)
    await pilot.press("escape")

    await pilot.press("question_mark")
    await pilot.pause()
    save(app, "help", folder)
    await pilot.press("escape")


async def main() -> None:
    """Take all pictures."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    os.environ.pop("NO_COLOR", None)
    os.environ["TEXTUAL_ANIMATIONS"] = "none"
    with tempfile.TemporaryDirectory() as scratch, Session() as session:
        folder = Path(shutil.copytree(ROOT / "examples" / "greenhouse", Path(scratch) / "greenhouse"))
        app = ScriptConsoleApp(session, expand([str(folder)]))
        app.project = folder
        app.theme = DARK.name  # whatever colours this terminal has
        async with app.run_test(size=SIZE) as pilot:
            await take(app, session, pilot, folder)


if __name__ == "__main__":
    asyncio.run(main())
