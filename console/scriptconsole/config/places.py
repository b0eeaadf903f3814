"""Where the user's own files are: settings and themes.

`SCRIPTCONSOLE_CONFIG` names another file of settings; themes stand in the folder `themes` beside it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

VARIABLE = "SCRIPTCONSOLE_CONFIG"


def user_file(environ: Mapping[str, str] = os.environ) -> Path:
    """The user's settings, whether the file exists or not."""
    chosen = environ.get(VARIABLE)
    if chosen:
        return Path(chosen).expanduser().absolute()
    import platformdirs

    return platformdirs.user_config_path("scriptconsole") / "config.toml"


def themes_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """The user's themes, whether the folder exists or not."""
    return user_file(environ).parent / "themes"
