"""How one part of a script's network code lets another go on."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio


def wake(waiting: asyncio.Future[None] | None) -> None:
    """Let whoever waits go on, if somebody does still."""
    if waiting is not None and not waiting.done():
        waiting.set_result(None)
