"""`scriptconsole config`: show what is set and where, and begin a file of settings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from scriptconsole.exitcodes import ExitCode
from scriptconsole.usage import Parser
from scriptengines import projectfile
from scriptengines.errors import ConfigError
from scriptengines.options import check_engine

from .places import themes_folder, user_file
from .settings import SETTINGS, variable
from .sources import Origin, load, project_folder

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence

    from .settings import Setting


def parser() -> Parser:
    """The command line of `scriptconsole config`."""
    made = Parser(prog="scriptconsole config", description="Show what is set and where, or begin a file.")
    commands = made.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=Parser)
    show = commands.add_parser("show", help="print every setting, with where it comes from")
    show.add_argument(
        "paths", nargs="*", metavar="PATH", help="scripts whose project counts, instead of here"
    )
    commands.add_parser("path", help="print which files are read")
    commands.add_parser("actions", help="print the ids under which keys can be changed")
    init = commands.add_parser("init", help="write a file with every setting, commented out")
    init.add_argument("--user", action="store_true", help="your own file, instead of this project's")
    return made


def run(arguments: Sequence[str]) -> int:
    """Do what a command line says.

    Args:
        arguments: What follows `scriptconsole config`.

    Returns:
        The exit status.

    Raises:
        ConfigError: A setting is wrong, or the file to be written is there.
    """
    chosen = parser().parse_args(list(arguments))
    {"show": _show, "path": _path, "actions": _actions, "init": _init}[chosen.command](chosen)
    return ExitCode.OK


# ---- show ------------------------------------------------------------------------------------------------


def _show(chosen: Namespace) -> None:
    from scriptconsole.config.keymap import check
    from scriptconsole.config.themefiles import check_theme
    from scriptconsole.registry import EVERY_ACTION

    configuration = load(project_folder(chosen.paths))
    check(configuration.keys, EVERY_ACTION)
    check_theme(configuration.settings.theme, configuration.origins["theme"])
    options = _options_of(configuration.project)
    print("[console]")
    _print_aligned(
        [
            (f"{name} = {toml(value)}", configuration.origins[name])
            for name, value in configuration.settings._asdict().items()
        ]
    )
    if configuration.keys:
        print("\n[keys]")
        _print_aligned(
            [
                (f"{toml(name)} = {toml(list(keys))}", origin)
                for name, (keys, origin) in configuration.keys.items()
            ]
        )
    for heading, rows in options:
        print(f"\n[{heading}]")
        if rows:
            _print_aligned(rows)


def _print_aligned(rows: Sequence[tuple[str, Origin]]) -> None:
    width = min(max(len(text) for text, _ in rows), 48)
    for text, origin in rows:
        print(f"{text:{width}}  # {origin.describe()}")


def _options_of(file: Path | None) -> list[tuple[str, list[tuple[str, Origin]]]]:
    """Options of scripts in the project's file: tables, with a line for each value and its origin."""
    found: list[tuple[str, list[tuple[str, Origin]]]] = []
    tables = {} if file is None else projectfile.read(file)
    for section in ("engines", "scripts"):
        outer: Any = tables.get(section, {})
        if file is None or not outer:
            continue
        if not isinstance(outer, dict):
            raise projectfile.wrong(file, (section,), f"[{section}] must be a table")
        for name, table in cast("dict[str, Any]", outer).items():
            if section == "engines":
                check_engine(file, name)
            if not isinstance(table, dict):
                raise projectfile.wrong(file, (section, name), f"[{section}.{name}] must be a table")
            rows = [
                (f"{_key(key)} = {toml(value)}", Origin("project", file, (section, name, key)))
                for key, value in cast("dict[str, Any]", table).items()
            ]
            found.append((f"{section}.{_key(name)}", rows))
    return found


def toml(value: Any) -> str:
    """Write a value as TOML, on one line."""
    if isinstance(value, dict):
        inner = ", ".join(
            f"{_key(name)} = {toml(each)}" for name, each in cast("dict[str, Any]", value).items()
        )
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, list):
        return f"[{', '.join(map(toml, cast('list[Any]', value)))}]"
    if isinstance(value, str):
        # TOML's escapes are JSON's, but for surrogate pairs, which must be characters, and DEL.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, bool | int | float):
        return json.dumps(value).replace("NaN", "nan").replace("Infinity", "inf")
    return str(value)  # dates and times


def _key(name: str) -> str:
    return name if name and all(c.isascii() and (c.isalnum() or c in "_-") for c in name) else toml(name)


# ---- path ------------------------------------------------------------------------------------------------


def _path(_chosen: Namespace) -> None:
    project = projectfile.nearest(Path.cwd())
    for meaning, path in (
        ("user file", user_file()),
        ("themes", themes_folder()),
        ("project file", project or Path.cwd() / projectfile.PROJECT_FILE),
    ):
        print(f"{meaning:12}  {path}{'' if path.exists() else '  (there is none)'}")


def _actions(_chosen: Namespace) -> None:
    from scriptconsole.actions import key_name
    from scriptconsole.registry import EVERY_ACTION

    for action in EVERY_ACTION:
        keys = " ".join(map(key_name, action.keys)) or "no key"
        print(f"{action.id:24}  {keys:16}  {action.tooltip}")


# ---- init ------------------------------------------------------------------------------------------------


def _init(chosen: Namespace) -> None:
    file = user_file() if chosen.user else Path.cwd() / projectfile.PROJECT_FILE
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("x", encoding="utf-8") as out:
            out.write(template(personal=chosen.user))
    except FileExistsError:
        raise ConfigError(
            f"{file} is there already and is left as it is; edit it, or move it away", file=str(file)
        ) from None
    except OSError as error:
        raise ConfigError(f"{file} cannot be written: {error.strerror}", file=str(file)) from None
    print(file)


def template(*, personal: bool) -> str:
    """A file with every setting at its default, commented out.

    Args:
        personal: Whether it is the user's own file, or a project's.
    """
    intro = (
        "Settings of yours for all projects; what a project's scriptconsole.toml says counts more."
        if personal
        else "Settings of this project and of its scripts; `scriptconsole config show` tells what counts."
    )
    lines = [f"# {intro}", "", "[console]"]
    for name, setting in SETTINGS.items():
        if personal or not setting.personal:
            lines += ["", *_explained(name, setting)]
    lines += [
        "",
        "[keys]",
        "",
        "# Keys of an action, by its id; `scriptconsole config actions` lists them.",
        '# "script.reload" = ["f5", "ctrl+r"]',
    ]
    if not personal:
        lines += [
            "",
            "# Options of all scripts of a language, and of one script by its alias.",
            "# [engines.lua]",
            '# lua = "5.4"',
            "# [scripts.thermostat]",
            '# memory = "64 MiB"',
        ]
    return "\n".join(lines) + "\n"


def _explained(name: str, setting: Setting) -> list[str]:
    choices = f" One of {', '.join(map(toml, setting.choices))}." if setting.choices else ""
    return [f"# {setting.doc}{choices} ({variable(name)})", f"# {name} = {toml(setting.default)}"]
