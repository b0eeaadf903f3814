"""Call a function of a script: choose it from the list or type its name, type arguments, see the result."""

from __future__ import annotations

from typing import ClassVar, cast

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.suggester import SuggestFromList
from textual.widgets import Input, Label, OptionList
from textual.widgets.option_list import Option

from scriptconsole.jobs import Outcome, explain, run_job
from scriptconsole.port import SessionPort
from scriptconsole.screens.asking import Asking, Report, shown_result
from scriptconsole.screens.details import describe_function
from scriptengines.view import FunctionInfo


class CallScreen(Asking):
    """A function name, its arguments and what came back."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "choose(1)", "Next function", show=False, id="call.next", tooltip="Next function"),
        Binding(
            "up", "choose(-1)", "Function before", show=False, id="call.previous", tooltip="Function before"
        ),
        Binding("f4", "interrupt", "Interrupt", id="call.interrupt", tooltip="Break into the call"),
    ]

    def __init__(self, session: SessionPort, alias: str, report: Report) -> None:
        """Make the prompt.

        Args:
            session: Whose script is called.
            alias: The script.
            report: See `Report`.
        """
        super().__init__(session, report)
        self._alias = alias
        self._functions: list[FunctionInfo] = []

    def compose(self) -> ComposeResult:
        """Show the two inputs round the list of functions."""
        with self.box(
            f"Call a function of {self._alias}", "enter calls   ↑↓ choose   F4 interrupts   esc closes"
        ):
            yield Label("Function")
            yield Input(id="function", compact=True, placeholder="name")
            yield OptionList(id="functions", compact=True, markup=False)
            yield Label("Arguments")
            yield Input(id="arguments", compact=True, placeholder='1, "text", k=2')
            yield from self.result("The result appears here.")

    def on_mount(self) -> None:
        """Ask the script for its functions."""
        self.query_one("#functions").can_focus = False
        self.set_focus(self.query_one("#function"))
        alias, session = self._alias, self._session
        run_job(self, "functions", lambda: session.functions(alias), self._list_functions)

    def _list_functions(self, outcome: Outcome) -> None:
        if outcome.error is not None:
            self.show(explain(outcome.error), "error-text")
            return
        found = cast("list[FunctionInfo]", outcome.value)
        self._functions = list({function.name: function for function in found}.values())
        # What cannot be printed cannot be shown in an input either.
        names = [function.name for function in self._functions if function.name.isprintable()]
        self.query_one("#function", Input).suggester = SuggestFromList(names)
        self._fill()

    # -- choosing --------------------------------------------------------------------------------------

    @on(Input.Changed, "#function")
    def _fill(self) -> None:
        typed = self.query_one("#function", Input).value.strip()
        matching = [f for f in self._functions if typed.lower() in f.name.lower()]
        # What starts with the typed text comes first, the exact name before all.
        matching.sort(key=lambda f: (f.name != typed, not f.name.startswith(typed)))
        options = self.query_one("#functions", OptionList)
        options.clear_options()
        options.add_options([Option(describe_function(f), id=f.name) for f in matching])
        options.highlighted = 0 if matching else None

    def action_choose(self, step: int) -> None:
        """Move in the list of functions."""
        options = self.query_one("#functions", OptionList)
        if options.option_count:
            options.highlighted = ((options.highlighted or 0) + step) % options.option_count

    @on(OptionList.OptionSelected)
    def _clicked(self, event: OptionList.OptionSelected) -> None:
        self._take(event.option.id or "")

    @on(Input.Submitted, "#function")
    def _chosen(self) -> None:
        entry = self.query_one("#function", Input)
        options = self.query_one("#functions", OptionList)
        name = entry.value.strip()
        known = {function.name for function in self._functions}
        # A name typed in full counts unless the arrows went on to another one.
        if options.highlighted is not None and (name not in known or options.highlighted > 0):
            name = options.get_option_at_index(options.highlighted).id or name
        self._take(name)

    def _take(self, name: str) -> None:
        with self.prevent(Input.Changed):
            self.query_one("#function", Input).value = name
        self._fill()
        self.set_focus(self.query_one("#arguments"))

    # -- calling ---------------------------------------------------------------------------------------

    @on(Input.Submitted, "#arguments")
    def _call(self) -> None:
        name = self.query_one("#function", Input).value.strip()
        typed = self.query_one("#arguments", Input).value
        if not name:
            self.set_focus(self.query_one("#function"))
            return
        arguments = self.arguments(typed)
        if arguments is None:
            return
        positional, named = arguments
        alias, session = self._alias, self._session
        label = f"{alias}.{name}({typed.strip()})"
        self.ask(
            f"calling {label}",
            label,
            lambda: shown_result(session.call(alias, name, *positional, **named)),
        )

    def action_interrupt(self) -> None:
        """Break into what the script runs."""
        self.interrupt(self._alias)
