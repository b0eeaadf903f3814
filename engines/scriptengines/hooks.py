"""Named events and who subscribes to them, over all scripts of a session.

A subscriber may return what `veto` or `replace` gives: these are plain values, so that they cross from every
language. Any other result is ignored.
"""

from __future__ import annotations

import itertools
import threading
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from scriptnative import CallRecord, Tally, emitter, tally, tally_of_handle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from .attempt import Attempt
    from .view import HookView

_VETO = "scriptconsole.veto"
_REPLACE = "scriptconsole.replace"
UNHEARD_NAMES = 1000
"""Hooks without a subscriber that are counted; a script may make names up."""


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
    """One callback of one generation of a script; `tally` has its name and counts, `source` its line."""

    id: int
    hook: str
    callback: Callable[..., Any]
    priority: int
    attempt: Attempt
    tally: Tally
    source: str


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


type Running = tuple[tuple[Callable[..., Any], ...], tuple[Tally, ...], Tally, tuple[Subscription, ...]]
"""What the emitter wants of a hook: its callbacks, their tallies, its own, and its subscriptions."""


class Hooks:
    """The subscriptions of a session, in the order they are called: priority first, then age.

    Args:
        record: Where calls of subscribers go on record.

    Attributes:
        emit: `emit(hook, *args)` calls the subscribers among the running generations and gives how many took
            it; one that fails is reported and skipped.
    """

    def __init__(self, record: CallRecord) -> None:
        self._mutex = threading.Lock()
        self._record = record
        self._by_hook: dict[str, tuple[Subscription, ...]] = {}
        self._running: dict[str, Running] = {}
        self._tallies: dict[str, Tally] = {}
        self._vetoes: dict[str, int] = {}
        self._disabled: set[int] = set()
        self._ids = itertools.count(1)
        self.emit = emitter(self._running, self._settle, self._unheard)

    def subscribe(
        self,
        hook: str,
        callback: Callable[..., Any],
        priority: int,
        attempt: Attempt,
        *,
        once: bool = False,
        name: str = "",
        source: str = "",
        is_handle: bool = False,
    ) -> int:
        """Add a callback.

        Args:
            hook: Name of the hook.
            callback: Called with the arguments of an emission.
            priority: Higher ones come first.
            attempt: The generation it belongs to.
            once: It is called a single time.
            name: Of the function, for display.
            source: "file:line" of who subscribes, for display.
            is_handle: It calls a Function, which goes on record by itself.

        Returns:
            Its number, for `unsubscribe`.
        """
        number = next(self._ids)
        name = str(name) or "<function>"
        if once:
            callback = partial(self._call_once, number, attempt, callback)
        record, script = self._record, attempt.script.reporter.script
        counts = tally_of_handle(name, record) if is_handle else tally(name, record, script)
        subscription = Subscription(number, str(hook), callback, int(priority), attempt, counts, str(source))
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
        entry = self._running.get(hook)
        return () if entry is None else entry[3]

    @property
    def names(self) -> tuple[str, ...]:
        """The hooks that have a subscriber."""
        return tuple(self._by_hook)

    def _remove(self, unwanted: Callable[[Subscription], bool]) -> bool:
        removed = False
        with self._mutex:
            for hook, subscriptions in list(self._by_hook.items()):
                gone = {each.id for each in subscriptions if unwanted(each)}
                if gone:
                    removed = True
                    self._disabled -= gone
                    self._put(hook, tuple(each for each in subscriptions if each.id not in gone))
        return removed

    def refresh(self, attempt: Attempt) -> None:
        """A generation has begun to run, or has ceased to."""
        with self._mutex:
            for hook, subscriptions in list(self._by_hook.items()):
                if any(each.attempt is attempt for each in subscriptions):
                    self._put(hook, subscriptions)

    def _put(self, hook: str, subscriptions: tuple[Subscription, ...]) -> None:
        """Under the mutex."""
        running = tuple(
            each for each in subscriptions if each.attempt.running and each.id not in self._disabled
        )
        if running:
            callbacks = tuple(each.callback for each in running)
            tallies = tuple(each.tally for each in running)
            self._running[hook] = callbacks, tallies, self._tally(hook), running
        else:
            self._running.pop(hook, None)
        if subscriptions:
            self._by_hook[hook] = subscriptions
        else:
            self._by_hook.pop(hook, None)

    def _tally(self, hook: str) -> Tally:
        counts = self._tallies.get(hook)
        if counts is None:
            counts = self._tallies[hook] = tally(hook)
        return counts

    def _unheard(self, hook: Any) -> int:
        """An emission that reaches nobody: counted, since a name spelled wrong looks like this."""
        if isinstance(hook, str) and (hook in self._tallies or len(self._tallies) < UNHEARD_NAMES):
            self._tally(hook).count(False)
        return 0

    def set_enabled(self, number: int, enabled: bool) -> bool:
        """Let a subscription be called, or passed over; whether there is one of that number."""
        with self._mutex:
            for hook, subscriptions in list(self._by_hook.items()):
                if any(each.id == number for each in subscriptions):
                    (self._disabled.discard if enabled else self._disabled.add)(number)
                    self._put(hook, subscriptions)
                    return True
        return False

    def views(self) -> tuple[HookView, ...]:
        """Every hook that has a subscriber or was emitted, by name."""
        from .view import HookView, SubscriberView

        with self._mutex:
            subscriptions = dict(self._by_hook)
            names = sorted({*subscriptions, *self._tallies})
        return tuple(
            HookView(
                name,
                self._tallies[name].calls if name in self._tallies else 0,
                self._vetoes.get(name, 0),
                tuple(
                    SubscriberView(
                        id=each.id,
                        script=each.attempt.script.alias,
                        function=each.tally.name,
                        priority=each.priority,
                        calls=each.tally.calls,
                        errors=each.tally.errors,
                        source=each.source,
                        enabled=each.id not in self._disabled,
                    )
                    for each in subscriptions.get(name, ())
                    if each.attempt.running
                ),
            )
            for name in names
        )

    def consult(self, hook: str, *args: Any) -> Outcome:
        """As `emit`, for a caller who acts on what the subscribers say.

        Returns:
            Who took it, the arguments they left, and whether one vetoed.
        """
        subscribers = self.subscribers(hook)
        if subscribers:
            self._tally(hook).count(False)
        else:
            self._unheard(hook)
        return self._go_on(hook, subscribers, args, 0)

    def _settle(
        self, hook: str, subscribers: tuple[Subscription, ...], index: int, args: tuple[Any, ...], answer: Any
    ) -> int:
        """Finish an emission whose subscriber at `index` raised or answered; see scriptnative.emitter."""
        return self._go_on(hook, subscribers[index:], args, index, answer).taken

    def _go_on(
        self,
        hook: str,
        subscribers: Iterable[Subscription],
        args: tuple[Any, ...],
        taken: int,
        answer: Any = None,
    ) -> Outcome:
        """Call subscribers in turn; `answer` is what the first has given already."""
        for each in subscribers:
            try:
                if answer is None:
                    answer = each.tally.call(hook, each.callback, args)
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
                self._vetoes[hook] = self._vetoes.get(hook, 0) + 1
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
