"""C extensions that refuse isolated interpreters: the error tells what to do, and the process stays sound."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest

from scriptengines.errors import CallError, LoadError
from scriptengines.locations import extension_verdicts
from scriptengines.session import Session
from tests.conftest import Log

needs_numpy = pytest.mark.skipif(importlib.util.find_spec("numpy") is None, reason="numpy is not installed")
type Write = Callable[[str, str], Path]

SINGLE_PHASE = """
#include <Python.h>
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "NAME", NULL, -1, NULL};
PyMODINIT_FUNC PyInit_NAME(void) { return PyModule_Create(&definition); }
"""
MULTI_PHASE = """
#include <Python.h>
static int fill(PyObject *module) { return PyModule_AddIntConstant(module, "answer", 42); }
static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, fill}, {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED}, {0, NULL}};
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "NAME", NULL, 0, NULL, slots};
PyMODINIT_FUNC PyInit_NAME(void) { return PyModuleDef_Init(&definition); }
"""


@pytest.fixture(scope="module")
def extensions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `refuses`, `refuses_too` and `accepts`."""
    folder = tmp_path_factory.mktemp("extensions")
    for name, text in (("refuses", SINGLE_PHASE), ("refuses_too", SINGLE_PHASE), ("accepts", MULTI_PHASE)):
        source = folder / f"{name}.c"
        source.write_text(text.replace("NAME", name))
        library = folder / f"{name}{sysconfig.get_config_var('EXT_SUFFIX')}"
        include = sysconfig.get_path("include")
        subprocess.run(
            ["cc", "-shared", "-fPIC", f"-I{include}", str(source), "-o", str(library)], check=True
        )
    return folder


def importing(extensions: Path, *lines: str) -> str:
    return "\n".join([f"import sys; sys.path.append({str(extensions)!r})", *lines, ""])


def test_an_extension_that_refuses_is_named_with_its_remedy(
    session: Session, write: Write, extensions: Path
) -> None:
    path = write("it.py", importing(extensions, "import refuses"))
    with pytest.raises(LoadError) as caught:
        session.load(path)
    text = str(caught.value)
    assert f"{path}:2" in text
    assert "module refuses does not support loading in subinterpreters" in text
    assert 'put this line at the top of the script: # scriptconsole: isolation = "shared"' in text


def test_the_line_that_the_error_names_mends_the_script(
    session: Session, write: Write, extensions: Path
) -> None:
    text = importing(extensions, "import refuses", "name = refuses.__name__")
    path = write("it.py", text)
    with pytest.raises(LoadError) as caught:
        session.load(path)
    line = str(caught.value).rpartition("the script: ")[2]
    for isolation in ("shared", "main"):
        mended = session.load(write("it.py", f"{line.replace('shared', isolation)}\n{text}"))
        assert (mended.get("name"), mended.view().isolation) == ("refuses", isolation)
        session.unload("it")


def test_an_import_inside_a_function_is_explained_too(
    session: Session, write: Write, extensions: Path
) -> None:
    script = session.load(write("it.py", importing(extensions, "def work(): import refuses")))
    with pytest.raises(CallError, match='top of the script: # scriptconsole: isolation = "shared"'):
        script.call("work")


def test_what_cpython_itself_refuses_is_explained_as_well(session: Session, write: Write) -> None:
    """As on 3.14, where nothing is refused ahead; a library may have made its own story of it."""
    text = """
try:
    raise ImportError("module fast._core does not support loading in subinterpreters", name="fast._core")
except ImportError as error:
    raise ImportError("READ THIS FOR ADVICE") from error
"""
    with pytest.raises(LoadError) as caught:
        session.load(write("it.py", text))
    assert "module fast._core does not support" in str(caught.value)
    assert str(caught.value).endswith('# scriptconsole: isolation = "shared"')


def test_a_script_may_do_without_it(session: Session, write: Write, extensions: Path) -> None:
    lines = (
        "try:",
        "    import refuses",
        "except ImportError:",
        "    refuses = None",
        "found = refuses is not None",
    )
    assert session.load(write("it.py", importing(extensions, *lines))).get("found") is False


def test_an_extension_that_accepts_is_loaded(session: Session, write: Write, extensions: Path) -> None:
    script = session.load(write("it.py", importing(extensions, "import accepts", "answer = accepts.answer")))
    assert script.get("answer") == 42


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="from 3.14 on CPython refuses without harm")
def test_a_verdict_is_found_once_and_kept(session: Session, write: Write, extensions: Path) -> None:
    session.load(write("it.py", importing(extensions, "import accepts")))
    verdicts = json.loads(extension_verdicts().read_text())
    known = {Path(key.partition(":")[0]).name.partition(".")[0]: verdict for key, verdict in verdicts.items()}
    assert known["accepts"] is True


