"""Named events and who subscribes to them, over all scripts of a session.

A subscriber may return what `veto` or `replace` gives: these are plain values, so that they cross from every
language. Any other result is ignored.
"""

from __future__ import annotations

import itertools
import threading
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from scriptnative import emitter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from .attempt import Attempt

_VETO = "scriptconsole.veto"
_REPLACE = "scriptconsole.replace"
_NOBODY: tuple[tuple[()], tuple[()]] = ((), ())


def veto(reason: str = "") -> tuple[str, str]:
    """What a subscriber returns to keep the rest from being called.

    Args:
        reason: For whoever asked; see Outcome.
    """
    return _VETO, reason


def replace(*args: Any) -> tuple[Any, ...]:
    """What a subscriber returns to give those after it, and whoever asked, other arguments."""
    return _REPLACE, *args


class Subscription(NamedTuple):
    """One callback of one generation of a script."""

    id: int
    hook: str
    callback: Callable[..., Any]
    priority: int
    attempt: Attempt


class Outcome(NamedTuple):
    """What became of a hook.

    Attributes:
        taken: How many subscribers took it without an error, the one that vetoed included.
        args: The arguments as they are after all replacements.
        vetoed_by: Alias of the script that vetoed, "" if none did.
        reason: What it gave as its reason.
    """

    taken: int
    args: tuple[Any, ...]
    vetoed_by: str = ""
    reason: str = ""


class Hooks:
    """The subscriptions of a session, in the order they are called: priority first, then age.

    Attributes:
        emit: `emit(hook, *args)` calls the subscribers among the running generations and gives how many took
            it; one that fails is reported and skipped.
    """

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._by_hook: dict[str, tuple[Subscription, ...]] = {}
        # Those of running generations, as the emitter wants them: their callbacks, and again as a whole.
        self._running: dict[str, tuple[tuple[Callable[..., Any], ...], tuple[Subscription, ...]]] = {}
        self._ids = itertools.count(1)
        self.emit = emitter(self._running, _settle)

    def subscribe(
        self, hook: str, callback: Callable[..., Any], priority: int, attempt: Attempt, *, once: bool = False
    ) -> int:
        """Add a callback, or one that is called a single time; its number is for `unsubscribe`."""
        number = next(self._ids)
        if once:
            callback = partial(self._call_once, number, attempt, callback)
        subscription = Subscription(number, str(hook), callback, int(priority), attempt)
        with self._mutex:
            all_of_hook = [*self._by_hook.get(subscription.hook, ()), subscription]
            all_of_hook.sort(key=lambda each: (-each.priority, each.id))
            self._put(subscription.hook, tuple(all_of_hook))
        return subscription.id

    def _call_once(self, number: int, attempt: Attempt, callback: Callable[..., Any], *args: Any) -> Any:
        return callback(*args) if self.unsubscribe(number, attempt) else None

    def unsubscribe(self, number: int, attempt: Attempt) -> bool:
        """Remove a callback of this generation; whether there was one."""
        return self._remove(lambda each: each.id == number and each.attempt is attempt)

    def forget(self, attempt: Attempt) -> None:
        """Remove all callbacks of a generation."""
        self._remove(lambda each: each.attempt is attempt)

    def subscribers(self, hook: str) -> tuple[Subscription, ...]:
        """Those of a hook among the running generations, in the order they are called."""
        return self._running.get(hook, _NOBODY)[1]

    @property
    def names(self) -> tuple[str, ...]:
        """The hooks that have a subscriber."""
        return tuple(self._by_hook)

    def _remove(self, unwanted: Callable[[Subscription], bool]) -> bool:
        removed = False
        with self._mutex:
            for hook, subscriptions in list(self._by_hook.items()):
                kept = tuple(each for each in subscriptions if not unwanted(each))
                removed = removed or len(kept) != len(subscriptions)
                self._put(hook, kept)
        return removed

    def refresh(self, attempt: Attempt) -> None:
        """A generation has begun to run, or has ceased to."""
        with self._mutex:
            for hook, subscriptions in list(self._by_hook.items()):
                if any(each.attempt is attempt for each in subscriptions):
                    self._put(hook, subscriptions)

    def _put(self, hook: str, subscriptions: tuple[Subscription, ...]) -> None:
        """Under the mutex."""
        running = tuple(each for each in subscriptions if each.attempt.running)
        if running:
            self._running[hook] = tuple(each.callback for each in running), running
        else:
            self._running.pop(hook, None)
        if subscriptions:
            self._by_hook[hook] = subscriptions
        else:
            self._by_hook.pop(hook, None)

    def consult(self, hook: str, *args: Any) -> Outcome:
        """As `emit`, for a caller who acts on what the subscribers say.

        Returns:
            Who took it, the arguments they left, and whether one vetoed.
        """
        return _go_on(hook, self.subscribers(hook), args, 0)


def _settle(
    hook: str, subscribers: tuple[Subscription, ...], index: int, args: tuple[Any, ...], answer: Any
) -> int:
    """Finish an emission whose subscriber at `index` raised or answered; see scriptnative.emitter."""
    return _go_on(hook, subscribers[index:], args, index, answer).taken


def _go_on(
    hook: str, subscribers: Iterable[Subscription], args: tuple[Any, ...], taken: int, answer: Any = None
) -> Outcome:
    """Call subscribers in turn; `answer` is what the first has given already."""
    for each in subscribers:
        try:
            if answer is None:
                answer = each.callback(*args)
            if isinstance(answer, Exception):
                raise answer
        except Exception as error:  # noqa: BLE001 - reported under the subscriber's name
            each.attempt.script.reporter.error(f'hook "{hook}"', error)
            answer = None
            continue
        taken += 1
        ruling, answer = _ruling(answer), None
        if ruling and ruling[0] == _VETO:
            reason = str(ruling[1]) if len(ruling) > 1 else ""
            return Outcome(taken, args, each.attempt.script.alias, reason)
        if ruling:
            args = tuple(ruling[1:])
    return Outcome(taken, args)


def _ruling(answer: Any) -> Sequence[Any]:
    """The answer, if it is one of `veto` or `replace`; several results of a Lua function are a tuple."""
    if isinstance(answer, (tuple, list)) and answer:
        ruling = cast("Sequence[Any]", answer)
        if ruling[0] in (_VETO, _REPLACE):
            return ruling
    return ()
