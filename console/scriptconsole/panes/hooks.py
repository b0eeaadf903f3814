"""The pane of hooks: who subscribes to what, in the order they are called, and how that went."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from functools import partial
from typing import NamedTuple

from scriptconsole.actions import Action, PaneName
from scriptconsole.panes.columns import Column
from scriptconsole.panes.lines import Cell, Tone
from scriptconsole.panes.owned import source_column
from scriptconsole.panes.pane import Details
from scriptconsole.panes.tablepane import TablePane
from scriptconsole.screens.host import console_of
from scriptconsole.text import CELL_LIMIT, clean, count
from scriptengines.view import Frame, HookView, SubscriberView

_HERE = frozenset({PaneName.HOOKS})


class HookRow(NamedTuple):
    """One subscriber of a hook, or a hook without any.

    Attributes:
        hook: The hook.
        place: Of the subscriber in the order of calls, from 1; 0 when there is none.
        subscriber: Who subscribes.
    """

    hook: HookView
    place: int
    subscriber: SubscriberView | None


def _function(row: HookRow, _now: float) -> Cell:
    if row.subscriber is None:
        return Cell("nobody subscribes", Tone.WARN)
    name = clean(f"{row.subscriber.script}.{row.subscriber.function}"[:CELL_LIMIT])
    return Cell(name) if row.subscriber.enabled else Cell(f"passed over: {name}", Tone.DIM)


def _errors(row: HookRow, _now: float) -> Cell:
    errors = 0 if row.subscriber is None else row.subscriber.errors
    return Cell(f"✗ {count(errors)}", Tone.BAD) if errors else Cell("" if row.subscriber is None else "0")


def _of_hook(title: str, figure: Callable[[HookView], int], *, least: int, rank: int) -> Column[HookRow]:
    """A figure of the hook, which its first row shows."""
    return Column(
        title,
        lambda row, _: Cell(count(figure(row.hook)) if row.place <= 1 else ""),
        lambda row: figure(row.hook),
        least=least,
        right=True,
        rank=rank,
    )


COLUMNS: tuple[Column[HookRow], ...] = (
    Column(
        "Hook",
        lambda row, _: (
            Cell(clean(row.hook.name[:CELL_LIMIT]), Tone.STRONG) if row.place <= 1 else Cell("  ↓", Tone.DIM)
        ),
        lambda row: (row.hook.name, row.place),
        least=8,
        most=28,
    ),
    Column("Calls", _function, lambda row: row.subscriber.script if row.subscriber else "", least=12, grow=1),
    Column(
        "Priority",
        lambda row, _: Cell("" if row.subscriber is None else str(row.subscriber.priority)),
        lambda row: 0 if row.subscriber is None else -row.subscriber.priority,
        least=4,
        right=True,
        rank=3,
    ),
    Column(
        "Called",
        lambda row, _: Cell("" if row.subscriber is None else count(row.subscriber.calls)),
        lambda row: 0 if row.subscriber is None else row.subscriber.calls,
        least=6,
        right=True,
        rank=1,
    ),
    Column(
        "Errors",
        _errors,
        lambda row: 0 if row.subscriber is None else row.subscriber.errors,
        least=6,
        right=True,
        rank=2,
    ),
    _of_hook("Emitted", lambda hook: hook.emitted, least=7, rank=4),
    _of_hook("Vetoed", lambda hook: hook.vetoed, least=6, rank=6),
    source_column("At", lambda row: "" if row.subscriber is None else row.subscriber.source, rank=5),
)


class HooksPane(TablePane[HookRow]):
    """The hooks of the session by name, with their subscribers in order."""

    NAME = PaneName.HOOKS
    LABEL = "Hooks"
    MEANING = (
        "One row per subscriber, in the order they are called: higher priorities first, then the older.\n"
        "A hook that is emitted although nobody subscribes may be misspelled somewhere.\n"
        "E emits the hook by hand, with arguments; x passes a subscriber over, or calls it again."
    )
    ACTIONS = (
        Action(
            "hook.emit",
            ("E",),
            "Emit",
            "Emit a hook by hand, with arguments",
            "pane('emit')",
            _HERE,
            footer=True,
        ),
        Action(
            "hook.pass_over",
            ("x", "delete"),
            "Pass over",
            "Pass the selected subscriber over, or call it again",
            "pane('pass_over')",
            _HERE,
            footer=True,
        ),
    )
    EMPTY = "no hooks: nobody subscribes and nothing was emitted"
    LANDMARK = "hook"

    def __init__(self) -> None:
        self._hooks: tuple[HookView, ...] = ()
        self._rows: list[HookRow] = []
        super().__init__()

    def columns(self) -> Sequence[Column[HookRow]]:
        """Return the columns."""
        return COLUMNS

    def rows(self, frame: Frame) -> Sequence[HookRow]:
        """Return a row for each subscriber and each hook without one."""
        if frame.hooks != self._hooks:
            self._hooks = frame.hooks
            self._rows = [row for hook in frame.hooks for row in _rows_of(hook)]
        return self._rows

    def key(self, row: HookRow) -> Hashable:
        """Return the name of the hook, and who subscribes."""
        return row.hook.name, None if row.subscriber is None else row.subscriber.id

    def landmark(self, row: HookRow) -> str:
        """Return the hook's name."""
        return row.hook.name

    def text(self, row: HookRow) -> str:
        """Return what the filter searches."""
        each = row.subscriber
        return (
            row.hook.name if each is None else f"{row.hook.name} {each.script}.{each.function} {each.source}"
        )

    def owner(self, row: HookRow) -> str | None:
        """Return the script that subscribes."""
        return None if row.subscriber is None else row.subscriber.script

    def source(self, row: HookRow) -> str:
        """Return the line that subscribes."""
        return "" if row.subscriber is None else row.subscriber.source

    def action_emit(self) -> None:
        """Ask for arguments, and emit the selected hook or another."""
        from scriptconsole.screens.emit import EmitScreen

        app, row = console_of(self), self.selected
        names = [hook.name for hook in self._hooks]
        app.push_screen(EmitScreen(app.session, "" if row is None else row.hook.name, names, app.report))

    def action_pass_over(self) -> None:
        """Pass the selected subscriber over, or call it again."""
        row = self.selected
        if row is None or row.subscriber is None:
            self.notify("There is no subscriber here.", severity="warning", markup=False)
            return
        each, app = row.subscriber, console_of(self)
        name = f"{each.script}.{each.function}"
        done = f"{name} is passed over" if each.enabled else f"{name} is called again"
        work = partial(app.session.enable_subscriber, each.id, not each.enabled)
        app.act(f"{'pass over' if each.enabled else 'call'} {name}", work, f"hook {row.hook.name}: {done}")

    def details(self) -> Details | None:
        """Return the hook and all its subscribers."""
        row = self.selected
        if row is None:
            return None
        hook = row.hook
        facts = [("hook", hook.name), ("emitted", f"{hook.emitted:,}"), ("vetoed", f"{hook.vetoed:,}")]
        if row.subscriber is not None:
            each = row.subscriber
            facts += [
                (
                    "subscriber",
                    f"{each.script}.{each.function}, number {row.place} of {len(hook.subscribers)}",
                ),
                ("priority", str(each.priority)),
                ("called", f"{each.calls:,}"),
                ("errors", f"{each.errors:,}"),
                ("subscribed at", each.source or "unknown"),
                ("state", "called" if each.enabled else "passed over"),
            ]
        order = "\n".join(
            f"{place}. {each.script}.{each.function}  priority {each.priority}"
            for place, each in enumerate(hook.subscribers, 1)
        )
        return Details("Hook", facts, [("Order of calls", order or "nobody subscribes", "value-text")])


def _rows_of(hook: HookView) -> list[HookRow]:
    if not hook.subscribers:
        return [HookRow(hook, 0, None)]
    return [HookRow(hook, place, each) for place, each in enumerate(hook.subscribers, 1)]
