"""Manifests of native components: what they may say, what is refused where, and what is built from them."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

from scriptengines import Session
from scriptengines.errors import CallError, ConfigError, LoadError
from scriptengines.native import manifest, toolchain
from scriptengines.native.manifest import arrange, in_order, read

from .native_parts import HAS_COMPILER, component_c, write_component

needs_compiler = pytest.mark.skipif(not HAS_COMPILER, reason="needs a C compiler")
needs_cython = pytest.mark.skipif(
    not HAS_COMPILER or importlib.util.find_spec("Cython") is None, reason="needs Cython"
)

FULL = """# A component.
name = "smoother"
version = "1.4.2"
description = "Takes the noise out"
sources = ["smooth.c", "fast.pyx"]
cflags = "-O3 -DNAME='a b'"
libs = ["-lm"]
include = ["headers"]
groups = ["io", "signal"]
start = false

[requires]
filter = ">=1.2,<2"
log = "*"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "headers").mkdir()
    for name in ("smooth.c", "fast.pyx", "ready.so"):
        (tmp_path / name).write_text("")
    return tmp_path


def write(folder: Path, text: str, name: str = "part.scmod") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_all_that_a_manifest_can_say(folder: Path) -> None:
    found = read(write(folder, FULL))
    assert (found.name, found.version, found.description) == ("smoother", "1.4.2", "Takes the noise out")
    assert [(need.name, need.versions, need.line) for need in found.requires] == [
        ("filter", ">=1.2,<2", 13),
        ("log", "", 14),
    ]
    assert found.files == (folder / "smooth.c", folder / "fast.pyx")
    assert found.cflags == ("-O3", "-DNAME=a b")
    assert found.libs == ("-lm",)
    assert found.include == (folder / "headers",)
    assert found.groups == ("io", "signal")
    assert found.start is False


def test_the_least_that_a_manifest_must_say(folder: Path) -> None:
    found = read(write(folder, 'name = "a"\nversion = "1"\nlibrary = "ready.so"\n'))
    assert found.files == (folder / "ready.so",)
    assert (found.requires, found.groups, found.start) == ((), (), True)


START = 'name = "a"\nversion = "1"\n'
SOURCES = START + 'sources = ["smooth.c"]\n'


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        (SOURCES + "cflag = '-O3'", 4, r'unknown key "cflag"\. Did you mean "cflags"\?'),
        (SOURCES + "xyz = 1", 4, r'unknown key "xyz"\. Known are: cflags, description, groups, include, '),
        (SOURCES + "path = 'x'", 4, 'unknown key "path"'),
        (SOURCES + "name = 'again'", 4, "not valid TOML: cannot overwrite a value"),
        ("name = \nversion", 1, "not valid TOML: invalid value"),
        ('version = "1"\nsources = ["smooth.c"]', 0, 'name is missing; write name = "…"'),
        ('name = "a"\nsources = ["smooth.c"]', 0, "version is missing"),
        ('name = ""\nversion = "1"', 1, "name must not be empty"),
        ('name = "two words"\nversion = "1"', 1, "name must be a letter, then letters"),
        ('name = 5\nversion = "1"', 1, "name must be a text, got 5"),
        ('name = "a"\nversion = "one"\nlibrary = "ready.so"', 2, 'version "one" is none; write it as'),
        ('name = "a"\nversion = 1.2\nlibrary = "ready.so"', 2, "version must be a text, got 1.2"),
        (START, 1, "give either sources"),
        (SOURCES + 'library = "ready.so"', 3, "give either sources"),
        (START + "sources = 'smooth.c'", 3, "sources must be a list of texts, got 'smooth.c'"),
        (START + "sources = [1]", 3, "sources must be a list of texts, got 1 in it"),
        (START + "sources = ['smooth.cpp']", 3, r"smooth\.cpp: sources must end in \.c or \.pyx"),
        (START + "sources = ['smooth.c', 'smooth.c']", 3, r"smooth\.c is listed twice"),
        (START + "sources = ['smoth.c']", 3, r'smoth\.c: no such file\. Did you mean "smooth\.c"\?'),
        (START + "library = 'redy.so'", 3, r'redy\.so: no such file\. Did you mean "ready\.so"\?'),
        (START + "library = 'ready.so'\nlibs = '-lm'", 4, "libs means nothing for a ready-made library"),
        (SOURCES + "include = ['nowhere']", 4, "nowhere: no such folder"),
        (SOURCES + "groups = 'io'", 4, "groups must be a list of texts"),
        (SOURCES + "start = 1", 4, "start must be true or false, got 1"),
        (SOURCES + 'cflags = "-DX=\'"', 4, "cflags cannot be split into words: No closing quotation"),
        (SOURCES + "requires = ['b']", 4, "requires must be a table"),
        (SOURCES + "requires = { b = 1 }", 4, r"requires\.b must be a text such as \">=1\.2,<2\", got 1"),
        (SOURCES + '[requires]\nb = "about 1"', 5, r'requires\.b: "about 1" names no versions'),
        (SOURCES + '[requires]\na = ">1"', 5, "a requires itself"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(folder: Path, text: str, line: int, told: str) -> None:
    path = write(folder, text)
    with pytest.raises((ConfigError, LoadError), match=told) as caught:
        read(path)
    error = caught.value
    assert (error.file, error.line) == (str(path), line)
    assert str(error).startswith(f"{path}:{line}: " if line else f"{path}: ")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match="No such file"):
        read(tmp_path / "missing.scmod")
    path = tmp_path / "latin.scmod"
    path.write_bytes(b'name = "\xe4"')
    with pytest.raises(ConfigError, match="not UTF-8"):
        read(path)


