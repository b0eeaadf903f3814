"""What a script prints, is called or holds never steers the terminal: seen in the bytes that arrive there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .terminal import Terminal

SEQUENCES = (
    "\x1b]52;c;EVIL\x07",
    "\x1b]0;EVIL\x07",
    "\x1b]8;;http://EVIL\x07",
    "\x1bPEVIL\x1b\\",
    "\x1b_EVIL\x1b\\",
    "\x1b^EVIL\x1b\\",
    "\x1b[?1049lEVIL",
    "\x1bcEVIL",
    "\x9d0;EVIL\x9c",
    "\x90EVIL\x9c",
    "\x9b2JEVIL",
)
STEERING = re.compile(rb"\x1b[\]P_^X][^\x1b\x07]*EVIL|\x1b(\[\?1049l|c)EVIL|\xc2[\x80-\x9f]")
"""Any of them; the last are those of one character, in UTF-8."""

PYTHON = """
import sys
import host

def fail():
    raise ValueError("".join(SENT))

held = {sent: sent for sent in SENT}
fail.__qualname__ = fail.__name__ = "".join(SENT)
for sent in SENT:
    print("out", sent)
    print("err", sent, file=sys.stderr)
    host.log("warning", sent)
host.set_interval(fail, 300)
print("all told")
"""
LUA = """
held = {[SENT] = SENT}
print("out", SENT)
io.stderr:write("err " .. SENT .. "\\n")
setInterval(function() error(SENT) end, 300)
print("all told")
"""
SCRIPTS = {
    "it.py": f"SENT = {SEQUENCES!r}\n{PYTHON}",
    "it.lua": "SENT = '" + "".join(f"\\{byte:03}" for byte in "".join(SEQUENCES).encode()) + f"'\n{LUA}",
}


def test_they_would_be_noticed() -> None:
    assert all(STEERING.search(sequence.encode()) for sequence in SEQUENCES)


@pytest.mark.parametrize("name", SCRIPTS)
def test_no_sequence_of_a_script_arrives(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.write_text(SCRIPTS[name])
    with Terminal(file) as console:
        console.wait_for("all told")
        console.wait_for("ERR +it .*EVIL")
        console.press("1", "enter")
        console.wait_for("esc closes")  # the details of the script: its last error, its functions
        console.press("escape")
        console.wait_gone("esc closes")
        console.press("5", "gg")
        console.wait_for("out +it +out .*EVIL")
        console.press("ctrl+q")
        console.wait_for_end()
        assert not STEERING.search(console.raw)
