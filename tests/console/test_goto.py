"""Going to anything by its name."""

from __future__ import annotations

import asyncio
import re
import threading
from copy import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.command import CommandInput, CommandList, CommandPalette
from textual.pilot import Pilot

from scriptconsole.actions import PaneName
from scriptconsole.app import ScriptConsoleApp
from scriptconsole.fuzzy import Index
from scriptconsole.goto import Target, project_files
from scriptconsole.panes.pane import Place
from scriptconsole.screens.script import ScriptScreen
from scriptengines.errors import ScriptClosed
from scriptengines.view import FunctionInfo, VariableView

from .recording import FRAME, FUNCTIONS, HOOKS, NOW, RecordedSession
from .support import notices, running, table, until


def offered(app: ScriptConsoleApp) -> list[str]:
    """The names that the search offers now, best first."""
    palette = app.screen
    assert isinstance(palette, CommandPalette)
    options = palette.query_one(CommandList)
    return [str(options.get_option_at_index(i).prompt) for i in range(options.option_count)]


async def search(app: ScriptConsoleApp, pilot: Pilot[None], text: str, first: str) -> None:
    """Type into the search, and wait until what begins with `first` is offered first."""
    await _type(pilot, text)
    await until(pilot, lambda: offered(app) and offered(app)[0].startswith(first))


async def _type(pilot: Pilot[None], text: str) -> None:
    await pilot.press("f", *("space" if c == " " else "full_stop" if c == "." else c for c in text))


@pytest.fixture
def edited(monkeypatch: pytest.MonkeyPatch) -> list[Place]:
    places: list[Place] = []
    monkeypatch.setattr(ScriptConsoleApp, "edit", lambda _app, place: places.append(place))
    return places


@pytest.mark.parametrize(
    ("typed", "first", "pane", "attribute"),
    [
        ("thermostat scr", "thermostat", PaneName.SCRIPTS, "alias"),
        ("relayed", "relayed  bridge  variable", PaneName.VARIABLES, "name"),
        ("prgrs", "progress  crunch", PaneName.VARIABLES, "name"),
        ("say_good", "say_goodbye  greeter  timer", PaneName.TIMERS, "callback"),
        ("bridge timer hea", "heartbeat", PaneName.TIMERS, "callback"),
        ("raeding", "raeding  hook", PaneName.HOOKS, "hook"),
        ("40022", "10.0.0.9:40022 tcp server", PaneName.CONNECTIONS, "peer"),
    ],
)
async def test_goes_to_a_row(
    session: RecordedSession, typed: str, first: str, pane: PaneName, attribute: str
) -> None:
    session.now = replace(FRAME, hooks=HOOKS)
    async with running(session) as (app, pilot):
        await search(app, pilot, typed, first)
        await pilot.press("enter")
        await until(pilot, lambda: app.screen is app.main and app.main.pane_name is pane)
        found = getattr(table(app, pane).selected, attribute)
        assert first.startswith(getattr(found, "name", found))


async def test_goes_to_a_pane(session: RecordedSession) -> None:
    async with running(session) as (app, pilot):
        await search(app, pilot, "tasks pane", "Tasks  pane")
        await pilot.press("enter")
        await until(pilot, lambda: app.main.pane_name is PaneName.TASKS)


async def test_opens_the_line_of_a_function(session: RecordedSession, edited: list[Place]) -> None:
    async with running(session) as (app, pilot):
        await search(app, pilot, "guests bridge", "guests  bridge  function")
        await pilot.press("enter")
        await until(pilot, lambda: edited)
        assert edited == [Place("/home/ada/scripts/bridge.py", FUNCTIONS[1].line)]


async def test_shows_the_script_of_a_function_without_a_line(edited: list[Place]) -> None:
    class Native(RecordedSession):
        def functions(self, alias: str) -> list[FunctionInfo]:
            super().functions(alias)
            return [FunctionInfo("transform", "(d)", "", 0)] if alias == "fft" else []

    session = Native()
    async with running(session) as (app, pilot):
        await search(app, pilot, "transform", "transform  fft  function")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, ScriptScreen))
        assert app.main.script() == "fft"
        assert edited == []


