"""Help for the focused pane: what its rows mean and which keys do something there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from scriptconsole.actions import Action, PaneName, key_name
from scriptconsole.panes.pane import Pane
from scriptconsole.screens.dialog import Dialog
from scriptconsole.screens.host import console_of

_KEY_WIDTH = 13


_PANES = frozenset(f"pane.{name}" for name in PaneName)


def _any_of(panes: Sequence[Action]) -> Action:
    """Say in one line what the number keys do."""
    keys = tuple(action.keys[0] for action in panes if action.keys)
    names = ", ".join(action.label.lower() for action in panes)
    return panes[0]._replace(keys=keys, tooltip=f"Go to a pane: {names}")


class HelpScreen(Dialog):
    """Keys and meaning of one pane."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q,question_mark,f1", "close", "Close", show=False, id="help.close", tooltip="Go back"),
    ]

    def __init__(self, pane: Pane) -> None:
        """Make the help screen.

        Args:
            pane: The one to explain.
        """
        super().__init__()
        self._pane = pane

    def compose(self) -> ComposeResult:
        """Show the meaning of the rows over the keys."""
        name = self._pane.NAME
        registry = console_of(self).registry
        here = registry.in_pane(name)
        ids = {action.id for action in self._pane.ACTIONS}
        own = [action for action in here if action.id in ids]
        with self.box(f"Help: {self._pane.LABEL}", "esc closes"), VerticalScroll(id="scroll"):
            yield Static(Content(self._pane.MEANING), id="help-text")
            if own:
                yield from self._section("In this pane", own)
            scripts = [action for action in here if action.id.startswith("script.")]
            yield from self._section("The script of the selected row", scripts)
            panes = [action for action in here if action.id in _PANES]
            rest = [a for a in here if a not in own and a not in scripts and a not in panes]
            yield from self._section("Display", [*rest, _any_of(panes)])
            yield from self._section("Moving about", registry.moves)

    def on_mount(self) -> None:
        """Let the arrow keys scroll."""
        self.set_focus(self.query_one("#scroll"))

    def _section(self, title: str, actions: Iterable[Action]) -> ComposeResult:
        yield Static(Content(title), classes="heading")
        lines: list[Content] = []
        for action in actions:
            keys = " ".join(key_name(key) for key in action.keys)
            lines.append(Content.assemble((f"{keys:>{_KEY_WIDTH}}  ", "$accent"), action.tooltip))
        yield Static(Content("\n").join(lines))
