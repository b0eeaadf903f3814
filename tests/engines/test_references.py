"""References: what can be done with an object of another runtime, and when it is let go."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scriptengines.errors import CallError, CrossingError, ScriptClosed
from scriptengines.script import Script
from scriptengines.session import Session
from scriptnative import CallableReference, IteratorReference, Reference
from tests.conftest import DEADLINE

type Write = Callable[[str, str], Path]

GAME = """
import gc, threading, weakref

class Player:
    name = "Ada"

    def __init__(self):
        self.place = (0, 0)
        self.friend = None

    def move(self, x, y=0, *, by=1):
        self.place = (x * by, y * by)
        return self.place

    def fail(self):
        raise ValueError("no way")

    @property
    def broken(self):
        raise KeyError("broken")

class Slotted:
    __slots__ = ("one",)

player = Player()
slotted = Slotted()
watched = []
let_go = threading.Event()

def make():
    made = Player()
    watched.append(weakref.ref(made))
    return made

def make_watched(tell):
    made = Player()
    weakref.finalize(made, tell).atexit = False  # else it is told when the script leaves
    return made

def alive():
    gc.collect()
    return sum(ref() is not None for ref in watched)

def echo(value):
    return value

def is_player(value):
    return value is player

def keep(value):
    global kept
    kept = value

def drop():
    global kept
    kept = None
