"""What colours code; for the prompt of the terminal and the pane of the screen."""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any

_LEXERS = {
    "python": ("pygments.lexers.python", "PythonLexer"),
    "lua": ("pygments.lexers.scripting", "LuaLexer"),
}


@cache
def pygments_lexer_of(language: str) -> Any:
    """What colours code of a language; None when nothing does."""
    if language not in _LEXERS:
        return None
    module, name = _LEXERS[language]
    return getattr(importlib.import_module(module), name)()
