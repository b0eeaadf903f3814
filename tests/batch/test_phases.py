"""What a batch run does in order: scripts and fragments, then what they have left pending; and why."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from .support import batch, command

type Write = Callable[[str, str], Path]


def test_a_fragment_runs_in_the_script_before_it(write: Write) -> None:
    script = write("it.lua", "x = 1\nsetTimeout(function() print('later', x) end, 1500)\n")
    done = batch(script, "-e", "x = x + 1", "-e", "x", "--execute=print('last')")
    assert (done.code, done.lines) == (0, ["2", "last", "later\t2"])


def test_a_fragment_before_all_scripts_runs_first(write: Write) -> None:
    script = write("it.lua", "print('main')\n")
    assert batch("-e", "print('first')", script).lines == ["first", "main"]


def test_fragments_alone(tmp_path: Path) -> None:
    assert batch("-e", "x = 20", "-e", "x + 1", cwd=tmp_path).lines == ["21"]
    assert batch("--language", "python", "-e", "import math", "-e", "math.tau > 6", cwd=tmp_path).lines == [
        "True"
    ]


def test_a_fragment_in_python_and_in_c(write: Write) -> None:
    script = write("it.py", "x = [1]\n")
    assert batch(script, "-e", "x.append('two')", "-e", "x", "-e", "y = 3; print(y)").lines == [
        "[1, 'two']",
        "3",
    ]


def test_results_are_printed_as_by_print_unless_all_are_nil(write: Write) -> None:
    script = write("it.lua", "function none() end\n")
    assert batch(script, "-e", "1, nil, 'x'", "-e", "none()", "-e", "nil").lines == ["1\tnil\tx"]


def test_a_fragment_may_wait(write: Write) -> None:
    script = write("it.lua", "\n")
    assert batch(script, "-e", "host.sleep(1500) print('slept')", "-e", "print('meanwhile')").lines == [
        "meanwhile",
        "slept",
    ]


@pytest.mark.parametrize(
    ("code", "message"),
    [("error('bad')", "bad"), ("x ==", "syntax error near '=='"), ("nope()", "nope")],
)
def test_a_fragment_that_fails_is_told(write: Write, code: str, message: str) -> None:
    script = write("it.lua", "print('main')\n")
    done = batch(script, "-e", code)
    assert (done.code, done.lines) == (1, ["main"])
    assert message in done.err


# ---- shared state ---------------------------------------------------------------------------------------


def test_lua_scripts_share_globals_when_told(write: Write) -> None:
    first = write("a.lua", "shared = {1}\nlocal own = 'a'\nprint('a', own)\n")
    second = write("b.lua", "shared[2] = 2\nprint('b', own, #shared)\n")
    done = batch("--shared-state", "-e", "before = 0", first, second, "-e", "before + #shared")
    assert (done.code, done.lines) == (0, ["a\ta", "b\tnil\t2", "2"])


def test_without_it_each_has_its_own(write: Write) -> None:
    done = batch(write("a.lua", "shared = 1\n"), write("b.lua", "print(shared)\n"))
    assert done.lines == ["nil"]


def test_the_first_failure_ends_a_run_with_shared_state(write: Write) -> None:
    first = write("a.lua", "setTimeout(function() print('never') end, 60000)\n")
    second = write("b.lua", "print('b')\nerror('bad')\n")
    done = batch("--shared-state", first, second, write("c.lua", "print('never')\n"))
    assert (done.code, done.lines) == (1, ["b"])
    assert re.search(r"b\.lua.*line 2|b\.lua:2", done.err)


def test_shared_state_needs_lua(write: Write) -> None:
    done = batch("--shared-state", write("a.py", "pass\n"))
    assert done.code == 2
    assert "--shared-state is for Lua scripts" in done.err


def test_python_scripts_stay_apart_beside_shared_lua(write: Write) -> None:
    done = batch("--shared-state", write("a.lua", "x = 1\n"), write("p.py", "print('p')\n"), "-e", "x")
    assert done.lines == ["p", "1"]


# ---- how long ------------------------------------------------------------------------------------------


def test_run_for_ends_what_would_go_on(write: Write) -> None:
    script = write("it.lua", "setInterval(function() end, 10)\nprint('on')\n")
    done = batch(script, "--run-for", "0.3")
    assert (done.code, done.lines) == (0, ["on"])
    assert done.seconds >= 0.3


def test_run_for_lets_a_run_end_before(write: Write) -> None:
    done = batch(write("it.lua", "print('short')\n"), "--run-for", "50")
    assert (done.code, done.lines) == (0, ["short"])
    assert done.seconds < 50


def test_a_negative_run_for_waits_to_the_end(write: Write) -> None:
    done = batch(write("it.lua", "print('short')\n"), "--run-for", "-0.4")
    assert done.code == 0
    assert done.seconds >= 0.4


def test_run_for_nothing_goes_on_until_it_is_killed(write: Write) -> None:
    child = subprocess.Popen(
        command("--batch", write("it.lua", "print('up') io.stdout:flush()\n"), "--run-for", "0"),
        stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == b"up\n"
    with pytest.raises(subprocess.TimeoutExpired):
        child.wait(0.3)
    child.terminate()
    child.wait(20)
    child.stdout.close()


@pytest.mark.parametrize("value", ["x", "nan", "inf"])
def test_run_for_takes_a_number(value: str) -> None:
    done = batch("--run-for", value, "a.lua")
    assert (done.code, "is not a number of seconds" in done.err) == (2, True)


# ---- why it goes on ------------------------------------------------------------------------------------


def test_explain_exit_names_what_a_run_waits_for(write: Write) -> None:
    script = write(
        "it.lua",
        "local t = setTimeout(function() end, 60000)\nlocal s = host.tcp_serve('127.0.0.1', 0, {})\n"
        "host.on('over', function() clearTimeout(t) s:close() end)\n",
    )
    text = (
        "import asyncio, host\nasync def main():\n    await asyncio.sleep(0.05)\n    host.emit('over')\n"
        "asyncio.run(main())\n"
    )
    other = write("task.py", text)
    done = batch("--explain-exit", script, other)
    lines = done.err.splitlines()
    assert lines[0] == "waits for:"
    assert any(re.search(r"it: timeout of .*, next in .* s, set at it\.lua:1", line) for line in lines)
    assert any(re.search(r"it: tcp listener 127\.0\.0\.1:\d+", line) for line in lines)
    assert any(line.startswith("  task: ") for line in lines)
    assert lines[-1].startswith("ends: nothing is pending, ")


def test_explain_exit_of_a_run_that_waits_for_nothing(write: Write) -> None:
    done = batch("--explain-exit", write("it.lua", "print(1)\n"))
    assert done.err.splitlines()[0] == "waits for nothing"


def test_a_run_ends_as_soon_as_nothing_is_pending(write: Write) -> None:
    done = batch("--explain-exit", write("it.lua", "setTimeout(function() end, 1)\n"))
    waited = re.search(r"nothing is pending, ([\d.]+) s", done.err)
    assert waited is not None
    assert float(waited[1]) < 1


# ---- lines from stdin ------------------------------------------------------------------------------------


def interactive(*arguments: str | Path, lines: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command("--batch", *arguments), input=lines, capture_output=True, text=True, timeout=60, check=False
    )


def test_lines_run_in_the_last_script_until_one_says_to_leave(write: Write) -> None:
    script = write("it.lua", "x = 1\n")
    done = interactive("-i", script, lines="x = x + 1\nx\n\nquit\nprint('never')\n")
    assert (done.returncode, done.stdout, done.stderr) == (0, "2\n", "")


def test_the_end_of_input_ends_it_and_the_last_line_needs_no_newline(write: Write) -> None:
    done = interactive("-i", write("it.py", "x = 1\n"), lines="x + 1")
    assert (done.returncode, done.stdout) == (0, "2\n")


def test_a_wrong_line_is_told_and_the_next_one_runs(write: Write) -> None:
    done = interactive("-i", write("it.lua", ""), lines="error('bad')\nx = = 2\n1\n")
    assert (done.returncode, done.stdout) == (1, "1\n")
    assert "bad" in done.stderr
    assert "unexpected symbol" in done.stderr


def test_timers_go_on_while_it_waits_for_a_line(write: Write) -> None:
    script = write("it.lua", "setTimeout(function() print('timer') end, 20)\n")
    child = subprocess.Popen(
        command("--batch", "-i", script), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdin is not None
    assert child.stdout is not None
    assert child.stdout.readline() == "timer\n"
    child.stdin.write("'typed'\n")
    child.stdin.flush()
    assert child.stdout.readline() == '"typed"\n'
    child.communicate()
    assert child.returncode == 0


@pytest.mark.parametrize(
    "arguments", [["-e", "1"], ["-i"], ["--shared-state"], ["--explain-exit"], ["--run-for", "1"]]
)
def test_what_is_for_batch_runs_says_so(arguments: list[str]) -> None:
    done = subprocess.run(
        command(*arguments, "a.lua"), capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 2
    assert "goes with --batch" in done.stderr
