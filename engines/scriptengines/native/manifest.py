"""Manifests: what a native component is made of and what it needs, in a `.scmod` file.

A manifest is TOML. Here it is read and checked, each error with its line; compiling is `compiler.py`, loading
in order `scriptengines.components`. Versions and requirements are those of Python packages (PEP 440).
"""

from __future__ import annotations

import contextlib
import re
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, cast

from scriptengines.errors import ConfigError, LoadError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Callable

SUFFIX = ".scmod"
_NAME = re.compile(r"[A-Za-z_][\w-]*")
_SOURCES = (".c", ".pyx")
_LIBRARIES = (".so", ".dylib")
_TOML_PLACE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)")


class Requirement(NamedTuple):
    """What a component needs.

    Attributes:
        name: Of the other component.
        versions: Which of its versions will do, e.g. ">=1.2,<2"; "" for any.
        line: Where the manifest says so.
    """

    name: str
    versions: str
    line: int


class Manifest(NamedTuple):
    """One component, as its manifest describes it.

    Attributes:
        path: The manifest.
        name: Of the component; its alias once it is loaded.
        version: Its version.
        description: One sentence, or "".
        requires: What it needs, in the order written.
        library: A ready-made shared library, or None.
        sources: `.c` and `.pyx` files to make one from, or none.
        cflags: Flags for the compiler.
        libs: Libraries to link.
        include: Folders for `#include`.
        groups: Groups it belongs to.
        start: Whether it starts as soon as it is loaded as a script of its own.
    """

    path: Path
    name: str
    version: str
    description: str = ""
    requires: tuple[Requirement, ...] = ()
    library: Path | None = None
    sources: tuple[Path, ...] = ()
    cflags: tuple[str, ...] = ()
    libs: tuple[str, ...] = ()
    include: tuple[Path, ...] = ()
    groups: tuple[str, ...] = ()
    start: bool = True

    @property
    def files(self) -> tuple[Path, ...]:
        """The files it names."""
        return self.sources if self.library is None else (self.library,)


def read(path: Path, text: bytes | None = None) -> Manifest:
    """Read and check a manifest.

    Args:
        path: Of the file.
        text: Its content; None reads it.

    Raises:
        LoadError: It cannot be read, or a file it names is missing.
        ConfigError: It is not valid TOML, has an unknown key, or a value that cannot be; with file and line.
    """
    import tomllib

    path = path.absolute()
    written = ""
    try:
        written = (path.read_bytes() if text is None else text).decode()
        table = tomllib.loads(written)
    except OSError as error:
        raise LoadError(f"{path}: {error.strerror}; check the path", file=str(path)) from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not UTF-8; save it as UTF-8", file=str(path)) from None
    except tomllib.TOMLDecodeError as error:
        place = _TOML_PLACE.search(str(error))
        line = int(place[1] or written.count("\n") + 1) if place else 0
        reason = _TOML_PLACE.sub("", str(error))
        raise ConfigError(
            f"{path}:{line}: not valid TOML: {reason[:1].lower()}{reason[1:]}", file=str(path), line=line
        ) from None
    return _Reader(path, written, table).manifest()


