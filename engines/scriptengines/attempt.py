"""Attempt: one try to bring a generation of a script up, and that generation's thread until it has ended."""

from __future__ import annotations

import threading
import time
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from scriptnative.errors import ScriptInterrupt

from .errors import Interrupted, LoadError, ScriptClosed, ScriptConsoleError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from scriptnative.errors import RemoteFrame

    from .engine import Runtime
    from .generations import Generations

UNLOAD_LIMIT = 3.0
"""Seconds a generation gets to end before it is interrupted, and again before it is abandoned."""

INTERRUPT_LIMIT = 1.0
"""Seconds to wait for an interrupted top level, to be able to tell where it was."""


class Attempt:
    """One generation, from before it is known to load until its thread is gone.

    Attributes:
        script: Whose.
        number: Of the try, from 1; a refused one counts too.
        runtime: What runs; set once the engine has made it.
        running: It is the generation that runs; set by the script.
        settings: A value for each of its options; set by the script.
        error: Why it did not load.
        cancelled: Nobody waits for it to load any more.
        ended: Its thread has left the script.
    """

    def __init__(self, script: Generations, number: int) -> None:
        self.script = script
        self.number = number
        self.runtime: Runtime | None = None
        self.running = False
        self.settings: Mapping[str, Any] = MappingProxyType({})
        self.error: BaseException | None = None
        self.cancelled = False
        self.ended = threading.Event()
        self._cpu_clock = 0
        self._cpu_used = 0.0
        self._settled = threading.Event()
        self._deciding = threading.Lock()
        self._ending = threading.Lock()
        self._has_ended: bool | None = None

    # ---- told by the runtime ------------------------------------------------------------------

    def loaded(self) -> None:
        """The top level has ended, or has begun to run its loop; holding the run lock."""
        assert self.runtime is not None
        with self._deciding:
            if self.cancelled:
                self.runtime.retire()
            elif not self._settled.is_set():
                self.script.adopt(self)
            self._settled.set()

    def failed(self, error: BaseException) -> None:
        """The top level raised."""
        self.error = error
        self._settled.set()

    # ---- driven by the script -----------------------------------------------------------------

    def run(self, timeout: float | None) -> bool:
        """Start the thread and wait until the top level has loaded or failed.

        Args:
            timeout: Seconds it may take; None for no limit.

        Returns:
            Whether it had loaded or failed in time; if not, or if the wait was interrupted, it is cancelled.
        """
        name = f"script {self.script.alias} {self.number}"
        try:
            threading.Thread(target=self._work, name=name, daemon=True).start()
            settled = self._settled.wait(timeout)
        except BaseException:  # Ctrl-C while it loads
            self.cancel("interrupted while it was loading")
            if self.cancelled and self.error is not None:
                self.script.reporter.error("load", self.error)
            raise
        if not settled or self.cancelled:
            self.cancel("timed out")
        return settled or not self.cancelled

    def _work(self) -> None:
        """Body of the thread."""
        assert self.runtime is not None
        self._cpu_clock = time.pthread_getcpuclockid(threading.get_ident())
        try:
            self.runtime.run()
        except BaseException as error:  # noqa: BLE001 - nobody else would hear of it
            if not self._settled.is_set():
                self.failed(error)
            else:
                self.script.reporter.error("script thread", error)
        finally:
            if not self._settled.is_set():
                path = str(self.script.path)
                self.failed(LoadError(f"{path}: ended before it was loaded", file=path))
            self._cpu_used = time.thread_time()
            self._cpu_clock = 0
            self.ended.set()

    @property
    def cpu_time(self) -> float:
        """Seconds of processor time of its thread, and of its process if it has one."""
        clock = self._cpu_clock
        elsewhere = 0.0 if self.runtime is None else self.runtime.cpu_time
        try:
            return elsewhere + (time.clock_gettime(clock) if clock else self._cpu_used)
        except OSError:  # the thread has ended just now
            return elsewhere + self._cpu_used

    def cancel(self, reason: str) -> None:
        """Give up waiting for it to load: interrupt it, and see to its end in the background.

        One that has loaded by now stays; one that is not made yet is never run, or ends at once.
        """
        with self._deciding:
            if self._settled.is_set() and self.error is None and not self.cancelled:
                return
            self.cancelled = True
        if self.runtime is None:
            return
        self.interrupt_aside(reason)
        self._settled.wait(INTERRUPT_LIMIT)
        self.script.end_aside(self, reason)

    def interrupt_aside(self, reason: str) -> None:
        """Interrupt in a thread of its own: a script deep in a C call would keep us waiting for its GIL."""
        if self.runtime is not None:
            threading.Thread(target=self.runtime.interrupt, args=(reason,), daemon=True).start()

    def retire_aside(self) -> None:
        """Retire it; a script that does not give its run lock up is interrupted."""
        entered = threading.Event()
        threading.Thread(target=self._retire, args=(entered,), daemon=True).start()
        if not entered.wait(UNLOAD_LIMIT / 10):
            self.interrupt_aside("unloaded")

    def _retire(self, entered: threading.Event) -> None:
        assert self.runtime is not None
        while True:
            try:
                with self.script.lock:
                    entered.set()
                    return self.runtime.retire()
            except ScriptClosed:  # it has ended by itself meanwhile
                return
            except (Interrupted, ScriptInterrupt):
                # What was meant for the script has hit this; not retired, it would never end.
                continue

    def end(self, reason: str = "unloaded") -> bool:
        """Wait for the thread of a retired generation; interrupt it if it lingers, abandon it if that fails.

        Returns:
            Whether it ended; who comes second waits for the answer of the first.
        """
        assert self.runtime is not None
        with self._ending:
            if self._has_ended is None:
                self._has_ended = self._see_to_end(reason)
                self.script.forget(self)
                if self._has_ended:
                    self.runtime.discard()
                else:
                    text = f"{self.script.alias} does not end; its thread is left behind"
                    self.script.reporter.log("warning", text)
            return self._has_ended

    def _see_to_end(self, reason: str) -> bool:
        assert self.runtime is not None
        first = 0.05 if self.cancelled else UNLOAD_LIMIT
        again = (UNLOAD_LIMIT, UNLOAD_LIMIT) if self.runtime.stoppable else ()
        for limit in (first, *again):
            if self.ended.wait(limit):
                return True
            self.interrupt_aside(reason)
        return False

    # ---- how it failed ------------------------------------------------------------------------

    def late_error(self, timeout: float) -> LoadError:
        """What to tell of a top level that took too long."""
        path = str(self.script.path)
        frames = tuple(getattr(self.error, "frames", ()))
        line = _last_line(frames, path)
        place = f"{path}:{line}" if line else path
        if timeout:
            text = f"{place}: still at its top level after {timeout:.3g} s; is this an endless loop?"
        else:
            text = f"{place}: stopped while it was loading"
        return LoadError(text, file=path, line=line, frames=frames)

    def load_error(self) -> LoadError:
        """What to tell of a top level that raised."""
        error = self.error
        if isinstance(error, LoadError):
            return error
        path = str(self.script.path)
        frames = tuple(getattr(error, "frames", ()))
        told = getattr(error, "line", 0) if getattr(error, "file", path) in ("", path) else 0
        line = _last_line(frames, path) or told
        place = f"{path}:{line}" if line else path
        text = str(error) if isinstance(error, ScriptConsoleError) else f"{type(error).__name__}: {error}"
        return LoadError(f"{place}: {text}", file=path, line=line, frames=frames)


def _last_line(frames: Sequence[RemoteFrame], path: str) -> int:
    """The innermost line of a file in a call stack; 0 when the stack does not come by it."""
    return next((frame.line for frame in reversed(frames) if frame.file == path), 0)
