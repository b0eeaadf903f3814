"""The utilities of `_PY`: clock, environment, platform, base64, modules of Python, what keeps a run alive."""

from __future__ import annotations

import base64
import os
import random
import sys
import time
from typing import TYPE_CHECKING, Any

from .files import place, raw, reason

if TYPE_CHECKING:
    from collections.abc import Callable

    from . import Dialect

SLICE = 0.02
"""Seconds after which what blocks looks whether the script is to stop."""

_COLORS = {
    "black": 30,
    "red": 31,
    "green": 32,
    "yellow": 33,
    "blue": 34,
    "magenta": 35,
    "cyan": 36,
    "white": 37,
    "gray": 90,
    "lightred": 91,
    "lightgreen": 92,
    "lightyellow": 93,
    "lightblue": 94,
    "lightmagenta": 95,
    "lightcyan": 96,
    "orange": 33,
    "purple": 35,
}


# ---- time ----------------------------------------------------------------------------------------------


def now(_dialect: Dialect) -> float:
    """Seconds since the epoch."""
    return time.time()


def sleep(dialect: Dialect, seconds: float) -> None:
    """Block the script, until the time is over or it is to stop."""
    end = time.monotonic() + float(seconds)
    while (left := end - time.monotonic()) > 0:
        dialect.check_running()
        time.sleep(min(left, SLICE))


def random_number(_dialect: Dialect, low: float = 0, high: float = 1) -> float:
    """A float between two numbers."""
    return random.uniform(low, high)


# ---- what keeps the run alive --------------------------------------------------------------------------


def hold(dialect: Dialect, change: int) -> None:
    """Count something that is pending (1), or no longer (-1)."""
    loop = dialect.host.loop
    loop.outside_work += change
    if change > 0:
        loop.set_busy(True)
    else:
        loop.call_soon(_nothing)  # the last one gone may end the run: let the loop look


def _nothing() -> None:
    pass


# ---- platform ------------------------------------------------------------------------------------------


def platform(_dialect: Dialect) -> dict[str, str]:
    """What the machine is."""
    about = os.uname()
    return {
        "system": about.sysname,
        "release": about.release,
        "version": about.version,
        "machine": about.machine,
        "processor": about.machine,
    }


def information(dialect: Dialect) -> dict[str, Any]:
    """Platform, environment and runtime."""
    return {
        "platform": {**platform(dialect), "python_version": python_version(dialect)},
        "environment": {
            "cwd": os.getcwdb(),
            "user": _user(),
            "home": os.path.expanduser("~"),
            "path_separator": os.pathsep,
            "line_separator": os.linesep,
        },
        "runtime": {"current_time": time.time(), "pid": os.getpid()},
    }


def python_version(_dialect: Dialect) -> str:
    """For example "3.13.0"."""
    return sys.version.partition(" ")[0]


def _user() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""


def config(_dialect: Dialect) -> dict[str, Any]:
    """What `_PY.config` says of host and run."""
    import tempfile

    return {
        "platform": sys.platform,
        "isLinux": sys.platform.startswith("linux"),
        "isMacOS": sys.platform == "darwin",
        "isWindows": sys.platform == "win32",
        "fileSeparator": os.sep,
        "pathSeparator": os.pathsep,
        "cwd": os.getcwdb(),
        "homedir": os.path.expanduser("~"),
        "user": _user(),
        "tempdir": tempfile.gettempdir(),
        "host_ip": local_address(_dialect),
        "scripts": [],
        "headers": [],
        "argv": list(sys.argv),
        "loglevel": "info",
        "offline": False,
        "debugger": False,
        "environment": "console",
        "runFor": 0,
        "api_host": "127.0.0.1",
        "api_port": 0,
        "api_enabled": False,
        "luaLibPath": os.path.dirname(__file__),
        "startTime": time.time(),
    }


def host_name(_dialect: Dialect) -> str:
    """Of this machine."""
    import socket

    return socket.gethostname()


def local_address(_dialect: Dialect) -> str:
    """By which other machines reach this one; "127.0.0.1" when there are none."""
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing: only asks for the route
            return probe.getsockname()[0]
        except OSError:
            return "127.0.0.1"


# ---- environment ---------------------------------------------------------------------------------------


