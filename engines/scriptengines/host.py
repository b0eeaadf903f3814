"""Host: what the host functions of one generation of a script share: loop, timers, the way to the session.

The functions themselves are in `hostapi` and `network`; see hostapi/registry.py for how they reach a script.
Timers and sockets live on the script's own loop; calls, hooks and the session's state go over the bridge,
which is the session itself or references to it.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import sys
import threading
from functools import partial
from types import MethodType
from typing import TYPE_CHECKING, Any

from .inspection import describe_callable, step_of

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from scriptnative import Timer

    from .confinement import Confinement
    from .hostapi.registry import HostFunction
    from .loop import ScriptLoop
    from .observation import Observation
    from .reports import Reporter
    from .sockets import OwnSockets

_OURS = os.path.dirname(os.path.abspath(__file__)) + os.sep
_STDLIB = os.path.dirname(os.path.abspath(threading.__file__)) + os.sep
_getframe = vars(sys)["_getframe"]  # inspect.currentframe is one more call
_NOT_SCRIPTS = (_OURS, _STDLIB, "<")


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


class Asking:
    """A function of a script whose result somebody waits for; it may be `async def`, or yield in Lua.

    Args:
        host: Of the script.
        function: The script's.
    """

    def __init__(self, host: Host, function: Callable[..., Any]) -> None:
        self._host = host
        self._function = function
        self._completing = None if host.completing is None else host.completing(function)

    def begin(self, where: str, args: tuple[Any, ...], done: Callable[[bool, Any], None]) -> None:
        """Call it; `done(whether it went well, its result)` is called once, now or later, unless it never
        ends.

        An error is reported.

        Args:
            where: What it is, for the report.
            args: Passed on.
            done: As said.
        """
        host = self._host
        try:
            if self._completing is not None:
                self._call(where, self._completing, (_once(done), *args))
                return
            result = self._call(where, self._function, args)
        except (SystemExit, KeyboardInterrupt):
            done(False, None)
            raise
        except BaseException as error:  # noqa: BLE001 - whatever a script raises ends here, in the report
            host.loop.interrupt_has_arrived(error)
            host.reporter.error(where, error)
            done(False, None)
            return
        if inspect.iscoroutine(result):
            host.loop.create_task(self._finish(where, result, done))
        else:
            done(True, result)

    def _call(self, where: str, function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        host = self._host
        if not host.reporter.calls.on:
            return function(*args)
        name = describe_callable(self._function)[0]
        where = where.removesuffix(" callback")
        shown = args if function is self._function else args[1:]
        return host.reporter.calls.run(host.reporter.script, name, where, lambda *_: function(*args), shown)

    async def _finish(self, where: str, coroutine: Any, done: Callable[[bool, Any], None]) -> None:
        try:
            result = await coroutine
        except asyncio.CancelledError:
            done(False, None)
            raise
        except Exception as error:  # noqa: BLE001 - as above
            self._host.reporter.error(where, error)
            done(False, None)
        else:
            done(True, result)

    async def wait(self, where: str, args: tuple[Any, ...]) -> tuple[bool, Any]:
        """Call it, and wait until it has ended.

        Returns:
            Whether it went well, and its result.
        """
        ended: list[tuple[bool, Any]] = []
        waiter: asyncio.Future[None] | None = None

        def done(well: bool, result: Any) -> None:
            ended.append((well, result))
            if waiter is not None and not waiter.done():
                waiter.set_result(None)

        self.begin(where, args, done)
        if not ended:
            waiter = self._host.loop.create_future()
            await waiter
        return ended[0]


def _once(done: Callable[[bool, Any], None]) -> Callable[..., None]:
    """What a Lua function calls in the end, with its results; several are a tuple."""

    def complete(well: bool, *results: Any) -> None:
        done(well, results[0] if len(results) == 1 else results or None)

    return complete


class Host:
    """The host API of one generation of a script.

    Args:
        loop: The script's loop.
        reporter: Takes log lines and errors of callbacks.
        bridge: The session's side: "call", "on", "off", "emit", "consult".
        state: What survives a reload.
        in_python: Whether the script is Python, so that the Python stack tells which line of it asks.

    Attributes:
        locate: Tells "file:line" of the script line that asks, in engines that know it.
        sockets: Those it opens past its loop; Python scripts only.
        options: What is set for the script; see options.py.
        limits: What it may have of the network; see network/limits.py.
        completing: Makes of a function of the script one that takes a callback first, and calls it with
            (whether it went well, results…) when it has ended; for engines whose functions may end later
            than they return.
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
        self.locate: Callable[[], str] | None = None
        loop.settle_timer, loop.timer_failed = self._settle_timer, self._timer_failed
        loop.schedule.keeps_context = in_python
        loop.schedule.record_into(reporter.calls, reporter.script, step_of)
        loop.locate = self.place
        self.sockets: OwnSockets | None = None
        loop.note_held, loop.note_report = self._held, self._reported
        self.options: Mapping[str, Any] = {}
        self.limits: Any = None
        self.completing: Callable[[Any], Any] | None = None
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
        task.add_done_callback(lambda _: coroutine.close())  # cancelled at once, it never began
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

    def place(self) -> Any:
        """The script line that asked the host, for `written`; quick to make, "" when nobody knows."""
        if self.in_python:
            return python_place()
        return "" if self.locate is None else self.locate()

    def caller(self) -> str:
        """ "file:line" of the script line that asked the host; "" when nobody knows."""
        return written(self.place())

    # ---- callbacks ----------------------------------------------------------------------------

    def run(self, where: str, callback: Any, args: tuple[Any, ...]) -> asyncio.Task[Any] | None:
        """Run a callback of the script; an error is reported and stays here.

        Returns:
            The task of one that is `async def`.
        """
        try:
            result = self.call(where, callback, args) if self.reporter.calls.on else callback(*args)
        except BaseException as error:  # noqa: BLE001 - whatever a script raises ends in the report
            self.callback_failed(where, error)
            return None
        return None if result is None else self.follow_if_coroutine(result)

    def callback_failed(self, where: str, error: BaseException) -> None:
        """A callback of the script raised: report it. What ends the script or the run is raised again."""
        if isinstance(error, (SystemExit, KeyboardInterrupt)):
            raise error
        self.loop.interrupt_has_arrived(error)
        self.reporter.error(where, error)

    def follow_if_coroutine(self, result: Any) -> asyncio.Task[Any] | None:
        """What a callback of the script gave back: the task of one that is `async def`."""
        return self.follow(result) if inspect.iscoroutine(result) else None

    def call(self, where: str, function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        """Call a function of the script, on record."""
        reporter = self.reporter
        name = describe_callable(function)[0]
        return reporter.calls.run(reporter.script, name, where.removesuffix(" callback"), function, args)

    def asking(self, function: Callable[..., Any]) -> Asking:
        """A function of the script whose result somebody waits for.

        Raises:
            TypeError: It is none.
        """
        if not callable(function):
            raise TypeError(f"a function is needed, got {type(function).__name__}")
        return Asking(self, function)

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

    def _timer_failed(self, timer: Timer, error: BaseException) -> None:
        if isinstance(error, (SystemExit, KeyboardInterrupt)):
            raise error
        self.loop.interrupt_has_arrived(error)
        if timer.rests:  # as the dialect has it: its error ends it
            self.clear_timer(timer.id)
        self.reporter.error(timer.label or f"{timer.kind} callback", error)

    def _settle_timer(self, timer: Timer, result: Any) -> None:
        """Run what a timer's callback gave back if it is a coroutine; an interval waits for its end."""
        if not inspect.iscoroutine(result):
            return
        task = self.loop.create_task(result)
        task.add_done_callback(self._report_task)
        if timer.repeats:
            timer.busy = True
            task.add_done_callback(lambda _: self.loop.schedule.settled(timer))

    def clear_timer(self, timer_id: int) -> bool:
        """Cancel a timer of the script; whether it was pending."""
        if not self.loop.schedule.clear(timer_id):
            return False
        # The last timer gone may end the run: let the loop look.
        if not self.loop.schedule.timers:
            self.loop.call_soon(_nothing)
        return True

    def check_file(self, path: Any) -> None:
        """Refuse a file that the script may not read, before it is read in its stead.

        Raises:
            PermissionError: It is confined to another folder.
        """
        if self.confinement is not None:
            self.confinement.check(path, writes=False)

    # ---- observation --------------------------------------------------------------------------

    @property
    def observation(self) -> Observation:
        """What can be told of it; made when it is first looked at."""
        made = self.__dict__.get("_observation")
        if made is None:
            from .observation import Observation

            # The script's thread and the one that looks at it may both be the first; one is kept.
            made = self.__dict__.setdefault("_observation", Observation(self))
        return made

    def _held(self, handle: Any, seconds: float) -> None:
        self.observation.mistakes.held(handle, seconds)

    def _reported(self, context: dict[str, object]) -> None:
        self.observation.mistakes.reported(context)

    def cancel_timer(self, timer_id: int) -> bool:
        """Cancel any timer of the list, the script's or asyncio's."""
        return self.clear_timer(timer_id) or self.loop.cancel_asyncio_timer(timer_id)


def _nothing() -> None:
    pass


def is_script(file: str) -> bool:
    """Whether a Python file is neither ours nor the standard library's nor that of an installed package."""
    return not file.startswith(_NOT_SCRIPTS) and "/site-packages/" not in file


def python_place() -> tuple[Any, int] | str:
    """Code and instruction of the innermost line of a script, or "" when a script's loop is further in."""
    frame: Any = _getframe(1)
    while frame is not None:
        code = frame.f_code
        file = code.co_filename
        if is_script(file):
            return code, frame.f_lasti
        if code.co_name == "_run_once":
            break
        frame = frame.f_back
    return ""


def written(place: Any) -> str:
    """ "file:line" of what `place` gave."""
    if isinstance(place, str):
        return place
    code, instruction = place
    line = next((line for start, end, line in code.co_lines() if start <= instruction < end), 0)
    return f"{code.co_filename.rpartition('/')[2]}:{line or code.co_firstlineno}"
