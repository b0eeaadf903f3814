"""The screen, in a pseudo-terminal with real bytes: how soon it is there, and whether it stays quick under load.

The load is what two scripts hold and do together: 10,000 variables of which 2,000 change a second, 10,000
timers, 1,000 connections and 50,000 printed lines a second.
"""

from __future__ import annotations

import re
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from tests.bench.harness import Result, Round, alternate, bench
from tests.bench.pseudo import Pseudo

WATCHED = (sys.executable, "-m", "tests.bench.watched_screen")

LOAD = """\
import asyncio
import host

for number in range(5000):
    globals()[f"MARK{number:04}"] = number

state = {"turn": 0, "printed": 0, "began": 0.0}

def change():
    turn = state["turn"] = state["turn"] + 1
    for number in range(turn * 100 % 5000, turn * 100 % 5000 + 100):
        globals()[f"MARK{number:04}"] = turn

def chatter():
    owed = int((asyncio.get_running_loop().time() - state["began"]) * 25_000) - state["printed"]
    for number in range(owed):
        print("line", state["printed"] + number, "of the script, as long as such lines are")
    state["printed"] += owed

def start():
    state["began"] = asyncio.get_running_loop().time()
    host.set_interval(chatter, 10)

host.set_interval(change, 100)
for number in range(4990):
    host.set_timeout(print, 3_600_000 + number)
for number in range(8):
    host.set_interval(lambda: None, 200 + number)
host.set_timeout(start, 500)

kept = []

async def serve():
    async def hold(reader, writer):
        kept.append(writer)
        await reader.read()
    server = await asyncio.start_server(hold, "127.0.0.1", PORT, backlog=600)
    await server.serve_forever()

async def connect():
    for number in range(500):
        kept.append(await asyncio.open_connection("127.0.0.1", PORT))

"""
ROLES = {"alpha": "host.set_timeout(serve, 1)", "beta": "host.set_timeout(connect, 300)"}
KEYS = 120
"""Presses that are timed."""


def _first_paint(command: list[str], shown: bytes) -> Round:
    def measure() -> float:
        with Pseudo(command) as screen:
            return (screen.until_seen(shown) - screen.began) * 1e3

    return measure


@bench("ui", "first paint", budget="<= 1.25", peer="bare Textual app")
def first_paint() -> Result:
    """From the start of the process to the first words on the screen; no scripts."""
    ours = _first_paint([sys.executable, "-m", "scriptconsole"], b"no scripts loaded")
    peer = _first_paint([sys.executable, "-m", "tests.bench.watched_screen"], b"here it is")
    ours(), peer()
    return Result(*alternate(ours, peer, rounds=7), "ms")


class Load(NamedTuple):
    """What was measured under load, in milliseconds."""

    keys: list[float]
    panes: list[float]
    told: dict[str, Any]


@contextmanager
def _loaded() -> Iterator[Pseudo]:
    with tempfile.TemporaryDirectory() as name, socket.socket() as probe:
        folder = Path(name)
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
        probe.close()
        paths: list[Path] = []
        for alias, role in ROLES.items():
            path = folder / f"{alias}.py"
            path.write_text(LOAD.replace("MARK", alias).replace("PORT", port) + role + "\n")
            paths.append(path)
        with Pseudo([*WATCHED, folder / "figures", *paths], folder / "figures") as screen:
            screen.until_seen(rb"of the script, as long")
            while True:
                told=screen.tell(); variables, timers, connections = told["rows"]
                if variables >= 10_000 and timers >= 9_990 and connections >= 1_000:
                    break
                screen.rest(0.3)
            yield screen


@cache
def under_load() -> Load:
    """Press keys while everything moves."""
    with _loaded() as screen:
        screen.press(b"2g")
        screen.rest(1)
        screen.tell()
        began = time.perf_counter()
        keys = [_move(screen, number) for number in range(KEYS)]
        panes = [_switch(screen, number) for number in range(24)]
        told = screen.tell()
        told["seconds"] = time.perf_counter() - began
        return Load(keys, panes, told)


def _move(screen: Pseudo, number: int) -> float:
    """One row down: the row's name is written anew with the cursor's background."""
    began = screen.press(b"j")
    name = rb"alpha%04d" % (number + 1)
    row = re.compile(rb"\x1b\[([0-9;]+)m" + name)
    taken = screen.until(lambda seen: CURSOR.search(match[1]) if (match := row.search(seen)) else None) - began
    screen.rest(0.013 + number % 7 * 0.01)
    return taken * 1e3


CURSOR = re.compile(rb"48;2;")
