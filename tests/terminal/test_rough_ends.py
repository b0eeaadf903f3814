"""What ends a console roughly: a terminal that goes away, crashes of scripts and of its own, signals."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from .terminal import DEADLINE, Terminal

type Write = Callable[[str, str], Path]

CHILD = """\
# scriptconsole: isolation = "process"
import os, pathlib
pathlib.Path(__file__).with_suffix(".pid").write_text(str(os.getpid()))
def spin():
    while True: pass
import host
host.set_timeout(spin, 50)
"""


def gone(pid: int) -> bool:
    """Whether a process has ended, or is a zombie that nobody has asked for yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except FileNotFoundError:
        return True


def wait_until(condition: Callable[[], object], what: str) -> None:
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, f"it did not happen: {what}"
        time.sleep(0.01)


def child_of(script: Path) -> int:
    file = script.with_suffix(".pid")
    wait_until(lambda: file.exists() and file.read_text(), "the script's own process")
    return int(file.read_text())


def test_terminal_that_goes_away_ends_everything(write: Write) -> None:
    script = write("child.py", CHILD)
    with Terminal(script, write("idle.lua", "x = 1\n")) as console:
        console.wait_for(r"idle +lua")
        child = child_of(script)
        pid = console.process.pid
        console.hang_up()
        # Left for the terminal to collect.
        ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        assert ended is not None
        assert (ended.si_code, ended.si_status) == (os.CLD_KILLED, signal.SIGHUP)
        wait_until(lambda: gone(child), "the end of the script's process")


def test_terminal_that_goes_away_without_a_signal_does_so_too(write: Write) -> None:
    script = write("child.py", CHILD)
    master, slave = pty.openpty()
    command = [sys.executable, "-m", "scriptconsole", str(script)]
    # Its own session, of which this is not the controlling terminal: nobody sends SIGHUP.
    console = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
    os.close(slave)
    try:
        seen = b""
        while b"child" not in seen:
            seen += os.read(master, 65536)
        child = child_of(script)
        os.close(master)
        assert console.wait(DEADLINE) == -signal.SIGHUP
        wait_until(lambda: gone(child), "the end of the script's process")
    finally:
        console.kill()
        console.wait()


FAULTY = """\
import sys
from scriptconsole import app, cli
def fail(self):
    here = "a mistake of the console"
    raise ValueError("nobody caught this")
app.ScriptConsoleApp.action_toggle_theme = fail
sys.exit(cli.main())
"""


def test_error_of_the_console_restores_the_terminal_and_is_told(write: Write) -> None:
    script = write("child.py", CHILD)
    with Terminal(script, program=(sys.executable, "-c", FAULTY)) as console:
        console.wait_for(r"child +python")
        child = child_of(script)
        console.press("\x14")
        assert console.wait_for_end() == 1
        assert console.left_on() == []
        shown = console.raw[console.raw.rindex(b"\x1b[?1049l") :]
        assert b"ValueError" in shown
        assert b"nobody caught this" in shown
        wait_until(lambda: gone(child), "the end of the script's process")


CRASH = """
#include <scriptconsole.h>
static int crash(sc_ctx *ctx, const sc_value *args, size_t n, sc_value *out) {
    (void)ctx, (void)args, (void)n, (void)out;
    *(volatile int *)8 = 1;
    return 0;
}
static const sc_export exports[] = {{"crash", crash, ":", ""}, {0}};
static const sc_module module = {SC_ABI_VERSION, "crash", "1.0", exports, NULL, NULL, NULL};
SC_MODULE(module)
"""


def test_crash_of_native_code_restores_the_terminal_and_is_told(write: Write) -> None:
    with Terminal(write("crash.c", CRASH)) as console:
        console.wait_for(r"idle +crash +native")
        console.press("c")
        console.wait_for("Call a function of crash")
        console.press("crash", "enter", "enter")
        assert console.wait_for_end() == -signal.SIGSEGV
        assert console.left_on() == []
        shown = console.raw[console.raw.rindex(b"\x1b[?1049l") :]
        assert b"ended by a crash in native code" in shown
        assert b"Segmentation fault" in shown


