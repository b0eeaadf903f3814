"""Ways to leave, and what scripts do to the screen: the terminal is always given back as it was."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from .terminal import Terminal

type Write = Callable[[str, str], Path]

NOISE_C = """
#include <scriptconsole.h>
#include <stdio.h>
#include <unistd.h>
static int noise(sc_ctx *ctx, const sc_value *args, size_t n, sc_value *out) {
    (void)ctx, (void)args, (void)n;
    printf("printed by C\\n");
    fflush(stdout);
    if (write(2, "written to fd 2\\n", 16) < 0) return -1;
    *out = sc_nil();
    return 0;
}
static int load(sc_ctx *ctx) { return sc_set_timeout(ctx, "noise", 300, NULL); }
static const sc_export exports[] = {{"noise", noise, ":", ""}, {0}};
static const sc_module module = {SC_ABI_VERSION, "noise", "1.0", exports, NULL, load, NULL};
SC_MODULE(module)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_signal_ends_it_and_restores_the_terminal(write: Write, number: signal.Signals) -> None:
    with Terminal(write("idle.lua", "x = 1\n")) as console:
        console.wait_for(r"idle +lua")
        assert len(console.left_on()) > 3, "a full-screen program switches modes on"
        console.process.kill(number)
        assert console.wait_for_end() == -number
        assert console.left_on() == []


def test_what_native_code_writes_goes_to_the_log(write: Write) -> None:
    with Terminal(write("noise.c", NOISE_C)) as console:
        console.wait_for(r"╭─ 5 Log")
        console.wait_for(r"│ .* printed by C")
        console.wait_for(r"│ .* written to fd 2")
        assert b"\nprinted by C" not in console.raw.replace(b"\r", b"")
        console.press("?")
        console.wait_for("Help: Scripts")
        console.press("escape")
        console.wait_gone("Help: Scripts")
        console.press("q")
        assert console.wait_for_end() == 0
        assert console.left_on() == []


SPINNING = pytest.mark.parametrize(
    ("name", "text"),
    [("spin.py", "while True:\n    pass\n"), ("spin.lua", "while true do end\n")],
    ids=["python", "lua"],
)


@SPINNING
def test_endless_loop_at_load_does_not_freeze_the_screen(write: Write, name: str, text: str) -> None:
    good = write("a_good.lua", "count = 0\nsetInterval(function() count = count + 1 end, 50)\n")
    with Terminal(good, write(name, text)) as console:
        console.wait_for(r"loading +spin")
        counter = r"a_good +count +integer +(?:› )?(\d+)"
        before = console.number(counter)
        console.until(lambda: console.number(counter) > before + 2, "the other script to go on")
        console.press("?")
        console.wait_for("Help: Scripts")
        console.press("escape")
        console.wait_gone("Help: Scripts")
        console.press("q")
        assert console.wait_for_end() == 0
        assert console.left_on() == []


@SPINNING
def test_endless_loop_at_load_can_be_interrupted(write: Write, name: str, text: str) -> None:
    with Terminal(write(name, text)) as console:
        console.wait_for(r"loading +spin")
        console.press("i")
        console.until(lambda: not console.line(r"loading +spin"), "the end of the loop", 3)


def test_quits_while_a_script_spins(write: Write) -> None:
    text = """import host
def spin():
    print("now it spins")
    while True: pass
host.set_timeout(spin, 50)
"""
    with Terminal(write("spin.py", text)) as console:
        console.wait_for(r"spin +python")
        console.wait_for("now it spins")
        console.press("q")
        assert console.wait_for_end() == 0
        assert console.left_on() == []


def test_quits_while_c_code_spins(write: Write) -> None:
    text = NOISE_C.replace("fflush(stdout);", "fflush(stdout); for (volatile int i = 0;; i++) {}")
    with Terminal(write("stuck.c", text)) as console:
        console.wait_for("printed by C")
        console.press("q")
        assert console.wait_for_end() == 0
        assert console.left_on() == []


def test_script_that_does_not_load_is_shown_and_can_be_mended(write: Write) -> None:
    script = write("bad.lua", "local y = = 2\n")
    with Terminal(script) as console:
        console.wait_for(r"ERR .*bad\.lua:1")
        script.write_text("y = 2\n")
        console.press("r")
        console.wait_for(r"y +integer +(› )?2")
        console.press("q")
        assert console.wait_for_end() == 0


def test_small_terminal(write: Write) -> None:
    with Terminal(write("idle.lua", "x = 1\n"), size=(80, 24)) as console:
        console.wait_for(r"idle +idle")
        console.press("2")
        console.wait_for(r"x +integer +1")
        console.press("q")
        assert console.wait_for_end() == 0


def test_unknown_theme_is_refused(write: Write) -> None:
    with Terminal(write("idle.lua", "x = 1\n"), "--theme", "solarized") as console:
        assert console.wait_for_end() == 2
        wanted = 'scriptconsole: --theme: no theme "solarized"; there are auto, scriptconsole-dark,'
        assert wanted.encode() in console.raw
