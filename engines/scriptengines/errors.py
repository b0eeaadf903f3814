"""The errors of scriptconsole, for those who embed the engines; the layers below define them."""

from __future__ import annotations

from scriptnative.errors import (
    CallCycleError,
    CallError,
    CallTimeout,
    ComponentError,
    ConfigError,
    CrossingError,
    Interrupted,
    LoadError,
    RemoteFrame,
    ScriptBusy,
    ScriptClosed,
    ScriptConsoleError,
    ScriptCrashed,
    ScriptKilled,
    UnknownFunction,
    UnknownScript,
    did_you_mean,
    format_error,
)

__all__ = [
    "CallCycleError",
    "CallError",
    "CallTimeout",
    "ComponentError",
    "ConfigError",
    "CrossingError",
    "Interrupted",
    "LoadError",
    "RemoteFrame",
    "ScriptBusy",
    "ScriptClosed",
    "ScriptConsoleError",
    "ScriptCrashed",
    "ScriptKilled",
    "UnknownFunction",
    "UnknownScript",
    "did_you_mean",
    "format_error",
]
