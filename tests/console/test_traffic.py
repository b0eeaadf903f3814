"""Timers steered from the screen, and the live view of a connection."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from copy import replace
from pathlib import Path
from typing import Any

import pytest
from textual.widgets import Input, Static

from scriptconsole.app import ScriptConsoleApp
from scriptconsole.glyphs import bar, sparkline
from scriptconsole.panes.bytesview import BytesView, hex_dump
from scriptconsole.screens.interval import IntervalScreen
from scriptconsole.screens.traffic import TrafficScreen
from scriptconsole.text import duration, parse_duration
from scriptengines import Session
from scriptengines.errors import ScriptConsoleError
from scriptengines.view import Tapped

from .recording import CONNECTIONS, FRAME, NOW, TAPPED, TIMERS, RecordedSession
from .support import drawn, log_texts, make_app, notices, running, table, until
from .test_snapshots import ready

Compare = Callable[..., bool]


def text_of(screen: Any, selector: str) -> str:
    return str(screen.query_one(selector, Static).render())


def lines_of(view: BytesView) -> list[str]:
    return [view.render_line(y).text.rstrip() for y in range(view.size.height)]


# -- small pictures ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("share", "drawing"), [(-1, ""), (0, ""), (0.5, "━━"), (0.6, "━━╸"), (1, "━━━━"), (9, "━━━━")]
)
def test_a_bar_shows_a_share_in_halves_of_a_cell(share: float, drawing: str) -> None:
    assert bar(share, 4) == drawing


def test_a_sparkline_shows_the_newest_values_from_zero_up() -> None:
    assert sparkline((9, 0, 1, 2, 4), 4) == "▁▂▄█"
    assert sparkline((), 4) == ""
    assert sparkline((0, -1), 4) == "▁▁"


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("250", 250),
        (" 250 ms ", 250),
        ("1.5 s", 1500),
        ("1,5s", 1500),
        (".5s", 500),
        ("2 min", 120_000),
        ("2m", 120_000),
        ("1 H", 3_600_000),
        ("0", 0),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1e3", None),
        ("nan", None),
        ("5 parsecs", None),
    ],
)
def test_a_span_of_time_is_read_as_people_write_it(text: str, milliseconds: float | None) -> None:
    assert parse_duration(text) == milliseconds


def test_durations_have_the_unit_that_can_be_read() -> None:
    shown = [duration(ms) for ms in (0.04, 0.9994, 0.9996, 12.345, 99.96, 340.2, 2500)]
    assert shown == ["40 µs", "999 µs", "1.0 ms", "12.3 ms", "100 ms", "340 ms", "2.5 s"]


# -- timers ------------------------------------------------------------------------------------------------


async def test_timers_show_bar_cost_and_lateness(session: RecordedSession) -> None:
    async with running(session, size=(200, 44)) as (app, pilot):
        await pilot.press("3", "m")
        await pilot.pause()
        lines = drawn(table(app, "timers"))
        [titles, heartbeat, _, _, silent, off, *_] = lines
        assert titles.split() == [
            *("Due", "in", "Left", "Callback", "Script", "Every", "Fired", "Took", "Mean", "Late", "by"),
            *("Kind", "Set", "at"),
        ]
        assert " ━━━━  " in heartbeat
        assert "420 µs" in heartbeat
        assert "! 61.2 ms" in silent, "what holds up its script is marked"
        assert "! 301 ms" in silent
        assert off.startswith("   ‖ 1h 30m  ━━━━━━  ")


async def test_a_paused_timer_does_not_count_down(session: RecordedSession) -> None:
    async with running(session) as (app, pilot):
        await pilot.press("3")
        session.now = replace(FRAME, time=NOW + 600)
        await until(pilot, lambda: app.main.latest.time == NOW + 600)
        assert any("‖ 1h 30m" in line for line in drawn(table(app, "timers")))


async def test_the_interval_is_changed_in_a_dialog(session: RecordedSession) -> None:
    async with running(session) as (app, pilot):
        await pilot.press("3", "a")
        assert isinstance(app.screen, IntervalScreen)
        entry = app.screen.query_one(Input)
        assert entry.value == "250 ms"
        entry.value = "soon"
        await pilot.press("enter")
        assert "'soon' is no span of time; write 250" in text_of(app.screen, "#meaning")
        entry.value = "1.5 s"
        await pilot.press("enter")
        await until(pilot, lambda: ("change_interval", "bridge", 1, 1500.0) in session.calls)
        assert app.screen is app.main
        await until(pilot, lambda: "timer heartbeat of bridge: 1.5 s" in log_texts(app))


async def test_the_delay_of_what_fires_once_is_changed_likewise(session: RecordedSession) -> None:
    async with running(session) as (app, pilot):
        await pilot.press("3", "j", "a")
        assert "so long after now" in text_of(app.screen, "#meaning")
        await pilot.press("escape")
        assert app.screen is app.main


async def test_names_of_callbacks_are_no_markup(session: RecordedSession) -> None:
    session.now = replace(FRAME, timers=(replace(TIMERS[0], callback="[bold]\x1b[31mtick"),))
    async with running(session) as (app, pilot):
        await pilot.press("3", "a")
        assert "[bold]tick" in str(app.screen.query_one("#box").border_title)
        await pilot.press("escape", "F")
        await until(pilot, lambda: notices(app))
        assert notices(app)[0].startswith("fired timer [bold]")


@pytest.mark.parametrize("keys", [["F"], ["P"], ["x"]])
async def test_a_timer_that_has_gone_is_said(session: RecordedSession, keys: list[str]) -> None:
    session.gone = True
    async with running(session) as (app, pilot):
        await pilot.press("3", *keys)
        await until(pilot, lambda: notices(app))
        assert "gone already" in notices(app)[0]


async def test_keys_of_timers_without_one_do_nothing(session: RecordedSession) -> None:
    session.now = replace(FRAME, timers=())
    async with running(session) as (app, pilot):
        await pilot.press("3", "F", "P", "a", "x")
        assert app.screen is app.main
        await pilot.press("1", "r")
        await until(pilot, lambda: len(session.calls) > 1)
        assert session.calls == [("watch",), ("reload", "greeter")]


# -- connections -------------------------------------------------------------------------------------------


async def test_connections_show_what_is_spoken_and_how_fast(session: RecordedSession) -> None:
    async with running(session, size=(200, 44)) as (app, pilot):
        await pilot.press("4", "m")
        await pilot.pause()
        lines = drawn(table(app, "connections"))
        assert "http/tcp" in lines[2]
        assert "12.4 kB/s" in lines[2]
        assert "bridge.py:12" in lines[2]
        assert "·" in lines[3]


async def test_a_connection_is_tapped_while_it_is_looked_at(session: RecordedSession) -> None:
    async with running(session) as (app, pilot):
        await pilot.press("4", "j", "enter")
        screen = app.screen
        assert isinstance(screen, TrafficScreen)
        received, sent = screen.query_one("#received", BytesView), screen.query_one("#sent", BytesView)
        await until(pilot, lambda: received.payload == TAPPED.received)
        assert ("tap", "bridge", 2, True) in session.calls
        assert ("tap", "bridge", 2, False) not in session.calls
        facts = text_of(screen, "#facts")
        assert "http over tcp server, open   10.0.0.2:7000 ← 10.0.0.7:51514" in facts
        assert "in 1.2 MB at 12.4 kB/s" in facts
        assert "of bridge, opened 2026-09-21 11:46:40 at /home/ada/scripts/bridge.py:12" in facts
        assert lines_of(sent)[0] == " sent  54 bytes since this view was opened"
        assert lines_of(sent)[1].startswith(
            " 00000000  48 54 54 50 2f 31 2e 31  20 32 30 30 20 4f 4b 0d  HTTP/1.1 200 OK·"
        )
        assert lines_of(received)[0] == " received  the last 311 of 12,599 bytes since this view was opened"
        assert lines_of(received)[-1].startswith(" 00003130"), "the newest bytes are in sight"
        await pilot.press("escape")
        await until(pilot, lambda: ("tap", "bridge", 2, False) in session.calls)
    assert threading.main_thread().name not in session.threads


async def test_hostile_bytes_are_harmless_as_hex_and_as_text(session: RecordedSession) -> None:
    hostile = b"\x1b[2J\x9b31m\x00\xff[bold]\xe2\x80\xae" + "漢字 e\u0301".encode() + b"\r\n" + b"\x07" * 5000
    session.bytes = Tapped(hostile[:40], hostile)
    async with running(session) as (app, pilot):
        await pilot.press("4", "j", "enter")
        views = list(app.screen.query(BytesView))
        await until(pilot, lambda: views[1].payload == hostile)
        for _ in range(2):
            for view in views:
                for line in lines_of(view):
                    assert line.isprintable()
            await pilot.press("t")
        assert views[0].as_text is False
        await pilot.press("t")
        assert "[bold]" in "\n".join(lines_of(views[0]))
        await pilot.press("y")
        assert "[bold]" in app.clipboard
        assert "\x1b" not in app.clipboard


async def test_bytes_go_on_live_unless_frozen(session: RecordedSession) -> None:
    async with running(session) as (app, pilot):
        await pilot.press("4", "j", "enter")
        received = app.screen.query_one("#received", BytesView)
        await until(pilot, lambda: received.payload == TAPPED.received)
        session.bytes = Tapped(b"one", b"")
        await until(pilot, lambda: received.payload == b"one")
        await pilot.press("space")
        session.bytes = Tapped(b"two", b"")
        before = session.calls.count(("tapped", "bridge", 2))
        assert isinstance(app.screen, TrafficScreen)
        for _ in range(3):
            app.screen._look()
            await pilot.pause()
        assert received.payload == b"one"
        assert session.calls.count(("tapped", "bridge", 2)) == before
        assert "Frozen" in text_of(app.screen, "#note")
        await pilot.press("space")
        await until(pilot, lambda: received.payload == b"two")


async def test_why_there_are_no_bytes_is_said(session: RecordedSession) -> None:
    session.bytes = Tapped(b"", b"", note="A listening socket carries no bytes.")
    async with running(session) as (app, pilot):
        await pilot.press("4", "enter")
        await until(pilot, lambda: "carries no bytes" in text_of(app.screen, "#note"))


async def test_a_connection_that_ends_keeps_its_last_figures(session: RecordedSession) -> None:
    async with running(session) as (app, pilot):
        await pilot.press("4", "j", "enter")
        session.now = replace(FRAME, connections=CONNECTIONS[:1])
        await until(pilot, lambda: "http over tcp server, ended" in text_of(app.screen, "#facts"))
        session.problem = ScriptConsoleError("bridge is closed; load it again to use it")
        await until(pilot, lambda: "bridge is closed" in text_of(app.screen, "#note"))
        await pilot.press("enter")
        assert app.screen is app.main


async def test_a_connection_is_closed_from_its_view(session: RecordedSession) -> None:
    async with running(session) as (_, pilot):
        await pilot.press("4", "j", "enter", "x")
        await until(pilot, lambda: ("close_connection", "bridge", 2) in session.calls)


def test_a_hex_dump_has_offset_hex_and_text() -> None:
    assert hex_dump(b"\x00ABC\xff", 16, 8) == "00000010  00 41 42 43  ff           ·ABC·"


# -- looks -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(140, 44), (80, 24)], ids=["wide", "narrow"])
def test_look_of_a_connection(snap_compare: Compare, size: tuple[int, int]) -> None:
    session = RecordedSession()

    async def prepare(pilot: Any) -> None:
        await ready(session, "4", "j", "enter", then="tapped")(pilot)
        view = pilot.app.screen.query_one("#received", BytesView)
        await until(pilot, lambda: view.payload)

    assert snap_compare(make_app(session), terminal_size=size, run_before=prepare)


def test_look_of_a_connection_as_text(snap_compare: Compare) -> None:
    session = RecordedSession()

    async def prepare(pilot: Any) -> None:
        await ready(session, "4", "j", "enter", then="tapped")(pilot)
        view = pilot.app.screen.query_one("#received", BytesView)
        await until(pilot, lambda: view.payload)
        await pilot.press("t")

    assert snap_compare(make_app(session), terminal_size=(140, 44), run_before=prepare)


@pytest.mark.parametrize("pane", ["1", "3", "4"])
@pytest.mark.parametrize("size", [(180, 30), (80, 24)], ids=["wide", "narrow"])
def test_look_of_a_pane(snap_compare: Compare, pane: str, size: tuple[int, int]) -> None:
    session = RecordedSession()
    assert snap_compare(make_app(session), terminal_size=size, run_before=ready(session, pane, "m"))


def test_look_of_the_interval_dialog(snap_compare: Compare) -> None:
    session = RecordedSession()
    assert snap_compare(make_app(session), terminal_size=(100, 24), run_before=ready(session, "3", "a"))


# -- with a session that runs ------------------------------------------------------------------------------

ECHO = """
import host
ticks = 0
def tick():
    global ticks
    ticks += 1
