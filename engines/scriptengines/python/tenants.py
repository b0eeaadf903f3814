"""The Interior of scripts that share the main interpreter with the console and with each other.

What belongs to the process is asked for by name all over Python: `sys.stdout`, `sys.argv`, `__main__`, the
event loop of `asyncio.run`. While such scripts are there, those names lead each thread to what belongs to the
script it executes, and every other thread to what was there before. With the last of them it is all put back.
"""

from __future__ import annotations

import asyncio
import builtins
import linecache
import os
import sys
import threading
import types
from typing import TYPE_CHECKING, Any

from scriptnative import reference_into, set_tenant_loop, settle, tenant

from .guest import Guest, Interior, new_event_loop
from .ownmodules import OwnModules

if TYPE_CHECKING:
    from collections.abc import Callable

_mutex = threading.Lock()
_tenants: dict[int, Tenant] = {}
"""By the address of the run lock, which is how a thread says whose it is."""
_undo: list[Callable[[], None]] = []


class Tenant(Interior):
    """One script of the main interpreter."""

    threads: list[threading.Thread]

    def move_in(self) -> Callable[..., Any]:
        """Begin to live here; what makes generations, for those outside."""
        self.threads = []
        with _mutex:
            if not _tenants:
                _install()
            _tenants[self.lock.address] = self
        return reference_into(self.lock, self.create)

    def move_out(self, limit: float) -> bool:
        """Leave; False when a thread of it goes on."""
        for thread in self.threads:
            thread.join(limit)
        left = any(thread.is_alive() for thread in self.threads)
        set_tenant_loop(self.lock, asyncio._get_running_loop, asyncio._set_running_loop, None)
        self.generations.clear()
        self.state = {}
        with _mutex:
            if not left:  # a thread that goes on still needs its output to go somewhere
                _tenants.pop(self.lock.address, None)
            if not _tenants:
                _uninstall()
        return not left

    def occupy(self, guest: Guest) -> None:
        """Give the generation modules of its own."""
        linecache.checkcache(guest.path)
        own = OwnModules(self.lock.name, os.path.dirname(guest.path))
        guest.own_modules = own
        own.give("host", guest.host_module)
        own.give("__main__", guest.module)
        own.give("sys", _Facade("sys", _real_sys, {"argv": [guest.path, *guest.arguments], **self.streams}))
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


def _here() -> Tenant | None:
    """The script that the calling thread executes."""
    return _tenants.get(tenant())


def _guest() -> Guest | None:
    """The generation that it executes."""
    found = _here()
    return None if found is None else found.by_thread() or found.newest()


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
    """`sys.stdout` or `sys.stderr`: the log of the script that writes, the process's own for everybody else."""

    def __init__(self, name: str, original: Any) -> None:
        self._name = name
        self._original = original

    def _target(self) -> Any:
        guest = _guest()
        return self._original if guest is None else getattr(guest.own_modules.given["sys"], self._name)

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

    def _mine(self) -> list[str] | None:
        guest = _guest()
        return None if guest is None else guest.own_modules.given["sys"].argv

    def __getitem__(self, index: Any) -> Any:
        mine = self._mine()
        return list.__getitem__(self, index) if mine is None else mine[index]

    def __len__(self) -> int:
        mine = self._mine()
        return list.__len__(self) if mine is None else len(mine)

    def __iter__(self) -> Any:
        mine = self._mine()
        return list.__iter__(self) if mine is None else iter(mine)


def _real_sys() -> types.ModuleType:
    return sys


def _install() -> None:
    _replace_stream("stdout")
    _replace_stream("stderr")
    _replace(sys, "argv", _Arguments(sys.argv))
    _replace_main()
    for owner in (asyncio, asyncio.events):
        _replace(owner, "new_event_loop", _new_event_loop)
    _replace(threading, "excepthook", _excepthook(threading.excepthook))
    _replace(threading.Thread, "start", _thread_start(threading.Thread.start))


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
    _replace(sys, name, _Stream(name, getattr(sys, name)))


def _replace_main() -> None:
    before = sys.modules["__main__"]

    def choose() -> types.ModuleType:
        guest = _guest()
        return before if guest is None else guest.module

    def undo() -> None:
        if sys.modules.get("__main__") is facade:
            sys.modules["__main__"] = before

    facade = sys.modules["__main__"] = _Facade("__main__", choose)
    _undo.append(undo)


def _new_event_loop() -> asyncio.AbstractEventLoop:
    found = _here()
    return new_event_loop() if found is None else found.new_event_loop()


def _excepthook(original: Any) -> Any:
    def report(failure: Any) -> None:
        found = _here()
        if found is None:
            original(failure)
        else:
            found.reporter.error("thread", failure.exc_value or RuntimeError("unknown"))

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
