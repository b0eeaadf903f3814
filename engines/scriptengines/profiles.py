"""Profiles: functions of a script that count as subscribers of hooks because of their names.

A script asks for one with the option `profile`; see PROFILES. What a driver is, is in drivers.py.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from .hooks import replace, veto

if TYPE_CHECKING:
    from collections.abc import Callable

    from .attempt import Attempt
    from .hooks import Hooks
    from .script import Script

_NAME = re.compile(r"[oO]n(?:_(?P<snake>[a-z0-9_]+)|(?P<camel>[A-Z][A-Za-z0-9]*))")
_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


class Profile(NamedTuple):
    """What names and results mean.

    Attributes:
        doc: One sentence.
        judge: Makes a ruling of the result of a callback and its arguments; None to take results as they are.
    """

    doc: str
    judge: Callable[[Any, tuple[Any, ...]], Any] | None = None


def hook_of(name: str) -> str:
    """The hook that a function of this name subscribes to, `onTimer` to "timer"; "" for none."""
    matched = _NAME.fullmatch(name)
    if matched is None:
        return ""
    return matched["snake"] or "_".join(_WORD.split(matched["camel"])).lower()


def _judge_as_hub(result: Any, args: tuple[Any, ...]) -> Any:
    if result is None or result is True or result == 1:
        return None
    if result is False or result == 0:
        return veto()
    if isinstance(result, str):
        return replace(*args[:-1], result)
    return replace(*result) if isinstance(result, (tuple, list)) else None


PROFILES = {
    "": Profile("Functions subscribe by `host.on` only."),
    "hooks": Profile("A function named on_x, onX or OnX subscribes to the hook x."),
    "hub": Profile(
        "The same; 0 or false vetoes, a text replaces the last argument, a tuple or list all of them.",
        _judge_as_hub,
    ),
    "driver": Profile("The script is an action driver."),
}


def apply(script: Script, attempt: Attempt, hooks: Hooks, name: str) -> None:
    """Subscribe the functions of a generation that has just been loaded."""
    if name == "driver":
        from .drivers import Driver

        script.driver = script.driver or Driver(script)
        script.driver.begin(attempt, hooks)
        return
    judge = PROFILES[name].judge
    for info in script.functions():
        hook = hook_of(info.name)
        if hook:
            handle: Callable[..., Any] = script.function(info.name)
            callback = handle if judge is None else partial(_judged, judge, handle)
            source = f"{script.path.name}:{info.line}" if info.line else script.path.name
            hooks.subscribe(hook, callback, 0, attempt, name=info.name, source=source, is_handle=True)


def _judged(judge: Callable[[Any, tuple[Any, ...]], Any], handle: Callable[..., Any], *args: Any) -> Any:
    return judge(handle(*args), args)
