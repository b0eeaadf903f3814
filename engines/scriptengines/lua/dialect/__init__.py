"""The names that scripts for other Lua hosts use: timers, json, net, mqtt, `_PY`, and modules to require.

Each part is a Lua file here, read when a script first uses it, and where Lua is not enough a Python module
beside it. What the network does is the host API's; here is only how the dialect calls it.
"""

from __future__ import annotations

import importlib
import inspect
import os
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Protocol

from scriptnative.errors import Interrupted

if TYPE_CHECKING:
    from collections.abc import Callable

    from scriptengines.host import Host

BACKENDS = frozenset({"jsontext", "timers", "files", "system", "sockets", "webcalls", "folders"})
"""Modules of this package whose functions the Lua files may call; each takes the Dialect first."""


@cache
def text_of(name: str) -> bytes:
    """A Lua file of the dialect."""
    with open(os.path.join(os.path.dirname(__file__), name + ".lua"), "rb") as file:
        return file.read()


class Kept(Protocol):
    """What a backend keeps for a script."""

    def close(self) -> None:
        """Give back what it has of the system."""


class Dialect:
    """What the Lua files of one state ask of Python.

    Args:
        host: Of the script.

    Attributes:
        stopped: Why the running call was interrupted, or None; what blocks looks at it.
        kept: What a backend keeps for this script until `close`, by its own name.
    """

    def __init__(self, host: Host) -> None:
        self.host = host
        self.stopped: Callable[[], str | None] = lambda: None
        self.kept: dict[str, Kept] = {}

    def find(self, name: str) -> tuple[Callable[..., Any], bool]:
        """A function of a backend, as "module.function", and whether it waits."""
        module, _, function = name.partition(".")
        if module not in BACKENDS or function.startswith("_"):
            raise AttributeError(f"the dialect has no function {name}")
        found = getattr(importlib.import_module(f"{__name__}.{module}"), function)
        if inspect.iscoroutinefunction(found):
            return partial(self._begin, name, found), True
        return partial(found, self), False

    def _begin(self, name: str, function: Callable[..., Any], *args: Any) -> Any:
        *rest, callback = args
        return self.host.begin(name, function(self, *rest), callback)

    def close(self) -> None:
        """The script has ended."""
        for kept in self.kept.values():
            kept.close()

    def check_running(self) -> None:
        """For what blocks: raise when the script is to stop.

        Raises:
            Interrupted: It is.
        """
        reason = self.stopped()
        if reason is not None:
            raise Interrupted(reason)
