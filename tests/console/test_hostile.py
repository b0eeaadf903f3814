"""What scripts may do to a screen: hostile text, clocks that jump, rows that go while they are shown."""

from __future__ import annotations

from copy import replace
from random import Random

import pytest
from rich.cells import cell_len
from textual import events
from textual.widgets import Input, Static
from textual.widgets._toast import Toast

from scriptconsole.actions import PaneName
from scriptconsole.app import ScriptConsoleApp
from scriptconsole.panes.lines import LineView
from scriptconsole.panes.transcript import Transcript
from scriptconsole.screens.call import CallScreen
from scriptconsole.screens.details import DetailsScreen
from scriptconsole.screens.load import LoadScreen
from scriptconsole.text import clean
from scriptengines.errors import UnknownScript
from scriptengines.view import Frame, Level, LogRecord

from .recording import FRAME, NOW, RecordedSession
from .support import drawn, log, make_app, notices, running, table, until
from .wild import HOSTILE, WildSession, frame, records

PANES = sorted(PaneName)


def lines_of(view: LineView) -> list[str]:
    return [view.render_line(y).text for y in range(view.size.height)]


def harmless(line: str) -> bool:
    return line.isprintable() and not any("\x80" <= c <= "\x9f" or c in "\u202e\u2066\u200d" for c in line)


@pytest.mark.parametrize("seed", [0, *(pytest.param(each, marks=pytest.mark.stress) for each in (1, 2, 3))])
async def test_rows_of_every_pane_are_harmless_and_as_wide_as_the_pane(seed: int) -> None:
    random = Random(seed)
    session = WildSession(random)
    session.logs(*records(random, 60))
    async with running(session) as (app, pilot):
        await pilot.press("m")
        looked = 0
        for name in PANES:
            if name not in app.main.panes:
                continue
            await app.main.action_show_pane(name)
            for _ in range(3):
                app.main.apply(frame(random, NOW + random.random()))
                await pilot.pause()
                for view in app.main.panes[name].query(LineView):
                    looked += 1
                    for line in lines_of(view):
                        assert harmless(line), ascii(line)
                        assert cell_len(line) == view.size.width, ascii(line)
        assert looked >= 3 * 8


TOGETHER = (" ".join(HOSTILE[:12])[:400], " ".join(HOSTILE[12:30])[:400])


@pytest.mark.parametrize(
    "text", [TOGETHER[0], pytest.param(TOGETHER[1], marks=pytest.mark.stress)], ids=["markup", "signs"]
)
async def test_hostile_names_pass_all_dialogs(text: str) -> None:
    script = replace(FRAME.scripts[1], alias=text, path=f"/tmp/{text}".replace("\0", ""))
    variable = replace(FRAME.variables[0], script=text, name=text, value=text, type=text)
    timer = replace(FRAME.timers[0], script=text, callback=text, source=text, kind=text)
    connection = replace(FRAME.connections[0], script=text, local=text, peer=text)
    session = RecordedSession(
        Frame(NOW, (script,), (variable,), (timer,), (connection,)),
        (LogRecord(NOW, text, Level.ERROR, text),),
    )
    session.answer = text
    async with running(session) as (app, pilot):
        for pane in "12345":
            for key in ("enter", "question_mark", "y", "slash"):
                await pilot.press(pane, key, "escape", "escape")
        for key in ("c", "equals_sign", "colon", "p", "i"):
            await pilot.press("1", key, "escape", "escape")
        session.problem = ValueError(text)
        await pilot.press("1", "r", "u", "p", "3", "x", "4", "x")
        await until(pilot, lambda: any(clean(text)[:10] in notice for notice in notices(app)))
        svg = app.export_screenshot()
        assert "\x1b" not in svg
        svg.encode()


async def test_notifications_steer_no_terminal(session: RecordedSession) -> None:
    app = make_app(session)
    async with app.run_test(size=(140, 44), notifications=True) as pilot:
        for text in HOSTILE[:30]:
            app.notify(text[:300] or "-", title=text[:40], markup=False, timeout=60)
        await until(pilot, lambda: len(app.screen.query(Toast)) >= 5)
        lines = [
            toast.render_line(y).text for toast in app.screen.query(Toast) for y in range(toast.size.height)
        ]
        assert lines
        assert all(map(harmless, lines)), [ascii(line) for line in lines if not harmless(line)]


