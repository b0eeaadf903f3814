"""A tour through the C layer in one process, for tools that watch memory: `python -m tests.stress.tour`.

Every kind of value goes through every engine and back, in calls, callbacks, hooks, batches and errors;
scripts are reloaded and unloaded; References, iterators, coroutines, shared memory and components are used.
Arguments name the columns of the conformance table to visit; without any, all that run in this process.
"""

from __future__ import annotations

import array
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

from scriptengines import Session
from scriptengines.errors import ScriptConsoleError
from tests.conformance.languages import LANGUAGES, VERSIONS, Language
from tests.engines.native_parts import component_c, write_component

VALUES: tuple[Any, ...] = (
    None, True, 0, -(2**63), 2**70, 1.5, float("nan"), "", "a\0b", "Grün 数 🎨", "x" * 5000, "\udc80",
    b"", b"\xff\0", bytearray(b"abc"), [], [1, [2, [3]]], (1, "two"), {"a": {"b": [1]}}, {1: "a"}, {"a", "b"},
    frozenset({1}),
    {"users": [{"name": "Ada", "tags": [b"\xff"] * 10}]}, object(), print, [object()],
)  # fmt: skip


def visit(session: Session, folder: Path, language: Language) -> None:
    """One language."""
    alias = language.name.replace("-", "_").replace(".", "_")
    for text in ("plain", "callbacks", "endless value", "failing", "hooks", "state"):
        path = folder / f"{alias}_{text.replace(' ', '_')}{language.suffix}"
        path.write_text(language.text(text))
        script = session.load(path)
        for value in VALUES if text == "plain" else VALUES[:2]:  # the others know no echo
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


OBJECTS = {
    "python": """
import array
class Thing:
    name = "thing"
    def method(self, value): return [value]
    def __iter__(self): yield from [1, "two", self.name]
thing = Thing()
numbers = array.array("d", range(20_000))
def rows(count): yield from range(count)
async def fetch(value): return value
async def lost(value): raise ValueError(value)
def give(): return thing
def size(memory): return len(memoryview(memory).cast("B"))
""",
    "lua": """
thing = {name = "thing", method = function(self, value) return {value} end}
setmetatable(thing, {__len = function() return 1 end})
function rows(count) return coroutine.wrap(function() for i = 1, count do coroutine.yield(i) end end) end
function give() return thing.method end
function size(memory) return #memory end
""",
}


def use_objects(session: Session, folder: Path, language: Language) -> None:
    """What stays where it is: objects behind References, iterators, coroutines, shared memory."""
    path = folder / f"objects{language.suffix}"
    path.write_text(language.headed(OBJECTS[language.engine]))
    script = session.load(path)
    for name in ("thing", "numbers", "Thing"):
        found = _try(script.get, name)
        for use in ("get", "set", "call"):
            _try(getattr(found, use, _nothing), "name", *(["thing"] if use == "set" else []))
            _try(getattr(found, use, _nothing), "no_such", *([[1]] if use == "set" else []))
        _try(getattr(found, "call", _nothing), "method", {"a": [b"x"]})
        _try(list, found)
        _try(repr, found)
        _try(lambda found=found: bytes(memoryview(found)))
    for _ in range(3):
        _try(lambda: list(script.call("rows", 5)))
        _try(lambda: next(iter(script.call("rows", 5))))  # and left alone
        _try(script.call, "fetch", [1, {"a": 2}])
        _try(script.call, "fetch", 1, timeout=5)
        _try(script.call, "lost", "it")
        given = _try(script.call, "give")
        _try(script.call, "size", given)
        _try(lambda given=given: given(1))
        for memory in (
            b"x" * 70_000,
            bytearray(70_000),
            memoryview(b"y" * 70_000),
            array.array("d", [0.0]) * 9000,
        ):
            _try(script.call, "size", memory)
            _try(script.call_many, "size", [(memory,)] * 3)
    session.reload(script.alias)
    _try(script.call, "give")
    session.unload(script.alias)
    _try(repr, given)


def use_components(session: Session, folder: Path) -> None:
    """A native component that hands its state over, twice, and one that needs it."""
    text = component_c(
        {"tick": "*out = sc_int(++count);", "keep": "ctx->retain(ctx, a[0].as.ref);"},
        prefix="static int64_t count;",
        load='return sc_set_interval(ctx, "tick", 1, NULL);',
        start='return sc_on(ctx, "paint", "tick");',
        save="*out = sc_int(count);",
        restore="count = state->as.integer;",
        statistics="*out = sc_int(count);",
    )
    components = session.components
    components.load(write_component(folder, "base", text))
    components.load(write_component(folder, "above", requires='{ base = ">=1" }'))
    script = session.script("base")
    for number in range(2):
        script.call("keep", print)
        session.emit("paint")
        components.pause("base")
        components.resume("base")
        write_component(folder, "base", f"{text}/* {number} */")
        components.reload("base")
        _try(session.script("base").call, "tick")
        session.info()
        session.health()
    _try(components.unload, "base")
    components.unload("above")
    components.unload("base")


def _nothing(*_: object) -> None:
    """For a Reference that is none here."""


_counts = {"answered": 0, "refused": 0}


def _try(function: Any, *args: Any, **kwargs: Any) -> Any:
    """Not each value has an answer in each language; how many have is looked at in the end."""
    try:
        result = function(*args, **kwargs)
    except (ScriptConsoleError, TypeError, ValueError, AttributeError, NotImplementedError):
        _counts["refused"] += 1
        return None
    _counts["answered"] += 1
    return result


def main() -> None:
    """All chosen languages, and components."""
    columns = {language.name: language for language in (*LANGUAGES, *VERSIONS)}
    names = sys.argv[1:] or [name for name in columns if not name.endswith("-process")]
    with tempfile.TemporaryDirectory() as folder, Session() as session:
        for name in names:
            before = dict(_counts)
            visit(session, Path(folder), columns[name])
            gained = {kind: count - before[kind] for kind, count in _counts.items()}
            assert gained["answered"] >= 80, f"{name}: steps that must work fail: {gained}"
            if columns[name].engine in OBJECTS:
                use_objects(session, Path(folder), columns[name])
        use_components(session, Path(folder) / "parts")
    print("the tour has ended")


if __name__ == "__main__":
    main()
