"""Interpreter and Reference themselves: what crosses, who releases it, who may call from where."""

from __future__ import annotations

import gc
import math
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scriptengines.errors import CallError, CrossingError, ScriptClosed, format_error
from scriptengines.session import Session
from scriptnative import Interpreter, Reference
from tests.conftest import Log

type Write = Callable[[str, str], Path]

INSIDE = """
import gc, sys, types, weakref
sys.path[:] = {path!r}
import scriptnative

inside = types.ModuleType("inside")
sys.modules["inside"] = inside
exec('''
import gc, weakref

class Thing:
    pass

watched = []

def echo(value):
    return value

def apply(function, *args, **named):
    return function(*args, **named)

def make():
    thing = Thing()
    watched.append(weakref.ref(thing))
    return thing

def alive():
    gc.collect()
    return sum(ref() is not None for ref in watched)

def recurse(n):
    return recurse(n + 1)

def fail():
    try:
        try:
            raise KeyError("first")
        except KeyError as first:
            raise ValueError("second") from first
    except ValueError as second:
        second.add_note("look at the paint")
        raise

class Odd(Exception):
    def __str__(self):
        raise RuntimeError("no text")

def fail_oddly():
    raise Odd

def ping(back, depth):
    return depth if depth == 0 else back(ping, depth - 1)
''', inside.__dict__)
"""


@pytest.fixture(scope="module")
def inside() -> Iterator[Callable[[str], Reference]]:
    """`inside(name)` is a function in a sub-interpreter."""
    interpreter = Interpreter()
    interpreter.run(INSIDE.format(path=sys.path))
    yield lambda name: interpreter.load("inside", name)
    gc.collect()
    assert interpreter.end(5)


# ---- values ----------------------------------------------------------------------------------------------

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**200), 2**200)
    | st.floats(allow_nan=False)
    | st.text(st.characters(codec=None))
    | st.binary(max_size=5000)
)
keys = st.none() | st.booleans() | st.integers() | st.text(st.characters(codec=None)) | st.binary()
values = st.recursive(
    scalars | st.binary().map(bytearray) | st.sets(keys) | st.frozensets(keys),
    lambda inner: (
        st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(keys | st.tuples(keys), inner)
    ),
    max_leaves=30,
)


def same(a: Any, b: Any) -> bool:
    if type(a) is not type(b):
        return False
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(map(same, a.values(), b.values()))
    return a == b and repr(a) == repr(b) if isinstance(a, float) else a == b


