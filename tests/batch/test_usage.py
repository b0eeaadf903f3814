"""Wrong usage: exit status 2 and one line on stderr that says what to do."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from .support import EXAMPLES, Run, batch, run

type Write = Callable[[str, str], Path]

HELLO = EXAMPLES / "hello" / "hello.py"
SUFFIXES = ".c, .dylib, .lua, .py, .scmod or .so"


def refused(outcome: Run) -> str:
    """The one line on stderr, without the program's name."""
    assert outcome.code == 2
    assert outcome.out == ""
    (line,) = outcome.err.splitlines()
    assert line.startswith("scriptconsole: ")
    return line.removeprefix("scriptconsole: ")


def test_missing_file() -> None:
    assert refused(batch("no/such.py")) == (
        "no/such.py: no such file or folder; check the path (arguments for scripts go after --)"
    )


def test_nothing_runs_when_one_path_is_wrong() -> None:
    assert "no/such.py" in refused(batch(HELLO, "no/such.py"))


def test_unknown_suffix(write: Write) -> None:
    path = write("notes.txt", "")
    assert refused(batch(path)) == f'{path}: no engine for ".txt"; scripts end in {SUFFIXES}'


def test_no_suffix(write: Write) -> None:
    path = write("script", "")
    assert refused(batch(path)) == f"{path}: no suffix to tell the engine by; scripts end in {SUFFIXES}"


def test_folder_without_scripts(tmp_path: Path) -> None:
    wanted = f"{tmp_path}: no scripts in this folder; it has no file that ends in {SUFFIXES}"
    assert refused(batch(tmp_path)) == wanted


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_folder_that_may_not_be_read(tmp_path: Path) -> None:
    tmp_path.chmod(0)
    try:
        assert "check who may read the folder" in refused(batch(tmp_path))
    finally:
        tmp_path.chmod(0o700)


def test_no_path() -> None:
    assert refused(batch()) == "--batch needs at least one script: scriptconsole --batch PATH…"


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf"])
def test_time_limit_that_is_none(seconds: str) -> None:
    wanted = f"--timeout: {seconds} is no time to wait; give seconds, more than 0; see scriptconsole --help"
    assert refused(batch("--timeout", seconds, HELLO)) == wanted


def test_time_limit_that_is_no_number() -> None:
    wanted = "--timeout: 'soon' is not a number of seconds; see scriptconsole --help"
    assert refused(batch("--timeout", "soon", HELLO)) == wanted


def test_unknown_option() -> None:
    assert refused(batch("--bogus", HELLO)) == "unrecognized arguments: --bogus; see scriptconsole --help"


def test_abbreviated_option_is_unknown() -> None:
    assert "unrecognized arguments: --quie" in refused(batch("--quie", HELLO))


def test_time_limit_without_batch() -> None:
    wanted = "--timeout goes with --batch; add --batch, or leave it out"
    assert refused(run("--timeout", "3", HELLO)) == wanted


def test_script_arguments_without_batch() -> None:
    wanted = "arguments after -- go with --batch; add --batch, or leave them out"
    assert refused(run(HELLO, "--", "x")) == wanted


def test_screen_without_a_terminal() -> None:
    wanted = "the console needs a terminal; to run scripts without one: scriptconsole --batch PATH…"
    assert refused(run(HELLO)) == wanted


def test_help_names_every_option_and_status() -> None:
    told = run("--help")
    assert (told.code, told.err) == (0, "")
    for text in (
        "--batch",
        "--timeout SECONDS",
        "--quiet",
        "--theme",
        "--no-watch",
        "--version",
        "-- ARGUMENT",
    ):
        assert text in told.out
    for status in ("0 ok", "1 a script failed", "2 wrong usage", "124 timed out", "130", "141"):
        assert status in told.out.replace("\n", " ")


def test_version() -> None:
    told = run("--version")
    assert told.code == 0
    assert told.out.startswith("scriptconsole ")
