"""Results as lines of text: on one line when there is room, else items below each other, as in code."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scriptengines.results import Result

INDENT = 2
SHORT = 20
"""Columns of an item that shares its line with others."""


def lines_of(result: Result, width: int, limit: int = 1000) -> list[str]:
    """A result, laid out.

    Args:
        result: What an input gave.
        width: Columns; texts without a break may be longer.
        limit: Lines; the last one tells how many more there would be.
    """
    lines: list[str] = []
    more = 0
    for line in _lines(result, width, 0, ""):
        if len(lines) < limit:
            lines.append(line)
        else:
            more += 1
    return [*lines, f"… {more:,} more lines"] if more else lines


def line_of(result: Result, width: int) -> str | None:
    """A result on one line, None when that would be longer than `width`."""
    if result.text or not result.brackets:
        text = result.label + result.text
        return text if len(text) <= width and "\n" not in text else None
    parts: list[str] = []
    room = width - len(result.label) - len(result.brackets)
    for item in result.items:
        part = line_of(item, room)
        if part is None:
            return None
        parts.append(part)
        room -= len(part) + 2
        if room < 0:
            return None
    if result.hidden:
        parts.append(f"… {result.hidden:,} more")
    comma = "," if result.brackets == "()" and len(parts) == 1 else ""
    line = f"{result.label}{result.opening}{', '.join(parts)}{comma}{result.closing}"
    return line if len(line) <= width else None


def _lines(result: Result, width: int, depth: int, after: str) -> Iterator[str]:
    margin = " " * (INDENT * depth)
    whole = line_of(result, width - len(margin) - len(after))
    if whole is not None:
        yield f"{margin}{whole}{after}"
        return
    if result.text or not result.brackets:
        first, *rest = f"{result.label}{result.text}".split("\n")
        yield margin + first + ("" if rest else after)
        for number, line in enumerate(rest, start=1):
            yield line + (after if number == len(rest) else "")
        return
    yield f"{margin}{result.label}{result.opening}"
    short = [line_of(item, SHORT) for item in result.items]
    if None in short:
        for item in result.items:
            yield from _lines(item, width, depth + 1, ",")
    else:
        yield from _filled([f"{each}," for each in short], margin + " " * INDENT, width)
    if result.hidden:
        yield f"{margin}{' ' * INDENT}… {result.hidden:,} more"
    yield f"{margin}{result.closing}{after}"


def _filled(parts: list[str], margin: str, width: int) -> Iterator[str]:
    line = margin
    for part in parts:
        if len(line) + len(part) + 1 > width and line != margin:
            yield line
            line = margin
        line += part if line == margin else f" {part}"
    yield line
