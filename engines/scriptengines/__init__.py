"""Engines that host Python, Lua and native scripts in one process; no user interface, no heavy import."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .script import Script
    from .session import Session

__all__ = ["Script", "Session"]


def __getattr__(name: str) -> Any:
    # Lazy, because the guest side inside a sub-interpreter needs neither.
    if name == "Session":
        from .session import Session

        return Session
    if name == "Script":
        from .script import Script

        return Script
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
