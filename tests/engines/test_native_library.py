"""Native modules end to end: real C files, the machine's compiler, real libraries."""

from __future__ import annotations

import gc
import math
import os
import shutil
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from scriptengines.native import NativeEngine, compiler, toolchain
from scriptengines.native.library import NativeModule, definition_lines, readable_signature
from scriptengines.options import resolve
from scriptnative import RunLock
from scriptnative.errors import (
    CallCycleError,
    CallError,
    ConfigError,
    CrossingError,
    LoadError,
    ScriptBusy,
    ScriptClosed,
    UnknownFunction,
)

pytestmark = pytest.mark.skipif(
    not (os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")),
    reason="needs a C compiler",
)

HEAD = '#include "scriptconsole.h"\n#include <stdio.h>\n#include <stdlib.h>\n'
FUNCTION = "static int {name}(sc_ctx *ctx, const sc_value *a, size_t n, sc_value *out)"


def c_module(body: str, exports: str, variables: str = "", life: str = "0, 0") -> str:
    """A whole C file; `$name(` in the body opens a function of the uniform signature."""
    lines: list[str] = []
    for line in body.splitlines():
        if line.startswith("$"):
            name, rest = line[1:].split(" ", 1)
            line = f"{FUNCTION.format(name=name)} {{ (void)ctx; (void)a; (void)n; (void)out; {rest}"
        lines.append(line)
    table = f"static const sc_variable variables[] = {{ {variables} {{0}} }};" if variables else ""
    pointer = "variables" if variables else "0"
    return (
        HEAD
        + "\n".join(lines)
        + f"\nstatic const sc_export exports[] = {{ {exports} {{0}} }};\n{table}\n"
        + "static const sc_module module = "
        + f'{{ SC_ABI_VERSION, "demo", "1.2", exports, {pointer}, {life} }};\n'
        + "SC_MODULE(module)\n"
    )


def refuse_host(name: str, args: tuple[object, ...]) -> object:
    raise AssertionError(f"unexpected host call {name}{args}")


def build(source: Path, cache: Path) -> compiler.Build:
    """Compile a C file with the options of its header, as the engine does."""
    file = compiler.SourceFile.read(source)
    values = resolve(
        NativeEngine.options, engine="native", alias=source.stem, path=source, text=file.text, given={}
    )
    return compiler.build(compiler.Recipe(source.stem, (file,), values["cflags"], values["libs"]), cache)


type Opener = Callable[..., NativeModule]


@pytest.fixture
def open_module(tmp_path: Path) -> Iterator[Opener]:
    opened: list[NativeModule] = []

    def open_it(text: str, host: Any = refuse_host, name: str = "demo", **options: Any) -> NativeModule:
        source = tmp_path / f"{name}.c"
        source.write_text(text)
        path = build(source, tmp_path / "cache").path
        lock = options.pop("lock", None) or RunLock(name)
        opened.append(NativeModule(path, lock, host, sources=[compiler.SourceFile.read(source)], **options))
        return opened[-1]

    yield open_it
    for module in opened:
        module.library.close(0.1)


ECHO = c_module("$echo *out = a[0]; return 0; }", '{ "echo", echo, 0, "Give it back." },')


# ---- values ---------------------------------------------------------------------------------------------

VALUES: list[object] = [
    None,
    True,
    False,
    0,
    -1,
    2**62,
    2**63 - 1,
    -(2**63),
    2**63,
    -(2**63) - 1,
    2**64,
    3**500,
    -(3**500),
    0.0,
    -0.0,
    1.5,
    math.inf,
    "",
    "text",
    "grüße 🙂",
    "a\0b",
    "\ud800 lone",
    b"",
    b"\0\xff\0",
    bytearray(b"mutable\0"),
    [],
    (),
    {},
    [1, "two", [3.0, (4, b"five", None)]],
    {"a": [1, {"b": (2,)}], 3: {4, 5}, None: frozenset({6})},
    set(),
    {1, "two"},
    frozenset({(1, 2)}),
    [2**100, {"big": -(2**100)}],
    ["x" * 10_000, b"y" * 10_000],
    list(range(5000)),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda v: type(v).__name__)
def test_every_value_comes_back_as_it_went(open_module: Opener, value: object) -> None:
    result = open_module(ECHO).function("echo")(value)
    assert result == value
    assert type(result) is type(value)
    if value == 0.0 and isinstance(value, float):
        assert math.copysign(1, value) == math.copysign(1, result)


def test_nan_and_objects(open_module: Opener) -> None:
    echo = open_module(ECHO).function("echo")
    assert math.isnan(echo(math.nan))
    thing = object()
    assert echo(thing) is thing
    assert echo([len, {"k": thing}]) == [len, {"k": thing}]


def test_arguments_are_given_back(open_module: Opener) -> None:
    class Thing:
        pass

    echo = open_module(ECHO).function("echo")
    thing = Thing()
    gone = weakref.ref(thing)
    echo([thing, "x" * 10_000])
    del thing
    echo(1)
    gc.collect()
    assert gone() is None


def test_values_made_in_c(open_module: Opener) -> None:
    module = open_module(
        c_module(
            """
$nested sc_value *i = ctx->alloc(ctx, 4 * sizeof *i);
  i[0] = sc_str("k"); i[1] = sc_items(SC_LIST, i + 2, 2); i[2] = sc_double(2.5); i[3] = sc_bytes("\\0z", 2);
  *out = sc_items(SC_DICT, i, 2); return 0; }
$big static const char bytes[9] = { 0, 0, 0, 0, 0, 0, 0, 0, 1 };
  *out = sc_strn(bytes, 9); out->tag = SC_BIGINT; return 0; }
$minus static const char bytes[9] = { -1, -1, -1, -1, -1, -1, -1, -1, -2 };
  *out = sc_strn(bytes, 9); out->tag = SC_BIGINT; return 0; }
$nothing return 0; }
$large char *p = ctx->alloc(ctx, 1 << 20); memset(p, 'x', 1 << 20); *out = sc_strn(p, 1 << 20); return 0; }
$total double s = 0; for (size_t i = 0; i < n; i++) s += sc_number(&a[i]); *out = sc_double(s); return 0; }
""",
            '{"nested", nested, 0, 0}, {"big", big, 0, 0}, {"minus", minus, 0, 0},'
            '{"nothing", nothing, 0, 0}, {"large", large, ":s", 0}, {"total", total, 0, 0},',
        )
    )
    assert module.function("nested")() == {"k": [2.5, b"\0z"]}
    assert module.function("big")() == 2**64
    assert module.function("minus")() == -(2**64) - 1
    assert module.function("nothing")() is None
    assert module.function("large")() == "x" * (1 << 20)
    assert module.function("total")(*range(50), 0.5) == 1225.5


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("*out = sc_strn(0, 3);", "str without content"),
        ("*out = sc_items(SC_LIST, 0, 1);", "list without content"),
        ("*out = sc_nil(); out->tag = SC_REF;", "reference without content"),
        ("*out = sc_nil(); out->tag = 77;", "unknown tag"),
        ("static sc_value i[3]; *out = sc_items(SC_DICT, i, 3);", "dict of 3 items"),
        ("static sc_value i[1]; i[0] = sc_items(SC_LIST, i, 1); *out = i[0];", "nested deeper than 200"),
        (
            "static sc_value i[2]; i[0] = i[1] = sc_items(SC_LIST, i, 2); *out = i[0];",
            "nested deeper than 200",
        ),
    ],
)
def test_values_that_cannot_be_are_refused(open_module: Opener, statement: str, told: str) -> None:
    module = open_module(c_module(f"$bad {statement} return 0; }}", '{"bad", bad, 0, 0},'))
    with pytest.raises(CrossingError, match=told):
        module.function("bad")()


