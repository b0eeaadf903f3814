"""How much a script holds is estimated in bounded time, however much that is."""

from __future__ import annotations

import pytest

from scriptengines.summary import reachable_bytes


@pytest.mark.parametrize("kind", [list, tuple, set, frozenset, dict.fromkeys])
def test_only_so_many_objects_are_looked_at(kind: type, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[object] = []

    def size(value: object, default: int) -> int:
        looked.append(value)
        return 1

    monkeypatch.setattr("scriptengines.summary.sys.getsizeof", size)
    many = kind(range(1000, 11_000))
    assert reachable_bytes([many], 100) == len(looked) <= 100


def test_what_is_found_again_and_again_is_not_looked_at_for_ever() -> None:
    assert reachable_bytes([[7] * 1_000_000], 1000) < 9_000_000
