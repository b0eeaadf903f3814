"""The one list of what a user can do.

Key bindings, footer, help screen and command palette are all made from it, so they cannot disagree. Each
entry names the Textual action that does it; the methods live on the app (what touches a session), the main
screen (what touches the display) and the line views (moving about).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from textual.binding import Binding


class PaneName(StrEnum):
    """The panes, in the order of their number keys."""

    SCRIPTS = "scripts"
    VARIABLES = "variables"
    TIMERS = "timers"
    CONNECTIONS = "connections"
    LOG = "log"


EVERYWHERE = frozenset(PaneName)
TABLES = EVERYWHERE - {PaneName.LOG}


@dataclass(frozen=True, slots=True)
class Action:
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
    """

    id: str
    keys: tuple[str, ...]
    label: str
    tooltip: str
    command: str
    scope: frozenset[PaneName] = EVERYWHERE
    footer: bool = False
    palette: bool = True


ACTIONS: tuple[Action, ...] = (
    Action("help", ("question_mark", "f1"), "Help", "Show the keys of this pane", "help", footer=True),
    Action("details", ("enter",), "Details", "Show all of the selected row", "details", footer=True),
    Action(
        "filter",
        ("slash",),
        "Filter",
        "Filter rows by a regular expression; !regex inverts",
        "filter",
        footer=True,
    ),
    Action(
        "script.reload", ("r",), "Reload", "Reload the script of the selected row", "app.reload", footer=True
    ),
    Action("script.call", ("c",), "Call", "Call a function of the script", "app.call", footer=True),
    Action("script.edit", ("e",), "Edit", "Open the file in $VISUAL or $EDITOR", "app.edit", footer=True),
    Action(
        "timer.cancel",
        ("x", "delete"),
        "Cancel",
        "Cancel the selected timer",
        "app.cancel_timer",
        frozenset({PaneName.TIMERS}),
        footer=True,
    ),
    Action(
        "connection.close",
        ("x", "delete"),
        "Close",
        "Close the selected connection",
        "app.close_connection",
        frozenset({PaneName.CONNECTIONS}),
        footer=True,
    ),
    Action("script.pause", ("p",), "Pause", "Pause the script, or let it go on", "app.pause", footer=True),
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
    ),
    Action("script.load", ("o",), "Load", "Load a script file", "app.load", footer=True),
    Action("script.unload", ("u",), "Unload", "End the script and remove it from the session", "app.unload"),
    Action(
        "script.evaluate", ("colon",), "Evaluate", "Evaluate an expression inside the script", "app.evaluate"
    ),
    Action("sort", ("s",), "Sort", "Sort by the underlined column; again inverts, then off", "sort", TABLES),
    Action("copy", ("y",), "Copy", "Copy the text of the selected row", "copy_row"),
    Action(
        "maximise", ("m", "f10"), "Maximise", "Give this pane the whole screen, or give it back", "maximise"
    ),
    Action(
        "back",
        ("escape",),
        "Back",
        "Leave: first the maximised pane, then the filter, then the freeze",
        "back",
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
    *(
        Action(
            f"pane.{name}",
            (str(number),),
            name.capitalize(),
            f"Go to the {name} pane",
            f"show_pane('{name}')",
        )
        for number, name in enumerate(PaneName, start=1)
    ),
    Action(
        "theme",
        ("ctrl+t",),
        "Light or dark",
        "Change between the dark and the light theme",
        "app.toggle_theme",
    ),
    Action(
        "palette",
        ("ctrl+p",),
        "Palette",
        "Search everything that can be done",
        "app.command_palette",
        palette=False,
    ),
)
"""What the main screen offers."""

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


_SCOPES: dict[str, frozenset[PaneName]] = {
    action.command.removeprefix("app.").partition("(")[0]: action.scope for action in ACTIONS
}


def in_scope(command: str, pane: PaneName | None) -> bool:
    """Tell whether a command means something in a pane.

    Args:
        command: Name of a Textual action, without namespace and arguments.
        pane: The focused pane, or None when no pane has the focus.

    Returns:
        True for what the registry does not know, since that is not ours to forbid.
    """
    scope = _SCOPES.get(command)
    return scope is None or (pane in scope if pane is not None else scope == EVERYWHERE)


_KEY_NAMES = {
    "question_mark": "?",
    "slash": "/",
    "colon": ":",
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
