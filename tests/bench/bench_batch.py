"""How long a whole headless run takes, next to the least that a Lua host on asyncio has to import."""

import sys
from pathlib import Path

from tests.bench.harness import Result, bench, compare_commands

HELLO = Path(__file__).parents[2] / "examples" / "hello" / "hello.lua"


@bench("batch", "hello.lua", budget="<= 1.6", peer="import asyncio, lupa.lua54")
def hello_lua() -> Result:
    """From the shell's fork to the exit of the process."""
    console = Path(sys.executable).with_name("scriptconsole")
    return compare_commands(
        [console, "--batch", HELLO],
        [sys.executable, "-c", "import asyncio, lupa.lua54"],
    )
