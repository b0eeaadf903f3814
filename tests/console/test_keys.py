"""Every key of the main screen, and what the session is asked for by it."""

from __future__ import annotations

import threading
from copy import replace
from pathlib import Path

import pytest
from textual import events
from textual._xterm_parser import XTermParser
from textual.command import CommandPalette
from textual.widgets import Input, OptionList, Static

from scriptconsole import keysteps
from scriptconsole.actions import MOVES, PaneName
from scriptconsole.app import ScriptConsoleApp
from scriptconsole.panes.pane import FilterInput
from scriptconsole.registry import REGISTRY
from scriptconsole.screens.call import CallScreen
from scriptconsole.screens.dialog import Dialog
from scriptconsole.screens.evaluate import EvaluateScreen
from scriptconsole.screens.help import HelpScreen
from scriptconsole.screens.load import LoadScreen
from scriptengines.view import Level, LogRecord

from .recording import FRAME, NOW, SCRIPTS, TIMERS, RecordedSession
from .support import NARROW, drawn, log, log_texts, notices, running, table, until


def static(screen: object, selector: str) -> str:
    return str(screen.query_one(selector, Static).render())  # type: ignore[attr-defined]


FIRST = [PaneName.SCRIPTS, PaneName.VARIABLES, PaneName.TIMERS, PaneName.CONNECTIONS, PaneName.LOG]


def in_sight(app: ScriptConsoleApp) -> list[PaneName]:
    return [pane.NAME for pane in app.main.panes_in_sight()]


# -- scripts --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "call"),
    [
        (["r"], ("reload", "greeter")),
        (["j", "r"], ("reload", "thermostat")),
        (["u"], ("unload", "greeter")),
        (["i"], ("interrupt", "greeter")),
        (["p"], ("pause", "greeter")),
        (["j", "j", "j", "j", "p"], ("resume", "lights")),
        (["3", "x"], ("cancel_timer", "bridge", 1)),
        (["3", "j", "delete"], ("cancel_timer", "greeter", 4)),
        (["3", "F"], ("fire_timer", "bridge", 1)),
        (["3", "P"], ("pause_timer", "bridge", 1)),
        (["3", "G", "P"], ("resume_timer", "lights", 9)),
        (["4", "x"], ("close_connection", "bridge", 1)),
        (["4", "G", "delete"], ("close_connection", "greeter", 1)),
        (["2", "G", "r"], ("reload", "fft")),
        (["5", "r"], ("reload", "greeter")),
        (["5", "g", "r"], ("reload", "greeter")),
    ],
)
async def test_key_asks_the_session(
    session: RecordedSession, keys: list[str], call: tuple[object, ...]
) -> None:
    async with running(session) as (app, pilot):
        await pilot.press(*keys)
        await until(pilot, lambda: call in session.calls)
        await until(pilot, lambda: notices(app))
    assert threading.main_thread().name not in session.threads


async def test_x_means_nothing_elsewhere(session: RecordedSession) -> None:
    async with running(session) as (_, pilot):
        for pane in "125":
            await pilot.press(pane, "x", "delete")
        await pilot.press("1", "r")
        await until(pilot, lambda: len(session.calls) > 1)
        assert session.calls == [("watch",), ("reload", "greeter")]


@pytest.mark.parametrize("keys", [["r"], ["u"], ["p"], ["i"], ["3", "x"], ["4", "x"]])
async def test_error_is_shown_and_the_app_goes_on(session: RecordedSession, keys: list[str]) -> None:
    session.problem = RuntimeError("[red]no[/red] such luck")
    async with running(session) as (app, pilot):
        await pilot.press(*keys)
        await until(pilot, lambda: notices(app))
        assert "RuntimeError: [red]no[/red] such luck" in notices(app)[0]
        assert log_texts(app)[-1] == notices(app)[0]
        session.problem = None
        await pilot.press("1", "r")
        await until(pilot, lambda: ("reload", "greeter") in session.calls)


