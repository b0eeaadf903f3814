"""The pane of variables: a tree, watches, editing in place, differences."""

from __future__ import annotations

from collections.abc import Callable
from copy import replace

import pytest
from textual.widgets import Input, Static

from scriptconsole.app import ScriptConsoleApp
from scriptconsole.glyphs import course
from scriptconsole.panes.variables import VariablesPane
from scriptconsole.screens.details import DetailsScreen
from scriptconsole.screens.differences import DifferencesScreen
from scriptconsole.screens.oneline import OneLine
from scriptengines.errors import ScriptBusy
from scriptengines.view import VariableView, WatchView

from .recording import FRAME, NOW, RecordedSession
from .support import NARROW, WIDE, drawn, make_app, notices, running, table, until
from .test_snapshots import ready

Compare = Callable[..., bool]
NUMBERS = (19.8, 20.1, 20.4, 20.6, 20.9, 21.0, 21.2, 20.2, 19.9)


def row(script: str, name: str, kind: str, value: str, **more: object) -> VariableView:
    made = VariableView(script, name, kind, value, None, 0.0, step=name, expression=name)
    return replace(made, **more)  # pyright: ignore[reportArgumentType]


TREE = (
    row("bridge", "host.state", "dict", "{'port': 7000}", size=1, expandable=True, expanded=True),
    row(
        "bridge",
        "['port']",
        "int",
        "7000",
        path=("host.state",),
        step="port",
        expression="host.state['port']",
    ),
    row(
        "bridge", "peers", "dict", "{'10.0.0.7': Peer(name='attic')}", size=1, expandable=True, expanded=True
    ),
    row(
        "bridge",
        "['10.0.0.7']",
        "Peer",
        "Peer(name='attic')",
        path=("peers",),
        step="10.0.0.7",
        expression="peers['10.0.0.7']",
        expandable=True,
        expanded=True,
    ),
    row(
        "bridge",
        ".name",
        "str",
        "'attic'",
        size=5,
        path=("peers", "10.0.0.7"),
        step="name",
        expression="peers['10.0.0.7'].name",
        changed_at=NOW - 0.3,
    ),
    row("bridge", "queue", "deque", "deque([1, 2, 3])", size=3, expandable=True),
    row("bridge", "samples", "list", "[0, 1, 2, …]", size=10_000_000, expandable=True, expanded=True),
    row("bridge", "[0]", "int", "0", path=("samples",), step=0, expression="samples[0]"),
    row(
        "bridge", "…", "", "9,999,999 more", path=("samples",), step="\0more", expression="", hidden=9_999_999
    ),
    row("bridge", "[bold]odd[/]", "[red]", "\x1b[31mred[/]", changed_at=NOW - 3700),
    row("lights", "level", "float", "19.9", history=NUMBERS, changed_at=NOW - 3.4),
)
WATCHES = (
    WatchView(1, "bridge", "len(queue) * 2", "6", "int", "", NOW - 12, (2.0, 4.0, 6.0)),
    WatchView(2, "lights", "missing.level", "", "", "LuaError: attempt to index a nil value", NOW - 90),
)
LIVE = replace(FRAME, variables=TREE, watches=WATCHES)


@pytest.fixture
def live() -> RecordedSession:
    return RecordedSession(LIVE)


def selected(app: ScriptConsoleApp) -> VariableView:
    chosen = table(app, "variables").selected
    assert isinstance(chosen, VariableView)
    return chosen


def said(app: ScriptConsoleApp) -> str:
    return str(app.screen.query_one("#said", Static).render())


# -- the tree -------------------------------------------------------------------------------------------


async def test_rows_stand_below_what_holds_them(live: RecordedSession) -> None:
    async with running(live) as (app, pilot):
        await pilot.press("2", "m")
        await pilot.pause()
        lines = drawn(table(app, "variables"))
    assert "◆ len(queue) * 2" in lines[1]
    assert "! LuaError: attempt to index a nil value" in lines[2]
    assert "▾ host.state" in lines[3]
    assert "    ['port']" in lines[4]
    assert "  ▾ ['10.0.0.7']" in lines[6]
    assert "      .name" in lines[7]
    assert "› 'attic'" in lines[7]
    assert "▸ queue" in lines[8]
    assert "9,999,999 more" in lines[11]
    assert "[bold]odd[/]" in lines[12]
    assert "red[/]" in lines[12]
    assert "1h ago" in lines[12]
    assert "▁" in lines[13]
    assert "3 s ago" in lines[13]


