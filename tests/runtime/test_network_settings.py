"""What scripts may give to network functions, and what they are told when it cannot be."""

from __future__ import annotations

import math
from typing import Any

import pytest

from scriptengines.network.settings import (
    bytes_of,
    count_in,
    count_of,
    options_of,
    seconds,
    seconds_in,
    split_handlers,
    table_of,
    values_of,
)


@pytest.mark.parametrize("value", [0, 3, 3.0, 2**70])
def test_a_count_is_a_whole_number(value: float) -> None:
    assert count_of("read", "limit", value) == int(value)
    assert count_in("read", {"limit": value}, "limit", 1) == int(value)
    assert count_in("read", {}, "limit", 1) == 1


@pytest.mark.parametrize("value", [-1, 1.5, math.inf, math.nan, True, "3", None])
def test_no_other_number_is_a_count(value: Any) -> None:
    with pytest.raises(ValueError, match="read: limit must be a whole number, got"):
        count_of("read", "limit", value)


@pytest.mark.parametrize(
    ("given", "expected"),
    [(None, None), (1500, 1.5), (0, 0.0), (-5, 0.0), ({"timeout": 20}, 0.02), ({}, None)],
)
def test_a_wait_is_limited_in_milliseconds(given: Any, expected: float | None) -> None:
    assert seconds("read", given) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [({}, 7.0), ({"timeout": None}, 7.0), ({"timeout": 0}, None), ({"timeout": 20}, 0.02)],
)
def test_an_option_that_limits_a_time_has_a_default_and_0_for_no_limit(
    given: Any, expected: float | None
) -> None:
    assert seconds_in("http_request", given, "timeout", 7.0) == expected


@pytest.mark.parametrize("given", ["20", True, math.nan, [20]])
def test_what_is_no_number_is_no_time(given: Any) -> None:
    for check in (
        lambda: seconds("read", given),
        lambda: seconds_in("read", {"timeout": given}, "timeout", 1),
    ):
        with pytest.raises(TypeError, match="read: timeout must be a number of milliseconds, got"):
            check()


def test_an_option_that_limits_a_time_is_not_negative() -> None:
    with pytest.raises(ValueError, match="http_request: timeout must be 0 or more milliseconds, got -1"):
        seconds_in("http_request", {"timeout": -1}, "timeout", None)


@pytest.mark.parametrize("empty", [None, [], {}])
def test_no_table_and_the_empty_table_of_lua_are_an_empty_one(empty: Any) -> None:
    assert table_of("headers", empty) == {}
    assert options_of("http_serve", empty, ("tls",)) == {}
    assert values_of("tls", empty, verify=True) == (True,)
    assert split_handlers("tcp_serve", ("data",), ("tls",), empty, empty) == ({}, {})


def test_handlers_and_options_are_told_apart() -> None:
    given = {"data": print, "tls": 1, "timeout": None}
    told = split_handlers("tcp_connect", ("data",), ("tls", "timeout"), given, {"tls": 2})
    assert told == ({"data": print}, {"tls": 2})


@pytest.mark.parametrize(
    ("events", "options", "given", "text"),
    [
        (("data",), ("tls",), {"dta": print}, 'it has no handler or option "dta". Did you mean "data"?'),
        (("data",), (), {"zzz": print}, 'it has no handler "zzz". There are: data.'),
        ((), ("tls", "timeout"), {"zzz": None}, 'it has no option "zzz". There are: tls, timeout.'),
        (("data",), (), {"data": 5}, 'it: the handler "data" must be a function, got 5'),
        (("data",), ("tls",), 5, "it: the handlers and options must be a table of names, got int"),
        ((), ("tls",), [1], "it: the options must be a table of names, got list"),
    ],
)
def test_what_cannot_be_given_is_refused(events: Any, options: Any, given: Any, text: str) -> None:
    with pytest.raises(TypeError) as refused:
        split_handlers("it", events, options, given)
    assert str(refused.value) == text


@pytest.mark.parametrize("payload", [b"\xff", bytearray(b"\xff"), memoryview(b"\xff")])
def test_bytes_are_sent_as_they_are_and_texts_as_utf_8(payload: Any) -> None:
    assert bytes_of("send", payload) == b"\xff"
    assert bytes_of("send", "é") == b"\xc3\xa9"


def test_what_has_no_bytes_is_not_sent() -> None:
    with pytest.raises(TypeError, match="send: only bytes and str can be sent, got int"):
        bytes_of("send", 5)
    with pytest.raises(UnicodeEncodeError):
        bytes_of("send", "\udcff")
