"""The part of the Python engine that runs inside a sub-interpreter: one Guest per generation of its script.

`boot` prepares the interpreter once; what it returns is all the main interpreter ever calls in here.
"""

from __future__ import annotations

import asyncio
import builtins
import gc
import inspect
import linecache
import os
import sys
import threading
import types
from typing import TYPE_CHECKING, Any, cast

from scriptengines.awaiting import run_to_end, waited_for
from scriptengines.host import FUNCTIONS, Host
from scriptengines.loop import ScriptLoop
from scriptengines.reports import LineWriter, Reporter
from scriptengines.runner import Runner
from scriptengines.summary import size_of, summarize
from scriptnative import Feed, RunLock, drain, set_awaiter, set_loop
from scriptnative.errors import CrossingError, UnknownFunction, describe, did_you_mean

from . import imports

if TYPE_CHECKING:
    from collections.abc import Callable

_HIDDEN = frozenset({"host"})
_new_event_loop = asyncio.new_event_loop
_here: Interior


class Interior:
    """What one interpreter knows of the script that lives in it."""

    def __init__(self, lock: RunLock, reporter: Reporter) -> None:
        self.lock = lock
        self.reporter = reporter
        self.state: dict[Any, Any] = {}
        self.generations: dict[int, Guest] = {}
        self.baseline = dict(sys.modules)
        self.path = list(sys.path)

    def by_thread(self) -> Guest | None:
        """The generation that runs on the calling thread."""
        thread = threading.get_ident()
        return next((guest for guest in self.generations.values() if guest.loop.thread_id == thread), None)


