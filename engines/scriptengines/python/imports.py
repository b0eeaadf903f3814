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
import re
import subprocess
import sys
import sysconfig
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Generator

REMEDY = '# scriptconsole: isolation = "shared"'
_REFUSED = "does not support loading in subinterpreters"
_REFUSAL = re.compile(rf"module (\S+) {_REFUSED}")
_TAKEN = "cannot load module more than once per process"
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
    """Loads an extension only where that does no harm, and says what to do when it cannot be loaded."""

    isolation = ""

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> Any:
        """Make the module, as the base does.

        Raises:
            ImportError: It is refused; the message has the remedy.
        """
        file = str(self.path)
        if _must_ask(self.isolation) and not is_trusted(file) and not _verdict(spec.name, file):
            raise ImportError(refusal(spec.name), name=spec.name, path=file)
        try:
            return super().create_module(spec)
        except ImportError as error:
            raise _explanation(error) or error from None

    def exec_module(self, module: Any) -> None:
        """Fill it, as the base does; a module may refuse as late as here."""
        try:
            super().exec_module(module)
        except ImportError as error:
            raise _explanation(error) or error from None


def _must_ask(isolation: str) -> bool:
    return isolation == "isolated" and sys.version_info < (3, 14)


def refusal(module: str) -> str:
    """What to tell the author of an isolated script whose import was refused."""
    return (
        f"module {module} {_REFUSED}; it is a C extension that needs the main GIL: "
        f"put this line at the top of the script: {REMEDY}"
    )


def taken(module: str) -> str:
    """What to tell the author of a script whose import is another script's already."""
    return (
        f"{module}: {_TAKEN}; another script has it in its interpreter: "
        'let those that use it have isolation = "main", which share it, or isolation = "process"'
    )


def install(isolation: str) -> None:
    """Guard extension imports in the current interpreter.

    Args:
        isolation: Of the interpreter.
    """
    GuardedLoader.isolation = isolation
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
    """Let a script's import that was refused fail with the reason alone, whatever a library made of it."""
    try:
        yield
    except ImportError as error:
        found: BaseException | None = error
        while found is not None:
            explanation = _explanation(found) if isinstance(found, ImportError) else None
            if explanation is not None:
                raise explanation.with_traceback(error.__traceback__) from None
            found = found.__cause__ or found.__context__
        raise


def _explanation(error: ImportError) -> ImportError | None:
    """The error with its remedy; None when it is about something else."""
    text = str(error)
    matched = _REFUSAL.search(text)
    if matched is not None:
        return ImportError(refusal(matched[1]), name=matched[1], path=error.path)
    if _TAKEN in text:
        return ImportError(taken(error.name or "a C extension"), name=error.name, path=error.path)
    return None


def foreign_extensions() -> list[str]:
    """Packages in sys.modules that have C extensions from outside the standard library."""
    found: set[str] = set()
    for name, module in list(sys.modules.items()):
        spec = getattr(module, "__spec__", None)
        loader = getattr(spec, "loader", None)
        if isinstance(loader, importlib.machinery.ExtensionFileLoader) and not is_trusted(str(loader.path)):
            found.add(name.partition(".")[0])
    return sorted(found)


def is_trusted(file: str) -> bool:
    """Whether an extension is the standard library's or ours."""
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
    code = _TRIAL.format(path=sys.path, name=name, file=file, mark=_REFUSED)
    child = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    return child.stdout == "yes"
