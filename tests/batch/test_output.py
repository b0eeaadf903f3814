"""What a run writes: scripts' output on stdout and nothing else there, in order, byte by byte."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from .support import EXAMPLES, LIMIT, batch, command

type Write = Callable[[str, str], Path]


@pytest.mark.parametrize(
    ("name", "language"), [("hello.py", "Python"), ("hello.lua", "Lua"), ("hello.c", "C")]
)
def test_hello(name: str, language: str) -> None:
    run = batch(EXAMPLES / "hello" / name)
    assert (run.code, run.out, run.err) == (0, f"hello from {language}\n", "")


def test_folder_loads_all_scripts_by_name() -> None:
    run = batch(EXAMPLES / "hello")
    assert run.lines == ["hello from C", "hello from Lua", "hello from Python"]


def test_greenhouse_ends_with_its_own_summary() -> None:
    run = batch(EXAMPLES / "greenhouse", "--timeout", "5")
    assert run.code == 0, run.err
    assert run.lines[0].startswith("day 1: mean ")
    assert run.lines[1] == "the filter smoothed 30 readings"
    assert len(run.lines) == 2
    assert "info: controller: connected to the sensors at 127.0.0.1:" in run.err


def test_log_goes_to_stderr_and_quiet_leaves_it_out(write: Write) -> None:
    script = write(
        "logs.py", 'import host\nhost.log("hidden")\nhost.log("bad", level="error")\nprint("shown")\n'
    )
    run = batch(script)
    assert (run.code, run.out) == (0, "shown\n")
    assert run.err.splitlines() == ["info: logs: hidden", "error: logs: bad"]
    quiet = batch("--quiet", script)
    assert (quiet.out, quiet.err) == ("shown\n", "error: logs: bad\n")


def test_logged_error_of_many_lines_is_no_failure(write: Write) -> None:
    run = batch(write("logs.lua", 'host.log("one\\ntwo", "error")\n'))
    assert run.code == 0, run.err


def test_stderr_of_a_script_is_stderr(write: Write) -> None:
    python = write("a.py", 'import sys\nprint("out")\nprint("err", file=sys.stderr)\n')
    lua = write("b.lua", 'print("out")\nio.stderr:write("err\\n")\n')
    run = batch(python, lua)
    assert (run.code, run.out, run.err) == (0, "out\nout\n", "err\nerr\n")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("many.py", "for i in range(10_000): print(i)\n"),
        ("many.lua", "for i = 0, 9999 do print(i) end\n"),
        (
            "many.c",
            """
            #include <scriptconsole.h>
            #include <stdio.h>
            static int load(sc_ctx *ctx) {
                char text[16];
                for (int i = 0; i < 10000; i++) {
                    snprintf(text, sizeof text, "%d", i);
                    if (sc_print(ctx, text) < 0) return -1;
                }
                return 0;
            }
            static const sc_export exports[] = {{0}};
            static const sc_module module = {SC_ABI_VERSION, "many", "1.0", exports, NULL, load, NULL};
            SC_MODULE(module)
            """,
        ),
    ],
)
def test_ten_thousand_lines_arrive_in_order(write: Write, name: str, text: str) -> None:
    run = batch(write(name, text))
    assert run.code == 0
    assert run.lines == [str(number) for number in range(10_000)]


def test_many_log_lines_all_arrive_and_an_error_behind_them_counts(write: Write) -> None:
    text = "import host\nfor i in range(50_000): host.log(i)\nhost.set_timeout(lambda: 1 / 0, 1)\n"
    run = batch(write("chatty.py", text))
    assert run.code == 1
    told = [line for line in run.err.splitlines() if line.startswith("info: ")]
    assert told == [f"info: chatty: {number}" for number in range(50_000)]
    assert "ZeroDivisionError" in run.err


def test_what_was_dropped_is_told(write: Write) -> None:
    run = batch(write("chatty.py", "import host\nfor i in range(200_500): host.log(i)\n"))
    assert run.code == 0
    assert run.err.splitlines()[-1] == "500 log lines or errors came too fast and were dropped"


def test_unicode_and_unfinished_line(write: Write) -> None:
    python = write("a.py", 'print("grün 🌱")\nprint("no newline", end="")\n')
    lua = write("b.lua", 'print("grün 🌱")\nio.write("no newline")\n')
    for script in (python, lua):
        run = batch(script)
        assert (run.code, run.err) == (0, "")
        assert run.lines == ["grün 🌱", "no newline"]


def test_bytes_that_are_no_utf8_from_python(write: Write) -> None:
    run = batch(write("raw.py", 'print(b"\\xff\\xfe".decode("utf-8", "surrogateescape"))\n'))
    assert run.out.encode("utf-8", "surrogateescape") == b"\xff\xfe\n"


def test_bytes_that_are_no_utf8_from_lua(write: Write) -> None:
    run = batch(write("raw.lua", 'io.write("\\xff\\xfe raw\\n")\n'))
    assert run.out.encode("utf-8", "surrogateescape") == b"\xff\xfe raw\n"


def test_binary_stdout_of_python(write: Write) -> None:
    run = batch(write("raw.py", 'import sys\nsys.stdout.buffer.write(b"\\xff\\xfe raw\\n")\n'))
    assert run.code == 0, run.err
    assert run.out.encode("utf-8", "surrogateescape") == b"\xff\xfe raw\n"


def test_text_that_cannot_be_encoded_is_one_error(write: Write) -> None:
    run = batch(write("lone.py", 'print("\\ud800")\nprint("not reached")\n'))
    assert run.code == 1
    assert run.err.count("UnicodeEncodeError") == 1
    assert "lone.py:1" in run.err


def test_arguments_after_the_dashes(write: Write) -> None:
    python = write("a.py", "import sys\nprint(sys.argv[1:])\n")
    lua = write("b.lua", "print(arg[1], arg[2], #arg)\n")
    run = batch(python, lua, "--", "--timeout", "x y")
    assert run.lines == ["['--timeout', 'x y']", "--timeout\tx y\t2"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("many.py", "for i in range(100_000): print(i)\n"),
        ("many.lua", "for i = 0, 99999 do print(i) end\n"),
        ("later.py", "import host\nprint(0)\nhost.set_interval(lambda: print(1), 1)\n"),
    ],
)
@pytest.mark.parametrize("errors_too", [False, True], ids=["stdout", "both"])
def test_reader_that_leaves_ends_the_run_without_a_word(
    write: Write, name: str, text: str, errors_too: bool
) -> None:
    with subprocess.Popen(
        command("--batch", write(name, text)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if errors_too else subprocess.PIPE,
        stdin=subprocess.DEVNULL,
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"0\n"
        child.stdout.close()
        told = b"" if child.stderr is None else child.stderr.read()
        assert child.wait(LIMIT) == 141
    assert told == b""
