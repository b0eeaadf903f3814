"""The pane of variables: a tree of what every script holds now, over it the watched expressions."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from functools import partial
from math import ceil, inf

from textual.geometry import Region

from scriptconsole.actions import Action, PaneName
from scriptconsole.glyphs import course
from scriptconsole.jobs import Outcome, explain, run_job
from scriptconsole.panes.columns import Column
from scriptconsole.panes.lines import Cell, Tone
from scriptconsole.panes.owned import script_column, text_column
from scriptconsole.panes.pane import Details
from scriptconsole.panes.scripts import BUSY_AFTER
from scriptconsole.panes.tablepane import TablePane
from scriptconsole.panes.tree import TreeTable
from scriptconsole.screens.host import console_of
from scriptconsole.state import Scalar
from scriptconsole.text import CELL_LIMIT, clean, count, moment, span
from scriptengines.view import Frame, VariableView, WatchView

FLASH = 1.0
"""Seconds for which a changed value is marked."""
COUNTED = 60.0
"""Seconds for which the age of a change is counted in seconds; then in minutes."""
SPARK = 12
"""Cells of a history."""
WATCH = "\0watch"
"""First step of the address of a row that is a watched expression; the second is its number."""

_HERE = frozenset({PaneName.VARIABLES})


def _action(name: str, keys: tuple[str, ...], label: str, tooltip: str, *, footer: bool = False) -> Action:
    return Action(f"variable.{name}", keys, label, tooltip, f"pane('{name}')", _HERE, footer)


def watched(watch: WatchView) -> VariableView:
    """A watched expression as a row."""
    return VariableView(
        script=watch.script,
        name=watch.expression,
        type="error" if watch.error else watch.type,
        value=watch.error or watch.value,
        size=None,
        changed_at=watch.changed_at,
        history=watch.history,
        step=f"{WATCH}{watch.id}",
        expression=watch.expression,
    )


def _name(row: VariableView, _now: float) -> Cell:
    text = clean(row.name[:CELL_LIMIT])
    if _is_watch(row):
        return Cell(f"◆ {text}", Tone.ACCENT)
    if row.hidden:
        return Cell("  " * len(row.path) + "  …", Tone.DIM)
    mark = "▾ " if row.expanded else "▸ " if row.expandable else "  "
    return Cell("  " * len(row.path) + mark + text, Tone.PLAIN if row.path else Tone.STRONG)


def _age(row: VariableView, now: float) -> Cell:
    if not row.changed_at:
        return Cell("")
    age = max(now - row.changed_at, 0.0)
    text = f"{int(age)} s ago" if age < COUNTED else f"{span(age).split()[0]} ago"
    return Cell(text, Tone.PLAIN if age < COUNTED else Tone.DIM)


def _is_watch(row: VariableView) -> bool:
    return isinstance(row.step, str) and row.step.startswith(WATCH)


class VariablesPane(TablePane[VariableView]):
    """The variables of all scripts, or of one."""

    NAME = PaneName.VARIABLES
    LABEL = "Variables"
    MEANING = (
        "A tree of what every script holds: ▸ opens with enter or l, ▾ closes with enter or h.\n"
        "A value that just changed is lit for a second and marked ›; then its age is counted.\n"
        "◆ is a watched expression, ! one that fails. ~ marks values of a busy script: they were true\n"
        "when it last yielded. … stands for items that are not shown; enter shows more of them."
    )
    ACTIONS = (
        _action("edit", ("v",), "Set", "Set the value to what an expression gives", footer=True),
        _action("watch", ("w",), "Watch", "Pin an expression on top, and evaluate it again and again"),
        _action("unwatch", ("x", "delete"), "Unwatch", "Take the selected watch away"),
        _action("mark", ("M",), "Mark", "Remember the values of the script as they are now"),
        _action("differences", ("D",), "Differences", "Compare with the mark, or the generation before"),
        _action("one", ("a",), "One script", "Show the selected script only, or all again"),
        _action("copy_path", ("Y",), "Copy path", "Copy how the variable is written in its language"),
        _action("whole", ("d",), "Value", "Show all of the value, also of one that opens"),
    )
    TABLE = TreeTable
    EMPTY = "no variables"
    LANDMARK = "variable"

    def __init__(self) -> None:
        self._stale: frozenset[str] = frozenset()
        self._only: str | None = None
        self._remembered: str | None = None
        """The one script that was shown when the project was left; it counts when it is open."""
        self._joined: tuple[object, object, str | None] = (None, None, None)
        self._rows: tuple[VariableView, ...] = ()
        super().__init__()
        assert isinstance(self.table, TreeTable)
        self.table.toggle = self.toggle

    def columns(self) -> Sequence[Column[VariableView]]:
        """Return the columns; how a value looks depends on whether its script is busy."""
        return (
            script_column(rank=2),
            Column("Name", _name, lambda row: row.name, least=8, most=32),
            text_column("Type", lambda row: row.type, Tone.DIM, least=4, most=12, rank=3),
            Column(
                "Size",
                lambda row, _: Cell("" if row.size is None else count(row.size), Tone.DIM),
                lambda row: -1 if row.size is None else row.size,
                least=4,
                right=True,
                rank=4,
            ),
            Column("Value", self._value, lambda row: row.value, least=20, grow=1),
            Column(
                "Course",
                lambda row, _: Cell(course(row.history, SPARK), Tone.ACCENT),
                lambda row: len(row.history),
                least=6,
                most=SPARK,
                rank=6,
            ),
            Column("Changed", _age, lambda row: -row.changed_at, least=8, most=9, right=True, rank=5),
        )

    def _value(self, row: VariableView, now: float) -> Cell:
        text = clean(row.value[:CELL_LIMIT])
        if row.hidden:
            return Cell("  " + text, Tone.DIM)
        if row.script in self._stale:
            return Cell("~ " + text, Tone.DIM)
        if _is_watch(row) and row.type == "error":
            return Cell("! " + text, Tone.BAD)
        if 0 <= now - row.changed_at < FLASH:
            return Cell("› " + text, Tone.FLASH)
        return Cell("  " + text)

    # -- rows ------------------------------------------------------------------------------------------

    def rows(self, frame: Frame) -> Sequence[VariableView]:
        """Return the watches, then the variables."""
        joined = (frame.watches, frame.variables, self._only)
        before = self._joined
        if before[0] != joined[0] or before[1] is not joined[1] or before[2] != joined[2]:
            rows = (*map(watched, frame.watches), *frame.variables)
            only = self._only
            self._rows = rows if only is None else tuple(row for row in rows if row.script == only)
            self._joined = joined
        return self._rows

    def key(self, row: VariableView) -> Hashable:
        """Return script and address."""
        return row.script, row.address

    def landmark(self, row: VariableView) -> str:
        """Return how it is written."""
        return row.expression or row.name

    def text(self, row: VariableView) -> str:
        """Return what the filter searches."""
        return f"{row.script} {row.expression or row.name} {row.type} {row.value}"

    def owner(self, row: VariableView) -> str:
        """Return the script it belongs to."""
        return row.script

    def looks_different_after(self, rows: Sequence[VariableView], now: float) -> float:
        """Redraw when the next mark of a change goes out, or the age of one is counted on."""
        return min((_until_next(now - rows[index].changed_at) for index in self.table.in_sight), default=inf)

    def row_text(self, row: VariableView) -> str:
        """Return how it is written, and its value."""
        return f"{row.expression or row.name} = {row.value}"

    def summary(self) -> str:
        """Say when only one script is shown."""
        return "" if self._only is None else f"only {clean(self._only)}"

    def apply(self, frame: Frame) -> None:
        """Show the variables, and which of them are old."""
        there = {script.alias for script in frame.scripts}
        if self._remembered in there:
            self._only, self._remembered = self._remembered, None
        if self._only not in there:
            self._only = None
        busy = {row.alias: row.sample_age for row in frame.scripts if row.sample_age > BUSY_AFTER}
        stale = frozenset(busy)
        if stale != self._stale:
            self._stale = stale
            self.table.prepare()
        super().apply(frame)
        if busy:
            alias, age = max(busy.items(), key=lambda item: item[1])
            others = f" and {len(busy) - 1} more" if len(busy) > 1 else ""
            self.note(f"{alias}{others} busy, values from {span(age)} ago")
        else:
            self.note("")

    def details(self) -> Details | None:
        """Return the whole value."""
        row = self.selected
        if row is None:
            return None
        facts = [("script", row.script), ("type", row.type)]
        if row.expression and row.expression != row.name:
            facts.append(("written as", row.expression))
        if row.size is not None:
            facts.append(("size", f"{row.size:,}"))
        facts.append(("changed", moment(row.changed_at) if row.changed_at else "never"))
        if row.history:
            facts.append(
                ("course", f"{course(row.history, 40)}  {min(row.history):g} to {max(row.history):g}")
            )
        kind = "Watch" if _is_watch(row) else "Variable"
        return Details(f"{kind} {row.name}", facts, [("Value", row.value, "value-text")])

    # -- what is remembered ----------------------------------------------------------------------------

    def settings(self) -> dict[str, Scalar]:
        """Return the one script that is shown, if it is one."""
        only = self._remembered if self._only is None else self._only
        return {} if only is None else {"script": only}

    def take_setting(self, name: str, value: Scalar) -> bool:
        """Take it on as soon as it is open."""
        if name != "script" or not isinstance(value, str):
            return False
        self._remembered = value
        return True

    # -- what can be done ------------------------------------------------------------------------------

    def open_row(self) -> bool:
        """Open or close what has something inside."""
        row = self.selected
        if row is None or not (row.expandable or row.hidden):
            return False
        self.toggle(row)
        return True

    def toggle(self, row: VariableView) -> None:
        """Open or close a row; of one that stands for others, show more of these."""
        session = console_of(self).session
        if row.hidden:
            shown = sum(1 for each in self._rows if each.path == row.path and each.script == row.script)
            self._do("open", partial(session.expand, row.script, row.path, (shown - 1) * 4))
        elif row.expanded:
            self._do("close", partial(session.collapse, row.script, row.address))
        else:
            self._do("open", partial(session.expand, row.script, row.address))

    def _do(self, label: str, work: Callable[[], object]) -> None:
        app = console_of(self)

        def then(outcome: Outcome) -> None:
            if outcome.error is not None:
                app.fail(f"{label}: {explain(outcome.error)}")

        run_job(app, label, work, then)

    def action_whole(self) -> None:
        """Show all of the value."""
        console_of(self).main.show_details()

    def action_one(self) -> None:
        """Show the selected script only, or all again."""
        self._only = console_of(self).main.script() if self._only is None else None
        self._remembered = None
        self.apply(console_of(self).main.latest)
        self.retitle()

    def action_copy_path(self) -> None:
        """Copy how the selected variable is written."""
        row = self.selected
        if row is not None:
            console_of(self).copy_to_clipboard(row.expression or row.name)
            self.notify("Copied the path.", markup=False, timeout=2)

    def action_edit(self) -> None:
        """Set the selected variable, in its place."""
        row = self.selected
        if row is None or row.hidden:
            return
        if _is_watch(row):
            self.notify("A watch has no place to set; w watches another expression.", markup=False)
            return
        session = console_of(self).session
        work = partial(session.set_variable, row.script, row.address)
        whole = not row.expandable and not row.value.endswith(("…", '…"', "…'")) and row.value[:1] != "<"
        self._ask(
            "Value",
            f"enter sets {row.expression or row.name}   esc leaves it",
            row.value if whole else "",
            work,
        )

    def action_watch(self) -> None:
        """Pin an expression."""
        alias = console_of(self).main.script()
        if alias is None:
            self.notify("No script is selected; o loads one.", severity="warning", markup=False)
            return
        row = self.selected
        text = "" if row is None else row.expression or row.name
        work = partial(console_of(self).session.add_watch, alias)
        self._ask("Name", f"enter watches an expression of {alias}   esc closes", text, work)

    def action_unwatch(self) -> None:
        """Take the selected watch away."""
        row = self.selected
        if row is None or not _is_watch(row) or not isinstance(row.step, str):
            self.notify("This row is no watch; w pins one.", severity="warning", markup=False, timeout=2)
            return
        number = int(row.step.removeprefix(WATCH))
        app = console_of(self)
        app.act("unwatch", partial(app.session.remove_watch, number), f"unwatched {row.name}")

    def action_mark(self) -> None:
        """Remember the values of the selected script."""
        app = console_of(self)
        alias = app.main.script()
        if alias is not None:
            app.act(f"mark {alias}", partial(app.session.mark, alias), f"marked {alias}; D compares with it")

    def action_differences(self) -> None:
        """Compare the selected script with its mark, or the generation before."""
        alias = console_of(self).main.script()
        if alias is not None:
            from scriptconsole.screens.differences import DifferencesScreen

            console_of(self).push_screen(DifferencesScreen(console_of(self).session, alias))

    def _ask(self, column: str, hint: str, text: str, work: Callable[[str], object]) -> None:
        from scriptconsole.screens.oneline import OneLine

        body = self.table.region
        slot = self.table.slot(column)
        # Behind the mark that stands before names and values.
        start, width = (3, body.width - 3) if slot is None else (slot.start + 2, slot.width - 2)
        line = self.table.cursor_line
        at = Region(body.x + start, body.y + (1 if line is None else line), width, 1)
        console_of(self).push_screen(OneLine(at, hint, text, work))


def _until_next(age: float) -> float:
    """Seconds until a change of that age looks different."""
    if age < 0 or age > 86_400:
        return inf
    step = 1.0 if age < COUNTED else 60.0
    return max(ceil(age / step + 1e-6) * step - age, 0.05)
