"""Session: the scripts, hooks and event stream of one process; all that a front end ever talks to."""

from __future__ import annotations

import atexit
import contextlib
import importlib
import itertools
import os
import threading
import time
import weakref
from math import inf
from operator import attrgetter
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from scriptnative import Clock, Feed, leaving

from .errors import (
    ConfigError,
    LoadError,
    ScriptClosed,
    ScriptConsoleError,
    UnknownScript,
    did_you_mean,
)
from .hooks import Hooks
from .joining import Joining
from .recording import Recording
from .reports import Report, Reporter
from .script import Script
from .watchdog import Watchdog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from .attempt import Attempt
    from .calls import Calls
    from .completion import Completion
    from .components import Components
    from .drivers import Driver
    from .engine import Engine, Part
    from .health import FunctionStatistics, Health, Info
    from .observer import Observer
    from .records import Records
    from .results import Result
    from .script import Moment
    from .view import DifferenceView, Frame, FunctionInfo, LogRecord, Tapped
    from .watcher import Watcher
    from .workers import Job

BUILTIN_ENGINES = {
    ".py": "scriptengines.python:PythonEngine",
    ".lua": "scriptengines.lua:LuaEngine",
    ".c": "scriptengines.native:NativeEngine",
    ".so": "scriptengines.native:NativeEngine",
    ".dylib": "scriptengines.native:NativeEngine",
    ".scmod": "scriptengines.native:NativeEngine",
}
FEED_CAPACITY = 200_000
REPORTS_PER_FRAME = 20_000
FRAME_SHARE = 0.008
"""Seconds of processor time that a frame may spend on new log records; the others wait for the next."""
CLOSE_LIMIT = 15.0
"""Seconds that `close` may take: what has not ended by then is left behind."""


