"""A session of fixed facts and a frozen clock, for tests of the screen only.

It records what the app asks of it and answers as it is told; nothing is run.
"""

from __future__ import annotations

import threading
from copy import replace
from pathlib import Path

from scriptengines.completion import Completion
from scriptengines.health import FunctionStatistics
from scriptengines.hooks import Outcome
from scriptengines.results import Result, rows_of, tree
from scriptengines.view import (
    CallView,
    Change,
    ConnectionView,
    DifferenceView,
    ErrorView,
    Frame,
    FunctionInfo,
    HookView,
    Level,
    LogRecord,
    ScriptState,
    ScriptView,
    SubscriberView,
    Tapped,
    TimerView,
    VariableView,
)

NOW = 1_790_000_000.25

TRACEBACK = """\
thermostat.lua:42: attempt to index a nil value (field 'sensor')
stack traceback:
        thermostat.lua:42: in function 'read_sensor'
        thermostat.lua:57: in function 'on_tick'
        [host]: in timer 3 (interval 1000 ms)"""

ERROR = ErrorView(
    "LuaError: attempt to index a nil value (field 'sensor')",
    TRACEBACK,
    "/home/ada/scripts/thermostat.lua",
    42,
    NOW - 3,
)


def script(alias: str, engine: str, state: ScriptState, **changes: object) -> ScriptView:
    suffix = {"python": "py", "lua": "lua", "native": "so"}[engine]
    isolation = {"python": "isolated", "lua": "state", "native": "library"}[engine]
    row = ScriptView(
        alias, f"/home/ada/scripts/{alias}.{suffix}", engine, isolation, state, 1, 0, 0, None, 0.02
    )
    return replace(row, **changes)  # pyright: ignore[reportArgumentType]


SCRIPTS = (
    script(
        "greeter", "python", ScriptState.IDLE, calls=18, generation=2, memory=1_204_000, rates=(0.0,) * 16
    ),
    script(
        "thermostat",
        "lua",
        ScriptState.FAILED,
        calls=1204,
        errors=3,
        generation=7,
        last_error=ERROR,
        rate=1.0,
        rates=(1.0, 1.0, 2.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0, 1.0),
        cpu=0.004,
        memory=48_300,
    ),
    script(
        "bridge",
        "python",
        ScriptState.RUNNING,
        calls=88_412,
        rate=412.4,
        rates=(90.0, 120.0, 180.0, 260.0, 240.0, 320.0, 410.0, 380.0, 400.0, 412.0),
        cpu=0.12,
        memory=8_420_000,
    ),
    script(
        "crunch",
        "python",
        ScriptState.RUNNING,
        calls=3,
        generation=4,
        sample_age=1.24,
        cpu=0.98,
        memory=91_300_000,
    ),
    script("lights", "lua", ScriptState.PAUSED, calls=260, generation=3, memory=61_200),
    script("fft", "native", ScriptState.IDLE, calls=4096, rate=0.2, rates=(0.0, 0.0, 1.0, 0.0)),
)

VARIABLES = (
    VariableView("greeter", "greeting", "str", "'Hello, {name}'", 13, NOW - 600),
    VariableView("greeter", "visitors", "int", "18", None, NOW - 0.3),
    VariableView("thermostat", "sensor", "nil", "nil", None, NOW - 3),
    VariableView("thermostat", "target", "number", "21.5", None, NOW - 4000),
    VariableView(
        "thermostat", "history", "table", "{19.8, 20.1, 20.4, 20.6, 20.9, 21.0, 21.2, …}", 1440, NOW - 3
    ),
    VariableView(
        "bridge",
        "peers",
        "dict",
        "{'10.0.0.7': Peer(name='attic'), '10.0.0.9': Peer(name='cellar')}",
        2,
        NOW - 55,
    ),
    VariableView("bridge", "relayed", "int", "88412", None, NOW - 0.05),
    VariableView("bridge", "queue", "deque", "deque([], maxlen=1000)", 0, NOW - 0.8),
    VariableView("crunch", "progress", "float", "0.731", None, NOW - 1.3),
    VariableView(
        "crunch", "samples", "list", "[0.12, 0.48, 0.33, 0.91, 0.05, 0.77, …]", 10_000_000, NOW - 90
    ),
    VariableView("lights", "scene", "string", '"evening"', 7, NOW - 1200),
    VariableView("lights", "dimmers", "table", "{hall = 40, kitchen = 85, porch = 0}", 3, NOW - 1200),
    VariableView("fft", "window", "str", "'hann'", 4, NOW - 7000),
)

