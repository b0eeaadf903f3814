"""Reads what a child tells by itself, and what it writes, until it is dead; one thread for each child."""

from __future__ import annotations

import contextlib
import os
import select
import threading
from collections import deque
from typing import TYPE_CHECKING, Any

from .wire import Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from .spawn import ChildProcess
    from .wire import Channel

MAX_LINE = 65_536
LAST_LINES = 20


class _Lines:
    """What arrives on one pipe, as whole lines."""

    def __init__(self, stream: str, emit: Callable[[str, str], None]) -> None:
        self._stream = stream
        self._emit = emit
        self._partial = b""
        self.last: deque[str] = deque(maxlen=LAST_LINES)

    def feed(self, chunk: bytes) -> None:
        whole, newline, rest = (self._partial + chunk).rpartition(b"\n")
        if len(rest) > MAX_LINE:
            whole, newline, rest = whole + newline + rest, b"\n", b""
        self._partial = rest
        if newline:
            self._give(whole)

    def finish(self) -> None:
        if self._partial:
            self._give(self._partial)
            self._partial = b""

    def _give(self, whole: bytes) -> None:
        text = whole.decode("utf-8", "surrogateescape")
        self.last.extend(text.split("\n")[-LAST_LINES:])
        self._emit(text, self._stream)


class Listener(threading.Thread):
    """The thread.

    Args:
        child: What to listen to.
        control: Its control channel.
        alias: Of the script.
        consume: Called with each message.
        output: Called with (lines, stream) for what the child writes to its descriptors 1 and 2 itself.
        ended: Called once, when the child has ended or has sent what it must not (then with the error).
    """

    def __init__(
        self,
        child: ChildProcess,
        control: Channel,
        alias: str,
        consume: Callable[[list[Any]], None],
        output: Callable[[str, str], None],
        ended: Callable[[Exception | None], None],
    ) -> None:
        super().__init__(name=f"process of {alias}", daemon=True)
        self._child = child
        self._control = control
        self._consume = consume
        self._ended = ended
        self._seen = 0
        self._changed = threading.Condition()
        self._awaited = 0
        process = child.process
        assert process.stdout is not None
        assert process.stderr is not None
        self._pipes = {
            process.stdout.fileno(): _Lines("stdout", output),
            process.stderr.fileno(): _Lines("stderr", output),
        }

    @property
    def last_lines(self) -> list[str]:
        """The end of what it wrote to its stderr itself."""
        return list(list(self._pipes.values())[1].last)

    def catch_up(self, count: int, limit: float) -> None:
        """Wait until so many messages have been handled, at most `limit` seconds."""
        if self._seen >= count:
            return
        with self._changed:
            self._awaited += 1
            self._changed.wait_for(lambda: self._seen >= count, limit)
            self._awaited -= 1

    def run(self) -> None:
        """Body of the thread."""
        trouble: Exception | None = None
        try:
            self._listen()
        except EOFError:
            pass
        except Exception as error:  # noqa: BLE001 - Malformed, or whatever a hostile child made of our code
            trouble = error
        if trouble is not None:
            self._child.kill()
        self._drain_pipes()
        self._ended(trouble)
        with self._changed:
            self._seen = 2**63
            self._changed.notify_all()

    def _listen(self) -> None:
        poll = select.poll()
        waited = [self._control.fileno(), *self._pipes]
        if self._child.exit >= 0:
            waited.append(self._child.exit)
        for descriptor in waited:
            poll.register(descriptor, select.POLLIN)
        dead = False
        while True:
            ready = [descriptor for descriptor, _ in poll.poll(0 if dead else None)]
            for descriptor in ready:
                if descriptor in self._pipes and not self._read_pipe(descriptor):
                    poll.unregister(descriptor)
            if self._control.fileno() in ready:
                self._take()
            elif dead:
                return  # it can have left no more, whatever its own children hold open
            if self._child.exit in ready:
                dead = True
                poll.unregister(self._child.exit)

    def _take(self) -> None:
        while True:
            message = self._control.receive()
            if message[0] != Kind.BYE or len(message) == 1:
                self._consume(message)
            self._seen += 1
            if self._awaited:
                with self._changed:
                    self._changed.notify_all()
            if not self._control.buffered:
                return

    def _read_pipe(self, descriptor: int) -> bool:
        chunk = os.read(descriptor, MAX_LINE)
        self._pipes[descriptor].feed(chunk)
        return bool(chunk)

    def _drain_pipes(self) -> None:
        """What was written before the end, without waiting for a grandchild that holds the pipe open."""
        for descriptor, lines in self._pipes.items():
            os.set_blocking(descriptor, False)
            with contextlib.suppress(BlockingIOError):
                while self._read_pipe(descriptor):
                    pass
            lines.finish()
