"""Whether Python code that is being typed needs more lines."""

from __future__ import annotations

import ast
import codeop
import warnings
from functools import cache


@cache
def _compiler() -> codeop.CommandCompiler:
    compiler = codeop.CommandCompiler()
    compiler.compiler.flags |= ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    return compiler


def is_complete(code: str) -> bool:
    """Whether code can be run, or is wrong whatever follows.

    A block of several lines is complete once an empty line follows it, as Python's own prompt has it.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it will be compiled, and warned of, once more
        try:
            if _compiler()(code, "<input>", "exec") is None:
                return False
            body = ast.parse(code).body
        except (SyntaxError, ValueError, OverflowError, MemoryError, RecursionError):
            return True
    _, several, last_line = code.rpartition("\n")
    is_block = bool(body) and (hasattr(body[-1], "body") or hasattr(body[-1], "cases"))
    return not (is_block and several and last_line.strip() and not isinstance(body[-1], ast.Expr))
