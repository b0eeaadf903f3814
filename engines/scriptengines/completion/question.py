"""What the text before a cursor asks for: the chain of names and subscripts that ends there, and a prefix."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from .grammar import Grammar

MAX_TEXT = 50_000
"""Characters before the cursor that are read; an expression does not begin further away."""

type Step = tuple[str, str | int]
"""("name", a global), ("attribute", its name), ("item", a literal key), ("call", "") or ("literal", type)."""

_FROM = re.compile(r"\s*from\s+([\w.]+)\s+import\s+\(?(?:\s*\w+(?:\s+as\s+\w+)?\s*,)*\s*(\w*)\Z")
_IMPORT = re.compile(r"\s*(?:from|import)\s+(?:[\w.]+(?:\s+as\s+\w+)?\s*,\s*)*([\w.]*)\Z")


class Token(NamedTuple):
    """A piece of the text."""

    kind: str
    text: str
    start: int
    end: int


class Question(NamedTuple):
    """What is asked for.

    Attributes:
        place: "name" (in the global scope), "attribute", "method", "key" (inside a subscript), "module"
            (after import), or "" where nothing can be completed.
        steps: The expression whose attributes or keys are asked for, beginning with a name or literal; of
            "module" the module that is imported from, as one name.
        prefix: How what is asked for begins.
        start: Where it begins.
        quote: With which a key has been begun, "" for none.
        call: The function between whose brackets the cursor is; empty when it is not.
    """

    place: str
    steps: tuple[Step, ...] = ()
    prefix: str = ""
    start: int = 0
    quote: str = ""
    call: tuple[Step, ...] = ()


def read(text: str, cursor: int, grammar: Grammar) -> Question:
    """What a text asks for at a place in it.

    Args:
        text: Any code, maybe unfinished.
        cursor: Number of characters before the cursor.
        grammar: Of its language.
    """
    skipped = max(0, cursor - MAX_TEXT)
    return _Reader(text[skipped:cursor], skipped, grammar).question()


class _Reader:
    def __init__(self, text: str, skipped: int, grammar: Grammar) -> None:
        self._text = text
        self._skipped = skipped
        self._grammar = grammar
        self._tokens: list[Token] = []

    def question(self) -> Question:
        if not self._tokenize():
            return Question("")
        if self._grammar.imports and (imported := self._import()) is not None:
            return imported
        tokens = self._tokens
        if tokens and tokens[-1].kind == "open":
            return self._key_in_quotes(tokens[-1])
        prefix, start = "", len(self._text)
        last = len(tokens) - 1
        if tokens and tokens[-1].end == start:
            if tokens[-1].kind == "number":
                return Question("")
            if tokens[-1].kind == "name":
                prefix, start, last = tokens[-1].text, tokens[-1].start, last - 1
        return self._name(prefix, start, last)

    def _name(self, prefix: str, start: int, last: int) -> Question:
        before = self._sign(last)
        here = self._skipped + start
        if before and before in (".", self._grammar.methods):
            steps = self._primary(last - 1)[0] if self._sign(last - 1) != before else ()
            place = "attribute" if before == "." else "method"
            if steps:
                return Question(place, steps, prefix, here)
            if before == "." and self._sign(last - 1) != ".":
                return Question("")
        call = self._enclosing_call(last)
        if before == "[" and (steps := self._primary(last - 1)[0]):
            return Question("key", steps, prefix, here, "", call)
        return Question("name", (), prefix, here, "", call)

    def _key_in_quotes(self, token: Token) -> Question:
        steps = self._primary(len(self._tokens) - 3)[0] if self._sign(len(self._tokens) - 2) == "[" else ()
        found = self._grammar.tokens.match(self._text, token.start)
        if not steps or found is None or len(found["quote"]) != 1 or "\n" in found["body"]:
            return Question("")
        return Question("key", steps, found["body"], self._skipped + found.start("body"), found["quote"])

    def _import(self) -> Question | None:
        line = self._text[self._text.rfind("\n") + 1 :]
        end = self._skipped + len(self._text)
        if found := _FROM.match(line):
            return Question("attribute", (("module", found[1]),), found[2], end - len(found[2]))
        if found := _IMPORT.match(line):
            package, _, prefix = found[1].rpartition(".")
            steps: tuple[Step, ...] = (("module", package),) if package else ()
            return Question("module", steps, prefix, end - len(prefix))
        return None

    # ---- tokens --------------------------------------------------------------------------------

    def _tokenize(self) -> bool:
        """Whether the cursor is not inside a comment."""
        text = self._text
        for found in self._grammar.tokens.finditer(text):
            kind = next(
                name
                for name in ("space", "comment", "string", "open", "number", "name", "sign")
                if found[name] is not None
            )
            if kind == "comment" and found.end() == len(text):
                return False
            if kind not in ("space", "comment"):
                self._tokens.append(Token(kind, found[0], found.start(), found.end()))
        return True

    def _sign(self, index: int) -> str:
        if index < 0 or self._tokens[index].kind != "sign":
            return ""
        return self._tokens[index].text

    def _ends_primary(self, index: int) -> bool:
        """Whether an expression that can be called or looked into may end with a token."""
        if index < 0:
            return False
        token = self._tokens[index]
        if token.kind == "name":
            return token.text not in self._grammar.keywords
        return token.kind == "string" or self._sign(index) in (")", "]", "}")

    def _primary(self, index: int) -> tuple[tuple[Step, ...], int]:
        """The expression that ends with a token, and where it begins; no steps when it is no simple one."""
        steps: list[Step] = []
        while self._ends_primary(index):
            token = self._tokens[index]
            if token.kind == "name":
                before = self._sign(index - 1)
                if before and before in (".", self._grammar.methods) and self._sign(index - 2) != before:
                    steps.append(("attribute", token.text))
                    index -= 2
                    continue
                return (("name", token.text), *reversed(steps)), index
            if token.kind == "string":
                head = token.text.lower().partition(token.text[-1])[0]
                kind = "bytes" if "b" in head and self._grammar.imports else "str"
                return (("literal", kind), *reversed(steps)), index
            opening = self._opening(index)
            if opening < 0:
                break
            if not self._ends_primary(opening - 1):
                return self._display(opening, index, steps)
            if token.text == ")":
                steps.append(("call", ""))
            elif token.text == "]" and (key := self._key(opening, index)) is not None:
                steps.append(("item", key))
            else:
                break
            index = opening - 1
        return (), index

    def _display(self, opening: int, index: int, steps: list[Step]) -> tuple[tuple[Step, ...], int]:
        """What stands for itself in brackets: a list, a dict, or another expression."""
        if self._tokens[index].text == ")":
            inner, start = self._primary(index - 1)
            return ((*inner, *reversed(steps)), opening) if inner and start == opening + 1 else ((), opening)
        if (
            not self._grammar.imports
        ):  # a table constructor has neither methods nor fields that were not just written
            return (), opening
        kind = "list" if self._tokens[index].text == "]" else "dict"
        return (("literal", kind), *reversed(steps)), opening

    def _opening(self, index: int) -> int:
        """Where the bracket that a token closes is opened; -1 when it is not."""
        depth = 0
        for place in range(index, -1, -1):
            sign = self._sign(place)
            if sign and sign in ")]}":
                depth += 1
            elif sign and sign in "([{":
                depth -= 1
                if not depth:
                    return place
        return -1

    def _key(self, opening: int, index: int) -> str | int | None:
        inside = self._tokens[opening + 1 : index]
        negative = len(inside) == 2 and inside[0].text == "-"
        if len(inside) - negative != 1:
            return None
        token = inside[-1]
        if token.kind == "number" and token.text.isdigit():
            return -int(token.text) if negative else int(token.text)
        if token.kind == "string" and not negative and token.text[0] in "'\"" and "\\" not in token.text:
            return token.text[1:-1]
        return None

    def _enclosing_call(self, index: int) -> tuple[Step, ...]:
        depth = 0
        for place in range(index, -1, -1):
            sign = self._sign(place)
            if sign and sign in ")]}":
                depth += 1
            elif sign and sign in "([{":
                if depth:
                    depth -= 1
                    continue
                if sign == "(" and self._ends_primary(place - 1):
                    return self._primary(place - 1)[0]
                return ()
        return ()