class Session:
    """All scripts of one process.

    Args:
        direct_output: Let scripts write to the process's stdout and stderr at once, instead of into the log.
        batch: Tell scripts (`host.batch`) that nobody watches and that they should come to an end.
        keep_failed: Keep a script whose load failed, as failed, so that a reload can load its mended file.
        options: Options of every script, as for `load`.
        workers: Threads for calls with a timeout and for `submit`; started as they are needed.
        room: Calls that may wait for one of them; more are refused.
        virtual_time: Let timers go by a clock that jumps to what is due next when all scripts wait.

    Attributes:
        emit: `emit(hook, *args)` calls the subscribers of a hook; see Hooks.emit.
        consult: `consult(hook, *args)` does, and tells what they answered; see Hooks.consult.
        clock: The virtual clock, None when time is real. `with session.clock:` keeps it from jumping, e.g.
            until all scripts are loaded.

    May be used from any thread.
    """

    def __init__(
        self,
        *,
        direct_output: bool = False,
        batch: bool = False,
        keep_failed: bool = False,
        options: Mapping[str, Any] = MappingProxyType({}),
        workers: int = 16,
        room: int = 1000,
        virtual_time: bool = False,
    ) -> None:
        self.direct_output = direct_output
        self.batch = batch
        self.keep_failed = keep_failed
        self.options = options
        self._wake_read, wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(wake_write, False)
        self.feed = Feed(FEED_CAPACITY, wake_write)  # closes it in the end
        self.clock: Clock | None = None
        if virtual_time:
            self.clock = Clock(time.time())
            self.feed.set_clock(self.clock)
        weakref.finalize(self, os.close, self._wake_read).atexit = False
        self.hooks = Hooks(self.feed.calls)
        self._recording = Recording(self.feed.calls)
        self.emit = self.hooks.emit
        self.consult = self.hooks.consult
        self._mutex = threading.RLock()
        self._scripts: dict[str, Script] = {}
        # Late reports of an unloaded script still name it: it stays until they have been taken.
        self._leaving: list[Script] = []
        self._by_number: weakref.WeakValueDictionary[int, Script] = weakref.WeakValueDictionary()
        self._numbers = itertools.count(1)
        self._refused: list[Script] = []
        self._engines: dict[str, Engine] = {}
        self._watchdog = Watchdog()
        self._workers = workers, room
        self._calls: Calls | None = None
        self._observer: Observer | None = None
        self._watch_numbers = itertools.count(1)
        self._joining = Joining()
        self._records: Records | None = None
        self._watcher: Watcher | None = None
        self._components: Components | None = None
        self._closed = False
        self._left_scripts = 0
        self._ended = threading.Event()
        leaving.watch_exit()  # before, so that it is called after
        atexit.register(self.close)

    # ---- scripts ----------------------------------------------------------------------------------

    @property
    def scripts(self) -> tuple[Script, ...]:
        """All loaded scripts, in order of loading."""
        return tuple(self._scripts.values())

    def script(self, alias: str) -> Script:
        """The script of an alias.

        Raises:
            UnknownScript: There is none.
        """
        script = self._scripts.get(alias)
        if script is None:
            hint = did_you_mean(alias, self._scripts)
            raise UnknownScript(f'no script "{alias}" is loaded.{hint}')
        return script

    def load(
        self,
        path: str | os.PathLike[str],
        alias: str | None = None,
        *,
        arguments: Iterable[str] = (),
        timeout: float | None = None,
        text: bytes | None = None,
        parts: Iterable[Part] = (),
        **options: Any,
    ) -> Script:
        """Load a script and wait until its top level has ended or has begun to run its loop.

        Args:
            path: Its file; the suffix tells the engine.
            alias: Its name; the file's stem by default, with a number when that is taken.
            arguments: What it finds as its own arguments.
            timeout: Seconds its top level may take.
            text: What to run instead of what the file holds; it need not exist then.
            parts: More code for the same state, run after it; the texts of those with a path are read anew.
            options: What its engine lets a caller set, e.g. `isolation="shared"`; see options.py.

        Raises:
            LoadError: It could not be loaded; the message names file, line and remedy.
            ConfigError: There is no such option, or the value cannot be.
            ScriptClosed: The session is closed.
        """
        file = Path(path).absolute()
        engine = self._engine_for(file)
        if text is None and not file.is_file():
            reason = "is a directory" if file.is_dir() else "no such file"
            raise LoadError(f"{file}: {reason}; check the path", file=str(file))
        with self._mutex:
            if self._closed:
                raise ScriptClosed(f"{file}: the session is closed; load it in another")
            name = self._free_alias(file.stem) if alias is None else alias
            if name in self._scripts:
                raise ConfigError(f'a script "{name}" is loaded already; give another alias')
            number = next(self._numbers)
            reporter = Reporter(self.feed, number, self.direct_output, self.batch)
            script = Script(
                name, file, engine, reporter, self._bridge, self._watchdog, self.hooks, self._get_calls
            )
            script.arguments, script.options = tuple(arguments), {**self.options, **options}
            script.parts = tuple(parts)
            self._scripts[name] = self._by_number[number] = script
        try:
            script.start(timeout, text)
        except BaseException as error:
            if script.generation:  # Ctrl-C, just when it had loaded
                raise
            self._say("error", name, f"not loaded: {error}")
            if self.keep_failed and isinstance(error, ScriptConsoleError):
                self._follow(script)
            else:
                with self._mutex:
                    self._drop(script)
                    self._refused = [other for other in (*self._refused, script) if other.is_ending]
            raise
        self._say("info", name, f"loaded ({engine.name}, generation {script.generation})")
        self._follow(script)
        return script

    def reload(self, alias: str, timeout: float | None = None) -> Script:
        """Load the file of a script again: all or nothing, `host.state` kept.

        Raises:
            LoadError: The new version is broken; the old one goes on.
        """
        script = self.script(alias)
        self._reload(script, timeout, None)
        return script

    def _reload(self, script: Script, timeout: float | None, text: bytes | None) -> None:
        try:
            script.start(timeout, text)
        except ScriptConsoleError as error:
            self._say("error", script.alias, f"reload refused: {error}")
            raise
        self._say("info", script.alias, f"reloaded, generation {script.generation}")
        self._watch_files(script)

    def unload(self, alias: str) -> None:
        """End a script; never takes longer than some seconds."""
        script = self.script(alias)
        if self._observer is not None:
            self._observer.forget(script)
        self._end(script)
        with self._mutex:
            self._drop(script)
            self._leaving = [*self._leaving[-100:], script]
        self._say("info", alias, "unloaded")

    def _drop(self, script: Script) -> None:
        """Free its alias, unless another one has it by now; holding the mutex."""
        if self._scripts.get(script.alias) is script:
            del self._scripts[script.alias]

    def _end(self, script: Script) -> None:
        if not script.close():
            with self._mutex:
                self._left_scripts += 1

    def pause(self, alias: str) -> None:
        """Hold a script's timers and sockets back; calls still work."""
        self.script(alias).set_paused(True)

    def resume(self, alias: str) -> None:
        """Let a paused script go on."""
        self.script(alias).set_paused(False)

    def interrupt(self, alias: str) -> bool:
        """Stop what a script is doing right now; whether there was anything that could be stopped."""
        return self.script(alias).interrupt()

    @property
    def components(self) -> Components:
        """Native modules with manifests: batches, groups, states, events."""
        if self._components is None:
            from .components import Components

            with self._mutex:
                self._components = self._components or Components(self)
        return self._components

    def driver(self, alias: str) -> Driver:
        """A script as an action driver.

        Raises:
            ConfigError: Its profile is another.
        """
        driver = self.script(alias).driver
        if driver is None:
            raise ConfigError(f'{alias} is no driver; it becomes one by: scriptconsole: profile = "driver"')
        return driver

    # ---- calls -------------------------------------------------------------------------------------

    def call(self, alias: str, function: str, /, *args: Any, **kwargs: Any) -> Any:
        """Call a function of a script; see Script.call."""
        return self.script(alias).call(function, *args, **kwargs)

    def submit(self, alias: str, function: str, /, *args: Any, **kwargs: Any) -> Job[Any]:
        """Call a function of a script on another thread; see Script.submit."""
        return self.script(alias).submit(function, *args, **kwargs)

    def _get_calls(self) -> Calls:
        with self._mutex:
            if self._calls is None:
                from .calls import Calls

                self._calls = Calls(lambda: self.scripts, self._watchdog, *self._workers)
            return self._calls

    def evaluate(self, alias: str, expression: str) -> Any:
        """The value of an expression in a script's global scope."""
        return self.script(alias).evaluate(expression)

    def statistics(self, alias: str) -> list[FunctionStatistics]:
        """The calls of each function of a script from outside; see Script.statistics."""
        return self.script(alias).statistics()

    # ---- variables ---------------------------------------------------------------------------------

    def expand(self, alias: str, path: tuple[str | int, ...], items: int = 100) -> None:
        """Show in the frame what is inside a variable, at most `items` of it; `path` is a row's address."""
        script = self.script(alias)
        script.tree.expand(path, items)
        self._look_again(script)

    def collapse(self, alias: str, path: tuple[str | int, ...]) -> None:
        """Show it no more."""
        script = self.script(alias)
        script.tree.collapse(path)
        self._look_again(script)

    def set_variable(self, alias: str, path: tuple[str | int, ...], text: str) -> None:
        """Put the value of an expression in the script's language at a row's address; see Script.assign."""
        script = self.script(alias)
        script.assign(path, text)
        self._look_again(script)

    def add_watch(self, alias: str, expression: str) -> int:
        """Evaluate an expression in a script's scope again and again, for the frame; its number."""
        script = self.script(alias)
        number = next(self._watch_numbers)
        script.watches.add(number, expression)
        self._look_again(script)
        return number

    def _look_again(self, script: Script) -> None:
        """What a screen has asked for should not have to wait until it is time for the next look."""
        if self._observer is not None:
            with contextlib.suppress(ScriptConsoleError):
                script.refresh()

    def remove_watch(self, number: int) -> bool:
        """Evaluate it no more; whether it was a watch."""
        return any(script.watches.remove(number) for script in self.scripts)

    def mark(self, alias: str) -> None:
        """Remember the variables of a script as they are now; see `differences`."""
        self.script(alias).mark()

    def differences(self, alias: str, against: Moment = "mark") -> list[DifferenceView]:
        """What is not as it was at the mark, or when the generation before ended; see Script.differences."""
        return self.script(alias).differences(against)

    def functions(self, alias: str) -> list[FunctionInfo]:
        """What can be called in a script."""
        return self.script(alias).functions()

    def is_complete(self, alias: str, code: str) -> bool:
        """Whether code that is being typed into a script can be run as it is."""
        return self.script(alias).is_complete(code)

    def interact(self, alias: str, code: str) -> list[Result]:
        """Run what somebody typed into a script; see Script.interact."""
        return self.script(alias).interact(code)

    def completions(self, alias: str, text: str, cursor: int) -> list[Completion]:
        """What of a script can stand where the cursor is; see Script.completions."""
        return self.script(alias).completions(text, cursor)

    def cancel_timer(self, alias: str, timer_id: int) -> bool:
        """Cancel a timer by its number in the frame; whether it was pending."""
        return self.script(alias).runtime.cancel_timer(timer_id)

    def fire_timer(self, alias: str, timer_id: int) -> bool:
        """Let a timer fire now: an interval once more, its beat unchanged; whether it was pending."""
        return self.script(alias).runtime.steer_timer(timer_id, "fire")

    def pause_timer(self, alias: str, timer_id: int) -> bool:
        """Hold a timer back, and keep what is left of its time; whether it was pending."""
        return self.script(alias).runtime.steer_timer(timer_id, "pause")

    def resume_timer(self, alias: str, timer_id: int) -> bool:
        """Let a paused timer go on with what is left of its time; whether it was pending."""
        return self.script(alias).runtime.steer_timer(timer_id, "resume")

    def change_interval(self, alias: str, timer_id: int, milliseconds: float) -> bool:
        """Change an interval from its next firing on; what fires once does so that long after now.

        Returns:
            Whether it was pending.

        Raises:
            ValueError: That is no number of milliseconds.
        """
        if not milliseconds >= 0:
            raise ValueError(f"an interval is a number of milliseconds, not less than 0, got {milliseconds}")
        return self.script(alias).runtime.steer_timer(timer_id, "change", float(milliseconds))

    def tap(self, alias: str, connection_id: int, on: bool = True) -> bool:
        """Begin or end to keep the last 4 KiB each way of a connection; whether there is such a one."""
        return self.script(alias).runtime.tap(connection_id, on)

    def tapped(self, alias: str, connection_id: int) -> Tapped:
        """The last bytes of a connection since it was tapped."""
        from .view import Tapped

        return Tapped(*self.script(alias).runtime.tapped(connection_id))

    def close_connection(self, alias: str, connection_id: int) -> bool:
        """Close a connection by its number in the frame; whether it was open."""
        return self.script(alias).runtime.close_connection(connection_id)

    def _bridge(self, attempt: Attempt) -> dict[str, Callable[..., Any]]:
        """The session's part of the host API, for one generation of a script."""

        def call(alias: str, function: str, /, *args: Any, **kwargs: Any) -> Any:
            target = self._scripts.get(alias)
            return (target or self.script(alias)).function(function)(*args, **kwargs)

        def on(hook: str, callback: Callable[..., Any], priority: int, name: str, source: str) -> int:
            return self.hooks.subscribe(hook, callback, priority, attempt, name=name, source=source)

        def once(hook: str, callback: Callable[..., Any], priority: int, name: str, source: str) -> int:
            return self.hooks.subscribe(
                hook, callback, priority, attempt, once=True, name=name, source=source
            )

        def off(number: int) -> bool:
            return self.hooks.unsubscribe(number, attempt)

        def consult(hook: str, *args: Any) -> list[Any] | None:
            outcome = self.consult(hook, *args)
            return None if outcome.vetoed_by else list(outcome.args)

        return {
            "call": call,
            "on": on,
            "once": once,
            "off": off,
            "emit": self.emit,
            "config": lambda: dict(attempt.settings["config"]),
            "consult": consult,
            "scripts": lambda: dict(self._scripts),
        }

    # ---- health ------------------------------------------------------------------------------------

    def health(self) -> Health:
        """How it and its scripts are doing; may take some milliseconds a script."""
        from .health import Health, health_of, problems_of

        scripts = tuple(health_of(script) for script in self.scripts)
        waiting, stuck = (self._calls.workers.waiting, self._calls.workers.stuck) if self._calls else (0, 0)
        problems = tuple(problems_of(scripts, self.feed.dropped, stuck, self._left_behind))
        return Health(not problems, problems, scripts, self.feed.dropped, waiting, stuck)

    def info(self) -> Info:
        """What this process runs on: versions, platform, engines."""
        from .health import info

        suffixes: dict[str, list[str]] = {}
        for suffix, target in BUILTIN_ENGINES.items():
            suffixes.setdefault(target.partition(":")[0].rpartition(".")[2], []).append(suffix)
        return info({name: tuple(known) for name, known in suffixes.items()})

    # ---- observation -------------------------------------------------------------------------------

    def watch(self) -> None:
        """Reload scripts when their files change."""
        from .watcher import Watcher

        with self._mutex:
            if self._watcher is None:
                self._watcher = Watcher(self._changed)
                for script in self.scripts:
                    self._watch_files(script)

    def _watch_files(self, script: Script) -> None:
        if self._watcher is None:
            return
        try:
            for path in (script.path, *script.files):
                self._watcher.add(path)
        except OSError as error:  # the system watches only so many folders
            self._say("warning", script.alias, f"changes of its files go unnoticed: {error}")

    def _changed(self, path: Path) -> None:
        for script in self.scripts:
            if path in script.files and script.files_changed():
                with contextlib.suppress(ScriptConsoleError):  # as below
                    self._reload(script, None, None)
                continue
            # The very text that was looked at: a second look might find the file cut off by the next save.
            text = script.changed_text() if script.path == path else b""
            if not text:
                continue
            try:
                self._reload(script, None, text)
            except ScriptConsoleError:
                continue  # reload has logged it and the script shows it

    def _follow(self, script: Script) -> None:
        with self._mutex:
            self._watch_files(script)
            if self._observer is not None:
                self._observer.follow(script)

    def frame(self) -> Frame:
        """All there is to show now; cheap, waits for no script. The first call starts the observation."""
        with self._mutex:
            if self._observer is None and not self._closed:
                from .observer import Observer

                self._observer = Observer()
                for script in self.scripts:
                    self._observer.follow(script)
        from .view import ConnectionView, Frame, TaskView, TimerView, VariableView, WarningView

        log = tuple(self._take_records(REPORTS_PER_FRAME, FRAME_SHARE))
        scripts = self.scripts
        join = self._joining.join
        calls, running = self._recording.take(scripts, self._by_number)
        return Frame(
            time=time.time() if self.clock is None else self.clock.wall(),
            scripts=tuple(script.view() for script in scripts),
            variables=join(VariableView, (script.tree.views for script in scripts)),
            timers=join(TimerView, (script.rows(TimerView) for script in scripts), attrgetter("due")),
            connections=join(ConnectionView, (script.rows(ConnectionView) for script in scripts)),
            log=log,
            dropped=self.feed.dropped,
            tasks=join(TaskView, (script.rows(TaskView) for script in scripts)),
            warnings=join(WarningView, (script.rows(WarningView) for script in scripts)),
            calls=calls,
            running=running,
            calls_dropped=self._recording.dropped,
            hooks=self.hooks.views(),
            watches=tuple(
                sorted((row for s in scripts for row in s.watches.views), key=lambda watch: watch.id)
            ),
        )

    def record_calls(self, on: bool) -> None:
        """Let frames tell of calls, or no longer; calls cost a little more meanwhile."""
        self._recording.set(on)

    def enable_subscriber(self, number: int, enabled: bool) -> bool:
        """Let a subscriber be called, or passed over, by its number in the frame; whether it is there."""
        return self.hooks.set_enabled(number, enabled)

    def records(self, limit: int = REPORTS_PER_FRAME) -> list[LogRecord]:
        """Take what was reported since the last time, oldest first."""
        return self._take_records(limit)

    def _take_records(self, limit: int, seconds: float = inf) -> list[LogRecord]:
        leaving = len(self._leaving)
        records: list[LogRecord] = []
        all_told = False
        with self._mutex:
            if self._records is None and not (all_told := not (first := self.feed.take(1))):
                from .records import Records

                self._records = Records(self.feed, self._by_number, first)
        if self._records is not None:
            records, all_told = self._records.take(limit, seconds)
        if all_told:
            del self._leaving[:leaving]
        return records

    def note(self, level: str, text: str) -> None:
        """Write a line of the console's own into the log."""
        self.feed.push(Report.LOG, 0, (level, text, ""))

    def _say(self, level: str, alias: str, text: str) -> None:
        """Tell whoever watches that a script came, changed or went."""
        if not self.batch:
            self.feed.push(Report.LOG, 0, (level, text, alias))

    @property
    def wake_descriptor(self) -> int:
        """Readable when `wait` would return at once."""
        return self._wake_read

    def wait(self, timeout: float | None) -> bool:
        """Wait until something was reported or nothing is pending any more.

        Returns:
            False when `timeout` seconds passed first.
        """
        import select

        waiting = select.poll()  # takes descriptors beyond 1023 too
        waiting.register(self._wake_read, select.POLLIN)
        ready = waiting.poll(None if timeout is None else timeout * 1000)
        if ready:
            while len(os.read(self._wake_read, 4096)) == 4096:
                pass
        return bool(ready)

    @property
    def pending(self) -> bool:
        """Whether any script has a timer, task, connection, server or queued callback."""
        return self.feed.busy_count > 0

    # ---- ending ------------------------------------------------------------------------------------

    def close(self) -> bool:
        """End everything; idempotent, never longer than CLOSE_LIMIT and a little.

        Returns:
            Whether every script ended. If a Python script did not, the process cannot be finalised; it leaves
            with `os._exit` when it exits, after its exit functions have run and its output is flushed.
        """
        with self._mutex:  # what a load has not entered yet never comes; what it has is ended here
            first, self._closed = not self._closed, True
            scripts = self.scripts
        if not first:
            self._ended.wait(CLOSE_LIMIT)
            return self._ended.is_set() and not self._left_behind
        atexit.unregister(self.close)
        if self._watcher is not None:
            self._watcher.close()
        if self._observer is not None:
            self._observer.close()
        deadline = time.monotonic() + CLOSE_LIMIT
        closers = [threading.Thread(target=self._end, args=(script,), daemon=True) for script in scripts]
        for closer in closers:
            closer.start()
        for closer in closers:
            closer.join(max(0.0, deadline - time.monotonic()))
        # A top level that was cancelled still has its interpreter, which is better not left behind.
        lingering = sum(not script.wait_for_cancelled(deadline) for script in {*scripts, *self._refused})
        with self._mutex:
            self._left_scripts += lingering + sum(closer.is_alive() for closer in closers)
        if self._calls is not None:
            self._calls.close()
        self._watchdog.close()
        for engine in self._engines.values():
            engine.close()
        self._ended.set()
        return not self._left_behind

    @property
    def _left_behind(self) -> int:
        interpreters = sum(getattr(engine, "abandoned", 0) for engine in self._engines.values())
        return max(interpreters, self._left_scripts)

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    # ---- engines -----------------------------------------------------------------------------------

    def _engine_for(self, file: Path) -> Engine:
        target = BUILTIN_ENGINES.get(file.suffix) or _registered(file.suffix)
        if target is None:
            known = " ".join(sorted(BUILTIN_ENGINES))
            raise LoadError(f'{file}: no engine for "{file.suffix}"; known suffixes: {known}', file=str(file))
        with self._mutex:
            if target not in self._engines:
                module, _, name = target.partition(":")
                self._engines[target] = getattr(importlib.import_module(module), name)()
            return self._engines[target]

    def _free_alias(self, stem: str) -> str:
        names = itertools.chain([stem], (f"{stem}-{number}" for number in itertools.count(2)))
        return next(name for name in names if name not in self._scripts)


def _registered(suffix: str) -> str | None:
    """An engine of somebody else's, from the entry points; scanned only for suffixes that are not ours."""
    from importlib.metadata import entry_points

    for entry in entry_points(group="scriptconsole.engines"):
        if entry.value not in BUILTIN_ENGINES.values() and suffix in entry.load().suffixes:
            return entry.value
    return None
