"""Running an awaitable on its script's loop while a caller on another thread waits for what comes of it.

That is how `async def` functions are called from outside, and how async generators are pulled from. The
caller gives the script's run lock up meanwhile: timers and other callers go on.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import linecache
import threading
from typing import TYPE_CHECKING, Any

from scriptnative import Latch
from scriptnative.errors import CallCycleError, Interrupted, RemoteFrame, ScriptInterrupt

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from scriptnative import RunLock

    from .loop import ScriptLoop


REST_LIMIT = 0.03
"""Seconds in which a script comes to rest that nothing holds up; a busy machine needs some."""


def stop_waiting(lock: RunLock) -> bool:
    """End the calls that wait for what `async def` functions will give, unless something holds those up.

    Args:
        lock: Run lock of the script.

    Returns:
        Whether there were any, and they end.
    """
    try:
        if not lock.waits() or not lock.acquire(REST_LIMIT, entering=False):
            return False
    except CallCycleError:  # what holds it up waits for the caller
        return False
    lock.release()
    return lock.stop_waiting(0) > 0


def run_to_end(loop: ScriptLoop, awaitable: Awaitable[Any]) -> Any:
    """The result of an awaitable.

    Args:
        loop: Of the script it is from; the caller holds its run lock.
        awaitable: A coroutine, or a future of that loop.

    Raises:
        CallCycleError: The caller is the loop's own thread, or that thread waits for the caller.
        Interrupted: The script was reloaded or unloaded before it ended.
        ScriptInterrupt: The call was interrupted or took too long; it was cancelled.
    """
    if threading.get_ident() == loop.thread_id:
        name = getattr(awaitable, "__qualname__", type(awaitable).__name__)
        if inspect.iscoroutine(awaitable):
            awaitable.close()
        raise CallCycleError(
            f"{name}() would wait for ever: it was called from the very loop that has to run it; "
            "await it there, or start it with asyncio.create_task"
        )
    if loop.finished:
        raise Interrupted("the script was reloaded: the loop that this belongs to has ended")
    future = asyncio.ensure_future(awaitable, loop=loop)
    if not future.done():
        _wait(loop, future)
    if future.cancelled() and loop.stopping:
        raise Interrupted("the script was reloaded or unloaded before the call had ended")
    return future.result()


def _wait(loop: ScriptLoop, future: asyncio.Future[Any]) -> None:
    latch = Latch()
    future.add_done_callback(lambda _: latch.set())
    loop.latches.add(latch)
    try:
        loop.run_lock.wait_for(latch, loop.thread_id)
    except ScriptInterrupt as error:
        error.frames = _frames(future)  # pyright: ignore[reportAttributeAccessIssue]
        future.cancel()
        raise
    except BaseException:
        future.cancel()
        raise
    finally:
        loop.latches.discard(latch)
    if not future.done():  # its loop has ended and left it behind
        raise Interrupted("the script was reloaded or unloaded before the call had ended")


def _frames(future: asyncio.Future[Any]) -> list[RemoteFrame]:
    """Where a task waits, outermost first."""
    if not isinstance(future, asyncio.Task):
        return []
    frames: list[RemoteFrame] = []
    step: Any = future.get_coro()
    while step is not None:
        frame = getattr(step, "cr_frame", None)
        if frame is None:
            break
        file, line = frame.f_code.co_filename, frame.f_lineno or 0
        source = linecache.getline(file, line).strip()
        frames.append(RemoteFrame(file, line, frame.f_code.co_name, source))
        step = step.cr_await
    return frames


def waited_for[**P](loop: ScriptLoop, function: Callable[P, Any]) -> Callable[P, Any]:
    """`function` itself, or for an `async def` one that gives the result instead of a coroutine."""
    if not inspect.iscoroutinefunction(function):
        return function

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> Any:
        return run_to_end(loop, function(*args, **kwargs))

    return call