TIMERS = (
    TimerView(
        "bridge",
        1,
        "interval",
        250.0,
        NOW + 0.12,
        35_364,
        "heartbeat",
        "/home/ada/scripts/bridge.py:31",
        0.42,
        0.38,
        0.9,
    ),
    TimerView(
        "greeter", 4, "timeout", 5000.0, NOW + 3.4, 0, "say_goodbye", "/home/ada/scripts/greeter.py:19"
    ),
    TimerView("crunch", 2, "asyncio", 0.0, NOW - 0.9, 0, "sleep", ""),
    TimerView(
        "bridge",
        2,
        "interval",
        60_000.0,
        NOW + 41.0,
        147,
        "forget_silent_peers",
        "/home/ada/scripts/bridge.py:44",
        61.2,
        12.4,
        301.0,
    ),
    TimerView(
        "lights",
        9,
        "timeout",
        7_200_000.0,
        NOW + 5403.0,
        0,
        "all_off",
        "/home/ada/scripts/lights.lua:12",
        paused=True,
        left=5_403_000.0,
    ),
)

CONNECTIONS = (
    ConnectionView("bridge", 1, "tcp", "listener", "0.0.0.0:7000", "", "open", 0, 0, NOW - 8841),
    ConnectionView(
        "bridge",
        2,
        "tcp",
        "server",
        "10.0.0.2:7000",
        "10.0.0.7:51514",
        "open",
        1_204_112,
        88_120,
        NOW - 8800,
        receiving=12_400.0,
        sending=310.0,
        source="/home/ada/scripts/bridge.py:12",
        application="http",
    ),
    ConnectionView(
        "bridge", 3, "tcp", "server", "10.0.0.2:7000", "10.0.0.9:40022", "closing", 512, 20_480, NOW - 55
    ),
    ConnectionView(
        "greeter", 1, "tcp", "client", "10.0.0.2:39122", "93.184.216.34:443", "open", 15_320, 890, NOW - 12
    ),
)

LOG = (
    LogRecord(NOW - 12.0, "", Level.INFO, "loaded greeter, thermostat, bridge, crunch, lights, fft"),
    LogRecord(NOW - 9.4, "greeter", Level.OUTPUT, "Hello, Grace"),
    LogRecord(NOW - 8.1, "bridge", Level.DEBUG, "10.0.0.7 sent 212 bytes"),
    LogRecord(NOW - 6.0, "bridge", Level.INFO, "peer 10.0.0.9 joined as cellar"),
    LogRecord(NOW - 5.5, "crunch", Level.OUTPUT, "\x1b[31mpass\x1b[0m 3 of [bold]4[/bold]"),
    LogRecord(NOW - 4.2, "lights", Level.WARNING, "dimmer porch did not answer, trying again"),
    LogRecord(NOW - 3.0, "thermostat", Level.ERROR, TRACEBACK),
    LogRecord(NOW - 1.0, "bridge", Level.DEBUG, "10.0.0.7 sent 198 bytes"),
    LogRecord(NOW - 0.2, "greeter", Level.OUTPUT, "Hello, Alan"),
)

FUNCTIONS = [
    FunctionInfo("greet", "(name: str, *, shout: bool = False) -> str", "Greet somebody by name.", 7),
    FunctionInfo("guests", "() -> list[str]", "Everybody greeted so far.", 15),
    FunctionInfo("reset", "()", "", 22),
]

STATISTICS = [
    FunctionStatistics("greet", 18, 0, 0.00072, 0.00004, 0.000038, 0.00012, 0.00015, None),
    FunctionStatistics("guests", 3, 1, 0.09, 0.03, 0.02, 0.06, 0.06, "ValueError: no [bold]guests[/bold]"),
]

TAPPED = Tapped(
    b"GET /peers HTTP/1.1\r\nHost: attic\r\n\r\n" + bytes(range(256)) + "naïve \x1b[31mred\x1b[0m".encode(),
    b'HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n{"attic": true}',
    received_before=12_288,
)

