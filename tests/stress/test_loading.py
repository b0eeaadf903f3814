"""A thousand scripts come and go: their interpreters are used again, and memory stays where it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from scriptengines import Session
from tests.bench.harness import resident_bytes

COUNT = 1000
SCRIPT = """# scriptconsole: isolation = "{isolation}"
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


@pytest.mark.stress
@pytest.mark.timeout(300)
@pytest.mark.parametrize("isolation", ["isolated", "shared", "main"])
def test_a_thousand_scripts_leave_at_most_twenty_megabytes(tmp_path: Path, isolation: str) -> None:
    path = tmp_path / "it.py"
    path.write_text(SCRIPT.format(isolation=isolation))
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
    print(f"{isolation}: {COUNT} scripts loaded and unloaded, {grown:.1f} MB grown")
    assert grown <= 20
