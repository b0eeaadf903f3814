"""The one registry of what a user can do: what several panes offer, and what each pane adds.

Everything that lists, binds or runs actions asks here.
"""

from __future__ import annotations

from collections.abc import Iterable

from scriptconsole.actions import ACTIONS, MOVES, Action, PaneName
from scriptconsole.panes.kinds import PANES
from scriptconsole.panes.pane import Pane


class Registry:
    """A set of actions, found by id, pane or command."""

    def __init__(self, actions: Iterable[Action]) -> None:
        """Gather the actions.

        Args:
            actions: Each id once.
        """
        self.actions = tuple(actions)
        self.by_id = {action.id: action for action in self.actions}
        self._scopes: dict[str, frozenset[PaneName]] = {}
        for action in self.actions:
            name = _command_name(action.command)
            self._scopes[name] = self._scopes.get(name, frozenset()) | action.scope

    def in_pane(self, pane: PaneName) -> list[Action]:
        """List what means something in a pane."""
        return [action for action in self.actions if pane in action.scope]

    def allows(self, command: str, parameters: tuple[object, ...], pane: PaneName | None) -> bool:
        """Tell whether a Textual action means something in a pane.

        Args:
            command: Its name, without namespace and arguments.
            parameters: Its arguments.
            pane: The focused pane, or None when no pane has the focus.

        Returns:
            True for what the registry does not know, since that is not ours to forbid.
        """
        name = f"pane.{parameters[0]}" if command == "pane" and parameters else command
        scope = self._scopes.get(name)
        return scope is None or (pane in scope if pane is not None else len(scope) == len(PaneName))


def _command_name(command: str) -> str:
    name, _, arguments = command.removeprefix("app.").partition("(")
    return f"pane.{arguments.rstrip(')').strip(chr(39))}" if name == "pane" else name


def _go_to(pane: type[Pane]) -> Action:
    name = pane.NAME
    return Action(f"pane.{name}", (name.digit,), pane.LABEL, f"Go to the {name} pane", f"show_pane('{name}')")


REGISTRY = Registry(
    (*ACTIONS, *(action for pane in PANES for action in pane.ACTIONS), *(_go_to(pane) for pane in PANES))
)
"""All actions but the moves of a list (`actions.MOVES`)."""

EVERY_ID = frozenset(action.id for action in (*REGISTRY.actions, *MOVES))
"""Ids under which keys can be remapped."""
