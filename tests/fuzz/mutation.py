"""Inputs made from inputs: what `driver.c` does, for the fuzz targets that are driven from Python."""

from __future__ import annotations

import random
from collections.abc import Iterable

_LONGEST = 2048


class Corpus:
    """Inputs that reached something new; the same run every time.

    Args:
        seeds: To begin with.
        tokens: What the format is made of, to be put in as it is.
    """

    def __init__(self, seeds: Iterable[bytes], tokens: Iterable[bytes] = ()) -> None:
        self.inputs = list(seeds)
        self._tokens = list(tokens)
        self._random = random.Random(1)

    def keep(self, data: bytes) -> None:
        """Make others from it from now on."""
        self.inputs.append(data)

    def next(self) -> bytes:
        """A changed input."""
        choose = self._random
        # What came last has been changed least often.
        recent = choose.random() < 0.5
        data = bytearray(choose.choice(self.inputs[-16:] if recent else self.inputs))
        for _ in range(1 + choose.randrange(4)):
            self._change(data)
        return bytes(data)

    def _change(self, data: bytearray) -> None:
        choose = self._random
        at = choose.randrange(len(data)) if data else 0
        if self._tokens and choose.random() < 0.3:
            # At the beginning it makes a container of what is there.
            at = choose.choice((0, at))
            data[at:at] = choose.choice(self._tokens)
            del data[_LONGEST:]
            return
        match choose.randrange(7):
            case 0 if data:
                data[at] ^= 1 << choose.randrange(8)
            case 1 if data:
                data[at] = choose.randrange(256)
            case 2 if data:
                del data[at]
            case 3:
                data.insert(at, choose.randrange(32))
            case 4 | 5:
                other = choose.choice(self.inputs)
                start = choose.randrange(len(other) + 1)
                piece = other[start : start + choose.randrange(1, 40)]
                if len(data) + len(piece) <= _LONGEST:
                    data[at:at] = piece
            case _:
                if len(data) > 8:
                    del data[choose.randrange(len(data)) :]
