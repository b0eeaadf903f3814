"""Nothing of a Python script is there for the next one, in the same interpreter or in the same process."""

from __future__ import annotations

import locale
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from scriptengines.errors import CallError
from scriptengines.python.chambers import Pool
from scriptengines.session import Session
from scriptengines.view import Level
from tests.conftest import Log

type Write = Callable[[str, str], Path]


@pytest.fixture(autouse=True, scope="module")
def clean_interpreters() -> None:
    """In an interpreter to which a script has brought numpy, libraries stay for good."""
    Pool.end_kept()


LEAKS = {
    "globals": ("x = 1", "'x' in globals()"),
    "host.state": ("import host; host.state['x'] = 1", "'x' in __import__('host').state"),
    "modules": ("import wave", "'wave' in sys.modules"),
    "modules of its own": ("sys.modules['mine'] = sys", "'mine' in sys.modules"),
    "a replaced module": ("sys.modules['json'] = 7", "sys.modules.get('json') == 7"),
    "a removed module": ("del sys.modules['socket']", "'socket' not in sys.modules"),
    "a patched module": ("import time; time.sleep = 7", "__import__('time').sleep == 7"),
    "an added module global": ("import socket; socket.mine = 7", "hasattr(__import__('socket'), 'mine')"),
    "a removed module global": (
        "import socket; del socket.socket",
        "not hasattr(__import__('socket'), 'socket')",
    ),
    "a patched class": (
        "import socket; socket.socket.makefile = 7; socket.socket.mine = 7",
        "__import__('socket').socket.makefile == 7 or hasattr(__import__('socket').socket, 'mine')",
    ),
    "a registry of a module": (
        "import copyreg; copyreg.dispatch_table[int] = 7",
        "int in __import__('copyreg').dispatch_table",
    ),
    "a builtin": (
        "import builtins; builtins.mine = 7; builtins.ascii = 7",
        "'mine' in dir(__builtins__) or ascii == 7",
    ),
    "sys.path": ("sys.path.append('/nowhere')", "'/nowhere' in sys.path"),
    "sys.meta_path": ("sys.meta_path.insert(0, 7)", "7 in sys.meta_path"),
    "sys.path_hooks": ("sys.path_hooks.insert(0, 7)", "7 in sys.path_hooks"),
    "sys.argv": ("sys.argv.append('leak')", "'leak' in sys.argv"),
    "sys.stdout": ("sys.stdout = None", "sys.stdout is None"),
    "sys.excepthook": ("sys.excepthook = 7", "sys.excepthook == 7"),
    "sys.displayhook": ("sys.displayhook = 7", "sys.displayhook == 7"),
    "sys.unraisablehook": ("sys.unraisablehook = 7", "sys.unraisablehook == 7"),
    "the recursion limit": ("sys.setrecursionlimit(77)", "sys.getrecursionlimit() == 77"),
    "digits of an int": ("sys.set_int_max_str_digits(700)", "sys.get_int_max_str_digits() == 700"),
    "warning filters": (
        "import warnings; warnings.simplefilter('error')",
        "any(each[0] == 'error' for each in __import__('warnings').filters)",
    ),
    "warnings shown otherwise": (
        "import warnings; warnings.showwarning = 7",
        "__import__('warnings').showwarning == 7",
    ),
    "threading hooks": (
        "import threading; threading.excepthook = 7; threading.settrace(print); threading.setprofile(print)",
        "(t := __import__('threading')).excepthook == 7 or t.gettrace() or t.getprofile()",
    ),
    "tracing": ("sys.settrace(lambda *a: None)", "sys.gettrace() is not None"),
    "profiling": ("sys.setprofile(lambda *a: None)", "sys.getprofile() is not None"),
    "monitoring": (
        "sys.monitoring.use_tool_id(3, 'mine'); sys.monitoring.set_events(3, 1)\n"
        "sys.monitoring.register_callback(3, 1, lambda *a: None)",
        "sys.monitoring.get_tool(3) is not None",
    ),
    "an audit hook": (
        "heard = []\nsys.addaudithook(lambda e, a: setattr(sys, 'heard', e))",
        "sys.audit('probe') or hasattr(sys, 'heard')",
    ),
    "codecs": (
        "import codecs\ndef search(name): return codecs.lookup('utf-8') if name == 'mine' else None\n"
        "codecs.register(search)",
        "__import__('codecs').lookup('mine')",
    ),
    "the decimal context": (
        "import decimal; decimal.getcontext().prec = 7; decimal.DefaultContext.prec = 7",
        "__import__('decimal').getcontext().prec == 7",
    ),
    "the random state": (
        "import random; random.seed(7)",
        "__import__('random').random() == 0.32383276483316237",
    ),
    "logging": (
        "import logging; logging.basicConfig(level=7); logging.disable(77); logging.captureWarnings(True)\n"
        "logging.getLogger('asyncio').setLevel(77); logging.getLogger('mine').setLevel(7)",
        "(g := __import__('logging')).root.handlers or g.root.level == 7 or g.root.manager.disable"
        " or g.getLogger('asyncio').level or g.getLogger('mine').level",
    ),
    "an event loop policy": (
        "import asyncio; asyncio.events._event_loop_policy = 7",
        "__import__('asyncio').events._event_loop_policy == 7",
    ),
    "the environment": ("import os; os.environ['LEAK'] = '7'", "'LEAK' in __import__('os').environ"),
    "the current folder": ("import os; os.chdir('/')", "__import__('os').getcwd() == '/'"),
}
PROBE = """
import sys
def look():
    try:
        return bool({})
    except LookupError:
        return False
"""


