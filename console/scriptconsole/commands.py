"""What can be typed after `:`: every action by its name, and a few commands that take words.

`resolve` turns a line into a step that can be taken, or says what is wrong with it; the screen that asks for
the line is `screens.commandline`.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from scriptconsole.actions import Action, PaneName, key_name
from scriptconsole.arguments import ArgumentError, parse_arguments
from scriptconsole.jobs import in_thread
from scriptconsole.panes.filter import FilterError, parse_filter
from scriptconsole.panes.table import VirtualTable
from scriptconsole.registry import REGISTRY

if TYPE_CHECKING:
    from scriptconsole.app import ScriptConsoleApp

type Step = Callable[[], Awaitable[object]]
type Words = Callable[[ScriptConsoleApp, str], Awaitable[Iterable[str]]]


class CommandError(ValueError):
    """The line cannot be run; the message says what to type instead."""


@dataclass(frozen=True, slots=True)
class Command:
    """Something that can be typed.

    Attributes:
        name: Its first word.
        usage: The words after it, for people.
        doc: One sentence.
        plan: Makes the step from the words after the name; raises CommandError.
        words: Suggests what may stand after the name.
        action: Id of the action that it does, "" for none.
    """

    name: str
    usage: str
    doc: str
    plan: Callable[[ScriptConsoleApp, str], Step]
    words: Words | None = None
    action: str = ""


def resolve(app: ScriptConsoleApp, line: str) -> Step:
    """Find out what a line means.

    Args:
        app: The console it is meant for.
        line: Without the colon.

    Returns:
        What does it.

    Raises:
        CommandError: There is no such command, or it does not take these words.
    """
    line = line.strip()
    if line.startswith("="):
        return COMMANDS["evaluate"].plan(app, line[1:])
    name, _, rest = line.partition(" ")
    return _find(name).plan(app, rest.strip())


def _find(name: str) -> Command:
    if name in COMMANDS:
        return COMMANDS[name]
    begun = [known for known in COMMANDS if known.startswith(name)]
    if len(begun) == 1:
        return COMMANDS[begun[0]]
    near = begun or difflib.get_close_matches(name, COMMANDS, n=3)
    hint = f"; did you mean {', '.join(sorted(near)[:5])}?" if near else "; tab lists what there is"
    raise CommandError(f'there is no command "{name}"{hint}')


async def suggest(app: ScriptConsoleApp, line: str) -> list[tuple[str, str]]:
    """Suggest whole lines that begin like this one.

    Args:
        app: The console.
        line: As typed so far.

    Returns:
        Lines and what each is, best first.
    """
    name, space, rest = line.partition(" ")
    if not space:
        first = [command for known, command in COMMANDS.items() if known.startswith(name)]
        then = [command for known, command in COMMANDS.items() if name in known and command not in first]
        return [
            (f"{command.name} " if command.words else command.name, _described(app, command))
            for command in [*first, *then]
        ]
    command = COMMANDS.get(name)
    if command is None or command.words is None:
        return []
    words = await command.words(app, rest)
    # What cannot be printed cannot be shown in the input either.
    fitting = [word for word in words if word.lower().startswith(rest.lower()) and word.isprintable()]
    return [(f"{name} {word}", "") for word in fitting]


def _described(app: ScriptConsoleApp, command: Command) -> str:
    action = app.registry.by_id.get(command.action)
    keys = "" if action is None else ", ".join(map(key_name, action.keys))
    return f"{command.usage}  {command.doc}{f' ({keys})' if keys else ''}".strip()


# -- actions --------------------------------------------------------------------------------------------


def _of_action(name: str, action: Action) -> Command:
    def plan(app: ScriptConsoleApp, rest: str) -> Step:
        if rest:
            raise CommandError(f"{name} takes no words")
        pane = app.main.pane_name or app.main.recent[0]
        if pane not in action.scope:
            raise CommandError(f"{name} is for {_named(action.scope)}, not for the {pane} pane")
        return partial(app.main.run_action, action.command)

    return Command(name, "", action.tooltip, plan, action=action.id)


def _named(scope: Iterable[PaneName]) -> str:
    return ", ".join(sorted(scope))


def _short_names(actions: Iterable[Action]) -> dict[str, Action]:
    """Name actions by the last part of their ids; of several, the one that means something in most panes."""
    names: dict[str, Action] = {}
    for action in sorted(actions, key=lambda action: -len(action.scope)):
        last = action.id.rpartition(".")[2]
        names[action.id if last in names else last] = action
    return names


# -- commands with words --------------------------------------------------------------------------------


def _selected(app: ScriptConsoleApp) -> str:
    alias = app.main.script()
    if alias is None:
        raise CommandError("no script is selected; load one first")
    return alias


def _load(app: ScriptConsoleApp, rest: str) -> Step:
    typed, alias = rest, ""
    if not _path(rest).is_file():  # " as " may stand in the name of a file
        begun, _, named = rest.rpartition(" as ")
        typed, alias = (begun, named) if begun else (rest, "")
    path = _path(typed)
    if not typed:
        return partial(app.main.run_action, "app.load")
    if not path.is_file():
        raise CommandError(f"{typed}: there is no such file")
    return partial(_now, app.load, path, alias.strip() or None)


def _path(typed: str) -> Path:
    return Path(os.path.expanduser(typed.strip())).absolute()


def _call(app: ScriptConsoleApp, rest: str) -> Step:
    alias = _selected(app)
    name, _, arguments = rest.partition(" ")
    if "(" in name:
        name, _, arguments = rest.partition("(")
        if not arguments.rstrip().endswith(")"):
            raise CommandError("the bracket is not closed")
        arguments = arguments.rstrip()[:-1]
    if not name:
        return partial(app.main.run_action, "app.call")
    try:
        positional, named = parse_arguments(arguments)
    except ArgumentError as error:
        raise CommandError(str(error)) from error
    label = f"{alias}.{name}({arguments})"
    return partial(_now, app.ask, label, partial(app.session.call, alias, name, *positional, **named))


def _evaluate(app: ScriptConsoleApp, rest: str) -> Step:
    alias, expression = _selected(app), rest.strip()
    if not expression:
        return partial(app.main.run_action, "app.evaluate")
    work = partial(app.session.evaluate, alias, expression)
    return partial(_now, app.ask, f"{alias}: {expression}", work)


def _filter(app: ScriptConsoleApp, rest: str) -> Step:
    pane = app.main.pane
    if pane is None:
        raise CommandError("no pane has the focus")
    try:
        parse_filter(rest)
    except FilterError as error:
        raise CommandError(str(error)) from error
    return partial(_now, pane.set_filter, rest)


def _table(app: ScriptConsoleApp) -> VirtualTable[Any] | None:
    body = None if app.main.pane is None else app.main.pane.body
    return cast("VirtualTable[Any]", body) if isinstance(body, VirtualTable) else None


def _sort(app: ScriptConsoleApp, rest: str) -> Step:
    table = _table(app)
    if table is None:
        raise CommandError("this pane has no columns")
    titles = {column.title.lower(): index for index, column in enumerate(table.columns) if column.title}
    if rest.lower() not in titles:
        there = ", ".join(column.title for column in table.columns if column.title)
        raise CommandError(f'there is no column "{rest}"; there are {there}')
    return partial(_now, table.sort_by, titles[rest.lower()])


def _theme(app: ScriptConsoleApp, rest: str) -> Step:
    names = _theme_names(app)
    if rest not in names:
        raise CommandError(f'there is no theme "{rest}"; there are {", ".join(names)}')
    return partial(_now, app.choose_theme, names[rest])


def _script(app: ScriptConsoleApp, rest: str) -> Step:
    if app.main.view(rest) is None:
        raise CommandError(f'there is no script "{rest}"')
    return partial(app.main.select, PaneName.SCRIPTS, rest)


def _emit(app: ScriptConsoleApp, rest: str) -> Step:
    name, _, arguments = rest.partition(" ")
    if not name:
        raise CommandError("say which hook: emit NAME ARGUMENTS")
    try:
        positional, named = parse_arguments(arguments)
    except ArgumentError as error:
        raise CommandError(str(error)) from error
    if named:
        raise CommandError("hooks take no named arguments")
    return partial(_now, app.ask, f"emit {name}({arguments})", partial(app.session.emit, name, *positional))


async def _now(work: Callable[..., object], *args: object) -> None:
    work(*args)


# -- what may stand after them ------------------------------------------------------------------------------


def _theme_names(app: ScriptConsoleApp) -> dict[str, str]:
    """All themes by what is typed for them: ours without what all of them begin with."""
    return {name.removeprefix("scriptconsole-"): name for name in app.appearance.names}


async def _themes(app: ScriptConsoleApp, _rest: str) -> list[str]:
    return list(_theme_names(app))


async def _scripts(app: ScriptConsoleApp, _rest: str) -> list[str]:
    return [row.alias for row in app.main.latest.scripts]


async def _columns(app: ScriptConsoleApp, _rest: str) -> list[str]:
    table = _table(app)
    return [] if table is None else [column.title for column in table.columns if column.title]


async def _functions(app: ScriptConsoleApp, _rest: str) -> list[str]:
    try:
        found = await in_thread(partial(app.session.functions, _selected(app)))
    except Exception:  # noqa: BLE001 - a script may be at its end; a guess is not worth a word
        return []
    return [function.name for function in found]


async def _paths(_app: ScriptConsoleApp, rest: str) -> list[str]:
    from scriptconsole.screens.load import complete_paths

    return await in_thread(partial(complete_paths, rest))


_WITH_WORDS = (
    Command("load", "PATH [as ALIAS]", "Load a script file", _load, _paths),
    Command("call", "FUNCTION [ARGUMENTS]", "Call a function of the selected script", _call, _functions),
    Command("evaluate", "EXPRESSION", "Evaluate inside the selected script; = is short for it", _evaluate),
    Command("filter", "[PATTERN]", "Filter the focused pane; without a pattern show all", _filter),
    Command("sort", "COLUMN", "Sort the focused pane by a column; again inverts", _sort, _columns),
    Command("theme", "NAME", "Choose a theme", _theme, _themes),
    Command("script", "ALIAS", "Go to a script", _script, _scripts),
    Command("emit", "HOOK [ARGUMENTS]", "Emit a hook to all its subscribers", _emit),
)

COMMANDS: dict[str, Command] = {
    **{
        name: _of_action(name, action)
        for name, action in sorted(_short_names(REGISTRY.actions).items())
        if action.id not in ("command", "menu", "jump")
    },
    **{command.name: command for command in _WITH_WORDS},
}
"""All of them, by name."""
