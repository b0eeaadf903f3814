"""The menu of completions over the input of the REPL pane."""

from __future__ import annotations

from collections.abc import Sequence

from textual.content import Content
from textual.widgets import Static

from scriptconsole.text import clean, clip, width_of
from scriptengines.completion import Completion

LINES = 7
NAME_WIDTH = 28


class CompletionMenu(Static):
    """Some completions, the chosen one with its signature and documentation."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id, markup=False)
        self.entries: Sequence[Completion] = ()
        self.index = 0
        self.display = False

    @property
    def chosen(self) -> Completion | None:
        """What enter would insert; None while it is closed."""
        return self.entries[self.index] if self.display and self.entries else None

    def open(self, entries: Sequence[Completion]) -> None:
        """Show completions, the first one chosen."""
        self.entries, self.index = entries, 0
        self.display = bool(entries)
        self._draw()

    def close(self) -> None:
        """Hide it."""
        self.display = False

    def move(self, step: int) -> None:
        """Choose the next one, or the one before."""
        self.index = (self.index + step) % len(self.entries)
        self._draw()

    def _draw(self) -> None:
        if not self.entries:
            return
        width = max(40, self.screen.size.width - 4)
        first = max(0, min(self.index - LINES // 2, len(self.entries) - LINES))
        shown = self.entries[first : first + LINES]
        names = min(NAME_WIDTH, max(width_of(clean(each.text)) for each in shown))
        lines: list[Content] = []
        for number, each in enumerate(shown, start=first):
            name = clip(clean(each.text), names)
            mark = "▸" if number == self.index else " "
            head = f"{mark} {name}{' ' * (names - width_of(name))} "
            tail = clip(clean(f"{each.kind:9}{each.signature}"), max(0, width - width_of(head)))
            lines.append(
                Content.assemble((head, "bold" if number == self.index else ""), (tail, "$foreground-muted"))
            )
        doc = clean(self.entries[self.index].doc.partition("\n")[0])
        count = f"{self.index + 1} of {len(self.entries)}"
        lines.append(
            Content.assemble((f"  {count}  ", "$foreground-muted"), clip(doc, max(0, width - len(count) - 4)))
        )
        self.update(Content("\n").join(lines))
