"""The log at work: search beside the filter, folded tracebacks, filters by key, a million lines."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.timer import Timer

from scriptconsole.panes.filter import parse_filter
from scriptconsole.panes.log import LogView
from scriptconsole.panes.logpane import LogPane
from scriptconsole.panes.pane import Place
from scriptconsole.panes.ring import Ring
from scriptconsole.panes.search import Search
from scriptengines.view import Level, LogRecord

from .recording import LOG, NOW, RecordedSession
from .support import WIDE, drawn, log, make_app, notices, running, until

Compare = Callable[..., bool]
TRACE = (
    "timer callback: ValueError: too cold\n"
    "Traceback (most recent call last):\n"
    '  File "{path}", line 2, in on_tick\n'
    "    raise ValueError('too cold')\n"
    "ValueError: too cold"
)


def lines(count: int) -> tuple[LogRecord, ...]:
    return tuple(
        LogRecord(NOW, "even" if n % 2 == 0 else "odd", Level.INFO if n % 10 else Level.WARNING, f"line {n}")
        for n in range(count)
    )


def pane_of(view: LogView) -> LogPane:
    assert isinstance(view.parent, LogPane)
    return view.parent


async def search(pilot: Pilot[None], text: str) -> None:
    await pilot.press("F", *text, "enter")
    await pilot.pause()


# -- search ---------------------------------------------------------------------------------------------


async def test_a_search_goes_from_match_to_match_and_hides_nothing() -> None:
    async with running(RecordedSession(log=lines(500))) as (app, pilot):
        view = log(app)
        await pilot.press("5", "g")
        await search(pilot, "line 4.7$")
        assert view.selected is not None
        assert view.selected.text == "line 407"
        assert len(view.ring) == 500
        await pilot.press("n", "n")
        await until(pilot, lambda: view.selected is not None and view.selected.text == "line 427")
        await pilot.press("N")
        await until(pilot, lambda: view.selected is not None and view.selected.text == "line 417")
        assert not view.following


async def test_a_search_goes_round_the_end_and_says_so() -> None:
    async with running(RecordedSession(log=lines(100))) as (app, pilot):
        view = log(app)
        await pilot.press("5")
        await search(pilot, "line 3$")
        assert view.selected is not None
        assert view.selected.text == "line 3"
        assert "find line 3$, wrapped" in pane_of(view).title_text
        await search(pilot, "nowhere")
        assert "find nowhere, not found" in pane_of(view).title_text
        await pilot.press("escape")
        await pilot.pause()
        assert "find" not in pane_of(view).title_text


async def test_matches_are_highlighted() -> None:
    async with running(RecordedSession(log=lines(5))) as (app, pilot):
        view = log(app)
        await pilot.press("5")
        await search(pilot, "n")
        spans = view.row_line(0, 100)
        assert [text for text, tone in spans if tone == "flash"] == ["n"]
        assert "".join(text for text, _ in spans).strip().endswith("line 0")


async def test_a_match_in_a_folded_record_unfolds_it() -> None:
    records = (*lines(20), LogRecord(NOW, "a", Level.ERROR, TRACE), *lines(20))
    async with running(RecordedSession(log=records)) as (app, pilot):
        view = log(app)
        assert len(view.ring) == 41
        await pilot.press("5", "g")
        await search(pilot, "raise Val")
        assert len(view.ring) == 45
        assert view.selected is not None
        assert view.selected.text.strip() == "raise ValueError('too cold')"


async def test_a_bad_search_is_refused(session: RecordedSession) -> None:
    async with running(session) as (app, pilot):
        await pilot.press("5")
        await search(pilot, "a(b")
        assert "bad pattern" in notices(app)[-1]


def test_a_search_of_many_lines_goes_on_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scriptconsole.panes.search.SLICE_SECONDS", 0.0)
    ring = Ring()
    ring.extend(lines(10_000))
    chosen = parse_filter("line 9999$")
    assert chosen is not None
    search = Search(ring, chosen, 0, 1)
    slices = 0
    while (found := search.look()) is None:
        slices += 1
    assert slices > 100
    assert ring[found].text == "line 9999"


# -- folds ----------------------------------------------------------------------------------------------


async def test_a_traceback_is_one_line_until_it_is_unfolded() -> None:
    record = LogRecord(NOW, "a", Level.ERROR, TRACE)
    async with running(RecordedSession(log=(*lines(3), record, *lines(3)))) as (app, pilot):
        view = log(app)
        assert "▸ 4 more" in drawn(view)[3]
        await pilot.press("5", "g", "j", "j", "j", "enter")
        assert len(view.ring) == 11
        assert "too cold" in drawn(view)[3]
        assert "▸" not in drawn(view)[3]
        await pilot.press("j", "j", "z")
        assert len(view.ring) == 7
        assert view.cursor == 3
        await pilot.press("k", "z")
        assert "one line only" in notices(app)[-1]


async def test_a_frame_opens_its_file_at_the_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "rooms.py"
    file.write_text("def on_tick():\n    raise ValueError('too cold')\n")
    record = LogRecord(NOW, "greeter", Level.ERROR, TRACE.format(path=file))
    opened: list[Place] = []
    async with running(RecordedSession(log=(record,))) as (app, pilot):
        monkeypatch.setattr(app, "edit", opened.append)
        await pilot.press("5", "g", "enter", "j", "j", "enter", "e")
        assert opened == [Place(str(file), 2)] * 2


async def test_folds_and_filters_go_together() -> None:
    ring = Ring(1000)
    ring.extend(
        [*lines(3), LogRecord(NOW, "a", Level.ERROR, TRACE), LogRecord(NOW, "a", Level.INFO, "two\nlines")]
    )
    assert len(ring) == 6
    assert ring.toggle(3) == 3
    assert len(ring) == 10
    ring.level = Level.ERROR
    ring.search_again()
    assert [ring[at].first for at in range(len(ring))] == [True, False, False, False, False]
    assert ring.toggle(4) == 0
    assert len(ring) == 1
    assert ring.toggle(0) == 0
    assert len(ring) == 5


# -- filters by key -------------------------------------------------------------------------------------


async def test_levels_and_scripts_are_filtered_by_key() -> None:
    async with running(RecordedSession(log=lines(100))) as (app, pilot):
        view = log(app)
        await pilot.press("5", "v", "v")
        await until(pilot, lambda: len(view.ring) == 10)
        assert "warning and worse" in pane_of(view).title_text
        await pilot.press("v", "v")
        await until(pilot, lambda: len(view.ring) == 100)
        await pilot.press("a")
        await until(pilot, lambda: len(view.ring) == 50)
        assert "only odd" in pane_of(view).title_text
        app.main.log_pane.extend(lines(2))
        assert len(view.ring) == 51
        await pilot.press("a")
        await until(pilot, lambda: len(view.ring) == 102)
        await pilot.press("v", "a", "escape")
        await until(pilot, lambda: len(view.ring) == 102)


# -- size -----------------------------------------------------------------------------------------------


def test_lines_survive_being_packed() -> None:
    ring = Ring(50_000)
    texts = [f"line {n} ü \U0001f600 \udce9\x1b[3{n % 8}m" for n in range(20_000)]
    ring.extend(LogRecord(float(n), f"s{n % 5}", Level.OUTPUT, text) for n, text in enumerate(texts))
    for at in (0, 4095, 4096, 9000, 19_999):
        line = ring[at]
        assert (line.text, line.record.time, line.record.script) == (texts[at], float(at), f"s{at % 5}")
    assert [ring[at].text for at in range(20_000)] == texts


def test_ten_million_lines_take_little_memory() -> None:
    ring = Ring()
    for turn in range(400):
        ring.extend(
            LogRecord(
                0.0, "sensors", Level.OUTPUT, f"reading {turn * 5000 + n} of attic: 21.{n % 10} degrees"
            )
            for n in range(5000)
        )
    assert 990_000 < ring.total <= 1_000_000
    assert ring.stored_bytes < 40_000_000


async def test_a_flood_of_lines_leaves_the_loop_alive() -> None:
    """50,000 lines a second for two seconds, in frames of a twelfth."""
    session = RecordedSession(log=())
    async with running(session) as (app, _):
        gaps: list[float] = []
        clock = asyncio.get_running_loop().time

        async def heartbeat() -> None:
            before = clock()
            while True:
                await asyncio.sleep(0.002)
                gaps.append(clock() - before)
                before = clock()

        beating = asyncio.create_task(heartbeat())
        for turn in range(24):
            batch = (LogRecord(NOW, "a", Level.OUTPUT, f"line {turn} {n}") for n in range(4200))
            app.main.log_pane.extend(batch)
            await asyncio.sleep(0.05)
        beating.cancel()
        assert log(app).ring.total == 24 * 4200
        assert len(gaps) > 24, "the loop had turns between the frames"


# -- looks ----------------------------------------------------------------------------------------------


def test_log_look(snap_compare: Compare) -> None:
    session = RecordedSession(log=(*LOG, *LOG[:6]))

    async def prepare(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: ("watch",) in session.calls)
        await pilot.press("5", "m", "g", *["j"] * 6, "enter", "F", *"10.0.0.", "enter")
        await pilot.pause()

    assert snap_compare(make_app(session), terminal_size=WIDE, run_before=prepare)


def test_log_search_line_look(snap_compare: Compare) -> None:
    session = RecordedSession()

    async def prepare(pilot: Pilot[None]) -> None:
        await until(pilot, lambda: ("watch",) in session.calls)
        await pilot.press("5", "v", "F", *"dim")
        await pilot.pause()

    assert snap_compare(make_app(session), terminal_size=WIDE, run_before=prepare)


def test_a_copy_of_the_log_stays_as_it_is_while_lines_come_and_go() -> None:
    ring = Ring(1000)
    ring.extend(lines(950))
    ring.level = Level.WARNING
    still = ring.copy()
    wanted = [f"line {n}" for n in range(0, 950, 10)]
    ring.extend(lines(5000))
    assert ring.total <= 1000
    assert [record.text for record in still.records()] == wanted
    assert [record.text for record in still.records()] == wanted, "a file may be written twice"


def test_records_that_a_new_filter_has_not_reached_are_gone_through_too() -> None:
    ring = Ring()
    ring.extend(lines(30_000))
    ring.set_filter(parse_filter("line 7$"))
    assert ring.unsearched
    assert not len(ring)
    assert [record.text for record in ring.copy().records()] == ["line 7"]


async def test_however_often_a_filter_changes_it_searches_once_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with running(RecordedSession()) as (app, _):
        view = log(app)
        made: list[Timer] = []
        stopped: list[Timer] = []
        set_timer, stop = view.set_timer, Timer.stop
        monkeypatch.setattr(view, "set_timer", lambda *given: made.append(set_timer(*given)) or made[-1])
        monkeypatch.setattr(Timer, "stop", lambda timer: stopped.append(timer) or stop(timer))
        for text in ("a", "ab", "abc"):
            view.set_filter(parse_filter(text))
            view.find(parse_filter("no such line"))
        assert len(made) - len(stopped) <= 2, "one for the filter and one for the search"


async def test_a_held_line_stays_selected_however_long_a_new_filter_looks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("scriptconsole.panes.ring.SLICE", 100)
    async with running(RecordedSession(log=())) as (app, pilot):
        view = log(app)
        view.extend(lines(900))
        await pilot.press("5", *"kkk")
        view.move_to(300)
        for pattern in ("l", "li", "line"):
            view.set_filter(parse_filter(pattern))
        assert view.ring.unsearched > 300, "it is not found at once"
        await until(pilot, lambda: view.selected is not None and view.selected.number == 300)
        await until(pilot, lambda: not view.ring.unsearched)
        assert view.selected is not None
        assert view.selected.number == 300
        assert not view.following


async def test_a_held_line_stays_selected_while_records_are_taken_and_old_ones_go() -> None:
    async with running(RecordedSession(log=())) as (app, pilot):
        view = log(app)
        view.ring.capacity = 1000
        view.extend(lines(900))
        await pilot.press("5", "k", "k")
        assert view.selected is not None
        held = view.selected.number
        before = view.ring.total
        view.take(lines(500))
        assert view.ring.total < before + 500, "old ones have gone"
        assert view.selected.number == held
        view.set_filter(parse_filter("line"))
        view.extend(())
        await until(pilot, lambda: view.selected is not None and view.selected.number == held)
        assert view.unseen == 0, "all were there when the filter came"
