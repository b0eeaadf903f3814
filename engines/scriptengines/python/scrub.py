"""What a script may leave behind in its interpreter, and how the next one finds it clean.

A Snapshot is taken before the first script comes; after each one the interpreter is put back to it. What
belongs to the whole process is the business of `processwide`.
"""

from __future__ import annotations

import gc
import linecache
import sys
import threading
import types
from typing import Any, cast

_LIVE = frozenset({"sys", "threading", "weakref", "_weakrefset", "gc", "__main__"})
"""Modules whose containers hold what is alive, so that their content is not put back."""
_OURS = ("scriptengines", "scriptnative", "importlib", "_frozen_importlib")
_HEAP_TYPE, _IMMUTABLE_TYPE = 1 << 9, 1 << 8
_SYS = (
    "argv",
    "breakpointhook",
    "displayhook",
    "dont_write_bytecode",
    "excepthook",
    "pycache_prefix",
    "stderr",
    "stdin",
    "stdout",
    "unraisablehook",
    "__stderr__",
    "__stdin__",
    "__stdout__",
)
_MISSING = object()
_PROCESSWIDE = "scriptengines.python.processwide"
"""Its audit hook stays, so it must go on to know of it."""


class Snapshot:
    """The modules of an interpreter, what they define, and the settings of `sys`."""

    def __init__(self) -> None:
        self.modules = dict(sys.modules)
        self._globals = {
            name: dict(vars(module)) for name, module in self.modules.items() if _is_plain(name, module)
        }
        self._containers = [
            (value, value.copy())
            for name, contents in self._globals.items()
            if name not in _LIVE and not name.startswith(_OURS)
            for value in contents.values()
            if type(value) in (list, dict, set) and len(value) < 1000
        ]
        classes = {
            value
            for contents in self._globals.values()
            for value in contents.values()
            if isinstance(value, type) and value.__flags__ & (_HEAP_TYPE | _IMMUTABLE_TYPE) == _HEAP_TYPE
        }
        self._classes = [(each, dict(each.__dict__)) for each in classes]
        self._sys = {name: getattr(sys, name) for name in _SYS if hasattr(sys, name)}
        self._path = list(sys.path)
        self._finders = list(sys.meta_path)
        self._path_hooks = list(sys.path_hooks)
        self._recursion = sys.getrecursionlimit()
        self._digits = sys.get_int_max_str_digits()

    def restore(self, keep: frozenset[str] = frozenset()) -> None:
        """Put it all back.

        Args:
            keep: Modules that stay although they came later.
        """
        for name in [name for name in sys.modules if name not in self.modules and name not in keep]:
            del sys.modules[name]
        sys.modules.update(self.modules)
        for name, contents in self._globals.items():
            _restore_globals(name, self.modules[name], contents)
        for container, content in self._containers:
            _refill(container, content)
        for owner, attributes in self._classes:
            _restore_class(owner, attributes)
        self._restore_sys()
        _restore_logging()
        _restore_random()
        _restore_tools()
        warnings = cast("Any", sys.modules.get("warnings"))
        if warnings is not None and hasattr(warnings, "_filters_mutated"):
            warnings._filters_mutated()
        linecache.clearcache()
        gc.collect()

    def restore_builtins(self) -> None:
        """What all other code here needs."""
        vars(self.modules["builtins"]).update(self._globals["builtins"])

    def restore_importing(self) -> None:
        """What finds modules: cleaning up may import some."""
        sys.meta_path[:] = self._finders
        sys.path_hooks[:] = self._path_hooks
        sys.path_importer_cache.clear()

    def _restore_sys(self) -> None:
        for name, value in self._sys.items():
            setattr(sys, name, value)
        sys.path[:] = self._path
        self.restore_importing()
        sys.setrecursionlimit(self._recursion)
        sys.set_int_max_str_digits(self._digits)


def _is_plain(name: str, module: object) -> bool:
    return isinstance(module, types.ModuleType) and name not in ("sys", "__main__", _PROCESSWIDE)


def _restore_globals(name: str, module: types.ModuleType, contents: dict[str, Any]) -> None:
    present = vars(module)
    if len(present) == len(contents) and all(present.get(key) is value for key, value in contents.items()):
        return
    for key in [key for key in present if key not in contents]:
        if f"{name}.{key}" not in sys.modules:  # a submodule that stays stays reachable
            del present[key]
    present.update(contents)


def _restore_class(owner: type, attributes: dict[str, Any]) -> None:
    present = owner.__dict__
    if len(present) == len(attributes) and all(present.get(k) is v for k, v in attributes.items()):
        return
    for key in [key for key in present if key not in attributes and not key.startswith("__")]:
        type.__delattr__(owner, key)
    for key, value in attributes.items():
        if present.get(key, _MISSING) is not value and key not in ("__dict__", "__weakref__"):
            type.__setattr__(owner, key, value)


def _refill(container: Any, content: Any) -> None:
    if isinstance(container, list):
        cast("list[Any]", container)[:] = content
    elif container != content or list(map(id, container)) != list(map(id, content)):
        container.clear()
        container.update(content)


def _restore_logging() -> None:
    """Handlers, levels and loggers, which hang together by more than module globals."""
    logging = cast("Any", sys.modules.get("logging"))
    if logging is None:
        return
    logging.captureWarnings(False)
    root, manager = logging.root, logging.Logger.manager
    for handler in list(root.handlers):
        root.removeHandler(handler)
    root.filters.clear()
    root.setLevel(logging.WARNING)
    root.disabled = False
    manager.disable = 0
    manager.loggerClass = manager.logRecordFactory = None
    for name, logger in list(manager.loggerDict.items()):
        if name.partition(".")[0] not in sys.modules or not isinstance(logger, logging.Logger):
            del manager.loggerDict[name]
            continue
        logger.handlers.clear()
        logger.filters.clear()
        logger.setLevel(logging.NOTSET)
        logger.propagate, logger.disabled = True, False
    manager._clear_cache()


def _restore_random() -> None:
    random = cast("Any", sys.modules.get("random"))
    if random is not None:
        random.seed()


def _restore_tools() -> None:
    """Tracing, profiling and monitoring; those of threads that come are threading's globals."""
    sys.settrace(None)
    sys.setprofile(None)
    sys.set_asyncgen_hooks(None, None)
    sys.set_coroutine_origin_tracking_depth(0)
    monitoring = sys.monitoring
    for tool in range(6):
        if monitoring.get_tool(tool) is not None:
            monitoring.set_events(tool, 0)
            for event in (1 << number for number in range(18)):
                try:
                    monitoring.register_callback(tool, event, None)
                except ValueError:  # no such event in this version
                    continue
            monitoring.free_tool_id(tool)
    decimal = cast("Any", sys.modules.get("decimal"))
    if decimal is not None:
        decimal.setcontext(decimal.Context())
    exits = cast("list[Any]", getattr(threading, "_threading_atexits", []))
    exits.clear()
