"""JSON in Lua scripts, next to json of Python: small messages, as scripts exchange them."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scriptengines.script import Script
from scriptengines.session import Session
from tests.bench.harness import Result, alternate, bench

MESSAGE = {"type": "sensor", "id": 42, "value": 21.5, "name": "living room", "tags": ["a", "b"], "on": True}
TEXT = json.dumps(MESSAGE, separators=(",", ":"))
ROUNDS = 2000
SOURCE = """
local message = {type = "sensor", id = 42, value = 21.5, name = "living room", tags = {"a", "b"}, on = true}
function encode(n) local encode = json.encode for _ = 1, n do encode(message) end end
function decode(n, text) local decode = json.decode for _ = 1, n do decode(text) end end
"""


@contextmanager
def _script() -> Iterator[Script]:
    with tempfile.TemporaryDirectory() as folder, Session() as session:
        path = Path(folder) / "it.lua"
        path.write_text(SOURCE)
        yield session.load(path)


def _measure(function: str, *args: object) -> Result:
    import time

    def timed(work: object) -> float:
        started = time.perf_counter()
        work()  # type: ignore[operator]
        return (time.perf_counter() - started) / ROUNDS * 1e6

    def python() -> None:
        for _ in range(ROUNDS):
            if function == "encode":
                json.dumps(MESSAGE)
            else:
                json.loads(TEXT)

    with _script() as script:
        handle = script.function(function)
        handle(10, *args)
        return Result(
            *alternate(lambda: timed(lambda: handle(ROUNDS, *args)), lambda: timed(python), rounds=5), "us"
        )


@bench("runtime", "JSON, encode in Lua", budget="<= 4", peer="json.dumps in Python")
def json_encode() -> Result:
    """One message of six fields; Lua sorts the keys."""
    return _measure("encode")


@bench("runtime", "JSON, decode in Lua", budget="<= 4", peer="json.loads in Python")
def json_decode() -> Result:
    """The same message, as tables of Lua."""
    return _measure("decode", TEXT)
