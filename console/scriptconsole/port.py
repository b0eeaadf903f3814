"""What the screen asks of a session: the one interface between the Textual app and the engines.

`scriptengines.session.Session` satisfies it; so does the recorded session of the screen tests.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

from scriptengines.completion import Completion
from scriptengines.health import FunctionStatistics
from scriptengines.results import Result
from scriptengines.view import DifferenceView, Frame, FunctionInfo, LogRecord, Tapped


class SessionPort(Protocol):
    """A running session.

    `frame` returns at once and belongs to the UI thread. Every other method may wait for a script, so the app
    calls it from a worker thread only.
    """

    def frame(self) -> Frame:
        """Return all a screen shows now; its log holds only the records since the call before."""
        ...

    def records(self, limit: int) -> Sequence[LogRecord]:
        """Return records of the log before the next frame would, oldest first."""
        ...

    def load(self, path: Path, alias: str | None = None) -> object:
        """Load a script file under an alias, by default its stem."""
        ...

    def unload(self, alias: str) -> object:
        """End a script and forget it."""
        ...

    def reload(self, alias: str) -> object:
        """Replace a script's code by what its file holds now, all or nothing."""
        ...

    def pause(self, alias: str) -> object:
        """Hold back a script's callbacks."""
        ...

    def resume(self, alias: str) -> object:
        """Let a paused script's callbacks run again."""
        ...

    def interrupt(self, alias: str) -> object:
        """Stop what a script executes now."""
        ...

    def call(self, alias: str, function: str, /, *args: object, **kwargs: Any) -> object:
        """Call a function of a script and return its result."""
        ...

    def evaluate(self, alias: str, expression: str) -> object:
        """Evaluate an expression in a script's own language and namespace."""
        ...

    def functions(self, alias: str) -> list[FunctionInfo]:
        """List what a script offers to call."""
        ...

    def is_complete(self, alias: str, code: str) -> bool:
        """Whether code that is being typed can be run as it is; returns at once."""
        ...

    def interact(self, alias: str, code: str) -> list[Result]:
        """Run what was typed into a script; what an expression gives."""
        ...

    def statistics(self, alias: str) -> list[FunctionStatistics]:
        """List how often each function of a script was called, and how long that took."""
        ...

    def completions(self, alias: str, text: str, cursor: int) -> list[Completion]:
        """List what can stand in `text` at `cursor`, the likeliest first."""
        ...

    def emit(self, hook: str, /, *args: object) -> object:
        """Emit a hook to all its subscribers."""
        ...

    def consult(self, hook: str, /, *args: object) -> object:
        """Emit a hook and tell what its subscribers made of it; see scriptengines.hooks.Outcome."""
        ...

    def record_calls(self, on: bool) -> object:
        """Let frames tell of calls, or no longer."""
        ...

    def enable_subscriber(self, number: int, enabled: bool) -> bool:
        """Let a subscriber of a hook be called, or passed over; false when it was gone already."""
        ...

    def expand(self, alias: str, path: tuple[str | int, ...], items: int = 100) -> object:
        """Show in the frame what is inside the variable at an address, at most `items` of it."""
        ...

    def collapse(self, alias: str, path: tuple[str | int, ...]) -> object:
        """Show it no more."""
        ...

    def set_variable(self, alias: str, path: tuple[str | int, ...], text: str) -> object:
        """Put the value of an expression in the script's language at an address."""
        ...

    def add_watch(self, alias: str, expression: str) -> int:
        """Evaluate an expression again and again, for the frame; return its number."""
        ...

    def remove_watch(self, number: int) -> bool:
        """Evaluate it no more; false when it was gone already."""
        ...

    def mark(self, alias: str) -> object:
        """Remember the variables of a script as they are now."""
        ...

    def differences(
        self, alias: str, against: Literal["mark", "generation"] = "mark"
    ) -> Sequence[DifferenceView]:
        """List what is not as it was at the mark, or when the generation before ended."""
        ...

    def cancel_timer(self, alias: str, timer_id: int) -> bool:
        """Cancel a pending timer; false when it was gone already."""
        ...

    def fire_timer(self, alias: str, timer_id: int) -> bool:
        """Let a timer fire now; false when it was gone already."""
        ...

    def pause_timer(self, alias: str, timer_id: int) -> bool:
        """Hold a timer back; false when it was gone already."""
        ...

    def resume_timer(self, alias: str, timer_id: int) -> bool:
        """Let a paused timer go on with what was left; false when it was gone already."""
        ...

    def change_interval(self, alias: str, timer_id: int, milliseconds: float) -> bool:
        """Give a timer another interval; false when it was gone already."""
        ...

    def tap(self, alias: str, connection_id: int, on: bool = True) -> bool:
        """Begin or end to keep the last bytes of a connection; false when it was gone already."""
        ...

    def tapped(self, alias: str, connection_id: int) -> Tapped:
        """Return the last bytes of a connection since it was tapped."""
        ...

    def close_connection(self, alias: str, connection_id: int) -> bool:
        """Close a connection; false when it was gone already."""
        ...

    def watch(self) -> object:
        """Start to reload scripts whose files change."""
        ...

    def close(self) -> object:
        """End every script and everything they opened."""
        ...
