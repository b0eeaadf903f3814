"""What the mouse does: focus, select, sort, open, act."""

from __future__ import annotations

from textual.widgets import OptionList

from scriptconsole.actions import PaneName
from scriptconsole.panes.keyline import KeyLine
from scriptconsole.panes.status import StatusLine
from scriptconsole.screens.call import CallScreen
from scriptconsole.screens.help import HelpScreen
from scriptconsole.screens.script import ScriptScreen

from .recording import LOG, NOW, RecordedSession
from .support import drawn, log, running, table, until


async def test_click_focuses_and_selects(session: RecordedSession) -> None:
    async with running(session) as (app, pilot):
        rows = table(app, "variables")
        await pilot.click(rows, offset=(5, 4))
        assert app.main.focused is rows
        assert rows.cursor == 3
        await pilot.click(rows, offset=(5, rows.size.height - 1))
        assert rows.cursor == 3, "a click below the rows selects nothing"


async def test_click_on_the_frame_focuses(session: RecordedSession) -> None:
    async with running(session) as (app, pilot):
        await pilot.click(app.main.panes[PaneName.TIMERS], offset=(3, 0))
        assert app.main.pane_name is PaneName.TIMERS


async def test_double_click_opens_details(session: RecordedSession) -> None:
    async with running(session) as (app, pilot):
        await pilot.click(table(app, "scripts"), offset=(5, 2), times=2)
        await pilot.pause()
        assert isinstance(app.screen, ScriptScreen)
        await pilot.click(offset=(0, 0))
        assert app.screen is app.main, "a click beside the box closes it"


async def test_header_click_sorts(session: RecordedSession) -> None:
    async with running(session) as (app, pilot):
        rows = table(app, "scripts")
        x = drawn(rows)[0].index("Calls")
        await pilot.click(rows, offset=(x, 0))
        calls = [row.calls for row in rows.rows]  # type: ignore[attr-defined]
        assert calls == sorted(calls)
        assert "Calls▲" in drawn(rows)[0]
        await pilot.click(rows, offset=(x, 0))
        assert [row.calls for row in rows.rows] == sorted(calls, reverse=True)  # type: ignore[attr-defined]
        assert "Calls▼" in drawn(rows)[0]


async def test_footer_click_acts(session: RecordedSession) -> None:
    async with running(session) as (app, pilot):
        await pilot.pause()
        keys = app.main.query_one(KeyLine)
        await pilot.click(keys, offset=(keys.start_of("Reload") + 3, 0))
        await until(pilot, lambda: ("reload", "greeter") in session.calls)
        await pilot.click(keys, offset=(keys.start_of("Help"), 0))
        await until(pilot, lambda: isinstance(app.screen, HelpScreen))


async def test_footer_shows_what_the_pane_can_do(session: RecordedSession) -> None:
    async with running(session) as (app, pilot):

        def labels() -> set[str]:
            return {key.label for key in app.main.query_one(KeyLine).keys}

        await pilot.pause()
        assert "Cancel" not in labels()
        await pilot.click(table(app, "timers"), offset=(5, 1))
        await until(pilot, lambda: "Cancel" in labels())
        await pilot.click(table(app, "connections"), offset=(5, 1))
        await until(pilot, lambda: "Close" in labels() and "Cancel" not in labels())


async def test_click_on_the_status_line_leads_to_the_failed_script(session: RecordedSession) -> None:
    async with running(session) as (app, pilot):
        await pilot.press("5")
        await pilot.click(StatusLine)
        assert app.main.pane_name is PaneName.SCRIPTS
        assert app.main.script() == "thermostat"


async def test_click_in_the_list_of_functions(session: RecordedSession) -> None:
    async with running(session) as (app, pilot):
        await pilot.press("c")
        assert isinstance(app.screen, CallScreen)
        options = app.screen.query_one(OptionList)
        await until(pilot, lambda: options.option_count == 3)
        await pilot.click(options, offset=(3, 2))
        await pilot.press("enter")
        await until(pilot, lambda: ("call", "greeter", "reset", (), {}) in session.calls)


async def test_wheel_holds_the_log_and_the_end_follows_again(session: RecordedSession) -> None:
    many = tuple(LOG[i % len(LOG)]._replace(time=NOW - 400 + i) for i in range(300))
    async with running(RecordedSession(log=many)) as (app, pilot):
        view = log(app)
        assert view.following
        view.action_move_last()
        await pilot.pause()
        await pilot._post_mouse_events([__import__("textual.events").events.MouseScrollUp], view)
        await until(pilot, lambda: not view.following)
        await pilot.press("5", "G")
        await pilot.pause()
        assert view.following
        assert view.top + view.page == len(view.ring)