@pytest.mark.parametrize(
    ("keys", "call"),
    [
        ("jjjjjjjl", ("expand", "bridge", ("queue",), 100)),
        (["j"] * 7 + ["right"], ("expand", "bridge", ("queue",), 100)),
        (["j"] * 7 + ["enter"], ("expand", "bridge", ("queue",), 100)),
        ("jjh", ("collapse", "bridge", ("host.state",))),
        (["j", "j", "left"], ("collapse", "bridge", ("host.state",))),
        (["j", "j", "enter"], ("collapse", "bridge", ("host.state",))),
        ("jjjjjh", ("collapse", "bridge", ("peers", "10.0.0.7"))),
        (["j"] * 10 + ["enter"], ("expand", "bridge", ("samples",), 4)),
        ("x", ("remove_watch", 1)),
        (["j", "delete"], ("remove_watch", 2)),
        ("jjM", ("mark", "bridge")),
    ],
)
async def test_key_asks_the_session(
    live: RecordedSession, keys: list[str] | str, call: tuple[object, ...]
) -> None:
    async with running(live) as (_, pilot):
        await pilot.press("2", *keys)
        await until(pilot, lambda: call in live.calls)


async def test_left_goes_to_what_holds_the_row(live: RecordedSession) -> None:
    async with running(live) as (app, pilot):
        await pilot.press("2", *"jjjjjj", "h")
        assert selected(app).address == ("peers", "10.0.0.7")
        await pilot.press(*"kh")
        assert selected(app).address == ("peers",)
    assert not [call for call in live.calls if call[0] == "collapse"][:-1]


async def test_enter_shows_what_does_not_open_and_d_all(live: RecordedSession) -> None:
    async with running(live) as (app, pilot):
        await pilot.press("2", *"jjj", "enter")
        assert isinstance(app.screen, DetailsScreen)
        await pilot.press("escape", "k", "d")
        assert isinstance(app.screen, DetailsScreen)
        assert "written as" not in str(app.screen.query_one("#facts", Static).render())


async def test_sorting_keeps_what_is_inside_with_its_owner(live: RecordedSession) -> None:
    async with running(live) as (app, pilot):
        await pilot.press("2")
        body = table(app, "variables")
        body.sort_by(1)
        await pilot.pause()
        rows = [one for one in body.rows if isinstance(one, VariableView)]
    names = [one.name for one in rows if not one.path]
    assert names == sorted(names)
    at = next(index for index, one in enumerate(rows) if one.name == "peers")
    assert [one.name for one in rows[at : at + 3]] == ["peers", "['10.0.0.7']", ".name"]


async def test_one_script_alone_and_all_again(live: RecordedSession) -> None:
    async with running(live) as (app, pilot):
        await pilot.press("2", "G", "a")
        body = table(app, "variables")
        assert {one.script for one in body.rows if isinstance(one, VariableView)} == {"lights"}
        pane = app.main.panes[VariablesPane.NAME]
        assert "only lights" in pane.title_text
        await pilot.press("a")
        assert body.row_count == len(TREE) + len(WATCHES)


async def test_a_script_that_is_gone_is_not_shown_alone(live: RecordedSession) -> None:
    async with running(live) as (app, pilot):
        await pilot.press("2", "G", "a")
        rest = tuple(one for one in TREE if one.script != "lights")
        scripts = tuple(one for one in FRAME.scripts if one.alias != "lights")
        live.now = replace(LIVE, scripts=scripts, variables=rest, watches=())
        await until(pilot, lambda: table(app, "variables").row_count == len(rest))


async def test_the_age_of_a_change_is_counted_on(live: RecordedSession) -> None:
    async with running(live) as (app, pilot):
        await pilot.press("2", "m")
        live.now = replace(LIVE, time=NOW + 1)
        await until(pilot, lambda: "4 s ago" in drawn(table(app, "variables"))[13])
        assert "› " not in drawn(table(app, "variables"))[7]


# -- editing and watching ----------------------------------------------------------------------------------


async def test_a_value_is_set_in_its_place(live: RecordedSession) -> None:
    async with running(live) as (app, pilot):
        await pilot.press("2", *"jjj", "v")
        assert isinstance(app.screen, OneLine)
        entry = app.screen.query_one(Input)
        assert entry.value == "7000"
        assert entry.region.y == table(app, "variables").region.y + 4
        await pilot.press(*"80+1", "enter")
        await until(pilot, lambda: ("set_variable", "bridge", ("host.state", "port"), "80+1") in live.calls)
        await until(pilot, lambda: not isinstance(app.screen, OneLine))


async def test_a_wrong_expression_is_told_and_can_be_mended(live: RecordedSession) -> None:
    async with running(live) as (app, pilot):
        await pilot.press("2", *"jjj", "v")
        live.problem = ScriptBusy("bridge is [busy]; nothing was set")
        await pilot.press("enter")
        await until(pilot, lambda: "bridge is [busy]; nothing was set" in said(app))
        live.problem = None
        await pilot.press("1", "enter")
        await until(pilot, lambda: not isinstance(app.screen, OneLine))
    assert ("set_variable", "bridge", ("host.state", "port"), "1") in live.calls


