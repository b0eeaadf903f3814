"""What becomes of values that are no plain built-in ones: subclasses, dates, paths, shared memory."""

from __future__ import annotations

import array
import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import http
import mmap
import pathlib
import subprocess
import sys
import uuid
import weakref
import zoneinfo
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from scriptengines.errors import CallError, CrossingError
from scriptengines.script import Script
from scriptengines.session import Session
from scriptnative import BufferReference, Reference

type Write = Callable[[str, str], Path]

TEXT = """
import array, collections, datetime, enum, mmap

class Colour(enum.IntEnum):
    RED = 3

class Point(collections.namedtuple("Point", "x y")):
    def norm(self): return abs(self.x) + abs(self.y)

red = Colour.RED
point = Point(3, -4)
counter = collections.Counter("abca")
numbers = array.array("d", [1.0, 2.0, 3.0])
payload = bytes(range(256)) * 4096
changing = bytearray(payload)
kept = None

def echo(value): return value
def kind(value): return type(value).__module__ + "." + type(value).__qualname__
def is_red(value): return value is Colour.RED
def total(view): return sum(view)
def describe(view):
    return type(view).__name__, view.format, view.shape, view.strides, view.readonly, view.nbytes
def as_bytes(view): return bytes(view)
def view(value): return memoryview(value)
def part(view): return view[10:20]
def keep(view):
    global kept
    kept = view
def same_view(value): return value is kept
def write(view, value): view[0] = value
def make_view(): return memoryview(payload)
def released():
    made = memoryview(b"x")
    made.release()
    return [made]
def address(view):
    import ctypes
    return ctypes.addressof(ctypes.c_char.from_buffer(view.obj.buffer(writable=True)))
"""


@pytest.fixture
def it(session: Session, write: Write) -> Script:
    return session.load(write("it.py", TEXT))


# ---- subclasses ------------------------------------------------------------------------------------------


class Shade(enum.IntEnum):
    DARK = 1


class Word(str):
    pass


class Pair(NamedTuple):
    one: int
    two: int


@dataclasses.dataclass(frozen=True)
class Record:
    number: int


OBJECTS = [
    Shade.DARK,
    http.HTTPStatus.OK,
    Word("red"),
    Pair(1, 2),
    Record(3),
    collections.OrderedDict(a=1),
    collections.Counter("ab"),
    collections.deque([1]),
    type("MyInt", (int,), {})(5),
    type("MyFloat", (float,), {})(0.5),
    type("MyBytes", (bytes,), {})(b"x"),
    type("MyList", (list,), {})([1]),
    type("MySet", (set,), {})([1]),
    type("MyDate", (datetime.date,), {})(2024, 2, 29),
    slice(1, 2),
    Ellipsis,
]


@pytest.mark.parametrize("value", OBJECTS, ids=lambda value: type(value).__name__)
def test_what_is_no_exact_built_in_value_goes_as_a_reference(it: Script, value: Any) -> None:
    assert it.call("kind", value).startswith("scriptnative._native.")
    assert it.call("echo", value) is value
    assert it.call("echo", [{"k": value}])[0]["k"] is value


def test_a_member_of_an_enumeration_keeps_its_identity(it: Script) -> None:
    red = it.get("red")
    assert isinstance(red, Reference)
    assert (red.type_name, red.get("name"), red.get("value")) == ("Colour", "RED", 3)
    assert it.call("is_red", red)


def test_a_receiver_may_ask_for_the_plain_value(it: Script) -> None:
    assert it.get("red").copy() == 3
    assert type(it.get("red").copy()) is int
    assert it.get("point").copy() == (3, -4)
    assert it.get("point").call("norm") == 7
    assert it.get("counter").copy() == {"a": 2, "b": 1, "c": 1}
    assert it.get("counter").call("most_common", 1) == [("a", 2)]


