"""Files for `_PY` and `lfs`: every path a script gives goes through `place`.

What lfs asks for is in folders.py.
"""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import Dialect


def place(dialect: Dialect, path: str | bytes, *, writing: bool = False) -> str:
    """The path a script means; the one place where its use can be refused.

    Args:
        dialect: Of the script.
        path: As it gave it.
        writing: Whether it wants to change what is there.

    Raises:
        PermissionError: The script may not.
    """
    del dialect, writing
    if not isinstance(path, (str, bytes)):  # pyright: ignore[reportUnnecessaryIsInstance] - from Lua
        raise TypeError(f"a path must be a string, got {type(path).__name__}")
    return os.fsdecode(path)


def raw(content: Any) -> bytes:
    """The bytes of a Lua string (a number counts as one, as in Lua)."""
    if isinstance(content, bytes):
        return content
    if isinstance(content, (str, int, float)) and not isinstance(content, bool):
        return str(content).encode("utf-8", "surrogateescape")
    raise TypeError(f"a string is wanted, got {type(content).__name__}")


def reason(error: BaseException) -> str:
    """What failed, as Lua's io functions say it: "path: No such file or directory"."""
    if isinstance(error, OSError) and error.strerror:
        name = error.filename
        if name is None:
            return error.strerror
        return f"{os.fsdecode(name) if isinstance(name, (str, bytes)) else name}: {error.strerror}"
    return str(error)


def read(dialect: Dialect, path: str) -> bytes:
    """All of a file."""
    with open(place(dialect, path), "rb") as file:
        return file.read()


def write(dialect: Dialect, path: str, content: Any) -> bool:
    """Replace a file."""
    payload = raw(content)
    with open(place(dialect, path, writing=True), "wb") as file:
        file.write(payload)
    return True


def attempt(dialect: Dialect, action: str, *args: Any) -> tuple[bool, Any]:
    """One of these functions: (True, result), or (False, what failed)."""
    try:
        return True, _ACTIONS[action](dialect, *args)
    except (OSError, TypeError, ValueError) as error:
        return False, reason(error)


def exists(dialect: Dialect, path: str) -> bool:
    """Whether something is there."""
    try:
        return os.path.exists(place(dialect, path))
    except (PermissionError, TypeError, ValueError):
        return False


def is_folder(dialect: Dialect, path: str) -> bool:
    """Whether it is a folder."""
    try:
        return os.path.isdir(place(dialect, path))
    except (PermissionError, TypeError, ValueError):
        return False


def size(dialect: Dialect, path: str) -> int:
    """Bytes of a file."""
    return os.path.getsize(place(dialect, path))


def names(dialect: Dialect, path: str = ".") -> list[bytes]:
    """What is in a folder, by name."""
    return sorted(map(os.fsencode, os.listdir(place(dialect, path))))


def listing(dialect: Dialect, path: str = ".") -> list[dict[str, Any]]:
    """What is in a folder: name, is_file, is_directory, size."""
    with os.scandir(place(dialect, path)) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    return [
        {
            "name": os.fsencode(entry.name),
            "is_file": entry.is_file(),
            "is_directory": entry.is_dir(),
            "size": entry.stat(follow_symlinks=False).st_size,
        }
        for entry in entries
    ]


def make_folders(dialect: Dialect, path: str) -> bool:
    """Make a folder and those above it."""
    os.makedirs(place(dialect, path, writing=True), exist_ok=True)
    return True


def temporary_folder(dialect: Dialect, name: str) -> str:
    """Make a folder for things that need not last."""
    parent = place(dialect, tempfile.gettempdir(), writing=True)
    return tempfile.mkdtemp(prefix=f"{os.path.basename(str(name))}-", dir=parent)


def set_times(dialect: Dialect, path: str, accessed: float, changed: float) -> float:
    """Set the times of a file, in seconds."""
    os.utime(place(dialect, path, writing=True), (accessed, changed))
    return 0.0


_ACTIONS = {
    "read": read,
    "write": write,
    "size": size,
    "names": names,
    "listing": listing,
    "make_folders": make_folders,
    "temporary_folder": temporary_folder,
    "set_times": set_times,
}
