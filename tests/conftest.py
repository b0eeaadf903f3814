"""What all tests share: a session that is closed afterwards, script files, waiting without sleeping."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from scriptengines.session import Session
from scriptengines.view import LogRecord

DEADLINE = 20.0
"""Seconds after which what has not happened never will; only a failing test takes that long."""
LIFECYCLE = ("loaded (", "reloaded, ", "reload refused: ", "unloaded")
"""How the session's own lines begin."""


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Compiled modules and verdicts of this run only."""
    with _variable("SCRIPTCONSOLE_CACHE", str(tmp_path_factory.mktemp("cache"))):
        yield


@pytest.fixture(autouse=True, scope="session")
def nobodys_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No settings of whoever runs the tests."""
    with _variable("SCRIPTCONSOLE_CONFIG", str(tmp_path_factory.mktemp("settings") / "config.toml")):
        yield


@contextlib.contextmanager
def _variable(name: str, value: str) -> Generator[None]:
    before = os.environ.get(name)
    os.environ[name] = value
    yield
    if before is None:
        del os.environ[name]
    else:
        os.environ[name] = before


@pytest.fixture
def session() -> Iterator[Session]:
    with Session() as opened:
        yield opened


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], Path]:
    """`write(name, text)` makes or replaces a script file in the test's own folder."""

    def write(name: str, text: str) -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def load(session: Session, folder: Path, name: str, text: str, **options: Any) -> None:
    """Load a script of this text."""
    path = folder / name
    path.write_text(text)
    session.load(path, **options)


@pytest.fixture
def log(session: Session) -> Log:
    return Log(session)


class Log:
    """Everything a session has reported, with ways to wait for what is still to come."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._records: list[LogRecord] = []

    def records(self, script: str | None = None) -> list[LogRecord]:
        """All so far, without the lines on loading and unloading."""
        self._records += self._session.records()
        own = [record for record in self._records if not record.text.startswith(LIFECYCLE)]
        return [record for record in own if script in (None, record.script)]

    def lines(self, script: str | None = None) -> list[str]:
        """First lines of all records so far."""
        return [record.text.partition("\n")[0] for record in self.records(script)]

    def wait_for(self, text: str, count: int = 1) -> list[LogRecord]:
        """The records whose text contains `text`, once there are `count`; lifecycle lines count too."""

        def found() -> list[LogRecord]:
            self.records()
            return [record for record in self._records if text in record.text]

        self.until(lambda: len(found()) >= count, f"{count} x {text!r} in the log")
        return found()

    def drain(self) -> None:
        """Wait until nothing is pending in any script: the smart exit."""
        self.until(lambda: not self._session.pending, "the end of all pending work")

    def until(self, condition: Callable[[], object], what: str = "what the test waits for") -> None:
        """Wait for a condition, looking again whenever the session reports something."""
        end = time.monotonic() + DEADLINE
        while not condition():
            if time.monotonic() > end:
                pytest.fail(f"it did not happen in {DEADLINE:g} s: {what}; the log: {self.lines()}")
            self._session.wait(0.01)


def line_of(path: Path, mark: str) -> int:
    """Number of the first line of a file that contains `mark`."""
    lines = path.read_text().splitlines()
    return next(number for number, line in enumerate(lines, start=1) if mark in line)


@pytest.fixture
def free_port() -> Callable[[], int]:
    """Gives ports on which nobody listens."""

    def find() -> int:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return probe.getsockname()[1]

    return find


def pytest_configure() -> None:
    # A job started in the background inherits "ignore SIGINT" and would hand it on to what the tests start.
    signal.signal(signal.SIGINT, signal.default_int_handler)