@given(values)
@settings(max_examples=120, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
def test_any_nested_value_comes_back_equal(inside: Callable[[str], Reference], value: Any) -> None:
    assert same(inside("echo")(value), value)


@given(
    st.lists(scalars, max_size=20), st.dictionaries(st.from_regex(r"\A[a-z]{1,8}\Z"), scalars, max_size=20)
)
@settings(max_examples=50, deadline=None, derandomize=True)
def test_any_arguments_arrive(
    inside: Callable[[str], Reference], args: list[Any], named: dict[str, Any]
) -> None:
    named.pop("function", None)
    seen = inside("apply")(lambda *a, **k: [list(a), k], *args, **named)
    assert same(seen, [args, named])


def test_nan_stays_nan_and_zero_keeps_its_sign(inside: Callable[[str], Reference]) -> None:
    echo = inside("echo")
    assert math.isnan(echo(math.nan))
    assert math.copysign(1, echo(-0.0)) == -1


def test_a_list_that_shares_an_item_is_no_cycle(inside: Callable[[str], Reference]) -> None:
    shared = [1]
    assert inside("echo")([shared, shared]) == [[1], [1]]


def test_a_keyword_is_named_when_its_value_cannot_cross(inside: Callable[[str], Reference]) -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(CrossingError, match=r"users\[0\]\[0\].*cycle"):
        inside("apply")(dict, users=[loop])


# ---- references ------------------------------------------------------------------------------------------


class Thing:
    pass


def test_an_object_that_was_passed_in_is_released_when_the_script_drops_it(inside) -> None:
    thing = Thing()
    gone = weakref.ref(thing)
    assert inside("echo")(thing) is thing
    inside("apply")(lambda *_: None, thing)
    del thing
    inside("echo")(None)
    gc.collect()
    assert gone() is None


def test_an_object_of_the_script_lives_as_long_as_its_reference(inside) -> None:
    before = inside("alive")()
    thing = inside("make")()
    assert isinstance(thing, Reference)
    assert not thing.callable
    assert inside("alive")() == before + 1
    assert inside("apply")(lambda seen, made=thing: seen == made, inside("echo")(thing)) is True
    del thing
    gc.collect()
    assert inside("alive")() == before


def test_references_that_are_dropped_on_other_threads_are_released_too(inside) -> None:
    before = inside("alive")()
    things = [inside("make")() for _ in range(50)]

    def drop() -> None:
        while things:
            things.pop()

    threads = [threading.Thread(target=drop) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert inside("alive")() == before


def test_calls_leave_no_objects_behind(inside) -> None:
    echo, apply = inside("echo"), inside("apply")

    def work(count: int) -> None:
        for _ in range(count):
            echo({"users": [Thing(), (1, b"x" * 5000, "y" * 5000), {2**80}]})
            apply(lambda thing: thing, Thing())
            with pytest.raises(CallError):
                apply(lambda: 1 // 0)

    work(20)
    gc.collect()
    before = len(gc.get_objects())
    work(300)
    gc.collect()
    assert len(gc.get_objects()) - before < 100


def test_references_are_equal_when_their_objects_are_the_same(inside) -> None:
    thing, other = inside("make")(), inside("make")()
    again = inside("echo")(thing)
    assert (again == thing, hash(again) == hash(thing), thing != other) == (True, True, True)
    assert {thing: 1}[again] == 1


# ---- errors ----------------------------------------------------------------------------------------------


def test_an_exception_crosses_with_its_notes_and_causes(inside) -> None:
    with pytest.raises(CallError) as caught:
        inside("fail")()
    error = caught.value
    assert (error.remote_type, error.remote_message, error.notes) == (
        "ValueError",
        "second",
        ("look at the paint",),
    )
    cause = error.__cause__
    assert isinstance(cause, CallError)
    assert (cause.remote_type, cause.remote_message) == ("KeyError", "'first'")
    text = format_error(error)
    assert text.index("KeyError: 'first'") < text.index("direct cause") < text.index("look at the paint")


def test_an_exception_whose_text_fails_still_crosses(inside) -> None:
    with pytest.raises(CallError, match=r"Odd: <no message: __str__ raised RuntimeError>"):
        inside("fail_oddly")()


@pytest.mark.parametrize("start", [0, 1])
def test_endless_recursion_is_an_error_not_a_crash(inside, start: int) -> None:
    with pytest.raises(CallError, match="RecursionError"):
        inside("recurse")(start)
    assert inside("echo")(1) == 1


def test_recursion_over_both_interpreters_is_an_error_not_a_crash(inside) -> None:
    def back(ping: Reference, depth: int) -> int:
        return ping(back, depth)

    ping = inside("ping")
    assert ping(back, 50) == 0
    with pytest.raises((CallError, RecursionError), match=r"RecursionError|recursion"):
        ping(back, 1_000_000)
    assert ping(back, 50) == 0


# ---- threads ---------------------------------------------------------------------------------------------


def test_eight_threads_call_at_once(inside) -> None:
    echo, wrong = inside("echo"), []
    barrier = threading.Barrier(8)

    def call(base: int) -> None:
        barrier.wait()
        for number in range(500):
            if echo([base, number, "x" * number]) != [base, number, "x" * number]:
                wrong.append((base, number))

    threads = [threading.Thread(target=call, args=[base]) for base in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_interpreters_come_and_go() -> None:
    numbers = set()
    for _ in range(3):
        interpreter = Interpreter()
        interpreter.run("x = 1")
        numbers.add(interpreter.id)
        thread = threading.Thread(target=interpreter.run, args=["y = 2"])
        thread.start()
        thread.join()
        assert interpreter.end(5)
    assert len(numbers) == 3


def test_an_ended_interpreter_refuses_calls() -> None:
    interpreter = Interpreter()
    dumps = interpreter.load("json", "dumps")
    assert dumps([1]) == "[1]"
    assert interpreter.end(5)
    with pytest.raises(ScriptClosed):
        dumps([1])


def test_a_bare_interpreter_takes_values_but_no_objects() -> None:
    interpreter = Interpreter()
    try:
        repr_inside = interpreter.load("builtins", "repr")
        assert repr_inside([1, "two"]) == "[1, 'two']"
        with pytest.raises(Exception, match="before it has imported scriptnative"):
            repr_inside(object())
    finally:
        del repr_inside
        assert interpreter.end(5)


def test_a_syntax_error_inside_keeps_its_place() -> None:
    interpreter = Interpreter()
    try:
        interpreter.run(f"import sys; sys.path[:] = {sys.path!r}; import scriptnative")
        with pytest.raises(CallError, match="SyntaxError") as caught:
            interpreter.run("x = 1\ny = (")
        assert caught.value.line == 2
    finally:
        assert interpreter.end(5)


@pytest.mark.parametrize("target", ["helper.py", "helper.lua", "helper.c"])
def test_a_thread_of_a_script_calls_other_scripts(
    session: Session, write: Write, log: Log, target: str
) -> None:
    texts = {
        "helper.py": "def double(n): return 2 * n\n",
        "helper.lua": "function double(n) return 2 * n end\n",
        "helper.c": """#include <scriptconsole.h>
static int dbl(sc_ctx *c, const sc_value *a, size_t n, sc_value *out) {
    *out = sc_int(2 * a[0].as.integer);
    return 0;
}
static const sc_export exports[] = {{"double", dbl, "l:l", ""}, {0}};
static const sc_module module = {SC_ABI_VERSION, "helper", "1", exports, NULL, NULL, NULL};
SC_MODULE(module)
""",
    }
    session.load(write(target, texts[target]))
    script = session.load(
        write(
            "it.py",
            """
import threading
import host

def work(results):
    results.append(sum(host.call("helper", "double", n) for n in range(100)))

def run():
    results = []
    threads = [threading.Thread(target=work, args=[results]) for _ in range(4)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    return results
""",
        )
    )
    assert script.call("run") == [9900] * 4


def test_a_thread_of_a_script_calls_back_through_lua(session: Session, write: Write, log: Log) -> None:
    session.load(write("through.lua", "function apply(f, n) return f(n) + 1 end\n"))
    session.load(
        write(
            "it.py",
            """
import threading
import host

def double(n):
    return 2 * n

def work():
    print("result", host.call("through", "apply", double, 20))

threading.Thread(target=work).start()
""",
        )
    )
    log.wait_for("result 41")
