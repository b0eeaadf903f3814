"""Server-sent events, as a stream of bytes brings them (WHATWG HTML, section 9.2)."""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_EVENT = 1024 * 1024
"""Characters that one event may have."""
_LINE = re.compile(r"\r\n|\n|\r")


class Events:
    """Takes bytes and gives the events that are complete."""

    def __init__(self) -> None:
        self._decode = codecs.getincrementaldecoder("utf-8-sig")("replace").decode
        self._rest = ""
        self._size = 0
        self._data: list[str] = []
        self._name = ""
        self._id = ""

    def feed(self, piece: bytes) -> Iterator[dict[str, Any]]:
        """The events that end in this piece.

        Raises:
            ConnectionError: One is too long.
        """
        text = self._rest + self._decode(piece)
        # A \r at the end may be half a line end.
        held = "\r" if text.endswith("\r") else ""
        *lines, rest = _LINE.split(text[: len(text) - len(held)])
        self._rest = rest + held
        for line in lines:
            self._size += len(line)
            if self._size > MAX_EVENT:
                break
            if line:
                self._take(line)
                continue
            if self._data:
                yield {"event": self._name or "message", "data": "\n".join(self._data), "id": self._id}
            self._data, self._name, self._size = [], "", 0
        if self._size + len(self._rest) > MAX_EVENT:
            raise ConnectionError(f"an event has over {MAX_EVENT} characters")

    def _take(self, line: str) -> None:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._name = value
        elif name == "id" and "\0" not in value:
            self._id = value
