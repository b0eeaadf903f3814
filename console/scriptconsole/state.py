"""What the console remembers of a project, and how it is written down: values and their JSON.

No files and no widgets here: `statefile` keeps the text on disk, `memory` takes the values from the screen
and gives them back. Whatever stands in a file is checked here, field by field: what cannot be is left out
and told, the rest is used.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, NamedTuple, NoReturn, cast

from scriptconsole.actions import PaneName
from scriptconsole.layout import LIMIT, SIZES, Layout, Slot
from scriptconsole.panes.filter import FilterError, parse_filter

FORMAT = "scriptconsole state"
VERSION = 1
"""Of the format; one more whenever what stands in a file means something else than before."""

TEXT_LIMIT = 4096
"""Characters of one text: an alias, a path, a filter, an expression."""
LIST_LIMIT = 1000
"""Entries of one list."""

type Scalar = bool | int | float | str


class StateError(ValueError):
    """Not a state of this project that this version could read; the message says why."""


class SavedScript(NamedTuple):
    """A script that was open: its alias and its absolute path."""

    alias: str
    path: str


class SavedWatch(NamedTuple):
    """A watched expression of a script."""

    script: str
    expression: str


class SavedRow(NamedTuple):
    """A row of the tree of variables that was opened, or closed although it comes open.

    Attributes:
        script: Its alias.
        path: Its address, as `Session.expand` takes it.
        open: Whether it is.
    """

    script: str
    path: tuple[str | int, ...]
    open: bool = True


class SavedTheme(NamedTuple):
    """A theme chosen by hand, and the configured one in whose stead; it counts as long as that is set."""

    chosen: str
    instead_of: str


class SavedPane(NamedTuple):
    """What the user set in one pane.

    Attributes:
        filter: As typed, "" for none.
        sort: Title of the column that rows are sorted by, "" for their natural order.
        descending: Whether the order is inverted.
        column: Title of the column that the cursor is on, "" for the first.
        settings: What only this pane has, by name.
    """

    filter: str = ""
    sort: str = ""
    descending: bool = False
    column: str = ""
    settings: Mapping[str, Scalar] = {}


@dataclass(frozen=True)
class SavedState:
    """All that is remembered of a project.

    Attributes:
        layout: Of the panes.
        theme: Chosen by hand, None when the configured one is shown.
        scripts: That were open, in order of loading; every alias once.
        watches: In order.
        rows: Of the tree of variables; what holds a row comes before it.
        panes: By name; a pane in which nothing was set is left out.
    """

    layout: Layout = field(default_factory=Layout)
    theme: SavedTheme | None = None
    scripts: tuple[SavedScript, ...] = ()
    watches: tuple[SavedWatch, ...] = ()
    rows: tuple[SavedRow, ...] = ()
    panes: Mapping[PaneName, SavedPane] = field(default_factory=dict[PaneName, SavedPane])


# -- writing -------------------------------------------------------------------------------------------------


def encode(state: SavedState, project: str) -> bytes:
    """Write a state down.

    Args:
        state: What is remembered.
        project: Folder it belongs to; `decode` refuses it for another one.
    """
    layout = state.layout
    document = {
        "format": FORMAT,
        "version": VERSION,
        "project": project,
        "layout": {
            "recent": layout.recent,
            "hidden": sorted(layout.hidden),
            "sizes": layout.sizes,
            "maximised": layout.maximised,
        },
        "theme": None if state.theme is None else state.theme._asdict(),
        "scripts": [script._asdict() for script in state.scripts],
        "watches": [watch._asdict() for watch in state.watches],
        "rows": [row._asdict() for row in state.rows],
        "panes": {name: {**pane._asdict(), "settings": dict(pane.settings)} for name, pane in _sorted(state)},
    }
    # Escaped, so that also a path that is no valid Unicode can be written.
    import json

    return json.dumps(document, ensure_ascii=True, allow_nan=False, indent=1).encode("ascii") + b"\n"


def _sorted(state: SavedState) -> list[tuple[PaneName, SavedPane]]:
    return sorted(state.panes.items(), key=lambda item: list(PaneName).index(item[0]))


# -- reading -------------------------------------------------------------------------------------------------


def decode(text: bytes, project: str) -> tuple[SavedState, tuple[str, ...]]:
    """Read a state.

    Args:
        text: What a file holds; anything.
        project: Folder it must belong to.

    Returns:
        The state, and what was left out of it: a sentence for each.

    Raises:
        StateError: It is damaged, of something else, of another project or of a newer version.
    """
    import json

    try:
        document: Any = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise StateError(f"it is damaged ({error})") from None
    if not isinstance(document, dict):
        raise StateError("it is no state of the console")
    found = cast("dict[str, Any]", document)
    if found.get("format") != FORMAT:
        raise StateError("it is no state of the console")
    version = found.get("version")
    if isinstance(version, int) and not isinstance(version, bool) and version > VERSION:
        raise StateError("a newer scriptconsole wrote it")
    if version is True or version != VERSION:
        raise StateError("it has no version that was ever written")
    if found.get("project") != project:
        raise StateError("it belongs to another project")
    reader = _Reader()
    return reader.state(found), tuple(reader.left_out)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


class _Reader:
    """Takes what can be used from a document, and remembers what it left out."""

    def __init__(self) -> None:
        self.left_out: list[str] = []

    def state(self, document: dict[str, Any]) -> SavedState:
        known = ("format", "version", "project", "layout", "theme", "scripts", "watches", "rows", "panes")
        table = self._table(document, "", known)
        layout = self._layout(table.get("layout", {}))
        theme = table.get("theme")
        pairs = self._pairs(table.get("scripts", []), "scripts", ("alias", "path"))
        scripts = {alias: SavedScript(alias, path) for alias, path in pairs}
        if len(scripts) != len(pairs):
            self._leave_out("scripts", "an alias stands there twice")
        return SavedState(
            layout,
            None if theme is None else self._theme(theme),
            tuple(scripts.values()),
            tuple(
                SavedWatch(*pair)
                for pair in self._pairs(table.get("watches", []), "watches", ("script", "expression"))
            ),
            tuple(self._rows(table.get("rows", []))),
            dict(self._panes(table.get("panes", {}))),
        )

    def _leave_out(self, where: str, why: str) -> None:
        self.left_out.append(f"{where[:80]}: {why}")

    def _table(self, value: Any, where: str, known: Iterable[str]) -> dict[str, Any]:
        """The known entries of a JSON object."""
        if not isinstance(value, dict):
            self._leave_out(where, "is no table")
            return {}
        table = cast("dict[str, Any]", value)
        for name in table.keys() - set(known):
            self._leave_out(f"{where}.{name}".removeprefix("."), "is unknown")
        return {name: table[name] for name in known if name in table}

    def _list(self, value: Any, where: str) -> list[Any]:
        if not isinstance(value, list):
            self._leave_out(where, "is no list")
            return []
        entries = cast("list[Any]", value)
        if len(entries) > LIST_LIMIT:
            self._leave_out(where, f"has {len(entries):,} entries; the first {LIST_LIMIT:,} are used")
        return entries[:LIST_LIMIT]

    def _text(self, value: Any, where: str) -> str | None:
        if isinstance(value, str) and len(value) <= TEXT_LIMIT:
            return value
        self._leave_out(where, f"must be a text of at most {TEXT_LIMIT:,} characters")
        return None

    def _flag(self, value: Any, where: str) -> bool:
        if isinstance(value, bool):
            return value
        self._leave_out(where, "must be true or false")
        return False

    # -- layout ------------------------------------------------------------------------------------------

    def _layout(self, value: Any) -> Layout:
        table = self._table(value, "layout", ("recent", "hidden", "sizes", "maximised"))
        recent = self._names(table.get("recent", []), "layout.recent", PaneName)
        hidden = set(self._names(table.get("hidden", []), "layout.hidden", Slot))
        if len(hidden) == len(Slot):
            self._leave_out("layout.hidden", "one place must stay in sight")
            hidden = set[Slot]()
        layout = Layout(
            hidden=hidden, maximised=self._flag(table.get("maximised", False), "layout.maximised")
        )
        layout.recent = [*recent, *(name for name in PaneName if name not in recent)]
        for name, size in self._table(table.get("sizes", {}), "layout.sizes", SIZES).items():
            if _is_number(size) and 1 / LIMIT <= size <= LIMIT:
                layout.sizes[name] = float(size)
            else:
                self._leave_out(f"layout.sizes.{name}", f"must be from {1 / LIMIT:g} to {LIMIT:g}")
        return layout

    def _names[Name: (PaneName, Slot)](self, value: Any, where: str, names: type[Name]) -> list[Name]:
        """Names of an enumeration, each once."""
        found: dict[Name, None] = {}
        for entry in self._list(value, where):
            name = next((each for each in names if each == entry), None)
            if name is None or name in found:
                why = "stands there twice" if name is not None else "is unknown"
                self._leave_out(where, f"{str(entry)[:40]!r} {why}")
            else:
                found[name] = None
        return list(found)

    # -- the rest ----------------------------------------------------------------------------------------

    def _theme(self, value: Any) -> SavedTheme | None:
        table = self._table(value, "theme", SavedTheme._fields)
        chosen, instead_of = (self._text(table.get(name), f"theme.{name}") for name in SavedTheme._fields)
        return None if chosen is None or instead_of is None else SavedTheme(chosen, instead_of)

    def _pairs(self, value: Any, where: str, fields: tuple[str, str]) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        for index, entry in enumerate(self._list(value, where)):
            at = f"{where}[{index}]"
            table = self._table(entry, at, fields)
            one, other = (self._text(table.get(name), f"{at}.{name}") for name in fields)
            if one and other:
                found.append((one, other))
            elif one is not None and other is not None:
                self._leave_out(at, "must not be empty")
        return found

    def _rows(self, value: Any) -> Iterable[SavedRow]:
        for index, entry in enumerate(self._list(value, "rows")):
            at = f"rows[{index}]"
            table = self._table(entry, at, SavedRow._fields)
            script = self._text(table.get("script"), f"{at}.script")
            path = self._list(table.get("path", []), f"{at}.path")
            if not path or not all(map(is_step, path)):
                self._leave_out(f"{at}.path", "must be names and whole numbers")
            elif script == "":
                self._leave_out(at, "must not be empty")
            elif script is not None:
                yield SavedRow(script, tuple(path), self._flag(table.get("open", True), f"{at}.open"))

    def _panes(self, value: Any) -> Iterable[tuple[PaneName, SavedPane]]:
        for name, entry in self._table(value, "panes", list(PaneName)).items():
            where = f"panes.{name}"
            table = self._table(entry, where, SavedPane._fields)
            texts = {
                field: self._text(table.get(field, ""), f"{where}.{field}") or ""
                for field in ("filter", "sort", "column")
            }
            try:
                parse_filter(texts["filter"])
            except FilterError as error:
                self._leave_out(f"{where}.filter", str(error))
                texts["filter"] = ""
            descending = self._flag(table.get("descending", False), f"{where}.descending")
            settings = dict(self._settings(table.get("settings", {}), f"{where}.settings"))
            pane = SavedPane(**texts, descending=descending, settings=settings)
            if pane != SavedPane():
                yield PaneName(name), pane

    def _settings(self, value: Any, where: str) -> Iterable[tuple[str, Scalar]]:
        names = cast("dict[str, Any]", value).keys() if isinstance(value, dict) else ()
        for name, entry in self._table(value, where, list(names)[:LIST_LIMIT]).items():
            if isinstance(entry, str):
                if (text := self._text(entry, f"{where}.{name}")) is not None:
                    yield name, text
            elif isinstance(entry, bool) or _is_number(entry):
                yield name, entry
            else:
                self._leave_out(f"{where}.{name}", "must be a text, a number, true or false")


def is_step(value: object) -> bool:
    """Tell whether a step of an address can be kept."""
    if isinstance(value, str):
        return len(value) <= TEXT_LIMIT
    return isinstance(value, int) and _is_number(value)


def _is_number(value: Any) -> bool:
    # A whole number too large for a float has no place in a state.
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) < 2**53 if isinstance(value, int) else isfinite(value)