SENSOR = "LuaError: attempt to index a nil value (field 'sensor')"
CALLS = (
    CallView(
        41,
        "bridge",
        "heartbeat",
        "timer",
        "script bridge 1",
        NOW - 4.61,
        0.000_041,
        result="None",
        whole=True,
    ),
    CallView(
        42,
        "greeter",
        "greet",
        "",
        "MainThread",
        NOW - 3.9,
        0.000_312,
        arguments="'Grace', shout=True",
        result="'HELLO, GRACE'",
        whole=True,
        result_whole=True,
    ),
    CallView(43, "thermostat", "on_tick", "timer", "script thermostat 7", NOW - 3.0, 0.004, SENSOR),
    CallView(
        45,
        "lights",
        "on_join",
        "hook peer joined",
        "script bridge 1",
        NOW - 2.4,
        0.71,
        arguments="'[bold]attic'",
        parent=46,
        result="None",
        whole=True,
        result_whole=True,
    ),
    CallView(
        46,
        "bridge",
        "data",
        "connection data",
        "script bridge 1",
        NOW - 2.5,
        0.85,
        arguments="<Connection>, b'JOIN\\x00attic'",
        result="None",
        result_whole=True,
    ),
)
RUNNING = (CallView(47, "crunch", "pass_over", "", "worker 1", NOW - 1.9, None, "", "3, 4", whole=True),)

HOOKS = (
    HookView(
        "peer joined",
        204,
        3,
        (
            SubscriberView(7, "lights", "on_join", 10, 204, 0, "lights.lua:31", True),
            SubscriberView(4, "greeter", "welcome", 0, 201, 2, "greeter.py:40", True),
            SubscriberView(9, "bridge", "note", 0, 0, 0, "bridge.py:12", False),
        ),
    ),
    HookView("raeding", 88_412, 0, ()),
)

FRAME = Frame(NOW, SCRIPTS, VARIABLES, TIMERS, CONNECTIONS, (), 0)


DIFFERENCES = (
    DifferenceView("bridge", "relayed", ("relayed",), Change.CHANGED, "int", "88102", "88412"),
    DifferenceView(
        "bridge", "peers['10.0.0.9']", ("peers", "10.0.0.9"), Change.ADDED, "Peer", "", "Peer(name='cellar')"
    ),
    DifferenceView("bridge", "retry", ("retry",), Change.REMOVED, "[bold]", "[red]3", ""),
)


