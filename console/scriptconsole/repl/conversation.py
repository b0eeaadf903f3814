"""A conversation with the scripts of a session: inputs, commands after a colon, completion, history.

Knows nothing of a screen or a terminal. `run` waits for the script, so a front end calls it on a thread of
its own, and `interrupt` from another one.
"""

from __future__ import annotations

import os
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from scriptengines.completion import Completion
from scriptengines.errors import ConfigError, ScriptConsoleError, did_you_mean, format_error

from .history import History

if TYPE_CHECKING:
    from collections.abc import Callable

    from scriptengines.results import Result
    from scriptengines.view import FunctionInfo

LEAVING = ("exit", "quit", "exit()", "quit()")


class Partner(Protocol):
    """What a conversation asks of a session."""

    def language(self, alias: str) -> str:
        """Name of a script's engine."""
        ...

    def aliases(self) -> list[str]:
        """All scripts, in order of loading."""
        ...

    def load(self, path: Path) -> str:
        """Load a script; its alias."""
        ...

    def reload(self, alias: str) -> object:
        """Replace a script's code by what its file holds now."""
        ...

    def functions(self, alias: str) -> list[FunctionInfo]:
        """What a script offers to call."""
        ...

    def variables(self, alias: str) -> list[tuple[str, str, str]]:
        """Name, type and text of a script's variables."""
        ...

    def is_complete(self, alias: str, code: str) -> bool:
        """Whether code can be run as it is."""
        ...

    def interact(self, alias: str, code: str) -> list[Result]:
        """Run what was typed."""
        ...

    def completions(self, alias: str, text: str, cursor: int) -> list[Completion]:
        """What can stand at the cursor."""
        ...

    def interrupt(self, alias: str) -> object:
        """Stop what a script does now."""
        ...


class Answer(NamedTuple):
    """What came of an input.

    Attributes:
        results: Values of an expression.
        lines: What a command tells.
        error: The report of an error, "" when there was none.
        leaves: Whether the conversation is over.
    """

    results: tuple[Result, ...] = ()
    lines: tuple[str, ...] = ()
    error: str = ""
    leaves: bool = False


class Command(NamedTuple):
    """Something to do that is not the script's.

    Attributes:
        argument: What follows its name, "" when nothing does.
        doc: One sentence.
        run: Does it, for the script with this alias, with what followed.
    """

    argument: str
    doc: str
    run: Callable[[str, str], Answer]


