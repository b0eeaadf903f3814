"""The inside of a script's own process: a real engine with one script, driven by the parent.

Four threads: the main one runs the script; one takes calls from the parent; one answers the parent whatever
the script does; one tells it what is no longer needed here. Only `main` is called from outside.
"""

from __future__ import annotations

import faulthandler
import fcntl
import importlib
import os
import resource
import select
import signal
import socket
import threading
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

from scriptengines.awaiting import stop_waiting
from scriptengines.completion.question import Question
from scriptengines.engine import Context, Part, Runtime, Source
from scriptengines.reports import Reporter
from scriptnative import CallRecord, Cell, RunLock
from scriptnative.errors import CrossingError, ScriptInterrupt

from .values import Values, remote_error, told, use
from .wire import STOP_LIMIT, Channel, Kind, anything_in_flight

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from scriptengines.engine import Engine
    from scriptengines.tree import Opened
    from scriptnative import Function

SAMPLE_LIMIT = 0.05
"""Seconds that a look at the script waits for its turn."""
IDLE_LIMIT = 0.005
"""Seconds in which a script that is not held up comes to rest; then there is nothing to interrupt."""
_SETSIG = 10
"""F_SETSIG, <linux/fcntl.h>; Python has no name for it."""
_INTERRUPTS = (KeyboardInterrupt, ScriptInterrupt)


def main(engine: str, call: int, own: int, control: int, faults: int, lifeline: int) -> None:
    """Serve the parent until it says to end or is gone.

    Args:
        engine: What hosts the script, as "module:name".
        call: Descriptor of the socket on which the parent calls.
        own: Of that on which the script calls by itself.
        control: Of that for everything else.
        faults: Where a fatal signal leaves the call stack.
        lifeline: A pipe that nobody writes to; the parent has its other end.
    """
    _end_with_parent(lifeline)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    faulthandler.enable(faults, all_threads=False)
    for descriptor in (call, own, control, faults, lifeline):
        os.set_inheritable(descriptor, False)
    module, _, name = engine.partition(":")
    made: Engine = getattr(importlib.import_module(module), name)()
    made.own_process()
    Child(made, call, own, control).serve()


def _end_with_parent(lifeline: int) -> None:
    """Be killed by the kernel once nobody holds the other end, whatever this process is doing then.

    PR_SET_PDEATHSIG would do so when the *thread* ends that started us.
    """
    if hasattr(fcntl, "F_SETOWN") and hasattr(os, "O_ASYNC") and os.uname().sysname == "Linux":
        fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(lifeline, _SETSIG, signal.SIGKILL)
        fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)
        gone = select.poll()  # takes descriptors beyond 1023 too
        gone.register(lifeline, select.POLLIN)
        if gone.poll(0):  # it had gone before
            os._exit(1)


class _Feed:
    """What a Reporter and a ScriptLoop take for the session's feed."""

    clock = None

    def __init__(self, child: Child) -> None:
        self._child = child
        self.calls = CallRecord()

    def push(self, kind: int, script: int, payload: object, *, urgent: bool = False) -> bool:
        self._child.tell(Kind.REPORT, int(kind), self._child.values.result(payload))
        return True

    def busy(self, change: int) -> None:
        self._child.tell(Kind.BUSY, change)


class _Predecessor:
    """What a generation elsewhere has left to the one here; all that an engine asks of `previous`."""

    def __init__(self, state: dict[Any, Any], listeners: list[int]) -> None:
        self._state = state
        self._listeners = listeners

    def export_state(self) -> dict[Any, Any]:
        return self._state

    def export_listeners(self) -> list[int]:
        return self._listeners


