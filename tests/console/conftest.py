"""What makes a screen test repeatable: frozen clock and time zone, snapshots in the root folder."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import pytest_textual_snapshot
from syrupy.data import SnapshotCollections
from textual.css.model import RuleSet
from textual.css.stylesheet import Stylesheet
from textual.widgets import Input

from .recording import RecordedSession

if TYPE_CHECKING:
    from syrupy.location import PyTestLocation

ROOT = Path(__file__).parents[2]


class RootSVGImageExtension(pytest_textual_snapshot.SVGImageExtension):
    """Keeps approved screens in `snapshots/<path of the test file under tests>/`."""

    @classmethod
    def dirname(cls, *, test_location: PyTestLocation) -> str:
        file = Path(test_location.filepath).relative_to(ROOT / "tests").with_suffix("")
        return str(ROOT / "snapshots" / file)

    def discover_snapshots(self, *, test_location: PyTestLocation) -> SnapshotCollections:
        # A run by node id would report the snapshots of its siblings as unused, and an update delete them.
        if any("::" in argument for argument in sys.argv):
            return SnapshotCollections()
        return super().discover_snapshots(test_location=test_location)


@pytest.fixture(autouse=True, scope="session")
def style_sheets_parsed_once() -> Iterator[None]:
    """Each app would parse them anew, which is a third of what its start costs."""
    parse = Stylesheet._parse_rules
    parsed: dict[object, list[RuleSet]] = {}

    def parse_once(self: Stylesheet, *what: Any, **more: Any) -> list[RuleSet]:
        key = (what, frozenset(more.items()), frozenset(self._variables.items()))
        if key not in parsed:
            parsed[key] = parse(self, *what, **more)
        return parsed[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Stylesheet, "_parse_rules", parse_once)
        yield


@pytest.fixture(autouse=True)
def steady_screen(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Take away what differs between machines and moments."""
    monkeypatch.setattr(pytest_textual_snapshot, "SVGImageExtension", RootSVGImageExtension)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.delenv("COLORFGBG", raising=False)
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setenv("TEXTUAL_ANIMATIONS", "none")
    time.tzset()
    started = Input.__init__

    def without_blink(self: Input, *args: object, **kwargs: object) -> None:
        started(self, *args, **kwargs)  # pyright: ignore[reportArgumentType]
        self.cursor_blink = False

    monkeypatch.setattr(Input, "__init__", without_blink)
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def session() -> RecordedSession:
    return RecordedSession()
