"""Turns C and Cython sources into one shared library with the machine's own tools, once per content.

Names in the cache hold a hash of all that goes in: unchanged sources are not compiled again, and changed ones
are loaded beside the old library. What the sources and flags are is the caller's knowledge (options.py,
manifest.py), loading is `library.py`, and running the tools is `toolchain.py`.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import scriptnative
from scriptnative.errors import LoadError

from . import toolchain

if TYPE_CHECKING:
    from collections.abc import Iterable

INCLUDE = Path(scriptnative.__file__).parent / "include"
"""Folder of scriptconsole.h and scriptconsole.pxd."""
_FLAGS = ("-O2", "-g", "-fPIC", "-Wall", "-std=c11", "-fdiagnostics-color=never")
_KEPT_BUILDS = 8
_LOCAL_INCLUDE = re.compile(rb'^[ \t]*#[ \t]*include[ \t]*"([^"\n]+)"', re.MULTILINE)


class SourceFile(NamedTuple):
    """A source at one moment."""

    path: Path
    text: bytes

    @classmethod
    def read(cls, path: Path) -> SourceFile:
        """The file as it is now.

        Raises:
            LoadError: It cannot be read.
        """
        try:
            return cls(path, path.read_bytes())
        except OSError as error:
            raise LoadError(f"{path} cannot be read: {error.strerror}", file=str(path)) from error

    @property
    def is_cython(self) -> bool:
        """Whether it goes through Cython first."""
        return self.path.suffix == ".pyx"


class Recipe(NamedTuple):
    """What one library is made from.

    Attributes:
        name: How the result is called in the cache.
        sources: `.c` and `.pyx` files.
        cflags: Flags for the compiler, after ours.
        libs: Libraries to link.
        include: Folders for `#include` besides each source's own.
    """

    name: str
    sources: tuple[SourceFile, ...]
    cflags: tuple[str, ...] = ()
    libs: tuple[str, ...] = ()
    include: tuple[Path, ...] = ()

    @property
    def headers(self) -> tuple[Path, ...]:
        """The files beside the sources that count as their text."""
        seen: dict[Path, None] = {}
        for source in self.sources:
            for path in _beside(source, seen):
                seen[path] = None
        return tuple(seen)


class Build(NamedTuple):
    """A compiled library.

    Attributes:
        path: The shared library.
        warnings: What the compiler said, "" when nothing; also when the library was there already.
        reused: It was there already.
        inits: Names of the Python extension modules in it.
    """

    path: Path
    warnings: str
    reused: bool
    inits: tuple[str, ...] = ()


def build(recipe: Recipe, cache: Path) -> Build:
    """Compile and link, unless that was done before.

    Args:
        recipe: From what.
        cache: Folder for the results; made when missing.

    Raises:
        LoadError: There is no compiler, or a file does not compile; `file` and `line` tell where, `detail` is
            all the compiler said.
    """
    blamed = recipe.sources[0].path
    compiler = toolchain.find_compiler(blamed)
    name = f"{recipe.name}-{_fingerprint(recipe, compiler)}"
    library, warnings = cache / f"{name}.so", cache / f"{name}.txt"
    inits = tuple(_extension_name(source) for source in recipe.sources if source.is_cython)
    if library.exists():
        text = warnings.read_text("utf-8") if warnings.exists() else ""
        return Build(library, text, reused=True, inits=inits)
    _make_folder(cache)
    output = _make(recipe, compiler, library)
    if output:
        _write_atomically(warnings, output.encode("utf-8", "replace"))
    _drop_old_builds(cache, recipe.name, library)
    return Build(library, output, reused=False, inits=inits)


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
    content = SourceFile.read(library).text
    copy = cache / f"{library.stem}-{hashlib.sha256(content).hexdigest()[:16]}.so"
    if not copy.exists():
        _make_folder(cache)
        _write_atomically(copy, content)
        _drop_old_builds(cache, library.stem, copy)
    return copy


# ---- the cache ----------------------------------------------------------------------------------------


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


# ---- what goes in -------------------------------------------------------------------------------------


def _fingerprint(recipe: Recipe, compiler: tuple[str, ...]) -> str:
    program = os.stat(compiler[0])  # an upgraded compiler is another one
    words = (*compiler, str(program.st_size), str(program.st_mtime_ns), *_FLAGS)
    words += (*recipe.cflags, "|", *recipe.libs, "|", *map(str, recipe.include))
    if any(source.is_cython for source in recipe.sources):
        words += toolchain.cython_identity(recipe.sources[0].path)
    parts = [word.encode("utf-8", "surrogateescape") for word in words]
    parts += [(INCLUDE / name).read_bytes() for name in ("scriptconsole.h", "scriptconsole.pxd")]
    for source in recipe.sources:
        parts += [os.fsencode(source.path), source.text]
    parts += [_content(header) for header in recipe.headers]
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8) + part)
    return digest.hexdigest()[:16]


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # gone since it was found; the compiler will say so
        return b""


def _beside(source: SourceFile, seen: Iterable[Path]) -> list[Path]:
    """Headers that are included from beside the source, and theirs; Cython's own kinds of them as well."""
    found: dict[Path, None] = {}
    queue = [source]
    while queue:
        file = queue.pop()
        names = [os.fsdecode(name) for name in _LOCAL_INCLUDE.findall(file.text)]
        headers = [(file.path.parent / name).resolve() for name in names]
        if file.is_cython:
            headers += [*file.path.parent.glob("*.pxd"), *file.path.parent.glob("*.pxi")]
        for header in headers:
            if header not in found and header not in seen and header.is_file():
                found[header] = None
                queue.append(SourceFile(header, _content(header)))
    return list(found)


