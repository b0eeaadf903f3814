"""A native component that is reloaded over and over: nothing of the old builds stays."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from scriptengines import Session
from tests.bench.harness import resident_bytes
from tests.engines.native_parts import HAS_COMPILER, component_c, write_component

RELOADS = int(os.environ.get("STRESS_RELOADS", "200"))


@pytest.mark.stress
@pytest.mark.timeout(180)
@pytest.mark.skipif(not HAS_COMPILER, reason="needs a C compiler")
@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="reads /proc/self/maps")
def test_old_builds_leave_nothing(tmp_path: Path) -> None:
    text = component_c(
        {"tick": "*out = sc_int(++count);", "keep": "ctx->retain(ctx, a[0].as.ref);"},
        prefix="static int64_t count; static char weight[1 << 20];",
        load='weight[0] = 1; return sc_set_interval(ctx, "tick", 1, NULL);',
        start='return sc_on(ctx, "paint", "tick");',
        save="*out = sc_int(count);",
        restore="count = state->as.integer;",
    )
    with Session(batch=True) as session:
        components = session.components
        components.load(write_component(tmp_path, "it", text))
        tick = session.script("it").function("tick")
        before = 0
        for number in range(RELOADS):
            # Two builds in turn: both are in the cache after the first round.
            write_component(tmp_path, "it", f"{text}/* {number % 2} */")
            components.reload("it")
            session.call("it", "keep", print)
            assert session.emit("paint")
            assert tick() > number + 1
            if number == RELOADS // 5:
                before = resident_bytes()
        lines = Path("/proc/self/maps").read_text().splitlines()
        assert len({line.rpartition("/")[2] for line in lines if "/it-" in line}) == 1
        grown = (resident_bytes() - before) / 1e6
        print(f"{RELOADS} reloads, {grown:.1f} MB grown")
        assert grown < 20