class Child:
    """This side of the boundary.

    Args:
        engine: What hosts the script.
        call: Descriptors of the channels, as for `main`.
        own: Likewise.
        control: Likewise.
    """

    def __init__(self, engine: Engine, call: int, own: int, control: int) -> None:
        self.values = Values("the console", self._invoke, self._drop)
        self._engine = engine
        self._calls, self._own, self._control = (
            Channel(socket.socket(fileno=descriptor), self.values) for descriptor in (call, own, control)
        )
        self.values.in_flight = lambda: anything_in_flight((self._calls, self._own))
        self._sent = 0
        self._telling = threading.Lock()
        self._dropped: SimpleQueue[tuple[int, int]] = SimpleQueue()
        self._waiting: dict[int, SimpleQueue[list[Any]]] = {}
        self._last_aside = 0
        self._thread = threading.local()
        self._lock = RunLock("script")
        self._held = False
        self._listeners: list[int] = []
        self._discarded = threading.Event()
        self._runtime: Runtime | None = None
        self._cell = Cell()
        self._record = CallRecord()
        self._handles: dict[str, Function] = {}

    def serve(self) -> None:
        """Run the script that the parent sends; returns when its generation has ended."""
        for target in (self._take_calls, self._take_questions, self._tell_dropped):
            threading.Thread(target=target, name=f"process {target.__name__}", daemon=True).start()
        try:
            message = self._own.receive()
        except EOFError:
            return
        self._reply(self._own, partial(self._run, *message[4]))
        self._discarded.wait()
        if self._runtime is not None:
            self._runtime.discard()
        self._engine.close()
        self.tell(Kind.BYE)

    # ---- to the parent ------------------------------------------------------------------------

    def tell(self, *message: Any) -> None:
        """Send on the control channel."""
        with self._telling:
            self._sent += 1
            try:
                self._control.send(message)
            except OSError:
                os._exit(1)  # nobody is there any more

    def ask(self, operation: str, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Let the parent do something and wait for the result; executes what it calls here meanwhile."""
        packed, named = self.values.arguments(args, kwargs)
        channel: Channel | None = getattr(self._thread, "channel", None)
        if channel is None:
            if not self._lock.held:
                return self._ask_aside(operation, target, packed, named)
            channel = self._own
        channel.send((Kind.CALL, self._sent, operation, target, packed, named))
        stopped: BaseException | None = None
        waiting = select.poll()
        waiting.register(channel, select.POLLIN)
        while True:
            try:
                if not channel.buffered:
                    waiting.poll()  # an interrupt that arrives meanwhile must not cost us a message
                message = channel.receive()
                if message[0] == Kind.CALL:
                    self._serve(channel, message)
                    continue
                break
            except _INTERRUPTS as error:
                stopped = error
            except EOFError:
                os._exit(1)
        if stopped is not None:
            raise stopped
        return self._outcome(message[0] == Kind.OK, message[2])

    def _ask_aside(self, operation: str, target: Any, packed: Any, named: Any) -> Any:
        """From a thread that does not run the script; it may be one of many."""
        answers: SimpleQueue[list[Any]] = SimpleQueue()
        with self._telling:
            self._last_aside = number = self._last_aside + 1
            self._waiting[number] = answers
        self.tell(Kind.ASIDE, number, operation, target, packed, named)
        message = answers.get()
        return self._outcome(message[0] == Kind.ASIDE_OK, message[2])

    def _outcome(self, succeeded: bool, value: Any) -> Any:
        if succeeded:
            return value
        raise remote_error(value)

    def _invoke(self, number: int, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return self.ask("invoke", number, args, kwargs)

    def _drop(self, number: int, times: int) -> None:
        self._dropped.put((number, times))

    def _bridged(self, name: str) -> Callable[..., Any]:
        return lambda *args, **kwargs: self.ask("bridge", name, args, kwargs)

    def _tell_dropped(self) -> None:
        while True:
            number, times = self._dropped.get()
            self.tell(Kind.DROPPED, number, times)

    # ---- the script ---------------------------------------------------------------------------

    def _run(self, given: dict[str, Any]) -> None:
        """Bring the script up and serve until it is retired; on the main thread."""
        alias: str = given["alias"]
        listeners = self._receive_listeners(given["listeners"])
        self._lock = RunLock(alias)
        feed = _Feed(self)
        self._record = feed.calls
        reporter = Reporter(cast("Any", feed), 0, False, given["batch"])
        context = Context(
            alias=alias,
            lock=self._lock,
            reporter=reporter,
            bridge={name: self._bridged(name) for name in given["bridge"]},
            loaded=self._loaded,
            failed=self._failed,
        )
        options: Mapping[str, Any] = MappingProxyType(given["options"])
        parts = tuple(Part(path and Path(os.fsdecode(path)), text) for path, text in given["parts"])
        source = Source(Path(os.fsdecode(given["path"])), given["text"], given["arguments"], options, parts)
        previous: Any = None
        if given["state"] or listeners:
            previous = _Predecessor(given["state"], listeners)
        self._runtime = runtime = self._engine.create(source, context, previous)
        runtime.run()

    def _loaded(self) -> None:
        assert self._runtime is not None
        self.ask("loaded", None, ([os.fsencode(path) for path in self._runtime.files],), {})

    def _failed(self, error: BaseException) -> None:
        self.ask("failed", None, (told(error),), {})

    def _receive_listeners(self, count: int) -> list[int]:
        """The listening sockets that follow the parent's first message, on its asking."""
        if not count:
            return []
        sock = self._own.sock
        sock.sendall(b"+")
        _, descriptors, _, _ = socket.recv_fds(sock, 1, count)
        return list(descriptors)

    # ---- calls from the parent ------------------------------------------------------------------

    def _take_calls(self) -> None:
        self._thread.channel = self._calls
        waiting = select.poll()
        waiting.register(self._calls, select.POLLIN)
        while True:
            try:
                if not self._calls.buffered:
                    waiting.poll()
                self._serve(self._calls, self._calls.receive())
            except EOFError:
                return
            except _INTERRUPTS:
                continue  # it was meant for the script, which had ended by then

    def _serve(self, channel: Channel, message: list[Any]) -> None:
        _, _, operation, target, args, named = message
        if operation == "send_listeners":
            self._send_listeners(channel)
            return
        self._reply(channel, partial(self._perform, operation, target, args, named or {}))

    def _reply(self, channel: Channel, perform: Callable[[], Any]) -> None:
        """Do something for the parent and tell it the outcome, which an interrupt must not swallow."""
        reply: tuple[Any, ...] | None = None
        while True:
            try:
                if reply is None:
                    reply = self._attempt(perform)
                    reply = reply[0], self._sent, reply[1]
                channel.send(reply)
                return
            except _INTERRUPTS:
                continue
            except CrossingError as error:  # too large
                reply = Kind.FAIL, self._sent, self.values.result(told(error))
            except OSError:
                os._exit(1)

    def _attempt(self, perform: Callable[[], Any]) -> tuple[Any, ...]:
        try:
            with self._lock if self._runtime is not None else threading.Lock():
                return Kind.OK, self.values.result(perform())
        except BaseException as error:  # noqa: BLE001 - the caller's to judge
            return Kind.FAIL, self.values.result(told(error))

    def _perform(self, operation: str, target: Any, args: list[Any], named: dict[str, Any]) -> Any:
        runtime = self._runtime
        assert runtime is not None
        if operation == "call":
            return self._handles[target](*args, **named)
        if operation == "invoke":
            return self.values.own(target)(*args, **named)
        if operation in ("get attribute", "set attribute", "call attribute"):
            return use(self.values.own(target), operation[:4].strip(), args, named)
        if operation == "bind":
            self._handles[target] = handle = self._cell.function(target, runtime.bind)
            runtime.bind(handle)
            return None
        if operation == "hold":
            return self._hold(runtime)
        if operation == "let go":
            self._let_go()
            return None
        if operation == "retire":
            runtime.retire()
            self._let_go()
            return None
        return getattr(runtime, operation)(*args)

    def _hold(self, runtime: Runtime) -> tuple[dict[Any, Any], int]:
        """Let nobody run the script until it is let go; its state, and how many sockets it listens on."""
        state = runtime.export_state()
        self._listeners = runtime.export_listeners()
        self._lock.acquire()
        self._held = True
        return state, len(self._listeners)

    def _let_go(self) -> None:
        if self._held:
            self._held = False
            self._lock.release()

    def _send_listeners(self, channel: Channel) -> None:
        descriptors, self._listeners = self._listeners, []
        socket.send_fds(channel.sock, [b"+"], descriptors)
        for descriptor in descriptors:
            os.close(descriptor)

    # ---- questions ------------------------------------------------------------------------------

    def _take_questions(self) -> None:
        while True:
            try:
                message = self._control.receive()
            except EOFError:
                os._exit(1)
            kind = message[0]
            if kind == Kind.DROPPED:
                self.values.take_back(message[1], message[2])
            elif kind == Kind.ASK:
                self.tell(Kind.ANSWER, message[1], *self._answer(*message[2:]))
            else:
                self._waiting.pop(message[1]).put(message)

    def _answer(self, operation: str, argument: Any) -> tuple[bool | None, Any]:
        """Whether it was done, and the result; None for "too busy"."""
        runtime = self._runtime
        if operation == "discard":
            self._discarded.set()
            return True, None
        if runtime is None:
            return (True, None) if operation == "ready" else (None, None)
        try:
            if operation == "interrupt":
                stopped = self._interrupt(runtime, argument)
                return None if stopped is None else True, stopped
            if operation == "sample":
                return True, self.values.result(self._sample(runtime, *argument))
            if operation == "look":
                return True, self.values.result(runtime.look(argument))
            if operation == "candidates":
                return True, self.values.result(runtime.candidates(_question(argument)))
            if operation == "files_changed":
                return True, runtime.files_changed()
            if operation == "calls":
                self._record.on = bool(argument)
                return True, self.values.result((self._record.take(), self._record.running()))
            if operation in ("tap", "tapped"):
                return True, self.values.result(getattr(runtime, operation)(*argument))
            if operation == "set_paused":
                return True, runtime.set_paused(argument)
            # These may wait for the script, and this thread must not.
            if not self._lock.acquire(STOP_LIMIT):
                return None, None
            try:
                result = getattr(runtime, operation)(*argument)
                if operation == "functions":
                    result = [(each.name, each.signature, each.doc, each.line) for each in result]
                return True, self.values.result(result)
            finally:
                self._lock.release()
        except Exception as error:  # noqa: BLE001 - the asker's to judge
            return False, self.values.result(told(error))

    def _sample(self, runtime: Runtime, limit: int, opened: Opened, known: int) -> tuple[Any, ...] | None:
        sample = runtime.sample(limit, opened, known)
        if sample is None and self._lock.acquire(SAMPLE_LIMIT):  # a callback may be just about to end
            try:
                sample = runtime.sample(limit, opened, known)
            finally:
                self._lock.release()
        return None if sample is None else tuple(sample)

    def _interrupt(self, runtime: Runtime, reason: str) -> bool | None:
        """Whether there was something to stop; None when it goes on."""
        if stop_waiting(self._lock):
            return True
        if self._lock.acquire(IDLE_LIMIT):
            self._lock.release()
            return False
        stopped = runtime.interrupt(reason)
        if not self._lock.acquire(STOP_LIMIT):
            return None
        self._lock.release()
        return stopped


def _question(told: list[Any]) -> Question:
    place, steps, prefix, start, quote, call = told
    steps, call = ([(kind, key) for kind, key in part] for part in (steps, call))
    return Question(place, tuple(steps), prefix, start, quote, tuple(call))
