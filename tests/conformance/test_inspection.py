"""Looking into a script: its functions, variables and names."""

from __future__ import annotations

import time

import pytest

from scriptengines.session import Session
from tests.conftest import Log

from .conftest import Load
from .languages import Language

behaviour = pytest.mark.behaviour
SIGNATURES = {"python": "(a, b)", "lua": "(a, b)", "native": "(integer, integer) -> integer"}


@behaviour("functions()")
def test_functions_are_listed_with_signature_doc_and_line(load: Load, language: Language) -> None:
    script = load("plain")
    functions = script.functions()
    assert [function.name for function in functions] == ["add", "echo", "set_count"]
    add = functions[0]
    assert (add.signature, add.doc) == (SIGNATURES[language.engine], "Add two numbers.")
    lines = script.path.read_text().splitlines()
    assert all(function.name in lines[function.line - 1] for function in functions)


@behaviour("variables()")
def test_variables_are_shown_as_short_texts(load: Load, language: Language) -> None:
    rows = {name: (text, size) for name, _, text, size in load("plain").variables()}
    assert sorted(rows) == ["count", "label", "levels"]
    assert rows["count"] == ("0", None)
    assert "red" in rows["label"][0]
    assert rows["levels"][1] == 3
    levels = ("1.0", "2.0", "3.0") if language.integers else ("1", "2", "3")
    assert all(part in rows["levels"][0] for part in levels)


@behaviour("variables()")
def test_a_huge_container_is_shown_in_no_time(load: Load) -> None:
    script = load("huge")
    start = time.perf_counter()
    [(name, _, text, size)] = script.variables()
    elapsed = time.perf_counter() - start
    assert name == "numbers"
    assert size >= 1_000_000
    assert len(text) <= 201
    assert elapsed < 0.1, "a repr of the whole would take longer"


@behaviour("variables()")
def test_a_frame_shows_the_variables_of_a_script(session: Session, load: Load, log: Log) -> None:
    script = load("plain")
    script.call("set_count", 41)
    log.until(lambda: [v.value for v in session.frame().variables if v.name == "count"] == ["41"])


@behaviour("get and set")
def test_a_variable_can_be_read_and_set(load: Load) -> None:
    script = load("plain")
    script.call("set_count", 5)
    assert script.get("count") == 5
    script.set("count", 7)
    assert script.get("count") == 7


@behaviour("get and set")
def test_what_is_inside_a_variable_can_be_read_and_set(load: Load, language: Language) -> None:
    script = load("plain")
    second = 2 if language.engine == "lua" else 1
    assert script.get("levels", second) == 2.0
    script.set("levels", second, 9.5)
    assert script.get("levels") == [1.0, 9.5, 3.0]


@behaviour("evaluate variables")
def test_a_variable_is_an_expression(session: Session, load: Load) -> None:
    load("plain")
    assert session.evaluate("it", "label") == "red"


@behaviour("evaluate")
def test_an_expression_sees_functions_and_variables(session: Session, load: Load) -> None:
    load("plain")
    assert session.evaluate("it", "add(count, 2) * 3") == 6


@behaviour("assign")
def test_an_assignment_can_be_executed(load: Load) -> None:
    script = load("plain")
    script.execute("count = 12")
    assert script.get("count") == 12


@behaviour("execute")
def test_statements_run_in_the_script(load: Load) -> None:
    script = load("plain")
    script.execute("count = add(1, 2)\nset_count(count + 1)")
    assert script.get("count") == 4


@behaviour("memory")
def test_memory_grows_with_what_a_script_holds(load: Load, language: Language) -> None:
    small = load("plain", alias="small").memory()
    large = load("huge", alias="large").memory()
    assert small is not None
    assert large is not None
    assert large > small + 1_000_000


def texts(session: Session, text: str) -> list[str]:
    return [found.text for found in session.completions("it", text, len(text))]


@behaviour("complete")
def test_names_are_completed(session: Session, load: Load) -> None:
    load("plain")
    assert "add" in texts(session, "ad")
    assert "count" in texts(session, "cou")
    assert {"label", "levels"} <= set(texts(session, "l"))
    assert texts(session, "nothing_like_it") == []


@behaviour("complete")
def test_a_completion_tells_signature_doc_and_value(session: Session, load: Load, language: Language) -> None:
    load("plain")
    [add] = [found for found in session.completions("it", "x = add", 7) if found.text == "add"]
    assert (add.start, add.kind) == (4, "function")
    assert (add.signature, add.doc) == (SIGNATURES[language.engine], "Add two numbers.")
    [count] = [found for found in session.completions("it", "count", 5) if found.text == "count"]
    assert (count.kind, count.doc) == ("variable", "0")


@behaviour("complete while busy")
def test_completion_does_not_wait_for_a_busy_script(session: Session, load: Load) -> None:
    script = load("plain")
    assert "count" in texts(session, "cou")
    script.refresh()
    with script.lock:  # as a call that takes for ever
        assert "count" in texts(session, "cou")
