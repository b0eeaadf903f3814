"""What crosses between a script's process and ours: every value of docs/crossing.md, as MessagePack.

MessagePack knows scalars, text, bytes, lists and maps; the rest goes as extensions, or as a list that begins
with a mark. Nothing that is decoded here can run code: the other side is not trusted. What cannot be copied
stays where it is and goes as a number; both sides count how often, so that its owner knows when it is free.
"""

from __future__ import annotations

import struct
import threading
import weakref
from types import NoneType
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import msgpack as _untyped  # pyright: ignore[reportMissingTypeStubs] - it has none

from scriptnative import Reference, if_plain
from scriptnative.errors import CrossingError, ScriptConsoleError, describe, rebuild

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

msgpack: Any = _untyped
MAX_FRAME = 256 * 2**20
"""Bytes that one call, with all its arguments, or one result may take."""
MAX_ITEMS = 2**24
"""Items of one container; more memory than that is not set aside on the word of the other side."""
MAX_DEPTH = 200

_TUPLE, _SET, _FROZENSET, _DICT, _BIG, _BYTEARRAY, _GIVEN, _RETURNED = range(1, 9)
_NUMBER = struct.Struct("<QB")
_SCALARS = frozenset({NoneType, bool, int, float})
_TEXTS = frozenset({str, bytes})
_CONTAINERS = frozenset({list, tuple, dict, set, frozenset})
_SHORT = 65_536
_ARRAY = [bytes([0x90 + length]) for length in range(16)]
"""How MessagePack begins an array of few parts."""


class Malformed(Exception):
    """The other side sent what no side of ours would send."""


class _Refused(Exception):
    """A value cannot cross; the steps that lead to it, innermost first."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.steps: list[str] = []


class _Mark(NamedTuple):
    """First item of a list that stands for something else."""

    code: int
    make: Callable[[list[Any]], Any]


class Packed(NamedTuple):
    """A plain value that has been packed already, to be one part of a message."""

    content: bytes


def _pairs(items: list[Any]) -> dict[Any, Any]:
    following = iter(items)
    return dict(zip(following, following, strict=True))


_MARKS: dict[int, _Mark] = {
    _TUPLE: _Mark(_TUPLE, tuple),
    _SET: _Mark(_SET, set),
    _FROZENSET: _Mark(_FROZENSET, frozenset),
    _DICT: _Mark(_DICT, _pairs),
}


class Remote:
    """An object of the other process; it is given back there when the last handle goes.

    Attributes:
        number: By which its owner knows it.
        received: How often it has come.
    """

    callable = False

    def __init__(self, values: Values, number: int) -> None:
        self.number = number
        self.received = 0
        self._values = values

    def __repr__(self) -> str:
        kind = "a function" if self.callable else "an object"
        return f"<Reference to {kind} in {self._values.peer}>"

    def __del__(self) -> None:
        self._values.drop(self.number, self.received)

    def get(self, name: str, /) -> Any:
        """Value of an attribute."""
        return self._values.use(self.number, "get", (name,), {})

    def set(self, name: str, value: object, /) -> None:
        """Set an attribute."""
        self._values.use(self.number, "set", (name, value), {})

    def call(self, method: str, /, *args: Any, **kwargs: Any) -> Any:
        """Call a method, by its name."""
        return self._values.use(self.number, "call", (method, *args), kwargs)


class RemoteFunction(Remote):
    """A function of the other process."""

    callable = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call it there and wait for its result."""
        return self._values.invoke(self.number, args, kwargs)