def _extension_name(source: SourceFile) -> str:
    """A name of its own for each content: CPython finds extension modules by name."""
    stem = re.sub(r"\W", "_", source.path.stem)
    return f"_scriptconsole_{stem}_{hashlib.sha256(source.text).hexdigest()[:12]}"


# ---- making it ----------------------------------------------------------------------------------------


def _make(recipe: Recipe, compiler: tuple[str, ...], library: Path) -> str:
    """Write `library`; returns the warnings."""
    with tempfile.TemporaryDirectory(dir=library.parent, prefix=".new-") as name:
        folder = Path(name)
        generated = {
            source.path: toolchain.cythonize(
                source.path, source.text, _extension_name(source), folder, (INCLUDE, *recipe.include)
            )
            for source in recipe.sources
            if source.is_cython
        }
        # A linker drops a library that comes before the code in need of it.
        late = [word for word in recipe.cflags if word.startswith(("-l", "-L", "-Wl,"))]
        early = [word for word in recipe.cflags if word not in late]
        output = ""
        objects: list[str] = []
        for number, source in enumerate(recipe.sources):
            target = folder / f"{number}.o"
            output += _compile(recipe, compiler, source, generated.get(source.path), early, target)
            objects.append(str(target))
        unfinished = folder / "library.so"
        linked = [*compiler, "-shared", *early, *objects, *late, *recipe.libs, "-o", str(unfinished)]
        output += toolchain.run_compiler(linked, b"", recipe.sources[0].path)
        os.replace(unfinished, library)
    return output


def _compile(
    recipe: Recipe,
    compiler: tuple[str, ...],
    source: SourceFile,
    generated: Path | None,
    cflags: list[str],
    target: Path,
) -> str:
    folders = [f"-I{folder}" for folder in (INCLUDE, *recipe.include, target.parent)]
    if any(each.is_cython for each in recipe.sources):  # the headers that Cython writes need it too
        folders.append(f"-I{toolchain.python_include()}")
    command = [*compiler, *_FLAGS, *folders, "-iquote", str(source.path.parent), *cflags, "-c"]
    if generated is not None:
        command += ["-w", str(generated), "-o", str(target)]
        return toolchain.run_compiler(command, b"", source.path)
    # Compiled from memory: the file may be saved again meanwhile, and the name promises this very text.
    escaped = str(source.path).replace("\\", "\\\\").replace('"', '\\"')
    code = b'#line 1 "' + escaped.encode("utf-8", "surrogateescape") + b'"\n' + source.text
    return toolchain.run_compiler([*command, "-x", "c", "-", "-o", str(target)], code, source.path)
