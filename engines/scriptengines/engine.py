"""The interface every engine fulfils: an Engine makes Runtimes; a Runtime is one generation of one script.

Session and Script know nothing of any language; whatever differs between languages is behind these two
classes. What travels here is a NamedTuple, because a dataclass takes longer to define than a small script to
run.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, NoReturn

from scriptnative.errors import ScriptClosed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from scriptnative import Function, RunLock

    from .completion import Candidate
    from .completion.question import Question
    from .options import Option
    from .reports import Reporter
    from .results import ResultRow
    from .steering import TimerStep
    from .tapping import TappedRow
    from .tree import Delta, Opened, Row
    from .view import FunctionInfo

type ValueRow = tuple[str, str, int | None, float | None]
"""(type, bounded text, number of items or None, its number or None)."""
type TimerRow = tuple[int, str, float, float, int, str, str, float, float, float, bool, float]
"""(id, kind, interval ms, due since the epoch, count, callback, source, last ms, mean ms, late ms, paused,
left ms)."""
type ConnectionRow = tuple[int, str, str, str, str, str, int, int, float, float, float, str, str]
"""(id, protocol, role, local, peer, state, received, sent, since the epoch, both per second, source,
application)."""
type TaskRow = tuple[int, str, str, float, str, str]
"""(id, name, state, since the epoch, where it waits, coroutine)."""
type WarningRow = tuple[str, str, str, float, int]
"""(kind, text, source, since the epoch, count)."""
type CallRow = tuple[int, int, int, int, str, str, float, float, str, str, str, int, int]
"""(id, parent, script, thread, function, caller, since the epoch, seconds or -1, arguments, result, error,
whether the arguments are whole, whether the result is)."""


class Part(NamedTuple):
    """More code that shares the state of a script.

    Attributes:
        path: Its file; None for a fragment of a command line, whose results are printed.
        text: Its bytes.
    """

    path: Path | None
    text: bytes


class Source(NamedTuple):
    """The text of a script at one moment.

    Attributes:
        path: Absolute path of the file.
        text: Its bytes.
        arguments: What the script finds as its own arguments.
        options: A value for each option that the engine declares.
        parts: Run after it, in the same state; only for engines that share state.
    """

    path: Path
    text: bytes
    arguments: tuple[str, ...] = ()
    options: Mapping[str, Any] = MappingProxyType({})
    parts: tuple[Part, ...] = ()


class Sample(NamedTuple):
    """What a runtime holds at one moment."""

    variables: Delta
    timers: list[TimerRow]
    connections: list[ConnectionRow]
    tasks: Sequence[TaskRow] = ()
    warnings: Sequence[WarningRow] = ()


NOTHING = Sample((0, 0, None, []), [], [])
"""Of what holds nothing."""


class Context(NamedTuple):
    """What a runtime is given by the session.

    Attributes:
        alias: Name of the script.
        lock: Its run lock, the same in all generations.
        reporter: Its way to the session.
        bridge: The session's part of the host API: "call", "on", "off", "emit", "consult".
        loaded: To be called once, holding the lock, when the generation runs.
        failed: To be called instead with what its top level raised.
    """

    alias: str
    lock: RunLock
    reporter: Reporter
    bridge: Mapping[str, Callable[..., Any]]
    loaded: Callable[[], None]
    failed: Callable[[BaseException], None]


class Runtime(ABC):
    """One generation of a script. Methods may be called from any thread unless they say otherwise."""

    isolation: str
    stoppable: ClassVar[bool] = True
    """Whether `interrupt` can stop anything; who cannot is not waited for a second time."""
    files: tuple[Path, ...] = ()
    """What it is made of besides the script's own file; a change of these reloads it too."""

    def files_changed(self) -> bool:
        """Whether one of `files` has another content than when it was read."""
        return False

    @property
    def crashed(self) -> bool:
        """Whether it has ended by itself, as only what has a process of its own can."""
        return False

    @abstractmethod
    def run(self) -> None:
        """Execute the top level and serve until retired; on a thread of its own."""

    @abstractmethod
    def retire(self) -> None:
        """Close timers and sockets now and let `run` return; holding the run lock."""

    @abstractmethod
    def discard(self) -> None:
        """Free what is left, after `run` has returned."""

    @abstractmethod
    def bind(self, function: Function) -> None:
        """Bind a handle to the function of its name.

        Raises:
            UnknownFunction: There is none.
        """

    @abstractmethod
    def functions(self) -> list[FunctionInfo]:
        """What can be called, in order of definition."""

    @abstractmethod
    def sample(self, limit: int, opened: Opened, known: int) -> Sample | None:
        """At most `limit` rows of each kind, None when the script is too busy; waits 10 ms at most.

        Args:
            limit: Rows at most.
            opened: What is open in the tree of variables.
            known: Number of the reading of variables that the caller has; a new one tells what differs.
        """

    @abstractmethod
    def variables(self, limit: int, opened: Opened, deep: int) -> list[Row] | None:
        """As in `sample`, the variables alone, with the first `deep` levels open whatever `opened` says."""

    @abstractmethod
    def look(self, expression: str) -> ValueRow | None:
        """What an expression gives, None when the script is too busy; it is stopped when it takes long.

        Raises:
            ScriptConsoleError: It fails, or was stopped.
        """

    @abstractmethod
    def assign(self, path: tuple[str | int, ...], text: str) -> None:
        """Put the value of an expression of its language at a path of the tree of variables.

        Raises:
            ScriptConsoleError: The expression fails, or what is there cannot be changed; nothing was.
        """

    @property
    @abstractmethod
    def pending(self) -> bool:
        """Whether it keeps the run alive."""

    @abstractmethod
    def get(self, path: tuple[str | int, ...]) -> Any:
        """The value of a variable, or of something inside it."""

    @abstractmethod
    def set(self, path: tuple[str | int, ...], value: Any) -> None:
        """Set a variable, or something inside it."""

    @abstractmethod
    def evaluate(self, expression: str) -> Any:
        """The value of an expression in the script's global scope."""

    @abstractmethod
    def execute(self, code: str) -> None:
        """Run statements in the script's global scope."""

    @abstractmethod
    def run_fragment(self, code: str) -> None:
        """Run an expression or statements of a command line; a result is printed, as its language does."""

    @abstractmethod
    def interact(self, code: str, name: str) -> list[ResultRow] | None:
        """Run what somebody typed; rows of the value of an expression, which becomes `_`, or None.

        Args:
            code: An expression or statements.
            name: Of the input, for tracebacks; it differs from that of the input before.
        """

    @abstractmethod
    def candidates(self, question: Question) -> list[Candidate] | None:
        """What the script has where somebody types; None when it is too busy to tell.

        Runs no code of the script, and looks at no more than completion.SCANNED names.
        """

    @abstractmethod
    def interrupt(self, reason: str) -> bool:
        """Stop what the script is doing right now; whether there was anything that could be stopped."""

    @abstractmethod
    def cancel_timer(self, timer_id: int) -> bool:
        """Cancel a timer of the sample; whether it was pending."""

    @abstractmethod
    def steer_timer(self, timer_id: int, step: TimerStep, milliseconds: float = 0.0) -> bool:
        """Do something to a timer of the sample; whether it was pending.

        Args:
            timer_id: Its number.
            step: What; see steering.py.
            milliseconds: Of the new interval.
        """

    @abstractmethod
    def close_connection(self, connection_id: int) -> bool:
        """Close a connection of the sample; whether it was open."""

    @abstractmethod
    def tap(self, connection_id: int, on: bool) -> bool:
        """Begin or end to keep what a connection carries; whether there is one. Waits for no script."""

    @abstractmethod
    def tapped(self, connection_id: int) -> TappedRow:
        """What is kept of a connection. Waits for no script."""

    @abstractmethod
    def set_paused(self, paused: bool) -> None:
        """Hold timers and sockets back, or let them go on."""

    def recorded_calls(self, on: bool) -> tuple[list[CallRow], list[CallRow]]:
        """Calls that have ended and calls under way, of one that keeps a record of its own.

        Args:
            on: Whether it shall record from now on.
        """
        del on
        return [], []

    @property
    def cpu_time(self) -> float:
        """Seconds of processor time that it has used outside of this process."""
        return 0.0

    def memory(self) -> int | None:
        """Bytes the script holds, as far as its engine can tell; may take some milliseconds."""
        return None

    @abstractmethod
    def export_state(self) -> dict[Any, Any]:
        """What `host.state` holds, copied out; for a generation of another isolation."""

    def export_listeners(self) -> list[int]:
        """Copies of the descriptors of its listening sockets, for the same; the caller's to close."""
        return []