# ---- order ----------------------------------------------------------------------------------------------


REST = 'version = "1.5"\nlibrary = "ready.so"\n'


def several(folder: Path, **needs: str) -> list[manifest.Manifest]:
    """Manifests by name, each with the inner part of its `requires` table."""
    return [
        read(write(folder, f'name = "{name}"\n{REST}[requires]\n{table}', f"{name}.scmod"))
        for name, table in needs.items()
    ]


def names(manifests: list[manifest.Manifest]) -> list[str]:
    return [each.name for each in manifests]


def test_each_comes_after_what_it_requires(folder: Path) -> None:
    found = several(folder, app='ui = "*"\ndb = ">=1"', ui='log = "*"', db='log = "*"', log="")
    assert names(in_order(found, {})) == ["log", "ui", "db", "app"]
    assert names(in_order(found[::-1], {})) == ["log", "db", "ui", "app"]


def test_what_is_loaded_already_counts(folder: Path) -> None:
    assert names(in_order(several(folder, ui='log = ">=2"'), {"log": "2.1"})) == ["ui"]


@pytest.mark.parametrize(
    ("needs", "told"),
    [
        ({"ui": 'lgo = "*"', "log": ""}, r'ui requires "lgo", which is nowhere\. Did you mean "log"\?'),
        ({"ui": 'db = "*"'}, r'ui requires "db", which is nowhere\. Load it as well'),
        ({"ui": 'log = ">=2,<3"', "log": ""}, r"ui 1\.5 requires log >=2,<3, but there is log 1\.5"),
        ({"a": 'b = "*"', "b": 'c = "*"', "c": 'b = "*"'}, "components require each other: b -> c -> b"),
    ],
)
def test_requirements_that_cannot_be_met(folder: Path, needs: dict[str, str], told: str) -> None:
    with pytest.raises(LoadError, match=told) as caught:
        in_order(several(folder, **needs), {})
    assert caught.value.line == 5


def test_a_name_may_occur_once(folder: Path) -> None:
    found = several(folder, a="")
    other = read(write(folder, 'name = "a"\nversion = "2"\nlibrary = "ready.so"', "b.scmod"))
    with pytest.raises(ConfigError, match=r'there is a component "a" already, in .*a\.scmod'):
        in_order([*found, other], {})


def test_a_folder_is_arranged_for_loading(folder: Path) -> None:
    several(folder, app='log = "*"', log="")
    write(folder, "name = 1", "broken.scmod")
    write(folder, "", "other.lua")
    found = arrange(sorted(folder.glob("*.*")))
    assert [path.name for path in found] == [
        "log.scmod",
        "app.scmod",
        "broken.scmod",
        "fast.pyx",
        "other.lua",
        "smooth.c",
    ]  # ready.so is what the two are made of


def test_a_folder_that_cannot_be_ordered_keeps_its_names(folder: Path) -> None:
    several(folder, a='b = "*"', b='a = "*"')
    assert [path.name for path in arrange(sorted(folder.glob("*.scmod")))] == ["a.scmod", "b.scmod"]


# ---- building -------------------------------------------------------------------------------------------


