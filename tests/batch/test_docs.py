"""The documentation is true: its examples run, its tables are complete, its links lead somewhere.

In a page, `<!-- run -->` before a fenced block marks it as an example. A `console` block has commands after
`$ ` and what they print; `...` stands for anything within a line. A `python` block is a program that prints
the `text` block after it.
`<!-- file: NAME -->` writes a block to a file that examples after it use.
"""

from __future__ import annotations

import json
import os
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from scriptconsole.config.themefiles import BUILT_IN, COLORS
from scriptconsole.exitcodes import ExitCode
from scriptengines import errors
from scriptengines.lua import LuaEngine
from scriptengines.native import NativeEngine
from scriptengines.options import COMMON
from scriptengines.python import PythonEngine
from scriptengines.session import BUILTIN_ENGINES
from tests.bench.__main__ import chosen
from tests.bench.one_call import CASES, GROUPS

from .support import EXAMPLES, LIMIT, ROOT

PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md")])
_BLOCK = re.compile(
    r"<!-- (?P<mark>run|file: \S+) -->\n```(?P<kind>\w+)\n(?P<text>.*?)^```"
    r"(?:\n\n```text\n(?P<printed>.*?)^```)?",
    re.DOTALL | re.MULTILINE,
)


class Step(NamedTuple):
    """One command of an example and the lines it shall print."""

    command: str
    wanted: list[str]


def steps_of(block: str) -> list[Step]:
    steps: list[Step] = []
    for line in block.splitlines():
        if line.startswith("$ "):
            steps.append(Step(line[2:], []))
        else:
            steps[-1].wanted.append(line)
    return steps


def matches(wanted: list[str], printed: list[str]) -> bool:
    patterns = [re.escape(line).replace(re.escape("..."), ".*") for line in wanted]
    return len(patterns) == len(printed) and all(
        re.fullmatch(pattern, line) for pattern, line in zip(patterns, printed, strict=True)
    )


@pytest.fixture
def shell(tmp_path: Path) -> dict[str, str]:
    """Environment in which `scriptconsole` is the program under test."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "scriptconsole"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m scriptconsole "$@"\n')
    program.chmod(0o755)
    return {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}


@pytest.mark.parametrize(
    ("page", "examples"),
    [
        ("README.md", 4),
        ("docs/embedding.md", 8),
        ("docs/native-modules.md", 3),
        ("docs/options.md", 3),
        ("docs/configuration.md", 2),
    ],
)
def test_examples_run(tmp_path: Path, shell: dict[str, str], page: str, examples: int) -> None:
    where = tmp_path / "checkout"
    shutil.copytree(EXAMPLES, where / "examples")
    ran = 0
    for block in _BLOCK.finditer((ROOT / page).read_text()):
        mark, text = block["mark"], block["text"]
        if mark != "run":
            (where / mark.removeprefix("file: ")).write_text(text)
        elif block["kind"] == "console":
            check_commands(steps_of(text), where, shell)
            ran += 1
        else:
            done = subprocess.run(
                [sys.executable, "-c", text],
                cwd=where,
                capture_output=True,
                text=True,
                timeout=LIMIT,
                check=False,
            )
            assert (done.returncode, done.stdout) == (0, block["printed"]), done.stderr
            ran += 1
    assert ran == examples


def check_commands(steps: list[Step], where: Path, env: dict[str, str]) -> None:
    """Run the commands in one shell, so that `$?` means what it says."""
    mark = "--- next ---"
    script = f"\nstatus=$?; echo '{mark}'; (exit $status)\n".join(step.command for step in steps)
    done = subprocess.run(
        ["/bin/sh", "-c", script],
        cwd=where,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    parts = done.stdout.split(f"{mark}\n")
    assert len(parts) == len(steps)
    for step, printed in zip(steps, parts, strict=True):
        assert matches(step.wanted, printed.splitlines()), f"$ {step.command}\n{printed}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text()):
        if not target.startswith("https://"):
            assert (page.parent / target).exists(), target


def anchors_of(page: Path) -> set[str]:
    """What can stand after # in a link to a page: its headings, as web pages name them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_into_a_page_lead_to_a_heading(page: Path) -> None:
    for target, anchor in re.findall(r"\]\(([^)#:\s]*)#([^)\s]+)\)", page.read_text()):
        where = page.parent / target if target else page
        assert anchor in anchors_of(where), f"{target}#{anchor}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_name_no_machine(page: Path) -> None:
    text = page.read_text()
    assert not re.search(r"/(?:root|home|work|tmp)/", text)


