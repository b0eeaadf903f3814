"""Scripts as their users write them run unchanged, in every Lua, and end by themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

from scriptengines.lua.versions import MODULES, installed
from tests.batch.support import batch

SCRIPTS = Path(__file__).parent / "dialect"


@pytest.mark.parametrize("lua", [name for name in MODULES if name in installed()])
def test_everyday(lua: str) -> None:
    run = batch("-o", f"lua={lua}", SCRIPTS / "everyday.lua")
    assert run.err == ""
    assert run.code == 0
    assert sorted(line for line in run.lines if not line.startswith("HTTP Server")) == [
        "echo\thello",
        'get\t200\t{"name":"outside","values":[1.5,'
        + ("3.0" if lua in ("5.3", "5.4", "5.5") else "3")
        + ",4.5]}",
        'post\t200\t{"ok":true}',
        'post\t200\t{"ok":true}',
        'post\t200\t{"ok":true}',
        "ticks\t3",
    ]
