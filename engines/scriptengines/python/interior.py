"""The Interior of a script that has a sub-interpreter to itself, and what is cleaned when it leaves.

`boot` prepares the interpreter for a script; what it returns is all the main interpreter ever calls in here.
"""

from __future__ import annotations

import asyncio
import builtins
import codecs
import functools
import gc
import importlib
import linecache
import os
import sys
import threading
from importlib.machinery import EXTENSION_SUFFIXES
from typing import TYPE_CHECKING, Any, cast

from scriptengines.reports import Reporter
from scriptnative import Feed, RunLock, drain, set_awaiter, set_loop, thread_frames

from . import imports, unclosed
from .endings import end_threads, ignoring_interrupts, report_thread_error, thread_names
from .guest import Interior
from .processwide import listen, watch_calls
from .scrub import Snapshot

if TYPE_CHECKING:
    import types
    from collections.abc import Callable

    from .guest import Guest


class WholeInterior(Interior):
    """A sub-interpreter and the script in it."""

    def __init__(self, lock: RunLock, reporter: Reporter) -> None:
        super().__init__(lock, reporter)
        self.baseline = _snapshot().modules
        self._codecs: list[Any] = []
        self._path = list(sys.path)
        self._replaced: dict[str, types.ModuleType] = {}

    def occupy(self, guest: Guest) -> None:
        """Put the generation's modules, arguments and folder where Python code looks for them."""
        linecache.checkcache(guest.path)
        directory = os.path.dirname(guest.path)
        self._replaced = self._take_own_modules(directory)
        guest.module.__dict__["__builtins__"] = builtins
        for name, module in (("__main__", guest.module), ("host", guest.host_module)):
            self._replaced[name] = sys.modules.get(name, module)
            sys.modules[name] = module
        sys.argv = [guest.path, *guest.arguments]
        if directory not in sys.path:
            sys.path.insert(0, directory)

    def _take_own_modules(self, directory: str) -> dict[str, types.ModuleType]:
        """Forget the modules from the script's folder, so that their edits arrive too; give them back."""
        taken: dict[str, types.ModuleType] = {}
        for name, module in list(sys.modules.items()):
            file = getattr(module, "__file__", None)
            if name in ("__main__", "host") or not isinstance(file, str) or name in self.baseline:
                continue
            if self._is_own(file, directory):
                taken[name] = sys.modules.pop(name)
        return taken

    def loaded(self, guest: Guest) -> None:
        """Callers from outside see its loop as the running one."""
        set_loop(asyncio._set_running_loop, guest.loop)
        self._replaced = {}

    def failed(self, guest: Guest) -> None:
        """The modules of the generation before are back."""
        sys.modules.update(self._replaced)
        self._replaced = {}

    def discard(self, guest: Guest) -> None:
        """Functions and their globals hold each other: until a collection, many generations would stay."""
        guest.__dict__.clear()
        gc.collect()

    def vacate(self, limit: float) -> tuple[list[str], str, list[str]]:
        """End the script's stay, and clean up for the next one.

        Args:
            limit: Seconds that its threads get to end.

        Returns:
            What of it goes on, so that the interpreter must be left alone; why the interpreter cannot be
            used again although all has ended, or ""; the packages with C extensions that stay in it, because
            many of them cannot be loaded a second time.
        """
        _snapshot().restore_builtins()
        for guest in list(self.generations.values()):
            guest.exits.run_aside()
        for function in reversed(cast("list[Any]", getattr(threading, "_threading_atexits", []))):
            function()  # idle workers of executors wait for this
        left = end_threads(_running_threads, limit)
        if left:
            return left, "", []
        set_loop(asyncio._set_running_loop, None)
        _snapshot().restore_importing()
        staying = imports.lasting_extensions()
        keep = self._libraries() if staying else frozenset[str]()
        for function in self._codecs:
            codecs.unregister(function)
        drain()  # what the host has let go of must not outlive the collection below
        for guest in self.generations.values():
            guest.__dict__.clear()
        self.generations.clear()
        self.state = {}
        self.watch.restore()
        _snapshot().restore(keep)
        return [], self.watch.tainted, staying

    def _is_own(self, file: str, directory: str) -> bool:
        """Whether a file lies in the script's folder, and not in a place for libraries inside of it."""
        path = os.path.abspath(file)
        inner = [entry + os.sep for entry in self._path if entry.startswith(directory + os.sep)]
        return path.startswith(directory + os.sep) and not path.startswith(tuple(inner))

    def _libraries(self) -> frozenset[str]:
        """All modules but the script's own: what extensions refer to must stay one and the same."""
        folders = {os.path.dirname(guest.path) for guest in self.generations.values()}
        found: set[str] = set()
        for name, module in list(sys.modules.items()):
            file = str(getattr(module, "__file__", None) or "")
            own = not file.endswith(tuple(EXTENSION_SUFFIXES)) and any(self._is_own(file, f) for f in folders)
            if name not in ("__main__", "host") and not own:
                found.add(name)
        return frozenset(found)

    def offer(self, module: str, name: str, function: Any) -> None:
        """Put a function in the place of a module's own, until the script leaves."""
        setattr(importlib.import_module(module), name, function)

    def register_exit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Callable[..., Any]:
        """As atexit.register, for the generation that asks."""
        return self.exits().register(function, *args, **kwargs)

    def unregister_exit(self, function: Callable[..., Any]) -> None:
        """As atexit.unregister."""
        self.exits().unregister(function)

    def register_codec(self, search: Any) -> None:
        """As codecs.register, until the script leaves."""
        _register_codec(search)
        self._codecs.append(search)


_register_codec = codecs.register


@functools.cache
def _snapshot() -> Snapshot:
    return Snapshot()


def _running_threads() -> dict[int, str]:
    """All threads that execute something in this interpreter, but the calling one."""
    names = thread_names(threading.enumerate())
    return {thread: names.get(thread, f"thread {thread}") for thread in thread_frames()}


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
    _snapshot()
    sys.path[:] = path
    reporter = Reporter(Feed(address=feed), script, direct, batch)
    interior = WholeInterior(RunLock("", address=lock), reporter)
    set_awaiter(interior.run_awaitable)
    asyncio.events.new_event_loop = asyncio.new_event_loop = interior.new_event_loop
    sys.stdout, sys.stderr = interior.streams["stdout"], interior.streams["stderr"]
    threading.excepthook = functools.partial(report_thread_error, reporter)
    sys.unraisablehook = ignoring_interrupts(sys.__unraisablehook__)
    listen(lambda: interior.watch)
    watch_calls(interior.watch, interior.offer)
    interior.offer("warnings", "_warn_unawaited_coroutine", interior.warn_unawaited)
    unclosed.listen(interior.warn_unclosed, interior.offer)
    interior.offer("atexit", "register", interior.register_exit)
    interior.offer("atexit", "unregister", interior.unregister_exit)
    interior.offer("codecs", "register", interior.register_codec)
    return {"create": interior.create, "vacate": interior.vacate}
