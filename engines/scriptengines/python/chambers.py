"""Where a Python script can live: a sub-interpreter with its own GIL, one with the main GIL, the main one.

A Chamber is such a place, seen from outside. Sub-interpreters are kept and used again, because CPython 3.13
leaks about 2 MB with each one that ends.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from scriptengines.errors import ScriptConsoleError
from scriptnative import Interpreter, call_unlocked, interrupt_tenant, leaving

if TYPE_CHECKING:
    from collections.abc import Callable

    from scriptengines.engine import Context
    from scriptnative import RunLock

END_LIMIT = 2.0
"""Seconds that a script's own threads get to end before its interpreter is abandoned."""

INSIST_AFTER = 0.01
"""Seconds that an interrupted script gets to end before the exception is raised at every line."""

IMPORT_LIMIT = 1.0
"""Seconds to wait for a script that is to be interrupted to come out of the import machinery."""

_BOOT = """
import sys
sys.path[:] = {path!r}
from scriptengines.python import imports
imports.install({isolation!r})
"""


class Chamber(ABC):
    """One place, with the script that lives in it or none.

    Attributes:
        isolation: What keeps it apart from others.
        create: Makes a generation of the script; see Interior.create.
        ending: Held while one of its generations is discarded: the last one takes the place with it.
    """

    isolation: str
    create: Callable[..., Any] | None = None

    def __init__(self) -> None:
        self.ending = threading.Lock()

    @abstractmethod
    def move_in(self, context: Context) -> None:
        """Give it to a script."""

    @abstractmethod
    def move_out(self) -> list[str]:
        """Take it back; what of the script goes on, so that the place must be left alone."""

    @abstractmethod
    def send_interrupt(self, hold: int, *, insist: bool) -> bool:
        """Raise ScriptInterrupt in the thread that executes the script, if that is still the same hold."""

    def interrupt(self, lock: RunLock) -> bool:
        """Stop what the script does now, whatever it catches; False when it does nothing.

        Args:
            lock: Its run lock.
        """
        hold = lock.hold()
        if hold is None or not self.send_interrupt(hold, insist=False):
            return False
        threading.Thread(target=self._insist, args=(lock, hold), name="interrupt", daemon=True).start()
        return True

    def _insist(self, lock: RunLock, hold: int) -> None:
        """In earnest: the script has caught it, or was in a handler that lets go."""
        time.sleep(INSIST_AFTER)
        if lock.hold() == hold:
            self.send_interrupt(hold, insist=True)


class InterpreterChamber(Chamber):
    """A sub-interpreter.

    Attributes:
        extensions: Packages with C extensions that earlier scripts have left in it.
        spoilt: What a script has done to it that cannot be undone.
    """

    def __init__(self, isolation: str) -> None:
        super().__init__()
        self.isolation = isolation
        if sys.version_info < (3, 14):
            # 3.13 crashes at exit when the main interpreter imports it after another one has (no script
            # needed: a sub-interpreter, then main).
            import datetime  # noqa: F401  # pyright: ignore[reportUnusedImport]
        self.interpreter = Interpreter(own_gil=isolation == "isolated")
        self.interpreter.run(_BOOT.format(path=sys.path, isolation=isolation))
        self._boot: Any = self.interpreter.load("scriptengines.python.interior", "boot")
        self._vacate: Callable[..., Any] | None = None
        self.extensions: list[str] = []
        self.spoilt = ""

    def move_in(self, context: Context) -> None:
        """Give the interpreter to a script."""
        reporter = context.reporter
        entries = self._boot(
            reporter.feed.address,
            reporter.script,
            reporter.direct,
            reporter.batch,
            context.lock.address,
            list(sys.path),
        )
        self.create, self._vacate = entries["create"], entries["vacate"]
        self.interpreter.set_lock(context.lock)

    def move_out(self) -> list[str]:
        """Clean the interpreter for the next script."""
        self.interpreter.set_lock(None)
        vacate, self.create, self._vacate = self._vacate, None, None
        if vacate is None:
            return []
        try:
            left, self.spoilt, self.extensions = vacate(END_LIMIT)
        except ScriptConsoleError as error:  # it has left nothing to clean up with
            return [f"its interpreter ({error})"]
        return left

    def send_interrupt(self, hold: int, *, insist: bool) -> bool:
        """As Chamber says; waits for the interpreter's GIL."""
        return _patiently(lambda: self.interpreter.interrupt(hold, insist=insist))

    def end(self) -> bool:
        """End the interpreter; False when threads are still inside."""
        self._boot = self.create = self._vacate = None
        return self.interpreter.end(END_LIMIT)


class MainChamber(Chamber):
    """A part of the main interpreter; each script gets a new one."""

    isolation = "main"

    def move_in(self, context: Context) -> None:
        """Let a script in."""
        from .tenants import Tenant

        self._lock = context.lock
        tenant = Tenant(context.lock, context.reporter)
        self.create, self._vacate = tenant.move_in()

    def move_out(self) -> list[str]:
        """Let it go."""
        self.create = None
        return call_unlocked(self._vacate, END_LIMIT)

    def send_interrupt(self, hold: int, *, insist: bool) -> bool:
        """As Chamber says."""
        return _patiently(lambda: interrupt_tenant(self._lock, hold, insist=insist))


def _patiently(interrupt: Callable[[], bool | None]) -> bool:
    """Interrupt as soon as the script is not in the import machinery itself; whether that came about."""
    end = time.monotonic() + IMPORT_LIMIT
    while (sent := interrupt()) is None and time.monotonic() < end:
        time.sleep(0.001)
    return bool(sent)


class Pool:
    """The vacant sub-interpreters of an engine, and those that no engine owns, on 3.13."""

    _kept: ClassVar[list[InterpreterChamber]] = []
    """They end with the process, or before it forks."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._vacant: list[InterpreterChamber] = []

    def take(self, isolation: str) -> Chamber:
        """A vacant place; rather one that has extensions, which may be impossible to load in another."""
        if isolation == "main":
            return MainChamber()
        with self._mutex:
            fitting = [each for each in (*self._kept, *self._vacant) if each.isolation == isolation]
            fitting.reverse()  # among equals the one that was left last: its memory is warm
            if fitting:
                chamber = max(fitting, key=lambda each: len(each.extensions))
                (self._vacant if chamber in self._vacant else self._kept).remove(chamber)
                return chamber
        return InterpreterChamber(isolation)

    def give_back(self, chamber: Chamber) -> None:
        """It is vacant again."""
        if not isinstance(chamber, InterpreterChamber):
            return
        if chamber.spoilt:
            if not chamber.end():
                leaving.abandon()
            return
        with self._mutex:
            self._vacant.append(chamber)

    def close(self) -> int:
        """Keep or end what is vacant; the number of those that did not end."""
        with self._mutex:
            vacant, self._vacant = self._vacant, []
        for chamber in vacant:
            # On 3.13 ending one costs about 8 MB with asyncio in it, for good.
            if sys.version_info < (3, 14) or chamber.extensions:
                self._kept.append(chamber)
        return sum(not chamber.end() for chamber in vacant if chamber not in self._kept)

    @classmethod
    def end_kept(cls) -> None:
        """Before a fork: CPython 3.13 crashes in a forked child that has inherited other interpreters."""
        while cls._kept:
            cls._kept.pop().end()


os.register_at_fork(before=Pool.end_kept)
