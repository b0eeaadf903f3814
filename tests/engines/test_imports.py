"""C extensions that refuse isolated interpreters: the error tells what to do, and the process stays sound."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest

from scriptengines.errors import LoadError
from scriptengines.locations import extension_verdicts
from scriptengines.session import Session
from tests.conftest import Log

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
    assert "pure-Python replacement" in text
    assert "process" in text


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
from scriptengines.errors import LoadError
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
