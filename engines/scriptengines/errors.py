"""The errors of scriptconsole, for those who embed the engines. They are defined beside the layer that raises them first."""

from __future__ import annotations

from scriptnative.errors import (
    CallCycleError,
    CallError,
    CallTimeout,
    ConfigError,
    CrossingError,
    Interrupted,
    LoadError,
    RemoteFrame,
    ScriptBusy,
    ScriptClosed,
    ScriptConsoleError,
    UnknownFunction,
    UnknownScript,
    did_you_mean,
    format_error,
)

__all__ = [
    "CallCycleError",
    "CallError",
    "CallTimeout",
    "ConfigError",
    "CrossingError",
    "Interrupted",
    "LoadError",
    "RemoteFrame",
    "ScriptBusy",
    "ScriptClosed",
    "ScriptConsoleError",
    "UnknownFunction",
    "UnknownScript",
    "did_you_mean",
    "format_error",
]
