"""Every kind of value through every pair of engines."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from scriptengines.script import Script
from scriptengines.session import Session

from .roundtrips import PAIRS, check, load_pair, values

type Write = Callable[[str, str], Path]


@pytest.fixture(params=PAIRS, ids=lambda pair: f"{pair[0]}-{pair[1]}")
def pair(request: pytest.FixtureRequest, session: Session, write: Write) -> tuple[Script, Script]:
    return load_pair(session, write, *request.param)


@given(value=values)
@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_a_value_comes_back_as_documented(pair: tuple[Script, Script], value: Any) -> None:
    check(*pair, value)
