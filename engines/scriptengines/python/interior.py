"""The Interior of a script that has a sub-interpreter to itself, and what is cleaned when it leaves.

`boot` prepares the interpreter for a script; what it returns is all the main interpreter ever calls in here.
"""

from __future__ import annotations

import asyncio
import builtins
import gc
import linecache
import os
import sys
import threading
from typing import TYPE_CHECKING, Any

from scriptengines.reports import Reporter
from scriptnative import Feed, RunLock, set_awaiter, set_loop

from . import imports
from .guest import Interior

if TYPE_CHECKING:
    import types

    from .guest import Guest


class WholeInterior(Interior):
    """A sub-interpreter and the script in it."""

    def __init__(self, lock: RunLock, reporter: Reporter) -> None:
        super().__init__(lock, reporter)
        self.baseline = dict(sys.modules)
        self.path = list(sys.path)
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
            if os.path.dirname(os.path.abspath(file)).startswith(directory):
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

    def vacate(self, limit: float) -> tuple[bool, list[str]]:
        """End the script's stay.

        Args:
            limit: Seconds that its threads get to end.

        Returns:
            Whether the interpreter can be used again, and the packages with C extensions that stay in it,
            because many of them cannot be loaded a second time.
        """
        # What threading takes the callers' threads for; they are not ours to join. It has no public name.
        foreign = threading._DummyThread  # pyright: ignore[reportPrivateUsage]
        for thread in threading.enumerate():
            if thread is threading.current_thread() or isinstance(thread, foreign):
                continue
            if thread is not threading.main_thread():
                thread.join(limit)
                if thread.is_alive():
                    return False, []
        set_loop(asyncio._set_running_loop, None)
        staying = imports.foreign_extensions()
        self._restore_modules(keep_libraries=bool(staying))
        sys.path[:] = self.path
        for guest in self.generations.values():
            guest.__dict__.clear()
        self.generations.clear()
        self.state = {}
        linecache.clearcache()
        gc.collect()
        return True, staying

    def _restore_modules(self, keep_libraries: bool) -> None:
        """Forget the script's modules, but libraries only if no extension may refer to them."""
        own = tuple(os.path.dirname(guest.path) + os.sep for guest in self.generations.values())
        for name, module in list(sys.modules.items()):
            file = str(getattr(module, "__file__", None) or "")
            is_library = name not in ("__main__", "host") and not file.startswith(own)
            if name not in self.baseline and not (keep_libraries and is_library):
                del sys.modules[name]
        sys.modules.update(self.baseline)


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
    sys.path[:] = path
    reporter = Reporter(Feed(address=feed), script, direct, batch)
    interior = WholeInterior(RunLock("", address=lock), reporter)
    set_awaiter(interior.run_awaitable)
    asyncio.events.new_event_loop = asyncio.new_event_loop = interior.new_event_loop
    sys.stdout, sys.stderr = interior.streams["stdout"], interior.streams["stderr"]
    threading.excepthook = lambda failure: reporter.error(
        "thread", failure.exc_value or RuntimeError("unknown")
    )
    return {"create": interior.create, "vacate": interior.vacate}
