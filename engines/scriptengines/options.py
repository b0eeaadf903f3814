"""What can be set for one script and where: by the caller, in its header, or in scriptconsole.toml.

An engine declares its options; a Source carries a checked value for each of them. The caller's word counts
most, then a comment at the top of the script, then its own table in the project file, then its engine's.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from . import projectfile
from .errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .projectfile import KeyPath

ENGINES = ("python", "lua", "native")
"""Ours; those of others are entry points."""
HEADER_LINES = 20
_HEADER = re.compile(rb"[ \t]*(?:#|--|//)[ \t]*scriptconsole:(.*)")
_SIZE = re.compile(r"(\d+)\s*(B|KiB|MiB|GiB)?")
_FACTORS = {None: 1, "B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


class Option(NamedTuple):
    """One thing that can be set for a script.

    Attributes:
        kind: "choice", "text", "flag", "count" (a whole number, 0 or more), "size" (bytes: 1048576 or
            "1 MiB"; 0 for no limit), "table", or "words" (split as a shell does, into a tuple; lines of one
            header add up).
        default: Its value when nobody sets it.
        doc: One sentence.
        choices: What a "choice" can be.
    """

    kind: str
    default: Any
    doc: str
    choices: tuple[str, ...] = ()

    def check(self, value: Any) -> Any:
        """The value as the engine uses it.

        Raises:
            ValueError: It is none; the message says what is.
        """
        if self.kind == "choice":
            if isinstance(value, float):  # 5.4, where "5.4" is meant
                value = str(value)
            if value not in self.choices:
                raise ValueError(f"must be {' or '.join(map(repr, self.choices))}, got {value!r}")
        elif self.kind == "flag":
            if not isinstance(value, bool):
                raise ValueError(f"must be true or false, got {value!r}")
        elif self.kind == "table":
            if not isinstance(value, dict):
                raise ValueError(f"must be a table, got {value!r}")
        elif self.kind == "size":
            return _bytes(value)
        elif self.kind == "count":
            if isinstance(value, bool) or not isinstance(value, int) or value < 0:
                raise ValueError(f"must be a whole number, 0 or more, got {value!r}")
        elif self.kind == "words":
            return _words(value)
        elif not isinstance(value, str):
            raise ValueError(f"must be a text, got {value!r}")
        return cast("Any", value)


NETWORK: Mapping[str, Option] = {
    "max_sockets": Option("count", 0, "How many sockets it may have open; 0 for no limit."),
    "max_queued": Option("size", 64 * 2**20, "How much of what it sends may wait to leave; 0 for no limit."),
    "max_callbacks": Option("count", 0, "How often a second the network may call it back; 0 for no limit."),
}
"""What scripts of all engines may have of the network; see network/limits.py."""


def _words(value: Any) -> tuple[str, ...]:
    if isinstance(value, (list, tuple)):
        words = tuple(cast("list[Any]", value))
        if all(isinstance(word, str) for word in words):
            return words
    elif isinstance(value, str):
        import shlex

        try:
            return tuple(shlex.split(value))
        except ValueError as error:
            raise ValueError(f"cannot be split into words ({error}): {value!r}") from None
    raise ValueError(f"must be a text or a list of texts, got {value!r}")


def _bytes(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    matched = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if matched is None:
        raise ValueError(f'must be a number of bytes or a text such as "64 MiB", got {value!r}')
    return int(matched[1]) * _FACTORS[matched[2]]


COMMON: Mapping[str, Option] = {
    **NETWORK,
    "profile": Option(
        "choice",
        "",
        "Which functions subscribe to hooks by their names.",
        ("", "hooks", "hub", "driver"),
    ),
    "config": Option("table", {}, "What `host.config()` gives to the script."),
    "driver_timeout": Option("count", 30_000, "Milliseconds that a call of a driver may take."),
    "driver_history": Option("count", 1_000, "Calls of a driver that are remembered."),
}
"""Options of scripts of all engines."""


class _Setting(NamedTuple):
    """A value somebody gave; `line` is that of a header, `table` where in the project file it stands."""

    name: str
    value: Any
    file: str
    line: int
    table: KeyPath = ()


def resolve(
    declared: Mapping[str, Option],
    *,
    engine: str,
    alias: str,
    path: Path,
    text: bytes,
    given: Mapping[str, Any],
) -> dict[str, Any]:
    """A value for each option of a script.

    Args:
        declared: The options of its engine.
        engine: The engine's name.
        alias: The script's.
        path: Its file.
        text: Its content.
        given: What the caller sets.

    Raises:
        ConfigError: An unknown name or a value that cannot be; the message names the place.
    """
    declared = {**declared, **COMMON}
    settings = [*_project(path, engine, alias), *_header(path, text)]
    settings += [_Setting(name, value, "", 0) for name, value in given.items() if value is not None]
    values = {name: option.default for name, option in declared.items()}
    header: set[str] = set()
    for setting in settings:
        value = _checked(declared, engine, setting)
        if setting.line and setting.name in header and declared[setting.name].kind == "words":
            value = (*values[setting.name], *value)
        if setting.line:
            header.add(setting.name)
        values[setting.name] = value
    return values


def _checked(declared: Mapping[str, Option], engine: str, setting: _Setting) -> Any:
    option = declared.get(setting.name)
    if option is None:
        hint = did_you_mean(setting.name, declared) or _known(declared)
        raise _wrong(setting, f'{engine} scripts have no option "{setting.name}".{hint}')
    try:
        return option.check(setting.value)
    except ValueError as error:
        raise _wrong(setting, f"{setting.name} {error}") from None


def _known(declared: Iterable[str]) -> str:
    names = ", ".join(sorted(declared))
    return f" They have: {names}." if names else ""


def _wrong(setting: _Setting, reason: str) -> ConfigError:
    if setting.table:
        return projectfile.wrong(Path(setting.file), (*setting.table, setting.name), reason)
    place = f"{setting.file}:{setting.line}: " if setting.line else ""
    return ConfigError(place + reason, file=setting.file, line=setting.line)


def _header(path: Path, text: bytes) -> list[_Setting]:
    """Settings in comments such as `# scriptconsole: isolation = "shared"`, among the first lines."""
    settings: list[_Setting] = []
    if b"scriptconsole:" not in text[:8192] or b"\0" in text[:8192]:
        return settings
    for number, line in enumerate(text[:8192].splitlines()[:HEADER_LINES], start=1):
        matched = _HEADER.match(line)
        if matched is None:
            continue
        written = matched[1].decode("utf-8", "replace").strip()
        for name, value in _parsed(written, str(path), number).items():
            settings.append(_Setting(name, value, str(path), number))
    return settings


def _parsed(written: str, file: str, line: int) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(written)
    except tomllib.TOMLDecodeError:
        raise ConfigError(
            f'{file}:{line}: not understood: {written}; write name = value, as in isolation = "shared"',
            file=file,
            line=line,
        ) from None


def _project(path: Path, engine: str, alias: str) -> list[_Setting]:
    """Settings in the nearest project file, above the script or beside it."""
    file = projectfile.nearest(path.parent)
    if file is None:
        return []
    tables = projectfile.read(file)
    projectfile.check_tables(file, tables)
    for name in tables.get("engines", ()) if isinstance(tables.get("engines"), dict) else ():
        if name != engine:
            check_engine(file, name)
    found: list[_Setting] = []
    for section, name in (("engines", engine), ("scripts", alias)):
        found += [
            _Setting(*item, str(file), 0, (section, name)) for item in _table(tables, section, name, file)
        ]
    return found


def check_engine(file: Path, name: str) -> None:
    """Refuse options of an engine that there is not, which no script would ever read.

    Raises:
        ConfigError: There is none of that name, neither ours nor an installed one.
    """
    if name in ENGINES:
        return
    from importlib.metadata import entry_points

    known = [*ENGINES, *(entry.name for entry in entry_points(group="scriptconsole.engines"))]
    if name not in known:
        hint = did_you_mean(name, known) or f" There are: {', '.join(ENGINES)}."
        raise projectfile.wrong(file, ("engines", name), f'there is no engine "{name}".{hint}')


def _table(tables: dict[str, Any], section: str, name: str, file: Path) -> list[tuple[str, Any]]:
    outer: Any = tables.get(section, {})
    if not isinstance(outer, dict):
        raise projectfile.wrong(file, (section,), f"[{section}.{name}] must be a table")
    table: Any = cast("dict[str, Any]", outer).get(name, {})
    if not isinstance(table, dict):
        raise projectfile.wrong(file, (section, name), f"[{section}.{name}] must be a table")
    return list(cast("dict[str, Any]", table).items())
