"""The pane in which code is typed into the selected script."""

from __future__ import annotations

from collections import deque
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

from textual.app import ComposeResult

from scriptconsole.actions import Action, PaneName
from scriptconsole.jobs import Outcome, explain, run_job
from scriptconsole.panes.pane import Pane
from scriptconsole.screens.host import console_of
from scriptengines.errors import ConfigError, ScriptConsoleError
from scriptengines.view import Frame, FunctionInfo

if TYPE_CHECKING:
    from textual.widgets import TextArea

    from scriptconsole.panes.replinput import ReplInput
    from scriptconsole.panes.replmenu import CompletionMenu
    from scriptconsole.panes.transcript import Entry, Transcript
    from scriptconsole.port import SessionPort
    from scriptconsole.repl.conversation import Answer, Conversation
    from scriptengines.completion import Completion
    from scriptengines.results import Result

MAX_LINES = 8


class PortPartner:
    """What a conversation asks, of the session and of the newest frame; see repl.conversation.Partner."""

    def __init__(self, session: SessionPort) -> None:
        self._session = session
        self.frame = Frame(0.0)
        self.reload = session.reload
        self.interrupt = session.interrupt

    def language(self, alias: str) -> str:
        """Name of a script's engine."""
        found = next((script.engine for script in self.frame.scripts if script.alias == alias), None)
        if found is None:
            raise ConfigError(f'no script "{alias}" is loaded')
        return found

    def aliases(self) -> list[str]:
        """All scripts, in order of loading."""
        return [script.alias for script in self.frame.scripts]

    def load(self, path: Path) -> str:
        """Load a script; its alias."""
        return str(getattr(self._session.load(path), "alias", path.stem))

    def functions(self, alias: str) -> list[FunctionInfo]:
        """What a script offers to call."""
        return self._session.functions(alias)

    def variables(self, alias: str) -> list[tuple[str, str, str]]:
        """Name, type and text of a script's variables, as shown."""
        rows = [row for row in self.frame.variables if row.script == alias and len(row.path) <= 1]
        return [(row.name, row.type, row.value) for row in rows]

    def is_complete(self, alias: str, code: str) -> bool:
        """Whether code can be run as it is."""
        return self._session.is_complete(alias, code)

    def interact(self, alias: str, code: str) -> list[Result]:
        """Run what was typed."""
        return self._session.interact(alias, code)

    def completions(self, alias: str, text: str, cursor: int) -> list[Completion]:
        """What can stand at the cursor."""
        return self._session.completions(alias, text, cursor)


