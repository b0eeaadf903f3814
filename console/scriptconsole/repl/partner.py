"""A Session as a conversation asks it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from scriptengines.completion import Completion
    from scriptengines.results import Result
    from scriptengines.session import Session
    from scriptengines.view import FunctionInfo


class SessionPartner:
    """What a conversation needs of a session; see Partner."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.reload = session.reload
        self.interrupt = session.interrupt

    def language(self, alias: str) -> str:
        """Name of a script's engine."""
        return self._session.script(alias).engine.name

    def aliases(self) -> list[str]:
        """All scripts, in order of loading."""
        return [script.alias for script in self._session.scripts]

    def load(self, path: Path) -> str:
        """Load a script; its alias."""
        return self._session.load(path).alias

    def functions(self, alias: str) -> list[FunctionInfo]:
        """What a script offers to call."""
        return self._session.functions(alias)

    def variables(self, alias: str) -> list[tuple[str, str, str]]:
        """Name, type and text of a script's variables."""
        script = self._session.script(alias)
        return [(name, kind, text) for name, kind, text, _ in script.variables()]

    def is_complete(self, alias: str, code: str) -> bool:
        """Whether code can be run as it is."""
        return self._session.is_complete(alias, code)

    def interact(self, alias: str, code: str) -> list[Result]:
        """Run what was typed."""
        return self._session.interact(alias, code)

    def completions(self, alias: str, text: str, cursor: int) -> list[Completion]:
        """What can stand at the cursor."""
        return self._session.completions(alias, text, cursor)
