"""How long a whole headless run takes, next to the least that a Lua host on asyncio has to import."""

import compileall
import sys
from pathlib import Path

import scriptconsole
import scriptengines
import scriptnative
from tests.bench.harness import Result, bench, compare_commands

HELLO = Path(__file__).parents[2] / "examples" / "hello" / "hello.lua"


@bench("batch", "hello.lua", budget="<= 1.6", peer="import asyncio, lupa.lua54")
def hello_lua() -> Result:
    """From fork to exit of the process, with compiled modules, as an installed wheel has them."""
    for package in (scriptconsole, scriptengines, scriptnative):
        compileall.compile_dir(Path(str(package.__file__)).parent, quiet=1)
    console = Path(sys.executable).with_name("scriptconsole")
    return compare_commands(
        [console, "--batch", HELLO],
        [sys.executable, "-c", "import asyncio, lupa.lua54"],
    )
