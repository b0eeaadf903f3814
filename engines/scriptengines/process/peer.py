"""Peer: the process of one generation as the rest of this package sees it, from its start to its death.

It asks what the child answers whatever its script does, takes what it tells by itself, and knows how it
ended. Calls into the script are `conversation`'s business.
"""

from __future__ import annotations

import threading
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from scriptengines.errors import LoadError, ScriptClosed, ScriptConsoleError, ScriptCrashed, ScriptKilled
from scriptengines.reports import Report

from . import releases
from .listener import Listener
from .spawn import ChildProcess, describe_end, read_stack
from .values import Malformed, Values, remote_error, told
from .wire import Channel, Kind, anything_in_flight

if TYPE_CHECKING:
    from collections.abc import Callable

    from scriptengines.engine import Context, Engine

    type Perform = Callable[[str, Any, Any, Any], tuple[int, Any]]

START_LIMIT = 30.0
"""Seconds that a new process gets until it answers."""
DEATH_LIMIT = 2.0
"""Seconds from the end of the connection until the process must be gone."""
MAX_ASIDE = 64
"""Threads of one child that may ask for something at the same time."""
_LEVELS = ("debug", "info", "warning", "error")
_REMEDY = "reload it to start it again; its host.state is lost"


class Peer:
    """One child process, started and ready.

    Args:
        engine: Whose script it will run.
        context: The session's side.
        path: The script's file.
        perform: Does what the child asks for: (operation, target, args, named) -> (Kind.OK or Kind.FAIL,
            prepared outcome). Malformed goes through.
        invoke: Calls a function of the child, for handles; see Values.
        use: Uses an attribute of an object of the child, likewise.

    Attributes:
        values: The conversions of this boundary.
        call: The channel on which we call.
        own: The channel on which the script's own thread does.
        subscriptions: Numbers of its subscriptions to hooks, which end with it.
        expected: Its end is no surprise any more.
        loaded: Its script is the session's; if it dies now, the session must be told.
        dead: Set once it is dead and everybody has been told.

    Raises:
        LoadError: It does not start.
    """

    def __init__(
        self,
        engine: Engine,
        context: Context,
        path: str,
        perform: Perform,
        invoke: Callable[[int, tuple[Any, ...], dict[str, Any]], Any],
        use: Callable[[int, str, tuple[Any, ...], dict[str, Any]], Any],
    ) -> None:
        self._context = context
        self._alias = context.alias
        self._path = path
        self._perform = perform
        name = f"{type(engine).__module__}:{type(engine).__qualname__}"
        self._child = ChildProcess(name, path, site=engine.name == "python")
        self.values = Values(f"the process of {self._alias}", invoke, self._drop, use)
        self.call, self.own, self._control = (
            Channel(sock, self.values) for sock in (self._child.call, self._child.own, self._child.control)
        )
        self.values.in_flight = lambda: anything_in_flight((self.call, self.own))
        self.subscriptions: set[int] = set()
        self.expected = self.loaded = False
        self.dead = threading.Event()
        self._asides = 0
        self._telling = threading.Lock()
        self._asking = threading.Lock()
        self._answers: dict[int, SimpleQueue[Any]] = {}
        self._asked = 0
        self._busy = 0
        self._killed_for = ""
        self._trouble: Exception | None = None
        self._death: ScriptConsoleError | None = None
        releases.start()
        self._listener = Listener(
            self._child, self._control, self._alias, self._told, context.reporter.output, self._ended
        )
        self._listener.start()
        if self.ask("ready", None, START_LIMIT) is None:
            raise self._no_start()

    def _no_start(self) -> LoadError:
        self.expected = True
        self._child.kill()
        self.dead.wait(DEATH_LIMIT)
        detail = "\n".join(self._listener.last_lines)
        self._child.close()
        reason = detail.rpartition("\n")[2] or "it does not answer"
        text = f"{self._path}: its process does not start: {reason}"
        return LoadError(text, file=self._path, detail=detail)

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._child.pid

    @property
    def crashed(self) -> bool:
        """Whether it has ended as it should not have."""
        return self._death is not None

    @property
    def busy(self) -> bool:
        """Whether its script has something pending."""
        return self._busy > 0

    # ---- asking ---------------------------------------------------------------------------------

    def begin_to_ask(self, operation: str, argument: Any, limit: float) -> SimpleQueue[Any]:
        """Ask something that the child answers whatever its script does.

        Args:
            operation: What; see Child.
            argument: Values to be copied across.
            limit: Seconds that the sending may take.

        Returns:
            Where the answer arrives: (whether it was done, result or account of the error); None when it
            cannot answer.
        """
        answer: SimpleQueue[Any] = SimpleQueue()
        with self._asking:
            self._asked = number = self._asked + 1
            self._answers[number] = answer
        if self.dead.is_set() or not self._tell((Kind.ASK, number, operation, argument), limit):
            answer.put(None)
        return answer

    def ask(self, operation: str, argument: Any, limit: float) -> Any:
        """The same, waiting for the answer; None when there is none within `limit` seconds."""
        try:
            return self.begin_to_ask(operation, argument, limit).get(timeout=limit)
        except Empty:
            return None

    def catch_up(self, reports: int) -> None:
        """Wait until what it had told by then has been handled."""
        self._listener.catch_up(reports, DEATH_LIMIT)

    def _tell(self, message: tuple[Any, ...], limit: float) -> bool:
        """Send on the control channel; False when that cannot be done in time."""
        if not self._telling.acquire(timeout=limit):
            return False
        try:
            self._control.send(message)
        except OSError:
            return False
        finally:
            self._telling.release()
        return True

    def _drop(self, number: int, times: int) -> None:
        releases.note(self._give_back, number, times)

    def _give_back(self, number: int, times: int) -> None:
        if not self.dead.is_set():
            self._tell((Kind.DROPPED, number, times), DEATH_LIMIT)

    # ---- being told -----------------------------------------------------------------------------

    def _told(self, message: list[Any]) -> None:
        """Handle a message of the control channel; on the listener's thread."""
        kind = message[0]
        if kind == Kind.REPORT:
            self._report(*message[1:])
        elif kind == Kind.BUSY:
            self._count_busy(message[1])
        elif kind == Kind.ANSWER:
            waiting = self._answers.pop(message[1], None)
            if waiting is not None:
                done, value = message[2:]
                waiting.put(None if done is None else (done, value))
        elif kind == Kind.ASIDE:
            self._take_aside(message)
        elif kind == Kind.DROPPED:
            self.values.take_back(message[1], message[2])
        elif kind == Kind.BYE:
            self.expected = True
        else:
            raise Malformed(f"a message of kind {kind!r} where none should be")

    def _report(self, kind: int, payload: tuple[Any, Any]) -> None:
        reporter = self._context.reporter
        first, second = payload
        if kind == Report.ERROR:
            reporter.error(str(first), remote_error((second, "", 0)))
        elif kind == Report.OUTPUT and type(second) is str:
            reporter.output(second, "stderr" if first == "stderr" else "stdout")
        elif kind == Report.LOG and first in _LEVELS and type(second) is str:
            reporter.log(first, second)
        else:
            raise Malformed(f"a report of kind {kind!r}")

    def _count_busy(self, change: int) -> None:
        if change not in (1, -1) or not 0 <= self._busy + change <= 1:
            raise Malformed(f"it has become busy {change!r} times")
        self._busy += change
        self._context.reporter.feed.busy(change)

    def _take_aside(self, message: list[Any]) -> None:
        if self._asides >= MAX_ASIDE:
            raise Malformed(f"more than {MAX_ASIDE} of its threads ask for something at once")
        self._asides += 1
        threading.Thread(target=self._answer_aside, args=(message,), daemon=True).start()

    def _answer_aside(self, message: list[Any]) -> None:
        """Do what a thread of the child asks for that does not run the script."""
        _, number, operation, target, args, named = message
        try:
            kind, outcome = self._perform(operation, target, args, named or {})
            answer = Kind.ASIDE_OK if kind == Kind.OK else Kind.ASIDE_FAIL
            try:
                self._tell((answer, number, outcome), DEATH_LIMIT)
            except ScriptConsoleError as error:  # too large
                self._tell((Kind.ASIDE_FAIL, number, self.values.result(told(error))), DEATH_LIMIT)
        except Malformed as error:
            self.give_up_on(error)
        finally:
            self._asides -= 1

    # ---- its end --------------------------------------------------------------------------------

    def kill_for(self, reason: str) -> None:
        """End it because its script did not stop when it should have."""
        self._killed_for = reason
        self._child.abort()

    def give_up_on(self, trouble: Exception) -> None:
        """End it because of what it has sent."""
        self._trouble = self._trouble or trouble
        self._child.kill()
        self.dead.wait(DEATH_LIMIT)

    def kill(self) -> None:
        """End it at once, for no fault of its own."""
        self.expected = True
        self._child.kill()
        self.dead.wait(DEATH_LIMIT)

    def await_death(self) -> None:
        """The connection has ended; see to it that the process does."""
        if not self.dead.wait(DEATH_LIMIT):
            self._child.kill()
            self.dead.wait(DEATH_LIMIT)

    def close(self) -> None:
        """Free what is left of it, once it is dead."""
        self._listener.join(DEATH_LIMIT)
        self._child.close()

    def last_error(self) -> ScriptConsoleError:
        """What callers are told once it is dead; a new one for each."""
        death = self._death
        if death is None:
            return self.closed()
        return type(death)(
            death.message, file=death.file, line=death.line, detail=death.detail, frames=death.frames
        )

    def closed(self) -> ScriptClosed:
        """What callers are told once its script is retired."""
        return ScriptClosed(f"{self._alias} is closed; load it again to use it", file=self._path)

    def _ended(self, trouble: Exception | None) -> None:
        """It is dead, or must be; on the listener's thread."""
        self._trouble = self._trouble or trouble
        code = self._child.reap(DEATH_LIMIT)
        reporter = self._context.reporter
        if not self.expected:
            self._death = self._describe_death(code)
        if self._busy:
            self._count_busy(-1)
        self.dead.set()
        self._child.shut_down()
        for waiting in list(self._answers.values()):
            waiting.put(None)
        for number in list(self.subscriptions):
            self._context.bridge["off"](number)
        if self._death is not None and self.loaded:
            reporter.error("process", self._death)
        elif self.loaded and code != 0 and not self._killed_for:
            reporter.log("warning", f"{self._alias}: when it was to end, its process {describe_end(code)}")
        self.values.clear()

    def _describe_death(self, code: int) -> ScriptConsoleError:
        frames, words = read_stack(self._child.last_words())
        file, line = (frames[-1].file, frames[-1].line) if frames else (self._path, 0)
        place = f"{file}:{line}" if line else self._alias
        detail = "\n".join(part for part in (words, *self._listener.last_lines) if part)
        kind: type[ScriptConsoleError] = ScriptCrashed
        if self._killed_for:
            kind = ScriptKilled
            text = f"{place}: did not stop ({self._killed_for}), so its process was killed"
        elif self._trouble is not None:
            text = f"{self._alias}: its process sent nonsense ({self._trouble}) and was killed"
        else:
            text = f"{place}: its process {describe_end(code)}"
        return kind(f"{text}; {_REMEDY}", file=file, line=line, detail=detail, frames=frames)
