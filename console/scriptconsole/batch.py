"""`scriptconsole --batch`: run scripts without a screen until nothing is pending.

What scripts print goes to stdout and nothing else does; whatever the console has to say goes to stderr.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from typing import TYPE_CHECKING, Any

from scriptengines.errors import ScriptConsoleError, format_error
from scriptengines.session import Session

from .exitcodes import ExitCode
from .scripts import expand

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


class Batch:
    """One headless run.

    Args:
        paths: Script files.
        arguments: What scripts find as their own arguments.
        timeout: Seconds the whole run may take; None for no limit.
        quiet: Leave the scripts' log lines out; errors are always told.
        options: Of every script.
        virtual_time: Let timers go by a clock that jumps.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        arguments: Sequence[str],
        timeout: float | None,
        quiet: bool,
        options: Mapping[str, Any],
        virtual_time: bool,
    ) -> None:
        self._paths = paths
        self._arguments = arguments
        self._timeout = timeout
        self._deadline = None if timeout is None else time.monotonic() + timeout
        self._quiet = quiet
        self._load_failed = False
        self._unread = False
        self._session = Session(direct_output=True, batch=True, options=options, virtual_time=virtual_time)

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
            for path in self._paths:
                self._load(path)
                if self._unread:
                    return ExitCode.UNREAD
                if self._is_late():
                    return self._time_out(path)
        while self._session.pending:
            self._session.wait(self._remaining())
            while self._tell_records() and not self._is_late():
                pass
            if self._unread:
                return ExitCode.UNREAD
            if self._is_late() and self._session.pending:
                return self._time_out()
        return ExitCode.OK

    def _load(self, path: Path) -> None:
        try:
            self._session.load(path, arguments=self._arguments, timeout=self._remaining())
        except ScriptConsoleError as error:
            self._load_failed = True
            self._tell_records()
            self._tell_error(format_error(error))

    def _has_failed(self) -> bool:
        """Whether a script did not load, or raised where nobody caught it; what it logs does not count."""
        return self._load_failed or any(script.callback_errors for script in self._session.scripts)

    def _remaining(self) -> float | None:
        return None if self._deadline is None else max(0.0, self._deadline - time.monotonic())

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
            if record.level == "error":
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


def run_batch(
    paths: Sequence[str],
    arguments: Sequence[str],
    timeout: float | None,
    quiet: bool,
    options: Mapping[str, Any],
    *,
    virtual_time: bool = False,
) -> tuple[ExitCode, bool]:
    """Expand the paths and run; see Batch.

    Raises:
        ConfigError: A path is wrong.
    """
    return Batch(expand(paths), arguments, timeout, quiet, options, virtual_time).run()
