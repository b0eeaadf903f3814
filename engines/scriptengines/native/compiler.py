"""Turns one C file into a shared library with the machine's own compiler, once per content.

Names in the cache hold a hash of all that goes in, so an unchanged file is not compiled again and a changed
one is loaded beside the old one. Loading is `library.py`.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import scriptnative
from scriptnative.errors import LoadError

_INCLUDE = Path(scriptnative.__file__).parent / "include"
_FLAGS = ("-O2", "-g", "-fPIC", "-shared", "-Wall", "-std=c11", "-fdiagnostics-color=never")
_TIMEOUT_S = 60.0
_OPTION_LINES = 20
_KEPT_BUILDS = 8

_OPTION = re.compile(r'\s*//\s*scriptconsole:\s*(cflags|libs)\s*=\s*"([^"]*)"\s*')
_OPTION_START = re.compile(r"\s*//\s*scriptconsole:(?!\s*isolation\b)")
_LOCAL_INCLUDE = re.compile(rb'^[ \t]*#[ \t]*include[ \t]*"([^"\n]+)"', re.MULTILINE)
_ERROR = re.compile(r"^(?P<file>[^\n:]+):(?P<line>\d+):(?:\d+:)? (?:fatal )?error: (?P<message>.*)$", re.M)
_MISSING_HEADER = re.compile(r"(?:'?)([^':\s]+)'?(?:: No such file or directory| file not found)")


@dataclass(frozen=True, slots=True)
class Build:
    """A compiled module.

    Attributes:
        path: The shared library.
        warnings: What the compiler said, "" when nothing; also when the library was there already.
        reused: It was there already.
    """

    path: Path
    warnings: str
    reused: bool


@dataclass(frozen=True, slots=True)
class _Options:
    """Flags before and after the source on the command line."""

    cflags: tuple[str, ...]
    libs: tuple[str, ...]


def build(source: Path, cache: Path) -> Path:
    """Compile a C file, unless that was done before.

    Args:
        source: The `.c` file.
        cache: Folder for the results; made when missing.

    Returns:
        Path of the shared library.

    Raises:
        LoadError: There is no compiler, or the file does not compile; `file` and `line` tell where,
            `detail` is all the compiler said.
    """
    return compile_module(source, cache).path


def compile_module(source: Path, cache: Path) -> Build:
    """What `build` does, with the compiler's warnings for the log."""
    source = source.absolute()
    try:
        text = source.read_bytes()
    except OSError as error:
        raise LoadError(f"{source} cannot be read: {error.strerror}", file=str(source)) from error
    options = _read_options(source, text)
    compiler = _find_compiler(source)
    name = f"{source.stem}-{_fingerprint(source, text, compiler, options)}"
    library, warnings = cache / f"{name}.so", cache / f"{name}.txt"
    if library.exists():
        return Build(library, warnings.read_text("utf-8") if warnings.exists() else "", reused=True)
    _make_folder(cache)
    output = _compile(source, text, compiler, options, library)
    if output:
        _write_atomically(warnings, output.encode("utf-8", "replace"))
    _drop_old_builds(cache, source.stem, library)
    return Build(library, output, reused=False)


def stage(library: Path, cache: Path) -> Path:
    """Copy a ready-made shared library to where nobody overwrites it while it is loaded.

    The system loader knows a library by its path: one that was rebuilt in place would not be loaded again,
    and writing over a file that is mapped crashes whoever runs in it.

    Args:
        library: The `.so` file.
        cache: Folder for the copies; made when missing.

    Returns:
        Path of the copy; the same one for the same content.

    Raises:
        LoadError: The file cannot be read or copied.
    """
    try:
        content = library.read_bytes()
    except OSError as error:
        raise LoadError(f"{library} cannot be read: {error.strerror}", file=str(library)) from error
    copy = cache / f"{library.stem}-{hashlib.sha256(content).hexdigest()[:16]}.so"
    if not copy.exists():
        _make_folder(cache)
        _write_atomically(copy, content)
        _drop_old_builds(cache, library.stem, copy)
    return copy


def _make_folder(cache: Path) -> None:
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"the build folder {cache} cannot be made: {error.strerror}"
        raise LoadError(message, file=str(cache)) from error


