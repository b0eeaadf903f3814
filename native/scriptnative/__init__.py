"""The fast-call layer: sub-interpreters, run locks, references, reports, native modules.

Everything that needs C lives here; what a script is and may do is the business of scriptengines.
"""

from __future__ import annotations

from ._native import (
    Cell,
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
    interpreter_id,
    interrupt_tenant,
    interrupt_thread,
    reference_into,
    set_loop,
    set_tenant_loop,
    settle,
    tenant,
    thread_frames,
)
from .errors import RemoteFrame

__all__ = [
    "Cell",
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
    "interpreter_id",
    "interrupt_tenant",
    "interrupt_thread",
    "reference_into",
    "set_loop",
    "set_tenant_loop",
    "settle",
    "tenant",
    "thread_frames",
]
