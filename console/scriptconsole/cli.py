"""The command line: what was asked for, which front end does it, and how the process ends.

Imports are made when they are needed: `--batch hello.lua` must not pay for a screen.
"""

from __future__ import annotations

import argparse
import os
import sys
import threading
from typing import TYPE_CHECKING, Any

from .exitcodes import ExitCode
from .usage import Parser, refuse

if TYPE_CHECKING:
    from collections.abc import Sequence


_FRAGMENT = "\0"
"""Before code among the paths; no path can begin with it."""


COMMANDS: dict[str, tuple[str, ...]] = {
    "config": ("show", "path", "actions", "init"),
    "completion": ("bash", "zsh", "fish"),
}
"""Sub-commands and what may follow them."""


def command_line() -> Parser:
    """The parser of everything but the sub-commands."""
    parser = Parser(
        prog="scriptconsole",
        usage="%(prog)s [options] PATH… [-- ARGUMENT…]\n       %(prog)s config show|path|actions|init"
        "\n       %(prog)s completion bash|zsh|fish",
        description="Load Python, Lua and native scripts into one process and watch them live. "
        "What follows -- are arguments of the scripts.",
        epilog="Exit status of --batch: 0 ok, 1 a script failed, 2 wrong usage, 124 timed out, "
        "130 interrupted, 141 nobody reads the output any more.",
    )
    parser.add_argument(
        "paths", nargs="*", metavar="PATH", help="a script (.py .lua .c .so), or a folder of scripts"
    )
    parser.add_argument(
        "-e",
        "--execute",
        action="append",
        default=[],
        metavar="CODE",
        help="with --batch: run code in the script before it; what an expression gives is printed",
    )
    parser.add_argument(
        "--language",
        choices=("lua", "python"),
        help="of code given before any path (default: lua), and of --repl without one (default: python)",
    )
    parser.add_argument(
        "--shared-state", action="store_true", help="with --batch: all Lua scripts and -e share their globals"
    )
    parser.add_argument(
        "-i",
        "--interactive",
        action="store_true",
        help="with --batch: then run lines from stdin",
    )
    parser.add_argument(
        "--run-for",
        type=_duration,
        metavar="SECONDS",
        help="with --batch: end well after this long, -SECONDS: not before; 0: never",
    )
    parser.add_argument(
        "--explain-exit", action="store_true", help="with --batch: tell on stderr what the run waits for"
    )
    parser.add_argument(
        "--repl",
        action="store_true",
        help="type code into the last script, in this terminal or from stdin; no PATH: into an empty one",
    )
    parser.add_argument("--batch", action="store_true", help="run without a screen until nothing is pending")
    parser.add_argument(
        "--timeout", type=_seconds, metavar="SECONDS", help="with --batch: give up after this long"
    )
    parser.add_argument(
        "--virtual-time",
        action="store_true",
        help="with --batch: let timers go by a clock that jumps to what is due next instead of waiting",
    )
    parser.add_argument(
        "--quiet", action="store_true", help="with --batch or --repl: no log lines, only errors"
    )
    parser.add_argument(
        "-o",
        "--option",
        type=_setting,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="set an option of the scripts, e.g. isolation=shared; may be given several times",
    )
    parser.add_argument("--theme", metavar="NAME", help="colours: the name of a theme")
    parser.add_argument(
        "--no-watch", action="store_true", help="do not reload scripts when their files change"
    )
    parser.add_argument(
        "--fresh",
        action="store_true",
        help="start without what is remembered of the project: open scripts, layout, filters",
    )
    parser.add_argument(
        "--set",
        type=_console_setting,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="set something of the console, e.g. frame_rate=20; config show lists all",
    )
    parser.add_argument("--version", action="store_true", help="print the version and leave")
    return parser


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds") from None
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is no time to wait; give seconds, more than 0")
    return value


