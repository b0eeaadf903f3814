"""``python -m tests.conformance.table``: run the suite and write docs/conformance.md from what came of it.

The page is written only when the run has shown exactly what the suite declares. That lets a test compare the
page with the declarations alone, without a run.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from scriptengines.lua.versions import DEFAULT, MODULES

from .languages import BASIC, EXCEPTIONS, LANGUAGES, further_lua

FOLDER = Path(__file__).parent
PAGE = FOLDER.parents[1] / "docs" / "conformance.md"
COLUMNS = (*LANGUAGES, *(further_lua(name) for name in MODULES if name != DEFAULT))
"""Of the page: also those of Lua versions that are not installed here."""
BEGIN, END = "<!-- table -->\n", "<!-- /table -->\n"

type Seen = Mapping[tuple[str, str], str]
"""(behaviour, column) -> "yes", "no" or "FAILED"."""


def behaviours() -> list[str]:
    """What the tests of the suite show, in order."""
    texts = (path.read_text() for path in sorted(FOLDER.glob("test_*.py")))
    found = (name for text in texts for name in re.findall(r'^@behaviour\("(.+)"\)$', text, re.MULTILINE))
    return list(dict.fromkeys(found))


def declared() -> dict[tuple[str, str], str]:
    """What a run must show, if the suite is right about itself."""
    cells: dict[tuple[str, str], str] = {}
    for behaviour in behaviours():
        for column in COLUMNS:
            if column.basic and behaviour not in BASIC:
                continue
            exceptions = {(column.name, behaviour), (column.engine, behaviour)} & set(EXCEPTIONS)
            cells[behaviour, column.name] = "no" if exceptions else "yes"
    return cells


def table(seen: Seen) -> str:
    """The tables of the page: all behaviours, those tried with further versions, the reason of each "no"."""
    whole = [column.name for column in COLUMNS if not column.basic]
    basic = [column.name for column in COLUMNS if column.basic]
    parts = (
        _rows(seen, behaviours(), whole),
        _rows(seen, [each for each in behaviours() if each in BASIC], basic),
        _reasons(),
    )
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def _rows(seen: Seen, names: list[str], columns: list[str]) -> Iterator[str]:
    yield f"| | {' | '.join(columns)} |"
    yield "|---" * (len(columns) + 1) + "|"
    for name in names:
        cells = (seen.get((name, column), "") for column in columns)
        yield f"| {name} | {' | '.join('**no**' if cell == 'no' else cell for cell in cells)} |"


def _reasons() -> Iterator[str]:
    yield "| | no: | because |"
    yield "|---|---|---|"
    for (column, behaviour), reason in EXCEPTIONS.items():
        yield f"| {column} | {behaviour} | {reason} |"


def written(page: str) -> str:
    """The part of the page that is generated."""
    return page.partition(BEGIN)[2].partition(END)[0]


def main() -> int:
    """Run the suite and write the page; the status is that of the run."""
    page_itself = f"--ignore={FOLDER / 'test_table.py'}"
    status = pytest.main([str(FOLDER), "-q", "-m", "", "-p", "no:cacheprovider", page_itself])
    from . import conftest  # pytest has imported it by now

    seen, wanted = conftest.seen, declared()
    if status:
        return status
    if seen != wanted:
        wrong = sorted(cell for cell in {*seen, *wanted} if seen.get(cell) != wanted.get(cell))
        print(*(f"{cell}: declared {wanted.get(cell)}, seen {seen.get(cell)}" for cell in wrong), sep="\n")
        return 1
    page = PAGE.read_text()
    before, _, rest = page.partition(BEGIN)
    PAGE.write_text(before + BEGIN + table(seen) + END + rest.partition(END)[2])
    return 0


if __name__ == "__main__":
    sys.exit(main())
