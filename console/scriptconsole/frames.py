"""When the session is looked at: many times a second while something happens, rarely while nothing does.

What a frame looks like is the main screen's; this hands it over, on the UI thread and in small pieces.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from textual import events

from scriptconsole.jobs import explain
from scriptengines.view import Frame

if TYPE_CHECKING:
    from scriptconsole.app import ScriptConsoleApp

CALM_AFTER = 1.0
"""Seconds without a change and without a key after which frames become rarer."""
CALM_PERIOD = 0.4
"""Seconds between two frames then."""
CALM_SHOWN = 1.0
"""Seconds after which a frame is shown in which nothing has changed but ages: these are told in seconds."""
PRECEDENCE = 0.03
"""Seconds after a key or click in which what it changes is painted before anything else is looked at."""
MANY_RECORDS = 300
"""Of the log in one frame, from which on they are taken in `SLICES`: all at once would hold keys up."""
SLICES = 4
"""In which the records of a frame are taken then."""
RECORDS_AT_ONCE = 5_000
"""Of a slice at most."""


class Frames:
    """The frames that one app shows."""

    def __init__(self, app: ScriptConsoleApp) -> None:
        """Show nothing yet.

        Args:
            app: Whose session is shown on its main screen.
        """
        self._app = app
        self._changed_at = 0.0
        self._touched_at = 0.0
        self._put_off = False
        self._next: asyncio.TimerHandle | None = None
        self._slices: list[asyncio.TimerHandle] = []
        self._waiting: list[Frame] = []
        """Looks that no message has shown yet, oldest first."""
        self._many = False
        self._blind = False

    def begin(self) -> None:
        """Show the first frame, and go on."""
        self._changed_at = time.monotonic()
        self.show()
        self._await()

    def end(self) -> None:
        """Show no more."""
        for handle in (self._next, *self._slices):
            if handle is not None:
                handle.cancel()
        self._next, self._slices = None, []

    def touched(self) -> None:
        """The user does something, which takes precedence."""
        self._touched_at = time.monotonic()
        self.stir()

    @property
    def _gives_way(self) -> bool:
        return time.monotonic() - self._touched_at < PRECEDENCE

    def stir(self) -> None:
        """Something is going on, so that frames come quickly."""
        calm = self._calm
        self._changed_at = time.monotonic()
        if calm and self._next is not None:
            self._next.cancel()
            self._await()

    @property
    def _calm(self) -> bool:
        return time.monotonic() - self._changed_at > CALM_AFTER

    def _await(self) -> None:
        """Wait for the next frame; a timer of Textual's costs more."""
        period = 1 / self._app.settings.frame_rate
        wait = max(CALM_PERIOD, period) if self._calm else period
        call_later = asyncio.get_running_loop().call_later
        self._next = call_later(wait, self._show_next)
        turns = range(1, SLICES) if self._many else ()
        self._slices = [call_later(wait * turn / SLICES, self._app.call_later, self._take) for turn in turns]

    def _show_next(self) -> None:
        """Look; what there is to see is shown by a message, which costs much more than the look."""
        if self._gives_way and not self._put_off:  # once, or a key that is held down would stop all frames
            self._put_off = True
            self._next = asyncio.get_running_loop().call_later(PRECEDENCE, self._show_next)
            return
        self._put_off = False
        self._await()
        if self._app.collector is not None:
            self._app.collector.turn(calm=self._calm)
        frame = self._look()
        if frame is not None:
            self._waiting.append(frame)
            # As `call_later` of Textual's, which looks at the parameters of what is called each time.
            self._app.post_message(events.Callback(self._show_waiting))

    @property
    def _shown(self) -> bool:
        return not self._app.leaving and self._app.main.is_running

    def show(self) -> None:
        """Show the session as it is now."""
        frame = self._look()
        if frame is not None:
            self._waiting.append(frame)
        self._show_waiting()

    def _show_waiting(self) -> None:
        frames, self._waiting = self._waiting, []
        for frame in frames:
            if self._shown:
                self._app.out.look(frame)
                self._app.main.apply(frame)
        if self._shown and self._app.memory is not None:
            self._app.memory.look_after(quiet=self._calm)

    def _look(self) -> Frame | None:
        """Return the session as it is now, None if that looks as before."""
        if not self._shown:
            return None
        try:
            frame = self._app.session.frame()
        except Exception as error:  # noqa: BLE001 - the next one may work
            self._look_failed(error)
            return None
        self._blind = False
        self._many = len(frame.log) > MANY_RECORDS
        latest = self._app.main.latest
        if _lively(frame) != _lively(latest):
            self.stir()
        elif self._calm and not frame.timers and 0 <= frame.time - latest.time < CALM_SHOWN:
            return None
        return frame

    def _take(self) -> None:
        if self._gives_way:  # the next frame takes these records too
            return
        self._show_waiting()  # its records come first
        if not self._shown or self._blind:
            return
        try:
            records = self._app.session.records(RECORDS_AT_ONCE)
        except Exception as error:  # noqa: BLE001 - as for a frame
            self._look_failed(error)
        else:
            self._app.main.take_log(records)

    def _look_failed(self, error: Exception) -> None:
        """Say once that nothing is seen; the next frame may work, until then the last one stays."""
        self._many = False
        if not self._blind:
            self._blind = True
            self._app.fail(f"The scripts cannot be looked at: {explain(error)}")


def _lively(frame: Frame) -> Frame:
    """A frame without what always changes a little."""
    scripts = tuple(script._replace(cpu=0.0, memory=None) for script in frame.scripts)
    return frame._replace(time=0.0, scripts=scripts)
