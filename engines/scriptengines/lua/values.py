"""Values on their way between Python and one Lua state, over lupa.

The answers where the two differ:

| Python | Lua | back in Python |
|---|---|---|
| None, bool, int of 64 bits, float | nil, boolean, integer, float | the same; NaN and infinities too |
| str; a lone surrogate or a larger int is refused | string of its UTF-8 | str |
| bytes, bytearray | string | str if valid UTF-8, else bytes |
| list, tuple | table 1..n; a None is a hole | list; with holes a dict |
| dict; keys str, bytes, int, float or bool | table; an entry that is None is absent | dict; keys 1..n: list |
| set, frozenset | table, element = true | dict |
| empty container | empty table | empty list |
| callable | function | the identical object |
| any other object | userdata | the identical object |
| LuaCallable | function | LuaCallable |
| LuaReference | userdata, thread | LuaReference |

A coroutine that never ran comes as its function (lupa). Keys that differ in Lua only (1, true) are refused.
"""

from __future__ import annotations

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# lupa has no types for what a runtime without an encoding gives.
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, cast

from scriptnative.errors import CrossingError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

MAX_DEPTH = 200
_PLAIN = frozenset({type(None), bool, float, bytes})  # these lupa passes on as they are
_INT_MIN, _INT_MAX = -(2**63), 2**63 - 1


class Home(Protocol):
    """The Lua state a reference belongs to."""

    dropped: list[int]

    def fetch(self, number: int) -> Any: ...  # noqa: D102
    def call_held(self, number: int, args: tuple[Any, ...]) -> Any: ...  # noqa: D102
    def describe_held(self, number: int) -> tuple[str, str]: ...  # noqa: D102


class LuaReference:
    """A Lua value that cannot be copied; comes back as itself in its own state, opaque elsewhere."""

    __slots__ = ("__weakref__", "_home", "_number")

    def __init__(self, home: Home, number: int) -> None:
        self._home = home
        self._number = number

    def __del__(self) -> None:
        # Any thread may drop it; the state lets go of the value at its next call.
        self._home.dropped.append(self._number)

    def belongs_to(self, home: Home) -> bool:
        """Whether it is a value of that state."""
        return self._home is home

    def fetch(self) -> Any:
        """The lupa object, with the run lock held."""
        return self._home.fetch(self._number)

    def describe(self) -> tuple[str, str]:
        """Name (or kind) and "file:line"; without waiting, so they may be empty."""
        return self._home.describe_held(self._number)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {' '.join(self.describe())}>"


class LuaCallable(LuaReference):
    """A Lua function as a Python callable; runs in a coroutine of its own, from any thread."""

    __slots__ = ()

    def __call__(self, *args: Any) -> Any:
        """Call it with Python values; see `LuaState.call_value`."""
        return self._home.call_held(self._number, args)