def test_text_that_is_not_utf8_is_an_error(open_module: Opener) -> None:
    module = open_module(
        c_module('$bad *out = sc_strn("\\xff\\xfe", 2); return 0; }', '{"bad", bad, ":s", 0},')
    )
    with pytest.raises(CrossingError, match="not UTF-8"):
        module.function("bad")()


# ---- signatures -----------------------------------------------------------------------------------------

CHECKED = c_module(
    """
$echo *out = n ? a[0] : sc_nil(); return 0; }
$count *out = sc_int((int64_t)n); return 0; }
$half *out = sc_double(a[0].as.number / 2); return 0; }
$pair *out = sc_double(a[0].as.items[1].as.number); return 0; }
""",
    '{"l", echo, "l:l", 0}, {"d", half, "d:d", 0}, {"b", echo, "b:b", 0}, {"s", echo, "s:s", 0},'
    '{"y", echo, "y:A", 0}, {"p", echo, "p:p", 0}, {"L", echo, "L:L", 0}, {"D", echo, "D:D", 0},'
    '{"O", echo, "O:O", 0}, {"A", echo, "A:A", 0}, {"pair", pair, "T(ld):d", 0},'
    '{"many", count, "sl...:l", 0},'
    '{"any", count, "...:l", 0}, {"none", count, ":l", 0}, {"two", count, "ls:l", 0},'
    '{"wrong", echo, "l:s", 0}, {"quiet", echo, "l:", 0}, {"whole", echo, "l:d", 0},',
)


@pytest.mark.parametrize(
    ("name", "args", "result"),
    [
        ("l", (7,), 7),
        ("l", (True,), 1),
        ("d", (3.0,), 1.5),
        ("d", (3,), 1.5),
        ("b", (True,), True),
        ("s", ("x\0y",), "x\0y"),
        ("y", (b"x",), b"x"),
        ("y", (bytearray(b"x"),), bytearray(b"x")),
        ("p", (1 << 40,), 1 << 40),
        ("p", (None,), None),
        ("L", ([1],), [1]),
        ("L", ((1,),), (1,)),
        ("L", ({},), []),
        ("D", ({1: 2},), {1: 2}),
        ("D", ([],), {}),
        ("O", (len,), len),
        ("A", (None,), None),
        ("pair", ((1, 2.5),), 2.5),
        ("pair", ([1, 2],), 2.0),
        ("many", ("s", 1), 2),
        ("many", ("s", 1, 2, 3), 4),
        ("any", (), 0),
        ("any", (1, "x", None), 3),
        ("none", (), 0),
        ("whole", (3,), 3.0),
    ],
)
def test_what_a_signature_accepts(
    open_module: Opener, name: str, args: tuple[Any, ...], result: object
) -> None:
    got = open_module(CHECKED).function(name)(*args)
    assert got == result
    assert type(got) is type(result)


