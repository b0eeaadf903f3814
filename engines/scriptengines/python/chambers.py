"""Where a Python script can live: a sub-interpreter with its own GIL, one with the main GIL, the main one.

A Chamber is such a place, seen from outside. Sub-interpreters are kept and used again, because CPython 3.13
leaks about 2 MB with each one that ends.
"""

from __future__ import annotations

import os
import sys
import threading
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from scriptnative import Interpreter, interrupt_tenant

if TYPE_CHECKING:
    from collections.abc import Callable

    from scriptengines.engine import Context

END_LIMIT = 2.0
"""Seconds that a script's own threads get to end before its interpreter is abandoned."""

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
    """

    isolation: str
    create: Callable[..., Any] | None = None

    @abstractmethod
    def move_in(self, context: Context) -> None:
        """Give it to a script."""

    @abstractmethod
    def move_out(self) -> bool:
        """Take it back; False when the script's threads go on and it must be left alone."""

    @abstractmethod
    def interrupt(self) -> bool:
        """Raise ScriptInterrupt in the thread that executes the script; False when none does."""


class InterpreterChamber(Chamber):
    """A sub-interpreter."""

    def __init__(self, isolation: str) -> None:
        self.isolation = isolation
        self.interpreter = Interpreter(own_gil=isolation == "isolated")
        self.interpreter.run(_BOOT.format(path=sys.path, isolation=isolation))
        self._boot: Any = self.interpreter.load("scriptengines.python.interior", "boot")
        self._vacate: Callable[..., Any] | None = None

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

    def move_out(self) -> bool:
        """Clean the interpreter for the next script."""
        self.interpreter.set_lock(None)
        vacate, self.create, self._vacate = self._vacate, None, None
        return vacate is None or bool(vacate(END_LIMIT))

    def interrupt(self) -> bool:
        """As Chamber says; waits for the interpreter's GIL."""
        return self.interpreter.interrupt()

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
        self._tenant = Tenant(context.lock, context.reporter)
        self.create = self._tenant.move_in()

    def move_out(self) -> bool:
        """Let it go."""
        self.create = None
        return self._tenant.move_out(END_LIMIT)

    def interrupt(self) -> bool:
        """As Chamber says."""
        return interrupt_tenant(self._lock)


class Pool:
    """The vacant sub-interpreters of an engine, and those that no engine owns, on 3.13."""

    _kept: list[InterpreterChamber] = []
    """They end with the process, or before it forks."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._vacant: list[InterpreterChamber] = []

    def take(self, isolation: str) -> Chamber:
        """A vacant place."""
        if isolation == "main":
            return MainChamber()
        with self._mutex:
            for vacant in (self._vacant, self._kept):
                for chamber in reversed(vacant):
                    if chamber.isolation == isolation:
                        vacant.remove(chamber)
                        return chamber
        return InterpreterChamber(isolation)

    def give_back(self, chamber: Chamber) -> None:
        """It is vacant again."""
        if isinstance(chamber, InterpreterChamber):
            with self._mutex:
                self._vacant.append(chamber)

    def close(self) -> int:
        """Keep or end what is vacant; the number of those that did not end."""
        with self._mutex:
            vacant, self._vacant = self._vacant, []
        if sys.version_info < (3, 14):  # ending one costs about 8 MB with asyncio in it, for good
            self._kept.extend(vacant)
            return 0
        return sum(not chamber.end() for chamber in vacant)

    @classmethod
    def end_kept(cls) -> None:
        """Before a fork: CPython 3.13 crashes in a forked child that has inherited other interpreters."""
        while cls._kept:
            cls._kept.pop().end()


os.register_at_fork(before=Pool.end_kept)
