"""Which Lua a script runs on: the runtimes that lupa brings, and the options a Lua script has."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from scriptengines.errors import ConfigError, LoadError
from scriptengines.options import Option

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT = "5.4"
MODULES = {
    "5.1": "lua51",
    "5.2": "lua52",
    "5.3": "lua53",
    "5.4": "lua54",
    "5.5": "lua55",
    "luajit2.0": "luajit20",
    "luajit2.1": "luajit21",
}
"""Name of a runtime -> its module in lupa."""

UNBOUNDED = frozenset({"luajit2.0"})
"""Runtimes that crash when an allocation fails: a segmentation fault under _Unwind_RaiseException."""

OPTIONS: Mapping[str, Option] = {
    "lua": Option("choice", DEFAULT, "Which Lua runs the script.", tuple(MODULES)),
    "memory": Option("size", 0, "How much memory its Lua state may have; 0 for no limit."),
    "python": Option("flag", False, "Whether the script gets lupa's python module, and with it everything."),
    "dialect": Option("flag", True, "Whether it gets setTimeout, json, net, mqtt, _PY and their modules."),
    "jit": Option("flag", False, "Whether LuaJIT compiles; what is compiled cannot be interrupted."),
}


def check(options: Mapping[str, Any], path: str) -> None:
    """Refuse options that cannot be had, for a script at that path.

    Raises:
        LoadError: The runtime is not installed.
        ConfigError: Two options exclude each other.
    """
    module_of(options.get("lua", DEFAULT), path)
    reason = ""
    if options.get("memory") and options.get("lua") in UNBOUNDED:
        reason = (
            f"{options['lua']} may crash when memory is refused to it; use another Lua, or no memory limit"
        )
    elif options.get("memory") and options.get("python"):
        reason = "python and memory exclude each other: lupa ends the process when memory is refused to it"
    if reason:
        raise ConfigError(f"{path}: {reason}", file=path)


def installed() -> list[str]:
    """Names of the runtimes that can be had here."""
    from importlib.util import find_spec

    try:
        return [name for name, module in MODULES.items() if find_spec(f"lupa.{module}") is not None]
    except (ImportError, ValueError):  # no lupa, or one that is blocked
        return []


def module_of(name: str, path: str) -> Any:
    """The module of lupa with that runtime.

    Args:
        name: One of MODULES.
        path: Of the script, for the message.

    Raises:
        LoadError: It is not installed; the message tells what is.
    """
    try:
        return importlib.import_module(f"lupa.{MODULES[name]}")
    except ImportError:
        pass
    known = installed()
    if not known:
        reason = "Lua scripts need the package lupa, which is not installed or has no build for this Python"
    else:
        reason = f"Lua {name} is not installed; there is {', '.join(known)}"
    raise LoadError(f"{path}: {reason}", file=path)
