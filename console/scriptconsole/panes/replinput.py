"""The line, or lines, in which code is typed: colours, history, and the keys of a prompt."""

from __future__ import annotations

from collections.abc import Sequence

from pygments.token import Comment, Keyword, Name, Number, String, Token
from rich.style import Style
from textual import events
from textual.color import Color, ColorParseError
from textual.message import Message
from textual.widgets import TextArea
from textual.widgets.text_area import TextAreaTheme

from scriptconsole.repl.languages import pygments_lexer_of
from scriptconsole.screens.host import console_of

_STYLES = (
    (Comment, "comment"),
    (Keyword, "keyword"),
    (Number, "number"),
    (String, "string"),
    (Name.Builtin, "builtin"),
)
_COLORS = {
    "comment": "foreground-muted",
    "keyword": "accent",
    "number": "warning",
    "string": "success",
    "builtin": "secondary",
}
THEME = "scriptconsole"


class ReplInput(TextArea):
    """A TextArea that asks its pane what to do with the keys of a prompt."""

    OWN_KEYS = frozenset(
        {"enter", "tab", "escape", "ctrl+c", "ctrl+r", "up", "down", "delete", "home", "end"}
    )
    """Keys that mean something here, whatever they mean elsewhere."""

    class Pressed(Message):
        """A key that is the pane's to handle; its name as Textual has it."""

        def __init__(self, key: str) -> None:
            super().__init__()
            self.key = key

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id, compact=True, show_line_numbers=False, soft_wrap=True)
        self.code_language = ""
        self.asked: Sequence[str] = ()
        """Further keys that the pane handles now, those of an open menu."""
        self.cursor_blink = False

    def on_mount(self) -> None:
        """Take on the colours of the app's theme."""
        self._take_colors()
        console_of(self).theme_changed_signal.subscribe(self, lambda _: self._take_colors())

    def _take_colors(self) -> None:
        variables = console_of(self).get_css_variables()
        styles: dict[str, Style] = {}
        for name, variable in _COLORS.items():
            try:
                color = Color.parse(variables.get(variable, "")).rich_color
            except ColorParseError:  # a theme without it
                color = None
            styles[name] = Style(color=color, bold=name == "keyword", italic=name == "comment")
        self.register_theme(TextAreaTheme(THEME, syntax_styles=styles))
        self.theme = THEME
        self._build_highlight_map()
        self.refresh()

    def use_language(self, language: str) -> None:
        """Colour the code of a language."""
        if language != self.code_language:
            self.code_language = language
            self._build_highlight_map()
            self.refresh()

    def _build_highlight_map(self) -> None:
        """Colour by pygments; TextArea itself would need a grammar in C for each language."""
        super()._build_highlight_map()
        lexer = pygments_lexer_of(self.code_language) if "code_language" in self.__dict__ else None
        if lexer is None:
            return
        row = column = 0
        for kind, text in lexer.get_tokens(self.text):
            style = (
                next((name for token, name in _STYLES if kind in token), "") if kind is not Token.Text else ""
            )
            for number, part in enumerate(text.split("\n")):
                if number:
                    row, column = row + 1, 0
                end = column + len(part.encode("utf-8", "surrogateescape"))
                if style and part:
                    self._highlights[row].append((column, end, style))
                column = end

    async def _on_key(self, event: events.Key) -> None:
        row, _ = self.cursor_location
        handled = event.key in ("enter", "tab", "escape", "ctrl+c", "ctrl+r", *self.asked)
        if event.key == "ctrl+c" and self.selected_text:
            handled = False
        handled = handled or (event.key == "up" and row == 0)
        handled = handled or (event.key == "down" and row == self.document.line_count - 1)
        if handled:
            event.stop()
            event.prevent_default()
            self.post_message(self.Pressed(event.key))
        elif event.key in ("alt+enter", "shift+enter"):
            event.stop()
            event.prevent_default()
            self.insert("\n")
