"""Results of calls that may be used again for some time."""

from __future__ import annotations

import collections
import threading
import time
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_PLAIN = frozenset({int, float, bool, str, bytes, type(None)})


class ResultCache:
    """Results by function and arguments, the most recently used ones; for any number of threads.

    Args:
        limit: Results it holds.
    """

    def __init__(self, limit: int = 1000) -> None:
        self._limit = limit
        self._mutex = threading.Lock()
        self._entries: collections.OrderedDict[Any, tuple[float, Any]] = collections.OrderedDict()
        self._epoch = 0

    def get_or_call(
        self,
        function: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        ttl: float,
        call: Callable[[], Any],
    ) -> Any:
        """A result that is younger than `ttl` seconds; else that of `call()`, which is kept.

        An error is not kept. The caller gets a copy: changing a list does not change what the next one gets.
        """
        key = (function, _key(args), _key(kwargs))
        now = time.monotonic()
        with self._mutex:
            epoch = self._epoch
            entry = self._entries.get(key)
            if entry is not None and now - entry[0] < ttl:
                self._entries.move_to_end(key)
                return _copied(entry[1])
        result = call()
        with self._mutex:
            if epoch == self._epoch:  # else it is that of the generation before
                self._entries[key] = time.monotonic(), _copied(result)
                self._entries.move_to_end(key)
                if len(self._entries) > self._limit:
                    self._entries.popitem(last=False)
        return result

    def clear(self) -> None:
        """Forget everything, also what is being called now."""
        with self._mutex:
            self._entries.clear()
            self._epoch += 1


def _copied(value: Any) -> Any:
    """Containers as crossings make them are copied, everything else is shared."""
    kind = cast("type[Any]", type(value))
    items = cast("Iterable[Any]", value)
    if kind in _PLAIN:
        return value
    if kind is list:
        return [_copied(item) for item in items]
    if kind is tuple:
        return tuple(_copied(item) for item in items)
    if kind is dict:
        return {name: _copied(item) for name, item in cast("dict[Any, Any]", value).items()}
    if kind is set:
        return set(items)
    if kind is bytearray:
        return bytearray(value)
    return value


def _key(value: Any) -> Any:
    """Equal for values that are the same to a script: 1, 1.0 and True are three."""
    kind = cast("type[Any]", type(value))
    if kind is float:
        return kind, value.hex()  # 0.0 and -0.0 differ, NaN is itself
    if kind in _PLAIN:
        return kind, value
    if kind in (list, tuple):
        return kind, tuple(map(_key, cast("Iterable[Any]", value)))
    if kind in (set, frozenset):
        return kind, frozenset(map(_key, cast("Iterable[Any]", value)))
    if kind is dict:
        items = cast("dict[Any, Any]", value).items()
        return kind, tuple((_key(name), _key(item)) for name, item in items)
    if kind is bytearray:
        return kind, bytes(value)
    return kind, _Same(value)


class _Same:
    """An object that is its own key; held, so that its identity is not given to another."""

    __slots__ = ("_object",)

    def __init__(self, value: Any) -> None:
        self._object = value

    def __hash__(self) -> int:
        return id(self._object)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other._object is self._object