async def test_our_errors_are_shown_without_their_type(session: RecordedSession) -> None:
    from scriptengines.errors import ScriptConsoleError

    session.problem = ScriptConsoleError("greeter is busy; press i to interrupt it.")
    async with running(session) as (app, pilot):
        await pilot.press("r")
        await until(pilot, lambda: notices(app))
        assert notices(app) == ["reload greeter: greeter is busy; press i to interrupt it."]


async def test_a_timer_that_is_gone_is_no_error(session: RecordedSession) -> None:
    session.gone = True
    async with running(session) as (app, pilot):
        await pilot.press("3", "x")
        await until(pilot, lambda: notices(app))
        assert "gone already" in notices(app)[0]


async def test_keys_without_any_script(session: RecordedSession) -> None:
    session.now = replace(FRAME, scripts=(), variables=(), timers=(), connections=())
    async with running(session) as (app, pilot):
        for key in [
            "r",
            "u",
            "p",
            "i",
            "c",
            "equals_sign",
            "e",
            "enter",
            "y",
            "s",
            "j",
            "k",
            "g",
            "G",
            "pagedown",
        ]:
            await pilot.press(key)
        for pane in "234":
            await pilot.press(pane, "x", "enter", "j", "y")
        assert session.calls == [("watch",)]
        assert app.screen is app.main


async def test_paths_are_loaded_and_failures_told(session: RecordedSession, tmp_path: Path) -> None:
    session.problem = OSError("unreadable")
    async with running(session, paths=[tmp_path / "a.py", tmp_path / "b.lua"]) as (app, pilot):
        await until(pilot, lambda: len(notices(app)) == 2)
        assert session.calls == [
            ("watch",),
            ("load", tmp_path / "a.py", None),
            ("load", tmp_path / "b.lua", None),
        ]
        assert any("load b.lua: OSError: unreadable" in text for text in notices(app))


# -- display --------------------------------------------------------------------------------------------


async def test_number_keys_and_tab_go_round_the_panes(session: RecordedSession) -> None:
    async with running(session) as (app, pilot):
        for name in app.main.panes:
            if app.main.pane_name is PaneName.REPL:
                await pilot.press("f6", "shift+tab")  # digits are text in there
            await pilot.press(name.digit)
            assert app.main.pane_name is name
        last = app.main.pane_name
        await pilot.press("tab")
        assert app.main.pane_name is PaneName.SCRIPTS
        await pilot.press("shift+tab")
        assert app.main.pane_name is last


async def test_narrow_shows_the_pane_that_is_asked_for(session: RecordedSession) -> None:
    async with running(session, size=NARROW) as (app, pilot):
        assert app.main.panes[PaneName.VARIABLES].display
        assert not app.main.panes[PaneName.TIMERS].display
        for key in ("tab", "tab"):
            await pilot.press(key)
        assert app.main.pane_name is PaneName.TIMERS
        assert app.main.panes[PaneName.TIMERS].display
        assert not app.main.panes[PaneName.VARIABLES].display
        await pilot.resize_terminal(140, 44)
        await pilot.pause()
        assert in_sight(app) == FIRST


@pytest.mark.parametrize("size", [(40, 12), (20, 6), (10, 3), (300, 100)])
async def test_odd_sizes_do_no_harm(session: RecordedSession, size: tuple[int, int]) -> None:
    async with running(session, size=size) as (app, pilot):
        for pane in "125":
            await pilot.press(pane, "j", "enter", "escape", "slash", "a", "escape")
        assert app.screen is app.main


@pytest.mark.parametrize("key", ["m", "f10"])
async def test_maximise_and_back(session: RecordedSession, key: str) -> None:
    async with running(session) as (app, pilot):
        await pilot.press("3", key)
        assert in_sight(app) == [PaneName.TIMERS]
        await pilot.press("5")
        assert in_sight(app) == [PaneName.LOG]
        await pilot.press(key)
        assert in_sight(app) == FIRST
        await pilot.press(key, "escape")
        assert in_sight(app) == FIRST


