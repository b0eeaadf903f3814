"""`scriptconsole --batch`: run scripts without a screen until nothing is pending.

What scripts print goes to stdout and nothing else does; whatever the console has to say goes to stderr.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from scriptengines.errors import ScriptConsoleError, format_error
from scriptengines.session import Session

from .exitcodes import ExitCode
from .steps import plan

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from .steps import Fragment, Step


class Wishes(NamedTuple):
    """How a run is to go.

    Attributes:
        arguments: What scripts find as their own arguments.
        timeout: Seconds the whole run may take; None for no limit.
        run_for: Seconds after which it ends well, at the latest; negative: exactly then; 0: only when killed.
        quiet: Leave the scripts' log lines out; errors are always told.
        options: Of every script.
        language: Of fragments that come before any script.
        shared_state: Whether all Lua code shares its globals.
        interactive: Read further lines from stdin, and end with that.
        explain_exit: Tell what the run waits for.
        virtual_time: Let timers go by a clock that jumps.
    """

    arguments: Sequence[str] = ()
    timeout: float | None = None
    run_for: float | None = None
    quiet: bool = False
    options: Mapping[str, Any] = MappingProxyType({})
    language: str = "lua"
    shared_state: bool = False
    interactive: bool = False
    explain_exit: bool = False
    virtual_time: bool = False


class Batch:
    """One headless run: every step in turn, then what they have left pending.

    Args:
        steps: What to load and run.
        wishes: How.
    """

    def __init__(self, steps: Sequence[Step], wishes: Wishes) -> None:
        self._steps = steps
        self._wishes = wishes
        self._timeout = wishes.timeout
        self._deadline = None if wishes.timeout is None else time.monotonic() + wishes.timeout
        self._end_at = None if not wishes.run_for else time.monotonic() + abs(wishes.run_for)
        self._quiet = wishes.quiet
        self._current = ""
        self._load_failed = False
        self._unread = False
        # A prompt has to write by itself what scripts print, or they would write into it.
        talks = wishes.interactive and sys.stdin.isatty() and sys.stdout.isatty()
        self._session = Session(
            direct_output=not talks, batch=True, options=wishes.options, virtual_time=wishes.virtual_time
        )

    def run(self) -> tuple[ExitCode, bool]:
        """Run to the end.

        Returns:
            The exit code, and whether every script's thread has ended.
        """
        try:
            code = self._run()
        except KeyboardInterrupt:
            _tell("interrupted")
            code = ExitCode.INTERRUPTED
        clean = self._session.close()
        while self._tell_records() and clean:
            pass
        if self._session.feed.dropped:
            _tell(f"{self._session.feed.dropped} log lines or errors came too fast and were dropped")
        if self._unread:
            code = ExitCode.UNREAD
        elif code is ExitCode.OK and self._has_failed():
            code = ExitCode.FAILED
        return code, clean

    def _run(self) -> ExitCode:
        with self._session.clock or contextlib.nullcontext():  # the first script waits for the last one
            for step in self._steps:
                loaded = self._take(step)
                if self._unread:
                    return ExitCode.UNREAD
                if self._is_late():
                    return self._time_out(step.path)
                if not loaded and self._wishes.shared_state:
                    return ExitCode.FAILED
        if self._wishes.explain_exit:
            self._explain()
        if self._wishes.interactive:
            return self._converse()
        return self._wait()

    def _converse(self) -> ExitCode:
        from .repl.start import converse

        if not self._current:  # what should have been there did not load
            return ExitCode.FAILED
        return converse(self._session, self._current, self._tell_records, quiet=self._quiet)

    def _wait(self) -> ExitCode:
        """Track what is pending until nothing is, or the time is over."""
        started = time.monotonic()
        while self._goes_on():
            self._session.wait(self._remaining())
            while self._tell_records() and not self._is_late():
                pass
            if self._unread:
                return ExitCode.UNREAD
            if self._is_late() and self._session.pending:
                return self._time_out()
        if self._wishes.explain_exit:
            why = "the time of --run-for is over" if self._session.pending else "nothing is pending"
            _tell(f"ends: {why}, {time.monotonic() - started:.3f} s after the last script had been loaded")
        return ExitCode.OK

    def _goes_on(self) -> bool:
        run_for = self._wishes.run_for
        if run_for == 0:
            return True
        if self._end_at is not None and time.monotonic() >= self._end_at:
            return False
        return self._session.pending or (run_for is not None and run_for < 0)

    def _explain(self) -> None:
        from .waiting import reasons

        found = reasons(self._session)
        _tell("waits for:" if found else "waits for nothing")
        for reason in found:
            _tell(f"  {reason}")

    def _take(self, step: Step) -> bool:
        """Load a script, or run a fragment in the script before it; whether it went well."""
        try:
            if step.path is None:
                assert step.text is not None
                self._session.script(self._current).run_fragment(step.text)
            else:
                self._load(step)
        except ScriptConsoleError as error:
            self._load_failed = True
            self._tell_records()
            self._tell_error(format_error(error))
            return False
        return True

    def _load(self, step: Step) -> None:
        assert step.path is not None
        alone = step.text is not None and not step.parts  # a fragment before all scripts: shown as one
        text = None if step.text is None else b"" if alone else step.text.encode()
        script = self._session.load(
            step.path,
            arguments=self._wishes.arguments,
            timeout=self._remaining(),
            text=text,
            parts=step.parts,
        )
        self._current = script.alias
        if alone and step.text is not None:
            script.run_fragment(step.text)

    def _has_failed(self) -> bool:
        """Whether a script did not load, or raised where nobody caught it; what it logs does not count."""
        return self._load_failed or any(script.callback_errors for script in self._session.scripts)

    def _remaining(self) -> float | None:
        ends = [end for end in (self._deadline, self._end_at) if end is not None]
        return max(0.0, min(ends) - time.monotonic()) if ends else None

    def _is_late(self) -> bool:
        return self._deadline is not None and time.monotonic() >= self._deadline

    def _time_out(self, loading: Path | None = None) -> ExitCode:
        names = [script.alias for script in self._session.scripts if script.pending]
        if loading is not None:
            names.append(f"the loading of {loading.name}")
        _tell(f"timed out after {self._timeout:g} s; still pending: {', '.join(names)}")
        return ExitCode.TIMED_OUT

    def _tell_error(self, text: str) -> None:
        self._unread = self._unread or ("BrokenPipeError" in text and _reader_left())
        if not self._unread:
            _tell(text)

    def _tell_records(self) -> bool:
        """Tell what was reported, some thousands at most; whether there was anything."""
        records = self._session.records()
        for record in records:
            prefix = f"{record.script}: " if record.script else ""
            if record.level == "output":
                print(record.text, flush=True)
            elif record.level == "error":
                self._tell_error(f"{record.level}: {prefix}{record.text}")
            elif not self._quiet:
                _tell(f"{record.level}: {prefix}{record.text}")
        return bool(records)


def _reader_left() -> bool:
    """Whether stdout is a pipe that nobody reads any more, as after `| head`."""
    import select

    poll = select.poll()
    poll.register(1, 0)
    return any(events & select.POLLERR for _, events in poll.poll(0))


def _tell(text: str) -> None:
    try:
        print(text, file=sys.stderr, flush=True)
    except BrokenPipeError:  # nobody listens; what is left in the buffer must not fail again at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def run_batch(given: Sequence[str | Fragment], wishes: Wishes) -> tuple[ExitCode, bool]:
    """Plan and run; see Batch.

    Raises:
        ConfigError: A path is wrong.
    """
    return Batch(plan(given, language=wishes.language, shared=wishes.shared_state), wishes).run()
