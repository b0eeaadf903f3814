"""Runs each behaviour on each engine; asked for this folder alone, tells which engine has which behaviour."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scriptengines.lua.versions import installed
from scriptengines.script import Script
from scriptengines.session import Session

from .languages import BASIC, EXCEPTIONS, LANGUAGES, PARTNERS, VERSIONS, Language

FAMILY = {language.name: language.engine for language in (*LANGUAGES, *VERSIONS)}
COLUMNS = tuple(FAMILY)
type Load = Callable[..., Script]

seen: dict[tuple[str, str], str] = {}
"""(behaviour, column) -> what came of it; table.py makes a page of it."""


@pytest.fixture(params=(*LANGUAGES, *VERSIONS), ids=lambda language: language.name)
def language(request: pytest.FixtureRequest) -> Language:
    return request.param


@pytest.fixture(params=PARTNERS, ids=lambda language: f"to-{language.name}")
def other(request: pytest.FixtureRequest) -> Language:
    """A second script's language, for what two scripts do together."""
    return request.param


@pytest.fixture
def save(tmp_path: Path, language: Language) -> Callable[..., Path]:
    """`save(text name, version=1, alias="it", language=…)` writes a script of the suite."""

    def save(name: str, version: int = 1, alias: str = "it", language: Language = language) -> Path:
        path = tmp_path / f"{alias}{language.suffix}"
        path.write_text(language.text(name, version))
        return path

    return save


@pytest.fixture
def load(session: Session, save: Callable[..., Path]) -> Load:
    """`load(text name, …)` writes a script of the suite and loads it; by default as "it"."""

    def load(name: str, timeout: float | None = None, **where: object) -> Script:
        return session.load(save(name, **where), timeout=timeout)

    return load


# ---- the table -------------------------------------------------------------------------------------------


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "behaviour(name): what every engine does, unless EXCEPTIONS says why not"
    )


def _names(item: pytest.Item) -> list[str]:
    parameters = getattr(getattr(item, "callspec", None), "params", {})
    return [value.name for value in parameters.values() if isinstance(value, Language)]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what further versions of a language need not show; keep what takes long for `stress`."""

    def takes_long(item: pytest.Item) -> bool:
        """A process for each script; or a further version of a language."""
        marker = item.get_closest_marker("behaviour")
        parameters = getattr(getattr(item, "callspec", None), "params", {})
        languages = [value for value in parameters.values() if isinstance(value, Language)]
        processes = [language for language in languages if language.name.endswith("-process")]
        if marker is None or not languages:
            return False
        if processes:
            return len(languages) > 1 or marker.args[0] not in BASIC
        return languages[0].basic and marker.args[0] != "values arrive"

    for item in filter(takes_long, items):
        item.add_marker(pytest.mark.stress)

    def is_wanted(item: pytest.Item) -> bool:
        marker = item.get_closest_marker("behaviour")
        language = getattr(getattr(item, "callspec", None), "params", {}).get("language")
        return marker is None or language is None or not language.basic or marker.args[0] in BASIC

    unwanted = [item for item in items if not is_wanted(item)]
    config.hook.pytest_deselected(items=unwanted)
    items[:] = [item for item in items if is_wanted(item)]


def pytest_itemcollected(item: pytest.Item) -> None:
    marker = item.get_closest_marker("behaviour")
    if marker is None:
        return
    behaviour = marker.args[0]
    for name in _names(item):
        item.user_properties.append(("behaviour", (behaviour, name)))
        reason = EXCEPTIONS.get((name, behaviour)) or EXCEPTIONS.get((FAMILY[name], behaviour))
        if reason is None and FAMILY[name] == "lua" and not installed():
            reason = "the package lupa is not installed"
        if reason is not None:
            item.add_marker(pytest.mark.skip(reason=f"{name}: {reason}"))


def pytest_collection_finish(session: pytest.Session) -> None:
    known = {m.args[0] for item in session.items if (m := item.get_closest_marker("behaviour")) is not None}
    unknown = {behaviour for _, behaviour in EXCEPTIONS} - known
    if _is_alone(session.config) and session.items and unknown and not session.config.option.keyword:
        raise pytest.UsageError(f"EXCEPTIONS names behaviours that no test has: {', '.join(sorted(unknown))}")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    for name, value in report.user_properties:
        if name != "behaviour":
            continue
        if report.failed:
            seen[value] = "FAILED"
        elif report.skipped:
            seen.setdefault(value, "no")
        elif report.when == "call" and seen.get(value) != "FAILED":
            seen[value] = "yes"  # also where a test of it has skipped: with another script, or for one value


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if seen and _is_alone(config):
        terminalreporter.section("conformance: behaviour x engine")
        terminalreporter.write("\n".join(_table()) + "\n")


def _is_alone(config: pytest.Config) -> bool:
    return any(str(argument).rstrip("/").endswith("conformance") for argument in config.args)


def _table() -> Iterator[str]:
    behaviours = list(dict.fromkeys(behaviour for behaviour, _ in seen))
    width = max(map(len, behaviours))
    yield f"{'':{width}}  {'  '.join(f'{column:14}' for column in COLUMNS)}"
    for behaviour in behaviours:
        cells = "  ".join(f"{seen.get((behaviour, column), ''):14}" for column in COLUMNS)
        yield f"{behaviour:{width}}  {cells}".rstrip()
    for (engine, behaviour), reason in EXCEPTIONS.items():
        if seen.get((behaviour, engine)) == "no":
            yield f"no: {engine}, {behaviour}: {reason}"
