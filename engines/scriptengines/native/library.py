"""An open native module as the rest of the engine sees it: functions with their lines, variables as text.

The library itself, its calls and its checks are `scriptnative`; making one from a C file is `compiler.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from scriptengines.tree import EXPANDABLE, MORE
from scriptengines.view import FunctionInfo
from scriptnative import NativeFunction, NativeLibrary, RunLock

from .compiler import SourceFile

if TYPE_CHECKING:
    from scriptengines.tree import Row

_LETTERS = {
    "l": "integer",
    "d": "double",
    "b": "bool",
    "s": "str",
    "y": "bytes",
    "p": "pointer",
    "L": "list",
    "D": "dict",
    "O": "reference",
    "A": "any",
}
_COMMENT_OR_STRING = re.compile(r'"(?:\\.|[^"\\\n])*"|//[^\n]*|/\*.*?\*/', re.DOTALL)


@dataclass(frozen=True, slots=True)
class NativeVariable:
    """One variable a module shows.

    Attributes:
        name: By which it is read and set.
        type: "int64", "double[512]", "string[64]" …
        value: Bounded text: at most 20 elements or 200 bytes.
        size: Number of elements or bytes, None for a single value.
        number: The value, if it is a single number.
    """

    name: str
    type: str
    value: str
    size: int | None
    number: float | None = None

    @property
    def is_array(self) -> bool:
        """Whether it has elements."""
        return self.size is not None and not self.type.startswith("string")

    def tree_row(self, flags: int) -> Row:
        """Itself as a row of the tree of variables."""
        flags |= EXPANDABLE if self.is_array else 0
        return 0, self.name, self.name, self.type, self.value, self.size, flags, self.number


class NativeModule:
    """One loaded native module.

    Attributes:
        library: The open library, for `load`, `unload`, `get`, `set` and `close`.
        sources: The files it was made from, if they are known.
    """

    def __init__(
        self,
        path: Path,
        lock: RunLock,
        host: Callable[[str, tuple[object, ...]], object],
        resolve: Callable[[str], object] | None = None,
        sources: Iterable[SourceFile] = (),
        inits: tuple[str, ...] = (),
    ) -> None:
        """Open a library; its `load` callback is not run yet.

        Args:
            path: The shared library.
            lock: Run lock of the script; every call into the module holds it.
            host: Called as host(name, args) for what the module asks of its host.
            resolve: Gives the callable for a function of the module that is passed out as a callback; by
                default the plain function.
            sources: The files it was made from, for lines.
            inits: Names of the Python extension modules in it.

        Raises:
            LoadError: It cannot be loaded, or is no native module.
        """
        self.sources = tuple(sources)
        self.library = NativeLibrary(str(path), lock, host, resolve or self.function, inits)
        self._places: dict[str, tuple[str, int]] = {}
        names = [name for name, _, _ in self.library.functions()]
        for source in self.sources:
            for name, line in definition_lines(source.text.decode("utf-8", "replace"), names).items():
                self._places.setdefault(name, (str(source.path), line))
        if self.sources:
            self.library.locate(str(self.sources[0].path), self._places)

    def function(self, name: str) -> NativeFunction:
        """The exported function of that name; UnknownFunction when there is none."""
        return self.library.function(name)

    def functions(self) -> list[FunctionInfo]:
        """What the module exports, in the order of its table."""
        return [
            FunctionInfo(name, readable_signature(signature), _first_paragraph(doc), self._line(name))
            for name, signature, doc in self.library.functions()
        ]

    def _line(self, name: str) -> int:
        return self._places.get(name, ("", 0))[1]

    def variables(self) -> list[NativeVariable]:
        """The module's variables; reads memory only, never waits for the module."""
        return [_show(*variable) for variable in self.library.variables()]

    def elements(self, array: NativeVariable, limit: int) -> list[Row]:
        """The first elements of an array, as rows of the tree of variables."""
        kind = array.type.partition("[")[0]
        rows: list[Row] = [
            (1, index, f"[{index}]", kind, repr(value), None, 0, _number(value))
            for index, value in enumerate(self.library.elements(array.name, max(0, limit)))
        ]
        hidden = (array.size or 0) - len(rows)
        if hidden > 0:
            rows.append((1, MORE, "…", "", f"{hidden:,} more", hidden, 0, None))
        return rows


def readable_signature(signature: str | None) -> str:
    """ "Ld...:s" as "(list, double, ...) -> str"; "(...)" when it is unchecked."""
    if signature is None:
        return "(...)"
    arguments, _, result = signature.rpartition(":")
    shown = f"({', '.join(_words(arguments))})"
    return f"{shown} -> {_words(result)[0] if result else 'None'}"


def _words(letters: str) -> list[str]:
    """The types in a valid list of letters."""
    words: list[str] = []
    levels: list[list[str]] = []
    tokens: list[str] = re.findall(r"\.\.\.|T\(|.", letters)
    for token in tokens:
        if token == "T(":
            levels.append(words)
            words = []
        elif token == ")":
            inner = f"tuple[{', '.join(words)}]"
            words = levels.pop()
            words.append(inner)
        else:
            words.append(_LETTERS.get(token, token))
    return words


def _first_paragraph(doc: str) -> str:
    return " ".join(doc.strip().split("\n\n", 1)[0].split())


def _show(name: str, kind: str, value: object, count: int) -> NativeVariable:
    if isinstance(value, list):
        shown = cast("list[object]", value)
        text = ", ".join(repr(item) for item in shown)
        return NativeVariable(name, kind, f"[{text}{', …' if count > len(shown) else ''}]", count)
    return NativeVariable(
        name, kind, repr(value), count if kind.startswith("string") else None, _number(value)
    )


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def definition_lines(text: str, names: list[str]) -> dict[str, int]:
    """Where the functions of a module's table are defined, as far as that can be read from the text.

    Args:
        text: The C source.
        names: Exported names.

    Returns:
        Lines from 1, without the names that were not found.
    """
    plain = _COMMENT_OR_STRING.sub(_blank_comment, text)
    lines: dict[str, int] = {}
    for name in names:
        entry = re.search(
            rf'(?:\{{|sc_export\()\s*(?:\.?name\s*=\s*)?b?"{re.escape(name)}"\s*,'
            r"\s*(?:\.?function\s*=\s*)?(?:<\w+>)?&?(\w+)",
            plain,
        )
        symbol = entry[1] if entry else name
        definition = re.search(rf"\b{re.escape(symbol)}\s*\(\s*(?:struct\s+)?sc_ctx\b[^;{{}}]*?[{{:]", plain)
        if definition:
            lines[name] = plain.count("\n", 0, definition.start()) + 1
    return lines


def _blank_comment(found: re.Match[str]) -> str:
    return found[0] if found[0].startswith('"') else re.sub(r"[^\n]", " ", found[0])
