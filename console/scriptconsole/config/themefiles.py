"""Themes of the user's own: TOML files in a folder, one theme each, named like the file.

base = "scriptconsole-light"    # whose colours hold where the file says nothing
[colors]
primary = "#ff8800"
"""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from textual.color import Color, ColorParseError
from textual.theme import Theme

from scriptengines import projectfile
from scriptengines.errors import ConfigError, did_you_mean
from scriptthemes import DARK, LIGHT, THEMES

from .places import themes_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .sources import Origin

AUTO = "auto"
BUILT_IN: Mapping[str, Theme] = {theme.name: theme for theme in THEMES}
_TOP = ("base", "dark", "colors")
_OWN = tuple(
    field.name
    for field in fields(Theme)
    if field.name not in ("name", "dark", "ansi", "variables", "luminosity_spread", "text_alpha")
)
COLORS = (*_OWN, *DARK.variables)
"""Names of the colours that a theme file can set."""


def files(folder: Path | None = None) -> dict[str, Path]:
    """The theme files of a folder, by the name of their theme."""
    folder = themes_folder() if folder is None else folder
    try:
        found = sorted(path for path in folder.iterdir() if path.suffix == ".toml" and path.is_file())
    except OSError:  # there is none
        return {}
    return {path.stem: path for path in found}


def theme_names() -> list[str]:
    """Names of all themes."""
    return [*BUILT_IN, *(name for name in files() if name not in BUILT_IN)]


def check_theme(name: str, origin: Origin) -> None:
    """Refuse a theme that there is not, or whose file is wrong.

    Raises:
        ConfigError: The message names the place where the theme was chosen, or that in its file.
    """
    if name == AUTO or name in BUILT_IN:
        return
    own = files()
    if name in own:
        read_theme(own[name])
        return
    known = [AUTO, *BUILT_IN, *own]
    hint = did_you_mean(name, known)
    raise origin.wrong(f'no theme "{name}"; there are {", ".join(known)}' + (f".{hint}" if hint else ""))


def load_themes(folder: Path) -> tuple[list[Theme], list[ConfigError]]:
    """Read all themes of a folder.

    Returns:
        Those that can be used, and what is wrong with the others.
    """
    themes: list[Theme] = []
    errors: list[ConfigError] = []
    for file in files(folder).values():
        try:
            themes.append(read_theme(file))
        except ConfigError as error:
            errors.append(error)
    return themes, errors


def read_theme(file: Path) -> Theme:
    """Read a theme from a file.

    Raises:
        ConfigError: The file is no theme; the message names the line.
    """
    if file.stem in BUILT_IN or file.stem == AUTO:
        raise ConfigError(f'{file}: the name "{file.stem}" is taken; rename the file', file=str(file))
    said = projectfile.read(file)
    _refuse_others(file, (), said, _TOP, "setting of a theme")
    dark = said.get("dark")
    if dark is not None and not isinstance(dark, bool):
        raise projectfile.wrong(file, ("dark",), f"dark must be true or false, got {dark!r}")
    base = _base(file, said.get("base"), dark)
    colors: Any = said.get("colors", {})
    if not isinstance(colors, dict):
        raise projectfile.wrong(file, ("colors",), f"[colors] must be a table, got {colors!r}")
    colors = cast("dict[str, Any]", colors)
    _refuse_others(file, ("colors",), colors, COLORS, "colour")
    for name, value in colors.items():
        _check_color(file, name, value)
    own = {name: value for name, value in colors.items() if name in _OWN}
    variables = {name: value for name, value in colors.items() if name not in _OWN}
    return replace(
        base,
        name=file.stem,
        dark=base.dark if dark is None else dark,
        variables={**base.variables, **variables},
        **own,
    )


def _base(file: Path, name: Any, dark: bool | None) -> Theme:
    if name is None:
        return LIGHT if dark is False else DARK
    theme = BUILT_IN.get(name) if isinstance(name, str) else None
    if theme is None:
        hint = did_you_mean(str(name), BUILT_IN)
        raise projectfile.wrong(
            file,
            ("base",),
            f"base must be one of {', '.join(BUILT_IN)}, got {name!r}" + (hint and f".{hint}"),
        )
    return theme


def _refuse_others(
    file: Path, path: projectfile.KeyPath, said: Iterable[str], known: Iterable[str], kind: str
) -> None:
    known = list(known)
    for name in said:
        if name not in known:
            hint = did_you_mean(name, known) or f" There are: {', '.join(known)}."
            raise projectfile.wrong(file, (*path, name), f'there is no {kind} "{name}".{hint}')


def _check_color(file: Path, name: str, value: Any) -> None:
    # "#7fa8d1 35%" is a colour that lets a third through.
    text = value.removesuffix("%").rpartition(" ") if isinstance(value, str) and value.endswith("%") else None
    try:
        if not isinstance(value, str) or (text is not None and not 0 <= float(text[2]) <= 100):
            raise ValueError
        Color.parse(text[0] if text else value)
    except (ColorParseError, ValueError):
        raise projectfile.wrong(
            file,
            ("colors", name),
            f'{name} must be a colour such as "#7fa8d1", "teal" or "#7fa8d1 35%", got {value!r}',
        ) from None
