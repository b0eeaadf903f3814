"""The screen, in a pseudo-terminal with real bytes: how soon it is there, whether it stays quick under load.

The load is what two scripts hold and do together: 10,000 variables of which 2,000 change a second, 10,000
timers, 1,000 connections and 50,000 printed lines a second.
"""

from __future__ import annotations

import socket
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

globals().update({f"MARK{number:04}": number for number in range(5000)})

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
TALKER = """\
import host

def talk():
    for number in range(200):
        print("\\n".join(f"line {number} of the script, as long as such lines are" for _ in range(20)))

host.set_interval(talk, 20)
"""
"""Prints 200,000 lines a second, 20 at once."""
KEYS = 120
"""Presses that are timed."""
BOLD = b"\x1b\\[1;[0-9;]*m"
IDLE = 5.0
"""Seconds."""


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
                told = screen.tell()
                variables, timers, connections = told["rows"]
                if variables >= 10_000 and timers >= 9_990 and connections >= 1_000:
                    break
                screen.rest(0.3)
            yield screen


@cache
def under_load() -> Load:
    """Press keys while everything moves."""
    with _loaded() as screen:
        screen.press(b"2m")
        screen.rest(1)
        screen.tell()
        keys = [_move(screen, number) for number in range(KEYS)]
        panes = [_switch(screen, *turn) for turn in TURNS * 6]
        return Load(keys, panes, screen.tell())


def _move(screen: Pseudo, number: int) -> float:
    """One row down and up again: the row's name is written anew with the cursor's background."""
    key, row = (b"j", b"alpha0001") if number % 2 == 0 else (b"k", b"alpha0000")
    # At any moment between two frames.
    screen.rest(0.013 + number % 7 * 0.01)
    began = screen.press(key)
    return (screen.until_seen(BOLD + rb"[^\x1b]{0,8}" + row) - began) * 1e3


TURNS = ((b"3", b"Timers"), (b"4", b"Connections"), (b"5", b"Log"), (b"2", b"Variables"))
"""Keys of panes and their titles, which are bold in a pane that has the whole screen."""


def _switch(screen: Pseudo, key: bytes, shown: bytes) -> float:
    screen.rest(0.1)
    began = screen.press(key)
    return (screen.until_seen(BOLD + shown) - began) * 1e3


PEER = "Textual's table, no load"


@cache
def of_peer() -> tuple[float, float]:
    """The same of two large tables in which nothing changes: what Textual takes on this machine."""
    with Pseudo([*WATCHED, "tables"]) as screen:
        screen.until_seen(b"one0000")
        screen.rest(1)

        def press(key: bytes, shown: bytes) -> float:
            screen.rest(0.05)
            began = screen.press(key)
            return (screen.until_seen(shown) - began) * 1e3

        keys = [press(*turn) for turn in ((b"\x1b[B", b"one0001"), (b"\x1b[A", b"one0000")) * (KEYS // 2)]
        panes = [press(*turn) for turn in ((b"2", b"two0000"), (b"1", b"one0000")) * 12]
        return slow(keys), slow(panes)


def slow(figures: list[float]) -> float:
    """The 95th percentile."""
    return sorted(figures)[len(figures) * 95 // 100]


@bench("ui", "key to paint", budget="<= 33 ms", peer=PEER)
def key_to_paint() -> Result:
    """From the byte of a key to the bytes of the row it moved to, under load; the 95th percentile."""
    return Result(slow(under_load().keys), of_peer()[0], "ms")


@bench("ui", "switch of panes", budget="<= 50 ms", peer=PEER)
def switch_of_panes() -> Result:
    """From the byte of a number key to the other pane, maximised, under load; the 95th percentile."""
    return Result(slow(under_load().panes), of_peer()[1], "ms")


@bench("ui", "longest stall", budget="<= 50 ms")
def longest_stall() -> Result:
    """How late a task of the screen's loop woke at worst, under load and while keys were pressed."""
    return Result(under_load().told["stall"], None, "ms")


@bench("ui", "lines a second", budget=">= 49000 lines/s")
def lines() -> Result:
    """Of 50,000 printed ones, those that reached the log."""
    load = under_load().told
    return Result(load["rate"], None, "lines/s", "higher")


@bench("ui", "idle", budget="<= 2 %", peer="bare Textual app")
def idle() -> Result:
    """Share of a core with two scripts that wait."""
    with tempfile.TemporaryDirectory() as name:
        paths = [Path(name, "one.py"), Path(name, "two.lua")]
        for path in paths:
            path.write_text("value = 1\n")
        ours = _share([sys.executable, "-m", "scriptconsole", *paths], rb"two +lua|two\S+ +\S*lua")
    return Result(ours, _share(list(WATCHED), b"here it is"), "%")


def _share(command: list[str | Path], shown: bytes) -> float:
    with Pseudo(command) as screen:
        screen.until_seen(shown)
        screen.rest(2)
        before = screen.cpu()
        screen.rest(IDLE)
        return (screen.cpu() - before) / IDLE * 100


@bench("ui", "memory", budget="<= 150 MB")
def memory() -> Result:
    """Resident memory after ten million lines of log."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "talker.py"
        path.write_text(TALKER)
        with Pseudo([*WATCHED, folder / "figures", path], folder / "figures") as screen:
            screen.until_seen(b"of the script, as long")
            end = time.monotonic() + 600
            while (told := screen.tell())["lines"] < 10_000_000:
                if time.monotonic() > end:
                    raise TimeoutError(f"only {told['lines']} lines in ten minutes")
                screen.rest(1)
            return Result(told["resident"] / 1e6, None, "MB")
