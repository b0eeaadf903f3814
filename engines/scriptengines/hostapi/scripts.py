"""What a script may ask of other scripts, and of its own configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .registry import host_function

if TYPE_CHECKING:
    from scriptengines.host import Host


@host_function("scripts")
def call(host: Host, alias: str, function: str, /, *args: Any, **kwargs: Any) -> Any:
    """Call a function of another script and return its result."""
    return host.bridge["call"](alias, function, *args, **kwargs)


@host_function("scripts")
def config(host: Host, name: str | None = None, default: Any = None) -> Any:
    """What the option `config` of the script holds.

    Args:
        name: Of a setting; without it, the whole table.
        default: For a setting that is not there.
    """
    settings = host.bridge["config"]()
    return settings if name is None else settings.get(name, default)
