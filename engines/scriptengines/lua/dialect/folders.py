"""What `lfs` asks of the file system."""

from __future__ import annotations

import contextlib
import os
import stat
import time
from typing import TYPE_CHECKING, Any

from .files import place, reason

if TYPE_CHECKING:
    from collections.abc import Callable

    from . import Dialect

_KINDS = (
    (stat.S_ISREG, "file"),
    (stat.S_ISDIR, "directory"),
    (stat.S_ISLNK, "link"),
    (stat.S_ISSOCK, "socket"),
    (stat.S_ISFIFO, "named pipe"),
    (stat.S_ISCHR, "char device"),
    (stat.S_ISBLK, "block device"),
)
LOCK = "lockfile.lfs"


def run(dialect: Dialect, name: str, *args: Any) -> list[Any]:
    """One of the functions below: [True, result], or [False, message, errno]."""
    try:
        return [True, _FUNCTIONS[name](dialect, *args)]
    except OSError as error:
        return [False, reason(error), error.errno or 0]
    except (TypeError, ValueError) as error:
        return [False, str(error), 0]


def _attributes(dialect: Dialect, path: str) -> dict[str, Any]:
    return _described(os.stat(place(dialect, path)))


def _link_attributes(dialect: Dialect, path: str) -> dict[str, Any]:
    where = place(dialect, path)
    about = os.lstat(where)
    found = _described(about)
    if stat.S_ISLNK(about.st_mode):
        found["target"] = os.readlink(where)
    return found


def _described(about: os.stat_result) -> dict[str, Any]:
    kind = next((name for is_kind, name in _KINDS if is_kind(about.st_mode)), "other")
    return {
        "dev": about.st_dev,
        "ino": about.st_ino,
        "mode": kind,
        "nlink": about.st_nlink,
        "uid": about.st_uid,
        "gid": about.st_gid,
        "rdev": about.st_rdev,
        "access": int(about.st_atime),
        "modification": int(about.st_mtime),
        "change": int(about.st_ctime),
        "size": about.st_size,
        "permissions": stat.filemode(about.st_mode)[1:],
        "blocks": about.st_blocks,
        "blksize": about.st_blksize,
    }


def _change(dialect: Dialect, path: str) -> bool:
    os.chdir(place(dialect, path))
    return True


def _current(dialect: Dialect) -> bytes:
    del dialect
    return os.getcwdb()


def _make(dialect: Dialect, path: str) -> bool:
    os.mkdir(place(dialect, path, writing=True))
    return True


def _remove(dialect: Dialect, path: str) -> bool:
    os.rmdir(place(dialect, path, writing=True))
    return True


def _touch(dialect: Dialect, path: str, accessed: float | None = None, changed: float | None = None) -> bool:
    where = place(dialect, path, writing=True)
    with open(where, "ab"):
        pass
    if accessed is None:
        os.utime(where)
    else:
        os.utime(where, (accessed, accessed if changed is None else changed))
    return True


def _link(dialect: Dialect, old: str, new: str, symbolic: bool = False) -> bool:
    make: Callable[..., None] = os.symlink if symbolic else os.link
    # What a symbolic link says is relative to where it is, and need not be there.
    make(os.fsdecode(old) if symbolic else place(dialect, old), place(dialect, new, writing=True))
    return True


def _names(dialect: Dialect, path: str) -> list[bytes]:
    return sorted(map(os.fsencode, os.listdir(place(dialect, path))))


def _lock(dialect: Dialect, path: str, stale: float | None = None) -> str:
    where = os.path.join(place(dialect, path, writing=True), LOCK)
    if stale is not None:
        with contextlib.suppress(FileNotFoundError):
            if time.time() - os.lstat(where).st_mtime > stale:
                os.unlink(where)
    try:
        os.symlink(str(os.getpid()), where)
    except FileExistsError as error:
        raise OSError(error.errno, "File exists") from None
    return where


def _unlock(dialect: Dialect, where: str) -> bool:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(place(dialect, where, writing=True))
    return True


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "attributes": _attributes,
    "symlinkattributes": _link_attributes,
    "chdir": _change,
    "currentdir": _current,
    "mkdir": _make,
    "rmdir": _remove,
    "touch": _touch,
    "link": _link,
    "names": _names,
    "lock_dir": _lock,
    "free": _unlock,
}
