"""`scriptconsole --batch`: run scripts without a screen until nothing is pending.

What scripts print goes to stdout and nothing else does; whatever the console has to say goes to stderr.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from scriptengines.errors import ScriptConsoleError, format_error
from scriptengines.session import Session

from .exitcodes import ExitCode
from .scripts import expand

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class Batch:
    """One headless run.

    Args:
        paths: Script files.
        arguments: What scripts find as their own arguments.
        timeout: Seconds the whole run may take; None for no limit.
        quiet: Leave the scripts' log lines out; errors are always told.
    """

    def __init__(self, paths: Sequence[Path], arguments: Sequence[str], timeout: float | None, quiet: bool) -> None:
        self._paths = paths
        self._arguments = arguments
        self._timeout = timeout
        self._deadline = None if timeout is None else time.monotonic() + timeout
        self._quiet = quiet
        self._failed = False
        self._session = Session(direct_output=True, batch=True)

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
        self._tell_records()
        return (ExitCode.FAILED if self._failed and code is ExitCode.OK else code), clean

    def _run(self) -> ExitCode:
        for path in self._paths:
            self._load(path)
            if self._is_late():
                return ExitCode.TIMED_OUT if self._failed else self._time_out()
        while self._session.pending:
            self._session.wait(self._remaining())
            self._tell_records()
            if self._is_late() and self._session.pending:
                return self._time_out()
        self._tell_records()
        return ExitCode.FAILED if self._failed else ExitCode.OK

    def _load(self, path: Path) -> None:
        try:
            self._session.load(path, arguments=self._arguments, timeout=self._remaining())
        except ScriptConsoleError as error:
            self._failed = True
            self._tell_records()
            _tell(format_error(error))

    def _remaining(self) -> float | None:
        return None if self._deadline is None else max(0.0, self._deadline - time.monotonic())

    def _is_late(self) -> bool:
        return self._deadline is not None and time.monotonic() >= self._deadline

    def _time_out(self) -> ExitCode:
        names = ", ".join(script.alias for script in self._session.scripts if script.pending)
        _tell(f"timed out after {self._timeout:g} s; still pending: {names or 'loading'}")
        return ExitCode.TIMED_OUT

    def _tell_records(self) -> None:
        for record in self._session.records():
            is_error = record.level == "error"
            # A traceback follows the first line of what a script raised; a line it logged as an error is no failure.
            self._failed = self._failed or (is_error and "\n" in record.text)
            if is_error or not self._quiet:
                prefix = f"{record.script}: " if record.script else ""
                _tell(f"{record.level}: {prefix}{record.text}")


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def run_batch(paths: Sequence[str], arguments: Sequence[str], timeout: float | None, quiet: bool) -> tuple[ExitCode, bool]:
    """Expand the paths and run; see Batch.

    Raises:
        ConfigError: A path is wrong.
    """
    return Batch(expand(paths), arguments, timeout, quiet).run()
