"""The parts that need no screen: text, columns, filter, ring, arguments, editor."""

from __future__ import annotations

from contextlib import suppress
from copy import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from scriptconsole import text
from scriptconsole.arguments import ArgumentError, parse_arguments
from scriptconsole.editor import EditorError, editor_command, place_in
from scriptconsole.panes.columns import Column, lay_out
from scriptconsole.panes.filter import FilterError, parse_filter
from scriptconsole.panes.lines import Cell
from scriptconsole.panes.ring import LINE_LIMIT, Ring
from scriptconsole.panes.status import health_of
from scriptconsole.screens.load import complete_path
from scriptengines.view import Frame, Level, LogRecord, ScriptState, ScriptView

from .recording import NOW, SCRIPTS, TRACEBACK

# -- text -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("plain", "plain"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07after", "after"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b]52;c;evil", ""),
        ("\x9b2Jgone", "gone"),
        ("\x1bcreset", "reset"),
        ("a\tb\r\n", "a    b↵"),
        ("nul\0bell\x07", "nul\ufffdbell\ufffd"),
        ("bidi\u202etxt", "bidi\ufffdtxt"),
        ("half \ud800 pair", "half \ufffd pair"),
        ("[bold]kept[/bold]", "[bold]kept[/bold]"),
    ],
)
def test_clean(raw: str, shown: str) -> None:
    assert text.clean(raw) == shown


@given(st.text(st.characters(codec=None)))
def test_clean_is_always_printable(raw: str) -> None:
    cleaned = text.clean(raw)
    assert cleaned.isprintable()
    cleaned.encode()


@given(st.text(), st.integers(0, 40), st.booleans())
def test_fit_is_exact(raw: str, width: int, right: bool) -> None:
    fitted = text.fit(text.clean(raw), width, right=right)
    assert cell_len(fitted) == width


def test_numbers() -> None:
    assert [text.count(n) for n in (7, 1204, 48_200, 3_100_000)] == ["7", "1,204", "48.2k", "3.1M"]
    assert [text.size(n) for n in (412, 1500, 999_999, 20_300_000)] == [
        "412 B",
        "1.5 kB",
        "1.0 MB",
        "20.3 MB",
    ]
    assert [text.span(s) for s in (-1, 0.44, 12.9, 200, 7500, 100_000)] == [
        "0.0 s",
        "0.4 s",
        "12 s",
        "3m 20s",
        "2h 05m",
        "1d 03h",
    ]
    assert [text.interval(m) for m in (0, 250, 1500, 300_000)] == ["—", "250 ms", "1.5 s", "5m 00s"]


# -- columns --------------------------------------------------------------------------------------------


def column(title: str, **facts: int) -> Column[str]:
    return Column(title, lambda row, _: Cell(row), lambda row: row, **facts)  # type: ignore[arg-type]


def test_columns_go_by_rank_and_growing_ones_take_the_rest() -> None:
    columns = [
        column("a", least=6),
        column("b", least=6, rank=1),
        column("c", least=6, rank=2),
        column("d", grow=1),
    ]
    seen = [6, 6, 6, 50]
    assert [slot.column for slot in lay_out(columns, seen, 80)] == [0, 1, 2, 3]
    wide = lay_out(columns, seen, 80)
    assert wide[-1].start + wide[-1].width == 79
    assert [slot.column for slot in lay_out(columns, seen, 26)] == [0, 1, 3]
    assert [slot.column for slot in lay_out(columns, seen, 18)] == [0, 3]
    assert [slot.column for slot in lay_out(columns, seen, 3)] == [0, 3]


@given(st.integers(1, 200), st.lists(st.integers(0, 60), min_size=4, max_size=4))
def test_columns_never_overlap(width: int, seen: list[int]) -> None:
    columns = [column("a"), column("b", rank=1, grow=2), column("c", rank=2), column("d", grow=1)]
    slots = lay_out(columns, seen, width)
    assert slots
    for one, two in pairwise(slots):
        assert one.start + one.width < two.start