def test_c_gets_the_plain_value(session: Session, write: Write) -> None:
    script = session.load(
        write(
            "it.c",
            """#include <scriptconsole.h>
static int inc(sc_ctx *c, const sc_value *a, size_t n, sc_value *out) {
    *out = sc_int(a[0].as.integer + 1);
    return 0;
}
static int tag(sc_ctx *c, const sc_value *a, size_t n, sc_value *out) { *out = sc_int(a[0].tag); return 0; }
static const sc_export exports[] = {{"inc", inc, "l:l", ""}, {"tag", tag, NULL, ""}, {0}};
static const sc_module module = {SC_ABI_VERSION, "it", "1", exports, NULL, NULL, NULL};
SC_MODULE(module)
""",
        )
    )
    str_tag, bytes_tag, tuple_tag, dict_tag = 5, 6, 9, 12
    assert script.call("inc", Shade.DARK) == 2
    assert script.call("tag", Word("x")) == str_tag
    assert script.call("tag", Pair(1, 2)) == tuple_tag
    assert script.call("tag", collections.Counter("a")) == dict_tag
    assert script.call("tag", array.array("d", [1])) == bytes_tag


# ---- values of the standard library ----------------------------------------------------------------------

PORTABLE = [
    1 + 2j,
    range(1, 10, 3),
    datetime.date(2024, 2, 29),
    datetime.time(1, 2, 3, 4, fold=1),
    datetime.datetime(2024, 2, 29, 1, 2, 3, tzinfo=datetime.UTC),
    datetime.datetime(2024, 2, 29, tzinfo=datetime.timezone(datetime.timedelta(hours=2), "here")),
    datetime.timedelta(days=-1, microseconds=5),
    decimal.Decimal("1.10"),
    decimal.Decimal("sNaN"),
    fractions.Fraction(1, 3),
    uuid.UUID(int=7),
    pathlib.Path("/tmp/x"),
    pathlib.PureWindowsPath("C:/x"),
]


@pytest.mark.parametrize("value", PORTABLE, ids=repr)
def test_a_value_of_the_standard_library_arrives_as_an_equal_one(
    session: Session, write: Write, it: Script, value: Any
) -> None:
    kind = f"{type(value).__module__}.{type(value).__qualname__}"
    assert it.call("kind", value) == kind
    host = session.load(
        write("other.py", "import host\ndef f(value): return host.call('it', 'echo', [value])[0]\n")
    )
    back = host.call("f", value)
    assert (type(back), repr(back)) == (type(value), repr(value))


def test_a_value_that_a_script_made_arrives_too(it: Script) -> None:
    made = it.evaluate("[datetime.date(2024, 1, 1), __import__('pathlib').Path('x')]")
    assert made == [datetime.date(2024, 1, 1), Path("x")]


