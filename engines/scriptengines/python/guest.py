"""The inner part of the Python engine: one Guest per generation of a script, in an Interior per script.

All of it runs where the script runs. An Interior knows what the script shares with others in its interpreter:
`interior` has the one for scripts that have an interpreter to themselves, `tenants` the one for those that
live in the main interpreter.
"""

from __future__ import annotations

import asyncio
import socket
import threading
import types
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from scriptengines.awaiting import run_to_end, waited_for
from scriptengines.confinement import confinement
from scriptengines.host import Host, python_place, written
from scriptengines.loop import ScriptLoop
from scriptengines.reports import LineWriter
from scriptengines.runner import Runner
from scriptengines.steering import steer_timer
from scriptengines.tree import Readings
from scriptnative.errors import CrossingError, ScriptClosed, describe

from . import imports, unclosed
from .endings import ExitFunctions
from .namespace import Namespace
from .processwide import ProcessWatch

if TYPE_CHECKING:
    from scriptengines.reports import Reporter
    from scriptengines.tapping import TappedRow
    from scriptengines.tree import Opened
    from scriptnative import RunLock

    from .ownmodules import OwnModules

new_event_loop = asyncio.new_event_loop
_warn_unawaited: Callable[[Any], None] = vars(warnings)[
    "_warn_unawaited_coroutine"
]  # CPython calls it by name


class Interior(ABC):
    """What is common to all generations of a script.

    Attributes:
        lock: Its run lock.
        reporter: Its way to the session.
        state: Its `host.state`, as the running generation has it.
        generations: Those that have not been discarded, oldest first.
        streams: What its "stdout" and "stderr" are.
        watch: What it has changed of the process.
    """

    def __init__(self, lock: RunLock, reporter: Reporter) -> None:
        self.lock = lock
        self.reporter = reporter
        self.state: dict[Any, Any] = {}
        self.generations: dict[int, Guest] = {}
        self.watch = ProcessWatch(reporter, self.next_id)
        self.streams = {
            "stdout": LineWriter(reporter.output),
            "stderr": LineWriter(lambda text: reporter.output(text, "stderr")),
        }

    @abstractmethod
    def occupy(self, guest: Guest) -> None:
        """Make the interpreter the generation's own as far as can be, before its top level runs."""

    @abstractmethod
    def loaded(self, guest: Guest) -> None:
        """Its top level has run: callers may come."""

    @abstractmethod
    def failed(self, guest: Guest) -> None:
        """Its top level has not: put back what the generation before it had."""

    @abstractmethod
    def discard(self, guest: Guest) -> None:
        """Forget a generation whose thread has ended; who discards it still holds it, so it is emptied."""

    def run_awaitable(self, awaitable: Any) -> Any:
        """What a function returned that is awaitable: run to its end on the loop it belongs to."""
        if asyncio.isfuture(awaitable):
            loop: Any = awaitable.get_loop()
        else:
            current, newest = asyncio._get_running_loop(), self.newest()
            loop = current if isinstance(current, ScriptLoop) or newest is None else newest.loop
        if not isinstance(loop, ScriptLoop):
            raise CrossingError("result is a future of a loop that is not the script's; await it there")
        return run_to_end(loop, awaitable)

    def next_id(self) -> int:
        """A number for what the script makes now."""
        guest = self.by_thread() or self.newest()
        return 0 if guest is None else guest.loop.next_id()

    def warn_unawaited(self, coroutine: Any) -> None:
        """A coroutine has gone that was never awaited: as Python says it, and as a warning for display."""
        guest = self.by_thread() or self.newest()
        if guest is not None:
            guest.host.observation.mistakes.never_awaited(coroutine, python_place())
        _warn_unawaited(coroutine)

    def warn_unclosed(self, message: Any) -> None:
        """Something was dropped that should have been closed first, as Python's ResourceWarning says."""
        guest = self.by_thread() or self.newest()
        if guest is not None and (what := unclosed.describe(message)):
            place = self.watch.sockets.made_at(message.source) or python_place()
            guest.host.observation.mistakes.unclosed(what, written(place))

    def exits(self) -> ExitFunctions:
        """Those of the generation that the calling thread executes."""
        guest = self.by_thread() or self.newest()
        return ExitFunctions(self.reporter) if guest is None else guest.exits

    def by_thread(self) -> Guest | None:
        """The generation that runs on the calling thread."""
        thread = threading.get_ident()
        return next((guest for guest in list(self.generations.values()) if guest.thread_id == thread), None)

    def newest(self) -> Guest | None:
        """The generation that callers reach."""
        guests = list(self.generations.values())
        running = [guest for guest in guests if guest.is_loaded]
        return running[-1] if running else next(iter(guests), None)

    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        """What `asyncio.run` and friends get: the script's loop on its own thread, a plain one elsewhere."""
        guest = self.by_thread()
        return new_event_loop() if guest is None or guest.loop.is_running() else guest.loop

    def create(
        self,
        path: str,
        text: bytes,
        arguments: tuple[str, ...],
        options: dict[str, Any],
        bridge: dict[str, Callable[..., Any]],
        inherited: tuple[dict[Any, Any], list[int]] | None,
        loaded: Callable[[], None],
        failed: Callable[[object], None],
    ) -> dict[str, Any]:
        """Make a generation; raises SyntaxError. Its methods by name cross as references.

        Args:
            path: The script's file.
            text: Its source.
            arguments: For sys.argv.
            options: What is set for the host.
            bridge: The session's part of the host API.
            inherited: Of a generation that lives elsewhere: its `host.state`, and descriptors of its
                listening sockets, which are the new generation's to close once it is there.
            loaded: Called when it runs.
            failed: Called with the description of an error instead.
        """
        state, listening = inherited or ({}, [])
        sockets = [socket.socket(fileno=descriptor) for descriptor in listening]
        if inherited is not None:
            self.state = state
        previous = next(reversed(self.generations.values()), None)
        try:
            guest = Guest(self, path, text, arguments, options, bridge, previous, loaded, failed)
        except BaseException:
            for each in sockets:
                each.detach()
            raise
        guest.loop.inherited = sockets
        self.generations[id(guest)] = guest
        return guest.entries()