class Guest:
    """One generation of the script.

    Args:
        interior: The interpreter it lives in.
        path: The script's file.
        text: Its source.
        arguments: For sys.argv.
        bridge: The session's part of the host API.
        previous: The generation that runs now.
        loaded: Called when this one runs.
        failed: Called with the description of an error instead.
    """

    def __init__(
        self,
        interior: Interior,
        path: str,
        text: bytes,
        arguments: tuple[str, ...],
        bridge: dict[str, Callable[..., Any]],
        previous: Guest | None,
        loaded: Callable[[], None],
        failed: Callable[[object], None],
    ) -> None:
        self.interior = interior
        self.path = path
        self.arguments = arguments
        self.previous = previous
        self.code = compile(text, path, "exec", dont_inherit=True)
        self._tell_loaded = loaded
        self._tell_failed = failed
        self.loop = ScriptLoop(interior.lock, interior.reporter.feed)
        self.loop.predecessor = None if previous is None else previous.loop
        self.state = _copied(interior.state)
        self.host = Host(self.loop, interior.reporter, bridge, self.state, in_python=True)
        self.module = types.ModuleType("__main__")
        self.module.__file__ = path
        self.module.__dict__["__builtins__"] = builtins
        self._replaced: dict[str, types.ModuleType] = {}

    # ---- running ------------------------------------------------------------------------------

    def run(self) -> None:
        """Execute and serve, on a thread of its own."""
        asyncio._set_running_loop(None)
        asyncio.set_event_loop(self.loop)
        Runner(self.interior.lock, self.loop, self.interior.reporter, self._loaded, self._failed).run(
            self._execute
        )
        asyncio.set_event_loop(None)
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, LineWriter):
                stream.finish()

    def _execute(self) -> None:
        linecache.checkcache(self.path)
        self._replaced = _take_own_modules(os.path.dirname(self.path))
        for name, module in (("__main__", self.module), ("host", self._host_module())):
            self._replaced[name] = sys.modules.get(name, module)
            sys.modules[name] = module
        sys.argv = [self.path, *self.arguments]
        directory = os.path.dirname(self.path)
        if directory not in sys.path:
            sys.path.insert(0, directory)
        with imports.explained(self.path):
            exec(self.code, self.module.__dict__)

    def _loaded(self) -> None:
        interior = self.interior
        interior.state = self.state
        set_loop(asyncio._set_running_loop, self.loop)
        if self.previous is not None:
            self.previous.loop.retire()
        self.previous = self.loop.predecessor = None
        self._replaced = {}
        self._tell_loaded()

    def _failed(self, error: BaseException) -> None:
        sys.modules.update(self._replaced)
        self._tell_failed(describe(error))

    def retire(self) -> None:
        """Close what it has open and make its loop end; holding the run lock."""
        self.loop.retire()

    def _host_module(self) -> types.ModuleType:
        module = types.ModuleType("host", "What a script may ask of the console.")
        for name in FUNCTIONS:
            setattr(module, name, getattr(self.host, name))
        module.__dict__.update(state=self.state, batch=self.interior.reporter.batch)
        return module

    # ---- looking in -----------------------------------------------------------------------------

    def lookup(self, name: str) -> Callable[..., Any]:
        """The function of a name, dotted names included."""
        found: Any = self.module
        for part in name.split("."):
            found = found.__dict__.get(part, found) if found is self.module else getattr(found, part, None)
            if found is None or found is self.module:
                raise self._unknown(name)
        if not callable(found):
            raise UnknownFunction(
                f'"{name}" in {self.path} is a {type(found).__name__}, not a function', file=self.path
            )
        return waited_for(self.loop, found)

    def _unknown(self, name: str) -> UnknownFunction:
        known = [row[0] for row in self.functions()]
        return UnknownFunction(
            f'no function "{name}" in {self.path}.{did_you_mean(name, known)}', file=self.path
        )

    def functions(self) -> list[tuple[str, str, str, int]]:
        """Name, signature, first paragraph of the documentation and line of each function it defines."""
        rows: list[tuple[str, str, str, int]] = []
        for name, value in list(self.module.__dict__.items()):
            if (
                name.startswith("_")
                or not inspect.isroutine(value)
                or getattr(value, "__module__", "") != "__main__"
            ):
                continue
            try:
                signature = str(inspect.signature(value))
            except (TypeError, ValueError):
                signature = "(…)"
            doc = (inspect.getdoc(value) or "").partition("\n\n")[0]
            code = getattr(value, "__code__", None)
            rows.append((name, signature, doc, code.co_firstlineno if code is not None else 0))
        return rows

    def sample(self, limit: int) -> tuple[list[Any], list[Any], list[Any]]:
        """At most `limit` rows each of variables, timers and connections."""
        return self._variables(limit), self.host.timer_rows(limit), self.loop.connections(limit)

    def _variables(self, limit: int) -> list[tuple[str, str, str, int | None]]:
        rows: list[tuple[str, str, str, int | None]] = []
        names = list(self.module.__dict__.items())
        if self.state:
            rows.extend(
                (f"host.state[{key!r}]", *_shown(value)) for key, value in list(self.state.items())[:limit]
            )
        for name, value in names:
            if len(rows) >= limit:
                break
            if name.startswith("__") or name in _HIDDEN or isinstance(value, types.ModuleType):
                continue
            if inspect.isroutine(value) or isinstance(value, type):
                continue
            rows.append((name, *_shown(value)))
        return rows

    def get(self, path: tuple[str | int, ...]) -> Any:
        """The value of a global, or of something inside it."""
        found: Any = self.module
        for step in path:
            found = _step(found, step)
        return found

    def set(self, path: tuple[str | int, ...], value: Any) -> None:
        """Set a global, or something inside it."""
        owner = self.get(path[:-1])
        if isinstance(owner, (list, dict)):
            cast("dict[Any, Any]", owner)[path[-1]] = value
        else:
            setattr(owner, str(path[-1]), value)

    def evaluate(self, expression: str) -> Any:
        """The value of an expression in the script's global scope."""
        return eval(compile(expression, "<console>", "eval"), self.module.__dict__)

    def execute(self, code: str) -> None:
        """Run statements in the script's global scope."""
        exec(compile(code, "<console>", "exec"), self.module.__dict__)

    def complete(self, text: str, cursor: int) -> list[str]:
        """What the word before the cursor may become; 200 candidates at most."""
        import rlcompleter

        word = text[:cursor].split()[-1] if text[:cursor].split() else ""
        start = max(word.rfind(mark) for mark in "([{,=+-*/ ") + 1
        completer = rlcompleter.Completer(self.module.__dict__)
        found: list[str] = []
        while (match := completer.complete(word[start:], len(found))) is not None and len(found) < 200:
            found.append(match.rstrip("() "))
        return found

    def discard(self) -> None:
        """Forget this generation, once its thread has ended."""
        self.interior.generations.pop(id(self), None)
        self.__dict__.clear()  # the caller still holds this method
        # Functions and their globals hold each other: until a collection, many generations would stay.
        gc.collect()


