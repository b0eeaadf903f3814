"""What is laid over the main screen, and how it goes: once."""

from __future__ import annotations

from textual.await_complete import AwaitComplete
from textual.screen import ModalScreen


class Overlay[Result](ModalScreen[Result]):
    """A modal screen that closes itself and nothing else.

    Textual takes away whatever screen is on top when one is dismissed: with a click on its way when a key
    closed it, that would be another one, or the last.
    """

    def dismiss(self, result: Result | None = None) -> AwaitComplete:
        """Close it, if it is the one on top."""
        return super().dismiss(result) if self.is_active else AwaitComplete.nothing()
