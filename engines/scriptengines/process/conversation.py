"""Calls into the child, and what it asks for while it runs the script: the part that holds the run lock.

Whoever holds a script's run lock here talks for it: sends calls, and executes what the child asks for
meanwhile. So run locks know who waits for whom as if all scripts were in one process:

* A call goes over the call channel, and its caller executes what the child asks while it works on that.
* What the script's own thread asks for, e.g. a timer that calls another script, comes on the channel `own`.
  Only the holder of the run lock reads that one: the generation's thread, which takes the lock when something
  has come, or a caller whose call waits in the child for that very timer to end.
"""

from __future__ import annotations

import select
import threading
from typing import TYPE_CHECKING, Any

from scriptengines.errors import ScriptConsoleError
from scriptnative.errors import ScriptInterrupt

from .values import Malformed, remote_error, told
from .wire import Channel, Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from scriptnative import RunLock

    from .peer import Peer, Perform

    type Late = tuple[float, Callable[[], object]]
    """(seconds, what to do when it takes longer)."""

BY_HAND = "interrupted"
"""The reason for which a script is not killed when it does not stop: somebody only pressed a key."""
_INTERRUPTS = (KeyboardInterrupt, ScriptInterrupt)


class Conversation:
    """All that is said on the two channels of calls.

    Args:
        peer: The child.
        lock: The script's run lock.
        perform: Does what the child asks for; see Peer.
        interrupt: Stops the script, for a caller that is told to stop.

    Attributes:
        serving: How many things are being executed for the child.
        finished: The script's own thread has ended.
        refused: Why it ended before it was loaded, if it raised.
    """

    def __init__(
        self, peer: Peer, lock: RunLock, perform: Perform, interrupt: Callable[[str], object]
    ) -> None:
        self._peer = peer
        self._lock = lock
        self._perform = perform
        self._interrupt = interrupt
        self.serving = 0
        self.finished = False
        self.refused: BaseException | None = None
        self._stack = [peer.call]
        self._both = _poll(peer.call, peer.own)
        self._only_own = _poll(peer.own)

    # ---- calls ----------------------------------------------------------------------------------

    def call(
        self,
        operation: str,
        target: Any,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        late: Late | None = None,
    ) -> Any:
        """Let the child do something, and execute what it asks for meanwhile; holding the run lock.

        Args:
            operation: What; see Child.
            target: A name or number.
            args: Values to be copied across.
            kwargs: Likewise.
            late: For what must not wait for ever.

        Raises:
            CallError: It raised.
            ScriptCrashed: The process has ended.
        """
        peer = self._peer
        if peer.dead.is_set():
            raise peer.last_error()
        channel = self._stack[-1]
        packed, named = peer.values.arguments(args, kwargs)
        try:
            channel.send((Kind.CALL, 0, operation, target, packed, named))
            message = self._wait(channel, late)
            if message[1] > 0:
                peer.catch_up(message[1])
            if message[0] == Kind.OK:
                return message[2]
            error = remote_error(message[2])
        except (EOFError, ConnectionError):
            peer.await_death()
            error = peer.last_error()
        except Malformed as trouble:
            peer.give_up_on(trouble)
            error = peer.last_error()
        raise error from error.__cause__

    def _wait(self, channel: Channel, late: Late | None) -> list[Any]:
        """The reply on a channel."""
        poll = self._only_own if channel is self._peer.own else self._both
        stopped: BaseException | None = None
        while True:
            try:
                if not channel.buffered:
                    ready = poll.poll(None if late is None else late[0] * 1000)
                    if late is not None and not ready:
                        late[1]()
                        late = None
                        continue
                    if len(ready) == 1 and ready[0][0] != channel.fileno():
                        self._take_own()
                        continue
                message = channel.receive()
            except _INTERRUPTS as error:
                # The reply must be taken all the same. Who insists kills the process.
                reason = BY_HAND if stopped is None else "told twice"
                threading.Thread(target=self._interrupt, args=(reason,), daemon=True).start()
                stopped = error
                continue
            if message[0] == Kind.CALL:
                self._execute(channel, message)
            elif stopped is not None:
                raise stopped
            else:
                return message

    def _execute(self, channel: Channel, message: list[Any]) -> None:
        """Do what the child asks for on a channel, and tell it the outcome."""
        _, reports, operation, target, args, named = message
        self._peer.catch_up(reports)
        self._stack.append(channel)
        self.serving += 1
        try:
            kind, outcome = self._perform(operation, target, args, named or {})
            try:
                channel.send((kind, 0, outcome))
            except ScriptConsoleError as error:  # too large
                channel.send((Kind.FAIL, 0, self._peer.values.result(told(error))))
        finally:
            self.serving -= 1
            self._stack.pop()

    # ---- the script's own thread ----------------------------------------------------------------

    def start(self, given: dict[str, Any], started: Callable[[], None], settled: Callable[[], bool]) -> None:
        """Start the script and serve it while its top level runs; holding the run lock.

        Args:
            given: What the child needs to know.
            started: Called when it has been sent.
            settled: Whether it is known how the top level ended.
        """
        own = self._peer.own
        own.send((Kind.CALL, 0, "run", None, *self._peer.values.arguments((given,), {})))
        started()
        self._stack.append(own)
        try:
            while not (settled() or self.finished):
                self._take_own()
        finally:
            self._stack.pop()

    def serve(self) -> None:
        """Execute what the script's own thread asks for, until that has ended."""
        own = self._peer.own
        poll = _poll(own)
        while not self.finished:
            poll.poll()
            self._lock.acquire(entering=False)
            try:
                # A caller that waits for the child may have read it meanwhile.
                while not self.finished and (own.buffered or poll.poll(0)):
                    self._take_own()
            finally:
                self._lock.release()

    def _take_own(self) -> None:
        """Handle the next message of the script's own thread."""
        message = self._peer.own.receive()
        if message[0] == Kind.CALL:
            self._execute(self._peer.own, message)
            return
        self.finished = True
        if message[0] == Kind.FAIL:
            self.refused = remote_error(message[2])


def _poll(*channels: Channel) -> select.poll:
    poll = select.poll()
    for channel in channels:
        poll.register(channel, select.POLLIN)
    return poll