class Values:
    """Both directions of one process boundary, with the objects that either side holds of the other.

    Attributes:
        in_flight: Whether something has arrived on a channel that is not decoded yet.

    Args:
        peer: The other side, for messages.
        invoke: Calls a function of the other side: (its number, args, kwargs).
        drop: Told that a Remote has gone: (its number, how often it had come). May run at any moment, in a
            garbage collection too, and must neither wait nor take a lock.
        use: Reads, writes or calls an attribute of an object of the other side, where that is allowed: (its
            number, "get", "set" or "call", (name, values …), kwargs).
    """

    def __init__(
        self,
        peer: str,
        invoke: Callable[[int, tuple[Any, ...], dict[str, Any]], Any],
        drop: Callable[[int, int], None],
        use: Callable[[int, str, tuple[Any, ...], dict[str, Any]], Any] | None = None,
    ) -> None:
        self.peer = peer
        self.use = use or _not_to_be_used
        self.in_flight: Callable[[], bool] = bool
        self.invoke = invoke
        self.drop = drop
        self._mutex = threading.Lock()
        # Runs no Python code, see `if_plain`; so it can be used by all threads.
        self._pack_plain = msgpack.Packer(strict_types=True, unicode_errors="surrogatepass").pack
        self._given: dict[int, tuple[Any, int]] = {}
        self._numbers: dict[int, int] = {}
        self._dropped: list[int] = []
        self._last = 0
        self._remotes: weakref.WeakValueDictionary[int, Remote] = weakref.WeakValueDictionary()

    # ---- objects of ours ----------------------------------------------------------------------

    @property
    def given(self) -> int:
        """How many objects of ours the other side holds."""
        return len(self._given)

    def give(self, value: Any) -> int:
        """Count that an object goes over; its number."""
        with self._mutex:
            number = self._numbers.get(id(value))
            if number is None:
                self._last = number = self._last + 1
                self._numbers[id(value)] = number
            self._given[number] = value, self._given.get(number, (None, 0))[1] + 1
            return number

    def own(self, number: int) -> Any:
        """An object of ours that the other side names."""
        try:
            return self._given[number][0]
        except (KeyError, TypeError):
            raise Malformed(f"it names an object {number!r} that it does not hold") from None

    def take_back(self, number: int, times: int) -> None:
        """The other side no longer holds what came `times` times."""
        with self._mutex:
            value, count = self._given.get(number, (None, 0))
            if type(times) is not int or not 0 < times <= count:
                raise Malformed(f"it gives back what it does not hold ({number!r})")
            self._given[number] = value, count - times
            if count == times:
                self._dropped.append(number)
        del value
        self.bury()

    def bury(self) -> None:
        """Let go of what the other side has given back, unless a message may be on its way that names it."""
        if not self._dropped or self.in_flight():
            return
        freed: list[Any] = []  # only later: the end of an object may run code that comes back here
        with self._mutex:
            while self._dropped:
                value, count = self._given.get(self._dropped[-1], (None, 1))
                number = self._dropped.pop()
                if count == 0:
                    del self._given[number], self._numbers[id(value)]
                    freed.append(value)

    def clear(self) -> None:
        """Let go of everything; the other side has ended."""
        with self._mutex:
            given, self._given = self._given, {}
            self._numbers.clear()
            self._dropped.clear()
        del given

    # ---- encoding -----------------------------------------------------------------------------

    def arguments(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, Any]:
        """Arguments in the form that a packer takes.

        Raises:
            CrossingError: One cannot cross; the message names the place.
        """
        if not kwargs:
            if _SCALARS.issuperset(map(type, args)):
                return list(args), None
            packed = if_plain(self._pack_plain, list(args))
            if packed is not None:
                return Packed(packed), None
        walk = _Walk(self)
        named = {name: walk.root(name, value) for name, value in kwargs.items()} if kwargs else None
        return [walk.root(f"args[{i}]", value) for i, value in enumerate(args)], named

    def result(self, value: Any) -> Any:
        """A result in the form that a packer takes."""
        if type(value) in _SCALARS:
            return value
        packed = if_plain(self._pack_plain, value)
        return _Walk(self).root("result", value) if packed is None else Packed(packed)

    # ---- decoding -----------------------------------------------------------------------------

    def decode(self, payload: Any, marked: bool) -> Any:
        """What the other side packed.

        Args:
            payload: The bytes.
            marked: Whether some of its lists begin with a mark.

        Raises:
            Malformed: It is nothing that we would have packed.
        """
        try:
            return msgpack.unpackb(
                payload,
                list_hook=_made if marked else None,
                ext_hook=self._marked_extension if marked else self._extension,
                strict_map_key=False,
                unicode_errors="surrogatepass",
                max_array_len=MAX_ITEMS,
                max_map_len=MAX_ITEMS,
            )
        except Malformed:
            raise
        except Exception as error:  # noqa: BLE001 - there is no end to what garbage can raise
            raise Malformed(f"{type(error).__name__}: {error}") from None

    def _marked_extension(self, code: int, content: bytes) -> Any:
        return _MARKS.get(code) or self._extension(code, content)

    def _extension(self, code: int, content: bytes) -> Any:
        if code == _BIG:
            return int.from_bytes(content, "little", signed=True)
        if code == _BYTEARRAY:
            return bytearray(content)
        if code == _GIVEN:
            return self._remote(*_NUMBER.unpack(content))
        if code == _RETURNED:
            return self.own(_NUMBER.unpack(content)[0])
        raise Malformed(f"unknown extension {code}")

    def _remote(self, number: int, function: int) -> Remote:
        with self._mutex:
            remote = self._remotes.get(number)
            if remote is None:
                kind = RemoteFunction if function else Remote
                remote = self._remotes[number] = kind(self, number)
            remote.received += 1
            return remote

    def is_remote(self, value: Any) -> bool:
        """Whether an object belongs to the other side of this very boundary."""
        return isinstance(value, Remote) and value._values is self  # pyright: ignore[reportPrivateUsage]


