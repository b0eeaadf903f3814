"""`scriptconsole --repl`: loads scripts, then reads inputs for the last one."""

from __future__ import annotations

import sys
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from scriptconsole.exitcodes import ExitCode
from scriptconsole.scripts import expand
from scriptconsole.steps import FRAGMENT_SUFFIXES
from scriptengines.errors import ScriptConsoleError, format_error
from scriptengines.session import Session

from .conversation import Conversation
from .history import History, history_file
from .partner import SessionPartner

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from scriptconsole.config.settings import Settings
    from scriptengines.view import LogRecord

EMPTY = {"python": b"import host\n", "lua": b"\n"}
"""What a script begins with that has no file."""
NAME = "repl"


def run_repl(
    paths: Sequence[str],
    *,
    language: str = "python",
    given: Mapping[str, tuple[str, Any]] = MappingProxyType({}),
    quiet: bool = False,
    options: Mapping[str, Any] = MappingProxyType({}),
) -> tuple[int, bool]:
    """Load scripts and converse with the last one until the user, or the end of stdin, ends it.

    Args:
        paths: Scripts and folders; without any, an empty script is made.
        language: Of that one.
        given: Settings of the command line: by name, the option that gives it, and its value.
        quiet: Show output and errors of scripts, but not what they log.
        options: Of every script.

    Returns:
        The exit code, and whether every script's thread has ended.

    Raises:
        ConfigError: A path or a setting is wrong.
    """
    from scriptconsole.config.sources import load, project_folder

    files = expand(paths)
    settings = load(project_folder(paths), given=given).settings
    interactive = is_interactive()
    session = Session(
        direct_output=not interactive, batch=not interactive, keep_failed=interactive, options=options
    )
    with session:
        tell = teller(session, quiet=quiet)
        code, alias = _load(session, files, language)
        while tell():
            pass
        if alias and (code is ExitCode.OK or interactive):
            if settings.watch:
                _watch(session)
            code = converse(session, alias, tell, quiet=quiet, settings=settings)
        clean = session.close()
        while tell() and clean:
            pass
    return code, clean


def _watch(session: Session) -> None:
    try:
        session.watch()
    except OSError as error:  # the system watches only so much at once
        why = error.strerror or type(error).__name__
        print(f"scripts are not reloaded when their files change: {why}", file=sys.stderr, flush=True)


def _load(session: Session, files: Sequence[Path], language: str) -> tuple[ExitCode, str]:
    """Load the scripts; the last alias there is."""
    code, alias = ExitCode.OK, ""
    if not files:
        file = Path(NAME + FRAGMENT_SUFFIXES[language]).absolute()
        return code, session.load(file, text=EMPTY[language]).alias
    for file in files:
        try:
            alias = session.load(file).alias
        except ScriptConsoleError as error:
            print(format_error(error), file=sys.stderr, flush=True)
            code = ExitCode.FAILED
    failed = [script.alias for script in session.scripts]
    return code, alias or (failed[-1] if failed else "")


def is_interactive() -> bool:
    """Whether somebody types and looks."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def converse(
    session: Session,
    alias: str,
    tell: Callable[[], bool],
    *,
    quiet: bool = False,
    settings: Settings | None = None,
) -> ExitCode:
    """Read inputs for a script, from a terminal or a pipe.

    Args:
        session: Its scripts write output at once unless somebody types.
        alias: Of the script.
        tell: Tells on stderr what scripts have reported, when nobody types.
        quiet: As for run_repl.
        settings: Those of the script's project by default.
    """
    if not is_interactive():
        from .piped import converse as converse_piped

        return converse_piped(session, Conversation(SessionPartner(session), alias), tell)
    from scriptconsole.capture import captured
    from scriptconsole.config.sources import load

    project = _project_of(session.script(alias).path)
    size = (settings or load(project).settings).history_size
    history = History(history_file(project), size)
    conversation = Conversation(SessionPartner(session), alias, history)
    with captured(lambda line: session.note("output", line)):
        from .prompt import Prompt

        shows = frozenset({"output", "error"} | (set[str]() if quiet else {"info", "warning"}))
        ended_by = Prompt(session, conversation, shows).run()
    if ended_by:
        from .prompt import die_of

        session.close()
        die_of(ended_by)
    return ExitCode.OK


def _project_of(script: Path) -> Path:
    """The folder of the nearest project file, or that of the script."""
    from scriptengines.projectfile import nearest

    found = nearest(script.parent)
    return script.parent if found is None else found.parent


def teller(session: Session, *, quiet: bool) -> Callable[[], bool]:
    """What tells on stderr what has been reported; whether there was anything."""

    def tell() -> bool:
        records: list[LogRecord] = session.records()
        for record in records:
            if record.level == "error" or not quiet:
                prefix = f"{record.script}: " if record.script else ""
                print(f"{record.level}: {prefix}{record.text}", file=sys.stderr, flush=True)
        return bool(records)

    return tell
