"""Give a timer another interval."""

from __future__ import annotations

from functools import partial

from textual import on
from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Input, Static

from scriptconsole.screens.dialog import Dialog
from scriptconsole.screens.host import console_of
from scriptconsole.text import clean, interval, parse_duration
from scriptengines.view import TimerView

HINT = "250, 250 ms, 1.5 s, 2 min or 1 h"


class IntervalScreen(Dialog):
    """One line in which the interval is typed."""

    def __init__(self, row: TimerView) -> None:
        """Make the prompt.

        Args:
            row: The timer.
        """
        super().__init__()
        self._row = row

    def compose(self) -> ComposeResult:
        """Show the line over what it means."""
        row = self._row
        once = row.kind != "interval"
        with self.box(
            f"{'Delay' if once else 'Interval'} of {row.callback}", "enter changes it   esc closes"
        ):
            value = f"{row.interval:g} ms" if row.interval > 0 else ""
            yield Input(value, id="interval", compact=True, placeholder=HINT)
            meaning = (
                "It fires once, so long after now."
                if once
                else f"Now {interval(row.interval)}. The next firing stays; the interval holds from there on."
            )
            yield Static(Content(meaning), id="meaning", classes="quiet")

    @on(Input.Changed)
    def _typed(self) -> None:
        self.query_one("#meaning", Static).set_class(False, "error-text")

    @on(Input.Submitted)
    def _change(self, event: Input.Submitted) -> None:
        milliseconds = parse_duration(event.value)
        if milliseconds is None:
            said = self.query_one("#meaning", Static)
            said.update(Content(f"{clean(event.value)!r} is no span of time; write {HINT}."))
            said.set_class(True, "error-text")
            return
        row, app = self._row, console_of(self)
        work = partial(app.session.change_interval, row.script, row.id, milliseconds)
        shown = interval(milliseconds) if milliseconds else "0 ms"
        app.act(f"change {row.callback}", work, f"timer {row.callback} of {row.script}: {shown}")
        self.dismiss(None)
