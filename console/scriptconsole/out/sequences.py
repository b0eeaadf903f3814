"""Escape sequences for the terminal the user sits at, and their way there through tmux and screen.

OSC 52 sets the clipboard (xterm's control sequences, "Manipulate Selection Data"); OSC 9 and OSC 777 notify.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping

LIMIT = 100_000
"""Characters of one sequence: what most terminals take; a longer one is cut or dropped without a word."""

SCREEN_CHUNK = 256
"""Characters in one string for screen, whose own buffer for them ends at 768."""

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]+")


def clipboard(text: str) -> str | None:
    """The sequence that puts text into the clipboard.

    Returns:
        None when it would be longer than terminals take.
    """
    encoded = base64.b64encode(text.encode("utf-8", "backslashreplace")).decode("ascii")
    sequence = f"\x1b]52;c;{encoded}\a"
    return sequence if len(sequence) <= LIMIT else None


def notification(title: str, body: str, environ: Mapping[str, str]) -> str:
    """The sequence that shows a notification, as the terminal at hand understands it.

    Args:
        title: Of one line.
        body: Of one line.
        environ: What terminals tell of themselves.
    """
    title, body = (_CONTROLS.sub(" ", text) for text in (title, body))
    if "VTE_VERSION" in environ or environ.get("TERM", "").partition("-")[0] in ("rxvt", "foot"):
        return f"\x1b]777;notify;{title.replace(';', ',')};{body}\a"
    # A text that began with a digit and a semicolon would be a command to some terminals.
    return f"\x1b]9;{title}: {body}\a"


def wrapped(sequence: str, environ: Mapping[str, str]) -> str:
    """The same for the terminal outside of tmux or screen.

    Args:
        sequence: For the terminal itself.
        environ: TMUX and STY tell where we run.

    Returns:
        For tmux, which understands OSC 52 itself when `set-clipboard` is on and passes the other on when
        `allow-passthrough` is, the bare sequence before the wrapped one.
    """
    if environ.get("TMUX"):
        escaped = sequence.replace("\x1b", "\x1b\x1b")
        return f"{sequence}\x1bPtmux;{escaped}\x1b\\"
    if environ.get("STY"):
        pieces = (sequence[at : at + SCREEN_CHUNK] for at in range(0, len(sequence), SCREEN_CHUNK))
        return "".join(f"\x1bP{piece}\x1b\\" for piece in pieces)
    return sequence