async def test_freeze_holds_everything_and_loses_no_line(session: RecordedSession) -> None:
    async with running(session) as (app, pilot):
        before = log(app).ring.total
        await pilot.press("space")
        session.now = replace(FRAME, time=NOW + 5, scripts=SCRIPTS[:1])
        session.logs(LogRecord(NOW, "greeter", Level.OUTPUT, "while frozen"))
        await until(pilot, lambda: not session.pending)
        app.write_log(Level.INFO, "from the console")
        assert table(app, "scripts").row_count == len(SCRIPTS)
        assert log(app).ring.total == before
        await pilot.press("space")
        await until(pilot, lambda: table(app, "scripts").row_count == 1)
        assert log_texts(app)[-2:] == ["while frozen", "from the console"]


async def test_filter_inverse_bad_and_clear(session: RecordedSession) -> None:
    async with running(session) as (app, pilot):
        rows = table(app, "variables")
        await pilot.press("2", "slash", *"bridge")
        assert {row.script for row in rows.rows} == {"bridge"}  # type: ignore[attr-defined]
        await pilot.press("home", "!")
        assert "bridge" not in {row.script for row in rows.rows}  # type: ignore[attr-defined]
        await pilot.press("end", "(")
        pane = app.main.panes[PaneName.VARIABLES]
        assert pane.has_class("-bad-filter")
        assert "bad pattern" in str(pane.query_one("#filter-error", Static).render())
        await pilot.press("backspace", "enter")
        assert app.main.focused is rows
        assert rows.filter is not None
        assert "/!bridge" in str(pane.border_title)
        await pilot.press("escape")
        assert rows.filter is None
        assert rows.row_count == rows.total
        await pilot.press("slash", "a", "escape")
        assert app.main.focused is rows
        assert rows.filter is None


async def test_filter_takes_letters_that_are_keys_elsewhere(session: RecordedSession) -> None:
    async with running(session) as (app, pilot):
        await pilot.press("5", "slash", *"qrupicxeyosm?/ 123")
        assert app.main.query_one(FilterInput).value.startswith("qrupicxeyosm?/ 123")
        assert session.calls == [("watch",)]
        assert app.screen is app.main


async def test_sort_by_key_inverts_and_returns(session: RecordedSession) -> None:
    async with running(session) as (app, pilot):
        rows = table(app, "scripts")

        def order() -> list[str]:
            return [row.alias for row in rows.rows]  # type: ignore[attr-defined]

        natural = order()
        await pilot.press("right", "s")
        assert order() == sorted(natural)
        await pilot.press("s")
        assert order() == sorted(natural, reverse=True)
        await pilot.press("s")
        assert order() == natural
        await pilot.press("h", "s")
        assert order()[0] == "thermostat", "sorting by state puts failures first"


async def test_moving(session: RecordedSession) -> None:
    session.now = replace(FRAME, timers=tuple(replace(TIMERS[0], id=i) for i in range(500)))
    async with running(session) as (app, pilot):
        rows = table(app, "timers")
        await pilot.press("3", "j", "down", "k")
        assert rows.cursor == 1
        await pilot.press("G")
        assert rows.cursor == 499
        assert rows.top + rows.page == 500
        await pilot.press("g", "g")
        assert (rows.cursor, rows.top) == (0, 0)
        await pilot.press("pagedown", "ctrl+f")
        assert rows.cursor == 2 * rows.page
        await pilot.press("pageup", "ctrl+b", "up")
        assert rows.cursor == 0
        await pilot.press("end")
        assert rows.cursor == 499
        await pilot.press("home")
        assert rows.cursor == 0


async def test_cursor_follows_its_row_and_survives_its_end(session: RecordedSession) -> None:
    async with running(session) as (app, pilot):
        await pilot.press("3", "j", "j", "j")
        rows = table(app, "timers")
        assert rows.selected == TIMERS[3]
        session.now = replace(session.now, timers=TIMERS[2:])
        await until(pilot, lambda: rows.total == 3)
        assert rows.selected == TIMERS[3]
        session.now = replace(session.now, timers=TIMERS[:1])
        await until(pilot, lambda: rows.total == 1)
        assert rows.selected == TIMERS[0]
        session.now = replace(session.now, timers=())
        await until(pilot, lambda: rows.total == 0)
        assert rows.selected is None
        await pilot.press("x", "enter", "y")
        session.now = replace(session.now, timers=TIMERS)
        await until(pilot, lambda: rows.total == len(TIMERS))
        assert rows.selected is not None


