"""C extensions in isolated interpreters: which may load, and what to do about those that may not.

CPython 3.13 corrupts the main interpreter when an isolated one imports two extensions that refuse it (psutil,
then msgspec: a segfault at exit), so an extension from outside the standard library is tried in a child
process first.
"""

from __future__ import annotations

import contextlib
import importlib.machinery
import json
import os
import subprocess
import sys
import sysconfig
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Generator

_MARK = "does not support loading in subinterpreters"
_TRIAL = """
import sys
from scriptnative import Interpreter
sys.path[:] = {path!r}
inside = Interpreter()
inside.run("import sys; sys.path[:] = {path!r}")
try:
    inside.run(
        "import importlib.util as u; s = u.spec_from_file_location({name!r}, {file!r}); u.module_from_spec(s)"
    )
except Exception as error:
    refused = {mark!r} in str(error)
else:
    refused = False
sys.stdout.write("no" if refused else "yes")
sys.stdout.flush()
import os; os._exit(0)
"""


class GuardedLoader(importlib.machinery.ExtensionFileLoader):
    """Loads an extension only when it is known to accept an isolated interpreter."""

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> Any:
        """Make the module, as the base does; ImportError with the remedy when it would do harm."""
        file = str(self.path)
        if not _is_trusted(file) and not _verdict(spec.name, file):
            raise ImportError(refusal(spec.name), name=spec.name, path=file)
        return super().create_module(spec)


def refusal(module: str) -> str:
    """What to tell the author of a script whose import was refused."""
    return (
        f"module {module} {_MARK}: it is a C extension that only works in the main interpreter; "
        "use a pure-Python replacement, or leave the work to a process started by the script"
    )


def install(isolation: str) -> None:
    """Guard extension imports in the current interpreter.

    Args:
        isolation: Of the interpreter; only an isolated one refuses extensions, and only 3.13 needs help.
    """
    if isolation != "isolated" or sys.version_info >= (3, 14):
        return
    suffixes = importlib.machinery.EXTENSION_SUFFIXES
    hook = importlib.machinery.FileFinder.path_hook(
        (GuardedLoader, suffixes),
        (importlib.machinery.SourceFileLoader, importlib.machinery.SOURCE_SUFFIXES),
        (importlib.machinery.SourcelessFileLoader, importlib.machinery.BYTECODE_SUFFIXES),
    )
    sys.path_hooks[:] = [
        hook if getattr(old, "__name__", "") == "path_hook_for_FileFinder" else old for old in sys.path_hooks
    ]
    sys.path_importer_cache.clear()


@contextlib.contextmanager
def explained(path: str) -> Generator[None]:
    """Add the remedy to an import that CPython itself refused."""
    try:
        yield
    except ImportError as error:
        if _MARK in str(error) and "pure-Python" not in str(error):
            error.add_note(refusal(error.name or "?"))
        raise


def _is_trusted(file: str) -> bool:
    ours = os.path.dirname(sys.modules["scriptnative"].__file__ or "")
    stdlib = sysconfig.get_path("platstdlib"), sysconfig.get_config_var("DESTSHARED") or ""
    folder = os.path.dirname(file)
    return folder == ours or any(
        base and folder.startswith(base) and "site-packages" not in folder for base in stdlib
    )


def _verdict(name: str, file: str) -> bool:
    """Whether an extension accepts an isolated interpreter; found once for each version of the file."""
    from scriptengines.locations import extension_verdicts

    store = extension_verdicts()
    key = f"{file}:{os.stat(file).st_mtime_ns}:{sys.version_info[:3]}"
    known: dict[str, Any]
    try:
        known = json.loads(store.read_text())
    except (OSError, ValueError):
        known = {}
    if key not in known:
        known[key] = _try_in_child(name, file)
        with contextlib.suppress(OSError):  # a cache that cannot be written costs time, nothing else
            store.parent.mkdir(parents=True, exist_ok=True)
            scratch = store.with_suffix(f".{os.getpid()}")
            scratch.write_text(json.dumps(known))
            scratch.replace(store)
    return bool(known[key])


def _try_in_child(name: str, file: str) -> bool:
    code = _TRIAL.format(path=sys.path, name=name, file=file, mark=_MARK)
    child = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    return child.stdout == "yes"
