"""ProcessRuntime: our side of a generation that runs in a process of its own.

Whoever holds the script's run lock talks for it: it sends calls, and executes what the child asks for while
that runs the script. So run locks know who waits for whom as if all scripts were in one process:

* A call goes over the call channel, and its caller executes what the child asks meanwhile.
* What the script's own thread asks, e.g. a timer that calls another script, comes on the channel named own.
  Only the holder of the run lock reads that one: the generation's thread here, which takes the lock when
  something has come, or a caller whose call waits in the child for that very timer to end.
"""

from __future__ import annotations

import os
import select
import socket
import threading
import time
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from types import NoneType
from typing import TYPE_CHECKING, Any, cast

from scriptengines.engine import Runtime, Sample
from scriptengines.errors import (
    Interrupted,
    LoadError,
    ScriptBusy,
    ScriptClosed,
    ScriptConsoleError,
    ScriptCrashed,
)
from scriptengines.reports import Report
from scriptengines.view import FunctionInfo
from scriptnative import bind
from scriptnative.errors import ScriptInterrupt

from . import releases
from .listener import Listener
from .spawn import ChildProcess, describe_end, read_stack
from .values import Malformed, Values, remote_error, told
from .wire import STOP_LIMIT, Channel, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from scriptengines.engine import Context, Engine, Source
    from scriptnative import Function

type Late = tuple[float, Callable[[], object]]
"""(seconds, what to do when it takes longer)."""

START_LIMIT = 30.0
"""Seconds that a new process gets until it answers."""
LOOK_LIMIT = 0.25
"""Seconds that a look at the variables may take before the script counts as busy."""
ANSWER_LIMIT = 0.1
"""Seconds that the child may take to answer; it does when it can, unless C code holds its GIL."""
RETIRE_LIMIT = 1.0
"""Seconds that a script gets to come to rest before it is replaced or ended."""
DEATH_LIMIT = 2.0
"""Seconds from the end of the connection until the process must be gone."""
DISCARD_LIMIT = 3.0
"""Seconds that a process gets to end by itself."""
MAX_LISTENERS = 250
MAX_ASIDE = 64
"""Threads of one child that may ask for something at the same time."""
_BY_HAND = "interrupted"
"""The reason for which a script is not killed when it does not stop: somebody only pressed a key."""
_INTERRUPTS = (KeyboardInterrupt, ScriptInterrupt)
_LEVELS = ("debug", "info", "warning", "error")


class _RemoteName:
    """A function of the script, found by name in its process."""

    __slots__ = ("_name", "_runtime")

    def __init__(self, runtime: ProcessRuntime, name: str) -> None:
        self._runtime = runtime
        self._name = name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._runtime.converse("call", self._name, args, kwargs)


