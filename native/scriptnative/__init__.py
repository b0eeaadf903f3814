"""The fast-call layer: sub-interpreters, run locks, references, reports, native modules.

Everything that needs C lives here; what a script is and may do is the business of scriptengines.
"""

from __future__ import annotations

from ._native import (
    BufferReference,
    CallableReference,
    Cell,
    Feed,
    Function,
    Interpreter,
    IteratorReference,
    Latch,
    LuaGuard,
    NativeFunction,
    NativeLibrary,
    Reference,
    RunLock,
    bind,
    bind_lua,
    bind_native,
    call_as_is,
    call_unlocked,
    drain,
    interpreter_id,
    set_awaiter,
    set_loop,
)
from .errors import RemoteFrame

__all__ = [
    "BufferReference",
    "CallableReference",
    "Cell",
    "Feed",
    "Function",
    "Interpreter",
    "IteratorReference",
    "Latch",
    "LuaGuard",
    "NativeFunction",
    "NativeLibrary",
    "Reference",
    "RemoteFrame",
    "RunLock",
    "bind",
    "bind_lua",
    "bind_native",
    "call_as_is",
    "call_unlocked",
    "drain",
    "interpreter_id",
    "set_awaiter",
    "set_loop",
]
