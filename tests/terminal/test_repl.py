"""`scriptconsole --repl` in a real terminal: what somebody types, sees and stops."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .terminal import Terminal

type Write = Callable[[str, str], Path]
type Open = Callable[..., Terminal]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Open]:
    """`start(*arguments, **env)` begins a conversation; its history is in the test's own folder."""
    opened: list[Terminal] = []

    def start(*arguments: str | Path, **env: str) -> Terminal:
        terminal = Terminal(
            *arguments, size=(100, 30), env={"XDG_STATE_HOME": str(tmp_path / "state"), **env}
        )
        opened.append(terminal)
        return terminal

    yield start
    for terminal in opened:
        terminal.process.close(force=True)


def typed(terminal: Terminal, text: str, answer: str) -> None:
    terminal.press(text, "enter")
    terminal.wait_for(answer)


def test_a_conversation_in_python(start: Open, write: Write) -> None:
    console = start("--repl", write("it.py", "import host\ncount = 20\n"))
    console.wait_for(r"^it python> +$")
    typed(console, "count + 1", r"^21 ")
    typed(console, "_ * 2", r"^42 ")
    console.press("def double(x):", "enter", "return x * 2", "enter", "enter")
    typed(console, "double('ab')", r"^'abab'")
    typed(console, "print('printed'); 1 / 0", r"^ZeroDivisionError: division by zero")
    rows = [row.rstrip() for row in console.text.split("\n")]
    assert rows.index("printed") < rows.index("Traceback (most recent call last):")
    console.press("ctrl+d")
    assert console.wait_for_end() == 0
    assert console.left_on() == []


def test_what_scripts_say_of_themselves_steers_no_terminal(start: Open, write: Write) -> None:
    text = 'def f():\n    """\\x9b2J\\x1b]0;evil\\x07 wipes"""\n\nname = "kept"\n'
    console = start("--repl", write("it.py", text))
    console.wait_for("it python>")
    typed(console, ":functions", r"^f\(\)  .*wipes")
    typed(console, ":vars", r"^name: str = 'kept'")
    assert b"\xc2\x9b" not in console.raw
    assert b"]0;evil" not in console.raw


def test_a_conversation_in_lua(start: Open) -> None:
    console = start("--repl", "--language", "lua")
    console.wait_for(r"^repl lua> +$")
    console.press("function f(a)", "enter", "return a * 2", "enter", "end", "enter")
    typed(console, "f(21), {1, a = 'b'}", r'^\{1, a = "b"\}')
    assert console.line(r"^42 ")
    typed(console, ":quit", "quit")
    assert console.wait_for_end() == 0


def test_completion_shows_signatures_and_documentation(start: Open, write: Write) -> None:
    text = 'def greet_all(names, loud=False):\n    """Say hello to everybody."""\ndef greet_one(name): ...\n'
    console = start("--repl", write("it.py", text))
    console.wait_for("it python>")
    console.press("gree", "tab")
    console.wait_for(r"greet_all +\(names, loud=False\)  Say hello to everybody\.")
    console.press("tab")
    console.wait_for(r"^it python> greet_all")
    console.press("enter")
    console.wait_gone("greet_one")
    assert console.line(r"^greet_all \(names, loud=False\)  Say hello"), "the bar below goes on to tell"
    console.press("ctrl+c")
    console.wait_for(r"^it python> +$")


def test_ctrl_c_stops_what_runs_and_never_leaves(start: Open, write: Write) -> None:
    console = start("--repl", write("it.lua", ""))
    console.wait_for("it lua>")
    console.press("print('runs') while true do end", "enter")
    console.wait_for("^runs")
    console.press("ctrl+c")
    console.wait_for("interrupted")
    console.press("half an inp", "ctrl+c", "ctrl+c", "ctrl+c")
    typed(console, "1 + 1", r"^2 ")


def test_scripts_go_on_while_it_waits_for_input(start: Open) -> None:
    console = start("--repl")
    console.wait_for("repl python>")
    console.press("host.set_interval(lambda: print('ticks'), 50)", "enter", "not yet fin")
    console.until(lambda: console.text.count("\nticks") >= 3, "three ticks")
    console.wait_for(r"^repl python> not yet fin")