@pytest.mark.parametrize(
    ("name", "args", "told"),
    [
        ("d", ("x",), r"d\(\) argument 1 must be double, got str"),
        ("l", (1.0,), r"l\(\) argument 1 must be integer, got float"),
        ("l", (2**64,), r"l\(\) argument 1 must be integer, got an int over 64 bits"),
        ("b", (1,), r"b\(\) argument 1 must be bool, got int"),
        ("s", (b"x",), r"s\(\) argument 1 must be str, got bytes"),
        ("y", ("x",), r"y\(\) argument 1 must be bytes, got str"),
        ("p", ("x",), r"p\(\) argument 1 must be pointer, got str"),
        ("L", ({1: 2},), r"L\(\) argument 1 must be list, got dict"),
        ("D", ([1],), r"D\(\) argument 1 must be dict, got list"),
        ("O", (None,), r"O\(\) argument 1 must be reference, got None"),
        ("pair", (5,), r"pair\(\) argument 1 must be tuple, got int"),
        ("pair", ((1, 2, 3),), r"pair\(\) argument 1 must be a tuple of 2 items, got 3"),
        ("pair", ((1, "x"),), r"pair\(\) argument 1\[1\] must be double, got str"),
        ("two", (1,), r"two\(\) takes 2 arguments, got 1"),
        ("two", (1, 2), r"two\(\) argument 2 must be str, got int"),
        ("none", (1,), r"none\(\) takes 0 arguments, got 1"),
        ("many", ("s",), r"many\(\) takes at least 2 arguments, got 1"),
        ("many", ("s", 1, 2, "x"), r"many\(\) argument 4 must be integer, got str"),
        ("wrong", (1,), r"wrong\(\) result must be str, got int"),
        ("quiet", (1,), r"quiet\(\) result must be None, got int"),
    ],
)
def test_what_a_signature_refuses(open_module: Opener, name: str, args: tuple[Any, ...], told: str) -> None:
    function = open_module(CHECKED).function(name)
    with pytest.raises(CallError, match=told) as caught:
        function(*args)
    assert caught.value.remote_type == "TypeError"


def test_keywords_are_refused(open_module: Opener) -> None:
    with pytest.raises(CallError, match=r"l\(\) takes no keyword arguments"):
        open_module(CHECKED).function("l")(x=1)


@pytest.mark.parametrize(
    ("signature", "told"),
    [
        ("x:l", r"character 1: unknown letter 'x'"),
        ("ll", r"character 3: ':' and the result letter are missing"),
        ("T(l:l", r"character 4: unknown letter ':'"),
        ("T(l", r"character 4: '\)' is missing"),
        ("Tl:l", r"character 2: 'T' must be followed by '\('"),
        ("l...l:l", r"character 5: '...' must be the last before ':'"),
        ("l:ll", r"character 4: only one result letter"),
    ],
)
def test_malformed_signatures(open_module: Opener, signature: str, told: str) -> None:
    text = c_module("$f return 0; }", f'{{"smooth", f, "{signature}", 0}},')
    with pytest.raises(LoadError, match=rf"of smooth\(\), {told}"):
        open_module(text)


def test_functions_are_described(open_module: Opener) -> None:
    text = c_module(
        "$smooth_it *out = a[0]; return 0; }\n\n$other return 0; }",
        '{"smooth", smooth_it, "Ld:L", "Smooth a list.\\n\\nLong."}, {"other", other, 0, 0},',
    )
    module = open_module(text)
    smooth, other = module.functions()
    assert (smooth.name, smooth.signature, smooth.doc) == (
        "smooth",
        "(list, double) -> list",
        "Smooth a list.",
    )
    assert (other.name, other.signature, other.doc) == ("other", "(...)", "")
    rows = text.splitlines()
    assert "smooth_it(sc_ctx" in rows[smooth.line - 1]
    assert "other(sc_ctx" in rows[other.line - 1]
    assert (module.library.name, module.library.version) == ("demo", "1.2")
    function = module.function("smooth")
    assert (function.name, function.signature) == ("smooth", "Ld:L")
    assert repr(function) == "<NativeFunction smooth>"
    with pytest.raises(UnknownFunction, match=r'no function "smoth".*"smooth"'):
        module.function("smoth")


def test_signatures_and_lines_as_text() -> None:
    assert readable_signature("Ld...:s") == "(list, double, ...) -> str"
    assert readable_signature("T(lT(sd)):") == "(tuple[integer, tuple[str, double]]) -> None"
    text = '/* f(sc_ctx *c) { */\nint f(sc_ctx *c);\nint f(sc_ctx *c)\n{ use("f", 5); }\n{ "f", f },'
    assert definition_lines(text, ["f", "g"]) == {"f": 3}


