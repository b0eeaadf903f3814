"""The fast-call layer: sub-interpreters, run locks, references, reports, native modules.

Everything that needs C lives here; what a script is and may do is the business of scriptengines.
"""

from __future__ import annotations

from ._native import Cell, Feed, Function, Interpreter, Reference, RunLock
from .errors import RemoteFrame

__all__ = ["Cell", "Feed", "Function", "Interpreter", "Reference", "RemoteFrame", "RunLock"]
