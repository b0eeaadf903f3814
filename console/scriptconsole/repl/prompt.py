"""The prompt in a plain terminal: several lines, colours, completion, history; scripts go on meanwhile.

Everything is written here, in the order it came: what scripts report is taken from the session, and what C
code writes past it is captured (capture.py).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import termios
import threading
from typing import TYPE_CHECKING, Any

from prompt_toolkit import PromptSession
from prompt_toolkit.application import run_in_terminal
from prompt_toolkit.filters import Condition, completion_is_selected
from prompt_toolkit.formatted_text import FormattedText, PygmentsTokens
from prompt_toolkit.key_binding import KeyBindings
from prompt_toolkit.lexers import DynamicLexer
from prompt_toolkit.output import create_output
from prompt_toolkit.shortcuts import CompleteStyle, print_formatted_text
from prompt_toolkit.styles import Style

from scriptconsole.text import clean, clean_lines

from .indent import indented
from .languages import pygments_lexer_of
from .layout import lines_of
from .promptparts import PromptCompleter, PromptHistory, described, lexer_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    from prompt_toolkit.key_binding import KeyPressEvent

    from scriptengines.session import Session
    from scriptengines.view import LogRecord

    from .conversation import Answer, Conversation

STYLE = Style.from_dict(
    {
        "alias": "bold",
        "language": "ansicyan",
        "mark": "ansibrightblack",
        "error": "ansired",
        "warning": "ansiyellow",
        "log": "ansibrightblack",
        "bottom-toolbar": "noreverse ansibrightblack",
        "bottom-toolbar.name": "noreverse bold",
    }
)
_LOG_STYLES = {"error": "class:error", "warning": "class:warning", "output": ""}


class Prompt:
    """Reads inputs from a terminal until the user leaves.

    Args:
        session: Whose reports are shown.
        conversation: Runs the inputs.
        shows: Levels of log records that are shown.
    """

    def __init__(self, session: Session, conversation: Conversation, shows: frozenset[str]) -> None:
        self._session = session
        self._conversation = conversation
        self._shows = shows
        self._output = create_output(stdout=sys.__stdout__)
        self._completer = PromptCompleter(conversation)
        self._prompts: dict[str, PromptSession[str]] = {}
        self._signal = 0
        self._interrupt: Callable[[], None] | None = None
        self._writing: asyncio.Task[None] | None = None
        self._waiting: list[LogRecord] = []

    def run(self) -> int:
        """Converse; the number of the signal that ended it, 0 when the user did."""
        with _without_echo():
            asyncio.run(self._converse())
        return self._signal

    async def _converse(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_reader(self._session.wake_descriptor, self._take_reports)
        # At all times: it may come between an input and the next prompt, to which it is a key.
        loop.add_signal_handler(signal.SIGINT, self._stop)
        loop.add_signal_handler(signal.SIGTERM, self._end, signal.SIGTERM)
        loop.add_signal_handler(signal.SIGHUP, self._end, signal.SIGHUP)
        self._take_reports()
        while not self._signal:
            try:
                text = await self._prompt().prompt_async(self._message, handle_sigint=False)
            except KeyboardInterrupt:
                continue
            except EOFError:
                break
            if text.strip():
                answer = await self._run(text)
                self._show(answer)
                if answer.leaves:
                    break
        loop.remove_reader(self._session.wake_descriptor)

    def _stop(self) -> None:
        if self._interrupt is not None:
            threading.Thread(target=self._interrupt, name="interrupt", daemon=True).start()

    def _end(self, number: int) -> None:
        """Leave in good order, so that the terminal is as it was."""
        self._signal = number
        for prompt in self._prompts.values():
            if prompt.app.is_running:
                prompt.app.exit(exception=EOFError)

    # ---- running ---------------------------------------------------------------------------------

    async def _run(self, text: str) -> Answer:
        """Run an input on a thread of its own; ctrl-c stops it."""
        from .conversation import Answer

        loop = asyncio.get_running_loop()
        done: asyncio.Future[Answer] = loop.create_future()

        def settle(answer: Answer) -> None:
            if not done.done():
                done.set_result(answer)

        def tell(answer: Answer) -> None:
            with contextlib.suppress(RuntimeError):  # nobody waits any more
                loop.call_soon_threadsafe(settle, answer)

        def run() -> None:
            tell(self._conversation.run(text))

        def interrupt() -> None:
            if not self._conversation.interrupt() and not done.done():
                tell(Answer(error="It cannot be stopped, and goes on; :quit leaves all the same."))

        self._interrupt = interrupt
        threading.Thread(target=run, name="input", daemon=True).start()
        try:
            return await done
        finally:
            self._interrupt = None
            self._take_reports()  # what the input has printed comes before what it gave

    def _show(self, answer: Answer) -> None:
        width = max(20, self._output.get_size().columns)
        for line in answer.lines:
            self._write([("", "\n".join(clean_lines(line)))])
        for result in answer.results:
            text = "\n".join(" ".join(clean_lines(line)) for line in lines_of(result, width))
            lexer = pygments_lexer_of(self._conversation.language)
            tokens = (
                [("", text)]
                if lexer is None
                else list(PygmentsTokens([*lexer.get_tokens(text)]).__pt_formatted_text__())
            )
            self._write(_without_last_line_end(tokens))
        if answer.error:
            self._write([("class:error", "\n".join(clean_lines(answer.error)))])

    # ---- reports -----------------------------------------------------------------------------------

    def _take_reports(self) -> None:
        self._session.wait(0)
        while records := self._session.records(1000):
            self._waiting += [record for record in records if record.level in self._shows]
            if self._prompt().app.is_running:
                if self._writing is None or self._writing.done():
                    self._writing = asyncio.ensure_future(run_in_terminal(self._write_reports))
            else:
                self._write_reports()

    def _write_reports(self) -> None:
        records, self._waiting = self._waiting, []
        for record in records:
            style = _LOG_STYLES.get(record.level, "class:log")
            head = "" if record.level == "output" else f"{record.level}: "
            head += f"{clean(record.script)}: " if record.script and record.level != "output" else ""
            self._write([(style, head + "\n".join(clean_lines(record.text)))])

    def _write(self, parts: Iterable[tuple[str, str]]) -> None:
        print_formatted_text(FormattedText(list(parts)), style=STYLE, output=self._output)

    # ---- the prompt ----------------------------------------------------------------------------------

    def _message(self) -> FormattedText:
        return FormattedText(
            [
                ("class:alias", self._conversation.alias),
                ("class:language", f" {self._conversation.language}"),
                ("class:mark", "> "),
            ]
        )

    def _prompt(self) -> PromptSession[str]:
        """The one of the current language; each has its history."""
        language = self._conversation.language
        if language not in self._prompts:
            self._prompts[language] = PromptSession(
                multiline=True,
                output=self._output,
                style=STYLE,
                lexer=DynamicLexer(lambda: lexer_of(language)),
                completer=self._completer,
                complete_while_typing=False,
                complete_in_thread=True,
                complete_style=CompleteStyle.COLUMN,
                history=PromptHistory(self._conversation.history, language),
                key_bindings=self._keys(),
                prompt_continuation=lambda width, _line, _soft: FormattedText(
                    [("class:mark", "· ".rjust(width))]
                ),
                bottom_toolbar=self._toolbar,
                include_default_pygments_style=True,
            )
            # A terminal that does not say where its cursor is has no bar below; that is no news to tell.
            self._prompts[language].app.renderer.cpr_not_supported_callback = None
        return self._prompts[language]

    def _toolbar(self) -> Any:
        state = self._prompt().default_buffer.complete_state
        chosen = None if state is None else state.current_completion
        if chosen is not None:
            return described(chosen)
        told = self._completer.told(self._prompt().default_buffer.document.current_line_before_cursor)
        return told or "tab completes · alt-enter breaks the line · ctrl-c stops · ctrl-d leaves · :help"

    def _keys(self) -> KeyBindings:
        keys = KeyBindings()
        bind: Callable[..., Any] = keys.add

        @bind("enter", filter=~completion_is_selected)
        def _(event: KeyPressEvent) -> None:
            buffer = event.current_buffer
            buffer.complete_state = None
            if self._conversation.is_complete(buffer.text):
                buffer.validate_and_handle()
            else:
                buffer.insert_text(
                    "\n" + indented(buffer.document.text_before_cursor, self._conversation.language)
                )

        @bind("enter", filter=completion_is_selected)
        def _(event: KeyPressEvent) -> None:
            event.current_buffer.complete_state = None

        @bind("escape", "enter")
        def _(event: KeyPressEvent) -> None:
            event.current_buffer.insert_text("\n")

        @bind("c-c")
        def _(event: KeyPressEvent) -> None:
            event.current_buffer.reset()

        blank = Condition(
            lambda: not self._prompt().default_buffer.document.current_line_before_cursor.strip()
        )

        @bind("tab", filter=blank)
        def _(event: KeyPressEvent) -> None:
            event.current_buffer.insert_text("    ")

        return keys


@contextlib.contextmanager
def _without_echo() -> Generator[None]:
    """What is typed while an input runs belongs to the next prompt, which shows it."""
    before = termios.tcgetattr(0)
    quiet = termios.tcgetattr(0)
    # Where lines are edited by the terminal, it would take ctrl-d for itself and leave NUL to the prompt.
    quiet[3] &= ~(termios.ECHO | termios.ICANON)
    termios.tcsetattr(0, termios.TCSANOW, quiet)
    try:
        yield
    finally:
        termios.tcsetattr(0, termios.TCSANOW, before)


def _without_last_line_end(parts: list[Any]) -> list[Any]:
    if parts and parts[-1][1].endswith("\n"):
        parts[-1] = (parts[-1][0], parts[-1][1][:-1])
    return parts


def die_of(number: int) -> None:
    """End as a process does that a signal has killed."""
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
