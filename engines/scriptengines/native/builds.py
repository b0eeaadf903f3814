"""From what a session loads to the library to open: a `.c` file, a manifest or a ready-made library."""

from __future__ import annotations

import hashlib
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from .compiler import Build, Recipe, SourceFile, build, stage
from .manifest import SUFFIX, Manifest, read

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from scriptengines.engine import Source


class Prepared(NamedTuple):
    """A library that can be opened, and where it comes from.

    Attributes:
        build: The library.
        sources: What it was made from; none for a ready-made one.
        manifest: Its manifest, if it has one.
        digests: A hash of each file besides the script's own, as it was used.
    """

    build: Build
    sources: tuple[SourceFile, ...] = ()
    manifest: Manifest | None = None
    digests: Mapping[Path, bytes] = MappingProxyType({})

    def is_stale(self) -> bool:
        """Whether one of those files has another content now; not while it is being replaced."""
        for path, digest in self.digests.items():
            try:
                content = path.read_bytes()
            except OSError:
                continue
            if content and _digest(content) != digest:
                return True
        return False


def prepare(source: Source, cache: Path) -> Prepared:
    """Compile or copy what has to be.

    Raises:
        LoadError: It does not compile, or a file is missing.
        ConfigError: The manifest is wrong.
    """
    cflags, libs = tuple(source.options.get("cflags", ())), tuple(source.options.get("libs", ()))
    if source.path.suffix == SUFFIX:
        manifest = read(source.path, source.text)
        if manifest.library is not None:
            library = stage(manifest.library, cache)
            content = SourceFile.read(manifest.library).text
            return Prepared(
                Build(library, "", reused=True),
                manifest=manifest,
                digests={manifest.library: _digest(content)},
            )
        sources = tuple(SourceFile.read(path) for path in manifest.sources)
        cflags, libs = (*manifest.cflags, *cflags), (*manifest.libs, *libs)
        recipe = Recipe(manifest.name, sources, cflags, libs, manifest.include)
        return _made(recipe, cache, manifest, sources)
    if source.path.suffix == ".c":
        recipe = Recipe(source.path.stem, (SourceFile(source.path, source.text),), cflags, libs)
        return _made(recipe, cache, None, ())
    return Prepared(Build(stage(source.path, cache), "", reused=True))


def _made(
    recipe: Recipe, cache: Path, manifest: Manifest | None, watched: tuple[SourceFile, ...]
) -> Prepared:
    files = [*watched, *(SourceFile.read(path) for path in recipe.headers)]
    digests = {file.path: _digest(file.text) for file in files}
    return Prepared(build(recipe, cache), recipe.sources, manifest, digests)


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()