# ---- errors ---------------------------------------------------------------------------------------------


def test_failures_of_a_function(open_module: Opener) -> None:
    module = open_module(
        c_module(
            """
$fails char text[40]; snprintf(text, sizeof text, "value %d", 7); return ctx->fail(ctx, "ValueError", text); }
$silent return -1; }
$garbled return ctx->fail(ctx, "Bad", "\\xff caf\\xc3\\xa9"); }
""",
            '{"fails", fails, 0, 0}, {"silent", silent, 0, 0}, {"garbled", garbled, 0, 0},',
        )
    )
    with pytest.raises(CallError, match="ValueError: value 7") as caught:
        module.function("fails")()
    assert caught.value.remote_type == "ValueError"
    (frame,) = caught.value.frames
    assert (frame.file, frame.function, frame.language) == (str(module.sources[0].path), "fails", "native")
    assert frame.line == module.functions()[0].line > 0
    with pytest.raises(CallError, match=r"silent\(\) returned failure without a reason"):
        module.function("silent")()
    with pytest.raises(CallError, match=r"\\xff café"):
        module.function("garbled")()


# ---- the host, callbacks, references --------------------------------------------------------------------

CALLS_OUT = c_module(
    """
static sc_ref *kept;
static int64_t ticks;
$tick *out = sc_int(++ticks); return 0; }
$ask return ctx->host(ctx, "ask", a, n, out); }
$hide sc_value v; if (ctx->host(ctx, "ask", a, n, &v) < 0) *out = sc_str("hidden"); return 0; }
$wrap if (ctx->host(ctx, "ask", a, n, out) < 0) return ctx->fail(ctx, "Outer", "it failed"); return 0; }
$start int64_t id = 0; int rc = sc_set_interval(ctx, "tick", 50, &id); *out = sc_int(id); return rc; }
$lost return sc_on(ctx, "hook", "nowhere"); }
$give *out = sc_callback("tick"); return 0; }
$deep sc_value *i = ctx->alloc(ctx, 4 * sizeof *i);
  i[0] = sc_str("then"); i[1] = sc_callback("tick"); i[2] = sc_items(SC_DICT, i, 2); i[3] = sc_int(1);
  return ctx->host(ctx, "ask", i + 2, 2, out); }
$call return ctx->call_ref(ctx, a[0].as.ref, a + 1, n - 1, out); }
$keep if (kept) ctx->release(ctx, kept);
  kept = n && a[0].tag == SC_REF ? a[0].as.ref : 0; if (kept) ctx->retain(ctx, kept); return 0; }
$use return ctx->call_ref(ctx, kept, a, n, out); }
$again return ctx->host(ctx, "again", a, n, out); }
""",
    '{"tick", tick, ":l", 0}, {"ask", ask, 0, 0}, {"hide", hide, 0, 0}, {"wrap", wrap, 0, 0},'
    '{"start", start, ":l", 0}, {"lost", lost, 0, 0}, {"give", give, ":O", 0}, {"deep", deep, 0, 0},'
    '{"call", call, "OA...:A", 0}, {"keep", keep, 0, 0}, {"use", use, 0, 0}, {"again", again, "l:l", 0},',
)


def test_host_calls_and_results(open_module: Opener) -> None:
    asked: list[tuple[str, tuple[object, ...]]] = []
    answers: list[object] = [{"a": [1, b"\0", 2**70]}, None, "x" * 9000]

    def host(name: str, args: tuple[object, ...]) -> object:
        asked.append((name, args))
        return answers.pop(0)

    ask = open_module(CALLS_OUT, host).function("ask")
    assert ask(1, "two", [3.0]) == {"a": [1, b"\0", 2**70]}
    assert ask() is None
    assert ask() == "x" * 9000
    assert asked == [("ask", (1, "two", [3.0])), ("ask", ()), ("ask", ())]


def test_failures_of_the_host(open_module: Opener) -> None:
    def host(name: str, args: tuple[object, ...]) -> object:
        raise KeyError("nobody")

    module = open_module(CALLS_OUT, host)
    with pytest.raises(CallError, match="KeyError: 'nobody'") as caught:
        module.function("ask")()
    assert [frame.function for frame in caught.value.frames] == ["ask", "host"]
    assert caught.value.frames[0].language == "native"
    assert module.function("hide")() == "hidden"
    with pytest.raises(CallError, match="Outer: it failed") as caught:
        module.function("wrap")()
    assert isinstance(caught.value.__cause__, CallError)
    assert caught.value.__cause__.remote_type == "KeyError"


def test_results_of_the_host_that_cannot_cross(open_module: Opener) -> None:
    loop: list[object] = []
    loop.append(loop)
    module = open_module(CALLS_OUT, lambda name, args: loop)
    with pytest.raises(CrossingError, match="cycle"):
        module.function("ask")()