def boot(feed: int, script: int, direct: bool, batch: bool, lock: int, path: list[str]) -> dict[str, Any]:
    """Prepare this interpreter for a script.

    Args:
        feed: Address of the session's feed.
        script: Number of the script.
        direct: Whether output goes straight to the process's own.
        batch: Whether the run is headless.
        lock: Address of the script's run lock.
        path: Where modules are looked for.

    Returns:
        "create", which makes a generation and gives its methods by name; "vacate", which ends the script's
        stay.
    """
    global _here
    sys.path[:] = path
    reporter = Reporter(Feed(address=feed), script, direct, batch)
    _here = Interior(RunLock("", address=lock), reporter)
    set_awaiter(_run_awaitable)
    asyncio.events.new_event_loop = asyncio.new_event_loop = _loop_for_caller
    sys.stdout = LineWriter(reporter.output)
    sys.stderr = LineWriter(lambda text: reporter.output(text, "stderr"))
    threading.excepthook = lambda failure: reporter.error(
        "thread", failure.exc_value or RuntimeError("unknown")
    )
    return {"create": create, "vacate": vacate}


def create(
    path: str,
    text: bytes,
    arguments: tuple[str, ...],
    bridge: dict[str, Callable[..., Any]],
    loaded: Callable[[], None],
    failed: Callable[[object], None],
) -> dict[str, Any]:
    """Make a generation; raises SyntaxError. Its methods by name cross as references."""
    previous = next(reversed(_here.generations.values()), None)
    guest = Guest(_here, path, text, arguments, bridge, previous, loaded, failed)
    _here.generations[id(guest)] = guest
    return {
        "run": guest.run,
        "retire": guest.retire,
        "discard": guest.discard,
        "lookup": guest.lookup,
        "functions": guest.functions,
        "sample": guest.sample,
        "get": guest.get,
        "set": guest.set,
        "evaluate": guest.evaluate,
        "execute": guest.execute,
        "complete": guest.complete,
        "cancel_timer": guest.host.cancel_timer,
        "close_connection": guest.loop.close_connection,
        "set_paused": guest.loop.set_paused,
        "pending": guest.loop.is_busy,
        "export_state": lambda: guest.state,
    }


def vacate(limit: float) -> bool:
    """Join the script's threads and restore the modules; whether the interpreter can be used again."""
    # What threading takes the callers' threads for; they are not ours to join. It has no public name.
    foreign = threading._DummyThread  # pyright: ignore[reportPrivateUsage]
    for thread in threading.enumerate():
        if thread is threading.current_thread() or isinstance(thread, foreign):
            continue
        if thread is not threading.main_thread():
            thread.join(limit)
            if thread.is_alive():
                return False
    set_loop(asyncio._set_running_loop, None)
    for name in list(sys.modules):
        if name not in _here.baseline:
            del sys.modules[name]
    sys.modules.update(_here.baseline)
    sys.path[:] = _here.path
    drain()  # what the host has let go of must not outlive the collection below
    for guest in _here.generations.values():
        guest.__dict__.clear()
    _here.generations.clear()
    _here.state = {}
    linecache.clearcache()
    gc.collect()
    return True


def _run_awaitable(awaitable: Any) -> Any:
    """What a function returned that is awaitable: run to its end on the loop it belongs to."""
    if asyncio.isfuture(awaitable):
        loop = awaitable.get_loop()
    else:
        current = asyncio._get_running_loop()
        loop = current if isinstance(current, ScriptLoop) else next(reversed(_here.generations.values())).loop
    if not isinstance(loop, ScriptLoop):
        raise CrossingError("result is a future of a loop that is not the script's; await it there")
    return run_to_end(loop, awaitable)


def _loop_for_caller() -> asyncio.AbstractEventLoop:
    """What `asyncio.run` and friends get: the script's own loop on its own thread, a plain one elsewhere."""
    guest = _here.by_thread()
    return _new_event_loop() if guest is None or guest.loop.is_running() else guest.loop


def _take_own_modules(directory: str) -> dict[str, types.ModuleType]:
    """Forget the modules from the script's folder, so that their edits arrive too; give them back."""
    taken: dict[str, types.ModuleType] = {}
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if name in ("__main__", "host") or not isinstance(file, str) or name in _here.baseline:
            continue
        if os.path.dirname(os.path.abspath(file)).startswith(directory):
            taken[name] = sys.modules.pop(name)
    return taken


def _copied(state: dict[Any, Any]) -> dict[Any, Any]:
    """A copy for the next generation, so that a failing one cannot spoil it."""
    import copy

    try:
        return copy.deepcopy(state)
    except Exception:  # noqa: BLE001 - a lock, a socket …: then the objects are shared
        return state.copy()


def _shown(value: Any) -> tuple[str, str, int | None]:
    return type(value).__name__, summarize(value), size_of(value)


def _step(owner: Any, step: str | int) -> Any:
    if isinstance(owner, (dict, list, tuple)):
        return cast("dict[Any, Any]", owner)[step]
    if isinstance(step, int):
        raise CrossingError(f"a {type(owner).__name__} has no item {step}")
    return getattr(owner, step)
