"""The fast-call layer: sub-interpreters, run locks, references, reports, native modules.

Everything that needs C lives here; what a script is and may do is the business of scriptengines.
"""

from __future__ import annotations

from ._native import (
    Cell,
    Feed,
    Function,
    Interpreter,
    LuaCallable,
    LuaCrossing,
    LuaGuard,
    LuaReference,
    NativeFunction,
    NativeLibrary,
    Reference,
    RunLock,
    bind,
    bind_native,
    call_unlocked,
    interpreter_id,
    set_loop,
)
from .errors import RemoteFrame

__all__ = [
    "Cell",
    "Feed",
    "Function",
    "Interpreter",
    "LuaCallable",
    "LuaCrossing",
    "LuaGuard",
    "LuaReference",
    "NativeFunction",
    "NativeLibrary",
    "Reference",
    "RemoteFrame",
    "RunLock",
    "bind",
    "bind_native",
    "call_unlocked",
    "interpreter_id",
    "set_loop",
]
