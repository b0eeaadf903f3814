"""What a user can do: the entries of the registry, and those that no single pane owns.

Key bindings, footer, help, palette, context menu and the `:` line are all made from `registry.REGISTRY`, so
they cannot disagree. An entry names the Textual action that does it. Its method lives on the app (what
touches a session), on the main screen (what touches the display), on the line views (moving about) or, with
the command `pane('name')`, on the pane that has the focus, as `action_name`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import NamedTuple

from textual.binding import Binding


class PaneName(StrEnum):
    """The panes, in the order of their number keys: 1 to 9, then 0."""

    SCRIPTS = "scripts"
    VARIABLES = "variables"
    TIMERS = "timers"
    CONNECTIONS = "connections"
    LOG = "log"
    CALLS = "calls"
    HOOKS = "hooks"
    WARNINGS = "warnings"
    REPL = "repl"
    TASKS = "tasks"

    @property
    def digit(self) -> str:
        """Its number key."""
        return str((list(PaneName).index(self) + 1) % 10)


EVERYWHERE = frozenset(PaneName)
TABLES = EVERYWHERE - {PaneName.LOG, PaneName.REPL}
LISTS = EVERYWHERE - {PaneName.REPL}
"""Panes whose keys are commands; in the others they are text."""


class Action(NamedTuple):
    """Something a user can do.

    Attributes:
        id: Under which its keys can be remapped in the configuration.
        keys: As Textual names them; the first is the one shown.
        label: Short, for the footer.
        tooltip: One sentence, for help, palette and mouse.
        command: The Textual action that does it.
        scope: Panes in which it means something.
        footer: Whether the footer shows it.
        palette: Whether the command palette offers it.
        row: Whether it is about the selected row, so that the context menu offers it in every pane.
    """

    id: str
    keys: tuple[str, ...]
    label: str
    tooltip: str
    command: str
    scope: frozenset[PaneName] = EVERYWHERE
    footer: bool = False
    palette: bool = True
    row: bool = False


ACTIONS: tuple[Action, ...] = (
    Action("help", ("question_mark", "f1"), "Help", "Show the keys of this pane", "help", footer=True),
    Action(
        "details",
        ("enter",),
        "Details",
        "Show all of the selected row",
        "details",
        LISTS,
        footer=True,
        row=True,
    ),
    Action(
        "filter",
        ("slash",),
        "Filter",
        "Filter rows: a regular expression, !regex inverts, ~letters matches loosely",
        "filter",
        LISTS,
        footer=True,
    ),
    Action("goto", ("f",), "Go to", "Find a script, function, variable, timer or file", "app.goto"),
    Action(
        "script.reload",
        ("r",),
        "Reload",
        "Reload the script of the selected row",
        "app.reload",
        footer=True,
        row=True,
    ),
    Action(
        "script.call",
        ("c",),
        "Call",
        "Call a function of the script",
        "app.call",
        footer=True,
        row=True,
    ),
    Action(
        "script.edit",
        ("e",),
        "Edit",
        "Open the file in $VISUAL or $EDITOR",
        "app.edit",
        footer=True,
        row=True,
    ),
    Action(
        "script.pause",
        ("p",),
        "Pause",
        "Pause the script, or let it go on",
        "app.pause",
        footer=True,
        row=True,
    ),
    Action(
        "display.freeze",
        ("space",),
        "Freeze",
        "Freeze the display, or let it run again",
        "freeze",
        footer=True,
    ),
    Action("quit", ("q", "ctrl+q"), "Quit", "End all scripts and leave", "app.quit", footer=True),
    Action(
        "script.interrupt",
        ("i",),
        "Interrupt",
        "Break into what the script runs now",
        "app.interrupt",
        footer=True,
        row=True,
    ),
    Action("script.load", ("o",), "Load", "Load a script file", "app.load", footer=True),
    Action(
        "script.unload",
        ("u",),
        "Unload",
        "End the script and remove it from the session",
        "app.unload",
        row=True,
    ),
    Action(
        "script.evaluate",
        ("equals_sign",),
        "Evaluate",
        "Evaluate an expression inside the script",
        "app.evaluate",
        row=True,
    ),
    Action("command", ("colon",), "Command", "Type a command", "command_line", palette=False),
    Action(
        "menu",
        ("full_stop",),
        "Menu",
        "List what can be done with the selected row",
        "menu",
        palette=False,
    ),
    Action("jump", ("ctrl+o",), "Jump", "Go to a place by the letter it shows", "jump", palette=False),
    Action("sort", ("s",), "Sort", "Sort by the underlined column; again inverts, then off", "sort", TABLES),
    Action(
        "copy",
        ("y",),
        "Copy",
        "Copy the text of the selected row",
        "copy_row",
        LISTS,
        row=True,
    ),
    Action("export", ("W",), "Export", "Write the rows to a file, as CSV or JSON", "export", LISTS),
    Action("screenshot", ("S",), "Picture", "Save a picture of the screen as SVG", "app.screenshot"),
    Action(
        "maximise", ("m", "f10"), "Maximise", "Give this pane the whole screen, or give it back", "maximise"
    ),
    Action("pane.hide", ("H",), "Hide", "Hide this pane's place; its number key brings it back", "hide_pane"),
    Action("pane.taller", ("plus",), "Taller", "Give this pane more lines", "resize_pane('height', 1)"),
    Action("pane.lower", ("minus",), "Lower", "Give this pane fewer lines", "resize_pane('height', -1)"),
    Action(
        "pane.wider",
        ("greater_than_sign",),
        "Wider",
        "Give this pane more width",
        "resize_pane('width', 1)",
    ),
    Action(
        "pane.narrower",
        ("less_than_sign",),
        "Narrower",
        "Give this pane less width",
        "resize_pane('width', -1)",
    ),
    Action("layout.reset", (), "Reset layout", "Put all panes back in place", "reset_layout"),
    Action(
        "back",
        ("escape",),
        "Back",
        "Leave: first the maximised pane, then the filter, then the freeze",
        "back",
    ),
    Action(
        "suspend",
        ("ctrl+z",),
        "Suspend",
        "Go back to the shell; its command fg returns here",
        "app.suspend_process",
        LISTS,
    ),
    Action("pane.next", ("tab",), "Next pane", "Go to the next pane", "next_pane(1)", palette=False),
    Action(
        "pane.previous",
        ("shift+tab",),
        "Previous pane",
        "Go to the pane before",
        "next_pane(-1)",
        palette=False,
    ),
    Action(
        "theme",
        ("ctrl+t",),
        "Light or dark",
        "Change between the dark and the light theme",
        "app.toggle_theme",
    ),
    Action("theme.choose", (), "Theme", "Choose a theme from the list of all", "app.choose_theme"),
    Action(
        "palette",
        ("ctrl+p",),
        "Palette",
        "Search everything that can be done",
        "app.command_palette",
        palette=False,
    ),
)
"""What the main screen offers in several panes."""

MOVES: tuple[Action, ...] = (
    Action("move.down", ("j", "down"), "Down", "Next row", "move(1)"),
    Action("move.up", ("k", "up"), "Up", "Row before", "move(-1)"),
    Action("move.page_down", ("pagedown", "ctrl+f"), "Page down", "Next page", "move_page(1)"),
    Action("move.page_up", ("pageup", "ctrl+b"), "Page up", "Page before", "move_page(-1)"),
    Action("move.first", ("g", "home"), "First", "First row (gg works too)", "move_first"),
    Action("move.last", ("G", "end"), "Last", "Last row; in the log, follow again", "move_last"),
    Action(
        "move.right",
        ("l", "right"),
        "Right",
        "Column to the right; in the log, scroll right",
        "move_column(1)",
    ),
    Action(
        "move.left", ("h", "left"), "Left", "Column to the left; in the log, scroll left", "move_column(-1)"
    ),
)
"""What every list of rows understands."""


def bindings(actions: Iterable[Action]) -> Iterator[Binding]:
    """Make the key bindings of some actions.

    Args:
        actions: Entries of the registry.

    Yields:
        One binding per action, with its id so that a keymap can replace its keys.
    """
    for action in actions:
        if not action.keys:
            continue
        yield Binding(
            ",".join(action.keys),
            action.command,
            action.label,
            show=action.footer,
            # Handled as they arrive, so that keys typed ahead meet the focus that the keys before them set.
            priority=True,
            tooltip=action.tooltip,
            id=action.id,
        )


_KEY_NAMES = {
    "question_mark": "?",
    "slash": "/",
    "colon": ":",
    "equals_sign": "=",
    "full_stop": ".",
    "plus": "+",
    "minus": "-",
    "greater_than_sign": ">",
    "less_than_sign": "<",
    "escape": "esc",
    "pagedown": "pgdn",
    "pageup": "pgup",
    "delete": "del",
    "up": "↑",
    "down": "↓",
    "left": "←",
    "right": "→",
}


def key_name(key: str) -> str:
    """Write a key as people read it: `?`, `ctrl+p`, `F1`."""
    if key.startswith("f") and key[1:].isdigit():
        return key.upper()
    return _KEY_NAMES.get(key, key)