@pytest.mark.parametrize(
    "module", ["json", "sqlite3", "ssl", "ctypes", "decimal", "zlib", "asyncio", "multiprocessing"]
)
def test_the_standard_library_loads(session: Session, write: Write, module: str) -> None:
    script = session.load(write("it.py", f"import {module}\nname = {module}.__name__\n"))
    assert script.get("name") == module


def test_the_process_ends_in_good_order_after_two_refusals(write: Write, extensions: Path) -> None:
    """Without the guard, CPython 3.13 crashes here when it ends."""
    scripts = [
        write(f"imports_{name}.py", importing(extensions, f"import {name}"))
        for name in ("refuses", "refuses_too")
    ]
    host = f"""
from scriptengines.errors import CallError, LoadError
from scriptengines.session import Session
with Session() as session:
    for path in {[str(path) for path in scripts]!r}:
        for _ in range(2):
            try:
                session.load(path)
            except LoadError as error:
                print("refused" if "does not support" in str(error) else error)
"""
    child = subprocess.run(
        [sys.executable, "-c", host], capture_output=True, text=True, timeout=60, check=False
    )
    assert (child.returncode, child.stderr) == (0, "")
    assert child.stdout.split() == ["refused"] * 4


def test_the_main_interpreter_may_use_what_scripts_may_not(
    write: Write, extensions: Path, session: Session
) -> None:
    sys.path.append(str(extensions))
    try:
        import refuses
    finally:
        sys.path.remove(str(extensions))
    assert refuses.__name__ == "refuses"
    with pytest.raises(LoadError, match="does not support"):
        session.load(write("it.py", importing(extensions, "import refuses")))


def test_an_import_that_is_simply_missing_is_told_as_ever(session: Session, write: Write, log: Log) -> None:
    with pytest.raises(LoadError, match=r"it\.py:1: ModuleNotFoundError: No module named 'no_such_module'"):
        session.load(write("it.py", "import no_such_module\n"))


# ---- numpy, which loads in one interpreter of a process only -----------------------------------------------

NUMPY = "import numpy\ndef total(n): return int(numpy.arange(n).sum())\n"
SHARED = '# scriptconsole: isolation = "shared"\n'


def in_a_process(*lines: str) -> str:
    """What the lines print; they have a session `s`."""
    code = "from scriptengines.session import Session\nfrom scriptengines.errors import *\n"
    code += "with Session() as s:\n" + "".join(f"    {line}\n" for line in lines)
    child = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert child.returncode == 0, child.stderr
    return child.stdout


@needs_numpy
def test_numpy_is_refused_by_an_isolated_script_with_one_clear_line(write: Write) -> None:
    path = write("it.py", NUMPY)
    out = in_a_process("try:", f"    s.load({str(path)!r})", "except LoadError as error:", "    print(error)")
    assert out.startswith(f"{path}:1: ImportError: module numpy.")
    assert out.endswith('top of the script: # scriptconsole: isolation = "shared"\n')
    assert "READ THIS" not in out


@needs_numpy
def test_numpy_works_in_one_shared_script_after_the_other(write: Write) -> None:
    one, two, plain = (
        write(f"{n}.py", SHARED + t) for n, t in (("one", NUMPY), ("two", NUMPY), ("plain", ""))
    )
    out = in_a_process(
        f"print(s.load({str(one)!r}).call('total', 10))",
        "s.reload('one'); print(s.call('one', 'total', 10))",
        f"s.load({str(plain)!r})",
        "s.unload('one'); s.unload('plain')",
        f"print(s.load({str(two)!r}).call('total', 100))",
        f"s.load({str(plain)!r})",
        "s.unload('two'); s.close()",
        "with Session() as t:",
        f"    print(t.load({str(one)!r}).call('total', 10))",
    )
    assert out.split() == ["45", "45", "4950", "45"]


@needs_numpy
def test_a_second_shared_script_with_numpy_is_told_what_to_do(write: Write) -> None:
    path = write("it.py", SHARED + NUMPY)
    out = in_a_process(
        f"one = s.load({str(path)!r})",
        "try:",
        f"    s.load({str(path)!r})",
        "except LoadError as error:",
        "    print(error)",
        "print(one.call('total', 10))",
    )
    first, second = out.splitlines()
    assert first.startswith(f"{path}:2: ImportError: ")
    assert "cannot load module more than once per process" in first
    assert 'isolation = "main"' in first
    assert 'isolation = "process"' in first
    assert second == "45"
