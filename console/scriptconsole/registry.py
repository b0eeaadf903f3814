"""The one registry of what a user can do: what several panes offer, and what each pane adds.

Everything that lists, binds or runs actions asks here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from textual.binding import Binding, BindingsMap

from scriptconsole.actions import ACTIONS, MOVES, Action, PaneName, bindings
from scriptconsole.panes.kinds import PANES
from scriptconsole.panes.pane import Pane


class Registry:
    """A set of actions, found by id, pane or command."""

    def __init__(
        self,
        actions: Iterable[Action],
        moves: Iterable[Action] = MOVES,
        chosen: Mapping[str, tuple[str, ...]] | None = None,
    ) -> None:
        """Gather the actions.

        Args:
            actions: Each id once.
            moves: What every list of rows understands.
            chosen: By id: the keys that take the place of an action's own, none for no key at all.
        """
        self._chosen = chosen or {}
        self.actions = tuple(self._with_keys(actions))
        self.moves = tuple(self._with_keys(moves))
        self.by_id = {action.id: action for action in self.actions}
        self._scopes: dict[str, frozenset[PaneName]] = {}
        for action in self.actions:
            name = _command_name(action.command)
            self._scopes[name] = self._scopes.get(name, frozenset()) | action.scope

    def _with_keys(self, actions: Iterable[Action]) -> Iterable[Action]:
        chosen = self._chosen
        return (each._replace(keys=chosen[each.id]) if each.id in chosen else each for each in actions)

    def with_keys(self, chosen: Mapping[str, tuple[str, ...]]) -> Registry:
        """The same with other keys; see `config.keymap.check`."""
        return Registry(self.actions, self.moves, chosen)

    def rebound(self, held: BindingsMap) -> BindingsMap:
        """Put the keys of the user's choice into the bindings of a widget.

        Textual's own keymap would take a key from every action that has it when one of them gets another.
        """
        if not self._chosen:
            return held
        ours = {each.id: each for each in (*self.actions, *self.moves) if each.id in self._chosen}
        found: list[Binding] = []
        for _, binding in held:  # in their order, which is that of the footer
            action = ours.get(binding.id or "")
            if binding.id not in self._chosen:
                found.append(binding)
            elif action is not None:
                found += bindings([ours.pop(action.id)])
        return BindingsMap(found)

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
"""All actions with their keys as they come; an app has its own, with the user's keys."""

EVERY_ACTION = (*REGISTRY.actions, *REGISTRY.moves)
"""All whose keys can be changed."""