@needs_compiler
def test_several_sources_make_one_library(session: Session, tmp_path: Path) -> None:
    (tmp_path / "headers").mkdir()
    (tmp_path / "headers" / "shared.h").write_text("double twice(double x);\n")
    (tmp_path / "helper.c").write_text('#include "shared.h"\ndouble twice(double x) { return FACTOR * x; }\n')
    path = write_component(
        tmp_path,
        "calc",
        component_c(
            {"run": "*out = sc_double(twice(cbrt(8)));"}, prefix="#include <math.h>\n#include <shared.h>"
        ),
    )
    path.write_text(
        'name = "calc"\nversion = "1"\nsources = ["calc.c", "helper.c"]\n'
        'include = ["headers"]\ncflags = "-DFACTOR=2"\nlibs = "-lm"\n'
    )
    script = session.load(path)
    assert script.call("run") == 4.0
    assert script.functions()[0].name == "run"


@needs_compiler
def test_errors_name_the_source(session: Session, tmp_path: Path) -> None:
    path = write_component(tmp_path, "bad", component_c({"run": "oops"}))
    with pytest.raises(LoadError, match=r"bad\.c:4: ") as caught:
        session.load(path)
    assert caught.value.file == str(tmp_path / "bad.c")


@needs_compiler
def test_a_failing_function_names_its_own_source(session: Session, tmp_path: Path) -> None:
    path = write_component(
        tmp_path, "two", component_c({"run": 'return ctx->fail(ctx, "ValueError", "no");'})
    )
    with pytest.raises(CallError, match="ValueError: no") as caught:
        session.load(path).call("run")
    (frame,) = caught.value.frames
    assert (frame.file, frame.line, frame.language) == (str(tmp_path / "two.c"), 4, "native")


@needs_compiler
def test_a_ready_made_library(session: Session, tmp_path: Path) -> None:
    from scriptengines.native.compiler import Recipe, SourceFile, build

    text = component_c({"who": "*out = sc_int(7);"}).encode()
    made = build(Recipe("made", (SourceFile(tmp_path / "m.c", text),)), tmp_path)
    made.path.rename(tmp_path / "made.so")
    path = write(tmp_path, 'name = "made"\nversion = "1"\nlibrary = "made.so"\n')
    assert session.load(path).call("who") == 7


PYX = """# cython: language_level=3
from scriptconsole cimport *

cdef double level = 0
words = {}


cdef int smooth(sc_ctx *ctx, const sc_value *args, size_t n, sc_value *out) noexcept nogil:
    global level
    level += args[1].as_.number * (args[0].as_.number - level)
    out[0] = sc_double(level)
    return 0


cdef int count(sc_ctx *ctx, const sc_value *args, size_t n, sc_value *out) except? -1:
    word = args[0].as_.bytes[:args[0].length].decode()
    if not word:
        raise ValueError("no word")
    words[word] = words.get(word, 0) + 1
    out[0] = sc_int(words[word])
    return 0


cdef sc_export exports[3]
exports[0] = sc_export(b"smooth", smooth, b"dd:d", b"Exponential smoothing.", 0)
exports[1] = sc_export(b"count", <sc_function>count, b"s:l", b"Count a word.", SC_KEEP_GIL)
exports[2].name = NULL

cdef sc_module table
table.abi = SC_ABI_VERSION
table.name = b"fast"
table.version = b"1.0"
table.exports = exports


cdef public const sc_module *scriptconsole_module() noexcept nogil:
    return &table
"""


def write_cython(folder: Path, text: str = PYX, *more: str) -> Path:
    (folder / "fast.pyx").write_text(text)
    sources = ", ".join(f'"{name}"' for name in ("fast.pyx", *more))
    return write(folder, f'name = "fast"\nversion = "1.0"\nsources = [{sources}]\n', "fast.scmod")


@needs_cython
def test_cython_sources(session: Session, tmp_path: Path) -> None:
    script = session.load(write_cython(tmp_path))
    assert script.call("smooth", 10.0, 0.5) == 5.0
    assert [script.call("count", "a"), script.call("count", "a"), script.call("count", "b")] == [1, 2, 1]
    with pytest.raises(CallError, match="ValueError: no word") as caught:
        script.call("count", "")
    assert caught.value.frames[0].file == str(tmp_path / "fast.pyx")
    assert caught.value.frames[0].line == PYX[: PYX.index("cdef int count")].count("\n") + 1
    assert not [name for name in sys.modules if name.startswith("_scriptconsole_")]