async def test_opens_a_file_of_the_project(
    session: RecordedSession, edited: list[Place], tmp_path: Path
) -> None:
    for name in ("rooms/attic.lua", "rooms/deep/er/cellar.py", ".git/attic", "rooms/attic.pyc"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    async with running(session) as (app, pilot):
        app.project = tmp_path
        await search(app, pilot, "attic", "attic.lua  rooms  file")
        assert len([name for name in offered(app) if "attic" in name and "file" in name]) == 1
        await pilot.press("enter")
        await until(pilot, lambda: edited)
        assert edited == [Place(str(tmp_path / "rooms/attic.lua"), 0)]


async def test_a_filter_that_hides_the_row_is_taken_off(session: RecordedSession) -> None:
    async with running(session) as (app, pilot):
        await pilot.press("2", "slash", *"lights", "enter")
        await search(app, pilot, "relayed", "relayed")
        await pilot.press("enter")
        await until(pilot, lambda: "The filter is off: it hid this row." in notices(app))
        assert getattr(table(app, "variables").selected, "name", "") == "relayed"


async def test_a_row_that_is_gone_meanwhile_is_told(session: RecordedSession) -> None:
    async with running(session) as (app, pilot):
        await search(app, pilot, "relayed", "relayed")
        session.now = replace(FRAME, variables=())
        await until(pilot, lambda: not app.main.latest.variables)
        await pilot.press("enter")
        await until(pilot, lambda: "This variable is gone." in notices(app))


async def test_a_script_that_does_not_answer_holds_nothing_up() -> None:
    gate = threading.Event()

    class Busy(RecordedSession):
        def functions(self, alias: str) -> list[FunctionInfo]:
            super().functions(alias)
            if alias == "crunch":
                gate.wait(20)
            if alias == "lights":
                raise ScriptClosed("lights has ended")
            return FUNCTIONS

    session = Busy()
    async with running(session) as (app, pilot):
        for _ in range(3):
            await search(app, pilot, "guests", "guests")
            assert not any("crunch" in name for name in offered(app))
            assert not any("lights" in name and "function" in name for name in offered(app))
            await pilot.press("escape")
            await until(pilot, lambda: app.screen is app.main)
        assert session.calls.count(("functions", "crunch")) == 1, "a stuck script costs one thread"
        assert session.calls.count(("functions", "bridge")) == 1, "asked for once a generation"
        await search(app, pilot, "guests", "guests")
        before = app.finder.arrivals
        gate.set()
        await until(pilot, lambda: app.finder.arrivals > before)
        await pilot.press("space", *"crunch")
        await until(pilot, lambda: offered(app) and offered(app)[0].startswith("guests  crunch"))


async def test_keys_typed_ahead_go_into_the_search(session: RecordedSession) -> None:
    async with running(session) as (app, pilot):
        for key in "frelayed":
            app.simulate_key(key)
        await until(pilot, lambda: isinstance(app.screen, CommandPalette))
        await until(pilot, lambda: app.screen.query_one(CommandInput).value == "relayed")
        await until(pilot, lambda: offered(app) and offered(app)[0].startswith("relayed  bridge"))


async def test_names_are_shown_as_they_are(session: RecordedSession) -> None:
    names = ("[bold]x[/]", "\x1b[31mred", "a" * 100_000, "two\nlines", "[/nothing]", "$error")
    rows = tuple(VariableView("greeter", name, "int", "1", None, NOW) for name in names)
    session.now = replace(FRAME, variables=rows)
    async with running(session) as (app, pilot):
        await search(app, pilot, "greeter variable", "")
        await until(pilot, lambda: len([name for name in offered(app) if "variable" in name]) == len(names))
        shown = "\n".join(offered(app))
        assert "[bold]x[/]  greeter" in shown
        assert "\x1b" not in shown
        assert max(map(len, offered(app))) < 250


async def test_ten_thousand_variables_never_stall_the_loop(session: RecordedSession) -> None:
    rows = tuple(VariableView(f"s{i % 20}", f"sensor_{i}", "int", "1", None, NOW) for i in range(10_000))
    session.now = replace(FRAME, variables=rows)
    async with running(session) as (app, pilot):
        await until(pilot, lambda: len(app.main.latest.variables) == 10_000)
        beats = 0

        async def beat() -> None:
            nonlocal beats
            while True:
                beats += 1
                await asyncio.sleep(0)

        heart = asyncio.create_task(beat())
        index = Index([target.text for target in app.finder.targets()])
        before = beats
        found = await index.search("ser 1 var", 50)
        heart.cancel()
        assert len(found) == 50
        assert beats - before >= 10, "others ran meanwhile"
        await search(app, pilot, "sensor_9999", "sensor_9999  s19")
        await pilot.press("enter")
        await until(pilot, lambda: getattr(table(app, "variables").selected, "name", "") == "sensor_9999")
        assert table(app, "variables").cursor in table(app, "variables").in_sight


# -- the matcher -------------------------------------------------------------------------------------------


def best(texts: list[str], query: str) -> list[str]:
    index = Index(texts)
    return [texts[match.place] for match in asyncio.run(index.search(query, 10))]


@pytest.mark.parametrize(
    ("query", "order"),
    [
        ("pump", ["pump  a", "pump_two  a", "main_pump  a", "trumpump  a", "p_u_m_p  a"]),
        ("pt", ["pt", "pto", "a_pt", "apt", "p_t"]),
        ("PUMP", ["pump  x"]),
        ("b pump", ["pump  b"]),
        ("pab", ["pab  x", "p_ab  x"]),
    ],
)
def test_better_matches_come_first(query: str, order: list[str]) -> None:
    assert best([*order[::-1], "nothing"], query)[: len(order)] == order


LINES = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "Zs")), max_size=20)