def test_health_names_who_is_in_trouble() -> None:
    fine = tuple(replace(row, state=ScriptState.IDLE, errors=0, last_error=None) for row in SCRIPTS)
    broken, raising = SCRIPTS[1], replace(SCRIPTS[1], state=ScriptState.RUNNING)
    also = replace(raising, alias="lamp")

    def says(*rows: ScriptView, later: float = 0) -> str:
        health = health_of(Frame(NOW + later, rows))
        return f"{health.headline} {health.reason}".strip()

    assert says() == "no scripts loaded"
    assert says(*fine) == "6 scripts, none failed, no errors"
    assert says(broken).startswith("✗ thermostat failed LuaError: attempt")
    assert says(raising, fine[0]).startswith("! thermostat: 3 errors LuaError: attempt")
    assert says(replace(raising, errors=0)).startswith("! thermostat: reload refused LuaError")
    assert says(raising, later=3600) == "1 script, none failed, 3 earlier errors"
    assert says(raising, also) == "! errors in 2 scripts: thermostat, lamp"
    many = [replace(broken, alias=f"s{i}") for i in range(5)]
    assert says(*many) == "✗ 5 scripts failed: s0, s1, s2 and 2 more"


# -- filter ---------------------------------------------------------------------------------------------


def test_filter() -> None:
    chosen = parse_filter("^ab")
    assert chosen is not None
    assert chosen.keeps("ABC")
    assert not chosen.keeps("cab")
    exact = parse_filter("Ab")
    assert exact is not None
    assert not exact.keeps("ab")
    inverse = parse_filter("!ab")
    assert inverse is not None
    assert not inverse.keeps("cab")
    loose = parse_filter("~gr tr")
    assert loose is not None
    assert loose.keeps("greeter")
    assert not loose.keeps("greet")
    strange = parse_filter("!~(*")
    assert strange is not None
    assert not strange.keeps("a(b*")
    assert parse_filter("") is None
    assert parse_filter("!") is None
    assert parse_filter("~") is None


@pytest.mark.parametrize("bad", ["(", "[", "*", "!(", "(?P<a>", "a{99999999999}"])
def test_bad_filter(bad: str) -> None:
    with pytest.raises(FilterError, match="bad pattern"):
        parse_filter(bad)


# -- ring -----------------------------------------------------------------------------------------------


def record(words: str, script: str = "a") -> LogRecord:
    return LogRecord(0.0, script, Level.OUTPUT, words)


def test_ring_is_bounded_and_counts_what_went() -> None:
    ring = Ring(100)
    gone = sum(ring.extend([record(str(i))]) for i in range(1000))
    assert len(ring) <= 100
    assert len(ring) + gone == 1000
    assert ring[len(ring) - 1].text == "999"
    assert ring.extend(record(str(i)) for i in range(5000)) + len(ring) >= 5000
    assert ring[len(ring) - 1].text == "4999"


def test_ring_bounds_characters_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scriptconsole.panes.ring.CHARACTERS", 100_000)
    ring = Ring(1000)
    for _ in range(50):
        ring.extend([record("x" * 100_000)])
    assert sum(len(ring[i].text) for i in range(len(ring))) <= 100_000 + LINE_LIMIT


@pytest.mark.parametrize("pattern", ["", "7", "!7"])
def test_ring_filter_while_lines_go(pattern: str) -> None:
    ring, fresh = Ring(50), Ring(50)
    ring.set_filter(parse_filter(pattern))
    for i in range(300):
        for each in (ring, fresh):
            each.extend([record(str(i)), record(f"trace\n  at {i}")])
    shown = [ring[i] for i in range(len(ring))]
    fresh.set_filter(parse_filter(pattern))
    assert fresh.unsearched == 0
    assert shown == [fresh[i] for i in range(len(fresh))]
    assert [line.number for line in shown] == sorted(line.number for line in shown)
    for place, line in enumerate(shown):
        assert ring.place_of(line.number) == place


def test_ring_searches_older_lines_in_slices() -> None:
    ring = Ring(100_000)
    ring.extend(record(f"head {i}\n  tail") for i in range(20_000))
    ring.set_filter(parse_filter("head 1"))
    assert ring.unsearched
    first = len(ring)
    came = 0
    while ring.unsearched:
        came += ring.search_older()
        assert ring[len(ring) - 1].record.text.startswith("head 19999")
    assert len(ring) == first + came == 2 * sum(str(i).startswith("1") for i in range(20_000))
    assert [ring[i].number for i in range(len(ring))] == sorted(ring[i].number for i in range(len(ring)))


