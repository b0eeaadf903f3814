"""A monkey at the keyboard: random keys, clicks and sizes over random facts, without one exception.

A run is repeated by its seed: `MONKEY_SEED=… pytest tests/console/test_monkey.py`.
"""

from __future__ import annotations

import os
import traceback
from pathlib import Path
from random import Random

import pytest
from textual import events

from scriptconsole.actions import MOVES
from scriptconsole.app import ScriptConsoleApp
from scriptconsole.registry import REGISTRY

from .recording import NOW
from .support import make_app
from .wild import WildSession, frame, records, text

SEED = int(os.environ.get("MONKEY_SEED", "20261"))
KEYS = int(os.environ.get("STRESS_KEYS", "10000"))
AT_ONCE = 12
"""Keys typed before the screen gets a breath."""
LEAVING = {"q", "ctrl+q", "ctrl+c"}
BOUND = sorted({key for action in (*REGISTRY.actions, *MOVES) for key in action.keys} - LEAVING)
EDITING = [
    "escape",
    "enter",
    "tab",
    "shift+tab",
    "backspace",
    "delete",
    "left",
    "right",
    "home",
    "end",
    "space",
    "up",
    "down",
    "pageup",
    "pagedown",
    "ctrl+a",
    "ctrl+e",
    "ctrl+k",
    "ctrl+u",
    "ctrl+w",
    "ctrl+v",
    "ctrl+x",
    "shift+left",
    "shift+end",
    "ctrl+right",
    "f4",
    "f10",
]
TYPED = [*"abcxyzAZ019 .,:;!~*+?()[]{}\\|^$'\"#=-_/é家👍", "\u0301", "\u202e"]
SIZES = ((1, 1), (20, 5), (80, 24), (99, 33), (150, 50), (220, 70))
_CHARACTERS = {"question_mark": "?", "slash": "/", "space": " ", "equals_sign": "=", "colon": ":"}


def key(name: str) -> events.Key:
    """As the driver makes it of what a terminal sends."""
    return events.Key(name, _CHARACTERS.get(name, name if len(name) == 1 else None))


class Monkey:
    """One run.

    Args:
        seed: Of all that it does.
    """

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.session = WildSession(self.random)
        self.app = make_app(self.session)
        self.done: list[str] = []

    async def run(self, keys: int) -> None:
        """Type so many keys, and do other things in between."""
        async with self.app.run_test(size=(100, 30)) as pilot:
            typed = 0
            while typed < keys:
                for _ in range(AT_ONCE):
                    self.press()
                typed += AT_ONCE
                self.move_on()
                if self.random.random() < 0.2:
                    width, height = self.random.choice(SIZES)
                    self.done.append(f"size {width}x{height}")
                    await pilot.resize_terminal(width, height)
                if self.random.random() < 0.3:
                    self.click()
                await pilot.pause()
                self.check()

    def press(self) -> None:
        """Press one key."""
        name = self.random.choice(self.random.choice((BOUND, BOUND, EDITING, TYPED)))
        self.done.append(name)
        self.app.post_message(key(name))

    def click(self) -> None:
        """Click, or turn the wheel, somewhere."""
        size = self.app.size
        x, y = self.random.randrange(size.width), self.random.randrange(size.height)
        kinds = self.random.choice(
            ((events.MouseDown, events.MouseUp), (events.MouseScrollUp,), (events.MouseScrollDown,))
        )
        button = self.random.choice((1, 1, 3))
        self.done.append(f"{kinds[0].__name__} {x},{y}")
        for kind in kinds:
            self.app.post_message(kind(None, x, y, 0, 0, button, False, False, False, screen_x=x, screen_y=y))

    def move_on(self) -> None:
        """Change what the session says: another frame, maybe of an earlier time; lines; a problem."""
        session, random = self.session, self.random
        if random.random() < 0.3:
            session.now = frame(random, NOW + random.choice((-1e6, -2.0, 0.0, 0.1, 5.0, 1e6)))
        if random.random() < 0.3:
            session.logs(*records(random, random.choice((1, 20))))
        session.problem = ValueError(text(random)) if random.random() < 0.2 else None
        session.answer = text(random)

    def check(self) -> None:
        """Whatever was raised is told with what led to it."""
        error = self.app._exception
        if error is not None:
            last = " ".join(map(ascii, self.done[-4 * AT_ONCE :]))
            pytest.fail(f"MONKEY_SEED={SEED}: after {last}:\n{''.join(traceback.format_exception(error))}")


@pytest.fixture(autouse=True)
def harmless(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing is written beside the test's own folder, and nobody leaves."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.delenv("EDITOR", raising=False)

    async def stay(self: ScriptConsoleApp) -> None:
        """The monkey is not done yet."""

    monkeypatch.setattr(ScriptConsoleApp, "action_quit", stay)


@pytest.mark.timeout(300)
async def test_a_few_hundred_random_keys() -> None:
    print(f"MONKEY_SEED={SEED}")
    await Monkey(SEED).run(250)


@pytest.mark.stress
@pytest.mark.timeout(3600)
async def test_ten_thousand_random_keys() -> None:
    for run in range(10):
        print(f"MONKEY_SEED={SEED + run}")
        await Monkey(SEED + run).run(KEYS // 10)