def test_a_console_that_was_killed_leaves_the_terminal_whole(write: Write) -> None:
    script = write("child.py", CHILD)
    with Terminal(script) as console:
        console.wait_for(r"child +python")
        child = child_of(script)
        assert len(console.left_on()) > 3
        console.process.kill(signal.SIGKILL)
        assert console.wait_for_end() == -signal.SIGKILL
        assert console.left_on() == []
        wait_until(lambda: gone(child), "the end of the script's process")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["SIGTERM", "SIGKILL"])
def test_a_script_whose_process_is_killed_is_shown_and_nothing_else_happens(
    write: Write, number: signal.Signals
) -> None:
    script = write("child.py", CHILD)
    with Terminal(script, write("idle.lua", "x = 1\n")) as console:
        console.wait_for(r"child +python")
        os.kill(child_of(script), number)
        console.wait_for(r"failed +child +python")
        console.press("2")
        console.wait_for(r"x +integer +1")
        console.press("q")
        assert console.wait_for_end() == 0
        assert console.left_on() == []


def test_suspended_console_comes_back_whole(write: Write) -> None:
    script = write("idle.lua", "x = 1\n")
    with Terminal(program=("/bin/bash", "--norc", "--noprofile", "-i")) as shell:
        shell.press("PS1='ready> '\r")
        shell.wait_for("^ready>")
        before = shell.settings()
        shell.press(f"{sys.executable} -m scriptconsole {script}\r")
        shell.wait_for(r"idle +lua")
        for _ in range(2):
            shell.press("\x1a")
            shell.wait_for("Stopped")
            shell.press("stty -a | tr ' ' '\\n' | grep -x -e echo -e -echo\r")
            shell.wait_for("^echo")
            shell.press("clear\r")
            shell.wait_gone("Stopped")
            shell.press("fg\r")
            shell.wait_for(r"idle +lua")
            shell.wait_for(r"╭─ 5 Log")
            shell.press("?")
            shell.wait_for("Help: Scripts")
            shell.press("escape")
            shell.wait_gone("Help: Scripts")
        shell.press("q")
        shell.until(lambda: shell.raw.rstrip().endswith(b"ready>"), "the prompt")
        shell.press("echo status $?\r")
        shell.wait_for("status 0")
        assert shell.settings() == before


def test_editor_gets_the_terminal_and_the_screen_comes_back(write: Write, tmp_path: Path) -> None:
    told = tmp_path / "told"
    script = (
        f"#!/bin/sh\ntest -t 0 && test -t 1 && test -t 2 && stty -a >{told} && echo the editor; read line\n"
    )
    editor = write("editor", script)
    editor.chmod(0o755)
    with Terminal(write("idle.lua", "x = 1\n"), env={"VISUAL": str(editor)}) as console:
        console.wait_for(r"idle +lua")
        console.press("e")
        console.until(lambda: b"the editor" in console.raw, "the editor")
        assert " echo" in told.read_text()
        console.press("\r")
        before = len(console.raw)
        console.until(lambda: b"idle" in console.raw[before:], "the screen again")
        console.wait_for(r"╭─ 5 Log")
        console.press("q")
        assert console.wait_for_end() == 0
        assert console.left_on() == []


def test_console_without_a_shell_does_not_stop_for_ever(write: Write) -> None:
    with Terminal(write("idle.lua", "x = 1\n")) as console:
        console.wait_for(r"idle +lua")
        console.press("\x1a")
        console.wait_for("No shell waits")
        console.press("q")
        assert console.wait_for_end() == 0


def test_resize_storm(write: Write) -> None:
    with Terminal(write("idle.lua", "x = 1\n")) as console:
        console.wait_for(r"idle +lua")
        for turn in range(200):
            console.resize(1 + turn * 37 % 220, 1 + turn * 13 % 70)
            if turn % 10 == 0:
                console._read()
        console.resize(150, 42)
        console.wait_for(r"^╭─ 1 Scripts")
        console.wait_for(r"idle +lua")
        console.until(lambda: "q Quit" in console.text.splitlines()[-1], "the footer on the last line")
        console.press("q")
        assert console.wait_for_end() == 0
        assert console.left_on() == []
