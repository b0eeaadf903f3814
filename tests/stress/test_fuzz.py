"""Coverage-guided fuzzing of the C parsers, for a bounded time."""

from __future__ import annotations

import os
import subprocess

import pytest

from tests.fuzz import __main__ as fuzz

SECONDS = int(float(os.environ.get("STRESS_SECONDS", "20")) / 2) or 1


@pytest.mark.stress
@pytest.mark.skipif(bool(fuzz.unavailable()), reason=fuzz.unavailable())
@pytest.mark.timeout(SECONDS + 120)
@pytest.mark.parametrize("name", sorted(fuzz.TARGETS))
def test_no_input_breaks_a_parser(name: str) -> None:
    print(f"{name}: {fuzz.run(name, SECONDS)}")


@pytest.mark.stress
@pytest.mark.skipif(bool(fuzz.unavailable()), reason=fuzz.unavailable())
def test_the_fuzzer_finds_a_planted_fault(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    planted = fuzz.Target(("signature.c",), ("l:l",))
    monkeypatch.setitem(fuzz.TARGETS, "signature", planted)
    # A tuple inside a tuple is three steps of coverage away from the seed.
    monkeypatch.setattr(fuzz, "_FLAGS", (*fuzz._FLAGS, "-DPLANTED_FAULT"))
    with pytest.raises((fuzz.Crash, subprocess.TimeoutExpired), match=r"last input: b'.*T\(.*T\("):
        fuzz.run("signature", 30)
