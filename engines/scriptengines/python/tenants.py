"""The Interior of scripts that share the main interpreter with the console and with each other.

What belongs to the process is asked for by name all over Python: `sys.stdout`, `sys.argv`, `__main__`, the
event loop of `asyncio.run`. While such scripts are there, those names lead each thread to what belongs to the
script it executes, and every other thread to what was there before. With the last of them it is all put back.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import linecache
import os
import sys
import threading
import types
import warnings
from functools import partial
from importlib.machinery import PathFinder
from typing import TYPE_CHECKING, Any, cast

from scriptnative import leaving, reference_into, set_awaiter, set_tenant_loop, settle, tenant

from .endings import end_threads, ignoring_interrupts, report_thread_error, thread_names
from .guest import Guest, Interior, new_event_loop
from .ownmodules import OwnModules
from .processwide import ProcessWatch, listen, watch_calls

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from scriptengines.reports import Reporter
    from scriptnative import RunLock

_mutex = threading.Lock()
_tenants: dict[int, Tenant] = {}
"""By the address of the run lock, which is how a thread says whose it is."""
_folders: dict[str, set[int]] = {}
"""What was added to sys.path, and for which of them."""
_streams: dict[str, _Stream] = {}
_undo: list[Callable[[], None]] = []


class Tenant(Interior):
    """One script of the main interpreter."""

    def __init__(self, lock: RunLock, reporter: Reporter) -> None:
        super().__init__(lock, reporter)
        self.threads: list[threading.Thread] = []

    def move_in(self) -> tuple[Callable[..., Any], Callable[..., Any]]:
        """Begin to live here; what makes generations, and what ends the stay, for those outside."""
        with _mutex:
            if not _tenants:
                _install()
            _tenants[self.lock.address] = self
        return reference_into(self.lock, self.create), reference_into(self.lock, self.vacate)

    def vacate(self, limit: float) -> list[str]:
        """Leave; what of it goes on."""
        modules = [guest.module for guest in self.generations.values()]
        for guest in list(self.generations.values()):
            guest.discard()
        self.state = {}
        if thread_names(self.threads):  # idle workers of an executor wait for it to be forgotten
            _wait_for_exit_functions(self.threads, limit)
            for module in modules:
                module.__dict__.clear()
            gc.collect()
        left = end_threads(lambda: thread_names(self.threads), limit)
        set_tenant_loop(self.lock, asyncio._get_running_loop, asyncio._set_running_loop, None)
        with _mutex:
            self._leave_path()
            if not left:  # a thread that goes on still needs its output to go somewhere
                _tenants.pop(self.lock.address, None)
            if not _tenants:
                _uninstall()
        self.watch.restore()
        if left:  # nor may the process wait for it when it ends
            leaving.abandon(thread for thread in self.threads if thread.is_alive())
        return left

    def _leave_path(self) -> None:
        for directory, users in list(_folders.items()):
            users.discard(self.lock.address)
            if not users:
                del _folders[directory]
                if directory in sys.path:
                    sys.path.remove(directory)

    def occupy(self, guest: Guest) -> None:
        """Give the generation modules of its own."""
        linecache.checkcache(guest.path)
        directory = os.path.dirname(guest.path)
        own = OwnModules(self.lock.name, directory)
        with _mutex:
            if directory not in sys.path:  # for importlib and others that do not ask for `__import__`
                sys.path.append(directory)
                _folders[directory] = set()
            if directory in _folders:
                _folders[directory].add(self.lock.address)
        guest.own_modules = own
        own.give("host", guest.host_module)
        own.give("__main__", guest.module)
        own.give("sys", _Facade("sys", _real_sys, {"argv": [guest.path, *guest.arguments], **self.streams}))
        for name in ("atexit", "signal"):
            own.give(name, _copy_of(name))
        watch_calls(self.watch, partial(_offer, own))
        _offer(own, "atexit", "register", guest.exits.register)
        _offer(own, "atexit", "unregister", guest.exits.unregister)
        for name in ("signal", "set_wakeup_fd", "siginterrupt", "setitimer", "alarm"):
            _offer(own, "signal", name, _refuse_signals)
        guest.module.__dict__["__builtins__"] = own.builtins

    def loaded(self, guest: Guest) -> None:
        """Callers from outside see its loop as the running one."""
        set_tenant_loop(self.lock, asyncio._get_running_loop, asyncio._set_running_loop, guest.loop)

    def failed(self, guest: Guest) -> None:
        """Nothing of the generation before was touched."""

    def discard(self, guest: Guest) -> None:
        """Forget its modules."""
        if guest.own_modules is not None:
            guest.own_modules.forget()
        guest.__dict__.clear()


def _copy_of(name: str) -> types.ModuleType:
    """A module that only one script sees, with the content of the process's."""
    original = importlib.import_module(name)
    copied = types.ModuleType(name)
    copied.__dict__.update(vars(original))
    return copied


