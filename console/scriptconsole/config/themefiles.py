"""Themes of the user's own: TOML files in a folder, read, checked and watched."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scriptengines.errors import did_you_mean
from scriptthemes import THEMES

if TYPE_CHECKING:
    from .sources import Origin


def theme_names() -> list[str]:
    """Names of all themes."""
    return [theme.name for theme in THEMES]


def check_theme(name: str, origin: Origin) -> None:
    """Refuse a theme that there is not.

    Raises:
        ConfigError: No theme has that name; the message names the place where it was set.
    """
    known = ["auto", *theme_names()]
    if name not in known:
        raise origin.wrong(
            f'no theme "{name}"; there are {", ".join(known)}.{did_you_mean(name, known)}'.removesuffix(".")
        )
