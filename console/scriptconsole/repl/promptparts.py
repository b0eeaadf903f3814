"""What the prompt of the terminal is made of besides its loop: completion menu, history, colours."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from prompt_toolkit.completion import CompleteEvent, Completer
from prompt_toolkit.completion import Completion as MenuEntry
from prompt_toolkit.formatted_text import FormattedText, to_plain_text
from prompt_toolkit.history import History as PromptHistoryBase
from prompt_toolkit.lexers import Lexer, PygmentsLexer

from scriptconsole.text import clean

from .languages import pygments_lexer_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prompt_toolkit.document import Document

    from .conversation import Conversation
    from .history import History

META_LIMIT = 100
_LAST_NAME = re.compile(r"(\w+)(?:\([^()]*)?\Z")


class PromptCompleter(Completer):
    """Completions of a conversation as entries of a menu."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self._known: dict[str, str] = {}

    def told(self, text: str) -> Any:
        """What is known of the function or name that a text ends with, for the bar below."""
        found = _LAST_NAME.search(text)
        meta = None if found is None else self._known.get(found[1])
        if found is None or meta is None:
            return None
        return FormattedText([("class:bottom-toolbar.name", found[1]), ("", f" {meta}")])

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[MenuEntry]:
        """Give the entries; on a thread of its own."""
        del complete_event
        cursor = document.cursor_position
        for found in self._conversation.completions(document.text, cursor):
            first_line = clean(found.doc.partition("\n")[0])
            meta = f"{clean(found.signature)}  {first_line}".strip()
            if found.signature and found.kind != "command":
                self._known[found.text] = meta
            yield MenuEntry(
                found.text,
                start_position=found.start - cursor,
                display=clean(found.text),
                display_meta=meta if len(meta) <= META_LIMIT else meta[: META_LIMIT - 1] + "…",
            )


def described(chosen: MenuEntry) -> Any:
    """The chosen entry with its signature and documentation, for the bar below."""
    name, meta = to_plain_text(chosen.display), to_plain_text(chosen.display_meta)
    return FormattedText([("class:bottom-toolbar.name", name), ("", f" {meta}")])


class PromptHistory(PromptHistoryBase):
    """The kept inputs of one language; the conversation is who keeps them.

    Args:
        history: Of the project.
        language: Of the script.
    """

    def __init__(self, history: History, language: str) -> None:
        super().__init__()
        self._history = history
        self._language = language

    def load_history_strings(self) -> Iterable[str]:
        """Give the inputs, newest first."""
        return reversed(self._history.inputs(self._language))

    def append_string(self, string: str) -> None:
        """An input is run: it can be found again as long as it may be kept."""
        text = string.rstrip()
        if text and not text[0].isspace() and text not in self._loaded_strings[:1]:
            self._loaded_strings.insert(0, text)

    def store_string(self, string: str) -> None:
        """Nothing: Conversation.run does."""


@cache
def lexer_of(language: str) -> Lexer | None:
    """The same, as the prompt takes it."""
    found: Any = pygments_lexer_of(language)
    return None if found is None else PygmentsLexer(cast("Any", type(found)))
