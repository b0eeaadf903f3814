"""Garbage is looked for when nobody waits: the collector of the screen."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from scriptconsole import collector
from scriptconsole.collector import BUSY_EVERY, CALM_EVERY, MANY, NEW, Collector


class Ring:
    """Something that only a garbage collection frees."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture
def passed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """The time, to be set; CPython's own collector is as before afterwards."""
    thresholds, now = gc.get_threshold(), [1000.0]
    monkeypatch.setattr(collector.time, "monotonic", lambda: now[0])
    yield now
    gc.unfreeze()
    gc.set_threshold(*thresholds)
    gc.collect()


def drop(turns: Collector, *, calm: bool) -> weakref.ref[Ring]:
    """Garbage, and more new objects than are let be."""
    ring = weakref.ref(Ring())
    kept = [[number] for number in range(MANY + NEW)]
    turns.turn(calm=calm)
    del kept
    return ring


@pytest.mark.parametrize(("calm", "every"), [(True, CALM_EVERY), (False, BUSY_EVERY)])
def test_all_is_looked_through_now_and_then(passed: list[float], calm: bool, every: float) -> None:
    turns = Collector()
    garbage = drop(turns, calm=calm)
    passed[0] += every - 1
    turns.turn(calm=calm)
    assert garbage() is not None, "not yet"
    passed[0] += 2
    turns.turn(calm=calm)
    assert garbage() is None


def test_what_is_new_is_put_aside_so_that_cpython_does_not_look_through_it(passed: list[float]) -> None:
    turns = Collector()
    before = gc.get_freeze_count()
    kept = [[number] for number in range(2 * NEW)]
    turns.turn(calm=False)
    assert gc.get_freeze_count() >= before + len(kept)


def test_a_few_objects_are_worth_nothing(passed: list[float]) -> None:
    turns = Collector()
    garbage = weakref.ref(Ring())
    for _ in range(10):
        passed[0] += BUSY_EVERY
        turns.turn(calm=True)
    assert garbage() is not None
