"""What can stand where a cursor is, for every engine, from what a script holds at that moment.

`question` reads the text before the cursor, a runtime tells what it has there (Runtime.candidates), and
`asking` puts the two together with keywords and host functions, without ever waiting for a busy script.
"""

from __future__ import annotations

from typing import NamedTuple

type Candidate = tuple[str, str, str, str]
"""(name, kind, signature, documentation): what a runtime tells; kinds as in Completion."""

LIMIT = 200
"""Candidates that are told at most."""
SCANNED = 20_000
"""Names or keys that are looked at for them at most, however large a container is."""


class Completion(NamedTuple):
    """One thing that can stand where the cursor is.

    Attributes:
        text: Takes the place of what is between `start` and the cursor.
        start: Where that begins in the text that was asked about.
        kind: "argument", "variable", "function", "class", "module", "attribute", "method", "property", "key",
            "host" (a function of the host API), "keyword" or "builtin".
        signature: Of what can be called "(a, b=1)", of a value its type ": int", or "".
        doc: First paragraph of the documentation, or of a value a bounded text; may be "".
    """

    text: str
    start: int
    kind: str
    signature: str = ""
    doc: str = ""
