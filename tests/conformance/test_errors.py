"""What the caller learns when a script fails: type, message, the frames of every language in call order."""

from __future__ import annotations

import pytest

from scriptengines.errors import CallError, format_error
from scriptengines.session import Session
from tests.conftest import line_of

from .conftest import Load
from .languages import Language

behaviour = pytest.mark.behaviour
TYPES = {"python": "ValueError", "lua": "LuaError", "native": "ValueError"}


@behaviour("error with type, message and frames")
def test_an_error_tells_type_message_and_place(load: Load, language: Language) -> None:
    script = load("failing")
    with pytest.raises(CallError) as caught:
        script.call("fail")
    error = caught.value
    assert (error.remote_type, error.remote_message) == (TYPES[language.engine], "out of paint")
    assert (error.file, error.line) == (str(script.path), line_of(script.path, "HERE"))
    last = error.frames[-1]
    assert (last.file, last.line, last.language) == (error.file, error.line, language.engine)
    assert "HERE" in last.source
    assert isinstance(error, RuntimeError)


@behaviour("error with type, message and frames")
def test_the_frames_are_in_call_order(load: Load, language: Language) -> None:
    script = load("failing")
    with pytest.raises(CallError) as caught:
        script.call("fail")
    expected = ["fail"] if language.engine == "native" else ["fail", "inner"]
    names = [frame.function for frame in caught.value.frames]
    assert names[: 1 if language.engine == "lua" else 2] == expected[: 1 if language.engine == "lua" else 2]
    assert len(names) == len(expected)


@behaviour("error with type, message and frames")
def test_a_failing_call_leaves_the_script_usable(load: Load) -> None:
    script = load("forward")
    for _ in range(3):
        with pytest.raises(CallError):
            script.call("fail", 1)
        assert script.call("echo", 7) == 7


@behaviour("cross-script call")
def test_a_script_calls_another(session: Session, load: Load, other: Language) -> None:
    load("forward", alias="caller")
    load("forward", alias="called", language=other)
    assert session.call("caller", "forward", "called", "echo", ["paint", 2]) == ["paint", 2]


@behaviour("cross-script error")
def test_an_error_shows_both_scripts_in_call_order(
    session: Session, load: Load, language: Language, other: Language
):
    caller = load("forward", alias="caller").path
    called = load("forward", alias="called", language=other).path
    with pytest.raises(CallError) as caught:
        session.call("caller", "forward", "called", "fail", 1)
    error = caught.value
    assert (error.remote_type, error.remote_message) == (TYPES[other.engine], "out of paint")
    assert [(f.file, f.line, f.language) for f in error.frames] == [
        (str(caller), line_of(caller, "FORWARD"), language.engine),
        (str(called), line_of(called, "HERE"), other.engine),
    ]
    assert (error.file, error.line) == (str(called), line_of(called, "HERE"))
    text = format_error(error)
    assert text.index(str(caller)) < text.index(str(called)) < text.index("out of paint")


@behaviour("cross-script error")
def test_an_unknown_target_is_told_to_the_calling_script(session: Session, load: Load) -> None:
    from scriptengines.errors import UnknownFunction, UnknownScript

    load("forward", alias="caller")
    with pytest.raises(UnknownScript, match='no script "nobody"'):
        session.call("caller", "forward", "nobody", "echo", 1)
    with pytest.raises(UnknownFunction, match='Did you mean "echo"'):
        session.call("caller", "forward", "caller", "ecko", 1)
