"""The filter of a pane: a regular expression, or loose letters after `~`; a leading `!` inverts both."""

from __future__ import annotations

import re
from typing import NamedTuple


class FilterError(ValueError):
    """The text is no regular expression; the message says where it breaks."""


class Filter(NamedTuple):
    """A compiled filter.

    Attributes:
        pattern: Searched for anywhere in a row's text.
        inverse: Keep the rows that do not match.
        source: As the user typed it.
    """

    pattern: re.Pattern[str]
    inverse: bool
    source: str

    def keeps(self, text: str) -> bool:
        """Tell whether a row with this text stays visible."""
        return (self.pattern.search(text) is None) == self.inverse


def parse_filter(source: str) -> Filter | None:
    """Read what the user typed after `/`.

    Lower-case patterns ignore case and a capital makes them exact, as in ripgrep's smart case.

    Args:
        source: A regular expression, or `~` and letters that must come in this order with anything between;
            with `!` in front to invert it.

    Returns:
        The filter, or None when nothing is filtered.

    Raises:
        FilterError: It is no regular expression.
    """
    inverse = source.startswith("!")
    expression = source[1:] if inverse else source
    if expression.startswith("~"):
        expression = ".*?".join(map(re.escape, expression[1:].replace(" ", "")))
    if not expression:
        return None
    # A capital inside an escape such as \S or \W says nothing about case.
    exact = any(c.isupper() for c in re.sub(r"\\.", "", expression))
    try:
        pattern = re.compile(expression, 0 if exact else re.IGNORECASE)
    except (re.error, OverflowError, RecursionError) as error:
        raise FilterError(f"bad pattern: {error}") from error
    return Filter(pattern, inverse, source)
