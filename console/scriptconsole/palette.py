"""What the command palette searches: the actions of the registry, and the themes."""

from __future__ import annotations

from contextlib import suppress
from functools import partial

from textual.await_complete import AwaitComplete
from textual.command import CommandPalette, DiscoveryHit, Hit, Hits, Provider

from scriptconsole.actions import Action, key_name
from scriptconsole.screens.host import console_of
from scriptconsole.screens.main import MainScreen


class ActionProvider(Provider):
    """Offers every action that means something in the focused pane."""

    def _offered(self) -> list[Action]:
        screen = self.screen
        if not isinstance(screen, MainScreen):
            return []
        pane = screen.pane_name or screen.recent[0]
        return [action for action in console_of(screen).registry.in_pane(pane) if action.palette]

    def _run(self, action: Action) -> partial[object]:
        return partial(self.screen.run_action, action.command)

    async def discover(self) -> Hits:
        """Offer everything before anything is typed."""
        for action in self._offered():
            yield DiscoveryHit(_title(action), self._run(action), help=action.tooltip)

    async def search(self, query: str) -> Hits:
        """Offer what matches."""
        matcher = self.matcher(query)
        for action in self._offered():
            title = _title(action)
            score = max(matcher.match(title), 0.8 * matcher.match(action.tooltip))
            if score > 0:
                yield Hit(score, matcher.highlight(title), self._run(action), help=action.tooltip)


LIMITED = "This terminal has 16 colours at most, or NO_COLOR is set: only scriptconsole-terminal can be read."
"""Why a theme cannot be chosen."""


class ThemeProvider(Provider):
    """Offers all themes."""

    async def discover(self) -> Hits:
        """Offer all of them before anything is typed."""
        for name in console_of(self.screen).appearance.names:
            yield DiscoveryHit(name, partial(console_of(self.screen).choose_theme, name))

    async def search(self, query: str) -> Hits:
        """Offer what matches."""
        matcher = self.matcher(query)
        for name in console_of(self.screen).appearance.names:
            if (score := matcher.match(name)) > 0:
                yield Hit(score, matcher.highlight(name), partial(console_of(self.screen).choose_theme, name))


def _title(action: Action) -> str:
    return f"{action.label}  ({key_name(action.keys[0])})" if action.keys else action.label


class Palette(CommandPalette):
    """Textual's palette, of which page keys find no page while its list is not laid out yet."""

    def dismiss(self, result: None = None) -> AwaitComplete:
        """Close it, if it is the one on top; see Overlay."""
        return super().dismiss(result) if self.is_active else AwaitComplete.nothing()

    def _action_command_list(self, action: str) -> None:
        with suppress(KeyError):
            super()._action_command_list(action)