class Gone(dict[str, Any]):
    """The functions by name of a generation that has ended: none, and whoever asks for one is told why."""

    def __missing__(self, name: str) -> NoReturn:
        raise ScriptClosed(f"it has ended, and cannot do {name} any more; load it again to use it")


class Engine(ABC):
    """Hosts scripts of one language."""

    name: ClassVar[str]
    suffixes: ClassVar[frozenset[str]]
    options: ClassVar[Mapping[str, Option]] = MappingProxyType({})
    """What can be set for a script of this engine; see options.py."""
    shares_state: ClassVar[bool] = False
    """Whether a Source may have parts."""

    @abstractmethod
    def create(self, source: Source, context: Context, previous: Runtime | None) -> Runtime:
        """Prepare a generation.

        Args:
            source: What to run.
            context: The session's side.
            previous: The generation that runs now, for its state and its listening sockets; of this engine,
                but maybe of another isolation.

        Raises:
            LoadError: The source cannot be run, e.g. because of its syntax.
        """

    def is_complete(self, code: str, settings: Mapping[str, Any]) -> bool:
        """Whether code can be run as it is, or is wrong; false when it needs more lines.

        Args:
            code: In its language.
            settings: A value for each of its options.
        """
        return True

    def files_of(self, path: Path) -> tuple[Path, ...]:
        """What a script that could not be loaded is made of besides its file, as far as that can be told."""
        return ()

    def own_process(self) -> None:  # noqa: B027 - an engine that changes nothing of the process has none to do
        """This process is one script's: it may change what belongs to the process, and nobody is told."""

    def close(self) -> None:  # noqa: B027 - most engines have nothing to free
        """Free what the engine keeps for later scripts; all runtimes have been discarded."""
