"""How scripts and their session are doing: figures for monitoring, made when they are asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .script import Script
    from .view import ScriptState


class FunctionStatistics(NamedTuple):
    """The calls of one function from outside its script, since the script was loaded.

    Times are in seconds. A function that is fast and called often is timed at every 64th call, so its times
    are estimates; the percentiles are exact to about 12 %.
    """

    name: str
    calls: int
    errors: int
    total: float
    mean: float
    p50: float
    p99: float
    longest: float
    last_error: str | None


class ScriptHealth(NamedTuple):
    """One script.

    Attributes:
        alias: Its name.
        state: What it does now.
        generation: Of its code.
        calls: From outside, since it was loaded.
        errors: Of calls and of callbacks.
        call_time: Seconds that calls from outside took.
        cpu_time: Seconds of processor time of its own thread: top level, timers, sockets, tasks.
        cpu_share: Of one core, by its own thread, since health was asked for the last time.
        memory: Bytes it holds, as far as its engine can tell.
        last_error: Its first line, "" when there is none.
    """

    alias: str
    state: ScriptState
    generation: int
    calls: int
    errors: int
    call_time: float
    cpu_time: float
    cpu_share: float
    memory: int | None
    last_error: str


class Health(NamedTuple):
    """A session.

    Attributes:
        ok: There is no problem.
        problems: One sentence each.
        scripts: In order of loading.
        dropped: Reports (log lines, errors) that came too fast and were dropped.
        waiting_calls: Calls that wait for a worker.
        stuck_calls: Workers that a call with a timeout has left behind in native code.
    """

    ok: bool
    problems: tuple[str, ...]
    scripts: tuple[ScriptHealth, ...]
    dropped: int
    waiting_calls: int
    stuck_calls: int


class Info(NamedTuple):
    """What this process runs on.

    Attributes:
        version: Of scriptconsole.
        python: Of CPython.
        lua: Names of the Lua runtimes that can be chosen; empty when lupa is missing.
        platform: Operating system and machine.
        engines: Name of each engine, with the suffixes of its scripts.
    """

    version: str
    python: str
    lua: tuple[str, ...]
    platform: str
    engines: dict[str, tuple[str, ...]]


def problems_of(scripts: Iterable[ScriptHealth], dropped: int, stuck: int, abandoned: int) -> list[str]:
    """One sentence for each thing that is not as it should be."""
    from .view import ScriptState

    found = [
        f"{script.alias} has failed: {script.last_error}"
        for script in scripts
        if script.state is ScriptState.FAILED
    ]
    if dropped:
        found.append(f"{dropped} log lines or errors came too fast and were dropped")
    if stuck:
        found.append(f"{stuck} calls are stuck in native code, each with a thread of its own")
    if abandoned:
        found.append(f"{abandoned} scripts did not end; their threads were left behind")
    return found


def health_of(script: Script) -> ScriptHealth:
    """The figures of one script."""
    view = script.view()
    cpu = script.cpu_time
    return ScriptHealth(
        alias=view.alias,
        state=view.state,
        generation=view.generation,
        calls=view.calls,
        errors=view.errors,
        call_time=sum(row.total for row in script.statistics()),
        cpu_time=cpu,
        cpu_share=script.meter.share(cpu),
        memory=script.memory(),
        last_error="" if view.last_error is None else view.last_error.message.partition("\n")[0],
    )


def info(engines: dict[str, tuple[str, ...]]) -> Info:
    """What this process runs on."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    try:
        own = version("scriptconsole")
    except PackageNotFoundError:  # run from a source tree that was never installed
        own = ""
    return Info(own, platform.python_version(), _lua_runtimes(), platform.platform(), engines)


def _lua_runtimes() -> tuple[str, ...]:
    import importlib.util
    import pkgutil

    spec = importlib.util.find_spec("lupa")
    folders = [] if spec is None else list(spec.submodule_search_locations or ())
    names = sorted(module.name for module in pkgutil.iter_modules(folders))
    return tuple(name for name in names if name.startswith("lua"))