async def test_copy(session: RecordedSession) -> None:
    async with running(session) as (app, pilot):
        for keys, start in (
            (["j"], "thermostat\t/home/ada/scripts/thermostat.lua\tfailed\nthermostat.lua:42"),
            (["2"], "greeting = "),
            (["3"], "bridge\theartbeat"),
            (["4"], "bridge\ttcp listener"),
            (["5", "G"], "Hello, Alan"),
        ):
            await pilot.press(*keys, "y")
            await until(pilot, lambda start=start: app.clipboard.startswith(start))


async def test_theme(session: RecordedSession) -> None:
    async with running(session) as (app, pilot):
        await pilot.press("ctrl+t")
        assert app.theme == "scriptconsole-light"
        await pilot.press("ctrl+t")
        assert app.theme == "scriptconsole-dark"


@pytest.mark.parametrize("key", ["q", "ctrl+q"])
async def test_quit_closes_the_session(session: RecordedSession, key: str) -> None:
    async with running(session) as (app, pilot):
        await pilot.press(key)
        await until(pilot, lambda: ("close",) in session.calls)
        await until(pilot, lambda: app._exit)


# -- screens --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["question_mark", "f1"])
async def test_help_names_every_key_of_the_pane(session: RecordedSession, key: str) -> None:
    async with running(session) as (app, pilot):
        await pilot.press("3", key)
        assert isinstance(app.screen, HelpScreen)
        text = "\n".join(str(widget.render()) for widget in app.screen.query(Static))
        for action in (*REGISTRY.actions, *MOVES):
            if PaneName.TIMERS in action.scope and not action.id.startswith("pane."):
                assert action.tooltip in text
        assert "Close the selected connection" not in text
        await pilot.press("escape")
        assert app.screen is app.main


async def test_details_of_each_pane(session: RecordedSession) -> None:
    async with running(session) as (app, pilot):
        for pane, words in (
            ("1", "/home/ada/scripts/greeter.py"),
            ("2", "'Hello, {name}'"),
            ("3", "heartbeat"),
            ("4", "0.0.0.0:7000"),
            ("5", "Hello, Alan"),
        ):
            await pilot.press(pane, "enter")
            assert isinstance(app.screen, Dialog)
            assert words in "\n".join(str(widget.render()) for widget in app.screen.query(Static))
            await pilot.press("y")
            assert words in app.clipboard
            await pilot.press("enter")
            assert app.screen is app.main


async def test_details_list_functions_and_the_traceback(session: RecordedSession) -> None:
    async with running(session) as (app, pilot):
        await pilot.press("j", "enter")
        screen = app.screen
        await until(pilot, lambda: "greet(name: str" in static(screen, "#functions"))
        text = "\n".join(str(widget.render()) for widget in screen.query(Static))
        assert "in function 'read_sensor'" in text


async def test_details_closed_before_the_functions_come(session: RecordedSession) -> None:
    async with running(session) as (app, pilot):
        await pilot.press("enter", "escape", "enter", "q")
        await until(pilot, lambda: session.calls.count(("functions", "greeter")) == 2)
        assert app.screen is app.main


async def test_call_with_completion_and_result(session: RecordedSession) -> None:
    async with running(session) as (app, pilot):
        await pilot.press("c")
        screen = app.screen
        assert isinstance(screen, CallScreen)
        await until(pilot, lambda: screen.query_one(OptionList).option_count == 3)
        await pilot.press("g", "r")
        assert screen.query_one(OptionList).option_count == 1
        await pilot.press("enter", *'"Grace", k=[1, 2]', "enter")
        await until(pilot, lambda: "'Hello, Grace'" in static(screen, "#result"))
        assert ("call", "greeter", "greet", ("Grace",), {"k": [1, 2]}) in session.calls
        assert log_texts(app)[-1] == "greeter.greet(\"Grace\", k=[1, 2]) = 'Hello, Grace'"
        await pilot.press("escape")
        assert app.screen is app.main