def _offer(own: OwnModules, module: str, name: str, function: Any) -> None:
    if module not in own.given:
        own.give(module, _copy_of(module))
    own.given[module].__dict__[name] = function


def _refuse_signals(*_args: Any, **_kwargs: Any) -> Any:
    """As sub-interpreters do, where CPython refuses it by itself."""
    raise ValueError(
        'signal handlers belong to the process that runs the script; isolation = "process" gives it its own'
    )


def _wait_for_exit_functions(threads: list[threading.Thread], limit: float) -> None:
    for thread in threads:
        if thread.name == "atexit":
            thread.join(limit)


def _watch() -> ProcessWatch | None:
    found = _here()
    return None if found is None else found.watch


def _here() -> Tenant | None:
    """The script that the calling thread executes."""
    return _tenants.get(tenant())


def _guest() -> Guest | None:
    """The generation that it executes."""
    found = _here()
    return None if found is None else found.by_thread() or found.newest()


def _own_sys() -> Any:
    """What `import sys` gives that generation; None for the process's own code."""
    guest = _guest()
    return None if guest is None or guest.own_modules is None else guest.own_modules.given["sys"]


# ---- what stands in for the process's own ------------------------------------------------------------------


class _Facade(types.ModuleType):
    """A module whose attributes are those of another one, chosen anew each time.

    Args:
        name: Of the module.
        choose: Gives the module to ask.
        own: Attributes that are this module's own, also once they are set anew.
    """

    def __init__(
        self, name: str, choose: Callable[[], types.ModuleType], own: dict[str, Any] | None = None
    ) -> None:
        super().__init__(name)
        fields = object.__getattribute__(self, "__dict__")
        fields["__choose"] = choose
        fields["__own"] = own or {}

    def __getattribute__(self, name: str) -> Any:
        fields = object.__getattribute__(self, "__dict__")
        own = fields["__own"]
        return own[name] if name in own else getattr(fields["__choose"](), name)

    def __setattr__(self, name: str, value: Any) -> None:
        fields = object.__getattribute__(self, "__dict__")
        if name in fields["__own"]:
            fields["__own"][name] = value
        else:
            setattr(fields["__choose"](), name, value)

    def __delattr__(self, name: str) -> None:
        delattr(object.__getattribute__(self, "__dict__")["__choose"](), name)

    def __dir__(self) -> list[str]:
        return dir(object.__getattribute__(self, "__dict__")["__choose"]())


class _Stream:
    """`sys.stdout` or `sys.stderr`: a script's own for the script, the process's for everybody else."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.original: Any = None

    def _target(self) -> Any:
        found, own = _here(), _own_sys()
        if own is not None:
            return getattr(own, self._name)
        return self.original if found is None else found.streams[self._name]

    def write(self, text: str, /) -> int:
        """Write to whoever's turn it is."""
        return self._target().write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._target(), name)

    def __iter__(self) -> Any:
        return iter(self._target())

    def __enter__(self) -> Any:
        return self._target().__enter__()

    def __exit__(self, *exc_info: object) -> Any:
        return self._target().__exit__(*exc_info)


