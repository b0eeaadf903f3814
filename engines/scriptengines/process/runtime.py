"""ProcessRuntime: a generation of a script of any engine, in a process of its own."""

from __future__ import annotations

import os
import resource
import socket
import sys
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from types import NoneType
from typing import TYPE_CHECKING, Any, cast

from scriptengines.engine import NOTHING, Runtime, Sample
from scriptengines.errors import Interrupted, ScriptBusy, ScriptClosed, ScriptConsoleError, ScriptCrashed
from scriptengines.view import FunctionInfo
from scriptnative import bind

from .conversation import BY_HAND, Conversation
from .peer import DEATH_LIMIT, Peer
from .values import Malformed, remote_error, told
from .wire import STOP_LIMIT, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from scriptengines.completion import Candidate
    from scriptengines.completion.question import Question
    from scriptengines.engine import CallRow, Context, Engine, Source, ValueRow
    from scriptengines.results import ResultRow
    from scriptengines.steering import TimerStep
    from scriptengines.tapping import TappedRow
    from scriptengines.tree import Delta, Opened, Row
    from scriptnative import Function

    from .conversation import Late

LOOK_LIMIT = 0.25
"""Seconds that a look at the variables may take before the script counts as busy."""
ANSWER_LIMIT = 0.1
"""Seconds that the child may take to answer; it does when it can, unless C code holds its GIL."""
RETIRE_LIMIT = 1.0
"""Seconds that a script gets to come to rest before it is replaced or ended."""
DISCARD_LIMIT = 3.0
"""Seconds that a process gets to end by itself."""
MAX_LISTENERS = 250
_VALUE = (str, str, (int, NoneType), (float, NoneType))
_VARIABLE = (int, (str, int), str, str, str, (int, NoneType), int, (float, NoneType))
"""Types in a row of the tree of variables."""
_PROCESS_CLOCK = 2
"""Of the clocks of a process the one that counts what the scheduler gave it."""


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

    Attributes:
        peer: Its process.

    Raises:
        LoadError: The process does not start.
    """

    isolation = "process"

    def __init__(self, engine: Engine, source: Source, context: Context, previous: Runtime | None) -> None:
        self._context = context
        self._alias = context.alias
        self._lock = context.lock
        self._source = source
        self._engine = engine
        self._previous = previous
        self._path = str(source.path)
        self._failed = False
        self._retired = False
        self._recording = False
        self._ending_at = 0.0
        self._cpu_used = 0.0
        self._sampling = threading.Lock()
        self._look: SimpleQueue[Any] | None = None
        self.peer = Peer(engine, context, self._path, self._perform, self._invoke, self._use)
        self._conversation = Conversation(self.peer, self._lock, self._perform, self.interrupt)

    @property
    def crashed(self) -> bool:
        return self.peer.crashed

    # ---- the generation's thread ----------------------------------------------------------------

    def run(self) -> None:
        self._lock.acquire(entering=False)
        try:
            self._guarded(self._bring_up)
        finally:
            self._previous = None
            self._lock.release()
        self._guarded(self._conversation.serve)

    def _guarded(self, step: Callable[[], None]) -> None:
        """Take a step that the child's end may cut short."""
        peer = self.peer
        error: BaseException | None
        try:
            step()
            error = self._conversation.refused
        except (EOFError, OSError):
            peer.await_death()
            error = peer.last_error()
        except Malformed as trouble:
            peer.give_up_on(trouble)
            error = peer.last_error()
        except ScriptConsoleError as refused:  # the state cannot be handed over
            peer.kill()
            error = refused
        if error is not None and not (peer.loaded or self._failed):
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        self._failed = self.peer.expected = True
        self._context.failed(error)

    def _bring_up(self) -> None:
        """Start the script and serve it until its top level has ended; holding the run lock."""
        with _held(self._previous, self._context) as (state, listeners):

            def send_listeners() -> None:
                if listeners:
                    sock = self.peer.own.sock
                    sock.recv(1)  # the child has read the message and nothing behind it
                    socket.send_fds(sock, [b"+"], listeners)

            given = self._given(state, len(listeners))
            self._conversation.start(given, send_listeners, lambda: self.peer.loaded or self._failed)

    def _given(self, state: dict[Any, Any], listeners: int) -> dict[str, Any]:
        source, reporter = self._source, self._context.reporter
        options = dict(source.options)
        declared = self._engine.options.get("isolation")
        if declared is not None:  # in the child, nothing else has to keep the script apart
            options["isolation"] = "main" if "main" in declared.choices else declared.default
        return {
            "alias": self._alias,
            "path": os.fsencode(source.path),
            "text": source.text,
            "arguments": source.arguments,
            "parts": [(part.path and os.fsencode(part.path), part.text) for part in source.parts],
            "options": options,
            "batch": reporter.batch,
            "bridge": [name for name in self._context.bridge if name != "scripts"],
            "state": state,
            "listeners": listeners,
        }

    # ---- what the child asks for ----------------------------------------------------------------

    def _perform(self, operation: str, target: Any, args: Any, named: Any) -> tuple[int, Any]:
        if type(args) is not list or type(named) is not dict:
            raise Malformed("arguments that are none")
        try:
            result = self._do(operation, target, cast("list[Any]", args), cast("dict[str, Any]", named))
            return Kind.OK, self.peer.values.result(result)
        except Malformed:
            raise
        except BaseException as error:  # noqa: BLE001 - the script's to handle
            return Kind.FAIL, self.peer.values.result(told(error))

    def _do(self, operation: str, target: Any, args: list[Any], named: dict[str, Any]) -> Any:
        if operation == "invoke":
            return self.peer.values.own(target)(*args, **named)
        if operation == "bridge":
            return self._bridged(target, args, named)
        if operation == "loaded" and args:
            self.files = _paths(args[0])
            self.peer.loaded = True
            self._context.loaded()
        elif operation == "failed" and args:
            self._fail(remote_error(args[0]))
        else:
            raise Malformed(f"it asks for {operation!r}")
        return None

    def _bridged(self, name: Any, args: list[Any], named: dict[str, Any]) -> Any:
        function = self._context.bridge.get(str(name))
        if function is None:
            raise Malformed(f"it asks for {name!r}")
        result = function(*args, **named)
        if name in ("on", "once"):
            self.peer.subscriptions.add(result)
        elif name == "off" and result:
            self.peer.subscriptions.discard(args[0])
        return result

    def _invoke(self, number: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return self.converse("invoke", number, args, kwargs)

    def _use(self, number: int, how: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return self.converse(f"{how} attribute", number, args, kwargs)

    # ---- calls ----------------------------------------------------------------------------------

    def converse(
        self,
        operation: str,
        target: Any,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        late: Late | None = None,
    ) -> Any:
        """Take the run lock and let the child do something; see Conversation.call.

        Raises:
            ScriptClosed: It was retired.
        """
        lock = self._lock
        lock.acquire()
        try:
            if self._retired:
                raise self.peer.closed()
            return self._conversation.call(operation, target, args, kwargs, late)
        finally:
            lock.release()

    def bind(self, function: Function) -> None:
        self.converse("bind", function.name, (), {})
        bind(function, _RemoteName(self, function.name))

    def get(self, path: tuple[str | int, ...]) -> Any:
        return self.converse("get", None, (path,), {})

    def set(self, path: tuple[str | int, ...], value: Any) -> None:
        self.converse("set", None, (path, value), {})

    def evaluate(self, expression: str) -> Any:
        return self.converse("evaluate", None, (expression,), {})

    def execute(self, code: str) -> None:
        self.converse("execute", None, (code,), {})

    def run_fragment(self, code: str) -> None:
        self.converse("run_fragment", None, (code,), {})

    def interact(self, code: str, name: str) -> list[ResultRow] | None:
        found = self.converse("interact", None, (code, name), {})
        try:
            return None if found is None else _checked(found, (int, str, str, str, str, int, int))
        except Malformed as error:
            self.peer.give_up_on(error)
            raise self.peer.last_error() from None

    def export_state(self) -> dict[Any, Any]:
        return self.converse("export_state", None, (), {}, self._unless_stuck("reloaded"))

    def _unless_stuck(self, reason: str) -> Late:
        return RETIRE_LIMIT, lambda: self.interrupt(reason)

    # ---- questions ------------------------------------------------------------------------------

    def functions(self) -> list[FunctionInfo]:
        found = self._look_up("functions")
        try:
            return [FunctionInfo(*row) for row in _checked(found, (str, str, str, int))]
        except Malformed as error:
            self.peer.give_up_on(error)
            raise self.peer.last_error() from None

    def candidates(self, question: Question) -> list[Candidate] | None:
        told = [[list(step) for step in part] if type(part) is tuple else part for part in question]
        answer = None if self._retired else self.peer.ask("candidates", told, LOOK_LIMIT)
        found = None if answer is None else self._value_of(answer)
        try:
            return None if found is None else _checked(found, (str, str, str, str))
        except Malformed as error:
            self.peer.give_up_on(error)
            return None

    def files_changed(self) -> bool:
        if not self.files:
            return False
        answer = self.peer.ask("files_changed", None, RETIRE_LIMIT)
        return answer is None or bool(self._value_of(answer))  # one that cannot tell is worth a reload

    def memory(self) -> int | None:
        """Bytes of real memory that its process shares with no other; None where there is no /proc."""
        try:
            pages = Path(f"/proc/{self.peer.pid}/statm").read_bytes().split()
        except OSError:
            return None
        own = int(pages[1]) - int(pages[2])  # resident, shared; see proc(5)
        return None if self.peer.dead.is_set() else own * resource.getpagesize()

    def cancel_timer(self, timer_id: int) -> bool:
        return bool(self._look_up("cancel_timer", timer_id))

    def steer_timer(self, timer_id: int, step: TimerStep, milliseconds: float = 0.0) -> bool:
        return bool(self._look_up("steer_timer", timer_id, step, milliseconds))

    def tap(self, connection_id: int, on: bool) -> bool:
        return bool(self._look_up("tap", connection_id, on))

    def tapped(self, connection_id: int) -> TappedRow:
        row = self._look_up("tapped", connection_id)
        try:
            [checked] = _checked([row], (bytes, bytes, int, int, str))
        except Malformed as error:
            self.peer.give_up_on(error)
            raise self.peer.last_error() from None
        return checked

    @property
    def cpu_time(self) -> float:
        """Of all threads of its process; 0 where no clock tells."""
        if self.peer.dead.is_set() or sys.platform != "linux":
            return self._cpu_used
        with suppress(OSError):  # it has just ended
            # The clock of a process by its number; see clock_getcpuclockid(3) and linux/posix-timers.h.
            self._cpu_used = time.clock_gettime((~self.peer.pid << 3) | _PROCESS_CLOCK)
        return self._cpu_used

    def close_connection(self, connection_id: int) -> bool:
        return bool(self._look_up("close_connection", connection_id))

    def set_paused(self, paused: bool) -> None:
        self.peer.ask("set_paused", paused, RETIRE_LIMIT)

    @property
    def pending(self) -> bool:
        return self.peer.busy

    def recorded_calls(self, on: bool) -> tuple[list[CallRow], list[CallRow]]:
        if not (on or self._recording) or self.peer.dead.is_set():
            return [], []
        answer = self.peer.ask("calls", on, LOOK_LIMIT)
        if answer is None:
            return [], []
        self._recording = on
        found = self._value_of(answer)
        kinds = (int, int, int, int, str, str, float, float, str, str, str, int, int)
        try:
            ended, running = found
            return _checked(ended, kinds), _checked(running, kinds)
        except (Malformed, TypeError, ValueError) as error:
            self.peer.give_up_on(Malformed(f"calls that are none: {error}"))
            return [], []

    def sample(self, limit: int, opened: Opened, known: int) -> Sample | None:
        if not self._sampling.acquire(timeout=LOOK_LIMIT):
            return None
        try:
            if self._look is not None and self._look.empty():
                return None  # it has not answered since the last time
            self._look = look = self.peer.begin_to_ask(
                "sample", self.peer.values.result((limit, opened, known)), LOOK_LIMIT
            )
            answer = look.get(timeout=LOOK_LIMIT)
            self._look = None
        except Empty:
            return None
        finally:
            self._sampling.release()
        if self.peer.dead.is_set():
            return NOTHING
        sample = None if answer is None else self._value_of(answer)
        return None if sample is None else self._checked_sample(sample)

    def _checked_sample(self, sample: Any) -> Sample:
        try:
            variables, timers, connections, tasks, warnings = sample
            return Sample(
                _checked_delta(variables),
                _checked(timers, (int, str, float, float, int, str, str, float, float, float, bool, float)),
                _checked(
                    connections, (int, str, str, str, str, str, int, int, float, float, float, str, str)
                ),
                _checked(tasks, (int, str, str, float, str, str)),
                _checked(warnings, (str, str, str, float, int)),
            )
        except (Malformed, TypeError, ValueError) as error:
            self.peer.give_up_on(Malformed(f"a sample that is none: {error}"))
            return NOTHING

    def variables(self, limit: int, opened: Opened, deep: int) -> list[Row] | None:
        try:
            found = self._look_up("variables", limit, opened, deep)
            return None if found is None else _checked(found, _VARIABLE)
        except ScriptBusy:
            return None
        except Malformed as error:
            self.peer.give_up_on(error)
            raise self.peer.last_error() from None

    def look(self, expression: str) -> ValueRow | None:
        if self._retired or self.peer.dead.is_set():
            raise self.peer.last_error()
        answer = self.peer.ask("look", expression, RETIRE_LIMIT)
        found = None if answer is None else self._value_of(answer)
        if found is None:
            return None
        try:
            return cast("ValueRow", _checked([found], _VALUE)[0])
        except Malformed as error:
            self.peer.give_up_on(error)
            raise self.peer.last_error() from None

    def assign(self, path: tuple[str | int, ...], text: str) -> None:
        self._look_up("assign", path, text)

    def _look_up(self, operation: str, *args: Any) -> Any:
        """What the child answers between two callbacks of its script."""
        if self._retired or self.peer.dead.is_set():
            raise self.peer.last_error()
        answer = self.peer.ask(operation, self.peer.values.result(list(args)), RETIRE_LIMIT)
        if answer is None and self.peer.dead.is_set():
            raise self.peer.last_error()
        if answer is None:
            raise ScriptBusy(f"{self._alias} is busy; try again, or interrupt it", file=self._path)
        return self._value_of(answer)

    def _value_of(self, answer: Any) -> Any:
        try:
            succeeded, value = answer
            if succeeded:
                return value
            error = remote_error(value)
        except (Malformed, TypeError, ValueError) as trouble:
            self.peer.give_up_on(Malformed(str(trouble)))
            error = self.peer.last_error()
        raise error

    # ---- ending ---------------------------------------------------------------------------------

    def interrupt(self, reason: str) -> bool:
        peer = self.peer
        if peer.dead.is_set():
            return False
        by_hand = reason == BY_HAND
        if reason == "unloaded" or not (by_hand or peer.loaded):
            self._ending_at = self._ending_at or time.monotonic()
        lingers = self._ending_at and time.monotonic() - self._ending_at > RETIRE_LIMIT
        if by_hand or not lingers:  # that it says it has stopped is believed once
            answer = peer.ask("interrupt", reason, STOP_LIMIT + ANSWER_LIMIT)
            if answer is not None:
                return bool(self._value_of(answer))
            if peer.dead.is_set() or self._conversation.serving:
                return False  # it waits for another script, which is to be stopped, not this one
            if by_hand:
                text = f"{self._alias} does not stop; to kill its process, reload or unload it"
                self._context.reporter.log("warning", text)
                return False
        peer.kill_for(reason)
        peer.dead.wait(DEATH_LIMIT)
        return True

    def retire(self) -> None:
        if self._retired:
            return
        self._retired = True
        self._ending_at = self._ending_at or time.monotonic()
        if not self.peer.dead.is_set():
            self.peer.expected = True
            with suppress(ScriptConsoleError):  # it has died of it, and says so itself
                self._conversation.call("retire", None, (), {}, self._unless_stuck("unloaded"))

    def hold(self) -> tuple[dict[Any, Any], list[int]]:
        """Let nothing of it run until `let_go` or `retire`; holding the run lock.

        Returns:
            Its state, and its listening sockets, to be closed by the caller.
        """
        state, count = self._conversation.call("hold", None, (), {}, self._unless_stuck("reloaded"))
        if type(state) is not dict or type(count) is not int:
            raise Malformed("a state that is none")
        if not count:
            return cast("dict[Any, Any]", state), []
        channel = self.peer.call
        channel.send((Kind.CALL, 0, "send_listeners", None, [], None))
        _, listeners, _, _ = socket.recv_fds(channel.sock, 1, MAX_LISTENERS)
        return cast("dict[Any, Any]", state), listeners

    def let_go(self) -> None:
        """Undo `hold`; holding the run lock."""
        if not (self._retired or self.peer.dead.is_set()):
            with suppress(ScriptConsoleError):
                self._conversation.call("let go", None, (), {})

    def discard(self) -> None:
        peer = self.peer
        self._retired = True
        if not peer.dead.is_set():
            peer.expected = True
            peer.begin_to_ask("discard", None, LOOK_LIMIT)
            if not peer.dead.wait(DISCARD_LIMIT):
                peer.kill_for("unloaded")
                peer.dead.wait(DEATH_LIMIT)
        peer.close()


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


def _paths(names: Any) -> tuple[Path, ...]:
    """Files that the child has named.

    Raises:
        Malformed: They are none.
    """
    if type(names) is not list or not all(type(name) is bytes for name in cast("list[Any]", names)):
        raise Malformed("files that are none")
    return tuple(Path(os.fsdecode(name)) for name in cast("list[bytes]", names))


def _checked_delta(delta: Any) -> Delta:
    number, total, changed, rows = delta
    _checked([(number, total)], (int, int))
    _checked(rows, _VARIABLE)
    if changed is not None and _checked([(index,) for index in changed], (int,)):
        last = -1
        for index in changed:
            if not last < index < total:
                raise Malformed("a reading that is none")
            last = index
    if len(rows) != (total if changed is None else len(changed)):
        raise Malformed("a reading that is none")
    return delta


def _checked(rows: Any, kinds: tuple[Any, ...]) -> list[Any]:
    """Rows of an untrusted table.

    Raises:
        Malformed: They are not what they should be.
    """
    if type(rows) is not list:
        raise Malformed("a table that is none")
    for row in cast("list[Any]", rows):
        fits = type(row) is tuple and len(cast("tuple[Any, ...]", row)) == len(kinds)
        if not fits or not all(map(isinstance, cast("tuple[Any, ...]", row), kinds)):
            raise Malformed(f"a row that is none: {row!r:.100}")
    return cast("list[Any]", rows)
