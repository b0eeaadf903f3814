"""The child process itself: how it is started, how it is ended, and what is known of its death.

It inherits its three channels, the pipes of its output and nothing else. It leads a session of its own, so
that Ctrl-C in the terminal is not for it, and what it started goes with it.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import socket
import subprocess
import sys
import threading

import scriptengines
import scriptnative
from scriptnative.errors import LoadError, RemoteFrame

ABORT_LIMIT = 0.3
"""Seconds between the signal that lets a process show where it is and the one that it cannot refuse."""
MAX_LAST_WORDS = 65_536

_BOOT = "import sys; sys.path[:] = {path!r}; from scriptengines.process.child import main; main({arguments})"
_SITE = "site-packages" + os.sep
_PLACE = re.compile(r'^  File "(.{1,4096})", line (\d{1,9}) in (.{1,256})$')
_OURS = tuple(
    os.path.dirname(os.path.dirname(os.path.abspath(file)))
    for file in (scriptengines.__file__, scriptnative.__file__)
)
_OUR_FOLDERS = tuple(
    os.path.join(root, name) + os.sep for root in _OURS for name in ("scriptengines", "scriptnative")
)
_STDLIB = os.path.dirname(os.path.abspath(threading.__file__)) + os.sep


class ChildProcess:
    """One child with our ends of its channels.

    Args:
        engine: What it will host, as "module:name".
        path: The script's file, for messages.
        site: Whether it needs Python's `site`, as Python scripts do; it takes time.

    Raises:
        LoadError: It cannot be started.
    """

    def __init__(self, engine: str, path: str, *, site: bool) -> None:
        if not sys.executable:
            raise LoadError(
                f"{path}: its process needs sys.executable; set that to a Python interpreter",
                file=path,
            )
        ours, theirs = zip(*(socket.socketpair() for _ in range(3)), strict=True)
        self.call, self.own, self.control = ours
        faults, faults_in = os.pipe()
        lifeline, self._lifeline = os.pipe()
        inherited = [*(sock.fileno() for sock in theirs), faults_in, lifeline]
        self._faults: int = faults
        boot = _BOOT.format(path=_search_path(), arguments=", ".join(map(repr, (engine, *inherited))))
        try:
            self.process = subprocess.Popen(
                [sys.executable, *([] if site else ["-S"]), "-c", boot],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=inherited,
                start_new_session=True,
            )
        except OSError as error:
            self.close()
            raise LoadError(f"{path}: its process cannot be started: {error}", file=path) from None
        finally:
            for sock in theirs:
                sock.close()
            os.close(faults_in)
            os.close(lifeline)
        self.pid = self.process.pid
        self._reaping = threading.Lock()
        self.exit = os.pidfd_open(self.pid) if hasattr(os, "pidfd_open") else -1
        os.set_blocking(faults, False)

    def abort(self) -> None:
        """End it for sure; if it can, it leaves its call stack in `last_words`."""
        self._signal(signal.SIGABRT)
        killing = threading.Timer(ABORT_LIMIT, self.kill)
        killing.daemon = True
        killing.start()

    def kill(self) -> None:
        """End it, and what it has started, at once."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        with self._reaping, contextlib.suppress(ProcessLookupError, PermissionError):
            if self.process.returncode is not None:
                return  # its number may belong to another process by now
            if number == signal.SIGKILL:
                os.killpg(self.pid, number)
            else:
                os.kill(self.pid, number)

    def reap(self, limit: float) -> int:
        """Wait for its end, at most `limit` seconds before it is killed; its status, as in `subprocess`."""
        if self.exit < 0:
            with contextlib.suppress(subprocess.TimeoutExpired):
                return self.process.wait(limit)
        else:
            ended = select.poll()
            ended.register(self.exit, select.POLLIN)
            ended.poll(limit * 1000)
        self.kill()  # and what it leaves behind: until it is waited for, the number of its group is its own
        with self._reaping:
            return self.process.wait()

    def last_words(self) -> str:
        """What faulthandler wrote when it died."""
        try:
            return os.read(self._faults, MAX_LAST_WORDS).decode("utf-8", "replace")
        except BlockingIOError:
            return ""

    def shut_down(self) -> None:
        """Wake whoever waits for it; grandchildren may hold copies of its ends."""
        for sock in (self.call, self.own, self.control):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close our ends; after its death, and when nobody uses them any more."""
        for sock in (self.call, self.own, self.control):
            sock.close()
        process = getattr(self, "process", None)
        for pipe in (process.stdout, process.stderr) if process is not None else ():
            if pipe is not None:
                pipe.close()
        for name in ("_faults", "_lifeline", "exit"):
            descriptor, self.__dict__[name] = self.__dict__.get(name, -1), -1
            if descriptor >= 0:
                os.close(descriptor)


def _search_path() -> list[str]:
    """Where the child looks for modules: where we do, and where we were found by other means."""
    roots = [*sys.path, *_OURS]
    return list(dict.fromkeys(root for root in roots if root))


def describe_end(code: int) -> str:
    """How a process ended, in words that follow "its process".

    Args:
        code: The status as `subprocess` has it: negative for a signal.
    """
    if code >= 0:
        return f"left with os._exit({code}), or exit({code}) in C"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = "unknown"
    if -code == signal.SIGABRT:
        return f"aborted ({name})"
    return f"was killed by signal {-code} ({name})"


def read_stack(last_words: str) -> tuple[list[RemoteFrame], str]:
    """The call stack that faulthandler wrote.

    Args:
        last_words: What it wrote; a hostile script may have written anything.

    Returns:
        The script's own frames, outermost first, and the text without what is none of its author's business.
    """
    frames: list[RemoteFrame] = []
    kept: list[str] = []
    for line in last_words.splitlines():
        place = _PLACE.match(line)
        if line.startswith("Extension modules:"):
            break
        if place is not None and not _is_theirs(place[1]):
            continue
        kept.append(line)
        if place is not None:
            frames.append(RemoteFrame(place[1], int(place[2]), place[3]))
    return frames[::-1], "\n".join(kept).strip()


def _is_theirs(file: str) -> bool:
    """Whether a file is the script's or a library's, which the standard library's folder may hold as well."""
    if file.startswith((*_OUR_FOLDERS, "<")):
        return False
    return not file.startswith(_STDLIB) or _SITE in file
