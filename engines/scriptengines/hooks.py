"""Named events and who subscribes to them, over all scripts of a session."""

from __future__ import annotations

import itertools
import threading
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from .attempt import Attempt


class Subscription(NamedTuple):
    """One callback of one generation of a script."""

    id: int
    hook: str
    callback: Callable[..., Any]
    priority: int
    attempt: Attempt


class Hooks:
    """The subscriptions of a session, in the order they are called: priority first, then age."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._by_hook: dict[str, tuple[Subscription, ...]] = {}
        self._ids = itertools.count(1)

    def subscribe(self, hook: str, callback: Callable[..., Any], priority: int, attempt: Attempt) -> int:
        """Add a callback; its number is for `unsubscribe`."""
        subscription = Subscription(next(self._ids), str(hook), callback, int(priority), attempt)
        with self._mutex:
            all_of_hook = [*self._by_hook.get(subscription.hook, ()), subscription]
            all_of_hook.sort(key=lambda each: (-each.priority, each.id))
            self._by_hook[subscription.hook] = tuple(all_of_hook)
        return subscription.id

    def unsubscribe(self, number: int, attempt: Attempt) -> bool:
        """Remove a callback of this generation; whether there was one."""
        return self._remove(lambda each: each.id == number and each.attempt is attempt)

    def forget(self, attempt: Attempt) -> None:
        """Remove all callbacks of a generation."""
        self._remove(lambda each: each.attempt is attempt)

    def _remove(self, unwanted: Callable[[Subscription], bool]) -> bool:
        removed = False
        with self._mutex:
            for hook, subscriptions in list(self._by_hook.items()):
                kept = tuple(each for each in subscriptions if not unwanted(each))
                removed = removed or len(kept) != len(subscriptions)
                if kept:
                    self._by_hook[hook] = kept
                else:
                    del self._by_hook[hook]
        return removed

    def emit(self, hook: str, args: tuple[Any, ...]) -> int:
        """Call the subscribers among the running generations; one that fails is reported and skipped.

        Returns:
            How many took it.
        """
        taken = 0
        for subscription in self._by_hook.get(hook, ()):
            script = subscription.attempt.script
            if not script.is_running(subscription.attempt):
                continue
            try:
                subscription.callback(*args)
                taken += 1
            except Exception as error:  # noqa: BLE001 - reported under the subscriber's name
                script.reporter.error(f'hook "{hook}"', error)
        return taken
