"""docs/conformance.md says what the suite declares."""

from __future__ import annotations

from . import conftest
from .languages import EXCEPTIONS
from .table import COLUMNS, PAGE, behaviours, declared, table, written


def test_the_page_is_that_of_the_suite() -> None:
    page = written(PAGE.read_text())
    assert page == table(declared()), "run: python -m tests.conformance.table"


def test_the_page_has_every_column_that_is_run_here() -> None:
    assert set(conftest.COLUMNS) <= {column.name for column in COLUMNS}


def test_every_exception_is_of_a_known_column_and_behaviour() -> None:
    columns = {name for column in COLUMNS for name in (column.name, column.engine)}
    assert {column for column, _ in EXCEPTIONS} <= columns
    assert {behaviour for _, behaviour in EXCEPTIONS} <= set(behaviours())
