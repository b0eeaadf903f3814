"""Runs what somebody types into a Python script, and tells what came of it."""

from __future__ import annotations

import ast
import inspect
import linecache
from types import CodeType
from typing import TYPE_CHECKING, Any

from scriptengines.results import rows_of

from .describing import stock_names

if TYPE_CHECKING:
    from collections.abc import Callable

    from scriptengines.results import ResultRow

KEPT = 200
"""Inputs whose lines tracebacks can show."""
_inputs: list[str] = []


def interact(
    names: dict[str, Any], code: str, name: str, wait: Callable[[Any], Any], kept: dict[str, Any]
) -> list[ResultRow] | None:
    """Run statements; when the last one is an expression, its value becomes `_` and is told.

    Args:
        names: The script's globals.
        code: May use `await` at its top level.
        name: For tracebacks.
        wait: Gives the result of a coroutine.
        kept: What `_` was set to here; another `_` is the script's own.

    Returns:
        Rows of the value; None when there is none, or it is None.
    """
    _keep(name, code)
    module = compile(
        code, name, "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True
    )
    last = module.body[-1] if module.body else None
    expression = ast.Expression(last.value) if isinstance(last, ast.Expr) else None
    if expression is not None:
        del module.body[-1]
    if module.body:
        _run(compile(module, name, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True), names, wait)
    if expression is None:
        return None
    value = _run(
        compile(expression, name, "eval", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True), names, wait
    )
    if inspect.iscoroutine(value):  # as a call from outside, it is waited for
        value = wait(value)
    if value is None:
        return None
    stock = stock_names(names)
    if "_" not in stock or stock["_"] is kept.get("_", stock):
        stock["_"] = kept["_"] = value
    return rows_of(value)


def _run(code: CodeType, names: dict[str, Any], wait: Callable[[Any], Any]) -> Any:
    result = eval(code, names)
    return wait(result) if code.co_flags & inspect.CO_COROUTINE else result


def _keep(name: str, code: str) -> None:
    """Let tracebacks show the lines."""
    _inputs.append(name)
    linecache.cache[name] = len(code), None, [line + "\n" for line in code.split("\n")], name
    if len(_inputs) > KEPT:
        linecache.cache.pop(_inputs.pop(0), None)
