"""Named events: subscribing to them, emitting them, ruling on them."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any

from scriptengines import hooks
from scriptengines.inspection import describe_callable

from .registry import host_function

if TYPE_CHECKING:
    from collections.abc import Callable

    from scriptengines.host import Host


@host_function("hooks")
def on(host: Host, hook: str, callback: Callable[..., Any], priority: int = 0) -> int:
    """Call `callback(*args)` whenever any script emits `hook`; higher priorities first.

    Returns:
        A number for `off`.
    """
    return host.bridge["on"](hook, _startable(host, callback), priority, *_known(host, callback))


@host_function("hooks")
def once(host: Host, hook: str, callback: Callable[..., Any], priority: int = 0) -> int:
    """As `on`, for the next time only.

    Returns:
        A number for `off`.
    """
    return host.bridge["once"](hook, _startable(host, callback), priority, *_known(host, callback))


def _startable(host: Host, callback: Any) -> Callable[..., Any]:
    if not callable(callback):
        raise TypeError(f"the callback must be a function, got {type(callback).__name__}")
    return functools.partial(host.start, callback) if inspect.iscoroutinefunction(callback) else callback


def _known(host: Host, callback: Any) -> tuple[str, str]:
    """Name of a callback, and the line that subscribes it."""
    name, defined = describe_callable(callback)
    return name, host.caller() or defined


@host_function("hooks")
def off(host: Host, subscription: int) -> bool:
    """End a subscription; whether there was one."""
    return host.bridge["off"](subscription)


@host_function("hooks")
def emit(host: Host, hook: str, *args: Any) -> int:
    """Call all subscribers of `hook`; one that fails is reported and skipped.

    Returns:
        How many took it.
    """
    return host.bridge["emit"](hook, *args)


@host_function("hooks")
def consult(host: Host, hook: str, *args: Any) -> list[Any] | None:
    """As `emit`, and ask what the subscribers make of the arguments.

    Returns:
        The arguments as they are after all replacements; None when one of them vetoed.
    """
    return host.bridge["consult"](hook, *args)


@host_function("hooks")
def veto(host: Host, reason: str = "") -> tuple[Any, ...]:
    """What a callback of a hook returns to keep those after it from being called."""
    del host
    return hooks.veto(str(reason))


@host_function("hooks")
def replace(host: Host, *args: Any) -> tuple[Any, ...]:
    """What a callback of a hook returns to give those after it other arguments."""
    del host
    return hooks.replace(*args)