def test_callbacks_by_name(open_module: Opener) -> None:
    timers: list[tuple[Any, ...]] = []

    def host(name: str, args: tuple[Any, ...]) -> object:
        timers.append(args)
        return 42

    module = open_module(CALLS_OUT, host)
    assert module.function("start")() == 42
    callback, interval = timers[0]
    assert interval == 50.0
    assert [callback(), callback()] == [1, 2]
    assert module.function("give")()() == 3
    assert module.function("deep")() == 42
    assert timers[1][0]["then"]() == 4
    with pytest.raises(UnknownFunction, match=r"lost\(\) names the callback 'nowhere'"):
        module.function("lost")()


def test_references(open_module: Opener) -> None:
    module = open_module(CALLS_OUT)
    call, keep, use = (module.function(name) for name in ("call", "keep", "use"))
    assert call(max, 3, 9) == 9
    assert call(lambda *args: args, "x", None) == ("x", None)
    with pytest.raises(CallError, match="ZeroDivisionError"):
        call(lambda x: x / 0, 1)
    with pytest.raises(CallError, match="given no reference"):
        use()

    class Counter:
        def __call__(self, step: int) -> int:
            return step + 1

    counter = Counter()
    gone = weakref.ref(counter)
    keep(counter)
    del counter
    gc.collect()
    assert use(4) == 5
    keep()
    keep()
    gc.collect()
    assert gone() is None


def test_nested_calls_on_one_thread(open_module: Opener) -> None:
    modules: list[NativeModule] = []

    def host(name: str, args: tuple[Any, ...]) -> object:
        (left,) = args
        return 0 if left == 0 else modules[0].function("again")(left - 1) + 1

    modules.append(open_module(CALLS_OUT, host))
    assert modules[0].function("again")(50) == 50
    with pytest.raises(CallError, match="more than 200 times deep") as caught:
        modules[0].function("again")(500)
    assert caught.value.remote_type == "RecursionError"
    assert modules[0].function("again")(3) == 3


# ---- threads and the run lock ---------------------------------------------------------------------------

SLEEPS = '// scriptconsole: cflags = "-D_GNU_SOURCE"\n#include <unistd.h>\n' + c_module(
    """
static int64_t inside, most;
$nap if (++inside > most) most = inside;
  usleep((unsigned)(a[0].as.number * 1000)); inside--; *out = sc_int(most); return 0; }
$ask return ctx->host(ctx, "ask", a, n, out); }
""",
    '{"nap", nap, "d:l", 0}, {"ask", ask, 0, 0},',
)


def test_one_call_at_a_time_without_the_gil(open_module: Opener) -> None:
    nap = open_module(SLEEPS).function("nap")
    most: list[int] = []
    threads = [threading.Thread(target=lambda: most.append(nap(20))) for _ in range(5)]
    for thread in threads:
        thread.start()
    turns = 0
    while any(thread.is_alive() for thread in threads):
        turns += 1
        time.sleep(0.001)
    assert most == [1] * 5
    assert turns > 10  # this thread ran all the while


def test_two_modules_run_side_by_side(open_module: Opener) -> None:
    naps = [open_module(SLEEPS, name=name).function("nap") for name in ("one", "two")]
    threads = [threading.Thread(target=nap, args=(150,)) for nap in naps]
    start = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert time.monotonic() - start < 0.28


