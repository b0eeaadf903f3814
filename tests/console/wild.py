"""Frames of made-up and hostile facts: what the screen may be shown by any script, from a seed.

Rows are filled by the types of their fields, so a field that is new is made up as well.
"""

from __future__ import annotations

import types
import typing
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path
from random import Random
from typing import Any

from scriptengines import view
from scriptengines.view import Frame, FunctionInfo, LogRecord

from .recording import NOW, RecordedSession

HOSTILE = (
    "[bold]x",
    "[/]",
    "[/bold]",
    "$error",
    "[@click=app.quit]quit[/]",
    "[link=http://x]y[/link]",
    "\\[",
    "{markup}",
    "%s %(x)s",
    "\x1b]52;c;ZXZpbA==\x07",
    "\x1b]0;title\x07",
    "\x1b]0;never ends",
    "\x1b[?1049h\x1b[2J\x1b[3J",
    "\x1bPq#0~\x1b\\",
    "\x9b31m\x9d0;c1\x9c\x90q\x9c",
    "\x1bc",
    "\x0e\x0f\x05\x07\b\b\b",
    "bidi \u202eabc\u202c \u2066x\u2069 \u200f\u200e",
    "שלום عليكم",
    "家族 ファミリー",
    "👨\u200d👩\u200d👧\u200d👦 🏳\ufe0f\u200d🌈 👍🏽",
    "e\u0301" * 20 + "a" + "\u0300" * 300,
    "\u200b\u200c\u200d\ufeff\u2060",
    "\ud800\udfff",
    "line\nfeed\r\nand\u2028others\x0b\x0c\x85",
    "\t\ttab",
    "",
    " ",
    "\0",
    "x" * 100_000,
    "家" * 50_000,
    "a\n" * 5_000,
)
"""Texts that steer terminals, are taken for markup, are wide, have no width, or are long."""
NUMBERS = (0, 1, -1, 7, 99, 10**6, -(2**63), 2**64, 10**30)
FLOATS = (0.0, -1.0, 0.5, 1e-9, 12.25, 86_400.0, 1e12)
OF_SCRIPTS = (*FLOATS, 1e300, -1e300, float("inf"), float("-inf"), float("nan"))
"""Numbers that a script gives, not a clock or a counter of ours."""
TIMES = (NOW, NOW - 1, NOW + 0.3, NOW - 1e6, NOW + 1e6, 0.0, -1e10, 1e12)
KNOWN = {"engine": ("python", "lua", "native"), "script": ("one", "two", "[bold]three")}
"""By name of a field: what is usual there, so that rows belong together now and then."""


def text(random: Random) -> str:
    """A text: harmless, hostile, or both together."""
    turn = random.random()
    if turn < 0.4:
        return random.choice(("x", "count", "on_tick", "127.0.0.1:80", "/a/b.py:12", "b.lua:3"))
    if turn < 0.9:
        return random.choice(HOSTILE)
    return random.choice(HOSTILE)[:500] + random.choice(HOSTILE)[:500]


def make(kind: Any, name: str, random: Random) -> Any:
    """A value of a type; what a field is called tells times and usual texts from others."""
    origin, inside = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return make(random.choice(inside), name, random)
    if origin is tuple:
        count = random.choice((0, 0, 1, 3, 40))
        return tuple(make(inside[0], name, random) for _ in range(count))
    if kind is type(None):
        return None
    if isinstance(kind, type) and issubclass(kind, Enum):
        return random.choice(list(kind))
    if is_dataclass(kind) or hasattr(kind, "_fields"):
        return row(kind, random)
    if kind is bool:
        return random.random() < 0.5
    if kind is int:
        return random.choice(NUMBERS) if random.random() < 0.5 else random.randrange(1000)
    if kind is float:
        if name.endswith(("at", "since", "due", "opened", "started", "time")):
            return random.choice(TIMES)
        return random.choice(OF_SCRIPTS if name in ("history", "interval") else FLOATS)
    assert kind is str, f"no value for {name}: {kind}"
    if name in KNOWN and random.random() < 0.7:
        return random.choice(KNOWN[name])
    return text(random)


def row(kind: type, random: Random) -> Any:
    """A row of one kind."""
    hints = typing.get_type_hints(kind, vars(view))
    names = [field.name for field in fields(kind)] if is_dataclass(kind) else list(hints)
    return kind(**{name: make(hints[name], name, random) for name in names})


def records(random: Random, count: int) -> list[LogRecord]:
    """Records of the log."""
    return [row(LogRecord, random)._replace(time=random.choice(TIMES)) for _ in range(count)]


def frame(random: Random, now: float) -> Frame:
    """A frame in which every kind of row has none, few or many."""
    hints = typing.get_type_hints(Frame, vars(view))
    made: dict[str, Any] = {}
    for name, kind in hints.items():
        inside = typing.get_args(kind)
        if not inside:
            made[name] = make(kind, name, random)
        elif name == "log":
            made[name] = ()
        else:
            rows = [row(inside[0], random) for _ in range(random.choice((0, 1, 5, 30)))]
            made[name] = tuple(rows * random.choice((1, 1, 20)))
    made["time"] = now
    return Frame(**made)


class WildSession(RecordedSession):
    """Answers with made-up facts as well."""

    def __init__(self, random: Random) -> None:
        super().__init__(frame(random, NOW), log=())
        self.random = random

    def functions(self, alias: str) -> list[FunctionInfo]:
        super().functions(alias)
        return [row(FunctionInfo, self.random) for _ in range(self.random.choice((0, 1, 60)))]

    def load(self, path: Path, alias: str | None = None) -> object:
        super().load(path, alias)
        return text(self.random)
