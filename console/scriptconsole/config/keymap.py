"""Keys of the user's own choice: read as people write them, and checked against all actions."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, NamedTuple

from textual.keys import KEY_NAME_REPLACEMENTS, Keys, key_to_character

from scriptengines.errors import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from scriptconsole.actions import Action

    from .sources import Bound

MODIFIERS = ("alt", "ctrl", "hyper", "meta", "shift", "super")
"""In the order in which Textual writes them before a key."""
_NAMED = {key.value for key in Keys if "+" not in key.value and not key.value.startswith("<")}
_SHORT = {
    "esc": "escape",
    "del": "delete",
    "pgup": "pageup",
    "pgdn": "pagedown",
    "return": "enter",
    " ": "space",
}


class KeyNameError(ValueError):
    """No terminal sends a key of that name; the message says what may have been meant."""


def read_key(written: str) -> str:
    """Turn a key into Textual's name for it.

    Args:
        written: A character such as `r`, `R` or `?`, a name such as `f5` or `pgdn`, or one of them after
            modifiers: `ctrl+r`, `shift+f5`.

    Returns:
        `r`, `R`, `question_mark`, `f5`, `pagedown`, `ctrl+r`, `shift+f5`.

    Raises:
        KeyNameError: It is none.
    """
    # "+" itself may be the key: "+", "ctrl++".
    head, plus, name = written[:-1].rpartition("+")
    name += written[-1:]
    modifiers = head.lower().split("+") if plus and head else []
    for each in modifiers:
        if each not in MODIFIERS:
            hint = did_you_mean(each, MODIFIERS) or f" There are: {', '.join(MODIFIERS)}."
            raise KeyNameError(f'"{each}" in "{written}" is no modifier.{hint}')
    key = _base(name, written)
    if "shift" in modifiers and len(key) == 1:
        raise KeyNameError(f'"{written}" arrives as "{key.upper()}"; write that')
    return "+".join([*sorted(set(modifiers)), key])


def _base(name: str, written: str) -> str:
    name = _SHORT.get(name.lower(), name)
    if len(name) == 1:
        if name.isalnum():
            return name
        known = unicodedata.name(name, "").lower().replace("-", "_").replace(" ", "_")
        return KEY_NAME_REPLACEMENTS.get(known, known)
    if not name:
        raise KeyNameError("a key must not be empty; [] takes all keys from an action")
    if name.lower() in _NAMED:
        return name.lower()
    if name in KEY_NAME_REPLACEMENTS.values() or key_to_character(name) is not None:
        return name
    hint = did_you_mean(name.lower(), [*_NAMED, *_SHORT]) or ' Write it as in "r", "?", "f5", "ctrl+r".'
    raise KeyNameError(f'there is no key "{written}".{hint}')


def check(bound: Mapping[str, Bound], actions: Iterable[Action]) -> dict[str, tuple[str, ...]]:
    """Check the keys that a configuration gives to actions.

    Args:
        bound: By action id.
        actions: All there are.

    Returns:
        By action id: its keys as Textual names them; none for an action that lost all of its keys.

    Raises:
        ConfigError: No action has that id, no key that name, or two actions would share a key in a pane. The
            message names both, and the place in the file.
    """
    actions = list(actions)
    ids = [action.id for action in actions]
    chosen: dict[str, tuple[str, ...]] = {}
    for name, (written, origin) in bound.items():
        if name not in ids:
            hint = did_you_mean(name, ids) or " `scriptconsole config actions` lists them."
            raise origin.wrong(f'there is no action "{name}".{hint}')
        try:
            # Twice the same key is one key.
            chosen[name] = tuple(dict.fromkeys(map(read_key, written)))
        except KeyNameError as error:
            raise origin.wrong(str(error)) from None
    for clash in _clashes(actions, chosen):
        one, other = sorted(clash.actions, key=lambda action: action.id not in bound)
        raise bound[one.id].origin.wrong(
            f'{clash.key} would mean both "{one.id}" ({one.tooltip}) and "{other.id}" ({other.tooltip})'
            f"{clash.where}; give one of them another key"
        )
    return chosen


class _Clash(NamedTuple):
    key: str
    actions: tuple[Action, Action]
    where: str


def _clashes(actions: Iterable[Action], chosen: Mapping[str, tuple[str, ...]]) -> Iterable[_Clash]:
    """Pairs with a key in common, at least one by the user's choice; ours are as they are on purpose."""
    holders: dict[str, list[Action]] = {}
    for action in actions:
        for key in chosen.get(action.id, action.keys):
            for other in holders.get(key, ()):
                shared = action.scope & other.scope
                if shared and (action.id in chosen or other.id in chosen):
                    everywhere = shared == action.scope == other.scope
                    where = "" if everywhere else f" in {', '.join(sorted(shared))}"
                    yield _Clash(key, (other, action), where)
            holders.setdefault(key, []).append(action)