async def test_call_by_arrows(session: RecordedSession) -> None:
    async with running(session) as (app, pilot):
        await pilot.press("c")
        await until(pilot, lambda: app.screen.query_one(OptionList).option_count == 3)
        await pilot.press("down", "down", "up", "enter", "enter")
        await until(pilot, lambda: ("call", "greeter", "guests", (), {}) in session.calls)


async def test_call_with_bad_arguments_asks_nothing(session: RecordedSession) -> None:
    async with running(session) as (app, pilot):
        await pilot.press("c")
        await until(pilot, lambda: app.screen.query_one(OptionList).option_count == 3)
        await pilot.press("enter", *"open('x')", "enter")
        assert "is not a literal" in static(app.screen, "#result")
        assert not any(call[0] == "call" for call in session.calls)


async def test_call_that_fails_and_call_that_hangs(session: RecordedSession) -> None:
    async with running(session) as (app, pilot):
        session.gate.clear()
        await pilot.press("c")
        await until(pilot, lambda: app.screen.query_one(OptionList).option_count == 3)
        await pilot.press("enter", "enter")
        await until(pilot, lambda: "calling greeter.greet()" in static(app.screen, "#result"))
        await pilot.press("f4")
        await until(pilot, lambda: ("interrupt", "greeter") in session.calls)
        await pilot.press("escape")
        assert app.screen is app.main, "a hanging call must not hold the prompt"
        session.gate.set()
        await until(pilot, lambda: "greeter.greet() = 'Hello, Grace'" in log_texts(app))
        session.problem = ZeroDivisionError("division by zero")
        await pilot.press("c", "r", "e", "s", "e", "t", "enter", "enter")
        await until(pilot, lambda: "division by zero" in static(app.screen, "#result"))
        await until(pilot, lambda: any("division by zero" in text for text in log_texts(app)))


async def test_result_whose_repr_fails(session: RecordedSession) -> None:
    class Bad:
        def __repr__(self) -> str:
            raise RuntimeError("no")

    session.answer = Bad()
    async with running(session) as (app, pilot):
        await pilot.press("c")
        await until(pilot, lambda: app.screen.query_one(OptionList).option_count == 3)
        await pilot.press("enter", "enter")
        await until(pilot, lambda: "repr failed" in static(app.screen, "#result"))


async def test_evaluate_with_completion(session: RecordedSession) -> None:
    session.answer = 18
    async with running(session) as (app, pilot):
        await pilot.press("equals_sign", "v", "i")
        assert isinstance(app.screen, EvaluateScreen)
        entry = app.screen.query_one(Input)
        await until(pilot, lambda: entry._suggestion == "visitors")
        await pilot.press("right", "enter")
        await until(pilot, lambda: ("evaluate", "greeter", "visitors") in session.calls)
        await until(pilot, lambda: static(app.screen, "#result") == "18")
        assert log_texts(app)[-1] == "greeter: visitors = 18"


async def test_load(session: RecordedSession, tmp_path: Path) -> None:
    file = tmp_path / "new.py"
    async with running(session) as (app, pilot):
        await pilot.press("o")
        assert isinstance(app.screen, LoadScreen)
        path, alias = app.screen.query_one("#path", Input), app.screen.query_one("#alias", Input)
        for value in ("", str(file), str(tmp_path)):
            path.value = value
            await pilot.press("enter")
            assert isinstance(app.screen, LoadScreen)
        assert "is a folder" in static(app.screen, "#problem")
        file.touch()
        path.value = str(tmp_path / "n")
        await until(pilot, lambda: path._suggestion == str(file))
        path.value, alias.value = str(file), "fresh"
        await pilot.press("enter")
        await until(pilot, lambda: ("load", file, "fresh") in session.calls)
        await until(pilot, lambda: "loaded fresh" in notices(app))


