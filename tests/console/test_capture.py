"""What is written past the screen, to descriptors 1 and 2, goes into the log line by line."""

from __future__ import annotations

import os
import threading

import pytest

from scriptconsole.capture import LINE_LIMIT, captured


def test_lines_of_native_code_and_children_are_passed_on(capfd: pytest.CaptureFixture[str]) -> None:
    found: list[str] = []
    all_there = threading.Event()

    def emit(line: str) -> None:
        found.append(line)
        if line == "end":
            all_there.set()

    with capfd.disabled(), captured(emit):
        os.write(1, b"one\n\ntwo\xff")
        os.write(2, b" three\r\nend\n")
        assert all_there.wait(10)
    assert found == ["one", "", "two\ufffd three", "end"]


def test_a_line_that_never_ends_is_passed_on_in_pieces(capfd: pytest.CaptureFixture[str]) -> None:
    found: list[str] = []
    came = threading.Event()

    def emit(line: str) -> None:
        found.append(line)
        came.set()

    with capfd.disabled(), captured(emit):
        os.write(1, b"." * (LINE_LIMIT + 10))
        assert came.wait(10), "before its end"
        assert found == ["." * LINE_LIMIT]
    assert found == ["." * LINE_LIMIT, "." * 10]
