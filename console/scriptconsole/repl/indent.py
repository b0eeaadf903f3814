"""How far the next line of an input is indented."""

from __future__ import annotations

import re

_OPENS = {
    "python": re.compile(r"[:([{]\s*(#.*)?$"),
    "lua": re.compile(r"(\b(do|then|else|repeat|function\s*[\w.:]*\s*\([^)]*\))|[({])\s*(--.*)?$"),
}
_STEP = {"python": "    ", "lua": "  "}


def indented(text: str, language: str) -> str:
    """The white space that a line begins with after `text`."""
    line = text.rsplit("\n", 1)[-1]
    margin = line[: len(line) - len(line.lstrip())]
    opens = _OPENS.get(language)
    if opens is None or not opens.search(line):
        return margin if line.strip() else ""
    return margin + _STEP[language]