async def test_palette_runs_actions(session: RecordedSession) -> None:
    async with running(session) as (app, pilot):
        await pilot.press("3", "ctrl+p")
        assert isinstance(app.screen, CommandPalette)
        await pilot.press(*"cancel the sel")
        await until(pilot, lambda: app.screen.query_one(OptionList).option_count >= 1)
        await pilot.press("enter")
        await pilot.pause(0.1)
        if isinstance(app.screen, CommandPalette):
            await pilot.press("enter")
        await until(pilot, lambda: ("cancel_timer", "bridge", 1) in session.calls)


async def test_no_dialog_lets_keys_through(session: RecordedSession) -> None:
    async with running(session) as (app, pilot):
        await pilot.press("3", "question_mark", "x", "r", "u", "space")
        assert not app.main.frozen
        await pilot.press("escape", "r")
        await until(pilot, lambda: len(session.calls) > 1)
        assert session.calls == [("watch",), ("reload", "bridge")]


async def test_every_binding_has_an_id_and_can_be_remapped(session: RecordedSession) -> None:
    async with running(session) as (app, pilot):
        app.set_keymap({"script.reload": "f5"})
        await pilot.press("r")
        await pilot.press("f5")
        await until(pilot, lambda: ("reload", "greeter") in session.calls)
        assert [call for call in session.calls if call[0] == "reload"] == [("reload", "greeter")]
    ids = [action.id for action in (*REGISTRY.actions, *MOVES)]
    assert len(ids) == len(set(ids))


async def test_nothing_is_drawn_while_nothing_changes(session: RecordedSession) -> None:
    session.now = replace(FRAME, timers=(), connections=(), time=NOW + 100)
    async with running(session) as (app, pilot):
        await pilot.pause(0.1)
        painted: list[object] = []
        for name in ("scripts", "variables", "timers", "connections"):
            widget = table(app, name)
            widget.render_line = lambda y, w=widget: painted.append((w.id, y)) or type(w).render_line(w, y)  # type: ignore[method-assign]
        for _ in range(20):
            app.tick()
            await pilot.pause()
        assert painted == []
        assert drawn(table(app, "timers"))[0].strip() == "no timers"


async def test_keys_typed_ahead_go_where_the_keys_before_them_led(session: RecordedSession) -> None:
    async with running(session) as (app, pilot):
        for key in ("2", "slash", "r", "e", "question_mark"):
            app.post_message(events.Key(key, {"slash": "/", "question_mark": "?"}.get(key, key)))
        pane = app.main.panes[PaneName.VARIABLES]
        await until(pilot, lambda: [line.value for line in pane.query(FilterInput)] == ["re?"])
        assert app.main.pane is pane
        assert not any(call[0] == "reload" for call in session.calls)


@pytest.mark.parametrize("opener", ["slash", "c", "colon", "9"])
async def test_a_paste_waits_for_the_keys_before_it(session: RecordedSession, opener: str) -> None:
    async with running(session) as (app, pilot):
        await pilot.press(opener, *"old")
        for message in XTermParser().feed("\x15\x1b[200~pasted\x1b[201~!"):
            app.post_message(message)
        entry = app.screen.focused
        assert entry is not None

        def text() -> str:
            return str(getattr(entry, "value", getattr(entry, "text", "")))

        await until(pilot, lambda: text().endswith("!"))
        assert text() == "pasted!"


async def test_a_burst_of_keys_keeps_its_order_when_the_loop_is_held_up(
    session: RecordedSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(session) as (app, pilot):
        await pilot.press("slash", *"old")
        # As when somebody else had the loop until all patience was over.
        monkeypatch.setattr(keysteps, "PATIENCE", 0.0)
        for message in XTermParser().feed("\x15hello"):
            app.post_message(message)
        entry = app.screen.focused
        assert isinstance(entry, Input)
        await until(pilot, lambda: len(entry.value) > 3)
        await pilot.press("end")
        assert entry.value == "hello"
