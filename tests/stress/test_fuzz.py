"""Coverage-guided fuzzing of parsers, decoders and the crossing, bounded in time; it finds planted faults."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
from pathlib import Path

import pytest

from tests.fuzz import __main__ as fuzz
from tests.fuzz import wire

SECONDS = max(1, int(float(os.environ.get("STRESS_SECONDS", "6")) / 2))
NEEDS_COMPILER = pytest.mark.skipif(bool(fuzz.unavailable()), reason=fuzz.unavailable())

pytestmark = [pytest.mark.stress, pytest.mark.timeout(SECONDS + 200)]


@NEEDS_COMPILER
@pytest.mark.parametrize("name", sorted(fuzz.TARGETS))
def test_no_input_breaks_what_is_written_in_c(name: str) -> None:
    print(f"{name}: {fuzz.run(name, SECONDS)}")


@NEEDS_COMPILER
@pytest.mark.parametrize(
    ("name", "seed", "found"),
    [
        # A tuple inside a tuple is three steps of coverage away from the seed.
        ("signature", "l:l", r"last input: b'.*T\(.*T\("),
        # A text of three bytes, two containers down.
        ("values", "\x05\x02ab", r"last input: b'"),
    ],
)
def test_a_planted_fault_in_c_is_found(
    monkeypatch: pytest.MonkeyPatch, name: str, seed: str, found: str
) -> None:
    monkeypatch.setitem(fuzz.TARGETS, name, fuzz.TARGETS[name]._replace(seeds=(seed,)))
    monkeypatch.setattr(fuzz, "_FLAGS", (*fuzz._FLAGS, "-DPLANTED_FAULT"))
    with pytest.raises(fuzz.Crash, match=found):
        fuzz.run(name, 30)


@pytest.fixture(scope="module")
def extension(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("gcc") is None:
        pytest.skip("needs gcc, whose coverage the driver in Python reads")
    if importlib.util.find_spec("Cython") is None:
        pytest.skip("needs Cython to build the extension with coverage")
    return fuzz.build_extension(tmp_path_factory.mktemp("extension"))


def test_no_value_of_a_module_breaks_the_crossing(extension: Path) -> None:
    print(f"crossing: {fuzz.run_crossing(SECONDS, extension)}")


def test_a_planted_overrun_of_a_module_is_found(extension: Path) -> None:
    with pytest.raises(fuzz.Crash, match="heap-buffer-overflow"):
        fuzz.run_crossing(100, extension, planted=True)


def test_nothing_that_a_process_sends_breaks_the_wire() -> None:
    print(f"wire: {wire.run(SECONDS)}")


def test_a_planted_fault_of_the_wire_is_found() -> None:
    def decode(data: bytes) -> None:
        wire.decode(data)
        if re.search(rb"\xc7\0\x03[\x90-\x9f]\xc7\0\x01", data):  # a tuple in a frozenset: not in the seeds
            raise KeyError("planted")

    with pytest.raises(wire.Wrong, match="planted"):
        wire.run(40, decode)