"""


@pytest.fixture
def game(session: Session, write: Write) -> Script:
    return session.load(write("game.py", GAME))


@pytest.fixture
def player(game: Script) -> Reference:
    return game.get("player")


# ---- what can be done ------------------------------------------------------------------------------------


def test_an_object_of_a_script_is_a_reference_that_says_what_it_is(player: Reference) -> None:
    assert type(player) is Reference
    assert (player.type_name, player.owner, player.callable, callable(player)) == (
        "Player",
        "game",
        False,
        False,
    )
    assert repr(player) == "<Reference to a Player of game>"


def test_its_attributes_can_be_read_and_set(player: Reference) -> None:
    assert player.get("name") == "Ada"
    player.set("place", (3, [4]))
    assert player.get("place") == (3, [4])


def test_its_methods_can_be_called(player: Reference) -> None:
    assert player.call("move", 1, 2) == (1, 2)
    assert player.call("move", 1, y=2, by=10) == (10, 20)
    assert player.get("place") == (10, 20)


def test_what_hangs_on_it_is_a_reference_too(game: Script, player: Reference) -> None:
    friend = game.call("make")
    player.set("friend", friend)
    assert player.get("friend") == friend
    assert player.get("friend").get("name") == "Ada"
    move = player.get("move")
    assert isinstance(move, CallableReference)
    assert move(5, 6) == (5, 6)


def test_nothing_is_looked_up_by_magic(player: Reference) -> None:
    with pytest.raises(AttributeError):
        player.name  # type: ignore[attr-defined]  # noqa: B018
    with pytest.raises(TypeError, match="not callable"):
        player()  # type: ignore[operator]


@pytest.mark.parametrize(
    ("use", "kind", "text"),
    [
        (lambda player: player.get("nme"), "AttributeError", "'Player' object has no attribute 'nme'"),
        (lambda player: player.get("broken"), "KeyError", "broken"),
        (lambda player: player.call("fail"), "ValueError", "no way"),
        (lambda player: player.call("jump"), "AttributeError", "jump"),
        (lambda player: player.call("move"), "TypeError", "missing 1 required positional argument: 'x'"),
        (lambda player: player.call("move", 1, z=2), "TypeError", "unexpected keyword argument 'z'"),
        (lambda player: player.get(7), "TypeError", "name of an attribute must be a str, got int"),
        (lambda player: player.copy(), "TypeError", "Player has no built-in base"),
    ],
)
def test_what_goes_wrong_is_told_as_by_a_call(player: Reference, use: Any, kind: str, text: str) -> None:
    with pytest.raises(CallError, match=f"{kind}: .*{text}") as caught:
        use(player)
    assert caught.value.remote_type == kind


def test_an_error_in_a_method_has_the_scripts_frames(player: Reference, tmp_path: Path) -> None:
    with pytest.raises(CallError) as caught:
        player.call("fail")
    frame = caught.value.frames[-1]
    assert (frame.file, frame.function, frame.source) == (
        str(tmp_path / "game.py"),
        "fail",
        'raise ValueError("no way")',
    )


@pytest.mark.parametrize("count", [0, 2, 3])
def test_a_wrong_number_of_arguments_is_told(player: Reference, count: int) -> None:
    with pytest.raises(TypeError, match=rf"Reference\.get\(\) takes 1 argument, got {count}"):
        player.get(*range(count))


def test_an_argument_that_cannot_cross_is_named(player: Reference) -> None:
    cycle: list[Any] = []
    cycle.append(cycle)
    with pytest.raises(CrossingError, match=r"args\[1\]\[0\] .*cycle"):
        player.set("place", cycle)
    with pytest.raises(CrossingError, match=r"by\[0\] .*cycle"):
        player.call("move", 1, by=cycle)


# ---- identity --------------------------------------------------------------------------------------------


def test_an_object_that_comes_home_is_itself(game: Script, player: Reference) -> None:
    assert game.call("is_player", player)
    game.set("other", player)
    assert game.evaluate("other is player")
    assert game.call("is_player", [player][0])


def test_references_to_one_object_are_equal(game: Script, player: Reference) -> None:
    again = game.get("player")
    assert (again == player, hash(again) == hash(player), len({again, player})) == (True, True, 1)
    assert game.call("make") != player


def test_an_object_that_went_round_through_other_scripts_is_itself(
    session: Session, write: Write, game: Script, player: Reference
) -> None:
    other = session.load(
        write("other.py", "import host\ndef pass_on(thing): return host.call('game', 'is_player', thing)\n")
    )
    assert other.call("pass_on", player) is True
    lua = session.load(write("lua.lua", "function echo(thing) return thing end\n"))
    assert lua.call("echo", player) == player


def test_another_script_may_use_it(session: Session, write: Write, game: Script, player: Reference) -> None:
    other = session.load(
        write("other.py", "def use(thing): return thing.type_name, thing.owner, thing.call('move', 7, 8)\n")
    )
    assert other.call("use", player) == ("Player", "game", (7, 8))


def test_a_script_may_use_an_object_of_the_host(session: Session, write: Write) -> None:
    class Counter:
        def __init__(self) -> None:
            self.count = 1

        def add(self, number: int) -> int:
            self.count += number
            return self.count

    script = session.load(
        write(
            "it.py",
            "def use(c):\n"
            "    c.set('count', c.get('count') * 10)\n"
            "    return repr(c), c.call('add', number=5)\n",
        )
    )
    counter = Counter()
    assert script.call("use", counter) == ("<Reference to a Counter of the host>", 15)
    assert counter.count == 15


def test_a_face_of_another_language_finds_its_attributes_itself(session: Session, write: Write) -> None:
    class Face:
        __sc_object__ = True

        def get(self, name: Any) -> tuple[str, Any]:
            return "got", name

        def set(self, name: Any, value: Any) -> None:
            self.last = (name, value)

        def call(self, method: str, *args: Any) -> tuple[str, Any]:
            return method, args

    script = session.load(
        write(
            "it.py",
            "def use(f):\n    f.set(1, 'one')\n    return f.get(1), f.get('x'), f.call('hop', 2, 3)\n",
        )
    )
    face = Face()
    assert script.call("use", face) == (("got", 1), ("got", "x"), ("hop", (2, 3)))
    assert face.last == (1, "one")


# ---- the end ---------------------------------------------------------------------------------------------


def test_an_object_outlives_a_reload(session: Session, game: Script, player: Reference) -> None:
    player.call("move", 3, 4)
    session.reload("game")
    assert player.get("place") == (3, 4)
    assert game.get("player") != player
    assert game.get("player").get("place") == (0, 0)


def test_a_reference_to_a_closed_script_says_so(session: Session, game: Script, player: Reference) -> None:
    move = player.get("move")
    session.unload("game")
    for use in (lambda: player.get("name"), lambda: player.call("move", 1), lambda: move(1)):
        with pytest.raises(ScriptClosed, match="game is closed"):
            use()
    assert repr(player) == "<Reference to a Player of game>"


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.001)


def test_an_idle_owner_lets_go_of_what_was_dropped(game: Script) -> None:
    gone = threading.Event()
    thing = game.call("make_watched", gone.set)
    assert not gone.is_set()
    del thing
    assert gone.wait(DEADLINE)  # nobody calls the script meanwhile


def test_an_idle_host_lets_go_of_what_a_script_dropped(session: Session, write: Write, game: Script) -> None:
    class Thing:
        pass

    thing = Thing()
    gone = weakref.ref(thing)
    game.call("keep", thing)
    del thing
    assert gone() is not None
    dropper = threading.Thread(target=game.call, args=["drop"])
    dropper.start()
    dropper.join()
    wait_until(lambda: gone() is None)


def test_what_a_closed_script_held_is_let_go(session: Session, game: Script) -> None:
    class Thing:
        pass

    thing = Thing()
    gone = weakref.ref(thing)
    game.call("keep", thing)
    del thing
    session.unload("game")
    wait_until(lambda: gone() is None)


def test_a_reference_that_outlives_its_script_still_lets_go(session: Session, game: Script) -> None:
    gone = threading.Event()
    thing = game.call("make_watched", gone.set)
    session.unload("game")
    assert not gone.is_set()
    del thing
    assert gone.wait(DEADLINE)


def test_a_busy_owner_lets_go_when_it_is_free(session: Session, write: Write) -> None:
    script = session.load(write("it.py", GAME + "def hold(entered, leave):\n    entered()\n    leave()\n"))
    gone, entered, leave = threading.Event(), threading.Event(), threading.Event()
    thing = script.call("make_watched", gone.set)
    holder = threading.Thread(target=script.call, args=["hold", entered.set, leave.wait])
    holder.start()
    assert entered.wait(DEADLINE)
    del thing
    leave.set()
    holder.join()
    assert gone.wait(DEADLINE)


def test_references_dropped_by_many_threads_and_scripts_are_all_let_go(
    session: Session, write: Write, game: Script
) -> None:
    holders = [
        session.load(write(f"holder{n}.py", "kept = []\ndef keep(thing): kept.append(thing)\n"))
        for n in range(3)
    ]

    def work(holder: Script) -> None:
        for _ in range(200):
            thing = game.call("make")
            holder.call("keep", thing)
            game.call("echo", [thing])

    threads = [threading.Thread(target=work, args=[holder]) for holder in holders * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert game.call("alive") == 1200
    for holder in holders[1:]:
        session.unload(holder.alias)
    holders[0].execute("kept.clear()")
    wait_until(lambda: game.call("alive") == 0)


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs /proc")
@pytest.mark.skipif("asan" in os.environ.get("LD_PRELOAD", ""), reason="AddressSanitizer keeps what is freed")
def test_a_hundred_thousand_references_leave_no_memory_behind(write: Write) -> None:
    path = write("it.py", GAME)
    code = """
