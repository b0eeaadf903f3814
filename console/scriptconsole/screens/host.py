"""The way from a screen back to its app."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from textual.message_pump import MessagePump

if TYPE_CHECKING:
    from scriptconsole.app import ScriptConsoleApp


def console_of(node: MessagePump) -> ScriptConsoleApp:
    """Return the console a screen or widget belongs to."""
    # Textual leaves open what its apps return, which strict typing cannot.
    return cast("ScriptConsoleApp", node.app)  # pyright: ignore[reportUnknownMemberType]