@needs_cython
def test_a_new_build_of_a_cython_source_begins_afresh(session: Session, tmp_path: Path) -> None:
    script = session.load(write_cython(tmp_path))
    script.call("count", "a")
    session.reload("fast")  # the very same text
    assert script.call("count", "a") == 1
    (tmp_path / "fast.pyx").write_text(PYX.replace("+ 1", "+ 10"))
    session.reload("fast")
    assert [script.call("count", "a"), script.call("count", "a")] == [10, 20]
    session.unload("fast")
    assert session.load(tmp_path / "fast.scmod").call("count", "a") == 10


@needs_cython
def test_cython_and_c_in_one_library(session: Session, tmp_path: Path) -> None:
    (tmp_path / "helper.c").write_text(
        '#include <scriptconsole.h>\n#include "fast.h"\n'
        "double half(double x) { return from_cython(x) / 2; }\n"
    )
    text = PYX.replace(
        "words = {}",
        'words = {}\n\ncdef extern from *:\n    """double half(double x);"""\n'
        "    double half(double x) noexcept nogil\n\n"
        "cdef public double from_cython(double x) noexcept nogil:\n    return x + 100",
    ).replace("sc_double(level)", "sc_double(half(level))")
    script = session.load(write_cython(tmp_path, text, "helper.c"))
    assert script.call("smooth", 10.0, 1.0) == 55.0


@needs_cython
@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("return 0\n\n\ncdef sc_export", "retrun 0\n\n\ncdef sc_export", r"fast\.pyx:21: .*correct the line"),
        ("words = {}", "words = {}[0]", r"module level raised KeyError: 0"),
        ("cdef public const", "cdef const", "does not export scriptconsole_module"),
    ],
)
def test_what_is_wrong_with_a_cython_source(
    session: Session, tmp_path: Path, old: str, new: str, told: str
) -> None:
    assert old in PYX
    with pytest.raises(LoadError, match=told):
        session.load(write_cython(tmp_path, PYX.replace(old, new)))


@needs_compiler
def test_a_missing_cython_is_told_with_its_remedy(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from importlib import metadata

    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    with pytest.raises(LoadError, match=r"fast\.pyx cannot be compiled: .* run: pip install cython"):
        session.load(write_cython(tmp_path))


@needs_cython
def test_the_cache_depends_on_all_sources(tmp_path: Path) -> None:
    from scriptengines.native.compiler import Recipe, SourceFile, build

    (tmp_path / "one.h").write_text("#define ONE 1\n")
    (tmp_path / "fast.pxd").write_text("")
    c, pyx = tmp_path / "a.c", tmp_path / "fast.pyx"
    c.write_text('#include "one.h"\nint one(void) { return ONE; }\n')
    pyx.write_text(PYX)

    def path() -> str:
        recipe = Recipe("part", (SourceFile.read(pyx), SourceFile.read(c)))
        return str(build(recipe, tmp_path / "cache").path)

    seen = [path()]
    for file, text in (
        (c, '#include "one.h"\nint one(void) { return 2; }\n'),
        (tmp_path / "one.h", "#define ONE 3\n"),
        (tmp_path / "fast.pxd", "# changed\n"),
        (pyx, PYX + "# changed\n"),
    ):
        file.write_text(text)
        seen.append(path())
    assert len(set(seen)) == 5
    assert path() == seen[-1]


@needs_compiler
def test_options_of_the_caller_add_to_the_manifest(session: Session, tmp_path: Path) -> None:
    path = write_component(tmp_path, "opt", component_c({"run": "*out = sc_int(X + Y);"}), cflags='"-DX=1"')
    assert session.load(path, cflags="-DY=2").call("run") == 3
    with pytest.raises(ConfigError, match='no option "cflag"'):
        session.load(path, "again", cflag="-DY=2")


@needs_compiler
def test_the_compiler_is_not_asked_again_for_unchanged_sources(
    session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_component(tmp_path, "same")
    session.load(path)

    def refuse(*_: object) -> str:
        raise AssertionError("compiled again")

    monkeypatch.setattr(toolchain, "run_compiler", refuse)
    session.reload("same")
    assert session.script("same").call("who") == "same"


@needs_compiler
def test_places_are_escaped_for_the_compiler(session: Session, tmp_path: Path) -> None:
    folder = tmp_path / 'quo"te'
    path = write_component(folder, "odd", component_c({"run": "oops"}))
    with pytest.raises(LoadError, match=r"odd\.c:4: "):
        session.load(path)