class RecordedSession:
    """Answers with fixed facts and writes down every call.

    Attributes:
        calls: Name and arguments of each call, `frame` excepted.
        threads: Names of the threads the calls came from.
        now: The frame without its log; replace it to change what the screen shows.
        problem: Raised by the next calls that may fail, when set.
        gate: Calls of script functions wait for it.
        bytes: What every connection is said to have carried.
    """

    def __init__(self, frame: Frame = FRAME, log: tuple[LogRecord, ...] = LOG) -> None:
        self.now = frame
        self.pending: list[LogRecord] = list(log)
        self.calls: list[tuple[object, ...]] = []
        self.threads: set[str] = set()
        self.problem: Exception | None = None
        self.answer: object = "Hello, Grace"
        self.outcome = Outcome(2, ("Grace", 3), "lights", "too late")
        self.gate = threading.Event()
        self.gate.set()
        self.gone = False
        self.bytes = TAPPED

    def frame(self) -> Frame:
        log, self.pending = tuple(self.pending), []
        return replace(self.now, log=log)

    def records(self, limit: int) -> list[LogRecord]:
        taken, self.pending = self.pending[:limit], self.pending[limit:]
        return taken

    def logs(self, *records: LogRecord) -> None:
        self.pending.extend(records)

    def _note(self, *call: object) -> None:
        self.calls.append(call)
        self.threads.add(threading.current_thread().name)
        if self.problem is not None and call[0] not in ("watch", "close"):
            raise self.problem

    def load(self, path: Path, alias: str | None = None) -> object:
        self._note("load", path, alias)
        return object()

    def unload(self, alias: str) -> None:
        self._note("unload", alias)

    def reload(self, alias: str) -> None:
        self._note("reload", alias)

    def pause(self, alias: str) -> None:
        self._note("pause", alias)

    def resume(self, alias: str) -> None:
        self._note("resume", alias)

    def interrupt(self, alias: str) -> None:
        self._note("interrupt", alias)

    def call(self, alias: str, function: str, *args: object, **kwargs: object) -> object:
        self._note("call", alias, function, args, kwargs)
        self.gate.wait(10)
        return self.answer

    def evaluate(self, alias: str, expression: str) -> object:
        self._note("evaluate", alias, expression)
        return self.answer

    def functions(self, alias: str) -> list[FunctionInfo]:
        self._note("functions", alias)
        return FUNCTIONS

    def is_complete(self, alias: str, code: str) -> bool:
        return not code.endswith(":")

    def interact(self, alias: str, code: str) -> list[Result]:
        self._note("interact", alias, code)
        self.gate.wait()
        return tree(rows_of(self.answer))

    def statistics(self, alias: str) -> list[FunctionStatistics]:
        self._note("statistics", alias)
        return STATISTICS

    def completions(self, alias: str, text: str, cursor: int) -> list[Completion]:
        self._note("completions", alias, text, cursor)
        start = len(text[:cursor].rstrip("abcdefghijklmnopqrstuvwxyz_"))
        known = (
            Completion("visitors", start, "variable", ": int", "12"),
            Completion("vars", start, "builtin", "(object)", "Return the names of an object."),
            Completion("vote", start, "function", "(name, weight=1)", "Count a vote.\n\nOnce a day."),
        )
        return [each for each in known if each.text.startswith(text[start:cursor])]

    def emit(self, hook: str, *args: object) -> object:
        self._note("emit", hook, args)
        return self.answer

    def consult(self, hook: str, *args: object) -> object:
        self._note("consult", hook, args)
        return self.outcome

    def record_calls(self, on: bool) -> None:
        self._note("record_calls", on)

    def enable_subscriber(self, number: int, enabled: bool) -> bool:
        self._note("enable_subscriber", number, enabled)
        return not self.gone

    def expand(self, alias: str, path: tuple[str | int, ...], items: int = 100) -> None:
        self._note("expand", alias, path, items)

    def collapse(self, alias: str, path: tuple[str | int, ...]) -> None:
        self._note("collapse", alias, path)

    def set_variable(self, alias: str, path: tuple[str | int, ...], text: str) -> None:
        self._note("set_variable", alias, path, text)

    def add_watch(self, alias: str, expression: str) -> int:
        self._note("add_watch", alias, expression)
        return 1

    def remove_watch(self, number: int) -> bool:
        self._note("remove_watch", number)
        return not self.gone

    def mark(self, alias: str) -> None:
        self._note("mark", alias)

    def differences(self, alias: str, against: str = "mark") -> tuple[DifferenceView, ...]:
        self._note("differences", alias, against)
        return DIFFERENCES

    def cancel_timer(self, alias: str, timer_id: int) -> bool:
        self._note("cancel_timer", alias, timer_id)
        return not self.gone

    def fire_timer(self, alias: str, timer_id: int) -> bool:
        self._note("fire_timer", alias, timer_id)
        return not self.gone

    def pause_timer(self, alias: str, timer_id: int) -> bool:
        self._note("pause_timer", alias, timer_id)
        return not self.gone

    def resume_timer(self, alias: str, timer_id: int) -> bool:
        self._note("resume_timer", alias, timer_id)
        return not self.gone

    def change_interval(self, alias: str, timer_id: int, milliseconds: float) -> bool:
        self._note("change_interval", alias, timer_id, milliseconds)
        return not self.gone

    def tap(self, alias: str, connection_id: int, on: bool = True) -> bool:
        self._note("tap", alias, connection_id, on)
        return not self.gone

    def tapped(self, alias: str, connection_id: int) -> Tapped:
        self._note("tapped", alias, connection_id)
        return self.bytes

    def close_connection(self, alias: str, connection_id: int) -> bool:
        self._note("close_connection", alias, connection_id)
        return not self.gone

    def watch(self) -> None:
        self._note("watch")

    def close(self) -> None:
        self._note("close")
