"""What can be set for a script: by the caller, in its header, in the project file; and what can be wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scriptengines.errors import ConfigError
from scriptengines.options import COMMON, Option, resolve

type Write = Callable[[str, str], Path]

DECLARED = {
    "isolation": Option("choice", "isolated", "How it is kept apart.", ("isolated", "shared")),
    "memory": Option("size", 0, "What it may hold."),
    "python": Option("flag", False, "Whether Python is visible."),
    "label": Option("text", "", "Anything."),
}


def options(path: Path, **given: Any) -> dict[str, Any]:
    text = path.read_bytes()
    return resolve(DECLARED, engine="python", alias=path.stem, path=path, text=text, given=given)


@pytest.fixture
def script(write: Write) -> Path:
    return write("it.py", '# scriptconsole: isolation = "shared"\nx = 1\n')


def test_every_option_has_a_value(write: Write) -> None:
    path = write("it.py", "x = 1\n")
    own = {"isolation": "isolated", "memory": 0, "python": False, "label": ""}
    assert options(path) == own | {name: option.default for name, option in COMMON.items()}


@pytest.mark.parametrize("mark", ["#", "--", "//", "  #"])
def test_a_comment_at_the_top_sets_options(write: Write, mark: str) -> None:
    path = write(
        "it.py",
        f'"""doc"""\n{mark} scriptconsole: isolation = "shared"\n{mark} scriptconsole: python = true\n',
    )
    found = options(path)
    assert (found["isolation"], found["python"]) == ("shared", True)


def test_a_comment_further_down_is_a_comment(write: Write) -> None:
    path = write("it.py", "\n" * 20 + '# scriptconsole: isolation = "shared"\n')
    assert options(path)["isolation"] == "isolated"


def test_a_binary_file_has_no_header(tmp_path: Path) -> None:
    path = tmp_path / "it.so"
    path.write_bytes(b"\x7fELF\0\n# scriptconsole: nonsense\n")
    assert options(path)["isolation"] == "isolated"


def test_the_caller_counts_more_than_the_header_and_the_header_more_than_the_project(
    write: Write, script: Path
) -> None:
    write("scriptconsole.toml", '[scripts.it]\nisolation = "isolated"\nlabel = "its own"\nmemory = 1\n')
    assert options(script)["isolation"] == "shared"
    assert options(script, isolation="isolated")["isolation"] == "isolated"
    assert options(script, label=None)["label"] == "its own"


def test_a_table_for_the_script_counts_more_than_the_one_for_its_engine(write: Write, script: Path) -> None:
    write("scriptconsole.toml", '[engines.python]\nlabel = "all"\nmemory = 5\n[scripts.it]\nlabel = "one"\n')
    found = options(script)
    assert (found["label"], found["memory"]) == ("one", 5)


def test_the_nearest_project_file_counts(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    (tmp_path / "scriptconsole.toml").write_text('[scripts.it]\nlabel = "outer"\n')
    path = inner / "it.py"
    path.write_text("x = 1\n")
    assert options(path)["label"] == "outer"
    (inner / "scriptconsole.toml").write_text("")
    assert options(path)["label"] == ""


@pytest.mark.parametrize(
    ("written", "size"),
    [
        ('"64 MiB"', 64 * 2**20),
        ('"1KiB"', 1024),
        ('"7 B"', 7),
        ('"7"', 7),
        ("12", 12),
        ('"2 GiB"', 2 * 2**30),
    ],
)
def test_a_size_is_written_with_or_without_a_unit(write: Write, written: str, size: int) -> None:
    assert options(write("it.py", f"# scriptconsole: memory = {written}\n"))["memory"] == size


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ('isolatoin = "shared"', 'python scripts have no option "isolatoin". Did you mean "isolation"?'),
        ("zzz = 1", 'no option "zzz". They have: config, driver_'),
        ('isolation = "share"', "isolation must be 'isolated' or 'shared', got 'share'"),
        ('memory = "64 MB"', "memory must be a number of bytes or a text such as \"64 MiB\", got '64 MB'"),
        ("memory = -1", "memory must be a number of bytes"),
        ("memory = true", "memory must be a number of bytes"),
        ("python = 1", "python must be true or false, got 1"),
        ("label = 1", "label must be a text, got 1"),
        ("isolation = shared", "not understood: isolation = shared; write name = value"),
    ],
)
def test_what_is_wrong_in_a_header_is_told_with_its_line(write: Write, written: str, message: str) -> None:
    path = write("it.py", f'"""doc"""\n# scriptconsole: {written}\n')
    with pytest.raises(ConfigError) as caught:
        options(path)
    assert str(caught.value).startswith(f"{path}:2: ")
    assert message in str(caught.value)
    assert (caught.value.file, caught.value.line) == (str(path), 2)


@pytest.mark.parametrize(
    ("written", "line", "message"),
    [
        ("\n[scripts.it]\nlabl = 1\n", 3, 'no option "labl". Did you mean "label"?'),
        ("[scripts.it]\nlabel = 1\n", 2, "label must be a text, got 1"),
        ("[scripts]\nit = 1\n", 2, "[scripts.it] must be a table"),
        ("engines = 1\n", 1, "[engines.python] must be a table"),
        ("[scripts.it\n", 1, "not valid TOML"),
        ("[script.it]\n", 1, 'no table "script" in this file. Did you mean "scripts"?'),
        ("[nonsense]\n", 1, "It may have: engines, scripts, console, keys."),
    ],
)
def test_what_is_wrong_in_the_project_file_is_told_with_its_line(
    write: Write, script: Path, written: str, line: int, message: str
) -> None:
    project = write("scriptconsole.toml", written)
    with pytest.raises(ConfigError) as caught:
        options(script)
    assert str(caught.value).startswith(f"{project}:{line}: ")
    assert message in str(caught.value)
    assert (caught.value.file, caught.value.line) == (str(project), line)


def test_what_is_wrong_of_the_caller_is_told_without_a_place(script: Path) -> None:
    with pytest.raises(ConfigError, match=r"^isolation must be"):
        options(script, isolation="none")
