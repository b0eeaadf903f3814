"""Handles keys and pastes one after the other: each waits until what the one before does has been done.

Textual hands a key to the focused widget and goes on to the next at once. A key that no widget takes comes
back to the app, behind the next; and what it leads to (a list chosen, a field entered, the focus moved) comes
by messages: both too late for keys typed ahead.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from textual.app import ScreenStackError

if TYPE_CHECKING:
    from textual.app import App
    from textual.dom import DOMNode
    from textual.message_pump import MessagePump

PATIENCE = 0.2
"""Seconds after which a key is waited for no longer, for a handler may itself wait for the app."""
TURNS = 200
"""Turns of the loop that are given then: when it was held up itself, nobody had the time that went by."""


class KeySteps:
    """Remembers where the last key went."""

    def __init__(self, app: App[None]) -> None:
        self._app = app
        self._path: list[DOMNode] = []
        self.returning = False
        """Whether the last key is in the app's queue again."""

    def handed_on(self) -> None:
        """A key has been handled as far as the app does it, and may now be with the focused widget."""
        try:
            screen = self._app.screen
        except ScreenStackError:  # it was the key that leaves
            return
        focused = screen.focused
        # Twice to the widget: it sends to itself first what it then sends to those around it.
        self._path = [screen] if focused is None else [screen, focused, *focused.ancestors_with_self]

    async def settle(self) -> bool:
        """Wait until the last key and the messages it led to have been handled.

        Returns:
            Whether they have been; if not, the key is on its way back to the app.
        """
        path, self._path = self._path, []
        end = asyncio.get_running_loop().time() + PATIENCE
        for node in path:
            if node is not self._app and node.is_running and not await _reached(node, end):
                break
        return not self.returning


async def _reached(node: MessagePump, end: float) -> bool:
    """Wait until a node has handled what is in its queue now; return whether it has, by and by."""
    there = asyncio.Event()
    if not node.call_later(there.set):
        return True  # it is about to go
    try:
        async with asyncio.timeout_at(end):
            await there.wait()
    except TimeoutError:
        for _ in range(TURNS):
            if there.is_set():
                break
            await asyncio.sleep(0)
    return there.is_set()