def _not_to_be_used(number: int, how: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """From one attribute to the next, a script could reach everything in the console."""
    raise CrossingError(
        f"objects of the console lend no attributes to a process: .{args[0]}; pass a function"
    )


def use(value: Any, how: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
    """Read, write or call an attribute of an object of this side."""
    name, *values = args
    if isinstance(value, Reference):
        return getattr(value, how)(name, *values, **kwargs)
    if how == "set":
        return setattr(value, name, values[0])
    found = getattr(value, name)
    return found(*values, **kwargs) if how == "call" else found


def _made(items: list[Any]) -> Any:
    if items and type(items[0]) is _Mark:
        mark = items[0]
        del items[0]
        return mark.make(items)
    return items


class Packing:
    """Packs messages of prepared values; used by one thread at a time.

    Attributes:
        marked: Whether a list of the last message begins with a mark.
    """

    def __init__(self) -> None:
        self.marked = False
        packer = msgpack.Packer(default=self._other, strict_types=True, unicode_errors="surrogatepass")
        self._pack: Callable[[Any], bytes] = packer.pack

    def pack(self, message: tuple[Any, ...]) -> bytes:
        """Pack a message of at most 15 parts.

        Raises:
            ValueError: It is too large.
        """
        self.marked = False
        if Packed not in map(type, message):
            return self._pack(list(message))
        parts = [part.content if type(part) is Packed else self._pack(part) for part in message]
        return b"".join((_ARRAY[len(message)], *parts))

    def _other(self, value: Any) -> Any:
        if type(value) is _Mark:
            self.marked = True
            return msgpack.ExtType(value.code, b"")
        if type(value) is int:  # beyond 64 bits
            size = (value.bit_length() + 8) // 8
            return msgpack.ExtType(_BIG, value.to_bytes(size, "little", signed=True))
        raise TypeError(f"{type(value).__name__} was not prepared")


class _Walk:
    """One preparation: knows the containers that it is in and what it gave away."""

    __slots__ = ("_above", "_gave", "_values")

    def __init__(self, values: Values) -> None:
        self._values = values
        self._above: set[int] = set()
        self._gave: list[int] = []

    def root(self, name: str, value: Any) -> Any:
        try:
            return self._prepare(value, 0)
        except _Refused as refused:
            for number in self._gave:
                self._values.take_back(number, 1)
            place = name + "".join(reversed(refused.steps))
            raise CrossingError(f"{place} {refused}") from None

    def _prepare(self, value: Any, depth: int) -> Any:
        kind = cast("type[Any]", type(value))
        if kind in _SCALARS:
            return value
        if kind in _TEXTS:
            return value if len(value) < _SHORT else _bounded(value)
        if kind in _CONTAINERS:
            return self._container(value, depth)
        if kind is bytearray:
            return msgpack.ExtType(_BYTEARRAY, bytes(_bounded(value)))
        return self._object(value)  # what is derived from these is more than they are

    def _container(self, value: Collection[Any], depth: int) -> Any:
        if depth >= MAX_DEPTH:
            raise _Refused("is nested deeper than 200 levels; send it in parts")
        identity = id(value)
        if identity in self._above:
            raise _Refused("refers back to a container it is in; a cycle cannot cross")
        if len(value) >= MAX_ITEMS:
            raise _Refused(f"has {len(value)} items; the limit between processes is {MAX_ITEMS - 1}")
        self._above.add(identity)
        try:
            if isinstance(value, dict):
                return self._mapping(cast("dict[Any, Any]", value), depth + 1)
            if isinstance(value, list):
                return self._items([], value, depth + 1)
            if isinstance(value, tuple):
                return self._items([_MARKS[_TUPLE]], value, depth + 1)
            code = _FROZENSET if isinstance(value, frozenset) else _SET
            # A copy, because a thread of the script may add to it meanwhile.
            return self._items([_MARKS[code]], list(cast("set[Any]", value)), depth + 1)
        finally:
            self._above.discard(identity)

    def _items(self, prepared: list[Any], items: Iterable[Any], depth: int) -> list[Any]:
        if _SCALARS.issuperset(map(type, items)):
            prepared.extend(items)
            return prepared
        for index, item in enumerate(items):
            kind = cast("type[Any]", type(item))
            if kind in _SCALARS or (kind in _TEXTS and len(item) < _SHORT):
                prepared.append(item)
                continue
            try:
                prepared.append(self._prepare(item, depth))
            except _Refused as refused:
                refused.steps.append(f"[{index}]")
                raise
        return prepared

    def _mapping(self, value: dict[Any, Any], depth: int) -> Any:
        if not _TEXTS.issuperset(map(type, value)):
            return self._pairs(value, depth)
        prepared: dict[Any, Any] = {}
        for key, item in list(value.items()):
            kind = cast("type[Any]", type(item))
            if kind in _SCALARS or (kind in _TEXTS and len(item) < _SHORT):
                prepared[key] = item
                continue
            try:
                prepared[key] = self._prepare(item, depth)
            except _Refused as refused:
                refused.steps.append(_step(key))
                raise
        return prepared

    def _pairs(self, value: dict[Any, Any], depth: int) -> list[Any]:
        """A dict with any keys: what some of them become, a list for instance, cannot be a key of a map."""
        prepared: list[Any] = [_MARKS[_DICT]]
        for key, item in list(value.items()):
            try:
                prepared.append(self._prepare(key, depth))
                prepared.append(self._prepare(item, depth))
            except _Refused as refused:
                refused.steps.append(_step(key))
                raise
        return prepared

    def _object(self, value: Any) -> Any:
        values = self._values
        if values.is_remote(value):
            return msgpack.ExtType(_RETURNED, _NUMBER.pack(value.number, 0))
        number = values.give(value)
        self._gave.append(number)
        function = value.callable if isinstance(value, Reference) else callable(value)
        return msgpack.ExtType(_GIVEN, _NUMBER.pack(number, function))


def _step(key: Any) -> str:
    return f".{key}" if isinstance(key, str) and key.isidentifier() else f"[{key!r}]"


def _bounded(value: Any) -> Any:
    if len(value) > MAX_FRAME - _SHORT:
        raise _Refused(f"has {_size(len(value))}; {too_large()}")
    return value


def too_large() -> str:
    """What is to be done about it."""
    limit = _size(MAX_FRAME)
    return f"the limit between processes is {limit} in one call: send it in parts, or the path of a file"


def _size(count: int) -> str:
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"


def told(error: BaseException) -> tuple[Any, ...]:
    """All about an error, for `remote_error` on the other side."""
    return describe(error), str(getattr(error, "file", "") or ""), int(getattr(error, "line", 0) or 0)


def remote_error(account: Any) -> BaseException:
    """The error that the other side told of.

    Raises:
        Malformed: It is none.
    """
    try:
        description, file, line = account
        error = rebuild(description)
        if isinstance(error, ScriptConsoleError) and str(file):
            error.file, error.line = str(file), int(line)
        return error
    except Exception as wrong:  # noqa: BLE001 - as above
        raise Malformed(f"an error that is none: {type(wrong).__name__}: {wrong}") from None
