"""What a front end sees: immutable snapshots of scripts, variables, timers, connections and log lines.

Made by `Session.frame()`, once per screen frame. Nothing here holds a live object of a script.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class ScriptState(StrEnum):
    """Where a script is in its life."""

    LOADING = "loading"
    RUNNING = "running"
    IDLE = "idle"
    PAUSED = "paused"
    FAILED = "failed"
    CLOSED = "closed"


class Level(StrEnum):
    """Severity of a log record; OUTPUT is what a script printed."""

    DEBUG = "debug"
    OUTPUT = "output"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class ErrorView(NamedTuple):
    """The last error of a script.

    Attributes:
        message: Type and message on one line.
        detail: The whole traceback, of every language it passed through.
        file: Path of the innermost script frame, or "" when unknown.
        line: Its line, from 1, or 0 when unknown.
        time: Seconds since the epoch.
    """

    message: str
    detail: str
    file: str
    line: int
    time: float


class ScriptView(NamedTuple):
    """One script.

    Attributes:
        alias: Its unique name in the session.
        path: Absolute path of the file.
        engine: "python", "lua" or "native".
        isolation: "isolated", "state", "library" …: how it is kept apart.
        state: Where it is in its life.
        generation: Number of the running version of its code, from 1.
        calls: Calls into it since it was loaded.
        errors: Errors it raised since it was loaded.
        last_error: The most recent error, also that of a reload that was refused.
        sample_age: Seconds since its variables were last read, in tenths; 0 while they are read as often as
            is planned, over 1 means it is busy.
        rate: Calls into it a second, over the last second.
        cpu: Share of a core that its own thread (or process) had over the last second; 1.0 is all of one.
        memory: Bytes it holds, as far as its engine can tell; read every few seconds.
        rates: Calls a second in each of the last seconds, newest last, 16 at most.
    """

    alias: str
    path: str
    engine: str
    isolation: str
    state: ScriptState
    generation: int
    calls: int
    errors: int
    last_error: ErrorView | None
    sample_age: float
    rate: float = 0.0
    cpu: float = 0.0
    memory: int | None = None
    rates: tuple[float, ...] = ()


class VariableView(NamedTuple):
    """One variable of a script, or a value inside one that is expanded; these follow what holds them.

    Attributes:
        script: Alias of its owner.
        name: Of a variable; inside others how its language writes the step, as ".port" or "[3]".
        type: As its language names it.
        value: A bounded text, never a full repr of a large object.
        size: Number of items or characters, None when it has no such thing.
        changed_at: When it last changed, seconds since the epoch; 0 when it was not seen to.
        path: Of what holds it; empty at the top level.
        expandable: Whether something is inside it.
        expanded: Whether that is shown, in the rows that follow.
        history: Of a number its last values, newest last.
        step: The last step of its address; None stands for its name.
        expression: What it is written as in its language, as far as that can be done.
        hidden: Not 0: the row stands for so many others that are not shown; expand `path` for more `items`.
    """

    script: str
    name: str
    type: str
    value: str
    size: int | None
    changed_at: float
    path: tuple[str | int, ...] = ()
    expandable: bool = False
    expanded: bool = False
    history: tuple[float, ...] = ()
    step: str | int | None = None
    expression: str = ""
    hidden: int = 0

    @property
    def address(self) -> tuple[str | int, ...]:
        """What `Session.expand` and `Session.set_variable` take."""
        return (*self.path, self.name if self.step is None else self.step)


class WatchView(NamedTuple):
    """An expression that is evaluated again and again.

    Attributes:
        id: Number by which it can be removed, unique in the session.
        script: Alias of the script in whose scope it is.
        expression: In the script's language.
        value: Bounded text of what it gave last.
        type: Of that.
        error: Why it failed, "" when it did not.
        changed_at: When value or error changed, seconds since the epoch; 0 before it was evaluated.
        history: Of a number its last values, newest last.
    """

    id: int
    script: str
    expression: str
    value: str = ""
    type: str = ""
    error: str = ""
    changed_at: float = 0.0
    history: tuple[float, ...] = ()


class Change(StrEnum):
    """How something differs from before."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


