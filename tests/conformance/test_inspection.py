"""Looking into a script: its functions, variables and names."""

from __future__ import annotations

import time

import pytest

from scriptengines.errors import ScriptConsoleError
from scriptengines.session import Session
from scriptengines.view import Change
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


@behaviour("expand")
def test_what_is_inside_a_variable_follows_it_in_the_frame(
    session: Session, load: Load, log: Log, language: Language
) -> None:
    script = load("plain")
    session.expand("it", ("levels",))
    script.refresh()
    rows = session.frame().variables
    [owner] = [row for row in rows if row.address == ("levels",)]
    assert (owner.expandable, owner.expanded) == (True, True)
    inside = rows[rows.index(owner) + 1 :][:3]
    first = 1 if language.engine == "lua" else 0
    assert [row.address for row in inside] == [("levels", first + i) for i in range(3)]
    assert [row.expression for row in inside] == [f"levels[{first + i}]" for i in range(3)]
    assert [float(row.value) for row in inside] == [1.0, 2.0, 3.0]
    session.collapse("it", ("levels",))
    script.refresh()
    assert not [row for row in session.frame().variables if row.path]


@behaviour("expand")
def test_numbers_keep_their_history(session: Session, load: Load) -> None:
    script = load("plain")
    for value in (0, 4, 4, 2):
        script.call("set_count", value)
        script.refresh()
    [row] = [row for row in session.frame().variables if row.name == "count"]
    assert row.history == (0.0, 4.0, 2.0)


@behaviour("set in place")
def test_a_row_is_set_to_what_an_expression_gives(session: Session, load: Load, language: Language) -> None:
    script = load("plain")
    second = 2 if language.engine == "lua" else 1
    session.set_variable("it", ("count",), " 12 ")
    session.set_variable("it", ("label",), "'blue'")
    session.set_variable("it", ("levels", second), "9.5")
    assert script.get("count") == 12
    assert script.get("label") == "blue"
    assert script.get("levels") == [1.0, 9.5, 3.0]


@behaviour("set in place")
@pytest.mark.parametrize("text", ["1 +", "no_such_name.x", "", "count = 3"])
def test_a_wrong_expression_changes_nothing(session: Session, load: Load, text: str) -> None:
    script = load("plain")
    with pytest.raises(ScriptConsoleError):
        session.set_variable("it", ("count",), text)
    assert script.get("count") == 0


@behaviour("watch")
def test_a_watched_expression_is_evaluated_again_and_again(session: Session, load: Load, log: Log) -> None:
    script = load("plain")
    number = session.add_watch("it", "count")
    wrong = session.add_watch("it", "no_such_name.x")
    script.refresh()
    good, bad = session.frame().watches
    assert (good.id, good.script, good.expression, good.value, good.error) == (number, "it", "count", "0", "")
    assert (bad.id, bad.value) == (wrong, "")
    assert "no_such_name" in bad.error
    script.call("set_count", 41)

    def seen() -> bool:
        script.refresh()
        return session.frame().watches[0].value == "41"

    log.until(seen)
    assert session.frame().watches[0].history == (0.0, 41.0)
    assert session.remove_watch(number)
    assert not session.remove_watch(number)
    assert [watch.id for watch in session.frame().watches] == [wrong]


@behaviour("differences")
def test_what_differs_from_a_mark_is_told(session: Session, load: Load, language: Language) -> None:
    load("plain")
    second = 2 if language.engine == "lua" else 1
    session.mark("it")
    assert session.differences("it") == []
    session.set_variable("it", ("count",), "7")
    session.set_variable("it", ("levels", second), "9.5")
    count, level = session.differences("it")
    assert (count.name, count.before, count.after, count.change) == ("count", "0", "7", Change.CHANGED)
    assert (level.name, level.path) == (f"levels[{second}]", ("levels", second))
    assert (float(level.before), float(level.after)) == (2.0, 9.5)


@behaviour("differences")
def test_what_differs_from_the_generation_before_is_told(session: Session, load: Load) -> None:
    script = load("plain")
    with pytest.raises(ScriptConsoleError, match="nothing to compare"):
        session.differences("it", "generation")
    session.frame()
    script.call("set_count", 5)
    session.reload("it")
    [row] = session.differences("it", "generation")
    assert (row.name, row.before, row.after) == ("count", "5", "0")


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


@behaviour("typed input")
def test_what_is_typed_gives_a_bounded_tree(session: Session, load: Load) -> None:
    load("plain")
    [label] = session.interact("it", "label")
    assert (label.text.strip("'\""), label.size) == ("red", 3)
    [levels] = session.interact("it", "levels")
    assert [float(item.text) for item in levels.items] == [1.0, 2.0, 3.0]
    assert (levels.size, levels.hidden) == (3, 0)
    assert session.interact("it", "count = 12") == []
    assert session.interact("it", "count")[0].text == "12"


@behaviour("typed input: last result")
def test_the_last_result_of_what_is_typed_is_kept(session: Session, load: Load) -> None:
    load("plain")
    session.interact("it", "add(1, 2)")
    assert session.interact("it", "_ * 2")[0].text == "6"