class _Arguments(list[str]):
    """`sys.argv`, for library code that reads it on behalf of a script, as argparse does."""

    def __getitem__(self, index: Any) -> Any:
        own = _own_sys()
        return cast("Any", super().__getitem__(index) if own is None else own.argv[index])

    def __len__(self) -> int:
        own = _own_sys()
        return super().__len__() if own is None else len(own.argv)

    def __iter__(self) -> Iterator[str]:
        own = _own_sys()
        return super().__iter__() if own is None else iter(own.argv)


def _real_sys() -> types.ModuleType:
    return sys


def _install() -> None:
    listen(_watch)
    _replace_stream("stdout")
    _replace_stream("stderr")
    _replace(sys, "argv", _Arguments(sys.argv))
    _replace_main()
    _offer_host()
    for owner in (asyncio, asyncio.events):
        _replace(owner, "new_event_loop", _new_event_loop)
    _replace(warnings, "_warn_unawaited_coroutine", _unawaited(vars(warnings)["_warn_unawaited_coroutine"]))
    _replace(sys, "unraisablehook", ignoring_interrupts(sys.unraisablehook))
    _replace(threading, "excepthook", _excepthook(threading.excepthook))
    set_awaiter(_run_awaitable)
    _undo.append(lambda: set_awaiter(None))
    _replace(threading.Thread, "start", _thread_start(threading.Thread.start))


def _run_awaitable(awaitable: Any) -> Any:
    found = _here()
    return awaitable if found is None else found.run_awaitable(awaitable)


def _uninstall() -> None:
    while _undo:
        _undo.pop()()


def _replace(owner: Any, name: str, value: Any) -> None:
    """Set an attribute until the last script has gone; what somebody else sets meanwhile stays."""
    before = getattr(owner, name)

    def undo() -> None:
        if getattr(owner, name) is value:
            setattr(owner, name, before)

    setattr(owner, name, value)
    _undo.append(undo)


def _replace_stream(name: str) -> None:
    # CPython's print() holds no reference to sys.stdout while it writes (a crash, when another thread puts
    # it back meanwhile), so these objects stay for good.
    stream = _streams.setdefault(name, _Stream(name))
    stream.original = getattr(sys, name)
    _replace(sys, name, stream)


def _replace_module(name: str, choose: Callable[[], types.ModuleType]) -> None:
    before = sys.modules.get(name)

    def undo() -> None:
        if sys.modules.get(name) is not facade:
            return
        if before is None:
            del sys.modules[name]
        else:
            sys.modules[name] = before

    facade = sys.modules[name] = _Facade(name, choose)
    _undo.append(undo)


def _replace_main() -> None:
    before = sys.modules["__main__"]

    def choose() -> types.ModuleType:
        guest = _guest()
        return before if guest is None else guest.module

    _replace_module("__main__", choose)


def _offer_host() -> None:
    """For libraries that scripts share; what lies beside a script finds its host without this."""

    def choose() -> types.ModuleType:
        guest = _guest()
        if guest is None:
            raise AttributeError("the host module has content only for what a script executes")
        return guest.host_module

    if "host" not in sys.modules and PathFinder.find_spec("host") is None:
        _replace_module("host", choose)


def _new_event_loop() -> asyncio.AbstractEventLoop:
    found = _here()
    return new_event_loop() if found is None else found.new_event_loop()


def _unawaited(original: Any) -> Any:
    def warn(coroutine: Any) -> None:
        found = _here()
        (original if found is None else found.warn_unawaited)(coroutine)

    return warn


def _excepthook(original: Any) -> Any:
    def report(failure: Any) -> None:
        found = _here()
        if found is None:
            original(failure)
        else:
            report_thread_error(found.reporter, failure)

    return report


def _thread_start(original: Any) -> Any:
    def start(thread: threading.Thread) -> None:
        found = _here()
        if found is not None:
            run = thread.run

            def run_as_tenant() -> None:
                settle(found.lock)
                run()

            thread.run = run_as_tenant
            found.threads = [each for each in found.threads if each.is_alive()] + [thread]
        original(thread)

    return start
