"""What one generation of a Python script defines, for those who look in from outside: names, calls, values.

Used inside every interpreter that hosts Python scripts; knows nothing of loops, locks or sessions.
"""

from __future__ import annotations

import inspect
import types
from typing import TYPE_CHECKING, Any, cast

from scriptengines.summary import (
    ROUTINES,
    class_attributes,
    is_a,
    kind_of,
    reachable_bytes,
    size_of,
    summarize,
    type_name,
)
from scriptengines.tree import CLOSURES, STATE, Tree, put, step_into
from scriptnative import Reference
from scriptnative.errors import CrossingError, UnknownFunction, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable

    from scriptengines.completion import Candidate
    from scriptengines.tree import Opened, Row, Step

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
        self._scalars: dict[Step, tuple[Any, Row]] = {}

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

    def variables(self, limit: int, opened: Opened, deep: int) -> list[Row]:
        """Rows of the tree of variables: `host.state`, the globals, what functions have closed over.

        Args:
            limit: Rows at most.
            opened: What is open.
            deep: Levels that are opened besides.
        """
        tree = Tree(limit, deep, self._scalars)
        if self.state:
            tree.add_all(0, [(STATE, STATE, self.state)], opened)
        shown: list[tuple[Step, str, Any]] = []
        closures: list[tuple[Step, str, Any]] = []
        for name, value in list(self.module.__dict__.items()):
            kind = kind_of(value)
            if (kind is int or kind is str or kind is float) and name[:2] != "__":
                shown.append((name, name, value))
            elif is_a(kind, ROUTINES):
                if kind is types.FunctionType and value.__closure__ and not name.startswith("__"):
                    closures.append((name, name, value))
            elif (
                not name.startswith("__")
                and name not in _HIDDEN
                and not is_a(kind, types.ModuleType)
                and (not is_a(kind, type) or class_attributes(value))
            ):
                shown.append((name, name, value))
        tree.add_all(0, shown, opened)
        if closures and len(tree.rows) < limit:
            text = summarize([step for step, _, _ in closures])[1:-1].replace("'", "")
            tree.add_group(CLOSURES, "closures", text, closures, opened)
        if not deep:
            self._scalars = tree.scalars
        return tree.rows

    def look(self, expression: str) -> tuple[str, str, int | None, float | None]:
        """Type, bounded text, size and number of the value of an expression."""
        value: Any = self.evaluate(expression)
        kind = kind_of(value)
        number = float(value) if kind is float or (kind is int and abs(value) < 2**1000) else None
        return type_name(kind), summarize(value), size_of(value), number

    def assign(self, path: tuple[str | int, ...], text: str) -> None:
        """Put the value of an expression at a path of the tree; a wrong one changes nothing.

        Raises:
            CrossingError: What is there cannot be changed.
        """
        value = self.evaluate(text.strip())
        *way, last = path
        if not way:
            if last in (STATE, CLOSURES):
                raise CrossingError(f"{last} cannot be replaced; change what is in it")
            self.module.__dict__[str(last)] = value
            return
        place, owner = "", cast("Any", None)
        for step in way:
            place = f"{place}.{step}" if place else str(step)
            if owner is not None:
                owner = step_into(owner, step, place)
            elif step == STATE:
                owner = self.state
            elif step == CLOSURES:
                owner = dict(self.module.__dict__)
            else:
                owner = step_into(self.module.__dict__, step, self.path)
        if path[0] == CLOSURES and len(way) == 1:
            raise CrossingError(f"{last} is a function; change what it has closed over")
        put(owner, last, value, place)

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


def _step(owner: Any, step: str | int) -> Any:
    if isinstance(owner, (dict, list, tuple)):
        return cast("dict[Any, Any]", owner)[step]
    if isinstance(step, int):
        raise CrossingError(f"a {type(owner).__name__} has no item {step}")
    return getattr(owner, step)
