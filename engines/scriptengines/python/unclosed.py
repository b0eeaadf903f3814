"""Hears of sockets and streams that a script drops without closing them: Python's ResourceWarnings.

Python makes them and throws them away; here they are kept for display, and still not printed unless the
script has asked for them.
"""

from __future__ import annotations

import asyncio
import socket
import warnings
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Callable

_IGNORED = ("ignore", None, ResourceWarning, None, 0)
_HEARD = ("always", None, ResourceWarning, None, 0)


def listen(tell: Callable[[Any], None], give: Callable[[str, str, Any], None]) -> None:
    """Tell of what is dropped from now on, in this interpreter.

    Args:
        tell: Called with the warnings.WarningMessage.
        give: Called with module, name and function: what takes its place until the script leaves.
    """
    filters = cast("list[Any]", warnings.filters)
    show = vars(warnings).get("_showwarnmsg")
    if show is None:  # a Python that goes another way
        return
    if _IGNORED in filters:
        filters[filters.index(_IGNORED)] = _HEARD
        warnings.simplefilter(
            "ignore", ResourceWarning, append=True
        )  # only so that it looks at the list again

    def hear(message: Any) -> None:
        if issubclass(message.category, ResourceWarning):
            tell(message)
            if _is_quiet(filters):
                return
        show(message)

    give("warnings", "_showwarnmsg", hear)


def _is_quiet(filters: list[Any]) -> bool:
    """Whether it is our own filter that lets them through."""
    return next((each for each in filters if issubclass(ResourceWarning, each[2])), None) == _HEARD


def describe(message: Any) -> str:
    """What it is about, for a text; "" for what is no connection, e.g. a file."""
    resource = message.source
    if isinstance(resource, socket.socket):
        try:
            peer = cast("tuple[Any, ...]", resource.getpeername())
        except OSError:
            return "a socket"
        return f"a socket to {peer[0]}:{peer[1]}" if len(peer) > 1 else "a socket"
    if str(message.message).startswith("unclosed <StreamWriter"):
        return "a stream"
    return "a transport" if isinstance(resource, asyncio.BaseTransport) else ""
