"""Whether Lua code that is being typed needs more lines."""

from __future__ import annotations

import threading
from functools import cache
from typing import Any

from .versions import module_of

_mutex = threading.Lock()


@cache
def _parser(version: str) -> Any:
    """What tells why code does not compile; in a state of its own, so no script is asked."""
    runtime = module_of(version, "the prompt").LuaRuntime(
        encoding=None, register_eval=False, register_builtins=False
    )
    return runtime.eval(
        "function(code) local f, problem = (loadstring or load)(code, '=input') return problem end"
    )


def is_complete(code: str, version: str) -> bool:
    """Whether code can be run, or is wrong whatever follows.

    Args:
        code: An expression or statements.
        version: Of Lua; see versions.py.
    """
    source = code.encode("utf-8", "surrogateescape")
    with _mutex:
        problem = _parser(version)
        if problem(b"return " + source) is None:
            return True
        found = problem(source)
    if found is None or b": unfinished string" in found:  # that ends with its line
        return True
    return not found.rstrip(b"'").endswith(b"<eof>")
