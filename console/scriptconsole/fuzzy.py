"""Loose search over many short texts: letters that come in the order typed, the best matches first.

Made for hostile and many candidates: the time grows with their length only, whatever they and the query are.
Textual's own matcher tries every way in which letters can be spread over a text, which explodes.
"""

from __future__ import annotations

import asyncio
import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from heapq import nsmallest
from itertools import accumulate
from typing import NamedTuple

SLICE = 500
"""Candidates between two moments in which something else may run."""


GAP = "  "
"""Between the fields of a text."""
_BORDER = "\x1f\x1f"
"""The same inside an index: as long, but of a character that no text and no word of a query has."""


class Match(NamedTuple):
    """A text that was found.

    Attributes:
        place: Of the text among all.
        positions: Of the letters in it.
    """

    place: int
    positions: tuple[int, ...]


class _Word(NamedTuple):
    """A word of a query, in lower case, and what finds its letters."""

    text: str
    pattern: re.Pattern[str]


class Index:
    """Texts to be searched, each of one or several fields; a word is looked for in one field at a time."""

    def __init__(self, texts: Sequence[str]) -> None:
        """Prepare the texts.

        Args:
            texts: One line each, of printable characters, with two blanks between fields.
        """
        self._joined = _lower("\n".join(texts)).replace(GAP, _BORDER)
        self._lines = self._joined.split("\n")
        self._starts = list(accumulate((len(line) + 1 for line in self._lines), initial=0))

    async def search(self, query: str, most: int) -> list[Match]:
        """Search for texts in which every word of a query is found; others run meanwhile.

        Args:
            query: Words between blanks, in any order; letters of a word may have others between them.
            most: Matches wanted.

        Returns:
            The best first.
        """
        ordered = sorted(set(_lower(query).split()), key=lambda text: (-len(text), text))
        if not ordered:
            return []
        words = [_Word(text, _pattern(text)) for text in ordered]
        found: list[tuple[tuple[int, ...], int]] = []
        last = -1
        for number, hit in enumerate(words[0].pattern.finditer(self._joined), start=1):
            place = bisect_right(self._starts, hit.start()) - 1
            if place == last:
                continue  # another field of the same text
            last = place
            line = self._lines[place]
            if all(word.pattern.search(line) for word in words[1:]):
                found.append((_rank(line, words), place))
            if number % SLICE == 0:
                await asyncio.sleep(0)
        best = nsmallest(most, found)
        return [Match(place, _positions(self._lines[place], words)) for _, place in best]


def _lower(text: str) -> str:
    lower = text.lower()
    # A few letters have two in lower case; positions must stay those of the text.
    return lower if len(lower) == len(text) else "".join(c.lower()[:1] for c in text)


def _pattern(word: str) -> re.Pattern[str]:
    # Up to the first such letter and never further: nothing to try again when a later one is missing.
    letters = "".join(rf"[^\n{_BORDER[0]}{re.escape(c)}]*+{re.escape(c)}" for c in word)
    return re.compile(f"(?:^|{_BORDER[0]}){letters}", re.MULTILINE)


def _rank(line: str, words: Iterable[_Word]) -> tuple[int, ...]:
    """Order of a match: smaller is better."""
    kind = spread = first = 0
    for word in words:
        at = line.find(word.text)
        if at < 0:
            letters = _letters(line, word)
            kind += 4
            spread += letters[-1] - letters[0] - len(letters)
            first += letters[0]
            continue
        first += at
        if at == 0:
            kind += 0 if line.startswith(_BORDER, len(word.text)) else 1
        else:
            kind += 3 if line[at - 1].isalnum() else 2
    return kind, spread, first, len(line)


def _letters(line: str, word: _Word) -> list[int]:
    """Where the letters of a word are: up to the end of the first way to find them, drawn together."""
    found = word.pattern.search(line)
    assert found is not None
    end = found.end()
    places: list[int] = []
    for letter in reversed(word.text):
        end = line.rindex(letter, 0, end)
        places.append(end)
    return places[::-1]


def _positions(line: str, words: Iterable[_Word]) -> tuple[int, ...]:
    found: set[int] = set()
    for word in words:
        at = line.find(word.text)
        found.update(range(at, at + len(word.text)) if at >= 0 else _letters(line, word))
    return tuple(sorted(found))
