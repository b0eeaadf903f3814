"""Completion in real shells: what TAB offers for a command line."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pexpect
import pytest

from scriptconsole.cli import command_line
from scriptconsole.completion import SHELLS, script

LIMIT = 20.0
ZSH_SETUP = """
autoload -U compinit; compinit -u -D
zstyle ':completion:all-matches:*' insert yes
zstyle ':completion:all-matches::::' completer _all_matches _complete
zle -C all-matches complete-word _generic
bindkey '^Xa' all-matches
"""
"""Makes one key put all that is offered into the line."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("one.lua", "two words.py", "notes.txt"):
        (tmp_path / name).write_text("")
    (tmp_path / "inner").mkdir()
    return tmp_path


def in_bash(folder: Path, line: str) -> list[str]:
    setup = "bind 'set enable-bracketed-paste off'"
    return _interactive("bash", ["--norc", "--noprofile", "-i"], setup, "\x1b*", folder, line)


def in_zsh(folder: Path, line: str) -> list[str]:
    return _interactive("zsh", ["-f", "-i"], ZSH_SETUP, "\x18a", folder, line)


def in_fish(folder: Path, line: str) -> list[str]:
    loaded = folder.parent / "complete.fish"
    loaded.write_text(script("fish"))
    done = subprocess.run(
        ["fish", "--no-config", "-c", f"source '{loaded}'; complete -C '{line}'"],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        timeout=LIMIT,
    )
    assert not done.stderr
    return [each.partition("\t")[0] for each in done.stdout.splitlines()]


def _interactive(shell: str, flags: list[str], setup: str, insert: str, folder: Path, line: str) -> list[str]:
    loaded = folder.parent / f"complete.{shell}"
    loaded.write_text(f"PS1='ready> '\n{setup}\n{script(shell)}")
    child = pexpect.spawn(
        shutil.which(shell) or shell, flags, cwd=str(folder), timeout=LIMIT, dimensions=(24, 2000)
    )
    child.delaybeforesend = None
    try:
        child.sendline(f". '{loaded}'; echo lo''aded")
        child.expect("loaded\r\n")
        child.expect("ready> ")
        # The line is completed in place, then what it has become is printed word by word.
        child.send(line + insert + "\x01printf '<%s>\\n' \x05; echo sh''own\r")
        child.expect("shown\r\n")
        printed = str(child.before, "utf-8") if isinstance(child.before, bytes) else str(child.before)
    finally:
        child.close(force=True)
    given = re.findall(r"^\r?<(.*)>\r?$", printed, re.MULTILINE)
    return given[len(line.split()) - (not line.endswith(" ")) :]


COMPLETIONS: dict[str, Callable[[Path, str], list[str]]] = {"bash": in_bash, "zsh": in_zsh, "fish": in_fish}


def complete(shell: str, folder: Path, line: str) -> list[str]:
    """What a shell offers for the end of a line, sorted."""
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell} here")
    return sorted(COMPLETIONS[shell](folder, line))


shells = pytest.mark.parametrize("shell", list(SHELLS))


@shells
def test_scripts_folders_and_commands(shell: str, folder: Path) -> None:
    found = complete(shell, folder, "scriptconsole ")
    assert [each for each in found if not each.startswith("-")] == [
        "completion",
        "config",
        "inner" if shell != "fish" else "inner/",
        "one.lua",
        "two words.py",
    ]


@shells
def test_options(shell: str, folder: Path) -> None:
    known = command_line().format_help()
    found = complete(shell, folder, "scriptconsole --")
    assert len(found) > 12
    for name in found:
        assert name.rstrip("=") in known
    assert {"--theme", "--batch", "--set", "--option"} <= {name.rstrip("=") for name in found}


@shells
@pytest.mark.parametrize("line", ["scriptconsole --theme ", "scriptconsole one.lua --theme scriptconsole-"])
def test_themes(shell: str, folder: Path, line: str) -> None:
    found = complete(shell, folder, line)
    assert {"scriptconsole-dark", "scriptconsole-light"} <= set(found)
    assert not {"one.lua", "inner"} & set(found)


@shells
def test_settings_and_their_values(shell: str, folder: Path) -> None:
    values = complete(shell, folder, "scriptconsole --set notify=")
    assert {each.removeprefix("notify=") for each in values} == {"bell", "both", "desktop", "off"}
    (found,) = complete(shell, folder, "scriptconsole --set frame")
    assert found.rstrip("=") == "frame_rate"  # zsh takes the sign back when a blank follows


@shells
def test_options_of_scripts(shell: str, folder: Path) -> None:
    (found,) = complete(shell, folder, "scriptconsole -o isol")
    assert found.rstrip("=") == "isolation"


@shells
def test_commands(shell: str, folder: Path) -> None:
    assert complete(shell, folder, "scriptconsole config ") == ["actions", "init", "path", "show"]
    assert complete(shell, folder, "scriptconsole completion ") == ["bash", "fish", "zsh"]
    assert complete(shell, folder, "scriptconsole config show one") == ["one.lua"]


def test_after_two_dashes_any_file_is_an_argument(folder: Path) -> None:
    assert complete("bash", folder, "scriptconsole --batch one.lua -- no") == ["notes.txt"]


def test_what_is_no_shell_is_refused() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "scriptconsole", "completion", "csh"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "invalid choice: 'csh'" in done.stderr
