"""Completions of one script: what its runtime tells in time, with keywords and functions of the host."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from . import LIMIT, Completion
from .grammar import grammar_of
from .question import read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from scriptengines.engine import Runtime

    from . import Candidate
    from .question import Question

PATIENCE = 0.3
"""Seconds in which a runtime has to tell what it has; C code that keeps its GIL may take any time."""
_RANKS = {"argument": 0, "keyword": 2, "builtin": 3}


class Asking:
    """Asks a script what it has, and knows what it had when it is too busy to answer.

    Args:
        engine: Name of its engine.
        runtime: Gives its runtime, None while there is none.
        variables: Gives name, type and text of its variables as last seen.
    """

    def __init__(
        self,
        engine: str,
        runtime: Callable[[], Runtime | None],
        variables: Callable[[], Iterable[tuple[str, str, str, int | None]]],
    ) -> None:
        self._grammar = grammar_of(engine)
        self._runtime = runtime
        self._variables = variables
        self._mutex = threading.Lock()
        self._asked = False
        self._names: dict[str, Candidate] = {}

    def completions(self, text: str, cursor: int) -> list[Completion]:
        """What can stand where the cursor is, the likeliest first; takes PATIENCE at most.

        Args:
            text: Code in the script's language.
            cursor: Number of characters before the cursor.
        """
        question = read(text, cursor, self._grammar)
        if not question.place:
            return []
        candidates = self._from_script(question)
        rows = self._known(question) if candidates is None else candidates
        if question.place == "name" and question.prefix:
            words = sorted(self._grammar.keywords | self._grammar.values)
            rows = [*rows, *((word, "keyword", "", "") for word in words if word.startswith(question.prefix))]
        found: dict[str, Completion] = {}
        for name, kind, signature, doc in sorted(rows, key=lambda row: _RANKS.get(row[1], 1)):
            if len(found) < LIMIT and name not in found:
                if kind == "host":
                    signature, doc = _host_function(name)
                found[name] = Completion(name, question.start, kind, signature, doc)
        return list(found.values())

    def _from_script(self, question: Question) -> list[Candidate] | None:
        runtime = self._runtime()
        with self._mutex:
            if runtime is None or self._asked:  # the last one is still being asked
                return None
            self._asked = True
        answers: list[list[Candidate] | None] = []

        def ask() -> None:
            from scriptengines.errors import ScriptConsoleError

            try:
                answers.append(runtime.candidates(question))
            except ScriptConsoleError:  # it has just ended
                answers.append(None)
            finally:
                self._asked = False

        thread = threading.Thread(target=ask, name="completion", daemon=True)
        thread.start()
        thread.join(PATIENCE)
        found = answers[0] if answers else None
        if found is not None and question.place == "name":
            self._names.update((row[0], row) for row in found if row[1] not in ("argument", "builtin"))
        return found

    def _known(self, question: Question) -> list[Candidate]:
        """What can be told without the script."""
        prefix = question.prefix
        if question.steps == (("name", "host"),) and question.place in ("attribute", "method"):
            from scriptengines.hostapi.registry import names

            return [(name, "host", "", "") for name in names() if name.startswith(prefix)]
        if question.place != "name":
            return []
        rows = {
            name: (name, "variable", f": {kind}", text)
            for name, kind, text, _ in self._variables()
            if name.isidentifier()
        }
        return [row for name, row in {**rows, **self._names}.items() if name.startswith(prefix)]


def _host_function(name: str) -> tuple[str, str]:
    from scriptengines.hostapi.registry import find

    try:
        found = find(name)
    except AttributeError:  # one of the names that only one engine has, such as Lua's host.info
        return "(...)", "Write a line to the console's log." if name in _LEVELS else ""
    return found.signature, found.doc.partition("\n\n")[0]


_LEVELS = ("debug", "info", "warning", "error")
