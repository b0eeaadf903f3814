"""The round trips of tests/engines at length, and the largest values."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from scriptengines.script import Script
from scriptengines.session import Session
from tests.engines.roundtrips import PAIRS, check, load_pair, values

type Write = Callable[[str, str], Path]

pytestmark = pytest.mark.stress
EXAMPLES = int(os.environ.get("STRESS_EXAMPLES", "200"))
"""For each pair of engines."""


@pytest.fixture(params=PAIRS, ids=lambda pair: f"{pair[0]}-{pair[1]}")
def pair(request: pytest.FixtureRequest, session: Session, write: Write) -> tuple[Script, Script]:
    return load_pair(session, write, *request.param)


@given(value=values)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@pytest.mark.timeout(600)
def test_a_value_comes_back_as_documented(pair: tuple[Script, Script], value: Any) -> None:
    check(*pair, value)


@pytest.mark.parametrize("kind", [bytes, str])
@pytest.mark.parametrize("engine", ["python", "native"])
@pytest.mark.timeout(600)
def test_a_value_of_one_gibibyte_crosses(session: Session, write: Write, engine: str, kind: type) -> None:
    first, _ = load_pair(session, write, engine, "python")
    value = b"x" * 2**30 if kind is bytes else "x" * 2**30
    assert first.call("forward", "second", value) == value