async def test_a_hostile_alias_in_the_repl(session: RecordedSession) -> None:
    alias = "x\x1b]0;evil\x07\u202ey"
    session.now = replace(FRAME, scripts=(replace(FRAME.scripts[0], alias=alias),))
    async with running(session) as (app, pilot):
        await pilot.press("9", *"7", "enter")
        pane = app.main.panes[PaneName.REPL]
        transcript = pane.query_one(Transcript)
        await until(pilot, lambda: transcript.row_count)
        assert harmless(pane.title_text)
        assert all(map(harmless, lines_of(transcript)))


async def test_markup_is_shown_as_it_is(session: RecordedSession) -> None:
    text = "[bold]$error[/] [@click=app.quit]x[/]"
    session.now = replace(FRAME, variables=(replace(FRAME.variables[0], name=text, value=text),))
    async with running(session) as (app, pilot):
        await pilot.press("2", "m")
        assert text in drawn(table(app, "variables"))[1]
        await pilot.press("enter")
        assert isinstance(app.screen, DetailsScreen)
        assert any(text in str(static.render()) for static in app.screen.query(Static))


async def test_columns_stay_aligned_whatever_is_in_them(session: RecordedSession) -> None:
    names = [text for text in HOSTILE if text.strip()]
    rows = tuple(replace(FRAME.variables[0], script="a", name=name, type="T", value="V") for name in names)
    session.now = replace(FRAME, variables=rows)
    async with running(session) as (app, pilot):
        await pilot.press("2", "m")
        shown = drawn(table(app, "variables"))[1:]
        ends = {cell_len(line.rstrip()) for line in shown if line.strip()}
        assert len(ends) == 1, [ascii(line) for line in shown]


async def test_countdown_goes_on_when_the_clock_is_set_back(session: RecordedSession) -> None:
    async with running(session) as (app, pilot):
        session.now = replace(FRAME, time=NOW + 2)
        await until(pilot, lambda: "1.4 s" in "".join(drawn(table(app, "timers"))))
        session.now = replace(FRAME, time=NOW - 3600)
        await until(pilot, lambda: "1h 00m" in "".join(drawn(table(app, "timers"))))
        session.now = replace(FRAME, time=NOW + 1)
        await until(pilot, lambda: "2.4 s" in "".join(drawn(table(app, "timers"))))


