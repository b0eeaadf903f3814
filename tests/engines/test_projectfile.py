"""Files of settings: which one counts, and on which line a key stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from scriptengines.errors import ConfigError
from scriptengines.projectfile import line_of, lines_of, nearest, read

TEXT = '''# a comment
top = 1

[engines.lua]
lua = "5.1"
words = [
    "[scripts]",  # looks like a table
    "b",
]
text = """
[keys]
no = 1
"""
inline = { a = 1, b = { c = 2 } }
dotted.x.y = true

[[many]]
one = 1

[ "odd name" . inner ]
"quoted key" = 2
'''


def test_each_key_has_the_line_on_which_it_begins() -> None:
    found = lines_of(TEXT)
    lua = ("engines", "lua")
    assert found == {
        ("top",): 2,
        ("engines",): 4,
        lua: 4,
        (*lua, "lua"): 5,
        (*lua, "words"): 6,
        (*lua, "text"): 10,
        (*lua, "inline"): 14,
        (*lua, "inline", "a"): 14,
        (*lua, "inline", "b"): 14,
        (*lua, "inline", "b", "c"): 14,
        (*lua, "dotted"): 15,
        (*lua, "dotted", "x"): 15,
        (*lua, "dotted", "x", "y"): 15,
        ("many",): 17,
        ("many", "one"): 18,
        ("odd name",): 20,
        ("odd name", "inner"): 20,
        ("odd name", "inner", "quoted key"): 21,
    }


def test_a_key_that_is_gone_has_no_line(tmp_path: Path) -> None:
    file = tmp_path / "scriptconsole.toml"
    assert line_of(file, ("keys",)) == 0
    file.write_text("[engines]\n")
    assert line_of(file, ("keys",)) == 0


def test_the_nearest_file_is_the_one_above_that_exists(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    outer = tmp_path / "scriptconsole.toml"
    outer.write_text("")
    assert nearest(inner) == outer
    (inner / "scriptconsole.toml").mkdir()  # a folder of that name is no file
    assert nearest(inner) == outer


@pytest.mark.parametrize(
    ("written", "line", "reason"),
    [
        (b"a = 1\nb = \n", 2, "not valid TOML: Invalid value"),
        (b"a = 1\na = 2\n", 2, "not valid TOML: Cannot overwrite a value"),
        (b"a = '\xff'\n", 0, "not valid TOML: not UTF-8"),
    ],
)
def test_a_file_that_is_no_toml_is_refused_with_the_line(
    tmp_path: Path, written: bytes, line: int, reason: str
) -> None:
    file = tmp_path / "scriptconsole.toml"
    file.write_bytes(written)
    with pytest.raises(ConfigError) as caught:
        read(file)
    place = f"{file}:{line}" if line else str(file)
    assert str(caught.value).startswith(f"{place}: {reason}")
    assert caught.value.line == line