class ReplPane(Pane):
    """Inputs and answers over the input, for the script that is selected."""

    NAME = PaneName.REPL
    LABEL = "REPL"
    MEANING = (
        "Code runs in the selected script; :use ALIAS talks to another one. The last value is _.\n"
        "enter runs complete input, alt+enter breaks the line, tab completes, up and down recall,\n"
        "ctrl+r searches what was typed, ctrl+c stops what runs, escape goes to the answers: enter unfolds."
    )
    ACTIONS = (
        Action(
            "repl.unfold",
            ("enter",),
            "Unfold",
            "Show all of the selected answer, or fold it again",
            "pane('unfold')",
            frozenset({PaneName.REPL}),
        ),
        Action(
            "repl.clear",
            ("x", "delete"),
            "Clear",
            "Forget the answers in sight",
            "pane('clear')",
            frozenset({PaneName.REPL}),
        ),
    )

    def __init__(self) -> None:
        super().__init__()
        self._conversation: Conversation | None = None
        self._partner: PortPartner | None = None
        self._followed: str | None = None
        self._recalled = 0
        self._draft = ""
        self._needle: str | None = None
        self._asked = 0
        self._waiting: dict[str, deque[Entry]] = {}
        """Inputs by script: the one that runs, then those that come after it."""

    # What it consists of takes long to import, so it is made when the pane is first in sight.

    @cached_property
    def transcript(self) -> Transcript:
        """The answers."""
        from scriptconsole.panes.transcript import Transcript

        return Transcript(id="transcript")

    @cached_property
    def menu(self) -> CompletionMenu:
        """What could be meant by what is typed."""
        from scriptconsole.panes.replmenu import CompletionMenu

        return CompletionMenu(id="completions")

    @cached_property
    def input(self) -> ReplInput:
        """Where code is typed."""
        from scriptconsole.panes.replinput import ReplInput

        return ReplInput(id="code")

    def compose(self) -> ComposeResult:
        """Put the answers over the menu and the input."""
        yield self.transcript
        yield self.menu
        yield self.input

    @property
    def body(self) -> ReplInput:
        """The input."""
        return self.input

    @property
    def counted(self) -> bool:
        """Its title tells the script instead."""
        return False

    @property
    def conversation(self) -> Conversation:
        """Made when the pane is first in sight."""
        if self._conversation is None or self._partner is None:
            from scriptconsole.repl.conversation import Conversation
            from scriptconsole.repl.history import History, history_file

            app = console_of(self)
            self._partner = PortPartner(app.session)
            self._partner.frame = app.main.latest
            history = History(app.history_file or history_file(app.project), app.settings.history_size)
            self._conversation = Conversation(self._partner, "", history)
        return self._conversation

    def apply(self, frame: Frame) -> None:
        """Follow the script that is selected in the scripts pane."""
        conversation = self.conversation
        assert self._partner is not None
        self._partner.frame = frame
        chosen = console_of(self).main.panes[PaneName.SCRIPTS].script()
        if chosen is not None and chosen != self._followed:
            self._followed = conversation.alias = chosen
        language = next((each.engine for each in frame.scripts if each.alias == conversation.alias), "")
        self.input.use_language(language)

    def summary(self) -> str:
        """Say which script is talked to."""
        if self._conversation is None or not self._conversation.alias:
            return "no script"
        return f"{self._conversation.alias} {self.input.code_language}".strip()

    def script(self) -> str | None:
        """Return the script that is talked to."""
        return (self._conversation.alias or None) if self._conversation is not None else None

    def copy_text(self) -> str | None:
        """Return the selected input and its answer."""
        entry = self.transcript.selected
        return None if entry is None else "\n".join([entry.text, *_plain(entry.answer)])

    # -- keys ------------------------------------------------------------------------------------------

    def on_repl_input_pressed(self, message: ReplInput.Pressed) -> None:
        """Do what a key of a prompt means."""
        message.stop()
        key = message.key
        if key != "ctrl+r":
            self._stop_search()
        if self.menu.display and key in ("tab", "down", "up", "enter", "escape"):
            self._in_menu(key)
        elif key == "enter":
            self._enter()
        elif key == "tab":
            self._complete()
        elif key in ("up", "down"):
            self._recall(1 if key == "up" else -1)
        elif key == "ctrl+r":
            self._search()
        elif key == "ctrl+c":
            self._stop_or_clear()
        elif key == "escape":
            self.screen.set_focus(self.transcript)

    def on_text_area_changed(self, message: TextArea.Changed) -> None:
        """Give the code the lines it needs."""
        message.stop()
        self.input.styles.height = max(1, min(MAX_LINES, self.input.document.line_count))
        if self.menu.display:
            self._complete(again=True)

    def _enter(self) -> None:
        text = self.input.text
        if not text.strip():
            return
        if not self.conversation.alias:
            self.notify("There is no script to talk to.", severity="warning", markup=False)
            return
        try:
            complete = self.conversation.is_complete(text)
        except ScriptConsoleError:  # it has just gone; the answer will say so
            complete = True
        if not complete:
            before = self.input.get_text_range((0, 0), self.input.cursor_location)
            from scriptconsole.repl.indent import indented

            self.input.insert("\n" + indented(before, self.input.code_language))
            return
        self.input.text = ""
        self._recalled, self._draft = 0, ""
        from scriptconsole.panes.transcript import Entry

        entry = Entry(self.conversation.alias, text)
        self._queue(entry)
        self.transcript.add(entry)

    def _queue(self, entry: Entry) -> None:
        """Run an input after those that were typed before it for the same script."""
        waiting = self._waiting.setdefault(entry.alias, deque())
        entry.waits = bool(waiting)
        waiting.append(entry)
        if not entry.waits:
            self._run(entry)

    def _run(self, entry: Entry) -> None:
        entry.waits = False
        work = partial(self.conversation.run, entry.text, entry.alias)
        run_job(console_of(self), "input", work, partial(self._ran, entry, entry.alias))

    def _ran(self, entry: Entry, alias: str, outcome: Outcome) -> None:
        from scriptconsole.repl.conversation import Answer

        answer = outcome.value
        if not isinstance(answer, Answer):
            answer = Answer(error=explain(outcome.error) if outcome.error else "nothing came of it")
        entry.answer = answer
        waiting = self._waiting[alias]
        waiting.popleft()
        if self.conversation.changes_script(entry.text) and not answer.error:
            # What was typed behind it meanwhile is for that script.
            later, self._waiting[alias] = waiting, deque()
            for each in later:
                each.alias = self.conversation.alias
                self._queue(each)
        elif waiting:
            self._run(waiting[0])
        if answer.leaves:
            self.screen.set_focus(self.transcript)
        if self.is_attached:
            self.transcript.rebuild(to_end=True)
            self.apply(console_of(self).main.latest)
            self.retitle()

    def _stop_or_clear(self) -> None:
        if any(entry.answer is None for entry in self.transcript.entries):
            run_job(console_of(self), "interrupt", self.conversation.interrupt, self._interrupted)
        else:
            self.input.text = ""

    def _interrupted(self, outcome: Outcome) -> None:
        if outcome.value is False:
            self.notify("There is nothing that could be stopped.", severity="warning", markup=False)

    # -- completion ------------------------------------------------------------------------------------

    def _complete(self, *, again: bool = False) -> None:
        before = self.input.get_text_range((0, 0), self.input.cursor_location)
        if not before.rsplit("\n", 1)[-1].strip():
            self.menu.close()
            if not again:
                self.input.insert("    ")
            return
        self._asked += 1
        ask = partial(self.conversation.completions, before, len(before))
        run_job(console_of(self), "completion", ask, partial(self._offer, self._asked, before, again))

    def _offer(self, number: int, before: str, again: bool, outcome: Outcome) -> None:
        now = self.input.get_text_range((0, 0), self.input.cursor_location)
        if number != self._asked or now != before or outcome.error is not None:
            return
        found = cast("list[Completion]", outcome.value)
        if len(found) == 1 and not again:
            self._insert(found[0])
            return
        self.menu.open(found)
        self.input.asked = ("down", "up") if found else ()

    def _in_menu(self, key: str) -> None:
        chosen = self.menu.chosen
        if key in ("tab", "down", "up"):
            self.menu.move(-1 if key == "up" else 1)
            return
        self._close_menu()
        if key == "enter" and chosen is not None:
            self._insert(chosen)

    def _close_menu(self) -> None:
        self._asked += 1
        self.menu.close()
        self.input.asked = ()

    def _insert(self, chosen: Completion) -> None:
        row, column = self.input.cursor_location
        before = self.input.get_text_range((0, 0), (row, column))
        width = len(before) - chosen.start
        with self.prevent(type(self.input).Changed):
            self.input.replace(chosen.text, (row, column - width), (row, column))
        self.note(f"{chosen.text}{chosen.signature}" if chosen.signature else "")

    # -- history ---------------------------------------------------------------------------------------

    def _inputs(self) -> list[str]:
        return self.conversation.history.inputs(self.input.code_language)

    def _recall(self, step: int) -> None:
        inputs = self._inputs()
        if self._recalled == 0:
            self._draft = self.input.text
        self._recalled = max(0, min(len(inputs), self._recalled + step))
        self._show_text(inputs[-self._recalled] if self._recalled else self._draft)

    def _search(self) -> None:
        """Go to the newest input that has what is typed, then to those before it."""
        inputs = self._inputs()
        if self._needle is None:
            self._needle, self._recalled = self.input.text, 0
        older = inputs[: len(inputs) - self._recalled][::-1]
        found = next((number for number, text in enumerate(older, 1) if self._needle in text), None)
        if found is None:
            self.note(f"nothing older with {self._needle!r}")
            return
        self._recalled += found
        self.note(f"typed before, with {self._needle!r}; ctrl+r goes further back")
        self._show_text(inputs[-self._recalled])

    def _stop_search(self) -> None:
        if self._needle is not None:
            self._needle = None
            self.note("")

    def _show_text(self, text: str) -> None:
        self.input.text = text
        self.input.move_cursor(self.input.document.end)

    # -- answers ---------------------------------------------------------------------------------------

    def action_unfold(self) -> None:
        """Show all of the selected answer, or fold it again."""
        self.transcript.unfold()

    def action_clear(self) -> None:
        """Forget the answers."""
        self.transcript.clear()

    def open_filter(self) -> None:
        """There is none."""
        self.notify("Answers cannot be filtered.", severity="warning", markup=False, timeout=2)


def _plain(answer: Answer | None) -> list[str]:
    if answer is None:
        return []
    from scriptconsole.repl.layout import lines_of

    laid_out = [line for result in answer.results for line in lines_of(result, 100)]
    return [*answer.lines, *laid_out, *([answer.error] if answer.error else [])]