class _Reader:
    """Checks one table, key by key."""

    def __init__(self, path: Path, written: str, table: dict[str, Any]) -> None:
        self.path = path
        self.lines = written.splitlines()
        self.table = table

    def manifest(self) -> Manifest:
        """The whole."""
        for key in self.table:
            if key not in Manifest._fields or key == "path":
                known = [field for field in Manifest._fields if field != "path"]
                hint = did_you_mean(key, known) or f" Known are: {', '.join(sorted(known))}."
                self.refuse(key, f'unknown key "{key}".{hint}')
        name, version = self.text("name", required=True), self.text("version", required=True)
        if not _NAME.fullmatch(name):
            self.refuse("name", f"name must be a letter, then letters, digits, _ or -, got {name!r}")
        self.check_version(version)
        library, sources = self.library(), self.sources()
        if (library is None) == (not sources):
            self.refuse(
                "sources" if sources else "name",
                'give either sources = ["file.c"] or library = "file.so"',
            )
        for key in ("cflags", "libs", "include"):
            if library is not None and key in self.table:
                self.refuse(key, f"{key} means nothing for a ready-made library; it is for sources")
        return Manifest(
            self.path,
            name,
            version,
            self.text("description"),
            self.requires(name),
            library,
            sources,
            self.words("cflags"),
            self.words("libs"),
            tuple(self.folder(entry) for entry in self.texts("include")),
            self.texts("groups"),
            self.flag("start", default=True),
        )

    # ---- kinds of values ------------------------------------------------------------------------

    def value(self, key: str, kinds: tuple[type, ...], what: str, default: Any) -> Any:
        """The value of a key, of one of these types."""
        found = self.table.get(key, default)
        if key in self.table and (
            not isinstance(found, kinds) or (isinstance(found, bool) and bool not in kinds)
        ):
            self.refuse(key, f"{key} must be {what}, got {found!r}")
        return found

    def text(self, key: str, *, required: bool = False) -> str:
        """A text."""
        if required and not self.table.get(key, "missing"):
            self.refuse(key, f"{key} must not be empty")
        if required and key not in self.table:
            self.refuse(key, f'{key} is missing; write {key} = "…"')
        return self.value(key, (str,), "a text", "")

    def flag(self, key: str, *, default: bool) -> bool:
        """True or false."""
        return self.value(key, (bool,), "true or false", default)

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts."""
        found = cast("list[Any]", self.value(key, (list,), "a list of texts", []))
        for entry in found:
            if not isinstance(entry, str) or not entry:
                self.refuse(key, f"{key} must be a list of texts, got {entry!r} in it")
        return tuple(found)

    def words(self, key: str) -> tuple[str, ...]:
        """Flags: a list, or one text to be split as a shell does."""
        if not isinstance(self.table.get(key, []), str):
            return self.texts(key)
        try:
            return tuple(shlex.split(self.table[key]))
        except ValueError as error:
            self.refuse(key, f"{key} cannot be split into words: {error}")

    # ---- files ------------------------------------------------------------------------------------

    def library(self) -> Path | None:
        """The ready-made library."""
        name = self.text("library")
        return self.file("library", name, _LIBRARIES) if name else None

    def sources(self) -> tuple[Path, ...]:
        """The sources, each once."""
        files = [self.file("sources", name, _SOURCES) for name in self.texts("sources")]
        for number, file in enumerate(files):
            if file in files[:number]:
                self.refuse("sources", f"{file.name} is listed twice")
        return tuple(files)

    def file(self, key: str, name: str, suffixes: tuple[str, ...]) -> Path:
        """A file that is there, beside the manifest or below."""
        file = (self.path.parent / name).absolute()
        if file.suffix not in suffixes:
            self.refuse(key, f"{name}: {key} must end in {' or '.join(suffixes)}")
        if not file.is_file():
            near = [entry.name for entry in self.path.parent.glob("*") if entry.suffix in suffixes]
            self.refuse(key, f"{name}: no such file.{did_you_mean(name, near)}", LoadError)
        return file

    def folder(self, name: str) -> Path:
        """A folder that is there."""
        folder = (self.path.parent / name).absolute()
        if not folder.is_dir():
            self.refuse("include", f"{name}: no such folder", LoadError)
        return folder

    # ---- versions -----------------------------------------------------------------------------------

    def check_version(self, version: str) -> None:
        """Whether it is one."""
        from packaging.version import InvalidVersion, Version

        try:
            Version(version)
        except InvalidVersion:
            self.refuse("version", f'version "{version}" is none; write it as in "1.4.2"')

    def requires(self, own: str) -> tuple[Requirement, ...]:
        """What it needs."""
        from packaging.specifiers import InvalidSpecifier, SpecifierSet

        found: list[Requirement] = []
        table = cast(
            "dict[str, Any]", self.value("requires", (dict,), 'a table such as { other = ">=1.2" }', {})
        )
        for name, versions in table.items():
            key = f"requires.{name}"
            if not isinstance(versions, str):
                self.refuse(key, f'{key} must be a text such as ">=1.2,<2", got {versions!r}')
            try:
                SpecifierSet(versions if versions != "*" else "")
            except InvalidSpecifier:
                self.refuse(key, f'{key}: "{versions}" names no versions; write it as in ">=1.2,<2"')
            if name == own:
                self.refuse(key, f"{own} requires itself")
            found.append(Requirement(name, versions if versions != "*" else "", self.line_of(key)))
        return tuple(found)

    # ---- errors ---------------------------------------------------------------------------------------

    def line_of(self, key: str) -> int:
        """Where a key stands; the TOML reader does not say."""
        outer, _, inner = key.partition(".")
        patterns = [rf"\s*\[?\s*[\"']?{re.escape(outer)}[\"']?\s*[\]=]"]
        if inner:
            patterns.insert(0, rf".*?[\"']?\b{re.escape(inner)}[\"']?\s*=")
        for pattern in patterns:
            for number, line in enumerate(self.lines, start=1):
                if re.match(pattern, line):
                    return number
        return 0

    def refuse(self, key: str, reason: str, kind: Callable[..., Exception] = ConfigError) -> NoReturn:
        """Raise the error for a key."""
        line = self.line_of(key)
        place = f"{self.path}:{line}" if line else str(self.path)
        raise kind(f"{place}: {reason}", file=str(self.path), line=line)


# ---- several of them --------------------------------------------------------------------------------------


def check_requirement(manifest: Manifest, need: Requirement, version: str) -> None:
    """Whether a version will do.

    Raises:
        LoadError: It will not; the message names both.
    """
    from packaging.specifiers import SpecifierSet

    if not need.versions or SpecifierSet(need.versions).contains(version, prereleases=True):
        return
    raise LoadError(
        f"{manifest.path}:{need.line}: {manifest.name} {manifest.version} requires "
        f"{need.name} {need.versions}, but there is {need.name} {version}; "
        "load another version of one of them",
        file=str(manifest.path),
        line=need.line,
    )


def in_order(manifests: Iterable[Manifest], loaded: Mapping[str, str]) -> list[Manifest]:
    """Manifests so that each comes after what it requires; otherwise as given.

    Args:
        manifests: To be loaded.
        loaded: Versions of what is loaded already, by name.

    Raises:
        LoadError: A requirement is nowhere, has another version, or is one of a ring.
        ConfigError: A name occurs twice.
    """
    by_name: dict[str, Manifest] = {}
    for manifest in manifests:
        other = by_name.setdefault(manifest.name, manifest)
        if other is not manifest:
            text = f'there is a component "{manifest.name}" already, in {other.path}; rename one'
            raise ConfigError(f"{manifest.path}: {text}", file=str(manifest.path))
    versions = {**loaded, **{name: manifest.version for name, manifest in by_name.items()}}
    for manifest in by_name.values():
        for need in manifest.requires:
            if need.name not in versions:
                raise _missing(manifest, need, versions)
            check_requirement(manifest, need, versions[need.name])
    return _sorted(by_name)


def _missing(manifest: Manifest, need: Requirement, known: Iterable[str]) -> LoadError:
    hint = did_you_mean(need.name, known) or " Load it as well, or before."
    text = f'{manifest.path}:{need.line}: {manifest.name} requires "{need.name}", which is nowhere.{hint}'
    return LoadError(text, file=str(manifest.path), line=need.line)


def _sorted(by_name: dict[str, Manifest]) -> list[Manifest]:
    done: dict[str, Manifest] = {}
    open_names: list[str] = []

    def visit(manifest: Manifest) -> None:
        if manifest.name in done:
            return
        open_names.append(manifest.name)
        for need in manifest.requires:
            if need.name in open_names:
                ring = " -> ".join([*open_names[open_names.index(need.name) :], need.name])
                text = f"{manifest.path}:{need.line}: components require each other: {ring}; break the ring"
                raise LoadError(text, file=str(manifest.path), line=need.line)
            if need.name in by_name:
                visit(by_name[need.name])
        open_names.pop()
        done[manifest.name] = manifest

    for manifest in by_name.values():
        visit(manifest)
    return list(done.values())


def arrange(files: Iterable[Path]) -> list[Path]:
    """The files of a folder for loading one by one.

    Manifests come first, each after what it requires, and what they are made of is left out. A manifest that
    is wrong stays where it is by name: loading it will tell.
    """
    manifests: list[Manifest] = []
    others: list[Path] = []
    for file in files:
        if file.suffix == SUFFIX:
            try:
                manifests.append(read(file))
                continue
            except (ConfigError, LoadError):
                pass
        others.append(file)
    with contextlib.suppress(ConfigError, LoadError):
        manifests = in_order(manifests, {})
    parts = {part for manifest in manifests for part in manifest.files}
    return [manifest.path for manifest in manifests] + [
        file for file in others if file.absolute() not in parts
    ]
