"""Static files of a script's HTTP server: which file a path stands for, and sending it piece by piece."""

from __future__ import annotations

import mimetypes
import os
import stat
from email.utils import formatdate, parsedate_to_datetime
from typing import TYPE_CHECKING

from .http_answer import Answer, plain

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from .http_exchange import Exchange, Request

_PIECE = 128 * 1024


def find(folder: str, segments: Sequence[str]) -> str | None:
    """The file that a path stands for, index.html in a folder; None if there is none to be given away.

    Args:
        folder: Without symbolic links.
        segments: Of the path below it, decoded.
    """
    names = [each for each in segments if each]
    if any(each.startswith(".") or "/" in each or "\\" in each or "\0" in each for each in names):
        return None
    path = os.path.realpath(os.path.join(folder, *names))
    if os.path.isdir(path):
        path = os.path.realpath(os.path.join(path, "index.html"))
    inside = path.startswith(folder.rstrip(os.sep) + os.sep)
    return path if inside and os.path.isfile(path) else None


async def send(exchange: Exchange, number: int, request: Request, path: str) -> None:
    """Answer a request with a file."""
    try:
        file = open(path, "rb")  # noqa: SIM115 - closed below
    except OSError:
        exchange.answer(number, plain(404))
        return
    with file:
        about = os.fstat(file.fileno())
        if not stat.S_ISREG(about.st_mode):
            exchange.answer(number, plain(404))
            return
        kind = mimetypes.guess_type(path)[0] or "application/octet-stream"
        if kind.startswith("text/"):
            kind += "; charset=utf-8"
        headers = (("content-type", kind), ("last-modified", formatdate(int(about.st_mtime), usegmt=True)))
        if _is_known(request, int(about.st_mtime)):
            exchange.answer(number, Answer(304, b"", headers[1:]))
            return
        size = about.st_size

        async def pieces() -> AsyncIterator[bytes]:
            left = size
            while left:
                piece = file.read(min(_PIECE, left))
                if not piece:  # it became shorter: only the end of the connection can tell the client
                    exchange.abort()
                    return
                left -= len(piece)
                yield piece

        await exchange.answer_piecewise(number, Answer(200, b"", headers), size, pieces())


def _is_known(request: Request, changed: int) -> bool:
    since = request.headers.get("if-modified-since")
    try:
        return since is not None and parsedate_to_datetime(since).timestamp() >= changed
    except (ValueError, OverflowError):
        return False
