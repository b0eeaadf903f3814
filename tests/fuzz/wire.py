"""Fuzz what a script's process sends: any bytes are a message, a `Malformed` or an end, nothing else.

Guided by coverage of the decoder's own lines and branches, which `sys.monitoring` reports once each and then
costs nothing.
"""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Callable
from types import CodeType, FunctionType
from typing import Any

from scriptengines.process import values as values_module
from scriptengines.process import wire as wire_module
from scriptengines.process.values import Malformed, Packing, Values, remote_error, told
from scriptengines.process.wire import MARKED, Channel, Kind
from scriptnative.errors import CrossingError, rebuild

from .mutation import Corpus

type Decode = Callable[[bytes], None]

_TOOL = 3  # sys.monitoring leaves it to whoever wants it


class Wrong(Exception):
    """An input that is neither refused nor a message; the text holds it."""


def _frame(*message: Any) -> bytes:
    packing = Packing()
    payload = packing.pack(message)
    return (len(payload) | MARKED * packing.marked).to_bytes(4, "little") + payload


def _seeds() -> list[bytes]:
    values = _values()
    sent = [None, -1, 2**70, 1.5, "é\udc80", b"\xff", bytearray(b"x"), [1], (1, (2,)), {1, 2}, frozenset({3}),
            {"a": {"b": []}}, {(1, 2): [3]}, print, object()]  # fmt: skip
    args, kwargs = values.arguments(tuple(sent), {"name": (1,)})
    return [
        b"",
        _frame(Kind.CALL, 0, "call", "echo", args, kwargs),
        *(_frame(Kind.OK, 1, values.result(value)) for value in sent),
        _frame(Kind.FAIL, 2, values.result(told(ValueError("wrong")))),
        _frame(Kind.FAIL, 2, values.result(told(CrossingError("no", file="a.py", line=3)))),
        _frame(Kind.ANSWER, 1, True, None) + _frame(Kind.DROPPED, 1, 1),
        _frame(Kind.REPORT, 3, [1, "text"]),
        _frame(Kind.BYE),
        b"\xff\xff\xff\xff",
        b"\x03\0\0\0\xdd\xff\xff",
        (401).to_bytes(4, "little") + b"\x91" * 400 + b"\xc0",
    ]


def _values() -> Values:
    values = Values("the peer", invoke=_never, drop=_nothing)
    for thing in (print, len):
        values.give(thing)
    return values


def _never(*_: Any) -> Any:
    raise AssertionError("decoding has called something")


def _nothing(*_: Any) -> None:
    pass


def decode(data: bytes) -> None:
    """Receive all messages of a stream, and take each as what it may be.

    Raises:
        Exception: Of any kind: that is what must not happen.
    """
    values = _values()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(data)
        theirs.close()
        channel = Channel(ours, values)
        while True:
            try:
                message = channel.receive()
            except (EOFError, Malformed):
                return
            _take(values, message)


def _take(values: Values, message: list[Any]) -> None:
    """What the conversation does with a message, as far as it does not depend on who asked."""
    try:
        if message[0] in (Kind.FAIL, Kind.ASIDE_FAIL):
            error = remote_error(message[2])
            if not isinstance(error, BaseException):
                raise Wrong(f"an error that is none: {error!r}")
        elif message[0] == Kind.DROPPED:
            values.take_back(message[1], message[2])
    except Malformed:
        return
    try:
        values.result(message)
    except CrossingError:  # it may hold what cannot go back: too deep, for one
        return


def run(seconds: float, decode: Decode = decode) -> str:
    """Fuzz for a time.

    Returns:
        How far it came.

    Raises:
        Wrong: An input broke it.
    """
    places: set[Any] = set()
    monitoring = sys.monitoring
    events = monitoring.events

    def line(code: CodeType, number: int) -> Any:
        places.add((code, number))
        return monitoring.DISABLE

    branches: dict[tuple[CodeType, int], int] = {}

    def branch(code: CodeType, start: int, end: int) -> Any:
        # Disabling it switches off both ways: only when both have been seen.
        places.add((code, start, end))
        before = branches.setdefault((code, start), end)
        return monitoring.DISABLE if before != end else None

    monitoring.use_tool_id(_TOOL, "fuzz")
    try:
        monitoring.register_callback(_TOOL, events.LINE, line)
        monitoring.register_callback(_TOOL, events.BRANCH, branch)
        for code in {*_codes(values_module), *_codes(wire_module), *_code_of(rebuild), *_code_of(decode)}:
            monitoring.set_local_events(_TOOL, code, events.LINE | events.BRANCH)
        return _loop(seconds, decode, places)
    finally:
        monitoring.free_tool_id(_TOOL)


def _loop(seconds: float, decode: Decode, places: set[Any]) -> str:
    seeds = _seeds()
    corpus, runs, end = Corpus(seeds), 0, time.monotonic() + seconds
    while time.monotonic() < end:
        data = seeds.pop() if seeds else corpus.next()
        # Half of them get a right length, else few would come further than that.
        if runs % 2 and len(data) > 4:
            data = (len(data) - 4).to_bytes(4, "little") + data[4:]
        before = len(places)
        try:
            decode(data)
        except Exception as error:
            raise Wrong(f"{type(error).__name__}: {error}\nlast input: {data!r}") from error
        if len(places) > before:
            corpus.keep(data)
        runs += 1
    return f"{runs} runs, {len(places)} lines and branches, {len(corpus.inputs)} inputs kept"


def _codes(module: Any) -> set[CodeType]:
    """All code of a module's own functions and classes."""
    found: set[CodeType] = set()
    for thing in vars(module).values():
        if getattr(thing, "__module__", "") != module.__name__:
            continue
        members = vars(thing).values() if isinstance(thing, type) else (thing,)
        for member in members:
            member = getattr(member, "fget", member)
            if isinstance(member, FunctionType):
                found |= _code_of(member)
    return found


def _code_of(function: Any) -> set[CodeType]:
    return {function.__code__}