class ProcessRuntime(Runtime):
    """One generation of a script, in a child process of its own.

    Args:
        engine: Whose script it is.
        source: What to run.
        context: The session's side.
        previous: The generation that runs now.
    """

    isolation = "process"

    def __init__(self, engine: Engine, source: Source, context: Context, previous: Runtime | None) -> None:
        self.context = context
        self._alias = context.alias
        self._lock = context.lock
        self._source = source
        self._engine = engine
        self._previous = previous
        self._path = str(source.path)
        name = f"{type(engine).__module__}:{type(engine).__qualname__}"
        self._child = ChildProcess(name, self._path, site=engine.name == "python")
        self.values = Values(f"the process of {self._alias}", self._invoke, self._drop)
        self._call_channel, self._own_channel, self._control = (
            Channel(sock, self.values) for sock in (self._child.call, self._child.own, self._child.control)
        )
        self._both = select.poll()
        self._only_own = select.poll()
        for poll, channels in (
            (self._both, (self._call_channel, self._own_channel)),
            (self._only_own, (self._own_channel,)),
        ):
            for channel in channels:
                poll.register(channel, select.POLLIN)
        self._stack = [self._call_channel]
        self._serving = 0
        self._asides = 0
        self._telling = threading.Lock()
        self._answers: dict[int, SimpleQueue[Any]] = {}
        self._asked = 0
        self._asking = threading.Lock()
        self._sampling = threading.Lock()
        self._look: SimpleQueue[Any] | None = None
        self._subscriptions: set[int] = set()
        self._busy = 0
        self._loaded = self._failed = self._finished = self._said_bye = False
        self._retired_at = 0.0
        self._killed_for = ""
        self._trouble: Exception | None = None
        self._death: ScriptConsoleError | None = None
        self._dead = threading.Event()
        releases.start()
        self._listener = Listener(
            self._child, self._control, self._alias, self._told, context.reporter.output, self._ended
        )
        self._listener.start()
        if self._ask("ready", None, START_LIMIT) is None:
            raise self._no_start()

    def _no_start(self) -> LoadError:
        self._child.kill()
        self._dead.wait(DEATH_LIMIT)
        detail = "\n".join(self._listener.last_lines)
        self._child.close()
        reason = detail.rpartition("\n")[2] or "it does not answer"
        return LoadError(
            f"{self._path}: its process does not start: {reason}", file=self._path, detail=detail
        )

    @property
    def pid(self) -> int:
        """Of its process."""
        return self._child.pid

    @property
    def crashed(self) -> bool:
        """Whether its process has ended as it should not have."""
        return self._death is not None

    # ---- the generation's thread ----------------------------------------------------------------

    def run(self) -> None:
        self._lock.acquire(entering=False)
        try:
            self._guarded(self._bring_up)
        finally:
            self._previous = None
            self._lock.release()
        self._guarded(self._serve_own)

    def _guarded(self, step: Callable[[], None]) -> None:
        """Take a step that the child's end may cut short."""
        error: BaseException
        try:
            step()
        except (EOFError, OSError):
            self._await_death()
            error = self._last_error()
        except Malformed as trouble:
            self._give_up_on(trouble)
            error = self._last_error()
        except ScriptConsoleError as refused:  # the state cannot be handed over
            self._child.kill()
            error = refused
        else:
            return
        if not (self._loaded or self._failed):
            self._failed = True
            self.context.failed(error)

    def _bring_up(self) -> None:
        """Start the script and serve it until its top level has ended; holding the run lock."""
        with _held(self._previous, self.context) as (state, listeners):
            self._send_start(state, listeners)
            self._stack.append(self._own_channel)
            try:
                while not (self._loaded or self._finished):
                    self._take_own(self._own_channel.receive())
            finally:
                self._stack.pop()

    def _send_start(self, state: dict[Any, Any], listeners: list[int]) -> None:
        source, reporter = self._source, self.context.reporter
        given = {
            "alias": self._alias,
            "path": os.fsencode(source.path),
            "text": source.text,
            "arguments": source.arguments,
            "options": self._inner_options(),
            "batch": reporter.batch,
            "bridge": list(self.context.bridge),
            "state": state,
            "listeners": len(listeners),
        }
        self._own_channel.send((Kind.CALL, 0, "run", self.values.result(given), None, None))
        if listeners:
            self._child.own.recv(1)  # it has read the message and nothing behind it
            socket.send_fds(self._child.own, [b"+"], listeners)

    def _inner_options(self) -> dict[str, Any]:
        """The options of the engine in the child: nothing else has to keep the script apart there."""
        options = dict(self._source.options)
        declared = self._engine.options.get("isolation")
        if declared is not None:
            options["isolation"] = "main" if "main" in declared.choices else declared.default
        return options

    def _serve_own(self) -> None:
        """Execute what the script's thread asks for, until it has ended."""
        poll = select.poll()
        poll.register(self._own_channel, select.POLLIN)
        while not self._finished:
            poll.poll()
            self._lock.acquire(entering=False)
            try:
                # A caller that waits for the child may have read it meanwhile.
                while not self._finished and (self._own_channel.buffered or poll.poll(0)):
                    self._take_own(self._own_channel.receive())
            finally:
                self._lock.release()

    def _take_own(self, message: list[Any]) -> None:
        """Handle a message of the script's own thread; holding the run lock."""
        if message[0] == Kind.CALL:
            self._execute(self._own_channel, message)
            return
        self._finished = True
        if message[0] == Kind.FAIL and not (self._loaded or self._failed):
            self._failed = True
            self._retired_at = self._retired_at or time.monotonic()
            self.context.failed(remote_error(message[2]))

    # ---- conversations --------------------------------------------------------------------------

    def converse(
        self,
        operation: str,
        target: Any,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        late: Late | None = None,
    ) -> Any:
        """Let the child do something, and execute what it asks for meanwhile.

        Args:
            operation: What.
            target: A name or number.
            args: Values to be copied across.
            kwargs: Likewise.
            late: For what must not wait for ever.

        Raises:
            ScriptClosed: It was retired.
            ScriptCrashed: Its process has ended.
        """
        lock = self._lock
        lock.acquire()
        try:
            if self._retired_at:
                raise self._closed()
            return self._converse(operation, target, args, kwargs, late)
        finally:
            lock.release()

    def _converse(
        self,
        operation: str,
        target: Any,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        late: Late | None = None,
    ) -> Any:
        if self._dead.is_set():
            raise self._last_error()
        channel = self._stack[-1]
        packed, named = self.values.arguments(args, kwargs)
        try:
            channel.send((Kind.CALL, 0, operation, target, packed, named))
            message = self._wait(channel, late)
        except (EOFError, ConnectionError):
            self._await_death()
            raise self._last_error() from None
        except Malformed as error:
            self._give_up_on(error)
            raise self._last_error() from None
        if message[1] > 0:
            self._listener.catch_up(message[1], DEATH_LIMIT)
        if message[0] == Kind.OK:
            return message[2]
        raise self._error_in(message)

    def _wait(self, channel: Channel, late: Late | None) -> list[Any]:
        """The reply on a channel; holding the run lock."""
        own = self._own_channel
        poll = self._only_own if channel is own else self._both
        stopped: BaseException | None = None
        while True:
            try:
                if channel.buffered:
                    message = channel.receive()
                else:
                    ready = poll.poll(None if late is None else late[0] * 1000)
                    if late is not None and not ready:
                        late[1]()
                        late = None
                        continue
                    if len(ready) == 1 and ready[0][0] != channel.fileno():
                        self._take_own(own.receive())
                        continue
                    message = channel.receive()
            except _INTERRUPTS as error:
                # The reply must be taken all the same. Who insists kills it.
                reason = _BY_HAND if stopped is None else "told to stop"
                threading.Thread(target=self.interrupt, args=(reason,), daemon=True).start()
                stopped = error
                continue
            if message[0] != Kind.CALL:
                if stopped is not None:
                    raise stopped
                return message
            self._execute(channel, message)

    def _error_in(self, message: list[Any]) -> BaseException:
        try:
            return remote_error(message[2])
        except Malformed as error:
            self._give_up_on(error)
            return self._last_error()

    def _execute(self, channel: Channel, message: list[Any]) -> None:
        """Do what the child asks for on a channel, and tell it the outcome; holding the run lock."""
        _, reports, operation, target, args, named = message
        self._listener.catch_up(reports, DEATH_LIMIT)
        self._stack.append(channel)
        self._serving += 1
        try:
            kind, outcome = self._perform(operation, target, args, named or {})
            try:
                channel.send((kind, 0, outcome))
            except ScriptConsoleError as error:  # too large
                channel.send((Kind.FAIL, 0, self.values.result(told(error))))
        finally:
            self._serving -= 1
            self._stack.pop()

    def _perform(self, operation: str, target: Any, args: Any, named: Any) -> tuple[Any, Any]:
        if type(args) is not list or type(named) is not dict:
            raise Malformed("arguments that are none")
        args, named = cast("list[Any]", args), cast("dict[str, Any]", named)
        try:
            if operation == "loaded":
                self._loaded = True
                self.context.loaded()
                result = None
            elif operation == "failed":
                self._failed = True
                self._retired_at = self._retired_at or time.monotonic()
                self.context.failed(remote_error(args[0]))
                result = None
            elif operation == "invoke":
                result = self.values.own(target)(*args, **named)
            else:
                result = self._bridged(operation, target, args, named)
            return Kind.OK, self.values.result(result)
        except Malformed:
            raise
        except BaseException as error:  # noqa: BLE001 - the script's to handle
            return Kind.FAIL, self.values.result(told(error))

    def _bridged(self, operation: str, target: Any, args: list[Any], named: dict[str, Any]) -> Any:
        function = self.context.bridge.get(str(target)) if operation == "bridge" else None
        if function is None:
            raise Malformed(f"it asks for {operation!r} {target!r}")
        result = function(*args, **named)
        if target == "on":
            self._subscriptions.add(result)
        elif target == "off" and args:
            self._subscriptions.discard(args[0])
        return result

    def _invoke(self, number: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return self.converse("invoke", number, args, kwargs)

    # ---- control --------------------------------------------------------------------------------

    def _drop(self, number: int, times: int) -> None:
        releases.note(self._give_back, number, times)

    def _give_back(self, number: int, times: int) -> None:
        if not self._dead.is_set():
            self._tell((Kind.DROPPED, number, times), DEATH_LIMIT)

    def _tell(self, message: tuple[Any, ...], limit: float) -> bool:
        """Send on the control channel; False when that cannot be done in time."""
        if not self._telling.acquire(timeout=limit):
            return False
        try:
            self._control.send(message)
        except OSError:
            return False
        finally:
            self._telling.release()
        return True

    def _begin_to_ask(self, operation: str, argument: Any, limit: float) -> SimpleQueue[Any]:
        answer: SimpleQueue[Any] = SimpleQueue()
        with self._asking:
            self._asked = number = self._asked + 1
            self._answers[number] = answer
        if self._dead.is_set() or not self._tell((Kind.ASK, number, operation, argument), limit):
            answer.put(None)
        return answer

    def _ask(self, operation: str, argument: Any, limit: float) -> Any:
        """Ask something that the child answers whatever its script does; None when it does not in time."""
        try:
            return self._begin_to_ask(operation, argument, limit).get(timeout=limit)
        except Empty:
            return None

    def _told(self, message: list[Any]) -> None:
        """Handle a message of the control channel; on the listener's thread."""
        kind = message[0]
        if kind == Kind.REPORT:
            self._report(*message[1:])
        elif kind == Kind.BUSY:
            self._count_busy(message[1])
        elif kind == Kind.ANSWER:
            waiting = self._answers.pop(message[1], None)
            if waiting is not None:
                done, value = message[2:]
                waiting.put(None if done is None else (done, value))
        elif kind == Kind.ASIDE:
            self._take_aside(message)
        elif kind == Kind.DROPPED:
            self.values.take_back(message[1], message[2])
        elif kind == Kind.BYE:
            self._said_bye = True
        else:
            raise Malformed(f"a message of kind {kind!r} where none should be")

    def _report(self, kind: int, payload: tuple[Any, Any]) -> None:
        reporter = self.context.reporter
        first, second = payload
        if kind == Report.ERROR:
            reporter.error(str(first), remote_error((second, "", 0)))
        elif kind == Report.OUTPUT and type(second) is str:
            reporter.output(second, "stderr" if first == "stderr" else "stdout")
        elif kind == Report.LOG and first in _LEVELS and type(second) is str:
            reporter.log(first, second)
        else:
            raise Malformed(f"a report of kind {kind!r}")

    def _count_busy(self, change: int) -> None:
        if change not in (1, -1) or not 0 <= self._busy + change <= 1:
            raise Malformed(f"it has become busy {change!r} times")
        self._busy += change
        self.context.reporter.feed.busy(change)

    def _take_aside(self, message: list[Any]) -> None:
        if self._asides >= MAX_ASIDE:
            raise Malformed(f"more than {MAX_ASIDE} of its threads ask for something at once")
        self._asides += 1
        threading.Thread(target=self._answer_aside, args=(message,), daemon=True).start()

    def _answer_aside(self, message: list[Any]) -> None:
        """Do what a thread of the child asks for that does not run the script."""
        _, number, operation, target, args, named = message
        try:
            kind, outcome = self._perform(operation, target, args, named or {})
            answer = Kind.ASIDE_OK if kind == Kind.OK else Kind.ASIDE_FAIL
            try:
                self._tell((answer, number, outcome), DEATH_LIMIT)
            except ScriptConsoleError as error:
                self._tell((Kind.ASIDE_FAIL, number, self.values.result(told(error))), DEATH_LIMIT)
        except Malformed as error:
            self._give_up_on(error)
        finally:
            self._asides -= 1

    # ---- its end --------------------------------------------------------------------------------

    def _ended(self, trouble: Exception | None) -> None:
        """The process is dead, or must be; on the listener's thread."""
        self._trouble = self._trouble or trouble
        code = self._child.reap(DEATH_LIMIT)
        if not (self._retired_at or self._said_bye):
            self._death = self._describe_death(code)
        if self._busy:
            self._count_busy(-1)
        self._dead.set()
        self._child.shut_down()
        for waiting in list(self._answers.values()):
            waiting.put(None)
        for number in list(self._subscriptions):
            self.context.bridge["off"](number)
        if self._death is not None and self._loaded:
            self.context.reporter.error("process", self._death)
        elif self._retired_at and code != 0 and not self._killed_for:
            self.context.reporter.log(
                "warning", f"{self._alias}: when it ended, its process {describe_end(code)}"
            )
        self.values.clear()

    def _describe_death(self, code: int) -> ScriptConsoleError:
        frames, words = read_stack(self._child.last_words())
        file, line = (frames[-1].file, frames[-1].line) if frames else (self._path, 0)
        place = f"{file}:{line}" if line else self._alias
        detail = "\n".join(part for part in (words, *self._listener.last_lines) if part)
        remedy = "reload it to start it again; its host.state is lost"
        if self._killed_for:
            text = f"{place}: did not stop ({self._killed_for}), so its process was killed; {remedy}"
            return Interrupted(text, file=file, line=line, detail=detail, frames=frames)
        if self._trouble is not None:
            text = (
                f"{self._alias}: its process sent what none sends ({self._trouble}) and was killed; {remedy}"
            )
            return ScriptCrashed(text, file=self._path)
        text = f"{place}: its process {describe_end(code)}; {remedy}"
        return ScriptCrashed(text, file=file, line=line, detail=detail, frames=frames)

    def _await_death(self) -> None:
        """The connection has ended; see to it that the process does."""
        if not self._dead.wait(DEATH_LIMIT):
            self._child.kill()
            self._dead.wait(DEATH_LIMIT)

    def _give_up_on(self, trouble: Malformed) -> None:
        self._trouble = self._trouble or trouble
        self._child.kill()
        self._dead.wait(DEATH_LIMIT)

    def _last_error(self) -> ScriptConsoleError:
        """What callers are told from now on; a new one for each."""
        death = self._death
        if death is None:
            return self._closed()
        return type(death)(
            death.message, file=death.file, line=death.line, detail=death.detail, frames=death.frames
        )

    def _closed(self) -> ScriptClosed:
        return ScriptClosed(f"{self._alias} is closed; load it again to use it", file=self._path)

    # ---- Runtime --------------------------------------------------------------------------------

    def retire(self) -> None:
        if self._retired_at:
            return
        self._retired_at = time.monotonic()
        if not self._dead.is_set():
            late = (RETIRE_LIMIT, lambda: self.interrupt("unloaded"))
            with suppress(ScriptConsoleError):  # it has died of it
                self._converse("retire", None, (), {}, late)

    def hold(self) -> tuple[dict[Any, Any], list[int]]:
        """Let nothing of it run until `let_go` or `retire`; holding the run lock.

        Returns:
            Its state, and its listening sockets, to be closed by the caller.
        """
        late = (RETIRE_LIMIT, lambda: self.interrupt("reloaded"))
        state, count = self._converse("hold", None, (), {}, late)
        if type(state) is not dict or type(count) is not int:
            raise Malformed("a state that is none")
        if not count:
            return cast("dict[Any, Any]", state), []
        channel = self._call_channel
        channel.send((Kind.CALL, 0, "send_listeners", None, [], None))
        _, listeners, _, _ = socket.recv_fds(channel.sock, 1, MAX_LISTENERS)
        return cast("dict[Any, Any]", state), listeners

    def let_go(self) -> None:
        """Undo `hold`; holding the run lock."""
        if not (self._retired_at or self._dead.is_set()):
            with suppress(ScriptConsoleError):
                self._converse("let go", None, (), {})

    def discard(self) -> None:
        self._retired_at = self._retired_at or time.monotonic()
        if not self._dead.is_set():
            self._begin_to_ask("discard", None, LOOK_LIMIT)
            if not self._dead.wait(DISCARD_LIMIT):
                self._kill("unloaded")
                self._dead.wait(DEATH_LIMIT)
        self._listener.join(DEATH_LIMIT)
        self._child.close()

    def interrupt(self, reason: str) -> bool:
        if self._dead.is_set():
            return False
        by_hand = reason == _BY_HAND
        resting = self._retired_at and time.monotonic() - self._retired_at > RETIRE_LIMIT
        if resting and not by_hand:
            return self._kill(reason)
        answer = self._ask("interrupt", reason, STOP_LIMIT + ANSWER_LIMIT)
        if answer is not None:
            return bool(self._value_of(answer))
        if self._dead.is_set() or self._serving:
            return False  # it waits for another script, which is to be stopped, not this one
        if by_hand:
            self.context.reporter.log(
                "warning", f"{self._alias} does not stop; to kill its process, reload or unload it"
            )
            return False
        return self._kill(reason)

    def _kill(self, reason: str) -> bool:
        self._killed_for = reason
        self._child.abort()
        return True

    def bind(self, function: Function) -> None:
        self.converse("bind", function.name, (), {})
        bind(function, _RemoteName(self, function.name))

    def functions(self) -> list[FunctionInfo]:
        found = self._look_up("functions")
        try:
            return [FunctionInfo(*row) for row in _checked(found, (str, str, str, int))]
        except Malformed as error:
            self._give_up_on(error)
            raise self._last_error() from None

    def sample(self, limit: int) -> Sample | None:
        if not self._sampling.acquire(timeout=LOOK_LIMIT):
            return None
        try:
            if self._look is not None and self._look.empty():
                return None  # it has not answered since the last time
            self._look = look = self._begin_to_ask("sample", limit, LOOK_LIMIT)
            answer = look.get(timeout=LOOK_LIMIT)
            self._look = None
        except Empty:
            return None
        finally:
            self._sampling.release()
        if self._dead.is_set():
            return Sample([], [], [])
        sample = None if answer is None else self._value_of(answer)
        return None if sample is None else self._checked_sample(sample)

    def _checked_sample(self, sample: Any) -> Sample:
        try:
            variables, timers, connections = sample
            return Sample(
                _checked(variables, (str, str, str, (int, NoneType))),
                _checked(timers, (int, str, float, float, int, str, str)),
                _checked(connections, (int, str, str, str, str, str, int, int, float)),
            )
        except (Malformed, TypeError, ValueError) as error:
            self._give_up_on(Malformed(f"a sample that is none: {error}"))
            return Sample([], [], [])

    @property
    def pending(self) -> bool:
        return self._busy > 0

    def get(self, path: tuple[str | int, ...]) -> Any:
        return self.converse("get", None, (path,), {})

    def set(self, path: tuple[str | int, ...], value: Any) -> None:
        self.converse("set", None, (path, value), {})

    def evaluate(self, expression: str) -> Any:
        return self.converse("evaluate", None, (expression,), {})

    def execute(self, code: str) -> None:
        self.converse("execute", None, (code,), {})

    def complete(self, text: str, cursor: int) -> list[str]:
        return [str(name) for name in self._look_up("complete", text, cursor)]

    def cancel_timer(self, timer_id: int) -> bool:
        return bool(self._look_up("cancel_timer", timer_id))

    def close_connection(self, connection_id: int) -> bool:
        return bool(self._look_up("close_connection", connection_id))

    def set_paused(self, paused: bool) -> None:
        self._ask("set_paused", paused, RETIRE_LIMIT)

    def export_state(self) -> dict[Any, Any]:
        return self.converse("export_state", None, (), {}, (RETIRE_LIMIT, lambda: self.interrupt("reloaded")))

    def _look_up(self, operation: str, *args: Any) -> Any:
        """What the child answers between two callbacks of its script."""
        if self._retired_at or self._dead.is_set():
            raise self._last_error()
        answer = self._ask(operation, list(args), RETIRE_LIMIT)
        if answer is None:
            if self._dead.is_set():
                raise self._last_error()
            raise ScriptBusy(f"{self._alias} is busy; try again, or interrupt it", file=self._path)
        return self._value_of(answer)

    def _value_of(self, answer: Any) -> Any:
        try:
            succeeded, value = answer
            if succeeded:
                return value
            error = remote_error(value)
        except (Malformed, TypeError, ValueError) as trouble:
            self._give_up_on(Malformed(str(trouble)))
            error = self._last_error()
        raise error


@contextmanager
def _held(previous: Runtime | None, context: Context) -> Generator[tuple[dict[Any, Any], list[int]]]:
    """The state and the listening sockets of the generation before, which rests meanwhile if it can.

    Holding the run lock, which is enough to let a generation in this process rest.
    """
    state: dict[Any, Any] = {}
    listeners: list[int] = []
    if previous is not None:
        try:
            if isinstance(previous, ProcessRuntime):
                state, listeners = previous.hold()
            else:
                state, listeners = previous.export_state(), previous.export_listeners()
        except (ScriptCrashed, Interrupted, ScriptClosed):
            context.reporter.log(
                "warning", f"{context.alias} starts without the host.state it had: it is lost"
            )
    try:
        yield state, listeners
    finally:
        for descriptor in listeners:
            os.close(descriptor)
        if isinstance(previous, ProcessRuntime):
            previous.let_go()


def _checked(rows: Any, kinds: tuple[Any, ...]) -> list[Any]:
    """Rows of an untrusted table.

    Raises:
        Malformed: They are not what they should be.
    """
    if type(rows) is not list:
        raise Malformed("a table that is none")
    for row in cast("list[Any]", rows):
        if (
            type(row) is not tuple
            or len(cast("Any", row)) != len(kinds)
            or not all(map(isinstance, row, kinds))
        ):
            raise Malformed(f"a row that is none: {row!r:.100}")
    return cast("list[Any]", rows)
