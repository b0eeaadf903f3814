"""Arguments as a user types them: Python literals, read without evaluating anything."""

from __future__ import annotations

import ast


class ArgumentError(ValueError):
    """The text is no list of literals; the message says what to type instead."""


_EXAMPLE = 'Type Python literals such as 1, "text", [1, 2], k=2'


def parse_arguments(text: str) -> tuple[list[object], dict[str, object]]:
    """Read positional and keyword arguments.

    Args:
        text: `1, "x", k=2`; may be empty.

    Returns:
        Positional and keyword arguments.

    Raises:
        ArgumentError: It is not a list of literals.
    """
    # The line feed keeps a trailing comment from swallowing the bracket.
    source = f"f({text}\n)"
    try:
        call = ast.parse(source, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason = error.msg if isinstance(error, SyntaxError) else str(error) or type(error).__name__
        raise ArgumentError(f"{reason}. {_EXAMPLE}") from error
    # "1) + g(2" parses as well, but not as one call of f.
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
        raise ArgumentError(f"Brackets do not match. {_EXAMPLE}")
    positional = [_literal(node) for node in call.args]
    named: dict[str, object] = {}
    for keyword in call.keywords:
        if keyword.arg is None:
            raise ArgumentError(f"** is not understood here. {_EXAMPLE}")
        if keyword.arg in named:
            raise ArgumentError(f"{keyword.arg} is given twice.")
        named[keyword.arg] = _literal(keyword.value)
    return positional, named


def _literal(node: ast.expr) -> object:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, RecursionError, MemoryError) as error:
        shown = ast.unparse(node)[:40]
        raise ArgumentError(f"{shown} is not a literal. {_EXAMPLE}") from error
