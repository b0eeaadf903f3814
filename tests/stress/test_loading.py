"""A thousand scripts come and go: their interpreters are used again, and memory stays where it was.

STRESS_LOADS sets how many; by default fewer, as part of a run that is bounded in time.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from scriptengines import Session
from tests.bench.harness import resident_bytes
from tests.engines.native_parts import HAS_COMPILER, component_c

COUNT = int(os.environ.get("STRESS_LOADS", "100"))
PYTHON = """# scriptconsole: isolation = "{isolation}"
import asyncio, json
import host

table = {{n: str(n) for n in range(1000)}}
host.set_interval(lambda: None, 60_000)

def work(value):
    return json.dumps(value)

async def main():
    await asyncio.sleep(0)

asyncio.run(main())
"""


LUA = """-- scriptconsole: lua = "{version}"
local entries = {{}}
for n = 1, 1000 do entries[n] = tostring(n) end
setInterval(function() end, 60000)
function work(value) return tostring(value) end
"""
NATIVE = component_c(
    {
        "tick": "",
        "work": "char *text = ctx->alloc(ctx, 24); if (text == NULL) return -1; "
        'snprintf(text, 24, "%lld", (long long)a[0].as.integer); *out = sc_str(text);',
    },
    prefix="#include <stdio.h>\nstatic char weight[1 << 20];",
    load='weight[0] = 1; return sc_set_interval(ctx, "tick", 60000, NULL);',
)
SCRIPTS = {
    **{
        isolation: ("it.py", PYTHON.format(isolation=isolation))
        for isolation in ("isolated", "shared", "main")
    },
    **{f"lua {version}": ("it.lua", LUA.format(version=version)) for version in ("5.4", "luajit2.1")},
    "native": ("it.c", NATIVE),
}


@pytest.mark.stress
@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", SCRIPTS)
def test_scripts_that_came_and_went_leave_at_most_twenty_megabytes(tmp_path: Path, kind: str) -> None:
    if kind == "native" and not HAS_COMPILER:
        pytest.skip("needs a C compiler")
    name, text = SCRIPTS[kind]
    path = tmp_path / name
    path.write_text(text)
    with Session(batch=True) as session:

        def come_and_go(count: int) -> None:
            for number in range(count):
                assert session.load(path).call("work", number) == str(number)
                session.unload("it")
                session.records()

        come_and_go(20)
        before = resident_bytes()
        come_and_go(COUNT)
        grown = (resident_bytes() - before) / 1e6
    print(f"{kind}: {COUNT} scripts loaded and unloaded, {grown:.1f} MB grown")
    assert grown <= 20