@given(st.lists(LINES, min_size=1, max_size=8), LINES)
def test_finds_exactly_what_has_the_letters_in_order_in_one_field(texts: list[str], query: str) -> None:
    found = {match.place: match.positions for match in asyncio.run(Index(texts).search(query, 100))}
    words = lower(query).split()
    for place, text in enumerate(texts):
        patterns = [".*?".join(map(re.escape, word)) for word in words]
        fields = lower(text).split("  ")
        matches = words and all(any(re.search(pattern, field) for field in fields) for pattern in patterns)
        assert (place in found) == bool(matches)
        if matches:
            assert {lower(text)[i] for i in found[place]} == {c for word in words for c in word}


def lower(text: str) -> str:
    return "".join(c.lower()[:1] for c in text)


def test_letters_of_a_word_are_not_spread_over_fields() -> None:
    assert best(["pump  attic  timer", "pump  cellar  timer"], "pmat") == []
    assert best(["pump  attic  timer", "pump  cellar  timer"], "pm at") == ["pump  attic  timer"]


def test_hostile_names_cost_no_more_than_others() -> None:
    texts = ["a" * 200] * 2000
    assert best(texts, "a" * 100 + "b") == []
    assert len(best(texts, "aaaa aaa aa a")) == 10


def test_files_are_bounded_and_near_ones_come_first(tmp_path: Path) -> None:
    deep = tmp_path
    for level in range(12):
        (deep / f"level{level}.txt").touch()
        deep = deep / "in"
        deep.mkdir()
    (tmp_path / "loop").symlink_to(tmp_path)
    files = project_files(tmp_path)
    assert files[0] == "level0.txt"
    assert files[-1] == "in/" * 8 + "level8.txt"
    assert project_files(tmp_path / "missing") == []


def test_a_target_reads_name_owner_kind() -> None:
    assert Target("x", "", "pane", print).text == "x  pane"
    assert Target("x", "greeter", "timer", print).text == "x  greeter  timer"
