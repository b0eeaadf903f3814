"""Where settings come from, and which of several wins.

A command line counts most, then the environment, the project's file, the user's file, and the default.
Every value remembers its origin, so that `config show` and every complaint can name it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from scriptengines import projectfile
from scriptengines.errors import ConfigError, did_you_mean

from .places import VARIABLE, user_file
from .settings import PREFIX, SETTINGS, Settings, variable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from scriptengines.projectfile import KeyPath

USER_TABLES = ("console", "keys")
OTHER_VARIABLES = (VARIABLE, "SCRIPTCONSOLE_CACHE")
"""Environment variables of ours that are no settings."""


class Origin(NamedTuple):
    """Where a value was set.

    Attributes:
        layer: "default", "user", "project", "environment" or "command line".
        file: The file, None for a layer that has none.
        path: The key in it, from the outermost table.
        name: The environment variable, or the option of the command line.
    """

    layer: str
    file: Path | None = None
    path: KeyPath = ()
    name: str = ""

    def describe(self) -> str:
        """Say it in a few words."""
        if self.file is not None:
            return f"{self.layer}: {self.file}:{projectfile.line_of(self.file, self.path)}"
        return f"{self.layer}: {self.name}" if self.name else self.layer

    def wrong(self, reason: str) -> ConfigError:
        """The error for a value of this origin."""
        if self.file is not None:
            return projectfile.wrong(self.file, self.path, reason)
        return ConfigError(f"{self.name}: {reason}" if self.name else reason)


class Bound(NamedTuple):
    """Keys that the configuration gives to an action, and where."""

    keys: tuple[str, ...]
    origin: Origin


class Configuration(NamedTuple):
    """All that has been set.

    Attributes:
        settings: The values that count.
        origins: Where each of them comes from.
        keys: Keys by action id, not yet checked; see keymap.py.
        user: The user's file, whether it exists or not.
        project: The project's file, if there is one.
    """

    settings: Settings
    origins: Mapping[str, Origin]
    keys: Mapping[str, Bound]
    user: Path
    project: Path | None


def project_folder(paths: Iterable[str]) -> Path:
    """Where the search for the project's file begins: at the first script, or here when there is none."""
    first = next(iter(paths), None)
    path = Path.cwd() if first is None else Path(first).absolute()
    return path if path.is_dir() else path.parent


def load(
    folder: Path,
    *,
    environ: Mapping[str, str] = os.environ,
    given: Mapping[str, tuple[str, Any]] | None = None,
) -> Configuration:
    """Gather the settings.

    Args:
        folder: Where the search for the project's file begins.
        environ: Environment variables.
        given: By setting: the option of the command line that sets it, and its value.

    Raises:
        ConfigError: A name is unknown or a value cannot be; the message names the place.
    """
    values: dict[str, Any] = Settings()._asdict()
    origins = dict.fromkeys(values, Origin("default"))
    keys: dict[str, Bound] = {}
    own = user_file(environ)
    project = projectfile.nearest(folder)
    files = [("user", own, USER_TABLES)] if own.is_file() else []
    files += [("project", project, tuple(projectfile.TABLES))] if project is not None else []
    for layer, file, known in files:
        tables = projectfile.read(file)
        if layer == "user":
            _refuse_options(file, tables)
        projectfile.check_tables(file, tables, known)
        for name, value in _table(file, tables, "console").items():
            origin = Origin(layer, file, ("console", name))
            values[name], origins[name] = _checked(name, value, origin), origin
        keys |= _keys(file, layer, _table(file, tables, "keys"), ("keys",))
    for name, text in _variables(environ).items():
        origin = Origin("environment", name=variable(name))
        try:
            values[name], origins[name] = SETTINGS[name].parse(text), origin
        except ValueError as error:
            raise origin.wrong(str(error)) from None
    for name, (option, value) in (given or {}).items():
        origins[name] = Origin("command line", name=option)
        values[name] = _checked(name, value, origins[name])
    return Configuration(Settings(**values), origins, keys, own, project)


def flag_value(written: str) -> tuple[str, Any]:
    """Read `NAME=VALUE` of the option `--set`.

    Raises:
        ValueError: It is none; the message says why.
    """
    name, equals, text = written.partition("=")
    name = name.strip()
    if not equals:
        raise ValueError(f"{written!r} is no setting; write name=value")
    if name not in SETTINGS:
        raise ValueError(_unknown(name))
    try:
        return name, SETTINGS[name].parse(text)
    except ValueError as error:
        raise ValueError(f"{name} {error}") from None


def _checked(name: str, value: Any, origin: Origin) -> Any:
    setting = SETTINGS.get(name)
    if setting is None:
        raise origin.wrong(_unknown(name))
    if setting.personal and origin.layer == "project":
        raise origin.wrong(
            f"{name} is not for a project to say: it would run programs; put it into your own file"
        )
    try:
        return setting.check(value)
    except ValueError as error:
        raise origin.wrong(f"{name} {error}") from None


def _unknown(name: str) -> str:
    hint = did_you_mean(name, SETTINGS) or f" There are: {', '.join(SETTINGS)}."
    return f'there is no setting "{name}".{hint}'


def _table(file: Path, tables: Mapping[str, Any], name: str) -> dict[str, Any]:
    table = tables.get(name, {})
    if not isinstance(table, dict):
        raise projectfile.wrong(file, (name,), f"[{name}] must be a table, got {table!r}")
    return cast("dict[str, Any]", table)


def _refuse_options(file: Path, tables: Mapping[str, Any]) -> None:
    """Options of scripts go with the scripts; a script must not behave differently for every user."""
    for name in ("engines", "scripts"):
        if name in tables:
            raise projectfile.wrong(
                file, (name,), f"[{name}] belongs into the {projectfile.PROJECT_FILE} of a project"
            )


def _keys(file: Path, layer: str, table: Mapping[str, Any], path: KeyPath) -> dict[str, Bound]:
    """Keys by action id; `script.reload = "r"` without quotes makes a table in a table."""
    found: dict[str, Bound] = {}
    for name, value in table.items():
        inner = (*path, name)
        origin = Origin(layer, file, inner)
        if isinstance(value, dict):
            found |= _keys(file, layer, cast("dict[str, Any]", value), inner)
            continue
        action = ".".join(inner[1:])
        keys = [value] if isinstance(value, str) else value
        if not isinstance(keys, list) or not all(isinstance(key, str) for key in cast("list[Any]", keys)):
            raise origin.wrong(
                f'keys of "{action}" must be a key such as "ctrl+r" or a list of keys, got {value!r}'
            )
        found[action] = Bound(tuple(cast("list[str]", keys)), origin)
    return found


def _variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Settings by environment variable; an empty one says nothing."""
    known = {variable(name): name for name in SETTINGS}
    found: dict[str, str] = {}
    for name, text in environ.items():
        if not name.startswith(PREFIX) or not text:
            continue
        if name in known:
            found[known[name]] = text
        # What is near to nothing of ours may be anybody's.
        elif name not in OTHER_VARIABLES and (near := _near(name, [*known, *OTHER_VARIABLES])):
            raise ConfigError(f"there is no environment variable {name}. Did you mean {near}?")
    return found


def _near(name: str, known: Iterable[str]) -> str:
    """The known variable that one was meant to be, or ""; what all begin with makes none alike."""
    import difflib

    close = difflib.get_close_matches(
        name.removeprefix(PREFIX), [each.removeprefix(PREFIX) for each in known], n=1
    )
    return PREFIX + close[0] if close else ""