class Conversation:
    """Inputs for one script after the other.

    Args:
        session: Has the scripts.
        alias: In which one inputs run first.
        history: Keeps the inputs.
    """

    def __init__(self, session: Partner, alias: str, history: History | None = None) -> None:
        self.session = session
        self.alias = alias
        self.history = history or History(None)
        self.commands = {
            "help": Command("", "What can be typed here.", self._help),
            "load": Command("PATH", "Load a script and talk to it.", self._load),
            "use": Command("ALIAS", "Talk to another script.", self._use),
            "reload": Command("", "Load the script's file again; its state is kept.", self._reload),
            "functions": Command(
                "", "Functions of the script, with signature and documentation.", self._list
            ),
            "vars": Command("", "Variables of the script.", self._variables),
            "quit": Command("", "Leave.", self._quit),
        }

    @property
    def language(self) -> str:
        """Of the script that inputs run in."""
        return self.session.language(self.alias)

    @staticmethod
    def is_command(text: str) -> bool:
        """Whether an input is none for the script; `::name::` is a label of Lua."""
        line = text.strip()
        return line in LEAVING or (line.startswith(":") and not line.startswith("::"))

    def is_complete(self, text: str) -> bool:
        """Whether an input can be run as it is."""
        if self.is_command(text) or not text.strip():
            return True
        return self.session.is_complete(self.alias, textwrap.dedent(text))

    def completions(self, text: str, cursor: int) -> list[Completion]:
        """What can stand at the cursor; of commands their names, scripts and files."""
        if self.is_command(text[:cursor]):
            return self._complete_command(text[:cursor].lstrip(), cursor)
        try:
            return self.session.completions(self.alias, text, cursor)
        except ScriptConsoleError:  # it has just been unloaded
            return []

    def interrupt(self) -> object:
        """Stop what the script does now; false when there was nothing that could be stopped."""
        return self.session.interrupt(self.alias)

    def run(self, text: str, alias: str | None = None) -> Answer:
        """Run an input, and keep it in the history.

        Args:
            text: As it was typed.
            alias: Of the script it was typed for; that of the conversation by default.
        """
        if not text.strip():
            return Answer()
        alias = self.alias if alias is None else alias
        is_command = self.is_command(text)
        try:
            self.history.add(text, "" if is_command else self.session.language(alias))
            if is_command:
                return self._command(alias, text.strip())
            code = textwrap.dedent(text)
            return Answer(results=tuple(self.session.interact(alias, code)))
        except (ScriptConsoleError, SystemExit) as error:
            # How the call came about on our side is no business of whoever typed it.
            return Answer(error=format_error(error.with_traceback(None)))

    # ---- commands ------------------------------------------------------------------------------

    @staticmethod
    def changes_script(text: str) -> bool:
        """Whether an input says that those after it are for another script."""
        return text.strip().startswith((":use ", ":load "))

    def _command(self, alias: str, line: str) -> Answer:
        if line in LEAVING:
            return Answer(leaves=True)
        name, _, rest = line[1:].partition(" ")
        command = self.commands.get(name)
        if command is None:
            raise ConfigError(f"no command :{name}.{did_you_mean(name, self.commands)} :help lists them")
        if bool(rest.strip()) != bool(command.argument):
            raise ConfigError(f"write :{name} {command.argument}".rstrip())
        return command.run(alias, rest.strip())

    def _help(self, alias: str, _: str) -> Answer:
        rows = [(f":{name} {each.argument}".rstrip(), each.doc) for name, each in self.commands.items()]
        return Answer(
            lines=(
                f"What you type runs in {alias} ({self.session.language(alias)}); the last value is _.",
                "tab completes; ctrl-c stops what runs; an input that begins with a space is not kept.",
                *(f"  {name:14} {doc}" for name, doc in rows),
            )
        )

    def _load(self, _: str, path: str) -> Answer:
        self.alias = self.session.load(Path(path).expanduser())
        return Answer(lines=(f"{self.alias} is loaded; what you type runs in it.",))

    def _use(self, _: str, wanted: str) -> Answer:
        self.session.language(wanted)  # raises when there is none
        self.alias = wanted
        return Answer()

    def _reload(self, alias: str, _: str) -> Answer:
        self.session.reload(alias)
        return Answer(lines=(f"{alias} is reloaded.",))

    def _quit(self, _alias: str, _: str) -> Answer:
        return Answer(leaves=True)

    def _list(self, alias: str, _: str) -> Answer:
        found = self.session.functions(alias)
        lines = [f"{each.name}{each.signature}{'  ' + each.doc if each.doc else ''}" for each in found]
        return Answer(lines=tuple(lines) or ("It has no functions.",))

    def _variables(self, alias: str, _: str) -> Answer:
        found = self.session.variables(alias)
        return Answer(
            lines=tuple(f"{name}: {kind} = {text}" for name, kind, text in found) or ("It has none.",)
        )

    def _complete_command(self, text: str, cursor: int) -> list[Completion]:
        name, space, rest = text[1:].partition(" ")
        if not space:
            start = cursor - len(name)
            return [
                Completion(each, start, "command", f" {command.argument}".rstrip(), command.doc)
                for each, command in self.commands.items()
                if each.startswith(name)
            ]
        start = cursor - len(rest)
        if name == "use":
            aliases = [alias for alias in self.session.aliases() if alias.startswith(rest)]
            return [
                Completion(alias, start, "script", f": {self.session.language(alias)}") for alias in aliases
            ]
        return _paths(rest, start) if name == "load" else []


def _paths(begun: str, start: int) -> list[Completion]:
    folder, _, prefix = begun.rpartition("/")
    where = Path(f"{folder}/" if folder or begun.startswith("/") else ".").expanduser()
    try:
        with os.scandir(where) as entries:
            found = sorted((entry.name, entry.is_dir()) for entry in entries if entry.name.startswith(prefix))
    except OSError:
        return []
    from scriptengines.session import BUILTIN_ENGINES

    return [
        Completion(name + ("/" if is_folder else ""), start + len(begun) - len(prefix), "file")
        for name, is_folder in found[:200]
        if (is_folder or Path(name).suffix in BUILTIN_ENGINES) and (prefix.startswith(".") or name[0] != ".")
    ]