def test_cycle_across_threads_is_refused(open_module: Opener) -> None:
    functions: dict[str, Any] = {}
    meet = threading.Barrier(2, timeout=10)
    errors: list[BaseException] = []

    def host(name: str, args: tuple[Any, ...]) -> object:
        if args[1] == 0:
            return "end"
        meet.wait()
        return functions[args[0]]("", 0)

    functions["one"] = open_module(SLEEPS, host, name="one").function("ask")
    functions["two"] = open_module(SLEEPS, host, name="two").function("ask")

    def run(mine: str, other: str) -> None:
        try:
            functions[mine](other, 1)
        except (CallCycleError, CallError) as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=pair) for pair in (("one", "two"), ("two", "one"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert not any(thread.is_alive() for thread in threads)
    assert [type(error) for error in errors] == [CallCycleError]


def test_closed_script_is_refused(open_module: Opener) -> None:
    lock = RunLock("greenhouse")
    echo = open_module(ECHO, lock=lock).function("echo")
    lock.close()
    with pytest.raises(ScriptClosed, match=r"greenhouse is closed.*echo\(\)"):
        echo(1)


# ---- variables ------------------------------------------------------------------------------------------

SHOWS = c_module(
    """
#include <stdbool.h>
static int64_t count = 5; static int32_t small = -7; static double gain = 1.5; static float ratio = 0.25f;
static bool on = true; static char label[8] = "abc";
static double taps[30] = { 1, 2 }; static int32_t pair[2] = { 8, 9 };
$total *out = sc_double(gain + taps[29]); return 0; }
""",
    '{"total", total, ":d", 0},',
    '{"count", SC_VAR_INT64, &count, 1}, {"small", SC_VAR_INT32, &small, 1},'
    '{"gain", SC_VAR_DOUBLE, &gain, 1}, {"ratio", SC_VAR_FLOAT, &ratio, 1}, {"on", SC_VAR_BOOL, &on, 1},'
    '{"label", SC_VAR_STRING, label, sizeof label},'
    '{"taps", SC_VAR_DOUBLE, taps, 30}, {"pair", SC_VAR_INT32, pair, 2},',
)


def test_variables_are_shown_and_bounded(open_module: Opener) -> None:
    module = open_module(SHOWS)
    rows = {name: (kind, value, size) for name, kind, value, size in module.library.variables()}
    assert rows["count"] == ("int64", 5, 1)
    assert rows["small"] == ("int32", -7, 1)
    assert rows["gain"] == ("double", 1.5, 1)
    assert rows["ratio"] == ("float", 0.25, 1)
    assert rows["on"] == ("bool", True, 1)
    assert rows["label"] == ("string[8]", "abc", 8)
    assert rows["taps"] == ("double[30]", [1.0, 2.0, *[0.0] * 18], 30)
    assert rows["pair"] == ("int32[2]", [8, 9], 2)
    shown = {variable.name: variable for variable in module.variables()}
    assert shown["taps"].value.endswith("0.0, …]")
    assert (shown["gain"].value, shown["gain"].size) == ("1.5", None)
    assert len(module.library.get("taps")) == 30


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("count", -(2**63)),
        ("count", True),
        ("small", 2**31 - 1),
        ("gain", 3),
        ("gain", math.inf),
        ("ratio", 0.5),
        ("on", False),
        ("label", "grüße"),
        ("label", ""),
        ("pair", [1, -1]),
    ],
)
def test_variables_are_set(open_module: Opener, name: str, value: object) -> None:
    library = open_module(SHOWS).library
    library.set(name, value)
    assert library.get(name) == value


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("count", 2**63, "count must fit int64"),
        ("small", 2**31, "small must fit int32: -2147483648 to 2147483647"),
        ("small", 1.0, "small must be an int, got float"),
        ("gain", "x", "gain must be a number, got str"),
        ("gain", 10**400, "gain must fit double"),
        ("ratio", 1e300, "ratio must fit float"),
        ("on", 1, "on must be a bool, got int"),
        ("label", "too long", "label must be at most 7 bytes of UTF-8, got 8"),
        ("label", "a\0b", "label cannot hold a NUL"),
        ("label", b"x", "label must be a str, got bytes"),
        ("pair", [1], "pair must be a list of 2 elements, got 1"),
        ("pair", [1, "x"], r"pair\[1\] must be an int, got str"),
        ("pair", 1, "pair must be a list of 2 elements, got int"),
    ],
)
def test_variables_refuse_what_does_not_fit(open_module: Opener, name: str, value: object, told: str) -> None:
    library = open_module(SHOWS).library
    before = library.get(name)
    with pytest.raises(CrossingError, match=told):
        library.set(name, value)
    assert library.get(name) == before


def test_set_reaches_the_c_code_and_names_the_unknown(open_module: Opener) -> None:
    module = open_module(SHOWS)
    module.library.set("gain", 10)
    module.library.set("taps", [0.0] * 29 + [0.5])
    assert module.function("total")() == 10.5
    with pytest.raises(CallError, match=r'no variable "gian".*"gain"'):
        module.library.get("gian")


def test_set_waits_for_a_running_call(open_module: Opener) -> None:
    lock = RunLock("demo")
    library = open_module(SHOWS, lock=lock).library
    ready, done = threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            ready.set()
            done.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    ready.wait(10)
    with pytest.raises(ScriptBusy, match="gain was not set"):
        library.set("gain", 2, 0.05)
    assert library.variables()[2][2] == 1.5  # reading does not wait
    done.set()
    thread.join()


# ---- loading, closing, loading beside -------------------------------------------------------------------


def mapped(path: str | Path) -> bool:
    return str(path) in Path("/proc/self/maps").read_text()


needs_proc = pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="reads /proc/self/maps")


def test_files_that_are_no_module(tmp_path: Path) -> None:
    def open_file(path: Path) -> NativeModule:
        return NativeModule(path, RunLock("x"), refuse_host)

    with pytest.raises(LoadError, match="no such file"):
        open_file(tmp_path / "missing.so")
    text = tmp_path / "text.so"
    text.write_text("no library")
    with pytest.raises(LoadError, match=r"cannot be loaded as a shared library: .*(too short|invalid ELF)"):
        open_file(text)
    plain = tmp_path / "plain.c"
    plain.write_text("int nothing(void) { return 0; }\n")
    with pytest.raises(LoadError, match="does not export scriptconsole_module"):
        open_file(build(plain, tmp_path).path)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("SC_ABI_VERSION, ", "SC_ABI_VERSION + 1, ", "version 3 of the module interface, this is version 2"),
        ('"demo"', '""', "the module has no name"),
        ('"demo"', "0", "the module has no name"),
        (
            '{ "echo", echo, 0, "Give it back." },',
            '{"e", echo, 0, 0}, {"e", echo, 0, 0},',
            "function 'e' is listed twice",
        ),
        ('{ "echo", echo,', '{ "", echo,', "function number 1 has no name"),
        ('{ "echo", echo,', '{ "echo", 0,', r"echo\(\) points to no function"),
        (
            "SC_MODULE(module)",
            "SC_EXPORT const sc_module *scriptconsole_module(void) { return 0; }",
            "returned NULL",
        ),
    ],
)
@needs_proc
def test_tables_that_are_wrong(open_module: Opener, tmp_path: Path, old: str, new: str, told: str) -> None:
    assert old in ECHO
    with pytest.raises(LoadError, match=told) as caught:
        open_module(
            ECHO.replace(old, new) + "\nextern const sc_module *keep; const sc_module *keep = &module;\n"
        )
    assert not mapped(caught.value.file)