host.set_interval(tick, 3_600_000)
server = host.tcp_serve("127.0.0.1", 0, data=lambda connection, data: connection.send(data))
def port(): return server.port
"""


async def test_a_real_timer_is_fired_and_the_bytes_of_a_real_connection_are_seen(tmp_path: Path) -> None:
    path = tmp_path / "echo.py"
    path.write_text(ECHO)
    with Session() as session:
        script = session.load(path)
        app = ScriptConsoleApp(session)
        async with app.run_test(size=(140, 44)) as pilot:
            with socket.create_connection(("127.0.0.1", script.call("port"))) as client:
                await until(pilot, lambda: table(app, "timers").row_count == 1, 20)
                await until(pilot, lambda: table(app, "connections").row_count == 2, 20)
                await pilot.press("3", "F")
                await until(pilot, lambda: script.get("ticks") == 1, 20)
                await pilot.press("P")
                await until(pilot, lambda: "‖" in drawn(table(app, "timers"))[1], 20)
                await pilot.press("4", "j", "enter")
                received = app.screen.query_one("#received", BytesView)
                number = app.main.latest.connections[1].id
                await until(pilot, lambda: session.tap("echo", number), 20)
                client.sendall(b"hello")
                await until(pilot, lambda: received.payload == b"hello", 20)
                await until(pilot, lambda: "hello" in lines_of(received)[1])
                await pilot.press("escape")
