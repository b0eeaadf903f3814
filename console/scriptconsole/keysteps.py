"""Handles keys one after the other: the next one waits until what the one before does has been done.

Textual hands a key to the focused widget and goes on to the next at once. What the first key leads to (a list
chosen, a field entered, the focus moved) comes by messages, and may come too late for keys typed ahead.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from textual.app import App
    from textual.dom import DOMNode
    from textual.message_pump import MessagePump

PATIENCE = 0.2
"""Seconds to wait at most, for a handler may itself wait for the app."""


class KeySteps:
    """Remembers where the last key went."""

    def __init__(self, app: App[None]) -> None:
        self._app = app
        self._path: list[DOMNode] = []

    def sent(self) -> None:
        """A key was handed on: to the screen, which hands it to the widget that has the focus."""
        screen = self._app.screen
        focused = screen.focused
        self._path = [screen] if focused is None else [screen, *focused.ancestors_with_self]

    async def settle(self) -> None:
        """Wait until the last key and the messages it led to have been handled."""
        path, self._path = self._path, []
        try:
            async with asyncio.timeout(PATIENCE):
                for node in path:
                    if node is not self._app and node.is_running:
                        await _reached(node)
        except TimeoutError:
            pass


async def _reached(node: MessagePump) -> None:
    """Wait until a node has handled what is in its queue now."""
    there = asyncio.Event()
    if node.call_later(there.set):
        await there.wait()
