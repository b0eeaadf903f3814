"""Apps for the tests of themes."""

from __future__ import annotations

from scriptconsole.app import ScriptConsoleApp
from scriptconsole.config.settings import DEFAULTS
from tests.console.recording import NOW, RecordedSession


def app_with(theme: str, session: RecordedSession) -> ScriptConsoleApp:
    """An app whose configuration names a theme."""
    return ScriptConsoleApp(session, clock=lambda: NOW, settings=DEFAULTS._replace(theme=theme))