class DifferenceView(NamedTuple):
    """Something in the variables of a script that is not as it was.

    Attributes:
        script: Alias of its owner.
        name: What it is written as in its language.
        path: Its address in the tree of variables.
        change: How it differs.
        type: Of what is there now; of what was, when nothing is.
        before: Bounded text of what was there.
        after: Of what is there now.
    """

    script: str
    name: str
    path: tuple[str | int, ...]
    change: Change
    type: str
    before: str
    after: str


class TimerView(NamedTuple):
    """One pending timer.

    Attributes:
        script: Alias of its owner.
        id: Number by which it can be cancelled, unique within the script.
        kind: "timeout", "interval" or "asyncio" (made by asyncio itself, e.g. a sleeping task).
        interval: Milliseconds; for "asyncio" the delay is unknown and 0.
        due: When it fires next, seconds since the epoch.
        count: How often it has fired.
        callback: Name of what it calls.
        source: "file:line" where it was set, or "".
        last: Milliseconds its last call took.
        mean: Milliseconds its calls took on average.
        late: Milliseconds it was late the last time.
        paused: It waits until it is resumed; `due` is then when it would come if that were now.
        left: Milliseconds that it has still to go then.
    """

    script: str
    id: int
    kind: str
    interval: float
    due: float
    count: int  # pyright: ignore[reportIncompatibleMethodOverride] - the tuple's own is not missed
    callback: str
    source: str
    last: float = 0.0
    mean: float = 0.0
    late: float = 0.0
    paused: bool = False
    left: float = 0.0


class ConnectionView(NamedTuple):
    """One socket of a script, on its loop or used by blocking code.

    Attributes:
        script: Alias of its owner.
        id: Number by which it can be closed, unique within the script.
        protocol: "tcp", "tls", "udp" or "unix".
        role: "listener", "server" (accepted) or "client".
        local: Local address.
        peer: Remote address, "" for a listener.
        state: "open", "closing" or "paused".
        received: Bytes read; 0 when nobody counts them, as of datagrams that the host does not carry.
        sent: Bytes written; likewise.
        opened: Seconds since the epoch.
        receiving: Bytes read a second.
        sending: Bytes written a second.
        source: "file:line" of the script that opened it, or "".
        application: What is spoken over it, as far as the host knows: "http", "websocket", "mqtt" or "".
    """

    script: str
    id: int
    protocol: str
    role: str
    local: str
    peer: str
    state: str
    received: int
    sent: int
    opened: float
    receiving: float = 0.0
    sending: float = 0.0
    source: str = ""
    application: str = ""


class TaskView(NamedTuple):
    """One asyncio task of a script that has not ended.

    Attributes:
        script: Alias of its owner.
        id: Number that is its own while it lives.
        name: As asyncio or the script named it.
        state: "running", "ready", "waiting" or "cancelling".
        since: When it was made, seconds since the epoch.
        waits: "file:line" of the script's line that it has reached, or "".
        coroutine: Name of what it runs.
    """

    script: str
    id: int
    name: str
    state: str
    since: float
    waits: str
    coroutine: str


class Tapped(NamedTuple):
    """What is kept of the bytes of a connection.

    Attributes:
        received: The last that came; of a websocket, the messages without their frames.
        sent: The last that went.
        received_before: Bytes that came since it was tapped, before those.
        sent_before: Bytes that went likewise.
        note: One sentence: what these bytes are, or why there are none; "" when it needs none.
    """

    received: bytes
    sent: bytes
    received_before: int = 0
    sent_before: int = 0
    note: str = ""


class WarningKind(StrEnum):
    """Mistakes that raise no error."""

    BLOCKED = "blocked"
    LATE = "late"
    BUSY_LOOP = "busy-loop"
    NEVER_AWAITED = "never-awaited"
    IDLE = "idle"
    LEAK = "leak"


class WarningView(NamedTuple):
    """A mistake of a script, once for each line that makes it.

    Attributes:
        script: Alias of who makes it.
        kind: What it is; see WarningKind.
        text: What is wrong, and what to do about it.
        source: "file:line" in the script, or "".
        since: When it was first seen, seconds since the epoch.
        count: How often.
    """

    script: str
    kind: str
    text: str
    source: str
    since: float
    count: int  # pyright: ignore[reportIncompatibleMethodOverride] - the tuple's own is not missed