def dotenv(dialect: Dialect, name: str) -> str | None:
    """A variable of ./.env, else of ~/.env."""
    for folder in (".", os.path.expanduser("~")):
        found = _read_variables(dialect, os.path.join(folder, ".env")).get(name)
        if found is not None:
            return found
    return None


def _read_variables(dialect: Dialect, path: str) -> dict[str, str]:
    try:
        with open(place(dialect, path), encoding="utf-8", errors="surrogateescape") as file:
            lines = file.read().splitlines()
    except OSError:
        return {}
    found: dict[str, str] = {}
    for line in lines:
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        if not equals or name.startswith("#"):
            continue
        value = value.strip()
        if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'":
            value = value[1:-1]
        else:
            value = value.partition(" #")[0].rstrip()
        found[name.strip()] = value
    return found


def get_variable(dialect: Dialect, name: str) -> str | None:
    """A variable of the environment, else of a .env file."""
    found = os.environ.get(name)
    return dotenv(dialect, name) if found is None else found


def set_variable(_dialect: Dialect, name: str, value: Any) -> bool:
    """Set a variable of the environment; of the whole process, as Lua has no other."""
    try:
        os.environ[name] = os.fsdecode(raw(value))
    except (TypeError, ValueError, OSError):
        return False
    return True


def all_variables(_dialect: Dialect) -> dict[bytes, bytes]:
    """The environment."""
    return dict(os.environb)


# ---- text ----------------------------------------------------------------------------------------------


def base64_encode(_dialect: Dialect, content: Any) -> bytes:
    """Of a Lua string."""
    return base64.b64encode(raw(content))


def base64_decode(_dialect: Dialect, text: Any) -> bytes:
    """The bytes; what is not base64 is an error."""
    return base64.b64decode(b"".join(raw(text).split()), validate=True)


def html_to_console(_dialect: Dialect, text: Any) -> bytes:
    """Text with <font color=…>, <b>, <br> and character references, for a terminal."""
    import html
    import re

    def tag(match: re.Match[str]) -> str:
        written = match[0].lower()
        if written.startswith("<br"):
            return "\n"
        if written.startswith("</"):
            return "\x1b[0m"
        if written.startswith("<b>"):
            return "\x1b[1m"
        color = re.search(r"color\s*=\s*['\"]?(\w+)", written)
        return f"\x1b[{_COLORS[color[1]]}m" if color and color[1] in _COLORS else ""

    decoded = raw(text).decode("utf-8", "surrogateescape")
    shown = re.sub(r"(?i)</?(?:font|span|b|br)\b[^>]*>", tag, decoded)
    return html.unescape(shown).replace("\xa0", " ").encode("utf-8", "surrogateescape")


def colors(_dialect: Dialect) -> list[str]:
    """Names that html_to_console knows."""
    return sorted(_COLORS)


def read_line(_dialect: Dialect, prompt: Any = "") -> bytes | None:
    """A line of standard input, None at its end."""
    if prompt:
        sys.stdout.write(str(prompt))
        sys.stdout.flush()
    line = sys.stdin.buffer.readline()
    return line.rstrip(b"\r\n") if line else None


def log(dialect: Dialect, level: Any, text: Any) -> None:
    """Write to the host's log."""
    known = {"debug": "debug", "warning": "warning", "warn": "warning", "error": "error"}
    dialect.host.reporter.log(known.get(str(level).lower(), "info"), str(text))


# ---- Python --------------------------------------------------------------------------------------------


def load_module(dialect: Dialect, name: str) -> dict[str, Any]:
    """Public functions of a Python module, or its error."""
    import importlib

    if dialect.host.confinement is not None:  # they may use any file
        return {"error": 'not available: option files = "own"'}
    try:
        module = importlib.import_module(name)
    except Exception as error:  # noqa: BLE001 - whatever a module raises when it is imported
        return {"error": f"{type(error).__name__}: {reason(error)}"}
    names: list[str] = getattr(module, "__all__", None) or [each for each in dir(module) if each[:1] != "_"]
    found: dict[str, Callable[..., Any]] = {}
    for each in names:
        value = getattr(module, each, None)
        if callable(value) and not isinstance(value, type):
            found[each] = value
    return found
