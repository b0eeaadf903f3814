"""The fast-call layer: sub-interpreters, run locks, references, reports, native modules.

Everything that needs C lives here; what a script is and may do is the business of scriptengines.
"""

from __future__ import annotations

from ._native import (
    Cell,
    Emitter,
    Feed,
    Function,
    Interpreter,
    LuaGuard,
    NativeFunction,
    NativeLibrary,
    Reference,
    RunLock,
    bind,
    bind_lua,
    bind_native,
    call_unlocked,
    emitter,
    interpreter_id,
    interrupt_tenant,
    reference_into,
    set_loop,
    set_tenant_loop,
    settle,
    tenant,
)
from .errors import RemoteFrame

__all__ = [
    "Cell",
    "Emitter",
    "Feed",
    "Function",
    "Interpreter",
    "LuaGuard",
    "NativeFunction",
    "NativeLibrary",
    "Reference",
    "RemoteFrame",
    "RunLock",
    "bind",
    "bind_lua",
    "bind_native",
    "call_unlocked",
    "emitter",
    "interpreter_id",
    "interrupt_tenant",
    "reference_into",
    "set_loop",
    "set_tenant_loop",
    "settle",
    "tenant",
]