async def test_a_session_that_cannot_be_looked_at_is_told_once(
    session: RecordedSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(session) as (app, pilot):

        def broken() -> Frame:
            raise RuntimeError("[bold]no frame[/]")

        with monkeypatch.context() as patch:
            patch.setattr(session, "frame", broken)
            await until(pilot, lambda: notices(app))
            app.tick()
            app.tick()
            assert notices(app) == ["The scripts cannot be looked at: RuntimeError: [bold]no frame[/]"]
            assert "greeter" in drawn(table(app, "scripts"))[1]
            await pilot.press("2", "j")
        session.now = replace(FRAME, scripts=FRAME.scripts[1:])
        await until(pilot, lambda: "thermostat" in drawn(table(app, "scripts"))[1])


async def test_records_that_cannot_be_taken_between_frames_are_told(
    session: RecordedSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    flood = tuple(LogRecord(NOW, "a", Level.OUTPUT, f"line {number}") for number in range(400))
    frame = session.frame

    def flooded() -> Frame:
        return replace(frame(), log=flood)

    def broken(limit: int) -> list[LogRecord]:
        raise RuntimeError("no records")

    async with running(session) as (app, pilot):
        with monkeypatch.context() as patch:
            patch.setattr(session, "frame", flooded)
            patch.setattr(session, "records", broken)
            await until(pilot, lambda: notices(app))
            assert notices(app)[0] == "The scripts cannot be looked at: RuntimeError: no records"
        before = log(app).ring.total
        session.logs(LogRecord(NOW, "a", Level.OUTPUT, "goes on"))
        await until(pilot, lambda: log(app).ring.total > before)


@pytest.mark.parametrize("key", ["enter", "c", "equals_sign", "question_mark"])
async def test_script_goes_while_a_dialog_is_about_it(session: RecordedSession, key: str) -> None:
    async with running(session) as (app, pilot):
        await pilot.press(key)
        dialog = app.screen
        assert dialog is not app.main
        session.now = Frame(NOW + 1)
        session.problem = UnknownScript('no script "greeter" is loaded')
        await until(pilot, lambda: not app.main.latest.scripts)
        await pilot.press(*"greet", "enter", "enter", "f4")
        if key in ("c", "equals_sign"):
            await until(pilot, lambda: "no script" in str(app.screen.query_one("#result", Static).render()))
        await pilot.press("escape", "escape")
        await until(pilot, lambda: app.screen is app.main)
        await pilot.press("enter", "r", "e", "y")
        assert app.screen is app.main


async def test_script_is_reloaded_while_it_is_called(session: RecordedSession) -> None:
    session.gate.clear()
    async with running(session) as (app, pilot):
        await pilot.press("c", *"greet", "enter", "enter")
        await until(pilot, lambda: any(call[0] == "call" for call in session.calls))
        session.now = replace(FRAME, scripts=(replace(FRAME.scripts[0], generation=99),))
        await until(pilot, lambda: app.main.latest.scripts[0].generation == 99)
        session.gate.set()
        await until(pilot, lambda: "Hello" in str(app.screen.query_one("#result", Static).render()))


def type_at_once(app: ScriptConsoleApp, *keys: str) -> None:
    """What a user types faster than the screen follows."""
    for name in keys:
        app.post_message(events.Key(name, name if len(name) == 1 else None))


async def test_keys_typed_ahead_reach_the_dialog_they_are_meant_for(session: RecordedSession) -> None:
    async with running(session) as (app, pilot):
        type_at_once(app, "c", *"greet", "enter", *"7", "enter")
        await until(pilot, lambda: ("call", "greeter", "greet", (7,), {}) in session.calls)
        assert isinstance(app.screen, CallScreen)
        type_at_once(app, "escape", "2", "slash", *"tar", "enter", "j", "1", "j", "r")
        await until(pilot, lambda: ("reload", "thermostat") in session.calls)
        assert app.main.panes[PaneName.VARIABLES].query_one("#filter", Input).value == "tar"


async def test_the_log_goes_on_following_while_another_pane_has_the_screen(session: RecordedSession) -> None:
    async with running(session) as (app, pilot):
        session.logs(*(LogRecord(NOW, "a", Level.OUTPUT, f"line {i}") for i in range(200)))
        await until(pilot, lambda: log(app).ring.total >= 200)
        await pilot.press("2", "m")
        session.logs(*(LogRecord(NOW, "a", Level.OUTPUT, f"more {i}") for i in range(200)))
        await until(pilot, lambda: log(app).ring.total >= 400)
        await pilot.press("m")
        await pilot.pause()
        assert log(app).following
        assert "more 199" in drawn(log(app))[-1]
        await pilot.press("5", "m", "m")
        assert log(app).following


@pytest.mark.stress  # tests/terminal has a short one
async def test_resize_storm(session: RecordedSession) -> None:
    random = Random(7)
    async with running(session) as (app, pilot):
        for _ in range(40):
            await pilot.resize_terminal(random.randrange(1, 240), random.randrange(1, 80))
            if random.random() < 0.3:
                await pilot.press(random.choice(("m", "2", "5", "tab", "c", "escape")))
        await pilot.press("escape", "escape")
        await pilot.resize_terminal(140, 44)
        await pilot.press("1")
        await pilot.pause()
        assert "greeter" in drawn(table(app, "scripts"))[1]


async def test_page_keys_in_a_palette_that_has_no_room(session: RecordedSession) -> None:
    async with running(session) as (app, pilot):
        await pilot.resize_terminal(1, 1)
        await pilot.press("ctrl+p", "down", "pagedown", "pageup", "pagedown")
        await pilot.resize_terminal(140, 44)
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app.main)


OPENING = ("question_mark", "full_stop", "colon", "ctrl+o", "ctrl+p", "o", "enter", "f")


@pytest.mark.parametrize("key", OPENING)
async def test_what_is_closed_twice_takes_nothing_else_away(session: RecordedSession, key: str) -> None:
    async with running(session) as (app, pilot):
        await pilot.press(key)
        over = app.screen
        assert over is not app.main
        over.dismiss()  # as by a key
        over.dismiss()  # as by a click that was on its way
        await pilot.pause()
        assert app.screen is app.main
        below, above = LoadScreen(lambda path, alias: None), LoadScreen(lambda path, alias: None)
        await app.push_screen(below)
        await app.push_screen(above)
        above.dismiss()
        above.dismiss()
        await pilot.pause()
        assert app.screen is below
