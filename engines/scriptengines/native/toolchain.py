"""The machine's C compiler and Cython, run as programs; what they say becomes one error with its place."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

from scriptnative.errors import LoadError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

TIMEOUT_S = 60.0
_ERROR = re.compile(r"^(?P<file>[^\n:]+):(?P<line>\d+):(?:\d+:)? (?:fatal )?error: (?P<message>.*)$", re.M)
_MISSING_HEADER = re.compile(r"(?:'?)([^':\s]+)'?(?:: No such file or directory| file not found)")
_CYTHON_ERROR = re.compile(r"^(?P<file>[^\n:]+):(?P<line>\d+):\d+: (?P<message>.*)$", re.M)


def find_compiler(source: Path) -> tuple[str, ...]:
    """The compiler and its fixed arguments, the program as an absolute path.

    Raises:
        LoadError: There is none.
    """
    wanted = os.environ.get("CC", "").strip()
    for candidate in (shlex.split(wanted),) if wanted else (["cc"], ["gcc"], ["clang"]):
        program = shutil.which(candidate[0])
        if program is not None:
            return (program, *candidate[1:])
    missing = f"CC is {wanted!r}, no program" if wanted else "no C compiler was found (cc, gcc, clang)"
    message = f"{source} cannot be compiled: {missing}; install gcc or clang, or set CC"
    raise LoadError(message, file=str(source))


def run_compiler(command: list[str], code: bytes, source: Path) -> str:
    """Run it with `code` as its input; its warnings.

    Raises:
        LoadError: It failed, with the place of the first error, or did not finish.
    """
    status, output = _run(command, code, source, "the compiler")
    if status != 0:
        raise _compile_error(source, status, output)
    return output


def _run(command: list[str], code: bytes, source: Path, who: str) -> tuple[int, str]:
    environment = {**os.environ, "LC_ALL": "C"}  # messages are looked for in English
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
    except OSError as error:
        message = f"{source}: {command[0]} cannot be started: {error.strerror}"
        raise LoadError(message, file=str(source)) from error
    with process:
        try:
            output, _ = process.communicate(code, timeout=TIMEOUT_S)
        except BaseException as error:
            # The compiler proper is a child of its driver and would keep the pipe open.
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            if isinstance(error, subprocess.TimeoutExpired):
                message = f"{source}: {who} did not finish within {TIMEOUT_S:.0f} s and was stopped"
                raise LoadError(message, file=str(source)) from error
            raise
    return process.returncode, output.decode("utf-8", "replace")


def _compile_error(source: Path, status: int, output: str) -> LoadError:
    found = _ERROR.search(output)
    if found is None:
        lines = output.strip().splitlines() or [f"the compiler ended with status {status}"]
        return LoadError(f"{source}: {lines[-1]}", file=str(source), detail=output)
    message, line = found["message"], int(found["line"])
    header = _MISSING_HEADER.match(message)
    if header:
        folder = '// scriptconsole: cflags = "-I/folder"'
        remedy = f"install what provides {header[1]}, or name its folder: {folder}"
    else:
        remedy = "correct the line and load the module again"
    file = found["file"]
    return LoadError(f"{file}:{line}: {message}; {remedy}", file=file, line=line, detail=output)


# ---- Cython -------------------------------------------------------------------------------------------


def cython_identity(source: Path) -> tuple[str, ...]:
    """What a result depends on besides its sources: versions of Cython and Python.

    Raises:
        LoadError: Cython is not installed.
    """
    from importlib import metadata

    try:
        version = metadata.version("Cython")
    except metadata.PackageNotFoundError:
        message = f"{source} cannot be compiled: Cython is not installed; run: pip install cython"
        raise LoadError(message, file=str(source)) from None
    return (version, sys.implementation.cache_tag or "", python_include())


def python_include() -> str:
    """Folder of Python.h."""
    import sysconfig

    return sysconfig.get_path("include")


def cythonize(path: Path, text: bytes, name: str, folder: Path, include: Iterable[Path]) -> Path:
    """Translate a `.pyx` to C; headers of its public functions land in `folder` too.

    Args:
        path: Of the file, for messages and what it includes.
        text: Its content.
        name: Of the extension module it becomes.
        folder: For the result.
        include: Folders of `.pxd` files.

    Raises:
        LoadError: It is no valid Cython, or there is no Cython.
    """
    copy, result = folder / path.name, folder / f"{path.stem}.c"
    copy.write_bytes(text)
    folders = [word for place in (*include, path.parent) for word in ("-I", str(place))]
    command = [
        sys.executable,
        "-m",
        "cython",
        "-3",
        "--module-name",
        name,
        *folders,
        str(copy),
        "-o",
        str(result),
    ]
    status, output = _run(command, b"", path, "Cython")
    if status != 0:
        raise _cython_error(path, copy, output)
    return result


def _cython_error(path: Path, copy: Path, output: str) -> LoadError:
    output = output.replace(str(copy), str(path))
    found = _CYTHON_ERROR.search(output)
    if "No module named cython" in output:
        text = f"{path} cannot be compiled: Cython is not installed; run: pip install cython"
        return LoadError(text, file=str(path))
    if found is None:
        lines = output.strip().splitlines() or ["Cython failed without a message"]
        return LoadError(f"{path}: {lines[-1]}", file=str(path), detail=output)
    line = int(found["line"])
    # Cython names files by their last part.
    file = str(path) if found["file"] in (path.name, str(path)) else found["file"]
    text = f"{file}:{line}: {found['message']}; correct the line and load the module again"
    return LoadError(text, file=file, line=line, detail=output)
