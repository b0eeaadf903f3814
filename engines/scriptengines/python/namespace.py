"""What one generation of a Python script defines, for those who look in from outside: names, calls, values.

Used inside every interpreter that hosts Python scripts; knows nothing of loops, locks or sessions.
"""

from __future__ import annotations

import inspect
import types
from typing import TYPE_CHECKING, Any, cast

from scriptengines.summary import reachable_bytes, size_of, summarize
from scriptnative import Reference
from scriptnative.errors import CrossingError, UnknownFunction, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable

    from scriptengines.completion import Candidate

_SCALARS = (bool, int, float, str, bytes, bytearray, type(None))
_HIDDEN = frozenset({"host"})


class Namespace:
    """The globals of a generation.

    Args:
        module: Its module.
        path: The script's file, for messages.
        state: Its `host.state`.
    """

    def __init__(self, module: types.ModuleType, path: str, state: dict[Any, Any]) -> None:
        self.module = module
        self.path = path
        self.state = state

    def lookup(self, name: str) -> Callable[..., Any]:
        """The function of a name, dotted names included."""
        found: Any = self.module
        for part in name.split("."):
            found = found.__dict__.get(part, found) if found is self.module else getattr(found, part, None)
            if found is None or found is self.module:
                raise self._unknown(name)
        if not callable(found):
            raise UnknownFunction(
                f'"{name}" in {self.path} is a {type(found).__name__}, not a function', file=self.path
            )
        return found

    def memory(self) -> int:
        """Bytes of all that the globals and `host.state` lead to."""
        hidden = ("__builtins__", "host")
        values = [value for name, value in list(self.module.__dict__.items()) if name not in hidden]
        return reachable_bytes([*values, self.state])

    def _unknown(self, name: str) -> UnknownFunction:
        known = [row[0] for row in self.functions()]
        return UnknownFunction(
            f'no function "{name}" in {self.path}.{did_you_mean(name, known)}', file=self.path
        )

    def functions(self) -> list[tuple[str, str, str, int]]:
        """Name, signature, first paragraph of the documentation and line of each function it defines."""
        rows: list[tuple[str, str, str, int]] = []
        for name, value in list(self.module.__dict__.items()):
            if (
                name.startswith("_")
                or not inspect.isroutine(value)
                or getattr(value, "__module__", "") != "__main__"
            ):
                continue
            try:
                signature = str(inspect.signature(value))
            except (TypeError, ValueError):
                signature = "(…)"
            doc = (inspect.getdoc(value) or "").partition("\n\n")[0]
            code = getattr(value, "__code__", None)
            rows.append((name, signature, doc, code.co_firstlineno if code is not None else 0))
        return rows

    def variables(self, limit: int) -> list[tuple[str, str, str, int | None]]:
        """At most `limit` rows: name, type, bounded text, number of items or None."""
        rows: list[tuple[str, str, str, int | None]] = []
        names = list(self.module.__dict__.items())
        if self.state:
            rows.extend(
                (f"host.state[{key!r}]", *_shown(value)) for key, value in list(self.state.items())[:limit]
            )
        for name, value in names:
            if len(rows) >= limit:
                break
            if name.startswith("__") or name in _HIDDEN or isinstance(value, types.ModuleType):
                continue
            if inspect.isroutine(value) or isinstance(value, type):
                continue
            rows.append((name, *_shown(value)))
        return rows

    def get(self, path: tuple[str | int, ...]) -> Any:
        """The value of a global, or of something inside it."""
        found: Any = self.module
        for step in path:
            found = _step(found, step)
        return found

    def set(self, path: tuple[str | int, ...], value: Any) -> None:
        """Set a global, or something inside it."""
        owner = self.get(path[:-1])
        if isinstance(owner, (list, dict)):
            cast("dict[Any, Any]", owner)[path[-1]] = value
        else:
            setattr(owner, str(path[-1]), value)

    def export_state(self) -> dict[Any, Any]:
        """`host.state`, for a generation in another interpreter.

        Raises:
            CrossingError: Something in it cannot go there; the message names it.
        """
        _check_movable(self.state, "host.state", 0)
        return self.state

    def evaluate(self, expression: str) -> Any:
        """The value of an expression in the script's global scope."""
        return eval(compile(expression, "<console>", "eval"), self.module.__dict__)

    def execute(self, code: str) -> None:
        """Run statements in the script's global scope."""
        exec(compile(code, "<console>", "exec"), self.module.__dict__)

    def run_fragment(self, code: str) -> None:
        """Run an expression, whose result is printed, or statements."""
        try:
            expression = compile(code, "<fragment>", "eval")
        except SyntaxError:
            exec(compile(code, "<fragment>", "exec"), self.module.__dict__)
            return
        result = eval(expression, self.module.__dict__)
        if result is not None:
            print(repr(result))

    def candidates(self, *question: Any) -> list[Candidate]:
        """What it has for a Question; see lookup.candidates."""
        from .lookup import candidates

        return candidates(self.module, *question)


def _check_movable(value: Any, place: str, depth: int) -> None:
    if isinstance(value, (*_SCALARS, Reference)) or depth > 200:  # deeper ones are refused on their way
        return
    if isinstance(value, dict):
        for key, item in cast("dict[Any, Any]", value).items():
            _check_movable(key, f"key {key!r} of {place}", depth + 1)
            _check_movable(item, f"{place}[{key!r}]", depth + 1)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for number, item in enumerate(cast("list[Any]", value)):
            _check_movable(item, f"{place}[{number}]", depth + 1)
    else:
        kind = cast("type[Any]", type(value)).__name__
        raise CrossingError(f"{place} is a {kind} and cannot move to another interpreter")


def _shown(value: Any) -> tuple[str, str, int | None]:
    return type(value).__name__, summarize(value), size_of(value)


def _step(owner: Any, step: str | int) -> Any:
    if isinstance(owner, (dict, list, tuple)):
        return cast("dict[Any, Any]", owner)[step]
    if isinstance(step, int):
        raise CrossingError(f"a {type(owner).__name__} has no item {step}")
    return getattr(owner, step)
