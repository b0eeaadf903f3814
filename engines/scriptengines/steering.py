"""What is done to timers by hand: those of a script and those of asyncio, in every engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from .loop import ScriptLoop

type TimerStep = Literal["fire", "pause", "resume", "change"]
"""Fire it now, besides its beat; keep what is left of its time; go on with that; change its interval."""


def steer_timer(loop: ScriptLoop, timer_id: int, step: TimerStep, milliseconds: float = 0.0) -> bool:
    """Take a step with a timer; holding the run lock.

    Args:
        loop: Of its script.
        timer_id: Its number in the rows.
        step: What to do.
        milliseconds: The new interval; of what fires once, the time from now.

    Returns:
        Whether it was pending.
    """
    due = loop.find_timer(timer_id)
    if due is None:
        return False
    schedule = loop.schedule
    if step == "fire":
        found = schedule.fire_now(due)
    elif step == "pause":
        found = schedule.pause(due)
    elif step == "resume":
        found = schedule.resume(due)
    else:
        found = schedule.change(due, milliseconds)
    loop.wake()  # what it waits for may be another now
    return found