import os, sys
from scriptengines.session import Session

def rss():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

session = Session()
script = session.load(sys.argv[1])
echo, thing = script.function("echo"), object()
player = script.get("player")

def use(count):
    for _ in range(count):
        echo(thing)
        player.get("move")
        player.get("__dict__")
        list(script.evaluate("iter([1, 2])"))
        memoryview(script.evaluate("memoryview(bytes(100))"))

use(2000)
before = rss()
use(20000)
print(rss() - before)
session.close()
"""
    child = subprocess.run(
        [sys.executable, "-c", code, path], capture_output=True, text=True, timeout=100, check=False
    )
    assert (child.returncode, child.stderr) == (0, "")
    assert float(child.stdout) <= 1.0


# ---- iterators -------------------------------------------------------------------------------------------

ROWS = """
import threading
log = []

def rows(count):
    log.append("start")
    try:
        for n in range(count):
            log.append(n)
            yield {"n": n}
        return "done"
    finally:
        log.append("end")

def fail():
    yield 1
    raise ValueError("torn")

def take(items):
    log.extend(items)
    return log

def pick(items):
    return next(items)

def numbers():
    return iter([1, 2, 3])

def chain(items):
    for item in items:
        yield item * 2

async def later(count):
    import asyncio
    try:
        for n in range(count):
            await asyncio.sleep(0)
            yield n
    finally:
        log.append("closed")