def test_undefined_symbols_are_named(open_module: Opener) -> None:
    text = "int not_there(void);\n" + c_module("$f return not_there(); }", '{"f", f, 0, 0},')
    with pytest.raises(LoadError, match="undefined symbol: not_there"):
        open_module(text)


LIVES = c_module(
    """
static int64_t loaded, fail;
static int load(sc_ctx *ctx) {
  if (fail) return ctx->fail(ctx, "OSError", "no device");
  loaded++; return sc_log(ctx, "up"); }
static void unload(sc_ctx *ctx) { loaded--; sc_log(ctx, "down"); }
$state *out = sc_int(loaded); return 0; }
$ask return ctx->host(ctx, "ask", a, n, out); }
""",
    '{"state", state, ":l", 0}, {"ask", ask, 0, 0},',
    '{"loaded", SC_VAR_INT64, &loaded, 1}, {"fail", SC_VAR_INT64, &fail, 1},',
    "load, unload",
)


@needs_proc
def test_life_cycle_and_close(open_module: Opener) -> None:
    log: list[object] = []
    module = open_module(LIVES, lambda name, args: log.append((name, *args)))
    library, state = module.library, module.function("state")
    assert state() == 0
    library.load()
    assert state() == 1
    assert mapped(library.path)
    assert library.close()
    assert log == [("log", "up"), ("log", "down")]
    assert library.closed
    assert not mapped(library.path)
    assert library.close()
    assert len(log) == 2
    for use in (state, library.variables, library.load, lambda: library.get("loaded")):
        with pytest.raises(ScriptClosed, match="is closed"):
            use()
    assert [info.name for info in module.functions()] == ["state", "ask"]


def test_load_that_fails_is_not_unloaded(open_module: Opener) -> None:
    log: list[object] = []
    library = open_module(LIVES, lambda name, args: log.append(args)).library
    library.set("fail", 1)
    with pytest.raises(CallError, match="OSError: no device") as caught:
        library.load()
    assert caught.value.frames[0].function == "load"
    assert library.close()
    assert log == []


def test_close_waits_for_calls_and_gives_up(open_module: Opener) -> None:
    module = open_module(SLEEPS)
    nap = module.function("nap")
    thread = threading.Thread(target=nap, args=(300,))
    thread.start()
    time.sleep(0.05)
    assert module.library.close(0.02) is False
    assert not module.library.closed
    assert module.library.close(5) is True
    thread.join()


def test_close_from_inside_is_refused(open_module: Opener) -> None:
    modules: list[NativeModule] = []
    modules.append(open_module(LIVES, lambda name, args: modules[0].library.close(0.1)))
    assert modules[0].function("ask")() is False
    assert modules[0].function("state")() == 0


@needs_proc
def test_dropping_the_last_use_unmaps(open_module: Opener, tmp_path: Path) -> None:
    source = tmp_path / "lonely.c"
    source.write_text(ECHO)
    path = build(source, tmp_path).path
    echo = NativeModule(path, RunLock("lonely"), refuse_host).function("echo")
    gc.collect()
    assert echo(3) == 3
    assert mapped(path)
    del echo
    gc.collect()
    assert not mapped(path)


def test_changed_file_loads_beside_the_old_one(open_module: Opener) -> None:
    text = c_module(
        "static int64_t n0 = 1;\n$next *out = sc_int(n0++); return 0; }", '{"next", next, ":l", 0},'
    )
    lock = RunLock("demo")
    old = open_module(text, lock=lock)
    new = open_module(text.replace("n0 = 1", "n0 = 100"), lock=lock)
    assert old.library.path != new.library.path
    assert [old.function("next")(), new.function("next")(), old.function("next")()] == [1, 100, 2]
    assert old.library.close()
    assert new.function("next")() == 101


def test_the_same_file_twice_has_its_variables_twice(open_module: Opener) -> None:
    text = c_module(
        "static int64_t n0 = 1;\n$next *out = sc_int(n0++); return 0; }", '{"next", next, ":l", 0},'
    )
    first, second = open_module(text), open_module(text)
    assert first.library.path == second.library.path
    assert [first.function("next")(), first.function("next")(), second.function("next")()] == [1, 2, 1]
    assert first.library.close()
    assert second.function("next")() == 2


# ---- compiling ------------------------------------------------------------------------------------------


