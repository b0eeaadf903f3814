"""Text from scripts made safe and short enough for a terminal cell, and numbers made readable.

Nothing here may parse markup: a script's output is shown as it is, minus what would steer the terminal.
"""

from __future__ import annotations

import re
import time
from math import inf, isnan

from rich.cells import cell_len, set_cell_size

CELL_LIMIT = 512
"""Characters of one cell that are looked at; no terminal is wider."""

_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor movement (ECMA-48 5.4)
    r"|\x1b[\]PX^_].*?(?:\x07|\x1b\\|\x9c|$)"  # OSC, DCS, SOS, PM, APC up to their terminator
    r"|\x1b[ -/]*[0-~]"  # two-character escapes
    r"|\x9b[0-?]*[ -/]*[@-~]",  # CSI as one C1 character
    re.DOTALL,
)
_JOINERS = re.compile("[\u200b-\u200d\u2060\ufe00-\ufe0f\ufeff\U0001f3fb-\U0001f3ff]")
"""What makes one sign of several, and of which terminals disagree how wide the sign is then."""
_MARKS = (
    "\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u064b-\u065f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f"
)
_HEAPS = re.compile(f"([{_MARKS}]{{3}})[{_MARKS}]+")
"""More marks over one letter than any language has, which some terminals draw into the rows above."""
_VISIBLE = {"\n": "↵", "\t": "    ", "\r": "", "\u2028": "↵", "\u2029": "↵"}


def clean(text: str) -> str:
    """Remove escape sequences and make every other unprintable character harmless.

    Args:
        text: Anything a script may have produced, lone surrogates and bidirectional controls included.

    Returns:
        One line of printable text.
    """
    if text.isascii() and text.isprintable():
        return text
    if not text.isprintable():
        text = _ESCAPES.sub("", _JOINERS.sub("", text))
        text = "".join(c if c.isprintable() else _VISIBLE.get(c, "\ufffd") for c in text)
    return _JOINERS.sub("", _HEAPS.sub(r"\1", text))


def clean_lines(text: str) -> list[str]:
    """Split on line feeds and clean each line.

    Args:
        text: As for `clean`.

    Returns:
        At least one line.
    """
    # Carriage returns of foreign line ends vanish in `clean`, so only line feeds separate.
    return [clean(line) for line in text.split("\n")]


def width_of(text: str) -> int:
    """Return the terminal cells that clean text takes."""
    return len(text) if text.isascii() else cell_len(text)


def clip(text: str, width: int) -> str:
    """Cut clean text to a width in terminal cells, marking the cut.

    Args:
        text: Printable text.
        width: Cells available.

    Returns:
        Text of at most `width` cells.
    """
    if width <= 0:
        return ""
    if width_of(text) <= width:
        return text
    return set_cell_size(text, width - 1) + "…"


def fit(text: str, width: int, *, right: bool = False) -> str:
    """Cut or pad clean text to exactly a width in terminal cells.

    Args:
        text: Printable text.
        width: Cells to fill.
        right: Align to the right.

    Returns:
        Text of exactly `width` cells.
    """
    text = clip(text, width)
    gap = " " * (width - width_of(text))
    return gap + text if right else text + gap


def count(number: int) -> str:
    """Format a count: 7, 1,204, 48.2k, 3.1M."""
    if number < 10_000:
        return f"{number:,}"
    if number < 1_000_000:
        return f"{number / 1_000:.1f}k"
    return f"{number / 1_000_000:.1f}M"


def size(octets: int) -> str:
    """Format a number of bytes: 412 B, 1.5 kB, 20.3 MB."""
    if octets < 1_000:
        return f"{octets} B"
    amount = float(octets)
    for unit in ("kB", "MB", "GB"):
        amount /= 1_000
        if amount < 999.95:
            return f"{amount:.1f} {unit}"
    return f"{amount / 1_000:.1f} TB"


def span(seconds: float) -> str:
    """Format a span of time with the precision that can be read: 0.4 s, 12 s, 3m 20s, 2h 05m."""
    if seconds == inf:
        return "never"
    if isnan(seconds):
        return "—"
    if seconds < 10:
        return f"{max(seconds, 0.0):.1f} s"
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02d}s"
    if whole < 86_400:
        return f"{whole // 3600}h {whole % 3600 // 60:02d}m"
    return f"{whole // 86_400}d {whole % 86_400 // 3600:02d}h"


def interval(milliseconds: float) -> str:
    """Format a timer's interval: 250 ms, 1.5 s, 5m 00s; a dash for none."""
    if not milliseconds > 0:
        return "—"
    if milliseconds < 1_000:
        return f"{milliseconds:g} ms"
    seconds = milliseconds / 1_000
    return f"{seconds:g} s" if seconds < 60 else span(seconds)


def duration(milliseconds: float) -> str:
    """Format how long something took: 40 µs, 1.2 ms, 340 ms, 2.5 s."""
    if milliseconds < 0.9995:
        return f"{milliseconds * 1e3:.0f} µs"
    if milliseconds < 99.95:
        return f"{milliseconds:.1f} ms"
    return f"{milliseconds:.0f} ms" if milliseconds < 999.5 else span(milliseconds / 1e3)


_UNITS = {"": 1.0, "ms": 1.0, "s": 1e3, "m": 6e4, "min": 6e4, "h": 3.6e6}
_AMOUNT = re.compile(r"([0-9]+(?:[.,][0-9]+)?|[.,][0-9]+)\s*([a-z]*)")


def parse_duration(text: str) -> float | None:
    """Read what people write for a span of time.

    Args:
        text: "250", "250 ms", "1.5 s", "2 min", "1 h".

    Returns:
        Milliseconds, None when it is no such span.
    """
    match = _AMOUNT.fullmatch(text.strip().lower())
    if match is None or match[2] not in _UNITS:
        return None
    return float(match[1].replace(",", ".")) * _UNITS[match[2]]


def plural(number: int, noun: str) -> str:
    """Join a count and its noun: "1 script", "2 scripts"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def moment(seconds: float) -> str:
    """Format a time since the epoch as local date and time; a dash for one that no calendar has."""
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
    except (ValueError, OverflowError, OSError):
        return "—"


def short_source(source: str) -> str:
    """Shorten "/path/file.py:12" to "file.py:12"."""
    return source.rpartition("/")[2][:CELL_LIMIT]
