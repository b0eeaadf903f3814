"""Host: what the host functions of one generation of a script share: loop, timers, the way to the session.

The functions themselves are in `hostapi` and `network`; see hostapi/registry.py for how they reach a script.
Timers and sockets live on the script's own loop; calls, hooks and the session's state go over the bridge,
which is the session itself or references to it.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import threading
import time
from functools import partial
from types import MethodType
from typing import TYPE_CHECKING, Any

from .inspection import describe_callable

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from .confinement import Confinement
    from .hostapi.registry import HostFunction
    from .hostapi.timers import Timer
    from .loop import ScriptLoop
    from .reports import Reporter

_OURS = os.path.dirname(os.path.abspath(__file__)) + os.sep
_STDLIB = os.path.dirname(os.path.abspath(threading.__file__)) + os.sep


class HostObject:
    """What a host function gives to a script, such as a connection.

    Its public attributes and methods are the script's in every language; a method that is `async def` waits,
    as a host function does.

    Args:
        host: Of the script.
    """

    def __init__(self, host: Host) -> None:
        self._host = host

    def begin(self, name: str, *args: Any) -> Operation:
        """Start a method that waits; the last argument is called with (error or None, result)."""
        *rest, callback = args
        return self._host.begin(name, getattr(self, name)(*rest), callback)


class Operation(HostObject):
    """A host function that waits, started with a callback.

    Args:
        host: Of the script.
        task: What does it.
    """

    def __init__(self, host: Host, task: asyncio.Task[Any]) -> None:
        super().__init__(host)
        self._task = task

    @property
    def done(self) -> bool:
        """Whether it has ended."""
        return self._task.done()

    def cancel(self) -> bool:
        """End it without calling back; whether it was still going on."""
        return self._task.cancel()


class Host:
    """The host API of one generation of a script.

    Args:
        loop: The script's loop.
        reporter: Takes log lines and errors of callbacks.
        bridge: The session's side: "call", "on", "off", "emit", "consult".
        state: What survives a reload.
        in_python: Whether the script is Python, so that the Python stack tells which line of it asks.

    Attributes:
        timers: Its pending timers, by their numbers.
        locate: Tells "file:line" of the script line that asks, in engines that know it.
        options: What is set for the script; see options.py.
        limits: What it may have of the network; see network/limits.py.
        confinement: Which files it may use; see confinement.py.
    """

    def __init__(
        self,
        loop: ScriptLoop,
        reporter: Reporter,
        bridge: Mapping[str, Callable[..., Any]],
        state: dict[Any, Any],
        *,
        in_python: bool,
    ) -> None:
        self.in_python = in_python
        self.loop = loop
        self.reporter = reporter
        self.bridge = bridge
        self.state = state
        self.timers: dict[int, Timer] = {}
        self.locate: Callable[[], str] | None = None
        self.options: Mapping[str, Any] = {}
        self.limits: Any = None
        self.confinement: Confinement | None = None
        self._offered: dict[str, Callable[..., Any]] = {}

    # ---- functions ----------------------------------------------------------------------------

    def offer(self, name: str) -> Callable[..., Any]:
        """A host function as the script calls it.

        One that waits takes a callback as its last argument (in Python: by keyword) and calls it with
        (error or None, result); without one, a Python script gets a coroutine to await.

        Raises:
            AttributeError: There is none of that name.
        """
        offered = self._offered.get(name)
        if offered is None:
            found = self._find(name)
            offered = partial(self._operate, found) if found.waits else MethodType(found.function, self)
            self._offered[name] = offered
        return offered

    def waits(self, name: str) -> bool:
        """Whether a host function waits; see HostFunction."""
        return self._find(name).waits

    @staticmethod
    def _find(name: str) -> HostFunction:
        from .hostapi.registry import find

        return find(name)

    def _operate(self, found: HostFunction, *args: Any, callback: Any = None, **named: Any) -> Any:
        if callback is None and not self.in_python:
            if not (args and callable(args[-1])):
                raise TypeError(
                    f"{found.name} waits: give a function as its last argument, to be called then"
                )
            *rest, callback = args
            args = tuple(rest)
        coroutine: Coroutine[Any, Any, Any] = found.function(self, *args, **named)
        if callback is None:
            return coroutine
        return self.begin(found.name, coroutine, callback)

    def begin(self, name: str, coroutine: Coroutine[Any, Any, Any], callback: Any) -> Operation:
        """Run what waits as a task, and call `callback(error or None, result)` when it has ended."""
        task = self.loop.create_task(self._finish(name, coroutine, callback), name=name)
        task.add_done_callback(
            lambda _: coroutine.close()
        )  # cancelled before its first step, it has not begun
        return Operation(self, task)

    async def _finish(self, name: str, coroutine: Coroutine[Any, Any, Any], callback: Any) -> None:
        try:
            result = await coroutine
        except Exception as error:  # noqa: BLE001 - the script's to handle
            self.run(f"callback of {name}", callback, (self.told(error), None))
        else:
            self.run(f"callback of {name}", callback, (None, result))

    def told(self, error: BaseException) -> Any:
        """What a callback gets of an error: in Python the exception, elsewhere its text."""
        return error if self.in_python else str(error) or type(error).__name__

    def caller(self) -> str:
        """ "file:line" of the script line that asked the host; "" when nobody knows."""
        if self.in_python:
            return _python_caller()
        return "" if self.locate is None else self.locate()

    # ---- callbacks ----------------------------------------------------------------------------

    def run(self, where: str, callback: Any, args: tuple[Any, ...]) -> asyncio.Task[Any] | None:
        """Run a callback of the script; an error is reported and stays here.

        Returns:
            The task of one that is `async def`.
        """
        try:
            result = callback(*args)
            if result is not None and inspect.iscoroutine(result):
                return self.follow(result)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001 - whatever a script raises ends here, in the report
            self.loop.interrupt_has_arrived(error)
            self.reporter.error(where, error)
        return None

    def start(self, callback: Callable[..., Any], *args: Any) -> None:
        """Start an `async def` function of the script as a task."""
        self.follow(callback(*args))

    def follow(self, coroutine: Any) -> asyncio.Task[Any]:
        """Run a coroutine of the script as a task; an error is reported."""
        task = self.loop.create_task(coroutine)
        task.add_done_callback(self._report_task)
        return task

    def _report_task(self, task: asyncio.Task[Any]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self.reporter.error("async callback", error)

    def clear_timer(self, timer_id: int) -> bool:
        """Cancel a timer of the script; whether it was pending."""
        timer = self.timers.pop(timer_id, None)
        if timer is None:
            return False
        timer.handle.cancel()
        # The last timer gone may end the run: let the loop look.
        self.loop.call_soon(_nothing)
        return True

    def timer_rows(self, limit: int) -> list[tuple[int, str, float, float, int, str, str]]:
        """All pending timers, soonest first, as ScriptLoop.asyncio_timers gives them."""
        offset = time.time() - self.loop.time()
        own = sorted(list(self.timers.values()), key=lambda timer: timer.due)[:limit]
        rows = [
            (timer.id, timer.kind, float(timer.interval), timer.due + offset, timer.count, *_describe(timer))
            for timer in own
        ]
        return sorted(rows + self.loop.asyncio_timers(limit), key=lambda row: row[3])[:limit]

    def cancel_timer(self, timer_id: int) -> bool:
        """Cancel any timer of the list, the script's or asyncio's."""
        return self.clear_timer(timer_id) or self.loop.cancel_asyncio_timer(timer_id)


def _nothing() -> None:
    pass


def _describe(timer: Timer) -> tuple[str, str]:
    name, source = describe_callable(timer.callback)
    return name, timer.source or source


def _python_caller() -> str:
    frame = inspect.currentframe()
    while frame is not None and frame.f_code.co_filename.startswith(_OURS):
        frame = frame.f_back
    if frame is None or frame.f_code.co_filename.startswith(("<", _STDLIB)):
        return ""
    return f"{frame.f_code.co_filename.rpartition('/')[2]}:{frame.f_lineno}"
