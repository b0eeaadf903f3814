"""A project opens again as it was left."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from copy import replace
from pathlib import Path

import pytest
from textual.geometry import Region
from textual.pilot import Pilot

from scriptconsole.actions import PaneName
from scriptconsole.app import ScriptConsoleApp
from scriptconsole.layout import LIMIT, SIZES, Layout, Slot
from scriptconsole.panes.calls import SLOW_FROM, CallsPane
from scriptconsole.panes.tablepane import TablePane
from scriptconsole.state import SavedPane, SavedRow, SavedScript, SavedState, SavedTheme, SavedWatch
from scriptconsole.statefile import StateFile
from scriptengines.errors import CallError
from scriptengines.view import Level, ScriptState, VariableView, WatchView

from .recording import FRAME, LOG, RecordedSession, script
from .support import NARROW, WIDE, drawn, log_texts, make_app, notices, table, until

PUMP = SavedScript("second", "/srv/pump.lua")


@pytest.fixture
def file(tmp_path: Path) -> StateFile:
    return StateFile(tmp_path / "project", tmp_path / "states")


@asynccontextmanager
async def remembering(
    file: StateFile,
    session: RecordedSession | None = None,
    *,
    size: tuple[int, int] = WIDE,
    paths: Sequence[Path] = (),
    fresh: bool = False,
    theme: str = "dark",
) -> AsyncIterator[tuple[ScriptConsoleApp, Pilot[None]]]:
    session = session or RecordedSession()
    app = make_app(session, paths, theme)
    app.remember(file, fresh=fresh)
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: ("watch",) in session.calls)
        yield app, pilot


async def written(pilot: Pilot[None], file: StateFile, wanted: object) -> SavedState:
    """Wait until the file holds a state for which `wanted` is true."""
    assert callable(wanted)
    await until(pilot, lambda: wanted(file.read()[0]))
    return file.read()[0]


async def test_layout_filters_orders_and_theme_come_back(file: StateFile) -> None:
    async with remembering(file) as (app, pilot):
        await pilot.press("4", "l", "l", "s", "s")
        await pilot.press("2", "slash", *"!~brdg", "enter", "greater_than_sign", "greater_than_sign")
        await pilot.press("5", "slash", *"greeter", "enter", "plus")
        await pilot.press("0", "3", "H", "ctrl+t", "2", "m")
        left = app.memory
        assert left is not None
        saved = await written(pilot, file, lambda state: state.layout.maximised)
        assert saved == left.now()
        rows = [getattr(row, "peer", None) for row in table(app, "connections").rows]
    async with remembering(file) as (app, pilot):
        main = app.main
        assert app.theme == "scriptconsole-light"
        assert main.maximised
        assert main.pane_name is PaneName.VARIABLES
        assert main.layout_model.hidden == {Slot.UPPER}
        assert main.layout_model.sizes["left"] == pytest.approx(1.25**2)
        await pilot.press("m")
        pane = main.panes[PaneName.VARIABLES]
        assert "/!~brdg" in pane.title_text
        assert all("bridge" not in line for line in drawn(table(app, "variables"))[1:])
        await pilot.press("slash")
        assert [entry.value for entry in pane.query("FilterInput").results()] == ["!~brdg"]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
        await pilot.press("escape", "4")
        connections = table(app, "connections")
        await until(pilot, lambda: connections.row_count)
        assert [getattr(row, "peer", None) for row in connections.rows] == rows
        assert connections.sort_reverse
        assert connections.column_cursor == connections.sort_column != 0
        assert "/greeter" in main.panes[PaneName.LOG].title_text
        await until(pilot, lambda: log_texts(app))
        kept = {record.text for record in LOG if "greeter" in f"{record.script} {record.text}"}
        assert set(log_texts(app)) == kept
        assert app.memory is not None
        assert app.memory.now().panes[PaneName.LOG] == SavedPane(filter="greeter")


async def test_what_was_left_alone_is_not_written(file: StateFile) -> None:
    async with remembering(file) as (_, pilot):
        saved = await written(pilot, file, lambda state: state.scripts)
    assert saved.panes == {}
    async with remembering(file) as (app, _):
        tables = [pane.table for pane in app.main.panes.values() if isinstance(pane, TablePane)]
        assert all(view.sort_column is None and view.column_cursor == 0 for view in tables)
    assert saved.theme is None
    assert saved.layout == Layout()
    assert [script.alias for script in saved.scripts] == [row.alias for row in FRAME.scripts]


async def test_scripts_are_opened_again_under_their_aliases(file: StateFile) -> None:
    file.write(SavedState(scripts=(PUMP, SavedScript("pump", "/srv/pump.lua"))))
    session = RecordedSession()
    async with remembering(file, session) as (_, pilot):
        await until(pilot, lambda: sum(call[0] == "load" for call in session.calls) == 2)
    loads = [call for call in session.calls if call[0] == "load"]
    assert loads == [("load", Path("/srv/pump.lua"), "second"), ("load", Path("/srv/pump.lua"), "pump")]


@pytest.mark.parametrize(("paths", "fresh"), [((Path("/srv/fan.py"),), False), ((), True)])
async def test_scripts_that_are_given_take_their_place(
    file: StateFile, paths: tuple[Path, ...], fresh: bool
) -> None:
    file.write(SavedState(Layout(maximised=True), scripts=(PUMP,)))
    session = RecordedSession()
    async with remembering(file, session, paths=paths, fresh=fresh) as (app, pilot):
        saved = await written(pilot, file, lambda state: PUMP not in state.scripts)
        assert app.main.maximised is not fresh
    assert [call[1] for call in session.calls if call[0] == "load"] == list(paths)
    assert saved.layout.maximised is not fresh


async def test_watches_come_back_with_their_scripts(file: StateFile) -> None:
    watches = (SavedWatch("pump", "flow * 2"), SavedWatch("attic", "open"), SavedWatch("pump", "1 +"))

    class Watching(RecordedSession):
        def add_watch(self, alias: str, expression: str) -> int:
            number = super().add_watch(alias, expression)
            if expression == "1 +":
                raise CallError("this is no expression")
            self.now = replace(self.now, watches=(*self.now.watches, WatchView(number, alias, expression)))
            return number

    file.write(SavedState(scripts=(PUMP,), watches=watches))
    session = Watching(replace(FRAME, scripts=()))
    async with remembering(file, session) as (app, pilot):
        memory = app.memory
        assert memory is not None
        assert memory.now().watches == watches
        memory.look()
        assert not any(call[0] == "add_watch" for call in session.calls), "their scripts are not open yet"
        session.now = replace(FRAME, scripts=(script("pump", "lua", ScriptState.IDLE),))
        left = (*watches[:1], *watches[1:2])
        saved = await written(pilot, file, lambda state: state.watches == left)
        assert [row.alias for row in saved.scripts] == ["pump"]
        told = next(text for text in log_texts(app) if text.startswith("watch 1 + of pump: "))
        assert "this is no expression" in told
    assert [call[1:] for call in session.calls if call[0] == "add_watch"] == [watches[0], watches[2]]


async def test_open_rows_come_back_with_their_scripts(file: StateFile) -> None:
    def row(name: str, path: tuple[str | int, ...], expanded: bool) -> VariableView:
        return VariableView("pump", name, "dict", "{}", 1, 0.0, path, expandable=True, expanded=expanded)

    rows = (
        SavedRow("pump", ("conf",)),
        SavedRow("pump", ("conf", 3)),
        SavedRow("pump", ("host.state",), open=False),
        SavedRow("attic", ("doors",)),
    )
    there = (
        row("conf", (), True),
        replace(row("[3]", ("conf",), True), step=3),
        row("host.state", (), False),
        row("other", (), False),
    )
    file.write(SavedState(scripts=(PUMP,), rows=rows))
    session = RecordedSession(replace(FRAME, scripts=(), variables=()))
    async with remembering(file, session) as (app, pilot):
        memory = app.memory
        assert memory is not None
        memory.look()
        assert memory.now().rows == rows
        assert not any(call[0] == "expand" for call in session.calls), "their scripts are not open yet"
        pump = script("pump", "lua", ScriptState.IDLE)
        session.now = replace(FRAME, scripts=(pump,), variables=there)
        await until(pilot, lambda: any(call[0] == "collapse" for call in session.calls))
        asked = [call[:3] for call in session.calls if call[0] in ("expand", "collapse")]
        assert asked == [
            ("expand", "pump", ("conf",)),
            ("expand", "pump", ("conf", 3)),
            ("collapse", "pump", ("host.state",)),
        ]
        # A script that has failed, or is about to come back, shows no rows for a while.
        session.now = replace(session.now, variables=())
        await until(pilot, lambda: app.main.latest.variables == ())
        assert memory.now().rows == rows
        session.now = replace(session.now, variables=(row("conf", (), False), *there[2:]))
        await written(pilot, file, lambda state: state.rows == rows[2:])


async def test_the_one_script_whose_variables_are_shown_comes_back_with_it(file: StateFile) -> None:
    one = {PaneName.VARIABLES: SavedPane(settings={"script": "bridge"})}
    async with remembering(file) as (app, pilot):
        await pilot.press("1", "j", "j", "2", "slash", *"bridge", "enter", "a", "escape")
        await written(pilot, file, lambda state: state.panes == one)
    session = RecordedSession(replace(FRAME, scripts=()))
    async with remembering(file, session) as (app, pilot):
        assert app.memory is not None
        app.tick()
        assert app.memory.now().panes == one, "it is not open yet"
        session.now = FRAME
        await until(pilot, lambda: "only bridge" in app.main.panes[PaneName.VARIABLES].title_text)
        assert {getattr(row, "script", "") for row in table(app, "variables").rows} == {"bridge"}
        await pilot.press("2", "a")
        await written(pilot, file, lambda state: state.panes == {})


async def test_what_is_left_out_of_the_log_comes_back(file: StateFile) -> None:
    async with remembering(file) as (app, pilot):
        await pilot.press("5", "g", "v", "v", "a")
        view = app.main.log_pane.view
        chosen = {"level": "warning", "script": view.ring.script, "follow": False}
        saved = await written(pilot, file, lambda state: state.panes)
        await written(pilot, file, lambda state: state.panes[PaneName.LOG].settings == chosen)
        assert saved is not None
    async with remembering(file) as (app, pilot):
        ring = app.main.log_pane.view.ring
        assert (ring.level, ring.script) == (Level.WARNING, chosen["script"])
        assert not app.main.log_pane.view.following
        await until(pilot, lambda: ring.total)
        assert {record.script for record in ring.records()} == {chosen["script"]}
        await pilot.press("5", "G", "escape")
        await written(pilot, file, lambda state: PaneName.LOG not in state.panes)


async def test_a_chosen_threshold_counts_and_that_of_the_configuration_is_not_remembered(
    file: StateFile,
) -> None:
    async with remembering(file) as (app, pilot):
        app.settings = app.settings._replace(slow_call=37)
        await pilot.press("6")
        pane = app.main.panes[PaneName.CALLS]
        assert isinstance(pane, CallsPane)
        assert pane.slow_from == 0.037
        assert pane.settings() == {}
        await pilot.press("t")
        await written(pilot, file, lambda state: PaneName.CALLS in state.panes)
    async with remembering(file) as (app, pilot):
        await pilot.press("6")
        pane = app.main.panes[PaneName.CALLS]
        assert isinstance(pane, CallsPane)
        await until(pilot, lambda: pane.is_mounted)
        assert pane.slow_from == 0.05


async def test_settings_of_one_pane_come_back(file: StateFile) -> None:
    state = SavedState(
        panes={
            PaneName.CALLS: SavedPane(settings={"slow_from": SLOW_FROM[0], "window": 77, "mood": "good"}),
            PaneName.TIMERS: SavedPane(settings={"x": 1}),
        }
    )
    file.write(state)
    async with remembering(file) as (app, pilot):
        assert app.main.panes[PaneName.CALLS].settings() == {"slow_from": SLOW_FROM[0]}
        await until(pilot, lambda: any("Calls: window cannot be '77'" in text for text in log_texts(app)))
        texts = "\n".join(log_texts(app))
        assert "Calls: mood cannot be 'good'" in texts
        assert "Timers: x cannot be '1'" in texts
        saved = await written(pilot, file, lambda state: PaneName.TIMERS not in state.panes)
        assert saved.panes == {PaneName.CALLS: SavedPane(settings={"slow_from": SLOW_FROM[0]})}


async def test_a_crash_while_scripts_open_loses_none(file: StateFile) -> None:
    file.write(SavedState(scripts=(PUMP,)))
    held = threading.Event()

    class Slow(RecordedSession):
        def load(self, path: Path, alias: str | None = None) -> object:
            held.wait(10)
            return super().load(path, alias)

    session = Slow(replace(FRAME, scripts=()))
    async with remembering(file, session) as (app, pilot):
        await pilot.press("m")
        saved = await written(pilot, file, lambda state: state.layout.maximised)
        assert saved.scripts == (PUMP,)
        held.set()
        assert app.memory is not None
        await written(pilot, file, lambda state: state.scripts == ())


async def test_leaving_writes_what_was_open_before_it_was_closed(file: StateFile) -> None:
    class Emptying(RecordedSession):
        def close(self) -> None:
            self.now = replace(FRAME, scripts=())
            super().close()

    session = Emptying()
    async with remembering(file, session) as (_, pilot):
        await pilot.press("3", "q")
        await until(pilot, lambda: ("close",) in session.calls)
    saved, told = file.read()
    assert told == ()
    assert saved.layout.recent[0] is PaneName.TIMERS
    assert len(saved.scripts) == len(FRAME.scripts)


async def test_changes_during_a_write_wait_and_go_together(file: StateFile) -> None:
    gate = threading.Event()
    states: list[SavedState] = []

    class Slow(StateFile):
        def write(self, state: SavedState) -> None:
            states.append(state)
            gate.wait(10)
            super().write(state)

    slow = Slow(Path(file.project), file.path.parent)
    async with remembering(slow) as (app, pilot):
        await until(pilot, lambda: states)
        memory = app.memory
        assert memory is not None
        for key in ("1", "2", "3", "4", "5"):
            await pilot.press(key)
            memory.look()
        assert len(states) == 1
        gate.set()
        await written(pilot, slow, lambda state: state.layout.recent[0] is PaneName.LOG)
        assert len(states) == 2


async def test_nothing_is_written_while_nothing_changes(file: StateFile) -> None:
    async with remembering(file) as (app, pilot):
        await written(pilot, file, lambda state: state.scripts)
        memory = app.memory
        assert memory is not None
        await until(pilot, lambda: not memory.busy)
        before = file.path.stat().st_ino
        for _ in range(20):
            memory.look()
        assert not memory.busy
        assert file.path.stat().st_ino == before


async def test_a_damaged_file_is_told_once_and_the_console_starts_fresh(file: StateFile) -> None:
    file.path.parent.mkdir()
    file.path.write_text('{"layout": [bold]')
    async with remembering(file) as (app, pilot):
        await until(pilot, lambda: len(log_texts(app)) > 1)
        told = [text for text in log_texts(app) if "state of this project" in text]
        assert len(told) == 1
        assert f"set aside as {file.path}.corrupt" in told[0]
        assert app.main.layout_model == Layout()
        await written(pilot, file, lambda state: state.scripts)


async def test_unknown_fields_and_lost_columns_are_told(file: StateFile) -> None:
    state = SavedState(
        theme=SavedTheme("gone", "scriptconsole-dark"),
        panes={PaneName.TIMERS: SavedPane(sort="Mood", filter="x")},
    )
    file.write(state)
    file.path.write_text(file.path.read_text().replace('"descending"', '"upside_down"'))
    async with remembering(file) as (app, pilot):
        await until(pilot, lambda: any("upside_down" in text for text in log_texts(app)))
        texts = "\n".join(log_texts(app))
        assert "panes.timers.upside_down: is unknown" in texts
        assert "Timers: there is no column Mood any more" in texts
        assert "no theme gone any more" in texts
        assert app.theme == "scriptconsole-dark"
        assert table(app, "timers").sort_column is None


async def test_a_state_that_cannot_be_written_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "states").write_text("a file where a folder should be")
    file = StateFile(tmp_path, tmp_path / "states")
    session = RecordedSession()
    async with remembering(file, session) as (app, pilot):
        await until(pilot, lambda: any("cannot be saved" in text for text in notices(app)))
        memory = app.memory
        assert memory is not None
        for key in ("3", "m"):
            await pilot.press(key)
            memory.look()
            await until(pilot, lambda: not memory.busy)
        assert sum("cannot be saved" in text for text in log_texts(app)) == 1
        await pilot.press("q")
        await until(pilot, lambda: ("close",) in session.calls)


async def test_a_theme_chosen_by_hand_yields_to_another_configuration(file: StateFile) -> None:
    chosen = SavedTheme("scriptconsole-light", "scriptconsole-dark")
    file.write(SavedState(theme=chosen))
    async with remembering(file, theme="light") as (app, pilot):
        assert app.theme == "scriptconsole-light"
        assert (await written(pilot, file, lambda state: state.scripts)).theme == chosen
        await pilot.press("ctrl+t")
        await written(
            pilot,
            file,
            lambda state: state.theme == SavedTheme("scriptconsole-dark", "scriptconsole-light"),
        )


@pytest.mark.parametrize("size", [NARROW, (60, 15), (140, 44)], ids=["narrow", "tiny", "wide"])
async def test_sizes_of_another_terminal_leave_every_pane_usable(
    file: StateFile, size: tuple[int, int]
) -> None:
    screen = Region(0, 0, *size)
    for extreme in (LIMIT, 1 / LIMIT):
        file.write(SavedState(Layout(sizes=dict.fromkeys(SIZES, extreme))))
        async with remembering(file, size=size) as (app, pilot):
            for key in ("1", "2", "3", "5"):
                await pilot.press(key)
                await pilot.pause()
                for pane in app.main.panes_in_sight():
                    assert screen.contains_region(pane.region), (extreme, key, pane.NAME)
                    assert pane.body.size.height >= 2, "a header and a row"
                    assert pane.body.size.width >= 20, (extreme, key, pane.NAME)
