"""What can be told of sockets, timers and callables from outside, without the script's help."""

from __future__ import annotations

import asyncio
import functools
import socket
import struct
import sys
from asyncio import selector_events
from asyncio.sslproto import SSLProtocol
from types import CodeType
from typing import Any, cast

from scriptnative import LuaReference, Timer

# By name, because typeshed hides it; it is the one transport that can be paused.
_SocketTransport = vars(selector_events)["_SelectorSocketTransport"]
_NETWORK = __name__.rpartition(".")[0] + ".network."
_TCP_INFO = getattr(socket, "TCP_INFO", None)


def is_paused(transport: Any) -> bool:
    """Whether a transport has stopped reading."""
    return isinstance(transport, _SocketTransport) and not transport.is_reading()


def is_asyncio(callback: Any) -> bool:
    """Whether a callback is a step of asyncio's own, of a task for example."""
    owner = getattr(callback, "__self__", None)
    return isinstance(owner, asyncio.Task) or str(getattr(callback, "__module__", "")).startswith("asyncio.")


def tasks_of(loop: asyncio.AbstractEventLoop) -> set[asyncio.Task[Any]]:
    """The tasks of a loop that have not ended, whichever thread has made them.

    From CPython 3.14 on, asyncio keeps them by the threads that make them, and looks only at those of the
    asking thread where the loop counts as running there; as it does in every thread that calls the script.
    """
    here = asyncio._get_running_loop() if sys.version_info >= (3, 14) else None
    if here is None:
        return asyncio.all_tasks(loop)
    try:
        asyncio._set_running_loop(None)
        return asyncio.all_tasks(loop)
    finally:
        asyncio._set_running_loop(here)


def same_host(wanted: Any, bound: str) -> bool:
    """Whether a listener bound to one address serves what another asks to bind."""
    if wanted in (None, "", "0.0.0.0", "::"):
        return bound in ("0.0.0.0", "::")
    return wanted == bound or (wanted == "localhost" and bound in ("127.0.0.1", "::1"))


def protocol_of(sock: socket.socket) -> str:
    """ "tcp", "udp" or "unix"."""
    if sock.family == getattr(socket, "AF_UNIX", None):
        return "unix"
    return "udp" if sock.type == socket.SOCK_DGRAM else "tcp"


def protocol_over(transport: Any) -> Any:
    """The protocol that a transport serves; with TLS, the one that gets the plain text."""
    protocol = transport.get_protocol()
    return getattr(protocol, "_app_protocol", None) if isinstance(protocol, SSLProtocol) else protocol


def application_of(protocol: Any) -> str:
    """What a protocol of the host's speaks: "http", "websocket", "mqtt"; "" for any other."""
    kind = cast("type[Any]", type(protocol))
    return str(vars(kind).get("_application", "")) if kind.__module__.startswith(_NETWORK) else ""


def address_of(sock: socket.socket, end: str) -> str:
    """Text of the "local" or the "peer" address; "" when there is none."""
    try:
        found = sock.getsockname() if end == "local" else sock.getpeername()
    except OSError:  # not connected yet, or no longer
        return ""
    name = cast("tuple[Any, ...] | bytes | str", found)
    if isinstance(name, tuple):
        return f"[{name[0]}]:{name[1]}" if ":" in str(name[0]) else f"{name[0]}:{name[1]}"
    return name.decode(errors="replace") if isinstance(name, bytes) else str(name)


def byte_counts(sock: socket.socket) -> tuple[int, int]:
    """Bytes received and sent, as the kernel counts them (linux/tcp.h, struct tcp_info, since Linux 4.19)."""
    if _TCP_INFO is None or protocol_of(sock) != "tcp":
        return 0, 0
    try:
        raw = sock.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, 232)
    except OSError:
        return 0, 0
    received = struct.unpack_from("Q", raw, 128)[0] if len(raw) >= 136 else 0
    sent = struct.unpack_from("Q", raw, 200)[0] if len(raw) >= 208 else 0
    return received, sent


def is_listening(sock: socket.socket) -> bool:
    """Whether it accepts connections."""
    try:
        return bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
    except (AttributeError, OSError):
        return False


def is_closed_by_peer(sock: socket.socket) -> bool:
    """Whether the peer has closed and this end has not: the state CLOSE_WAIT (linux/tcp.h)."""
    if _TCP_INFO is None or sock.type != socket.SOCK_STREAM or sock.family == socket.AF_UNIX:
        return False
    try:
        return sock.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, 1)[0] == 8
    except OSError:
        return False


def task_of(handle: Any) -> asyncio.Task[Any] | None:
    """The task that sleeps on a timer, or None."""
    future = next((arg for arg in handle._args or () if asyncio.isfuture(arg)), None)
    for callback, _ in getattr(future, "_callbacks", None) or ():
        owner = getattr(callback, "__self__", None)
        if isinstance(owner, asyncio.Task):
            return cast("asyncio.Task[Any]", owner)
    return None


def waits_at(task: asyncio.Task[Any]) -> tuple[str, str]:
    """Name of a task's coroutine, and "file:line" of the script's innermost line that waits in it."""
    from .host import is_script

    step: Any = task.get_coro()
    name = getattr(step, "__qualname__", "") or type(step).__name__
    place = ""
    for _ in range(100):
        frame = getattr(step, "cr_frame", None) or getattr(step, "ag_frame", None)
        if frame is None:
            frame = getattr(step, "gi_frame", None)
        if frame is None:
            break
        file = frame.f_code.co_filename
        if is_script(file) or not place:
            place = f"{_base(file)}:{frame.f_lineno}"
        step = getattr(step, "cr_await", None) or getattr(step, "gi_yieldfrom", None)
    return str(name), place


def name_of(handle: Any) -> tuple[str, str]:
    """Name and "file:line" of what a timer of asyncio will do."""
    task = task_of(handle)
    if task is not None:
        return waits_at(task)
    return describe_callable(handle._callback)


def step_of(handle: Any) -> tuple[str, str] | None:
    """Name of the script's function that a loop runs now, and why; None for a step of asyncio or of ours."""
    from .host import is_script

    if isinstance(handle, Timer):
        return describe_callable(handle.callback)[0], str(handle.label or "timer").removesuffix(" callback")
    callback = handle._callback
    owner = getattr(callback, "__self__", None)
    if isinstance(owner, asyncio.Task):
        step: Any = cast("asyncio.Task[Any]", owner).get_coro()
        code = getattr(step, "cr_code", None) or getattr(step, "gi_code", None)
        return (step.__qualname__, "task") if code is not None and is_script(code.co_filename) else None
    code = getattr(getattr(callback, "func", callback), "__code__", None)
    return (
        (describe_callable(callback)[0], "loop") if code is not None and is_script(code.co_filename) else None
    )


def describe_callable(callback: Any) -> tuple[str, str]:
    """Name and "file:line" of a callable, as far as they are known."""
    if isinstance(callback, LuaReference):
        return callback.describe()
    function = callback.func if isinstance(callback, functools.partial) else callback
    try:  # a NativeFunction has a name; a callable object has that of its type
        name = getattr(function, "__qualname__", None) or getattr(function, "name", None)
        code = getattr(function, "__code__", None)
    except Exception:  # noqa: BLE001 - a callable of the script's with ideas of its own about its attributes
        name = code = None
    name = name if type(name) is str else type(function).__name__
    return name, f"{_base(code.co_filename)}:{code.co_firstlineno}" if isinstance(code, CodeType) else ""


def _base(path: str) -> str:
    return path.rpartition("/")[2]
