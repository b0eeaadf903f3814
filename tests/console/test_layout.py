"""The model of the layout, and the screen that follows it."""

from __future__ import annotations

from scriptconsole.actions import PaneName
from scriptconsole.layout import HOMES, LIMIT, Layout, Slot

from .recording import RecordedSession
from .support import running, until

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