def _duration(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not abs(value) < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds")
    return value


def _setting(text: str) -> tuple[str, object]:
    name, equals, written = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is no setting; write name=value")
    import tomllib

    try:
        return name, tomllib.loads(f"value = {written}")["value"]
    except tomllib.TOMLDecodeError:  # a plain word; a shell eats the quotes
        return name, written


def _console_setting(text: str) -> tuple[str, object]:
    from .config.sources import flag_value

    try:
        return flag_value(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; scripts' own arguments follow `--`.

    Args:
        argv: Arguments without the program's name; those of the process by default.

    Returns:
        The exit status.
    """
    given = list(sys.argv[1:] if argv is None else argv)
    if given and _is_command(given):
        return _command(given[0], given[1:])
    cut = given.index("--") if "--" in given else len(given)
    options = command_line().parse_intermixed_args(_in_place(given[:cut]))
    if options.version:
        print(f"scriptconsole {_version()}")
        return ExitCode.OK
    if options.repl and options.batch:
        return refuse("--repl does not go with --batch; for lines after a batch run: --batch -i")
    if options.timeout is not None and not options.batch:
        return refuse("--timeout goes with --batch; add --batch, or leave it out")
    other = "--batch" if options.batch else "--repl" if options.repl else ""
    if other and (options.fresh or options.theme is not None):
        return refuse(
            f"{'--fresh' if options.fresh else '--theme'} is for the screen; leave it out with {other}"
        )
    if options.batch and options.set:
        return refuse("--set is for the screen and for --repl; leave it out with --batch")
    if given[cut + 1 :] and not options.batch:
        return refuse("arguments after -- go with --batch; add --batch, or leave them out")
    if not options.batch and (only := _only_batch(options)):
        return refuse(f"{only} goes with --batch; add --batch, or leave it out")
    try:
        if options.repl:
            return _repl(options)
        return _batch(options, given[cut + 1 :]) if options.batch else _screen(options)
    except _config_error() as error:
        return refuse(str(error))


def _in_place(given: Sequence[str]) -> list[str]:
    """The arguments with each `-e CODE` as a path of its own kind, so that the order is kept."""
    found: list[str] = []
    rest = iter(given)
    for word in rest:
        name, equals, code = word.partition("=")
        if word in ("-e", "--execute"):
            code = next(rest, None)
            found.append(word if code is None else _FRAGMENT + code)
        elif name == "--execute" and equals:
            found.append(_FRAGMENT + code)
        else:
            found.append(word)
    return found


def _only_batch(options: argparse.Namespace) -> str:
    """An option that was given and means nothing for a screen."""
    if any(path.startswith(_FRAGMENT) for path in options.paths):
        return "-e"
    if options.run_for is not None:
        return "--run-for"
    wanted = ("shared_state", "interactive", "explain_exit", "virtual_time")
    return next((f"--{name.replace('_', '-')}" for name in wanted if getattr(options, name)), "")


def _batch(options: argparse.Namespace, arguments: list[str]) -> int:
    if not options.paths:
        return refuse("--batch needs at least one script: scriptconsole --batch PATH…")
    from .batch import Wishes, run_batch
    from .steps import Fragment

    given = [
        Fragment(path.removeprefix(_FRAGMENT)) if path.startswith(_FRAGMENT) else path
        for path in (*options.paths, *(_FRAGMENT + code for code in options.execute))
    ]
    wishes = Wishes(
        arguments=arguments,
        timeout=options.timeout,
        run_for=options.run_for,
        quiet=options.quiet,
        options=dict(options.option),
        language=options.language or "lua",
        shared_state=options.shared_state,
        interactive=options.interactive,
        explain_exit=options.explain_exit,
        virtual_time=options.virtual_time,
    )
    try:
        code, clean = run_batch(given, wishes)
    except KeyboardInterrupt:  # a second one, while the scripts were given time to end
        code, clean = ExitCode.INTERRUPTED, False
    return _leave(code, clean)


def _repl(options: argparse.Namespace) -> int:
    from .repl.start import run_repl

    try:
        code, clean = run_repl(
            options.paths,
            language=options.language or "python",
            given=_given(options),
            quiet=options.quiet,
            options=dict(options.option),
        )
    except KeyboardInterrupt:
        code, clean = ExitCode.INTERRUPTED, False
    return _leave(code, clean)


def _screen(options: argparse.Namespace) -> int:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return refuse("the console needs a terminal; to run scripts without one: scriptconsole --batch PATH…")
    import gc

    gc.disable()  # what is imported stays: looking for garbage among it would take a tenth of the time
    from .screen import run_screen

    code, clean = run_screen(
        options.paths, given=_given(options), fresh=options.fresh, options=dict(options.option)
    )
    return _leave(code, clean)


def _given(options: argparse.Namespace) -> dict[str, tuple[str, Any]]:
    """Settings of the command line: by name, the option that gives it, and its value."""
    given = {name: ("--set", value) for name, value in options.set}
    if options.theme is not None:
        given["theme"] = ("--theme", options.theme)
    if options.no_watch:
        given["watch"] = ("--no-watch", False)
    return given


def _is_command(given: Sequence[str]) -> bool:
    """Whether the first word is a sub-command; a file or folder of that name is one only alone."""
    follows = COMMANDS.get(given[0])
    if follows is None:
        return False
    return (len(given) > 1 and given[1] in (*follows, "-h", "--help")) or not os.path.exists(given[0])


def _command(name: str, arguments: Sequence[str]) -> int:
    try:
        if name == "config":
            from .config import command

            return command.run(arguments)
        from . import completion

        return completion.run(arguments)
    except _config_error() as error:
        return refuse(str(error))


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("scriptconsole")
    except PackageNotFoundError:  # run from a source tree that was never installed
        return "(not installed)"


def _config_error() -> type[Exception]:
    from scriptengines.errors import ConfigError

    return ConfigError


def _leave(code: int, clean: bool) -> int:
    """End without the interpreter's own clean-up when a script's thread is left, which could crash it."""
    if clean and not any(thread.name.startswith("script ") for thread in threading.enumerate()):
        return code
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
