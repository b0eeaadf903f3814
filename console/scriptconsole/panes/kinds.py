"""The kinds of panes there are, in the order of their number keys."""

from __future__ import annotations

from scriptconsole.panes.calls import CallsPane
from scriptconsole.panes.connections import ConnectionsPane
from scriptconsole.panes.hooks import HooksPane
from scriptconsole.panes.logpane import LogPane
from scriptconsole.panes.pane import Pane
from scriptconsole.panes.replpane import ReplPane
from scriptconsole.panes.scripts import ScriptsPane
from scriptconsole.panes.tasks import TasksPane
from scriptconsole.panes.timers import TimersPane
from scriptconsole.panes.variables import VariablesPane
from scriptconsole.panes.warnings import WarningsPane

PANES: tuple[type[Pane], ...] = (
    ScriptsPane,
    VariablesPane,
    TimersPane,
    ConnectionsPane,
    LogPane,
    CallsPane,
    HooksPane,
    WarningsPane,
    ReplPane,
    TasksPane,
)
