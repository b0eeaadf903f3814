"""Tables as files: CSV as RFC 4180 has it, JSON that every reader takes, values as they are."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest

from scriptconsole.out.tables import as_csv, as_json
from scriptengines.view import Level, LogRecord
from tests.console.recording import SCRIPTS, TIMERS


@dataclass(frozen=True, slots=True)
class Row:
    text: str
    value: Any = None


class Pair(NamedTuple):
    one: int
    other: object


def read(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


def test_a_header_and_a_line_for_each_row_ended_by_cr_lf() -> None:
    assert as_csv([Row("a", 1), Row("b", 2.5)]) == "text,value\r\na,1\r\nb,2.5\r\n"
    assert as_csv([Pair(1, None)]) == "one,other\r\n1,\r\n"
    assert as_csv([]) == ""


@pytest.mark.parametrize(
    "text", ['say "hi"', "a,b", "two\nlines", "cr\rlf\r\n", " blank ", "ünï 😀", "", ";"]
)
def test_texts_come_back_as_they_were(text: str) -> None:
    assert read(as_csv([Row(text)])) == [["text", "value"], [text, ""]]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_a_text_that_spreadsheets_take_for_a_formula_gets_an_apostrophe(text: str) -> None:
    assert read(as_csv([Row(text)]))[1][0] == f"'{text}"
    assert json.loads(as_json([Row(text)]))[0]["text"] == text


def test_numbers_are_no_formulas() -> None:
    assert read(as_csv([Row("x", -1)]))[1][1] == "-1"
    assert read(as_csv([Row("x", -0.5)]))[1][1] == "-0.5"


def test_lists_and_records_within_a_row_are_json() -> None:
    cell = read(as_csv([Row("x", (1, Pair(2, Row("y", b"\x00\xff"))))]))[1][1]
    assert json.loads(cell) == [1, {"one": 2, "other": {"text": "y", "value": "00ff"}}]
    assert read(as_csv([Row("x", True)]))[1][1] == "true"


@pytest.mark.parametrize(
    ("value", "read_back"),
    [
        (None, None),
        (True, True),
        (10**30, 10**30),
        (0.1, 0.1),
        (float("inf"), "inf"),
        (float("-inf"), "-inf"),
        (float("nan"), "nan"),
        (Level.ERROR, "error"),
        ({1: [2]}, {"1": [2]}),
        (frozenset({1}), [1]),
        (1j, "1j"),
        ("\ud800", "\ud800"),
    ],
)
def test_every_value_is_json(value: object, read_back: object) -> None:
    text = as_json([Row("x", value)]).encode("utf-8", "backslashreplace").decode()
    assert json.loads(text, parse_constant=pytest.fail) == [{"text": "x", "value": read_back}]


def test_the_rows_of_the_panes() -> None:
    assert json.loads(as_json(TIMERS))[0]["callback"] == TIMERS[0].callback
    failed = next(row for row in json.loads(as_json(SCRIPTS)) if row["state"] == "failed")
    assert failed["last_error"]["message"].startswith("LuaError")
    assert len(read(as_csv(SCRIPTS))) == len(SCRIPTS) + 1
    record = LogRecord(1.5, "a", Level.INFO, "two\nlines")
    assert read(as_csv([record])) == [["time", "script", "level", "text"], ["1.5", "a", "info", "two\nlines"]]
    assert as_json([]) == "[]\n"