@pytest.mark.parametrize("mode", ["isolated", "shared"])
@pytest.mark.parametrize("leak", LEAKS)
def test_a_script_finds_nothing_of_the_one_before(
    session: Session, write: Write, mode: str, leak: str
) -> None:
    """In the interpreter that the first one leaves, unless that cannot be cleaned."""
    header = f'# scriptconsole: isolation = "{mode}"\nimport sys, _interpreters\n'
    header += "here = _interpreters.get_current()[0]\n"
    make, probe = LEAKS[leak]
    first = session.load(write("one.py", header + make + "\n"))
    here = first.get("here")
    session.unload("one")
    second = session.load(write("two.py", header + PROBE.format(probe)))
    assert second.call("look") is False
    assert (second.get("here") == here) is (leak != "an audit hook")


@pytest.mark.parametrize("leak", ["globals", "host.state", "modules of its own", "sys.argv", "sys.stdout"])
def test_main_scripts_do_not_share_what_is_a_scripts_own(session: Session, write: Write, leak: str) -> None:
    header = '# scriptconsole: isolation = "main"\nimport sys\n'
    make, probe = LEAKS[leak]
    if leak == "modules of its own":
        write("mine.py", "x = 1\n")
        make, probe = "import mine", "'mine' in sys.modules"
    session.load(write("one.py", header + make + "\n"))
    second = session.load(write("two.py", header + PROBE.format(probe)))
    assert second.call("look") is False


# ---- what belongs to the process ---------------------------------------------------------------------------

MODES = ("isolated", "shared", "main")


@pytest.mark.parametrize("mode", MODES)
def test_what_a_script_changed_of_the_process_is_put_back_and_told(
    session: Session, write: Write, log: Log, mode: str, tmp_path: Path
) -> None:
    text = f"""# scriptconsole: isolation = "{mode}"
import os, locale
os.environ["LEAK"] = "7"
os.environ["HOME"] = "/nowhere"
os.chdir({str(tmp_path)!r})
os.umask(0o777)
def where(): return [os.getcwd(), os.environ["LEAK"], os.environ["HOME"]]
def numbers(): return locale.setlocale(locale.LC_NUMERIC, "C.UTF-8")
"""
    before = (os.getcwd(), dict(os.environ), _umask(), locale.setlocale(locale.LC_NUMERIC))
    script = session.load(write("it.py", text))
    assert script.call("where") == [str(tmp_path), "7", "/nowhere"]
    assert script.call("numbers") == "C.UTF-8"
    assert os.getcwd() == str(tmp_path)
    session.unload("it")
    assert (os.getcwd(), dict(os.environ), _umask(), locale.setlocale(locale.LC_NUMERIC)) == before
    assert os.popen("echo $LEAK$HOME").read().strip() == before[1]["HOME"]
    [record] = [record for record in log.records() if record.level is Level.WARNING]
    for name in ("LEAK", "HOME", "the current folder", "the umask", "the locale"):
        assert name in record.text


def _umask() -> int:
    before = os.umask(0o022)
    os.umask(before)
    return before


@pytest.mark.parametrize("mode", MODES)
def test_what_is_changed_for_a_moment_is_not_told(
    session: Session, write: Write, log: Log, mode: str
) -> None:
    text = f"""# scriptconsole: isolation = "{mode}"
import os, contextlib
with contextlib.chdir("/"):
    os.environ["LEAK"] = "7"
    del os.environ["LEAK"]
"""
    session.load(write("it.py", text))
    session.unload("it")
    assert [record for record in log.records() if record.level is Level.WARNING] == []


@pytest.mark.parametrize("mode", MODES)
def test_signal_handlers_are_refused(session: Session, write: Write, mode: str) -> None:
    """Also where CPython would allow it: in a call from the main thread into the main interpreter."""
    text = f"""# scriptconsole: isolation = "{mode}"
import signal
def take(): signal.signal(signal.SIGUSR1, print)
def name(): return signal.Signals.SIGTERM.name
"""
    script = session.load(write("it.py", text))
    before = signal.getsignal(signal.SIGUSR1)
    with pytest.raises(CallError, match="ValueError"):
        script.call("take")
    assert signal.getsignal(signal.SIGUSR1) == before
    assert script.call("name") == "SIGTERM"


@pytest.mark.parametrize("mode", MODES)
def test_exit_functions_run_when_the_script_leaves(
    session: Session, write: Write, log: Log, mode: str
) -> None:
    text = f"""# scriptconsole: isolation = "{mode}"
import atexit
atexit.register(print, "first, run last")
@atexit.register
def fails(): raise ValueError("no paint")
atexit.register(print, "last, run first")
atexit.register(len)
atexit.unregister(len)
"""
    session.load(write("it.py", text))
    session.unload("it")
    log.wait_for("first, run last")
    lines = log.lines("it")
    assert (lines[0], lines[2]) == ("last, run first", "first, run last")
    assert lines[1].startswith("atexit: ")
    assert "no paint" in lines[1]


def test_a_reload_runs_the_exit_functions_of_the_old_generation(
    session: Session, write: Write, log: Log
) -> None:
    path = write("it.py", "import atexit\natexit.register(print, 'old')\n")
    session.load(path)
    path.write_text("import atexit\natexit.register(print, 'new')\n")
    session.reload("it")
    log.wait_for("old")
    assert log.lines("it") == ["old"]
    session.unload("it")
    log.wait_for("new")


def test_the_process_has_no_hooks_of_main_scripts_left(session: Session, write: Write) -> None:
    before = sys.gettrace(), sys.getprofile(), sys.excepthook, sys.displayhook
    session.load(write("it.py", '# scriptconsole: isolation = "main"\nx = 1\n'))
    session.unload("it")
    assert (sys.gettrace(), sys.getprofile(), sys.excepthook, sys.displayhook) == before
