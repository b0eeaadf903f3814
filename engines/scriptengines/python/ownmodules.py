"""The modules that lie beside a script of the main interpreter: its own, not the process's.

Two scripts may each have a `helper.py`, and a reload brings the edited one. So they stand in `sys.modules`
under a package of the generation, such as `lamp@2.helper`, and an `__import__` of its own finds them there.
"""

from __future__ import annotations

import builtins
import importlib
import itertools
import sys
import types
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_serials = itertools.count(1)
_packages: dict[str, OwnModules] = {}


class OwnModules:
    """The own modules of one generation.

    Args:
        alias: Of the script.
        folder: Where they lie.

    Attributes:
        builtins: What its code has as `__builtins__`.
        given: Modules that only it sees under these names.
    """

    def __init__(self, alias: str, folder: str) -> None:
        self.package = f"{alias.replace('.', '_')}@{next(_serials)}"
        self.folder = folder
        self.given: dict[str, types.ModuleType] = {}
        self.builtins = {**vars(builtins), "__import__": self._import}
        self._is_own: dict[str, bool] = {}
        package = types.ModuleType(self.package)
        package.__path__ = [folder]
        if not _packages:
            sys.meta_path.insert(0, _Finder)
        _packages[self.package] = self
        sys.modules[self.package] = package

    def give(self, name: str, module: types.ModuleType) -> None:
        """Let it find `module` under this name."""
        self.given[name] = module

    def forget(self) -> None:
        """Remove them all."""
        _packages.pop(self.package, None)
        for name in [name for name in sys.modules if name.partition(".")[0] == self.package]:
            del sys.modules[name]
        if not _packages and _Finder in sys.meta_path:
            sys.meta_path.remove(_Finder)

    def has(self, name: str) -> bool:
        """Whether a top-level module of this name lies in the folder; the standard library goes first."""
        if name in sys.stdlib_module_names:
            return False
        if not self._is_own.get(name):
            spec = PathFinder.find_spec(f"{self.package}.{name}", [self.folder])
            # A folder without __init__.py counts only when no real module has that name.
            self._is_own[name] = spec is not None and (
                spec.origin is not None or PathFinder.find_spec(name) is None
            )
        return self._is_own[name]

    def _import(
        self,
        name: str,
        globals: Mapping[str, Any] | None = None,
        locals: Mapping[str, Any] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> types.ModuleType:
        top = name.partition(".")[0]
        if level == 0 and name in self.given:
            return self.given[name]
        if level == 0 and self.has(top):
            full = f"{self.package}.{name}"
            if fromlist:
                return builtins.__import__(full, globals, locals, fromlist)
            importlib.import_module(full)
            return sys.modules[f"{self.package}.{top}"]
        return builtins.__import__(name, globals, locals, fromlist or (), level)


class _Finder:
    """Finds the modules of such packages; ahead of all others in sys.meta_path."""

    @staticmethod
    def find_spec(
        fullname: str, path: Sequence[str] | None = None, target: types.ModuleType | None = None
    ) -> ModuleSpec | None:
        own = _packages.get(fullname.partition(".")[0])
        if own is None:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and type(spec.loader) is SourceFileLoader:
            spec.loader = _Loader(spec.loader.name, spec.loader.path, own)
        return spec


class _Loader(SourceFileLoader):
    """Runs a module with the builtins of its script."""

    def __init__(self, fullname: str, path: str, own: OwnModules) -> None:
        super().__init__(fullname, path)
        self._own = own

    def exec_module(self, module: types.ModuleType) -> None:
        """Execute it, with the script's own `__import__`."""
        module.__dict__["__builtins__"] = self._own.builtins
        super().exec_module(module)
