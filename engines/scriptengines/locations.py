"""Every path that scriptengines reads or writes besides the scripts themselves."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """Where what can be made again is kept; SCRIPTCONSOLE_CACHE moves it."""
    chosen = os.environ.get("SCRIPTCONSOLE_CACHE")
    if chosen:
        return Path(chosen)
    import platformdirs

    return platformdirs.user_cache_path("scriptconsole")


def extension_verdicts() -> Path:
    """Which C extensions accept an isolated interpreter."""
    return cache_folder() / "extensions.json"


def compiled_modules() -> Path:
    """Libraries built from `.c` scripts."""
    return cache_folder() / "native"
