"""The colour themes and the style sheets of the console: constants only, no logic."""

from __future__ import annotations

from pathlib import Path

from .accessible import CONTRAST, DEUTERANOPIA, TRITANOPIA
from .everyday import DARK, LIGHT
from .terminal import TERMINAL

__all__ = [
    "CONTRAST",
    "DARK",
    "DEUTERANOPIA",
    "LATER_STYLES",
    "LIGHT",
    "STYLES",
    "TERMINAL",
    "THEMES",
    "TRITANOPIA",
]

STYLES = Path(__file__).with_name("styles.tcss")
LATER_STYLES = STYLES.with_name("later.tcss")

THEMES = (DARK, LIGHT, CONTRAST, DEUTERANOPIA, TRITANOPIA, TERMINAL)