async def test_escape_and_nothing_typed_leave_it_as_it_is(live: RecordedSession) -> None:
    async with running(live) as (app, pilot):
        await pilot.press("2", *"jjj", "v", "backspace", "enter")
        assert "type an expression" in said(app)
        await pilot.press("escape")
        assert not isinstance(app.screen, OneLine)
    assert not [call for call in live.calls if call[0] == "set_variable"]


async def test_text_that_was_cut_is_not_offered_for_editing(live: RecordedSession) -> None:
    async with running(live) as (app, pilot):
        await pilot.press("2", *"jjjjjjjj", "v")
        assert app.screen.query_one(Input).value == ""


async def test_an_expression_is_pinned(live: RecordedSession) -> None:
    async with running(live) as (app, pilot):
        await pilot.press("2", *"jjjjjj", "w")
        assert app.screen.query_one(Input).value == "peers['10.0.0.7'].name"
        await pilot.press("end", *".upper()", "enter")
        call = ("add_watch", "bridge", "peers['10.0.0.7'].name.upper()")
        await until(pilot, lambda: call in live.calls)


async def test_only_a_watch_is_taken_away_and_it_has_no_place(live: RecordedSession) -> None:
    async with running(live) as (app, pilot):
        await pilot.press("2", "v")
        assert "A watch has no place to set" in notices(app)[-1]
        await pilot.press("j", "j", "x")
        assert "This row is no watch" in notices(app)[-1]
    assert not [call for call in live.calls if call[0] in ("remove_watch", "set_variable")]


async def test_value_and_path_are_copied(live: RecordedSession) -> None:
    async with running(live) as (app, pilot):
        await pilot.press("2", *"jjj")
        assert app.main.panes[VariablesPane.NAME].copy_text() == "host.state['port'] = 7000"
        await pilot.press("Y")
        await until(pilot, lambda: app.clipboard == "host.state['port']")


# -- differences -------------------------------------------------------------------------------------------


async def test_differences_from_the_mark_and_from_the_generation_before(live: RecordedSession) -> None:
    def shown(app: ScriptConsoleApp, part: str = "differences") -> str:
        return str(app.screen.query_one(f"#{part}", Static).render())

    async with running(live) as (app, pilot):
        await pilot.press("2", "j", "j", "D")
        assert isinstance(app.screen, DifferencesScreen)
        await until(pilot, lambda: "3 differences since the mark" in shown(app, "against"))
        assert "~ relayed  int\n    was 88102\n    is  88412\n+ peers" in shown(app)
        assert "− retry  [bold]\n    was [red]3" in shown(app)
        await pilot.press("g")
        await until(pilot, lambda: "since the generation before" in shown(app, "against"))
        live.problem = ScriptBusy("bridge is busy")
        await pilot.press("r")
        await until(pilot, lambda: "bridge is busy" in shown(app))
        live.problem = None
        await pilot.press("m")
        await until(pilot, lambda: "since the mark" in shown(app, "against"))
        await pilot.press("y")
        await until(pilot, lambda: "relayed" in app.clipboard)
        await pilot.press("escape")
    asked = [call for call in live.calls if call[0] in ("differences", "mark")]
    assert asked == [
        ("differences", "bridge", "mark"),
        ("differences", "bridge", "generation"),
        ("differences", "bridge", "generation"),
        ("mark", "bridge"),
        ("differences", "bridge", "mark"),
    ]


# -- courses -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("numbers", "line"),
    [
        ((), ""),
        ((1.0,), ""),
        ((0.0, 7.0), "▁█"),
        ((5.0, 5.0, 5.0), "▁▁▁"),
        ((0.0, float("nan"), 7.0, float("inf")), "▁·█·"),
        ((-1.7e308, 0.0, 1.7e308), "▁▅█"),
        (tuple(float(number) for number in range(20)), "▁▂▂▃▄▄▅▅▆▇▇█"),
    ],
)
def test_a_course_lies_between_least_and_greatest(numbers: tuple[float, ...], line: str) -> None:
    assert course(numbers, 12) == line


# -- approved screens ----------------------------------------------------------------------------------------


def test_tree(snap_compare: Compare, live: RecordedSession) -> None:
    assert snap_compare(make_app(live), terminal_size=WIDE, run_before=ready(live, "2", "m", *"jjjjj"))


def test_tree_narrow(snap_compare: Compare, live: RecordedSession) -> None:
    assert snap_compare(make_app(live, theme="light"), terminal_size=NARROW, run_before=ready(live, "2", "m"))


def test_editing(snap_compare: Compare, live: RecordedSession) -> None:
    assert snap_compare(make_app(live), terminal_size=WIDE, run_before=ready(live, "2", "m", *"jjj", "v"))


def test_differences(snap_compare: Compare, live: RecordedSession) -> None:
    keys = ready(live, "2", "j", "j", "D", then="differences")
    assert snap_compare(make_app(live), terminal_size=WIDE, run_before=keys)