"""


@pytest.fixture
def rows(session: Session, write: Write) -> Script:
    return session.load(write("rows.py", ROWS))


def test_a_generator_arrives_as_an_iterator(rows: Script) -> None:
    items = rows.call("rows", 3)
    assert isinstance(items, IteratorReference)
    assert list(items) == [{"n": 0}, {"n": 1}, {"n": 2}]
    assert list(items) == []


def test_it_never_runs_ahead(rows: Script) -> None:
    items = rows.call("rows", 3)
    assert rows.get("log") == []
    next(items)
    assert rows.get("log") == ["start", 0]
    next(items)
    assert rows.get("log") == ["start", 0, 1]


def test_what_a_generator_returns_is_not_lost(rows: Script) -> None:
    def outer() -> Any:
        result = yield from rows.call("rows", 1)
        yield result

    assert list(outer()) == [{"n": 0}, "done"]


def test_an_error_comes_where_the_item_would_be(rows: Script) -> None:
    items = rows.call("fail")
    assert next(items) == 1
    with pytest.raises(CallError, match="ValueError: torn") as caught:
        next(items)
    assert caught.value.frames[-1].function == "fail"
    with pytest.raises(StopIteration):
        next(items)


def test_a_generator_can_be_closed(rows: Script) -> None:
    items = rows.call("rows", 3)
    next(items)
    items.close()
    assert rows.get("log") == ["start", 0, "end"]
    assert list(items) == []


def test_a_generator_that_is_dropped_is_closed(rows: Script) -> None:
    next(iter(rows.call("rows", 3)))
    gc.collect()
    wait_until(lambda: rows.get("log") == ["start", 0, "end"])


def test_any_iterator_will_do(rows: Script) -> None:
    assert list(rows.call("numbers")) == [1, 2, 3]
    rows.call("numbers").close()
    assert dict(zip("ab", rows.call("numbers"), strict=False)) == {"a": 1, "b": 2}


def test_a_script_pulls_from_the_host(rows: Script) -> None:
    pulled: list[int] = []

    def source():
        for n in range(3):
            pulled.append(n)
            yield n

    items = source()
    assert rows.call("pick", items) == 0
    assert pulled == [0]
    assert rows.call("take", items) == [1, 2]


def test_a_script_pulls_from_another(session: Session, write: Write, rows: Script) -> None:
    other = session.load(
        write(
            "other.py",
            "import host\ndef total(): return sum(row['n'] for row in host.call('rows', 'rows', 10))\n",
        )
    )
    assert other.call("total") == 45


def test_a_generator_may_feed_another_and_comes_home_as_itself(rows: Script) -> None:
    assert list(rows.call("chain", rows.call("numbers"))) == [2, 4, 6]
    assert list(rows.call("chain", iter([5]))) == [10]


def test_an_iterator_of_a_closed_script_says_so(session: Session, rows: Script) -> None:
    items = rows.call("rows", 3)
    next(items)
    session.unload("rows")
    with pytest.raises(ScriptClosed):
        next(items)
