"""Parts of the prompt that need no terminal: history, layout of results, pieces of input, indentation."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from scriptconsole.config.settings import HISTORY_SIZE
from scriptconsole.repl.history import History, history_file
from scriptconsole.repl.indent import indented
from scriptconsole.repl.layout import line_of, lines_of
from scriptconsole.repl.piped import Pieces
from scriptengines.lua import LuaEngine
from scriptengines.python.completeness import is_complete
from scriptengines.results import rows_of, tree


def test_history_survives_and_is_for_its_owner_only(tmp_path: Path) -> None:
    file = history_file(tmp_path / "project", tmp_path / "state")
    history = History(file)
    assert [history.add(text, "python") for text in ("a", "b", "b", "a")] == [True, True, False, True]
    assert History(file).inputs("python") == ["a", "b", "a"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("text", [" password = 'x'", "\tx", "", "  ", "y" * 30_000])
def test_what_is_not_kept(tmp_path: Path, text: str) -> None:
    history = History(tmp_path / "file")
    assert not history.add(text, "python")
    assert not (tmp_path / "file").exists()


def test_nothing_is_written_when_nothing_is_to_be_remembered(tmp_path: Path) -> None:
    history = History(tmp_path / "file", 0)
    assert history.add("secret = 1", "python")
    assert history.inputs("python") == ["secret = 1"], "for as long as the console runs"
    assert not (tmp_path / "file").exists()


def test_each_language_has_its_own_history_and_all_have_the_commands(tmp_path: Path) -> None:
    history = History(tmp_path / "file")
    for text, language in (("p", "python"), ("l", "lua"), (":help", ""), ("p", "python")):
        history.add(text, language)
    assert history.inputs("python") == ["p", ":help", "p"]
    assert history.inputs("lua") == ["l", ":help"]


def test_projects_do_not_share(tmp_path: Path) -> None:
    assert history_file(tmp_path / "a", tmp_path) != history_file(tmp_path / "b", tmp_path)
    assert history_file(tmp_path / "a", tmp_path) == history_file(tmp_path / "b/../a", tmp_path)


def test_a_spoilt_history_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b'["python", "one"]\n\xff\xfe\n{"a": 1}\n["python"]\n["python", "two"]\n["python", "cu')
    assert History(file).inputs("python") == ["one", "two"]


def test_a_long_history_is_shortened(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("".join(f'["lua", "x{n}"]\n' for n in range(2 * HISTORY_SIZE + 1)))
    assert len(History(file).inputs("lua")) == HISTORY_SIZE
    assert len(file.read_text().splitlines()) == HISTORY_SIZE


def test_a_place_that_cannot_be_written_keeps_nobody_from_typing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    history = History(tmp_path / "file" / "below")
    assert history.add("x", "lua")
    assert history.inputs("lua") == ["x"]


def laid_out(value: object, width: int) -> list[str]:
    [result] = tree(rows_of(value))
    return lines_of(result, width)


def test_what_fits_is_on_one_line() -> None:
    assert laid_out({"a": (1,), "b": [set(), {2}]}, 60) == ["{'a': (1,), 'b': [set(), {2}]}"]
    assert laid_out("x" * 100, 10) == [repr("x" * 100)]


def test_what_does_not_fit_is_below_each_other() -> None:
    assert laid_out({"first": "x" * 20, "second": {"k": "y" * 20}}, 30) == [
        "{",
        f"  'first': '{'x' * 20}',",
        "  'second': {",
        f"    'k': '{'y' * 20}',",
        "  },",
        "}",
    ]


def test_short_items_share_lines_and_hidden_ones_are_counted() -> None:
    lines = laid_out(list(range(1000)), 40)
    assert lines[1] == "  0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11,"
    assert all(len(line) <= 40 for line in lines)
    assert lines[-2:] == ["  … 900 more", "]"]


def test_lines_are_limited() -> None:
    [result] = tree(rows_of([["x" * 50] for _ in range(50)]))
    assert lines_of(result, 60, limit=3)[-1] == "… 49 more lines"
    assert line_of(result, 60) is None


def test_pieces_of_a_file() -> None:
    pieces = Pieces(is_complete)
    text = "import x\n\ndef f():\n    return 1\nf()\nif a:\n    b()\nelse:\n    c()\n\n@d\nclass E:\n    pass"
    found = [piece for line in text.split("\n") for piece in pieces.add(line)]
    assert found == [
        "import x",
        "def f():\n    return 1",
        "f()",
        "if a:\n    b()\nelse:\n    c()\n",
    ]
    assert pieces.rest() == "@d\nclass E:\n    pass"


@pytest.mark.parametrize(
    "blocks",
    [
        ["if x: a()\nelse: b()", "c()"],
        ["if x: a()", "c()"],
        ["if x:\n  a()\nelif(y):\n  b()", "c()"],
        ["if x:\n  a()\n# or else\nelse:\n  b()", "c()"],
        ["try: a()\nexcept(E): b()\nelse: c()\nfinally: d()", "e()"],
        ["for x in y: a()\nelse: b()", "c()"],
        ["def f(): return 1", "f()"],
        ["elsewhere = 1", "finally_ = 2"],
    ],
)
def test_all_clauses_of_a_block_are_one_input(blocks: list[str]) -> None:
    pieces = Pieces(is_complete)
    text = "\n".join(blocks)
    assert [piece for line in text.split("\n") for piece in pieces.add(line)] == blocks
    assert pieces.rest() == ""


def test_a_block_on_one_line_ends_with_an_empty_line() -> None:
    pieces = Pieces(is_complete)
    assert list(pieces.add("if x: a()")) == []
    assert list(pieces.add("")) == ["if x: a()\n"]


def test_a_line_of_lua_is_not_held_back_for_clauses_of_python() -> None:
    engine = LuaEngine()
    pieces = Pieces(lambda code: engine.is_complete(code, {"lua": "5.4"}))
    for line in ("x = 1", "f()", "if x then f() end", "#t"):
        assert list(pieces.add(line)) == [line]


@pytest.mark.parametrize(
    ("text", "language", "margin"),
    [
        ("def f():", "python", "    "),
        ("    x = [", "python", "        "),
        ("    y", "python", "    "),
        ("    ", "python", ""),
        ("if x then", "lua", "  "),
        ("local f = function(a)", "lua", "  "),
        ("  f(1)", "lua", "  "),
        ("int x {", "native", ""),
    ],
)
def test_indentation_of_the_next_line(text: str, language: str, margin: str) -> None:
    assert indented(text, language) == margin


def test_as_many_inputs_are_kept_as_are_set(tmp_path: Path) -> None:
    file = tmp_path / "file"
    history = History(file)
    for number in range(5):
        history.add(f"x = {number}", "lua")
    assert History(file, 2).inputs("lua") == ["x = 3", "x = 4"]
    assert History(file, 0).inputs("lua") == []