# -- arguments ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "args", "kwargs"),
    [
        ("", [], {}),
        ("  ", [], {}),
        ('1, "x", k=2', [1, "x"], {"k": 2}),
        (
            "-1.5, None, True, [1, {'a': (2,)}], {3}, b'z'",
            [-1.5, None, True, [1, {"a": (2,)}], {3}, b"z"],
            {},
        ),
        ("1, # said so", [1], {}),
        ("1,", [1], {}),
    ],
)
def test_arguments(typed: str, args: list[object], kwargs: dict[str, object]) -> None:
    assert parse_arguments(typed) == (args, kwargs)


@pytest.mark.parametrize(
    "typed",
    [
        "foo",
        "open('x')",
        "1) + f(2",
        "1)(2",
        ") or (",
        "*[1]",
        "**{'a': 1}",
        "a=1, a=2",
        "(",
        "'",
        "\0",
        "lambda: 1",
        "x:=1",
    ],
)
def test_bad_arguments(typed: str) -> None:
    with pytest.raises(ArgumentError):
        parse_arguments(typed)


@given(st.text(max_size=40))
def test_arguments_never_raise_anything_else(typed: str) -> None:
    with suppress(ArgumentError):
        parse_arguments(typed)


def test_deep_arguments_are_refused() -> None:
    with pytest.raises(ArgumentError):
        parse_arguments("[" * 5000 + "]" * 5000)


# -- editor ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environ", "line", "command"),
    [
        ({"EDITOR": "vim"}, 12, ["vim", "+12", "a b.lua"]),
        ({"EDITOR": "nano", "VISUAL": "emacs -nw"}, 12, ["emacs", "-nw", "+12", "a b.lua"]),
        ({"EDITOR": "nano"}, 0, ["nano", "a b.lua"]),
        ({"VISUAL": "/usr/bin/code --wait"}, 3, ["/usr/bin/code", "--wait", "--goto", "a b.lua:3"]),
        ({"EDITOR": "hx"}, 3, ["hx", "a b.lua:3"]),
    ],
)
def test_editor_command(environ: dict[str, str], line: int, command: list[str]) -> None:
    assert editor_command("a b.lua", line, environ) == command


@pytest.mark.parametrize("environ", [{}, {"EDITOR": ""}, {"VISUAL": "'unclosed"}])
def test_no_editor(environ: dict[str, str]) -> None:
    with pytest.raises(EditorError, match="VISUAL"):
        editor_command("a", 0, environ)


def test_place_in() -> None:
    assert place_in(TRACEBACK, "/x/thermostat.lua") == 57
    assert place_in('File "/x/a.py", line 7, in f\nFile "/x/b.py", line 9', "/x/a.py") == 7
    assert place_in("nothing here 12:30", "/x/a.py") == 0


def test_complete_path(tmp_path: Path) -> None:
    folder = str(tmp_path)

    (Path(folder) / "lib").mkdir()
    (Path(folder) / "lamp.lua").touch()
    (Path(folder) / ".hidden").touch()
    assert complete_path(f"{folder}/l") == f"{folder}/lamp.lua"
    assert complete_path(f"{folder}/li") == f"{folder}/lib/"
    assert complete_path(f"{folder}/") == f"{folder}/lamp.lua"
    assert complete_path(f"{folder}/nothing/x") is None


# -- found by the monkey --------------------------------------------------------------------------------


def test_times_that_are_none() -> None:
    assert text.span(float("nan")) == "—"
    assert text.interval(float("nan")) == "—"
    assert text.moment(float("nan")) == "—"
    assert text.moment(1e300) == "—"


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("👨\u200d👩\u200d👧", "👨👩👧"),
        ("👍🏽", "👍"),
        ("a" + "\u0301" * 50, "a" + "\u0301" * 3),
        ("\x1b\u200d[31mx", "x"),
        ("\u200b\ufeff", ""),
        ("e\u0301", "e\u0301"),
    ],
)
def test_clean_leaves_one_width_to_every_sign(raw: str, shown: str) -> None:
    assert text.clean(raw) == shown
