"""Host functions of a test's own for a bare LuaState."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from scriptengines.lua.state import LuaState


def offer(state: LuaState, functions: Mapping[str, Callable[..., Any]]) -> None:
    """Let a state find these as `host.*`."""

    def find(name: str) -> Callable[..., Any]:
        if name not in functions:
            raise AttributeError(name)
        return functions[name]

    state.bind(find, lambda name: False, lambda: list(functions))
