"""Arguments by position and by keyword, the wrong ones, and a function that is gone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scriptengines.errors import CallError, UnknownFunction
from scriptengines.script import Script
from scriptengines.session import Session

type Write = Callable[[str, str], Path]

TEXT = """
import host
def plain(a, b=2): return a, b
def keyword_only(*, name, size=1): return name, size
def positional_only(a, /, b): return a, b
def everything(a, *rest, b=0, **named): return a, rest, b, named
def forward(*args, **named): return host.call("it", "everything", *args, **named)
class Paint:
    def __init__(self, colour="red"): self.colour = colour
    def __call__(self, *, colour): return colour
paint = Paint()
"""


@pytest.fixture
def it(session: Session, write: Write) -> Script:
    return session.load(write("it.py", TEXT))


@pytest.mark.parametrize(
    ("name", "args", "named", "expected"),
    [
        ("plain", (1,), {}, (1, 2)),
        ("plain", (), {"b": 3, "a": 1}, (1, 3)),
        ("keyword_only", (), {"name": "x"}, ("x", 1)),
        ("positional_only", (1,), {"b": [2]}, (1, [2])),
        ("everything", (1, 2, 3), {"b": 4, "c": {"d": 5}}, (1, (2, 3), 4, {"c": {"d": 5}})),
        ("everything", tuple(range(20)), {"grün": 1}, (0, tuple(range(1, 20)), 0, {"grün": 1})),
        ("forward", (1, 2), {"b": 3, "z": None}, (1, (2,), 3, {"z": None})),
        ("paint", (), {"colour": "blue"}, "blue"),
    ],
)
def test_arguments_arrive_where_they_belong(
    it: Script, name: str, args: tuple[Any, ...], named: dict[str, Any], expected: Any
) -> None:
    assert it.call(name, *args, **named) == expected
    assert it.function(name)(*args, **named) == expected


def test_a_class_makes_an_object(it: Script) -> None:
    assert it.call("Paint", colour="blue").get("colour") == "blue"


@pytest.mark.parametrize(
    ("name", "args", "named", "text"),
    [
        ("plain", (), {}, r"plain\(\) missing 1 required positional argument: 'a'"),
        ("plain", (1, 2, 3), {}, r"plain\(\) takes from 1 to 2 positional arguments but 3 were given"),
        ("plain", (1,), {"c": 3}, r"plain\(\) got an unexpected keyword argument 'c'"),
        ("plain", (1,), {"a": 3}, r"plain\(\) got multiple values for argument 'a'"),
        ("keyword_only", (1,), {}, r"keyword_only\(\) takes 0 positional arguments but 1 was given"),
        ("keyword_only", (), {}, r"missing 1 required keyword-only argument: 'name'"),
        ("positional_only", (), {"a": 1, "b": 2}, r"positional-only arguments passed as keyword"),
    ],
)
def test_wrong_arguments_are_told_in_the_words_of_the_function(
    it: Script, name: str, args: tuple[Any, ...], named: dict[str, Any], text: str
) -> None:
    with pytest.raises(CallError, match=text) as caught:
        it.call(name, *args, **named)
    assert caught.value.remote_type == "TypeError"
    assert it.call("plain", 1) == (1, 2)


@pytest.mark.parametrize(
    ("suffix", "text", "message"),
    [
        (".lua", "function f(a) return a end\n", "Lua functions take no keyword arguments: a"),
        (
            ".c",
            """#include <scriptconsole.h>
static int f(sc_ctx *c, const sc_value *a, size_t n, sc_value *out) { return 0; }
static const sc_export exports[] = {{"f", f, NULL, ""}, {0}};
static const sc_module module = {SC_ABI_VERSION, "it", "1", exports, NULL, NULL, NULL};
SC_MODULE(module)
""",
            r"f\(\) takes no keyword arguments",
        ),
    ],
)
def test_languages_without_keywords_say_so(
    session: Session, write: Write, suffix: str, text: str, message: str
) -> None:
    script = session.load(write(f"other{suffix}", text))
    with pytest.raises((TypeError, CallError), match=message):
        script.call("f", a=1)


def test_a_function_that_a_reload_took_away_is_named(session: Session, write: Write, it: Script) -> None:
    plain = it.function("plain")
    old = it.get("plain")
    assert plain(1) == (1, 2)
    write("it.py", "def plan(a): return a\n")
    session.reload("it")
    with pytest.raises(UnknownFunction, match=r'no function "plain" in .*it\.py\. Did you mean "plan"'):
        plain(1)
    assert old(1) == (1, 2)
