"""`scriptconsole completion`: scripts that let a shell complete our command line.

They are made from the parser itself, so that an option cannot be forgotten, and from a template for each
shell beside this file. What can be completed is written into the script, since asking the program at every
TAB would take longer than typing.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from scriptconsole.exitcodes import ExitCode
from scriptconsole.usage import Parser

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Mapping, Sequence


class Flag(NamedTuple):
    """An option of the command line.

    Attributes:
        names: Short and long.
        help: One sentence.
        takes: Name of the value it takes, "" for none.
        values: What the value can be; empty for anything.
        assigns: "options" or "settings" when the value is a name, an equals sign, and the value of that.
    """

    names: tuple[str, ...]
    help: str
    takes: str = ""
    values: tuple[str, ...] = ()
    assigns: str = ""


class Words(NamedTuple):
    """All that can stand on the command line.

    Attributes:
        flags: Options.
        suffixes: Of files that can be loaded.
        commands: By sub-command: what may follow it.
        settings: By setting: the values it can have.
    """

    flags: tuple[Flag, ...]
    suffixes: tuple[str, ...]
    commands: Mapping[str, tuple[str, ...]]
    settings: Mapping[str, tuple[str, ...]]


def run(arguments: Sequence[str]) -> int:
    """Print the script for a shell.

    Args:
        arguments: What follows `scriptconsole completion`.

    Returns:
        The exit status.
    """
    parser = Parser(
        prog="scriptconsole completion",
        description="Print a script that lets a shell complete scriptconsole.",
        epilog='bash: eval "$(scriptconsole completion bash)" in ~/.bashrc. '
        "zsh: the same with zsh in ~/.zshrc, after compinit. "
        "fish: scriptconsole completion fish > ~/.config/fish/completions/scriptconsole.fish",
    )
    parser.add_argument("shell", choices=tuple(SHELLS), help="whose language the script is written in")
    print(script(parser.parse_args(list(arguments)).shell), end="")
    return ExitCode.OK


def script(shell: str) -> str:
    """The script for a shell, one of SHELLS."""
    text = Path(__file__).with_name(f"{shell}.in").read_text("utf-8")
    for mark, lines in SHELLS[shell](_words()).items():
        text = text.replace(f"@{mark}@", lines)
    return text


def _words() -> Words:
    from scriptconsole.cli import COMMANDS, command_line
    from scriptconsole.config.settings import SETTINGS
    from scriptconsole.config.themefiles import theme_names
    from scriptengines.lua import LuaEngine
    from scriptengines.native import NativeEngine
    from scriptengines.options import COMMON
    from scriptengines.python import PythonEngine
    from scriptengines.session import BUILTIN_ENGINES

    themes = tuple(theme_names())
    settings = {
        name: ("true", "false") if setting.kind == "flag" else setting.choices
        for name, setting in SETTINGS.items()
    }
    settings["theme"] = ("auto", *themes)
    options = {*PythonEngine.options, *LuaEngine.options, *NativeEngine.options, *COMMON}
    values = {"theme": themes, "option": tuple(sorted(options)), "set": tuple(settings)}
    return Words(tuple(_flags(command_line(), values)), tuple(sorted(BUILTIN_ENGINES)), COMMANDS, settings)


def _flags(parser: argparse.ArgumentParser, values: Mapping[str, tuple[str, ...]]) -> Iterable[Flag]:
    for action in parser._actions:  # pyright: ignore[reportPrivateUsage] - argparse has no public list
        if action.option_strings:
            yield Flag(
                tuple(action.option_strings),
                action.help or "",
                "" if action.nargs == 0 else str(action.metavar or action.dest),
                values.get(action.dest) or tuple(map(str, action.choices or ())),
                {"option": "options", "set": "settings"}.get(action.dest, ""),
            )


def _cases(table: Mapping[str, tuple[str, ...]], form: str, indent: int) -> str:
    lines = [form.format(name, " ".join(values)) for name, values in table.items() if values]
    return "\n".join(" " * indent + line for line in lines)


def _bash(words: Words) -> dict[str, str]:
    taking = {
        "|".join(flag.names): flag.values or (" ",) for flag in words.flags if flag.takes and not flag.assigns
    }
    assigning = {
        "|".join(flag.names): tuple(f"{value}=" for value in flag.values)
        for flag in words.flags
        if flag.assigns
    }
    return {
        "flags": " ".join(name for flag in words.flags for name in flag.names),
        "taking": _cases(taking, "{0}) _scriptconsole_words '{1}'; return ;;", 4),
        "assigning": _cases(assigning, "{0}) compopt -o nospace; _scriptconsole_words '{1}'; return ;;", 4),
        "settings": _cases(words.settings, "{0}) _scriptconsole_words '{1}'; return ;;", 6),
        "commands": " ".join(words.commands),
        "inner": _cases(words.commands, "{0}) ((COMP_CWORD == 2)) && _scriptconsole_words '{1}' ;;", 6),
        "suffixes": " ".join(words.suffixes),
    }


def _zsh(words: Words) -> dict[str, str]:
    specs: list[str] = []
    for flag in words.flags:
        text = flag.help.replace("'", "").translate(str.maketrans({"[": "(", "]": ")", ":": ","}))
        action = f"->{flag.assigns}" if flag.assigns else f"({' '.join(flag.values)})" if flag.values else " "
        for name in flag.names:
            sign = "=" if flag.takes and name.startswith("--") else ""
            value = f":{flag.takes.lower()}:{action}" if flag.takes else ""
            specs.append(f"    '*{name}{sign}[{text}]{value}' \\")
    return {
        "specs": "\n".join(specs),
        "options": " ".join(next(flag.values for flag in words.flags if flag.assigns == "options")),
        "settings": " ".join(words.settings),
        "values": _cases(words.settings, "{0}) compadd -- {1} ;;", 10),
        "commands": " ".join(words.commands),
        "inner": _cases(words.commands, "{0}) (( CURRENT == 3 )) && compadd -- {1} ;;", 6),
        "suffixes": "|".join(suffix.removeprefix(".") for suffix in words.suffixes),
    }


def _fish(words: Words) -> dict[str, str]:
    lines: list[str] = []
    for flag in words.flags:
        line = "complete -c scriptconsole -n __scriptconsole_plain"
        for name in flag.names:
            line += f" -l {name[2:]}" if name.startswith("--") else f" -s {name[1:]}"
        values = flag.values
        if flag.assigns == "options":
            values = tuple(f"{value}=" for value in values)
        elif flag.assigns == "settings":
            values = tuple(
                f"{name}={value}" for name, known in words.settings.items() for value in known or ("",)
            )
        if flag.takes:
            line += f" -x -a '{' '.join(values)}'" if values else " -x"
        lines.append(f"{line} -d '{flag.help.replace(chr(39), '')}'")
    inner = {name: values for name, values in words.commands.items() if values}
    return {
        "flags": "\n".join(lines),
        "commands": " ".join(words.commands),
        "inner": _cases(inner, "complete -c scriptconsole -n '__scriptconsole_after {0}' -a '{1}'", 0),
        "suffixes": "|".join(suffix.removeprefix(".") for suffix in words.suffixes),
    }


SHELLS: Mapping[str, Callable[[Words], dict[str, str]]] = {"bash": _bash, "zsh": _zsh, "fish": _fish}
"""By shell: what its template leaves open."""
