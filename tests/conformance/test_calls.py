"""Loading a script and calling its functions."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from scriptengines.errors import (
    CallError,
    CallTimeout,
    ConfigError,
    CrossingError,
    Interrupted,
    LoadError,
    UnknownFunction,
    UnknownScript,
)
from scriptengines.session import Session
from tests.conftest import Log, line_of

from .conftest import Load
from .languages import Language

behaviour = pytest.mark.behaviour


@behaviour("load")
def test_a_loaded_script_says_what_it_is(load: Load, language: Language) -> None:
    view = load("plain").view()
    assert (view.alias, view.engine, view.generation) == ("it", language.engine, 1)
    assert Path(view.path).name == f"it{language.suffix}"
    assert view.last_error is None


@behaviour("load")
def test_a_missing_file_is_named(session: Session, tmp_path: Path, language: Language) -> None:
    with pytest.raises(LoadError, match=r"nowhere\.\w+: no such file"):
        session.load(tmp_path / f"nowhere{language.suffix}")
    assert session.scripts == ()


@behaviour("alias")
def test_a_script_is_known_by_its_alias(session: Session, save, language: Language) -> None:
    path = save("plain")
    assert session.load(path, "paint").alias == "paint"
    assert [session.load(path).alias for _ in range(2)] == ["it", "it-2"]
    with pytest.raises(ConfigError, match=r'"paint" is loaded already'):
        session.load(path, "paint")
    with pytest.raises(UnknownScript, match='Did you mean "paint"'):
        session.script("pain")


@behaviour("alias")
def test_two_scripts_of_one_file_share_nothing(session: Session, save) -> None:
    path = save("plain")
    first, second = session.load(path, "first"), session.load(path, "second")
    first.call("set_count", 5)
    assert (first.get("count"), second.get("count")) == (5, 0)


@behaviour("call by name")
def test_a_call_by_name_gives_the_result(session: Session, load: Load) -> None:
    script = load("plain")
    assert script.call("add", 2, 3) == 5
    assert session.call("it", "add", 2, 3) == 5


@behaviour("call by name")
def test_calls_and_errors_are_counted(load: Load) -> None:
    script = load("failing")
    with pytest.raises(CallError):
        script.call("fail")
    assert (script.view().calls, script.view().errors) == (1, 1)


@behaviour("keyword arguments")
def test_arguments_may_be_named(load: Load) -> None:
    assert load("plain").call("add", 2, b=3) == 5


@behaviour("function handle")
def test_a_handle_is_looked_up_once(load: Load) -> None:
    script = load("plain")
    add = script.function("add")
    assert [add(n, 1) for n in range(3)] == [1, 2, 3]
    assert script.function("add") is add
    assert add.name == "add"


@behaviour("function handle")
def test_a_handle_works_from_many_threads(load: Load) -> None:
    add = load("plain").function("add")
    results: list[list[int]] = []
    threads = [
        threading.Thread(target=lambda base=base: results.append([add(base, n) for n in range(500)]))
        for base in range(0, 8000, 1000)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [[base + n for n in range(500)] for base in range(0, 8000, 1000)]


@behaviour("handle follows reload")
def test_a_handle_finds_the_new_function_after_a_reload(session: Session, load: Load, save) -> None:
    version = load("version").function("version")
    for number in (1, 2, 3):
        assert version() == number
        save("version", number + 1)
        session.reload("it")


@behaviour("unknown function")
def test_an_unknown_function_is_told_with_a_guess(load: Load) -> None:
    script = load("plain")
    with pytest.raises(UnknownFunction, match='Did you mean "add"'):
        script.call("ad", 1, 2)
    assert script.call("add", 1, 2) == 3


@behaviour("callbacks")
def test_a_function_may_be_an_argument(load: Load) -> None:
    assert load("callbacks").call("apply", lambda value: value * 10, 4) == 40


@behaviour("callbacks")
def test_a_script_may_keep_a_function_for_later(load: Load) -> None:
    script = load("callbacks")
    script.call("keep", str)
    assert script.call("use_kept", 12) == "12"


@behaviour("callbacks")
def test_a_script_may_give_away_a_function_of_its_own(load: Load) -> None:
    double = load("callbacks").call("give")
    assert callable(double)
    assert double(21) == 42


@behaviour("callbacks")
def test_an_error_of_a_callback_passes_through_the_script(load: Load) -> None:
    with pytest.raises(CallError, match=r"ZeroDivisionError: .*zero"):
        load("callbacks").call("apply", lambda value: 1 // value, 0)


@behaviour("references")
def test_an_object_comes_back_as_itself(load: Load) -> None:
    thing = object()
    assert load("plain").call("echo", thing) is thing


@behaviour("references")
def test_a_function_comes_back_as_itself(load: Load) -> None:
    def function() -> None: ...

    assert load("plain").call("echo", function) is function


@behaviour("cycles are named")
def test_a_cycle_in_an_argument_is_refused_with_its_place(load: Load) -> None:
    user: dict[str, object] = {"name": "Ada"}
    user["self"] = user
    with pytest.raises(CrossingError, match=r"args\[0\]\.users\[1\]\.self.*cycle"):
        load("plain").call("echo", {"users": [1, user]})


@behaviour("result cycles are named")
def test_a_cycle_in_a_result_is_refused_with_its_place(load: Load) -> None:
    with pytest.raises(CrossingError, match=r"result\[\d\]\[\d\].*cycle"):
        load("endless value").call("loop")


@behaviour("depth is bounded")
def test_a_value_that_is_nested_too_deeply_is_refused(load: Load) -> None:
    script = load("endless value")
    deep: object = 1
    for _ in range(201):
        deep = [deep]
    with pytest.raises(CrossingError, match=r"args\[0\](\[0\])+.* 200 levels"):
        script.call("echo", deep)
    with pytest.raises(CrossingError, match=r"200 levels"):
        script.call("deep")
    assert script.call("echo", 1) == 1


@behaviour("depth is bounded")
def test_a_value_of_200_levels_crosses(load: Load) -> None:
    deep: object = 1
    for _ in range(200):
        deep = [deep]
    assert load("plain").call("echo", deep) == deep


# ---- runaways ----------------------------------------------------------------------------------------------


@behaviour("interrupt")
def test_an_endless_loop_can_be_stopped(session: Session, load: Load) -> None:
    script = load("spin")
    entered = threading.Event()
    errors: list[BaseException] = []

    def call() -> None:
        try:
            script.call("spin", entered.set)
        except Interrupted as error:
            errors.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    assert entered.wait(5)
    assert session.interrupt("it")
    thread.join(5)
    assert [type(error) for error in errors] == [Interrupted]
    assert script.call("echo", 1) == 1


@behaviour("interrupt")
def test_a_script_that_does_nothing_is_not_interrupted(session: Session, load: Load, log: Log) -> None:
    script = load("spin")
    log.drain()
    assert session.interrupt("it") is False
    assert script.call("echo", 1) == 1


@behaviour("call timeout")
def test_a_call_that_takes_too_long_is_stopped_and_says_where(load: Load) -> None:
    script = load("spin")
    with pytest.raises(CallTimeout, match=r"it\.spin took longer than 0\.05 s") as caught:
        script.call("spin", bool, timeout=0.05)
    assert isinstance(caught.value, TimeoutError)
    assert caught.value.frames[-1].function == "spin"
    assert script.call("echo", 1) == 1


@behaviour("call timeout")
def test_a_call_that_ends_in_time_is_left_alone(load: Load) -> None:
    script = load("spin")
    assert [script.call("echo", n, timeout=0.5) for n in range(100)] == list(range(100))


@behaviour("timeout at load")
def test_an_endless_top_level_is_stopped_and_named(session: Session, save, language: Language) -> None:
    path = save("spin at load")
    timeout, line = 0.1, 0
    while not line and timeout < 10:  # a busy machine may not come to the first line in this time
        timeout *= 2
        with pytest.raises(LoadError, match="still at its top level") as caught:
            session.load(path, timeout=timeout)
        assert caught.value.file == str(path)
        line = caught.value.line
    assert line_of(path, "HERE") <= line <= line_of(path, "HERE TOO")
    assert session.scripts == ()
