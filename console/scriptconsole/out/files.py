"""Writes a file a user has named, whole or not at all, and over another only when that is said."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path


class WriteError(Exception):
    """The file cannot be written; the message says why."""


class Exists(WriteError):
    """There is a file of that name already."""


def write_text(path: Path, text: str, *, overwrite: bool) -> None:
    """Write a file.

    Args:
        path: Where.
        text: What; a character that UTF-8 has not is written as its escape.
        overwrite: Whether it may take the place of another.

    Raises:
        Exists: There is one, and it may not.
        WriteError: The folder is not there, the disk is full, ...
    """
    if path.is_dir():
        raise WriteError(f"{path} is a folder; name a file in it")
    placed, draft = overwrite, ""
    try:
        if not overwrite:
            path.open("x").close()  # nobody else can take the name from now on
        descriptor, draft = tempfile.mkstemp(prefix=f".{path.name[:64]}.", dir=path.parent)
        with open(descriptor, "wb") as out:
            out.write(text.encode("utf-8", "backslashreplace"))
        if path.exists():
            os.chmod(draft, path.stat().st_mode & 0o7777)
        os.replace(draft, path)
        placed = True
    except FileExistsError:
        placed = True
        raise Exists(f"{path} is there already") from None
    except FileNotFoundError:
        raise WriteError(f"there is no folder {path.parent}") from None
    except OSError as error:
        raise WriteError(f"{path} cannot be written: {error.strerror}") from None
    finally:
        with contextlib.suppress(OSError):
            os.unlink(draft)
        if not placed:
            with contextlib.suppress(OSError):
                path.unlink()
