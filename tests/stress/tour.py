"""A tour through the C layer in one process, for tools that watch memory: `python -m tests.stress.tour`.

Every kind of value goes through every engine and back, in calls, callbacks, hooks, batches and errors;
scripts are reloaded and unloaded.
"""

from __future__ import annotations

import contextlib
import tempfile
import threading
from pathlib import Path
from typing import Any

from scriptengines import Session
from scriptengines.errors import ScriptConsoleError
from tests.conformance.languages import LANGUAGES, Language

VALUES: tuple[Any, ...] = (
    None, True, 0, -(2**63), 2**70, 1.5, float("nan"), "", "a\0b", "Grün 数 🎨", "x" * 5000, "\udc80",
    b"", b"\xff\0", bytearray(b"abc"), [], [1, [2, [3]]], (1, "two"), {"a": {"b": [1]}}, {1: "a"}, {"a", "b"},
    frozenset({1}),
    {"users": [{"name": "Ada", "tags": [b"\xff"] * 10}]}, object(), print, [object()],
)  # fmt: skip


def visit(session: Session, folder: Path, language: Language) -> None:
    """One language."""
    alias = language.engine
    for text in ("plain", "callbacks", "endless value", "failing", "hooks", "state"):
        path = folder / f"{alias}_{text.replace(' ', '_')}{language.suffix}"
        path.write_text(language.text(text))
        script = session.load(path)
        for value in VALUES:
            _try(script.call, "echo", value)
            _try(script.call, "echo", value, timeout=5)
            _try(script.call_many, "echo", [(value,)] * 3)
            _try(script.call, "echo", named=value)
        _try(script.call, "apply", lambda value: [value], "paint")
        _try(script.call, "keep", lambda value: value)
        _try(script.call, "use_kept", "paint")
        _try(lambda call: call("give")(21), script.call)
        for name in ("loop", "deep", "fail", "bump", "no_such"):
            _try(script.call, name)
        _try(script.call, "subscribe", 0)
        session.emit("paint", "red")
        session.consult("paint", "red")
        script.functions()
        script.variables()
        threads = [threading.Thread(target=_try, args=(script.call, "echo", [n])) for n in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        _try(session.reload, script.alias)
        _try(script.call, "echo", 1)
        session.records()
        session.unload(script.alias)


def _try(function: Any, *args: Any, **kwargs: Any) -> None:
    with contextlib.suppress(ScriptConsoleError, TypeError):
        function(*args, **kwargs)


def main() -> None:
    """All languages of the conformance suite."""
    with tempfile.TemporaryDirectory() as folder, Session() as session:
        for language in LANGUAGES:
            visit(session, Path(folder), language)
    print("the tour has ended")


if __name__ == "__main__":
    main()
