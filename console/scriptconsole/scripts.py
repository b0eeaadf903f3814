"""From the paths of a command line to script files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from scriptengines.errors import ConfigError
from scriptengines.session import BUILTIN_ENGINES

if TYPE_CHECKING:
    from collections.abc import Iterable


def expand(paths: Iterable[str]) -> list[Path]:
    """Files to load: each file named, and the scripts right inside each folder named, by name.

    In a folder, manifests come first, each after what it requires, and what they are made of is left out.

    Raises:
        ConfigError: A path does not exist, has a suffix without an engine, or is a folder without scripts.
    """
    found: list[Path] = []
    for name in paths:
        path = Path(name)
        if path.is_dir():
            inside = _scripts_in(path)
            if not inside:
                raise ConfigError(
                    f"{path}: no scripts in this folder; it has no file that ends in {_suffixes()}"
                )
            found.extend(inside)
        elif not path.exists():
            raise ConfigError(
                f"{path}: no such file or folder; check the path (arguments for scripts go after --)"
            )
        elif path.suffix not in BUILTIN_ENGINES:
            reason = f'no engine for "{path.suffix}"' if path.suffix else "no suffix to tell the engine by"
            raise ConfigError(f"{path}: {reason}; scripts end in {_suffixes()}")
        else:
            found.append(path)
    return found


def _scripts_in(folder: Path) -> list[Path]:
    try:
        found = sorted(
            child for child in folder.iterdir() if child.suffix in BUILTIN_ENGINES and child.is_file()
        )
    except OSError as error:
        raise ConfigError(f"{folder}: {error.strerror}; check who may read the folder") from None
    if any(child.suffix == ".scmod" for child in found):
        from scriptengines.native.manifest import arrange

        return arrange(found)
    return found


def _suffixes() -> str:
    *most, last = sorted(BUILTIN_ENGINES)
    return f"{', '.join(most)} or {last}"
