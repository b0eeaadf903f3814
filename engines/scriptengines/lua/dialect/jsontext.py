"""JSON text for Lua: strict, and with every number Lua can have."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import Dialect

EXACT = 2**53
"""Up to here, every integer is a float too."""


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


_decode = json.JSONDecoder(parse_constant=_refuse_constant).decode


def loads(_dialect: Dialect, text: str) -> Any:
    """The value of a JSON text.

    Raises:
        TypeError, ValueError: It is none; `explain` tells.
    """
    return _decode(text)


def explain(_dialect: Dialect, text: str | bytes, integers: bool) -> tuple[bool, Any]:
    """A text that `loads` or the way into Lua refused, once more: integers that do not fit become floats.

    Args:
        text: The text; bytes when it is not UTF-8.
        integers: Whether this Lua has integers of 64 bits.

    Returns:
        (True, value), or (False, what is wrong).
    """
    if isinstance(text, bytes):
        return False, "the text is not UTF-8"

    def number(digits: str) -> int | float:
        if len(digits) > 20:
            return float(digits)
        value = int(digits)
        fits = -(2**63) <= value < 2**63 if integers else abs(value) <= EXACT
        return value if fits else float(value)

    decoder = json.JSONDecoder(parse_constant=_refuse_constant, parse_int=number)
    try:
        value = decoder.decode(text)
        return (False, problem) if (problem := _lone_surrogate(text)) else (True, value)
    except RecursionError:
        return False, "the value is nested too deeply"
    except ValueError as error:
        return False, str(error)


def _lone_surrogate(text: str) -> str:
    """Whether a text whose value cannot cross has half of a character in it."""
    if "\\u" not in text.lower():
        return ""
    try:
        json.dumps(json.loads(text), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return "a \\u escape is half of a surrogate pair"
    return ""


def is_text(_dialect: Dialect, text: str | bytes) -> bool:
    """Whether a Lua string is UTF-8."""
    return isinstance(text, str)


def shortest(_dialect: Dialect, value: float) -> str:
    """The shortest text of a float that reads as the same: what C cannot format."""
    return repr(value)