class _RefusedError(Exception):
    """A value that cannot cross; collects the path from the inside out."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.keys: list[Any] = []
        self.tables: list[str] = []


class Values:
    """Converts both ways for one state.

    Args:
        runtime: The lupa runtime.
        home: The state, for references.
        wrap: Prelude function: Python callable to Lua function.
        retain: Prelude function: Lua value to its number, or to the Python callable behind it.
        invoke: `invoke(target, *args)`: how a Python callable is called from Lua.
    """

    def __init__(self, runtime: Any, home: Home, wrap: Any, retain: Any, invoke: Callable[..., Any]) -> None:
        self._table_from = runtime.table_from
        self._home = home
        self._wrap = wrap
        self._retain = retain
        self._invoke = invoke
        self._table_type: type[Any] = type(runtime.table())
        self._function_type: type[Any] = type(wrap)
        self._lua_object: type[Any] = self._function_type.__mro__[1]

    # ---- to Lua --------------------------------------------------------------------------------

    def arguments_to_lua(self, args: Iterable[Any]) -> list[Any]:
        """What lupa shall pass on.

        Raises:
            CrossingError: Names the place, `args[0].users[3]`.
        """
        return [
            value
            if (kind := type(value)) in _PLAIN or (kind is int and _INT_MIN <= value <= _INT_MAX)
            else self.to_lua(value, index)
            for index, value in enumerate(args)
        ]

    def to_lua(self, value: Any, index: int = -1) -> Any:
        """One value; `index` is the number of the argument, -1 for a result."""
        kind: type[Any] = type(value)
        if kind in _PLAIN:
            return value
        if kind is int and _INT_MIN <= value <= _INT_MAX:
            return value
        try:
            return self._encode(value, kind, {}, 0)
        except _RefusedError as refused:
            message = _message(refused, index)
        raise CrossingError(message)

    def _encode(self, value: Any, kind: type[Any], active: dict[int, None], depth: int) -> Any:
        if kind in _PLAIN:
            return value
        if isinstance(value, str):
            try:
                return value.encode()
            except UnicodeEncodeError:
                raise _RefusedError("a lone surrogate has no UTF-8 form; pass bytes") from None
        if isinstance(value, int):
            if not _INT_MIN <= value <= _INT_MAX:
                raise _RefusedError("an int of more than 64 bits does not fit in Lua; pass a float or a str")
            return int(value)
        if isinstance(value, (list, tuple, dict, set, frozenset)):
            return self._encode_container(value, active, depth)
        if isinstance(value, (bytes, bytearray)):
            return bytes(value)
        if isinstance(value, float):
            return float(value)
        if isinstance(value, LuaReference) and value.belongs_to(self._home):
            return value.fetch()
        if isinstance(value, self._lua_object):
            return value
        if callable(value):
            return self._wrap(partial(self._invoke, value))
        return value

    def _encode_container(self, value: Any, active: dict[int, None], depth: int) -> Any:
        number = id(value)
        if number in active:
            raise _RefusedError("it contains itself, and a cycle cannot be copied")
        if depth >= MAX_DEPTH:
            raise _RefusedError(f"it is nested more than {MAX_DEPTH} levels deep")
        active[number] = None
        key: Any = None
        try:
            item: Any
            if isinstance(value, (list, tuple)):
                items: list[Any] = []
                for key, item in enumerate(cast("list[Any]", value)):  # noqa: B007 - the handler tells it
                    items.append(self._encode(item, type(item), active, depth + 1))
                del active[number]
                return self._table_from(items)
            pairs: dict[Any, Any] = {}
            known = cast("dict[Any, Any]", value if isinstance(value, dict) else dict.fromkeys(value, True))
            for key, item in known.items():
                pairs[_encode_key(key)] = self._encode(item, type(item), active, depth + 1)
        except _RefusedError as refused:
            refused.keys.append(key)
            raise
        del active[number]
        if len(pairs) != len(known):
            raise _RefusedError("two of its keys are the same in Lua")
        return self._table_from(pairs)

    # ---- to Python -----------------------------------------------------------------------------

    def arguments_to_python(self, args: tuple[Any, ...]) -> list[Any]:
        """Arguments of a call from Lua."""
        return [self.to_python(value, index) for index, value in enumerate(args)]

    def result_to_python(self, value: Any) -> Any:
        """What a Lua function returned: None, one value, or a tuple of several."""
        if type(value) is tuple:
            return tuple([self.to_python(item) for item in value])
        return self.to_python(value)

    def to_python(self, value: Any, index: int = -1, *, always_dict: bool = False) -> Any:
        """One value as lupa gives it.

        Args:
            value: None, bool, int, float, bytes, a lupa object or a Python object.
            index: Number of the argument, -1 for a result.
            always_dict: Make a dict of a table that looks like a list.
        """
        kind: type[Any] = type(value)
        if kind is int or value is None or kind is bool or kind is float:
            return value
        if kind is bytes:
            return _decode(value)
        if kind is self._table_type:
            try:
                return self._decode_table(value, 0, always_dict)
            except _RefusedError as refused:
                message = _message(refused, index)
            raise CrossingError(message)
        if isinstance(value, self._lua_object):
            return self._reference(value, kind)
        return value

    def _reference(self, value: Any, kind: type[Any]) -> Any:
        number = self._retain(value)
        if type(number) is partial:
            return number.args[0]
        is_function = issubclass(kind, self._function_type)
        return LuaCallable(self._home, number) if is_function else LuaReference(self._home, number)

    def _decode_table(self, table: Any, depth: int, always_dict: bool = False) -> Any:
        if depth >= MAX_DEPTH:
            raise _RefusedError(f"it is nested more than {MAX_DEPTH} levels deep")
        keys: list[Any] = []
        values: list[Any] = []
        key: Any = None
        try:
            for key, item in table.items():
                kind: type[Any] = type(item)
                if kind is bytes:
                    item = _decode(item)
                elif kind is self._table_type:
                    item = self._decode_table(item, depth + 1)
                elif isinstance(item, self._lua_object):
                    item = self._reference(item, kind)
                keys.append(key)
                values.append(item)
        except _RefusedError as refused:
            refused.keys.append(key)
            refused.tables.append(repr(table))
            raise
        if not always_dict and _is_sequence(keys):
            if keys != list(range(1, len(keys) + 1)):
                pairs = dict(zip(keys, values, strict=True))
                values = [pairs[number] for number in range(1, len(keys) + 1)]
            return values
        return _as_dict(keys, values)


def items_of(table: Any) -> list[Any]:
    """Values of a lupa table 1..n, in order: `next` promises none."""
    pairs: dict[int, Any] = dict(table.items())
    return [pairs[number] for number in range(1, len(pairs) + 1)]


def _decode(text: bytes) -> str | bytes:
    try:
        return text.decode()
    except UnicodeDecodeError:
        return text


def _encode_key(key: Any) -> Any:
    if isinstance(key, str):
        try:
            return key.encode()
        except UnicodeEncodeError:
            raise _RefusedError("a key with a lone surrogate has no UTF-8 form") from None
    if isinstance(key, bool):
        return key
    if isinstance(key, int) and _INT_MIN <= key <= _INT_MAX:
        return int(key)
    if isinstance(key, bytes):
        return key
    if isinstance(key, float):
        if key != key:
            raise _RefusedError("NaN cannot be a key in Lua")
        return float(key)
    if isinstance(key, int):
        raise _RefusedError("a key of more than 64 bits does not fit in Lua")
    raise _RefusedError(f"a key of type {type(key).__name__} cannot cross; use str, int, float or bool")


def _is_sequence(keys: list[Any]) -> bool:
    """Whether the keys are 1..n in any order; they are distinct."""
    count = len(keys)
    return all(type(key) is int and 1 <= key <= count for key in keys)


def _as_dict(keys: list[Any], values: list[Any]) -> dict[Any, Any]:
    pairs: dict[Any, Any] = {}
    for key, value in zip(keys, values, strict=True):
        if type(key) is bytes:
            key = _decode(key)
        elif not isinstance(key, (int, float)):
            refused = _RefusedError(f"a key of type {type(key).__name__.removeprefix('_')} cannot cross")
            refused.keys.append("?")
            raise refused
        pairs[key] = value
    if len(pairs) != len(keys):
        raise _RefusedError("two of its keys, such as 1 and true, are the same in Python")
    return pairs


def _message(refused: _RefusedError, index: int) -> str:
    keys, tables = refused.keys[::-1], refused.tables[::-1]
    reason = refused.reason
    seen: set[str] = set()
    for position, table in enumerate(tables):
        if table in seen:
            keys, reason = keys[:position], "it contains itself, and a cycle cannot be copied"
            break
        seen.add(table)
    place = "result" if index < 0 else f"args[{index}]"
    return f"{place}{''.join(map(_step, keys[:50]))}{'…' if len(keys) > 50 else ''}: {reason}"


def _step(key: Any) -> str:
    text = _decode(key) if isinstance(key, bytes) else key
    if isinstance(text, str) and text.isidentifier():
        return f".{text}"
    return f"[{text!r}]"[:80]
