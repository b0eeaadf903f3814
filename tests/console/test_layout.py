"""The model of the layout, and the screen that follows it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from textual.geometry import Region

from scriptconsole.actions import PaneName
from scriptconsole.layout import HOMES, LIMIT, SIZES, Extent, Layout, Slot

from .recording import RecordedSession
from .support import notices, running, until

ALL = frozenset(Slot)


def test_every_pane_has_a_home_and_every_slot_a_pane() -> None:
    assert set(HOMES) == set(PaneName)
    assert set(HOMES.values()) == ALL


def test_slots_that_fit() -> None:
    layout = Layout()
    assert layout.slots(140, 44) == ALL
    assert layout.slots(80, 60) == ALL
    assert layout.slots(140, 24) == ALL - {Slot.LOWER}
    assert layout.slots(80, 24) == {Slot.TOP, Slot.LEFT, Slot.BOTTOM}
    layout.use(PaneName.CONNECTIONS)
    assert layout.slots(80, 24) == {Slot.TOP, Slot.LOWER, Slot.BOTTOM}
    assert layout.slots(140, 24) == ALL - {Slot.UPPER}


def test_a_slot_shows_what_was_used_last() -> None:
    layout = Layout()
    assert layout.shown_in(Slot.UPPER) is PaneName.TIMERS
    layout.use(PaneName.TASKS)
    layout.use(PaneName.LOG)
    assert layout.shown_in(Slot.UPPER) is PaneName.TASKS


def test_hiding_spares_the_last_slot_and_use_brings_back() -> None:
    layout = Layout()
    assert all(layout.hide(layout.recent[0]) for _ in range(len(Slot) - 1))
    assert not layout.hide(layout.recent[0])
    assert len(layout.slots(200, 60)) == 1
    layout.use(PaneName.TIMERS)
    assert Slot.UPPER in layout.slots(200, 60)


def test_sizes_have_limits() -> None:
    layout = Layout()
    for _ in range(100):
        assert layout.resize(PaneName.LOG, "height", 1)
        assert layout.resize(PaneName.TIMERS, "width", 1)
    assert layout.sizes["bottom"] == LIMIT
    assert layout.sizes["left"] == 1 / LIMIT
    assert not layout.resize(PaneName.LOG, "width", 1)


@given(
    st.fixed_dictionaries(dict.fromkeys(SIZES, st.floats(1 / LIMIT, LIMIT))),
    st.permutations(list(PaneName)),
    st.sets(st.sampled_from(list(Slot)), max_size=4),
    st.integers(48, 300),
    st.integers(11, 120),
    st.integers(3, 200),
)
def test_every_pane_in_sight_keeps_room_for_a_row(
    sizes: dict[str, float], recent: list[PaneName], hidden: set[Slot], width: int, height: int, rows: int
) -> None:
    layout = Layout(recent, hidden, sizes)
    shown = layout.slots(width, height)
    extent = layout.extent(width, height, rows)
    rest = height - 2
    if Slot.TOP in shown:
        assert extent.top >= 3
        rest -= extent.top
    if Slot.BOTTOM in shown:
        assert extent.bottom >= 3
        rest -= extent.bottom
    stacked = width < 100
    right = len(shown & {Slot.UPPER, Slot.LOWER})
    rows_in_stack = right + (Slot.LEFT in shown) if stacked else max(right, Slot.LEFT in shown)
    assert rest >= 3 * rows_in_stack
    if right == 2:
        column = rest - rest // 3 if stacked and Slot.LEFT in shown else rest
        assert extent.upper >= 3
        assert column - extent.upper >= 3
    if not stacked:
        assert 24 <= extent.left <= width - 24


@pytest.mark.parametrize(
    ("size", "extent"),
    [
        ((140, 44), Extent(9, 14, 70, 9)),
        ((200, 60), Extent(9, 20, 100, 14)),
        ((120, 28), Extent(9, 9, 60, 4)),
        ((80, 24), Extent(8, 7, 40, 3)),
    ],
)
def test_extent_as_it_comes(size: tuple[int, int], extent: Extent) -> None:
    assert Layout().extent(*size, rows=9) == extent


async def test_a_size_stops_where_there_is_no_more_room(session: RecordedSession) -> None:
    async with running(session) as (app, pilot):
        await pilot.press("5", *["plus"] * 30)
        size = app.main.layout_model.sizes["bottom"]
        assert size < LIMIT
        assert "There is no more room to take or to give." in notices(app)
        log = app.main.panes[PaneName.LOG]
        lines = log.size.height
        await pilot.press("minus")
        await until(pilot, lambda: log.size.height < lines)


async def test_panes_grow_shrink_hide_and_come_back(session: RecordedSession) -> None:
    async with running(session) as (app, pilot):
        panes = app.main.panes

        def size(name: PaneName) -> tuple[int, int]:
            return panes[name].size.width, panes[name].size.height

        before = size(PaneName.VARIABLES), size(PaneName.LOG), size(PaneName.SCRIPTS)
        await pilot.press("2", "greater_than_sign")
        await until(pilot, lambda: size(PaneName.VARIABLES)[0] > before[0][0])
        await pilot.press("5", "plus", "plus")
        await until(pilot, lambda: size(PaneName.LOG)[1] > before[1][1])
        await pilot.press("1", "plus", "plus")
        await until(pilot, lambda: size(PaneName.SCRIPTS)[1] > before[2][1])
        await pilot.press("4", "H")
        assert not panes[PaneName.CONNECTIONS].region or PaneName.CONNECTIONS not in {
            pane.NAME for pane in app.main.panes_in_sight()
        }
        assert app.main.pane_name is not PaneName.CONNECTIONS
        await pilot.press("4")
        assert app.main.pane_name is PaneName.CONNECTIONS
        await app.main.run_action("reset_layout")
        await until(pilot, lambda: size(PaneName.LOG) == before[1])
        assert (size(PaneName.VARIABLES), size(PaneName.SCRIPTS)) == (before[0], before[2])


async def test_a_pane_out_of_sight_is_a_tab_of_its_slot(session: RecordedSession) -> None:
    async with running(session) as (app, pilot):
        timers = app.main.panes[PaneName.TIMERS]
        await until(pilot, lambda: "0 Tasks" in timers.title_text)
        x = timers.title_text.index("0 Tasks") + 3
        await pilot.click(timers, offset=(x, 0))
        assert app.main.pane_name is PaneName.TASKS
        tasks = app.main.panes[PaneName.TASKS]
        assert "3 Timers" in tasks.title_text
        await pilot.press("3")
        assert app.main.pane is timers


async def test_tabs_are_where_the_title_shows_them_whatever_the_filter_says(
    session: RecordedSession,
) -> None:
    async with running(session) as (app, pilot):
        await pilot.press("3")
        pane = app.main.panes[PaneName.TIMERS]
        for source in ("", "家族", "0 Tasks 0", "0 Tasks"):
            pane.set_filter(source)
            await pilot.pause()
            line = pane.render_lines(Region(0, 0, pane.outer_size.width, 1))[0].text
            at = cell_len(line[: line.rindex("0 Tasks")])
            assert pane.tab_start(PaneName.TASKS) == at, source
            assert pane.tab_at(at) is PaneName.TASKS