def test_history_lasts_and_what_begins_with_a_space_is_not_kept(start: Open, write: Write) -> None:
    script = write("it.py", "")
    first = start("--repl", script)
    first.wait_for("it python>")
    typed(first, "'remember me'", r"^'remember me'")
    typed(first, " 'forget me'", r"^'forget me'")
    first.press("ctrl+d")
    assert first.wait_for_end() == 0
    second = start("--repl", script)
    second.wait_for("it python>")
    second.press("up")
    second.wait_for(r"^it python> 'remember me'")


def test_what_is_typed_ahead_is_for_the_next_prompt(start: Open) -> None:
    console = start("--repl")
    console.wait_for("repl python>")
    console.press("import time; print('waits'); time.sleep(0.5)", "enter")
    console.wait_for("^waits")
    console.press("1 + 2", "enter")
    console.wait_for(r"^3 ")


def test_ctrl_d_typed_ahead_leaves_at_the_next_prompt(start: Open) -> None:
    console = start("--repl")
    console.wait_for("repl python>")
    console.press("import time; print('waits'); time.sleep(0.5)", "enter")
    console.wait_for("^waits")
    console.press("ctrl+d")
    assert console.wait_for_end() == 0
    assert console.left_on() == []


def test_no_color_is_respected(start: Open, write: Write) -> None:
    console = start("--repl", write("it.py", ""), NO_COLOR="1")
    console.wait_for("it python>")
    typed(console, "'text', 1", r"^\('text', 1\)")
    assert b"\x1b[38;" not in console.raw
    assert b"\x1b[31m" not in console.raw


def test_code_is_coloured(start: Open, write: Write) -> None:
    console = start("--repl", write("it.py", ""))
    console.wait_for("it python>")
    console.press("while 'text'")
    console.wait_for(r"^it python> while 'text'")
    assert console.look("while")[0] != console.look("'text'")[0]


def test_what_a_script_prints_cannot_steer_the_terminal(start: Open) -> None:
    console = start("--repl")
    console.wait_for("repl python>")
    typed(console, r"print('\x1b[2J\x1b]0;title\x07' + 'har' + 'mless')", "^harmless")
    typed(console, r"type('E', (), {'__repr__': lambda _: '\x1b[2J' + 'qui' + 'et'})()", "^quiet")
    assert console.line("loaded"), "nothing was cleared"


def test_what_c_code_writes_comes_above_the_prompt(start: Open, write: Write) -> None:
    text = """
#include <scriptconsole.h>
#include <stdio.h>
static int noise(sc_ctx *ctx, const sc_value *args, size_t n, sc_value *out) {
    (void)ctx, (void)args, (void)n;
    printf("written by C\\n");
    fflush(stdout);
    *out = sc_nil();
    return 0;
}
static int load(sc_ctx *ctx) { return sc_set_timeout(ctx, "noise", 300, NULL); }
static const sc_export exports[] = {{"noise", noise, ":", ""}, {0}};
static const sc_module module = {SC_ABI_VERSION, "noise", "1.0", exports, NULL, load, NULL};
SC_MODULE(module)
"""
    console = start("--repl", write("noise.c", text))
    console.wait_for("noise native>")
    console.wait_for("^(output: )?written by C")
    console.wait_for(r"^noise native> +$")


def test_a_script_that_does_not_load_can_be_mended(start: Open, write: Write) -> None:
    script = write("bad.lua", "x = = 2\n")
    console = start("--repl", script)
    console.wait_for("bad lua>")
    assert console.line(r"bad\.lua:1")
    script.write_text("x = 2\n")
    typed(console, ":reload", "bad is reloaded")
    typed(console, "x + 1", r"^3 ")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=["SIGTERM", "SIGHUP"])
def test_a_signal_ends_it_and_restores_the_terminal(start: Open, number: signal.Signals) -> None:
    console = start("--repl")
    console.wait_for("repl python>")
    console.process.kill(number)
    assert console.wait_for_end() == -number
    assert console.left_on() == []


def test_after_a_batch_run(start: Open, write: Write) -> None:
    console = start("--batch", "-i", write("it.py", "print('loaded')\nx = 5\n"))
    console.wait_for("it python>")
    assert console.line("^loaded")
    typed(console, "x + 1", r"^6 ")
    console.press("ctrl+d")
    assert console.wait_for_end() == 0
