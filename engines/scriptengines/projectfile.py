"""Files of settings: the nearest `scriptconsole.toml`, what such a file says, and on which line.

What the settings mean is said elsewhere: those of scripts in options.py, those of a front end in its own
package. Both share one project file, whose tables are named here.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, cast

from .errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

PROJECT_FILE = "scriptconsole.toml"
TABLES = {
    "engines": "options of all scripts of a language: [engines.lua]",
    "scripts": "options of one script: [scripts.ALIAS]",
    "console": "the console itself",
    "keys": "keys of the console's actions",
}
"""Tables of a project file and what they are for."""

type KeyPath = tuple[str, ...]

_PLACE = r" \(at line (\d+), column (\d+)\)"


def nearest(folder: Path) -> Path | None:
    """The project file of a folder: in it, or in the first one above it that has any.

    Args:
        folder: An absolute path.
    """
    for each in (folder, *folder.parents):
        file = each / PROJECT_FILE
        if file.is_file():
            return file
    return None


def read(file: Path) -> dict[str, Any]:
    """What a file of settings says.

    Raises:
        ConfigError: It cannot be read, or is no TOML; the message names the place.
    """
    import tomllib

    try:
        return tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}", file=str(file)) from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file}: not valid TOML: not UTF-8: {error.reason}", file=str(file)) from None
    except tomllib.TOMLDecodeError as error:
        found = re.search(_PLACE, str(error))
        line = int(found[1]) if found else 0
        reason = re.sub(_PLACE, "", str(error))
        place = f"{file}:{line}" if line else str(file)
        raise ConfigError(f"{place}: not valid TOML: {reason}", file=str(file), line=line) from None


def lines_of(text: str) -> dict[KeyPath, int]:
    """The line on which each key and table of a TOML text begins, from 1.

    A parser that keeps places would be a dependency for the sake of error messages. Every statement is valid
    TOML by itself, so the text is cut where the parser accepts what has been read since the last cut.

    Args:
        text: Valid TOML.
    """
    import tomllib

    found: dict[KeyPath, int] = {}
    table: KeyPath = ()
    statement: list[str] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not statement and (not line.strip() or line.lstrip().startswith("#")):
            continue
        statement.append(line)
        try:
            said = tomllib.loads("\n".join(statement))
        except tomllib.TOMLDecodeError:  # within a value of several lines
            continue
        paths = list(_paths(said, ()))
        if statement[0].lstrip().startswith("["):
            table = max(paths, key=len)
            paths = [table[: depth + 1] for depth in range(len(table))]
        else:
            paths = [(*table, *path) for path in paths]
        for path in paths:
            found.setdefault(path, number + 1 - len(statement))
        statement.clear()
    return found


def _paths(value: Any, path: KeyPath) -> Iterable[KeyPath]:
    if isinstance(value, dict):
        for name, inner in cast("dict[str, Any]", value).items():
            yield (*path, name)
            yield from _paths(inner, (*path, name))


def line_of(file: Path, path: KeyPath) -> int:
    """The line of a key in a file, 0 when it is not there (any more)."""
    try:
        return lines_of(file.read_text("utf-8")).get(path, 0)
    except (OSError, ValueError):
        return 0


def wrong(file: Path, path: KeyPath, reason: str) -> ConfigError:
    """The error for a key of a file, with its line.

    Args:
        file: A file of settings.
        path: The key, from the outermost table.
        reason: What is wrong with it, and what would be right.
    """
    line = line_of(file, path)
    place = f"{file}:{line}" if line else str(file)
    return ConfigError(f"{place}: {reason}", file=str(file), line=line)


def check_tables(file: Path, tables: Iterable[str], known: Iterable[str] = TABLES) -> None:
    """Refuse a table that nobody would ever read.

    Raises:
        ConfigError: There is one.
    """
    known = list(known)
    for name in tables:
        if name not in known:
            hint = did_you_mean(name, known) or f" It may have: {', '.join(known)}."
            raise wrong(file, (name,), f'there is no table "{name}" in this file.{hint}')