def _write_atomically(path: Path, content: bytes) -> None:
    number, name = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with os.fdopen(number, "wb") as file:
            file.write(content)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _drop_old_builds(cache: Path, stem: str, newest: Path) -> None:
    """An afternoon of saving would otherwise fill the folder; a library that is loaded survives its file."""
    same = re.compile(rf"{re.escape(stem)}-[0-9a-f]{{16}}\.so")
    builds = [path for path in cache.glob("*.so") if path != newest and same.fullmatch(path.name)]
    builds.sort(key=_modified, reverse=True)
    for path in builds[_KEPT_BUILDS - 1 :]:
        path.unlink(missing_ok=True)
        path.with_suffix(".txt").unlink(missing_ok=True)


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:  # another process cleans up too
        return 0.0


def _read_options(source: Path, text: bytes) -> _Options:
    cflags: list[str] = []
    libs: list[str] = []
    for number, line in enumerate(text.decode("utf-8", "replace").splitlines()[:_OPTION_LINES], start=1):
        if not _OPTION_START.match(line):
            continue
        option = _OPTION.fullmatch(line)
        try:
            words = shlex.split(option[2]) if option else None
        except ValueError:
            words = None
        if option is None or words is None:
            raise LoadError(
                f'{source}:{number}: not understood; write // scriptconsole: cflags = "-O3" or libs = "-lm"',
                file=str(source),
                line=number,
            )
        for word in words:
            # A linker drops a library that comes before the code in need of it.
            after = option[1] == "libs" or word.startswith(("-l", "-L", "-Wl,"))
            (libs if after else cflags).append(word)
    return _Options(tuple(cflags), tuple(libs))


def _find_compiler(source: Path) -> tuple[str, ...]:
    """The compiler and its fixed arguments, the program as an absolute path."""
    wanted = os.environ.get("CC", "").strip()
    for candidate in (shlex.split(wanted),) if wanted else (["cc"], ["gcc"], ["clang"]):
        program = shutil.which(candidate[0])
        if program is not None:
            return (program, *candidate[1:])
    missing = f"CC is {wanted!r}, no program" if wanted else "no C compiler was found (cc, gcc, clang)"
    message = f"{source} cannot be compiled: {missing}; install gcc or clang, or set CC"
    raise LoadError(message, file=str(source))


def _fingerprint(source: Path, text: bytes, compiler: tuple[str, ...], options: _Options) -> str:
    program = os.stat(compiler[0])  # an upgraded compiler is another one
    words = (*compiler, str(program.st_size), str(program.st_mtime_ns), *_FLAGS)
    words += (*options.cflags, "|", *options.libs, str(source))
    digest = hashlib.sha256()
    for part in (
        *(word.encode("utf-8", "surrogateescape") for word in words),
        (_INCLUDE / "scriptconsole.h").read_bytes(),
        *_with_includes(source, text, set()),
    ):
        digest.update(len(part).to_bytes(8) + part)
    return digest.hexdigest()[:16]


def _with_includes(file: Path, text: bytes, seen: set[Path]) -> list[bytes]:
    """Headers beside the source count as its text, so that changing one compiles again."""
    parts = [text]
    for name in _LOCAL_INCLUDE.findall(text):
        header = (file.parent / os.fsdecode(name)).resolve()
        if header not in seen and header.is_file():
            seen.add(header)
            parts += _with_includes(header, header.read_bytes(), seen)
    return parts


def _compile(source: Path, text: bytes, compiler: tuple[str, ...], options: _Options, library: Path) -> str:
    """Write `library`; returns the warnings."""
    number, unfinished = tempfile.mkstemp(dir=library.parent, prefix=".new-", suffix=".so")
    os.close(number)
    command = [*compiler, *_FLAGS, f"-I{_INCLUDE}", "-iquote", str(source.parent), *options.cflags]
    command += ["-x", "c", "-", "-x", "none", *options.libs, "-o", unfinished]
    # Compiled from memory: the file may be saved again meanwhile, and the name promises this very text.
    escaped = str(source).replace("\\", "\\\\").replace('"', '\\"')
    code = b'#line 1 "' + escaped.encode("utf-8", "surrogateescape") + b'"\n' + text
    try:
        status, output = _run(command, code, source)
        if status != 0:
            raise _compile_error(source, status, output)
        os.replace(unfinished, library)
    finally:
        Path(unfinished).unlink(missing_ok=True)
    return output


def _run(command: list[str], code: bytes, source: Path) -> tuple[int, str]:
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
            output, _ = process.communicate(code, timeout=_TIMEOUT_S)
        except BaseException as error:
            # The compiler proper is a child of its driver and would keep the pipe open.
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            if isinstance(error, subprocess.TimeoutExpired):
                message = f"{source}: the compiler did not finish within {_TIMEOUT_S:.0f} s and was stopped"
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