class CallView(NamedTuple):
    """One call of a script's function, from outside it or by its loop.

    Attributes:
        id: Number that is its own in the session.
        script: Alias of the script whose function it is.
        function: Its name.
        caller: "timer", "hook name", "connection data" …; "" for another call (see `parent`) or the program.
        thread: Name of the thread it runs on.
        started: Seconds since the epoch.
        duration: Seconds; None while it is under way.
        error: Type and message on one line, "" for none.
        arguments: As literals of Python, bounded.
        parent: Number of the call that made it on its thread, 0 for none on record.
        result: What it gave, likewise; "" while it is under way and after an error.
        whole: Whether `arguments` has all of them, and all are literals.
        result_whole: The same of the result.
    """

    id: int
    script: str
    function: str
    caller: str
    thread: str
    started: float
    duration: float | None
    error: str = ""
    arguments: str = ""
    parent: int = 0
    result: str = ""
    whole: bool = False
    result_whole: bool = False


class SubscriberView(NamedTuple):
    """Who subscribes to a hook.

    Attributes:
        id: Number of the subscription in the session.
        script: Alias.
        function: Name of what is called.
        priority: Higher ones are called first.
        calls: How often it was called.
        errors: How often it raised.
        source: "file:line" where it subscribed, or "".
        enabled: Whether it is called.
    """

    id: int
    script: str
    function: str
    priority: int
    calls: int
    errors: int
    source: str
    enabled: bool


class HookView(NamedTuple):
    """One hook.

    Attributes:
        name: By which it is emitted.
        emitted: How often it was.
        vetoed: How often a subscriber kept the rest from being called.
        subscribers: In the order they are called.
    """

    name: str
    emitted: int
    vetoed: int
    subscribers: tuple[SubscriberView, ...]


class LogRecord(NamedTuple):
    """One entry of the log; made by the ten thousand, hence a tuple.

    Attributes:
        time: Seconds since the epoch.
        script: Alias, "" for the console itself.
        level: Its severity.
        text: One line; of an error the message, then the traceback on further lines.
    """

    time: float
    script: str
    level: Level
    text: str


class FunctionInfo(NamedTuple):
    """One function a script offers.

    Attributes:
        name: By which it is called.
        signature: "(a, b=1)" as the language shows it.
        doc: First paragraph of its documentation, or "".
        line: Line of its definition, from 1, or 0 when unknown.
    """

    name: str
    signature: str
    doc: str
    line: int


class Frame(NamedTuple):
    """All a screen shows at one moment.

    Attributes:
        time: Seconds since the epoch.
        scripts: In order of loading.
        variables: Of all scripts, by script, then in order of definition; see VariableView.
        timers: Of all scripts, soonest first.
        connections: Of all scripts, oldest first.
        log: Only the records that are new since the frame before.
        dropped: Reports lost so far because the queue was full.
        tasks: Of all scripts, by script, oldest first.
        warnings: Of all scripts, by script, oldest first.
        watches: Of all scripts, in the order they were added.
        calls: Only those that ended since the frame before, while calls are recorded.
        running: Calls under way, likewise.
        calls_dropped: Calls lost so far because more ended than a frame has room for.
        hooks: Those with a subscriber and those that were emitted, by name.
    """

    time: float
    scripts: tuple[ScriptView, ...] = ()
    variables: tuple[VariableView, ...] = ()
    timers: tuple[TimerView, ...] = ()
    connections: tuple[ConnectionView, ...] = ()
    log: tuple[LogRecord, ...] = ()
    dropped: int = 0
    tasks: tuple[TaskView, ...] = ()
    warnings: tuple[WarningView, ...] = ()
    watches: tuple[WatchView, ...] = ()
    calls: tuple[CallView, ...] = ()
    running: tuple[CallView, ...] = ()
    calls_dropped: int = 0
    hooks: tuple[HookView, ...] = ()
