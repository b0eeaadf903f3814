"""Keeps sizes of the terminal in order when many come at once."""

from __future__ import annotations

import asyncio
import signal


def sizes_in_order() -> None:
    """Have SIGWINCH handled on the running loop; without effect where no driver handles it.

    Textual's handler asks for the size and posts it. Another SIGWINCH may interrupt it between the two, and
    then the older size is posted last, and stays. The loop handles one signal after the other.
    """
    handler = signal.getsignal(signal.SIGWINCH)
    if callable(handler):
        asyncio.get_running_loop().add_signal_handler(signal.SIGWINCH, handler, signal.SIGWINCH, None)