def write(tmp_path: Path, text: str, name: str = "part.c") -> Path:
    source = tmp_path / name
    source.write_text(text)
    return source


def test_unchanged_file_is_not_compiled_again(tmp_path: Path) -> None:
    source = write(tmp_path, ECHO)
    first = build(source, tmp_path / "cache")
    written = first.path.stat().st_mtime_ns
    again = build(source, tmp_path / "cache")
    assert (first.reused, again.reused) == (False, True)
    assert again.path == first.path
    assert again.path.stat().st_mtime_ns == written
    source.write_text(ECHO + "/* changed */\n")
    assert build(source, tmp_path / "cache").path != first.path
    assert not [path for path in (tmp_path / "cache").iterdir() if path.name.startswith(".new-")]


def test_header_beside_the_source_counts(tmp_path: Path) -> None:
    (tmp_path / "gain.h").write_text("#define GAIN 1\n")
    source = write(tmp_path, '#include "gain.h"\n' + ECHO)
    first = build(source, tmp_path / "cache").path
    (tmp_path / "gain.h").write_text("#define GAIN 2\n")
    assert build(source, tmp_path / "cache").path != first


def test_compile_error_names_file_line_and_remedy(tmp_path: Path) -> None:
    source = write(tmp_path, HEAD + "int first(void) { return 1 }\nint second(void) { return nope; }\n")
    with pytest.raises(LoadError) as caught:
        build(source, tmp_path / "cache")
    error = caught.value
    assert (error.file, error.line) == (str(source), 4)
    assert str(error).startswith(f"{source}:4: expected")
    assert "correct the line" in str(error)
    assert "nope" in error.detail
    assert not list((tmp_path / "cache").iterdir())


def test_missing_header_has_its_own_remedy(tmp_path: Path) -> None:
    source = write(tmp_path, "#include <no_such_library.h>\n")
    with pytest.raises(LoadError, match=r"part\.c:1: .*install what provides no_such_library\.h"):
        build(source, tmp_path)


def test_warnings_are_kept_for_the_log(tmp_path: Path) -> None:
    source = write(tmp_path, HEAD + "static int unused(void) { return 1; }\n")
    first = build(source, tmp_path / "cache")
    assert "unused" in first.warnings
    assert f"{source}:4" in first.warnings
    assert build(source, tmp_path / "cache").warnings == first.warnings


def test_options_in_the_first_lines(open_module: Opener, tmp_path: Path) -> None:
    options = '// scriptconsole: cflags = "-DFACTOR=3 -lm"\n// scriptconsole: libs = "-lm"\n'
    body = "#include <math.h>\n$f *out = sc_double(FACTOR * cbrt(a[0].as.number)); return 0; }"
    module = open_module(options + c_module(body, '{"f", f, "d:d", 0},'))
    assert module.function("f")(8) == pytest.approx(6)
    with pytest.raises(ConfigError, match=r"bad\.c:1: not understood") as caught:
        build(write(tmp_path, "// scriptconsole: cflag = -O3\n", "bad.c"), tmp_path)
    assert caught.value.line == 1


def test_no_compiler_and_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write(tmp_path, ECHO)
    with pytest.raises(LoadError, match="cannot be read"):
        build(tmp_path / "missing.c", tmp_path)
    monkeypatch.setenv("CC", "no-such-compiler -m64")
    with pytest.raises(LoadError, match="install gcc or clang, or set CC"):
        build(source, tmp_path)
    monkeypatch.delenv("CC")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LoadError, match="no C compiler was found"):
        build(source, tmp_path)


def test_compiler_that_hangs_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = tmp_path / "slowcc"
    slow.write_text("#!/bin/sh\nsleep 30 &\nwait\n")
    slow.chmod(0o755)
    monkeypatch.setenv("CC", str(slow))
    monkeypatch.setattr(toolchain, "TIMEOUT_S", 0.2)
    start = time.monotonic()
    with pytest.raises(LoadError, match="did not finish"):
        build(write(tmp_path, ECHO), tmp_path / "cache")
    assert time.monotonic() - start < 5
    assert not list((tmp_path / "cache").iterdir())


def test_old_builds_are_dropped(tmp_path: Path) -> None:
    for number in range(12):
        source = write(tmp_path, f"int version = {number};\n")
        newest = build(source, tmp_path / "cache").path
    kept = list((tmp_path / "cache").glob("part-*.so"))
    assert len(kept) == 8
    assert newest in kept


def test_ready_made_libraries_are_staged(tmp_path: Path) -> None:
    built = build(write(tmp_path, ECHO), tmp_path / "made").path
    library = tmp_path / "ready.so"
    shutil.copy(built, library)
    copy = compiler.stage(library, tmp_path / "cache")
    assert copy.read_bytes() == library.read_bytes()
    assert compiler.stage(library, tmp_path / "cache") == copy
    library.write_bytes(library.read_bytes() + b"\0")
    assert compiler.stage(library, tmp_path / "cache") != copy
    with pytest.raises(LoadError, match="cannot be read"):
        compiler.stage(tmp_path / "missing.so", tmp_path)