def test_a_time_zone_of_a_scripts_own_makes_the_time_a_reference(it: Script) -> None:
    class Zone(datetime.tzinfo):
        def utcoffset(self, when: Any) -> datetime.timedelta:
            return datetime.timedelta(0)

    value = datetime.datetime(2024, 1, 1, tzinfo=Zone())
    assert it.call("kind", value) == "scriptnative._native.Reference"
    assert it.call("echo", value) is value
    try:
        zoned = datetime.datetime(2024, 1, 1, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin"))
    except zoneinfo.ZoneInfoNotFoundError:
        pytest.skip("no time zone data here")
    assert it.call("kind", zoned) == "datetime.datetime"


def test_a_class_with_a_borrowed_name_fools_nobody(it: Script) -> None:
    fake = type("Decimal", (), {"__module__": "decimal"})()
    assert it.call("kind", fake) == "scriptnative._native.Reference"
    assert it.call("echo", fake) is fake


# ---- memory ----------------------------------------------------------------------------------------------

PAYLOAD = bytes(range(256)) * 4096


@pytest.mark.parametrize("size", [0, 1, 65535, 65536, 65537, 1 << 20])
def test_bytes_are_bytes_whatever_their_size(it: Script, size: int) -> None:
    value = PAYLOAD[:size]
    assert it.call("kind", value) == "builtins.bytes"
    back = it.call("echo", value)
    assert type(back) is bytes
    assert back == value
    assert it.call("echo", {"x": [value, value.decode("latin-1")]}) == {"x": [value, value.decode("latin-1")]}


@pytest.mark.parametrize(
    ("value", "described"),
    [
        (memoryview(PAYLOAD), ("memoryview", "B", (1 << 20,), (1,), True, 1 << 20)),
        (memoryview(bytearray(PAYLOAD)), ("memoryview", "B", (1 << 20,), (1,), True, 1 << 20)),
        (memoryview(PAYLOAD)[::2], ("memoryview", "B", (1 << 19,), (2,), True, 1 << 19)),
        (
            memoryview(PAYLOAD).cast("d", (256, 512)),
            ("memoryview", "d", (256, 512), (4096, 8), True, 1 << 20),
        ),
        (memoryview(b""), ("memoryview", "B", (0,), (1,), True, 0)),
    ],
    ids=["bytes", "bytearray", "strided", "matrix", "empty"],
)
def test_a_memoryview_arrives_with_its_shape_and_without_a_copy(
    it: Script, value: Any, described: Any
) -> None:
    assert it.call("describe", value) == described
    assert it.call("as_bytes", value) == bytes(value)
    assert it.call("echo", value) is value


def test_a_memoryview_shows_the_very_memory_of_its_owner(it: Script) -> None:
    mine = bytearray(PAYLOAD)
    it.call("keep", memoryview(mine))
    mine[0] = 77
    assert it.evaluate("kept[0]") == 77
    theirs = it.evaluate("memoryview(changing)")
    it.execute("changing[5] = 99")
    assert theirs[5] == 99
    assert theirs.readonly


def test_memory_is_written_only_when_asked_for(it: Script) -> None:
    theirs = it.evaluate("memoryview(changing)")
    with pytest.raises(TypeError):
        theirs[0] = 1
    writable = theirs.obj.buffer(writable=True)
    writable[0] = 200
    assert it.evaluate("changing[0]") == 200
    fixed = it.call("make_view")
    with pytest.raises(BufferError, match="of it is read-only"):
        fixed.obj.buffer(writable=True)


def test_an_array_is_a_reference_with_its_memory(it: Script) -> None:
    numbers = it.get("numbers")
    assert isinstance(numbers, BufferReference)
    assert numbers.type_name == "array"
    assert memoryview(numbers).tolist() == [1.0, 2.0, 3.0]
    assert numbers.call("index", 2.0) == 1
    writable = numbers.buffer(writable=True)
    writable[1] = 5.0
    assert it.evaluate("numbers[1]") == 5.0
    with pytest.raises(CallError, match="BufferError"):
        numbers.call("append", 4.0)
    del writable


def test_an_array_can_grow_again_when_no_view_is_left(it: Script) -> None:
    numbers = it.get("numbers")
    view = memoryview(numbers)
    view.release()
    del view
    for _ in range(1000):
        try:
            numbers.call("append", 4.0)
            break
        except CallError:
            continue
    assert it.evaluate("len(numbers)") == 4


def test_numpy_arrays_share_their_memory_both_ways(it: Script) -> None:
    numpy = pytest.importorskip("numpy")
    mine = numpy.arange(12.0).reshape(3, 4)
    assert it.call("describe", memoryview(mine)) == ("memoryview", "d", (3, 4), (32, 8), True, 96)
    assert it.call("kind", mine) == "scriptnative._native.BufferReference"
    assert it.call("echo", mine) is mine
    theirs = numpy.asarray(it.get("numbers"))
    it.execute("numbers[0] = 70.0")
    assert theirs.tolist() == [70.0, 2.0, 3.0]
    assert not theirs.flags.writeable


def test_other_exporters_share_their_memory_too(it: Script) -> None:
    with mmap.mmap(-1, 4096) as mapped:
        mapped[:3] = b"abc"
        assert it.call("kind", mapped) == "scriptnative._native.BufferReference"
        assert it.call("as_bytes", mapped)[:3] == b"abc"
        assert it.call("echo", mapped) is mapped


def test_a_part_of_a_view_is_a_view(it: Script) -> None:
    view = memoryview(PAYLOAD)
    part = it.call("part", view)
    assert bytes(part) == PAYLOAD[10:20]
    assert it.call("as_bytes", part) == PAYLOAD[10:20]


def test_a_view_goes_through_other_scripts_unopened(session: Session, write: Write, it: Script) -> None:
    other = session.load(
        write("other.py", "import host\ndef f(v): return host.call('it', 'same_view', v), v\n")
    )
    it.execute("kept = memoryview(payload)")
    view = it.get("kept")
    same, back = other.call("f", view)
    assert same is True
    assert back == view
    assert it.call("same_view", back)


def test_a_released_view_is_refused_by_its_place(it: Script) -> None:
    view = memoryview(b"x")
    view.release()
    with pytest.raises(CrossingError, match=r"args\[0\]\[1\] is a memoryview that has been released"):
        it.call("echo", [1, view])
    with pytest.raises(CrossingError, match=r"result\[0\] is a memoryview that has been released"):
        it.call("released")


def test_an_owner_that_releases_its_view_takes_nothing_away(it: Script) -> None:
    it.execute("kept = memoryview(bytes(payload))")
    view = it.get("kept")
    it.execute("kept.release()\nkept = None\nimport gc\ngc.collect()")
    assert view[255] == 255


def test_a_view_outlives_its_script(session: Session, write: Write, it: Script) -> None:
    view = it.call("make_view")
    session.unload("it")
    session.load(write("next.py", "junk = [bytes(100_000) for _ in range(50)]\n"))
    assert bytes(view) == PAYLOAD


def test_an_exporter_is_let_go_with_the_last_view(it: Script) -> None:
    class Memory(bytearray):
        pass

    memory = Memory(b"abc")
    gone = weakref.ref(memory)
    it.call("keep", memoryview(memory))
    del memory
    it.execute("part = kept[1:]")
    it.execute("kept = None")
    assert gone() is not None
    it.execute("del part")
    it.call("echo", 1)
    for _ in range(2000):
        if gone() is None:
            break
        it.call("echo", 1)
    assert gone() is None


def test_c_borrows_the_callers_memory(session: Session, write: Write) -> None:
    script = session.load(
        write(
            "it.c",
            """#include <scriptconsole.h>
static int where(sc_ctx *c, const sc_value *a, size_t n, sc_value *out) {
    *out = sc_int((int64_t)(intptr_t)a[0].as.bytes);
    return 0;
}
static const sc_export exports[] = {{"where", where, "y:l", ""}, {0}};
static const sc_module module = {SC_ABI_VERSION, "it", "1", exports, NULL, NULL, NULL};
SC_MODULE(module)
""",
        )
    )
    numbers = array.array("d", range(10_000))
    assert script.call("where", numbers) == numbers.buffer_info()[0]
    assert script.call("where", memoryview(numbers)[1:]) == numbers.buffer_info()[0] + 8
    with pytest.raises(CrossingError, match=r"args\[0\] is not contiguous"):
        script.call("where", memoryview(numbers)[::2])


def test_an_interpreter_whose_memory_is_read_ends_with_the_process() -> None:
    code = """
import sys
from scriptnative import Interpreter
interpreter = Interpreter()
interpreter.run(f"import sys; sys.path[:] = {sys.path!r}; import scriptnative, builtins; "
                "builtins.shared = memoryview(bytes(range(256)) * 1000)")
view = interpreter.load("builtins", "shared")
assert interpreter.end(1)
del interpreter
assert bytes(view) == bytes(range(256)) * 1000
"""
    child = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert (child.returncode, child.stderr) == (0, "")


def test_a_view_can_be_read_until_the_very_end_of_the_process(write: Write) -> None:
    path = write("it.py", TEXT + "small = memoryview(bytes(range(100)))\n")
    code = """
import sys
from scriptengines.session import Session
session = Session()
script = session.load(sys.argv[1])
class AtEnd:
    def __init__(self):
        self.views = [script.call("make_view"), script.get("small"), memoryview(script.get("numbers"))]
    def __del__(self, total=sum): assert [total(view) for view in self.views] == [133693440, 4950, 6.0]
at_end = AtEnd()
at_end.__del__()
"""
    child = subprocess.run(
        [sys.executable, "-c", code, path], capture_output=True, text=True, timeout=60, check=False
    )
    assert (child.returncode, child.stderr) == (0, "")
