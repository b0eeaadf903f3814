"""Rows of a table as CSV or JSON: the values themselves, not the shortened texts of the screen."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from math import isfinite
from typing import Any, cast

FORMATS = (".csv", ".json")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def as_csv(rows: Iterable[object]) -> str:
    """Write rows as CSV (RFC 4180): a header, quotes where a field needs them, CR LF at the ends of lines.

    A text that a spreadsheet would take for a formula gets an apostrophe before it: values come from scripts,
    and from whoever talks to them. Lists and records within a row are JSON.

    Args:
        rows: Dataclasses or named tuples, all of one kind.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    header: Sequence[str] = ()
    for row in rows:
        values = _fields(row)
        if not header:
            header = list(values)
            writer.writerow(header)
        writer.writerow([_cell(value) for value in values.values()])
    return out.getvalue()


def as_json(rows: Iterable[object]) -> str:
    """Write rows as a list of objects, one on each line.

    Numbers that JSON does not have become the texts "inf", "-inf" and "nan".

    Args:
        rows: Dataclasses or named tuples.
    """
    lines = [json.dumps(_plain(row), ensure_ascii=False, allow_nan=False) for row in rows]
    return "[\n" + ",\n".join(lines) + "\n]\n" if lines else "[]\n"


def _fields(row: object) -> dict[str, Any]:
    names = _names(row)
    assert names is not None, "a row is a dataclass or a named tuple"
    return {name: getattr(row, name) for name in names}


def _names(value: Any) -> Sequence[str] | None:
    """The names of a record's fields, None for what is no record."""
    if is_dataclass(value):
        return [field.name for field in fields(value)]
    return getattr(cast("Any", value), "_fields", None) if isinstance(value, tuple) else None


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA) else str(value)
    if isinstance(value, int | float):
        return value
    return json.dumps(_plain(value), ensure_ascii=False, allow_nan=False)


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, float):
        return value if isfinite(value) else str(value)
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in cast("Mapping[Any, Any]", value).items()}
    if (names := _names(value)) is not None:
        return {name: _plain(getattr(value, name)) for name in names}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(each) for each in cast("Iterable[Any]", value)]
    return str(value)
