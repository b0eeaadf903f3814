"""Where the user's own files are: settings and themes; and what files kept for a project are called.

`SCRIPTCONSOLE_CONFIG` names another file of settings; themes stand in the folder `themes` beside it.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING
from zlib import crc32

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


def name_for(project: Path) -> str:
    """What a file that is kept for a project is called, without its ending.

    Args:
        project: Its folder; the name begins with that of the folder, so that a user can find it.
    """
    whole = os.path.realpath(project)
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", os.path.basename(whole))[:40].strip(".-")
    # A checksum, since hashlib takes longer to import than all this module does.
    return f"{name or 'root'}-{crc32(os.fsencode(whole)):08x}"
