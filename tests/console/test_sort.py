"""Every table can be sorted by each of its columns, by key and by mouse."""

from __future__ import annotations

from copy import replace
from typing import Any

import pytest

from scriptconsole.actions import PaneName
from scriptconsole.panes.kinds import PANES
from scriptconsole.panes.tablepane import TablePane
from scriptengines.view import TaskView, WarningView

from .recording import FRAME, NOW, RecordedSession
from .support import drawn, running, table, until

TASKS = (
    TaskView("greeter", 1, "main", "waiting", NOW - 5, "greeter.py:3", "main"),
    TaskView("bridge", 2, "pump", "ready", NOW - 9, "bridge.py:7", "relay"),
    TaskView("bridge", 3, "drain", "running", NOW - 1, "", "drain"),
)
WARNINGS = (
    WarningView("greeter", "late", "fires late", "greeter.py:9", NOW - 7, 12),
    WarningView("bridge", "leak", "keeps what it opens", "bridge.py:1", NOW - 70, 3),
    WarningView("crunch", "blocked", "holds its loop", "", NOW - 700, 40),
)
FULL = replace(FRAME, tasks=TASKS, warnings=WARNINGS)
TABLES = [kind.NAME for kind in PANES if issubclass(kind, TablePane)]


@pytest.mark.parametrize("name", TABLES)
async def test_by_key_and_by_mouse(name: PaneName) -> None:
    async with running(RecordedSession(FULL), size=(200, 44)) as (app, pilot):
        await pilot.press(name.digit)
        await app.main.run_action("maximise")
        view = table(app, name)
        await until(pilot, lambda: view.size.width > 150 and (view.row_count or not view.total))
        natural = list(view.rows)
        shown = [slot for slot in view._slots]
        assert shown, "at least one column has room"

        def rows_by(order: Any, *, descending: bool = False) -> list[object]:
            return sorted(natural, key=order, reverse=descending)

        for slot in shown:
            column = view.columns[slot.column]
            while view.column_cursor != slot.column:
                await pilot.press("l")
            await pilot.press("s")
            assert list(view.rows) == rows_by(column.order), column.title
            assert f"{column.title}▲" in drawn(view)[0] or not natural
            await pilot.press("s")
            assert list(view.rows) == rows_by(column.order, descending=True), column.title
            assert f"{column.title}▼" in drawn(view)[0] or not natural
            await pilot.press("s")
            assert list(view.rows) == natural

        last = shown[-1]
        await pilot.click(view, offset=(last.start + 1, 0))
        assert view.sort_column == last.column
        assert list(view.rows) == rows_by(view.columns[last.column].order)
        await pilot.click(view, offset=(last.start + 1, 0))
        assert list(view.rows) == rows_by(view.columns[last.column].order, descending=True)


async def test_the_order_holds_while_rows_change() -> None:
    session = RecordedSession(FULL)
    async with running(session) as (app, pilot):
        view = table(app, "timers")
        wanted = [column.title for column in view.columns].index("Callback")
        await pilot.press("3")
        while view.column_cursor != wanted:
            await pilot.press("l")
        await pilot.press("s")
        assert view.sort_column == wanted
        more = tuple(replace(row, id=row.id + 100, callback=f"a_{row.callback}") for row in FULL.timers)
        session.now = replace(FULL, timers=FULL.timers + more)
        await until(pilot, lambda: view.row_count == 2 * len(more))
        callbacks = [getattr(row, "callback", "") for row in view.rows]
        assert callbacks == sorted(callbacks)