def test_keys_are_those_of_the_registry() -> None:
    keys = runpy.run_path(str(ROOT / "docs" / "keys.py"))
    page = (ROOT / "docs" / "console.md").read_text()
    assert keys["renewed"](page) == page, "the tables of keys are old: python docs/keys.py"


def options_table() -> str:
    """The rows for docs/options.md."""
    rows = ["| engine | option | kind | default | |", "|---|---|---|---|---|"]
    own = [(engine.name, engine.options) for engine in (PythonEngine, LuaEngine, NativeEngine)]
    for engine, options in [*own, ("all", COMMON)]:
        for name, option in options.items():
            choices = ", ".join(f"`{choice or json.dumps(choice)}`" for choice in option.choices)
            text = f"{option.doc} One of {choices}." if choices else option.doc
            default = "" if option.default in (None, ()) else f"`{json.dumps(option.default)}`"
            rows.append(f"| {engine} | `{name}` | {option.kind} | {default} | {text} |")
    return "\n".join(rows)


def test_options_are_those_of_the_engines() -> None:
    page = (ROOT / "docs" / "options.md").read_text()
    written = page.partition("<!-- options -->\n")[2].partition("\n<!-- /options -->")[0]
    assert written == options_table(), f"docs/options.md must have:\n{options_table()}"
    engines = {target.rpartition(":")[2] for target in BUILTIN_ENGINES.values()}
    assert engines == {"PythonEngine", "LuaEngine", "NativeEngine"}, "the table lacks an engine"


def test_colours_are_those_a_theme_can_set() -> None:
    page = (ROOT / "docs" / "themes.md").read_text()
    table = page.partition("<!-- colors -->")[2].partition("<!-- /colors -->")[0]
    assert sorted(re.findall(r"`([\w-]+)`", table)) == sorted(COLORS)
    for name in BUILT_IN:
        assert f"| `{name}` |" in page


def test_settings_are_those_of_the_code() -> None:
    settings = runpy.run_path(str(ROOT / "docs" / "settings.py"))
    assert settings["written"]() == settings["table"](), "run: python docs/settings.py"


def test_benchmarks_and_budgets_are_those_that_run() -> None:
    page = (ROOT / "docs" / "performance.md").read_text()
    rows = re.findall(r"^\| (\w+/[^|]+) \|.*\| ([^|]+) \|$", page, re.MULTILINE)
    written = {name: budget.removesuffix(" **over**") for name, budget in rows}
    groups = {name.partition("/")[0] for name in written}
    known = {f"{each.group}/{each.name}": each.budget.text for each in chosen(sorted(groups))}
    assert groups == {"batch", "crossing", "engines", "process", "runtime", "ui"}
    assert known.items() >= written.items()
    assert known.keys() - written.keys() <= {"engines/Python handle, pool"}, (
        "only where CPython has that pool"
    )


def test_counted_calls_are_those_that_can_be_counted() -> None:
    page = (ROOT / "docs" / "performance.md").read_text()
    counted = page.partition("| instructions of one call |")[2].partition("\n\n")[0].splitlines()
    assert [name.strip() for name in counted[0].strip("|").split("|")] == list(CASES)
    assert [row.split("|")[1].strip() for row in counted[2:]] == [*GROUPS, "**all**"]


def test_the_reference_of_host_functions_is_that_of_the_code() -> None:
    reference = runpy.run_path(str(ROOT / "docs" / "reference.py"))
    assert reference["written"]() == reference["reference"](), "run: python docs/reference.py"


def test_every_error_is_documented_with_its_base() -> None:
    page = (ROOT / "docs" / "errors.md").read_text()
    for name in errors.__all__:
        assert f"`{name}" in page or f"`{name}(" in page, name
        kind = getattr(errors, name)
        if not isinstance(kind, type) or kind in (errors.ScriptConsoleError, errors.RemoteFrame):
            continue
        (base,) = [each for each in kind.__bases__ if each is not errors.ScriptConsoleError]
        assert f"| `{name}` | `{base.__name__}` |" in page


@pytest.mark.parametrize("page", ["docs/batch.md", "README.md"])
def test_every_exit_status_is_documented(page: str) -> None:
    text = (ROOT / page).read_text()
    for code in ExitCode:
        assert re.search(rf"^\| {code.value} \| ", text, re.MULTILINE), code
        if page.startswith("docs"):
            assert f"| {code.value} | `{code.name}` |" in text