class Guest:
    """One generation of the script; the arguments are those of Interior.create.

    Args:
        interior: Where it lives.
        path: The script's file.
        text: Its source.
        arguments: For sys.argv.
        options: What is set for the host.
        bridge: The session's part of the host API.
        previous: The generation that runs now, in the same place.
        loaded: Called when this one runs.
        failed: Called with the description of an error instead.

    Attributes:
        is_loaded: Its top level has run.
        thread_id: Of the thread that runs it, 0 before.
    """

    is_loaded = False
    thread_id = 0

    def __init__(
        self,
        interior: Interior,
        path: str,
        text: bytes,
        arguments: tuple[str, ...],
        options: dict[str, Any],
        bridge: dict[str, Callable[..., Any]],
        previous: Guest | None,
        loaded: Callable[[], None],
        failed: Callable[[object], None],
    ) -> None:
        self.interior = interior
        self.path = path
        self.arguments = arguments
        self.previous = previous
        self.exits = ExitFunctions(interior.reporter)
        self.own_modules: OwnModules | None = None
        self.code = compile(text, path, "exec", dont_inherit=True)
        self._tell_loaded = loaded
        self._tell_failed = failed
        self.loop = ScriptLoop(interior.lock, interior.reporter.feed)
        self.loop.predecessor = None if previous is None else previous.loop
        state = _copied(interior.state)
        self.host = Host(self.loop, interior.reporter, bridge, state, in_python=True)
        self.host.sockets = interior.watch.sockets
        self.host.options = options
        self.host.confinement = confinement(options, path, python=True)
        self.module = types.ModuleType("__main__")
        self.module.__file__ = path
        self.host_module = self._make_host_module()
        self.namespace = Namespace(self.module, path, state)
        self._readings = Readings()
        self._typed: dict[str, Any] = {}

    def __getattr__(self, name: str) -> NoReturn:
        """What is missing was there until it was discarded; who waited for a turn comes too late."""
        raise ScriptClosed(f"this version of it has ended, and has no {name} any more; call it again")

    def entries(self) -> dict[str, Any]:
        """What the outside may call."""
        names = self.namespace
        return {
            "run": self.run,
            "retire": self.loop.retire,
            "discard": self.discard,
            "lookup": self.lookup,
            "functions": names.functions,
            "sample": self.sample,
            "variables": names.variables,
            "look": names.look,
            "assign": names.assign,
            "get": names.get,
            "set": names.set,
            "evaluate": names.evaluate,
            "execute": names.execute,
            "run_fragment": names.run_fragment,
            "interact": self.interact,
            "candidates": names.candidates,
            "cancel_timer": self.host.cancel_timer,
            "steer_timer": partial(steer_timer, self.loop),
            "close_connection": self.close_connection,
            "tap": self.tap,
            "tapped": self.tapped,
            "set_paused": self.loop.set_paused,
            "pending": self.loop.is_busy,
            "memory": names.memory,
            "export_state": names.export_state,
            "export_listeners": self.loop.export_listeners,
        }

    def interact(self, code: str, name: str) -> Any:
        """Run what somebody typed; see Script.interact."""
        from .interacting import interact

        return interact(self.module.__dict__, code, name, self.interior.run_awaitable, self._typed)

    def lookup(self, name: str) -> Callable[..., Any]:
        """The function of a name; that of an `async def` is waited for."""
        return waited_for(self.loop, self.namespace.lookup(name))

    def run(self) -> None:
        """Execute and serve, on a thread of its own."""
        self.thread_id = threading.get_ident()
        asyncio._set_running_loop(None)
        asyncio.set_event_loop(self.loop)
        Runner(self.interior.lock, self.loop, self.interior.reporter, self._loaded, self._failed).run(
            self._execute
        )
        asyncio.set_event_loop(None)
        for stream in self.interior.streams.values():
            stream.finish()

    def _execute(self) -> None:
        self.interior.occupy(self)
        self.interior.watch.confinement = self.host.confinement
        with imports.explained(self.path):
            exec(self.code, self.module.__dict__)

    def _loaded(self) -> None:
        self.interior.state = self.namespace.state
        self.interior.loaded(self)
        self.is_loaded = True
        if self.previous is not None:
            self.previous.loop.retire()
        self.previous = self.loop.predecessor = None
        self.loop.close_inherited()
        self._tell_loaded()

    def _failed(self, error: BaseException) -> None:
        self.interior.failed(self)
        before = self.previous
        self.interior.watch.confinement = None if before is None else before.host.confinement
        self.loop.close_inherited()
        self._tell_failed(describe(error))

    def discard(self) -> None:
        """Forget this generation, once its thread has ended."""
        self.exits.run_aside()
        self.interior.generations.pop(id(self), None)
        self.interior.discard(self)

    def sample(self, limit: int, opened: Opened, known: int) -> tuple[Any, ...]:
        """At most `limit` rows of each kind; see Sample."""
        variables = self._readings.delta(self.namespace.variables(limit, opened, 0), known)
        sample = self.host.observation.sample(variables, limit)
        return variables, *(list(part) for part in sample[1:])

    def close_connection(self, number: int) -> bool:
        """Close a connection of the sample; whether it was open."""
        return self.host.observation.close_connection(number)

    def tap(self, number: int, on: bool) -> bool:
        """Begin or end to keep what a connection carries; whether there is one."""
        return self.host.observation.taps.turn(number, on)

    def tapped(self, number: int) -> TappedRow:
        """What is kept of a connection."""
        return self.host.observation.taps.row(number)

    def _make_host_module(self) -> types.ModuleType:
        module = types.ModuleType("host", "What a script may ask of the console.")
        module.__dict__.update(state=self.host.state, batch=self.interior.reporter.batch)
        module.__dict__.update(__getattr__=self._offer, __dir__=self._offered_names)
        return module

    def _offer(self, name: str) -> Any:
        """A function of the module `host`, when it is first asked for."""
        offered = self.host.offer(name)
        setattr(self.host_module, name, offered)
        return offered

    def _offered_names(self) -> list[str]:
        from scriptengines.hostapi.registry import names

        return sorted({*names(), "state", "batch"})


def _copied(state: dict[Any, Any]) -> dict[Any, Any]:
    """A copy for the next generation, so that a failing one cannot spoil it."""
    import copy

    try:
        return copy.deepcopy(state)
    except Exception:  # noqa: BLE001 - a lock, a socket …: then the objects are shared
        return state.copy()
