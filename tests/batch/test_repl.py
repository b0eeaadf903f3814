"""`scriptconsole --repl` with piped input: no prompts, results on stdout, errors on stderr."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from .support import command

type Write = Callable[[str, str], Path]


def repl(*arguments: str | Path, lines: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command("--repl", *arguments),
        input=lines,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, **env},
    )


def test_an_empty_python_script_by_default() -> None:
    done = repl(lines="x = 20\nx + 1\n_ * 2\nhost.batch\n")
    assert (done.returncode, done.stdout, done.stderr) == (0, "21\n42\nTrue\n", "")


def test_blocks_end_with_an_empty_line_or_before_what_is_not_indented() -> None:
    lines = "def f(a):\n    return a * 2\n\nf(1)\nfor i in range(2):\n    print(i)\nelse:\n    print('e')\n"
    assert repl(lines=lines + "f(\n3)\n").stdout == "2\n0\n1\ne\n6\n"


def test_the_last_block_needs_no_line_after_it() -> None:
    assert repl(lines="if True:\n    print('in')").stdout == "in\n"


def test_lua_by_choice() -> None:
    done = repl("--language", "lua", lines="t = {1,\n2}\nt, #t\nfor i = 1, 2 do\n  print(i)\nend\n_[1]\n")
    assert (done.returncode, done.stdout) == (0, "{1, 2}\n2\n1\n2\n1\n")


def test_inputs_run_in_the_last_script(write: Write) -> None:
    done = repl(write("first.py", "x = 1\n"), write("second.lua", "x = 2\n"), lines="x\n:use first\nx\n")
    assert done.stdout == "2\n1\n"


def test_a_failed_input_is_told_with_its_line_and_gives_status_1() -> None:
    done = repl(lines="def f():\n  return 1 / 0\n\nf()\n'goes on'\n")
    assert (done.returncode, done.stdout) == (1, "'goes on'\n")
    assert "return 1 / 0" in done.stderr
    assert "ZeroDivisionError" in done.stderr
    assert "scriptconsole/" not in done.stderr, "our own frames are nobody's business"


def test_a_script_that_does_not_load_gives_status_1(write: Write) -> None:
    done = repl(write("bad.py", "x = = 1\n"), lines="1\n")
    assert (done.returncode, done.stdout) == (1, "")
    assert "bad.py:1" in done.stderr


def test_commands(write: Write) -> None:
    path = write("it.py", 'count = 1\ndef add(a, b=2):\n    """Add two."""\n')
    done = repl(path, lines=":functions\n:vars\n:help\n:nope\n:load\n:quit\n'never'\n")
    assert "add(a, b=2)  Add two." in done.stdout
    assert "count: int = 1" in done.stdout
    assert ":reload" in done.stdout
    assert "never" not in done.stdout
    assert "no command :nope" in done.stderr
    assert "write :load PATH" in done.stderr


def test_a_script_is_loaded_and_reloaded_by_command(write: Write) -> None:
    path = write("it.lua", "x = 1\n")
    done = repl(lines=f":load {path}\nx\nio.open('{path}', 'w'):write('x = 2'):close() x = 5\n:reload\nx\n")
    assert done.stdout == "it is loaded; what you type runs in it.\n1\nit is reloaded.\n2\n"


def test_a_long_result_is_laid_out() -> None:
    done = repl(lines="{'a': list(range(40)), 'b': {'c' * 60: 'd' * 60}}\n")
    assert done.stdout.splitlines() == [
        "{",
        "  'a': [",
        "    " + " ".join(f"{n}," for n in range(26)),
        "    " + " ".join(f"{n}," for n in range(26, 40)),
        "  ],",
        "  'b': {",
        f"    '{'c' * 60}': '{'d' * 60}',",
        "  },",
        "}",
    ]


def test_bytes_that_are_no_text_do_no_harm() -> None:
    done = repl(lines="'\\udcff\\x00'\nprint('ok')\n")
    assert (done.returncode, done.stdout) == (0, "'\\udcff\\x00'\nok\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ("--repl", "--batch"),
        ("--repl", "-i"),
        ("--repl", "-e", "1"),
        ("--repl", "--fresh"),
        ("--repl", "--theme", "auto"),
    ],
)
def test_what_does_not_go_together_is_refused(arguments: tuple[str, ...]) -> None:
    done = subprocess.run(
        command(*arguments), capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 2


@pytest.mark.parametrize(
    ("project", "arguments", "watched"),
    [
        ("", (), True),
        ("watch = false", (), False),
        ("watch = false", ("--set", "watch=true"), True),
        ("", ("--no-watch",), False),
    ],
)
def test_whether_files_are_watched_is_set_as_for_the_screen(
    write: Write, project: str, arguments: tuple[str, ...], watched: bool
) -> None:
    path = write("it.py", '# scriptconsole: isolation = "main"\n')
    write("scriptconsole.toml", f"[console]\n{project}\n")
    done = repl(path, *arguments, lines="import sys\n'scriptengines.watcher' in sys.modules\n")
    assert (done.stdout, done.stderr) == (f"{watched}\n", "")


def test_a_wrong_setting_is_refused(write: Write) -> None:
    path = write("it.py", "")
    write("scriptconsole.toml", "[console]\nwatch = 1\n")
    done = repl(path, lines="1\n")
    assert (done.returncode, done.stdout) == (2, "")
    assert "watch must be true or false, got 1" in done.stderr


def test_nothing_is_kept_of_piped_input(tmp_path: Path) -> None:
    repl(lines="secret = 1\n", XDG_STATE_HOME=str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_a_pipe_needs_neither_prompt_nor_screen(write: Write) -> None:
    lines = (
        "import sys\n[name for name in ('prompt_toolkit', 'textual', 'pygments') if name in sys.modules]\n"
    )
    path = write("it.py", '# scriptconsole: isolation = "main"\n')
    assert repl(path, lines=lines).stdout == "[]\n"
