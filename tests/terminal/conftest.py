"""Every test in a terminal is a user of its own, of whom nothing is remembered."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def own_state(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which consoles of this test keep states."""
    folder = tmp_path_factory.mktemp("states")
    monkeypatch.setenv("XDG_STATE_HOME", str(folder))
    return folder
